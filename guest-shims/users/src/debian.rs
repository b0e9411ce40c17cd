//! Debian's `adduser`, `addgroup`, `deluser` and `delgroup`, as of bookworm.

mod person;
mod remove;
mod system;

use std::io::Write;

use shim::{
    Context, Outcome, Stop,
    args::{self, NO, Opt, Order, Parsed, flag, value},
    native,
    regex::{Options, Regex},
    sys,
    users::{Accounts, id},
};

use crate::{config::Config, database::Databases, group, home};

const OPTIONS: &[Opt] = &[
    flag(NO, "add-extra-groups"),
    flag(NO, "allow-all-names"),
    flag(NO, "allow-bad-names"),
    flag(NO, "allow-badname"),
    value(NO, "comment"),
    value('c', "conf"),
    flag(NO, "disabled-login"),
    flag(NO, "disabled-password"),
    value(NO, "firstgid"),
    value(NO, "firstuid"),
    flag(NO, "force-badname"),
    value(NO, "gecos"),
    value(NO, "gid"),
    flag(NO, "group"),
    value(NO, "home"),
    value(NO, "ingroup"),
    value(NO, "lastgid"),
    value(NO, "lastuid"),
    flag(NO, "no-create-home"),
    flag('q', "quiet"),
    value(NO, "shell"),
    flag(NO, "system"),
    value(NO, "uid"),
    flag(NO, "verbose"),
];

/// The versions whose behaviour is known here.
const KNOWN: std::ops::RangeInclusive<u32> = 130..=137;

struct Adduser {
    parsed: Parsed,
    config: Config,
    login_defs: Config,
    verbose: bool,
}

pub(crate) fn main(context: &mut Context) -> Outcome {
    require_known_version()?;
    if context.name.starts_with("del") {
        return remove::main(context);
    }
    let parsed = args::parse(OPTIONS, &context.args, Order::Permute)?;
    let conf = parsed.options.iter().find(|option| option.name() == "c");
    let file = conf.map_or(&b"/etc/adduser.conf"[..], |option| option.bytes());
    let config = Config::assignments(file);
    for key in ["UID_POOL", "GID_POOL", "QUOTAUSER", "SETGID_HOME"] {
        if config.get(key).is_some_and(|value| !value.is_empty() && value != b"no") {
            return Err(native(format!("{key} in /etc/adduser.conf")));
        }
    }
    if sys::stat(b"/usr/local/sbin/adduser.local").is_ok() {
        return Err(native("adduser.local"));
    }
    if sys::effective_uid() != 0 {
        context.warn("Only root may add a user or group to the system.");
        return Ok(1);
    }
    let verbose = !parsed.options.iter().any(|option| option.name() == "q");
    let adduser = Adduser { parsed, config, login_defs: Config::login_defs(), verbose };
    adduser.run(context)
}

/// adduser changed its mind about homes, groups and modes over time.
fn require_known_version() -> Result<(), Stop> {
    let status = sys::read_small(b"/var/lib/dpkg/status").unwrap_or_default();
    let begin = b"Package: adduser\n";
    let at = status.windows(begin.len()).position(|window| window == begin);
    let version = at.and_then(|at| {
        let entry = &status[at..];
        let mut lines = entry.split(|&byte| byte == b'\n').take_while(|line| !line.is_empty());
        lines.find_map(|line| line.strip_prefix(b"Version: 3.").map(<[u8]>::to_vec))
    });
    let minor = version.and_then(|version| {
        let end = version.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(version.len());
        id(&version[..end])
    });
    match minor {
        Some(minor) if KNOWN.contains(&minor) => Ok(()),
        _ => Err(native("this version of Debian's adduser")),
    }
}

fn fail(message: String) -> Stop {
    Stop::Fail(1, message)
}

fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

impl Adduser {
    fn has(&self, name: &str) -> bool {
        self.parsed.options.iter().any(|option| option.long == name)
    }

    fn text(&self, name: &str) -> Option<&[u8]> {
        self.parsed
            .options
            .iter()
            .rev()
            .find(|option| option.long == name)
            .map(|option| option.bytes())
    }

