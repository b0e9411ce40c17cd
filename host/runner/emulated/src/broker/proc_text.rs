//! Files of /proc in a step's words: its paths, its mounts, its ids.

use std::io::{Read as _, Seek as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::atomic::Ordering::Relaxed;

use kiln_emulated_core::config::below;
use kiln_emulated_core::cred::{Credentials, Which};
use rustix::fs::{MemfdFlags, PROC_SUPER_MAGIC, fstatfs, memfd_create};
use rustix::io::Errno;

use super::Rules;
use crate::binds::host_path;
use crate::sysv::Ipc;

/// Longest file that is translated; a process with a hundred thousand mappings has less.
const MOST: u64 = 16 << 20;

fn errno(error: std::io::Error) -> Errno {
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}

/// The text of a file that the guest has opened, as a file of its own.
///
/// The guest could open it, so what it says is no secret; only files of processes are read, which
/// never wait.
pub(super) fn translated(
    files: &[OwnedFd],
    data: &[u8],
    rules: &Rules,
    ipc: &mut Ipc,
) -> Result<OwnedFd, Errno> {
    let [file] = files else { return Err(Errno::INVAL) };
    let path = host_path(file.as_fd())?;
    if fstatfs(file)?.f_type != PROC_SUPER_MAGIC
        || !path.strip_prefix(b"/proc/").is_some_and(kiln_emulated_core::special::is_translated)
    {
        return Err(Errno::INVAL);
    }
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or(&[]);
    let mut text = Vec::new();
    let objects = path.strip_prefix(b"/proc/sysvipc/").and_then(|name| ipc.proc_file(name));
    if objects.is_none() && !matches!(name, b"mounts" | b"mountinfo") {
        let file = std::fs::File::from(file.try_clone().map_err(errno)?);
        file.take(MOST).read_to_end(&mut text).map_err(errno)?;
    }
    let text = match name {
        _ if objects.is_some() => objects.unwrap_or_default().into_bytes(),
        b"mounts" | b"mountinfo" => {
            let own = std::fs::read("/proc/self/mountinfo").map_err(errno)?;
            mounts(&own, &rules.names, name == b"mountinfo")
        }
        b"hostname" => [&rules.hostname, &b"\n"[..]].concat(),
        b"status" => status(&text, data),
        _ => lines(&text, |line| mapping(line, &rules.names)),
    };
    let memory = memfd_create("proc", MemfdFlags::CLOEXEC)?;
    let mut memory = std::fs::File::from(memory);
    memory.write_all(&text).map_err(errno)?;
    memory.rewind().map_err(errno)?;
    Ok(memory.into())
}

fn lines(text: &[u8], change: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        out.extend(change(line));
    }
    out
}

/// What the step calls a host path.
fn guest_name(host: &[u8], names: &[(Vec<u8>, Vec<u8>)]) -> Option<Vec<u8>> {
    let known = names.iter().filter_map(|(tree, name)| Some((tree, name, below(host, tree)?)));
    let (_, name, rest) = known.max_by_key(|(tree, ..)| tree.len())?;
    let path = [name.as_slice(), rest].concat();
    Some(if path.is_empty() { b"/".to_vec() } else { path })
}

/// A line of maps: addresses, protection, offset, device, inode, and a path from the first slash on.
fn mapping(line: &[u8], names: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let Some(start) = line.iter().position(|&byte| byte == b'/') else { return line.to_vec() };
    let (head, path) = line.split_at(start);
    let (path, end) = path.split_at(path.len() - usize::from(path.ends_with(b"\n")));
    match guest_name(path, names) {
        Some(path) => [head, &path, end].concat(),
        None => line.to_vec(),
    }
}

/// The ids and capabilities of a process, as the guest says them.
fn status(text: &[u8], data: &[u8]) -> Vec<u8> {
    let credentials = Credentials::new();
    credentials.decode(data);
    let ids = |which| {
        let [real, effective, saved] = credentials.three(which);
        let files = match which {
            Which::User => credentials.user.fs(),
            Which::Group => credentials.group.fs(),
        };
        format!("{real}\t{effective}\t{saved}\t{files}")
    };
    let [effective, permitted, inheritable, bounding] = credentials.caps();
    let no_new_privs = credentials.no_new_privs().load(Relaxed);
    let groups: String = credentials.groups().map(|group| format!("{group} ")).collect();
    let own = [
        ("Uid:\t", ids(Which::User)),
        ("Gid:\t", ids(Which::Group)),
        ("Groups:\t", groups),
        ("CapInh:\t", format!("{inheritable:016x}")),
        ("CapPrm:\t", format!("{permitted:016x}")),
        ("CapEff:\t", format!("{effective:016x}")),
        ("CapBnd:\t", format!("{bounding:016x}")),
        ("NoNewPrivs:\t", no_new_privs.to_string()),
        ("Seccomp:\t", "0".to_owned()),
        ("Seccomp_filters:\t", "0".to_owned()),
    ];
    lines(text, |line| {
        let known = own.iter().find(|(name, _)| line.starts_with(name.as_bytes()));
        known.map_or_else(|| line.to_vec(), |(name, value)| format!("{name}{value}\n").into_bytes())
    })
}

/// A mount of the pod's: the fields of mountinfo(5).
struct Mount<'t> {
    fields: Vec<&'t [u8]>,
    point: Vec<u8>,
}

impl<'t> Mount<'t> {
    fn parse(line: &'t [u8]) -> Option<Self> {
        let fields: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
        let point = unescape(fields.get(4)?);
        fields.iter().position(|field| *field == b"-")?;
        Some(Self { fields, point })
    }

