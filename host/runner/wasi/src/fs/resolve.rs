//! From a guest's path to a canonical one, as the image's own kernel would walk it.

use super::access::EXECUTE;
use super::journal::HIDDEN;
use super::{Device, Fs, FsError, Identity, Result, device};
use kiln_guest_abi::wire::errno;
use kiln_rootfs::path::{self, MAX_PATH};
use kiln_rootfs::{FileType, Metadata};

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
        let mut found = self.look(&here)?.map(Looked::into_parts);
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
                found = self.look(&here)?.map(Looked::into_parts);
                continue;
            }
            if name.len() > 255 {
                return Err(FsError::Errno(errno::ENAMETOOLONG));
            }
            let next = path::join(&here, &name);
            let last = pending.is_empty();
            let looked = self.look(&next)?.map(Looked::into_parts);
            if let Some((there, None)) = &looked
                && there.file_type == FileType::Symlink
                && (!last || follow || slash)
            {
                links += 1;
                if links > MAX_LINKS {
                    return Err(FsError::Errno(errno::ELOOP));
                }
                let target = self.rootfs().readlink(&next)?;
                if target.starts_with(b"/") {
                    here.clear();
                    found = self.look(&here)?.map(Looked::into_parts);
                }
                pending.extend(split_reversed(&target));
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
    fn look(&self, path: &[u8]) -> Result<Option<Looked>> {
        if path.split(|&byte| byte == b'/').next() == Some(HIDDEN) {
            return Ok(None);
        }
        if let Some(device) = device::at(path)? {
            return Ok(Some(Looked::Device(device)));
        }
        if device::is_directory(path) {
            return Ok(Some(Looked::There(device::directory_metadata(path))));
        }
        if let Some(name) = device::mounted(path) {
            return Ok(Some(Looked::There(device::mounted_metadata(
                name,
                self.mounted_size(name),
            ))));
        }
        match self.rootfs().metadata(path, false) {
            Ok(there) => Ok(Some(Looked::There(self.seen(there)))),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The metadata of the directory that holds a canonical path's last name.
    pub(super) fn parent_of(&self, path: &[u8]) -> Result<Metadata> {
        Ok(self.rootfs().metadata(path::split(path).0, false)?)
    }
}

enum Looked {
    There(Metadata),
    Device(Device),
}

impl Looked {
    fn into_parts(self) -> (Metadata, Option<Device>) {
        match self {
            Self::There(there) => (there, None),
            Self::Device(device) => (device::metadata(device), Some(device)),
        }
    }
}

fn split_reversed(path: &[u8]) -> Vec<Vec<u8>> {
    path::components(path).rev().map(<[u8]>::to_vec).collect()
}
