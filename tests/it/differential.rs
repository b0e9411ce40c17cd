//! Real steps, built by a user without any privilege and by root in namespaces: the same layers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::image::Entry;
use crate::support::{Image, Kiln, base, have, run};

type Layer = BTreeMap<String, Entry>;

/// What the two builds are given beside their base.
struct Case {
    /// Its name in `tests/it/differential`.
    dockerfile: &'static str,
    base: &'static str,
    /// Further contexts, by name.
    contexts: Vec<(&'static str, PathBuf)>,
    /// The build's own context.
    context: Option<PathBuf>,
    /// The user without privileges.
    user: (u32, u32),
    /// The steps that leave a layer.
    layers: usize,
}

/// The arguments of setpriv(1) for what a restricted pod allows.
fn pod((uid, gid): (u32, u32)) -> Vec<String> {
    let fixed = [
        "--clear-groups",
        "--no-new-privs",
        "--bounding-set=-all",
        "--inh-caps=-all",
        "--ambient-caps=-all",
    ];
    let mut args = vec![format!("--reuid={uid}"), format!("--regid={gid}")];
    args.extend(fixed.map(str::to_owned));
    args
}

fn source(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/it/differential").join(name)
}

fn copy(from: &Path, to: &Path, user: (u32, u32)) {
    run("cp", &["-r", from.to_str().unwrap(), to.to_str().unwrap()], Path::new("/"));
    let owner = format!("{}:{}", user.0, user.1);
    run("chown", &["-R", &owner, to.to_str().unwrap()], Path::new("/"));
}

/// Everything whose content is the clock's, random, or says which process wrote it. Names, types,
/// modes, owners and links of these are compared all the same.
fn is_noise(path: &str) -> bool {
    let names = [
        // The kernel's numbers of the files.
        ".git/index",
        "worktrees/tree/index",
        // Random by intent.
        "machine-id",
        // Which process it was.
        ".pid",
        "run/dbus/pid",
        // Which process it was.
        ".pid",
        "run/dbus/pid",
        // The day of the last change of a password.
        "etc/shadow",
        "etc/shadow-",
        // Hashes over the order of a directory.
        "var/cache/man/index.db",
        "var/cache/ldconfig/aux-cache",
    ];
    let starts = ["var/log/", "var/cache/", "var/lib/apt/lists/", "var/lib/dpkg/"];
    names.iter().any(|name| path.ends_with(name))
        || starts.iter().any(|start| path.starts_with(start))
        || path.ends_with(".pyc")
}

/// A layer as it is compared.
fn compared(layer: &Layer) -> Layer {
    let compare = |(path, entry): (&String, &Entry)| {
        let content = if is_noise(path) { Vec::new() } else { entry.content.clone() };
        let mut pax = entry.pax.clone();
        pax.retain(|key, _| !matches!(key.as_str(), "mtime" | "size"));
        (path.clone(), Entry { mtime: 0, content, pax, ..entry.clone() })
    };
    layer.iter().map(compare).collect()
}

/// How two layers differ, a line each.
fn differences(pod: &Layer, root: &Layer) -> Vec<String> {
    let names: BTreeSet<_> = pod.keys().chain(root.keys()).collect();
    let show = |entry: Option<&Entry>| {
        entry.map(|entry| {
            let start = String::from_utf8_lossy(entry.content.get(..60).unwrap_or(&entry.content));
            let Entry { kind, mode, uid, gid, link, pax, .. } = entry;
            let length = entry.content.len();
            format!("{kind:?} {mode:o} {uid}:{gid} {link:?} {pax:?} {length} {start:?}")
        })
    };
    names
        .into_iter()
        .filter(|name| pod.get(*name) != root.get(*name))
        .map(|name| {
            format!("{name}\n  pod  {:?}\n  root {:?}", show(pod.get(name)), show(root.get(name)))
        })
        .collect()
}

fn compare(case: &Case) {
    let Some(layout) = base(case.base) else { return };
    if !have("setpriv") {
        return;
    }
    if !rustix::process::geteuid().is_root() {
        return println!("skipped: only root can drop to a pod's user and build in namespaces");
    }
    let mut kiln = Kiln::with(&std::fs::read_to_string(source(case.dockerfile)).unwrap());
    if let Some(context) = &case.context {
        run(
            "cp",
            &["-r", &format!("{}/.", context.display()), kiln.context().to_str().unwrap()],
            Path::new("/"),
        );
    }
    let program = kiln.path("kiln");
    std::fs::copy(env!("CARGO_BIN_EXE_kiln"), &program).unwrap();
    copy(&layout, &kiln.path("base"), case.user);
    let mut args =
        vec!["--build-context".to_owned(), Kiln::base_arg(case.base, &kiln.path("base"))];
    for (name, path) in &case.contexts {
        args.push("--build-context".to_owned());
        copy(path, &kiln.path(name), case.user);
        args.push(format!("{name}={}", kiln.path(name).display()));
    }
    let owner = format!("{}:{}", case.user.0, case.user.1);
    run("chown", &["-R", &owner, kiln.path("").to_str().unwrap()], Path::new("/"));
    let out = kiln.path("pod-out");
    let output = Command::new("setpriv")
        .args(pod(case.user))
        .arg(&program)
        .args(["build", kiln.context().to_str().unwrap(), "--runner", "emulated"])
        .args(&args)
        .args(["--work-dir", kiln.path("pod-work").to_str().unwrap()])
        .args(["--output", &format!("type=oci,dest={}", out.display())])
        .env("SOURCE_DATE_EPOCH", "1700000000")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "without privileges: {said}");
    let in_pod = Image::open(&out);
    kiln.env("SOURCE_DATE_EPOCH", "1700000000");
    let mut as_root = vec!["--runner", "namespaces"];
    as_root.extend(args.iter().map(String::as_str));
    let as_root = kiln.build(&as_root);
    assert_eq!(in_pod.layer_count(), as_root.layer_count());
    assert_eq!(in_pod.layer_count(), case.layers + 1);
    let mut differing = Vec::new();
    for number in 1..in_pod.layer_count() {
        let pod = compared(&in_pod.layer(number));
        let found = differences(&pod, &compared(&as_root.layer(number)));
        differing.extend(found.into_iter().map(|line| format!("step {number}: {line}")));
    }
    assert!(differing.is_empty(), "{}\nthe step said:\n{said}", differing.join("\n"));
}

