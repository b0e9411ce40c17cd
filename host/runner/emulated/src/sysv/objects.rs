//! What the three kinds have in common: identifiers, keys, permissions.

use kiln_emulated_core::sysv::command;
use rustix::io::Errno;

use super::{Caller, now};

/// `IPC_PRIVATE`
pub(super) const PRIVATE: i32 = 0;
const CREATE: i32 = 0o1000;
const EXCLUSIVE: i32 = 0o2000;
const CAP_IPC_OWNER: u32 = 15;
const CAP_SYS_ADMIN: u32 = 21;
/// An identifier is a place and how often places were given away (`IPCMNI`).
const PLACES: usize = 32_768;
/// What is answered in the form of `struct ipc_perm`.
const PERMISSIONS_LEN: usize = 48;

/// `struct ipc_perm`, and when it was last changed.
#[derive(Clone, Debug)]
pub(super) struct Permissions {
    pub(super) key: i32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) cuid: u32,
    pub(super) cgid: u32,
    pub(super) mode: u32,
    pub(super) seq: u16,
    pub(super) changed: i64,
}

impl Permissions {
    /// ipcperms() of the kernel: `wanted` has the bits of all three classes.
    pub(super) fn allow(&self, caller: &Caller, wanted: u32) -> Result<(), Errno> {
        let credentials = &caller.credentials;
        let wanted = (wanted >> 6) | (wanted >> 3) | wanted;
        let uid = credentials.user.effective();
        let granted = if uid == self.uid || uid == self.cuid {
            self.mode >> 6
        } else if credentials.in_group(self.gid) || credentials.in_group(self.cgid) {
            self.mode >> 3
        } else {
            self.mode
        };
        if wanted & !granted & 7 != 0 && !caller.has(CAP_IPC_OWNER) {
            return Err(Errno::ACCESS);
        }
        Ok(())
    }

    /// Whether the caller may change or remove the object.
    pub(super) fn own(&self, caller: &Caller) -> Result<(), Errno> {
        let uid = caller.credentials.user.effective();
        if uid == self.uid || uid == self.cuid || caller.has(CAP_SYS_ADMIN) {
            Ok(())
        } else {
            Err(Errno::PERM)
        }
    }

    /// IPC_SET's common part.
    pub(super) fn set(&mut self, caller: &Caller, data: &[u8]) -> Result<(), Errno> {
        let word = |at: usize| {
            let bytes = data.get(at..at + 4).ok_or(Errno::FAULT)?;
            bytes.try_into().map(u32::from_ne_bytes).map_err(|_| Errno::FAULT)
        };
        let (uid, gid, mode) = (word(4)?, word(8)?, word(20)?);
        self.own(caller)?;
        if uid == u32::MAX || gid == u32::MAX {
            return Err(Errno::INVAL);
        }
        (self.uid, self.gid) = (uid, gid);
        self.mode = (self.mode & !0o777) | (mode & 0o777);
        self.changed = now();
        Ok(())
    }

    /// The form in the guest's memory.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(PERMISSIONS_LEN);
        bytes.extend(self.key.to_ne_bytes());
        for word in [self.uid, self.gid, self.cuid, self.cgid, self.mode] {
            bytes.extend(word.to_ne_bytes());
        }
        bytes.extend(self.seq.to_ne_bytes());
        bytes.resize(PERMISSIONS_LEN, 0);
        bytes
    }
}

/// An object of one kind.
#[derive(Debug)]
pub(super) struct Object<T> {
    pub(super) permissions: Permissions,
    pub(super) value: T,
}

/// All objects of one kind.
#[derive(Debug)]
pub(super) struct Table<T> {
    places: Vec<Option<Object<T>>>,
    seq: u16,
    last: Option<usize>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { places: Vec::new(), seq: 0, last: None }
    }
}

/// How *get(2) found what it was asked for.
pub(super) enum Got {
    Found(i32),
    /// There is none, and the caller wants one.
    Wanted,
}

fn identifier(index: usize, seq: u16) -> i32 {
    i32::try_from(usize::from(seq) * PLACES + index).unwrap_or(0)
}

fn index_of(id: i32) -> Option<(usize, u16)> {
    let id = usize::try_from(id).ok()?;
    Some((id % PLACES, u16::try_from(id / PLACES).ok()?))
}

impl<T> Table<T> {
    /// What a key stands for. `fits` judges an object that is there.
    pub(super) fn look_up(
        &self,
        caller: &Caller,
        key: i32,
        flags: i32,
        fits: impl Fn(&T) -> bool,
    ) -> Result<Got, Errno> {
        let known = self.all().find(|(_, object)| key != PRIVATE && object.permissions.key == key);
        let Some((id, object)) = known else {
            let wanted = key == PRIVATE || flags & CREATE != 0;
            return if wanted { Ok(Got::Wanted) } else { Err(Errno::NOENT) };
        };
        if flags & CREATE != 0 && flags & EXCLUSIVE != 0 {
            return Err(Errno::EXIST);
        }
        if !fits(&object.value) {
            return Err(Errno::INVAL);
        }
        object.permissions.allow(caller, flags.cast_unsigned() & 0o777)?;
        Ok(Got::Found(id))
    }

