//! Users and groups of the image, from its `/etc/passwd` and `/etc/group`.

use crate::sys;

/// A line of `/etc/passwd`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The login name.
    pub name: Vec<u8>,
    /// The user id.
    pub uid: u32,
    /// The primary group's id.
    pub gid: u32,
    /// The comment.
    pub gecos: Vec<u8>,
    /// The home directory.
    pub home: Vec<u8>,
    /// The login shell.
    pub shell: Vec<u8>,
}

/// A line of `/etc/group`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The group's name.
    pub name: Vec<u8>,
    /// The group's id.
    pub gid: u32,
    /// The members that are listed.
    pub members: Vec<Vec<u8>>,
}

/// A decimal id; nothing when it is not one.
#[must_use]
pub fn id(text: &[u8]) -> Option<u32> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    str::from_utf8(text).ok()?.parse().ok()
}

/// The users in a file in the format of `/etc/passwd`; broken lines are skipped.
#[must_use]
pub fn parse_users(file: &[u8]) -> Vec<User> {
    let mut users = Vec::new();
    for line in file.split(|&byte| byte == b'\n') {
        let fields: Vec<&[u8]> = line.split(|&byte| byte == b':').collect();
        let &[name, _, uid, gid, gecos, home, shell] = fields.as_slice() else { continue };
        let (Some(uid), Some(gid)) = (id(uid), id(gid)) else { continue };
        users.push(User {
            name: name.to_vec(),
            uid,
            gid,
            gecos: gecos.to_vec(),
            home: home.to_vec(),
            shell: shell.to_vec(),
        });
    }
    users
}

/// The groups in a file in the format of `/etc/group`; broken lines are skipped.
#[must_use]
pub fn parse_groups(file: &[u8]) -> Vec<Group> {
    let mut groups = Vec::new();
    for line in file.split(|&byte| byte == b'\n') {
        let fields: Vec<&[u8]> = line.split(|&byte| byte == b':').collect();
        let &[name, _, gid, members] = fields.as_slice() else { continue };
        let Some(gid) = id(gid) else { continue };
        let members = members.split(|&byte| byte == b',').filter(|name| !name.is_empty());
        groups.push(Group {
            name: name.to_vec(),
            gid,
            members: members.map(<[u8]>::to_vec).collect(),
        });
    }
    groups
}

/// The image's users and groups.
#[derive(Clone, Debug, Default)]
pub struct Accounts {
    /// The users, in the file's order.
    pub users: Vec<User>,
    /// The groups, in the file's order.
    pub groups: Vec<Group>,
}

impl Accounts {
    /// Reads the image's files; a missing one holds nobody.
    #[must_use]
    pub fn read() -> Self {
        let file = |name: &[u8]| sys::read_small(name).unwrap_or_default();
        Self {
            users: parse_users(&file(b"/etc/passwd")),
            groups: parse_groups(&file(b"/etc/group")),
        }
    }

    /// A user by name.
    #[must_use]
    pub fn user(&self, name: &[u8]) -> Option<&User> {
        self.users.iter().find(|user| user.name == name)
    }

    /// A user by id.
    #[must_use]
    pub fn user_by_id(&self, uid: u32) -> Option<&User> {
        self.users.iter().find(|user| user.uid == uid)
    }

    /// A group by name.
    #[must_use]
    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.groups.iter().find(|group| group.name == name)
    }

    /// A group by id.
    #[must_use]
    pub fn group_by_id(&self, gid: u32) -> Option<&Group> {
        self.groups.iter().find(|group| group.gid == gid)
    }

    /// A user by name or number, as `chown` takes it.
    #[must_use]
    pub fn find_uid(&self, text: &[u8]) -> Option<u32> {
        self.user(text).map(|user| user.uid).or_else(|| id(text.strip_prefix(b"+").unwrap_or(text)))
    }

    /// A group by name or number, as `chown` takes it.
    #[must_use]
    pub fn find_gid(&self, text: &[u8]) -> Option<u32> {
        self.group(text)
            .map(|group| group.gid)
            .or_else(|| id(text.strip_prefix(b"+").unwrap_or(text)))
    }

    /// The owner and group that `OWNER`, `OWNER:GROUP`, `OWNER:` or `:GROUP` names.
    ///
    /// # Errors
    ///
    /// The message that `chown` gives for an unknown name.
    pub fn find_owner(&self, text: &[u8]) -> Result<(Option<u32>, Option<u32>), String> {
        let invalid = |what: &str| format!("invalid {what}: '{}'", String::from_utf8_lossy(text));
        let Some(at) = text.iter().position(|&byte| byte == b':') else {
            return match self.find_uid(text) {
                Some(uid) => Ok((Some(uid), None)),
                None if text.is_empty() => Ok((None, None)),
                // The obsolete separator is taken when the whole is not a user's name.
                None => match text.iter().position(|&byte| byte == b'.') {
                    Some(at) => self.pair(text, at).ok_or_else(|| invalid("user")),
                    None => Err(invalid("user")),
                },
            };
        };
        self.pair(text, at).ok_or_else(|| {
            let user = &text[..at];
            let known = user.is_empty() || self.find_uid(user).is_some();
            invalid(if known { "group" } else { "user" })
        })
    }

    fn pair(&self, text: &[u8], at: usize) -> Option<(Option<u32>, Option<u32>)> {
        let (user, group) = (&text[..at], &text[at + 1..]);
        let uid = if user.is_empty() { None } else { Some(self.find_uid(user)?) };
        let gid = if !group.is_empty() {
            Some(self.find_gid(group)?)
        } else if user.is_empty() {
            None
        } else {
            // `OWNER:` means the login group, which a bare number does not have.
            let by_number = || self.user_by_id(uid?).filter(|_| crate::sys::is_busybox());
            Some(self.user(user).or_else(by_number)?.gid)
        };
        Some((uid, gid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts() -> Accounts {
        Accounts {
            users: parse_users(
                b"root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001::/home/app:\nbad\n",
            ),
            groups: parse_groups(b"root:x:0:\napp:x:1001:\nwheel:x:10:root,app\n"),
        }
    }

    #[test]
    fn owners_are_found_by_name_and_number() {
        let accounts = accounts();
        for (text, expected) in [
            ("app", Some((Some(1000), None))),
            ("app:", Some((Some(1000), Some(1001)))),
            ("app:wheel", Some((Some(1000), Some(10)))),
            ("app.wheel", Some((Some(1000), Some(10)))),
            (":wheel", Some((None, Some(10)))),
            ("5:6", Some((Some(5), Some(6)))),
            ("+5", Some((Some(5), None))),
            ("", Some((None, None))),
            (":", Some((None, None))),
            ("none", None),
            ("app:none", None),
            ("5:", None),
            ("4294967296", None),
        ] {
            assert_eq!(accounts.find_owner(text.as_bytes()).ok(), expected, "{text}");
        }
    }

    #[test]
    fn broken_lines_are_skipped() {
        assert_eq!(accounts().users.len(), 2);
        assert_eq!(accounts().groups[2].members, [b"root".to_vec(), b"app".to_vec()]);
    }
}
