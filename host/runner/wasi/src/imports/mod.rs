//! What guests can call: WASI preview 1 and the module `kiln`.
//!
//! Each import is a function of the process and its memory; [`memory::Memory`] is the only way to
//! the latter, and checks every address.

mod kiln;
mod kiln_files;
mod memory;
mod preview1;
mod preview1_fd;
mod preview1_path;
mod preview1_stat;
mod stream;

pub(crate) use memory::Memory;

use crate::fs::FsError;
use crate::kernel::{End, Process, Stop};
use wasmtime::{Caller, Linker};

/// Why an import does not succeed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The guest gets this errno of preview 1.
    Errno(i32),
    /// Only a native run can do it.
    Native(String),
    /// A bound of the step was reached.
    Limit(String),
    /// The process ends.
    End(End),
}

impl From<FsError> for Fault {
    fn from(error: FsError) -> Self {
        match error {
            FsError::Errno(errno) => Self::Errno(errno),
            FsError::Native(why) => Self::Native(why),
            FsError::Limit(what) => Self::Limit(what),
        }
    }
}

impl From<End> for Fault {
    fn from(end: End) -> Self {
        Self::End(end)
    }
}

/// The result of an import.
type Result<T> = std::result::Result<T, Fault>;

/// Defines every import.
pub(crate) fn link(linker: &mut Linker<Process>) -> wasmtime::Result<()> {
    preview1::link(linker)?;
    kiln::link(linker)
}

/// The process that calls, and its memory.
fn split<'a>(
    caller: &'a mut Caller<'_, Process>,
) -> wasmtime::Result<(&'a mut Process, Memory<'a>)> {
    let memory = match caller.data().memory {
        Some(memory) => memory,
        // An import called while a module's start function runs.
        None => caller
            .get_export("memory")
            .and_then(wasmtime::Extern::into_memory)
            .ok_or_else(|| wasmtime::Error::msg("the guest exports no memory"))?,
    };
    let (bytes, process) = memory.data_and_store_mut(caller);
    Ok((process, Memory(bytes)))
}

/// What the guest gets for a fault, or how it ends.
fn settle(process: &Process, fault: Fault) -> wasmtime::Result<i32> {
    match fault {
        Fault::Errno(errno) => Ok(errno),
        Fault::End(end) => Err(end.into()),
        Fault::Native(why) => {
            process.kernel.stop(Stop::Native(why));
            Err(End::Stopped.into())
        }
        Fault::Limit(what) => {
            process.kernel.stop(Stop::Limit(what));
            Err(End::Stopped.into())
        }
    }
}

/// Defines imports that take the process and its memory: `ok` makes the guest's result of a value.
macro_rules! imports {
    ($linker:expr, $module:literal, $ok:expr, $err:expr,
     $($path:ident :: $name:ident($($arg:ident: $ty:ty),*);)*) => {
        $(
            $linker.func_wrap(
                $module,
                stringify!($name),
                |mut caller: wasmtime::Caller<'_, crate::kernel::Process>, $($arg: $ty),*|
                    -> wasmtime::Result<i32> {
                    let (process, mut memory) = super::split(&mut caller)?;
                    match $path::$name(process, &mut memory, $($arg),*) {
                        Ok(value) => Ok($ok(value)),
                        Err(fault) => super::settle(process, fault).map($err),
                    }
                },
            )?;
        )*
    };
}
use imports;
