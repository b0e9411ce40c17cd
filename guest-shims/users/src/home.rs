//! Home directories, what is copied into them, and mail spools.

use std::{
    collections::HashMap,
    io::{self, Write},
};

use shim::{
    BLOCK, Context, Stop, paths,
    sys::{self, SetTime},
    users::Accounts,
};

use crate::config::Config;

/// Who owns what is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// Makes a home directory with the skeleton in it, unless it is there already.
pub(crate) fn create(
    context: &mut Context,
    config: &Config,
    home: &[u8],
    skeleton: &[u8],
    owner: Owner,
) -> Result<(), Stop> {
    if sys::stat(home).is_ok() {
        let shown = String::from_utf8_lossy(home).into_owned();
        context.warn(format_args!("warning: the home directory {shown} already exists."));
        return Ok(());
    }
    let mask = config.number("UMASK", 0o022);
    let mode = config.number("HOME_MODE", 0o777 & !mask);
    make_home(home, mode, owner)
        .and_then(|()| match sys::stat(skeleton) {
            Ok(stat) if stat.is_dir() => copy_tree(skeleton, home, owner, &mut HashMap::new()),
            _ => Ok(()),
        })
        .map_err(|error| {
            let shown = paths::quoted(home);
            Stop::Fail(12, format!("cannot create directory {shown}: {}", sys::reason(&error)))
        })
}

fn make_home(home: &[u8], mode: u32, owner: Owner) -> io::Result<()> {
    let mut path = Vec::new();
    for part in home.split(|&byte| byte == b'/').filter(|part| !part.is_empty()) {
        path.push(b'/');
        path.extend_from_slice(part);
        if sys::stat(&path).is_err() {
            sys::mkdir(&path, 0)?;
            sys::chown(&path, Some(0), Some(0))?;
            sys::chmod(&path, 0o755)?;
        }
    }
    sys::chown(&path, Some(owner.uid), Some(owner.gid))?;
    sys::chmod(&path, mode)
}

/// Copies what is in a directory, with modes and times, for another owner.
pub(crate) fn copy_tree(
    from: &[u8],
    to: &[u8],
    owner: Owner,
    links: &mut HashMap<(u64, u64), Vec<u8>>,
) -> io::Result<()> {
    for name in sys::read_dir(from)? {
        let (from, to) = (paths::join(from, &name), paths::join(to, &name));
        let stat = sys::lstat(&from)?;
        if stat.is_dir() {
            sys::mkdir(&to, 0o700)?;
            sys::chown(&to, Some(owner.uid), Some(owner.gid))?;
            sys::chmod(&to, stat.permissions())?;
            copy_tree(&from, &to, owner, links)?;
        } else if stat.is_symlink() {
            sys::symlink(&sys::readlink(&from)?, &to)?;
            sys::lchown(&to, Some(owner.uid), Some(owner.gid))?;
        } else {
            if stat.nlink > 1 {
                if let Some(first) = links.get(&(stat.dev, stat.ino)) {
                    sys::link(first, &to, false)?;
                    continue;
                }
                links.insert((stat.dev, stat.ino), to.clone());
            }
            if stat.is_file() {
                copy_file(&from, &to)?;
            } else {
                sys::mknod(&to, stat.mode & !0o7777, stat.rdev)?;
            }
            sys::chown(&to, Some(owner.uid), Some(owner.gid))?;
            sys::chmod(&to, stat.permissions())?;
        }
        let (access, modify) = (SetTime::To(stat.atime), SetTime::To(stat.mtime));
        sys::utimens(&to, access, modify, false)?;
    }
    Ok(())
}

/// Copies a regular file's contents.
pub(crate) fn copy_file(from: &[u8], to: &[u8]) -> io::Result<()> {
    use io::Read;
    let (mut input, mut output) = (sys::open(from)?, sys::create_new(to, 0o600)?);
    let mut block = vec![0; BLOCK];
    loop {
        let len = input.read(&mut block)?;
        if len == 0 {
            return Ok(());
        }
        output.write_all(&block[..len])?;
    }
}

/// Makes an empty mail spool.
pub(crate) fn create_mail(context: &mut Context, config: &Config, name: &[u8], owner: Owner) {
    let Some(dir) = config.get("MAIL_DIR") else { return };
    let spool = paths::join(dir, name);
    let mail = Accounts::read().group(b"mail").map(|group| group.gid);
    let (gid, mode) = mail.map_or((owner.gid, 0o600), |gid| (gid, 0o660));
    let made = sys::create_new(&spool, 0).and_then(|_| {
        sys::chown(&spool, Some(owner.uid), Some(gid))?;
        sys::chmod(&spool, mode)
    });
    if let Err(error) = made {
        context.warn(format_args!("Creating mailbox file: {}", sys::reason(&error)));
    }
}

/// Gives what one user or group has below a directory to another.
pub(crate) fn give_tree(
    dir: &[u8],
    uid: Option<(u32, u32)>,
    gid: Option<(u32, u32)>,
) -> io::Result<()> {
    let stat = sys::lstat(dir)?;
    let change = |pair: Option<(u32, u32)>, has: u32| {
        pair.filter(|(old, _)| *old == has).map(|(_, new)| new)
    };
    let (new_uid, new_gid) = (change(uid, stat.uid), change(gid, stat.gid));
    if new_uid.is_some() || new_gid.is_some() {
        sys::lchown(dir, new_uid, new_gid)?;
    }
    if stat.is_dir() {
        for name in sys::read_dir(dir)? {
            give_tree(&paths::join(dir, &name), uid, gid)?;
        }
    }
    Ok(())
}

/// Removes a tree.
pub(crate) fn remove_tree(path: &[u8]) -> io::Result<()> {
    if sys::lstat(path)?.is_dir() {
        for name in sys::read_dir(path)? {
            remove_tree(&paths::join(path, &name))?;
        }
        return sys::rmdir(path);
    }
    sys::unlink(path)
}
