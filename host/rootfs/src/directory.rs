//! A directory held open, so that a name in it costs one call instead of a walk from the root.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags, readlinkat};
use rustix::io::Errno;

use crate::error::{At, Result};
use crate::metadata::Metadata;
use crate::rootfs::{Rootfs, stat_at, stat_fd};

/// A directory of a rootfs, wherever in it that is moved to.
#[derive(Debug)]
pub struct Directory(OwnedFd);

impl Rootfs {
    /// Holds a directory open, and says what it is; a symlink is not followed.
    ///
    /// # Errors
    /// As open(2) with `O_DIRECTORY`.
    pub fn directory(&self, path: &[u8]) -> Result<(Directory, Metadata)> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        let fd = self.resolve(path, flags, Mode::empty()).at("open", path)?;
        let found = self.view(&stat_fd(fd.as_fd()).at("stat", path)?);
        Ok((Directory(fd), found))
    }

    /// The metadata of a name in a directory, not followed.
    ///
    /// # Errors
    /// As lstat(2); `EINVAL` for what is no single name.
    pub fn metadata_in(&self, directory: &Directory, name: &[u8]) -> Result<Metadata> {
        let stat = single(name).and_then(|name| stat_at(directory.0.as_fd(), name));
        Ok(self.view(&stat.at("stat", name)?))
    }

    /// The target of a symlink in a directory.
    ///
    /// # Errors
    /// As readlink(2); `EINVAL` for what is no single name.
    pub fn readlink_in(&self, directory: &Directory, name: &[u8]) -> Result<Vec<u8>> {
        let target = single(name).and_then(|name| readlinkat(&directory.0, name, Vec::new()));
        Ok(target.at("readlink", name)?.into_bytes())
    }
}

/// A name that stays in its directory.
fn single(name: &[u8]) -> rustix::io::Result<&[u8]> {
    if matches!(name, b"" | b"." | b"..") || name.contains(&b'/') {
        return Err(Errno::INVAL);
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leaves_the_directory() {
        for name in [&b""[..], b".", b"..", b"a/b", b"/", b"../x"] {
            assert_eq!(single(name), Err(Errno::INVAL));
        }
        assert_eq!(single(b"..."), Ok(&b"..."[..]));
    }
}
