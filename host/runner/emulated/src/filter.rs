//! The seccomp program of a step: which calls pass, which are refused, which go to the handler.
//!
//! A binary decision tree over the call's number, so that a trapped call costs few instructions; a
//! call that always passes costs none, the kernel caches that. The test of the instruction pointer
//! lets the handler's own calls through. It is a convenience, never a boundary: a guest can jump
//! into the handler's text. What must not happen is refused to both.

mod descriptors;
mod lists;
mod narrow;
mod sockets;

use kiln_emulated_core::arch::i386;
use kiln_emulated_core::arch::{
    AUDIT_ARCH, BY_DESCRIPTOR_ONLY, CLONE_THREAD, CLONE_VM, EMULATED, FOREIGN_ABI_BIT, LOADER_BASE,
    LOADER_SPAN, NEWEST, REFUSED, nr,
};
use kiln_emulated_core::config::FIRST_FD;
use kiln_emulated_core::identity::PRCTL_OPTIONS;

use self::lists::{BTRFS, FILE_ATTRIBUTES, LEASES, READING_REQUESTS, REQUEST_TYPE, TERMINAL_INPUT};

/// `SECCOMP_RET_ALLOW`
const ALLOW: u32 = 0x7fff_0000;
/// `SECCOMP_RET_ERRNO`
const ERRNO: u32 = 0x0005_0000;
/// `SECCOMP_RET_TRAP`
const TRAP: u32 = 0x0003_0000;

const EPERM: u32 = 1;
const EBADF: u32 = 9;
const EINVAL: u32 = 22;
const ENOTTY: u32 = 25;
const ENOSYS: u32 = 38;

/// `BPF_LD | BPF_W | BPF_ABS`
const LOAD: u16 = 0x20;
/// `BPF_JMP | BPF_JA`
const JUMP: u16 = 0x05;
/// `BPF_JMP | BPF_JEQ | BPF_K`
const EQUAL: u16 = 0x15;
/// `BPF_JMP | BPF_JGE | BPF_K`
const AT_LEAST: u16 = 0x35;
/// `BPF_JMP | BPF_JSET | BPF_K`
const ANY_BIT: u16 = 0x45;
/// `BPF_ALU | BPF_AND | BPF_K`
const AND: u16 = 0x54;
/// `BPF_RET | BPF_K`
const RETURN: u16 = 0x06;

/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const POINTER_LOW: u32 = 8;
const POINTER_HIGH: u32 = 12;

/// Every namespace flag of clone(2).
const NEW_NAMESPACES: u32 = 0x7e02_0000;
/// `PRIO_USER`, `IOPRIO_WHO_USER`: every process of the uid, so the pod's.
const PRIO_USER: u32 = 2;
const IOPRIO_WHO_USER: u32 = 3;
const SIGSYS: u32 = 31;

/// `struct sock_filter`.
#[derive(Clone, Copy, Debug)]
struct Instruction {
    code: u16,
    yes: u8,
    no: u8,
    value: u32,
}

/// Low and high half of an argument.
const fn argument(index: u32) -> (u32, u32) {
    (16 + 8 * index, 20 + 8 * index)
}

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Return(u32),
    /// To the handler; from the handler, allowed.
    Emulate,
    /// To the handler; from the handler, refused.
    EmulateOnly,
    /// As `Emulate` when this argument is not null.
    EmulateIf(u32),
    /// As `EmulateOnly` when this argument is not null.
    EmulateOnlyIf(u32),
    /// `EBADF` when this argument is a descriptor of the runner's.
    Guard(u32),
    /// To the handler; from the handler, only around the runner's descriptors.
    CloseRange,
    Fcntl,
    /// `EBADF` when the first argument is one, save from the handler.
    Duplicate,
    /// The same, and as `Guard` of the second argument.
    DuplicateTo,
    /// As `Emulate` when the descriptor may be a directory of descriptors.
    List,
    Ioctl,
    Prctl,
    Getsockopt,
    /// To the handler when an action is set, or when the handler's own would be told.
    Handler,
    Socket,
    SocketPair,
    Setsockopt,
    /// Without an address: allowed, but not one that opens a connection. With one: to the handler,
    /// and the builder sends.
    SendTo,
    /// To the handler; from the handler, to the builder alone.
    SendMessage,
    Clone,
    /// A priority of what the second argument names, of the kind that the first one says; only of
    /// the caller itself, never of this kind.
    Priority(u32),
}

