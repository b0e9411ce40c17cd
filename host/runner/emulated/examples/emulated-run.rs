//! Runs a command in a rootfs with the emulated runner:
//! `emulated-run DIR [--user UID:GID] [--net none] [--create TAR] -- CMD ARG...`
use std::io::Write as _;
use std::path::Path;

use kiln_rootfs::Rootfs;
use kiln_runner::{Credentials, Network, OutputSink, RunError, Runner as _, Step, Stream};
use kiln_runner_emulated::EmulatedRunner;

struct Terminal;

impl OutputSink for Terminal {
    fn write(&self, stream: Stream, bytes: &[u8]) {
        // A closed terminal is no reason to stop the step.
        let _ = match stream {
            Stream::Stdout => std::io::stdout().write_all(bytes),
            Stream::Stderr => std::io::stderr().write_all(bytes),
        };
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().expect("a rootfs directory");
    let mut user = Credentials::default();
    let mut network = Network::Default;
    let mut env: Vec<(Vec<u8>, Vec<u8>)> = vec![
        (
            b"PATH".to_vec(),
            b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_vec(),
        ),
        (b"HOME".to_vec(), b"/root".to_vec()),
    ];
    let mut tar = None;
    while let Some(option) = arguments.next() {
        let mut value = || arguments.next().expect("a value");
        match option.as_str() {
            "--" => break,
            "--user" => {
                let value = value();
                let (uid, gid) = value.split_once(':').expect("UID:GID");
                user.uid = uid.parse().expect("a uid");
                user.gid = gid.parse().expect("a gid");
            }
            "--net" => {
                value();
                network = Network::None;
            }
            "--env" => {
                let value = value();
                let (name, value) = value.split_once('=').expect("NAME=VALUE");
                env.push((name.into(), value.into()));
            }
            "--create" => tar = Some(value()),
            other => panic!("unknown option {other}"),
        }
    }
    let dir = Path::new(&dir);
    let rootfs = match tar {
        Some(tar) => {
            let rootfs = Rootfs::create(dir).expect("create the rootfs");
            let mut tar = std::fs::File::open(tar).expect("open the archive");
            let limits = kiln_rootfs::unpack::Limits::default();
            kiln_rootfs::unpack::unpack_layer(&rootfs, &mut tar, &limits).expect("unpack");
            rootfs
        }
        None => Rootfs::open_existing(dir).expect("open the rootfs"),
    };
    let argv: Vec<Vec<u8>> = arguments.map(String::into_bytes).collect();
    if argv.is_empty() {
        return;
    }
    let step = Step {
        argv,
        env,
        cwd: b"/".to_vec(),
        user,
        mounts: Vec::new(),
        network,
        hostname: "buildkitsandbox".to_owned(),
        extra_hosts: Vec::new(),
        limits: kiln_runner::Limits::default(),
        cancel: kiln_runner::Cancel::default(),
    };
    let code = match EmulatedRunner::new().run(&rootfs, &step, &Terminal) {
        Ok(outcome) => outcome.status.shell_code(),
        Err(RunError::CannotStart { program, reason, code }) => {
            let _ = writeln!(std::io::stderr(), "{program}: {reason}");
            code
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            125
        }
    };
    std::process::exit(code);
}
