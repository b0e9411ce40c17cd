//! `chown` and `chgrp`.

use std::io::{self, Write};

use shim::{
    Context, Outcome, Stop,
    args::{self, NO, Opt, Order, flag, value},
    native, paths, sys,
    users::Accounts,
    walk_aloud,
};

const OPTIONS: &[Opt] = &[
    flag('R', "recursive"),
    flag('h', "no-dereference"),
    flag(NO, "dereference"),
    flag('f', "silent"),
    flag(NO, "quiet"),
    flag('v', "verbose"),
    flag('c', "changes"),
    flag('H', ""),
    flag('L', ""),
    flag('P', ""),
    flag(NO, "preserve-root"),
    flag(NO, "no-preserve-root"),
    value(NO, "from"),
    value(NO, "reference"),
];

#[derive(Default)]
struct Chown {
    uid: Option<u32>,
    gid: Option<u32>,
    from: (Option<u32>, Option<u32>),
    recursive: bool,
    follow: bool,
    walk_named: bool,
    walk_all: bool,
    quiet: bool,
    verbose: bool,
    changes: bool,
    group: bool,
    /// The new owner and group as they were given.
    given: (String, String),
    accounts: Accounts,
}

pub(crate) fn chown(context: &mut Context) -> Outcome {
    run(context, false)
}

pub(crate) fn chgrp(context: &mut Context) -> Outcome {
    run(context, true)
}

fn run(context: &mut Context, group: bool) -> Outcome {
    let parsed = args::parse(OPTIONS, &context.args, Order::Permute)?;
    let mut chown = Chown { group, follow: true, accounts: Accounts::read(), ..Chown::default() };
    let mut reference = None;
    let mut preserve_root = false;
    let mut explicit_follow = false;
    for option in &parsed.options {
        match option.name() {
            "R" => chown.recursive = true,
            "h" => chown.follow = false,
            "dereference" => (chown.follow, explicit_follow) = (true, true),
            "f" | "quiet" => chown.quiet = true,
            "v" => chown.verbose = true,
            "c" => chown.changes = true,
            "H" => (chown.walk_named, chown.walk_all) = (true, false),
            "L" => (chown.walk_named, chown.walk_all) = (true, true),
            "P" => (chown.walk_named, chown.walk_all) = (false, false),
            "preserve-root" => preserve_root = true,
            "no-preserve-root" => preserve_root = false,
            "reference" => reference = option.value.clone(),
            _ => {
                chown.from = chown
                    .accounts
                    .find_owner(option.bytes())
                    .map_err(|text| Stop::Fail(1, text))?;
            }
        }
    }
    if chown.recursive && !chown.walk_named {
        if explicit_follow {
            context.warn("-R --dereference requires either -H or -L");
            return Ok(1);
        }
        chown.follow = false;
    }
    let mut operands = parsed.operands;
    if let Some(reference) = reference {
        let stat = match sys::stat(&reference) {
            Ok(stat) => stat,
            Err(error) => {
                context.warn_path("failed to get attributes of", &reference, &error);
                return Ok(1);
            }
        };
        chown.uid = (!group).then_some(stat.uid);
        chown.gid = Some(stat.gid);
    } else if operands.is_empty() {
        context.warn("missing operand");
        return Ok(1);
    } else {
        let owner = operands.remove(0);
        chown.set_owner(&owner)?;
    }
    if operands.is_empty() {
        context.warn("missing operand after the owner");
        return Ok(1);
    }
    if preserve_root && operands.iter().any(|path| path == b"/") {
        return Err(native("--preserve-root"));
    }
    let mut status = 0;
    for path in &operands {
        if !chown.change(context, path, true)? {
            status = 1;
        }
    }
    Ok(status)
}

impl Chown {
    fn set_owner(&mut self, owner: &[u8]) -> Result<(), Stop> {
        if self.group {
            if owner.is_empty() && !sys::is_busybox() {
                return Ok(());
            }
            let unknown = || Stop::Fail(1, format!("invalid group: {}", paths::quoted(owner)));
            self.gid = Some(self.accounts.find_gid(owner).ok_or_else(unknown)?);
            self.given.1 = String::from_utf8_lossy(owner).into_owned();
        } else {
            if sys::is_busybox() && matches!(owner, b"" | b":") {
                let kind = if owner.is_empty() { "user" } else { "group" };
                return Err(Stop::Fail(1, format!("unknown {kind} ")));
            }
            let dotted = owner.contains(&b'.') && !owner.contains(&b':');
            if sys::is_busybox() && dotted && self.accounts.find_uid(owner).is_none() {
                return Err(native("an owner and a group with a dot between"));
            }
            let found = self.accounts.find_owner(owner).map_err(|text| Stop::Fail(1, text))?;
            (self.uid, self.gid) = found;
            let text = String::from_utf8_lossy(owner).into_owned();
            let (user, group) = text.split_once([':', '.']).unwrap_or((&text, ""));
            self.given = (user.to_owned(), group.to_owned());
        }
        Ok(())
    }

