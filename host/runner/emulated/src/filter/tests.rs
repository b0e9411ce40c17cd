//! The program, run as the kernel would.

use kiln_emulated_core::config::{BROKER_FD, FIRST_LISTING_FD};

use super::sockets::{EAFNOSUPPORT, ENETUNREACH, EOPNOTSUPP, EPROTONOSUPPORT, ESOCKTNOSUPPORT};
use kiln_emulated_core::arch::i386::Way;

use super::*;

/// Runs the program as the kernel would, for a call of x86_64.
fn judge(program: &[u8], number: u32, pointer: u64, arguments: [u64; 6]) -> u32 {
    judge_of(AUDIT_ARCH, program, number, pointer, arguments)
}

/// The same for a call of i386.
fn judge_i386(program: &[u8], number: u32, pointer: u64, arguments: [u64; 6]) -> u32 {
    judge_of(i386::AUDIT_ARCH, program, number, pointer, arguments)
}

fn judge_of(arch: u32, program: &[u8], number: u32, pointer: u64, arguments: [u64; 6]) -> u32 {
    let mut data = [0u8; 64];
    data[0..4].copy_from_slice(&number.to_ne_bytes());
    data[4..8].copy_from_slice(&arch.to_ne_bytes());
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
            AND => {
                accumulator &= value;
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
    let program = program(false, false, 950);
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
    let program = program(false, false, 950);
    let judge = |number, arguments| judge(&program, number, OUTSIDE, arguments);
    let high = 1 << 40;
    assert_eq!(judge(nr::RT_SIGPROCMASK, [0, 0, 1, 8, 0, 0]), ALLOW);
    assert_eq!(judge(nr::RT_SIGPROCMASK, [0, high, 1, 8, 0, 0]), TRAP);
    assert_eq!(judge(nr::RT_SIGACTION, [10, 0, 1, 8, 0, 0]), ALLOW);
    assert_eq!(judge(nr::RT_SIGACTION, [10, 9, 0, 8, 0, 0]), TRAP);
    assert_eq!(judge(nr::RT_SIGACTION, [31, 0, 1, 8, 0, 0]), TRAP);
    assert_eq!(judge(nr::PPOLL, [1, 1, 1, 0, 8, 0]), ALLOW);
    assert_eq!(judge(nr::UTIMENSAT, [3, 0, 1, 0, 0, 0]), ALLOW);
    assert_eq!(judge(nr::UTIMENSAT, [3, 9, 1, 0, 0, 0]), TRAP);
    assert_eq!(judge(nr::CLOSE, [899, 0, 0, 0, 0, 0]), ALLOW);
    assert_eq!(judge(nr::CLOSE, [900, 0, 0, 0, 0, 0]), ERRNO | EBADF);
    assert_eq!(judge(nr::CLOSE, [949, 0, 0, 0, 0, 0]), ERRNO | EBADF);
    assert_eq!(judge(nr::CLOSE, [950, 0, 0, 0, 0, 0]), ALLOW);
    assert_eq!(judge(nr::DUP2, [1, 940, 0, 0, 0, 0]), ERRNO | EBADF);
    assert_eq!(judge(nr::DUP2, [940, 1, 0, 0, 0, 0]), ERRNO | EBADF);
    assert_eq!(judge(nr::DUP3, [1, 7, 0, 0, 0, 0]), ALLOW);
    assert_eq!(judge(nr::DUP, [900, 0, 0, 0, 0, 0]), ERRNO | EBADF);
    assert_eq!(judge(nr::DUP, [986, 0, 0, 0, 0, 0]), ALLOW);
    assert_eq!(self::judge(&program, nr::DUP3, INSIDE, [900, 1, 0, 0, 0, 0]), ALLOW);
    for (directory, verdict) in [(3, ALLOW), (985, ALLOW), (986, TRAP), (997, TRAP), (998, ALLOW)] {
        assert_eq!(judge(nr::GETDENTS64, [directory, 1, 1, 0, 0, 0]), verdict, "{directory}");
    }
    assert_eq!(judge(nr::IOCTL, [0, 0x5412, 0, 0, 0, 0]), ERRNO | EPERM);
    assert_eq!(judge(nr::IOCTL, [0, 0x5401, 0, 0, 0, 0]), ALLOW);
    assert_eq!(judge(nr::IOCTL, [900, 0x5401, 0, 0, 0, 0]), ERRNO | EBADF);
    assert_eq!(judge(nr::FCNTL, [3, 1024, 0, 0, 0, 0]), ERRNO | EINVAL);
    assert_eq!(judge(nr::FCNTL, [3, 3, 0, 0, 0, 0]), ALLOW);
    assert_eq!(judge(nr::FCNTL, [900, 3, 0, 0, 0, 0]), ERRNO | EBADF);
    assert_eq!(judge(nr::CLOSE_RANGE, [3, 5, 0, 0, 0, 0]), TRAP);
    assert_eq!(judge(nr::CLOSE_RANGE, [904, 904, 0, 0, 0, 0]), TRAP);
    assert_eq!(judge(nr::SOCKETPAIR, [1, 1, 0, 8, 0, 0]), ALLOW);
    assert_eq!(judge(nr::SOCKETPAIR, [30, 1, 0, 8, 0, 0]), ERRNO | EAFNOSUPPORT);
    assert_eq!(judge(nr::SETSOCKOPT, [3, 0, 4, 8, 4, 0]), ERRNO | EPERM);
    assert_eq!(judge(nr::SETSOCKOPT, [3, 0, 4, 0, 0, 0]), ALLOW);
    assert_eq!(judge(nr::SETSOCKOPT, [3, 41, 57, 8, 4, 0]), ERRNO | EPERM);
    assert_eq!(judge(nr::SETSOCKOPT, [3, 41, 6, 8, 4, 0]), ERRNO | EPERM);
    assert_eq!(judge(nr::SETSOCKOPT, [3, 1, 4, 8, 4, 0]), ALLOW);
    assert_eq!(judge(nr::SETSOCKOPT, [3, 1, 13, 8, 8, 0]), TRAP);
    assert_eq!(judge(nr::SETSOCKOPT, [3, 6, 13, 8, 4, 0]), ALLOW);
    assert_eq!(judge(nr::SETSOCKOPT, [3, 41, 4, 8, 4, 0]), ALLOW);
    assert_eq!(judge(nr::CLONE, [0x1000_0011, 0, 0, 0, 0, 0]), ERRNO | EPERM);
    assert_eq!(judge(nr::CLONE, [0x0121_0011, 0, 0, 0, 0, 0]), ALLOW);
    assert_eq!(judge(nr::SOCKET, [17, 3, 0, 0, 0, 0]), ERRNO | EAFNOSUPPORT);
    assert_eq!(judge(nr::SOCKET, [10, 1, 0, 0, 0, 0]), ALLOW);
    assert_eq!(judge(nr::SOCKET, [2, 1, 262, 0, 0, 0]), ERRNO | EPROTONOSUPPORT);
    assert_eq!(judge(nr::SOCKET, [2, 1, 6, 0, 0, 0]), ALLOW);
    assert_eq!(judge(nr::SOCKET, [2, 2, 136, 0, 0, 0]), ALLOW);
    let cloexec = 0o2_000_000;
    assert_eq!(judge(nr::SOCKET, [10, 2 | cloexec, 17, 0, 0, 0]), ALLOW);
    // Protocol 0 of a sequential-packet socket is SCTP.
    assert_eq!(judge(nr::SOCKET, [2, 5, 0, 0, 0, 0]), ERRNO | ESOCKTNOSUPPORT);
    assert_eq!(judge(nr::SOCKET, [2, 5 | cloexec, 0, 0, 0, 0]), ERRNO | ESOCKTNOSUPPORT);
    assert_eq!(judge(nr::SOCKET, [2, 3 | cloexec, 1, 0, 0, 0]), ERRNO | EPERM);
    assert_eq!(judge(nr::SETPRIORITY, [0, 0, 19, 0, 0, 0]), ALLOW);
    assert_eq!(judge(nr::SETPRIORITY, [2, 0, 19, 0, 0, 0]), ERRNO | EPERM);
    assert_eq!(judge(nr::SETPRIORITY, [0, 77, 19, 0, 0, 0]), TRAP);
    assert_eq!(judge(nr::IOPRIO_SET, [3, 0, 0, 0, 0, 0]), ERRNO | EPERM);
    assert_eq!(judge(nr::SCHED_SETAFFINITY, [0, 8, 1, 0, 0, 0]), ALLOW);
    assert_eq!(judge(nr::SCHED_SETAFFINITY, [77, 8, 1, 0, 0, 0]), TRAP);
    assert_eq!(judge(nr::SENDTO, [3, 1, 1, 0x2000_0000, 0, 0]), ERRNO | EOPNOTSUPP);
    assert_eq!(judge(nr::SENDTO, [3, 1, 1, 0, 0, 0]), ALLOW);
    assert_eq!(judge(nr::SENDTO, [3, 1, 1, 0, 8, 16]), TRAP);
    assert_eq!(judge(nr::SENDMSG, [3, 1, 0, 0, 0, 0]), TRAP);
    assert_eq!(judge(nr::SOCKET, [16, 3, 0, 0, 0, 0]), ALLOW);
    assert_eq!(judge(nr::SOCKET, [16, 3, 9, 0, 0, 0]), ERRNO | EPROTONOSUPPORT);
    assert_eq!(judge(nr::PRCTL, [22, 2, 0, 0, 0, 0]), TRAP);
    assert_eq!(judge(nr::PRCTL, [47, 2, 0, 0, 0, 0]), TRAP);
    assert_eq!(judge(nr::PRCTL, [15, 2, 0, 0, 0, 0]), ALLOW);
    assert_eq!(judge(nr::GETSOCKOPT, [3, 1, 17, 0, 0, 0]), TRAP);
    assert_eq!(judge(nr::GETSOCKOPT, [3, 1, 4, 0, 0, 0]), ALLOW);
}

#[test]
fn what_the_builder_does_for_guests_they_cannot_do_past_the_handler() {
    let open = program(false, false, 950);
    let guarded = program(false, true, 950);
    let judge = |program, number, arguments| judge(program, number, INSIDE, arguments);
    let refused = ERRNO | EPERM;
    for program in [&open, &guarded] {
        assert_eq!(judge(program, nr::SENDTO, [3, 1, 1, 0, 8, 16]), refused);
        assert_eq!(judge(program, nr::SENDTO, [3, 1, 1, 0, 1 << 40, 16]), refused);
        assert_eq!(judge(program, nr::SENDTO, [3, 1, 1, 0, 0, 0]), ALLOW);
        assert_eq!(judge(program, nr::SENDMSG, [3, 1, 0, 0, 0, 0]), refused);
        assert_eq!(judge(program, nr::SENDMSG, [904, 1, 0, 0, 0, 0]), ALLOW);
        assert_eq!(judge(program, nr::SENDMMSG, [904, 1, 1, 0, 0, 0]), refused);
        assert_eq!(judge(program, nr::SETSOCKOPT, [3, 1, 13, 8, 8, 0]), refused);
        assert_eq!(judge(program, nr::INOTIFY_ADD_WATCH, [3, 1, 1, 0, 0, 0]), refused);
        assert_eq!(judge(program, nr::SCHED_SETAFFINITY, [77, 8, 1, 0, 0, 0]), refused);
        assert_eq!(judge(program, nr::SETPRIORITY, [0, 77, 19, 0, 0, 0]), refused);
    }
    for number in [nr::FCHMOD, nr::FSETXATTR, nr::FREMOVEXATTR, nr::UTIMENSAT] {
        assert_eq!(judge(&open, number, [3, 0, 0, 0, 0, 0]), ALLOW, "{number}");
        assert_eq!(judge(&guarded, number, [3, 0, 0, 0, 0, 0]), refused, "{number}");
    }
    assert_eq!(judge(&open, nr::UTIMENSAT, [3, 1, 0, 0, 0, 0]), refused);
}

#[test]
fn the_runners_descriptors_cannot_be_closed_past_the_handler() {
    let program = program(false, false, 950);
    let judge = |first, last| judge(&program, nr::CLOSE_RANGE, INSIDE, [first, last, 0, 0, 0, 0]);
    for (first, last) in [(3, 899), (0, 0), (950, u64::from(u32::MAX)), (2000, 3000)] {
        assert_eq!(judge(first, last), ALLOW, "{first} to {last}");
    }
    for (first, last) in [(904, 904), (3, 900), (0, u64::from(u32::MAX)), (949, 5000)] {
        assert_eq!(judge(first, last), ERRNO | EBADF, "{first} to {last}");
    }
}

#[test]
fn files_that_may_only_be_read_keep_their_attributes() {
    let requests = |guarded| {
        let program = program(false, guarded, 950);
        move |request| judge(&program, nr::IOCTL, OUTSIDE, [3, request, 0, 0, 0, 0])
    };
    let (open, guarded) = (requests(false), requests(true));
    let refused = ERRNO | ENOTTY;
    // `FS_IOC_SETFLAGS`, `FS_IOC_FSSETXATTR`, `FS_IOC_SETVERSION`, `FS_IOC_ENABLE_VERITY`.
    for request in [0x4008_6602, 0x401c_5820, 0x4008_7602, 0x4080_6685] {
        assert_eq!((open(request), guarded(request)), (ALLOW, refused), "{request:x}");
    }
    // `BTRFS_IOC_SNAP_CREATE_V2`, `BTRFS_IOC_SUBVOL_CREATE`.
    for request in [0x5000_9417, 0x5000_940e] {
        assert_eq!((open(request), guarded(request)), (refused, refused), "{request:x}");
    }
    for request in READING_REQUESTS.map(u64::from).into_iter().chain([0x5401, 0x5451]) {
        assert_eq!((open(request), guarded(request)), (ALLOW, ALLOW), "{request:x}");
    }
}

#[test]
fn without_network_there_are_unix_sockets_alone() {
    let program = program(true, false, 950);
    for family in [2, 10, 16] {
        let verdict = judge(&program, nr::SOCKET, INSIDE, [family, 1, 0, 0, 0, 0]);
        assert_eq!(verdict, ERRNO | ENETUNREACH);
    }
    assert_eq!(judge(&program, nr::SOCKET, OUTSIDE, [1, 1, 0, 0, 0, 0]), ALLOW);
}

#[test]
fn calls_of_i386_go_the_way_of_their_table() {
    use Way::{Judged, Kernel, Own, Refused, Same, Short};
    let program = program(false, false, 950);
    assert!(program.len() / 8 <= 4096, "BPF_MAXINSNS");
    let at_gate = u64::from(i386::GATES) + 16;
    let mut last = 0;
    for &(number, name, way) in i386::CALLS {
        assert!(number == 0 || number > last, "{name}: in order");
        last = number;
        for pointer in [OUTSIDE, INSIDE, at_gate, u64::from(i386::GATES) - 1] {
            let verdict = judge_i386(&program, number, pointer, [1; 6]);
            match way {
                Kernel => assert_eq!(verdict, ALLOW, "{name}"),
                Refused(errno) => assert_eq!(verdict, ERRNO | errno.cast_unsigned(), "{name}"),
                Same(_) | Short(_) | Own => assert_eq!(verdict, TRAP, "{name}"),
                Judged(same) if pointer == at_gate => {
                    assert_eq!(verdict, judge(&program, same, INSIDE, [1; 6]), "{name}");
                }
                Judged(same) => {
                    assert_eq!(verdict, judge(&program, same, OUTSIDE, [1; 6]), "{name}");
                }
            }
        }
    }
    for number in [222, 251, last + 1, 0x4000_0001, u32::MAX] {
        assert_eq!(judge_i386(&program, number, OUTSIDE, [1; 6]), ERRNO | ENOSYS, "{number}");
    }
    assert_eq!(judge_of(0xc000_00b7, &program, 1, OUTSIDE, [0; 6]), ERRNO | ENOSYS, "aarch64");
    // Children in namespaces of their own, descriptors of the runner's.
    assert_eq!(judge_i386(&program, 120, at_gate, [0x1000_0011, 0, 0, 0, 0, 0]), ERRNO | EPERM);
    assert_eq!(judge_i386(&program, 6, at_gate, [902, 0, 0, 0, 0, 0]), ERRNO | EBADF);
}

/// A call that is the kernel's for i386 is not one that x86_64's table is about, under another name or
/// not: the two would differ in what they let through.
#[test]
fn what_passes_for_i386_passes_for_x86_64() {
    let program = program(false, false, 950);
    // Waiting needs no translation, and debuggers of 32-bit programs are not served.
    let known = ["wait4", "waitid"];
    for &(_, name, way) in i386::CALLS {
        let same = nr::NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        let Some(&(_, number)) = same else { continue };
        if way == Way::Kernel && !known.contains(&name) {
            assert_eq!(judge(&program, number, OUTSIDE, [1; 6]), ALLOW, "{name}");
        }
    }
}

/// What happens to a call, in an auditor's words.
fn verdict(program: &[u8], number: u32) -> String {
    verdict_by(|pointer, arguments| judge(program, number, pointer, arguments), INSIDE)
}

fn verdict_by(judge: impl Fn(u64, [u64; 6]) -> u32, inside: u64) -> String {
    let errno = |value: u32| match value & 0xffff {
        1 => "EPERM".to_owned(),
        38 => "ENOSYS".to_owned(),
        95 => "EOPNOTSUPP".to_owned(),
        97 => "EAFNOSUPPORT".to_owned(),
        other => other.to_string(),
    };
    let of = |arguments| {
        let (outside, inside) = (judge(OUTSIDE, arguments), judge(inside, arguments));
        match (outside, inside) {
            (ALLOW, ALLOW) => "kernel".to_owned(),
            (TRAP, ALLOW) => "handler, then kernel".to_owned(),
            (TRAP, _) => "handler".to_owned(),
            (refused, _) => errno(refused),
        }
    };
    // Nothing, something, everything, a descriptor of the runner's, one of a listing, an option of
    // prctl(2), `SO_PEERCRED`, `IP_OPTIONS`: enough to tell where arguments decide.
    let broker = u64::from(BROKER_FD.cast_unsigned());
    let listing = u64::from(FIRST_LISTING_FD.cast_unsigned());
    let tried = [
        [0; 6],
        [1; 6],
        [u64::from(u32::MAX); 6],
        [broker; 6],
        [listing; 6],
        [7; 6],
        [3, 1, 17, 0, 0, 0],
        [3, 0, 4, 1, 0, 0],
    ]
    .map(of);
    match tried.iter().all(|verdict| *verdict == tried[0]) {
        true => tried[0].clone(),
        false => "by its arguments".to_owned(),
    }
}

#[test]
fn the_table_for_auditors_is_what_the_program_does() {
    use std::fmt::Write as _;
    let program = program(false, false, 950);
    let mut names = nr::NAMES.to_vec();
    names.sort_by_key(|&(_, number)| number);
    let mut table = String::new();
    for (name, number) in names {
        let verdict = verdict(&program, number);
        if verdict != "kernel" {
            writeln!(table, "{number}\t{}\t{verdict}", name.to_lowercase()).unwrap();
        }
    }
    // A call that has no name here must be one that passes, or the table would not show it.
    for number in (0..=NEWEST).filter(|number| nr::NAMES.iter().all(|(_, known)| known != number)) {
        assert_eq!(verdict(&program, number), "kernel", "{number}");
    }
    assert_is_written("emulated-calls.tsv", &table);
}

#[test]
fn the_table_of_i386_is_what_the_program_does() {
    use std::fmt::Write as _;
    let program = program(false, false, 950);
    let mut table = String::new();
    for &(number, name, _) in i386::CALLS {
        let judge = |pointer, arguments| judge_i386(&program, number, pointer, arguments);
        let verdict = verdict_by(judge, u64::from(i386::GATES));
        writeln!(table, "{number}\t{name}\t{verdict}").unwrap();
    }
    assert_is_written("emulated-calls-i386.tsv", &table);
}

/// Compares a table with the file in policies/.
fn assert_is_written(name: &str, table: &str) {
    let file = format!("{}/../../../policies/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(file).unwrap();
    let written: String =
        text.lines().filter(|line| !line.starts_with('#')).flat_map(|line| [line, "\n"]).collect();
    assert_eq!(written, table, "policies/{name} is not what the filter does: {table}");
}
