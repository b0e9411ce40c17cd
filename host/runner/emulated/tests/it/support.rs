//! A rootfs to run steps in, and a thread without privilege to run them from.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use kiln_rootfs::Rootfs;
use kiln_runner::{
    Cancel, Credentials, Limits, Mount, Network, Outcome, OutputSink, RunError, Runner as _, Step,
    Stream,
};
use kiln_runner_emulated::EmulatedRunner;

/// The uid and gid of a restricted pod.
const POD: u32 = 65532;

/// Runs `work` in a thread with a pod's ids and no capability; as we are when we are not root.
///
/// On Linux ids belong to threads; children of the thread inherit them.
pub(crate) fn as_pod<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            if rustix::process::geteuid().is_root() {
                use rustix::thread::{Gid, Uid};
                let (uid, gid) = (Uid::from_raw(POD), Gid::from_raw(POD));
                rustix::thread::set_thread_groups(&[]).unwrap();
                rustix::thread::set_thread_res_gid(gid, gid, gid).unwrap();
                rustix::thread::set_thread_res_uid(uid, uid, uid).unwrap();
                // A change of ids makes /proc/self unreadable, which is no part of the test.
                let dumpable = rustix::process::DumpableBehavior::Dumpable;
                rustix::process::set_dumpable_behavior(dumpable).unwrap();
            }
            work()
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Whether steps can run here; says why not.
pub(crate) fn works_here() -> bool {
    match as_pod(|| EmulatedRunner::new().available()) {
        Ok(()) => true,
        Err(error) => {
            println!("skipped: {error}");
            false
        }
    }
}

/// As a pod, with an image that has the usual tools and this program of C; nothing where that
/// cannot be.
pub(crate) fn with_program(name: &str, source: &str, work: impl FnOnce(&Image) + Send) {
    if !works_here() {
        return;
    }
    as_pod(|| match Image::small() {
        Some(image) if image.compile(name, source, &[]) => work(&image),
        _ => {}
    });
}

/// As [`with_program`] for a program of i386, which has no libc. Its source starts with `i386.h`.
pub(crate) fn with_i386_program(name: &str, source: &str, work: impl FnOnce(&Image) + Send) {
    if !works_here() {
        return;
    }
    let options = ["-m32", "-nostdlib", "-static", "-fno-pic", "-no-pie", "-fno-stack-protector"];
    as_pod(|| match Image::small() {
        Some(image) if image.compile("none", "void _start(void) {}", &options) => {
            assert!(image.compile(name, source, &options), "{name} does not compile");
            work(&image);
        }
        _ => {}
    });
}

/// A rootfs with some of this machine's programs in it.
pub(crate) struct Image {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) rootfs: Rootfs,
}

/// What a step said and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) result: Result<Outcome, RunError>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn code(&self) -> i32 {
        match &self.result {
            Ok(outcome) => outcome.status.shell_code(),
            Err(error) => panic!("{error}\n{}\n{}", self.out, self.err),
        }
    }

    /// The output of a step that must have succeeded.
    #[track_caller]
    pub(crate) fn ok(&self) -> &str {
        assert_eq!(self.code(), 0, "stdout: {}\nstderr: {}", self.out, self.err);
        &self.out
    }
}

#[derive(Default)]
struct Collect(Mutex<(Vec<u8>, Vec<u8>)>);

impl OutputSink for Collect {
    fn write(&self, stream: Stream, bytes: &[u8]) {
        let mut streams = self.0.lock().unwrap();
        match stream {
            Stream::Stdout => streams.0.extend_from_slice(bytes),
            Stream::Stderr => streams.1.extend_from_slice(bytes),
        }
    }
}

