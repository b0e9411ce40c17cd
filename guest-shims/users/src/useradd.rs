//! `useradd`.

use shim::{
    Context, Outcome, Stop,
    args::{self, Opt, Order, flag, value},
    native, paths, sys, time,
    users::id,
};

use crate::{
    config::Config,
    database::{self, Database, Databases},
    home::{self, Owner},
    ids::{self, Kind},
};

const OPTIONS: &[Opt] = &[
    value('b', "base-dir"),
    value('c', "comment"),
    value('d', "home-dir"),
    value('\0', "home"),
    value('e', "expiredate"),
    value('f', "inactive"),
    value('g', "gid"),
    value('G', "groups"),
    value('k', "skel"),
    value('K', "key"),
    flag('l', "no-log-init"),
    flag('m', "create-home"),
    flag('M', "no-create-home"),
    flag('N', "no-user-group"),
    flag('o', "non-unique"),
    value('p', "password"),
    flag('r', "system"),
    value('s', "shell"),
    value('u', "uid"),
    flag('U', "user-group"),
    flag('\0', "badname"),
    flag('\0', "badnames"),
];

/// A user to be made.
#[derive(Debug)]
pub(crate) struct NewUser {
    pub(crate) name: Vec<u8>,
    pub(crate) uid: Option<u32>,
    pub(crate) not_unique: bool,
    pub(crate) group: Option<Vec<u8>>,
    pub(crate) own_group: Option<bool>,
    pub(crate) groups: Vec<Vec<u8>>,
    pub(crate) comment: Vec<u8>,
    pub(crate) home: Option<Vec<u8>>,
    pub(crate) shell: Option<Vec<u8>>,
    pub(crate) password: Vec<u8>,
    pub(crate) system: bool,
    pub(crate) create_home: Option<bool>,
    pub(crate) skeleton: Option<Vec<u8>>,
    pub(crate) base: Option<Vec<u8>>,
    pub(crate) expires: Option<i64>,
    pub(crate) inactive: Option<i64>,
    pub(crate) keeps_log: bool,
    pub(crate) any_name: bool,
}

impl NewUser {
    pub(crate) fn new(name: &[u8]) -> Self {
        Self {
            name: name.to_vec(),
            uid: None,
            not_unique: false,
            group: None,
            own_group: None,
            groups: Vec::new(),
            comment: Vec::new(),
            home: None,
            shell: None,
            password: b"!".to_vec(),
            system: false,
            create_home: None,
            skeleton: None,
            base: None,
            expires: None,
            inactive: None,
            keeps_log: false,
            any_name: false,
        }
    }
}

pub(crate) fn main(context: &mut Context) -> Outcome {
    let parsed = args::parse(OPTIONS, &context.args, Order::Permute)?;
    let [name] = parsed.operands.as_slice() else {
        context.warn("needs the name of the new user");
        return Ok(2);
    };
    let mut user = NewUser::new(name);
    let mut config = Config::login_defs();
    for option in &parsed.options {
        let text = option.bytes();
        match option.name() {
            "b" => user.base = Some(text.to_vec()),
            "c" => user.comment = text.to_vec(),
            "d" | "home" => user.home = Some(text.to_vec()),
            "e" => user.expires = Some(date(text)?),
            "f" => user.inactive = Some(inactive(text)?),
            "g" => user.group = Some(text.to_vec()),
            "G" => user.groups = list(text),
            "k" => user.skeleton = Some(text.to_vec()),
            "K" => {
                let at = text.iter().position(|&byte| byte == b'=');
                let at = at.ok_or_else(|| Stop::Fail(3, "-K requires KEY=VALUE".into()))?;
                config.set(&text[..at], &text[at + 1..]);
            }
            "l" => user.keeps_log = true,
            "m" => user.create_home = Some(true),
            "M" => user.create_home = Some(false),
            "N" => user.own_group = Some(false),
            "U" => user.own_group = Some(true),
            "o" => user.not_unique = true,
            "p" => user.password = text.to_vec(),
            "r" => user.system = true,
            "s" if text.first().is_none_or(|first| b"/*".contains(first)) => {
                user.shell = Some(text.to_vec());
            }
            "s" => {
                return Err(Stop::Fail(3, format!("invalid shell {}", paths::quoted(text))));
            }
            "u" => {
                let uid = id(text).ok_or_else(|| {
                    Stop::Fail(3, format!("invalid user ID {}", paths::quoted(text)))
                })?;
                user.uid = Some(uid);
            }
            _ => user.any_name = true,
        }
    }
    if user.not_unique && user.uid.is_none() {
        context.warn("-o needs -u");
        return Ok(2);
    }
    if user.own_group == Some(true) && user.group.is_some() {
        context.warn("options -U and -g conflict");
        return Ok(2);
    }
    add(context, &config, user).map(|()| 0)
}

