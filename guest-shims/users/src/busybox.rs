//! BusyBox's `adduser`, `addgroup`, `deluser` and `delgroup`.

use std::{
    collections::HashMap,
    io::{self, Write},
};

use shim::{
    Context, Outcome, Stop,
    args::{self, Opt, Order, Parsed, flag, value},
    native, paths,
    sys::{self, SetTime},
    users::{Accounts, id},
};

use crate::{
    home::{self, Owner},
    useradd::today,
};

/// The ranges that BusyBox is built with by default and in Alpine.
const FIRST_SYSTEM_ID: u32 = 100;
const LAST_SYSTEM_ID: u32 = 999;
const LAST_ID: u32 = 60_000;

pub(crate) fn main(context: &mut Context) -> Outcome {
    if sys::effective_uid() != 0 {
        context.warn("permission denied (are you root?)");
        return Ok(1);
    }
    match context.name.as_str() {
        "adduser" => adduser(context),
        "addgroup" => addgroup(context),
        name => delete(context, name == "deluser"),
    }
}

fn fail(message: String) -> Stop {
    Stop::Fail(1, message)
}

fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

const ADDUSER: &[Opt] = &[
    value('h', "home"),
    value('g', "gecos"),
    value('s', "shell"),
    value('G', "ingroup"),
    flag('D', "disabled-password"),
    flag('\0', "empty-password"),
    flag('S', "system"),
    flag('H', "no-create-home"),
    value('u', "uid"),
    value('k', "skel"),
];

fn adduser(context: &mut Context) -> Outcome {
    let parsed = args::parse(ADDUSER, &context.args, Order::Permute)?;
    let given = |name: &str| parsed.options.iter().rev().find(|option| option.name() == name);
    let text = |name: &str| given(name).map(|option| option.bytes().to_vec());
    let accounts = Accounts::read();
    if let ([user, group], true) = (parsed.operands.as_slice(), parsed.options.is_empty()) {
        return join_group(context, &accounts, user, group);
    }
    let Some(name) = parsed.operands.first().cloned() else {
        return Err(native("adduser without a name"));
    };
    check_name(&name)?;
    let system = given("S").is_some();
    let disabled = given("D").is_some() || given("empty-password").is_some();
    if !disabled && !system {
        return Err(native("a password that is asked for"));
    }
    let root_shell = || {
        let own = context.env.filled("SHELL").map(<[u8]>::to_vec);
        own.or_else(|| accounts.user_by_id(sys::real_uid()).map(|user| user.shell.clone()))
            .filter(|shell| !shell.is_empty())
            .unwrap_or_else(|| b"/bin/sh".to_vec())
    };
    let shell =
        text("s").unwrap_or_else(|| if system { b"/bin/false".to_vec() } else { root_shell() });
    let home = text("h").unwrap_or_else(|| [b"/home/", name.as_slice()].concat());
    let group = text("G").or_else(|| system.then(|| b"nogroup".to_vec()));
    let gid = match &group {
        Some(group) => Some(
            accounts
                .group(group)
                .map(|group| group.gid)
                .ok_or_else(|| fail(format!("unknown group {}", shown(group))))?,
        ),
        None => None,
    };
    let uid = match text("u") {
        Some(uid) => {
            let uid = id(&uid)
                .filter(|&uid| uid <= LAST_ID)
                .ok_or_else(|| native("a uid beyond BusyBox's range"))?;
            Some(uid)
        }
        None => None,
    };
    if accounts.user(&name).is_some() {
        return Err(fail(format!("user '{}' in use", shown(&name))));
    }
    let uid = free_uid(&accounts, uid, gid, system)?;
    let gid = match gid {
        Some(gid) => gid,
        None if accounts.group(&name).is_some() => {
            return Err(fail(format!("group '{}' in use", shown(&name))));
        }
        None => uid,
    };
    let comment = text("g").unwrap_or_else(|| b"Linux User,,,".to_vec());
    let line = [
        &name[..],
        b":x:",
        uid.to_string().as_bytes(),
        b":",
        gid.to_string().as_bytes(),
        b":",
        &comment,
        b":",
        &home,
        b":",
        &shell,
    ]
    .concat();
    update(b"/etc/passwd", |lines| lines.push(line.clone()))?;
    let shadow = [&name[..], format!(":!:{}:0:99999:7:::", today()).as_bytes()].concat();
    update_shadow(b"/etc/shadow", |lines| lines.push(shadow.clone()))?;
    match &group {
        Some(group) => {
            add_member(group, &name, &accounts)?;
        }
        None => make_group(&accounts, &name, Some(gid), false)?,
    }
    if given("H").is_none() {
        let owner = Owner { uid, gid };
        let skeleton = text("k").unwrap_or_else(|| b"/etc/skel".to_vec());
        if let Err(error) = make_home(&home, &skeleton, owner) {
            context.warn(format_args!("{}: {}", shown(&home), sys::reason(&error)));
        }
    }
    Ok(0)
}

fn check_name(name: &[u8]) -> Result<(), Stop> {
    let inner = |&byte: &u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let good = name.first().is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
        && name.iter().all(inner);
    if good { Ok(()) } else { Err(native("a name that BusyBox may not take")) }
}

