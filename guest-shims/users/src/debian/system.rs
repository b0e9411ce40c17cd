//! System users, and home directories as adduser makes them.

use std::io;

use shim::{Context, Outcome, paths, sys, users::Accounts};

use super::{Adduser, fail, one, shown};
use crate::{
    group,
    home::{self, Owner},
    useradd::{self, NewUser},
};

impl Adduser {
    /// A user for a service.
    pub(super) fn add_system_user(&self, context: &mut Context, name: &[u8]) -> Outcome {
        let accounts = Accounts::read();
        let text = shown(name);
        let (uid, gid) = (self.id("uid")?, self.id("gid")?);
        let system_uids = self.config.number("FIRST_SYSTEM_UID", 100)
            ..=self.config.number("LAST_SYSTEM_UID", 999);
        if let Some(there) = accounts.user(name) {
            let same = uid.is_none_or(|uid| uid == there.uid);
            if same && system_uids.contains(&there.uid) {
                self.say(context, format!("The system user `{text}' already exists. Exiting."))?;
                return Ok(0);
            }
            return Err(fail(format!("The user `{text}' already exists.")));
        }
        if let Some(uid) = uid.filter(|&uid| accounts.user_by_id(uid).is_some()) {
            return Err(fail(format!("The UID {uid} is already in use.")));
        }
        let own_group = self.has("group");
        let named = self.text("ingroup");
        let gid_in_use = |gid: u32| accounts.group_by_id(gid).is_some();
        let mut make_group = false;
        let (free_uids, free_gids) = (self.system_range("uid")?, self.system_range("gid")?);
        let free_uid = || {
            let (min, max) = free_uids;
            let free = (min..=max).find(|&id| accounts.user_by_id(id).is_none());
            free.ok_or_else(|| fail(format!("No UID is available in the range {min}-{max}.")))
        };
        let group = if own_group {
            match accounts.group(name) {
                Some(there)
                    if !self.is_system_gid(there.gid) && there.gid != uid.unwrap_or(there.gid) =>
                {
                    return Err(fail(format!("The group `{text}' already exists.")));
                }
                Some(there) => there.gid,
                None => {
                    make_group = true;
                    match uid {
                        Some(uid) if gid_in_use(uid) => {
                            return Err(fail(format!("The GID {uid} is already in use.")));
                        }
                        Some(uid) => uid,
                        None => self.free_gid(&accounts, free_gids)?,
                    }
                }
            }
        } else if let Some(named) = named {
            let found = accounts.group(named).map(|group| group.gid);
            found.ok_or_else(|| fail(format!("The group `{}' does not exist.", shown(named))))?
        } else if let Some(gid) = gid {
            if !gid_in_use(gid) {
                return Err(fail(format!("The GID {gid} does not exist.")));
            }
            gid
        } else {
            NOGROUP
        };
        let uid = match uid {
            Some(uid) => uid,
            None => free_uid()?,
        };
        self.say(context, format!("Adding system user `{text}' (UID {uid}) ..."))?;
        if make_group {
            self.say(context, format!("Adding new group `{text}' (GID {group}) ..."))?;
            if group::make(context, &self.login_defs, name, Some(group), (false, false, false))?
                != 0
            {
                return Ok(1);
            }
        }
        let group_name = Accounts::read().group_by_id(group).map(|group| group.name.clone());
        let group_name =
            group_name.ok_or_else(|| fail(format!("The GID {group} does not exist.")))?;
        let shown_group = shown(&group_name);
        self.say(
            context,
            format!("Adding new user `{text}' (UID {uid}) with group `{shown_group}' ..."),
        )?;
        let home = self.text("home").unwrap_or(b"/nonexistent").to_vec();
        let mut user = NewUser::new(name);
        user.system = true;
        user.uid = Some(uid);
        user.group = Some(group_name);
        user.home = Some(home.clone());
        user.shell = Some(self.text("shell").unwrap_or(b"/usr/sbin/nologin").to_vec());
        useradd::add(context, &self.login_defs, user).map_err(one)?;
        if let Some(comment) = self.text("comment").or_else(|| self.text("gecos")) {
            self.comment(name, comment)?;
        }
        self.create_home(context, &home, Owner { uid, gid: group }, false)?;
        Ok(0)
    }
}

/// Debian's `nogroup`.
const NOGROUP: u32 = 65_534;

/// Makes a home directory and what leads to it.
pub(super) fn make_home(home: &[u8], mode: u32, owner: Owner) -> io::Result<()> {
    let mut path = Vec::new();
    for part in home.split(|&byte| byte == b'/').filter(|part| !part.is_empty()) {
        path.push(b'/');
        path.extend_from_slice(part);
        if !sys::stat(&path).is_ok_and(|stat| stat.is_dir()) {
            sys::mkdir(&path, 0o755)?;
        }
    }
    sys::chown(&path, Some(owner.uid), Some(owner.gid))?;
    sys::chmod(&path, mode)
}

/// Copies the skeleton, with modes but without times and without what package upgrades leave over.
pub(super) fn copy_skeleton(from: &[u8], to: &[u8], owner: Owner) -> io::Result<()> {
    for name in sys::read_dir(from)? {
        let leftover = [
            &b".dpkg-old"[..],
            b".dpkg-new",
            b".dpkg-dist",
            b".ucf-old",
            b".ucf-new",
            b".ucf-dist",
        ];
        if leftover.iter().any(|end| name.ends_with(end)) {
            continue;
        }
        let (from, to) = (paths::join(from, &name), paths::join(to, &name));
        let stat = sys::lstat(&from)?;
        if stat.is_symlink() {
            sys::symlink(&sys::readlink(&from)?, &to)?;
            sys::lchown(&to, Some(owner.uid), Some(owner.gid))?;
            continue;
        }
        if stat.is_dir() {
            sys::mkdir(&to, 0o700)?;
        } else {
            home::copy_file(&from, &to)?;
        }
        sys::chown(&to, Some(owner.uid), Some(owner.gid))?;
        sys::chmod(&to, stat.permissions())?;
        if stat.is_dir() {
            copy_skeleton(&from, &to, owner)?;
        }
    }
    Ok(())
}
