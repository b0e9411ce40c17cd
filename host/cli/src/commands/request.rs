//! What `build`, `check` and `plan` are asked for: from arguments and environment to a request.

use std::collections::BTreeMap;
use std::sync::Arc;

use kiln_build::{BuildError, BuildRequest, EventSink, Output, Remotes, Result};
use kiln_dockerfile::platform::Platform;
use kiln_image::layer::compress::Compression;
use kiln_runner::{Cancel, Kind, Network};

use super::{context, results, secrets};
use crate::args::{BuildArgs, CompressionChoice, NetworkMode, RunnerChoice};
use crate::environment::Environment;
use crate::spec;

/// Reads them.
///
/// # Errors
/// Arguments that are wrong, and what opening the context says.
pub(super) fn request(
    args: &BuildArgs,
    environment: &Environment,
    cancel: Cancel,
    events: &dyn EventSink,
) -> Result<BuildRequest> {
    args.foreign.check()?;
    let mut build_args = BTreeMap::new();
    if let Some(epoch) = environment.text("SOURCE_DATE_EPOCH") {
        build_args.insert("SOURCE_DATE_EPOCH".to_owned(), epoch.to_owned());
    }
    for text in &args.build_arg {
        match text.split_once('=') {
            Some((key, value)) => build_args.insert(key.to_owned(), value.to_owned()),
            None => environment
                .text(text)
                .and_then(|value| build_args.insert(text.clone(), value.to_owned())),
        };
    }
    let pairs = |flag: &str, texts: &[String]| {
        texts.iter().map(|text| spec::key_value(flag, text)).collect::<Result<_>>()
    };
    let tags = args
        .tag
        .iter()
        .map(|tag| {
            tag.parse().map_err(|error| {
                BuildError::input(format!("--tag {tag}: {error}"))
                    .with_hint("an image is named [HOST[:PORT]/]NAME[:TAG], in lower case")
            })
        })
        .collect::<Result<_>>()?;
    let mut outputs =
        args.output.iter().map(|text| spec::output(text)).collect::<Result<Vec<_>>>()?;
    results::check_places(args, &outputs)?;
    if args.push && !outputs.contains(&Output::Registry) {
        outputs.push(Output::Registry);
    }
    let work_dir = match &args.work_dir {
        Some(dir) => dir.clone(),
        None => environment.own_work_dir()?,
    };
    let ssh: BTreeMap<_, _> =
        args.ssh.iter().map(|text| secrets::agent(text, environment)).collect::<Result<_>>()?;
    let mut for_git = environment.texts();
    if let Some(socket) = ssh.get("default") {
        for_git.insert("SSH_AUTH_SOCK".to_owned(), socket.to_string_lossy().into_owned());
    }
    let secrets = args
        .secret
        .iter()
        .map(|text| secrets::secret(text, environment))
        .collect::<Result<BTreeMap<_, _>>>()?;
    let remotes = Remotes::new(&work_dir, &for_git, &cancel).with_secrets(&secrets);
    let inputs = context::open(&args.context, args.file.as_deref(), &build_args, &remotes, events)?;
    Ok(BuildRequest {
        context: inputs.context,
        dockerfile: inputs.dockerfile,
        ignore_file: inputs.ignore_file,
        target: args.target.clone(),
        build_args,
        labels: pairs("label", &args.label)?,
        annotations: pairs("annotation", &args.annotation)?,
        platforms: platforms(args.platform.as_deref())?,
        build_contexts: args
            .build_context
            .iter()
            .map(|text| spec::build_context(text))
            .collect::<Result<_>>()?,
        tags,
        outputs,
        use_cache: !args.no_cache,
        uncached_stages: args.no_cache_filter.clone(),
        network: match args.network {
            NetworkMode::Default => Network::Default,
            NetworkMode::None => Network::None,
        },
        extra_hosts: args.add_host.iter().map(|text| spec::host(text)).collect::<Result<_>>()?,
        shm_size: args.shm_size.as_deref().map(|text| spec::size("shm-size", text)).transpose()?,
        ulimits: args
            .ulimit
            .iter()
            .map(|text| {
                text.parse().map_err(|error| BuildError::input(format!("--ulimit {text}: {error}")))
            })
            .collect::<Result<_>>()?,
        runner: match args.runner {
            RunnerChoice::Auto => None,
            RunnerChoice::Wasi => Some(Kind::Wasi),
            RunnerChoice::Namespaces => Some(Kind::Namespaces),
            RunnerChoice::Emulated => Some(Kind::Emulated),
        },
        compression: match args.compression {
            CompressionChoice::Gzip => Compression::GZIP,
            CompressionChoice::Zstd => Compression::ZSTD,
            CompressionChoice::Uncompressed => Compression::None,
        },
        work_dir,
        secrets,
        ssh,
        remotes: Arc::new(remotes),
        cancel,
    })
}

fn platforms(text: Option<&str>) -> Result<Vec<Platform>> {
    let parse = |text: &str| {
        text.parse().map_err(|error| {
            let error = BuildError::input(format!("--platform {text}: {error}"));
            error.with_better_hint(Platform::near(text).map(|near| format!("did you mean {near}?")))
        })
    };
    text.map_or(Ok(Vec::new()), |text| text.split(',').map(parse).collect())
}
