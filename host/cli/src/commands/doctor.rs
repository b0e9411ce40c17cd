//! `kiln doctor`: which runners work here, and what the others need.

use std::fmt::Write as _;
use std::path::Path;

use kiln_runner::{Kind, Runner, Unavailable, errno_name};
use kiln_runner_wasi::Options as WasiOptions;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, StatVfsMountFlags, openat, statvfs, unlinkat};
use rustix::io::Errno;

use super::services;
use crate::args::DoctorArgs;
use crate::environment::Environment;
use crate::exit::ExitStatus;

/// Prints what works and what is refused; succeeds when every RUN step can be run here.
#[expect(clippy::print_stdout, reason = "this is the command's result")]
pub(crate) fn run(args: &DoctorArgs, environment: &Environment) -> ExitStatus {
    let work_dir = args.work_dir.clone().unwrap_or_else(|| environment.default_work_dir());
    let runners = services::runners(environment, WasiOptions::default(), None);
    let (report, success) = report(&work_dir, &runners);
    print!("{report}");
    if success { ExitStatus::Success } else { ExitStatus::Environment }
}

fn report(work_dir: &Path, runners: &[std::sync::Arc<dyn Runner>]) -> (String, bool) {
    let mut out = format!("kiln {}, {}\n", env!("CARGO_PKG_VERSION"), machine());
    let usable = check_work_dir(work_dir);
    let _ = match &usable {
        Ok(()) => writeln!(out, "work directory {}: works", work_dir.display()),
        Err(refusal) => writeln!(
            out,
            "work directory {}: does not work\n{}",
            work_dir.display(),
            told(refusal, "  ")
        ),
    };
    let mut working = Vec::new();
    for runner in runners {
        let works = add_runner(&mut out, runner.as_ref(), usable.is_ok().then_some(work_dir));
        working.extend(works.then(|| runner.kind()));
    }
    let native = working.iter().find(|kind| **kind != Kind::Wasi);
    let verdict = match native {
        _ if usable.is_err() => "cannot be run here: the work directory is of no use".to_owned(),
        Some(native) if working.contains(&Kind::Wasi) => {
            format!(
                "are run by wasi where it can, else by {native}, unless --runner says otherwise"
            )
        }
        Some(native) => format!("are run by {native}, unless --runner says otherwise"),
        None if working.contains(&Kind::Wasi) => {
            "are run by wasi alone: those whose every command it has a guest for".to_owned()
        }
        None => "cannot be run here".to_owned(),
    };
    let _ = writeln!(out, "RUN steps {verdict}");
    (out, native.is_some() && usable.is_ok())
}

/// Adds a runner's lines; whether it works.
fn add_runner(out: &mut String, runner: &dyn Runner, work_dir: Option<&Path>) -> bool {
    let available = runner.available();
    let checks = match work_dir {
        Some(work_dir) => runner.checks(work_dir),
        None => Vec::new(),
    };
    let refused =
        checks.iter().filter(|check| check.required).find_map(|check| check.result.as_ref().err());
    let works = available.is_ok() && refused.is_none();
    let verdict = if works { "works" } else { "does not work here" };
    let _ = writeln!(out, "runner {}: {verdict}", runner.kind());
    if let (Err(refusal), None) = (&available, refused) {
        let _ = writeln!(out, "{}", told(refusal, "  "));
    }
    for check in &checks {
        let _ = match &check.result {
            Ok(result) => writeln!(out, "  {}: {result}", check.what),
            Err(refusal) => writeln!(out, "  {}: refused\n{}", check.what, told(refusal, "    ")),
        };
    }
    works
}

fn told(refusal: &Unavailable, indent: &str) -> String {
    let Unavailable { call, errno_name, remedy } = refusal;
    format!("{indent}refused: {call}: {errno_name}\n{indent}remedy:  {remedy}")
}

/// The kernel, and what it lets this process be.
fn machine() -> String {
    let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut text = format!(
        "Linux {kernel} {}, uid {}",
        std::env::consts::ARCH,
        rustix::process::geteuid().as_raw()
    );
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        status.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
    };
    let none = |value: &str| value.bytes().all(|digit| digit == b'0');
    for (name, holds, words) in [
        ("CapEff:", none as fn(&str) -> bool, "no capabilities"),
        ("NoNewPrivs:", |value| value == "1", "no new privileges"),
        ("Seccomp:", |value| value == "2", "a seccomp profile"),
    ] {
        if field(name).is_some_and(|value| holds(&value)) {
            text.push_str(", ");
            text.push_str(words);
        }
    }
    text
}

