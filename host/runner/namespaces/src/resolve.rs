//! Where a path of the image leads, also when it leads to something that is not there yet.
//!
//! `openat2(RESOLVE_IN_ROOT)` answers only for what exists. A mountpoint must be created where the
//! path leads, through whatever symlinks the image has, and never outside of the root.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, fstat, openat, readlinkat};
use rustix::io::Errno;

/// Symlinks that one path may lead through, as in the kernel: a cycle ends here.
const MAX_SYMLINKS: u32 = 40;

/// Components that one path may have, symlinks expanded: an image could otherwise keep kiln busy
/// with targets that double at each step.
const MAX_COMPONENTS: usize = 4096;

/// Where a path leads.
#[derive(Debug)]
pub(crate) struct Resolved {
    /// The components from the root, without symlinks as far as they exist.
    pub(crate) components: Vec<Vec<u8>>,
    /// How many of them exist.
    pub(crate) existing: usize,
    /// The last one's type, when all exist.
    pub(crate) file_type: Option<FileType>,
    /// The directory that holds the first missing component (`O_PATH`); when all exist, unused.
    pub(crate) deepest: OwnedFd,
    /// Whether the rest of the path lies in one of `covered`.
    pub(crate) beyond: bool,
}

/// Follows `path` from `root`. What lies in a directory of `covered` is not looked at: something
/// else will be mounted there by the time the path is used.
///
/// # Errors
/// `ENOTDIR`, `ELOOP` or `ENOENT` (`..` after a missing component) as the kernel would say, and
/// `ENAMETOOLONG` for more than [`MAX_COMPONENTS`] components.
pub(crate) fn resolve(
    root: BorrowedFd<'_>,
    path: &[u8],
    covered: &[Vec<Vec<u8>>],
) -> Result<Resolved, Errno> {
    let top = open(root, b".")?;
    let mut stack: Vec<(Vec<u8>, OwnedFd)> = Vec::new();
    let mut pending: VecDeque<Vec<u8>> = components(path).collect();
    let mut symlinks = 0;
    while let Some(component) = pending.pop_front() {
        if component == b".." {
            stack.pop();
            continue;
        }
        if pending.len() > MAX_COMPONENTS || stack.len() > MAX_COMPONENTS {
            return Err(Errno::NAMETOOLONG);
        }
        let directory = stack.last().map_or(&top, |(_, fd)| fd);
        let fd = match open(directory.as_fd(), &component) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => {
                pending.push_front(component);
                return unseen(stack, top, pending, false);
            }
            Err(errno) => return Err(errno),
        };
        match FileType::from_raw_mode(fstat(&fd)?.st_mode) {
            FileType::Symlink => {
                symlinks += 1;
                if symlinks > MAX_SYMLINKS {
                    return Err(Errno::LOOP);
                }
                let target = readlinkat(&fd, c"", Vec::new())?.into_bytes();
                if target.starts_with(b"/") {
                    stack.clear();
                }
                for component in components(&target).rev() {
                    pending.push_front(component);
                }
            }
            FileType::Directory => {
                stack.push((component, fd));
                let names = stack.iter().map(|(name, _)| name);
                if covered.iter().any(|place| place.iter().eq(names.clone())) {
                    return unseen(stack, top, pending, true);
                }
            }
            file_type if pending.is_empty() => {
                let mut names: Vec<_> = stack.into_iter().map(|(name, _)| name).collect();
                names.push(component);
                let existing = names.len();
                return Ok(Resolved {
                    components: names,
                    existing,
                    file_type: Some(file_type),
                    deepest: top,
                    beyond: false,
                });
            }
            _ => return Err(Errno::NOTDIR),
        }
    }
    unseen(stack, top, pending, false)
}

/// The answer when `pending` is taken as it is written: missing, or covered, or nothing at all.
fn unseen(
    mut stack: Vec<(Vec<u8>, OwnedFd)>,
    top: OwnedFd,
    pending: VecDeque<Vec<u8>>,
    beyond: bool,
) -> Result<Resolved, Errno> {
    if pending.iter().any(|component| component == b"..") {
        return Err(Errno::NOENT);
    }
    let existing = stack.len();
    let file_type = pending.is_empty().then_some(FileType::Directory);
    let (last, deepest) = stack.pop().map_or((None, top), |(name, fd)| (Some(name), fd));
    let mut names: Vec<_> = stack.into_iter().map(|(name, _)| name).chain(last).collect();
    names.extend(pending);
    Ok(Resolved { components: names, existing, file_type, deepest, beyond })
}

/// The parts of a path that mean something.
pub(crate) fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = Vec<u8>> {
    path.split(|&byte| byte == b'/')
        .filter(|part| !part.is_empty() && *part != b".")
        .map(<[u8]>::to_vec)
}

