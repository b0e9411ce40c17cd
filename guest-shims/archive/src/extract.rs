//! Extraction, with owners, modes and times.

use std::io::{self, Read, Write};

use shim::{
    BLOCK, Context, Stop, native, paths,
    sys::{self, SetTime},
    users::Accounts,
};

use crate::{
    header::{Header, Reader},
    tar::shown,
};

/// What a version of BusyBox decides.
const OTHER_OWNER: &str = "a symlink of another owner";

/// How to extract, and what is still to be done.
pub(crate) struct Extract {
    pub(crate) owner: bool,
    pub(crate) permissions: bool,
    pub(crate) numeric: bool,
    pub(crate) touch: bool,
    pub(crate) to_stdout: bool,
    pub(crate) verbose: bool,
    pub(crate) strip: usize,
    pub(crate) exclude: Vec<Vec<u8>>,
    /// As BusyBox's: modes as they are stored, and directories marked before they are filled.
    busybox: bool,
    accounts: Accounts,
    umask: u32,
    /// Directories get their attributes when nothing more is put into them.
    later: Vec<(Vec<u8>, Header)>,
}

impl Extract {
    pub(crate) fn new(root: bool, busybox: bool) -> Self {
        Self {
            owner: root,
            permissions: root,
            numeric: false,
            touch: false,
            to_stdout: false,
            verbose: false,
            strip: 0,
            exclude: Vec::new(),
            busybox,
            accounts: Accounts::read(),
            umask: sys::umask(),
            later: Vec::new(),
        }
    }

    /// The path that a name of the archive gets; nothing when it is not extracted.
    fn place(&self, name: &[u8]) -> Option<Vec<u8>> {
        let name = strip(name, self.strip)?;
        let begin = name.iter().position(|&byte| byte != b'/').unwrap_or(name.len());
        let path = name[begin..].to_vec();
        Some(if path.is_empty() { b".".to_vec() } else { path })
    }

    /// Extracts an entry; false when it failed.
    pub(crate) fn entry(
        &mut self,
        context: &mut Context,
        header: &Header,
        reader: &mut Reader,
    ) -> Result<bool, Stop> {
        let Some(path) = self.place(&header.name) else { return Ok(true) };
        if self.verbose && self.busybox && self.strip > 0 {
            return Err(native("BusyBox's tar -v with --strip-components"));
        }
        if self.verbose {
            context.out.write_all(&shown(header))?;
            context.out.write_all(b"\n")?;
        }
        if path.split(|&byte| byte == b'/').any(|part| part == b"..") {
            if self.busybox {
                return Err(native("a name with .."));
            }
            context
                .warn(format_args!("{}: Member name contains '..'", paths::quoted(&header.name)));
            return Ok(false);
        }
        if self.to_stdout {
            if matches!(header.kind, b'0' | 0 | b'7') {
                copy(reader, &mut context.out)?;
            }
            return Ok(true);
        }
        let trailing = header.name.ends_with(b"/") && matches!(header.kind, b'0' | 0);
        let result = match header.kind {
            b'5' => self.directory(&path, header),
            _ if trailing => self.directory(&path, header),
            b'0' | 0 | b'7' => self.file(&path, header, reader)?,
            b'1' => match self.place(&header.link) {
                Some(target) => self.make(&path, || sys::link(&target, &path, false)),
                None => Ok(()),
            },
            b'2' => self
                .make(&path, || sys::symlink(&header.link, &path))
                .and_then(|()| self.mark(&path, header, true)),
            b'3' | b'4' | b'6' => {
                let kind = match header.kind {
                    b'3' => sys::S_IFCHR,
                    b'4' => sys::S_IFBLK,
                    _ => sys::S_IFIFO,
                };
                let device = sys::makedev(header.major, header.minor);
                self.make(&path, || sys::mknod(&path, kind | 0o600, device))
                    .and_then(|()| self.mark(&path, header, false))
            }
            kind => return Err(native(format!("an entry of type '{}'", char::from(kind)))),
        };
        if let Err(error) = result {
            if error.to_string() == OTHER_OWNER {
                return Err(native("BusyBox's tar with a symlink of another owner"));
            }
            let shown = String::from_utf8_lossy(&path).into_owned();
            context.warn(format_args!("{shown}: Cannot extract: {}", sys::reason(&error)));
            return Ok(false);
        }
        Ok(true)
    }

