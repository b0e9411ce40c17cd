//! Builtins about variables, options and positional parameters.

use super::{number, put, quote};
use crate::state::{Done, Flow, Shell, options};
use kiln_sh_syntax::{Dialect, is_name};

/// `export` and `readonly`.
pub(super) fn export(shell: &mut Shell, words: &[Vec<u8>]) -> Done {
    let exports = words[0] == b"export";
    let known: &[u8] = if shell.dialect == Dialect::Dash { b"p" } else { b"pn" };
    let (options, rest) = super::options::read(shell, words, known)?;
    let takes_back = options.iter().any(|(letter, _)| *letter == b'n');
    if rest.is_empty() {
        if shell.dialect == Dialect::Bash {
            shell.needs_native("a list of variables");
        }
        let mut text = Vec::new();
        for (name, variable) in &shell.variables {
            let shown = if exports { variable.exported } else { variable.readonly };
            if !shown {
                continue;
            }
            text.extend([&words[0][..], b" ", name].concat());
            if let Some(value) = &variable.value {
                text.extend([b"=", &quote(value)[..]].concat());
            }
            text.push(b'\n');
        }
        return put(shell, "export", &text);
    }
    for word in rest {
        let (name, value) = split(word);
        if !is_name(name) {
            let name = String::from_utf8_lossy(name).into_owned();
            let own = String::from_utf8_lossy(&words[0]).into_owned();
            return shell.fatal(&format!("{own}: {name}: bad variable name"));
        }
        if let Some(value) = value
            && let Err(why) = shell.set(name, value.to_vec())
        {
            return shell.fatal(&why);
        }
        let variable = shell.variables.entry(name.to_vec()).or_default();
        if exports {
            variable.exported = !takes_back;
        } else {
            variable.readonly = true;
        }
    }
    Ok(0)
}

/// `name=value`
fn split(word: &[u8]) -> (&[u8], Option<&[u8]>) {
    match word.iter().position(|&byte| byte == b'=') {
        Some(at) => (&word[..at], Some(&word[at + 1..])),
        None => (word, None),
    }
}

pub(super) fn local(shell: &mut Shell, words: &[Vec<u8>]) -> Done {
    if shell.locals.is_empty() {
        return shell.fatal("local: not in a function");
    }
    for word in &words[1..] {
        if word == b"-" {
            let options = shell.options;
            if let Some(scope) = shell.local_options.last_mut() {
                scope.get_or_insert(options);
            }
            continue;
        }
        if word.starts_with(b"-") && shell.dialect != Dialect::Dash {
            shell.needs_native("local with options");
        }
        let (name, value) = split(word);
        if !is_name(name) {
            let name = String::from_utf8_lossy(name).into_owned();
            return shell.fatal(&format!("local: {name}: bad variable name"));
        }
        let old = shell.variables.get(name).cloned();
        if let Some(scope) = shell.locals.last_mut()
            && scope.iter().all(|(known, _)| known != name)
        {
            scope.push((name.to_vec(), old));
        }
        match value {
            Some(value) => {
                if let Err(why) = shell.set(name, value.to_vec()) {
                    return shell.fatal(&why);
                }
            }
            // dash keeps the outer value, others start unset.
            None if shell.dialect != Dialect::Dash => {
                shell.variables.remove(name);
            }
            None => {}
        }
    }
    Ok(0)
}

/// Sets an option by its letter; false when there is none.
pub(crate) fn set_letter(shell: &mut Shell, letter: u8, on: bool) -> bool {
    match options(shell.dialect).find(|(known, ..)| *known == letter && letter != 0) {
        Some((_, _, place)) => {
            *shell.options.flag(place) = on;
            true
        }
        None => false,
    }
}

