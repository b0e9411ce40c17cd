//! The seccomp deny list: what no build step has a need of, whatever it runs as.
//!
//! A deny list and not an allow list: a program that meets a system call newer than a list of ours
//! works as it would without kiln. Most of this is also out of reach because the capability is gone;
//! the list holds when one of the two has a hole. It follows the default profiles of Docker and
//! containerd, minus what those allow only with a capability that steps never have.

use libc::{
    BPF_ABS, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET, BPF_W, sock_filter,
};

/// `AUDIT_ARCH_*` of the calls that kiln's own build makes (`linux/audit.h`).
#[cfg(target_arch = "x86_64")]
const NATIVE_ARCH: u32 = 0xC000_003E;
/// `AUDIT_ARCH_*` of the calls that kiln's own build makes (`linux/audit.h`).
#[cfg(target_arch = "aarch64")]
const NATIVE_ARCH: u32 = 0xC000_00B7;

/// `__X32_SYSCALL_BIT`: the same architecture, another call table.
#[cfg(target_arch = "x86_64")]
const X32_BIT: u32 = 0x4000_0000;

/// Offsets into `struct seccomp_data`; the low halves of 64-bit arguments on a little-endian machine.
const NR: u32 = 0;
const ARCH: u32 = 4;
const ARG0: u32 = 16;

/// Every `CLONE_NEW*` flag that `clone` takes (there `CLONE_NEWTIME` is part of the exit signal).
const NAMESPACE_FLAGS: i32 = libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET;

/// The execution domains that Docker allows: Linux, 32-bit uname, without randomisation, the query.
const PERSONALITIES: [u32; 5] = [0x0, 0x8, 0x2_0000, 0x2_0008, 0xFFFF_FFFF];

/// Socket families that reach past the container: the hypervisor, and the kernel's cipher drivers.
const FAMILIES: [i32; 2] = [libc::AF_VSOCK, libc::AF_ALG];

/// `open_tree_attr`, Linux 6.15; the same number everywhere.
const SYS_OPEN_TREE_ATTR: i64 = 467;

/// Refused as if the kernel did not have them: callers then take the older way.
const MISSING: &[i64] = &[
    // Its flags lie in memory, where a filter cannot look.
    libc::SYS_clone3,
    // Makes calls that no filter sees.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
];

/// Refused with `EPERM`.
const FORBIDDEN: &[i64] = &[
    // Namespaces.
    libc::SYS_unshare,
    libc::SYS_setns,
    // Mounts.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    SYS_OPEN_TREE_ATTR,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    // Files by handle: the way out of a mount (CVE-2014-3519 and Docker's "shocker").
    libc::SYS_open_by_handle_at,
    // Kernel programs, tracing of the machine, page faults served from user space.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    // Keys are not divided by namespaces.
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    // The machine.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    libc::SYS_nfsservctl,
    libc::SYS_lookup_dcookie,
    libc::SYS_fanotify_init,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_uselib,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_sysfs,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ustat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS__sysctl,
];

/// Builds the filter.
///
/// Calls that no rule names are allowed by a constant path, which the kernel keeps in a bitmap: they
/// cost some 40 ns more than without a filter.
#[must_use]
pub(crate) fn program() -> Vec<sock_filter> {
    let mut program = vec![
        load(ARCH),
        // Another architecture has other numbers for the same calls.
        jump(BPF_JEQ, NATIVE_ARCH, 1, 0),
        refuse(libc::ENOSYS),
        load(NR),
    ];
    #[cfg(target_arch = "x86_64")]
    program.extend([jump(BPF_JGE, X32_BIT, 0, 1), refuse(libc::ENOSYS)]);
    for &number in MISSING {
        program.extend([jump(BPF_JEQ, low(number), 0, 1), refuse(libc::ENOSYS)]);
    }
    for &number in FORBIDDEN {
        program.extend([jump(BPF_JEQ, low(number), 0, 1), refuse(libc::EPERM)]);
    }
    on_call(
        &mut program,
        libc::SYS_clone,
        &[
            load(ARG0),
            jump(BPF_JSET, NAMESPACE_FLAGS.cast_unsigned(), 0, 1),
            refuse(libc::EPERM),
            allow(),
        ],
    );
    let mut sockets = vec![load(ARG0)];
    for family in FAMILIES {
        let refusal = [
            jump(BPF_JEQ, family.cast_unsigned(), 0, 1),
            // What a kernel without the family says, which OpenSSL and others handle.
            refuse(libc::EAFNOSUPPORT),
        ];
        sockets.extend(refusal);
    }
    sockets.push(allow());
    on_call(&mut program, libc::SYS_socket, &sockets);
    on_call(&mut program, libc::SYS_socketpair, &sockets);
    let mut personality = vec![load(ARG0)];
    for domain in PERSONALITIES {
        personality.extend([jump(BPF_JEQ, domain, 0, 1), allow()]);
    }
    personality.push(refuse(libc::EPERM));
    on_call(&mut program, libc::SYS_personality, &personality);
    program.push(allow());
    program
}

