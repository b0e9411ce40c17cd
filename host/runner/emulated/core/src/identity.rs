//! The calls about who the process is: ids, groups, capabilities.

use crate::arch::nr;
use crate::cred::{MAX_GROUPS, Which};
use crate::errno::{Errno, Result};
use crate::guest::Guest;
use crate::world::World;

/// `_LINUX_CAPABILITY_VERSION_1`, `_2` and `_3`: the first has 32 bits, the others are alike.
const CAPABILITY_VERSIONS: [u32; 3] = [0x1998_0330, 0x2007_1026, 0x2008_0522];
const PR_GET_KEEPCAPS: usize = 7;
const PR_SET_KEEPCAPS: usize = 8;
const PR_CAPBSET_READ: usize = 23;
const PR_CAPBSET_DROP: usize = 24;
const PR_GET_SECUREBITS: usize = 27;
const PR_SET_SECUREBITS: usize = 28;
const PR_SET_NO_NEW_PRIVS: usize = 38;
const PR_GET_NO_NEW_PRIVS: usize = 39;
const PR_CAP_AMBIENT: usize = 47;
/// `CAP_CHECKPOINT_RESTORE`: programs count upwards until they get EINVAL.
const LAST_CAP: usize = 40;
/// `CAP_SETPCAP`
const SETPCAP: u64 = 1 << 8;
/// `PR_SET_SECCOMP`
const PR_SET_SECCOMP: usize = 22;

/// The prctl(2) options that are answered here.
pub const PRCTL_OPTIONS: &[u32] = &[7, 8, 22, 23, 24, 27, 28, 38, 39, 47];

#[expect(clippy::cast_possible_truncation, reason = "ids are the low half of the register")]
const fn id(argument: usize) -> u32 {
    argument as u32
}

