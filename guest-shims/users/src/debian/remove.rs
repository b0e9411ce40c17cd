//! `deluser` and `delgroup`.

use std::io::Write;

use shim::{
    Context, Outcome, Stop,
    args::{self, NO, Opt, Order, flag},
    native, sys,
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
    if sys::lstat(b"/usr/local/sbin/deluser.local").is_ok() {
        return Err(native("deluser with a deluser.local"));
    }
    let quiet = has("quiet");
    let accounts = Accounts::read();
    let is_group = context.name == "delgroup" || has("group");
    let known = match (parsed.operands.as_slice(), is_group) {
        ([name], true) => accounts.group(name).is_some(),
        ([name], false) => accounts.user(name).is_some(),
        _ => true,
    };
    if known {
        super::lock()?;
    }
    match (parsed.operands.as_slice(), is_group) {
        ([user, group], _) => leave_group(context, &accounts, user, group, quiet),
        ([name], true) => {
            let Some(found) = accounts.group(name) else {
                let text = format!("The group `{}' does not exist.", shown(name));
                return missing(context, has("system"), text, 3);
            };
            if has("system") || accounts.users.iter().any(|user| user.gid == found.gid) {
                return Err(native("delgroup of a group that may have to stay"));
            }
            if has("only-if-empty") && !found.members.is_empty() {
                return Err(Stop::Fail(5, format!("The group `{}' is not empty!", shown(name))));
            }
            say(context, quiet, &format!("Removing group `{}' ...", shown(name)))?;
            let status = group::remove(context, name, false)?;
            say(context, quiet || status != 0, "Done.")?;
            Ok(status)
        }
        ([name], false) => {
            if accounts.user(name).is_none() {
                let text = format!("The user `{}' does not exist.", shown(name));
                return missing(context, has("system"), text, 2);
            }
            if sys::lstat(b"/usr/bin/crontab").is_ok() {
                return Err(native("deluser of a user with a crontab"));
            }
            context.warn(
                "`/usr/bin/crontab' not executed. Skipping crontab removal. Package `cron' required.",
            );
            say(context, quiet, &format!("Removing user `{}' ...", shown(name)))?;
            let status = userdel::delete(context, name, false, false)?;
            say(context, quiet || status != 0, "Done.")?;
            Ok(status)
        }
        _ => Err(native("deluser that asks for a name")),
    }
}

fn missing(context: &mut Context, system: bool, text: String, status: u8) -> Outcome {
    context.warn(text);
    Ok(if system { 0 } else { status })
}

/// Tells on standard output what is done.
fn say(context: &mut Context, quiet: bool, text: &str) -> Result<(), Stop> {
    if !quiet {
        writeln!(context.out, "{text}")?;
    }
    Ok(())
}

fn leave_group(
    context: &mut Context,
    accounts: &Accounts,
    user: &[u8],
    group: &[u8],
    quiet: bool,
) -> Outcome {
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
    let text = format!("Removing user `{}' from group `{}' ...", shown(user), shown(group));
    say(context, quiet, &text)?;
    let mut databases = Databases::open()?;
    databases.remove_member(group, user);
    databases.save().map_err(|_| fail("cannot change the groups".into()))?;
    say(context, quiet, "Done.")?;
    Ok(0)
}
