//! `/etc/passwd` and its kin, changed as shadow changes them: the old contents go to `FILE-`, the
//! new ones replace the file.

use std::io::{self, Write};

use shim::{
    Stop, paths,
    sys::{self, SetTime, Stat, Time},
};

/// A file of lines with fields between colons.
#[derive(Debug)]
pub(crate) struct Database {
    path: Vec<u8>,
    stat: Option<Stat>,
    old: Vec<u8>,
    /// The lines, each with its fields.
    pub(crate) lines: Vec<Vec<Vec<u8>>>,
    changed: bool,
}

/// Splits a line at its colons.
fn fields(line: &[u8]) -> Vec<Vec<u8>> {
    line.split(|&byte| byte == b':').map(<[u8]>::to_vec).collect()
}

impl Database {
    /// Reads a file; a missing one is empty, and is not written unless something is added.
    pub(crate) fn read(path: &str) -> Result<Self, Stop> {
        let path = path.as_bytes().to_vec();
        let (stat, old) = match sys::stat(&path) {
            Ok(stat) => (Some(stat), sys::read_small(&path).map_err(|error| fail(&path, &error))?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => (None, Vec::new()),
            Err(error) => return Err(fail(&path, &error)),
        };
        let text = old.strip_suffix(b"\n").unwrap_or(&old);
        let lines = if old.is_empty() {
            Vec::new()
        } else {
            text.split(|&byte| byte == b'\n').map(fields).collect()
        };
        Ok(Self { path, stat, old, lines, changed: false })
    }

    /// Whether the file is there.
    pub(crate) fn exists(&self) -> bool {
        self.stat.is_some()
    }

    /// The line of a name.
    pub(crate) fn find(&self, name: &[u8]) -> Option<&Vec<Vec<u8>>> {
        self.lines.iter().find(|line| line[0] == name)
    }

    /// The line of a name, to be changed.
    pub(crate) fn change(&mut self, name: &[u8]) -> Option<&mut Vec<Vec<u8>>> {
        let found = self.lines.iter_mut().find(|line| line[0] == name);
        self.changed |= found.is_some();
        found
    }

    /// Marks the file as changed, after its lines were.
    pub(crate) fn touch(&mut self) {
        self.changed = true;
    }

    /// Adds a line.
    pub(crate) fn add(&mut self, line: &[&[u8]]) {
        self.lines.push(line.iter().map(|field| field.to_vec()).collect());
        self.changed = true;
    }

    /// Renames a line, which thereby becomes the last.
    pub(crate) fn rename(&mut self, old: &[u8], new: &[u8]) {
        let Some(at) = self.lines.iter().position(|line| line[0] == old) else { return };
        let mut line = self.lines.remove(at);
        line[0] = new.to_vec();
        self.lines.push(line);
        self.changed = true;
    }

    /// Removes the lines of a name.
    pub(crate) fn remove(&mut self, name: &[u8]) {
        let before = self.lines.len();
        self.lines.retain(|line| line[0] != name);
        self.changed |= self.lines.len() != before;
    }

    fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        for line in &self.lines {
            text.extend(line.join(&b':'));
            text.push(b'\n');
        }
        text
    }

    /// Writes the file if it was changed.
    pub(crate) fn save(&mut self) -> Result<(), Stop> {
        if !self.changed {
            return Ok(());
        }
        self.changed = false;
        self.write().map_err(|error| fail(&self.path, &error))
    }

    fn write(&mut self) -> io::Result<()> {
        if let Some(stat) = &self.stat {
            let backup = [self.path.as_slice(), b"-"].concat();
            write_marked(&backup, &self.old, stat)?;
            // shadow knows whole seconds only.
            let whole = |time: Time| SetTime::To(Time { nanos: 0, ..time });
            sys::utimens(&backup, whole(stat.atime), whole(stat.mtime), true)?;
        }
        let mark = self.stat.unwrap_or(Stat { mode: 0o644, ..Stat::default() });
        let new = [self.path.as_slice(), b"+"].concat();
        let text = self.text();
        write_marked(&new, &text, &mark)?;
        sys::rename(&new, &self.path)?;
        self.stat = Some(sys::stat(&self.path)?);
        self.old = text;
        Ok(())
    }
}

