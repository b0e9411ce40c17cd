//! Which ids are free, and which names are allowed.

use shim::Stop;

use crate::{
    config::Config,
    database::{Database, Databases},
};

/// User or group ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    User,
    Group,
}

/// The range that ids come from: the lowest, the highest, the lowest that may be preferred.
fn range(config: &Config, kind: Kind, system: bool) -> (u32, u32, u32) {
    let prefix = if kind == Kind::User { "UID" } else { "GID" };
    let least = config.number(&format!("{prefix}_MIN"), 1000);
    if system {
        let min = config.number(&format!("SYS_{prefix}_MIN"), 101);
        (min, config.number(&format!("SYS_{prefix}_MAX"), least.saturating_sub(1)), 1)
    } else {
        (least, config.number(&format!("{prefix}_MAX"), 60_000), least)
    }
}

/// A free id, as shadow chooses it: users upwards above all that are in use, system users downwards
/// below all that are.
pub(crate) fn free(
    config: &Config,
    databases: &Databases,
    kind: Kind,
    system: bool,
    preferred: Option<u32>,
) -> Result<u32, Stop> {
    let database = if kind == Kind::User { &databases.passwd } else { &databases.group };
    let used: Vec<u32> =
        database.lines.iter().filter_map(|line| shim::users::id(line.get(2)?)).collect();
    let (min, max, preferred_min) = range(config, kind, system);
    let is_free = |id: u32| id != u32::from(u16::MAX) && id != u32::MAX && !used.contains(&id);
    if let Some(id) = preferred
        && (preferred_min..=max).contains(&id)
        && is_free(id)
    {
        return Ok(id);
    }
    let found = if system {
        let mut lowest = max;
        for &id in &used {
            if id <= lowest && id >= min {
                lowest = id - 1;
            }
        }
        let start = if lowest < min { max } else { lowest };
        (min..=start)
            .rev()
            .find(|&id| is_free(id))
            .or_else(|| (min..=max).rev().find(|&id| is_free(id)))
    } else {
        let mut highest = min;
        for &id in &used {
            if id >= highest && id <= max {
                highest = id + 1;
            }
        }
        let start = if highest > max { min } else { highest };
        (start..=max).find(|&id| is_free(id)).or_else(|| (min..=max).find(|&id| is_free(id)))
    };
    found.ok_or_else(|| Stop::Fail(4, "no id left in the range of /etc/login.defs".into()))
}

/// The begin of a free range of subordinate ids.
pub(crate) fn free_range(database: &Database, min: u32, max: u32, count: u32) -> Option<u32> {
    let mut taken: Vec<(u32, u32)> = database
        .lines
        .iter()
        .filter_map(|line| Some((shim::users::id(line.get(1)?)?, shim::users::id(line.get(2)?)?)))
        .collect();
    taken.sort_unstable();
    let mut low = min;
    for (begin, len) in taken {
        if begin >= low && begin - low >= count {
            break;
        }
        low = low.max(begin.saturating_add(len));
    }
    (low.checked_add(count)? <= max.saturating_add(1)).then_some(low)
}

/// Whether shadow takes a name: letters, digits, `_`, `-`, `.`, and `$` at the end, as Debian allows
/// anything that cannot be mistaken.
pub(crate) fn is_valid_name(name: &[u8]) -> bool {
    let bad =
        |&byte: &u8| byte == b':' || byte == b',' || byte == b'/' || byte.is_ascii_whitespace();
    !name.is_empty()
        && name.len() <= 32
        && !matches!(name[0], b'-' | b'+' | b'~')
        && !name.iter().any(bad)
}

/// Whether a name is beyond doubt: what every distribution's shadow takes.
pub(crate) fn is_plain_name(name: &[u8]) -> bool {
    let inner = |&byte: &u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-'
    };
    name.first().is_some_and(|&byte| byte.is_ascii_lowercase() || byte == b'_')
        && name.len() <= 32
        && name.iter().all(inner)
}
