//! `id`, `whoami` and `groups`.

use std::io::Write;

use shim::{
    Context, Outcome, Stop,
    args::{self, Opt, Order, flag},
    native, sys,
    users::Accounts,
};

const OPTIONS: &[Opt] = &[
    flag('a', ""),
    flag('g', "group"),
    flag('G', "groups"),
    flag('n', "name"),
    flag('r', "real"),
    flag('u', "user"),
    flag('z', "zero"),
];

struct Identity {
    uid: u32,
    gid: u32,
    /// The primary group first.
    groups: Vec<u32>,
}

fn of_process(real: bool) -> Identity {
    let (uid, gid) = if real {
        (sys::real_uid(), sys::real_gid())
    } else {
        (sys::effective_uid(), sys::effective_gid())
    };
    let mut groups = vec![gid];
    for group in sys::groups() {
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    Identity { uid, gid, groups }
}

fn of_user(accounts: &Accounts, name: &[u8]) -> Option<Identity> {
    let by_id = || accounts.user_by_id(shim::users::id(name)?);
    let user = accounts.user(name).or_else(by_id)?;
    let mut groups = vec![user.gid];
    for group in &accounts.groups {
        if group.members.contains(&user.name) && !groups.contains(&group.gid) {
            groups.push(group.gid);
        }
    }
    Some(Identity { uid: user.uid, gid: user.gid, groups })
}

fn user_name(accounts: &Accounts, uid: u32) -> Option<Vec<u8>> {
    accounts.user_by_id(uid).map(|user| user.name.clone())
}

fn group_name(accounts: &Accounts, gid: u32) -> Option<Vec<u8>> {
    accounts.group_by_id(gid).map(|group| group.name.clone())
}

fn unknown(name: &[u8]) -> Stop {
    Stop::Fail(1, format!("'{}': no such user", String::from_utf8_lossy(name)))
}

pub(crate) fn id(context: &mut Context) -> Outcome {
    let parsed = args::parse(OPTIONS, &context.args, Order::Permute)?;
    let has = |name: &str| parsed.options.iter().any(|option| option.name() == name);
    let accounts = Accounts::read();
    let identities = if parsed.operands.is_empty() {
        vec![of_process(has("r"))]
    } else {
        let found = parsed
            .operands
            .iter()
            .map(|name| of_user(&accounts, name).ok_or_else(|| unknown(name)));
        found.collect::<Result<_, _>>()?
    };
    let is_second = |name: &Vec<u8>| {
        let user = accounts.user(name);
        user.is_some_and(|user| user_name(&accounts, user.uid).as_ref() != Some(name))
    };
    if parsed.operands.iter().any(is_second) {
        return Err(native("a user whose number another one has"));
    }
    let end: &[u8] = if has("z") { b"\0" } else { b"\n" };
    let mut status = 0;
    for identity in identities {
        let mut named = |name: Option<Vec<u8>>, id: u32| match name {
            Some(name) if has("n") => name,
            None if has("n") => {
                status = 1;
                id.to_string().into_bytes()
            }
            _ => id.to_string().into_bytes(),
        };
        let text = if has("u") {
            named(user_name(&accounts, identity.uid), identity.uid)
        } else if has("g") {
            named(group_name(&accounts, identity.gid), identity.gid)
        } else if has("G") {
            let groups = identity.groups.iter().map(|&gid| named(group_name(&accounts, gid), gid));
            groups.collect::<Vec<_>>().join(if has("z") { &b'\0' } else { &b' ' })
        } else {
            let mut identity = identity;
            if sys::is_busybox() && parsed.operands.is_empty() {
                // In the kernel's order, which need not start with the primary group.
                identity.groups = sys::groups();
            }
            whole(&accounts, &identity)
        };
        context.out.write_all(&text)?;
        context.out.write_all(end)?;
    }
    Ok(status)
}

fn whole(accounts: &Accounts, identity: &Identity) -> Vec<u8> {
    let show = |id: u32, name: Option<Vec<u8>>| match name {
        Some(name) => [id.to_string().as_bytes(), b"(", &name, b")"].concat(),
        None => id.to_string().into_bytes(),
    };
    let group = |gid: u32| show(gid, group_name(accounts, gid));
    let groups: Vec<Vec<u8>> = identity.groups.iter().map(|&gid| group(gid)).collect();
    [
        b"uid=",
        show(identity.uid, user_name(accounts, identity.uid)).as_slice(),
        b" gid=",
        &group(identity.gid),
        b" groups=",
        &groups.join(&b','),
    ]
    .concat()
}

pub(crate) fn whoami(context: &mut Context) -> Outcome {
    let uid = sys::effective_uid();
    match user_name(&Accounts::read(), uid) {
        Some(name) => {
            context.out.write_all(&name)?;
            context.out.write_all(b"\n")?;
            Ok(0)
        }
        None => {
            context.warn(format_args!("cannot find name for user ID {uid}"));
            Ok(1)
        }
    }
}

pub(crate) fn groups(context: &mut Context) -> Outcome {
    let parsed = args::parse(&[], &context.args, Order::Permute)?;
    let accounts = Accounts::read();
    let names = |identity: &Identity| -> Vec<u8> {
        let names = identity
            .groups
            .iter()
            .map(|&gid| group_name(&accounts, gid).unwrap_or_else(|| gid.to_string().into_bytes()));
        names.collect::<Vec<_>>().join(&b' ')
    };
    if parsed.operands.is_empty() {
        context.out.write_all(&names(&of_process(false)))?;
        context.out.write_all(b"\n")?;
    }
    for name in &parsed.operands {
        let identity = of_user(&accounts, name).ok_or_else(|| unknown(name))?;
        context.out.write_all(&[name.as_slice(), b" : ", &names(&identity), b"\n"].concat())?;
    }
    Ok(0)
}
