//! System calls of x86_64.

/// The numbers (`asm/unistd_64.h`), by the kernel's names.
pub mod nr {
    macro_rules! numbers {
        ($($name:ident = $value:literal),* $(,)?) => {
            $(
                #[doc = concat!("`", stringify!($name), "`")]
                pub const $name: u32 = $value;
            )*

            /// All of them, by name.
            pub const NAMES: &[(&str, u32)] = &[$((stringify!($name), $value)),*];
        };
    }

    numbers! {
        READ = 0, WRITE = 1, OPEN = 2, CLOSE = 3, STAT = 4, FSTAT = 5, LSTAT = 6, POLL = 7,
        LSEEK = 8, MMAP = 9, MPROTECT = 10, MUNMAP = 11, BRK = 12, RT_SIGACTION = 13,
        RT_SIGPROCMASK = 14, RT_SIGRETURN = 15, IOCTL = 16, PREAD64 = 17, ACCESS = 21,
        SCHED_YIELD = 24, DUP = 32, DUP2 = 33, SOCKET = 41, CONNECT = 42, SENDTO = 44,
        RECVFROM = 45, SENDMSG = 46, RECVMSG = 47, BIND = 49, GETSOCKNAME = 51, GETPEERNAME = 52,
        GETSOCKOPT = 55, CLONE = 56, VFORK = 58, EXECVE = 59, EXIT = 60, WAIT4 = 61, KILL = 62,
        UNAME = 63, FCNTL = 72, TRUNCATE = 76, GETCWD = 79, CHDIR = 80, FCHDIR = 81, RENAME = 82,
        MKDIR = 83, RMDIR = 84, CREAT = 85, LINK = 86, UNLINK = 87, SYMLINK = 88, READLINK = 89,
        CHMOD = 90, FCHMOD = 91, CHOWN = 92, FCHOWN = 93, LCHOWN = 94, UMASK = 95, GETUID = 102,
        GETGID = 104, SETUID = 105, SETGID = 106, GETEUID = 107, GETEGID = 108, SETPGID = 109,
        SETREUID = 113, SETREGID = 114, GETGROUPS = 115, SETGROUPS = 116, SETRESUID = 117,
        GETRESUID = 118, SETRESGID = 119, GETRESGID = 120, SETFSUID = 122, SETFSGID = 123,
        CAPGET = 125, CAPSET = 126, RT_SIGTIMEDWAIT = 128, RT_SIGSUSPEND = 130, UTIME = 132,
        MKNOD = 133, USELIB = 134, STATFS = 137, FSTATFS = 138, PRCTL = 157, CHROOT = 161,
        MOUNT = 165, UMOUNT2 = 166, SWAPON = 167, SWAPOFF = 168, REBOOT = 169, SETHOSTNAME = 170,
        SETDOMAINNAME = 171, INIT_MODULE = 175, DELETE_MODULE = 176, QUOTACTL = 179, GETTID = 186,
        SETXATTR = 188, LSETXATTR = 189, FSETXATTR = 190, GETXATTR = 191, LGETXATTR = 192,
        FGETXATTR = 193, LISTXATTR = 194, LLISTXATTR = 195, FLISTXATTR = 196, REMOVEXATTR = 197,
        LREMOVEXATTR = 198, FREMOVEXATTR = 199, SET_TID_ADDRESS = 218, EXIT_GROUP = 231,
        UTIMES = 235, MBIND = 237, ADD_KEY = 248, REQUEST_KEY = 249, KEYCTL = 250,
        INOTIFY_ADD_WATCH = 254, OPENAT = 257, MKDIRAT = 258, MKNODAT = 259, FCHOWNAT = 260,
        FUTIMESAT = 261, NEWFSTATAT = 262, UNLINKAT = 263, RENAMEAT = 264, LINKAT = 265,
        SYMLINKAT = 266, READLINKAT = 267, FCHMODAT = 268, FACCESSAT = 269, PSELECT6 = 270,
        PPOLL = 271, UNSHARE = 272, UTIMENSAT = 280, EPOLL_PWAIT = 281, ACCEPT4 = 288, DUP3 = 292,
        PERF_EVENT_OPEN = 298, FANOTIFY_INIT = 300, FANOTIFY_MARK = 301, NAME_TO_HANDLE_AT = 303,
        OPEN_BY_HANDLE_AT = 304, SENDMMSG = 307, SETNS = 308, PROCESS_VM_WRITEV = 311, KCMP = 312,
        FINIT_MODULE = 313, RENAMEAT2 = 316, SECCOMP = 317, KEXEC_FILE_LOAD = 320,
        KEXEC_LOAD = 246, BPF = 321, EXECVEAT = 322, USERFAULTFD = 323, STATX = 332,
        IO_URING_SETUP = 425, IO_URING_ENTER = 426, IO_URING_REGISTER = 427, OPEN_TREE = 428,
        MOVE_MOUNT = 429, FSOPEN = 430, FSCONFIG = 431, FSMOUNT = 432, FSPICK = 433, CLONE3 = 435,
        CLOSE_RANGE = 436, OPENAT2 = 437, FACCESSAT2 = 439, EPOLL_PWAIT2 = 441,
        MOUNT_SETATTR = 442, QUOTACTL_FD = 443, LANDLOCK_CREATE_RULESET = 444,
        LANDLOCK_ADD_RULE = 445, LANDLOCK_RESTRICT_SELF = 446, PIVOT_ROOT = 155, ACCT = 163,
        IOPL = 172, IOPERM = 173, SETTIMEOFDAY = 164, CLOCK_SETTIME = 227, CLOCK_ADJTIME = 305,
        ADJTIMEX = 159, SYSLOG = 103, VHANGUP = 153, MODIFY_LDT = 154, NFSSERVCTL = 180,
        LOOKUP_DCOOKIE = 212, GETPID = 39, GETPPID = 110, SOCKETPAIR = 53, FTRUNCATE = 77,
        MADVISE = 28, PROCESS_MADVISE = 440, PIDFD_GETFD = 438, PIDFD_OPEN = 434, FCHMODAT2 = 452,
        RT_SIGPENDING = 127, SIGALTSTACK = 131, TKILL = 200, TGKILL = 234, SETSID = 112,
        SETRLIMIT = 160, PRLIMIT64 = 302, MOVE_PAGES = 279, MIGRATE_PAGES = 256, PTRACE = 101,
        PROCESS_VM_READV = 310, MEMFD_CREATE = 319, GETRANDOM = 318, PERSONALITY = 135,
        SYSFS = 139, USTAT = 136, MQ_OPEN = 240, MQ_UNLINK = 241, FUTEX = 202, NANOSLEEP = 35,
        SYSCTL = 156, SHMGET = 29, CREATE_MODULE = 174, GET_KERNEL_SYMS = 177, QUERY_MODULE = 178,
        SETXATTRAT = 463, GETXATTRAT = 464, LISTXATTRAT = 465, REMOVEXATTRAT = 466,
        OPEN_TREE_ATTR = 467, FILE_GETATTR = 468, FILE_SETATTR = 469, STATMOUNT = 457,
        LISTMOUNT = 458, LISTNS = 470, LSM_GET_SELF_ATTR = 459, LSM_SET_SELF_ATTR = 460,
        CACHESTAT = 451, MSEAL = 462, SETPRIORITY = 141, SCHED_SETPARAM = 142,
        SCHED_SETSCHEDULER = 144, SCHED_SETAFFINITY = 203, SCHED_SETATTR = 314, IOPRIO_SET = 251,
        SHMAT = 30, SHMCTL = 31, SHMDT = 67, SEMGET = 64, SEMOP = 65, SEMCTL = 66,
        SEMTIMEDOP = 220, WAITID = 247, MSGGET = 68, MSGSND = 69, MSGRCV = 70, MSGCTL = 71, WRITEV = 20,
        SHUTDOWN = 48, SETSOCKOPT = 54, LISTEN = 50, CLOCK_GETTIME = 228, GETDENTS = 78, GETDENTS64 = 217,
        SIGNALFD4 = 289, SCHED_GETSCHEDULER = 145,
    }
}

