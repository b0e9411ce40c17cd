//! Message queues.

use std::collections::VecDeque;

use kiln_emulated_core::sysv::{MESSAGE_MAX, command};
use rustix::io::Errno;

use super::objects::{Got, Object, Table, described, ints, words};
use super::waiters::NO_WAIT;
use super::{Answer, Caller, Tried, now};

/// Most queues.
const QUEUES_MAX: usize = 512;
/// Bytes that a queue takes unless it was told otherwise (`MSGMNB`).
const QUEUE_BYTES: u64 = 16_384;
/// Most messages and bytes in all queues: they lie in the builder's memory.
const MESSAGES_MAX: usize = 65_536;
const BYTES_MAX: u64 = 32 << 20;
const STAT_BY_PLACE: [usize; 2] = [11, 13];
const INFO: usize = 12;
const NO_ERROR: usize = 0o10_000;
const EXCEPT: usize = 0o20_000;
const COPY: usize = 0o40_000;
const CAP_SYS_RESOURCE: u32 = 24;
const NO_MESSAGE: Errno = Errno::NOMSG;

#[derive(Debug)]
struct Message {
    kind: i64,
    text: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Queue {
    messages: VecDeque<Message>,
    pub(super) bytes: u64,
    limit: u64,
    pub(super) sent: i64,
    pub(super) received: i64,
    pub(super) sender: i32,
    pub(super) receiver: i32,
}

impl Queue {
    pub(super) fn len(&self) -> u64 {
        u64::try_from(self.messages.len()).unwrap_or(u64::MAX)
    }
}

/// Which message msgrcv(2) wants.
#[derive(Debug)]
pub(super) struct Which {
    size: usize,
    kind: i64,
    except: bool,
    cut: bool,
    no_wait: bool,
}

impl Which {
    pub(super) fn new(size: usize, kind: i64, flags: usize) -> Result<Self, Errno> {
        if size > isize::MAX.cast_unsigned() {
            return Err(Errno::INVAL);
        }
        if flags & COPY != 0 {
            // As in a kernel that was built without checkpoints.
            return Err(Errno::NOSYS);
        }
        Ok(Self {
            size,
            kind,
            except: flags & EXCEPT != 0,
            cut: flags & NO_ERROR != 0,
            no_wait: flags & NO_WAIT != 0,
        })
    }

