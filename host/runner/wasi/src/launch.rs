//! From a command to the guest that runs it.

use crate::fs::Identity;
use crate::imports::Fault;
use crate::kernel::{Flavor, Kernel, Program, Resolved, Stop};
use kiln_guest_abi::wire::errno;
use rustix::fs::OFlags;
use std::fs::File;
use std::io::Read;

/// Interpreters that are scripts themselves, one after the other, as in Linux.
const MAX_INTERPRETERS: usize = 4;

/// Where programs are looked for when `PATH` is not set (`execvp(3)`).
const DEFAULT_PATH: &[u8] = b"/bin:/usr/bin";

/// Bytes of a WebAssembly program; compiling takes memory and time in proportion.
const MAX_WASM: u64 = 64 << 20;

/// A guest and its arguments.
#[derive(Debug)]
pub(crate) struct Launch {
    /// What runs.
    pub(crate) program: Program,
    /// Whose tool it replaces.
    pub(crate) flavor: Flavor,
    /// `argv`.
    pub(crate) args: Vec<Vec<u8>>,
}

/// Finds out what a command is and how it is started.
///
/// # Errors
/// `ENOENT`, `EACCES`, or `Native`.
pub(crate) fn prepare(
    kernel: &Kernel,
    who: &Identity,
    cwd: &[u8],
    program: &[u8],
    mut args: Vec<Vec<u8>>,
    env: &[Vec<u8>],
) -> Result<Launch, Fault> {
    let search =
        env.iter().rev().find_map(|entry| entry.strip_prefix(b"PATH=")).unwrap_or(DEFAULT_PATH);
    let mut program = program.to_vec();
    for _ in 0..=MAX_INTERPRETERS {
        match kernel.resolve_program(who, cwd, &program, search)? {
            Resolved::Shim { command, flavor, .. } => {
                return shim(kernel, &command, flavor, args);
            }
            Resolved::BusyBox { .. } => {
                if args.len() < 2 {
                    return Err(Fault::Native("busybox without an applet".to_owned()));
                }
                args.remove(0);
                let applet = match &args[0][..] {
                    b"ash" => "sh".to_owned(),
                    applet => String::from_utf8_lossy(applet).into_owned(),
                };
                return shim(kernel, &applet, Flavor::BusyBox, args);
            }
            Resolved::Wasm { path } => {
                let program = compile(kernel, &path)?;
                return Ok(Launch { program, flavor: Flavor::Gnu, args });
            }
            Resolved::Native { why, .. } => return Err(Fault::Native(why)),
            Resolved::Script { interpreter, argument, spelled, .. } => {
                let rest = args.into_iter().skip(1);
                args = [Some(interpreter.clone()), argument, Some(spelled)]
                    .into_iter()
                    .flatten()
                    .chain(rest)
                    .collect();
                program = interpreter;
            }
        }
    }
    Err(Fault::Errno(errno::ELOOP))
}

fn shim(
    kernel: &Kernel,
    command: &str,
    flavor: Flavor,
    args: Vec<Vec<u8>>,
) -> Result<Launch, Fault> {
    match kernel.machine.shim(command) {
        Ok(Some(program)) => Ok(Launch { program, flavor, args }),
        Ok(None) => Err(Fault::Native(format!("there is no shim for {command}"))),
        Err(error) => {
            kernel.stop(Stop::Host(format!("load the shim {command}: {error:#}")));
            Err(Fault::End(crate::kernel::End::Stopped))
        }
    }
}

fn compile(kernel: &Kernel, path: &[u8]) -> Result<Program, Fault> {
    let name = String::from_utf8_lossy(path).into_owned();
    let open = kernel.fs.rootfs().open(path, OFlags::RDONLY | OFlags::NOFOLLOW, 0);
    let file = File::from(open.map_err(crate::fs::FsError::from)?);
    let mut code = Vec::new();
    file.take(MAX_WASM + 1).read_to_end(&mut code).map_err(|_| Fault::Errno(errno::EIO))?;
    if code.len() as u64 > MAX_WASM {
        let limit = MAX_WASM >> 20;
        kernel.stop(Stop::Limit(format!("/{name}: more than {limit} MiB of WebAssembly")));
        return Err(Fault::End(crate::kernel::End::Stopped));
    }
    kernel
        .machine
        .compile(&code)
        .map_err(|error| Fault::Native(format!("/{name} is not a guest: {error:#}")))
}