impl<G: Guest> World<'_, G> {
    /// Answers an identity call; `None` when it is none.
    pub fn identity(&self, number: u32, a: [usize; 6]) -> Option<Result<usize>> {
        let before = self.cred.version();
        let answer = self.answer_identity(number, a);
        if self.cred.version() != before {
            self.note_changed_ids();
        }
        answer
    }

    fn answer_identity(&self, number: u32, a: [usize; 6]) -> Option<Result<usize>> {
        let cred = self.cred;
        let number_of = |value: u32| Ok(usize::try_from(value).unwrap_or(0));
        let done = |result: Result<()>| result.map(|()| 0);
        Some(match number {
            nr::GETUID => number_of(cred.user.real()),
            nr::GETEUID => number_of(cred.user.effective()),
            nr::GETGID => number_of(cred.group.real()),
            nr::GETEGID => number_of(cred.group.effective()),
            nr::SETUID => done(cred.set(Which::User, id(a[0]))),
            nr::SETGID => done(cred.set(Which::Group, id(a[0]))),
            nr::SETREUID => done(cred.set_real_effective(Which::User, id(a[0]), id(a[1]))),
            nr::SETREGID => done(cred.set_real_effective(Which::Group, id(a[0]), id(a[1]))),
            nr::SETRESUID => done(cred.set_three(Which::User, [id(a[0]), id(a[1]), id(a[2])])),
            nr::SETRESGID => done(cred.set_three(Which::Group, [id(a[0]), id(a[1]), id(a[2])])),
            nr::SETFSUID => number_of(cred.set_fs(Which::User, id(a[0]))),
            nr::SETFSGID => number_of(cred.set_fs(Which::Group, id(a[0]))),
            nr::GETRESUID => done(self.give_three(Which::User, a)),
            nr::GETRESGID => done(self.give_three(Which::Group, a)),
            nr::GETGROUPS => self.get_groups(a[0], a[1]),
            nr::SETGROUPS => done(self.set_groups(a[0], a[1])),
            nr::CAPGET => done(self.capget(a[0], a[1])),
            nr::CAPSET => done(self.capset(a[0], a[1])),
            nr::PRCTL => self.prctl(a),
            _ => return None,
        })
    }

    fn give_three(&self, which: Which, a: [usize; 6]) -> Result<()> {
        for (value, address) in self.cred.three(which).into_iter().zip(a) {
            self.guest.write(address, &value.to_ne_bytes())?;
        }
        Ok(())
    }

    fn get_groups(&self, room: usize, list: usize) -> Result<usize> {
        let count = self.cred.groups().count();
        let room = usize::try_from(id(room).cast_signed()).map_err(|_| Errno::INVAL)?;
        if room == 0 {
            return Ok(count);
        }
        if room < count {
            return Err(Errno::INVAL);
        }
        for (index, group) in self.cred.groups().enumerate() {
            self.guest.write(list + index * 4, &group.to_ne_bytes())?;
        }
        Ok(count)
    }

    fn set_groups(&self, count: usize, list: usize) -> Result<()> {
        let mut groups = [0; MAX_GROUPS];
        let groups = groups.get_mut(..count).ok_or(Errno::INVAL)?;
        for (index, group) in groups.iter_mut().enumerate() {
            let mut bytes = [0; 4];
            self.guest.read(list + index * 4, &mut bytes)?;
            *group = u32::from_ne_bytes(bytes);
        }
        self.cred.set_groups(groups)
    }

    /// How many bytes of data go with the header.
    fn capability_header(&self, header: usize) -> Result<usize> {
        let mut version = [0; 4];
        self.guest.read(header, &mut version)?;
        let [narrow, _, newest] = CAPABILITY_VERSIONS;
        match u32::from_ne_bytes(version) {
            version if version == narrow => Ok(12),
            version if CAPABILITY_VERSIONS.contains(&version) => Ok(24),
            _ => {
                self.guest.write(header, &newest.to_ne_bytes())?;
                Err(Errno::INVAL)
            }
        }
    }

    fn capget(&self, header: usize, data: usize) -> Result<()> {
        let length = match self.capability_header(header) {
            // A null data pointer asks for the version alone.
            Err(Errno::INVAL) if data == 0 => return Ok(()),
            other => other?,
        };
        if data == 0 {
            return Ok(());
        }
        let [effective, permitted, inheritable, _] = self.cred.caps();
        let mut out = [0; 24];
        let values = [effective, permitted, inheritable];
        for (index, value) in values.into_iter().enumerate() {
            let bytes = value.to_le_bytes();
            let (low, high) = bytes.split_at(4);
            out[index * 4..index * 4 + 4].copy_from_slice(low);
            out[12 + index * 4..12 + index * 4 + 4].copy_from_slice(high);
        }
        self.guest.write(data, out.get(..length).unwrap_or(&[]))
    }

    fn capset(&self, header: usize, data: usize) -> Result<()> {
        let length = self.capability_header(header)?;
        let mut bytes = [0; 24];
        self.guest.read(data, bytes.get_mut(..length).unwrap_or(&mut []))?;
        let set = |index: usize| {
            let half = |at: usize| {
                let word: [u8; 4] = bytes[at..at + 4].try_into().unwrap_or_default();
                u64::from(u32::from_ne_bytes(word))
            };
            half(index * 4) | (half(12 + index * 4) << 32)
        };
        let (effective, permitted, inheritable) = (set(0), set(1), set(2));
        let [_, old_permitted, old_inheritable, bounding] = self.cred.caps();
        let sound = effective & !permitted == 0
            && permitted & !old_permitted == 0
            && inheritable & !(old_inheritable | old_permitted | bounding) == 0;
        if !sound {
            return Err(Errno::PERM);
        }
        self.cred.set_caps([effective, permitted, inheritable, bounding]);
        self.note_changed_ids();
        Ok(())
    }

    fn prctl(&self, a: [usize; 6]) -> Result<usize> {
        use core::sync::atomic::Ordering::Relaxed;
        let [effective, permitted, inheritable, bounding] = self.cred.caps();
        let bit = (a[1] < 64).then(|| 1u64 << a[1]).filter(|_| a[1] <= LAST_CAP);
        match a[0] {
            PR_SET_KEEPCAPS if a[1] <= 1 => {
                self.cred.keep_caps().store(id(a[1]), Relaxed);
                Ok(0)
            }
            PR_GET_KEEPCAPS => Ok(usize::from(self.cred.keep_caps().load(Relaxed) != 0)),
            PR_CAPBSET_READ => {
                let bit = bit.ok_or(Errno::INVAL)?;
                Ok(usize::from(bounding & bit != 0))
            }
            PR_CAPBSET_DROP => {
                let bit = bit.ok_or(Errno::INVAL)?;
                if effective & SETPCAP == 0 {
                    return Err(Errno::PERM);
                }
                self.cred.set_caps([effective, permitted, inheritable, bounding & !bit]);
                Ok(0)
            }
            PR_GET_SECUREBITS => Ok(0),
            PR_SET_SECUREBITS if effective & SETPCAP != 0 => Ok(0),
            PR_SET_SECUREBITS => Err(Errno::PERM),
            // The kernel's has been on since before the step; this is the guest's own.
            PR_SET_NO_NEW_PRIVS if a[1..5] == [1, 0, 0, 0] => {
                self.cred.no_new_privs().store(1, Relaxed);
                Ok(0)
            }
            PR_GET_NO_NEW_PRIVS if a[1..5] == [0; 4] => {
                Ok(usize::from(self.cred.no_new_privs().load(Relaxed) != 0))
            }
            // No ambient set: clearing succeeds, nothing is in it, raising is refused.
            PR_CAP_AMBIENT => match a[1] {
                1 | 3 if a[2] <= LAST_CAP => Ok(0),
                2 if a[2] <= LAST_CAP => Err(Errno::PERM),
                4 => Ok(0),
                _ => Err(Errno::INVAL),
            },
            // A filter of the guest's own would judge the handler's calls too; as on a kernel
            // without seccomp, which programs are prepared for.
            PR_SET_SECCOMP => Err(Errno::INVAL),
            _ => Err(Errno::INVAL),
        }
    }
}
