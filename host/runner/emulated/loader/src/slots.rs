//! Memory for the handler: stacks, buffers, and records of calls that are made after it.
//!
//! The guest's stacks can be tiny (5 KiB in musl's posix_spawn, 32 KiB for Go's signals), so the
//! handler leaves them at once for a slot of its own.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU32, Ordering};

use kiln_emulated_core::arch::nr;
use kiln_emulated_core::cred::ENCODED_LEN;
use kiln_emulated_core::world::Scratch;

use crate::i386::low;
use crate::system::{call, die, plain};

/// How many threads of a process can be inside the handler at once; more wait.
pub const SLOTS: usize = 64;
/// How many calls of a process can be waiting after their handler; more wait inside it.
const PENDING: usize = 448;
/// A slot's size: buffers at the low end, the stack above.
pub const SLOT_SIZE: usize = 96 * 1024;

/// Pointers for execve(2) that need no mapping: 1,024 arguments and variables.
pub const FEW_POINTERS: usize = 1024;

/// What a handler works with.
#[repr(C)]
pub struct Slot {
    /// Where the slot's owner is noted; zero is free.
    pub owner: *const AtomicU32,
    /// The guest's vector registers during a shortcut.
    pub vectors: [u64; 32],
    /// Path buffers.
    pub scratch: Scratch,
    /// Arrays for execve(2).
    pub pointers: [usize; FEW_POINTERS],
    /// A program's headers.
    pub head: [u8; kiln_emulated_core::elf::HEADERS],
    /// Strings for execve(2).
    pub text: [u8; ENCODED_LEN + 3 * 4096 + 128],
}

const _: () = assert!(size_of::<Slot>() < SLOT_SIZE - 40 * 1024, "the stack must have 40 KiB");

#[repr(C, align(4096))]
pub struct Area(UnsafeCell<[u8; SLOTS * SLOT_SIZE]>);

// SAFETY: a slot is only touched by who owns it.
unsafe impl Sync for Area {}

/// The slots.
pub static AREA: Area = Area(UnsafeCell::new([0; SLOTS * SLOT_SIZE]));

/// Who owns what. A page of its own, which the kernel empties in a forked child: the threads that
/// owned slots do not exist there.
#[repr(C, align(4096))]
pub struct Owners([AtomicU32; 1024]);

/// See the type.
pub static OWNERS: Owners = Owners([const { AtomicU32::new(0) }; 1024]);

/// Places of calls that are counted; two words each, after the owners.
pub const COUNTERS: usize = 240;
const _: () = assert!(SLOTS + PENDING + 2 * COUNTERS < CHILDREN);

/// A word of the counters, which start anew in a forked child.
pub fn counter(index: usize) -> Option<&'static AtomicU32> {
    OWNERS.0.get(SLOTS + PENDING + index)
}

/// See [`home`].
const HOME: usize = 1023;
/// See [`children`].
pub const CHILDREN: usize = 1022;

/// The process that this memory belongs to, or zero; a child of vfork(2) is another.
pub fn home() -> &'static AtomicU32 {
    &OWNERS.0[HOME]
}

/// How many children there may be in this memory beside its process.
pub fn children() -> &'static AtomicU32 {
    low::children().unwrap_or(&OWNERS.0[CHILDREN])
}

/// A call that is made after its handler, from the gate in `entry.rs`, which knows this layout.
#[repr(C)]
pub struct Pending {
    /// The guest's rdi, rsi, rdx, r10, r8, r9.
    pub arguments: [u64; 6],
    /// The guest's rbx, which points here during the call.
    pub rbx: u64,
    /// Where the guest goes on.
    pub rip: u64,
    /// The call's result while a descriptor is closed; the number of a call that comes again.
    pub result: u64,
    /// A descriptor to close, or negative.
    pub close: i64,
    /// Where the record's owner is noted.
    pub owner: *const AtomicU32,
    /// What arguments point to.
    pub data: [u8; 128],
}

#[repr(C)]
struct Waiting(UnsafeCell<[Pending; PENDING]>);

// SAFETY: a record is only touched by who owns it.
unsafe impl Sync for Waiting {}

static WAITING: Waiting = Waiting(UnsafeCell::new(
    [const {
        Pending {
            arguments: [0; 6],
            rbx: 0,
            rip: 0,
            result: 0,
            close: 0,
            owner: core::ptr::null(),
            data: [0; 128],
        }
    }; PENDING],
));

/// Tells the kernel about [`Owners`].
pub fn set_up() {
    /// `MADV_WIPEONFORK`
    const WIPE_ON_FORK: usize = 18;
    let page = core::ptr::from_ref(&OWNERS) as usize;
    if plain(nr::MADVISE, [page, 4096, WIPE_ON_FORK, 0, 0, 0]).is_err() {
        die("madvise(MADV_WIPEONFORK) was refused");
    }
}

fn claim_word(first: usize, count: usize) -> Option<(usize, &'static AtomicU32)> {
    for (index, owner) in OWNERS.0.iter().skip(first).take(count).enumerate() {
        let free = owner.load(Ordering::Relaxed) == 0;
        if free && owner.swap(1, Ordering::Acquire) == 0 {
            return Some((index, owner));
        }
    }
    None
}

/// Takes a slot; called on the guest's stack, so it needs next to none.
pub extern "C" fn claim_slot() -> *mut Slot {
    loop {
        if let Some((index, owner)) = claim_word(0, SLOTS) {
            let slot = AREA.0.get().cast::<u8>().wrapping_add(index * SLOT_SIZE).cast::<Slot>();
            // SAFETY: the slot is ours now; it lies inside the area and is aligned to a page.
            unsafe { (*slot).owner = owner };
            return slot;
        }
        // SAFETY: no pointers.
        unsafe { call(nr::SCHED_YIELD, [0; 6]) };
    }
}

/// Takes a record for a call after the handler.
pub fn claim_pending() -> Option<&'static mut Pending> {
    let (index, owner) = claim_word(SLOTS, PENDING)?;
    let pending = WAITING.0.get().cast::<Pending>().wrapping_add(index);
    // SAFETY: the record is ours now, and inside the array.
    let pending = unsafe { &mut *pending };
    pending.owner = owner;
    Some(pending)
}