/// `AUDIT_ARCH_X86_64` of `linux/audit.h`, as seccomp(2) reports it.
pub const AUDIT_ARCH: u32 = 0xc000_003e;

/// Calls with this bit use the x32 ABI.
pub const FOREIGN_ABI_BIT: u32 = 0x4000_0000;

/// `CLONE_VM`, `CLONE_VFORK`, `CLONE_THREAD`
pub const CLONE_VM: u32 = 0x100;
/// See [`CLONE_VM`].
pub const CLONE_VFORK: u32 = 0x4000;
/// See [`CLONE_VM`].
pub const CLONE_THREAD: u32 = 0x1_0000;

/// The newest call that the tables below know; anything above gives `ENOSYS`.
pub const NEWEST: u32 = nr::LISTNS;

/// Where the loader lies: its whole image is below `LOADER_BASE + LOADER_SPAN`. Above 32-bit reach,
/// away from where the kernel, Go, the JVM and sanitizers put their own mappings.
pub const LOADER_BASE: u64 = 0x7000_0000_0000;

/// See [`LOADER_BASE`]; less than 4 GiB, so that one half-word comparison decides.
pub const LOADER_SPAN: u32 = 0x0200_0000;

/// Refused with this errno wherever the call comes from.
///
/// Namespaces, mounts, kernel state, keys, other processes' memory and whatever could take a path
/// past the view. `ENOSYS` where programs have a fallback for old kernels.
pub const REFUSED: &[(u32, i32)] = &[
    (nr::CLONE3, 38),
    (nr::IO_URING_SETUP, 38),
    (nr::IO_URING_ENTER, 38),
    (nr::IO_URING_REGISTER, 38),
    (nr::USELIB, 38),
    (nr::SYSCTL, 38),
    (nr::NFSSERVCTL, 38),
    (nr::LOOKUP_DCOOKIE, 38),
    (nr::SETXATTRAT, 38),
    (nr::GETXATTRAT, 38),
    (nr::LISTXATTRAT, 38),
    (nr::REMOVEXATTRAT, 38),
    (nr::FILE_GETATTR, 38),
    (nr::FILE_SETATTR, 38),
    (nr::STATMOUNT, 38),
    (nr::LISTMOUNT, 38),
    (nr::LISTNS, 38),
    (nr::OPEN_TREE_ATTR, 38),
    (nr::CREATE_MODULE, 38),
    (nr::GET_KERNEL_SYMS, 38),
    (nr::QUERY_MODULE, 38),
    (nr::NAME_TO_HANDLE_AT, 95),
    (nr::MOUNT, 1),
    (nr::UMOUNT2, 1),
    (nr::PIVOT_ROOT, 1),
    (nr::MOVE_MOUNT, 1),
    (nr::OPEN_TREE, 1),
    (nr::FSOPEN, 1),
    (nr::FSCONFIG, 1),
    (nr::FSMOUNT, 1),
    (nr::FSPICK, 1),
    (nr::MOUNT_SETATTR, 1),
    (nr::SETNS, 1),
    (nr::UNSHARE, 1),
    (nr::BPF, 1),
    (nr::PERF_EVENT_OPEN, 1),
    (nr::USERFAULTFD, 1),
    (nr::OPEN_BY_HANDLE_AT, 1),
    (nr::FANOTIFY_INIT, 1),
    (nr::FANOTIFY_MARK, 1),
    (nr::KEXEC_LOAD, 1),
    (nr::KEXEC_FILE_LOAD, 1),
    (nr::INIT_MODULE, 1),
    (nr::FINIT_MODULE, 1),
    (nr::DELETE_MODULE, 1),
    (nr::KEYCTL, 38),
    (nr::ADD_KEY, 38),
    (nr::REQUEST_KEY, 38),
    (nr::SWAPON, 1),
    (nr::SWAPOFF, 1),
    (nr::REBOOT, 1),
    (nr::ACCT, 1),
    (nr::QUOTACTL, 1),
    (nr::QUOTACTL_FD, 1),
    (nr::IOPL, 1),
    (nr::IOPERM, 1),
    (nr::SETTIMEOFDAY, 1),
    (nr::CLOCK_SETTIME, 1),
    (nr::SYSLOG, 1),
    (nr::VHANGUP, 1),
    (nr::PIDFD_GETFD, 1),
    (nr::KCMP, 1),
    (nr::PROCESS_MADVISE, 1),
    (nr::LSM_SET_SELF_ATTR, 1),
    (nr::SETHOSTNAME, 1),
    (nr::SETDOMAINNAME, 1),
    (nr::MQ_UNLINK, 38),
    (nr::MQ_OPEN, 38),
];

