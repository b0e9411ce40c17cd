//! The few devices and special directories that a step has without the image's having them.

use super::{FsError, Result};
use kiln_rootfs::{FileType, Metadata};

/// What a path outside the image's own files stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Device {
    /// `/dev/null`
    Null,
    /// `/dev/zero`
    Zero,
    /// `/dev/full`
    Full,
    /// `/dev/random`, `/dev/urandom`
    Random,
    /// `/dev/stdin`, `/dev/fd/N` and their like: the POSIX descriptor.
    Descriptor(u32),
}

/// The directory of the files that are mounted over the image's own, and what it is mounted there:
/// what a step does to them is never part of a layer.
const ETC: &[u8] = b"etc";
const MOUNTED: [&str; 3] = ["hostname", "hosts", "resolv.conf"];

/// Directories of the root that every step has, with their modes.
const TOPS: [(&str, u32); 3] = [("dev", 0o755), ("proc", 0o555), ("sys", 0o555)];

/// The device at a canonical path, if it is one.
///
/// # Errors
/// `Native` for what only a native step has: other devices, processes, the kernel's tables.
pub(super) fn at(path: &[u8]) -> Result<Option<Device>> {
    let top = path.split(|&byte| byte == b'/').next().unwrap_or_default();
    if top != b"dev" && top != b"proc" && top != b"sys" || path == top {
        return Ok(None);
    }
    Ok(Some(match path {
        b"dev/null" => Device::Null,
        b"dev/zero" => Device::Zero,
        b"dev/full" => Device::Full,
        b"dev/random" | b"dev/urandom" => Device::Random,
        b"dev/stdin" => Device::Descriptor(0),
        b"dev/stdout" => Device::Descriptor(1),
        b"dev/stderr" => Device::Descriptor(2),
        // Directories on the way to descriptors.
        b"dev/fd" | b"proc/self" | b"proc/self/fd" => return Ok(None),
        _ => {
            let number = path
                .strip_prefix(b"dev/fd/")
                .or_else(|| path.strip_prefix(b"proc/self/fd/"))
                .and_then(|number| std::str::from_utf8(number).ok()?.parse().ok());
            match number {
                Some(number) => Device::Descriptor(number),
                None => return Err(native(path)),
            }
        }
    }))
}

/// Whether the path is a directory that exists in a step though the image may lack it.
pub(super) fn is_directory(path: &[u8]) -> bool {
    TOPS.iter().any(|(name, _)| path == name.as_bytes())
        || matches!(path, b"dev/fd" | b"proc/self" | b"proc/self/fd")
}

/// The name of the mounted file of `/etc` at this path.
pub(super) fn mounted(path: &[u8]) -> Option<&'static str> {
    let name = path.strip_prefix(ETC)?.strip_prefix(b"/")?;
    MOUNTED.into_iter().find(|known| known.as_bytes() == name)
}

/// Refuses to change or read what a native step has from elsewhere.
///
/// # Errors
/// `Native`.
pub(super) fn check_mounted(path: &[u8]) -> Result<()> {
    if mounted(path).is_some() || is_directory(path) { Err(native(path)) } else { Ok(()) }
}

/// Refuses to move a directory with all that is mounted in it.
///
/// # Errors
/// `Native`.
pub(super) fn check_movable(path: &[u8]) -> Result<()> {
    if path == ETC { Err(native(path)) } else { Ok(()) }
}

/// The names that a step finds in a directory though the image may lack them.
pub(super) fn names_in(path: &[u8]) -> Vec<(&'static str, FileType)> {
    match path {
        b"" => TOPS.iter().map(|(name, _)| (*name, FileType::Dir)).collect(),
        ETC => MOUNTED.iter().map(|name| (*name, FileType::File)).collect(),
        _ => Vec::new(),
    }
}

/// Paths that something is mounted on, for a look at whether the image makes them anything odd.
pub(super) fn mount_points() -> impl Iterator<Item = (Vec<u8>, FileType)> {
    let etc = MOUNTED.iter().map(|name| ([b"etc/", name.as_bytes()].concat(), FileType::File));
    let tops = TOPS.iter().map(|(name, _)| (name.as_bytes().to_vec(), FileType::Dir));
    etc.chain(tops).chain([(ETC.to_vec(), FileType::Dir)])
}

fn native(path: &[u8]) -> FsError {
    FsError::Native(format!("/{} is not part of the image", String::from_utf8_lossy(path)))
}

/// What `stat(2)` tells of a device in a container.
pub(super) fn metadata(device: Device) -> Metadata {
    let minor = match device {
        Device::Null => 3,
        Device::Zero => 5,
        Device::Full => 7,
        Device::Random => 9,
        Device::Descriptor(_) => 0,
    };
    let plain = Metadata::synthetic(FileType::Char, 0o666);
    Metadata { rdev: (1, minor), ino: u64::from(minor) + 1, ..plain }
}

/// What `stat(2)` tells of a directory that [`is_directory`] knows: a file system of its own.
pub(super) fn directory_metadata(path: &[u8]) -> Metadata {
    let top = TOPS.iter().position(|(name, _)| path == name.as_bytes());
    let mode = top.map_or(0o555, |top| TOPS[top].1);
    let number = top.map_or(1, |top| top as u64 + 2);
    Metadata { ino: number, dev: (0, 1), ..Metadata::synthetic(FileType::Dir, mode) }
}

/// What `stat(2)` tells of a mounted file.
pub(super) fn mounted_metadata(name: &str, size: u64) -> Metadata {
    let number = MOUNTED.iter().position(|known| *known == name).unwrap_or(0) as u64;
    let plain = Metadata::synthetic(FileType::File, 0o644);
    Metadata { ino: number + 8, dev: (0, 2), size, blocks: size.div_ceil(4096) * 8, ..plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_known_and_the_rest_is_native() {
        assert_eq!(at(b"dev/null"), Ok(Some(Device::Null)));
        assert_eq!(at(b"dev/fd/7"), Ok(Some(Device::Descriptor(7))));
        assert_eq!(at(b"proc/self/fd/1"), Ok(Some(Device::Descriptor(1))));
        for own in [&b"dev"[..], b"proc", b"etc/passwd", b"device/null", b""] {
            assert_eq!(at(own), Ok(None));
        }
        for elsewhere in
            [&b"dev/sda"[..], b"proc/cpuinfo", b"sys/class", b"dev/fd/x", b"proc/1/fd/0"]
        {
            assert!(matches!(at(elsewhere), Err(FsError::Native(_))));
        }
    }
}
