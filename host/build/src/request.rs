//! What is to be built: the command line, resolved and checked.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use kiln_dockerfile::platform::Platform;
use kiln_image::layer::compress::Compression;
use kiln_image::reference::Reference;
use kiln_runner::{Cancel, Kind, Network, Ulimit};

use crate::contexts::{BuildContext, ContextSource};
use crate::remote::Remotes;

/// Everything that a build depends on; nothing is read from the environment later.
#[derive(Debug)]
pub struct BuildRequest {
    /// What COPY and ADD read.
    pub context: BuildContext,
    /// The Dockerfile.
    pub dockerfile: DockerfileText,
    /// The text of the ignore file that applies, when there is one.
    pub ignore_file: Option<String>,
    /// The stage to build; the last one when `None`.
    pub target: Option<String>,
    /// `--build-arg`, by name.
    pub build_args: BTreeMap<String, String>,
    /// `--label`, by name.
    pub labels: BTreeMap<String, String>,
    /// `--annotation`, by name.
    pub annotations: BTreeMap<String, String>,
    /// `--platform`: one image each, and an index of them when there are several; the machine's own
    /// when empty.
    pub platforms: Vec<Platform>,
    /// `--build-context`, by name.
    pub build_contexts: BTreeMap<String, NamedContext>,
    /// `--tag`.
    pub tags: Vec<Reference>,
    /// Where the image goes.
    pub outputs: Vec<Output>,
    /// Whether cached results of earlier builds may be used.
    pub use_cache: bool,
    /// `--no-cache-filter`: stages for which they may not.
    pub uncached_stages: Vec<String>,
    /// `--network`.
    pub network: Network,
    /// `--add-host`: name and address.
    pub extra_hosts: Vec<(String, String)>,
    /// `--shm-size` in bytes.
    pub shm_size: Option<u64>,
    /// `--ulimit`.
    pub ulimits: Vec<Ulimit>,
    /// `--runner`; `None` is automatic.
    pub runner: Option<Kind>,
    /// How new layers are compressed.
    pub compression: Compression,
    /// Where blobs, caches and stages live.
    pub work_dir: PathBuf,
    /// `--secret`, by id.
    pub secrets: BTreeMap<String, Secret>,
    /// `--ssh`: the sockets of agents, by id.
    pub ssh: BTreeMap<String, PathBuf>,
    /// Fetches what the Dockerfile and the contexts name.
    pub remotes: Arc<Remotes>,
    /// Stops the build when set.
    pub cancel: Cancel,
}

/// The build argument that asks for an index of one image too, as in BuildKit.
const MULTI_PLATFORM_ARG: &str = "BUILDKIT_MULTI_PLATFORM";

impl BuildRequest {
    /// Whether an index is made of one image too.
    pub(crate) fn wants_index(&self) -> bool {
        let value = self.build_args.get(MULTI_PLATFORM_ARG).map(String::as_str);
        matches!(value, Some("1" | "t" | "T" | "TRUE" | "true" | "True"))
    }
}

/// A secret; its value is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub Vec<u8>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A Dockerfile's name, for messages, and its text.
#[derive(Clone, Debug)]
pub struct DockerfileText {
    /// As the user would name it.
    pub name: String,
    /// The whole text.
    pub text: String,
}

/// What `--build-context NAME=…` names.
#[derive(Clone, Debug)]
pub enum NamedContext {
    /// Files.
    Files(ContextSource),
    /// Nothing (`docker-image://scratch`).
    Scratch,
    /// An image of a registry (`docker-image://`).
    Image(Reference),
    /// An image of an OCI layout (`oci-layout://DIR[:TAG|@DIGEST]`), as written after the scheme.
    Layout(String),
}

/// The name under which a context is kept: as Docker shows an image's, without `:latest`.
#[must_use]
pub fn context_name(text: &str) -> String {
    match text.parse::<Reference>() {
        Ok(reference) if reference.digest.is_none() => {
            let familiar = reference.familiar();
            familiar.strip_suffix(":latest").unwrap_or(&familiar).to_owned()
        }
        _ => text.to_owned(),
    }
}

/// Where the built image goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// To the registries that the tags name.
    Registry,
    /// An OCI layout in a directory.
    OciLayout(PathBuf),
    /// An OCI layout in a tar file.
    OciArchive(Destination),
    /// What `docker load` reads.
    DockerArchive(Destination),
    /// The target stage's file system, in a directory.
    Local(PathBuf),
    /// The target stage's file system, in a tar file.
    Tar(Destination),
}

/// Where an output of one file goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// To this file.
    File(PathBuf),
    /// To kiln's stdout.
    Stdout,
}
