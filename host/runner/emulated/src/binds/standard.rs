//! What every step sees: /proc, /sys, /dev with its terminals, the network's files.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use kiln_runner::{RunError, Step};
use rustix::fs::{CWD, FileType, Mode, OFlags, mkdirat, mknodat, openat, symlinkat};
use rustix::io::Errno;

use super::{Stage, failed, open_path, path_flags, write_all};
use crate::landlock::Access;

/// The device nodes of a container that need no privilege.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
/// The symbolic links of a container's /dev.
const DEV_LINKS: [(&str, &str); 4] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];

impl Stage<'_> {
    pub(super) fn add_kernel_trees(&mut self) -> Result<(), RunError> {
        for (path, needed) in [("/proc", true), ("/sys", false)] {
            match open_path(path) {
                Ok(fd) => {
                    self.add(path.as_bytes().to_vec(), Arc::new(fd), !needed, Access::Read)?
                }
                Err(errno) if needed => return Err(failed(format!("open {path}"))(errno)),
                Err(_) => {}
            }
        }
        Ok(())
    }

    pub(super) fn add_dev(&mut self) -> Result<(), RunError> {
        let dev = self.subdirectory("dev", 0o755)?;
        for (name, target) in DEV_LINKS {
            symlinkat(target, &dev, name).map_err(failed(format!("link /dev/{name}")))?;
        }
        let mut devices = Vec::new();
        for name in DEVICES {
            let Ok(device) = open_path(&format!("/dev/{name}")) else { continue };
            place_holder(&dev, name).map_err(failed(format!("make /dev/{name}")))?;
            devices.push((name, device));
        }
        // The terminals of the step are found by name alone; a listing shows none.
        for name in ["shm", "pts"] {
            mkdirat(&dev, name, Mode::from_raw_mode(0o755))
                .map_err(failed(format!("make /dev/{name}")))?;
        }
        place_holder(&dev, "ptmx").map_err(failed("make /dev/ptmx"))?;
        let shm = self.subdirectory("shm", 0o1777)?;
        self.add(b"/dev".to_vec(), Arc::new(dev), false, Access::Full)?;
        for (name, device) in devices {
            let target = format!("/dev/{name}").into_bytes();
            self.add(target, Arc::new(device), false, Access::Device)?;
        }
        for name in ["/dev/pts", "/dev/ptmx"] {
            if let Ok(terminals) = open_path(name) {
                let target = name.as_bytes().to_vec();
                self.add(target, Arc::new(terminals), false, Access::Nothing)?;
            }
        }
        self.add(b"/dev/shm".to_vec(), Arc::new(shm), false, Access::Full)
    }

    pub(super) fn add_network_files(&mut self, step: &Step) -> Result<(), RunError> {
        if !self.rootfs.exists(b"etc").unwrap_or(false) {
            return Ok(());
        }
        let resolv = read_host("/etc/resolv.conf");
        let mut hosts = format!("127.0.0.1\tlocalhost {}\n", step.hostname).into_bytes();
        hosts.extend_from_slice(b"::1\tlocalhost ip6-localhost ip6-loopback\n");
        for (name, address) in &step.extra_hosts {
            hosts.extend_from_slice(format!("{address}\t{name}\n").as_bytes());
        }
        let hostname = format!("{}\n", step.hostname).into_bytes();
        for (name, text) in [("resolv.conf", resolv), ("hosts", hosts), ("hostname", hostname)] {
            let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC;
            let what = || format!("write the step's /etc/{name}");
            let file = openat(&self.directory_fd, name, flags, Mode::from_raw_mode(0o644))
                .map_err(failed(what()))?;
            write_all(&file, &text).map_err(failed(what()))?;
            let fd = openat(&self.directory_fd, name, path_flags(), Mode::empty())
                .map_err(failed(what()))?;
            let target = format!("/etc/{name}").into_bytes();
            self.add(target, Arc::new(fd), false, Access::Full)?;
        }
        Ok(())
    }
}

/// Shows a device's name when the directory is listed: as the one device that everybody may make,
/// which overlay file systems know as "nothing here", so that the listing's type is right too.
fn place_holder(dev: &OwnedFd, name: &str) -> Result<(), Errno> {
    let mode = Mode::from_raw_mode(0o666);
    if mknodat(dev, name, FileType::CharacterDevice, mode, 0).is_ok() {
        return Ok(());
    }
    let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC;
    openat(dev, name, flags, mode).map(drop)
}

/// A small file of the pod's; missing is empty.
pub(crate) fn read_host(path: &str) -> Vec<u8> {
    /// A resolv.conf is a few lines; nobody's mistake may fill memory.
    const LIMIT: usize = 1 << 20;
    let mut text = Vec::new();
    let Ok(file) = openat(CWD, path, OFlags::CLOEXEC, Mode::empty()) else { return text };
    let mut buffer = [0; 4096];
    while let Ok(read) = rustix::io::read(&file, &mut buffer) {
        if read == 0 || text.len() > LIMIT {
            break;
        }
        text.extend_from_slice(buffer.get(..read).unwrap_or(&[]));
    }
    text
}
