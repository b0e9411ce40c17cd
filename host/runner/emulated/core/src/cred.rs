//! The guest's credentials: what credentials(7) and capabilities(7) say, in user space.
//!
//! One set per process: glibc and Go set the ids of all threads together.

use core::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};

use crate::errno::{Errno, Result};

mod ids;
mod text;

pub use ids::Ids;
use ids::SAVED;
pub use text::ENCODED_LEN;
pub(crate) use text::{halves, words_of};

/// Most supplementary groups kept; a real kernel takes 65,536, no image comes near.
pub const MAX_GROUPS: usize = 128;

/// What a container's root has by default (Docker's and containerd's list).
pub const DEFAULT_CAPS: u64 = 0xa804_25fb;

/// Every change of ids in this memory, so that no two sets in it have the same version.
static CHANGES: AtomicU32 = AtomicU32::new(0);

/// "Leave as it is" in the set calls.
const SAME: u32 = u32::MAX;

/// Which ids a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// User ids.
    User,
    /// Group ids.
    Group,
}

/// A process's credentials.
#[derive(Debug)]
pub struct Credentials {
    /// User ids.
    pub user: Ids,
    /// Group ids.
    pub group: Ids,
    count: AtomicUsize,
    groups: [AtomicU32; MAX_GROUPS],
    /// Capabilities: effective, permitted, inheritable, bounding.
    caps: [AtomicU64; 4],
    keep: AtomicU32,
    umask: AtomicU32,
    no_new_privs: AtomicU32,
    version: AtomicU32,
}

impl Default for Credentials {
    fn default() -> Self {
        Self::new()
    }
}

