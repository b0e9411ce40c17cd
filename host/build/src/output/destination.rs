//! An output of one file: a file that appears when it is complete, or stdout.

use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::Path;

use crate::error::{BuildError, Context, ErrorKind, Result};
use crate::request::Destination;

impl Destination {
    /// Whether two outputs would mix.
    pub(super) fn is_stdout(&self) -> bool {
        *self == Self::Stdout
    }

    /// Refuses what cannot work, before anything is built.
    pub(super) fn check(&self) -> Result<()> {
        let dest = match self {
            Self::Stdout if std::io::stdout().is_terminal() => {
                return Err(BuildError::input("stdout is a terminal")
                    .with_hint("send it to a file or a program, or name a file with dest=FILE"));
            }
            Self::Stdout => return Ok(()),
            Self::File(dest) => dest,
        };
        if dest.is_dir() {
            return Err(BuildError::input(format!("{} is a directory", dest.display()))
                .with_hint("dest names the file to write"));
        }
        if !parent(dest).is_dir() {
            return Err(BuildError::input(format!(
                "the directory of {} does not exist",
                dest.display()
            )));
        }
        Ok(())
    }

    /// Writes everything or leaves what was there; what is no regular file (a pipe, a device) is
    /// written as it is.
    pub(super) fn write(&self, run: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
        let what = || format!("write {self}");
        let straight = |file: &mut dyn Write, run: &mut dyn FnMut(&mut dyn Write) -> Result<()>| {
            let mut out = BufWriter::new(file);
            run(&mut out)?;
            out.flush().context(ErrorKind::Environment, what)
        };
        let mut run = Some(run);
        let mut once = |out: &mut dyn Write| run.take().map_or(Ok(()), |run| run(out));
        let dest = match self {
            Self::Stdout => return straight(&mut std::io::stdout().lock(), &mut once),
            Self::File(dest) => dest,
        };
        if std::fs::metadata(dest).is_ok_and(|found| !found.is_file()) {
            let mut file =
                File::options().write(true).open(dest).context(ErrorKind::Environment, what)?;
            return straight(&mut file, &mut once);
        }
        // As a file made by open(2): what the umask leaves.
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o666);
        let mut partial = tempfile::Builder::new()
            .prefix(dest.file_name().unwrap_or_default())
            .suffix(".partial")
            .permissions(mode)
            .tempfile_in(parent(dest))
            .context(ErrorKind::Environment, what)?;
        straight(partial.as_file_mut(), &mut once)?;
        partial
            .persist(dest)
            .map(drop)
            .map_err(|error| error.error)
            .context(ErrorKind::Environment, what)
    }
}

impl std::fmt::Display for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Stdout => f.write_str("stdout"),
        }
    }
}

/// The directory that holds a file.
pub(super) fn parent(dest: &Path) -> &Path {
    match dest.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_leaves_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let dest = dir.path().join("out.tar");
        let to = Destination::File(dest.clone());
        to.write(|out| out.write_all(b"first").context(ErrorKind::Environment, String::new))
            .unwrap();
        to.write(|out| {
            out.write_all(b"second").context(ErrorKind::Environment, String::new)?;
            Err(BuildError::failed("half way"))
        })
        .unwrap_err();
        assert_eq!(std::fs::read(&dest).unwrap(), b"first");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "the part is gone");
    }

    #[test]
    fn places_that_cannot_be_written_are_refused_early() {
        let dir = tempfile::tempdir().unwrap();
        let file = |path: &str| Destination::File(dir.path().join(path));
        file("new").check().unwrap();
        assert!(file("").check().unwrap_err().to_string().ends_with("is a directory"));
        assert!(file("none/new").check().unwrap_err().to_string().ends_with("does not exist"));
        Destination::File("bare".into()).check().unwrap();
    }
}
