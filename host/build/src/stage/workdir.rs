//! WORKDIR.

use super::cached::Looked;
use super::filesystem::LayerContent;
use super::{Done, StageRun};
use crate::cache::KeyBuilder;
use crate::error::{BuildError, Context, ErrorKind, Result};
use crate::history::commit;
use kiln_rootfs::Timestamp;
use kiln_rootfs::changes::ChangeSet;

impl StageRun<'_> {
    /// Sets the working directory and creates it, owned by the current user as in BuildKit.
    pub(super) fn workdir(&mut self, path: &str) -> Result<Done> {
        let dir = absolute(&self.working_dir()?, &unix_path(&self.config.os, path)?);
        self.config.config.working_dir = match self.config.os.as_str() {
            "windows" => dir.replace('/', "\\"),
            _ => dir.clone(),
        };
        let message = format!("WORKDIR {dir}");
        if dir == "/" {
            commit(&mut self.config, message, false, self.cx.epoch_time());
            return Ok(Done::Executed);
        }
        let looked = self.look_up_step(&message, false, &|stage, _| {
            let mut key = KeyBuilder::new("workdir");
            stage.key_state(&mut key);
            key.field("dir", &dir).field("user", &stage.config.config.user);
            Ok(key.finish())
        })?;
        let keys = match looked {
            Looked::Done(done) => return Ok(done),
            Looked::Missing(keys) => keys,
        };
        self.materialise()?;
        let user = self.config.config.user.clone();
        let (uid, gid) = if user.is_empty() { (0, 0) } else { self.owner(&user)? };
        let rootfs = self.filesystem.rootfs();
        let what = || format!("create {dir}");
        let mut changes = ChangeSet::new();
        for made in rootfs.mkdir_all(dir.as_bytes(), 0o755).context(ErrorKind::Failed, what)? {
            rootfs
                .set_owner(&made, Some(uid), Some(gid), false)
                .context(ErrorKind::Failed, what)?;
            if let Some(epoch) = self.cx.plan.epoch {
                let time = Timestamp { secs: epoch, nanos: 0 };
                rootfs
                    .set_times(&made, Some(time), Some(time), false)
                    .context(ErrorKind::Failed, what)?;
            }
            changes.add(&made);
        }
        let created = self.add_layer(&keys, LayerContent { changes: Some(changes) })?;
        commit(&mut self.config, message, true, Some(created));
        Ok(Done::Executed)
    }

    /// The working directory, with slashes.
    pub(super) fn working_dir(&self) -> Result<String> {
        unix_path(&self.config.os, &self.config.config.working_dir)
    }

    /// The owner that a name gives to files; a name that the image does not know is root's, with a
    /// warning.
    pub(super) fn owner(&mut self, spec: &str) -> Result<(u32, u32)> {
        let (uid, gid, unknown) = self.users()?.owner(spec);
        for error in unknown {
            self.cx.warn(&format!("{error}; 0 is used, as in BuildKit"));
        }
        Ok((uid, gid))
    }
}

/// A path of an image for `os` with slashes and without a drive, as BuildKit stores it.
pub(super) fn unix_path(os: &str, path: &str) -> Result<String> {
    if os != "windows" {
        return Ok(path.to_owned());
    }
    let slashed = path.replace('\\', "/");
    let path = match slashed.split_once(':') {
        None => slashed.as_str(),
        Some(("c" | "C", rest)) if !rest.is_empty() => rest,
        Some(("c" | "C", _)) => {
            return Err(BuildError::input(format!("no relative path specified in \"{path}\"")));
        }
        Some(_) => {
            let what = format!("the path \"{path}\" is not on the system drive (C:)");
            return Err(BuildError::input(what));
        }
    };
    Ok(path.to_owned())
}

/// `path` against the working directory `base`, without `.`, `..` and double slashes.
pub(super) fn absolute(base: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let base = if path.starts_with('/') { "" } else { base };
    for part in base.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::{absolute, unix_path};

    #[test]
    fn windows_paths_get_slashes() {
        for (os, path, expected) in [
            ("linux", "a\\b", Some("a\\b")),
            ("windows", "\\", Some("/")),
            ("windows", "C:\\a\\b", Some("/a/b")),
            ("windows", "c:/a", Some("/a")),
            ("windows", "C:", None),
            ("windows", "D:\\a", None),
        ] {
            assert_eq!(unix_path(os, path).ok().as_deref(), expected, "{os} {path}");
        }
    }

    #[test]
    fn paths_are_made_absolute() {
        for (base, path, expected) in [
            ("", "a", "/a"),
            ("/w", "a/b", "/w/a/b"),
            ("/w", "/a//b/", "/a/b"),
            ("/w", "../../x", "/x"),
            ("/w", ".", "/w"),
            ("", "", "/"),
        ] {
            assert_eq!(absolute(base, path), expected, "{base} {path}");
        }
    }
}
