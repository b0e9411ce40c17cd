//! `kiln build`.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use kiln_build::{BuildError, BuildRequest, Built, DockerfileText, ErrorKind, Output, Result};
use kiln_dockerfile::platform::Platform;
use kiln_image::layer::compress::Compression;
use kiln_runner::{Cancel, Kind, Network};

use super::{secrets, services};
use crate::args::{BuildArgs, CheckFormat, CompressionChoice, NetworkMode, RunnerChoice};
use crate::environment::Environment;
use crate::exit::ExitStatus;
use crate::{interrupt, progress, report_error, spec};

/// A Dockerfile or an ignore file longer than this is not one: it is held in memory.
const MAX_TEXT: u64 = 16 << 20;

/// Builds; the digest alone goes to stdout.
pub(crate) fn run(args: BuildArgs, environment: &Environment) -> ExitStatus {
    if args.check {
        return super::check::run(&args, CheckFormat::Text, environment);
    }
    match build(&args, environment) {
        Ok(built) => {
            // stdout holds one result: the archive that was sent there, or the digest.
            if !args.output.iter().any(|text| is_stdout(text)) {
                print_digest(&built);
            }
            ExitStatus::Success
        }
        Err(error) => {
            report_error::print(&error);
            error.kind().into()
        }
    }
}

fn is_stdout(output: &str) -> bool {
    output == "-" || output.split(',').any(|field| field == "dest=-")
}

#[expect(clippy::print_stdout, reason = "the digest is the command's result")]
fn print_digest(built: &Built) {
    println!("{}", built.digest);
}

fn build(args: &BuildArgs, environment: &Environment) -> Result<Built> {
    enter_user_namespace(args.runner, environment)?;
    let cancel = Cancel::default();
    interrupt::install(cancel.clone());
    let request = request(args, environment, cancel)?;
    let services = services::open(args, environment, &request.cancel)?;
    let mode = if args.quiet { progress::Mode::Quiet } else { args.progress };
    let events = progress::sink(mode);
    if request.outputs.is_empty() && mode != progress::Mode::Quiet {
        events.event(&kiln_build::Event::Warning {
            message: "no output was asked for: the image stays in the work directory; use --push \
                      or --output to deliver it",
        });
    }
    let built = kiln_build::build(&request, &services, events.as_ref())?;
    write_results(args, &built)
        .map_err(|error| BuildError::new(ErrorKind::Environment, format!("{error:#}")))?;
    Ok(built)
}

/// The files that `--iidfile` and `--metadata-file` name.
fn write_results(args: &BuildArgs, built: &Built) -> anyhow::Result<()> {
    if let Some(file) = &args.iidfile {
        write_file(file, built.config_digest.to_string().as_bytes())?;
    }
    if let Some(file) = &args.metadata_file {
        write_file(file, &metadata(built)?)?;
    }
    Ok(())
}

