//! Starting processes: each guest runs in its own instance, on a thread of its own or, while its
//! parent waits for it, on the parent's.

use super::process::{Beginning, End};
use super::{Descriptors, Kernel, Pid, Process, Stop, Waited};
use crate::imports::Fault;
use kiln_guest_abi::wire::errno;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use wasmtime::{Caller, Extern, Global, Instance, Memory, Store, Trap, Val};

/// Guests that run on one thread at a time: each but the last waits for the next.
const MAX_DEEP: usize = 4;

/// Stack of a guest's thread: the guests' own parts, and what imports need.
pub(crate) const THREAD_STACK: usize =
    MAX_DEEP * (kiln_guest_pack::GUEST_STACK + (256 << 10)) + (1 << 20);

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
pub(crate) fn spawn(process: Process, parent: Option<&Process>) -> Result<u32, Fault> {
    let kernel = Arc::clone(&process.kernel);
    let (pid, ready) = prepare(process, parent, None)?;
    start(kernel, pid, ready)
}

/// Runs a program as a child of `parent` until it ends, on the parent's own thread: that has nothing
/// else to do meanwhile. Should the parent be sent a signal, both end.
pub(crate) fn run_child(mut child: Process, parent: &Process) -> Result<(Pid, End), Fault> {
    let kernel = Arc::clone(&child.kernel);
    let deep = parent.callers.len() + 2;
    if deep <= MAX_DEEP {
        child.callers.clone_from(&parent.callers);
        child.callers.push(Arc::clone(&parent.signal));
    }
    let (pid, ready) = prepare(child, Some(parent), None)?;
    if deep > MAX_DEEP {
        start(Arc::clone(&kernel), pid, ready)?;
    } else {
        let lost = Lost::new(&kernel, pid);
        let end = run_to_end(&kernel, ready);
        lost.found();
        kernel.table.ended(pid, end);
    }
    match kernel.table.wait(parent.pid, Some(pid), || parent.alive())? {
        Waited::Ended(_, end) => Ok((pid, end)),
        Waited::NoChild | Waited::Running => Err(Fault::Errno(errno::ECHILD)),
    }
}

/// Starts a copy of the calling guest, in which the export `kiln_fork_entry` is called.
pub(crate) fn fork(caller: &mut Caller<'_, Process>, context: u32) -> Result<u32, Fault> {
    let process = caller.data();
    let kernel = Arc::clone(&process.kernel);
    let beginning = Beginning {
        program: process.program.clone(),
        flavor: process.flavor,
        args: process.args.clone(),
        env: process.env.clone(),
        who: process.who.clone(),
        cwd: process.cwd.clone(),
    };
    let copy = Process::new(Arc::clone(&kernel), beginning, process.fds.clone(), process.umask);
    let (pid, mut ready) = prepare(copy, Some(process), Some(context.cast_signed()))?;
    match copy_state(caller, &mut ready) {
        Ok(()) => start(kernel, pid, ready),
        Err(error) => {
            kernel.table.cancel(pid);
            Err(host_failure(&kernel, &error))
        }
    }
}

/// Enters a process into the table and makes its instance.
fn prepare(
    mut process: Process,
    parent: Option<&Process>,
    context: Option<i32>,
) -> Result<(Pid, Ready), Fault> {
    let kernel = Arc::clone(&process.kernel);
    let (pid, signal) = admit(&kernel, parent)?;
    process.pid = pid;
    process.parent = parent.map_or(0, |parent| parent.pid);
    process.signal = signal;
    instantiate(process, context).map(|ready| (pid, ready)).map_err(|error| {
        kernel.table.cancel(pid);
        host_failure(&kernel, &error)
    })
}

fn admit(kernel: &Arc<Kernel>, parent: Option<&Process>) -> Result<(Pid, Arc<AtomicU32>), Fault> {
    let limit = kernel.options.processes;
    kernel.table.add(parent.map_or(0, |parent| parent.pid), limit).ok_or_else(|| {
        kernel.stop(Stop::Limit(format!("processes: more than {limit}")));
        Fault::End(End::Stopped)
    })
}

