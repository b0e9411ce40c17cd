//! What differs between two results of one step.

use std::collections::BTreeSet;
use std::fmt;

use crate::stage::{Ended, Entry};

/// Bytes of a file or of output that a difference shows.
const SHOWN: usize = 300;

/// One thing that differs.
#[derive(Clone, Debug)]
pub(crate) struct Difference {
    /// A path of the layer, `stdout` or `exit status`.
    pub(crate) place: String,
    what: String,
}

impl Difference {
    fn new(place: &str, what: String) -> Self {
        Self { place: place.to_owned(), what }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// What differs in exit status, standard output and layer. `since` (seconds since 1970) is when the
/// stages began: times from then on are each machine's own.
pub(crate) fn differences(wasi: &Ended, native: &Ended, since: u64) -> Vec<Difference> {
    let mut found = Vec::new();
    if wasi.code != native.code {
        let what = format!("{} instead of {}", wasi.code, native.code);
        found.push(Difference::new("exit status", what));
    }
    if wasi.stdout != native.stdout {
        let what = format!("{:?} instead of {:?}", cut(&wasi.stdout), cut(&native.stdout));
        found.push(Difference::new("stdout", what));
    }
    let paths: BTreeSet<&String> = wasi.layer.keys().chain(native.layer.keys()).collect();
    for path in paths {
        let what = match (wasi.layer.get(path), native.layer.get(path)) {
            (Some(ours), Some(theirs)) => entry(ours, theirs, since),
            (Some(_), None) => Some("only under wasi".to_owned()),
            (None, _) => Some("not under wasi".to_owned()),
        };
        found.extend(what.map(|what| Difference::new(path, what)));
    }
    found
}

/// What differs on standard error: messages, which no layer holds.
pub(crate) fn messages(wasi: &Ended, native: &Ended) -> Option<String> {
    (wasi.stderr != native.stderr)
        .then(|| format!("stderr {:?} instead of {:?}", cut(&wasi.stderr), cut(&native.stderr)))
}

fn entry(wasi: &Entry, native: &Entry, since: u64) -> Option<String> {
    let mut wasi = wasi.clone();
    if wasi.mtime >= since && native.mtime >= since {
        wasi.mtime = native.mtime;
    }
    if wasi == *native {
        return None;
    }
    if wasi.content != native.content {
        let text = |bytes: &[u8]| cut(&String::from_utf8_lossy(bytes));
        return Some(format!(
            "content {:?} instead of {:?}",
            text(&wasi.content),
            text(&native.content)
        ));
    }
    let plain = |entry: &Entry| Entry { content: Vec::new(), ..entry.clone() };
    Some(format!("{:?} instead of {:?}", plain(&wasi), plain(native)))
}

fn cut(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}
