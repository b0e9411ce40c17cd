//! COPY and ADD: files from a context or another image into a rootfs.
//!
//! The semantics are those of BuildKit's `fsutil/copy`: a directory's content is merged into an
//! existing directory, a file replaces a file, nothing replaces a directory, and created parents
//! belong to root or to whom `--chown` says.

mod destination;
mod host_dir;
mod source;
mod tree;

pub use host_dir::HostDir;
pub use source::{Content, Source, Xattrs};

use crate::changes::ChangeSet;
use crate::error::Result;
use crate::metadata::Timestamp;
use crate::path;
use crate::rootfs::Rootfs;

/// The mode of directories that are made on the way to a destination.
const PARENT_MODE: u32 = 0o755;

/// Changes a mode: gets the mode (07777) and whether it is a directory's.
pub type ModeChange<'a> = dyn Fn(u32, bool) -> u32 + Sync + 'a;

/// Chooses among the paths below a source.
pub type Filter<'a> = dyn Fn(&[u8]) -> Choice + Sync + 'a;

/// What a [`Filter`] says of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// It is copied; what is below it is asked about.
    Copy,
    /// It is not copied, unless something below it is.
    Look,
    /// Neither it nor anything below it is copied.
    Skip,
}

/// How files are copied.
#[derive(Clone, Copy, Default)]
pub struct CopyOptions<'a> {
    /// Owner and group of everything copied or made; the source's when `None`.
    pub owner: Option<(u32, u32)>,
    /// Changes the mode of everything copied.
    pub mode: Option<&'a ModeChange<'a>>,
    /// The mode of parents that are made; 0755 when `None`.
    pub parent_mode: Option<u32>,
    /// The time of parents that are made; now when `None`.
    pub parent_time: Option<Timestamp>,
    /// Chooses among what is below the source, by paths relative to it.
    pub filter: Option<&'a Filter<'a>>,
    /// Whether a directory is copied itself, below an existing destination, instead of its content.
    pub keep_directory: bool,
}

impl std::fmt::Debug for CopyOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CopyOptions").field("owner", &self.owner).finish_non_exhaustive()
    }
}

/// Copies one file or directory.
///
/// `dest` ends in a slash when it is a directory whatever is there. Symlinks on the way to the
/// source and to the destination are followed inside their roots. Every path made or changed is
/// added to `changes`.
///
/// # Errors
/// What is missing or of the wrong type, with its path; the destination is then half-written, and
/// the caller's to throw away.
pub fn copy(
    source: &dyn Source,
    from: &[u8],
    rootfs: &Rootfs,
    dest: &[u8],
    options: &CopyOptions<'_>,
    changes: &mut ChangeSet,
) -> Result<()> {
    let written = path::clean(from);
    let from = source.canonicalize(from)?;
    let metadata = source.metadata(&from)?;
    let names_directory = dest.last() == Some(&b'/') || matches!(path::split(dest).1, b"" | b".");
    let parent = if names_directory { dest } else { path::split(dest).0 };
    destination::make_parents(rootfs, parent, options, changes)?;
    let mut target = destination::resolve(rootfs, dest)?;
    let existing = destination::followed(rootfs, &target)?;
    let contents = metadata.is_dir() && !options.keep_directory;
    let below = match existing {
        Some(existing) => {
            if metadata.is_dir() {
                options.keep_directory
            } else {
                existing.is_dir()
            }
        }
        None => false,
    };
    if below {
        // A symlink is followed, and what it leads to gets the name that was asked for.
        let name = if metadata.is_dir() { path::split(&from).1 } else { path::split(&written).1 };
        target = path::join(&target, name);
    }
    let parent = if contents && existing.is_none() { &target[..] } else { path::split(&target).0 };
    destination::make_parents(rootfs, parent, options, changes)?;
    tree::Copier::new(source, rootfs, *options, changes).run(&from, metadata, &target)
}

/// Writes a small file, as a heredoc of COPY does.
///
/// # Errors
/// As [`copy`].
pub fn write_file(
    rootfs: &Rootfs,
    name: &[u8],
    content: &[u8],
    dest: &[u8],
    options: &CopyOptions<'_>,
    changes: &mut ChangeSet,
) -> Result<()> {
    let file = source::Inline { name, content, time: options.parent_time };
    copy(&file, name, rootfs, dest, options, changes)
}

/// Makes a directory with those above it, as the destination of an archive needs.
///
/// # Errors
/// As mkdir(2).
pub fn make_directory(
    rootfs: &Rootfs,
    path: &[u8],
    options: &CopyOptions<'_>,
    changes: &mut ChangeSet,
) -> Result<Vec<u8>> {
    destination::make_parents(rootfs, path, options, changes)?;
    destination::resolve(rootfs, path)
}
