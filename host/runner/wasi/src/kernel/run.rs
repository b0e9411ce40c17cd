//! Starting processes: each guest runs in its own instance on its own thread.

use super::process::End;
use super::{Descriptors, Kernel, Process, Program, Stop};
use crate::imports::Fault;
use kiln_guest_abi::wire::errno;
use std::sync::Arc;
use std::thread;
use wasmtime::{Caller, Extern, Global, Instance, Memory, Store, Trap, Val};

/// Stack of a guest's thread: the guest's own part and what imports need.
const THREAD_STACK: usize = kiln_guest_pack::GUEST_STACK + (1 << 20);

/// `signal(7)`: how a trap ends a process.
const SIGABRT: i32 = 6;
const SIGSEGV: i32 = 11;

/// A guest that is ready to run.
struct Ready {
    store: Store<Process>,
    instance: Instance,
    /// Of a copy of a guest: the address of what it is to run.
    context: Option<i32>,
}

/// Starts a program as a child of `parent`, or as the first process.
pub(crate) fn spawn(mut process: Process, parent: Option<&Process>) -> Result<u32, Fault> {
    let kernel = Arc::clone(&process.kernel);
    let (pid, signal) = admit(&kernel, parent)?;
    process.pid = pid;
    process.signal = signal;
    let ready = match instantiate(process, None) {
        Ok(ready) => ready,
        Err(error) => {
            kernel.table.cancel(pid);
            return Err(host_failure(&kernel, &error));
        }
    };
    start(kernel, pid, ready)
}

/// Starts a copy of the calling guest, in which the export `kiln_fork_entry` is called.
pub(crate) fn fork(caller: &mut Caller<'_, Process>, context: u32) -> Result<u32, Fault> {
    let process = caller.data();
    let kernel = Arc::clone(&process.kernel);
    let (pid, signal) = admit(&kernel, Some(process))?;
    let copy = Process {
        kernel: Arc::clone(&kernel),
        pid,
        parent: process.pid,
        signal,
        program: process.program.clone(),
        flavor: process.flavor,
        args: process.args.clone(),
        env: process.env.clone(),
        who: process.who.clone(),
        cwd: process.cwd.clone(),
        umask: process.umask,
        fds: process.fds.clone(),
        memory: None,
        memory_size: 0,
    };
    let made = instantiate(copy, Some(context.cast_signed()))
        .and_then(|mut ready| copy_state(caller, &mut ready).map(|()| ready));
    match made {
        Ok(ready) => start(kernel, pid, ready),
        Err(error) => {
            kernel.table.cancel(pid);
            Err(host_failure(&kernel, &error))
        }
    }
}

fn admit(
    kernel: &Arc<Kernel>,
    parent: Option<&Process>,
) -> Result<(u32, Arc<std::sync::atomic::AtomicU32>), Fault> {
    let limit = kernel.options.processes;
    kernel.table.add(parent.map_or(0, |parent| parent.pid), limit).ok_or_else(|| {
        kernel.stop(Stop::Limit(format!("processes: more than {limit}")));
        Fault::End(End::Stopped)
    })
}

fn host_failure(kernel: &Kernel, error: &wasmtime::Error) -> Fault {
    kernel.stop(Stop::Host(format!("instantiate a guest: {error:#}")));
    Fault::End(End::Stopped)
}

fn instantiate(process: Process, context: Option<i32>) -> wasmtime::Result<Ready> {
    let program = process.program.clone();
    let mut store = Store::new(program.engine(), process);
    store.limiter(|process| process);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|caller| {
        caller.data().alive()?;
        Ok(wasmtime::UpdateDeadline::Continue(1))
    });
    let instance = program.instantiate(&mut store)?;
    let memory = instance.get_memory(&mut store, "memory");
    store.data_mut().memory = memory;
    Ok(Ready { store, instance, context })
}

