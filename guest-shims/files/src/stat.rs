//! `stat` with a format.

use std::io::Write;

use shim::{
    Context, Outcome, Stop,
    args::{self, NO, Opt, Order, flag, value},
    escape::{self, Style},
    mode, native, number, paths,
    sys::{self, Stat, Time},
    time,
    users::Accounts,
};

const OPTIONS: &[Opt] = &[flag('L', "dereference"), value('c', "format"), value(NO, "printf")];

pub(crate) fn main(context: &mut Context) -> Outcome {
    let parsed = args::parse(OPTIONS, &context.args, Order::Permute)?;
    let mut follow = false;
    let mut format = None;
    for option in &parsed.options {
        match option.name() {
            "L" => follow = true,
            "c" => format = Some([option.bytes(), b"\n"].concat()),
            _ => format = Some(escape::unescape(option.bytes(), Style::Printf).0),
        }
    }
    let Some(format) = format else { return Err(native("stat without a format")) };
    if parsed.operands.is_empty() {
        context.warn("missing operand");
        return Ok(1);
    }
    let accounts = Accounts::read();
    let mut status = 0;
    for path in &parsed.operands {
        let stat = if follow { sys::stat(path) } else { sys::lstat(path) };
        match stat {
            Ok(stat) => {
                let shown = show(context, &format, path, &stat, &accounts)?;
                context.out.write_all(&shown)?;
            }
            Err(error) => {
                context.warn_path("cannot statx", path, &error);
                status = 1;
            }
        }
    }
    Ok(status)
}

fn show(
    context: &Context,
    format: &[u8],
    path: &[u8],
    stat: &Stat,
    accounts: &Accounts,
) -> Result<Vec<u8>, Stop> {
    let mut shown = Vec::new();
    let mut rest = format;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            shown.push(byte);
            continue;
        }
        let flags = rest.iter().take_while(|byte| b"-0#+ '".contains(byte)).count();
        let (flags, after) = rest.split_at(flags);
        let digits = after.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let width = number::decimal(&after[..digits]).and_then(|width| usize::try_from(width).ok());
        let Some((&letter, after)) = after[digits..].split_first() else {
            shown.push(b'%');
            break;
        };
        rest = after;
        let text = directive(context, letter, flags, path, stat, accounts)?;
        let missing = width.unwrap_or(0).saturating_sub(text.len());
        if flags.contains(&b'-') {
            shown.extend_from_slice(&text);
            shown.resize(shown.len() + missing, b' ');
        } else {
            let fill = if flags.contains(&b'0') { b'0' } else { b' ' };
            shown.resize(shown.len() + missing, fill);
            shown.extend_from_slice(&text);
        }
    }
    Ok(shown)
}

fn directive(
    context: &Context,
    letter: u8,
    flags: &[u8],
    path: &[u8],
    stat: &Stat,
    accounts: &Accounts,
) -> Result<Vec<u8>, Stop> {
    let human = |at: Time| {
        time::require_utc(context)?;
        time::format(b"%Y-%m-%d %H:%M:%S.%N %z", at)
    };
    let unknown = || b"UNKNOWN".to_vec();
    Ok(match letter {
        b'%' => b"%".to_vec(),
        b'n' => path.to_vec(),
        b'N' => {
            let mut shown = quote(path);
            if stat.is_symlink() {
                shown.extend_from_slice(b" -> ");
                shown.extend(quote(&sys::readlink(path)?));
            }
            shown
        }
        b'a' if flags.contains(&b'#') => {
            format!("{:#o}", stat.permissions()).replacen("0o", "0", 1).into()
        }
        b'a' => format!("{:o}", stat.permissions()).into(),
        b'A' => mode::describe(stat.mode).into(),
        b'f' => format!("{:x}", stat.mode).into(),
        b'F' => kind(stat).into(),
        b'u' => stat.uid.to_string().into(),
        b'g' => stat.gid.to_string().into(),
        b'U' => accounts.user_by_id(stat.uid).map_or_else(unknown, |user| user.name.clone()),
        b'G' => accounts.group_by_id(stat.gid).map_or_else(unknown, |group| group.name.clone()),
        b's' => stat.size.to_string().into(),
        b'h' => stat.nlink.to_string().into(),
        b'i' => stat.ino.to_string().into(),
        b'd' => stat.dev.to_string().into(),
        b't' => format!("{:x}", sys::major(stat.rdev)).into(),
        b'T' => format!("{:x}", sys::minor(stat.rdev)).into(),
        b'x' => human(stat.atime)?,
        b'y' => human(stat.mtime)?,
        b'z' => human(stat.ctime)?,
        b'X' => stat.atime.secs.to_string().into(),
        b'Y' => stat.mtime.secs.to_string().into(),
        b'Z' => stat.ctime.secs.to_string().into(),
        _ => return Err(native(format!("stat directive %{}", char::from(letter)))),
    })
}

/// GNU quotes the names of `%N` always.
fn quote(name: &[u8]) -> Vec<u8> {
    let quoted = paths::shell_quoted(name);
    if quoted == name { [b"'", name, b"'"].concat() } else { quoted }
}

fn kind(stat: &Stat) -> &'static str {
    match stat.kind() {
        sys::S_IFREG if stat.size == 0 => "regular empty file",
        sys::S_IFREG => "regular file",
        sys::S_IFDIR => "directory",
        sys::S_IFLNK => "symbolic link",
        sys::S_IFIFO => "fifo",
        sys::S_IFSOCK => "socket",
        sys::S_IFBLK => "block special file",
        sys::S_IFCHR => "character special file",
        _ => "weird file",
    }
}