    fn number(&self, option: &str, key: &str, default: u32) -> Result<u32, Stop> {
        match self.text(option) {
            Some(text) => id(text).ok_or_else(|| native(format!("--{option} with this value"))),
            None => Ok(self.config.number(key, default)),
        }
    }

    fn id(&self, option: &str) -> Result<Option<u32>, Stop> {
        self.text(option)
            .map(|text| id(text).ok_or_else(|| native(format!("--{option} with this value"))))
            .transpose()
    }

    fn say(&self, context: &mut Context, text: String) -> Result<(), Stop> {
        if self.verbose {
            writeln!(context.out, "{text}")?;
        }
        Ok(())
    }

    fn run(&self, context: &mut Context) -> Outcome {
        let system = self.has("system");
        let is_group = context.name == "addgroup";
        match self.parsed.operands.as_slice() {
            [user, group] if !is_group && !system && !self.has("group") => {
                self.join_group(context, user, group)
            }
            [name] => {
                let exclusive =
                    ["group", "ingroup", "gid"].into_iter().filter(|name| self.has(name)).count();
                if !is_group && exclusive > 1 {
                    return Err(fail(
                        "The --group, --ingroup, and --gid options are mutually exclusive.".into(),
                    ));
                }
                if self.text("home").is_some_and(|home| !home.starts_with(b"/")) {
                    return Err(fail("The home dir must be an absolute path.".into()));
                }
                self.check_name(name, system)?;
                lock()?;
                match (is_group || self.has("group") && !system, system) {
                    (true, system) => self.add_group(context, name, system),
                    (false, true) => self.add_system_user(context, name),
                    (false, false) => self.add_user(context, name),
                }
            }
            _ => {
                context.warn("Specify only one or two names.");
                Ok(1)
            }
        }
    }

    fn check_name(&self, name: &[u8], system: bool) -> Result<(), Stop> {
        let refused =
            || fail("Please enter a username matching the configured regular expression.".into());
        let bad = |&byte: &u8| b":,/".contains(&byte) || byte.is_ascii_whitespace();
        let digits = name.iter().all(u8::is_ascii_digit);
        if digits || name.len() > 32 || b"-+~".contains(&name[0]) || name.iter().any(bad) {
            return Err(refused());
        }
        let (key, default): (_, &[u8]) = if system {
            ("SYS_NAME_REGEX", b"^[a-z_][a-z0-9_-]*\\$?$")
        } else {
            ("NAME_REGEX", b"^[a-z][a-z0-9_-]*\\$?$")
        };
        let pattern = self.config.get(key).unwrap_or(default);
        let options = Options { extended: true, ..Options::default() };
        let matches = Regex::new(pattern, options).and_then(|regex| regex.is_match(name));
        if matches.map_err(|error| native(error.to_string()))? {
            return Ok(());
        }
        if ["allow-bad-names", "allow-badname", "force-badname", "allow-all-names"]
            .into_iter()
            .any(|name| self.has(name))
        {
            return Err(native("a questionable name"));
        }
        Err(refused())
    }

    fn join_group(&self, context: &mut Context, user: &[u8], group: &[u8]) -> Outcome {
        let accounts = Accounts::read();
        let (user_text, group_text) = (shown(user), shown(group));
        if accounts.user(user).is_none() {
            return Err(fail(format!("The user `{user_text}' does not exist.")));
        }
        let Some(found) = accounts.group(group) else {
            return Err(fail(format!("The group `{group_text}' does not exist.")));
        };
        if found.members.iter().any(|member| member == user) {
            context.warn(format_args!(
                "The user `{user_text}' is already a member of `{group_text}'."
            ));
            return Ok(0);
        }
        lock()?;
        self.say(context, format!("Adding user `{user_text}' to group `{group_text}' ..."))?;
        let mut databases = Databases::open()?;
        databases.add_member(group, user);
        databases.save()?;
        self.say(context, "Done.".into())?;
        Ok(0)
    }

    fn free_gid(&self, accounts: &Accounts, (min, max): (u32, u32)) -> Result<u32, Stop> {
        let free = (min..=max).find(|&gid| accounts.group_by_id(gid).is_none());
        free.ok_or_else(|| fail(format!("No GID is available in the range {min}-{max}.")))
    }

