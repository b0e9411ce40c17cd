//! `setcap`: capabilities of files, in the form of the extended attribute that the kernel reads.

use shim::{Context, Outcome, Stop, native, paths, sys};

/// The capabilities by number.
const NAMES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

/// The revision of the attribute that has 64 bits and no user namespace (`linux/capability.h`).
const REVISION: u32 = 0x0200_0000;
const EFFECTIVE: u32 = 1;

/// Which capabilities are permitted, inheritable and effective, as bits by number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sets {
    permitted: u64,
    inheritable: u64,
    effective: u64,
}

pub(crate) fn main(context: &mut Context) -> Outcome {
    let args = match context.args.split_first() {
        Some((first, rest)) if first == b"-q" => rest.to_vec(),
        _ => context.args.clone(),
    };
    if args.is_empty() || args.len() % 2 != 0 || args.iter().any(|arg| arg.starts_with(b"-")) {
        return Err(native("setcap with options"));
    }
    for pair in args.chunks(2) {
        let value = attribute(parse(&pair[0])?)?;
        let stat = sys::lstat(&pair[1]);
        if stat.as_ref().is_ok_and(|stat| !stat.is_file()) {
            return Err(Stop::Fail(1, format!("{}: Invalid file", paths::quoted(&pair[1]))));
        }
        let set = stat.and_then(|_| sys::set_xattr(&pair[1], b"security.capability", &value));
        set.map_err(|error| {
            let shown = paths::quoted(&pair[1]);
            Stop::Fail(
                1,
                format!("failed to set capabilities on file {shown}: {}", sys::reason(&error)),
            )
        })?;
    }
    Ok(0)
}

/// Reads clauses such as `cap_chown,cap_kill=+ep`.
fn parse(text: &[u8]) -> Result<Sets, Stop> {
    let unknown = || native(format!("the capabilities {}", paths::quoted(text)));
    let text = str::from_utf8(text).map_err(|_| unknown())?;
    let mut sets = Sets::default();
    let clauses = text.split_ascii_whitespace();
    for clause in clauses {
        let at = clause.find(['=', '+']).ok_or_else(unknown)?;
        let mut bits = 0;
        for name in clause[..at].split(',') {
            let name = name.to_ascii_lowercase();
            let name = name.strip_prefix("cap_").ok_or_else(unknown)?;
            bits |= 1 << NAMES.iter().position(|known| *known == name).ok_or_else(unknown)?;
        }
        let operation = &clause[at..];
        let flags = operation.strip_prefix("=+").or_else(|| operation.strip_prefix('+'));
        let flags = flags.or_else(|| operation.strip_prefix('=')).ok_or_else(unknown)?;
        if operation.starts_with('=') {
            sets.permitted &= !bits;
            sets.inheritable &= !bits;
            sets.effective &= !bits;
        }
        for flag in flags.chars() {
            match flag {
                'p' => sets.permitted |= bits,
                'i' => sets.inheritable |= bits,
                'e' => sets.effective |= bits,
                _ => return Err(unknown()),
            }
        }
    }
    Ok(sets)
}

/// The attribute's value; its one effective flag is for all capabilities or for none.
fn attribute(sets: Sets) -> Result<Vec<u8>, Stop> {
    if sets.effective != 0 && sets.effective != sets.permitted | sets.inheritable {
        return Err(native("capabilities that are effective in part"));
    }
    let magic = REVISION | if sets.effective == 0 { 0 } else { EFFECTIVE };
    let mut value = magic.to_le_bytes().to_vec();
    for shift in [0, 32] {
        for set in [sets.permitted, sets.inheritable] {
            let word = u32::try_from(set >> shift & 0xffff_ffff).unwrap_or(0);
            value.extend(word.to_le_bytes());
        }
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_have_the_form_that_the_kernel_reads() {
        // cap_net_bind_service is number 10, cap_bpf 39.
        for text in
            ["cap_net_bind_service=+ep", "cap_net_bind_service+ep", "CAP_NET_BIND_SERVICE=ep"]
        {
            let value = attribute(parse(text.as_bytes()).unwrap()).unwrap();
            assert_eq!(
                value,
                [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
                "{text}"
            );
        }
        let value = attribute(parse(b"cap_bpf,cap_chown+p cap_kill=i").unwrap()).unwrap();
        assert_eq!(value, [0, 0, 0, 2, 1, 0, 0, 0, 32, 0, 0, 0, 128, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn what_is_not_known_needs_the_native_tool() {
        for text in ["cap_none=ep", "all=ep", "cap_chown", "cap_chown-p", "cap_chown=x"] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(attribute(parse(b"cap_chown=p cap_kill=ep").unwrap()).is_err());
    }
}