#[test]
fn packages_users_and_archives() {
    let Some(repository) = bases_directory("apt") else { return };
    compare(&Case {
        dockerfile: "packages.Dockerfile",
        base: "debian",
        contexts: vec![("apt", repository)],
        context: None,
        user: (65532, 65532),
        layers: 9,
    });
}

#[test]
fn services_started_within_steps() {
    let Some(repository) = bases_directory("apt") else { return };
    compare(&Case {
        dockerfile: "services.Dockerfile",
        base: "debian",
        contexts: vec![("apt", repository)],
        context: None,
        user: (65532, 65532),
        layers: 6,
    });
}

#[test]
fn compilers_and_package_managers() {
    compare(&Case {
        dockerfile: "tools.Dockerfile",
        base: "tools",
        contexts: Vec::new(),
        context: Some(source("context")),
        // As OpenShift chooses them.
        user: (1_000_680_000, 0),
        layers: 8,
    });
}

#[test]
fn static_programs_alone() {
    compare(&Case {
        dockerfile: "busybox.Dockerfile",
        base: "busybox",
        contexts: Vec::new(),
        context: None,
        user: (65532, 65532),
        layers: 4,
    });
}

/// A directory that `tests/setup.sh` makes, or nothing and a printed line.
fn bases_directory(name: &str) -> Option<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bases").join(name);
    match dir.canonicalize() {
        Ok(dir) => Some(dir),
        Err(_) => {
            println!("skipped: there is no {}; tests/setup.sh makes it", dir.display());
            None
        }
    }
}