    /// Adds an object, of which there may be so many.
    pub(super) fn add(
        &mut self,
        caller: &Caller,
        key: i32,
        flags: i32,
        value: T,
        most: usize,
    ) -> Result<i32, Errno> {
        let index = self.places.iter().position(Option::is_none).unwrap_or(self.places.len());
        if index >= most {
            return Err(Errno::NOSPC);
        }
        // As in the kernel, so that an identifier that was removed stays unknown for long.
        if self.last.is_some_and(|last| index <= last) {
            self.seq = self.seq.wrapping_add(1) & 0x7fff;
        }
        self.last = Some(index);
        let (uid, gid) =
            (caller.credentials.user.effective(), caller.credentials.group.effective());
        let mode = flags.cast_unsigned() & 0o777;
        let (cuid, cgid, seq, changed) = (uid, gid, self.seq, now());
        let permissions = Permissions { key, uid, gid, cuid, cgid, mode, seq, changed };
        let object = Some(Object { permissions, value });
        match self.places.get_mut(index) {
            Some(place) => *place = object,
            None => self.places.push(object),
        }
        Ok(identifier(index, self.seq))
    }

    pub(super) fn find(&self, id: i32) -> Result<&Object<T>, Errno> {
        let (index, seq) = index_of(id).ok_or(Errno::INVAL)?;
        let object = self.places.get(index).and_then(Option::as_ref);
        object.filter(|object| object.permissions.seq == seq).ok_or(Errno::INVAL)
    }

    pub(super) fn find_mut(&mut self, id: i32) -> Result<&mut Object<T>, Errno> {
        let (index, seq) = index_of(id).ok_or(Errno::INVAL)?;
        let object = self.places.get_mut(index).and_then(Option::as_mut);
        object.filter(|object| object.permissions.seq == seq).ok_or(Errno::INVAL)
    }

    pub(super) fn remove(&mut self, id: i32) {
        if self.find(id).is_ok()
            && let Some((index, _)) = index_of(id)
            && let Some(place) = self.places.get_mut(index)
        {
            *place = None;
        }
    }

    /// Every object with its identifier.
    pub(super) fn all(&self) -> impl Iterator<Item = (i32, &Object<T>)> {
        self.places.iter().enumerate().filter_map(|(index, place)| {
            let object = place.as_ref()?;
            Some((identifier(index, object.permissions.seq), object))
        })
    }

    /// The identifier of the object at a place, for the commands that list.
    pub(super) fn at(&self, index: i32) -> Result<i32, Errno> {
        let index = usize::try_from(index).map_err(|_| Errno::INVAL)?;
        let object = self.places.get(index).and_then(Option::as_ref).ok_or(Errno::INVAL)?;
        Ok(identifier(index, object.permissions.seq))
    }

    /// The highest place in use.
    pub(super) fn highest(&self) -> i32 {
        let highest = self.places.iter().rposition(Option::is_some).unwrap_or(0);
        i32::try_from(highest).unwrap_or(0)
    }
}

/// What IPC_STAT and the two commands by place describe: `by_place` and the one that asks for no
/// permission. With it the call's value: the identifier when the object was found by its place.
/// `None`: it is another command.
pub(super) fn described<'t, T>(
    table: &'t Table<T>,
    caller: &Caller,
    id: i32,
    asked: usize,
    by_place: [usize; 2],
) -> Result<Option<(i32, &'t Object<T>)>, Errno> {
    let [checked, unchecked] = by_place;
    let (id, value) = if asked == command::STAT {
        (id, 0)
    } else if asked == checked || asked == unchecked {
        let id = table.at(id)?;
        (id, id)
    } else {
        return Ok(None);
    };
    let object = table.find(id)?;
    if asked != unchecked {
        object.permissions.allow(caller, 0o444)?;
    }
    Ok(Some((value, object)))
}

/// Little structures, word by word.
pub(super) fn words(values: &[u64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_ne_bytes()).collect()
}