/// The program's bytes.
/// `end_fd` is one past the last descriptor that guests must not touch; `guarded` makes attributes
/// the builder's to change, see [`Config::guarded`](kiln_emulated_core::config::Config).
pub(crate) fn program(no_network: bool, guarded: bool, end_fd: i32) -> Vec<u8> {
    let mut actions: Vec<(u32, Action)> = Vec::new();
    actions.extend(
        REFUSED
            .iter()
            .map(|&(number, errno)| (number, Action::Return(ERRNO | errno.cast_unsigned()))),
    );
    actions.extend(BY_DESCRIPTOR_ONLY.iter().map(|&number| (number, Action::EmulateOnly)));
    let attributes = [nr::FCHMOD, nr::FSETXATTR, nr::FREMOVEXATTR];
    actions.extend(EMULATED.iter().map(|number| {
        let only = guarded && attributes.contains(number);
        (*number, if only { Action::EmulateOnly } else { Action::Emulate })
    }));
    // Without a path it changes a file that is open.
    let times = if guarded { Action::EmulateOnly } else { Action::EmulateOnlyIf(1) };
    actions.extend([
        (nr::UTIMENSAT, times),
        (nr::PRLIMIT64, Action::EmulateOnlyIf(0)),
        (nr::RT_SIGACTION, Action::Handler),
        (nr::RT_SIGPROCMASK, Action::EmulateIf(1)),
        (nr::RT_SIGSUSPEND, Action::Emulate),
        // Debuggers are not shown the traps, see the loader's `trace`.
        (nr::WAIT4, Action::Emulate),
        (nr::WAITID, Action::Emulate),
        (nr::PTRACE, Action::Emulate),
        (nr::PPOLL, Action::EmulateIf(3)),
        (nr::PSELECT6, Action::EmulateIf(5)),
        (nr::EPOLL_PWAIT, Action::EmulateIf(4)),
        (nr::EPOLL_PWAIT2, Action::EmulateIf(4)),
        (nr::SENDTO, Action::SendTo),
        (nr::SENDMSG, Action::SendMessage),
        (nr::CLOSE, Action::Guard(0)),
        (nr::CLOSE_RANGE, Action::CloseRange),
        (nr::FCNTL, Action::Fcntl),
        (nr::DUP, Action::Duplicate),
        (nr::DUP2, Action::DuplicateTo),
        (nr::DUP3, Action::DuplicateTo),
        (nr::GETDENTS, Action::List),
        (nr::GETDENTS64, Action::List),
        (nr::IOCTL, Action::Ioctl),
        (nr::PRCTL, Action::Prctl),
        (nr::GETSOCKOPT, Action::Getsockopt),
        (nr::SOCKET, Action::Socket),
        (nr::SOCKETPAIR, Action::SocketPair),
        (nr::SETSOCKOPT, Action::Setsockopt),
        (nr::CLONE, Action::Clone),
        (nr::VFORK, Action::Emulate),
        (nr::SETPRIORITY, Action::Priority(PRIO_USER)),
        (nr::IOPRIO_SET, Action::Priority(IOPRIO_WHO_USER)),
    ]);
    // Landlock does not guard them, and our uid is the pod's: of a thread itself alone.
    actions.extend(
        [nr::SCHED_SETPARAM, nr::SCHED_SETSCHEDULER, nr::SCHED_SETAFFINITY, nr::SCHED_SETATTR]
            .map(|number| (number, Action::EmulateOnlyIf(0))),
    );
    actions.sort_by_key(|&(number, _)| number);

    let mut program =
        Program { code: Vec::new(), no_network, guarded, end_fd, handler: Handler::Loader };
    program.emit(LOAD, ARCH);
    program.emit_test(EQUAL, AUDIT_ARCH, 1, 0);
    let jump = program.jump();
    program.emit(LOAD, NUMBER);
    // Numbers of the x32 ABI are above all of ours, so one test refuses both.
    const { assert!(NEWEST < FOREIGN_ABI_BIT) };
    program.emit_test(AT_LEAST, NEWEST + 1, 0, 1);
    program.emit(RETURN, ERRNO | ENOSYS);
    program.tree(&actions);
    program.land(jump);
    program.emit_test(EQUAL, i386::AUDIT_ARCH, 1, 0);
    program.emit(RETURN, ERRNO | ENOSYS);
    program.emit(LOAD, NUMBER);
    program.handler = Handler::Gates;
    program.ranges(&narrow::actions(&actions));
    program.code.iter().flat_map(bytes).collect()
}

