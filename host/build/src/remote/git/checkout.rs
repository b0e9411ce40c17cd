//! The files of a commit.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use kiln_rootfs::path;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};

use super::command::{Command, Doing, Failure};
use super::config::Config;
use super::{Commit, GitSource, is_commit, submodules};
use crate::error::{BuildError, Context, ErrorKind, Result};
use crate::remote::redact;

/// Where the objects are when `.git` is not kept, beside the files.
const OBJECTS: &str = "objects";
/// Where the files are.
const FILES: &str = "files";
/// The name of git's own directory.
const GIT_DIR: &str = ".git";
/// What git says when a server knows no shallow copies, as plain file servers do not.
const NOT_SHALLOW: [&str; 2] = ["--depth", "shallow"];
/// What git says when a server gives no commit by its hash.
const NOT_BY_HASH: [&str; 3] = ["not our ref", "unadvertised object", "unadvertised"];

/// Checked out files.
#[derive(Debug)]
pub(crate) struct Checkout {
    /// The directory with the files.
    pub(crate) dir: PathBuf,
    /// When it was committed, seconds since 1970.
    pub(crate) time: i64,
}

/// Fetches a commit and checks it out below `dir`, which is empty.
///
/// # Errors
/// Of kind `Registry` for what the network and git say, `Failed` when the content is not what was
/// asked for, `Input` for directories that do not exist.
pub(in crate::remote) fn checkout(
    source: &GitSource,
    commit: &Commit,
    dir: &Path,
    git: &Command<'_>,
    config: &mut Config<'_>,
) -> Result<Checkout> {
    let shown = source.shown();
    let files = dir.join(FILES);
    make_dir(&files)?;
    let keep = source.keep_git_dir && source.subdir.is_empty();
    let git_dir = if keep { files.join(GIT_DIR) } else { dir.join(OBJECTS) };
    make_dir(&git_dir)?;
    let git = git.inside(&git_dir, &files);
    let format =
        format!("--object-format={}", if commit.object.len() == 64 { "sha256" } else { "sha1" });
    git.run(&["init", "--quiet", "--template=", &format]).doing(|| "git init".to_owned())?;
    git.run(&["remote", "add", "origin", &source.remote]).doing(|| "git remote".to_owned())?;
    fetch(source, commit, &git).doing(|| format!("failed to fetch remote {shown}"))?;
    let object = commit.object.as_str();
    let peeled = format!("{object}^{{commit}}");
    let found = git.run(&["rev-parse", "--verify", "--end-of-options", &peeled]);
    let found = found.doing(|| format!("{shown} does not contain commit {object}"))?;
    let found = found.trim();
    if !source.checksum.is_empty()
        && !object.starts_with(&source.checksum)
        && !found.starts_with(&source.checksum)
    {
        return Err(BuildError::failed(format!(
            "{shown}: expected checksum to match {}, got {found}",
            source.checksum
        )));
    }
    git.run(&["checkout", "--quiet", "--force", "--detach", found])
        .doing(|| format!("failed to checkout remote {shown}"))?;
    if source.submodules {
        submodules::update(&git, &files, &source.remote, config, &shown)?;
    }
    let time = git
        .run(&["show", "--no-patch", "--format=%ct", found])
        .doing(|| format!("read commit {found} of {shown}"))?;
    let time = time.trim().parse().unwrap_or(0);
    if keep {
        tidy(&git, &git_dir)?;
    }
    normalise(&files, keep, source.commit_times.then_some(time))?;
    Ok(Checkout { dir: descend(&files, &source.subdir)?, time })
}

/// Fetches the objects; from servers that cannot send one commit alone, more.
fn fetch(
    source: &GitSource,
    commit: &Commit,
    git: &Command<'_>,
) -> std::result::Result<(), Failure> {
    let base = ["fetch", "--quiet", "--update-head-ok", "--no-recurse-submodules"];
    if is_commit(&commit.reference) || source.fetch_by_commit {
        let one = [&base[..], &["--depth=1", "--no-tags", "origin", &commit.object]].concat();
        let all = [&base[..], &["--tags", "origin"]].concat();
        return match shallow(git, &one) {
            Err(failure) if !source.fetch_by_commit && failure.says(&NOT_BY_HASH) => {
                git.run(&all).map(|_| ())
            }
            result => result,
        };
    }
    let refspec = format!("+{0}:{0}", commit.reference);
    shallow(git, &[&base[..], &["--depth=1", "--no-tags", "origin", &refspec]].concat())?;
    // The reference may have moved since it was resolved.
    if git.run(&["cat-file", "-e", &commit.object]).is_err() {
        let again = [&base[..], &["--tags", "origin", &commit.object]].concat();
        git.run(&again)?;
    }
    Ok(())
}

/// Runs a command, and once more without `--depth=1` where a server cannot do that.
pub(super) fn shallow(git: &Command<'_>, args: &[&str]) -> std::result::Result<(), Failure> {
    match git.run(args) {
        Err(failure) if failure.says(&NOT_SHALLOW) => {
            let whole: Vec<&str> = args.iter().copied().filter(|arg| *arg != "--depth=1").collect();
            git.run(&whole).map(|_| ())
        }
        result => result.map(|_| ()),
    }
}

