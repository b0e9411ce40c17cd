//! Memory that is shared with children: whose credentials are whose.
//!
//! A child of vfork(2), posix_spawn(3) or clone(2) with `CLONE_VM` runs in its parent's memory, and
//! so on this loader's state, but it is a process of its own: the ids that it gives itself are not
//! its parent's. Such calls trap, and are counted; as long as there is such a child, a call asks the
//! kernel who it comes from. Threads of a process share its ids, as they do by libc's means.
//!
//! The call itself cannot be made by the handler, which returns once where the child and its parent
//! both do, on one stack. It is made from a gate that keeps nothing but where the guest goes on,
//! which is the same each time: a gate belongs to the place that calls.

use core::cell::UnsafeCell;
use core::mem::offset_of;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};

use kiln_emulated_core::arch::i386::nr32;
use kiln_emulated_core::arch::{CLONE_VFORK, nr};
use kiln_emulated_core::cred::Credentials;
use kiln_emulated_core::errno::{Errno, Result};
use kiln_emulated_core::guest::Guest;

use crate::entry::{GATE, GATES, clone_gates, vfork_gates};
use crate::guest::InProcess;
use crate::handler::Context;
use crate::i386::{gates, low};
use crate::process::world;
use crate::root;
use crate::slots::{children, home};
use crate::system::{checked, die, plain};

/// What is a process's own, and not its memory's.
#[repr(C)]
pub struct Own {
    /// The process; zero, or with [`DIED`], nobody.
    owner: AtomicU32,
    list: RobustList,
    /// Ids, groups, capabilities, umask.
    pub cred: Credentials,
    /// The root directory, see [`crate::root`].
    root: AtomicU32,
}

impl Own {
    fn copy(&self, from: &Self) {
        self.cred.copy(&from.cred);
        self.root.store(from.root.load(Relaxed), Relaxed);
    }

    /// The root directory's canonical guest path; empty = the image's.
    pub fn root(&self) -> &'static [u8] {
        root::path(self.root.load(Relaxed))
    }

    /// Gives the process another root directory.
    pub fn set_root(&self, path: &[u8]) -> Result<()> {
        self.root.store(root::keep(path)?, Relaxed);
        Ok(())
    }
}

/// The kernel's `struct robust_list_head`, and the one lock on it.
#[repr(C)]
struct RobustList {
    head: UnsafeCell<[usize; 3]>,
    lock: UnsafeCell<usize>,
}

// SAFETY: written by the owner alone, once, before the kernel is told of it.
unsafe impl Sync for RobustList {}

/// `FUTEX_OWNER_DIED`: the kernel's word about who held a robust lock.
const DIED: u32 = 0x4000_0000;

/// Children that live in one memory at the same time.
const CHILDREN: usize = 256;

const NOBODY: Own = Own {
    owner: AtomicU32::new(0),
    list: RobustList { head: UnsafeCell::new([0; 3]), lock: UnsafeCell::new(0) },
    cred: Credentials::new(),
    root: AtomicU32::new(0),
};

/// That of the process that this memory was made for.
static MAIN: Own = NOBODY;
static OTHERS: [Own; CHILDREN] = [NOBODY; CHILDREN];

/// Where the guest goes on after each gate; zero: not in use.
pub static VFORK_TARGETS: [AtomicUsize; GATES] = [const { AtomicUsize::new(0) }; GATES];
/// See [`VFORK_TARGETS`].
pub static CLONE_TARGETS: [AtomicUsize; GATES] = [const { AtomicUsize::new(0) }; GATES];

/// What is this process's own.
#[inline]
pub fn own() -> &'static Own {
    if home().load(Relaxed) != 0 && children().load(Relaxed) == 0 { &MAIN } else { look() }
}

#[cold]
fn look() -> &'static Own {
    let pid = InProcess.pid();
    match home().load(Relaxed) {
        0 => {
            settle(pid);
            &MAIN
        }
        home if home == pid => &MAIN,
        _ => of_child(pid),
    }
}

/// Whether this memory is another process's.
pub fn is_borrowed() -> bool {
    let home = home().load(Relaxed);
    home != 0 && home != InProcess.pid()
}

