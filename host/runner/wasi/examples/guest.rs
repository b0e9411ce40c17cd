//! Runs a command as a guest: `guest ROOTFS_DIR [-u UID:GID] [-C DIR] PROGRAM [ARG]...`.
//!
//! The rootfs is created when the directory does not exist. Its environment is a container's. Changed
//! paths go to standard error when `--changes` stands before the program.

use kiln_rootfs::Rootfs;
use kiln_runner::{Cancel, Credentials, Limits, Network, OutputSink, Runner, Step, Stream};
use kiln_runner_wasi::{Options, WasiRunner};
use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::process::ExitCode;

struct Direct;

impl OutputSink for Direct {
    fn write(&self, stream: Stream, bytes: &[u8]) {
        // Where output cannot be written there is nobody to tell.
        let _ = match stream {
            Stream::Stdout => std::io::stdout().write_all(bytes),
            Stream::Stderr => std::io::stderr().write_all(bytes),
        };
    }
}

#[expect(clippy::print_stderr, reason = "the example's messages")]
fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let Some(directory) = args.next() else {
        eprintln!("usage: guest ROOTFS_DIR [-u UID:GID] [-C DIR] [--changes] PROGRAM [ARG]...");
        return ExitCode::from(2);
    };
    let mut args = args.map(OsStringExt::into_vec).peekable();
    let (mut user, mut cwd, mut changes) = (Credentials::default(), b"/".to_vec(), false);
    loop {
        match args.peek().map(Vec::as_slice) {
            Some(b"-u") => {
                args.next();
                let ids = String::from_utf8(args.next().unwrap_or_default()).unwrap_or_default();
                let (uid, gid) = ids.split_once(':').unwrap_or((&ids, "0"));
                user.uid = uid.parse().unwrap_or(0);
                user.gid = gid.parse().unwrap_or(0);
            }
            Some(b"-C") => {
                args.next();
                cwd = args.next().unwrap_or_default();
            }
            Some(b"--changes") => {
                args.next();
                changes = true;
            }
            _ => break,
        }
    }
    let path = Path::new(&directory);
    let rootfs = if path.exists() { Rootfs::open_existing(path) } else { Rootfs::create(path) };
    let rootfs = match rootfs {
        Ok(rootfs) => rootfs,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    let step = Step {
        argv: args.collect(),
        env: vec![
            (
                b"PATH".to_vec(),
                b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_vec(),
            ),
            (b"HOME".to_vec(), b"/root".to_vec()),
        ],
        cwd,
        user,
        mounts: Vec::new(),
        network: Network::Default,
        hostname: "guest".to_owned(),
        extra_hosts: Vec::new(),
        limits: Limits::default(),
        cancel: Cancel::default(),
    };
    match WasiRunner::new(Options::default()).run(&rootfs, &step, &Direct) {
        Ok(outcome) => {
            if changes {
                eprintln!("{:#?}", outcome.changes);
            }
            ExitCode::from(u8::try_from(outcome.status.shell_code()).unwrap_or(255))
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(125)
        }
    }
}
