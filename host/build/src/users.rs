//! Users and groups by name, looked up in the image's own `/etc/passwd` and `/etc/group`.

use kiln_runner::Credentials;

/// The largest id that the databases may give; the one above means "unchanged" to chown(2).
const MAX_ID: u32 = u32::MAX - 1;

/// The image's user databases, as text.
#[derive(Clone, Debug, Default)]
pub(crate) struct UserDatabase {
    passwd: Vec<PasswdEntry>,
    group: Vec<GroupEntry>,
}

#[derive(Clone, Debug)]
struct PasswdEntry {
    name: String,
    uid: u32,
    gid: u32,
    home: String,
}

#[derive(Clone, Debug)]
struct GroupEntry {
    name: String,
    gid: u32,
    members: Vec<String>,
}

/// Who a step runs as, with the home directory that `HOME` gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) credentials: Credentials,
    pub(crate) home: String,
}

/// Why a user or a group could not be looked up.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum LookupError {
    /// No such name.
    #[error("unable to find user {0}: no matching entries in the image's /etc/passwd")]
    NoUser(String),
    /// No such group.
    #[error("unable to find group {0}: no matching entries in the image's /etc/group")]
    NoGroup(String),
    /// More than one colon, or nothing before it.
    #[error("invalid user `{0}`: expected user, user:group, uid or uid:gid")]
    Malformed(String),
}

impl UserDatabase {
    /// Parses the two files; lines that are not entries are passed over, as libc does.
    pub(crate) fn parse(passwd: &[u8], group: &[u8]) -> Self {
        let passwd = String::from_utf8_lossy(passwd)
            .lines()
            .filter_map(|line| {
                let mut fields = line.split(':');
                let name = fields.next().filter(|name| !name.is_empty())?.to_owned();
                let uid = id(fields.nth(1)?)?;
                let gid = id(fields.next()?)?;
                let home = fields.nth(1).unwrap_or("").to_owned();
                Some(PasswdEntry { name, uid, gid, home })
            })
            .collect();
        let group = String::from_utf8_lossy(group)
            .lines()
            .filter_map(|line| {
                let mut fields = line.split(':');
                let name = fields.next().filter(|name| !name.is_empty())?.to_owned();
                let gid = id(fields.nth(1)?)?;
                let members = fields
                    .next()
                    .unwrap_or("")
                    .split(',')
                    .filter(|member| !member.is_empty())
                    .map(str::to_owned)
                    .collect();
                Some(GroupEntry { name, gid, members })
            })
            .collect();
        Self { passwd, group }
    }

    /// Resolves what USER names: `name`, `uid`, `name:group` or `uid:gid`; empty is root.
    ///
    /// A name found in the database wins over a number; a number that is not in the database stands
    /// for itself with group 0, as in Docker.
    pub(crate) fn user(&self, spec: &str) -> Result<User, LookupError> {
        if spec.is_empty() {
            return self.user("0");
        }
        let (name, group) = split(spec)?;
        let entry = self.passwd.iter().find(|entry| entry.name == name).or_else(|| {
            let uid = id(name)?;
            self.passwd.iter().find(|entry| entry.uid == uid)
        });
        let (uid, entry_gid, home) = match entry {
            Some(entry) => (entry.uid, Some(entry.gid), entry.home.clone()),
            None => {
                (id(name).ok_or_else(|| LookupError::NoUser(name.to_owned()))?, None, String::new())
            }
        };
        let (gid, mut groups) = match group {
            Some(group) => (self.group(group)?, Vec::new()),
            None => {
                let gid = entry_gid.unwrap_or(0);
                let member = entry.map(|entry| entry.name.as_str());
                let groups = self
                    .group
                    .iter()
                    .filter(|group| {
                        group.gid != gid
                            && member
                                .is_some_and(|member| group.members.iter().any(|m| m == member))
                    })
                    .map(|group| group.gid)
                    .collect();
                (gid, groups)
            }
        };
        // A process that drops its group must not lose what "others" are denied (CVE-2022-36109).
        groups.push(gid);
        // As the kernel keeps them: every runner shows the same.
        groups.sort_unstable();
        let home = if home.is_empty() { "/".to_owned() } else { home };
        Ok(User { credentials: Credentials { uid, gid, groups }, home })
    }

