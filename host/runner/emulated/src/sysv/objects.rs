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

/// How a command that describes an object names it, and what it asks for.
pub(super) struct Description {
    pub(super) id: i32,
    /// What the call gives back: the identifier when it was found by its place.
    pub(super) value: i32,
    /// Whether permission to read is needed.
    pub(super) checked: bool,
}

/// IPC_STAT, and the two commands by place: `by_place` and the one that asks for no permission.
pub(super) fn described<T>(
    table: &Table<T>,
    id: i32,
    asked: usize,
    by_place: [usize; 2],
) -> Option<Result<Description, Errno>> {
    if asked == command::STAT {
        return Some(Ok(Description { id, value: 0, checked: true }));
    }
    let [checked, unchecked] = by_place;
    (asked == checked || asked == unchecked).then(|| {
        let id = table.at(id)?;
        Ok(Description { id, value: id, checked: asked == checked })
    })
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
