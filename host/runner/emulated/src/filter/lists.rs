//! What is refused of calls that do many things: requests, commands, options.

/// `TIOCSTI` and `TIOCLINUX`: putting input into a terminal.
pub(super) const TERMINAL_INPUT: [u32; 2] = [0x5412, 0x541c];

/// The byte of an ioctl(2) request that says whose it is (`_IOC_TYPE`).
pub(super) const REQUEST_TYPE: u32 = 0xff00;
/// Btrfs makes and snapshots subvolumes by requests of this type, where Landlock does not look: a
/// snapshot below the rootfs of what lies around it would be the step's to read.
pub(super) const BTRFS: &[u32] = &[0x9400];
/// And those that change attributes of a file that is only open for reading: of all file systems
/// (`f`, `v`: flags, generations, encryption, sealing by fs-verity), XFS (`X`), F2FS.
pub(super) const FILE_ATTRIBUTES: &[u32] = &[0x9400, 0x6600, 0x7600, 0x5800, 0xf500];
/// Requests of these types that change nothing, or only what is open for writing: `FICLONE`,
/// `FICLONERANGE`, `FIDEDUPERANGE`, `FS_IOC_GETFLAGS`, `FS_IOC_FSGETXATTR`, `FS_IOC_GETVERSION`,
/// `FS_IOC_FIEMAP`.
pub(super) const READING_REQUESTS: [u32; 7] =
    [0x4004_9409, 0x4020_940d, 0xc018_9436, 0x8008_6601, 0x801c_581f, 0x8008_7601, 0xc020_660b];

/// `F_SETLEASE`, `F_SETDELEG` of fcntl(2): whoever opens the file next, the builder or a step beside,
/// would wait for `fs.lease-break-time`, for each file again.
pub(super) const LEASES: [u32; 2] = [1024, 1040];
