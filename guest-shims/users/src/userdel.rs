//! `userdel`.

use shim::{
    Context, Outcome, Stop,
    args::{self, Opt, Order, flag},
    paths, sys,
    users::id,
};

use crate::{
    config::Config,
    database::{Database, Databases, members},
    home,
};

const OPTIONS: &[Opt] = &[flag('f', "force"), flag('r', "remove")];

pub(crate) fn main(context: &mut Context) -> Outcome {
    let parsed = args::parse(OPTIONS, &context.args, Order::Permute)?;
    let [name] = parsed.operands.as_slice() else {
        context.warn("needs the name of a user");
        return Ok(2);
    };
    let has = |name: &str| parsed.options.iter().any(|option| option.name() == name);
    delete(context, name, has("r"), has("f"))
}

/// Removes a user, and with `remove` also the home directory and the mail spool.
pub(crate) fn delete(context: &mut Context, name: &[u8], remove: bool, force: bool) -> Outcome {
    let config = Config::login_defs();
    let mut databases = Databases::open()?;
    let shown = String::from_utf8_lossy(name).into_owned();
    let Some(line) = databases.passwd.find(name).cloned() else {
        context.warn(format_args!("user '{shown}' does not exist"));
        return Ok(6);
    };
    let home = line.get(5).cloned().unwrap_or_default();
    databases.passwd.remove(name);
    databases.shadow.remove(name);
    let groups: Vec<Vec<u8>> = databases.group.lines.iter().map(|line| line[0].clone()).collect();
    for group in groups {
        databases.remove_member(&group, name);
    }
    if config.is_yes("USERGROUPS_ENAB") {
        remove_own_group(context, &mut databases, name, line.get(3), force);
    }
    databases.save()?;
    for file in ["/etc/subuid", "/etc/subgid"] {
        let mut database = Database::read(file)?;
        database.remove(name);
        database.save()?;
    }
    if !remove {
        return Ok(0);
    }
    let mut status = 0;
    let uid = line.get(2).and_then(|uid| id(uid));
    if let Some(dir) = config.get("MAIL_DIR") {
        let spool = paths::join(dir, name);
        match sys::stat(&spool) {
            Ok(stat) if force || Some(stat.uid) == uid => {
                sys::unlink(&spool).map_err(Stop::Stream)?
            }
            Ok(_) => {
                context.warn(format_args!("{} not owned by {shown}", paths::quoted(&spool)));
                status = 12;
            }
            Err(_) => {
                let spool = String::from_utf8_lossy(&spool).into_owned();
                context.warn(format_args!("{shown} mail spool ({spool}) not found"));
            }
        }
    }
    match sys::stat(&home) {
        Err(_) => {
            let home = String::from_utf8_lossy(&home).into_owned();
            context.warn(format_args!("{shown} home directory ({home}) not found"));
        }
        Ok(stat) if !force && Some(stat.uid) != uid => {
            context
                .warn(format_args!("{} not owned by {shown}, not removing", paths::quoted(&home)));
            status = 12;
        }
        Ok(_) => {
            if let Err(error) = home::remove_tree(&home) {
                context.warn_path("error removing directory", &home, &error);
                status = 12;
            }
        }
    }
    Ok(status)
}

/// The group of the user's name goes too, unless somebody else uses it.
fn remove_own_group(
    context: &mut Context,
    databases: &mut Databases,
    name: &[u8],
    primary: Option<&Vec<u8>>,
    force: bool,
) {
    let Some(group) = databases.group.find(name) else { return };
    let shown = String::from_utf8_lossy(name).into_owned();
    let gid = group.get(2).cloned().unwrap_or_default();
    if Some(&gid) != primary {
        context.warn(format_args!(
            "group {shown} not removed because it is not the primary group of user {shown}."
        ));
        return;
    }
    if !members(group.get(3)).is_empty() {
        context.warn(format_args!("group {shown} not removed because it has other members."));
        return;
    }
    let shared = databases.passwd.lines.iter().any(|line| line.get(3) == Some(&gid));
    if shared && !force {
        context.warn(format_args!(
            "group {shown} is the primary group of another user and is not removed."
        ));
        return;
    }
    databases.group.remove(name);
    databases.gshadow.remove(name);
}