fn free_uid(
    accounts: &Accounts,
    uid: Option<u32>,
    gid: Option<u32>,
    system: bool,
) -> Result<u32, Stop> {
    let is_free = |uid: u32| {
        accounts.user_by_id(uid).is_none() && (gid.is_some() || accounts.group_by_id(uid).is_none())
    };
    if let Some(uid) = uid {
        return if is_free(uid) { Ok(uid) } else { Err(fail(format!("uid '{uid}' in use"))) };
    }
    let mut range =
        if system { FIRST_SYSTEM_ID..=LAST_SYSTEM_ID } else { LAST_SYSTEM_ID + 1..=LAST_ID };
    range.find(|&uid| is_free(uid)).ok_or_else(|| fail("no uids left".into()))
}

fn make_home(home: &[u8], skeleton: &[u8], owner: Owner) -> io::Result<()> {
    let _ = sys::set_umask(0);
    match sys::mkdir(home, 0o755) {
        Ok(()) => {
            if sys::stat(skeleton).is_ok_and(|stat| stat.is_dir()) {
                copy_skeleton(skeleton, home, owner)?;
            }
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    sys::chown(home, Some(owner.uid), Some(owner.gid))?;
    sys::chmod(home, 0o2755)
}

/// Copies with modes but without times, as BusyBox's `cp -r` does.
fn copy_skeleton(from: &[u8], to: &[u8], owner: Owner) -> io::Result<()> {
    home::copy_tree(from, to, owner, &mut HashMap::new())?;
    refresh(to)
}

fn refresh(path: &[u8]) -> io::Result<()> {
    for name in sys::read_dir(path)? {
        let path = paths::join(path, &name);
        if sys::lstat(&path)?.is_dir() {
            refresh(&path)?;
        }
        sys::utimens(&path, SetTime::Now, SetTime::Now, false)?;
    }
    Ok(())
}

const ADDGROUP: &[Opt] = &[value('g', "gid"), flag('S', "system")];

fn addgroup(context: &mut Context) -> Outcome {
    let parsed: Parsed = args::parse(ADDGROUP, &context.args, Order::Permute)?;
    let accounts = Accounts::read();
    let gid = parsed.options.iter().rev().find(|option| option.name() == "g");
    let system = parsed.options.iter().any(|option| option.name() == "S");
    match parsed.operands.as_slice() {
        [user, group] if gid.is_none() => join_group(context, &accounts, user, group),
        [name] => {
            check_name(name)?;
            let gid = match gid {
                Some(option) => {
                    let gid = id(option.bytes()).filter(|&gid| gid <= LAST_ID);
                    Some(gid.ok_or_else(|| native("a gid beyond BusyBox's range"))?)
                }
                None => None,
            };
            if accounts.group(name).is_some() {
                return Err(fail(format!("group '{}' in use", shown(name))));
            }
            make_group(&accounts, name, gid, system)?;
            Ok(0)
        }
        _ => {
            context.warn("needs a group, or a user and a group");
            Ok(1)
        }
    }
}

fn join_group(context: &mut Context, accounts: &Accounts, user: &[u8], group: &[u8]) -> Outcome {
    if accounts.user(user).is_none() {
        context.warn(format_args!("unknown user {}", shown(user)));
        return Ok(1);
    }
    if accounts.group(group).is_none() {
        context.warn(format_args!("unknown group {}", shown(group)));
        return Ok(1);
    }
    add_member(group, user, accounts)?;
    Ok(0)
}

fn make_group(
    accounts: &Accounts,
    name: &[u8],
    gid: Option<u32>,
    system: bool,
) -> Result<(), Stop> {
    let is_free = |gid: u32| accounts.group_by_id(gid).is_none();
    let gid = match gid {
        Some(gid) if is_free(gid) => gid,
        Some(gid) => return Err(fail(format!("gid '{gid}' in use"))),
        None => {
            let mut range = if system {
                FIRST_SYSTEM_ID..=LAST_SYSTEM_ID
            } else {
                LAST_SYSTEM_ID + 1..=LAST_ID
            };
            range.find(|&gid| is_free(gid)).ok_or_else(|| fail("no gids left".into()))?
        }
    };
    let line = [name, format!(":x:{gid}:").as_bytes()].concat();
    update(b"/etc/group", |lines| lines.push(line.clone()))?;
    let line = [name, b":!::"].concat();
    update_shadow(b"/etc/gshadow", |lines| lines.push(line.clone()))
}

fn add_member(group: &[u8], user: &[u8], accounts: &Accounts) -> Result<(), Stop> {
    if accounts.group(group).is_some_and(|group| group.members.iter().any(|member| member == user))
    {
        return Ok(());
    }
    let prefix = [group, b":"].concat();
    let add = |lines: &mut Vec<Vec<u8>>| {
        for line in lines.iter_mut().filter(|line| line.starts_with(&prefix)) {
            if !line.ends_with(b":") {
                line.push(b',');
            }
            line.extend_from_slice(user);
        }
    };
    update(b"/etc/group", add)?;
    update_shadow(b"/etc/gshadow", add)
}

const DELUSER: &[Opt] = &[flag('\0', "remove-home")];

fn delete(context: &mut Context, is_user: bool) -> Outcome {
    let parsed = args::parse(if is_user { DELUSER } else { &[] }, &context.args, Order::Permute)?;
    let accounts = Accounts::read();
    match (parsed.operands.as_slice(), is_user) {
        ([name], true) => {
            let Some(user) = accounts.user(name) else {
                context.warn(format_args!("unknown user {}", shown(name)));
                return Ok(1);
            };
            if !parsed.options.is_empty() && sys::stat(&user.home).is_ok_and(|stat| stat.is_dir()) {
                home::remove_tree(&user.home)?;
            }
            remove_lines(b"/etc/passwd", name, false)?;
            remove_lines(b"/etc/shadow", name, true)?;
            update(b"/etc/group", |lines| drop_member(lines, None, name))?;
            // A group of the same name goes too, unless somebody has it as primary group.
            if let Some(group) = accounts.group(name) {
                if let Some(other) =
                    accounts.users.iter().find(|user| user.gid == group.gid && user.name != *name)
                {
                    let (other, name) = (shown(&other.name), shown(name));
                    context
                        .warn(format_args!("'{other}' still has '{name}' as their primary group!"));
                    return Ok(1);
                }
                remove_lines(b"/etc/group", name, false)?;
                remove_lines(b"/etc/gshadow", name, true)?;
            }
            Ok(0)
        }
        ([name], false) => {
            let Some(group) = accounts.group(name) else {
                context.warn(format_args!("unknown group {}", shown(name)));
                return Ok(1);
            };
            if let Some(user) = accounts.users.iter().find(|user| user.gid == group.gid) {
                let (user, name) = (shown(&user.name), shown(name));
                context.warn(format_args!("'{user}' still has '{name}' as their primary group!"));
                return Ok(1);
            }
            remove_lines(b"/etc/group", name, false)?;
            remove_lines(b"/etc/gshadow", name, true)?;
            Ok(0)
        }
        ([user, group], false) => {
            if accounts.group(group).is_none() {
                context.warn(format_args!("unknown group {}", shown(group)));
                return Ok(1);
            }
            update(b"/etc/group", |lines| drop_member(lines, Some(group), user))?;
            update_shadow(b"/etc/gshadow", |lines| drop_member(lines, Some(group), user))?;
            Ok(0)
        }
        _ => {
            context.warn("needs a name");
            Ok(1)
        }
    }
}

fn remove_lines(path: &[u8], name: &[u8], shadow: bool) -> Result<(), Stop> {
    let prefix = [name, b":"].concat();
    let remove = |lines: &mut Vec<Vec<u8>>| lines.retain(|line| !line.starts_with(&prefix));
    if shadow { update_shadow(path, remove) } else { update(path, remove) }
}

fn drop_member(lines: &mut [Vec<u8>], group: Option<&Vec<u8>>, user: &[u8]) {
    for line in lines {
        if group.is_some_and(|group| !line.starts_with(&[group.as_slice(), b":"].concat())) {
            continue;
        }
        let Some(at) = line.iter().rposition(|&byte| byte == b':') else { continue };
        let list = line.split_off(at + 1);
        let kept: Vec<&[u8]> =
            list.split(|&byte| byte == b',').filter(|name| *name != user).collect();
        line.extend(kept.join(&b','));
    }
}

/// Changes a shadow file; a missing one is not wanted.
fn update_shadow(path: &[u8], change: impl FnOnce(&mut Vec<Vec<u8>>)) -> Result<(), Stop> {
    if sys::stat(path).is_err() {
        return Ok(());
    }
    update(path, change)
}

/// Changes a file as BusyBox does: the old inode becomes `FILE-`, a new one takes the name.
fn update(path: &[u8], change: impl FnOnce(&mut Vec<Vec<u8>>)) -> Result<(), Stop> {
    let failed = |error: io::Error| fail(format!("{}: {}", shown(path), sys::reason(&error)));
    if sys::lstat(path).map_err(failed)?.is_symlink() {
        return Err(native("a symlink in place of an account file"));
    }
    let stat = sys::stat(path).map_err(failed)?;
    let text = sys::read_small(path).map_err(failed)?;
    let mut lines: Vec<Vec<u8>> = text.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
    if lines.last().is_some_and(Vec::is_empty) {
        lines.pop();
    }
    change(&mut lines);
    let (new, backup) = ([path, b"+"].concat(), [path, b"-"].concat());
    let write = || -> io::Result<()> {
        let mut file = sys::create_new(&new, 0o600)?;
        for line in &lines {
            file.write_all(line)?;
            file.write_all(b"\n")?;
        }
        sys::chown(&new, Some(stat.uid), Some(stat.gid))?;
        sys::chmod(&new, stat.mode & 0o777)?;
        if sys::lstat(&backup).is_ok() {
            sys::unlink(&backup)?;
        }
        sys::link(path, &backup, false)?;
        sys::rename(&new, path)
    };
    write().map_err(failed)
}
