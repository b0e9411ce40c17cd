//! Users for people.

use shim::{Context, Outcome, Stop, native, paths, users::Accounts};

use super::{Adduser, fail, one, shown};
use crate::{
    database::{Databases, members},
    group, home,
    passwd::{change_comment, set_members},
    useradd::{self, NewUser},
};

impl Adduser {
    /// A user for a person.
    pub(super) fn add_user(&self, context: &mut Context, name: &[u8]) -> Outcome {
        let comment = self.text("comment").or_else(|| self.text("gecos"));
        let asks = !self.has("disabled-password") && !self.has("disabled-login");
        let Some(comment) = comment.filter(|_| !asks) else {
            return Err(native("a password or a comment that is asked for"));
        };
        if self.config.get("USERGROUPS").is_some_and(|value| !value.eq_ignore_ascii_case(b"yes"))
            || self.config.get("USERS_GID").is_some()
        {
            return Err(native("USERGROUPS or USERS_GID in /etc/adduser.conf"));
        }
        let accounts = Accounts::read();
        let text = shown(name);
        if accounts.user(name).is_some() {
            return Err(fail(format!("The user `{text}' already exists.")));
        }
        let (uid, gid) = (self.id("uid")?, self.id("gid")?);
        if let Some(uid) = uid.filter(|&uid| accounts.user_by_id(uid).is_some()) {
            return Err(fail(format!("The UID {uid} is already in use.")));
        }
        let named = self.text("ingroup");
        let own_group = named.is_none() && gid.is_none_or(|gid| gid == 0);
        let primary = match (named, gid) {
            (Some(group), _) => Some(
                accounts
                    .group(group)
                    .map(|group| group.gid)
                    .ok_or_else(|| fail(format!("The group `{}' does not exist.", shown(group))))?,
            ),
            (None, Some(gid)) if accounts.group_by_id(gid).is_none() => {
                return Err(fail(format!("The GID {gid} does not exist.")));
            }
            (None, gid) => gid,
        };
        if own_group && accounts.group(name).is_some() {
            return Err(fail(format!("The group `{text}' already exists.")));
        }
        if let Some(uid) = uid.filter(|&uid| own_group && accounts.group_by_id(uid).is_some()) {
            return Err(fail(format!("The GID {uid} is already in use.")));
        }
        let (min, max) = self.range("uid")?;
        let is_free = |id: u32| {
            accounts.user_by_id(id).is_none()
                && (named.is_some() || accounts.group_by_id(id).is_none())
        };
        let uid = match uid {
            Some(uid) => uid,
            None => (min..=max)
                .find(|&id| is_free(id))
                .ok_or_else(|| fail("No UID is available.".into()))?,
        };
        let primary = primary.unwrap_or(uid);
        self.say(context, format!("Adding user `{text}' ..."))?;
        if own_group {
            self.say(context, format!("Adding new group `{text}' ({primary}) ..."))?;
            if group::make(context, &self.login_defs, name, Some(primary), (false, false, false))?
                != 0
            {
                return Ok(1);
            }
        }
        let group = Accounts::read()
            .group_by_id(primary)
            .map_or_else(String::new, |group| shown(&group.name));
        self.say(
            context,
            format!("Adding new user `{text}' ({uid}) with group `{group} ({primary})' ..."),
        )?;
        let home = self.home(name, group.as_bytes());
        let default_shell: &[u8] = if self.has("disabled-login") {
            b"/usr/sbin/nologin"
        } else {
            self.config.get("DSHELL").unwrap_or(b"/bin/bash")
        };
        let mut user = NewUser::new(name);
        user.uid = Some(uid);
        user.group = Some(primary.to_string().into_bytes());
        user.home = Some(home.clone());
        user.shell = Some(self.text("shell").unwrap_or(default_shell).to_vec());
        useradd::add(context, &self.login_defs, user).map_err(one)?;
        self.create_home(context, &home, home::Owner { uid, gid: primary }, true)?;
        self.comment(name, comment)?;
        self.supplement(context, name)?;
        Ok(0)
    }

    fn home(&self, name: &[u8], group: &[u8]) -> Vec<u8> {
        if let Some(home) = self.text("home") {
            return home.to_vec();
        }
        let mut home = self.config.get("DHOME").unwrap_or(b"/home").to_vec();
        if self.config.is_yes("GROUPHOMES") {
            home = paths::join(&home, group);
        }
        if self.config.is_yes("LETTERHOMES") {
            home = paths::join(&home, &name[..1]);
        }
        paths::join(&home, name)
    }

    /// Each field of a comment between commas is a call of `chfn`, and so a backup of its own.
    pub(super) fn comment(&self, name: &[u8], comment: &[u8]) -> Result<(), Stop> {
        if !comment.contains(&b',') {
            return change_comment(name, &[(0, comment)]);
        }
        let mut parts: Vec<&[u8]> = comment.split(|&byte| byte == b',').collect();
        // Perl's split drops empty fields at the end.
        while parts.last().is_some_and(|part| part.is_empty()) {
            parts.pop();
        }
        let part = |at: usize| parts.get(at).copied();
        change_comment(
            name,
            &[(0, part(0).unwrap_or_default()), (1, part(1).unwrap_or_default())],
        )?;
        for at in 2..5 {
            if let Some(part) = part(at) {
                change_comment(name, &[(at, part)])?;
            }
        }
        Ok(())
    }

    /// The groups that every new user joins.
    fn supplement(&self, context: &mut Context, name: &[u8]) -> Result<(), Stop> {
        let mut groups = vec![self.config.get("USERS_GROUP").unwrap_or(b"users").to_vec()];
        let extra = self.config.get("ADD_EXTRA_GROUPS").is_some_and(|value| value != b"0");
        if extra || self.has("add-extra-groups") {
            let list = self.config.get("EXTRA_GROUPS").unwrap_or(b"users");
            groups.extend(
                list.split(u8::is_ascii_whitespace)
                    .filter(|name| !name.is_empty())
                    .map(<[u8]>::to_vec),
            );
        }
        let (text, list) = (shown(name), shown(&groups.join(&b", "[..])));
        self.say(
            context,
            format!("Adding new user `{text}' to supplemental / extra groups `{list}' ..."),
        )?;
        for group in &groups {
            let mut databases = Databases::open()?;
            let Some(line) = databases.group.find(group) else {
                context.warn(format_args!("The group `{}' does not exist.", shown(group)));
                continue;
            };
            let mut users = members(line.get(3));
            if users.iter().any(|user| user == name) {
                continue;
            }
            self.say(context, format!("Adding user `{text}' to group `{}' ...", shown(group)))?;
            users.push(name.to_vec());
            let users: Vec<&[u8]> = users.iter().map(Vec::as_slice).collect();
            set_members(&mut databases, group, &users);
            databases.save()?;
        }
        Ok(())
    }
}
