//! Sets of semaphores.

use kiln_emulated_core::sysv::{COUNT, OPERATION_LEN, OPERATIONS_MAX, SET_MAX, command};
use rustix::io::Errno;

use super::objects::{Got, Object, Table, described, ints, words};
use super::undo::{Process, Undo};
use super::{Answer, Caller, Tried, int, now};

/// Most sets, and most semaphores in all of them.
const SETS_MAX: usize = 512;
const SEMAPHORES_MAX: usize = 65_536;
/// Highest value (`SEMVMX`).
const VALUE_MAX: i32 = 32_767;
const GETPID: usize = 11;
const GETVAL: usize = 12;
pub(super) const GETNCNT: usize = 14;
pub(super) const GETZCNT: usize = 15;
const SETVAL: usize = 16;
const STAT_BY_PLACE: [usize; 2] = [18, 20];
const INFO: usize = 19;
/// `SEM_UNDO`, `IPC_NOWAIT` of `struct sembuf`.
const UNDO: u16 = 0x1000;
const NO_WAIT: u16 = 0o4000;

/// `struct sembuf`
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) number: u16,
    pub(super) change: i16,
    pub(super) undo: bool,
    no_wait: bool,
}

impl Operation {
    pub(super) fn parse(bytes: &[u8; OPERATION_LEN]) -> Self {
        let [a, b, c, d, e, f] = *bytes;
        let flags = u16::from_ne_bytes([e, f]);
        Self {
            number: u16::from_ne_bytes([a, b]),
            change: i16::from_ne_bytes([c, d]),
            undo: flags & UNDO != 0,
            no_wait: flags & NO_WAIT != 0,
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Semaphore {
    value: i32,
    /// Who changed it last.
    pid: i32,
}

#[derive(Debug)]
pub(super) struct Set {
    semaphores: Vec<Semaphore>,
    pub(super) operated: i64,
}

impl Set {
    pub(super) fn len(&self) -> usize {
        self.semaphores.len()
    }

    fn at(&mut self, number: i32) -> Result<&mut Semaphore, Errno> {
        let number = usize::try_from(number).map_err(|_| Errno::INVAL)?;
        self.semaphores.get_mut(number).ok_or(Errno::INVAL)
    }

    /// All operations, or none of them.
    fn operate(
        &mut self,
        pid: i32,
        (set, operations): (i32, &[Operation]),
        undo: &Undo,
    ) -> Result<Result<Vec<(u16, i32)>, usize>, Errno> {
        let mut before: Vec<(u16, i32)> = Vec::new();
        let mut undone: Vec<(u16, i32)> = Vec::new();
        let mut result = Ok(None);
        for (index, operation) in operations.iter().enumerate() {
            let number = operation.number;
            let semaphore = self.at(number.into())?;
            let change = i32::from(operation.change);
            let value = semaphore.value + change;
            if value < 0 || change == 0 && value != 0 {
                result = if operation.no_wait { Err(Errno::AGAIN) } else { Ok(Some(index)) };
                break;
            }
            if value > VALUE_MAX {
                result = Err(Errno::RANGE);
                break;
            }
            if operation.undo && change != 0 {
                let known = undone.iter().rev().find(|(at, _)| *at == number);
                let back = known.map_or_else(|| undo.value(pid, (set, number)), |known| known.1);
                let back = back - change;
                if !(-VALUE_MAX - 1..=VALUE_MAX).contains(&back) {
                    result = Err(Errno::RANGE);
                    break;
                }
                undone.push((number, back));
            }
            before.push((number, semaphore.value));
            semaphore.value = value;
        }
        if result.is_ok_and(|blocked| blocked.is_none()) {
            return if undone.is_empty() || undo.has_room(pid, undone.len()) {
                Ok(Ok(undone))
            } else {
                self.restore(&before);
                Err(Errno::NOMEM)
            };
        }
        self.restore(&before);
        result.map(|blocked| Err(blocked.unwrap_or(0)))
    }

    fn restore(&mut self, before: &[(u16, i32)]) {
        for &(number, value) in before.iter().rev() {
            if let Ok(semaphore) = self.at(number.into()) {
                semaphore.value = value;
            }
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Sets(Table<Set>);

impl Sets {
    pub(super) fn get(
        &mut self,
        caller: &Caller,
        key: i32,
        count: i32,
        flags: i32,
    ) -> Result<Answer, Errno> {
        let count = usize::try_from(count).map_err(|_| Errno::INVAL)?;
        if count > SET_MAX {
            return Err(Errno::INVAL);
        }
        if let Got::Found(id) = self.0.look_up(caller, key, flags, |set| count <= set.len())? {
            return Ok(id.into());
        }
        if count == 0 {
            return Err(Errno::INVAL);
        }
        if self.total() + count > SEMAPHORES_MAX {
            return Err(Errno::NOSPC);
        }
        let set = Set { semaphores: vec![Semaphore::default(); count], operated: 0 };
        self.0.add(caller, key, flags, set, SETS_MAX).map(Answer::from)
    }

    fn total(&self) -> usize {
        self.0.all().map(|(_, object)| object.value.len()).sum()
    }

    /// Whether operations may be tried at all.
    pub(super) fn check(
        &self,
        caller: &Caller,
        set: i32,
        operations: &[Operation],
    ) -> Result<(), Errno> {
        let object = self.0.find(set)?;
        if operations.iter().any(|one| usize::from(one.number) >= object.value.len()) {
            return Err(Errno::FBIG);
        }
        let changes = operations.iter().any(|operation| operation.change != 0);
        object.permissions.allow(caller, if changes { 0o222 } else { 0o444 })
    }

    /// Whether one semaphore may be looked at.
    pub(super) fn check_one(
        &mut self,
        caller: &Caller,
        set: i32,
        number: i32,
    ) -> Result<(), Errno> {
        let object = self.0.find_mut(set)?;
        object.permissions.allow(caller, 0o444)?;
        object.value.at(number).map(drop)
    }

    /// semop(2); `blocked` is the operation that it waits for.
    pub(super) fn operate(
        &mut self,
        pid: i32,
        id: i32,
        operations: &[Operation],
        blocked: &mut usize,
        undo: &mut Undo,
    ) -> Result<Tried, Errno> {
        let set = &mut self.0.find_mut(id)?.value;
        match set.operate(pid, (id, operations), undo)? {
            Ok(undone) => {
                for (number, value) in undone {
                    undo.set(pid, (id, number), value);
                }
                for operation in operations {
                    set.at(operation.number.into())?.pid = pid;
                }
                set.operated = now();
                Ok(Tried::Done(0.into()))
            }
            Err(index) => {
                *blocked = index;
                Ok(Tried::Waits)
            }
        }
    }

    /// Gives back what a process that has ended took; the sets that changed.
    pub(super) fn undo(&mut self, process: &Process) -> Vec<i32> {
        let mut sets = Vec::new();
        for (&(id, number), &change) in &process.values {
            let Ok(object) = self.0.find_mut(id) else { continue };
            let Ok(semaphore) = object.value.at(number.into()) else { continue };
            semaphore.value = (semaphore.value + change).clamp(0, VALUE_MAX);
            semaphore.pid = process.pid;
            object.value.operated = now();
            if sets.last() != Some(&id) {
                sets.push(id);
            }
        }
        sets
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (i32, &Object<Set>)> {
        self.0.all()
    }

    pub(super) fn control(
        &mut self,
        caller: &Caller,
        [id, number, asked, argument, _]: [usize; 5],
        data: &[u8],
        undo: &mut Undo,
    ) -> Result<Answer, Errno> {
        let id = int(id);
        if let Some((value, object)) = described(&self.0, caller, id, asked, STAT_BY_PLACE)? {
            return Ok(Answer::data(value, status(object)));
        }
        match asked {
            command::INFO | INFO => {
                let (sets, all) = match asked {
                    INFO => (self.0.all().count(), self.total()),
                    _ => (20, 32_767),
                };
                let most = usize::try_from(VALUE_MAX).unwrap_or(0);
                let (set, each) = (SET_MAX, OPERATIONS_MAX);
                let values = [
                    SEMAPHORES_MAX,
                    SETS_MAX,
                    SEMAPHORES_MAX,
                    SEMAPHORES_MAX,
                    set,
                    each,
                    each,
                    sets,
                    most,
                    all,
                ];
                return Ok(Answer::data(self.0.highest(), ints(&values)));
            }
            command::SET => self.0.find_mut(id)?.permissions.set(caller, data)?,
            command::REMOVE => {
                self.0.find(id)?.permissions.own(caller)?;
                self.0.remove(id);
                undo.forget(id, None);
            }
            _ => return self.values(caller, id, [number, asked, argument], data, undo),
        }
        Ok(0.into())
    }

    /// The commands about values.
    fn values(
        &mut self,
        caller: &Caller,
        id: i32,
        [number, asked, argument]: [usize; 3],
        data: &[u8],
        undo: &mut Undo,
    ) -> Result<Answer, Errno> {
        let (number, argument) = (int(number), int(argument));
        let object = self.0.find_mut(id)?;
        let set = &mut object.value;
        let wanted = if matches!(asked, SETVAL | command::SET_ALL) { 0o222 } else { 0o444 };
        match asked {
            COUNT => return Ok(i32::try_from(set.len()).unwrap_or(0).into()),
            SETVAL if !(0..=VALUE_MAX).contains(&argument) => return Err(Errno::RANGE),
            GETVAL | GETPID | command::GET_ALL | SETVAL | command::SET_ALL => {
                object.permissions.allow(caller, wanted)?;
            }
            _ => return Err(Errno::INVAL),
        }
        match asked {
            GETVAL => return set.at(number).map(|semaphore| semaphore.value.into()),
            GETPID => return set.at(number).map(|semaphore| semaphore.pid.into()),
            command::GET_ALL => {
                let values = set.semaphores.iter().map(|semaphore| semaphore.value);
                let bytes = |value| u16::try_from(value).unwrap_or(0).to_ne_bytes();
                return Ok(Answer::data(0, values.flat_map(bytes).collect()));
            }
            SETVAL => {
                *set.at(number)? = Semaphore { value: argument, pid: caller.pid };
                undo.forget(id, u16::try_from(number).ok());
            }
            _ => {
                let (values, _) = data.as_chunks::<2>();
                let values: Vec<i32> =
                    values.iter().map(|value| u16::from_ne_bytes(*value).into()).collect();
                if values.len() != set.len() {
                    return Err(Errno::FAULT);
                }
                if values.iter().any(|&value| value > VALUE_MAX) {
                    return Err(Errno::RANGE);
                }
                for (semaphore, value) in set.semaphores.iter_mut().zip(values) {
                    *semaphore = Semaphore { value, pid: caller.pid };
                }
                undo.forget(id, None);
            }
        }
        object.permissions.changed = now();
        Ok(0.into())
    }
}

/// `struct semid_ds`
fn status(object: &Object<Set>) -> Vec<u8> {
    let mut bytes = object.permissions.to_bytes();
    let (operated, changed) = (object.value.operated, object.permissions.changed);
    let count = u64::try_from(object.value.len()).unwrap_or(0);
    let (operated, changed) = (operated.cast_unsigned(), changed.cast_unsigned());
    bytes.extend(words(&[operated, 0, changed, 0, count, 0, 0]));
    bytes
}

#[cfg(test)]
mod tests;
