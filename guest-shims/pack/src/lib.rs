//! Compiles the guests ahead of time, and says how the binary carries them.
//!
//! The tool (`main.rs`) writes, into the folder of packed guests, one native object a guest and
//! `guests.rs`, an expression that the runner includes: a slice of [`Guest`].

use wasmtime::{Config, OptLevel};

/// One guest, compiled for this machine's architecture.
#[derive(Clone, Copy, Debug)]
pub struct Guest {
    /// The program's name.
    pub name: &'static str,
    /// The commands that it stands for, by `argv[0]`.
    pub commands: &'static [&'static str],
    /// SHA-256 of `object`.
    pub sha256: [u8; 32],
    /// What `Engine::precompile_module` gave.
    pub object: &'static [u8],
}

/// Stack that a guest's calls may use, in bytes: a guest that recurses without end traps.
pub const GUEST_STACK: usize = 1 << 20;

/// The engine's settings; objects load only in an engine with the settings that they were compiled
/// with, so both sides take them from here.
#[must_use]
pub fn config() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .cranelift_opt_level(OptLevel::Speed)
        .max_wasm_stack(GUEST_STACK)
        // Traps are reported by kind; neither backtraces nor unwinding are needed, and both cost
        // size and load time.
        .wasm_backtrace_max_frames(None)
        .native_unwind_info(false)
        .generate_address_map(false);
    config
}