/// Copies memory and globals of the caller into a fresh instance of the same program.
fn copy_state(caller: &mut Caller<'_, Process>, ready: &mut Ready) -> wasmtime::Result<()> {
    /// Pages that are equal are left as the program's image has them: most of a guest's memory is
    /// never written to.
    const PAGE: usize = 4096;
    let missing = || wasmtime::Error::msg("the guest exports no memory or stack pointer");
    let from: Memory = caller.data().memory.ok_or_else(missing)?;
    let to: Memory = ready.store.data().memory.ok_or_else(missing)?;
    let wanted = from.size(&*caller);
    let have = to.size(&ready.store);
    if wanted > have {
        to.grow(&mut ready.store, wanted - have)?;
    }
    let source = from.data(&*caller);
    let target = to.data_mut(&mut ready.store);
    for (old, new) in source.chunks(PAGE).zip(target.chunks_mut(PAGE)) {
        if old != new {
            new.copy_from_slice(old);
        }
    }
    let stack_pointer = |export: Option<Extern>| -> Option<Global> { export?.into_global() };
    let old = stack_pointer(caller.get_export("__stack_pointer")).ok_or_else(missing)?;
    let new = ready.instance.get_global(&mut ready.store, "__stack_pointer").ok_or_else(missing)?;
    let value: Val = old.get(&mut *caller);
    new.set(&mut ready.store, value)
}

fn start(kernel: Arc<Kernel>, pid: u32, ready: Ready) -> Result<u32, Fault> {
    let on_thread = Arc::clone(&kernel);
    let thread =
        thread::Builder::new().name("guest".to_owned()).stack_size(THREAD_STACK).spawn(move || {
            let mut lost = Lost { kernel: on_thread, pid, over: false };
            run_to_end(&lost.kernel, pid, ready);
            lost.over = true;
        });
    match thread {
        Ok(_) => Ok(pid),
        Err(_) => {
            kernel.table.cancel(pid);
            Err(Fault::Errno(errno::EAGAIN))
        }
    }
}

/// Tells of the end of a process whose thread panics, which would be waited for without end.
struct Lost {
    kernel: Arc<Kernel>,
    pid: u32,
    /// It ended as it should.
    over: bool,
}

impl Drop for Lost {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        self.kernel.stop(Stop::Host("run a guest: its thread panicked".to_owned()));
        self.kernel.ended(self.pid, End::Stopped);
    }
}

fn run_to_end(kernel: &Kernel, pid: u32, ready: Ready) {
    let Ready { mut store, instance, context } = ready;
    let result = match context {
        None => instance
            .get_typed_func::<(), ()>(&mut store, "_start")
            .and_then(|start| start.call(&mut store, ())),
        Some(context) => instance
            .get_typed_func::<i32, ()>(&mut store, "kiln_fork_entry")
            .and_then(|entry| entry.call(&mut store, context)),
    };
    let end = match result {
        Ok(()) => End::Exited(0),
        Err(error) => end_of(kernel, store.data(), &error),
    };
    // Pipes and files close before anyone learns of the end.
    drop(store);
    kernel.ended(pid, end);
}

fn end_of(kernel: &Kernel, process: &Process, error: &wasmtime::Error) -> End {
    if let Some(end) = error.downcast_ref::<End>() {
        return *end;
    }
    let signal = match error.downcast_ref::<Trap>() {
        Some(Trap::UnreachableCodeReached) => SIGABRT,
        _ => SIGSEGV,
    };
    if let Some(name) = process.program.shim() {
        // A shim that breaks is a bug of ours; the native tool may do better.
        kernel.stop(Stop::Native(format!("the shim {name} failed: {error}")));
        return End::Stopped;
    }
    End::Signaled(signal)
}

/// Starts the first process.
pub(crate) fn run(kernel: &Arc<Kernel>, first: First) -> Result<u32, Fault> {
    let First { program, flavor, args, env, who, cwd } = first;
    let process = Process {
        kernel: Arc::clone(kernel),
        pid: 0,
        parent: 0,
        signal: Arc::default(),
        program,
        flavor,
        args,
        env,
        who,
        cwd,
        umask: 0o022,
        fds: Descriptors::standard(),
        memory: None,
        memory_size: 0,
    };
    spawn(process, None)
}

/// What the first process of a step is.
#[derive(Debug)]
pub(crate) struct First {
    /// What it runs.
    pub(crate) program: Program,
    /// Whose tool it replaces.
    pub(crate) flavor: super::Flavor,
    /// `argv`.
    pub(crate) args: Vec<Vec<u8>>,
    /// The environment.
    pub(crate) env: Vec<Vec<u8>>,
    /// Its ids.
    pub(crate) who: crate::fs::Identity,
    /// Its directory, canonical.
    pub(crate) cwd: Vec<u8>,
}
