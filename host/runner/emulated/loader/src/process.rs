//! The state of this process: set up before the guest's first instruction, read by the handler.

use core::cell::UnsafeCell;
use core::sync::atomic::AtomicU32;

use kiln_emulated_core::abi::AT_EMPTY_PATH;
use kiln_emulated_core::buf::{CPath, PathBuf};
use kiln_emulated_core::config::{CONFIG_FD, Config, LEDGER_FD, STATE_FD};
use kiln_emulated_core::guest::Guest;
use kiln_emulated_core::processes::{Processes, WORDS};
use kiln_emulated_core::world::World;
use kiln_ledger::{Geometry, Table};

use crate::guest::InProcess;
use crate::sharing::own;
use crate::system::{MAP_PRIVATE, MAP_SHARED, PROT_READ, PROT_WRITE, die, map};

/// A value that is written while the process has one thread, and only read afterwards.
struct Once<T>(UnsafeCell<T>);

// SAFETY: see the type: no write happens once there can be a second thread or a signal.
unsafe impl<T> Sync for Once<T> {}

static CONFIG: Once<Option<Config<'static>>> = Once(UnsafeCell::new(None));
static LEDGER: Once<Option<Table<'static>>> = Once(UnsafeCell::new(None));
static STATE: Once<&'static [AtomicU32]> = Once(UnsafeCell::new(&[]));
static EXE: Once<PathBuf> = Once(UnsafeCell::new(PathBuf::new()));

/// Maps what the builder prepared.
pub fn set_up() {
    let Ok(size) = InProcess.statx(CONFIG_FD, CPath::EMPTY, AT_EMPTY_PATH) else {
        die("the step's configuration is gone")
    };
    let length = size.size as usize;
    // SAFETY: a fresh mapping; the file is sealed, so it stays as long as it is.
    let config = unsafe {
        let Ok(start) = map(0, length, PROT_READ, MAP_PRIVATE, CONFIG_FD, 0) else {
            die("cannot map the step's configuration")
        };
        core::slice::from_raw_parts(start as *const u8, length)
    };
    let Some(config) = Config::parse(config) else { die("the step's configuration is damaged") };
    let ledger = shared_words(LEDGER_FD, Geometry::STANDARD.words())
        .and_then(|words| Table::new(words, Geometry::STANDARD));
    let state = shared_words(STATE_FD, WORDS).unwrap_or(&[]);
    // SAFETY: the guest has not started: one thread, no handler.
    unsafe {
        *CONFIG.0.get() = Some(config);
        *LEDGER.0.get() = ledger;
        *STATE.0.get() = state;
    }
}

fn shared_words(file: i32, words: usize) -> Option<&'static [AtomicU32]> {
    // SAFETY: a fresh mapping that is never unmapped; atomics are all that is read from it. A guest
    // that cuts the file short gets SIGBUS.
    unsafe {
        let start = map(0, words * 4, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0).ok()?;
        Some(core::slice::from_raw_parts(start as *const AtomicU32, words))
    }
}

/// Remembers the guest's program.
pub fn set_exe(path: &[u8]) {
    // SAFETY: the guest has not started: one thread, no handler.
    let exe = unsafe { &mut *EXE.0.get() };
    let _ = exe.set(path);
}

/// The step's configuration.
pub fn config() -> &'static Config<'static> {
    // SAFETY: written before anything could call this.
    match unsafe { &*CONFIG.0.get() } {
        Some(config) => config,
        None => die("the step's configuration is missing"),
    }
}

/// What the step's processes share.
fn state() -> &'static [AtomicU32] {
    // SAFETY: written before anything could call this.
    unsafe { *STATE.0.get() }
}

/// A word of it.
pub fn state_word(index: usize) -> Option<&'static AtomicU32> {
    state().get(index)
}

/// What they have noted of themselves.
pub fn processes() -> Option<Processes<'static>> {
    Processes::new(state())
}

/// What calls are answered from.
pub fn world() -> World<'static, InProcess> {
    // SAFETY: written before anything could call this.
    let (ledger, exe) = unsafe { (*LEDGER.0.get(), &*EXE.0.get()) };
    let own = own();
    World {
        guest: &InProcess,
        config: config(),
        cred: &own.cred,
        ledger,
        processes: processes(),
        exe: exe.bytes(),
        root: own.root(),
    }
}
