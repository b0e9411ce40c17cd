//! Unpacking layers: a tar stream becomes files, whiteouts take files of lower layers away.
//!
//! Nothing lands outside the root: parents resolve with `RESOLVE_IN_ROOT`, the last name is made
//! with `O_EXCL` or its like and never followed. What is in the way is replaced, save that a
//! directory is merged into a directory. The modification times of directories survive what is
//! made in them: a parent's time is read when we enter it and put back when we leave.

use std::collections::HashSet;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use kiln_image::layer::read::LayerReader;
use kiln_image::layer::{Entry, Kind};
use kiln_ledger::Owner;
use rustix::fs::{
    AtFlags, Mode, OFlags, ResolveFlags, linkat, mkdirat, openat, openat2, symlinkat,
};
use rustix::io::Errno;

use crate::attributes::change_times;
use crate::error::{At, Result, RootfsError, show};
use crate::list::for_each_name;
use crate::metadata::{FileType, S_IFDIR, S_IFREG, Timestamp};
use crate::path;
use crate::rootfs::{Rootfs, stat_at, stat_fd};
use crate::xattr::{CAPABILITY, is_content};

pub use kiln_image::layer::read::Limits;

/// What marks a name as removed (OCI image spec, layer.md, "Whiteouts").
pub(crate) const WHITEOUT: &[u8] = b".wh.";
/// The name that hides all of a directory's content in lower layers.
pub(crate) const OPAQUE: &[u8] = b".wh..wh..opq";
/// Names of AUFS's own that old layers carry.
const AUFS: &[u8] = b".wh..wh.";
/// Bytes copied at once.
const BUFFER: usize = 256 << 10;
/// Mode of directories that no entry describes.
const IMPLIED_MODE: u32 = 0o755;

/// What unpacking a layer did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Entries of the layer.
    pub entries: u64,
    /// Bytes of file content.
    pub bytes: u64,
    /// Whiteouts and opaque markers applied.
    pub whiteouts: u64,
    /// Extended attributes that neither file system nor ledger can hold; they are dropped.
    pub dropped_xattrs: u64,
}

/// Unpacks one layer, given as decompressed tar, over what is there. Reads the stream to its end.
///
/// # Errors
/// [`RootfsError::Refused`] and [`RootfsError::Read`] for damaged or hostile layers, else the
/// system call that failed. What was unpacked until then stays.
pub fn unpack_layer(rootfs: &Rootfs, tar: &mut dyn Read, limits: &Limits) -> Result<Stats> {
    let mut reader = LayerReader::with_limits(tar, *limits);
    let mut unpacker = Unpacker {
        rootfs,
        stats: Stats::default(),
        parent: None,
        ours: HashSet::new(),
        hasher: RandomState::new(),
        buffer: vec![0; BUFFER],
    };
    while let Some(entry) = reader.next_entry()? {
        unpacker.stats.entries += 1;
        unpacker.apply(&entry, &mut reader)?;
    }
    unpacker.leave_parent()?;
    let stats = unpacker.stats;
    reader.drain().at("read", b"layer")?;
    Ok(stats)
}

/// The directory that the last entry went into.
struct Parent {
    /// As entries spell it.
    spelled: Vec<u8>,
    /// With symlinks followed.
    canonical: Vec<u8>,
    fd: OwnedFd,
    mtime: Timestamp,
}

struct Unpacker<'a> {
    rootfs: &'a Rootfs,
    stats: Stats,
    parent: Option<Parent>,
    /// Hashes of the paths that this layer made, and of those above them: a whiteout takes away
    /// what lower layers have, wherever in the layer it stands. 8 bytes a path.
    ours: HashSet<u64>,
    hasher: RandomState,
    buffer: Vec<u8>,
}

