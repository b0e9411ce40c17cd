//! The engine, the imports, and the guests ready to be instantiated; shared by all steps.

use crate::embedded::{GUESTS, load};
use crate::imports;
use crate::kernel::{Crew, Process, Program, THREAD_STACK};
use kiln_guest_pack::config;
use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, Linker, Module, PoolingAllocationConfig,
};

/// Programs of images that are kept compiled; a context has few.
const MAX_COMPILED: usize = 16;

/// Shims that live at a time, of all steps; each has its place in the pool's address space. A step
/// may have fewer ([`crate::Options::processes`]).
const PLACES: u32 = 1024;

/// Bytes of a shim's memory that its place keeps for the next one: what most shims write to. More is
/// given back.
const KEPT: usize = 1 << 20;

/// What all steps share.
pub(crate) struct Machine {
    /// Of the shims: their instances come from a pool.
    shims: Host,
    /// Of programs of images, whose tables and memories may be of any shape. Made at first use.
    foreign: OnceLock<Host>,
    /// In the order of [`GUESTS`]; loaded at first use.
    loaded: Vec<OnceLock<Program>>,
    commands: HashMap<&'static str, usize>,
    /// Programs of images, by their bytes.
    compiled: Mutex<HashMap<Vec<u8>, Program>>,
    /// The threads of guests.
    pub(crate) crew: Crew,
}

/// An engine and the imports for its guests.
struct Host {
    engine: Engine,
    linker: Linker<Process>,
}

impl Host {
    fn new(config: &Config) -> wasmtime::Result<Self> {
        let engine = Engine::new(config)?;
        let mut linker = Linker::new(&engine);
        imports::link(&mut linker)?;
        Ok(Self { engine, linker })
    }

    /// For shims. Where the address space is too small for the pool, instances are made one by one.
    fn pooled() -> wasmtime::Result<Self> {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_memories(PLACES)
            .total_tables(PLACES)
            .total_core_instances(PLACES)
            .max_unused_warm_slots(16)
            .linear_memory_keep_resident(KEPT)
            .table_keep_resident(KEPT)
            .pagemap_scan(Enabled::Auto);
        let mut pooled = config();
        pooled.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        Self::new(&pooled).or_else(|_| Self::new(&config()))
    }
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
        let mut commands = HashMap::new();
        for (at, guest) in GUESTS.iter().enumerate() {
            commands.extend(guest.commands.iter().map(|command| (*command, at)));
        }
        Ok(Self {
            shims: Host::pooled()?,
            foreign: OnceLock::new(),
            loaded: GUESTS.iter().map(|_| OnceLock::new()).collect(),
            commands,
            compiled: Mutex::default(),
            crew: Crew::new(THREAD_STACK),
        })
    }

    /// Lets guests notice that they are to end.
    pub(crate) fn tick(&self) {
        self.shims.engine.increment_epoch();
        if let Some(foreign) = self.foreign.get() {
            foreign.engine.increment_epoch();
        }
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
        let module = load(&self.shims.engine, &GUESTS[at])?;
        let program =
            Program::new(self.shims.linker.instantiate_pre(&module)?, Some(GUESTS[at].name));
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
        let foreign = self.foreign()?;
        let module = Module::from_binary(&foreign.engine, code)?;
        let program = Program::new(foreign.linker.instantiate_pre(&module)?, None);
        let mut compiled = lock();
        if compiled.len() >= MAX_COMPILED {
            compiled.clear();
        }
        compiled.insert(code.to_vec(), program.clone());
        Ok(program)
    }

    fn foreign(&self) -> wasmtime::Result<&Host> {
        if let Some(foreign) = self.foreign.get() {
            return Ok(foreign);
        }
        let made = Host::new(&config())?;
        Ok(self.foreign.get_or_init(|| made))
    }
}