fn list(text: &[u8]) -> Vec<Vec<u8>> {
    text.split(|&byte| byte == b',').filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect()
}

fn date(text: &[u8]) -> Result<i64, Stop> {
    if text.is_empty() {
        return Ok(-1);
    }
    let parsed =
        str::from_utf8(text).ok().filter(|text| text.len() == 10 && text.as_bytes()[4] == b'-');
    let parsed = parsed.and_then(|text| time::parse(text.as_bytes(), sys::now()));
    parsed.map(|time| time.secs / 86_400).ok_or_else(|| native("this expiry date"))
}

fn inactive(text: &[u8]) -> Result<i64, Stop> {
    let number = str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    number
        .filter(|&days: &i64| days >= -1)
        .ok_or_else(|| Stop::Fail(3, "invalid number of days".into()))
}

/// The days since 1970 by the build's clock.
pub(crate) fn today() -> i64 {
    sys::now().secs / 86_400
}

fn valid(text: &[u8]) -> bool {
    !text.iter().any(|byte| b":\n".contains(byte))
}

/// Makes a user.
pub(crate) fn add(context: &mut Context, config: &Config, user: NewUser) -> Result<(), Stop> {
    let fail = |status: u8, message: String| Stop::Fail(status, message);
    let shown = String::from_utf8_lossy(&user.name).into_owned();
    if !ids::is_valid_name(&user.name) && !user.any_name {
        return Err(fail(3, format!("invalid user name '{shown}'")));
    }
    if !ids::is_plain_name(&user.name) && !is_debian() {
        return Err(native("a user name that not every useradd takes"));
    }
    let defaults = Config::assignments(b"/etc/default/useradd");
    let mut databases = Databases::open()?;
    let group = match &user.group {
        Some(group) => Some(databases.gid(group).ok_or_else(|| {
            fail(6, format!("group '{}' does not exist", String::from_utf8_lossy(group)))
        })?),
        None => None,
    };
    let mut groups = Vec::new();
    for name in &user.groups {
        let gid = databases.gid(name).ok_or_else(|| {
            fail(6, format!("group '{}' does not exist", String::from_utf8_lossy(name)))
        })?;
        groups.extend(databases.group_of(gid).map(|line| line[0].clone()));
    }
    for text in [Some(&user.comment), user.home.as_ref(), user.shell.as_ref()].into_iter().flatten()
    {
        if !valid(text) {
            return Err(fail(3, format!("invalid field {}", paths::quoted(text))));
        }
    }
    let own_group =
        user.own_group.unwrap_or_else(|| group.is_none() && config.is_yes("USERGROUPS_ENAB"));
    if databases.passwd.find(&user.name).is_some() {
        return Err(fail(9, format!("user '{shown}' already exists")));
    }
    if own_group && databases.group.find(&user.name).is_some() {
        let hint = "if you want to add this user to that group, use -g.";
        return Err(fail(9, format!("group {shown} exists - {hint}")));
    }
    database::lock();
    let uid = match user.uid {
        Some(uid) if !user.not_unique && databases.user_of(uid).is_some() => {
            return Err(fail(4, format!("UID {uid} is not unique")));
        }
        Some(uid) => uid,
        None => ids::free(config, &databases, Kind::User, user.system, None)?,
    };
    let gid = match group {
        Some(gid) => gid,
        None if own_group => {
            let gid = ids::free(config, &databases, Kind::Group, user.system, Some(uid))?;
            databases.add_group(&user.name, gid);
            gid
        }
        None => match defaults.get("GROUP").and_then(|group| databases.gid(group)) {
            Some(gid) => gid,
            None if is_debian() => DEBIAN_GROUP,
            None => return Err(native("the default group of an unknown useradd")),
        },
    };
    let base = user.base.as_deref().or(defaults.get("HOME")).unwrap_or(b"/home");
    let home = user.home.clone().unwrap_or_else(|| paths::join(base, &user.name));
    let shell = user.shell.as_deref().or(defaults.get("SHELL")).unwrap_or(b"").to_vec();
    let fresh = databases.user_of(uid).is_none();
    let (uid_text, gid_text) = (uid.to_string(), gid.to_string());
    let password: &[u8] = if databases.shadow.exists() { b"x" } else { &user.password };
    let line: [&[u8]; 7] = [
        &user.name,
        password,
        uid_text.as_bytes(),
        gid_text.as_bytes(),
        &user.comment,
        &home,
        &shell,
    ];
    databases.passwd.add(&line);
    if databases.shadow.exists() {
        add_shadow(&mut databases, config, &defaults, &user)?;
    }
    for group in &groups {
        databases.add_member(group, &user.name);
    }
    let subordinate = !user.system && config_range(config, user.uid);
    databases.save()?;
    if subordinate {
        add_subordinate(config, &user.name, "/etc/subuid", "SUB_UID")?;
        add_subordinate(config, &user.name, "/etc/subgid", "SUB_GID")?;
    }
    if !user.keeps_log && fresh {
        reset_log(b"/var/log/faillog", FAILLOG_ENTRY, uid)?;
        reset_log(b"/var/log/lastlog", LASTLOG_ENTRY, uid)?;
    }
    let create = user.create_home.unwrap_or_else(|| config.is_yes("CREATE_HOME") && !user.system);
    if create {
        let owner = Owner { uid, gid };
        let skeleton =
            user.skeleton.as_deref().or(defaults.get("SKEL")).unwrap_or(b"/etc/skel").to_vec();
        home::create(context, config, &home, &skeleton, owner)?;
        let wants_mail = match defaults.get("CREATE_MAIL_SPOOL") {
            Some(value) => value.eq_ignore_ascii_case(b"yes"),
            None if is_debian() => false,
            None => return Err(native("the mail spool of an unknown useradd")),
        };
        if !user.system && wants_mail {
            home::create_mail(context, config, &user.name, owner);
        }
    }
    Ok(())
}

