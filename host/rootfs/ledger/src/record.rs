//! What the table holds about one inode, and the rules that apply it.

/// `S_IFMT` of inode(7).
const TYPE_MASK: u32 = 0o170_000;
const TYPE_REGULAR: u32 = 0o100_000;
const TYPE_DIRECTORY: u32 = 0o040_000;
const TYPE_CHAR: u32 = 0o020_000;
const TYPE_BLOCK: u32 = 0o060_000;
/// Permission bits with setuid, setgid and sticky.
const PERMISSIONS: u32 = 0o7777;

/// A file's owner and group, as numbers of the image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Owner {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// The value of a `security.capability` xattr (`struct vfs_ns_cap_data`, capabilities(7)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Capability {
    length: u8,
    bytes: [u8; Self::MAX],
}

impl Capability {
    /// The longest value the kernel knows: revision 3 with its root id.
    pub const MAX: usize = 24;

    /// The capability with this value; `None` when it is longer than any the kernel accepts.
    #[must_use]
    pub fn new(value: &[u8]) -> Option<Self> {
        let mut bytes = [0; Self::MAX];
        bytes.get_mut(..value.len())?.copy_from_slice(value);
        Some(Self { length: u8::try_from(value.len()).ok()?, bytes })
    }

    /// The xattr's value.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or(&self.bytes)
    }

    pub(crate) fn from_words(length: u32, words: [u32; 6]) -> Self {
        let mut bytes = [0; Self::MAX];
        for (to, word) in bytes.chunks_exact_mut(4).zip(words) {
            to.copy_from_slice(&word.to_ne_bytes());
        }
        let length = u8::try_from(length).map_or(24, |length| length.min(24));
        Self { length, bytes }
    }

    pub(crate) fn to_words(self) -> (u32, [u32; 6]) {
        let mut words = [0; 6];
        for (word, from) in words.iter_mut().zip(self.bytes.chunks_exact(4)) {
            if let Ok(four) = <[u8; 4]>::try_from(from) {
                *word = u32::from_ne_bytes(four);
            }
        }
        (u32::from(self.length), words)
    }
}

/// What differs between the disk and the image for one inode; `None` = the disk is right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Record {
    /// Owner and group.
    pub owner: Option<Owner>,
    /// The full `st_mode`, type included.
    pub mode: Option<u32>,
    /// Major and minor number of a device node.
    pub rdev: Option<(u32, u32)>,
    /// The `security.capability` xattr.
    pub capability: Option<Capability>,
}

impl Record {
    /// Whether the record says nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.owner.is_none()
            && self.mode.is_none()
            && self.rdev.is_none()
            && self.capability.is_none()
    }

    /// The `st_mode` that the image sees for an inode whose mode on disk is `disk`.
    ///
    /// The type is the disk's, save that an empty regular file may stand for a device node: a
    /// record must not turn a directory into something else.
    #[must_use]
    pub const fn st_mode(&self, disk: u32) -> u32 {
        let Some(mode) = self.mode else { return disk };
        let device = matches!(mode & TYPE_MASK, TYPE_CHAR | TYPE_BLOCK);
        if device && disk & TYPE_MASK == TYPE_REGULAR {
            mode & (TYPE_MASK | PERMISSIONS)
        } else {
            (disk & !PERMISSIONS) | (mode & PERMISSIONS)
        }
    }
}

/// The owner that the image sees.
///
/// `own_uid` is the uid that all files are stored as, or `None` where the kernel holds the truth:
/// a file of ours without a recorded owner belongs to 0:0.
#[must_use]
pub fn owner_seen(record: Option<&Record>, disk: Owner, own_uid: Option<u32>) -> Owner {
    match record.and_then(|record| record.owner) {
        Some(owner) => owner,
        None if own_uid == Some(disk.uid) => Owner::default(),
        None => disk,
    }
}

/// The mode to store on disk for a wanted `st_mode`: never one that locks out its owner, who has no
/// privilege to get past it.
///
/// Setuid and setgid of files are not stored: a write by an unprivileged process would strip them,
/// where one by root in a container does not. Directories keep setgid, which children inherit.
#[must_use]
pub const fn stored_mode(wanted: u32) -> u32 {
    if wanted & TYPE_MASK == TYPE_DIRECTORY {
        (wanted & PERMISSIONS) | 0o700
    } else {
        (wanted & 0o1777) | 0o600
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_changes_permissions_but_not_the_type() {
        let chr = Record { mode: Some(TYPE_CHAR | 0o620), ..Record::default() };
        assert_eq!(chr.st_mode(TYPE_REGULAR | 0o600), TYPE_CHAR | 0o620);
        assert_eq!(chr.st_mode(TYPE_DIRECTORY | 0o700), TYPE_DIRECTORY | 0o620);
        let dir = Record { mode: Some(TYPE_DIRECTORY), ..Record::default() };
        assert_eq!(dir.st_mode(TYPE_REGULAR | 0o644), TYPE_REGULAR);
        let wild = Record { mode: Some(u32::MAX), ..Record::default() };
        assert_eq!(wild.st_mode(TYPE_REGULAR | 0o644), TYPE_REGULAR | 0o7777);
    }

    #[test]
    fn files_of_ours_without_record_belong_to_root() {
        let disk = Owner { uid: 1000, gid: 5 };
        assert_eq!(owner_seen(None, disk, Some(1000)), Owner { uid: 0, gid: 0 });
        assert_eq!(owner_seen(None, disk, Some(7)), disk);
        assert_eq!(owner_seen(None, disk, None), disk);
        let owner = Owner { uid: 33, gid: 34 };
        let record = Record { owner: Some(owner), ..Record::default() };
        assert_eq!(owner_seen(Some(&record), disk, Some(1000)), owner);
    }

    #[test]
    fn stored_modes_never_lock_us_out() {
        assert_eq!(stored_mode(TYPE_DIRECTORY), 0o700);
        assert_eq!(stored_mode(TYPE_REGULAR), 0o600);
        assert_eq!(stored_mode(TYPE_REGULAR | 0o6755), 0o755);
        assert_eq!(stored_mode(TYPE_DIRECTORY | 0o3575), 0o3775);
    }

    #[test]
    fn capabilities_keep_their_length() {
        for length in [0, 12, 20, 24] {
            let value = [7; 24];
            let capability = Capability::new(&value[..length]).unwrap();
            let (len, words) = capability.to_words();
            assert_eq!(Capability::from_words(len, words).as_bytes(), &value[..length]);
        }
        assert!(Capability::new(&[0; 25]).is_none());
        assert_eq!(Capability::from_words(u32::MAX, [0; 6]).as_bytes().len(), 24);
    }
}
