//! The engine, the imports, and the guests ready to be instantiated; shared by all steps.

use crate::embedded::{GUESTS, load};
use crate::imports;
use crate::kernel::{Process, Program};
use kiln_guest_pack::config;
use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};
use wasmtime::{Engine, Linker, Module};

/// Programs of images that are kept compiled; a context has few.
const MAX_COMPILED: usize = 16;

/// What all steps share.
pub(crate) struct Machine {
    engine: Engine,
    linker: Linker<Process>,
    /// In the order of [`GUESTS`]; loaded at first use.
    loaded: Vec<OnceLock<Program>>,
    commands: HashMap<&'static str, usize>,
    /// Programs of images, by their bytes.
    compiled: Mutex<HashMap<Vec<u8>, Program>>,
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Machine").field("commands", &self.commands.len()).finish_non_exhaustive()
    }
}

impl Machine {
    /// Makes the engine; loads nothing yet.
    ///
    /// # Errors
    /// The machine cannot run wasmtime's code.
    pub(crate) fn new() -> wasmtime::Result<Self> {
        let engine = Engine::new(&config())?;
        let mut linker = Linker::new(&engine);
        imports::link(&mut linker)?;
        let mut commands = HashMap::new();
        for (at, guest) in GUESTS.iter().enumerate() {
            commands.extend(guest.commands.iter().map(|command| (*command, at)));
        }
        let loaded = GUESTS.iter().map(|_| OnceLock::new()).collect();
        Ok(Self { engine, linker, loaded, commands, compiled: Mutex::default() })
    }

    /// Lets guests notice that they are to end.
    pub(crate) fn tick(&self) {
        self.engine.increment_epoch();
    }

    /// Whether a command has a shim.
    pub(crate) fn has(&self, command: &str) -> bool {
        self.commands.contains_key(command)
    }

    /// The guest that stands for a command.
    ///
    /// # Errors
    /// The guest does not load, which is a fault of the build.
    pub(crate) fn shim(&self, command: &str) -> wasmtime::Result<Option<Program>> {
        let Some(&at) = self.commands.get(command) else { return Ok(None) };
        if let Some(program) = self.loaded[at].get() {
            return Ok(Some(program.clone()));
        }
        let module = load(&self.engine, &GUESTS[at])?;
        let program = Program::new(self.linker.instantiate_pre(&module)?, Some(GUESTS[at].name));
        Ok(Some(self.loaded[at].get_or_init(|| program).clone()))
    }

    /// Compiles a WebAssembly program of an image.
    ///
    /// # Errors
    /// It is not a valid module, or imports what no guest gets.
    pub(crate) fn compile(&self, code: &[u8]) -> wasmtime::Result<Program> {
        let lock = || self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(program) = lock().get(code) {
            return Ok(program.clone());
        }
        let module = Module::from_binary(&self.engine, code)?;
        let program = Program::new(self.linker.instantiate_pre(&module)?, None);
        let mut compiled = lock();
        if compiled.len() >= MAX_COMPILED {
            compiled.clear();
        }
        compiled.insert(code.to_vec(), program.clone());
        Ok(program)
    }
}