/// The same of integers.
pub(super) fn ints(values: &[usize]) -> Vec<u8> {
    let clamp = |value: &usize| i32::try_from(*value).unwrap_or(i32::MAX);
    values.iter().flat_map(|value| clamp(value).to_ne_bytes()).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use kiln_emulated_core::cred::Credentials;

    use super::*;

    /// Root, or a user in a group of the same number.
    pub(in crate::sysv) fn caller(id: u32) -> Caller {
        let credentials = Credentials::new();
        credentials.start(id, id, &[id]);
        Caller { pid: 100, credentials }
    }

    /// Root with capabilities that a container's has not.
    pub(in crate::sysv) fn privileged() -> Caller {
        let caller = caller(0);
        caller.credentials.set_caps([u64::MAX; 4]);
        caller
    }

    fn table() -> Table<u8> {
        Table::default()
    }

    #[test]
    fn identifiers_that_were_removed_stay_unknown() {
        let mut table = table();
        let root = caller(0);
        let first = table.add(&root, PRIVATE, 0o600, 1, 9).unwrap();
        let second = table.add(&root, PRIVATE, 0o600, 2, 9).unwrap();
        assert_eq!((first, second), (0, 1));
        table.remove(first);
        assert_eq!(table.find(first).err(), Some(Errno::INVAL));
        let third = table.add(&root, PRIVATE, 0o600, 3, 9).unwrap();
        assert_eq!(usize::try_from(third).unwrap(), PLACES, "the same place, the next number");
        assert_eq!(table.find(first).err(), Some(Errno::INVAL));
        table.remove(first);
        assert_eq!(table.find(third).unwrap().value, 3, "an old identifier removes nothing");
        assert_eq!(table.highest(), 1);
    }

    #[test]
    fn no_number_of_a_guest_is_another_objects() {
        let mut table = table();
        table.add(&caller(0), PRIVATE, 0o600, 1, 9).unwrap();
        let far = i32::try_from(PLACES).unwrap();
        for id in [-1, 1, far, far - 1, i32::MAX, i32::MIN] {
            assert_eq!(table.find(id).err(), Some(Errno::INVAL), "{id}");
            assert!(table.find_mut(id).is_err() && table.at(id).is_err(), "{id}");
        }
    }

    #[test]
    fn counts_are_bounded_and_numbers_come_round() {
        let mut table = table();
        let root = caller(0);
        assert!(table.add(&root, PRIVATE, 0, 0, 1).is_ok());
        assert_eq!(table.add(&root, PRIVATE, 0, 0, 1), Err(Errno::NOSPC));
        for _ in 0..70_000 {
            let id = table.all().next().unwrap().0;
            assert!(id >= 0);
            table.remove(id);
            table.add(&root, PRIVATE, 0, 0, 1).unwrap();
        }
    }

    #[test]
    fn keys_are_found_as_flags_and_permissions_say() {
        let mut table = table();
        let (owner, other) = (caller(7), caller(8));
        let look = |table: &Table<u8>, who: &Caller, flags| {
            table.look_up(who, 42, flags, |value| *value < 5).map(|got| match got {
                Got::Found(id) => Some(id),
                Got::Wanted => None,
            })
        };
        assert_eq!(look(&table, &owner, 0), Err(Errno::NOENT));
        assert_eq!(look(&table, &owner, CREATE), Ok(None));
        let id = table.add(&owner, 42, 0o640, 1, 9).unwrap();
        assert_eq!(look(&table, &owner, CREATE | 0o600), Ok(Some(id)));
        assert_eq!(look(&table, &owner, CREATE | EXCLUSIVE), Err(Errno::EXIST));
        assert_eq!(look(&table, &other, 0o400), Err(Errno::ACCESS));
        assert_eq!(look(&table, &other, 0), Ok(Some(id)));
        assert_eq!(look(&table, &caller(0), 0o600), Err(Errno::ACCESS), "as in a container");
        assert_eq!(look(&table, &privileged(), 0o600), Ok(Some(id)));
        table.find_mut(id).unwrap().value = 5;
        assert_eq!(look(&table, &owner, 0), Err(Errno::INVAL));
    }

    #[test]
    fn only_who_owns_it_changes_an_object() {
        let mut table = table();
        let id = table.add(&caller(7), PRIVATE, 0o600, 1, 9).unwrap();
        let permissions = &mut table.find_mut(id).unwrap().permissions;
        let mut wanted = [0; 48];
        wanted[4..8].copy_from_slice(&8u32.to_ne_bytes());
        wanted[20..24].copy_from_slice(&0o7644u32.to_ne_bytes());
        assert_eq!(permissions.set(&caller(8), &wanted), Err(Errno::PERM));
        assert_eq!(permissions.set(&caller(7), &wanted[..23]), Err(Errno::FAULT));
        permissions.set(&caller(7), &wanted).unwrap();
        assert_eq!((permissions.uid, permissions.mode), (8, 0o644));
        // Who made it stays its owner too.
        assert_eq!(permissions.own(&caller(7)), Ok(()));
        assert_eq!(permissions.own(&caller(9)), Err(Errno::PERM));
        wanted[4..8].copy_from_slice(&u32::MAX.to_ne_bytes());
        assert_eq!(permissions.set(&privileged(), &wanted), Err(Errno::INVAL));
    }

    #[test]
    fn descriptions_ask_for_permission_except_by_one_command() {
        let mut table = table();
        let id = table.add(&caller(7), PRIVATE, 0o600, 1, 9).unwrap();
        let value = |who: u32, id, asked| {
            described(&table, &caller(who), id, asked, [11, 13]).map(|found| Some(found?.0))
        };
        assert_eq!(value(7, id, command::STAT), Ok(Some(0)));
        assert_eq!(value(7, 0, 11), Ok(Some(id)));
        assert_eq!(value(8, id, command::STAT), Err(Errno::ACCESS));
        assert_eq!(value(8, 0, 11), Err(Errno::ACCESS));
        assert_eq!(value(8, 0, 13), Ok(Some(id)));
        assert_eq!(value(7, 1, 13), Err(Errno::INVAL));
        assert_eq!(value(7, id, command::REMOVE), Ok(None));
    }
}
