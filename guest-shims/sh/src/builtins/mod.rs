//! Builtins (XCU 2.14 and the utilities that a shell has to have inside).

mod control;
mod directory;
mod format;
mod input;
mod jobs;
mod options;
mod test;
mod variables;

pub(crate) use format::echoed;
pub(crate) use variables::{set_letter, set_named};

use crate::state::{Done, Shell};
use kiln_sh_syntax::Dialect;

/// How a builtin is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Builtin {
    /// Assignments before it stay, its errors end the shell.
    Special,
    /// Like a program.
    Regular,
}

/// What a builtin does with its words, the first its name.
pub(crate) type Run = fn(&mut Shell, &[Vec<u8>]) -> Done;

/// The builtin of this name, if it is one in the dialect.
pub(crate) fn find(name: &[u8], dialect: Dialect) -> Option<(Builtin, Run)> {
    let special = Builtin::Special;
    let regular = Builtin::Regular;
    Some(match name {
        b":" => (special, control::truth as Run),
        b"." => (special, control::source),
        b"break" => (special, control::leave),
        b"continue" => (special, control::leave),
        b"eval" => (special, control::eval),
        b"exec" => (special, control::truth),
        b"exit" => (special, control::exit),
        b"return" => (special, control::return_),
        b"export" | b"readonly" => (special, variables::export),
        b"set" => (special, variables::set),
        b"shift" => (special, variables::shift),
        b"times" => (special, control::times),
        b"trap" => (special, control::trap),
        b"unset" => (special, variables::unset),
        b"true" => (regular, control::truth),
        b"false" => (regular, control::falsehood),
        b"cd" | b"chdir" => (regular, directory::cd),
        b"pwd" => (regular, directory::pwd),
        b"umask" => (regular, directory::umask),
        b"command" => (regular, control::command),
        b"type" => (regular, control::type_),
        b"echo" => (regular, format::echo),
        b"printf" => (regular, format::printf),
        b"test" | b"[" => (regular, test::test),
        b"read" => (regular, input::read),
        b"getopts" => (regular, input::getopts),
        b"local" => {
            let kind = if dialect == Dialect::Dash { special } else { regular };
            (kind, variables::local)
        }
        b"wait" => (regular, jobs::wait),
        b"kill" => (regular, jobs::kill),
        b"hash" => (regular, control::hash),
        b"ulimit" => (regular, control::ulimit),
        b"source" if dialect != Dialect::Dash => (regular, control::source),
        b"alias" | b"unalias" | b"fc" | b"jobs" | b"fg" | b"bg" => (regular, unsupported),
        b"let" if dialect != Dialect::Dash => (regular, unsupported),
        b"declare" | b"typeset" | b"shopt" | b"pushd" | b"popd" | b"dirs" | b"mapfile"
        | b"readarray" | b"enable" | b"bind" | b"compopt" | b"builtin" | b"caller" | b"compgen"
        | b"complete" | b"disown" | b"logout" | b"suspend" | b"history" | b"help"
            if dialect == Dialect::Bash =>
        {
            (regular, unsupported)
        }
        _ => return None,
    })
}

fn unsupported(shell: &mut Shell, words: &[Vec<u8>]) -> Done {
    shell.needs_native(&format!("the builtin {}", String::from_utf8_lossy(&words[0])))
}

/// Writes to standard output; the status says whether it worked.
fn put(shell: &Shell, name: &str, bytes: &[u8]) -> Done {
    match crate::output::write(1, bytes) {
        Ok(()) => Ok(0),
        Err(error) => {
            shell.complain(&format!("{name}: I/O error: {}", kiln_guest_abi::error::text(&error)));
            Ok(1)
        }
    }
}

/// A word in single quotes, as `set` and `export -p` print it; its own single quotes in double ones.
pub(crate) fn quote(word: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = word;
    loop {
        let end = rest.iter().position(|&byte| byte == b'\'').unwrap_or(rest.len());
        out.extend([b"'", &rest[..end], b"'"].concat());
        rest = &rest[end..];
        let quotes = rest.iter().take_while(|&&byte| byte == b'\'').count();
        if quotes > 0 {
            out.extend([b"\"", &rest[..quotes], b"\""].concat());
            rest = &rest[quotes..];
        }
        if rest.is_empty() {
            return out;
        }
    }
}

/// Complains about an operand that should be a number, which ends the shell.
fn number(shell: &Shell, name: &str, word: &[u8]) -> Result<i32, crate::state::Flow> {
    let text = String::from_utf8_lossy(word);
    match text.parse::<i32>() {
        Ok(value) if value >= 0 => Ok(value),
        _ => shell.fatal(&format!("{name}: Illegal number: {text}")),
    }
}