impl Unpacker<'_> {
    fn apply(&mut self, entry: &Entry, reader: &mut LayerReader<&mut dyn Read>) -> Result<()> {
        if entry.path.is_empty() {
            return self.root(entry);
        }
        let (directory, name) = path::split(&entry.path);
        if entry.path.starts_with(AUFS) && entry.path != OPAQUE {
            return Ok(());
        }
        self.enter_parent(directory)?;
        if let Some(hidden) = name.strip_prefix(WHITEOUT) {
            return self.whiteout(entry, name, hidden);
        }
        self.make(entry, name, reader)?;
        let canonical = path::join(&self.here()?.canonical, name);
        self.ours.insert(self.hasher.hash_one(canonical));
        Ok(())
    }

    fn here(&self) -> Result<&Parent> {
        self.parent.as_ref().ok_or(Errno::NOENT).at("unpack", b"")
    }

    /// Makes `directory` the current one.
    fn enter_parent(&mut self, directory: &[u8]) -> Result<()> {
        if self.parent.as_ref().is_some_and(|parent| parent.spelled == directory) {
            return Ok(());
        }
        self.leave_parent()?;
        let (fd, canonical) = self.open_parent(directory)?;
        let mtime = stat_fd(fd.as_fd()).at("stat", directory)?.stx_mtime.into();
        let mut above = canonical.as_slice();
        while self.ours.insert(self.hasher.hash_one(above)) && !above.is_empty() {
            above = path::split(above).0;
        }
        let spelled = directory.to_vec();
        self.parent = Some(Parent { spelled, canonical, fd, mtime });
        Ok(())
    }

    fn open_parent(&mut self, directory: &[u8]) -> Result<(OwnedFd, Vec<u8>)> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let spelled: &[u8] = if directory.is_empty() { b"." } else { directory };
        let plain = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS;
        match openat2(self.rootfs.root_fd(), spelled, flags, Mode::empty(), plain) {
            Ok(fd) => return Ok((fd, directory.to_vec())),
            Err(Errno::NOENT | Errno::LOOP | Errno::AGAIN) => {}
            Err(Errno::NOTDIR) => return Err(refused(directory, "it is not a directory")),
            Err(errno) => return Err(errno).at("open", directory),
        }
        self.rootfs.mkdir_all(directory, IMPLIED_MODE).map_err(|error| {
            if error.errno() == Errno::NOTDIR {
                refused(directory, "a part of it is not a directory")
            } else {
                error
            }
        })?;
        let canonical = self.rootfs.canonicalize(directory)?;
        let fd = self.rootfs.resolve(&canonical, flags, Mode::empty()).at("open", directory)?;
        Ok((fd, canonical))
    }

    /// Puts the modification time of the current directory back.
    fn leave_parent(&mut self) -> Result<()> {
        let Some(parent) = self.parent.take() else { return Ok(()) };
        change_times(parent.fd.as_fd(), None, Some(parent.mtime)).at("utimensat", &parent.spelled)
    }

    /// After a removal the current directory may be gone, or be reached another way.
    fn removed_something(&mut self, canonical: &[u8]) -> Result<()> {
        let Some(parent) = &self.parent else { return Ok(()) };
        if parent.spelled == parent.canonical && !path::is_within(&parent.canonical, canonical) {
            return Ok(());
        }
        let spelled = parent.spelled.clone();
        self.leave_parent()?;
        self.enter_parent(&spelled)
    }

    fn whiteout(&mut self, entry: &Entry, name: &[u8], hidden: &[u8]) -> Result<()> {
        let parent = self.here()?;
        let target = path::join(&parent.canonical, hidden);
        if name == OPAQUE {
            let directory = parent.canonical.clone();
            self.clear_lower(&directory)?;
        } else if name.starts_with(AUFS) {
            return Ok(());
        } else if matches!(hidden, b"" | b"." | b"..") {
            return Err(refused(&entry.path, "a whiteout that names nothing"));
        } else if self.ours.contains(&self.hasher.hash_one(target.as_slice())) {
            // The layer has the path itself, so only what was there before goes.
            self.clear_lower(&target)?;
        } else {
            self.rootfs.remove_all_at(parent.fd.as_fd(), hidden).at("remove", &target)?;
        }
        self.stats.whiteouts += 1;
        Ok(())
    }

    /// Removes what is below a directory and was not made by this layer.
    fn clear_lower(&mut self, directory: &[u8]) -> Result<()> {
        let mut pending = vec![directory.to_vec()];
        while let Some(directory) = pending.pop() {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
            let fd = match self.rootfs.resolve(&directory, flags, Mode::empty()) {
                // A file of this layer.
                Err(Errno::NOTDIR | Errno::LOOP) => continue,
                other => other.at("open", &directory)?,
            };
            let mtime = stat_fd(fd.as_fd()).at("stat", &directory)?.stx_mtime.into();
            let mut names = Vec::new();
            for_each_name(fd.as_fd(), |name, _| {
                names.push(name.to_vec());
                Ok(())
            })
            .at("list", &directory)?;
            for name in names {
                let child = path::join(&directory, &name);
                if self.ours.contains(&self.hasher.hash_one(child.as_slice())) {
                    pending.push(child);
                } else {
                    self.rootfs.remove_all_at(fd.as_fd(), &name).at("remove", &child)?;
                }
            }
            change_times(fd.as_fd(), None, Some(mtime)).at("utimensat", &directory)?;
        }
        Ok(())
    }

    /// The entry of the root directory itself.
    fn root(&mut self, entry: &Entry) -> Result<()> {
        if entry.kind != Kind::Dir {
            return Err(refused(&entry.path, "only a directory can be the root"));
        }
        self.leave_parent()?;
        let root = self.rootfs.root_fd();
        self.directory_metadata(root, entry)
    }

    fn make(
        &mut self,
        entry: &Entry,
        name: &[u8],
        reader: &mut LayerReader<&mut dyn Read>,
    ) -> Result<()> {
        // At most one obstacle: after its removal nothing is in the way.
        for attempt in 0..2 {
            match self.try_make(entry, name, reader) {
                Err(error) if error.errno() == Errno::EXIST && attempt == 0 => {
                    let parent = self.here()?;
                    let canonical = path::join(&parent.canonical, name);
                    self.rootfs
                        .remove_all_at(parent.fd.as_fd(), name)
                        .at("replace", &entry.path)?;
                    self.removed_something(&canonical)?;
                }
                result => return result,
            }
        }
        Err(Errno::EXIST).at("unpack", &entry.path)
    }

    fn try_make(
        &mut self,
        entry: &Entry,
        name: &[u8],
        reader: &mut LayerReader<&mut dyn Read>,
    ) -> Result<()> {
        let rootfs = self.rootfs;
        let parent = self.parent.as_ref().ok_or(Errno::NOENT).at("unpack", &entry.path)?;
        let dir = parent.fd.as_fd();
        let op = "unpack";
        match &entry.kind {
            Kind::File { size } => {
                let flags = OFlags::WRONLY
                    | OFlags::CREATE
                    | OFlags::EXCL
                    | OFlags::NOFOLLOW
                    | OFlags::CLOEXEC;
                let mut file = File::from(
                    openat(dir, name, flags, Mode::RUSR | Mode::WUSR).at(op, &entry.path)?,
                );
                write_data(&mut file, *size, reader, &mut self.buffer).at("write", &entry.path)?;
                self.stats.bytes += size;
                let mode = S_IFREG | entry.mode;
                rootfs.settle(file.as_fd(), owner(entry), mode).at("chown", &entry.path)?;
                self.set_xattrs(file.as_fd(), entry)?;
                set_mtime(file.as_fd(), entry)
            }
            Kind::Dir => {
                match mkdirat(dir, name, Mode::RWXU) {
                    Ok(()) => {}
                    // A directory is merged; anything else is an obstacle.
                    Err(Errno::EXIST)
                        if FileType::of_mode(
                            stat_at(dir, name).at(op, &entry.path)?.stx_mode.into(),
                        ) == FileType::Dir => {}
                    Err(errno) => return Err(errno).at(op, &entry.path),
                }
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let made = openat(dir, name, flags, Mode::empty()).at(op, &entry.path)?;
                self.directory_metadata(made.as_fd(), entry)
            }
            Kind::Symlink { target } => {
                symlinkat(target.as_slice(), dir, name).at(op, &entry.path)?;
                let made = rootfs.path_at(dir, name).at(op, &entry.path)?;
                if entry.uid != 0 || entry.gid != 0 {
                    let (uid, gid) = (Some(entry.uid), Some(entry.gid));
                    rootfs.change_owner(made.as_fd(), uid, gid).at("chown", &entry.path)?;
                }
                self.stats.dropped_xattrs += entry.xattrs.len() as u64;
                set_mtime(made.as_fd(), entry)
            }
            Kind::HardLink { target } => {
                let (target_dir, target_name) =
                    rootfs.parent(target).map_err(|errno| missing_target(entry, errno))?;
                match linkat(&target_dir, target_name, dir, name, AtFlags::empty()) {
                    Err(Errno::EXIST) => {
                        let same = |other: BorrowedFd<'_>, name: &[u8]| {
                            stat_at(other, name).map(|stat| (stat.stx_ino, stat.stx_dev_minor))
                        };
                        let there = same(dir, name).at(op, &entry.path)?;
                        if same(target_dir.as_fd(), target_name) == Ok(there) {
                            return Ok(());
                        }
                        Err(Errno::EXIST).at(op, &entry.path)
                    }
                    Err(errno @ (Errno::NOENT | Errno::NOTDIR)) => {
                        Err(missing_target(entry, errno))
                    }
                    Err(Errno::PERM) => Err(refused(&entry.path, "a hard link to a directory")),
                    other => other.at(op, &entry.path),
                }
            }
            Kind::Char { major, minor } => self.node(entry, name, FileType::Char, (*major, *minor)),
            Kind::Block { major, minor } => {
                self.node(entry, name, FileType::Block, (*major, *minor))
            }
            Kind::Fifo => self.node(entry, name, FileType::Fifo, (0, 0)),
        }
    }

    fn node(&mut self, entry: &Entry, name: &[u8], kind: FileType, rdev: (u32, u32)) -> Result<()> {
        let rootfs = self.rootfs;
        let dir = self.here()?.fd.as_fd();
        rootfs.mknod_at(dir, name, kind, entry.mode, rdev).at("mknod", &entry.path)?;
        let made = rootfs.path_at(dir, name).at("mknod", &entry.path)?;
        let (uid, gid) = (Some(entry.uid), Some(entry.gid));
        rootfs.change_owner(made.as_fd(), uid, gid).at("chown", &entry.path)?;
        rootfs.change_mode(made.as_fd(), entry.mode).at("chmod", &entry.path)?;
        self.stats.dropped_xattrs += entry.xattrs.len() as u64;
        set_mtime(made.as_fd(), entry)
    }

    fn directory_metadata(&mut self, fd: BorrowedFd<'_>, entry: &Entry) -> Result<()> {
        let mode = S_IFDIR | entry.mode;
        self.rootfs.settle(fd, owner(entry), mode).at("chown", &entry.path)?;
        // A merged directory is described by the newest layer alone.
        for name in self.rootfs.xattr_names(fd).at("listxattr", &entry.path)? {
            if is_content(&name) && !entry.xattrs.contains_key(&name) {
                self.rootfs.drop_xattr(fd, &name).at("removexattr", &entry.path)?;
            }
        }
        self.set_xattrs(fd, entry)?;
        set_mtime(fd, entry)
    }

    /// Attributes that cannot be held are dropped, as other builders do: labels of security
    /// modules, ACLs and the like are the host's business.
    fn set_xattrs(&mut self, fd: BorrowedFd<'_>, entry: &Entry) -> Result<()> {
        for (name, value) in &entry.xattrs {
            if !is_content(name) {
                self.stats.dropped_xattrs += 1;
                continue;
            }
            match self.rootfs.change_xattr(fd, name, value) {
                Ok(()) => {}
                Err(Errno::INVAL) if name == CAPABILITY => {
                    return Err(refused(&entry.path, "its file capability is malformed"));
                }
                Err(Errno::PERM | Errno::OPNOTSUPP) => self.stats.dropped_xattrs += 1,
                Err(errno) => return Err(errno).at("setxattr", &entry.path),
            }
        }
        Ok(())
    }
}

