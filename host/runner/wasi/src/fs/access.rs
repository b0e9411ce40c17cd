//! Who a guest is, and what that lets it do (path_resolution(7), credentials(7)).

use super::{FsError, Result};
use kiln_guest_abi::wire::errno;
use kiln_rootfs::Metadata;

/// May be read.
pub(crate) const READ: u32 = 4;
/// May be written; of a directory, names in it may be made and removed.
pub(crate) const WRITE: u32 = 2;
/// May be executed; of a directory, searched.
pub(crate) const EXECUTE: u32 = 1;

const STICKY: u32 = 0o1000;

/// A process's ids in the image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Real, effective and saved user alike: no guest is setuid.
    pub(crate) uid: u32,
    /// The group.
    pub(crate) gid: u32,
    /// Supplementary groups.
    pub(crate) groups: Vec<u32>,
}

impl Identity {
    /// Whether every check passes.
    pub(crate) const fn is_root(&self) -> bool {
        self.uid == 0
    }

    /// Whether the group is the process's own or one of its supplementary ones.
    pub(crate) fn in_group(&self, gid: u32) -> bool {
        self.gid == gid || self.groups.contains(&gid)
    }

    /// Checks the permission bits.
    pub(crate) fn may(&self, file: &Metadata, want: u32) -> Result<()> {
        let any_execute = file.is_dir() || file.mode & 0o111 != 0;
        let granted = if self.is_root() {
            // Root may do all but execute what nobody may.
            READ | WRITE | if any_execute { EXECUTE } else { 0 }
        } else if self.uid == file.uid {
            file.mode >> 6 & 7
        } else if self.in_group(file.gid) {
            file.mode >> 3 & 7
        } else {
            file.mode & 7
        };
        if granted & want == want { Ok(()) } else { Err(FsError::Errno(errno::EACCES)) }
    }

    /// Checks that this is the file's owner.
    pub(crate) const fn owns(&self, file: &Metadata) -> Result<()> {
        if self.is_root() || self.uid == file.uid {
            Ok(())
        } else {
            Err(FsError::Errno(errno::EPERM))
        }
    }

    /// Checks that a name may be taken out of a directory.
    pub(crate) fn may_remove(&self, directory: &Metadata, file: &Metadata) -> Result<()> {
        self.may(directory, WRITE | EXECUTE)?;
        if directory.mode & STICKY == 0 || self.uid == directory.uid {
            return Ok(());
        }
        self.owns(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kiln_rootfs::FileType;

    fn file(file_type: FileType, mode: u32, uid: u32, gid: u32) -> Metadata {
        Metadata { uid, gid, ..Metadata::synthetic(file_type, mode) }
    }

    fn user(uid: u32, gid: u32, groups: &[u32]) -> Identity {
        Identity { uid, gid, groups: groups.to_vec() }
    }

    #[test]
    fn the_first_matching_class_decides() {
        let plain = file(FileType::File, 0o074, 5, 6);
        assert!(user(5, 6, &[]).may(&plain, READ).is_err(), "owner, though the group may");
        assert!(user(1, 6, &[]).may(&plain, READ | WRITE | EXECUTE).is_ok());
        assert!(user(1, 2, &[6]).may(&plain, WRITE).is_ok());
        assert!(user(1, 2, &[]).may(&plain, READ).is_ok());
        assert!(user(1, 2, &[]).may(&plain, WRITE).is_err());
        assert!(user(0, 0, &[]).may(&plain, READ | WRITE | EXECUTE).is_ok());
        assert!(user(0, 0, &[]).may(&file(FileType::File, 0o600, 5, 6), EXECUTE).is_err());
        assert!(user(0, 0, &[]).may(&file(FileType::Dir, 0, 5, 6), EXECUTE).is_ok());
    }

    #[test]
    fn sticky_directories_protect_what_is_anothers() {
        let tmp = file(FileType::Dir, 0o1777, 0, 0);
        assert!(user(7, 7, &[]).may_remove(&tmp, &file(FileType::File, 0o666, 7, 7)).is_ok());
        assert!(user(7, 7, &[]).may_remove(&tmp, &file(FileType::File, 0o666, 8, 7)).is_err());
        assert!(user(0, 0, &[]).may_remove(&tmp, &file(FileType::File, 0o666, 8, 7)).is_ok());
    }
}
