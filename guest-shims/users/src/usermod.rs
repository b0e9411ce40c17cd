//! `usermod`.

use shim::{
    Context, Outcome, Stop,
    args::{self, Opt, Order, flag, value},
    native, paths, sys,
    users::id,
};

use crate::{
    config::Config,
    database::{Databases, members},
    home, ids,
    useradd::today,
};

const OPTIONS: &[Opt] = &[
    flag('a', "append"),
    value('c', "comment"),
    value('d', "home"),
    value('g', "gid"),
    value('G', "groups"),
    value('l', "login"),
    flag('L', "lock"),
    flag('m', "move-home"),
    flag('o', "non-unique"),
    value('p', "password"),
    value('s', "shell"),
    value('u', "uid"),
    flag('U', "unlock"),
];

#[derive(Default)]
struct Changes {
    append: bool,
    comment: Option<Vec<u8>>,
    home: Option<Vec<u8>>,
    group: Option<Vec<u8>>,
    groups: Option<Vec<Vec<u8>>>,
    login: Option<Vec<u8>>,
    lock: bool,
    unlock: bool,
    move_home: bool,
    not_unique: bool,
    password: Option<Vec<u8>>,
    shell: Option<Vec<u8>>,
    uid: Option<u32>,
}

pub(crate) fn main(context: &mut Context) -> Outcome {
    let parsed = args::parse(OPTIONS, &context.args, Order::Permute)?;
    let [name] = parsed.operands.as_slice() else {
        // A group is looked up as soon as its option is read.
        let databases = Databases::open()?;
        let group = parsed.options.iter().find(|option| option.name() == "g");
        if let Some(option) = group.filter(|option| databases.gid(option.bytes()).is_none()) {
            let group = String::from_utf8_lossy(option.bytes()).into_owned();
            return Err(Stop::Fail(6, format!("group '{group}' does not exist")));
        }
        context.warn("needs the name of a user");
        return Ok(2);
    };
    let mut changes = Changes::default();
    for option in &parsed.options {
        let text = || Some(option.bytes().to_vec());
        match option.name() {
            "a" => changes.append = true,
            "c" => changes.comment = text(),
            "d" => changes.home = text(),
            "g" => changes.group = text(),
            "G" => {
                let names =
                    option.bytes().split(|&byte| byte == b',').filter(|name| !name.is_empty());
                changes.groups = Some(names.map(<[u8]>::to_vec).collect());
            }
            "l" => changes.login = text(),
            "L" => changes.lock = true,
            "m" => changes.move_home = true,
            "o" => changes.not_unique = true,
            "p" => changes.password = text(),
            "s" if option.bytes().first().is_none_or(|first| b"/*".contains(first)) => {
                changes.shell = text();
            }
            "s" => return Err(Stop::Fail(3, "invalid shell".into())),
            "u" => {
                let uid =
                    id(option.bytes()).ok_or_else(|| Stop::Fail(3, "invalid user ID".into()))?;
                changes.uid = Some(uid);
            }
            _ => changes.unlock = true,
        }
    }
    if parsed.options.is_empty() {
        context.warn("no options");
        return Ok(2);
    }
    if changes.append && changes.groups.is_none() || changes.move_home && changes.home.is_none() {
        context.warn("-a needs -G, -m needs -d");
        return Ok(2);
    }
    apply(context, name, changes)
}

fn apply(context: &mut Context, name: &[u8], mut changes: Changes) -> Outcome {
    let shown = String::from_utf8_lossy(name).into_owned();
    let mut databases = Databases::open()?;
    let Some(line) = databases.passwd.find(name).cloned() else {
        context.warn(format_args!("user '{shown}' does not exist"));
        return Ok(6);
    };
    let [_, _, uid, gid, comment, old_home, shell] = line.as_slice() else {
        return Err(native("a broken line in /etc/passwd"));
    };
    let (Some(old_uid), Some(old_gid)) = (id(uid), id(gid)) else {
        return Err(native("a broken line in /etc/passwd"));
    };
    let unknown = |group: &[u8]| {
        Stop::Fail(6, format!("group '{}' does not exist", String::from_utf8_lossy(group)))
    };
    let mut new_gid = None;
    if let Some(group) = &changes.group {
        new_gid = Some(databases.gid(group).ok_or_else(|| unknown(group))?);
    }
    let mut groups = None;
    if let Some(names) = &changes.groups {
        let mut found = Vec::new();
        for group in names {
            let gid = databases.gid(group).ok_or_else(|| unknown(group))?;
            match databases.group.find(group) {
                Some(line) => found.push(line[0].clone()),
                None => found.extend(databases.group_of(gid).map(|line| line[0].clone())),
            }
        }
        groups = Some(found);
    }
    // What is as it was is no change.
    new_gid = new_gid.filter(|&gid| gid != old_gid);
    changes.uid = changes.uid.filter(|&uid| uid != old_uid);
    changes.home = changes.home.filter(|home| home != old_home);
    changes.shell = changes.shell.filter(|new| new != shell);
    changes.comment = changes.comment.filter(|new| new != comment);
    changes.login = changes.login.filter(|new| new != name);
    if let Some(uid) = changes.uid
        && !changes.not_unique
        && databases.user_of(uid).is_some()
    {
        context.warn(format_args!("UID '{uid}' already exists"));
        return Ok(4);
    }
    if let Some(login) = &changes.login {
        if !ids::is_valid_name(login) {
            context.warn("invalid user name");
            return Ok(3);
        }
        if databases.passwd.find(login).is_some() {
            context.warn("the new name is taken");
            return Ok(9);
        }
    }
    let any = [&changes.comment, &changes.home, &changes.shell, &changes.login, &changes.password];
    let any = any.into_iter().any(Option::is_some) || changes.uid.is_some() || new_gid.is_some();
    if !(any || groups.is_some() || changes.lock || changes.unlock) {
        use std::io::Write;
        context.out.write_all(b"usermod: no changes\n")?;
        return Ok(0);
    }
    change_lines(&mut databases, name, &changes, new_gid);
    if let Some(groups) = &groups {
        set_groups(&mut databases, name, groups, changes.append);
    }
    if let Some(login) = &changes.login {
        rename_member(&mut databases, name, login);
    }
    databases.save()?;
    follow_up(&changes, old_home, (old_uid, old_gid), new_gid, name)?;
    Ok(0)
}