/// The group of users without one of their own when nothing else is said: Debian's `users`.
const DEBIAN_GROUP: u32 = 100;

/// Distributions build shadow with defaults of their own.
fn is_debian() -> bool {
    sys::stat(b"/etc/debian_version").is_ok()
}

/// Sizes of an entry in the logs of failed and last logins, in bytes, on 64-bit Linux.
const FAILLOG_ENTRY: u64 = 32;
const LASTLOG_ENTRY: u64 = 292;

fn config_range(config: &Config, uid: Option<u32>) -> bool {
    let range = config.number("UID_MIN", 1000)..=config.number("UID_MAX", 60_000);
    uid.is_none_or(|uid| uid == 0 || range.contains(&uid))
}

fn add_shadow(
    databases: &mut Databases,
    config: &Config,
    defaults: &Config,
    user: &NewUser,
) -> Result<(), Stop> {
    let days = |value: i64| if value < 0 { String::new() } else { value.to_string() };
    let aging = |name: &str| match config.get(name) {
        Some(_) if !user.system => days(i64::from(config.number(name, 0))),
        _ => String::new(),
    };
    let default_inactive = match defaults.get("INACTIVE") {
        Some(text) => inactive(text)?,
        None => -1,
    };
    let default_expires = match defaults.get("EXPIRE") {
        Some(text) => date(text)?,
        None => -1,
    };
    let changed = today().to_string();
    let (min, max, warn) = (aging("PASS_MIN_DAYS"), aging("PASS_MAX_DAYS"), aging("PASS_WARN_AGE"));
    let inactive = days(user.inactive.unwrap_or(default_inactive));
    let expires = days(user.expires.unwrap_or(default_expires));
    let line: [&[u8]; 9] = [
        &user.name,
        &user.password,
        changed.as_bytes(),
        min.as_bytes(),
        max.as_bytes(),
        warn.as_bytes(),
        inactive.as_bytes(),
        expires.as_bytes(),
        b"",
    ];
    databases.shadow.add(&line);
    Ok(())
}

fn add_subordinate(config: &Config, name: &[u8], file: &str, key: &str) -> Result<(), Stop> {
    let mut database = Database::read(file)?;
    let count = config.number(&format!("{key}_COUNT"), 65_536);
    if !database.exists() || count == 0 {
        return Ok(());
    }
    let min = config.number(&format!("{key}_MIN"), 100_000);
    let max = config.number(&format!("{key}_MAX"), 600_100_000);
    let Some(begin) = ids::free_range(&database, min, max, count) else {
        return Err(Stop::Fail(16, "can't find a range of subordinate ids".into()));
    };
    // The search for a free range leaves the file in the order of the ranges.
    let number = |line: &Vec<Vec<u8>>, field: usize| line.get(field).and_then(|text| id(text));
    database.lines.sort_by_key(|line| (number(line, 1), number(line, 2)));
    database.add(&[name, begin.to_string().as_bytes(), count.to_string().as_bytes()]);
    database.save()
}

/// Clears a user's entry in a log, where the log has one.
fn reset_log(path: &[u8], entry: u64, uid: u32) -> Result<(), Stop> {
    use std::io::{Seek, SeekFrom, Write};
    let offset = entry * u64::from(uid);
    if !sys::stat(path).is_ok_and(|stat| stat.size > offset) {
        return Ok(());
    }
    let mut file = sys::open_write(path)?;
    file.seek(SeekFrom::Start(offset))?;
    file.write_all(&vec![0; usize::try_from(entry).unwrap_or(0)])?;
    Ok(())
}