fn bytes(instruction: &Instruction) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..2].copy_from_slice(&instruction.code.to_ne_bytes());
    bytes[2] = instruction.yes;
    bytes[3] = instruction.no;
    bytes[4..].copy_from_slice(&instruction.value.to_ne_bytes());
    bytes
}

/// Where the handler makes its calls from.
#[derive(Clone, Copy, Debug)]
enum Handler {
    Loader,
    /// Of i386 programs, see [`i386::GATES`].
    Gates,
}

struct Program {
    code: Vec<Instruction>,
    no_network: bool,
    guarded: bool,
    end_fd: i32,
    handler: Handler,
}

impl Program {
    fn emit(&mut self, code: u16, value: u32) {
        self.emit_test(code, value, 0, 0);
    }

    fn emit_test(&mut self, code: u16, value: u32, yes: u8, no: u8) {
        self.code.push(Instruction { code, yes, no, value });
    }

    /// The tree over sorted actions; every path through it returns.
    fn tree(&mut self, actions: &[(u32, Action)]) {
        match actions {
            [] => self.emit(RETURN, ALLOW),
            [(number, action)] => {
                self.emit_test(EQUAL, *number, 1, 0);
                self.emit(RETURN, ALLOW);
                self.leaf(*action);
            }
            _ => {
                let (left, right) = actions.split_at(actions.len() / 2);
                let pivot = right.first().map_or(0, |&(number, _)| number);
                self.emit_test(AT_LEAST, pivot, 0, 1);
                let jump = self.jump();
                self.tree(left);
                self.land(jump);
                self.tree(right);
            }
        }
    }

    /// A jump to where [`Program::land`] will be called.
    fn jump(&mut self) -> usize {
        self.emit(JUMP, 0);
        self.code.len() - 1
    }

    fn land(&mut self, jump: usize) {
        let distance = self.code.len() - jump - 1;
        if let Some(instruction) = self.code.get_mut(jump) {
            instruction.value = u32::try_from(distance).unwrap_or(0);
        }
    }

