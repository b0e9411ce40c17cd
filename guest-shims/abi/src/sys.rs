//! The imports themselves.

#![cfg_attr(
    target_os = "wasi",
    expect(unsafe_code, reason = "foreign functions can only be declared and called with unsafe")
)]
#![expect(
    clippy::too_many_arguments,
    reason = "the imports have the arguments of the calls they stand for"
)]

/// Declares the imports once; on other targets than WASI, functions of the same names that give
/// `ENOSYS`, so that the rest of a guest can be tested there.
macro_rules! imports {
    ($($(#[$doc:meta])* fn $name:ident($($arg:ident: $ty:ty),*);)*) => {
        #[cfg(target_os = "wasi")]
        mod raw {
            #[link(wasm_import_module = "kiln")]
            unsafe extern "C" {
                $(pub(super) fn $name($($arg: $ty),*) -> i32;)*
            }
        }
        $(
            $(#[$doc])*
            #[cfg(target_os = "wasi")]
            pub(crate) fn $name($($arg: $ty),*) -> i32 {
                // SAFETY: the host checks every pointer against the guest's memory and writes only
                // to the buffers whose addresses the callers in this crate derive from `&mut`.
                unsafe { raw::$name($($arg),*) }
            }
            $(#[$doc])*
            #[cfg(not(target_os = "wasi"))]
            pub(crate) fn $name($($arg: $ty),*) -> i32 {
                let _ = ($($arg,)*);
                -crate::wire::errno::ENOSYS
            }
        )*
    };
}

imports! {
    /// `openat(2)`.
    fn open(path: *const u8, path_len: usize, flags: u32, mode: u32);
    /// `stat(2)`, `lstat(2)`.
    fn stat(path: *const u8, path_len: usize, flags: u32, out: *mut u8);
    /// `fstat(2)`.
    fn fstat(fd: u32, out: *mut u8);
    /// `access(2)`.
    fn access(path: *const u8, path_len: usize, how: u32);
    /// `chmod(2)`.
    fn chmod(path: *const u8, path_len: usize, mode: u32);
    /// `fchmod(2)`.
    fn fchmod(fd: u32, mode: u32);
    /// `chown(2)`, `lchown(2)`.
    fn chown(path: *const u8, path_len: usize, uid: u32, gid: u32, flags: u32);
    /// `fchown(2)`.
    fn fchown(fd: u32, uid: u32, gid: u32);
    /// `mkdir(2)`.
    fn mkdir(path: *const u8, path_len: usize, mode: u32);
    /// `mknod(2)`.
    fn mknod(path: *const u8, path_len: usize, mode: u32, major: u32, minor: u32);
    /// `link(2)`.
    fn link(old: *const u8, old_len: usize, new: *const u8, new_len: usize, flags: u32);
    /// `symlink(2)`.
    fn symlink(target: *const u8, target_len: usize, path: *const u8, path_len: usize);
    /// `readlink(2)`.
    fn readlink(path: *const u8, path_len: usize, out: *mut u8, out_len: usize);
    /// `renameat2(2)`.
    fn rename(old: *const u8, old_len: usize, new: *const u8, new_len: usize, flags: u32);
    /// `unlink(2)`.
    fn unlink(path: *const u8, path_len: usize);
    /// `rmdir(2)`.
    fn rmdir(path: *const u8, path_len: usize);
    /// `utimensat(2)`.
    fn utimens(path: *const u8, path_len: usize, flags: u32, atime: i64, atime_nanos: u32, mtime: i64, mtime_nanos: u32);
    /// `getxattr(2)`.
    fn getxattr(path: *const u8, path_len: usize, flags: u32, name: *const u8, name_len: usize, out: *mut u8, out_len: usize);
    /// `setxattr(2)`.
    fn setxattr(path: *const u8, path_len: usize, flags: u32, name: *const u8, name_len: usize, value: *const u8, value_len: usize, how: u32);
    /// `listxattr(2)`.
    fn listxattr(path: *const u8, path_len: usize, flags: u32, out: *mut u8, out_len: usize);
    /// `removexattr(2)`.
    fn removexattr(path: *const u8, path_len: usize, flags: u32, name: *const u8, name_len: usize);
    /// `chdir(2)`.
    fn chdir(path: *const u8, path_len: usize);
    /// `getcwd(2)`.
    fn getcwd(out: *mut u8, out_len: usize);
    /// `umask(2)`.
    fn umask(mask: u32);
    /// A program, started.
    fn spawn(request: *const u8, request_len: usize);
    /// A program, started and waited for.
    fn run(request: *const u8, request_len: usize, status: *mut u8);
    /// A program's path.
    fn find_program(name: *const u8, name_len: usize, path: *const u8, path_len: usize, out: *mut u8, out_len: usize);
    /// `waitpid(2)`.
    fn wait(pid: i32, flags: u32, status: *mut u8);
    /// `kill(2)`.
    fn kill(pid: i32, signal: u32);
    /// `getpid(2)`.
    fn getpid();
    /// `getppid(2)`.
    fn getppid();
    /// `pipe(2)`.
    fn pipe(out: *mut u8);
    /// A pipe that takes all that is written before anybody reads.
    fn buffer(out: *mut u8);
    /// `dup(2)`.
    fn dup(fd: u32);
    /// `dup2(2)`.
    fn dup2(fd: u32, to: u32);
    /// `close(2)`.
    fn close(fd: u32);
    /// `getresuid(2)` and `getresgid(2)`: real and effective uid, real and effective gid.
    fn getids(out: *mut u8);
    /// `setresuid(2)` and `setresgid(2)` of all ids at once.
    fn setids(uid: u32, gid: u32);
    /// `getgroups(2)`.
    fn getgroups(out: *mut u8, out_len: usize);
    /// `setgroups(2)`.
    fn setgroups(groups: *const u8, groups_len: usize);
    /// The step ends and is run natively.
    fn needs_native(reason: *const u8, reason_len: usize);
    /// Whose tool this process replaces.
    fn flavor();
    /// `gethostname(2)`.
    fn hostname(out: *mut u8, out_len: usize);
    /// Processors that this process may use.
    fn nproc();
}

/// Preview 1's `fd_readdir`: the standard library's own listing needs names that are UTF-8.
#[cfg(target_os = "wasi")]
pub(crate) fn fd_readdir(fd: u32, out: &mut [u8], cookie: u64) -> Result<usize, i32> {
    mod raw {
        #[link(wasm_import_module = "wasi_snapshot_preview1")]
        unsafe extern "C" {
            pub(super) fn fd_readdir(
                fd: u32,
                out: *mut u8,
                len: usize,
                cookie: u64,
                used: *mut usize,
            ) -> i32;
        }
    }
    let mut used = 0;
    // SAFETY: both pointers are to exclusive borrows, and the length is the buffer's.
    let result = unsafe { raw::fd_readdir(fd, out.as_mut_ptr(), out.len(), cookie, &raw mut used) };
    if result == 0 { Ok(used.min(out.len())) } else { Err(result) }
}

/// There is no preview 1 on other targets.
#[cfg(not(target_os = "wasi"))]
pub(crate) fn fd_readdir(_fd: u32, _out: &mut [u8], _cookie: u64) -> Result<usize, i32> {
    Err(crate::wire::errno::ENOSYS)
}

#[cfg(all(target_os = "wasi", feature = "fork"))]
pub(crate) use forking::fork;

/// There is no fork of guests on other targets.
#[cfg(all(not(target_os = "wasi"), feature = "fork"))]
pub(crate) fn fork(_child: &mut dyn FnMut() -> i32) -> i32 {
    -crate::wire::errno::ENOSYS
}

#[cfg(all(target_os = "wasi", feature = "fork"))]
mod forking {
    //! `fork(2)` of a guest: the host copies the instance's memory and globals and calls
    //! [`kiln_fork_entry`] in the copy, with the address of the closure to run there.

    mod raw {
        #[link(wasm_import_module = "kiln")]
        unsafe extern "C" {
            pub(super) fn fork(context: *mut u8) -> i32;
        }
    }

    /// What the copy runs; returns its exit code.
    type Child<'a> = &'a mut dyn FnMut() -> i32;

    /// Starts a copy of this process that runs `child`.
    pub(crate) fn fork(mut child: Child<'_>) -> i32 {
        // The export must survive the linker although nothing in the guest calls it.
        std::hint::black_box(kiln_fork_entry as extern "C" fn(*mut u8));
        // SAFETY: the address is used in the copy of this memory, whose stack pointer is the one of
        // this frame, so that `child` and all it borrows are alive there.
        unsafe { raw::fork((&raw mut child).cast()) }
    }

    #[unsafe(no_mangle)]
    extern "C" fn kiln_fork_entry(context: *mut u8) {
        // SAFETY: the host passes what `fork` gave it, in a copy of the memory it was given in.
        let child = unsafe { &mut *context.cast::<Child<'_>>() };
        std::process::exit(child());
    }
}