    /// Makes something new, after what is in the way is gone and what leads there is made.
    fn make(&self, path: &[u8], make: impl Fn() -> io::Result<()>) -> io::Result<()> {
        // Twice at most: for missing directories, and for something in the way.
        for _ in 0..2 {
            match make() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => make_parents(path)?,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    if sys::lstat(path)?.is_dir() {
                        sys::rmdir(path)?;
                    } else {
                        sys::unlink(path)?;
                    }
                }
                result => return result,
            }
        }
        make()
    }

    fn file(
        &self,
        path: &[u8],
        header: &Header,
        reader: &mut Reader,
    ) -> Result<io::Result<()>, Stop> {
        let made = self.make(path, || sys::create_new(path, 0o600).map(drop));
        if let Err(error) = made {
            return Ok(Err(error));
        }
        let mut output = match sys::open_write(path) {
            Ok(output) => output,
            Err(error) => return Ok(Err(error)),
        };
        // An archive that ends early ends the command.
        copy(reader, &mut output)?;
        drop(output);
        Ok(self.mark(path, header, false))
    }

    fn directory(&mut self, path: &[u8], header: &Header) -> io::Result<()> {
        let path = paths::trim_slashes(path).to_vec();
        if !(path == b"." || sys::lstat(&path).is_ok_and(|stat| stat.is_dir())) {
            self.make(&path, || sys::mkdir(&path, 0o700))?;
        }
        if self.busybox {
            return self.mark(&path, header, false);
        }
        self.later.push((path, header.clone()));
        Ok(())
    }

    fn mark(&self, path: &[u8], header: &Header, link: bool) -> io::Result<()> {
        if self.owner {
            let by_name = |name: &[u8], found: Option<u32>| {
                found.filter(|_| !self.numeric && !name.is_empty())
            };
            let uid = by_name(&header.user, self.accounts.user(&header.user).map(|user| user.uid));
            let gid =
                by_name(&header.group, self.accounts.group(&header.group).map(|group| group.gid));
            let (uid, gid) = (uid.unwrap_or(header.uid), gid.unwrap_or(header.gid));
            if link && self.busybox && (uid, gid) != (0, 0) {
                // Some versions keep the owner, others do not.
                return Err(io::Error::other(OTHER_OWNER));
            }
            if link {
                sys::lchown(path, Some(uid), Some(gid))?;
            } else {
                sys::chown(path, Some(uid), Some(gid))?;
            }
        }
        if !link {
            let mode =
                if self.permissions { header.mode } else { header.mode & 0o777 & !self.umask };
            sys::chmod(path, mode)?;
        }
        if !(self.touch || link && self.busybox) {
            sys::utimens(path, SetTime::Now, SetTime::To(header.mtime), !link)?;
        }
        Ok(())
    }

    /// Gives the directories their attributes, the innermost first.
    pub(crate) fn finish(&mut self, context: &mut Context) -> bool {
        let mut done = true;
        for (path, header) in std::mem::take(&mut self.later).into_iter().rev() {
            if let Err(error) = self.mark(&path, &header, false) {
                let shown = String::from_utf8_lossy(&path).into_owned();
                context.warn(format_args!("{shown}: {}", sys::reason(&error)));
                done = false;
            }
        }
        done
    }
}

/// The name without its first components; nothing when it has no more than those.
fn strip(name: &[u8], count: usize) -> Option<&[u8]> {
    let mut rest = name;
    for _ in 0..count {
        let begin = rest.iter().position(|&byte| byte != b'/')?;
        let slash = rest[begin..].iter().position(|&byte| byte == b'/')?;
        rest = &rest[begin + slash..];
        let begin = rest.iter().position(|&byte| byte != b'/')?;
        rest = &rest[begin..];
    }
    Some(rest)
}

/// Makes the directories above a path that are not there.
pub(crate) fn make_parents(path: &[u8]) -> io::Result<()> {
    let mut at = 0;
    while let Some(slash) = path[at..].iter().position(|&byte| byte == b'/') {
        at += slash;
        if at > 0 {
            match sys::mkdir(&path[..at], 0o777) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        at += 1;
    }
    Ok(())
}

fn copy(from: &mut dyn Read, to: &mut dyn Write) -> Result<(), Stop> {
    let mut block = vec![0; BLOCK];
    loop {
        let len = from.read(&mut block)?;
        if len == 0 {
            return Ok(());
        }
        to.write_all(&block[..len])?;
    }
}
