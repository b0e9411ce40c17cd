//! The context, the Dockerfile and the ignore file of a build, wherever they are.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Instant;

use kiln_build::{
    BuildContext, BuildError, ContextOptions, ContextSource, DockerfileText, Event, EventSink,
    FromStdin, Remotes, Result, StepEnd,
};

use crate::within;

/// A Dockerfile or an ignore file longer than this is not one: it is held in memory.
const MAX_TEXT: u64 = 16 << 20;
/// Means stdin in place of a context or a Dockerfile.
const STDIN: &str = "-";
/// The file that says what COPY does not see.
const IGNORE_FILE: &str = ".dockerignore";
/// The name of the Dockerfile when nobody says.
const USUAL_NAME: &str = "Dockerfile";

/// What a build starts from.
pub(super) struct Inputs {
    pub(super) context: BuildContext,
    pub(super) dockerfile: DockerfileText,
    pub(super) ignore_file: Option<String>,
}

/// Opens the context that was named and reads the Dockerfile that belongs to it.
pub(super) fn open(
    context: &str,
    file: Option<&str>,
    build_args: &BTreeMap<String, String>,
    remotes: &Remotes,
    events: &dyn EventSink,
) -> Result<Inputs> {
    let file = Named::of(file);
    if context == STDIN {
        return from_stdin(&file, remotes);
    }
    let source = ContextSource::parse(context)?;
    if let ContextSource::Directory(dir) = &source {
        let context = BuildContext::open(&source, ContextOptions::default(), remotes)?;
        let (dockerfile, ignore_file) = of_directory(&context, dir, &file, remotes)?;
        return Ok(Inputs { context, dockerfile, ignore_file });
    }
    let is_set = |name: &str| build_args.get(name).is_some_and(|value| !value.is_empty());
    let options = ContextOptions {
        keep_git_dir: build_args.get("BUILDKIT_CONTEXT_KEEP_GIT_DIR").is_some_and(|value| {
            matches!(value.as_str(), "1" | "t" | "T" | "true" | "TRUE" | "True")
        }),
        commit_times: is_set("SOURCE_DATE_EPOCH"),
    };
    let context = loading(&source, events, || BuildContext::open(&source, options, remotes))?;
    inside(context, &file, remotes)
}