    fn find(&self, messages: &VecDeque<Message>) -> Option<usize> {
        match self.kind {
            0 => (!messages.is_empty()).then_some(0),
            ..0 => {
                let most = self.kind.checked_neg().unwrap_or(i64::MAX);
                let fitting = messages.iter().enumerate().filter(|(_, one)| one.kind <= most);
                fitting.min_by_key(|(_, one)| one.kind).map(|(index, _)| index)
            }
            kind => messages.iter().position(|one| (one.kind == kind) != self.except),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Queues(Table<Queue>);

impl Queues {
    pub(super) fn get(&mut self, caller: &Caller, key: i32, flags: i32) -> Result<Answer, Errno> {
        if let Got::Found(id) = self.0.look_up(caller, key, flags, |_| true)? {
            return Ok(id.into());
        }
        let queue = Queue {
            messages: VecDeque::new(),
            bytes: 0,
            limit: QUEUE_BYTES,
            sent: 0,
            received: 0,
            sender: 0,
            receiver: 0,
        };
        self.0.add(caller, key, flags, queue, QUEUES_MAX).map(Answer::from)
    }

    pub(super) fn check(&self, caller: &Caller, id: i32, wanted: u32) -> Result<(), Errno> {
        self.0.find(id)?.permissions.allow(caller, wanted)
    }

    /// msgsnd(2); the text is taken when there is room.
    pub(super) fn send(
        &mut self,
        pid: i32,
        id: i32,
        kind: i64,
        text: &mut Vec<u8>,
        no_wait: bool,
    ) -> Result<Tried, Errno> {
        let (messages, bytes) = self.totals();
        let length = u64::try_from(text.len()).map_err(|_| Errno::INVAL)?;
        let queue = &mut self.0.find_mut(id)?.value;
        if queue.bytes + length > queue.limit || queue.len() + 1 > queue.limit {
            return if no_wait { Err(Errno::AGAIN) } else { Ok(Tried::Waits) };
        }
        if messages >= MESSAGES_MAX || bytes + length > BYTES_MAX {
            return Err(Errno::NOMEM);
        }
        queue.messages.push_back(Message { kind, text: std::mem::take(text) });
        queue.bytes += length;
        (queue.sent, queue.sender) = (now(), pid);
        Ok(Tried::Done(0.into()))
    }

    fn totals(&self) -> (usize, u64) {
        self.0.all().fold((0, 0), |(messages, bytes), (_, object)| {
            (messages + object.value.messages.len(), bytes + object.value.bytes)
        })
    }

    /// msgrcv(2)
    pub(super) fn receive(&mut self, pid: i32, id: i32, which: &Which) -> Result<Tried, Errno> {
        let queue = &mut self.0.find_mut(id)?.value;
        let Some(index) = which.find(&queue.messages) else {
            return if which.no_wait { Err(NO_MESSAGE) } else { Ok(Tried::Waits) };
        };
        let length = queue.messages.get(index).map_or(0, |message| message.text.len());
        if length > which.size && !which.cut {
            return Err(Errno::TOOBIG);
        }
        let mut message = queue.messages.remove(index).ok_or(NO_MESSAGE)?;
        queue.bytes = queue.bytes.saturating_sub(u64::try_from(length).unwrap_or(0));
        (queue.received, queue.receiver) = (now(), pid);
        message.text.truncate(which.size);
        let value = i32::try_from(message.text.len()).unwrap_or(0);
        let mut data = message.kind.to_ne_bytes().to_vec();
        data.append(&mut message.text);
        Ok(Tried::Done(Answer::data(value, data)))
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (i32, &Object<Queue>)> {
        self.0.all()
    }

    pub(super) fn control(
        &mut self,
        caller: &Caller,
        id: i32,
        asked: usize,
        data: &[u8],
    ) -> Result<Answer, Errno> {
        /// Where `struct msqid_ds` has the limit.
        const LIMIT: std::ops::Range<usize> = 88..96;
        if let Some((value, object)) = described(&self.0, caller, id, asked, STAT_BY_PLACE)? {
            return Ok(Answer::data(value, status(object)));
        }
        match asked {
            command::INFO | INFO => {
                let (messages, bytes) = self.totals();
                let (used, messages, bytes) = match asked {
                    INFO => (self.0.all().count(), messages, usize::try_from(bytes).unwrap_or(0)),
                    _ => (0, 0, 0),
                };
                let each = usize::try_from(QUEUE_BYTES).unwrap_or(0);
                let mut values = ints(&[used, messages, MESSAGE_MAX, each, QUEUES_MAX, 16, bytes]);
                values.extend(u16::MAX.to_ne_bytes());
                values.extend([0; 2]);
                return Ok(Answer::data(self.0.highest(), values));
            }
            command::SET => {
                let object = self.0.find_mut(id)?;
                let limit = data.get(LIMIT).and_then(|bytes| bytes.try_into().ok());
                let limit = limit.map(u64::from_ne_bytes).ok_or(Errno::FAULT)?;
                object.permissions.own(caller)?;
                if limit > QUEUE_BYTES && !caller.has(CAP_SYS_RESOURCE) {
                    return Err(Errno::PERM);
                }
                object.permissions.set(caller, data)?;
                object.value.limit = limit.min(BYTES_MAX);
            }
            command::REMOVE => {
                self.0.find(id)?.permissions.own(caller)?;
                self.0.remove(id);
            }
            _ => return Err(Errno::INVAL),
        }
        Ok(0.into())
    }
}

/// `struct msqid_ds`
fn status(object: &Object<Queue>) -> Vec<u8> {
    let queue = &object.value;
    let mut bytes = object.permissions.to_bytes();
    for time in [queue.sent, queue.received, object.permissions.changed] {
        bytes.extend(time.to_ne_bytes());
    }
    bytes.extend(words(&[queue.bytes, queue.len(), queue.limit]));
    bytes.extend(queue.sender.to_ne_bytes());
    bytes.extend(queue.receiver.to_ne_bytes());
    bytes.extend(words(&[0, 0]));
    bytes
}

#[cfg(test)]
mod tests {
    use super::super::objects::tests::{caller, privileged};
    use super::*;

    fn queues() -> (Queues, i32) {
        let mut queues = Queues::default();
        let id = queues.get(&caller(0), 0, 0o600).unwrap().value;
        (queues, id)
    }

    fn send(queues: &mut Queues, id: i32, kind: i64, text: &str) -> Result<bool, Errno> {
        let sent = queues.send(1, id, kind, &mut text.into(), true)?;
        Ok(matches!(sent, Tried::Done(_)))
    }

    /// What is received: the kind, the text.
    fn receive(
        queues: &mut Queues,
        id: i32,
        size: usize,
        kind: i64,
        flags: usize,
    ) -> Result<(i64, String), Errno> {
        let which = Which::new(size, kind, flags | NO_WAIT)?;
        let Tried::Done(answer) = queues.receive(2, id, &which)? else { panic!("it waits") };
        let (kind, text) = answer.data.split_first_chunk().unwrap();
        assert_eq!(usize::try_from(answer.value).unwrap(), text.len());
        Ok((i64::from_ne_bytes(*kind), String::from_utf8(text.to_vec()).unwrap()))
    }

    #[test]
    fn messages_are_chosen_by_their_kind() {
        let (mut queues, id) = queues();
        for (kind, text) in [(5, "a"), (3, "b"), (9, "c"), (3, "d")] {
            assert_eq!(send(&mut queues, id, kind, text), Ok(true));
        }
        let mut next = |kind, flags| receive(&mut queues, id, 9, kind, flags);
        assert_eq!(next(4, 0), Err(NO_MESSAGE));
        assert_eq!(next(-4, 0), Ok((3, "b".into())), "the lowest up to 4, the first of them");
        assert_eq!(next(5, EXCEPT), Ok((9, "c".into())));
        assert_eq!(next(3, 0), Ok((3, "d".into())));
        assert_eq!(next(i64::MIN, 0), Ok((5, "a".into())));
        assert_eq!(next(0, 0), Err(NO_MESSAGE));
    }

    #[test]
    fn what_is_too_long_stays_or_is_cut() {
        let (mut queues, id) = queues();
        send(&mut queues, id, 1, "text").unwrap();
        assert_eq!(receive(&mut queues, id, 3, 0, 0), Err(Errno::TOOBIG));
        assert_eq!(receive(&mut queues, id, 3, 0, NO_ERROR), Ok((1, "tex".into())));
        assert_eq!(queues.0.find(id).unwrap().value.bytes, 0);
        assert_eq!(Which::new(usize::MAX, 0, 0).err(), Some(Errno::INVAL));
        assert_eq!(Which::new(0, 0, COPY).err(), Some(Errno::NOSYS));
    }

    #[test]
    fn queues_fill_up_by_bytes_and_by_messages() {
        let (mut queues, id) = queues();
        let long = "x".repeat(8192);
        assert_eq!(send(&mut queues, id, 1, &long), Ok(true));
        assert_eq!(send(&mut queues, id, 1, &long), Ok(true));
        assert_eq!(send(&mut queues, id, 1, "y"), Err(Errno::AGAIN));
        assert!(matches!(queues.send(1, id, 1, &mut "y".into(), false), Ok(Tried::Waits)));
        let (mut queues, id) = self::queues();
        let limit = usize::try_from(QUEUE_BYTES).unwrap();
        assert!((0..limit).all(|_| send(&mut queues, id, 1, "") == Ok(true)));
        assert_eq!(send(&mut queues, id, 1, ""), Err(Errno::AGAIN), "empty ones count too");
    }

    #[test]
    fn all_queues_together_are_bounded() {
        let mut queues = Queues::default();
        let root = privileged();
        let mut wanted = [0; 120];
        wanted[88..96].copy_from_slice(&u64::MAX.to_ne_bytes());
        let mut refused = None;
        'all: for _ in 0..3 {
            let id = queues.get(&root, 0, 0o600).unwrap().value;
            queues.control(&root, id, command::SET, &wanted).unwrap();
            assert_eq!(queues.0.find(id).unwrap().value.limit, BYTES_MAX);
            for _ in 0..BYTES_MAX / 8192 {
                if let Err(errno) = send(&mut queues, id, 1, &"x".repeat(8192)) {
                    refused = Some(errno);
                    break 'all;
                }
            }
        }
        assert_eq!(refused, Some(Errno::NOMEM));
        assert!(queues.totals().1 <= BYTES_MAX);
        for _ in queues.0.all().count()..QUEUES_MAX {
            queues.get(&root, 0, 0o600).unwrap();
        }
        assert_eq!(queues.get(&root, 0, 0o600).err(), Some(Errno::NOSPC));
    }

    #[test]
    fn only_a_privileged_caller_raises_a_limit() {
        let mut queues = Queues::default();
        let user = caller(7);
        let id = queues.get(&user, 0, 0o600).unwrap().value;
        let mut wanted = [0; 120];
        wanted[4..8].copy_from_slice(&7u32.to_ne_bytes());
        wanted[88..96].copy_from_slice(&(QUEUE_BYTES + 1).to_ne_bytes());
        assert_eq!(queues.control(&user, id, command::SET, &wanted).err(), Some(Errno::PERM));
        assert_eq!(
            queues.control(&user, id, command::SET, &wanted[..90]).err(),
            Some(Errno::FAULT)
        );
        assert_eq!(queues.control(&caller(8), id, command::REMOVE, &[]).err(), Some(Errno::PERM));
        assert!(queues.control(&user, id, command::REMOVE, &[]).is_ok());
        assert_eq!(send(&mut queues, id, 1, ""), Err(Errno::INVAL));
    }
}
