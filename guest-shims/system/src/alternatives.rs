//! dpkg's `update-alternatives`: which of several programs a name stands for.

mod group;

use std::io::{self, Write};

use shim::{
    Context, Outcome, Stop, native, paths,
    sys::{self, SetTime},
    time,
};

use group::{Choice, Group};

/// Where everything is.
struct Places {
    links: Vec<u8>,
    groups: Vec<u8>,
    log: Vec<u8>,
    quiet: bool,
}

/// A link that belongs to a choice: its name, where it is, what it leads to.
type Slave = [Vec<u8>; 3];

enum Action {
    Install { link: Vec<u8>, name: Vec<u8>, path: Vec<u8>, priority: i64, slaves: Vec<Slave> },
    Set { name: Vec<u8>, path: Vec<u8> },
    Auto { name: Vec<u8> },
}

pub(crate) fn main(context: &mut Context) -> Outcome {
    if !sys::stat(b"/var/lib/dpkg").is_ok_and(|stat| stat.is_dir()) {
        return Err(native("an update-alternatives that is not dpkg's"));
    }
    let (places, action) = read(&context.args)?;
    let name = match &action {
        Action::Install { name, .. } | Action::Set { name, .. } | Action::Auto { name } => name,
    };
    let file = paths::join(&places.groups, name);
    let known = match sys::read_small(&file) {
        Ok(text) => Some(
            Group::parse(&text).ok_or_else(|| native("a group of alternatives of another form"))?,
        ),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(native(sys::reason(&error))),
    };
    let place = paths::join(&places.links, name);
    let current = sys::readlink(&place).ok();
    if let (Some(current), Some(group)) = (&current, &known)
        && !group.choices.iter().any(|choice| choice.path == *current)
    {
        return Err(native("an alternative that somebody set by hand"));
    }
    let name = name.clone();
    let mut log = vec![[b"run with ", &context.args.join(&b' ')[..]].concat()];
    if let (Action::Set { path, .. }, Some(group)) = (&action, &known)
        && !group.choices.iter().any(|choice| choice.path == *path)
    {
        note(context, &places, &log)?;
        let [path, name] = [path, &name].map(|text| String::from_utf8_lossy(text));
        let message = format!("error: alternative {path} for {name} not registered; not setting");
        return Err(Stop::Fail(2, message));
    }
    let before = known.as_ref().map(|group| group.auto);
    let group = apply(action, known, &name)?;
    if before.is_some_and(|before| before != group.auto) {
        log.push([b"status of link group ", &group.link[..], b" set to ", group.status()].concat());
    }
    let chosen = match (&current, group.auto) {
        _ if group.wanted.is_some() => group.wanted.clone(),
        (Some(current), false) => Some(current.clone()),
        _ => group.best().map(|choice| choice.path.clone()),
    };
    let chosen = group
        .choices
        .iter()
        .find(|choice| Some(&choice.path) == chosen.as_ref())
        .ok_or_else(|| native("a group without alternatives"))?;
    if current.as_ref() != Some(&chosen.path) {
        if !places.quiet {
            let parts: [&[u8]; 7] = [
                b"update-alternatives: using ",
                &chosen.path,
                b" to provide ",
                &group.link,
                b" (",
                &name,
                b") in ",
            ];
            context.out.write_all(&parts.concat())?;
            context.out.write_all(&[group.status(), b" mode\n"].concat())?;
        }
        let parts: [&[u8]; 4] = [b"link group ", &name, b" updated to point to ", &chosen.path];
        log.push(parts.concat());
    }
    let fail = |error: io::Error| native(format!("update-alternatives: {}", sys::reason(&error)));
    link(&places, &name, &group.link, &chosen.path)?;
    for (slave, path) in group.slaves.iter().zip(&chosen.slaves) {
        if !path.is_empty() && sys::stat(path).is_ok() {
            link(&places, &slave.0, &slave.1, path)?;
            continue;
        }
        if !path.is_empty() {
            let [link, path] = [&slave.1, path].map(|text| String::from_utf8_lossy(text));
            let name = String::from_utf8_lossy(&name).into_owned();
            let text = format!(
                "update-alternatives: warning: skip creation of {link} because associated file {path} (of link group {name}) doesn't exist\n"
            );
            io::stderr().write_all(text.as_bytes())?;
        }
        let place = paths::join(&places.links, &slave.0);
        if sys::readlink(&slave.1).is_ok_and(|target| target == place) {
            sys::unlink(&slave.1).map_err(fail)?;
        }
        if sys::lstat(&place).is_ok_and(|stat| stat.is_symlink()) {
            sys::unlink(&place).map_err(fail)?;
        }
    }
    write(&file, &group.text()).map_err(fail)?;
    note(context, &places, &log)?;
    Ok(0)
}

