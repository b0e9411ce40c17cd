//! What may be typed; the comments are the help texts.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::foreign::ForeignArgs;
use crate::progress;

/// Builds a Dockerfile into an OCI image and pushes it: no daemon, no root, no capability.
#[derive(Debug, Parser)]
#[command(name = "kiln", version, propagate_version = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build an image from a Dockerfile
    #[command(visible_alias = "b")]
    Build(Box<BuildArgs>),
    /// Check a Dockerfile without building it
    Check(Box<ResultArgs>),
    /// Say what a build would do: stages, steps, what is cached, who would execute each RUN
    Plan(Box<ResultArgs>),
    /// Say which runners work on this machine, and for each that does not, why and what to do
    Doctor(DoctorArgs),
}

/// Arguments of `kiln doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Directory that would hold the state of a build
    #[arg(long, value_name = "DIR", env = "KILN_WORK_DIR")]
    pub(crate) work_dir: Option<PathBuf>,
}

/// Arguments of `kiln build`; names and meanings as in `docker buildx build`.
#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    /// What COPY and ADD read: a directory, a tar archive, the URL of an archive or a git
    /// repository, or `-` for an archive or a Dockerfile on stdin
    #[arg(default_value = ".", value_name = "CONTEXT")]
    pub(crate) context: String,

    /// Dockerfile: a path (default: CONTEXT/Dockerfile), a URL, or `-` for stdin
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Option<String>,

    /// Name and optionally a tag of the result, such as `registry:5000/team/app:1.2`
    #[arg(short, long, value_name = "REF")]
    pub(crate) tag: Vec<String>,

    /// Push the result to the registries that the tags name
    #[arg(long)]
    pub(crate) push: bool,

    /// Where the result goes: `type=oci|oci-archive|docker|local|tar|registry,dest=PATH`
    #[arg(short, long, value_name = "SPEC")]
    pub(crate) output: Vec<String>,

    /// Set a build argument; without a value it is taken from the environment
    #[arg(long, value_name = "KEY[=VALUE]")]
    pub(crate) build_arg: Vec<String>,

    /// Stage to build
    #[arg(long, value_name = "STAGE")]
    pub(crate) target: Option<String>,

    /// Platforms to build for, separated by commas, such as `linux/amd64,linux/arm64`
    #[arg(long, value_name = "OS/ARCH[/VARIANT],...")]
    pub(crate) platform: Option<String>,

    /// Set a label of the image
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) label: Vec<String>,

    /// Set an annotation of the image's manifest
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) annotation: Vec<String>,

    /// Another context: a directory, an archive, a URL, `docker-image://REF` or
    /// `oci-layout://DIR[:TAG]`
    #[arg(long, value_name = "NAME=SOURCE")]
    pub(crate) build_context: Vec<String>,

    /// Secret for RUN --mount=type=secret: `id=ID[,src=FILE|,env=NAME]`
    #[arg(long, value_name = "SPEC")]
    pub(crate) secret: Vec<String>,

    /// SSH agent for RUN --mount=type=ssh and git (`default` alone): `default` or `ID=SOCKET`
    #[arg(long, value_name = "SPEC")]
    pub(crate) ssh: Vec<String>,

    /// Check the Dockerfile instead of building it: `--call=check`
    #[arg(long)]
    pub(crate) check: bool,

    /// What to do with the Dockerfile: `build`, `check`, `outline` (what the target takes from
    /// outside) or `targets`; with `,format=json` the answer is for programs
    #[arg(long, value_name = "NAME[,format=text|json]")]
    pub(crate) call: Option<String>,

    /// Use no cached result
    #[arg(long)]
    pub(crate) no_cache: bool,

    /// Use no cached result in these stages, separated by commas
    #[arg(long, value_name = "STAGE,...", value_delimiter = ',')]
    pub(crate) no_cache_filter: Vec<String>,

    /// Network of RUN steps
    #[arg(long, value_enum, default_value_t)]
    pub(crate) network: NetworkMode,

    /// Add a line to /etc/hosts of RUN steps
    #[arg(long, value_name = "HOST:IP")]
    pub(crate) add_host: Vec<String>,

    /// Size of /dev/shm in RUN steps, such as `128m`
    #[arg(long, value_name = "SIZE")]
    pub(crate) shm_size: Option<String>,

    /// Resource limit of RUN steps: `NAME=SOFT[:HARD]`, such as `nofile=1024:2048`
    #[arg(long, value_name = "NAME=SOFT[:HARD]")]
    pub(crate) ulimit: Vec<String>,

    /// What executes RUN steps
    #[arg(long, value_enum, default_value_t, env = "KILN_RUNNER")]
    pub(crate) runner: RunnerChoice,

    /// Bound on a step under `wasi`: `memory`, `total-memory`, `written` (sizes), `processes`,
    /// `descriptors`, `files`, `created` (numbers), `time` (seconds)
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) wasi_limit: Vec<String>,

    /// How new layers are compressed
    #[arg(long, value_enum, default_value_t)]
    pub(crate) compression: CompressionChoice,

    /// How progress is shown, on stderr
    #[arg(long, value_enum, default_value_t, env = "KILN_PROGRESS")]
    pub(crate) progress: progress::Mode,

    /// Print nothing but the image's digest and errors
    #[arg(short, long)]
    pub(crate) quiet: bool,

    /// Write the digest of the image's config to a file
    #[arg(long, value_name = "FILE")]
    pub(crate) iidfile: Option<PathBuf>,

    /// Write the result's digests and names to a file, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) metadata_file: Option<PathBuf>,

    /// Directory that holds all state of builds; several builds may share it
    #[arg(long, value_name = "DIR", env = "KILN_WORK_DIR")]
    pub(crate) work_dir: Option<PathBuf>,

    /// Reach this registry by plain HTTP
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) insecure_registry: Vec<String>,

    /// Do not verify this registry's certificate
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) skip_tls_verify_registry: Vec<String>,

    /// CA certificate for a registry
    #[arg(long, value_name = "HOST[:PORT]=FILE")]
    pub(crate) registry_certificate: Vec<String>,

    /// Pull through a mirror
    #[arg(long, value_name = "REGISTRY=MIRROR")]
    pub(crate) registry_mirror: Vec<String>,

    #[command(flatten)]
    pub(crate) foreign: ForeignArgs,
}

/// Arguments of `kiln check` and `kiln plan`.
#[derive(Debug, Args)]
pub(crate) struct ResultArgs {
    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: ResultFormat,

    #[command(flatten)]
    pub(crate) build: BuildArgs,
}

/// `kiln check --format`, `kiln plan --format`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ResultFormat {
    /// for people
    #[default]
    Text,
    /// for programs
    Json,
}

/// `--network`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum NetworkMode {
    /// the network of the pod or machine
    #[default]
    #[value(alias = "host")]
    Default,
    /// loopback alone
    None,
}

/// `--runner`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum RunnerChoice {
    /// the strongest sandbox that can run the step
    #[default]
    Auto,
    /// WebAssembly guests; nothing of the image is executed natively
    Wasi,
    /// Linux namespaces
    Namespaces,
    /// the view emulated in the process, for pods where the kernel grants nothing
    Emulated,
}

/// `--compression`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum CompressionChoice {
    /// readable everywhere
    #[default]
    Gzip,
    /// smaller and faster
    Zstd,
    /// as it is
    Uncompressed,
}
