//! Flags of `docker buildx build` that name something kiln does not have: an error that says what
//! to do, where a value asks for it.

use kiln_build::{BuildError, Result};

/// The flags, as given.
#[derive(Debug, clap::Args)]
pub(crate) struct ForeignArgs {
    /// Always ask the registry for the bases' newest images; kiln always does
    #[arg(long)]
    pub(crate) pull: bool,

    #[arg(long, hide = true)]
    load: bool,
    #[arg(long, hide = true, value_name = "SPEC")]
    cache_from: Vec<String>,
    #[arg(long, hide = true, value_name = "SPEC")]
    cache_to: Vec<String>,
    #[arg(long, hide = true, value_name = "SPEC")]
    attest: Vec<String>,
    #[arg(long, hide = true, value_name = "SPEC", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    provenance: Option<String>,
    #[arg(long, hide = true, value_name = "SPEC", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    sbom: Option<String>,
    #[arg(long, hide = true, value_name = "ENTITLEMENT")]
    allow: Vec<String>,
    #[arg(long, hide = true, value_name = "NAME")]
    builder: Option<String>,
    #[arg(long, hide = true, value_name = "GROUP")]
    cgroup_parent: Option<String>,
}

impl ForeignArgs {
    /// Refuses what was asked for and cannot be had.
    pub(crate) fn check(&self) -> Result<()> {
        let asked = |value: &Option<String>| value.as_deref().is_some_and(|value| !is_off(value));
        let refusals = [
            (
                self.load,
                "--load",
                "kiln has no daemon to load an image into; write an archive with --output type=docker,dest=FILE and `docker load` it",
            ),
            (
                !self.cache_from.is_empty(),
                "--cache-from",
                "steps are cached in --work-dir alone; keep that directory between builds",
            ),
            (
                !self.cache_to.is_empty(),
                "--cache-to",
                "steps are cached in --work-dir alone; keep that directory between builds",
            ),
            (
                self.attest.iter().any(|value| !is_off(value)),
                "--attest",
                "kiln writes no attestations; remove the flag",
            ),
            (
                asked(&self.provenance),
                "--provenance",
                "kiln writes no attestations; remove the flag or say --provenance=false",
            ),
            (
                asked(&self.sbom),
                "--sbom",
                "kiln writes no attestations; remove the flag or say --sbom=false",
            ),
            (
                self.allow.iter().any(|value| value != "network.host"),
                "--allow",
                "kiln grants no step more rights than the pod has; remove the flag",
            ),
            (self.builder.is_some(), "--builder", "kiln is the builder; remove the flag"),
            (
                self.cgroup_parent.is_some(),
                "--cgroup-parent",
                "kiln makes no cgroups; bound the pod or the job that runs it",
            ),
        ];
        match refusals.into_iter().find(|(given, ..)| *given) {
            Some((_, flag, hint)) => {
                Err(BuildError::input(format!("{flag} is not supported")).with_hint(hint))
            }
            None => Ok(()),
        }
    }
}

/// `false`, `disabled=true`: what CI files write to turn an attestation off.
fn is_off(value: &str) -> bool {
    value.split(',').any(|field| matches!(field, "false" | "disabled=true"))
}