/// Writes a file's content; holes stay holes.
fn write_data(
    file: &mut File,
    size: u64,
    reader: &mut LayerReader<&mut dyn Read>,
    buffer: &mut [u8],
) -> std::io::Result<()> {
    let mut data = reader.data();
    let mut position = 0;
    let mut holes = false;
    while position < size {
        let hole = data.skip_hole();
        if hole > 0 {
            position += hole;
            holes = true;
            file.seek(SeekFrom::Start(position))?;
            continue;
        }
        let count = data.read(buffer)?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        file.write_all(&buffer[..count])?;
        position += count as u64;
    }
    if holes {
        file.set_len(size)?;
    }
    Ok(())
}

fn owner(entry: &Entry) -> Owner {
    Owner { uid: entry.uid, gid: entry.gid }
}

fn set_mtime(fd: BorrowedFd<'_>, entry: &Entry) -> Result<()> {
    let mtime = Timestamp { secs: entry.mtime.secs, nanos: entry.mtime.nanos };
    change_times(fd, None, Some(mtime)).at("utimensat", &entry.path)
}

fn refused(path: &[u8], why: &'static str) -> RootfsError {
    RootfsError::Refused { path: show(path), why }
}

fn missing_target(entry: &Entry, errno: Errno) -> RootfsError {
    match errno {
        Errno::NOENT | Errno::NOTDIR | Errno::INVAL => {
            refused(&entry.path, "a hard link to a file that does not exist")
        }
        errno => RootfsError::Sys { op: "link", path: show(&entry.path), errno },
    }
}
