//! What is put into a stage before a step runs in it.

use anyhow::{Context, Result};
use kiln_rootfs::Timestamp;
use kiln_rootfs::changes::diff;
use kiln_runner::Credentials;
use rustix::fs::OFlags;

use crate::script::{Act, COPIED, Need};
use crate::stage::Stage;

/// A passwd or group file longer than this is not one.
const MAX_DATABASE: u64 = 1 << 20;

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";

/// The first number of made-up users: no distribution's.
const FIRST_ID: usize = 4100;

impl Stage {
    /// Makes what a step needs.
    pub(crate) fn make(&mut self, act: &Act) -> Result<()> {
        let before = self.index()?;
        self.make_one(act)?;
        let (changes, after) = diff(before, &self.rootfs)?;
        self.index = Some(after);
        self.layer(&changes).map(drop)
    }

    fn make_one(&mut self, act: &Act) -> Result<()> {
        let rootfs = &self.rootfs;
        let (path, file) = match act {
            Act::Dir(path) => (path, None),
            Act::File { path, content, mode } => (path, Some((content, *mode))),
            // What is made up is not put in the place of what is there.
            Act::Need(need) => return self.need(need),
            Act::User(name) => return self.add_user(name),
            Act::Run { .. } | Act::Stage => return Ok(()),
        };
        let Some((content, mode)) = file else {
            rootfs.mkdir_all(path.as_bytes(), 0o755)?;
            return Ok(());
        };
        self.write(path, content, mode)
    }

    fn write(&self, path: &str, content: &[u8], mode: u32) -> Result<()> {
        let rootfs = &self.rootfs;
        let parent = path.rsplit_once('/').map_or("/", |(parent, _)| parent);
        rootfs.mkdir_all(parent.as_bytes(), 0o755)?;
        if rootfs.metadata(path.as_bytes(), true).is_ok_and(|there| there.is_dir()) {
            return Ok(());
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC;
        let fd = rootfs.open(path.as_bytes(), flags, 0o644)?;
        std::io::Write::write_all(&mut std::fs::File::from(fd), content)?;
        rootfs.set_mode(path.as_bytes(), mode)?;
        let time = Some(Timestamp { secs: COPIED, nanos: 0 });
        rootfs.set_times(path.as_bytes(), time, time, true)?;
        Ok(())
    }

    /// What is made up, where nothing is in its place.
    fn need(&self, need: &Need) -> Result<()> {
        if self.rootfs.metadata(need.path.as_bytes(), false).is_ok() {
            return Ok(());
        }
        match &need.content {
            Some(content) => self.write(&need.path, content, 0o644),
            None => {
                self.rootfs.mkdir_all(need.path.as_bytes(), 0o755)?;
                Ok(())
            }
        }
    }

    fn add_user(&self, name: &str) -> Result<()> {
        let plain = |c: char| c.is_ascii_lowercase() || matches!(c, '_' | '-');
        let there = |text: &str| text.lines().any(|line| line.split(':').next() == Some(name));
        let (passwd, group) = (self.database(PASSWD), self.database(GROUP));
        if name.is_empty() || !name.chars().all(plain) || passwd.is_empty() || group.is_empty() {
            return Ok(());
        }
        let id = FIRST_ID + passwd.lines().count();
        if !there(&passwd) {
            let line = format!("{passwd}{name}:x:{id}:{id}::/nonexistent:/bin/sh\n");
            self.write(PASSWD, line.as_bytes(), 0o644)?;
        }
        if !there(&group) {
            self.write(GROUP, format!("{group}{name}:x:{id}:\n").as_bytes(), 0o644)?;
        }
        Ok(())
    }

    fn database(&self, path: &str) -> String {
        let text = self.rootfs.read_small(path.as_bytes(), MAX_DATABASE).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }

    /// A user of the image by `USER`'s argument, and the home directory.
    pub(crate) fn user(&self, name: &str) -> Result<(Credentials, String)> {
        let (name, group) = name.split_once(':').unwrap_or((name, ""));
        let name = if name.is_empty() { "0" } else { name };
        let passwd = self.database(PASSWD);
        let mut lines = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let found = lines.find(|line| line.len() > 5 && (line[0] == name || line[2] == name));
        let number = |text: &str| text.parse().with_context(|| format!("unknown user {text}"));
        let (uid, mut gid, home) = match &found {
            Some(line) => (number(line[2])?, number(line[3])?, line[5].to_owned()),
            None => (number(name)?, 0, "/".to_owned()),
        };
        let table = self.database(GROUP);
        let mut groups = Vec::new();
        for line in table.lines().map(|line| line.split(':').collect::<Vec<_>>()) {
            if line.len() < 4 {
                continue;
            }
            if !group.is_empty() && (line[0] == group || line[2] == group) {
                gid = number(line[2])?;
            }
            if group.is_empty() && line[3].split(',').any(|member| member == name) {
                groups.push(number(line[2])?);
            }
        }
        groups.push(gid);
        groups.sort_unstable();
        groups.dedup();
        Ok((Credentials { uid, gid, groups }, home))
    }
}