/// After execve(2) and fork(2) the memory is nobody's: the first trap there makes it this process's.
/// What it was forked by may have been a child in shared memory.
fn settle(pid: u32) {
    let is_used = |own: &Own| own.owner.load(Relaxed) != 0;
    if OTHERS.iter().any(is_used) {
        if let Some(parent) = find(parent()) {
            MAIN.copy(parent);
        }
        for own in OTHERS.iter().filter(|own| is_used(own)) {
            own.owner.store(0, Relaxed);
        }
    }
    home().store(pid, Relaxed);
    world().note_ids();
}

/// This memory is this process's, which has just begun.
pub fn begin() -> &'static Own {
    home().store(InProcess.pid(), Relaxed);
    &MAIN
}

fn parent() -> u32 {
    plain(nr::GETPPID, [0; 6]).map_or(0, |pid| pid as u32)
}

fn find(pid: u32) -> Option<&'static Own> {
    OTHERS.iter().find(|own| own.owner.load(Relaxed) == pid)
}

/// A child's own, which at first is as its parent's.
fn of_child(pid: u32) -> &'static Own {
    if let Some(own) = find(pid) {
        return own;
    }
    let from = find(parent()).unwrap_or(&MAIN);
    for own in &OTHERS {
        let owner = own.owner.load(Relaxed);
        let is_free = owner == 0 || owner & DIED != 0;
        if is_free && own.owner.compare_exchange(owner, pid, Relaxed, Relaxed).is_ok() {
            own.copy(from);
            give_back_at_end(own);
            return own;
        }
    }
    die("more than 256 processes share one memory")
}

/// The kernel marks a robust lock when its owner ends, or executes another program: exactly as long
/// is this child's own in use. No libc has such a list before the child's execve(2).
fn give_back_at_end(own: &'static Own) {
    const OFFSET: usize =
        offset_of!(Own, owner).wrapping_sub(offset_of!(Own, list) + offset_of!(RobustList, lock));
    /// `set_robust_list`
    const SET_ROBUST_LIST: u32 = 273;
    let (head, lock) = (own.list.head.get(), own.list.lock.get());
    // SAFETY: ours alone until it is given back; both lie in a static.
    unsafe {
        *head = [lock as usize, OFFSET, 0];
        *lock = head as usize;
        let _ = checked(SET_ROBUST_LIST, [head as usize, size_of_val(&*head), 0, 0, 0, 0]);
    }
}

/// vfork(2), or clone(2) of a process that shares this memory: the handler returns to a gate.
pub fn clone(context: &mut Context, number: u32, flags: usize) {
    // Whoever calls is settled before there are two.
    let _ = own();
    let waits = number == nr::VFORK || flags & CLONE_VFORK as usize != 0;
    let (targets, gates) = if waits {
        (&VFORK_TARGETS, vfork_gates as *const ())
    } else {
        (&CLONE_TARGETS, clone_gates as *const ())
    };
    if let Err(errno) = go_by_gate(context, number, targets, gates as usize) {
        context.answer(errno.negated());
    }
}

/// The same for an i386 program, by the gates below 4 GiB.
pub fn clone_i386(context: &mut Context, number: u32, flags: usize) -> Result<()> {
    let _ = own();
    let words = low::words().ok_or(Errno::NOSYS)?;
    let (waited_for, others) = words.targets.split_at(gates::COUNT);
    let waits = number == nr32::VFORK || flags & CLONE_VFORK as usize != 0;
    let (targets, first) = if waits { (waited_for, 0) } else { (others, gates::COUNT) };
    go_by_gate(context, number, targets, gates::CLONES as usize + first * GATE)
}

/// Has a call made at the gate that leads to where the guest goes on; the gates lie in order.
fn go_by_gate(
    context: &mut Context,
    number: u32,
    targets: &[AtomicUsize],
    gates: usize,
) -> Result<()> {
    let next = context.next();
    let index = targets.iter().position(|target| {
        let owner = target.compare_exchange(0, next, Relaxed, Relaxed);
        owner.is_ok() || owner == Err(next)
    });
    let index = index.ok_or(Errno::AGAIN)?;
    children().fetch_add(1, Relaxed);
    context.call_at(gates + index * GATE, number);
    Ok(())
}

/// Whether a call at this address, or before it, is made by one of the gates.
pub fn is_gate(address: usize) -> bool {
    [vfork_gates as *const (), clone_gates as *const ()]
        .iter()
        .any(|gates| (address.wrapping_sub(*gates as usize)) < GATES * GATE)
}