/// Emulated for the guest, and refused to the handler itself: the forms by path of calls that
/// Landlock does not guard, on files of our own uid anywhere in the pod. The handler opens the file
/// first, which Landlock does guard, and uses the forms by descriptor. Connections are the builder's
/// to make: it decides about the address that is used, not about one in memory that can change. So
/// are watches, which would tell the names of files in directories that are not the step's. System V
/// IPC is the builder's altogether.
pub const BY_DESCRIPTOR_ONLY: &[u32] = &[
    nr::CHMOD,
    nr::FCHMODAT,
    nr::FCHMODAT2,
    nr::CHOWN,
    nr::LCHOWN,
    nr::FCHOWN,
    nr::FCHOWNAT,
    nr::UTIME,
    nr::UTIMES,
    nr::FUTIMESAT,
    nr::SETXATTR,
    nr::LSETXATTR,
    nr::GETXATTR,
    nr::LGETXATTR,
    nr::LISTXATTR,
    nr::LLISTXATTR,
    nr::REMOVEXATTR,
    nr::LREMOVEXATTR,
    nr::CONNECT,
    nr::SENDMMSG,
    nr::INOTIFY_ADD_WATCH,
    nr::CHROOT,
    nr::SECCOMP,
    nr::LANDLOCK_CREATE_RULESET,
    nr::LANDLOCK_ADD_RULE,
    nr::LANDLOCK_RESTRICT_SELF,
    // The kernel's would be the pod's, and by uid alone: no wall would be left.
    nr::SHMGET,
    nr::SHMAT,
    nr::SHMCTL,
    nr::SHMDT,
    nr::SEMGET,
    nr::SEMOP,
    nr::SEMTIMEDOP,
    nr::SEMCTL,
    nr::MSGGET,
    nr::MSGSND,
    nr::MSGRCV,
    nr::MSGCTL,
];