    fn change(&self, context: &mut Context, path: &[u8], named: bool) -> Result<bool, Stop> {
        let fail = |context: &mut Context, what: &str, error: &io::Error| {
            if !self.quiet {
                context.warn_path(what, path, error);
            }
        };
        let link = match sys::lstat(path) {
            Ok(stat) => stat,
            Err(error) => {
                fail(context, "cannot access", &error);
                return Ok(false);
            }
        };
        let through = link.is_symlink() && (self.walk_all || named && self.walk_named);
        let stat = if link.is_symlink() && (self.follow || through) {
            match sys::stat(path) {
                Ok(stat) => stat,
                Err(error) => {
                    fail(context, "cannot dereference", &error);
                    return Ok(false);
                }
            }
        } else {
            link
        };
        let mut done = true;
        if self.recursive && (link.is_dir() || through && stat.is_dir()) {
            match sys::read_dir(path) {
                Ok(names) => {
                    walk_aloud(self.verbose || self.changes, &names)?;
                    for name in names {
                        done &= self.change(context, &paths::join(path, &name), false)?;
                    }
                }
                Err(error) => {
                    fail(context, "cannot read directory", &error);
                    done = false;
                }
            }
        }
        // The contents first, as the tools do.
        let wanted = self.from.0.is_none_or(|uid| uid == stat.uid)
            && self.from.1.is_none_or(|gid| gid == stat.gid);
        if wanted {
            let call = if self.follow { sys::chown } else { sys::lchown };
            match call(path, self.uid, self.gid) {
                Ok(()) => self.report(context, path, &stat)?,
                Err(error) => {
                    let what =
                        if self.group { "changing group of" } else { "changing ownership of" };
                    fail(context, what, &error);
                    done = false;
                }
            }
        }
        Ok(done)
    }

    fn report(&self, context: &mut Context, path: &[u8], old: &sys::Stat) -> io::Result<()> {
        let (uid, gid) = (self.uid.unwrap_or(old.uid), self.gid.unwrap_or(old.gid));
        let changed = uid != old.uid || gid != old.gid;
        if !(self.verbose || self.changes && changed) {
            return Ok(());
        }
        let user = |uid: u32| match self.accounts.user_by_id(uid) {
            Some(user) => String::from_utf8_lossy(&user.name).into_owned(),
            None => uid.to_string(),
        };
        let group = |gid: u32| match self.accounts.group_by_id(gid) {
            Some(group) => String::from_utf8_lossy(&group.name).into_owned(),
            None => gid.to_string(),
        };
        let show = |uid: u32, gid: u32| {
            if self.group {
                group(gid)
            } else if self.gid.is_some() {
                format!("{}:{}", user(uid), group(gid))
            } else {
                user(uid)
            }
        };
        let what = if self.group { "group" } else { "ownership" };
        let (shown, from, to) =
            (paths::quoted(path), show(old.uid, old.gid), self.wanted(show(uid, gid)));
        if changed {
            let word = if self.group { "changed group" } else { "changed ownership" };
            writeln!(context.out, "{word} of {shown} from {from} to {to}")
        } else {
            writeln!(context.out, "{what} of {shown} retained as {to}")
        }
    }

    /// How the new owner is shown: as it was given, where it was.
    fn wanted(&self, known: String) -> String {
        match (&self.given.0, &self.given.1) {
            (user, group) if user.is_empty() && group.is_empty() => known,
            (user, group) if user.is_empty() => {
                if self.group {
                    group.clone()
                } else {
                    known
                }
            }
            (user, group) if group.is_empty() => {
                if self.gid.is_some() {
                    known
                } else {
                    user.clone()
                }
            }
            (user, group) => format!("{user}:{group}"),
        }
    }
}