/// Removes from a kept `.git` what is not the repository's: passwords, traces of the fetch. Those
/// of submodules are below it.
fn tidy(git: &Command<'_>, git_dir: &Path) -> Result<()> {
    let mut pending = vec![git_dir.to_owned()];
    while let Some(dir) = pending.pop() {
        let what = || format!("tidy {}", dir.display());
        for entry in std::fs::read_dir(&dir).context(ErrorKind::Environment, what)? {
            let entry = entry.context(ErrorKind::Environment, what)?;
            let kind = entry.file_type().context(ErrorKind::Environment, what)?;
            let path = entry.path();
            match entry.file_name().to_str() {
                Some("logs") if kind.is_dir() => std::fs::remove_dir_all(&path),
                Some("FETCH_HEAD") if kind.is_file() => std::fs::remove_file(&path),
                Some("config") if kind.is_file() => {
                    hide_passwords(git, &path)?;
                    Ok(())
                }
                _ => {
                    if kind.is_dir() {
                        pending.push(path);
                    }
                    Ok(())
                }
            }
            .context(ErrorKind::Environment, what)?;
        }
    }
    Ok(())
}

/// Takes the passwords out of the URLs of a repository's settings.
fn hide_passwords(git: &Command<'_>, config: &Path) -> Result<()> {
    let what = || format!("read {}", config.display());
    let file = config.to_string_lossy();
    let list = git.run(&["config", "--null", "--file", &file, "--list"]).doing(what)?;
    for (name, value) in list.split_terminator('\0').filter_map(|entry| entry.split_once('\n')) {
        let shown = redact(value);
        if shown != value {
            git.run(&["config", "--file", &file, "--replace-all", name, &shown]).doing(what)?;
        }
    }
    Ok(())
}

fn make_dir(dir: &Path) -> Result<()> {
    let what = || format!("create {}", dir.display());
    std::fs::create_dir(dir).context(ErrorKind::Environment, what)
}

/// Gives files the modes that git knows, whatever our umask, and the time of the commit if wanted.
/// Where `.git` is not kept, that of submodules goes too: it names paths of this machine.
fn normalise(dir: &Path, keep_git: bool, time: Option<i64>) -> Result<()> {
    let what = |path: &Path| format!("prepare {}", path.display());
    let mut found = vec![dir.to_owned()];
    let mut next = 0;
    while let Some(parent) = found.get(next).cloned() {
        next += 1;
        if !std::fs::symlink_metadata(&parent)
            .context(ErrorKind::Environment, || what(&parent))?
            .is_dir()
        {
            continue;
        }
        for entry in std::fs::read_dir(&parent).context(ErrorKind::Environment, || what(&parent))? {
            let entry = entry.context(ErrorKind::Environment, || what(&parent))?;
            let path = entry.path();
            if entry.file_name() != GIT_DIR {
                found.push(path);
            } else if !keep_git {
                std::fs::remove_file(&path).context(ErrorKind::Environment, || what(&path))?;
            }
        }
    }
    // Files before their directories, whose times change with them.
    for path in found.iter().rev() {
        let what = || what(path);
        let metadata = std::fs::symlink_metadata(path).context(ErrorKind::Environment, what)?;
        if !metadata.is_symlink() {
            let is_executable = metadata.is_dir() || metadata.permissions().mode() & 0o100 != 0;
            let mode = Permissions::from_mode(if is_executable { 0o755 } else { 0o644 });
            std::fs::set_permissions(path, mode).context(ErrorKind::Environment, what)?;
        }
        if let Some(secs) = time {
            let time = Timespec { tv_sec: secs, tv_nsec: 0 };
            let times = Timestamps { last_access: time, last_modification: time };
            utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)
                .context(ErrorKind::Environment, what)?;
        }
    }
    Ok(())
}

/// The subdirectory of the files: of directories alone, no symlink leads there.
fn descend(files: &Path, subdir: &str) -> Result<PathBuf> {
    let mut dir = files.to_owned();
    let cleaned = path::clean(format!("/{subdir}").as_bytes());
    for part in path::components(&cleaned) {
        dir.push(String::from_utf8_lossy(part).as_ref());
        let is_dir = std::fs::symlink_metadata(&dir).map(|metadata| metadata.is_dir());
        match is_dir {
            Ok(true) => {}
            Ok(false) => {
                return Err(BuildError::input(format!(
                    "invalid subdir {subdir}: git subpath contains a non-directory"
                )));
            }
            Err(error) => {
                return Err(
                    BuildError::input(format!("invalid subdir {subdir}")).with_source(error)
                );
            }
        }
    }
    Ok(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subdirectories_stay_inside_and_are_no_links() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(temp.path().join("a/b")).unwrap();
        std::os::unix::fs::symlink("/", temp.path().join("link")).unwrap();
        assert_eq!(descend(temp.path(), "a/b").unwrap(), temp.path().join("a/b"));
        assert_eq!(descend(temp.path(), "../../a").unwrap(), temp.path().join("a"));
        for bad in ["link", "link/etc", "none"] {
            assert!(descend(temp.path(), bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn modes_and_times_are_gits() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("files");
        for (file, mode) in [("sub/x", 0o700), ("f", 0o600), ("sub/.git", 0o600)] {
            let path = dir.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "").unwrap();
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        }
        normalise(&dir, false, Some(1000)).unwrap();
        let stat = |name: &str| std::fs::metadata(dir.join(name)).unwrap();
        assert_eq!(stat("sub/x").permissions().mode() & 0o7777, 0o755);
        assert_eq!(stat("f").permissions().mode() & 0o7777, 0o644);
        assert!(!dir.join("sub/.git").exists());
        for name in ["sub/x", "f", "sub", ""] {
            assert_eq!(std::os::unix::fs::MetadataExt::mtime(&stat(name)), 1000, "{name}");
        }
    }
}