/// Makes kiln root of a user namespace where the namespaces runner may be used, needs it and gets
/// it; elsewhere kiln goes on as it is, with the runners that need nothing.
fn enter_user_namespace(runner: RunnerChoice, environment: &Environment) -> Result<()> {
    if matches!(runner, RunnerChoice::Wasi | RunnerChoice::Emulated) {
        return Ok(());
    }
    match kiln_runner_namespaces::reexec_in_user_namespace(environment.os("PATH")) {
        Err(refusal) if runner == RunnerChoice::Namespaces => {
            Err(BuildError::new(ErrorKind::Environment, "the namespaces runner does not work here")
                .with_source(refusal))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

pub(super) fn request(
    args: &BuildArgs,
    environment: &Environment,
    cancel: Cancel,
) -> Result<BuildRequest> {
    let context = context_dir(&args.context)?;
    let (dockerfile, ignore_file) = read_dockerfile(args, &context)?;
    let mut build_args = std::collections::BTreeMap::new();
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
    if args.push && !outputs.contains(&Output::Registry) {
        outputs.push(Output::Registry);
    }
    Ok(BuildRequest {
        context: Some(context),
        dockerfile,
        ignore_file,
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
        network: match args.network {
            NetworkMode::Default => Network::Default,
            NetworkMode::None => Network::None,
        },
        extra_hosts: args.add_host.iter().map(|text| spec::host(text)).collect::<Result<_>>()?,
        shm_size: args.shm_size.as_deref().map(|text| spec::size("shm-size", text)).transpose()?,
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
        work_dir: args.work_dir.clone().unwrap_or_else(|| environment.default_work_dir()),
        secrets: args
            .secret
            .iter()
            .map(|text| secrets::secret(text, environment))
            .collect::<Result<_>>()?,
        ssh: args
            .ssh
            .iter()
            .map(|text| secrets::agent(text, environment))
            .collect::<Result<_>>()?,
        env: environment.texts(),
        cancel,
    })
}

fn platforms(text: Option<&str>) -> Result<Vec<Platform>> {
    let parse = |text: &str| {
        text.parse().map_err(|error| BuildError::input(format!("--platform {text}: {error}")))
    };
    text.map_or(Ok(Vec::new()), |text| text.split(',').map(parse).collect())
}

fn context_dir(text: &str) -> Result<PathBuf> {
    if text == "-" || text.contains("://") || text.starts_with("git@") {
        return Err(BuildError::input(format!("the context `{text}` is not supported yet"))
            .with_hint("give a directory"));
    }
    let dir = PathBuf::from(text);
    if !dir.is_dir() {
        return Err(BuildError::input(format!("the context `{text}` is not a directory"))
            .with_hint("`kiln build DIR` takes the directory that COPY and ADD read"));
    }
    Ok(dir)
}

/// The Dockerfile and the ignore file that goes with it.
fn read_dockerfile(args: &BuildArgs, context: &Path) -> Result<(DockerfileText, Option<String>)> {
    let beside_context = || read_optional(&context.join(".dockerignore"));
    let path = match args.file.as_deref() {
        Some("-") => {
            let mut bytes = Vec::new();
            std::io::stdin().take(MAX_TEXT + 1).read_to_end(&mut bytes).map_err(|error| {
                BuildError::input("read the Dockerfile from stdin").with_source(error)
            })?;
            let text = decode("stdin", bytes)?;
            let dockerfile = DockerfileText { name: "Dockerfile".to_owned(), text };
            return Ok((dockerfile, beside_context()?));
        }
        Some(file) => PathBuf::from(file),
        None => default_dockerfile(context),
    };
    let name = path.display().to_string();
    let Some(text) = read_optional(&path)? else {
        let error =
            BuildError::input(format!("failed to read the Dockerfile {name}: no such file"));
        return Err(match args.file {
            Some(_) => error,
            None => error.with_hint("pass another with --file"),
        });
    };
    let mut own_ignore = path.into_os_string();
    own_ignore.push(".dockerignore");
    let ignore = match read_optional(Path::new(&own_ignore))? {
        Some(text) => Some(text),
        None => beside_context()?,
    };
    Ok((DockerfileText { name, text }, ignore))
}

/// The context's Dockerfile, also when its name is in lower case.
fn default_dockerfile(context: &Path) -> PathBuf {
    let (usual, lower) = (context.join("Dockerfile"), context.join("dockerfile"));
    if !usual.exists() && lower.exists() { lower } else { usual }
}

/// A text file; `None` when there is none.
fn read_optional(path: &Path) -> Result<Option<String>> {
    let what = || BuildError::input(format!("read {}", path.display()));
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(what().with_source(error)),
    };
    let mut bytes = Vec::new();
    file.take(MAX_TEXT + 1).read_to_end(&mut bytes).map_err(|error| what().with_source(error))?;
    decode(&path.display().to_string(), bytes).map(Some)
}

fn decode(name: &str, bytes: Vec<u8>) -> Result<String> {
    if bytes.len() as u64 > MAX_TEXT {
        return Err(BuildError::input(format!("{name} is longer than {MAX_TEXT} bytes")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count()
            + 1;
        BuildError::input(format!("{name}:{line}: the text is not UTF-8"))
    })
}

/// The result's digests and names, with buildx's keys.
fn metadata(built: &Built) -> anyhow::Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(&serde_json::json!({
        "containerimage.config.digest": built.config_digest.to_string(),
        "containerimage.descriptor": {
            "mediaType": built.media_type,
            "digest": built.digest.to_string(),
            "size": built.size,
        },
        "containerimage.digest": built.digest.to_string(),
        "image.name": built.names.join(","),
    }))?;
    text.push(b'\n');
    Ok(text)
}

/// Writes a result file whole or not at all.
fn write_file(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}.tmp", std::process::id()));
    std::fs::write(&temporary, bytes)
        .and_then(|()| std::fs::rename(&temporary, path))
        .inspect_err(|_| {
            let _gone = std::fs::remove_file(&temporary);
        })
        .with_context(|| format!("write {}", path.display()))
}
