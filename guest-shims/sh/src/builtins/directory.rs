//! `cd`, `pwd`, `umask`.

use super::put;
use crate::state::{Done, Shell};
use kiln_guest_abi::{error, file, process};
use kiln_sh_syntax::Dialect;

pub(super) fn cd(shell: &mut Shell, words: &[Vec<u8>]) -> Done {
    let (options, rest) = super::options::read(shell, words, b"LP")?;
    let physical = options.last().is_some_and(|(letter, _)| *letter == b'P');
    if rest.len() > 1 && shell.dialect == Dialect::Bash {
        shell.needs_native("cd with several operands");
    }
    let mut shows = false;
    let target = match rest.first().map(Vec::as_slice) {
        None => match shell.get(b"HOME") {
            Some(home) => home,
            None => return Ok(0),
        },
        Some(b"-") => {
            shows = true;
            let Some(old) = shell.get(b"OLDPWD") else {
                return fail(shell, b"-", "OLDPWD not set");
            };
            old
        }
        Some(target) => target.to_vec(),
    };
    if target.is_empty() {
        return Ok(0);
    }
    let own = target.starts_with(b"/")
        || target.starts_with(b"./")
        || target.starts_with(b"../")
        || target == b"."
        || target == b"..";
    let mut places = vec![target.clone()];
    if let Some(list) = shell.get(b"CDPATH").filter(|list| !own && !list.is_empty()) {
        places = list
            .split(|&byte| byte == b':')
            .map(|place| match place {
                b"" => target.clone(),
                place => [place, b"/", &target].concat(),
            })
            .chain([target.clone()])
            .collect();
    }
    let mut failure = None;
    for place in places {
        match enter(shell, &place, physical) {
            Ok(path) => {
                let old = shell.get(b"PWD").unwrap_or_default();
                let said =
                    set(shell, b"OLDPWD", old).and_then(|()| set(shell, b"PWD", path.clone()));
                if let Err(why) = said {
                    return shell.fatal(&why);
                }
                if shows || place != target && !place.starts_with(b"./") {
                    return put(shell, "cd", &[&path[..], b"\n"].concat());
                }
                return Ok(0);
            }
            Err(why) => failure = Some(why),
        }
    }
    let why = failure.map_or_else(String::new, |error| error::text(&error));
    fail(shell, &target, &why)
}

fn set(shell: &mut Shell, name: &[u8], value: Vec<u8>) -> Result<(), String> {
    shell.set(name, value)?;
    if let Some(variable) = shell.variables.get_mut(name) {
        variable.exported = true;
    }
    Ok(())
}

fn fail(shell: &Shell, target: &[u8], why: &str) -> Done {
    let target = String::from_utf8_lossy(target);
    shell.complain(&format!("cd: can't cd to {target}: {why}"));
    Ok(if shell.dialect == Dialect::Bash { 1 } else { 2 })
}

/// Changes the directory; gives what `PWD` becomes.
fn enter(shell: &Shell, target: &[u8], physical: bool) -> std::io::Result<Vec<u8>> {
    if physical {
        process::set_current_dir(target)?;
        return process::current_dir();
    }
    let full = if target.starts_with(b"/") {
        target.to_vec()
    } else {
        [&shell.get(b"PWD").unwrap_or_default(), &b"/"[..], target].concat()
    };
    // `..` takes away the name before it, as spelled, which must exist.
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in full.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                if !parts.is_empty() && shell.dialect != Dialect::Dash {
                    file::stat(&[b"/", &parts.join(&b'/')[..]].concat())?;
                }
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    // Two slashes at the start, and no more than two, are kept.
    let two =
        full.starts_with(b"//") && full.get(2) != Some(&b'/') && shell.dialect == Dialect::Dash;
    let root: &[u8] = if two { b"//" } else { b"/" };
    let path = [root, &parts.join(&b'/')[..]].concat();
    process::set_current_dir(&path)?;
    Ok(path)
}

pub(super) fn pwd(shell: &mut Shell, words: &[Vec<u8>]) -> Done {
    let (options, _) = super::options::read(shell, words, b"LP")?;
    let physical = options.last().is_some_and(|(letter, _)| *letter == b'P');
    let path = if physical { process::current_dir().ok() } else { shell.get(b"PWD") };
    let path = path.or_else(|| process::current_dir().ok()).unwrap_or_default();
    put(shell, "pwd", &[&path[..], b"\n"].concat())
}

pub(super) fn umask(shell: &mut Shell, words: &[Vec<u8>]) -> Done {
    let old = process::umask(0);
    let _ = process::umask(old);
    let (options, rest) = super::options::read(shell, words, b"S")?;
    match rest.first().map(Vec::as_slice) {
        None if options.is_empty() => put(shell, "umask", format!("{old:04o}\n").as_bytes()),
        None => {
            let letters = |bits: u32| {
                [(4, 'r'), (2, 'w'), (1, 'x')]
                    .iter()
                    .filter(|(bit, _)| !bits & bit != 0)
                    .map(|(_, letter)| *letter)
                    .collect::<String>()
            };
            let (u, g, o) = (letters(old >> 6 & 7), letters(old >> 3 & 7), letters(old & 7));
            put(shell, "umask", format!("u={u},g={g},o={o}\n").as_bytes())
        }
        Some(text) if text.iter().all(|byte| matches!(byte, b'0'..=b'7')) && text.len() < 6 => {
            let new = text.iter().fold(0, |mask, digit| mask << 3 | u32::from(digit - b'0'));
            let _ = process::umask(new & 0o777);
            Ok(0)
        }
        Some(text) => match symbolic(text, !old & 0o777) {
            Some(allowed) => {
                let _ = process::umask(!allowed & 0o777);
                Ok(0)
            }
            None => {
                let text = String::from_utf8_lossy(text);
                shell.fatal(&format!("umask: Illegal mode: {text}"))
            }
        },
    }
}

/// `u=rwx,g-w,…` applied to the bits that are allowed.
fn symbolic(text: &[u8], mut allowed: u32) -> Option<u32> {
    for clause in text.split(|&byte| byte == b',') {
        let operator = clause.iter().position(|byte| matches!(byte, b'=' | b'+' | b'-'))?;
        let mut who = 0;
        for letter in &clause[..operator] {
            who |= match letter {
                b'u' => 0o700,
                b'g' => 0o070,
                b'o' => 0o007,
                b'a' => 0o777,
                _ => return None,
            };
        }
        let who = if who == 0 { 0o777 } else { who };
        let mut bits = 0;
        for letter in &clause[operator + 1..] {
            bits |= match letter {
                b'r' => 0o444,
                b'w' => 0o222,
                b'x' => 0o111,
                _ => return None,
            };
        }
        allowed = match clause[operator] {
            b'=' => allowed & !who | bits & who,
            b'+' => allowed | bits & who,
            _ => allowed & !(bits & who),
        };
    }
    Some(allowed)
}
