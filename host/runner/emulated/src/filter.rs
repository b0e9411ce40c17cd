//! The seccomp program of a step: which calls pass, which are refused, which go to the handler.
//!
//! A binary decision tree over the call's number, so that a trapped call costs few instructions; a
//! call that always passes costs none, the kernel caches that. The test of the instruction pointer
//! lets the handler's own calls through. It is a convenience, never a boundary: a guest can jump
//! into the handler's text. What must not happen is refused to both.

use kiln_emulated_core::arch::{
    AUDIT_ARCH, BY_DESCRIPTOR_ONLY, EMULATED, FOREIGN_ABI_BIT, LOADER_BASE, LOADER_SPAN, NEWEST,
    REFUSED, nr,
};
use kiln_emulated_core::config::FIRST_FD;
use kiln_emulated_core::identity::PRCTL_OPTIONS;

/// `SECCOMP_RET_ALLOW`
const ALLOW: u32 = 0x7fff_0000;
/// `SECCOMP_RET_ERRNO`
const ERRNO: u32 = 0x0005_0000;
/// `SECCOMP_RET_TRAP`
const TRAP: u32 = 0x0003_0000;

const EPERM: u32 = 1;
const EBADF: u32 = 9;
const ENOSYS: u32 = 38;
const EPROTONOSUPPORT: u32 = 93;
const EOPNOTSUPP: u32 = 95;
const EAFNOSUPPORT: u32 = 97;
const ENETUNREACH: u32 = 101;

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
/// `BPF_RET | BPF_K`
const RETURN: u16 = 0x06;

/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const POINTER_LOW: u32 = 8;
const POINTER_HIGH: u32 = 12;

/// Every namespace flag of clone(2).
const NEW_NAMESPACES: u32 = 0x7e02_0000;
/// `AF_UNIX`, `AF_INET`, `AF_INET6`
const FAMILIES: [u32; 3] = [1, 2, 10];
const AF_UNIX: u32 = 1;
const AF_NETLINK: u32 = 16;
/// The default, ICMP, TCP, UDP, ICMPv6. Not those that connect by other calls than connect(2).
const PROTOCOLS: [u32; 5] = [0, 1, 6, 17, 58];
/// Connects and sends in one.
const MSG_FASTOPEN: u32 = 0x2000_0000;
/// `TIOCSTI` and `TIOCLINUX`: putting input into a terminal.
const TERMINAL_INPUT: [u32; 2] = [0x5412, 0x541c];

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
    Ioctl,
    Prctl,
    Getsockopt,
    Socket,
    /// Messages: none that opens a connection by the way; then to the handler, if there is an
    /// address.
    Send {
        flags: u32,
        address: Option<u32>,
    },
    Clone,
}

