//! A POSIX shell (XCU 2), as dash, BusyBox's ash or bash as far as they agree with it.
//!
//! What runs beside the shell (pipelines, subshells, command substitutions) is a copy of it, made by
//! the host as `fork(2)` would.

mod arith;
mod builtins;
mod environment;
mod exec;
mod expand;
mod output;
mod pattern;
mod redirect;
mod state;

use kiln_guest_abi::{fd, file, process, wire};
use kiln_sh_syntax::Dialect;
use state::{Flow, Shell};
use std::io;

/// A file's contents.
fn read_file(path: &[u8]) -> io::Result<Vec<u8>> {
    let from = file::open(path, wire::open::READ, 0)?;
    let text = read_all(from);
    fd::close(from)?;
    text
}

/// As [`read_file`], for a script: to dash and ash, which open before they read, a directory is an
/// empty one.
fn read_script(shell: &Shell, path: &[u8]) -> io::Result<Vec<u8>> {
    match read_file(path) {
        Err(_) if file::stat(path).is_ok_and(|there| there.is_dir()) => {
            if shell.dialect == Dialect::Bash {
                shell.needs_native("a directory as script");
            }
            Ok(Vec::new())
        }
        read => read,
    }
}

fn read_all(from: fd::Fd) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let mut buffer = vec![0; 65_536];
    loop {
        match output::read(from, &mut buffer)? {
            0 => return Ok(text),
            count => text.extend_from_slice(&buffer[..count]),
        }
    }
}

fn main() {
    let args: Vec<Vec<u8>> =
        std::env::args_os().map(std::ffi::OsString::into_encoded_bytes).collect();
    let name = args.first().cloned().unwrap_or_else(|| b"sh".to_vec());
    let mut shell = Shell::new(name, process::flavor());
    let code = start(&mut shell, args.get(1..).unwrap_or_default());
    std::process::exit(code);
}

/// Reads the command line and runs what it asks for.
fn start(shell: &mut Shell, args: &[Vec<u8>]) -> i32 {
    let mut rest = args;
    let (mut command, mut stdin, mut login) = (false, false, false);
    while let Some((arg, after)) = rest.split_first() {
        if arg == b"--" || arg == b"-" {
            rest = after;
            break;
        }
        if matches!(&arg[..], b"--login" | b"--noprofile" | b"--norc" | b"--posix") {
            login |= arg == b"--login";
            shell.posix |= arg == b"--posix";
            rest = after;
            continue;
        }
        if arg.len() < 2 || !matches!(arg[0], b'-' | b'+') {
            break;
        }
        if arg.starts_with(b"--") {
            shell.needs_native("a long option");
        }
        rest = after;
        let on = arg[0] == b'-';
        for &letter in &arg[1..] {
            match letter {
                b'c' if on => command = true,
                b's' if on => {
                    stdin = true;
                    builtins::set_letter(shell, b's', true);
                }
                b'l' | b'i' if on => {
                    if letter == b'i' {
                        shell.needs_native("an interactive shell");
                    }
                    login = true;
                }
                b'o' => {
                    let Some((option, after)) = rest.split_first() else { break };
                    rest = after;
                    if builtins::set_named(shell, option, on).is_err() {
                        return shell.finish(Err(Flow::Exit(2)));
                    }
                }
                _ => {
                    if !builtins::set_letter(shell, letter, on) {
                        if shell.dialect == Dialect::Bash {
                            shell.needs_native("an option of bash");
                        }
                        shell.complain(&format!("Illegal option -{}", char::from(letter)));
                        return 2;
                    }
                }
            }
        }
    }
    let text = if command {
        let Some((text, after)) = rest.split_first() else {
            shell.complain("-c requires an argument");
            return 2;
        };
        rest = after;
        if let Some((name, after)) = rest.split_first() {
            shell.name.clone_from(name);
            rest = after;
        }
        Ok(text.clone())
    } else if let (false, Some((path, after))) = (stdin, rest.split_first()) {
        shell.name.clone_from(path);
        rest = after;
        read_script(shell, path)
    } else {
        builtins::set_letter(shell, b's', true);
        read_all(0)
    };
    shell.positional = rest.to_vec();
    let text = match text {
        Ok(text) => text,
        Err(error) => {
            let path = String::from_utf8_lossy(&shell.name).into_owned();
            shell.complain(&format!("cannot open {path}: {}", kiln_guest_abi::error::text(&error)));
            return if shell.dialect == Dialect::Dash { 2 } else { 127 };
        }
    };
    if login {
        read_profile(shell);
    } else if shell.dialect == Dialect::Bash
        && !shell.posix
        && shell.get(b"BASH_ENV").is_some_and(|file| !file.is_empty())
    {
        shell.needs_native("BASH_ENV");
    }
    let done = shell.script(&text);
    shell.finish(done)
}

/// The system's profile and the user's, for `-l`.
fn read_profile(shell: &mut Shell) {
    let home = shell.get(b"HOME").unwrap_or_default();
    let own = |name: &str| [&home, &b"/"[..], name.as_bytes()].concat();
    let mut users = vec![own(".profile")];
    if shell.dialect == Dialect::Bash && !shell.posix {
        users = vec![own(".bash_profile"), own(".bash_login"), own(".profile")];
    }
    let users = users.into_iter().find(|path| file::stat(path).is_ok());
    for path in [Some(b"/etc/profile".to_vec()), users].into_iter().flatten() {
        if let Ok(text) = read_file(&path) {
            // An error in it is no error of the script's.
            let _ = shell.script(&text);
        }
    }
}