fn change_lines(databases: &mut Databases, name: &[u8], changes: &Changes, gid: Option<u32>) {
    let in_passwd = changes.comment.is_some()
        || changes.home.is_some()
        || changes.shell.is_some()
        || changes.uid.is_some()
        || changes.login.is_some()
        || gid.is_some();
    let in_shadow = changes.password.is_some() || changes.lock || changes.unlock;
    if (in_shadow || changes.login.is_some())
        && let Some(line) = databases.shadow.change(name)
    {
        if let Some(password) = &changes.password {
            line[1].clone_from(password);
            line[2] = today().to_string().into_bytes();
        }
        if changes.lock && !line[1].starts_with(b"!") {
            line[1].insert(0, b'!');
        }
        if changes.unlock && line[1].starts_with(b"!") && line[1].len() > 1 {
            line[1].remove(0);
        }
    }
    if (in_passwd || in_shadow)
        && let Some(line) = databases.passwd.change(name)
    {
        let mut set = |field: usize, value: Option<Vec<u8>>| {
            if let Some(value) = value {
                line[field] = value;
            }
        };
        set(2, changes.uid.map(|uid| uid.to_string().into_bytes()));
        set(3, gid.map(|gid| gid.to_string().into_bytes()));
        set(4, changes.comment.clone());
        set(5, changes.home.clone());
        set(6, changes.shell.clone());
    }
    if let Some(login) = &changes.login {
        databases.passwd.rename(name, login);
        databases.shadow.rename(name, login);
    }
}

fn set_groups(databases: &mut Databases, user: &[u8], groups: &[Vec<u8>], append: bool) {
    for group in groups {
        databases.add_member(group, user);
    }
    if append {
        return;
    }
    let all: Vec<Vec<u8>> = databases.group.lines.iter().map(|line| line[0].clone()).collect();
    for group in all {
        if !groups.contains(&group) {
            databases.remove_member(&group, user);
        }
    }
}

fn rename_member(databases: &mut Databases, old: &[u8], new: &[u8]) {
    for database in [&mut databases.group, &mut databases.gshadow] {
        let mut changed = false;
        for line in &mut database.lines {
            let mut names = members(line.get(3));
            for member in &mut names {
                if member == old {
                    *member = new.to_vec();
                    changed = true;
                }
            }
            if let Some(list) = line.get_mut(3) {
                *list = names.join(&b',');
            }
        }
        if changed {
            database.touch();
        }
    }
}

/// What follows in the file system: the home moves, and its files change hands.
fn follow_up(
    changes: &Changes,
    old_home: &[u8],
    (old_uid, old_gid): (u32, u32),
    new_gid: Option<u32>,
    name: &[u8],
) -> Result<(), Stop> {
    let fail = |what: &str, error: &std::io::Error| {
        Stop::Fail(12, format!("{what}: {}", sys::reason(error)))
    };
    let mut home = old_home.to_vec();
    if let (true, Some(new)) = (changes.move_home, &changes.home) {
        if sys::stat(old_home).is_ok_and(|stat| stat.is_dir()) {
            if sys::stat(new).is_ok() {
                return Err(Stop::Fail(12, format!("directory {} exists", paths::quoted(new))));
            }
            sys::rename(old_home, new)
                .map_err(|error| fail("cannot move the home directory", &error))?;
            home.clone_from(new);
        }
    } else if let Some(new) = &changes.home {
        home.clone_from(new);
    }
    let (uid, gid) = (changes.uid.map(|new| (old_uid, new)), new_gid.map(|new| (old_gid, new)));
    if (uid.is_some() || gid.is_some()) && sys::lstat(&home).is_ok_and(|stat| stat.is_dir()) {
        home::give_tree(&home, uid, gid)
            .map_err(|error| fail("cannot change the home directory", &error))?;
    }
    let config = Config::login_defs();
    if let Some(dir) = config.get("MAIL_DIR") {
        let spool = paths::join(dir, name);
        if let (Some((old, new)), Ok(stat)) = (uid, sys::stat(&spool))
            && stat.uid == old
        {
            sys::chown(&spool, Some(new), None).map_err(|error| fail("mail spool", &error))?;
        }
        if let (Some(login), true) = (&changes.login, sys::stat(&spool).is_ok()) {
            sys::rename(&spool, &paths::join(dir, login))
                .map_err(|error| fail("mail spool", &error))?;
        }
    }
    Ok(())
}
