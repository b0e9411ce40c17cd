//! Shared memory: memory files, which guests map themselves.

use std::os::fd::{AsRawFd as _, OwnedFd};

use kiln_emulated_core::sysv::{SEGMENT_NAME, command};
use rustix::fs::{
    CWD, MemfdFlags, Mode, OFlags, SealFlags, fcntl_add_seals, fstat, ftruncate, major,
    memfd_create, minor, openat,
};
use rustix::io::Errno;

use super::attached::{Inode, counts};
use super::objects::{Got, Object, PRIVATE, Table, described, words};
use super::{Answer, Caller, now};

/// Most segments: each is a descriptor of the builder's.
const SEGMENTS_MAX: usize = 256;
/// Most bytes of all segments. A step may fill the pod's memory by itself as well; this is about
/// sums that do not overflow.
const BYTES_MAX: u64 = 1 << 36;
const PAGE: u64 = 4096;
/// `SHM_RDONLY`, `SHM_EXEC` of shmat(2).
const READ_ONLY: usize = 0o10_000;
const EXECUTE: usize = 0o100_000;
/// `SHM_HUGETLB` of shmget(2).
const HUGE: i32 = 0o4000;
/// `SHM_DEST`, `SHM_LOCKED` in the mode.
const DOOMED: u32 = 0o1000;
const LOCKED: u32 = 0o2000;
const LOCK: usize = 11;
const UNLOCK: usize = 12;
const STAT_BY_PLACE: [usize; 2] = [13, 15];
const INFO: usize = 14;
const CAP_IPC_LOCK: u32 = 14;

#[derive(Debug)]
pub(super) struct Segment {
    memory: OwnedFd,
    pub(super) inode: Inode,
    pub(super) size: u64,
    pub(super) attached: i64,
    pub(super) detached: i64,
    pub(super) creator: i32,
    pub(super) last: i32,
}

impl Segment {
    fn make(key: i32, size: u64, creator: i32) -> Result<Self, Errno> {
        let name = format!("{SEGMENT_NAME}{key:08x}");
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let memory = memfd_create(name, flags)?;
        ftruncate(&memory, size.next_multiple_of(PAGE))?;
        // A process that cut it short would end the others by SIGBUS.
        fcntl_add_seals(&memory, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        let stat = fstat(&memory)?;
        let device = format!("{:02x}:{:02x}", major(stat.st_dev), minor(stat.st_dev));
        let inode = (device, stat.st_ino);
        Ok(Self { memory, inode, size, attached: 0, detached: 0, creator, last: 0 })
    }

    /// Pages that are in memory.
    pub(super) fn resident(&self) -> u64 {
        fstat(&self.memory).ok().and_then(|stat| u64::try_from(stat.st_blocks).ok()).unwrap_or(0)
            / 8
    }
}

#[derive(Debug, Default)]
pub(super) struct Segments(Table<Segment>);

impl Segments {
    pub(super) fn get(
        &mut self,
        caller: &Caller,
        key: i32,
        size: usize,
        flags: i32,
    ) -> Result<Answer, Errno> {
        let size = u64::try_from(size).map_err(|_| Errno::INVAL)?;
        if let Got::Found(id) =
            self.0.look_up(caller, key, flags, |segment| size <= segment.size)?
        {
            return Ok(id.into());
        }
        if size == 0 || size > i64::MAX.cast_unsigned() {
            return Err(Errno::INVAL);
        }
        if flags & HUGE != 0 {
            // As where no huge pages are set aside.
            return Err(Errno::NOMEM);
        }
        self.sweep();
        let used: u64 = self.0.all().map(|(_, object)| object.value.size).sum();
        if size > BYTES_MAX || used + size > BYTES_MAX || self.0.all().count() >= SEGMENTS_MAX {
            return Err(Errno::NOSPC);
        }
        let segment = Segment::make(key, size, caller.pid)?;
        self.0.add(caller, key, flags, segment, SEGMENTS_MAX).map(Answer::from)
    }