/// Where `--file` says that the Dockerfile is.
enum Named<'a> {
    Usual,
    Stdin,
    Url(&'a str),
    Path(&'a str),
}

impl<'a> Named<'a> {
    fn of(file: Option<&'a str>) -> Self {
        match file {
            None => Self::Usual,
            Some(STDIN) => Self::Stdin,
            Some(url) if url.starts_with("http://") || url.starts_with("https://") => {
                Self::Url(url)
            }
            Some(path) => Self::Path(path),
        }
    }
}

fn from_stdin(file: &Named<'_>, remotes: &Remotes) -> Result<Inputs> {
    if let Named::Stdin = file {
        return Err(BuildError::input("stdin cannot be both the context and the Dockerfile")
            .with_hint("give a directory as the context, or put the Dockerfile into the archive"));
    }
    match BuildContext::from_stdin(std::io::stdin().lock(), remotes)? {
        FromStdin::Context(context) => inside(context, file, remotes),
        FromStdin::Dockerfile(_) if !matches!(file, Named::Usual) => {
            Err(BuildError::input("both stdin and --file give a Dockerfile")
                .with_hint("leave one of them out; a context on stdin is a tar archive"))
        }
        FromStdin::Dockerfile(bytes) => Ok(Inputs {
            context: BuildContext::empty(remotes)?,
            dockerfile: DockerfileText {
                name: USUAL_NAME.to_owned(),
                text: decode("stdin", bytes)?,
            },
            ignore_file: None,
        }),
    }
}

/// The Dockerfile of a context that is no directory of this machine: it is inside, unless it comes
/// from stdin or the web.
fn inside(context: BuildContext, file: &Named<'_>, remotes: &Remotes) -> Result<Inputs> {
    if let Some(dockerfile) = from_elsewhere(file, remotes)? {
        let ignore_file = read_text(&context, IGNORE_FILE)?;
        return Ok(Inputs { context, dockerfile, ignore_file });
    }
    let lower = USUAL_NAME.to_lowercase();
    let candidates = match (context.single_file(), file) {
        (Some(only), _) => vec![only],
        (None, Named::Path(path)) => vec![*path],
        (None, _) => vec![USUAL_NAME, &lower],
    };
    for name in &candidates {
        let Some(text) = read_text(&context, name)? else { continue };
        let ignore_file = match read_text(&context, &format!("{name}{IGNORE_FILE}"))? {
            Some(text) => Some(text),
            None => read_text(&context, IGNORE_FILE)?,
        };
        let dockerfile = DockerfileText { name: (*name).to_owned(), text };
        return Ok(Inputs { context, dockerfile, ignore_file });
    }
    Err(BuildError::input(format!("the context has no file {}", candidates[0]))
        .with_hint("name the Dockerfile with --file: a path inside the context, or - for stdin"))
}

/// The Dockerfile of a directory and the ignore file that goes with it. Those inside are found with
/// symlinks followed inside it: its author must not choose what of this machine an error shows.
fn of_directory(
    context: &BuildContext,
    dir: &Path,
    file: &Named<'_>,
    remotes: &Remotes,
) -> Result<(DockerfileText, Option<String>)> {
    let beside_context = || read_text(context, IGNORE_FILE);
    if let Some(dockerfile) = from_elsewhere(file, remotes)? {
        return Ok((dockerfile, beside_context()?));
    }
    let read = |path: &Path| match within::below(dir, path) {
        Some(inside) => read_text(context, &inside.to_string_lossy()),
        None => read_optional(path),
    };
    let candidates = match file {
        Named::Path(path) => vec![PathBuf::from(path)],
        _ => vec![dir.join(USUAL_NAME), dir.join(USUAL_NAME.to_lowercase())],
    };
    for path in &candidates {
        let Some(text) = read(path)? else { continue };
        let mut own_ignore = path.clone().into_os_string();
        own_ignore.push(IGNORE_FILE);
        let ignore = match read(Path::new(&own_ignore))? {
            Some(text) => Some(text),
            None => beside_context()?,
        };
        return Ok((DockerfileText { name: path.display().to_string(), text }, ignore));
    }
    let name = candidates[0].display();
    let error = BuildError::input(format!("failed to read the Dockerfile {name}: no such file"));
    Err(match file {
        _ if candidates[0].is_symlink() => error.with_hint(
            "it is a symbolic link, which is followed inside the context only; name the file \
             itself with --file",
        ),
        Named::Path(_) => error,
        _ => error.with_hint("pass another with --file"),
    })
}

/// A Dockerfile from stdin or the web.
fn from_elsewhere(file: &Named<'_>, remotes: &Remotes) -> Result<Option<DockerfileText>> {
    let name = USUAL_NAME.to_owned();
    match file {
        Named::Stdin => {
            let mut bytes = Vec::new();
            std::io::stdin().take(MAX_TEXT + 1).read_to_end(&mut bytes).map_err(|error| {
                BuildError::input("read the Dockerfile from stdin").with_source(error)
            })?;
            Ok(Some(DockerfileText { name, text: decode("stdin", bytes)? }))
        }
        Named::Url(url) => {
            let source = ContextSource::Http((*url).to_owned());
            let fetched = BuildContext::open(&source, ContextOptions::default(), remotes)?;
            let text = fetched.single_file().map(|name| read_text(&fetched, name)).transpose()?;
            match text.flatten() {
                Some(text) => Ok(Some(DockerfileText { name, text })),
                None => Err(BuildError::input(format!("{} is no Dockerfile", source.shown()))
                    .with_hint("it is an archive: give it as the context")),
            }
        }
        Named::Usual | Named::Path(_) => Ok(None),
    }
}

/// Tells that a context is fetched.
fn loading<T>(
    source: &ContextSource,
    events: &dyn EventSink,
    load: impl FnOnce() -> Result<T>,
) -> Result<T> {
    if !source.is_remote() {
        return load();
    }
    // Steps of the build count from 1.
    let id = 0;
    let name = format!("[internal] load remote build context {}", source.shown());
    events.event(&Event::StepStarted { id, name: &name });
    let started = Instant::now();
    let loaded = load();
    let end = if loaded.is_ok() { StepEnd::Done } else { StepEnd::Failed };
    events.event(&Event::StepFinished { id, elapsed: started.elapsed(), end });
    loaded
}

fn read_text(context: &BuildContext, path: &str) -> Result<Option<String>> {
    context.read(path)?.map(|bytes| decode(path, bytes)).transpose()
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