/// Sets an option by its name.
pub(crate) fn set_named(shell: &mut Shell, name: &[u8], on: bool) -> Result<(), Flow> {
    match options(shell.dialect).find(|(_, known, _)| known.as_bytes() == name) {
        Some((_, _, place)) => {
            *shell.options.flag(place) = on;
            Ok(())
        }
        _ if shell.dialect == Dialect::Bash && name != b"pipefail" => {
            shell.needs_native("an option of bash")
        }
        _ => shell.fatal(&format!("set: Illegal option -o {}", String::from_utf8_lossy(name))),
    }
}

pub(super) fn set(shell: &mut Shell, words: &[Vec<u8>]) -> Done {
    let mut rest = &words[1..];
    if rest.is_empty() {
        if shell.dialect == Dialect::Bash {
            shell.needs_native("a list of variables");
        }
        let mut text = Vec::new();
        for (name, variable) in &shell.variables {
            if let Some(value) = &variable.value {
                text.extend([&name[..], b"=", &quote(value), b"\n"].concat());
            }
        }
        return put(shell, "set", &text);
    }
    while let Some(word) = rest.first() {
        if word == b"--" {
            shell.replace_positional(rest[1..].to_vec());
            return Ok(0);
        }
        if word == b"-" {
            shell.options.xtrace = false;
            shell.options.verbose = false;
            if rest.len() > 1 {
                shell.replace_positional(rest[1..].to_vec());
            }
            return Ok(0);
        }
        if word.len() < 2 || !matches!(word[0], b'-' | b'+') {
            shell.replace_positional(rest.to_vec());
            return Ok(0);
        }
        let on = word[0] == b'-';
        rest = &rest[1..];
        for &letter in &word[1..] {
            if letter == b'o' {
                let Some((name, after)) = rest.split_first() else {
                    return list_options(shell, on);
                };
                rest = after;
                set_named(shell, name, on)?;
            } else if !set_letter(shell, letter, on) {
                let shown = char::from(letter);
                return shell.fatal(&format!("set: Illegal option -{shown}"));
            }
        }
    }
    Ok(0)
}

fn list_options(shell: &mut Shell, readable: bool) -> Done {
    let mut text = String::new();
    if readable {
        text.push_str("Current option settings\n");
    }
    for (_, name, place) in options(shell.dialect) {
        let on = *shell.options.flag(place);
        if readable {
            text.push_str(&format!("{name:<16}{}\n", if on { "on" } else { "off" }));
        } else {
            text.push_str(&format!("set {}o {name}\n", if on { '-' } else { '+' }));
        }
    }
    put(shell, "set", text.as_bytes())
}

pub(super) fn shift(shell: &mut Shell, words: &[Vec<u8>]) -> Done {
    let count = match words.get(1) {
        Some(word) => number(shell, "shift", word)?,
        None => 1,
    };
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    if count > shell.positional.len() {
        if shell.dialect == Dialect::Dash {
            return shell.fatal("shift: can't shift that many");
        }
        return Ok(1);
    }
    shell.positional.drain(..count);
    if shell.dialect == Dialect::Dash {
        shell.getopts = (1, 0);
    }
    Ok(0)
}

pub(super) fn unset(shell: &mut Shell, words: &[Vec<u8>]) -> Done {
    let (options, rest) = super::options::read(shell, words, b"vf")?;
    let functions = options.last().is_some_and(|(letter, _)| *letter == b'f');
    for name in rest {
        if functions {
            shell.functions.remove(name);
            continue;
        }
        if !is_name(name) {
            let name = String::from_utf8_lossy(name).into_owned();
            return shell.fatal(&format!("unset: {name}: bad variable name"));
        }
        if shell.variables.get(name).is_some_and(|variable| variable.readonly) {
            let name = String::from_utf8_lossy(name).into_owned();
            return shell.fatal(&format!("unset: {name}: is read only"));
        }
        if name == b"OPTIND"
            && let Err(why) = shell.restart_getopts(b"")
        {
            return shell.fatal(&format!("unset: {why}"));
        }
        let was = shell.variables.remove(name);
        if was.is_none() && options.is_empty() && shell.dialect == Dialect::Bash {
            shell.functions.remove(name);
        }
    }
    Ok(0)
}