/// Whether a build could keep its state here, and execute from it.
fn check_work_dir(work_dir: &Path) -> Result<(), Unavailable> {
    let refused = |call: &str, errno: Errno, remedy: &str| Unavailable {
        call: call.to_owned(),
        errno_name: errno_name(errno),
        remedy: remedy.to_owned(),
    };
    let writable = "choose a --work-dir that kiln can write to, such as an emptyDir volume";
    if let Err(error) = std::fs::create_dir_all(work_dir) {
        let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
        return Err(refused(&format!("mkdir({})", work_dir.display()), errno, writable));
    }
    let probe = work_dir.join(format!("doctor-{}.probe", std::process::id()));
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    openat(CWD, &probe, flags, Mode::RUSR)
        .and_then(|_| unlinkat(CWD, &probe, AtFlags::empty()))
        .map_err(|errno| {
            refused(&format!("open({}, O_CREAT)", probe.display()), errno, writable)
        })?;
    let mount = statvfs(work_dir).map_err(|errno| refused("statvfs", errno, writable))?;
    if mount.f_flag.contains(StatVfsMountFlags::NOEXEC) {
        return Err(Unavailable {
            call: "mmap(PROT_EXEC)".to_owned(),
            errno_name: "EPERM, the file system is mounted noexec".to_owned(),
            remedy: "choose a --work-dir on a file system that programs may be run from".to_owned(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kiln_rootfs::Rootfs;
    use kiln_runner::{Check, Outcome, OutputSink, RunError, Step};

    use super::*;

    /// A runner with these checks.
    struct Fake(Kind, Result<(), Unavailable>, Vec<Check>);

    impl Runner for Fake {
        fn kind(&self) -> Kind {
            self.0
        }
        fn available(&self) -> Result<(), Unavailable> {
            self.1.clone()
        }
        fn checks(&self, _: &Path) -> Vec<Check> {
            self.2.clone()
        }
        fn eligible(&self, _: &Rootfs, _: &Step) -> Result<(), String> {
            Ok(())
        }
        fn run(&self, _: &Rootfs, _: &Step, _: &dyn OutputSink) -> Result<Outcome, RunError> {
            Err(RunError::Cancelled)
        }
    }

    fn refusal() -> Unavailable {
        Unavailable { call: "call(2)".into(), errno_name: "EPERM".into(), remedy: "do it".into() }
    }

    fn check(result: Result<String, Unavailable>, required: bool) -> Check {
        Check { what: "thing".into(), result, required }
    }

    #[test]
    fn each_refusal_is_told_once_with_its_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let runners: Vec<Arc<dyn Runner>> = vec![
            Arc::new(Fake(Kind::Wasi, Ok(()), Vec::new())),
            Arc::new(Fake(Kind::Namespaces, Err(refusal()), vec![check(Err(refusal()), true)])),
            Arc::new(Fake(Kind::Emulated, Ok(()), vec![check(Ok("there".into()), true)])),
        ];
        let (text, success) = report(dir.path(), &runners);
        assert!(success);
        let body: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(
            body,
            [
                "runner wasi: works",
                "runner namespaces: does not work here",
                "  thing: refused",
                "    refused: call(2): EPERM",
                "    remedy:  do it",
                "runner emulated: works",
                "  thing: there",
                "RUN steps are run by wasi where it can, else by emulated, unless --runner says otherwise",
            ]
        );
    }

    #[test]
    fn without_a_native_runner_or_a_work_dir_it_fails() {
        let dir = tempfile::tempdir().unwrap();
        let refused = || Arc::new(Fake(Kind::Emulated, Err(refusal()), Vec::new()));
        let trial = Fake(Kind::Namespaces, Ok(()), vec![check(Err(refusal()), true)]);
        let (text, success) = report(dir.path(), &[refused(), Arc::new(trial)]);
        assert!(!success && text.contains("RUN steps cannot be run here"), "{text}");
        let optional = Fake(Kind::Namespaces, Ok(()), vec![check(Err(refusal()), false)]);
        assert!(report(dir.path(), &[refused(), Arc::new(optional)]).1);
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        let (text, success) =
            report(&file.join("work"), &[Arc::new(Fake(Kind::Emulated, Ok(()), Vec::new()))]);
        assert!(!success && text.contains("mkdir("), "{text}");
    }
}
