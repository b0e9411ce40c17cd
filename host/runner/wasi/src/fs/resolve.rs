//! From a guest's path to a canonical one, as the image's own kernel would walk it.

use super::access::EXECUTE;
use super::journal::HIDDEN;
use super::seen::Way;
use super::{Device, Fs, FsError, Identity, Result, device};
use kiln_guest_abi::wire::errno;
use kiln_rootfs::path::{self, MAX_PATH};
use kiln_rootfs::{FileType, Metadata, RootfsError};
use std::sync::Arc;

/// Symlinks that one path may lead through, as in Linux.
const MAX_LINKS: usize = 40;

/// Where a path leads.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// Canonical: no symlink, no `..`; the last name may not exist yet.
    pub(crate) path: Vec<u8>,
    /// What is there.
    pub(crate) metadata: Option<Metadata>,
    /// It is one of the virtual devices.
    pub(crate) device: Option<Device>,
    /// The path was spelled with a slash at the end, or ended in `.` or `..`.
    pub(crate) must_be_dir: bool,
}

impl Found {
    /// What is there, or `ENOENT`; `ENOTDIR` when the spelling asks for a directory.
    pub(crate) fn existing(&self) -> Result<&Metadata> {
        let found = self.metadata.as_ref().ok_or(FsError::Errno(errno::ENOENT))?;
        if self.must_be_dir && !found.is_dir() {
            return Err(FsError::Errno(errno::ENOTDIR));
        }
        Ok(found)
    }
}

impl Fs {
    /// Walks `path` from `base` (canonical), checking search permission on the way. A symlink that
    /// is the last component is followed if `follow`, or if a slash comes after it.
    pub(crate) fn resolve(
        &self,
        who: &Identity,
        base: &[u8],
        spelled: &[u8],
        follow: bool,
    ) -> Result<Found> {
        if spelled.is_empty() {
            return Err(FsError::Errno(errno::ENOENT));
        }
        if spelled.len() >= MAX_PATH {
            return Err(FsError::Errno(errno::ENAMETOOLONG));
        }
        if spelled.contains(&0) {
            return Err(FsError::Errno(errno::EINVAL));
        }
        let mut here = if spelled.starts_with(b"/") { Vec::new() } else { base.to_vec() };
        let mut pending = split_reversed(spelled);
        let slash = spelled.ends_with(b"/");
        let must_be_dir = slash || matches!(path::split(spelled).1, b"." | b"..");
        let mut links = 0;
        let mut found = self.look_start(&here, pending.is_empty())?;
        while let Some(name) = pending.pop() {
            let Some((directory, None)) = found else {
                let missing = if found.is_none() { errno::ENOENT } else { errno::ENOTDIR };
                return Err(FsError::Errno(missing));
            };
            if !directory.is_dir() {
                return Err(FsError::Errno(errno::ENOTDIR));
            }
            who.may(&directory, EXECUTE)?;
            if name == b".." {
                here = path::split(&here).0.to_vec();
                found = self.look_start(&here, pending.is_empty())?;
                continue;
            }
            if name.len() > 255 {
                return Err(FsError::Errno(errno::ENAMETOOLONG));
            }
            let next = path::join(&here, &name);
            let last = pending.is_empty();
            let looked = if last { self.look(&next)? } else { self.look_through(&next)? };
            if let Some((there, None)) = &looked
                && there.file_type == FileType::Symlink
                && (!last || follow || slash)
            {
                links += 1;
                if links > MAX_LINKS {
                    return Err(FsError::Errno(errno::ELOOP));
                }
                let target = self.target(&next, there)?;
                pending.extend(split_reversed(&target));
                if target.starts_with(b"/") {
                    here.clear();
                    found = self.look_start(&here, pending.is_empty())?;
                }
                if pending.len() > MAX_PATH {
                    return Err(FsError::Errno(errno::ENAMETOOLONG));
                }
                continue;
            }
            here = next;
            found = looked;
        }
        let (metadata, device) =
            found.map_or((None, None), |(there, device)| (Some(there), device));
        Ok(Found { path: here, metadata, device, must_be_dir })
    }

