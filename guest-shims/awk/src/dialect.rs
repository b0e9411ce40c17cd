//! Whose awk the image has: where they differ, the output must be that one's.

use std::cell::OnceCell;

use shim::{Context, Stop, native, paths, sys};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Mawk,
    Gawk,
    BusyBox,
}

/// The image's awk.
#[derive(Debug)]
pub(crate) struct Dialect {
    pub(crate) kind: Kind,
    old_mawk: OnceCell<bool>,
}

/// How many links lead from `/usr/bin/awk` to the program at most.
const MAX_LINKS: usize = 8;

impl Dialect {
    pub(crate) fn of_image(context: &Context) -> Result<Self, Stop> {
        let of = |kind| Ok(Self { kind, old_mawk: OnceCell::new() });
        match context.name.as_str() {
            _ if sys::is_busybox() => return of(Kind::BusyBox),
            "mawk" => return of(Kind::Mawk),
            "gawk" => return of(Kind::Gawk),
            _ => {}
        }
        let mut path = b"/usr/bin/awk".to_vec();
        for _ in 0..MAX_LINKS {
            let Ok(target) = sys::readlink(&path) else { break };
            path = if target.starts_with(b"/") {
                target
            } else {
                paths::join(paths::dir_name(&path), &target)
            };
        }
        match paths::base_name(&path) {
            b"gawk" => of(Kind::Gawk),
            b"mawk" => of(Kind::Mawk),
            // Without any awk in the image there is nothing to be like.
            b"awk" if sys::lstat(b"/usr/bin/awk").is_err() => of(Kind::Mawk),
            other => Err(native(format!("an awk that is {}", String::from_utf8_lossy(other)))),
        }
    }

    pub(crate) fn is_mawk(&self) -> bool {
        self.kind == Kind::Mawk
    }

    pub(crate) fn is_busybox(&self) -> bool {
        self.kind == Kind::BusyBox
    }

    pub(crate) fn is_gawk(&self) -> bool {
        self.kind == Kind::Gawk
    }

    /// Whether mawk is the one of Debian 10 to 12 and Ubuntu 20.04 to 22.04; later ones differ in
    /// big integers, intervals, `substr` before the beginning, and other corners.
    pub(crate) fn is_old_mawk(&self) -> bool {
        *self.old_mawk.get_or_init(|| {
            let status = sys::read_small(b"/var/lib/dpkg/status").unwrap_or_default();
            let Some(at) = find(&status, b"\nPackage: mawk\n")
                .map(|at| at + 1)
                .or_else(|| status.starts_with(b"Package: mawk\n").then_some(0))
            else {
                // No package says otherwise: an image without an awk gets this one.
                return sys::lstat(b"/usr/bin/mawk").is_err();
            };
            let paragraph = &status[at..];
            let end = find(paragraph, b"\n\n").unwrap_or(paragraph.len());
            find(&paragraph[..end], b"\nVersion: 1.3.4.20200120").is_some()
        })
    }

    /// For what differs between the versions of mawk.
    pub(crate) fn require_old_mawk(&self, what: &str) -> Result<(), Stop> {
        if self.is_old_mawk() {
            Ok(())
        } else {
            Err(native(format!("{what} in this version of mawk")))
        }
    }
}

fn find(text: &[u8], word: &[u8]) -> Option<usize> {
    text.windows(word.len()).position(|window| window == word)
}
