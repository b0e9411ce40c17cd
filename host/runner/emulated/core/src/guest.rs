//! What the logic needs of the machine: the guest's memory, and the kernel's calls.

use crate::abi::{OpenHow, Statx};
use crate::buf::CPath;
use crate::errno::Result;

/// The guest program's memory and the kernel as seen from its process.
///
/// In a step it is the process itself; in tests it is the test's process.
pub trait Guest {
    /// Copies from the guest's memory.
    ///
    /// # Errors
    /// `EFAULT`
    fn read(&self, address: usize, buffer: &mut [u8]) -> Result<()>;

    /// Copies into the guest's memory.
    ///
    /// # Errors
    /// `EFAULT`
    fn write(&self, address: usize, bytes: &[u8]) -> Result<()>;

    /// Copies a NUL-terminated string without its NUL; its length.
    ///
    /// # Errors
    /// `EFAULT`; `ENAMETOOLONG` when there is no NUL within the buffer.
    fn read_str(&self, address: usize, buffer: &mut [u8]) -> Result<usize>;

    /// A call with the guest's own arguments: every pointer in it is the guest's.
    ///
    /// # Errors
    /// The call's.
    fn pass(&self, number: u32, arguments: [usize; 6]) -> Result<usize>;

    /// openat2(2)
    ///
    /// # Errors
    /// The call's; so below.
    fn openat2(&self, fd: i32, path: CPath<'_>, how: &OpenHow) -> Result<i32>;
    /// openat(2), without any restriction on the way
    fn openat(&self, fd: i32, path: CPath<'_>, flags: u64, mode: u32) -> Result<i32>;
    /// close(2)
    fn close(&self, fd: i32);
    /// statx(2) with [`crate::abi::STATX_WANTED`]
    fn statx(&self, fd: i32, path: CPath<'_>, flags: u32) -> Result<Statx>;
    /// readlinkat(2)
    fn readlinkat(&self, fd: i32, path: CPath<'_>, buffer: &mut [u8]) -> Result<usize>;
    /// getcwd(2); the length without the NUL
    fn getcwd(&self, buffer: &mut [u8]) -> Result<usize>;
    /// fchdir(2)
    fn fchdir(&self, fd: i32) -> Result<()>;
    /// mkdirat(2)
    fn mkdirat(&self, fd: i32, path: CPath<'_>, mode: u32) -> Result<()>;
    /// mknodat(2) of a regular file, fifo or socket
    fn mknodat(&self, fd: i32, path: CPath<'_>, mode: u32) -> Result<()>;
    /// unlinkat(2)
    fn unlinkat(&self, fd: i32, path: CPath<'_>, flags: u32) -> Result<()>;
    /// symlinkat(2)
    fn symlinkat(&self, target: CPath<'_>, fd: i32, path: CPath<'_>) -> Result<()>;
    /// linkat(2)
    fn linkat(
        &self,
        from: i32,
        from_path: CPath<'_>,
        to: i32,
        to_path: CPath<'_>,
        flags: u32,
    ) -> Result<()>;
    /// renameat2(2)
    fn renameat2(
        &self,
        from: i32,
        from_path: CPath<'_>,
        to: i32,
        to_path: CPath<'_>,
        flags: u32,
    ) -> Result<()>;
    /// fchmod(2)
    fn fchmod(&self, fd: i32, mode: u32) -> Result<()>;
    /// futimens(3): seconds and nanoseconds of access and modification; `None` = now
    fn futimens(&self, fd: i32, times: Option<[i64; 4]>) -> Result<()>;
    /// Sets a symbolic link's times, which only the builder may: `fd` is `O_PATH`
    fn set_link_times(&self, fd: i32, times: Option<[i64; 4]>) -> Result<()>;
    /// ftruncate(2)
    fn ftruncate(&self, fd: i32, length: i64) -> Result<()>;
    /// inotify_add_watch(2) of a file that is open, which only the builder may
    fn inotify_add_watch(&self, fd: i32, file: i32, mask: u32) -> Result<usize>;
    /// fsetxattr(2): name, and the guest's value, size and flags
    fn set_xattr(&self, fd: i32, name: CPath<'_>, value: [usize; 3]) -> Result<()>;
    /// fremovexattr(2)
    fn remove_xattr(&self, fd: i32, name: CPath<'_>) -> Result<()>;
    /// getsockopt(2) of an integer, or of the first bytes of a structure
    fn socket_option(&self, fd: i32, level: i32, name: i32, out: &mut [u8]) -> Result<usize>;
    /// The ids of who is at the other end of a Unix socket: process, user, group. `process` is whom
    /// the kernel names.
    fn peer_ids(&self, fd: i32, process: u32) -> Result<[u32; 3]>;
    /// Tells the builder that this process, with this user and group, is about to listen.
    fn note_listener(&self, ids: [u32; 2]) -> Result<()>;
    /// Has the builder say whether a connection is reset when it is closed.
    fn set_linger(&self, fd: i32, reset: bool) -> Result<()>;
    /// A call that sets something of another thread, which only the builder may: number, arguments,
    /// what it reads of the guest's memory, and where prlimit(2) writes, or nothing.
    fn schedule(
        &self,
        number: u32,
        arguments: [usize; 5],
        reads: [usize; 2],
        writes: [usize; 2],
    ) -> Result<usize>;
    /// getsockname(2), or getpeername(2)
    fn socket_name(&self, fd: i32, peer: bool, out: &mut [u8]) -> Result<usize>;
    /// bind(2) to an address of these bytes
    fn bind(&self, fd: i32, address: &[u8]) -> Result<()>;
    /// Opens a terminal, which only the builder may: descriptor and number; `None` makes a new one
    fn open_terminal(&self, number: Option<u32>, flags: u64) -> Result<(i32, u32)>;
    /// A file of /proc in the guest's words: another descriptor; `fd` stays open
    fn proc_text(&self, fd: i32, credentials: &[u8], flags: u64) -> Result<i32>;
    /// The same open directory under a number from [`crate::config::FIRST_LISTING_FD`] on, or under
    /// the one that it has when there is none
    fn as_listing(&self, fd: i32, flags: u64) -> i32;
    /// fcntl(fd, F_GETFL)
    fn status_flags(&self, fd: i32) -> Result<u64>;
    /// fallocate(2) of the ledger's file; false: no room
    fn reserve_ledger(&self, offset: u64, length: u64) -> bool;
    /// getdents64(2) of an open directory
    fn entries(&self, fd: i32, buffer: &mut [u8]) -> Result<usize>;
    /// The first bytes of a file
    fn read_head(&self, fd: i32, buffer: &mut [u8]) -> Result<usize>;
    /// Whether some process of this step has made a fifo: opening one can wait
    fn fifos_exist(&self) -> bool;
    /// See [`Guest::fifos_exist`]
    fn note_fifo(&self);
    /// How often some process of this step changed what the path of a directory can mean
    fn changes(&self) -> u32;
    /// See [`Guest::changes`]
    fn note_change(&self);
    /// Whether some process of this step has another port in the place of this one, below 1024
    fn has_low_port(&self, port: u16) -> bool;
    /// See [`Guest::has_low_port`]
    fn note_low_port(&self, port: u16);
    /// The process's root directory from now on: its canonical guest path
    fn change_root(&self, path: &[u8]) -> Result<()>;
    /// getpid(2)
    fn pid(&self) -> u32;
    /// Hundredths of a second since the machine started, as /proc/PID/stat counts them
    fn ticks(&self) -> u64;
    /// gettid(2)
    fn tid(&self) -> u32;
}
