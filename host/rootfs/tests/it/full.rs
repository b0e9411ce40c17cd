//! A file system that has run full.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use kiln_rootfs::{Rootfs, RootfsError};
use rustix::fs::OFlags;
use rustix::io::Errno;

/// The file by which the re-executed test knows that it is in that file system.
const MARK: &str = "kiln-test-tmpfs";
/// How large that is: what a new ledger takes, and a little.
const SIZE: &str = "size=1280k";

/// In a tmpfs a page of the ledger that was never written takes storage when it is read.
#[test]
fn owners_on_a_full_tmpfs_are_an_error() {
    if Path::new(MARK).exists() {
        return on_a_full_tmpfs(Path::new("."));
    }
    let dir = tempfile::tempdir().unwrap();
    let script = format!("mount -t tmpfs -o {SIZE} none $0 && cd $0 && >{MARK} || exit 99; \"$@\"");
    let run = Command::new("unshare")
        .args(["-Urm", "sh", "-c", &script])
        .arg(dir.path())
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "full::owners_on_a_full_tmpfs_are_an_error", "--nocapture"])
        .output();
    match run {
        Ok(run) if run.status.code() == Some(99) => println!("skipped: no tmpfs here: {run:?}"),
        Ok(run) if String::from_utf8_lossy(&run.stderr).contains("unshare") => {
            println!("skipped: no user namespace here: {run:?}");
        }
        Ok(run) => assert!(run.status.success(), "{run:?}"),
        Err(error) => println!("skipped: no unshare: {error}"),
    }
}

fn on_a_full_tmpfs(dir: &Path) {
    let rootfs = Rootfs::create(&dir.join("rootfs")).unwrap();
    let names: Vec<String> = (0..200).map(|number| format!("f{number}")).collect();
    for name in &names {
        let flags = OFlags::WRONLY | OFlags::CREATE;
        rootfs.open(name.as_bytes(), flags, 0o644).unwrap();
    }
    let mut filling = std::fs::File::create(dir.join("filling")).unwrap();
    while filling.write_all(&[1; 4096]).is_ok() {}
    for name in &names {
        let error = rootfs.set_owner(name.as_bytes(), Some(33), Some(33), true).unwrap_err();
        assert!(matches!(error, RootfsError::Sys { errno: Errno::NOSPC, .. }), "{error:?}");
    }
    // There are no owners, and looking for them is no error.
    assert_eq!(rootfs.metadata(b"f0", true).unwrap().uid, 0);
    drop(filling);
    std::fs::remove_file(dir.join("filling")).unwrap();
}
