//! Layers: tar streams, read and written entry by entry.
//!
//! An [`Entry`] is what a tar header says, in the terms of an image: a path relative to the
//! image's root, numeric owners, extended attributes. Whiteouts are names like any other here;
//! `kiln-rootfs` gives them their meaning.

use std::collections::BTreeMap;

mod blocks;
pub mod build;
pub mod compress;
mod deflate;
mod format;
mod names;
mod pax;
pub mod read;
mod sparse;
mod stream;
mod windows;
pub mod write;

/// The longest path and link target, in bytes: Linux' `PATH_MAX` less its NUL. Longer ones could
/// not be created, and would let a small layer fill the memory.
pub const MAX_PATH: usize = 4095;
/// The longest component of a path, in bytes: Linux' `NAME_MAX`.
pub const MAX_COMPONENT: usize = 255;

/// One entry of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Path in the image: relative, without `.` and `..`, the root itself is empty.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Permission bits with set-uid, set-gid and sticky: 0 to 0o7777.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Modification time.
    pub mtime: Mtime,
    /// Extended attributes by full name (`security.capability`, `user.x`).
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Entry {
    /// An entry of root's, at the epoch.
    pub fn new(path: &[u8], kind: Kind, mode: u32) -> Self {
        Self {
            path: path.to_vec(),
            kind,
            mode,
            uid: 0,
            gid: 0,
            mtime: Mtime::default(),
            xattrs: BTreeMap::new(),
        }
    }

    /// The size in bytes of the data that follows: that of a file, else 0.
    pub fn size(&self) -> u64 {
        match self.kind {
            Kind::File { size } => size,
            _ => 0,
        }
    }
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File {
        /// Its size in bytes, holes included.
        size: u64,
    },
    /// A directory.
    Dir,
    /// A symbolic link.
    Symlink {
        /// Where it points: any bytes but NUL.
        target: Vec<u8>,
    },
    /// Another name of a file that an earlier entry, or a lower layer, has.
    HardLink {
        /// The file's path in the image, in the form of [`Entry::path`].
        target: Vec<u8>,
    },
    /// A character device.
    Char {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A block device.
    Block {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A named pipe.
    Fifo,
}

/// A modification time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Mtime {
    /// Seconds since 1970, rounded down.
    pub secs: i64,
    /// Nanoseconds within the second.
    pub nanos: u32,
}

impl Mtime {
    /// A whole second.
    pub const fn from_secs(secs: i64) -> Self {
        Self { secs, nanos: 0 }
    }
}
