//! Builtins that direct execution, and those about processes.

use super::jobs::{signal, signal_name};
use super::{find, number, put, quote};
use crate::state::{Done, Flow, Shell};
use kiln_guest_abi::{file, process};
use kiln_sh_syntax::Dialect;

/// Files that source each other without end.
const MAX_SOURCED: u32 = 200;

pub(super) fn truth(_: &mut Shell, _: &[Vec<u8>]) -> Done {
    Ok(0)
}

/// `hash`: every look-up is a new one here; names that are not there fail.
pub(super) fn hash(shell: &mut Shell, words: &[Vec<u8>]) -> Done {
    let (_, names) = super::options::read(shell, words, b"rv")?;
    let path = shell.get(b"PATH").unwrap_or_default();
    let mut status = 0;
    for name in names {
        if find(name, shell.dialect).is_none()
            && !shell.functions.contains_key(name)
            && process::find_program(name, &path).is_err()
        {
            shell.complain(&format!("hash: {}: not found", String::from_utf8_lossy(name)));
            status = 1;
        }
    }
    Ok(status)
}

pub(super) fn falsehood(_: &mut Shell, _: &[Vec<u8>]) -> Done {
    Ok(1)
}

/// bash refuses a second argument, each builtin in its own way; the other shells pass over it.
fn at_most_one(shell: &Shell, words: &[Vec<u8>]) {
    if shell.dialect == Dialect::Bash && words.len() > 2 {
        shell.needs_native(&format!(
            "{} with more than one argument",
            String::from_utf8_lossy(&words[0])
        ));
    }
}

pub(super) fn exit(shell: &mut Shell, words: &[Vec<u8>]) -> Done {
    at_most_one(shell, words);
    let code = match words.get(1) {
        Some(word) => number(shell, "exit", word)?,
        None => shell.interrupted.unwrap_or(shell.status),
    };
    Err(Flow::Exit(code & 0xff))
}

pub(super) fn return_(shell: &mut Shell, words: &[Vec<u8>]) -> Done {
    at_most_one(shell, words);
    let code = match words.get(1) {
        Some(word) => number(shell, "return", word)?,
        None => shell.interrupted.unwrap_or(shell.status),
    };
    if shell.functions_deep == 0 && shell.sourced_deep == 0 && shell.interrupted.is_none() {
        if shell.dialect == Dialect::Bash {
            shell.complain("return: can only `return' from a function or sourced script");
            return Ok(1);
        }
        return Err(Flow::Exit(code & 0xff));
    }
    let mask = if shell.dialect == Dialect::Dash { i32::MAX } else { 0xff };
    Err(Flow::Return(code & mask))
}

/// `break` and `continue`.
pub(super) fn leave(shell: &mut Shell, words: &[Vec<u8>]) -> Done {
    at_most_one(shell, words);
    let name = String::from_utf8_lossy(&words[0]).into_owned();
    let levels = match words.get(1) {
        Some(word) => number(shell, &name, word)?,
        None => 1,
    };
    if levels == 0 {
        return shell.fatal(&format!("{name}: Illegal number: 0"));
    }
    if shell.loops == 0 {
        return Ok(0);
    }
    shell.status = 0;
    let levels = u32::try_from(levels).unwrap_or(1).min(shell.loops);
    Err(if name == "break" { Flow::Break(levels) } else { Flow::Continue(levels) })
}

pub(super) fn eval(shell: &mut Shell, words: &[Vec<u8>]) -> Done {
    let text = words[1..].join(&b' ');
    if text.iter().all(u8::is_ascii_whitespace) {
        return Ok(0);
    }
    let line = shell.line;
    let done = shell.script(&text);
    shell.line = line;
    done
}

pub(super) fn source(shell: &mut Shell, words: &[Vec<u8>]) -> Done {
    let (_, operands) = super::options::read(shell, words, b"")?;
    let Some(name) = operands.first() else {
        if shell.dialect == Dialect::Dash {
            return Ok(0);
        }
        return shell.fatal(".: filename argument required");
    };
    if shell.sourced_deep >= MAX_SOURCED {
        shell.needs_native("files that source each other without end");
    }
    let path = if name.contains(&b'/') { Some(name.clone()) } else { search(shell, name) };
    let text = path.and_then(|path| crate::read_script(shell, &path).ok());
    let Some(text) = text else {
        let shown = String::from_utf8_lossy(name);
        return shell.fatal(&format!(".: cannot open {shown}: No such file"));
    };
    let own = (operands.len() > 1 && shell.dialect != Dialect::Dash)
        .then(|| std::mem::replace(&mut shell.positional, operands[1..].to_vec()));
    let line = shell.line;
    shell.sourced_deep += 1;
    if shell.dialect != Dialect::Dash {
        shell.status = 0;
    }
    let done = shell.script(&text);
    shell.sourced_deep -= 1;
    shell.line = line;
    if let Some(own) = own {
        shell.positional = own;
    }
    match done {
        Err(Flow::Return(code)) => Ok(code),
        other => other,
    }
}

fn search(shell: &Shell, name: &[u8]) -> Option<Vec<u8>> {
    let here = || file::stat(name).is_ok_and(|there| there.is_file()).then(|| name.to_vec());
    shell.in_path(name).or_else(|| if shell.dialect == Dialect::Dash { None } else { here() })
}

pub(super) fn times(shell: &mut Shell, _: &[Vec<u8>]) -> Done {
    put(shell, "times", b"0m0.000000s 0m0.000000s\n0m0.000000s 0m0.000000s\n")
}