fn host_failure(kernel: &Kernel, error: &wasmtime::Error) -> Fault {
    if error.is::<wasmtime::PoolConcurrencyLimitError>() {
        kernel.stop(Stop::Limit("processes of all steps: there is no place for more".to_owned()));
        return Fault::End(End::Stopped);
    }
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
    let stack_pointer = |export: Option<Extern>| -> Option<Global> { export?.into_global() };
    let old = stack_pointer(caller.get_export("__stack_pointer")).ok_or_else(missing)?;
    let new = ready.instance.get_global(&mut ready.store, "__stack_pointer").ok_or_else(missing)?;
    let value: Val = old.get(&mut *caller);
    new.set(&mut ready.store, value)?;
    // Our guests' stacks are the lowest part of their memory and grow downwards: what lies below
    // the pointer is not in use.
    let used = match (caller.data().program.shim(), value) {
        (Some(_), Val::I32(top)) => top.cast_unsigned() as usize / PAGE * PAGE,
        _ => 0,
    };
    let from: Memory = caller.data().memory.ok_or_else(missing)?;
    let to: Memory = ready.store.data().memory.ok_or_else(missing)?;
    let wanted = from.size(&*caller);
    let have = to.size(&ready.store);
    if wanted > have {
        to.grow(&mut ready.store, wanted - have)?;
    }
    let source = from.data(&*caller).get(used..).unwrap_or_default();
    let target = to.data_mut(&mut ready.store).get_mut(used..).unwrap_or_default();
    for (old, new) in source.chunks(PAGE).zip(target.chunks_mut(PAGE)) {
        if old != new {
            new.copy_from_slice(old);
        }
    }
    Ok(())
}

fn start(kernel: Arc<Kernel>, pid: Pid, ready: Ready) -> Result<Pid, Fault> {
    let machine = Arc::clone(&kernel.machine);
    let on_thread = Arc::clone(&kernel);
    let given = machine.crew.give(Box::new(move || {
        let lost = Lost::new(&on_thread, pid);
        let end = run_to_end(&on_thread, ready);
        lost.found();
        Box::new(move || on_thread.ended(pid, end))
    }));
    match given {
        Ok(()) => Ok(pid),
        Err(_) => {
            kernel.table.cancel(pid);
            Err(Fault::Errno(errno::EAGAIN))
        }
    }
}

/// Tells of the end of a process whose thread panics, which would be waited for without end.
struct Lost(Option<(Arc<Kernel>, Pid)>);

impl Lost {
    fn new(kernel: &Arc<Kernel>, pid: Pid) -> Self {
        Self(Some((Arc::clone(kernel), pid)))
    }

    /// It ended as it should.
    fn found(mut self) {
        self.0 = None;
    }
}

impl Drop for Lost {
    fn drop(&mut self) {
        if let Some((kernel, pid)) = self.0.take() {
            kernel.stop(Stop::Host("run a guest: its thread panicked".to_owned()));
            kernel.ended(pid, End::Stopped);
        }
    }
}

fn run_to_end(kernel: &Kernel, ready: Ready) -> End {
    let Ready { mut store, instance, context } = ready;
    let result = match context {
        None => instance
            .get_typed_func::<(), ()>(&mut store, "_start")
            .and_then(|start| start.call(&mut store, ())),
        Some(context) => instance
            .get_typed_func::<i32, ()>(&mut store, "kiln_fork_entry")
            .and_then(|entry| entry.call(&mut store, context)),
    };
    // Pipes and files close, with the store, before anyone learns of the end.
    match result {
        Ok(()) => End::Exited(0),
        Err(error) => end_of(kernel, store.data(), &error),
    }
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
pub(crate) fn run(kernel: &Arc<Kernel>, beginning: Beginning) -> Result<Pid, Fault> {
    let fds = Descriptors::standard();
    spawn(Process::new(Arc::clone(kernel), beginning, fds, 0o022), None)
}