    fn leaf(&mut self, action: Action) {
        match action {
            Action::Return(value) => self.emit(RETURN, value),
            Action::Emulate => self.emulate(ALLOW),
            Action::EmulateOnly => self.emulate(ERRNO | EPERM),
            Action::EmulateIf(index) => {
                self.unless_null(index);
                self.emulate(ALLOW);
            }
            Action::EmulateOnlyIf(index) => {
                self.unless_null(index);
                self.emulate(ERRNO | EPERM);
            }
            Action::Guard(index) => self.guard(index),
            Action::Duplicate => {
                self.hide_own();
                self.emit(RETURN, ALLOW);
            }
            Action::DuplicateTo => {
                self.hide_own();
                self.guard(1);
            }
            Action::List => self.list(),
            Action::CloseRange => {
                self.emit(LOAD, argument(0).0);
                self.emit_test(AT_LEAST, self.end_fd.cast_unsigned(), 2, 0);
                self.emit(LOAD, argument(1).0);
                self.emit_test(AT_LEAST, FIRST_FD.cast_unsigned(), 6, 0);
                self.emulate(ALLOW);
                // Else the number that SendMessage looks at could be another socket's.
                self.emulate(ERRNO | EBADF);
            }
            Action::Fcntl => {
                self.emit(LOAD, argument(1).0);
                for command in LEASES {
                    self.emit_test(EQUAL, command, 0, 1);
                    self.emit(RETURN, ERRNO | EINVAL);
                }
                self.guard(0);
            }
            Action::Ioctl => self.ioctl(),
            Action::Prctl => {
                self.emit(LOAD, argument(0).0);
                for &option in PRCTL_OPTIONS {
                    self.emit_test(EQUAL, option, 0, 6);
                    self.emulate(ERRNO | EPERM);
                }
                self.emit(RETURN, ALLOW);
            }
            Action::Getsockopt => self.getsockopt(),
            Action::Handler => {
                self.emit(LOAD, argument(0).0);
                self.emit_test(EQUAL, SIGSYS, 0, 6);
                self.emulate(ALLOW);
                self.unless_null(1);
                self.emulate(ALLOW);
            }
            Action::Socket => self.socket(),
            Action::SocketPair => self.socket_pair(),
            Action::Setsockopt => self.setsockopt(),
            Action::SendTo => self.send_to(),
            Action::SendMessage => self.send_message(),
            Action::Clone => {
                self.emit(LOAD, argument(0).0);
                self.emit_test(ANY_BIT, NEW_NAMESPACES, 0, 1);
                self.emit(RETURN, ERRNO | EPERM);
                // A process in shared memory, see the loader's `sharing`.
                self.emit(AND, CLONE_VM | CLONE_THREAD);
                self.emit_test(EQUAL, CLONE_VM, 0, 6);
                self.emulate(ALLOW);
                self.emit(RETURN, ALLOW);
            }
            Action::Priority(everybody) => {
                self.emit(LOAD, argument(0).0);
                self.emit_test(EQUAL, everybody, 0, 1);
                self.emit(RETURN, ERRNO | EPERM);
                self.unless_null(1);
                self.emulate(ERRNO | EPERM);
            }
        }
    }

    fn ioctl(&mut self) {
        self.emit(LOAD, argument(1).0);
        for request in TERMINAL_INPUT {
            self.emit_test(EQUAL, request, 0, 1);
            self.emit(RETURN, ERRNO | EPERM);
        }
        let types = if self.guarded { FILE_ATTRIBUTES } else { BTRFS };
        let tests = u8::try_from(1 + 2 * types.len()).unwrap_or(0);
        for (request, left) in READING_REQUESTS.iter().zip((0..READING_REQUESTS.len()).rev()) {
            let past = u8::try_from(left).unwrap_or(0) + tests;
            self.emit_test(EQUAL, *request, past, 0);
        }
        self.emit(AND, REQUEST_TYPE);
        for kind in types {
            self.emit_test(EQUAL, *kind, 0, 1);
            self.emit(RETURN, ERRNO | ENOTTY);
        }
        self.guard(0);
    }

    /// Traps, save for calls of the handler's. Six instructions.
    fn emulate(&mut self, inside: u32) {
        self.emit(LOAD, POINTER_HIGH);
        let (high, limit, above) = match self.handler {
            Handler::Loader => (u32::try_from(LOADER_BASE >> 32).unwrap_or(0), LOADER_SPAN, 1),
            Handler::Gates => (0, i386::GATES, 0),
        };
        self.emit_test(EQUAL, high, 0, 3);
        self.emit(LOAD, POINTER_LOW);
        self.emit_test(AT_LEAST, limit, above, 1 - above);
        self.emit(RETURN, inside);
        self.emit(RETURN, TRAP);
    }

    /// Allows when the argument is null, else goes on.
    fn unless_null(&mut self, index: u32) {
        let (low, high) = argument(index);
        self.emit(LOAD, low);
        self.emit_test(EQUAL, 0, 0, 3);
        self.emit(LOAD, high);
        self.emit_test(EQUAL, 0, 0, 1);
        self.emit(RETURN, ALLOW);
    }
}

#[cfg(test)]
mod tests;