    fn system_range(&self, kind: &str) -> Result<(u32, u32), Stop> {
        let upper = kind.to_ascii_uppercase();
        Ok((
            self.number(&format!("first{kind}"), &format!("FIRST_SYSTEM_{upper}"), 100)?,
            self.number(&format!("last{kind}"), &format!("LAST_SYSTEM_{upper}"), 999)?,
        ))
    }

    fn range(&self, kind: &str) -> Result<(u32, u32), Stop> {
        let upper = kind.to_ascii_uppercase();
        Ok((
            self.number(&format!("first{kind}"), &format!("FIRST_{upper}"), 1000)?,
            self.number(&format!("last{kind}"), &format!("LAST_{upper}"), 59_999)?,
        ))
    }

    fn add_group(&self, context: &mut Context, name: &[u8], system: bool) -> Outcome {
        let accounts = Accounts::read();
        let gid = self.id("gid")?;
        let text = shown(name);
        if let Some(there) = accounts.group(name) {
            if system && self.is_system_gid(there.gid) {
                self.say(
                    context,
                    format!("The group `{text}' already exists as a system group. Exiting."),
                )?;
                return Ok(0);
            }
            return Err(fail(format!("The group `{text}' already exists.")));
        }
        let gid = match gid {
            Some(gid) if accounts.group_by_id(gid).is_some() => {
                return Err(fail(format!("The GID `{gid}' is already in use.")));
            }
            Some(gid) => gid,
            None => self.free_gid(
                &accounts,
                if system { self.system_range("gid")? } else { self.range("gid")? },
            )?,
        };
        self.say(context, format!("Adding group `{text}' (GID {gid}) ..."))?;
        let status =
            group::make(context, &self.login_defs, name, Some(gid), (false, false, false))?;
        if status != 0 {
            return Ok(1);
        }
        self.say(context, "Done.".into())?;
        Ok(0)
    }

    fn is_system_gid(&self, gid: u32) -> bool {
        let (min, max) = (
            self.config.number("FIRST_SYSTEM_GID", 100),
            self.config.number("LAST_SYSTEM_GID", 999),
        );
        (min..=max).contains(&gid)
    }

    fn create_home(
        &self,
        context: &mut Context,
        home: &[u8],
        owner: home::Owner,
        skeleton: bool,
    ) -> Result<(), Stop> {
        let text = shown(home);
        let nonexistent = home == b"/nonexistent" || home.starts_with(b"/nonexistent/");
        if nonexistent {
            return self.say(context, format!("Not creating `{text}'."));
        }
        if self.has("no-create-home") {
            return self.say(context, format!("Not creating home directory `{text}'."));
        }
        if sys::stat(home).is_ok() {
            context.warn(format_args!(
                "The home directory `{text}' already exists.  Not touching this directory."
            ));
            return Ok(());
        }
        self.say(context, format!("Creating home directory `{text}' ..."))?;
        let (key, default) =
            if self.has("system") { ("SYS_DIR_MODE", "0755") } else { ("DIR_MODE", "0700") };
        let mode = self.config.get(key).unwrap_or(default.as_bytes());
        let mode =
            shim::mode::octal(mode).ok_or_else(|| native(format!("{key} in /etc/adduser.conf")))?;
        let from = self.config.get("SKEL").unwrap_or(b"/etc/skel").to_vec();
        system::make_home(home, mode, owner)
            .map_err(|error| fail(format!("{text}: {}", sys::reason(&error))))?;
        if skeleton {
            self.say(context, format!("Copying files from `{}' ...", shown(&from)))?;
            system::copy_skeleton(&from, home, owner)
                .map_err(|error| fail(format!("{text}: {}", sys::reason(&error))))?;
        }
        Ok(())
    }
}

/// adduser's own status for a failed tool.
fn one(stop: Stop) -> Stop {
    match stop {
        Stop::Fail(_, message) => Stop::Fail(1, message),
        other => other,
    }
}

/// The lock's file stays behind.
fn lock() -> Result<(), Stop> {
    sys::append(b"/run/adduser").map(drop).map_err(|error| {
        fail(format!("could not open lock file /run/adduser: {}", sys::reason(&error)))
    })
}