fn read(args: &[Vec<u8>]) -> Result<(Places, Action), Stop> {
    let mut places = Places {
        links: b"/etc/alternatives".to_vec(),
        groups: b"/var/lib/dpkg/alternatives".to_vec(),
        log: b"/var/log/alternatives.log".to_vec(),
        quiet: false,
    };
    let mut action = None;
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut next =
            || args.next().cloned().ok_or_else(|| native("an option without its values"));
        match arg.as_slice() {
            b"--altdir" => places.links = next()?,
            b"--admindir" => places.groups = next()?,
            b"--log" => places.log = next()?,
            b"--quiet" => places.quiet = true,
            b"--install" => {
                let (link, name, path, priority) = (next()?, next()?, next()?, next()?);
                let priority = str::from_utf8(&priority).ok().and_then(|text| text.parse().ok());
                let priority = priority.ok_or_else(|| native("a priority of this form"))?;
                let slaves = Vec::new();
                action = Some(Action::Install { link, name, path, priority, slaves });
            }
            b"--slave" => {
                let (link, name, path) = (next()?, next()?, next()?);
                let Some(Action::Install { slaves, .. }) = &mut action else {
                    return Err(native("--slave without --install"));
                };
                slaves.push([name, link, path]);
            }
            b"--set" => action = Some(Action::Set { name: next()?, path: next()? }),
            b"--auto" => action = Some(Action::Auto { name: next()? }),
            _ => return Err(native(format!("option {}", String::from_utf8_lossy(arg)))),
        }
    }
    Ok((places, action.ok_or_else(|| native("update-alternatives without an action"))?))
}

/// The group as the action leaves it.
fn apply(action: Action, known: Option<Group>, name: &[u8]) -> Result<Group, Stop> {
    let shown = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
    match (action, known) {
        (Action::Install { link, path, priority, slaves, .. }, known) => {
            if sys::stat(&path).is_err() {
                let message = format!("error: alternative path {} doesn't exist", shown(&path));
                return Err(Stop::Fail(2, message));
            }
            let mut group = known.unwrap_or_else(|| Group::new(&link));
            let moved = group
                .slaves
                .iter()
                .any(|(name, at)| slaves.iter().any(|slave| slave[0] == *name && slave[1] != *at));
            if group.link != link || moved {
                return Err(native("an alternative whose link moves"));
            }
            let before = group.choices.iter().find(|choice| choice.path == path).cloned();
            group.add(path, priority, &slaves);
            let after = group
                .choices
                .iter()
                .find(|choice| Some(&choice.path) == before.as_ref().map(|before| &before.path));
            if before
                .as_ref()
                .zip(after)
                .is_some_and(|(before, after)| before.slaves != after.slaves)
            {
                return Err(native("an alternative whose further links change"));
            }
            Ok(group)
        }
        (_, None) => {
            let message = format!("error: no alternatives for {}", shown(name));
            Err(Stop::Fail(2, message))
        }
        (Action::Set { path, .. }, Some(mut group)) => {
            group.auto = false;
            group.wanted = Some(path);
            Ok(group)
        }
        (Action::Auto { .. }, Some(mut group)) => {
            group.auto = true;
            group.wanted = group.best().map(|choice: &Choice| choice.path.clone());
            Ok(group)
        }
    }
}

/// Makes the link of a name lead to a path, by way of the directory of alternatives.
fn link(places: &Places, name: &[u8], link: &[u8], path: &[u8]) -> Result<(), Stop> {
    let fail = |error: io::Error| native(format!("update-alternatives: {}", sys::reason(&error)));
    let place = paths::join(&places.links, name);
    if !sys::readlink(&place).is_ok_and(|target| target == path) {
        replace(path, &place, path).map_err(fail)?;
    }
    match sys::lstat(link) {
        Ok(stat) if stat.is_symlink() => {
            if sys::readlink(link).is_ok_and(|target| target == place) {
                return Ok(());
            }
        }
        Ok(_) => return Err(native("a file where an alternative's link belongs")),
        Err(_) => {}
    }
    replace(&place, link, path).map_err(fail)
}

/// Makes a link in one step; one that is new has the time of the file that it stands for.
fn replace(target: &[u8], link: &[u8], file: &[u8]) -> io::Result<()> {
    let new = [link, b".dpkg-tmp"].concat();
    let _ = sys::unlink(&new);
    let is_new = sys::stat(link).is_err();
    sys::symlink(target, &new)?;
    if is_new && let Ok(stat) = sys::stat(file) {
        let time = SetTime::To(stat.mtime);
        sys::utimens(&new, time, time, false)?;
    }
    sys::rename(&new, link)
}

fn write(file: &[u8], text: &[u8]) -> io::Result<()> {
    let new = [file, b".dpkg-tmp"].concat();
    sys::create(&new)?.write_all(text)?;
    sys::rename(&new, file)
}

fn note(context: &Context, places: &Places, lines: &[Vec<u8>]) -> Result<(), Stop> {
    time::require_utc(context)?;
    let stamp = time::format(b"%Y-%m-%d %H:%M:%S", sys::now())?;
    // Without the directory it keeps no log.
    let Ok(mut log) = sys::append(&places.log) else { return Ok(()) };
    for line in lines {
        let parts: [&[u8]; 5] = [b"update-alternatives ", &stamp, b": ", line, b"\n"];
        log.write_all(&parts.concat())?;
    }
    Ok(())
}