/// One component, itself and not where it leads.
fn open(directory: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    openat(directory, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn paths_stay_in_the_root() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir_all(at("etc/deep")).unwrap();
        std::fs::create_dir(at("run")).unwrap();
        std::fs::write(at("etc/file"), "").unwrap();
        symlink("../../../../run/x/resolv.conf", at("etc/resolv.conf")).unwrap();
        symlink("/etc/deep", at("absolute")).unwrap();
        symlink("loop", at("loop")).unwrap();
        symlink("/cache/../etc", at("through")).unwrap();
        std::fs::create_dir(at("cache")).unwrap();
        let root = rustix::fs::open(dir.path(), OFlags::PATH, Mode::empty()).unwrap();
        let covered = [vec![b"cache".to_vec()]];
        type Expected = Result<(&'static str, usize, bool), Errno>;
        let cases: [(&str, Expected); 13] = [
            ("/", Ok(("", 0, false))),
            ("/etc/file", Ok(("etc/file", 2, false))),
            ("/../../etc/./file", Ok(("etc/file", 2, false))),
            ("/etc/resolv.conf", Ok(("run/x/resolv.conf", 1, false))),
            ("/absolute/a/b", Ok(("etc/deep/a/b", 2, false))),
            ("/absolute/../file", Ok(("etc/file", 2, false))),
            ("/new", Ok(("new", 0, false))),
            ("/cache", Ok(("cache", 1, true))),
            ("/cache/a/b", Ok(("cache/a/b", 1, true))),
            ("/loop", Err(Errno::LOOP)),
            ("/etc/file/x", Err(Errno::NOTDIR)),
            ("/new/../etc", Err(Errno::NOENT)),
            ("/through", Err(Errno::NOENT)),
        ];
        for (path, expected) in cases {
            let found = resolve(root.as_fd(), path.as_bytes(), &covered).map(|resolved| {
                let path = String::from_utf8(resolved.components.join(&b'/')).unwrap();
                (path, resolved.existing, resolved.beyond)
            });
            let expected =
                expected.map(|(path, existing, beyond)| (path.to_owned(), existing, beyond));
            assert_eq!(found, expected, "{path}");
        }
    }

    /// Names of what a random tree consists of, and of what paths lead through.
    const NAMES: [&str; 4] = ["a", "b", "c", ".."];

    proptest::proptest! {
        /// What exists is found where the kernel finds it; what does not is missing for both.
        #[test]
        fn the_kernel_agrees(
            directories in proptest::collection::vec(proptest::collection::vec(0..3_usize, 1..4), 0..5),
            links in proptest::collection::vec(
                (proptest::collection::vec(0..3_usize, 1..4), proptest::bool::ANY,
                 proptest::collection::vec(0..4_usize, 1..5)), 0..6),
            path in proptest::collection::vec(0..4_usize, 1..7),
        ) {
            let dir = tempfile::tempdir().unwrap();
            let text = |parts: &[usize]| parts.iter().map(|&at| NAMES[at]).collect::<Vec<_>>().join("/");
            for directory in &directories {
                drop(std::fs::create_dir_all(dir.path().join(text(directory))));
            }
            for (name, absolute, target) in &links {
                let slash = if *absolute { "/" } else { "" };
                // Outside of the tree nothing is made: names hold no `..`, and no link is followed
                // that is not there yet.
                let place = dir.path().join(text(name));
                if std::fs::canonicalize(place.parent().unwrap()).is_ok_and(|at| at.starts_with(dir.path())) {
                    drop(symlink(format!("{slash}{}", text(target)), place));
                }
            }
            let root = rustix::fs::open(dir.path(), OFlags::PATH, Mode::empty()).unwrap();
            let path = text(&path);
            let resolve_flags = rustix::fs::ResolveFlags::IN_ROOT;
            let kernel = rustix::fs::openat2(&root, &*path, OFlags::PATH, Mode::empty(), resolve_flags);
            let ours = resolve(root.as_fd(), path.as_bytes(), &[]);
            match (kernel, ours) {
                (Ok(fd), Ok(found)) => {
                    assert_eq!(found.existing, found.components.len());
                    let place = [&b"."[..], &found.components.join(&b'/')].join(&b'/');
                    let flags = rustix::fs::ResolveFlags::NO_SYMLINKS | rustix::fs::ResolveFlags::BENEATH;
                    let same = rustix::fs::openat2(&root, place, OFlags::PATH, Mode::empty(), flags).unwrap();
                    assert_eq!(fstat(&fd).unwrap().st_ino, fstat(&same).unwrap().st_ino);
                }
                (Err(Errno::NOENT), Ok(found)) => assert!(found.existing < found.components.len()),
                (Err(kernel), Err(ours)) => assert_eq!(kernel, ours),
                (kernel, ours) => panic!("{path}: {kernel:?}, {ours:?}"),
            }
        }
    }
}
