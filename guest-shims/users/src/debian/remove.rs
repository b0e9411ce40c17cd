//! `deluser` and `delgroup`.

use shim::{
    Context, Outcome, Stop,
    args::{self, NO, Opt, Order, flag},
    native,
    users::Accounts,
};

use super::{fail, shown};
use crate::{config::Config, database::Databases, group, userdel};

const OPTIONS: &[Opt] = &[
    flag('q', "quiet"),
    flag(NO, "system"),
    flag(NO, "only-if-empty"),
    flag(NO, "remove-home"),
    flag(NO, "group"),
];

pub(super) fn main(context: &mut Context) -> Outcome {
    let parsed = args::parse(OPTIONS, &context.args, Order::Permute)?;
    let has = |name: &str| parsed.options.iter().any(|option| option.long == name);
    let config = Config::assignments(b"/etc/deluser.conf");
    let set = |key: &str| config.get(key).is_some_and(|value| value != b"0" && !value.is_empty());
    if has("remove-home") || set("REMOVE_HOME") || set("REMOVE_ALL_FILES") || set("BACKUP") {
        return Err(native("deluser that removes files"));
    }
    let accounts = Accounts::read();
    let is_group = context.name == "delgroup" || has("group");
    super::lock()?;
    match (parsed.operands.as_slice(), is_group) {
        ([user, group], _) => leave_group(context, &accounts, user, group),
        ([name], true) => {
            let Some(found) = accounts.group(name) else {
                let text = format!("The group `{}' does not exist.", shown(name));
                return missing(context, has("system"), text, 3);
            };
            if let Some(user) = accounts.users.iter().find(|user| user.gid == found.gid) {
                let message = format!(
                    "`{}' still has `{}' as their primary group!",
                    shown(&user.name),
                    shown(name)
                );
                return Err(Stop::Fail(7, message));
            }
            if has("only-if-empty") && !found.members.is_empty() {
                return Err(Stop::Fail(5, format!("The group `{}' is not empty!", shown(name))));
            }
            group::remove(context, name, false)
        }
        ([name], false) => {
            if accounts.user(name).is_none() {
                let text = format!("The user `{}' does not exist.", shown(name));
                return missing(context, has("system"), text, 2);
            }
            userdel::delete(context, name, false, false)
        }
        _ => Err(native("deluser that asks for a name")),
    }
}

fn missing(context: &mut Context, system: bool, text: String, status: u8) -> Outcome {
    context.warn(text);
    Ok(if system { 0 } else { status })
}

fn leave_group(context: &mut Context, accounts: &Accounts, user: &[u8], group: &[u8]) -> Outcome {
    let Some(found) = accounts.user(user) else {
        return Err(Stop::Fail(2, format!("The user `{}' does not exist.", shown(user))));
    };
    let Some(there) = accounts.group(group) else {
        return Err(Stop::Fail(3, format!("The group `{}' does not exist.", shown(group))));
    };
    if found.gid == there.gid {
        return Err(Stop::Fail(7, "You may not remove the user from their primary group.".into()));
    }
    if !there.members.iter().any(|member| member == user) {
        let message =
            format!("The user `{}' is not a member of group `{}'.", shown(user), shown(group));
        return Err(Stop::Fail(6, message));
    }
    let mut databases = Databases::open()?;
    databases.remove_member(group, user);
    databases.save().map_err(|_| fail("cannot change the groups".into()))?;
    let _ = context;
    Ok(0)
}
