//! Extended attributes: `security.capability` falls back to the ledger, the rest is the disk's.

use std::os::fd::{AsFd, BorrowedFd};

use kiln_ledger::Capability;
use rustix::fs::{
    XattrFlags, fgetxattr, flistxattr, fremovexattr, fsetxattr, getxattr, listxattr, removexattr,
    setxattr,
};
use rustix::io::Errno;

use crate::error::{At, Result};
use crate::metadata::{S_IFMT, S_IFREG};
use crate::rootfs::{Ownership, Rootfs, proc_path, stat_fd};

/// The xattr that holds file capabilities.
pub(crate) const CAPABILITY: &[u8] = b"security.capability";
/// The longest value Linux allows (`XATTR_SIZE_MAX`).
const MAX_VALUE: usize = 64 << 10;
/// The longest list of names Linux gives (`XATTR_LIST_MAX`).
const MAX_LIST: usize = 64 << 10;
/// Overlayfs's own marks: state of a mount, not content.
const OVERLAY: [&[u8]; 2] = [b"user.overlay.", b"trusted.overlay."];

/// Whether an attribute belongs to the image: capabilities and the users' own. Labels of security
/// modules, ACLs and marks of file systems are the host's.
pub(crate) fn is_content(name: &[u8]) -> bool {
    name == CAPABILITY
        || name.starts_with(b"user.") && !OVERLAY.iter().any(|own| name.starts_with(own))
}

impl Rootfs {
    /// The value of an extended attribute.
    ///
    /// # Errors
    /// As getxattr(2); `ENODATA` when there is none.
    pub fn get_xattr(&self, path: &[u8], name: &[u8], follow: bool) -> Result<Vec<u8>> {
        let fd = self.locate(path, follow).at("getxattr", path)?;
        self.xattr(fd.as_fd(), name).at("getxattr", path)
    }

    /// Sets an extended attribute; no flags: an existing one is replaced.
    ///
    /// # Errors
    /// As setxattr(2).
    pub fn set_xattr(&self, path: &[u8], name: &[u8], value: &[u8], follow: bool) -> Result<()> {
        let fd = self.locate(path, follow).at("setxattr", path)?;
        self.change_xattr(fd.as_fd(), name, value).at("setxattr", path)
    }

    /// The names of the extended attributes, sorted.
    ///
    /// # Errors
    /// As listxattr(2).
    pub fn list_xattr(&self, path: &[u8], follow: bool) -> Result<Vec<Vec<u8>>> {
        let fd = self.locate(path, follow).at("listxattr", path)?;
        self.xattr_names(fd.as_fd()).at("listxattr", path)
    }

    /// Removes an extended attribute.
    ///
    /// # Errors
    /// As removexattr(2).
    pub fn remove_xattr(&self, path: &[u8], name: &[u8], follow: bool) -> Result<()> {
        let fd = self.locate(path, follow).at("removexattr", path)?;
        self.drop_xattr(fd.as_fd(), name).at("removexattr", path)
    }

    pub(crate) fn xattr(&self, fd: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<Vec<u8>> {
        if name == CAPABILITY
            && let Some(capability) =
                self.ledger.get(&stat_fd(fd)?).and_then(|record| record.capability)
        {
            return Ok(capability.as_bytes().to_vec());
        }
        let mut value = vec![0; 256];
        loop {
            let got = match fgetxattr(fd, name, value.as_mut_slice()) {
                Err(Errno::BADF) => getxattr(proc_path(fd), name, value.as_mut_slice()),
                other => other,
            };
            match got {
                Ok(length) => {
                    value.truncate(length);
                    return Ok(value);
                }
                Err(Errno::RANGE) if value.len() < MAX_VALUE => value.resize(MAX_VALUE, 0),
                Err(Errno::OPNOTSUPP) => return Err(Errno::NODATA),
                Err(errno) => return Err(errno),
            }
        }
    }

    pub(crate) fn change_xattr(
        &self,
        fd: BorrowedFd<'_>,
        name: &[u8],
        value: &[u8],
    ) -> rustix::io::Result<()> {
        let capability = name == CAPABILITY;
        if !capability || self.ownership() == Ownership::Kernel {
            let none = XattrFlags::empty();
            let set = match fsetxattr(fd, name, value, none) {
                Err(Errno::BADF) => setxattr(proc_path(fd), name, value, none),
                other => other,
            };
            match set {
                Err(Errno::PERM | Errno::OPNOTSUPP) if capability => {}
                other => return other,
            }
        }
        let stat = stat_fd(fd)?;
        if u32::from(stat.stx_mode) & S_IFMT != S_IFREG {
            return Err(Errno::PERM);
        }
        let value = Capability::new(value).ok_or(Errno::INVAL)?;
        self.ledger.update(&stat, |record| record.capability = Some(value))
    }

    pub(crate) fn xattr_names(&self, fd: BorrowedFd<'_>) -> rustix::io::Result<Vec<Vec<u8>>> {
        let mut list = vec![0; 1024];
        let length = loop {
            let got = match flistxattr(fd, list.as_mut_slice()) {
                Err(Errno::BADF) => listxattr(proc_path(fd), list.as_mut_slice()),
                other => other,
            };
            match got {
                Ok(length) => break length,
                Err(Errno::RANGE) if list.len() < MAX_LIST => list.resize(MAX_LIST, 0),
                Err(Errno::OPNOTSUPP) => break 0,
                Err(errno) => return Err(errno),
            }
        };
        let mut names: Vec<Vec<u8>> = list[..length]
            .split(|&byte| byte == 0)
            .filter(|name| !name.is_empty() && !OVERLAY.iter().any(|own| name.starts_with(own)))
            .map(<[u8]>::to_vec)
            .collect();
        if self.ledger.get(&stat_fd(fd)?).is_some_and(|record| record.capability.is_some()) {
            names.push(CAPABILITY.to_vec());
        }
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    pub(crate) fn drop_xattr(&self, fd: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<()> {
        if name == CAPABILITY {
            let stat = stat_fd(fd)?;
            if self.ledger.get(&stat).is_some_and(|record| record.capability.is_some()) {
                return self.ledger.update(&stat, |record| record.capability = None);
            }
        }
        match fremovexattr(fd, name) {
            Err(Errno::BADF) => removexattr(proc_path(fd), name),
            other => other,
        }
    }
}