    pub(super) fn attach(
        &mut self,
        caller: &Caller,
        id: i32,
        flags: usize,
    ) -> Result<Answer, Errno> {
        let object = self.alive(id)?;
        let mut wanted = 0o444;
        let mut access = OFlags::RDONLY;
        if flags & READ_ONLY == 0 {
            wanted |= 0o222;
            access = OFlags::RDWR;
        }
        if flags & EXECUTE != 0 {
            wanted |= 0o111;
        }
        object.permissions.allow(caller, wanted)?;
        let segment = &mut object.value;
        // Opened anew: who attached for reading cannot make the mapping writable.
        let path = format!("/proc/self/fd/{}", segment.memory.as_raw_fd());
        let file = openat(CWD, path, access | OFlags::CLOEXEC, Mode::empty())?;
        segment.attached = now();
        segment.last = caller.pid;
        let data = segment.size.to_ne_bytes().to_vec();
        Ok(Answer { value: 0, data, file: Some(file) })
    }

    /// A guest has unmapped a segment, which it knows by its inode.
    pub(super) fn detached(&mut self, caller: &Caller, inode: usize) -> Result<Answer, Errno> {
        let known =
            self.0.all().find(|(_, object)| usize::try_from(object.value.inode.1) == Ok(inode));
        if let Some((id, object)) = known {
            let doomed = object.permissions.mode & DOOMED != 0;
            let segment = &mut self.0.find_mut(id)?.value;
            segment.detached = now();
            segment.last = caller.pid;
            if doomed {
                self.sweep();
            }
        }
        Ok(0.into())
    }

    /// A segment that is there; one that was removed goes with its last attachment.
    fn alive(&mut self, id: i32) -> Result<&mut Object<Segment>, Errno> {
        if self.0.find(id)?.permissions.mode & DOOMED != 0 {
            self.sweep();
        }
        self.0.find_mut(id)
    }

    /// Forgets the removed segments that nobody has attached any more.
    fn sweep(&mut self) {
        let doomed: Vec<(i32, Inode)> = self
            .0
            .all()
            .filter(|(_, object)| object.permissions.mode & DOOMED != 0)
            .map(|(id, object)| (id, object.value.inode.clone()))
            .collect();
        if doomed.is_empty() {
            return;
        }
        let counts = counts();
        for (id, _) in doomed.iter().filter(|(_, inode)| !counts.contains_key(inode)) {
            self.0.remove(*id);
        }
    }

    /// All segments, and how often each is attached.
    pub(super) fn list(&mut self) -> Vec<(i32, &Object<Segment>, u64)> {
        self.sweep();
        let counts = counts();
        let all = self.0.all();
        all.map(|(id, object)| (id, object, counts.get(&object.value.inode).copied().unwrap_or(0)))
            .collect()
    }