    /// Type, source and options of the file system.
    fn file_system(&self) -> [&'t [u8]; 3] {
        let dash = self.fields.iter().position(|field| *field == b"-").unwrap_or(0);
        let field = |at: usize| self.fields.get(dash + at).copied().unwrap_or(b"-");
        [field(1), field(2), field(3)]
    }

    /// The line of a mount at another place, shown as the whole of its file system.
    fn shown_at(&self, point: &[u8], number: usize, with_ids: bool) -> Vec<u8> {
        let [kind, source, options] = self.file_system();
        let point = escape(point);
        let mount_options = self.fields.get(5).copied().unwrap_or(b"rw");
        let parts: Vec<&[u8]> = if with_ids {
            let device = self.fields.get(2).copied().unwrap_or(b"0:0");
            vec![device, b"/", &point, mount_options, b"-", kind, source, options]
        } else {
            let rest: &[u8] = b"0 0";
            vec![source, &point, kind, mount_options, rest]
        };
        let ids = if with_ids { format!("{} 1 ", number + 1).into_bytes() } else { Vec::new() };
        [ids, parts.join(&b' '), b"\n".to_vec()].concat()
    }
}

/// What is mounted as the step sees it: its root, what the runner shows in it, and what the pod has
/// mounted below that.
fn mounts(own: &[u8], names: &[(Vec<u8>, Vec<u8>)], with_ids: bool) -> Vec<u8> {
    let all: Vec<Mount<'_>> = own.split(|&byte| byte == b'\n').filter_map(Mount::parse).collect();
    let mut out = Vec::new();
    let mut number = 0;
    for (host, name) in names {
        let around = all.iter().filter(|mount| below(host, &mount.point).is_some());
        let Some(mount) = around.max_by_key(|mount| mount.point.len()) else { continue };
        let point = if name.is_empty() { b"/" } else { name.as_slice() };
        out.extend(mount.shown_at(point, number, with_ids));
        number += 1;
        // Below the root lie the step's own mounts, which have their turn.
        if name.is_empty() {
            continue;
        }
        for inner in all.iter().filter(|inner| inner.point != *host) {
            if let Some(rest) = below(&inner.point, host) {
                let point = [name.as_slice(), rest].concat();
                out.extend(inner.shown_at(&point, number, with_ids));
                number += 1;
            }
        }
    }
    out
}

/// Undoes the octal escapes of /proc.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        let octal = tail.first_chunk::<3>().filter(|digits| {
            first == b'\\' && digits.iter().all(|digit| (b'0'..=b'7').contains(digit))
        });
        match octal {
            Some(digits) => {
                let value = digits
                    .iter()
                    .fold(0u8, |value, digit| value.wrapping_mul(8).wrapping_add(digit - b'0'));
                out.push(value);
                rest = tail.get(3..).unwrap_or(&[]);
            }
            None => {
                out.push(first);
                rest = tail;
            }
        }
    }
    out
}

fn escape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for &byte in text {
        match byte {
            b' ' | b'\t' | b'\n' | b'\\' => out.extend(format!("\\{byte:03o}").bytes()),
            _ => out.push(byte),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use kiln_emulated_core::cred::ENCODED_LEN;

    use super::*;

    fn names() -> Vec<(Vec<u8>, Vec<u8>)> {
        [("/w/root", ""), ("/proc", "/proc"), ("/w/c ache", "/root/.cache")]
            .map(|(host, name)| (host.into(), name.into()))
            .to_vec()
    }

    #[test]
    fn mappings_show_the_images_paths() {
        let line = |path: &str| format!("55e0-55e1 r-xp 00002000 fe:00 2099 {path}\n");
        for (host, guest) in [
            ("/w/root/usr/bin/cat", "/usr/bin/cat"),
            ("/w/root", "/"),
            ("/w/rooted/x", "/w/rooted/x"),
            ("/w/c ache/a b", "/root/.cache/a b"),
            ("[heap]", "[heap]"),
        ] {
            assert_eq!(mapping(line(host).as_bytes(), &names()), line(guest).into_bytes());
        }
    }

    #[test]
    fn ids_are_the_guests() {
        let credentials = Credentials::new();
        credentials.start(7, 8, &[9, 10]);
        let mut text = [0; ENCODED_LEN];
        let length = credentials.encode(&mut text);
        let status = status(b"Name:\tx\nUid:\t65532\t1\t1\t1\nGroups:\t \n", &text[..length]);
        assert_eq!(status, b"Name:\tx\nUid:\t7\t7\t7\t7\nGroups:\t9 10 \n");
    }

    #[test]
    fn mounts_are_those_of_the_image() {
        let own = b"1 0 8:1 / / ro - overlay over rw\n2 1 0:5 / /proc rw - proc proc rw\n\
            3 2 0:6 / /proc/acpi ro - tmpfs t ro\n4 1 8:2 /x /w rw,noatime - ext4 /dev/b rw\n\
            5 1 8:3 / /var/run/secrets rw - tmpfs t rw\n";
        let text = String::from_utf8(mounts(own, &names(), false)).unwrap();
        assert_eq!(
            text,
            "/dev/b / ext4 rw,noatime 0 0\nproc /proc proc rw 0 0\nt /proc/acpi tmpfs ro 0 0\n\
             /dev/b /root/.cache ext4 rw,noatime 0 0\n"
        );
        let text = String::from_utf8(mounts(own, &names(), true)).unwrap();
        assert!(text.starts_with("1 1 8:2 / / rw,noatime - ext4 /dev/b rw\n"), "{text}");
    }

    #[test]
    fn odd_mount_points_survive() {
        let odd = b"/a b\\c\td";
        assert_eq!(escape(odd), b"/a\\040b\\134c\\011d");
        assert_eq!(unescape(&escape(odd)), odd);
    }
}
