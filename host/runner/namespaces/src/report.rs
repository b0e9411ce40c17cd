//! What the processes of a step tell kiln, through a pipe: fixed-size messages, written whole.

use std::os::fd::BorrowedFd;

use rustix::io::Errno;

/// Bytes of one message; far below `PIPE_BUF`, so a write is never torn.
pub(crate) const LEN: usize = 8;

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    /// Setting up failed; nothing of the step was run.
    SetUp(Failure),
    /// The step's program could not be started.
    Exec {
        /// Which of the places where it was looked for.
        candidate: u8,
        /// Whether there is an executable file at that place (then its interpreter is missing).
        present: bool,
        /// Why not.
        errno: Errno,
    },
    /// The step's first process ended; the status is as `waitpid(2)` has it.
    Ended {
        /// The raw status.
        status: i32,
    },
}

/// A call of the set-up that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Which part of the set-up.
    pub(crate) stage: Stage,
    /// Which of the step's mounts, where the stage is about one.
    pub(crate) index: u8,
    /// Why.
    pub(crate) errno: Errno,
}

impl Stage {
    /// Whether a trial on an empty root goes through it; the others need a step.
    pub(crate) const fn is_tried(self) -> bool {
        !matches!(
            self,
            Self::EtcFiles
                | Self::StepMount
                | Self::Loopback
                | Self::Fork
                | Self::Stdio
                | Self::WorkingDirectory
                | Self::Descriptors
        )
    }
}

macro_rules! stages {
    ($($(#[doc = $doc:literal])* $name:ident = $call:literal,)*) => {
        /// A part of the set-up, in the order in which they are done.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Stage { $($(#[doc = $doc])* $name,)* }

        impl Stage {
            /// All of them, in order.
            pub(crate) const ALL: &[Self] = &[$(Self::$name,)*];

            /// The call that it stands for.
            pub(crate) const fn call(self) -> &'static str {
                match self { $(Self::$name => $call,)* }
            }
        }
    };
}

stages! {
    /// Process attributes of init.
    Init = "prctl(PR_SET_PDEATHSIG)",
    /// No mount of ours is seen outside, none from outside here.
    PrivateMounts = "mount(MS_REC|MS_PRIVATE)",
    /// The file system that holds what is bind-mounted into the root.
    Staging = "fsopen(tmpfs)",
    /// The flags of the root file system.
    RootFlags = "mount_setattr(MOUNT_ATTR_NODEV)",
    /// Where the root file system is mounted.
    Root = "move_mount(rootfs)",
    /// `/proc`.
    Proc = "fsmount(proc)",
    /// `/sys`.
    Sys = "mount(sysfs)",
    /// `/dev` itself.
    Dev = "fsmount(tmpfs on /dev)",
    /// The device nodes.
    Devices = "mknod or bind mount of /dev/null and others",
    /// Terminals.
    Pts = "fsmount(devpts)",
    /// Shared memory.
    Shm = "fsmount(tmpfs on /dev/shm)",
    /// `/etc/hosts`, `/etc/hostname`, `/etc/resolv.conf`.
    EtcFiles = "bind mount of /etc/hosts, /etc/hostname, /etc/resolv.conf",
    /// The step's own mounts.
    StepMount = "mount",
    /// What of `/proc` is hidden or read-only.
    Masks = "masking of /proc and /sys",
    /// The root directory is changed.
    Pivot = "pivot_root",
    /// The old root is let go of.
    Detach = "umount2(MNT_DETACH)",
    /// The host name.
    HostName = "sethostname",
    /// The loopback interface.
    Loopback = "ioctl(SIOCSIFFLAGS) of lo",
    /// The first process of the step.
    Fork = "clone",
    /// Standard input, output and error.
    Stdio = "dup3",
    /// The working directory.
    WorkingDirectory = "chdir",
    /// Resource limits.
    Ulimits = "setrlimit",
    /// The deny list.
    Seccomp = "seccomp(SECCOMP_SET_MODE_FILTER)",
    /// The bounding set.
    Bounding = "prctl(PR_CAPBSET_DROP)",
    /// Supplementary groups.
    Groups = "setgroups",
    /// The group.
    Gid = "setresgid",
    /// The user.
    Uid = "setresuid",
    /// The capabilities.
    Capabilities = "capset",
    /// Every other descriptor.
    Descriptors = "close_range",
}

/// Names the stage of a failing call.
pub(crate) trait At<T> {
    /// The same result, with the stage.
    fn at(self, stage: Stage) -> Result<T, Failure>;
}

impl<T> At<T> for Result<T, Errno> {
    fn at(self, stage: Stage) -> Result<T, Failure> {
        self.map_err(|errno| Failure { stage, index: 0, errno })
    }
}

impl Report {
    /// Writes the message. Nothing can be done where that fails: kiln then sees that init ended
    /// without a word, and says so.
    pub(crate) fn send(self, pipe: BorrowedFd<'_>) {
        let (tag, a, b, value) = match self {
            Self::SetUp(Failure { stage, index, errno }) => {
                (1, stage as u8, index, errno.raw_os_error())
            }
            Self::Exec { candidate, present, errno } => {
                (2, candidate, u8::from(present), errno.raw_os_error())
            }
            Self::Ended { status } => (3, 0, 0, status),
        };
        let [v0, v1, v2, v3] = value.to_le_bytes();
        let _unheard =
            rustix::io::retry_on_intr(|| rustix::io::write(pipe, &[tag, a, b, 0, v0, v1, v2, v3]));
    }

    /// Reads a message; `None` for what [`Report::send`] cannot have written.
    pub(crate) fn parse([tag, a, b, _, v0, v1, v2, v3]: [u8; LEN]) -> Option<Self> {
        let value = i32::from_le_bytes([v0, v1, v2, v3]);
        // The range that the kernel reserves for error numbers.
        let errno = (1..4096).contains(&value).then(|| Errno::from_raw_os_error(value));
        match tag {
            1 => Some(Self::SetUp(Failure {
                stage: *Stage::ALL.get(usize::from(a))?,
                index: b,
                errno: errno?,
            })),
            2 => Some(Self::Exec { candidate: a, present: b != 0, errno: errno? }),
            3 => Some(Self::Ended { status: value }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn messages_arrive_as_sent() {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let failure = |stage| Failure { stage, index: 200, errno: Errno::PERM };
        for report in Stage::ALL.iter().map(|&stage| Report::SetUp(failure(stage))).chain([
            Report::Exec { candidate: 3, present: true, errno: Errno::NOEXEC },
            Report::Ended { status: -1 },
            Report::Ended { status: 0x7F00 },
        ]) {
            report.send(writer.as_fd());
            let mut bytes = [0; LEN];
            assert_eq!(rustix::io::read(&reader, &mut bytes).unwrap(), LEN);
            assert_eq!(Report::parse(bytes), Some(report));
        }
    }

    #[test]
    fn nonsense_is_no_message() {
        for bytes in [[0; LEN], [9; LEN], [1, 255, 0, 0, 1, 0, 0, 0], [2, 0, 0, 0, 0, 0, 0, 0]] {
            assert_eq!(Report::parse(bytes), None, "{bytes:?}");
        }
    }
}
