//! The process's environment, read once: libraries get what they need as values.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

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

#[cfg(test)]
mod tests {
    use super::*;

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
