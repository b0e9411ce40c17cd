//! `getent passwd` and `getent group`.

use std::io::Write;

use shim::{Context, Outcome, native, sys};

/// The status of a key that is not there.
const NOT_FOUND: u8 = 2;

pub(crate) fn main(context: &mut Context) -> Outcome {
    let args = context.args.clone();
    let Some((database, keys)) = args.split_first() else {
        return Err(native("getent without a database"));
    };
    let file: &[u8] = match database.as_slice() {
        b"passwd" => b"/etc/passwd",
        b"group" => b"/etc/group",
        other => return Err(native(format!("getent {}", String::from_utf8_lossy(other)))),
    };
    if other_sources(database) {
        return Err(native("accounts that are not in files"));
    }
    let text = sys::read_small(file).unwrap_or_default();
    let lines = || text.split(|&byte| byte == b'\n').filter(|line| line.contains(&b':'));
    if keys.is_empty() {
        for line in lines() {
            context.out.write_all(&[line, b"\n"].concat())?;
        }
        return Ok(0);
    }
    let mut status = 0;
    for key in keys {
        let by_number = !key.is_empty() && key.iter().all(u8::is_ascii_digit);
        let wanted = usize::from(by_number) * 2;
        let found = lines().find(|line| {
            line.split(|&byte| byte == b':').nth(wanted).is_some_and(|field| field == key)
        });
        match found {
            Some(line) => context.out.write_all(&[line, b"\n"].concat())?,
            None => status = NOT_FOUND,
        }
    }
    Ok(status)
}

/// Whether `/etc/nsswitch.conf` names more than files for a database.
fn other_sources(database: &[u8]) -> bool {
    let text = sys::read_small(b"/etc/nsswitch.conf").unwrap_or_default();
    text.split(|&byte| byte == b'\n').any(|line| {
        let line = line.split(|&byte| byte == b'#').next().unwrap_or_default();
        let Some(sources) = line.strip_prefix(database).and_then(|rest| rest.strip_prefix(b":"))
        else {
            return false;
        };
        let known = |word: &[u8]| matches!(word, b"" | b"files" | b"compat" | b"systemd");
        !sources.split(u8::is_ascii_whitespace).all(known)
    })
}
