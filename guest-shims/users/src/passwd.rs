//! `passwd` for locks, and `gpasswd` for members.

use shim::{
    Context, Outcome, Stop,
    args::{self, Opt, Order, flag, value},
    native, sys,
};

use crate::database::{Databases, members};

const PASSWD: &[Opt] =
    &[flag('d', "delete"), flag('l', "lock"), flag('u', "unlock"), flag('q', "quiet")];

pub(crate) fn passwd(context: &mut Context) -> Outcome {
    let parsed = args::parse(PASSWD, &context.args, Order::Permute)?;
    if sys::is_busybox() {
        return Err(native("BusyBox's passwd"));
    }
    let has = |name: &str| parsed.options.iter().any(|option| option.name() == name);
    let [name] = parsed.operands.as_slice() else {
        return Err(native("a password that is asked for"));
    };
    if !(has("d") || has("l") || has("u")) {
        return Err(native("a password that is asked for"));
    }
    let mut databases = Databases::open()?;
    if databases.passwd.find(name).is_none() {
        context.warn(format_args!("user '{}' does not exist", String::from_utf8_lossy(name)));
        return Ok(1);
    }
    let Some(line) = databases.shadow.change(name) else {
        return Err(native("a user without a line in /etc/shadow"));
    };
    if has("d") {
        line[1].clear();
    }
    if has("u") {
        if line[1] == b"!" {
            context.warn("unlocking the password would result in a passwordless account.");
            return Ok(3);
        }
        if line[1].starts_with(b"!") {
            line[1].remove(0);
        }
    }
    if has("l") && !line[1].starts_with(b"!") {
        line[1].insert(0, b'!');
    }
    if has("d") {
        line[2] = crate::useradd::today().to_string().into_bytes();
    }
    databases.save()?;
    if !has("q") {
        use std::io::Write;
        writeln!(context.out, "passwd: password changed.")?;
    }
    Ok(0)
}

const GPASSWD: &[Opt] = &[value('a', "add"), value('d', "delete"), value('M', "members")];

pub(crate) fn gpasswd(context: &mut Context) -> Outcome {
    use std::io::Write;
    let parsed = args::parse(GPASSWD, &context.args, Order::Permute)?;
    let ([group], [option]) = (parsed.operands.as_slice(), parsed.options.as_slice()) else {
        return Err(native("gpasswd with other than one option and one group"));
    };
    let shown = String::from_utf8_lossy(group).into_owned();
    let mut databases = Databases::open()?;
    let Some(line) = databases.group.find(group).cloned() else {
        context.warn(format_args!("group '{shown}' does not exist in /etc/group"));
        return Ok(3);
    };
    let users = match option.name() {
        "M" => option.bytes().split(|&byte| byte == b',').filter(|name| !name.is_empty()).collect(),
        _ => vec![option.bytes()],
    };
    if option.name() != "d"
        && let Some(unknown) = users.iter().find(|user| databases.passwd.find(user).is_none())
    {
        context.warn(format_args!("user '{}' does not exist", String::from_utf8_lossy(unknown)));
        return Ok(3);
    }
    let who = String::from_utf8_lossy(option.bytes()).into_owned();
    match option.name() {
        "M" => set_members(&mut databases, group, &users),
        "a" => {
            writeln!(context.out, "Adding user {who} to group {shown}")?;
            databases.add_member(group, option.bytes());
            touch(&mut databases, group);
        }
        _ => {
            writeln!(context.out, "Removing user {who} from group {shown}")?;
            if !members(line.get(3)).iter().any(|member| member == option.bytes()) {
                context.warn(format_args!("user '{who}' is not a member of '{shown}'"));
                return Ok(3);
            }
            databases.remove_member(group, option.bytes());
        }
    }
    databases.save()?;
    Ok(0)
}

/// `gpasswd` writes both files in any case.
fn touch(databases: &mut Databases, group: &[u8]) {
    let _ = databases.group.change(group);
    if databases.gshadow.exists() {
        let _ = databases.gshadow.change(group);
    }
}

/// Makes these the members of a group.
pub(crate) fn set_members(databases: &mut Databases, group: &[u8], users: &[&[u8]]) {
    for database in [&mut databases.group, &mut databases.gshadow] {
        if let Some(line) = database.change(group) {
            line.resize(4, Vec::new());
            line[3] = users.join(&b',');
        }
    }
}

/// A comment as `chfn` writes it: only the named fields change, four fields are always there.
pub(crate) fn change_comment(name: &[u8], given: &[(usize, &[u8])]) -> Result<(), Stop> {
    let mut databases = Databases::open()?;
    let Some(line) = databases.passwd.change(name) else {
        return Err(native("a user who is gone"));
    };
    let mut fields: Vec<Vec<u8>> =
        line[4].split(|&byte| byte == b',').map(<[u8]>::to_vec).collect();
    fields.resize(fields.len().max(4), Vec::new());
    for (field, text) in given {
        if *field >= fields.len() {
            fields.resize(*field + 1, Vec::new());
        }
        fields[*field] = text.to_vec();
    }
    line[4] = fields.join(&b',');
    databases.save()
}
