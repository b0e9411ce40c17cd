//! Which ids exist: the maps of a user namespace, and the ranges that a user may map.

use std::io;

/// Bytes of one of these files that are looked at: more than any that works.
const MAX_FILE: u64 = 1024 * 1024;

/// A map of a user namespace (`/proc/PID/uid_map`, user_namespaces(7)).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct IdMap(Vec<Range>);

/// Consecutive ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    /// The first.
    pub(crate) start: u32,
    /// How many.
    pub(crate) count: u32,
}

impl IdMap {
    /// The users that exist in kiln's namespace.
    pub(crate) fn of_users() -> io::Result<Self> {
        Ok(Self::parse(&read("/proc/self/uid_map")?))
    }

    /// The groups that exist in kiln's namespace.
    pub(crate) fn of_groups() -> io::Result<Self> {
        Ok(Self::parse(&read("/proc/self/gid_map")?))
    }

    fn parse(text: &str) -> Self {
        Self(
            text.lines()
                .filter_map(|line| {
                    let mut numbers = line.split_ascii_whitespace().map(str::parse);
                    let (start, _, count) =
                        (numbers.next()?.ok()?, numbers.next()?, numbers.next()?.ok()?);
                    Some(Range { start, count })
                })
                .collect(),
        )
    }

    /// Whether `id` exists.
    pub(crate) fn contains(&self, id: u32) -> bool {
        self.0.iter().any(|range| id.checked_sub(range.start).is_some_and(|at| at < range.count))
    }

    /// How many ids exist.
    pub(crate) fn size(&self) -> u64 {
        self.0.iter().map(|range| u64::from(range.count)).sum()
    }
}

/// The ranges that `file` (`/etc/subuid` or `/etc/subgid`, subuid(5)) gives to the user.
///
/// # Errors
/// The file cannot be read; one that is not there gives nothing.
pub(crate) fn subordinate(file: &str, name: Option<&str>, uid: u32) -> io::Result<Vec<Range>> {
    match read(file) {
        Ok(text) => Ok(parse_subordinate(&text, name, uid)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(vec![]),
        Err(error) => Err(error),
    }
}

fn parse_subordinate(text: &str, name: Option<&str>, uid: u32) -> Vec<Range> {
    let number = uid.to_string();
    text.lines()
        .filter_map(|line| {
            let mut fields = line.trim().split(':');
            let owner = fields.next()?;
            if owner != number && Some(owner) != name {
                return None;
            }
            let (start, count) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
            (count > 0 && fields.next().is_none()).then_some(Range { start, count })
        })
        .collect()
}

/// The name of `uid` in `/etc/passwd`; users from elsewhere have their ranges by number.
pub(crate) fn user_name(uid: u32) -> Option<String> {
    parse_user_name(&read("/etc/passwd").ok()?, uid)
}

fn parse_user_name(text: &str, uid: u32) -> Option<String> {
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, id) = (fields.next()?, fields.nth(1)?);
        (id.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

fn read(file: &str) -> io::Result<String> {
    use io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(file)?.take(MAX_FILE).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps() {
        let ranges = IdMap::parse("         0       1000          1\n 1 100000 65536\n");
        assert_eq!(ranges.size(), 65537);
        for (id, there) in [(0, true), (1, true), (65536, true), (65537, false), (u32::MAX, false)]
        {
            assert_eq!(ranges.contains(id), there, "{id}");
        }
        let all = IdMap::parse("0 0 4294967295\n");
        assert!(all.contains(4_294_967_294) && !all.contains(u32::MAX));
        assert_eq!(IdMap::parse("x y\n1\n").size(), 0);
    }

    #[test]
    fn subordinate_ranges() {
        let text =
            "# x\nkiln:100000:65536\nother:1:2\n1000:300000:10\nkiln:5:0\nkiln:a:b\nkiln:1:2:3\n";
        let range = |start, count| Range { start, count };
        let both = [range(100_000, 65536), range(300_000, 10)];
        assert_eq!(parse_subordinate(text, Some("kiln"), 1000), both);
        assert_eq!(parse_subordinate(text, None, 1000), both[1..]);
        assert_eq!(parse_subordinate(text, Some("nobody"), 65534), []);
    }

    #[test]
    fn names() {
        let text = "root:x:0:0:root:/root:/bin/sh\nbroken\nkiln:x:1000:1000::/:/bin/sh\n";
        assert_eq!(parse_user_name(text, 1000).as_deref(), Some("kiln"));
        assert_eq!(parse_user_name(text, 7), None);
    }
}
