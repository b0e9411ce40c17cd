//! `read` and `getopts`.

use crate::output;
use crate::state::{Done, Shell};
use kiln_sh_syntax::{Dialect, is_name};

pub(super) fn read(shell: &mut Shell, words: &[Vec<u8>]) -> Done {
    let known: &[u8] = if shell.dialect == Dialect::Dash { b"p:r" } else { b"p:rn:d:t:su:i:a:N:e" };
    let (options, rest) = super::options::read(shell, words, known)?;
    // The prompt is for terminals alone in dash and bash.
    if options.iter().any(|(letter, _)| !matches!(letter, b'p' | b'r')) {
        shell.needs_native("an option of read");
    }
    let raw = options.iter().any(|(letter, _)| *letter == b'r');
    let reply = [b"REPLY".to_vec()];
    let names = if rest.is_empty() {
        if shell.dialect == Dialect::Dash {
            return shell.fatal("read: arg count");
        }
        &reply
    } else {
        rest
    };
    if let Some(bad) = names.iter().find(|name| !is_name(name)) {
        let bad = String::from_utf8_lossy(bad).into_owned();
        return shell.fatal(&format!("read: {bad}: bad variable name"));
    }
    // Byte by byte: what comes after the line is for whoever reads next.
    let (mut line, mut escaped) = (Vec::new(), Vec::new());
    let mut status = 0;
    let mut byte = [0];
    let mut after_backslash = false;
    loop {
        match output::read(0, &mut byte) {
            Ok(1) => {}
            _ => {
                status = 1;
                break;
            }
        }
        let byte = byte[0];
        if after_backslash {
            after_backslash = false;
            if byte != b'\n' {
                line.push(byte);
                escaped.push(true);
            }
            continue;
        }
        match byte {
            b'\\' if !raw => after_backslash = true,
            b'\n' => break,
            0 => {}
            byte => {
                line.push(byte);
                escaped.push(false);
            }
        }
    }
    let separators = shell.get(b"IFS").unwrap_or_else(|| b" \t\n".to_vec());
    let values = split(&line, &escaped, &separators, names.len());
    for (name, value) in names.iter().zip(values) {
        if let Err(why) = shell.set(name, value) {
            return shell.fatal(&why);
        }
    }
    Ok(status)
}

/// Splits a line for so many variables; the last gets the rest.
fn split(line: &[u8], escaped: &[bool], separators: &[u8], count: usize) -> Vec<Vec<u8>> {
    let separates = |at: usize| !escaped[at] && separators.contains(&line[at]);
    let blank = |at: usize| separates(at) && matches!(line[at], b' ' | b'\t' | b'\n');
    let mut at = 0;
    while at < line.len() && blank(at) {
        at += 1;
    }
    let mut values = Vec::new();
    while values.len() + 1 < count {
        let start = at;
        while at < line.len() && !separates(at) {
            at += 1;
        }
        values.push(line[start..at].to_vec());
        while at < line.len() && blank(at) {
            at += 1;
        }
        if at < line.len() && separates(at) {
            at += 1;
            while at < line.len() && blank(at) {
                at += 1;
            }
        }
    }
    let mut end = line.len();
    while end > at && blank(end - 1) {
        end -= 1;
    }
    // One separator at the very end of what would be a single field goes too.
    if end > at && separates(end - 1) && !(at..end - 1).any(|n| separates(n) && !blank(n)) {
        let mut shorter = end - 1;
        while shorter > at && blank(shorter - 1) {
            shorter -= 1;
        }
        if !(at..shorter).any(separates) {
            end = shorter;
        }
    }
    values.push(line[at..end].to_vec());
    values
}

pub(super) fn getopts(shell: &mut Shell, words: &[Vec<u8>]) -> Done {
    let (Some(spec), Some(name)) = (words.get(1), words.get(2)) else {
        return shell.fatal("getopts: Usage: getopts optstring var [arg...]");
    };
    let args = if words.len() > 3 { words[3..].to_vec() } else { shell.positional.clone() };
    let (mut index, mut at) = shell.getopts;
    if index > args.len() + 1 {
        (index, at) = (1, 0);
    }
    let silent = spec.first() == Some(&b':');
    // No value: `OPTARG` is unset.
    let (mut option, mut value, mut status) = (b"?".to_vec(), None, 0);
    let arg = args.get(index - 1);
    let is_option = |arg: &Vec<u8>| arg.len() > 1 && arg[0] == b'-';
    match arg {
        Some(arg) if at > 0 || is_option(arg) && arg != b"--" => {
            at = at.max(1);
            let letter = arg.get(at).copied().unwrap_or(b'?');
            at += 1;
            let known = spec.iter().position(|&other| other == letter && letter != b':');
            let last = at >= arg.len();
            match known {
                None => {
                    if silent {
                        value = Some(vec![letter]);
                    } else {
                        let text = format!("Illegal option -{}\n", char::from(letter));
                        output::error(text.as_bytes());
                    }
                    if last {
                        (index, at) = (index + 1, 0);
                    }
                }
                Some(place) if spec.get(place + 1) == Some(&b':') => {
                    option = vec![letter];
                    if last {
                        match args.get(index) {
                            Some(next) => value = Some(next.clone()),
                            None if silent => {
                                option = b":".to_vec();
                                value = Some(vec![letter]);
                            }
                            None => {
                                option = b"?".to_vec();
                                let text = format!("No arg for -{} option\n", char::from(letter));
                                output::error(text.as_bytes());
                            }
                        }
                        index += 2;
                    } else {
                        value = Some(arg[at..].to_vec());
                        index += 1;
                    }
                    at = 0;
                }
                Some(_) => {
                    option = vec![letter];
                    if shell.dialect == Dialect::Dash {
                        value = Some(Vec::new());
                    }
                    if last {
                        (index, at) = (index + 1, 0);
                    }
                }
            }
        }
        other => {
            status = 1;
            at = 0;
            if other.is_some_and(|arg| arg == b"--") {
                index += 1;
            }
        }
    }
    let index = index.min(args.len() + 1);
    let set = |shell: &mut Shell, name: &[u8], value: Vec<u8>| match shell.set(name, value) {
        Ok(()) => Ok(()),
        Err(why) => shell.fatal(&why),
    };
    // dash counts an argument of which letters are left as done.
    let shown = index + usize::from(at > 0 && shell.dialect == Dialect::Dash);
    set(shell, b"OPTIND", shown.to_string().into_bytes())?;
    set(shell, name, option)?;
    match value {
        Some(value) => set(shell, b"OPTARG", value)?,
        None if status == 1 && shell.dialect == Dialect::Dash => {}
        None => {
            shell.variables.remove(&b"OPTARG"[..]);
        }
    }
    shell.getopts = (index, at);
    Ok(status)
}