impl Image {
    /// A rootfs with these programs, or `None` (and a word) when this machine lacks one.
    /// Call it from [`as_pod`].
    pub(crate) fn with(programs: &[&str]) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let rootfs = Rootfs::create(&dir.path().join("stage")).unwrap();
        let image = Self { dir, rootfs };
        let root = image.root();
        for directory in ["usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "etc", "root", "var/tmp"] {
            std::fs::create_dir_all(root.join(directory)).unwrap();
        }
        for name in ["bin", "sbin", "lib", "lib64"] {
            std::os::unix::fs::symlink(format!("usr/{name}"), root.join(name)).unwrap();
        }
        std::fs::create_dir(root.join("tmp")).unwrap();
        image.rootfs.set_mode(b"tmp", 0o1777).unwrap();
        image.rootfs.set_mode(b"root", 0o700).unwrap();
        image.write("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nbob:x:1000:1000::/tmp:/bin/sh\n");
        image.write("etc/group", "root:x:0:\nbob:x:1000:\nextra:x:2000:bob\n");
        image.write("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n");
        for program in programs {
            if !image.install(program) {
                println!("skipped: this machine has no {program}");
                return None;
            }
        }
        Some(image)
    }

    /// A rootfs with a shell and the usual small tools.
    pub(crate) fn small() -> Option<Self> {
        Self::with(&[
            "sh", "bash", "ls", "cat", "id", "stat", "touch", "chown", "chmod", "mkdir", "mknod",
            "mkfifo", "ln", "mv", "cp", "rm", "readlink", "pwd", "env", "sleep", "true", "head",
            "setpriv", "tar", "sort", "find", "hostname", "timeout", "seq", "rmdir", "chroot",
            "cut", "uniq", "grep", "dd",
        ])
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.rootfs.host_path()
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        std::fs::write(self.root().join(path), text).unwrap();
    }

    /// Copies a program of this machine and the libraries it needs.
    pub(crate) fn install(&self, program: &str) -> bool {
        let Some(found) = ["/usr/bin", "/usr/sbin", "/bin", "/sbin"]
            .iter()
            .map(|directory| Path::new(directory).join(program))
            .find(|path| path.exists())
        else {
            return false;
        };
        self.copy(&found);
        let output = Command::new("ldd").arg(&found).output().unwrap();
        for word in String::from_utf8_lossy(&output.stdout).split_whitespace() {
            if word.starts_with('/') {
                self.copy(Path::new(word));
            }
        }
        true
    }

    /// Copies a file of this machine to the same place.
    pub(crate) fn copy(&self, path: &Path) {
        let target = self.root().join(path.strip_prefix("/").unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        if !target.exists() {
            std::fs::copy(path, &target).unwrap();
        }
    }

    /// Compiles a C program into the image; false (and a word) without a compiler.
    pub(crate) fn compile(&self, name: &str, source: &str, options: &[&str]) -> bool {
        let file = self.dir.path().join(format!("{name}.c"));
        std::fs::write(&file, source).unwrap();
        let target = self.root().join("usr/bin").join(name);
        let status = Command::new("gcc")
            .args(["-w", "-O1", "-pthread", "-o"])
            .arg(&target)
            .arg(&file)
            .args(options)
            .status();
        match status {
            Ok(status) if status.success() => true,
            // Nothing of ours may fail to compile; only what needs other libraries may be missing.
            Ok(status) if options.is_empty() => panic!("gcc {name}.c: {status}"),
            other => {
                println!("skipped: gcc {options:?}: {other:?}");
                false
            }
        }
    }

    pub(crate) fn step(argv: &[&str]) -> Step {
        Step {
            argv: argv.iter().map(|argument| argument.as_bytes().to_vec()).collect(),
            env: vec![
                (b"PATH".to_vec(), b"/usr/sbin:/usr/bin:/sbin:/bin".to_vec()),
                (b"HOME".to_vec(), b"/root".to_vec()),
            ],
            cwd: b"/".to_vec(),
            user: Credentials::default(),
            mounts: Vec::<Mount>::new(),
            network: Network::Default,
            hostname: "builder".to_owned(),
            extra_hosts: Vec::new(),
            limits: Limits { timeout: Some(Duration::from_secs(60)), ..Limits::default() },
            cancel: Cancel::default(),
        }
    }

    pub(crate) fn run(&self, step: &Step) -> Ran {
        let sink = Collect::default();
        let result = EmulatedRunner::new().run(&self.rootfs, step, &sink);
        let (out, err) = sink.0.into_inner().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ran { result, out: text(out), err: text(err) }
    }

    /// Runs a shell script as root.
    pub(crate) fn sh(&self, script: &str) -> Ran {
        self.run(&Self::step(&["sh", "-ec", script]))
    }

    /// Runs a shell script as bob (1000).
    pub(crate) fn sh_as_bob(&self, script: &str) -> Ran {
        let mut step = Self::step(&["sh", "-c", script]);
        step.user = Credentials { uid: 1000, gid: 1000, groups: vec![2000] };
        self.run(&step)
    }
}
