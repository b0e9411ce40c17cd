//! The process's environment, read once: libraries get what they need as values.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use kiln_build::{BuildError, ErrorKind, Result};

/// A copy of the environment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment(BTreeMap<String, OsString>);

impl Environment {
    /// Reads the process's environment; names that are not UTF-8 are nobody's here.
    pub(crate) fn read() -> Self {
        Self(
            std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
                .collect(),
        )
    }

    /// An environment of these variables.
    #[cfg(test)]
    pub(crate) fn of(pairs: &[(&str, &str)]) -> Self {
        Self(pairs.iter().map(|(n, v)| ((*n).to_owned(), OsString::from(v))).collect())
    }

    /// A variable as it is.
    pub(crate) fn os(&self, name: &str) -> Option<&OsStr> {
        self.0.get(name).map(OsString::as_os_str)
    }

    /// A variable as text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.to_str()
    }

    /// A variable as a path; an empty one counts as unset.
    pub(crate) fn path(&self, name: &str) -> Option<PathBuf> {
        self.0.get(name).filter(|value| !value.is_empty()).map(PathBuf::from)
    }

    /// Every variable that is text.
    pub(crate) fn texts(&self) -> BTreeMap<String, String> {
        self.0
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), value.to_str()?.to_owned())))
            .collect()
    }

    /// Where builds keep their state when nobody says.
    ///
    /// # Errors
    /// The directory lies where all can write, as in `/tmp`, and is another user's, who could read
    /// and change what builds keep there.
    pub(crate) fn own_work_dir(&self) -> Result<PathBuf> {
        const WRITABLE_BY_ALL: u32 = 0o002;
        let dir = self.default_work_dir();
        let parent = dir.parent().and_then(|parent| std::fs::metadata(parent).ok());
        let is_shared = parent.is_some_and(|parent| parent.mode() & WRITABLE_BY_ALL != 0);
        match std::fs::symlink_metadata(&dir) {
            Ok(found) if is_shared && !is_mine(&found) => Err(BuildError::new(
                ErrorKind::Environment,
                format!("the work directory {} belongs to another user", dir.display()),
            )
            .with_hint("name one with --work-dir")),
            _ => Ok(dir),
        }
    }

    /// Where builds keep their state when nobody says: `$XDG_CACHE_HOME/kiln`, `~/.cache/kiln`,
    /// and below the temporary directory for a user without a home, as a random uid in a pod is.
    pub(crate) fn default_work_dir(&self) -> PathBuf {
        self.path("XDG_CACHE_HOME")
            .or_else(|| {
                let home = self.path("HOME").filter(|home| home != &PathBuf::from("/"))?;
                Some(home.join(".cache"))
            })
            .or_else(|| self.path("TMPDIR"))
            .unwrap_or_else(|| PathBuf::from("/tmp"))
            .join("kiln")
    }
}

/// A directory of ours or of root's.
fn is_mine(found: &Metadata) -> bool {
    let mine = rustix::process::geteuid().as_raw();
    found.is_dir() && (found.uid() == mine || found.uid() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_work_dir_that_others_planted_is_refused() {
        use std::os::unix::fs::{PermissionsExt, chown, symlink};
        let shared = tempfile::tempdir().unwrap();
        let environment = Environment::of(&[("TMPDIR", shared.path().to_str().unwrap())]);
        let work = shared.path().join("kiln");
        let mode = |mode| std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(shared.path(), mode(0o1777)).unwrap();
        assert_eq!(environment.own_work_dir().unwrap(), work);
        symlink("/", &work).unwrap();
        assert!(environment.own_work_dir().is_err());
        std::fs::remove_file(&work).unwrap();
        std::fs::create_dir(&work).unwrap();
        assert_eq!(environment.own_work_dir().unwrap(), work);
        // Only root can give it away.
        if chown(&work, Some(54321), None).is_ok() {
            assert!(environment.own_work_dir().is_err());
            std::fs::set_permissions(shared.path(), mode(0o755)).unwrap();
            assert_eq!(environment.own_work_dir().unwrap(), work, "nobody else put it there");
        }
    }

    #[test]
    fn the_work_dir_has_a_place_for_everyone() {
        for (pairs, expected) in [
            (&[("XDG_CACHE_HOME", "/x"), ("HOME", "/h")][..], "/x/kiln"),
            (&[("HOME", "/h")], "/h/.cache/kiln"),
            (&[("HOME", "/"), ("TMPDIR", "/t")], "/t/kiln"),
            (&[], "/tmp/kiln"),
        ] {
            assert_eq!(Environment::of(pairs).default_work_dir(), PathBuf::from(expected));
        }
    }
}