impl Credentials {
    /// Root without groups, without capabilities.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            user: Ids::new(),
            group: Ids::new(),
            count: AtomicUsize::new(0),
            groups: [const { AtomicU32::new(0) }; MAX_GROUPS],
            caps: [const { AtomicU64::new(0) }; 4],
            keep: AtomicU32::new(0),
            umask: AtomicU32::new(0),
            no_new_privs: AtomicU32::new(0),
            version: AtomicU32::new(0),
        }
    }

    /// Those of a fresh container process.
    pub fn start(&self, uid: u32, gid: u32, groups: &[u32]) {
        self.user.set_all(uid, uid, uid);
        self.group.set_all(gid, gid, gid);
        self.store_groups(groups.iter().copied());
        let caps = if uid == 0 { DEFAULT_CAPS } else { 0 };
        self.set_caps([caps, caps, 0, DEFAULT_CAPS]);
    }

    /// Changes with the ids that decide about access to files.
    pub fn version(&self) -> u32 {
        self.version.load(Relaxed)
    }

    fn note_change(&self) {
        self.version.store(CHANGES.fetch_add(1, Relaxed) + 1, Relaxed);
    }

    /// Becomes as another set is, as a child's is its parent's.
    pub fn copy(&self, from: &Self) {
        self.user.copy(&from.user);
        self.group.copy(&from.group);
        self.store_groups(from.groups());
        self.set_caps(from.caps());
        let words = [
            (&self.keep, &from.keep),
            (&self.umask, &from.umask),
            (&self.no_new_privs, &from.no_new_privs),
        ];
        for (to, from) in words {
            to.store(from.load(Relaxed), Relaxed);
        }
    }

    /// Whether the emulated kernel lets it do anything.
    pub fn is_root(&self) -> bool {
        self.user.effective() == 0
    }

    /// Whether file permissions do not bind it.
    pub fn is_fs_root(&self) -> bool {
        self.user.fs() == 0
    }

    fn ids(&self, which: Which) -> &Ids {
        match which {
            Which::User => &self.user,
            Which::Group => &self.group,
        }
    }

    /// Whether `CAP_SETUID` or `CAP_SETGID` is effective: a program may have kept it past its uid.
    fn may_set(&self, which: Which) -> bool {
        let capability = match which {
            Which::User => 7,
            Which::Group => 6,
        };
        self.caps()[0] & (1 << capability) != 0
    }

    fn changing<T>(&self, which: Which, change: impl FnOnce(&Ids) -> T) -> T {
        let before = self.user.effective();
        let had_root = before == 0 || self.user.real() == 0 || self.user.saved() == 0;
        let result = change(self.ids(which));
        self.note_change();
        let after = self.user.effective();
        let has_root = after == 0 || self.user.real() == 0 || self.user.saved() == 0;
        let [effective, permitted, inheritable, bounding] = self.caps();
        if had_root && !has_root && self.keep.load(Relaxed) == 0 {
            self.set_caps([0, 0, inheritable, bounding]);
        } else if before == 0 && after != 0 {
            self.set_caps([0, permitted, inheritable, bounding]);
        } else if before != 0 && after == 0 {
            self.set_caps([permitted, permitted, inheritable, bounding]);
        } else {
            self.set_caps([effective, permitted, inheritable, bounding]);
        }
        result
    }

    /// setuid(2), setgid(2)
    ///
    /// # Errors
    /// `EPERM`, `EINVAL`
    pub fn set(&self, which: Which, id: u32) -> Result<()> {
        let privileged = self.may_set(which);
        self.changing(which, |ids| ids.set(id, privileged))
    }

    /// setreuid(2), setregid(2)
    ///
    /// # Errors
    /// `EPERM`
    pub fn set_real_effective(&self, which: Which, real: u32, effective: u32) -> Result<()> {
        let privileged = self.may_set(which);
        self.changing(which, |ids| ids.set_real_effective(real, effective, privileged))
    }

    /// setresuid(2), setresgid(2)
    ///
    /// # Errors
    /// `EPERM`
    pub fn set_three(&self, which: Which, ids: [u32; 3]) -> Result<()> {
        let privileged = self.may_set(which);
        self.changing(which, |mine| mine.set_three(ids, privileged))
    }

    /// setfsuid(2), setfsgid(2)
    pub fn set_fs(&self, which: Which, id: u32) -> u32 {
        let before = self.ids(which).set_fs(id, self.may_set(which));
        self.note_change();
        before
    }

    /// Real, effective and saved.
    pub fn three(&self, which: Which) -> [u32; 3] {
        let ids = self.ids(which);
        [ids.real(), ids.effective(), ids.saved()]
    }

    /// What execve(2) of a file with set-id bits does; whether the program runs as another now.
    pub fn execute(&self, set_user: Option<u32>, set_group: Option<u32>) -> bool {
        let binding = self.no_new_privs.load(Relaxed) != 0;
        let (set_user, set_group) = if binding { (None, None) } else { (set_user, set_group) };
        let secure = set_user.is_some_and(|uid| uid != self.user.real())
            || set_group.is_some_and(|gid| gid != self.group.real());
        if let Some(gid) = set_group {
            self.group.set_all(SAME, gid, SAME);
        }
        if let Some(uid) = set_user {
            self.user.set_all(SAME, uid, SAME);
        }
        self.user.put(SAVED, self.user.effective());
        self.group.put(SAVED, self.group.effective());
        let [_, _, inheritable, bounding] = self.caps();
        let root = self.user.effective() == 0 || self.user.real() == 0;
        let permitted = if root { bounding | inheritable } else { 0 };
        let effective = if self.user.effective() == 0 { permitted } else { 0 };
        self.set_caps([effective, permitted, inheritable, bounding]);
        self.keep.store(0, Relaxed);
        self.note_change();
        secure
    }

    /// Whether the group is the process's, for access to files.
    pub fn in_group(&self, gid: u32) -> bool {
        self.group.fs() == gid || self.groups().any(|group| group == gid)
    }

    /// The supplementary groups.
    pub fn groups(&self) -> impl Iterator<Item = u32> {
        let count = self.count.load(Relaxed);
        self.groups.iter().take(count).map(|group| group.load(Relaxed))
    }

    /// setgroups(2)
    ///
    /// # Errors
    /// `EPERM`; `EINVAL` for more than [`MAX_GROUPS`].
    pub fn set_groups(&self, groups: &[u32]) -> Result<()> {
        if !self.may_set(Which::Group) {
            return Err(Errno::PERM);
        }
        if groups.len() > MAX_GROUPS {
            return Err(Errno::INVAL);
        }
        self.store_groups(groups.iter().copied());
        Ok(())
    }

    fn store_groups(&self, groups: impl Iterator<Item = u32>) {
        let mut count = 0;
        for (place, group) in self.groups.iter().zip(groups) {
            place.store(group, Relaxed);
            count += 1;
        }
        self.count.store(count, Relaxed);
        self.sort_groups(count);
        self.note_change();
    }

    /// getgroups(2) gives them in ascending order, whatever order they were set in.
    fn sort_groups(&self, count: usize) {
        for end in 1..count {
            for pair in self.groups.get(..=end).unwrap_or(&[]).windows(2).rev() {
                let [left, right] = pair else { break };
                let (first, second) = (left.load(Relaxed), right.load(Relaxed));
                if first <= second {
                    break;
                }
                left.store(second, Relaxed);
                right.store(first, Relaxed);
            }
        }
    }

    /// Effective, permitted, inheritable and bounding capabilities.
    pub fn caps(&self) -> [u64; 4] {
        self.caps.each_ref().map(|set| set.load(Relaxed))
    }

    /// Replaces them.
    pub fn set_caps(&self, caps: [u64; 4]) {
        for (set, value) in self.caps.iter().zip(caps) {
            set.store(value, Relaxed);
        }
    }

    /// `PR_SET_KEEPCAPS`, `PR_GET_KEEPCAPS`
    pub fn keep_caps(&self) -> &AtomicU32 {
        &self.keep
    }

    /// `PR_SET_NO_NEW_PRIVS`: set-id bits of programs say nothing.
    pub const fn no_new_privs(&self) -> &AtomicU32 {
        &self.no_new_privs
    }

    /// The owner's bits of the umask, which the kernel does not get.
    pub const fn owner_umask(&self) -> &AtomicU32 {
        &self.umask
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(uid: u32) -> Credentials {
        let credentials = Credentials::new();
        credentials.start(uid, uid, &[]);
        credentials
    }

    #[test]
    fn apts_drop_to_its_user_holds() {
        let c = user(0);
        c.set_groups(&[65534]).unwrap();
        c.set_three(Which::Group, [65534; 3]).unwrap();
        c.set_three(Which::User, [100; 3]).unwrap();
        assert_eq!(c.set(Which::User, 0), Err(Errno::PERM));
        assert_eq!(c.set(Which::Group, 0), Err(Errno::PERM));
        assert_eq!(c.set_groups(&[0]), Err(Errno::PERM));
        assert_eq!(c.caps()[0], 0);
        assert!(c.in_group(65534) && !c.in_group(0));
    }

    #[test]
    fn groups_are_kept_in_order() {
        let c = user(0);
        c.set_groups(&[100, 7, 50, 7, 1]).unwrap();
        assert_eq!(c.groups().collect::<Vec<_>>(), [1, 7, 7, 50, 100]);
        c.set_groups(&[9]).unwrap();
        assert_eq!(c.groups().collect::<Vec<_>>(), [9]);
    }

    #[test]
    fn a_temporary_drop_comes_back() {
        let c = user(0);
        c.set_three(Which::User, [SAME, 33, SAME]).unwrap();
        assert_eq!((c.user.effective(), c.user.fs(), c.caps()[0]), (33, 33, 0));
        c.set_three(Which::User, [SAME, 0, SAME]).unwrap();
        assert!(c.is_root() && c.caps()[0] == DEFAULT_CAPS);
    }

    #[test]
    fn kept_capabilities_still_change_groups() {
        let c = user(0);
        c.keep_caps().store(1, Relaxed);
        c.set_three(Which::User, [6; 3]).unwrap();
        assert_eq!(c.set_three(Which::Group, [6; 3]), Err(Errno::PERM));
        let [_, permitted, inheritable, bounding] = c.caps();
        c.set_caps([permitted, permitted, inheritable, bounding]);
        c.set_three(Which::Group, [6; 3]).unwrap();
        c.set_groups(&[]).unwrap();
    }

    #[test]
    fn setreuid_swaps_and_saves() {
        let c = user(0);
        c.set_real_effective(Which::User, 7, 8).unwrap();
        assert_eq!(c.three(Which::User), [7, 8, 8]);
        c.set_real_effective(Which::User, 8, 7).unwrap();
        assert_eq!(c.three(Which::User), [8, 7, 7]);
        assert_eq!(c.set_real_effective(Which::User, 0, SAME), Err(Errno::PERM));
        let c = user(5);
        c.set_real_effective(Which::User, SAME, 5).unwrap();
        assert_eq!(c.three(Which::User), [5, 5, 5]);
    }

    #[test]
    fn a_setuid_program_gets_its_owners_id() {
        let c = user(1000);
        assert!(c.execute(Some(0), None));
        assert_eq!(c.three(Which::User), [1000, 0, 0]);
        assert!(c.caps()[0] != 0);
        c.set(Which::User, 0).unwrap();
        assert_eq!(c.three(Which::User), [0, 0, 0]);
        assert!(!user(0).execute(Some(0), None));
    }

    #[test]
    fn who_gave_up_new_privileges_gets_none() {
        let c = user(1000);
        c.no_new_privs().store(1, Relaxed);
        let mut text = [0; ENCODED_LEN];
        let length = c.encode(&mut text);
        let d = Credentials::new();
        d.decode(&text[..length]);
        assert!(!d.execute(Some(0), Some(0)));
        assert_eq!((d.three(Which::User), d.three(Which::Group)), ([1000; 3], [1000; 3]));
        assert_eq!((d.caps()[0], d.no_new_privs().load(Relaxed)), (0, 1));
    }

    #[test]
    fn a_copy_changes_alone_and_is_told_apart() {
        let c = user(0);
        c.set_groups(&[5, 6]).unwrap();
        let d = Credentials::new();
        d.copy(&c);
        assert_eq!(d.groups().collect::<Vec<_>>(), [5, 6]);
        assert_ne!(d.version(), c.version());
        d.set(Which::User, 33).unwrap();
        assert_eq!((c.user.effective(), d.user.effective()), (0, 33));
        assert_ne!(d.version(), c.version());
    }

    #[test]
    fn credentials_survive_execve() {
        let c = user(3);
        c.start(3, 4, &[5, 6, 4_000_000_000]);
        let mut text = [0; ENCODED_LEN];
        let len = c.encode(&mut text);
        let d = user(0);
        d.decode(&text[..len]);
        assert_eq!(d.three(Which::User), [3; 3]);
        assert_eq!(d.three(Which::Group), [4; 3]);
        assert_eq!(d.groups().collect::<Vec<_>>(), [5, 6, 4_000_000_000]);
        assert_eq!(d.caps(), c.caps());
    }
}