/// Emulated for the guest, allowed to the handler.
pub const EMULATED: &[u32] = &[
    nr::OPENAT,
    nr::NEWFSTATAT,
    nr::STATX,
    nr::OPEN,
    nr::STAT,
    nr::LSTAT,
    nr::FSTAT,
    nr::ACCESS,
    nr::READLINK,
    nr::READLINKAT,
    nr::FACCESSAT2,
    nr::FACCESSAT,
    nr::OPENAT2,
    nr::GETUID,
    nr::GETEUID,
    nr::GETGID,
    nr::GETEGID,
    nr::GETCWD,
    nr::CHDIR,
    nr::CREAT,
    nr::MKDIR,
    nr::MKDIRAT,
    nr::RMDIR,
    nr::UNLINK,
    nr::UNLINKAT,
    nr::SYMLINK,
    nr::SYMLINKAT,
    nr::LINK,
    nr::LINKAT,
    nr::RENAME,
    nr::RENAMEAT,
    nr::RENAMEAT2,
    nr::MKNOD,
    nr::MKNODAT,
    nr::FCHMOD,
    nr::TRUNCATE,
    nr::STATFS,
    nr::EXECVE,
    nr::EXECVEAT,
    nr::FGETXATTR,
    nr::FLISTXATTR,
    nr::FSETXATTR,
    nr::FREMOVEXATTR,
    nr::BIND,
    nr::LISTEN,
    nr::GETSOCKNAME,
    nr::GETPEERNAME,
    nr::UNAME,
    nr::UMASK,
    nr::GETRESUID,
    nr::GETRESGID,
    nr::GETGROUPS,
    nr::SETUID,
    nr::SETGID,
    nr::SETREUID,
    nr::SETREGID,
    nr::SETRESUID,
    nr::SETRESGID,
    nr::SETFSUID,
    nr::SETFSGID,
    nr::SETGROUPS,
    nr::CAPGET,
    nr::CAPSET,
    nr::KILL,
];