    /// Resolves what `--chown` names: numbers stand for themselves, a lone number for the group too.
    ///
    /// A name that the image does not know gives 0, as in BuildKit; it is returned so that the
    /// build can warn.
    pub(crate) fn owner(&self, spec: &str) -> (u32, u32, Vec<LookupError>) {
        let mut unknown = Vec::new();
        let (name, group) = match spec.split_once(':') {
            Some((name, group)) => (name, Some(group)),
            None => (spec, None),
        };
        let (uid, mut gid) = match id(name) {
            Some(uid) => (uid, uid),
            None => match self.passwd.iter().find(|entry| entry.name == name) {
                Some(entry) => (entry.uid, entry.gid),
                None => {
                    unknown.push(LookupError::NoUser(name.to_owned()));
                    (0, 0)
                }
            },
        };
        if let Some(group) = group.filter(|group| !group.is_empty()) {
            match id(group)
                .or_else(|| self.group.iter().find(|e| e.name == group).map(|entry| entry.gid))
            {
                Some(found) => gid = found,
                None => unknown.push(LookupError::NoGroup(group.to_owned())),
            }
        }
        (uid, gid, unknown)
    }

    fn group(&self, name: &str) -> Result<u32, LookupError> {
        self.group
            .iter()
            .find(|entry| entry.name == name)
            .map(|entry| entry.gid)
            .or_else(|| id(name))
            .ok_or_else(|| LookupError::NoGroup(name.to_owned()))
    }
}

fn split(spec: &str) -> Result<(&str, Option<&str>), LookupError> {
    let malformed = || LookupError::Malformed(spec.to_owned());
    match spec.split_once(':') {
        None if spec.is_empty() => Err(malformed()),
        None => Ok((spec, None)),
        Some((user, group)) => {
            if user.is_empty() || group.contains(':') {
                return Err(malformed());
            }
            Ok((user, (!group.is_empty()).then_some(group)))
        }
    }
}

fn id(text: &str) -> Option<u32> {
    text.parse::<u32>().ok().filter(|id| *id <= MAX_ID)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database() -> UserDatabase {
        UserDatabase::parse(
            b"root:x:0:0:root:/root:/bin/sh\n# a comment\ndaemon:x:1:1:daemon:/usr/sbin:/bin/sh\n\
              app:x:1000:1001::/home/app:/bin/sh\nbroken:x:many:1::/:\n",
            b"root:x:0:\nwheel:x:10:root,app\napp:x:1001:\nnobody:x:65534:app\n",
        )
    }

    #[test]
    fn users_by_name_and_number() {
        let cases: &[(&str, u32, u32, &[u32], &str)] = &[
            ("", 0, 0, &[0, 10], "/root"),
            ("root", 0, 0, &[0, 10], "/root"),
            ("app", 1000, 1001, &[10, 1001, 65534], "/home/app"),
            ("1000", 1000, 1001, &[10, 1001, 65534], "/home/app"),
            ("app:wheel", 1000, 10, &[10], "/home/app"),
            ("app:77", 1000, 77, &[77], "/home/app"),
            ("4242", 4242, 0, &[0], "/"),
            ("4242:4343", 4242, 4343, &[4343], "/"),
        ];
        for (spec, uid, gid, groups, home) in cases {
            let user = database().user(spec).unwrap();
            let expected = Credentials { uid: *uid, gid: *gid, groups: groups.to_vec() };
            assert_eq!((user.credentials, user.home.as_str()), (expected, *home), "{spec}");
        }
    }

    #[test]
    fn unknown_names_are_errors() {
        assert_eq!(database().user("nope"), Err(LookupError::NoUser("nope".into())));
        assert_eq!(database().user("app:nope"), Err(LookupError::NoGroup("nope".into())));
        assert_eq!(database().user(":app"), Err(LookupError::Malformed(":app".into())));
        assert_eq!(database().user("a:b:c"), Err(LookupError::Malformed("a:b:c".into())));
        assert_eq!(database().user("4294967295"), Err(LookupError::NoUser("4294967295".into())));
    }

    #[test]
    fn owners_of_copied_files() {
        for (spec, uid, gid) in [
            ("app", 1000, 1001),
            ("500", 500, 500),
            ("500:", 500, 500),
            ("daemon:nobody", 1, 65534),
        ] {
            assert_eq!(database().owner(spec), (uid, gid, Vec::new()), "{spec}");
        }
        let unknown = vec![LookupError::NoUser("x".into()), LookupError::NoGroup("y".into())];
        assert_eq!(database().owner("x:y"), (0, 0, unknown));
    }
}
