//! What a build works with: the registry client and the runners.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kiln_build::{BuildError, Result, Services};
use kiln_registry::{Config, Registry};
use kiln_runner::{Cancel, Runner, Unavailable};
use kiln_runner_emulated::EmulatedRunner;
use kiln_runner_namespaces::Namespaces;
use kiln_runner_wasi::{Options as WasiOptions, WasiRunner};

use crate::args::BuildArgs;
use crate::environment::Environment;
use crate::spec;

/// How often a check tries again, and how long it waits for anything of a registry: a machine
/// without a network learns in seconds what its Dockerfile says.
const CHECK_RETRIES: u32 = 1;
const CHECK_PATIENCE: Duration = Duration::from_secs(5);

/// The services of a build; `refusal` is why the namespaces runner must not be used.
pub(super) fn open(
    args: &BuildArgs,
    environment: &Environment,
    cancel: &Cancel,
    refusal: Option<Unavailable>,
) -> Result<Services> {
    let bounds = spec::wasi_limits(&args.wasi_limit)?;
    let registry = registry(args, environment, cancel, Config::default())?;
    Ok(Services { registry, runners: runners(environment, bounds, refusal) })
}

/// The services of a check, which runs nothing and does without what a registry does not soon give.
pub(super) fn for_checks(
    args: &BuildArgs,
    environment: &Environment,
    cancel: &Cancel,
) -> Result<Services> {
    let mut config = Config::default();
    config.retry.retries = CHECK_RETRIES;
    config.retry.longest_wait = CHECK_PATIENCE;
    config.timeouts.connect = CHECK_PATIENCE;
    config.timeouts.idle = CHECK_PATIENCE;
    let registry = registry(args, environment, cancel, config)?;
    Ok(Services { registry, runners: Vec::new() })
}

/// Every runner of this program, in order of preference.
pub(super) fn runners(
    environment: &Environment,
    bounds: WasiOptions,
    refusal: Option<Unavailable>,
) -> Vec<Arc<dyn Runner>> {
    let namespaces = match refusal {
        Some(refusal) => Namespaces::refused(refusal),
        None => Namespaces::new(environment.os("PATH").map(ToOwned::to_owned)),
    };
    vec![Arc::new(WasiRunner::new(bounds)), Arc::new(namespaces), Arc::new(EmulatedRunner::new())]
}

fn registry(
    args: &BuildArgs,
    environment: &Environment,
    cancel: &Cancel,
    patience: Config,
) -> Result<Registry> {
    let mut config = Config { env: environment.texts(), cancel: cancel.flag(), ..patience };
    for host in &args.insecure_registry {
        config.registries.entry(host.clone()).or_default().plain_http = Some(true);
    }
    for host in &args.skip_tls_verify_registry {
        config.registries.entry(host.clone()).or_default().skip_tls_verify = true;
    }
    for text in &args.registry_certificate {
        let (host, file) = spec::key_value("registry-certificate", text)?;
        if !Path::new(&file).is_file() {
            return Err(BuildError::input(format!("--registry-certificate {text}: no such file")));
        }
        config.registries.entry(host).or_default().ca_files.push(file.into());
    }
    for text in &args.registry_mirror {
        let (host, mirror) = spec::key_value("registry-mirror", text)?;
        config.mirrors.entry(host).or_default().push(mirror);
    }
    Registry::new(config)
        .map_err(|error| BuildError::input("set up the registry client").with_source(error))
}
