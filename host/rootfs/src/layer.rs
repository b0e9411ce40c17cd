//! Writing a change set as a layer.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;

use kiln_image::layer::build::LayerBuilder;
use kiln_image::layer::write::LayerWriter;
use kiln_image::layer::{Entry, Kind, Mtime};
use rustix::fs::OFlags;

use crate::changes::{Change, ChangeSet};
use crate::error::{At, Result};
use crate::fingerprint::{ContentHash, Hashing};
use crate::metadata::{FileType, Metadata};
use crate::path;
use crate::rootfs::Rootfs;
use crate::unpack::{OPAQUE, WHITEOUT};
use crate::walk::hash_xattrs;
use crate::xattr::is_content;

/// Where the entries of a layer go.
pub trait EntrySink {
    /// Takes one entry and, for a file, its data.
    ///
    /// # Errors
    /// The entry could not be written.
    fn append_entry(&mut self, entry: &Entry, data: &mut dyn Read) -> std::io::Result<()>;
}

impl<W: std::io::Write> EntrySink for LayerWriter<W> {
    fn append_entry(&mut self, entry: &Entry, data: &mut dyn Read) -> std::io::Result<()> {
        self.append(entry, data).map_err(std::io::Error::other)
    }
}

impl EntrySink for LayerBuilder {
    fn append_entry(&mut self, entry: &Entry, data: &mut dyn Read) -> std::io::Result<()> {
        self.append(entry, data).map_err(std::io::Error::other)
    }
}

/// How a layer is written.
#[derive(Clone, Debug, Default)]
pub struct WriteOptions {
    /// Modification times after this moment (seconds since 1970) become it: `SOURCE_DATE_EPOCH`.
    pub clamp_mtime: Option<i64>,
    /// Canonical paths that are left out with all below them: a step's mount points.
    pub exclude: Vec<Vec<u8>>,
}

/// Writes the changes as layer entries, sorted; directories above a change come first. Sockets are
/// left out: no layer can hold them.
///
/// # Errors
/// The path that could not be read, or the sink's error.
pub fn write_layer(
    rootfs: &Rootfs,
    changes: &ChangeSet,
    options: &WriteOptions,
    sink: &mut impl EntrySink,
) -> Result<()> {
    let mut writer =
        Writer { rootfs, options, sink, written: BTreeSet::new(), links: HashMap::new() };
    for (path, change) in changes.iter() {
        if options.exclude.iter().any(|excluded| path::is_within(path, excluded)) {
            continue;
        }
        if !writer.parents(path)? {
            // What was below something that is no directory any more went with it.
            continue;
        }
        match change {
            Change::Deleted => writer.whiteout(path)?,
            Change::Set => writer.entry(path)?,
            Change::Opaque => {
                writer.entry(path)?;
                writer.marker(path::join(path, OPAQUE))?;
            }
        }
    }
    Ok(())
}

struct Writer<'a, S> {
    rootfs: &'a Rootfs,
    options: &'a WriteOptions,
    sink: &'a mut S,
    /// Directories that have their entry.
    written: BTreeSet<Vec<u8>>,
    /// The first path of every inode with several names.
    links: HashMap<(u64, (u32, u32)), Vec<u8>>,
}

impl<S: EntrySink> Writer<'_, S> {
    /// Writes the directories above a path that have no entry yet; the root is implied. False when
    /// one of them is none.
    fn parents(&mut self, path: &[u8]) -> Result<bool> {
        for (position, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
            let parent = &path[..position];
            if self.written.contains(parent) {
                continue;
            }
            match self.rootfs.metadata(parent, false) {
                Ok(found) if found.is_dir() => self.entry(parent)?,
                Ok(_) => return Ok(false),
                Err(error) if error.is_not_found() => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn whiteout(&mut self, path: &[u8]) -> Result<()> {
        let (directory, name) = path::split(path);
        self.marker(path::join(directory, &[WHITEOUT, name].concat()))
    }

    /// An empty file whose name says it all.
    fn marker(&mut self, path: Vec<u8>) -> Result<()> {
        let mut entry = Entry::new(&path, Kind::File { size: 0 }, 0);
        entry.mtime = Mtime::from_secs(self.options.clamp_mtime.unwrap_or(0));
        self.sink.append_entry(&entry, &mut std::io::empty()).at("write", &path)
    }

    fn entry(&mut self, path: &[u8]) -> Result<()> {
        let inode = self.rootfs.locate(path, false).at("stat", path)?;
        let found = self.rootfs.metadata_fd(inode.as_fd()).map_err(|e| e.with_path(path))?;
        let (kind, file) = match self.kind(path, &found)? {
            None => return Ok(()),
            Some(pair) => pair,
        };
        let mut entry = Entry::new(path, kind, found.mode);
        (entry.uid, entry.gid) = (found.uid, found.gid);
        entry.mtime = self.mtime(&found);
        let may_have = matches!(entry.kind, Kind::File { .. } | Kind::Dir);
        if may_have {
            // The real descriptor saves a detour through /proc.
            let fd = file.as_ref().map_or(inode.as_fd(), AsFd::as_fd);
            for name in self.rootfs.xattr_names(fd).at("listxattr", path)? {
                if is_content(&name) {
                    let value = self.rootfs.xattr(fd, &name).at("getxattr", path)?;
                    entry.xattrs.insert(name, value);
                }
            }
        }
        if found.is_dir() {
            self.written.insert(path.to_vec());
        }
        let mut hash = ContentHash::new();
        if let Kind::Symlink { target } = &entry.kind {
            hash.update(target);
        }
        let mut data = Hashing { inner: file, hash };
        match &data.inner {
            Some(_) => self.sink.append_entry(&entry, &mut data),
            None => self.sink.append_entry(&entry, &mut std::io::empty()),
        }
        .at("write", path)?;
        if matches!(entry.kind, Kind::File { .. } | Kind::Symlink { .. }) {
            let print = data.hash.finish(hash_xattrs(entry.xattrs.iter()));
            self.rootfs.fingerprints.remember(found.ino, found.ctime, print);
        }
        Ok(())
    }

    /// What to write; `None` for a socket.
    fn kind(&mut self, path: &[u8], found: &Metadata) -> Result<Option<(Kind, Option<File>)>> {
        if found.file_type == FileType::Socket {
            return Ok(None);
        }
        if found.nlink > 1 && !found.is_dir() {
            if let Some(first) = self.links.get(&(found.ino, found.dev)) {
                return Ok(Some((Kind::HardLink { target: first.clone() }, None)));
            }
            self.links.insert((found.ino, found.dev), path.to_vec());
        }
        let (major, minor) = found.rdev;
        Ok(Some(match found.file_type {
            FileType::File => {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
                let file = File::from(self.rootfs.open(path, flags, 0)?);
                (Kind::File { size: found.size }, Some(file))
            }
            FileType::Dir => (Kind::Dir, None),
            FileType::Symlink => (Kind::Symlink { target: self.rootfs.readlink(path)? }, None),
            FileType::Char => (Kind::Char { major, minor }, None),
            FileType::Block => (Kind::Block { major, minor }, None),
            FileType::Fifo | FileType::Socket => (Kind::Fifo, None),
        }))
    }

    fn mtime(&self, found: &Metadata) -> Mtime {
        let mtime = Mtime { secs: found.mtime.secs, nanos: found.mtime.nanos };
        match self.options.clamp_mtime {
            Some(latest) => mtime.min(Mtime::from_secs(latest)),
            None => mtime,
        }
    }
}