pub(super) fn trap(shell: &mut Shell, words: &[Vec<u8>]) -> Done {
    if shell.dialect != Dialect::Dash
        && words.get(1).is_some_and(|word| matches!(&word[..], b"-l" | b"-p"))
    {
        shell.needs_native("trap -l");
    }
    let (_, words) = super::options::read(shell, words, b"")?;
    let Some(first) = words.first() else {
        if shell.dialect == Dialect::Bash {
            shell.needs_native("a list of traps");
        }
        let mut text = Vec::new();
        let exit = shell.exit_trap.iter().map(|action| ("EXIT", action));
        let others = shell.traps.iter().map(|(number, action)| (signal_name(*number), action));
        for (name, action) in exit.chain(others) {
            text.extend([b"trap -- ", &quote(action)[..], b" ", name.as_bytes(), b"\n"].concat());
        }
        return put(shell, "trap", &text);
    };
    // One operand, or a number first, takes traps away.
    let resets = words.len() == 1 || !first.is_empty() && first.iter().all(u8::is_ascii_digit);
    let (action, names) = if resets { (None, words) } else { (Some(first), &words[1..]) };
    let action = action.filter(|action| *action != b"-");
    let mut status = 0;
    for name in names {
        match signal(name, shell.dialect) {
            Some(0) => shell.exit_trap = action.cloned(),
            Some(known) => {
                match action {
                    Some(action) => shell.traps.insert(known, action.clone()),
                    None => shell.traps.remove(&known),
                };
            }
            None if matches!(&name[..], b"ERR" | b"DEBUG" | b"RETURN") => {
                shell.needs_native("trap ERR, DEBUG, RETURN");
            }
            None => {
                shell.complain(&format!("trap: {}: bad trap", String::from_utf8_lossy(name)));
                status = 1;
                if shell.dialect == Dialect::Dash {
                    break;
                }
            }
        }
    }
    Ok(status)
}

pub(super) fn command(shell: &mut Shell, words: &[Vec<u8>]) -> Done {
    let (options, rest) = super::options::read(shell, words, b"pvV")?;
    let given = |wanted| options.iter().any(|(letter, _)| *letter == wanted);
    let (brief, verbose, standard) = (given(b'v'), given(b'V'), given(b'p'));
    let Some(name) = rest.first() else { return Ok(0) };
    if brief || verbose {
        return describe(
            shell,
            if brief { rest.get(..1).unwrap_or_default() } else { rest },
            verbose,
        );
    }
    if let Some((_, run)) = find(name, shell.dialect) {
        if name == b"exec" {
            let program = rest[1..].to_vec();
            if program.is_empty() {
                shell.keeps_redirections = true;
                return Ok(0);
            }
            let status = shell.replace(&program, &program[0]);
            return Err(Flow::Exit(status));
        }
        return run(shell, rest);
    }
    if standard {
        shell.needs_native("command -p");
    }
    Ok(shell.run_program(rest, name))
}

pub(super) fn type_(shell: &mut Shell, words: &[Vec<u8>]) -> Done {
    if shell.dialect == Dialect::Bash && words.get(1).is_some_and(|word| word.starts_with(b"-")) {
        shell.needs_native("type with options");
    }
    describe(shell, &words[1..], true)
}

const RESERVED: [&str; 16] = [
    "!", "{", "}", "case", "do", "done", "elif", "else", "esac", "fi", "for", "if", "in", "then",
    "until", "while",
];

const BASH_RESERVED: [&str; 6] = ["[[", "]]", "coproc", "function", "select", "time"];

/// `command -v`, `command -V`, `type`.
fn describe(shell: &Shell, names: &[Vec<u8>], verbose: bool) -> Done {
    let path = shell.get(b"PATH").unwrap_or_default();
    let mut status = 0;
    for name in names {
        let shown = String::from_utf8_lossy(name).into_owned();
        let bash = shell.dialect == Dialect::Bash;
        if bash
            && (BASH_RESERVED.contains(&&shown[..])
                || verbose && shell.functions.contains_key(name))
        {
            shell.needs_native("type of what bash has");
        }
        let (brief, long) = if RESERVED.contains(&shown.as_str()) {
            (shown.clone(), "a shell keyword".to_owned())
        } else if shell.functions.contains_key(name) {
            (shown.clone(), "a shell function".to_owned())
        } else if let Some((kind, _)) = find(name, shell.dialect) {
            let special = kind == super::Builtin::Special && shell.dialect == Dialect::Dash;
            let text = if special { "a special shell builtin" } else { "a shell builtin" };
            (shown.clone(), text.to_owned())
        } else if let Ok(found) = process::find_program(name, &path) {
            let as_said = name.contains(&b'/') && shell.dialect == Dialect::Dash;
            let found = if as_said { name } else { &found };
            let found = String::from_utf8_lossy(found).into_owned();
            (found.clone(), found)
        } else if let (Dialect::Ash, Some(found)) = (shell.dialect, shell.in_path(name)) {
            // It does not look whether it may be executed.
            let found = String::from_utf8_lossy(&found).into_owned();
            (found.clone(), found)
        } else {
            status = if bash { 1 } else { 127 };
            if verbose && bash {
                shell.complain(&format!("type: {shown}: not found"));
            } else if verbose {
                put(shell, "type", format!("{shown}: not found\n").as_bytes())?;
            }
            continue;
        };
        let line = if verbose { format!("{shown} is {long}\n") } else { format!("{brief}\n") };
        put(shell, "command", line.as_bytes())?;
    }
    Ok(status)
}

pub(super) fn ulimit(shell: &mut Shell, words: &[Vec<u8>]) -> Done {
    // Limits of guests are the host's; raising or lowering those of a process changes no file.
    if words.len() > 2 { Ok(0) } else { shell.needs_native("ulimit that shows a limit") }
}
