//! `--ulimit`: a resource limit of a step's processes (getrlimit(2)), as `docker build` takes it.

use std::fmt;
use std::str::FromStr;

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, setrlimit};

/// The limits' names, as `docker run --ulimit` has them.
const NAMES: [(&str, Resource); 15] = [
    ("core", Resource::Core),
    ("cpu", Resource::Cpu),
    ("data", Resource::Data),
    ("fsize", Resource::Fsize),
    ("locks", Resource::Locks),
    ("memlock", Resource::Memlock),
    ("msgqueue", Resource::Msgqueue),
    ("nice", Resource::Nice),
    ("nofile", Resource::Nofile),
    ("nproc", Resource::Nproc),
    ("rss", Resource::Rss),
    ("rtprio", Resource::Rtprio),
    ("rttime", Resource::Rttime),
    ("sigpending", Resource::Sigpending),
    ("stack", Resource::Stack),
];

/// One limit: `nofile=1024:2048`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ulimit {
    name: &'static str,
    resource: Resource,
    /// In the resource's own unit; `None` is unlimited.
    soft: Option<u64>,
    hard: Option<u64>,
}

/// A text that is no limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UlimitError {
    /// Not `NAME=SOFT[:HARD]`.
    #[error("`{0}` is not NAME=SOFT[:HARD]")]
    Form(String),
    /// A name that getrlimit(2) does not have.
    #[error("there is no limit `{0}`; there are: {names}", names = NAMES.map(|(name, _)| name).join(", "))]
    Name(String),
    /// A value that is neither a number nor -1.
    #[error("`{0}` is not a number, nor -1 for unlimited")]
    Value(String),
    /// The soft limit is above the hard one.
    #[error("the soft limit is above the hard limit in `{0}`")]
    Order(String),
}

impl FromStr for Ulimit {
    type Err = UlimitError;

    fn from_str(text: &str) -> Result<Self, UlimitError> {
        let form = || UlimitError::Form(text.to_owned());
        let (name, values) = text.split_once('=').ok_or_else(form)?;
        let (name, resource) = NAMES
            .into_iter()
            .find(|(known, _)| *known == name)
            .ok_or_else(|| UlimitError::Name(name.to_owned()))?;
        let (soft, hard) = values.split_once(':').unwrap_or((values, values));
        let (soft, hard) = (value(soft)?, value(hard)?);
        if soft.unwrap_or(u64::MAX) > hard.unwrap_or(u64::MAX) {
            return Err(UlimitError::Order(text.to_owned()));
        }
        Ok(Self { name, resource, soft, hard })
    }
}

fn value(text: &str) -> Result<Option<u64>, UlimitError> {
    match text {
        "-1" => Ok(None),
        text => text.parse().map(Some).map_err(|_| UlimitError::Value(text.to_owned())),
    }
}

impl fmt::Display for Ulimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |value: Option<u64>| value.map_or("-1".to_owned(), |value| value.to_string());
        write!(f, "{}={}:{}", self.name, show(self.soft), show(self.hard))
    }
}

impl Ulimit {
    /// Sets the limit for the calling process and its children. Allocates nothing: for use between
    /// fork and exec.
    ///
    /// # Errors
    /// setrlimit(2): `EPERM` where the hard limit would rise and `CAP_SYS_RESOURCE` is missing.
    pub fn set(&self) -> Result<(), Errno> {
        setrlimit(self.resource, Rlimit { current: self.soft, maximum: self.hard })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_and_shown() {
        for (text, shown) in [
            ("nofile=1062:1062", "nofile=1062:1062"),
            ("nproc=5", "nproc=5:5"),
            ("core=0:-1", "core=0:-1"),
            ("stack=-1", "stack=-1:-1"),
        ] {
            assert_eq!(text.parse::<Ulimit>().unwrap().to_string(), shown);
        }
        for text in ["", "nofile", "files=3", "nofile=x", "nofile=", "nofile=9:3", "core=-1:0"] {
            assert!(text.parse::<Ulimit>().is_err(), "{text}");
        }
    }
}
