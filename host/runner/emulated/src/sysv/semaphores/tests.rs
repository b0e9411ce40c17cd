use super::super::objects::tests::caller;
use super::*;

/// Operations on a set of two, by a living process: this one.
struct Fixture {
    sets: Sets,
    undo: Undo,
    id: i32,
    pid: i32,
}

impl Fixture {
    fn new() -> Self {
        let mut sets = Sets::default();
        let id = sets.get(&caller(0), 0, 2, 0o600).unwrap().value;
        let pid = i32::try_from(std::process::id()).unwrap();
        let mut undo = Undo::default();
        undo.prepare(pid).unwrap();
        Self { sets, undo, id, pid }
    }

    /// Number, change, flags; the operation that it waits for, if it does.
    fn operate(&mut self, operations: &[(u16, i16, u16)]) -> Result<Option<usize>, Errno> {
        let parse = |&(number, change, flags): &(u16, i16, u16)| {
            let [a, b] = number.to_ne_bytes();
            let [c, d] = change.to_ne_bytes();
            let [e, f] = flags.to_ne_bytes();
            Operation::parse(&[a, b, c, d, e, f])
        };
        let operations: Vec<Operation> = operations.iter().map(parse).collect();
        let mut blocked = 0;
        let tried =
            self.sets.operate(self.pid, self.id, &operations, &mut blocked, &mut self.undo)?;
        Ok(matches!(tried, Tried::Waits).then_some(blocked))
    }

    fn values(&self) -> Vec<i32> {
        let set = &self.sets.0.find(self.id).unwrap().value;
        set.semaphores.iter().map(|semaphore| semaphore.value).collect()
    }

    fn control(&mut self, number: usize, asked: usize, argument: usize) -> Result<i32, Errno> {
        let id = usize::try_from(self.id).unwrap();
        let a = [id, number, asked, argument, 0];
        self.sets.control(&caller(0), a, &[], &mut self.undo).map(|answer| answer.value)
    }

    /// This process ends.
    fn end(&mut self) -> Vec<i32> {
        let ended = self.undo.ended(&[true]);
        ended.iter().flat_map(|process| self.sets.undo(process)).collect()
    }
}

#[test]
fn all_operations_are_made_or_none() {
    let mut fixture = Fixture::new();
    assert_eq!(fixture.operate(&[(0, 3, 0), (1, 1, 0)]), Ok(None));
    assert_eq!(fixture.operate(&[(0, -2, 0), (1, -2, 0)]), Ok(Some(1)));
    assert_eq!(fixture.values(), [3, 1]);
    assert_eq!(fixture.operate(&[(0, -2, 0), (1, -2, NO_WAIT)]), Err(Errno::AGAIN));
    assert_eq!(fixture.operate(&[(0, 1, 0), (0, 0, 0)]), Ok(Some(1)), "waits for zero");
    assert_eq!(fixture.operate(&[(0, -3, 0), (0, 0, 0), (0, 1, 0)]), Ok(None));
    assert_eq!(fixture.values(), [1, 1]);
}

#[test]
fn values_stay_within_their_bounds() {
    let mut fixture = Fixture::new();
    assert_eq!(fixture.operate(&[(0, i16::MAX, 0)]), Ok(None));
    assert_eq!(fixture.operate(&[(1, 1, 0), (0, 1, 0)]), Err(Errno::RANGE));
    assert_eq!(fixture.operate(&[(0, i16::MIN, 0)]), Ok(Some(0)));
    assert_eq!(fixture.values(), [VALUE_MAX, 0]);
    assert_eq!(fixture.control(0, SETVAL, 32_768), Err(Errno::RANGE));
    assert_eq!(fixture.control(0, SETVAL, usize::MAX), Err(Errno::RANGE));
    assert_eq!(fixture.control(2, SETVAL, 1), Err(Errno::INVAL));
    assert_eq!(fixture.control(usize::MAX, GETVAL, 0), Err(Errno::INVAL));
    assert_eq!(fixture.control(1, SETVAL, 5), Ok(0));
    assert_eq!(fixture.control(1, GETVAL, 0), Ok(5));
}

#[test]
fn what_a_process_took_comes_back_when_it_ends() {
    let mut fixture = Fixture::new();
    fixture.control(0, SETVAL, 5).unwrap();
    assert_eq!(fixture.operate(&[(0, -2, UNDO), (0, -1, UNDO), (1, 4, UNDO)]), Ok(None));
    assert_eq!(fixture.values(), [2, 4]);
    assert_eq!(fixture.end(), [fixture.id]);
    assert_eq!(fixture.values(), [5, 0]);
    assert!(fixture.undo.is_empty());
}

#[test]
fn what_was_set_anew_is_not_given_back() {
    let mut fixture = Fixture::new();
    fixture.control(0, SETVAL, 5).unwrap();
    fixture.operate(&[(0, -2, UNDO), (1, 1, UNDO)]).unwrap();
    fixture.control(0, SETVAL, 9).unwrap();
    fixture.end();
    assert_eq!(fixture.values(), [9, 0]);
}

#[test]
fn what_is_to_be_given_back_is_bounded_too() {
    let mut fixture = Fixture::new();
    assert_eq!(fixture.operate(&[(0, i16::MAX, UNDO)]), Ok(None));
    assert_eq!(fixture.operate(&[(0, -i16::MAX, 0)]), Ok(None));
    assert_eq!(fixture.operate(&[(0, 1, UNDO)]), Ok(None));
    assert_eq!(fixture.operate(&[(0, 1, UNDO)]), Err(Errno::RANGE));
    assert_eq!(fixture.values(), [1, 0]);
    fixture.end();
    assert_eq!(fixture.values(), [0, 0], "never below zero");
}

#[test]
fn a_process_that_was_not_noted_undoes_nothing() {
    let mut fixture = Fixture::new();
    fixture.end();
    assert_eq!(fixture.operate(&[(0, 1, UNDO)]), Err(Errno::NOMEM));
    assert_eq!(fixture.values(), [0, 0]);
}

#[test]
fn sets_are_bounded() {
    let mut sets = Sets::default();
    let root = caller(0);
    for count in [0, -1, 4097] {
        assert_eq!(sets.get(&root, 0, count, 0o600).err(), Some(Errno::INVAL), "{count}");
    }
    for _ in 0..16 {
        sets.get(&root, 0, 4096, 0o600).unwrap();
    }
    assert_eq!(sets.get(&root, 0, 1, 0o600).err(), Some(Errno::NOSPC));
}

#[test]
fn numbers_beyond_the_set_are_refused_before_anybody_waits() {
    let fixture = Fixture::new();
    let operation = |number| [Operation { number, change: 1, undo: false, no_wait: false }];
    let check = |who, number| fixture.sets.check(&caller(who), fixture.id, &operation(number));
    assert_eq!(check(0, 1), Ok(()));
    assert_eq!(check(0, 2), Err(Errno::FBIG));
    assert_eq!(check(7, 1), Err(Errno::ACCESS));
}