/// Writes a file with the owner of another and as much of its mode as shadow takes over.
fn write_marked(path: &[u8], text: &[u8], mark: &Stat) -> io::Result<()> {
    let mut file = match sys::create_new(path, 0) {
        Ok(file) => file,
        Err(_) => sys::create_mode(path, 0)?,
    };
    file.write_all(text)?;
    sys::chown(path, Some(mark.uid), Some(mark.gid))?;
    sys::chmod(path, mark.mode & 0o664)
}

fn fail(path: &[u8], error: &io::Error) -> Stop {
    Stop::Fail(1, format!("cannot update {}: {}", paths::quoted(path), sys::reason(error)))
}

/// All four files at once.
#[derive(Debug)]
pub(crate) struct Databases {
    pub(crate) passwd: Database,
    pub(crate) shadow: Database,
    pub(crate) group: Database,
    pub(crate) gshadow: Database,
}

impl Databases {
    /// Reads the files.
    pub(crate) fn open() -> Result<Self, Stop> {
        Ok(Self {
            passwd: Database::read("/etc/passwd")?,
            shadow: Database::read("/etc/shadow")?,
            group: Database::read("/etc/group")?,
            gshadow: Database::read("/etc/gshadow")?,
        })
    }

    /// Writes what was changed, and leaves the lock's file behind as `lckpwdf` does.
    pub(crate) fn save(&mut self) -> Result<(), Stop> {
        lock();
        for database in [&mut self.passwd, &mut self.shadow, &mut self.group, &mut self.gshadow] {
            database.save()?;
        }
        Ok(())
    }

    /// The id of a group by name or number.
    pub(crate) fn gid(&self, text: &[u8]) -> Option<u32> {
        let by_name = self.group.find(text).and_then(|line| shim::users::id(line.get(2)?));
        by_name.or_else(|| {
            let gid = shim::users::id(text)?;
            self.group_of(gid).map(|_| gid)
        })
    }

    /// The line of a group by id.
    pub(crate) fn group_of(&self, gid: u32) -> Option<&Vec<Vec<u8>>> {
        let wanted = gid.to_string().into_bytes();
        self.group.lines.iter().find(|line| line.get(2) == Some(&wanted))
    }

    /// The line of a user by id.
    pub(crate) fn user_of(&self, uid: u32) -> Option<&Vec<Vec<u8>>> {
        let wanted = uid.to_string().into_bytes();
        self.passwd.lines.iter().find(|line| line.get(2) == Some(&wanted))
    }

    /// Adds a group with its shadow.
    pub(crate) fn add_group(&mut self, name: &[u8], gid: u32) {
        let shadowed = self.gshadow.exists();
        let gid = gid.to_string();
        self.group.add(&[name, if shadowed { b"x" } else { b"!" }, gid.as_bytes(), b""]);
        if shadowed {
            self.gshadow.add(&[name, b"!", b"", b""]);
        }
    }

    /// Adds a user to a group's members, where it is not one yet.
    pub(crate) fn add_member(&mut self, group: &[u8], user: &[u8]) {
        for database in [&mut self.group, &mut self.gshadow] {
            let Some(line) = database.find(group) else { continue };
            let mut members = members(line.get(3));
            if members.iter().any(|member| member == user) {
                continue;
            }
            members.push(user.to_vec());
            if let Some(line) = database.change(group) {
                line.resize(4, Vec::new());
                line[3] = members.join(&b',');
            }
        }
    }

    /// Takes a user out of a group's members.
    pub(crate) fn remove_member(&mut self, group: &[u8], user: &[u8]) {
        for (database, lists) in [(&mut self.group, 3..4), (&mut self.gshadow, 2..4)] {
            let Some(line) = database.find(group) else { continue };
            let mut line = line.clone();
            for list in lists {
                let kept: Vec<Vec<u8>> =
                    members(line.get(list)).into_iter().filter(|member| member != user).collect();
                if let Some(field) = line.get_mut(list) {
                    *field = kept.join(&b',');
                }
            }
            if Some(&line) != database.find(group)
                && let Some(there) = database.change(group)
            {
                *there = line;
            }
        }
    }
}

/// Leaves the lock's file behind, as `lckpwdf` does.
pub(crate) fn lock() {
    if sys::lstat(b"/etc/.pwd.lock").is_err() {
        // Whoever may not make it is told so by the files themselves.
        let _ = sys::create_new(b"/etc/.pwd.lock", 0o600);
    }
}

/// The names in a list between commas.
pub(crate) fn members(list: Option<&Vec<u8>>) -> Vec<Vec<u8>> {
    let names = list.map_or(&[][..], Vec::as_slice).split(|&byte| byte == b',');
    names.filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect()
}
