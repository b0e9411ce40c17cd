//! `groupadd`, `groupmod` and `groupdel`.

use shim::{
    Context, Outcome, Stop,
    args::{self, Opt, Order, flag, value},
    users::id,
};

use crate::{
    config::Config,
    database::Databases,
    ids::{self, Kind},
};

const ADD: &[Opt] = &[
    flag('f', "force"),
    value('g', "gid"),
    value('K', "key"),
    flag('o', "non-unique"),
    flag('r', "system"),
];

pub(crate) fn add(context: &mut Context) -> Outcome {
    let parsed = args::parse(ADD, &context.args, Order::Permute)?;
    let (mut force, mut shared, mut system, mut gid) = (false, false, false, None);
    let mut config = Config::login_defs();
    for option in &parsed.options {
        match option.name() {
            "f" => force = true,
            "o" => shared = true,
            "r" => system = true,
            "K" => {
                let text = option.bytes();
                let at = text.iter().position(|&byte| byte == b'=');
                let at = at.ok_or_else(|| Stop::Fail(3, "-K requires KEY=VALUE".into()))?;
                config.set(&text[..at], &text[at + 1..]);
            }
            _ => {
                gid = Some(
                    id(option.bytes()).ok_or_else(|| Stop::Fail(3, "invalid group ID".into()))?,
                )
            }
        }
    }
    let [name] = parsed.operands.as_slice() else {
        context.warn("needs the name of the new group");
        return Ok(2);
    };
    if shared && gid.is_none() {
        context.warn("-o needs -g");
        return Ok(2);
    }
    make(context, &config, name, gid, (force, shared, system))
}

/// Makes a group.
pub(crate) fn make(
    context: &mut Context,
    config: &Config,
    name: &[u8],
    mut gid: Option<u32>,
    (force, shared, system): (bool, bool, bool),
) -> Outcome {
    let shown = String::from_utf8_lossy(name).into_owned();
    if !ids::is_valid_name(name) {
        context.warn(format_args!("'{shown}' is not a valid group name"));
        return Ok(3);
    }
    let mut databases = Databases::open()?;
    if databases.group.find(name).is_some() {
        if force {
            return Ok(0);
        }
        context.warn(format_args!("group '{shown}' already exists"));
        return Ok(9);
    }
    if let Some(wanted) = gid
        && !shared
        && databases.group_of(wanted).is_some()
    {
        if !force {
            context.warn(format_args!("GID '{wanted}' already exists"));
            return Ok(4);
        }
        gid = None;
    }
    let gid = match gid {
        Some(gid) => gid,
        None => ids::free(config, &databases, Kind::Group, system, None)?,
    };
    databases.add_group(name, gid);
    databases.save()?;
    Ok(0)
}

const MODIFY: &[Opt] = &[value('g', "gid"), value('n', "new-name"), flag('o', "non-unique")];

pub(crate) fn modify(context: &mut Context) -> Outcome {
    let parsed = args::parse(MODIFY, &context.args, Order::Permute)?;
    let [name] = parsed.operands.as_slice() else {
        context.warn("needs the name of a group");
        return Ok(2);
    };
    let (mut gid, mut new_name, mut shared) = (None, None, false);
    for option in &parsed.options {
        match option.name() {
            "g" => {
                gid = Some(
                    id(option.bytes()).ok_or_else(|| Stop::Fail(3, "invalid group ID".into()))?,
                )
            }
            "n" => new_name = Some(option.bytes().to_vec()),
            _ => shared = true,
        }
    }
    let shown = String::from_utf8_lossy(name).into_owned();
    let mut databases = Databases::open()?;
    let Some(line) = databases.group.find(name).cloned() else {
        context.warn(format_args!("group '{shown}' does not exist"));
        return Ok(6);
    };
    let old = line.get(2).cloned().unwrap_or_default();
    let gid = gid.filter(|gid| gid.to_string().as_bytes() != old);
    let new_name = new_name.filter(|new| new != name);
    if let Some(wanted) = gid
        && !shared
        && databases.group_of(wanted).is_some()
    {
        context.warn(format_args!("GID '{wanted}' already exists"));
        return Ok(4);
    }
    if let Some(new) = &new_name {
        if !ids::is_valid_name(new) {
            context.warn("invalid group name");
            return Ok(3);
        }
        if databases.group.find(new).is_some() {
            context.warn("the new name is taken");
            return Ok(9);
        }
    }
    if gid.is_none() && new_name.is_none() {
        return Ok(0);
    }
    if let Some(line) = databases.group.change(name)
        && let Some(gid) = gid
    {
        line[2] = gid.to_string().into_bytes();
    }
    if let Some(new) = &new_name {
        databases.group.rename(name, new);
        databases.gshadow.rename(name, new);
    }
    if let Some(gid) = gid {
        let mut changed = false;
        for line in &mut databases.passwd.lines {
            if line.get(3) == Some(&old) {
                line[3] = gid.to_string().into_bytes();
                changed = true;
            }
        }
        if changed {
            databases.passwd.touch();
        }
    }
    databases.save()?;
    Ok(0)
}

const DELETE: &[Opt] = &[flag('f', "force")];

pub(crate) fn delete(context: &mut Context) -> Outcome {
    let parsed = args::parse(DELETE, &context.args, Order::Permute)?;
    let [name] = parsed.operands.as_slice() else {
        context.warn("needs the name of a group");
        return Ok(2);
    };
    remove(context, name, !parsed.options.is_empty())
}

/// Removes a group that is nobody's primary group.
pub(crate) fn remove(context: &mut Context, name: &[u8], force: bool) -> Outcome {
    let shown = String::from_utf8_lossy(name).into_owned();
    let mut databases = Databases::open()?;
    let Some(line) = databases.group.find(name) else {
        context.warn(format_args!("group '{shown}' does not exist"));
        return Ok(6);
    };
    let gid = line.get(2).cloned();
    if !force && databases.passwd.lines.iter().any(|user| user.get(3) == gid.as_ref()) {
        context.warn(format_args!("cannot remove the primary group of a user: '{shown}'"));
        return Ok(8);
    }
    databases.group.remove(name);
    databases.gshadow.remove(name);
    databases.save()?;
    Ok(0)
}