    /// What is at a canonical path, whose parent exists.
    fn look(&self, path: &[u8]) -> Result<Option<Parts>> {
        if let Some(decided) = self.look_outside(path)? {
            return Ok(decided);
        }
        match self.metadata_by_parent(path) {
            Ok(there) => Ok(Some((self.seen(there), None))),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// As [`Fs::look`] for what a path goes on from: of its metadata only type, mode and owner are
    /// sure to be up to date.
    fn look_through(&self, path: &[u8]) -> Result<Option<Parts>> {
        if let Some(way) = self.ways.directory(path) {
            return Ok(Some((way.1, None)));
        }
        if let Some(link) = self.ways.link(path) {
            return Ok(Some((link.0, None)));
        }
        if self.look_outside(path)?.is_none()
            && let Ok(way) = self.way(path)
        {
            return Ok(Some((way.1, None)));
        }
        self.look(path)
    }

    /// Where a walk starts, or is all there is of it.
    fn look_start(&self, path: &[u8], ends: bool) -> Result<Option<Parts>> {
        if ends { self.look(path) } else { self.look_through(path) }
    }

    /// What is not the image's at a path; `None` when it is.
    fn look_outside(&self, path: &[u8]) -> Result<Option<Option<Parts>>> {
        if path.split(|&byte| byte == b'/').next() == Some(HIDDEN) {
            return Ok(Some(None));
        }
        if let Some(device) = device::at(path)? {
            return Ok(Some(Some((device::metadata(device), Some(device)))));
        }
        if device::is_directory(path) {
            return Ok(Some(Some((device::directory_metadata(path), None))));
        }
        Ok(device::mounted(path).map(|name| {
            let size = self.mounted_size(name);
            Some((device::mounted_metadata(name, size), None))
        }))
    }

    /// The target of the symlink at a canonical path.
    fn target(&self, path: &[u8], link: &Metadata) -> Result<Vec<u8>> {
        if let Some(known) = self.ways.link(path) {
            return Ok(known.1.clone());
        }
        let since = self.ways.now();
        let (parent, name) = path::split(path);
        let target = match self.way(parent) {
            Ok(way) => self.rootfs().readlink_in(&way.0, name)?,
            Err(_) => self.rootfs().readlink(path)?,
        };
        self.ways.keep_link(since, path, link, &target);
        Ok(target)
    }

    /// The image's directory at a canonical path, held open.
    fn way(&self, path: &[u8]) -> std::result::Result<Way, RootfsError> {
        if let Some(way) = self.ways.directory(path) {
            return Ok(way);
        }
        let since = self.ways.now();
        let way = Arc::new(self.rootfs().directory(path)?);
        self.ways.keep_directory(since, path, &way);
        Ok(way)
    }

    /// What the image has at a canonical path.
    fn metadata_by_parent(&self, path: &[u8]) -> std::result::Result<Metadata, RootfsError> {
        let (parent, name) = path::split(path);
        if !name.is_empty()
            && let Ok(way) = self.way(parent)
        {
            return self.rootfs().metadata_in(&way.0, name);
        }
        self.rootfs().metadata(path, false)
    }

    /// Type, mode and owner of the directory that holds a canonical path's last name.
    pub(super) fn parent_of(&self, path: &[u8]) -> Result<Metadata> {
        let parent = path::split(path).0;
        match self.way(parent) {
            Ok(way) => Ok(way.1),
            Err(_) => Ok(self.rootfs().metadata(parent, false)?),
        }
    }
}

/// What is at a path, and which device it is.
type Parts = (Metadata, Option<Device>);

fn split_reversed(path: &[u8]) -> Vec<Vec<u8>> {
    path::components(path).rev().map(<[u8]>::to_vec).collect()
}