/// Adds `body`, which must end in a return, for one call number.
fn on_call(program: &mut Vec<sock_filter>, number: i64, body: &[sock_filter]) {
    let skip = u8::try_from(body.len()).unwrap_or(u8::MAX);
    program.push(jump(BPF_JEQ, low(number), 0, skip));
    program.extend_from_slice(body);
}

/// Call numbers are small; the filter sees 32 bits of them.
fn low(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn load(offset: u32) -> sock_filter {
    instruction(BPF_LD | BPF_W | BPF_ABS, 0, 0, offset)
}

fn jump(test: u32, value: u32, if_true: u8, if_false: u8) -> sock_filter {
    instruction(BPF_JMP | test | BPF_K, if_true, if_false, value)
}

fn refuse(errno: i32) -> sock_filter {
    instruction(BPF_RET | BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | errno.cast_unsigned())
}

fn allow() -> sock_filter {
    instruction(BPF_RET | BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW)
}

fn instruction(code: u32, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter { code: u16::try_from(code).unwrap_or(u16::MAX), jt, jf, k }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the filter as the kernel would, for the instructions that it uses.
    fn verdict(arch: u32, nr: i64, arg0: u64) -> u32 {
        let data = |offset: u32| match offset {
            NR => low(nr),
            ARCH => arch,
            ARG0 => u32::try_from(arg0 & 0xFFFF_FFFF).unwrap(),
            _ => panic!("offset {offset}"),
        };
        let program = program();
        let (mut at, mut accumulator) = (0_usize, 0_u32);
        loop {
            let sock_filter { code, jt, jf, k } = program[at];
            let code = u32::from(code);
            at += 1;
            let holds = match code {
                c if c == BPF_LD | BPF_W | BPF_ABS => {
                    accumulator = data(k);
                    continue;
                }
                c if c == BPF_RET | BPF_K => return k,
                c if c == BPF_JMP | BPF_JEQ | BPF_K => accumulator == k,
                c if c == BPF_JMP | BPF_JGE | BPF_K => accumulator >= k,
                c if c == BPF_JMP | BPF_JSET | BPF_K => accumulator & k != 0,
                c => panic!("instruction {c}"),
            };
            at += usize::from(if holds { jt } else { jf });
        }
    }

    #[test]
    fn verdicts() {
        let deny = |errno: i32| libc::SECCOMP_RET_ERRNO | errno.cast_unsigned();
        let allowed = libc::SECCOMP_RET_ALLOW;
        let flags = |bits: i32| u64::from((bits | libc::SIGCHLD).cast_unsigned());
        let cases = [
            (libc::SYS_read, 0, allowed),
            (libc::SYS_execve, 0, allowed),
            (libc::SYS_ptrace, 0, allowed),
            (libc::SYS_chroot, 0, allowed),
            (libc::SYS_mount, 0, deny(libc::EPERM)),
            (SYS_OPEN_TREE_ATTR, 0, deny(libc::EPERM)),
            (libc::SYS_unshare, 0, deny(libc::EPERM)),
            (libc::SYS_keyctl, 0, deny(libc::EPERM)),
            (libc::SYS_clone3, 0, deny(libc::ENOSYS)),
            (libc::SYS_io_uring_setup, 0, deny(libc::ENOSYS)),
            (libc::SYS_clone, flags(0), allowed),
            (libc::SYS_clone, flags(libc::CLONE_VM | libc::CLONE_THREAD), allowed),
            (libc::SYS_clone, flags(libc::CLONE_NEWUSER), deny(libc::EPERM)),
            (libc::SYS_clone, flags(libc::CLONE_NEWNS), deny(libc::EPERM)),
            (libc::SYS_clone, flags(libc::CLONE_NEWCGROUP), deny(libc::EPERM)),
            (libc::SYS_socket, 1, allowed),
            (libc::SYS_socket, 40, deny(libc::EAFNOSUPPORT)),
            (libc::SYS_socketpair, 38, deny(libc::EAFNOSUPPORT)),
            (libc::SYS_personality, 0xFFFF_FFFF, allowed),
            (libc::SYS_personality, 0x8, allowed),
            (libc::SYS_personality, 0x40_0000, deny(libc::EPERM)),
        ];
        for (number, argument, expected) in cases {
            let found = verdict(NATIVE_ARCH, number, argument);
            assert_eq!(found, expected, "call {number}({argument:#x})");
        }
        assert_eq!(verdict(0x4000_0003, libc::SYS_read, 0), deny(libc::ENOSYS), "i386");
        #[cfg(target_arch = "x86_64")]
        assert_eq!(verdict(NATIVE_ARCH, 0x4000_0000, 0), deny(libc::ENOSYS), "x32");
    }
}