/// The program's bytes.
/// `end_fd` is one past the last descriptor that guests must not touch.
pub(crate) fn program(no_network: bool, end_fd: i32) -> Vec<u8> {
    let mut actions: Vec<(u32, Action)> = Vec::new();
    actions.extend(
        REFUSED
            .iter()
            .map(|&(number, errno)| (number, Action::Return(ERRNO | errno.cast_unsigned()))),
    );
    actions.extend(BY_DESCRIPTOR_ONLY.iter().map(|&number| (number, Action::EmulateOnly)));
    actions.extend(EMULATED.iter().map(|&number| (number, Action::Emulate)));
    actions.extend([
        (nr::UTIMENSAT, Action::EmulateOnlyIf(1)),
        (nr::PRLIMIT64, Action::EmulateOnlyIf(0)),
        (nr::RT_SIGACTION, Action::EmulateIf(1)),
        (nr::RT_SIGPROCMASK, Action::EmulateIf(1)),
        (nr::RT_SIGSUSPEND, Action::Emulate),
        (nr::PPOLL, Action::EmulateIf(3)),
        (nr::PSELECT6, Action::EmulateIf(5)),
        (nr::EPOLL_PWAIT, Action::EmulateIf(4)),
        (nr::EPOLL_PWAIT2, Action::EmulateIf(4)),
        (nr::SENDTO, Action::Send { flags: 3, address: Some(4) }),
        (nr::SENDMSG, Action::Send { flags: 2, address: None }),
        (nr::SENDMMSG, Action::Send { flags: 3, address: None }),
        (nr::CLOSE, Action::Guard(0)),
        (nr::FCNTL, Action::Guard(0)),
        (nr::DUP2, Action::Guard(1)),
        (nr::DUP3, Action::Guard(1)),
        (nr::IOCTL, Action::Ioctl),
        (nr::PRCTL, Action::Prctl),
        (nr::GETSOCKOPT, Action::Getsockopt),
        (nr::SOCKET, Action::Socket),
        (nr::CLONE, Action::Clone),
    ]);
    actions.sort_by_key(|&(number, _)| number);

    let mut program = Program { code: Vec::new(), no_network, end_fd };
    program.emit(LOAD, ARCH);
    program.emit_test(EQUAL, AUDIT_ARCH, 1, 0);
    program.emit(RETURN, ERRNO | ENOSYS);
    program.emit(LOAD, NUMBER);
    // Numbers of the x32 ABI are above all of ours, so one test refuses both.
    const { assert!(NEWEST < FOREIGN_ABI_BIT) };
    program.emit_test(AT_LEAST, NEWEST + 1, 0, 1);
    program.emit(RETURN, ERRNO | ENOSYS);
    program.tree(&actions);
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

struct Program {
    code: Vec<Instruction>,
    no_network: bool,
    end_fd: i32,
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
                let jump = self.code.len();
                self.emit(JUMP, 0);
                self.tree(left);
                let distance = self.code.len() - jump - 1;
                if let Some(instruction) = self.code.get_mut(jump) {
                    instruction.value = u32::try_from(distance).unwrap_or(0);
                }
                self.tree(right);
            }
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
            Action::Ioctl => {
                self.emit(LOAD, argument(1).0);
                for request in TERMINAL_INPUT {
                    self.emit_test(EQUAL, request, 0, 1);
                    self.emit(RETURN, ERRNO | EPERM);
                }
                self.guard(0);
            }
            Action::Prctl => {
                self.emit(LOAD, argument(0).0);
                for &option in PRCTL_OPTIONS {
                    self.emit_test(EQUAL, option, 0, 6);
                    self.emulate(ERRNO | EPERM);
                }
                self.emit(RETURN, ALLOW);
            }
            Action::Getsockopt => {
                // `SOL_SOCKET`, `SO_PEERCRED`
                self.emit(LOAD, argument(1).0);
                self.emit_test(EQUAL, 1, 1, 0);
                self.emit(RETURN, ALLOW);
                self.emit(LOAD, argument(2).0);
                self.emit_test(EQUAL, 17, 1, 0);
                self.emit(RETURN, ALLOW);
                self.emulate(ALLOW);
            }
            Action::Socket => {
                self.emit(LOAD, argument(0).0);
                let families = if self.no_network { &FAMILIES[..1] } else { &FAMILIES };
                for &family in families {
                    if family == AF_UNIX {
                        self.emit_test(EQUAL, family, 0, 1);
                        self.emit(RETURN, ALLOW);
                    } else {
                        let protocols = u8::try_from(PROTOCOLS.len()).unwrap_or(u8::MAX);
                        self.emit_test(EQUAL, family, 0, 2 * protocols + 2);
                        self.emit(LOAD, argument(2).0);
                        for protocol in PROTOCOLS {
                            self.emit_test(EQUAL, protocol, 0, 1);
                            self.emit(RETURN, ALLOW);
                        }
                        self.emit(RETURN, ERRNO | EPROTONOSUPPORT);
                    }
                }
                if self.no_network {
                    self.emit(RETURN, ERRNO | ENETUNREACH);
                    return;
                }
                // Of netlink only `NETLINK_ROUTE`, to look at interfaces: the kernel's audit and
                // others are not a build's, and libaudit takes this errno for "no audit here".
                self.emit_test(EQUAL, AF_NETLINK, 1, 0);
                self.emit(RETURN, ERRNO | EAFNOSUPPORT);
                self.emit(LOAD, argument(2).0);
                self.emit_test(EQUAL, 0, 0, 1);
                self.emit(RETURN, ALLOW);
                self.emit(RETURN, ERRNO | EPROTONOSUPPORT);
            }
            Action::Send { flags, address } => {
                self.emit(LOAD, argument(flags).0);
                self.emit_test(ANY_BIT, MSG_FASTOPEN, 0, 1);
                self.emit(RETURN, ERRNO | EOPNOTSUPP);
                if let Some(address) = address {
                    self.unless_null(address);
                }
                self.emulate(ALLOW);
            }
            Action::Clone => {
                self.emit(LOAD, argument(0).0);
                self.emit_test(ANY_BIT, NEW_NAMESPACES, 0, 1);
                self.emit(RETURN, ERRNO | EPERM);
                self.emit(RETURN, ALLOW);
            }
        }
    }

    /// Traps, save for calls from the loader's text. Six instructions.
    fn emulate(&mut self, inside: u32) {
        self.emit(LOAD, POINTER_HIGH);
        self.emit_test(EQUAL, u32::try_from(LOADER_BASE >> 32).unwrap_or(0), 0, 3);
        self.emit(LOAD, POINTER_LOW);
        self.emit_test(AT_LEAST, LOADER_SPAN, 1, 0);
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

    fn guard(&mut self, index: u32) {
        self.emit(LOAD, argument(index).0);
        self.emit_test(AT_LEAST, self.end_fd.cast_unsigned(), 2, 0);
        self.emit_test(AT_LEAST, FIRST_FD.cast_unsigned(), 0, 1);
        self.emit(RETURN, ERRNO | EBADF);
        self.emit(RETURN, ALLOW);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the program as the kernel would.
    fn judge(program: &[u8], number: u32, pointer: u64, arguments: [u64; 6]) -> u32 {
        let mut data = [0u8; 64];
        data[0..4].copy_from_slice(&number.to_ne_bytes());
        data[4..8].copy_from_slice(&AUDIT_ARCH.to_ne_bytes());
        data[8..16].copy_from_slice(&pointer.to_ne_bytes());
        for (index, value) in arguments.iter().enumerate() {
            data[16 + index * 8..24 + index * 8].copy_from_slice(&value.to_ne_bytes());
        }
        let (mut at, mut accumulator) = (0usize, 0u32);
        loop {
            let bytes = &program[at * 8..at * 8 + 8];
            let code = u16::from_ne_bytes([bytes[0], bytes[1]]);
            let value = u32::from_ne_bytes(bytes[4..].try_into().unwrap());
            at += 1;
            let test = match code {
                LOAD => {
                    let start = value as usize;
                    accumulator = u32::from_ne_bytes(data[start..start + 4].try_into().unwrap());
                    continue;
                }
                JUMP => {
                    at += value as usize;
                    continue;
                }
                RETURN => return value,
                EQUAL => accumulator == value,
                AT_LEAST => accumulator >= value,
                ANY_BIT => accumulator & value != 0,
                _ => panic!("{code:#x}"),
            };
            at += usize::from(if test { bytes[2] } else { bytes[3] });
        }
    }

    const OUTSIDE: u64 = 0x40_1000;
    const INSIDE: u64 = LOADER_BASE + 0x3000;

    #[test]
    fn every_call_of_the_tables_is_judged_as_they_say() {
        let program = program(false, 950);
        assert!(program.len() / 8 <= 4096, "BPF_MAXINSNS");
        for &(number, errno) in REFUSED {
            for pointer in [OUTSIDE, INSIDE] {
                let verdict = judge(&program, number, pointer, [1; 6]);
                assert_eq!(verdict, ERRNO | errno.cast_unsigned(), "{number}");
            }
        }
        for &number in EMULATED {
            assert_eq!(judge(&program, number, OUTSIDE, [1; 6]), TRAP, "{number}");
            assert_eq!(judge(&program, number, INSIDE, [1; 6]), ALLOW, "{number}");
        }
        for &number in BY_DESCRIPTOR_ONLY {
            assert_eq!(judge(&program, number, OUTSIDE, [1; 6]), TRAP, "{number}");
            assert_eq!(judge(&program, number, INSIDE, [1; 6]), ERRNO | EPERM, "{number}");
        }
        for number in [nr::READ, nr::WRITE, nr::MMAP, nr::BRK, nr::FCHDIR, nr::EXIT_GROUP] {
            assert_eq!(judge(&program, number, OUTSIDE, [1; 6]), ALLOW, "{number}");
        }
        for number in [NEWEST + 1, 600, 0x4000_0001, u32::MAX] {
            assert_eq!(judge(&program, number, INSIDE, [1; 6]), ERRNO | ENOSYS, "{number}");
        }
    }

    #[test]
    fn no_call_is_in_two_tables() {
        let mut all: Vec<u32> = REFUSED.iter().map(|&(number, _)| number).collect();
        all.extend(BY_DESCRIPTOR_ONLY);
        all.extend(EMULATED);
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn arguments_decide_where_they_should() {
        let program = program(false, 950);
        let judge = |number, arguments| judge(&program, number, OUTSIDE, arguments);
        let high = 1 << 40;
        assert_eq!(judge(nr::RT_SIGPROCMASK, [0, 0, 1, 8, 0, 0]), ALLOW);
        assert_eq!(judge(nr::RT_SIGPROCMASK, [0, high, 1, 8, 0, 0]), TRAP);
        assert_eq!(judge(nr::PPOLL, [1, 1, 1, 0, 8, 0]), ALLOW);
        assert_eq!(judge(nr::UTIMENSAT, [3, 0, 1, 0, 0, 0]), ALLOW);
        assert_eq!(judge(nr::UTIMENSAT, [3, 9, 1, 0, 0, 0]), TRAP);
        assert_eq!(judge(nr::CLOSE, [899, 0, 0, 0, 0, 0]), ALLOW);
        assert_eq!(judge(nr::CLOSE, [900, 0, 0, 0, 0, 0]), ERRNO | EBADF);
        assert_eq!(judge(nr::CLOSE, [949, 0, 0, 0, 0, 0]), ERRNO | EBADF);
        assert_eq!(judge(nr::CLOSE, [950, 0, 0, 0, 0, 0]), ALLOW);
        assert_eq!(judge(nr::DUP2, [1, 940, 0, 0, 0, 0]), ERRNO | EBADF);
        assert_eq!(judge(nr::IOCTL, [0, 0x5412, 0, 0, 0, 0]), ERRNO | EPERM);
        assert_eq!(judge(nr::CLONE, [0x1000_0011, 0, 0, 0, 0, 0]), ERRNO | EPERM);
        assert_eq!(judge(nr::CLONE, [0x0121_0011, 0, 0, 0, 0, 0]), ALLOW);
        assert_eq!(judge(nr::SOCKET, [17, 3, 0, 0, 0, 0]), ERRNO | EAFNOSUPPORT);
        assert_eq!(judge(nr::SOCKET, [10, 1, 0, 0, 0, 0]), ALLOW);
        assert_eq!(judge(nr::SOCKET, [2, 1, 262, 0, 0, 0]), ERRNO | EPROTONOSUPPORT);
        assert_eq!(judge(nr::SOCKET, [2, 1, 6, 0, 0, 0]), ALLOW);
        assert_eq!(judge(nr::SENDTO, [3, 1, 1, 0x2000_0000, 0, 0]), ERRNO | EOPNOTSUPP);
        assert_eq!(judge(nr::SENDTO, [3, 1, 1, 0, 0, 0]), ALLOW);
        assert_eq!(judge(nr::SENDTO, [3, 1, 1, 0, 8, 16]), TRAP);
        assert_eq!(judge(nr::SENDMSG, [3, 1, 0x2000_0000, 0, 0, 0]), ERRNO | EOPNOTSUPP);
        assert_eq!(judge(nr::SOCKET, [16, 3, 0, 0, 0, 0]), ALLOW);
        assert_eq!(judge(nr::SOCKET, [16, 3, 9, 0, 0, 0]), ERRNO | EPROTONOSUPPORT);
        assert_eq!(judge(nr::PRCTL, [22, 2, 0, 0, 0, 0]), TRAP);
        assert_eq!(judge(nr::PRCTL, [47, 2, 0, 0, 0, 0]), TRAP);
        assert_eq!(judge(nr::PRCTL, [15, 2, 0, 0, 0, 0]), ALLOW);
        assert_eq!(judge(nr::GETSOCKOPT, [3, 1, 17, 0, 0, 0]), TRAP);
        assert_eq!(judge(nr::GETSOCKOPT, [3, 1, 4, 0, 0, 0]), ALLOW);
    }

    #[test]
    fn without_network_there_are_unix_sockets_alone() {
        let program = program(true, 950);
        for family in [2, 10, 16] {
            let verdict = judge(&program, nr::SOCKET, INSIDE, [family, 1, 0, 0, 0, 0]);
            assert_eq!(verdict, ERRNO | ENETUNREACH);
        }
        assert_eq!(judge(&program, nr::SOCKET, OUTSIDE, [1, 1, 0, 0, 0, 0]), ALLOW);
    }
}