    pub(super) fn control(
        &mut self,
        caller: &Caller,
        id: i32,
        asked: usize,
        data: &[u8],
    ) -> Result<Answer, Errno> {
        self.sweep();
        if let Some((value, object)) = described(&self.0, caller, id, asked, STAT_BY_PLACE)? {
            return Ok(Answer::data(value, status(object)));
        }
        match asked {
            command::SET => self.alive(id)?.permissions.set(caller, data)?,
            command::REMOVE => {
                let permissions = &mut self.alive(id)?.permissions;
                permissions.own(caller)?;
                permissions.mode |= DOOMED;
                permissions.key = PRIVATE;
                self.sweep();
            }
            LOCK | UNLOCK => {
                let permissions = &mut self.alive(id)?.permissions;
                if !caller.has(CAP_IPC_LOCK) {
                    permissions.own(caller)?;
                }
                permissions.mode &= !LOCKED;
                if asked == LOCK {
                    permissions.mode |= LOCKED;
                }
            }
            command::INFO => {
                let no_limit = u64::MAX - (1 << 24);
                let most = u64::try_from(SEGMENTS_MAX).unwrap_or(0);
                let values = [BYTES_MAX.min(no_limit), 1, most, most, BYTES_MAX / PAGE, 0, 0, 0, 0];
                return Ok(Answer::data(self.0.highest(), words(&values)));
            }
            INFO => {
                self.sweep();
                let count = u64::try_from(self.0.all().count()).unwrap_or(0);
                let pages = self.0.all().map(|(_, object)| object.value.size.div_ceil(PAGE)).sum();
                let resident = self.0.all().map(|(_, object)| object.value.resident()).sum();
                let values = [count, pages, resident, 0, 0, 0];
                return Ok(Answer::data(self.0.highest(), words(&values)));
            }
            _ => return Err(Errno::INVAL),
        }
        Ok(0.into())
    }
}

/// `struct shmid_ds`
fn status(object: &Object<Segment>) -> Vec<u8> {
    let count = counts().get(&object.value.inode).copied().unwrap_or(0);
    let segment = &object.value;
    let mut bytes = object.permissions.to_bytes();
    bytes.extend(segment.size.to_ne_bytes());
    for time in [segment.attached, segment.detached, object.permissions.changed] {
        bytes.extend(time.to_ne_bytes());
    }
    bytes.extend(segment.creator.to_ne_bytes());
    bytes.extend(segment.last.to_ne_bytes());
    bytes.extend(words(&[count, 0, 0]));
    bytes
}

#[cfg(test)]
mod tests {
    use super::super::objects::tests::caller;
    use super::*;

    #[test]
    fn sizes_and_counts_are_bounded() {
        let mut segments = Segments::default();
        let root = caller(0);
        let mut get = |size: usize, flags| segments.get(&root, 0, size, flags).map(|got| got.value);
        for size in [0, usize::MAX, 1 << 63] {
            assert_eq!(get(size, 0o600), Err(Errno::INVAL), "{size}");
        }
        assert_eq!(get((1 << 36) + 1, 0o600), Err(Errno::NOSPC));
        assert_eq!(get(1, 0o600 | HUGE), Err(Errno::NOMEM));
        assert!(get(1 << 36, 0o600).is_ok());
        assert_eq!(get(1, 0o600), Err(Errno::NOSPC), "all of them together");
        let mut segments = Segments::default();
        for _ in 0..SEGMENTS_MAX {
            segments.get(&root, 0, 1, 0o600).unwrap();
        }
        assert_eq!(segments.get(&root, 0, 1, 0o600).err(), Some(Errno::NOSPC));
    }

    #[test]
    fn who_may_only_read_gets_memory_that_cannot_be_written() {
        let mut segments = Segments::default();
        let id = segments.get(&caller(7), 0, 1, 0o644).unwrap().value;
        assert_eq!(segments.attach(&caller(8), id, 0).err(), Some(Errno::ACCESS));
        let file = segments.attach(&caller(8), id, READ_ONLY).unwrap().file.unwrap();
        assert_eq!(rustix::io::write(&file, b"x"), Err(Errno::BADF));
        let file = segments.attach(&caller(7), id, 0).unwrap().file.unwrap();
        assert_eq!(rustix::io::write(&file, b"x"), Ok(1));
        // Nobody takes memory from under the others.
        assert_eq!(ftruncate(&file, 0), Err(Errno::PERM));
    }

    #[test]
    fn what_is_removed_and_attached_nowhere_is_gone() {
        let mut segments = Segments::default();
        let root = caller(0);
        let id = segments.get(&root, 5, 1, 0o1600).unwrap().value;
        assert_eq!(segments.control(&caller(7), id, command::REMOVE, &[]).err(), Some(Errno::PERM));
        assert!(segments.control(&root, id, command::REMOVE, &[]).is_ok());
        assert_eq!(segments.attach(&root, id, 0).err(), Some(Errno::INVAL));
        assert_eq!(segments.control(&root, id, command::STAT, &[]).err(), Some(Errno::INVAL));
        assert_eq!(segments.get(&root, 5, 1, 0o600).err(), Some(Errno::NOENT));
    }
}
