//! `wait` and `kill`, and the names of signals.

use super::put;
use crate::state::{Done, Shell};
use kiln_guest_abi::process;
use kiln_sh_syntax::Dialect;

/// Signals by number (signal(7)); 0 is `EXIT`.
const SIGNALS: [&str; 32] = [
    "EXIT", "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV",
    "USR2", "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU",
    "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "POLL", "PWR", "SYS",
];

/// `SIGKILL`, which nobody can catch.
const KILL: u32 = 9;

/// A signal's name, without `SIG`.
pub(super) fn signal_name(number: u32) -> &'static str {
    usize::try_from(number).ok().and_then(|number| SIGNALS.get(number)).copied().unwrap_or("?")
}

/// A signal by its number or name; dash knows the names without `SIG` alone.
pub(super) fn signal(name: &[u8], dialect: Dialect) -> Option<u32> {
    let text = std::str::from_utf8(name).ok()?.to_ascii_uppercase();
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().filter(|&number| number < 65);
    }
    let bare = match text.strip_prefix("SIG") {
        Some(bare) if dialect != Dialect::Dash => bare,
        _ => &text,
    };
    SIGNALS.iter().position(|known| *known == bare).and_then(|place| u32::try_from(place).ok())
}

pub(super) fn wait(shell: &mut Shell, words: &[Vec<u8>]) -> Done {
    let (_, operands) = super::options::read(shell, words, b"")?;
    if operands.is_empty() {
        for pid in std::mem::take(&mut shell.children) {
            let _ = process::wait(pid);
        }
        shell.ended.clear();
        shell.jobs.clear();
        return Ok(0);
    }
    let mut status = 0;
    for word in operands {
        let pid = match target(shell, "wait", word) {
            Ok(pid) => pid,
            Err(why) => return shell.fatal(&why),
        };
        status = if shell.children.contains(&pid) || shell.ended.contains_key(&pid) {
            let code = shell.wait_for(pid);
            shell.ended.insert(pid, code);
            code
        } else {
            127
        };
    }
    Ok(status)
}

/// The process that an operand means: its number, or a job's `%…`.
fn target(shell: &Shell, name: &str, word: &[u8]) -> Result<i32, String> {
    let shown = String::from_utf8_lossy(word);
    let Some(job) = word.strip_prefix(b"%") else {
        return shown.parse().map_err(|_| format!("{name}: Illegal number: {shown}"));
    };
    let place = match job {
        b"" | b"%" | b"+" => shell.jobs.len().checked_sub(1),
        b"-" => shell.jobs.len().checked_sub(2),
        digits if digits.iter().all(u8::is_ascii_digit) => {
            let number: Option<usize> =
                std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok());
            number.and_then(|number| number.checked_sub(1))
        }
        _ => shell.needs_native("a job by its command"),
    };
    let pid = place.and_then(|place| shell.jobs.get(place));
    pid.map(|(pid, _)| *pid).ok_or_else(|| format!("{name}: No such job: {shown}"))
}

/// `kill -l`
fn list(shell: &mut Shell, operands: &[Vec<u8>]) -> Done {
    let Some(word) = operands.first() else { shell.needs_native("kill -l of all signals") };
    let shown = String::from_utf8_lossy(word).into_owned();
    let number: Option<u32> = shown.parse().ok();
    match number.map(|number| if number > 128 { number - 128 } else { number }) {
        Some(number @ 0..32) => put(shell, "kill", format!("{}\n", signal_name(number)).as_bytes()),
        Some(_) => shell.fatal(&format!("kill: invalid signal number or exit status: {shown}")),
        None => shell.fatal(&format!("kill: Illegal number: {shown}")),
    }
}

pub(super) fn kill(shell: &mut Shell, words: &[Vec<u8>]) -> Done {
    let mut rest = &words[1..];
    let mut number = 15;
    if let Some(option) = rest.first().filter(|word| word.len() > 1 && word[0] == b'-') {
        let (name, used): (&[u8], usize) = match &option[..] {
            b"--" => (b"TERM", 1),
            b"-s" => (rest.get(1).map(Vec::as_slice).unwrap_or_default(), 2),
            b"-l" => return list(shell, &words[2..]),
            other => (&other[1..], 1),
        };
        let Some(known) = signal(name, shell.dialect) else {
            return shell
                .fatal(&format!("kill: invalid signal: {}", String::from_utf8_lossy(name)));
        };
        number = known;
        rest = rest.get(used..).unwrap_or_default();
        if used == 1 && rest.first().is_some_and(|word| word == b"--") {
            rest = &rest[1..];
        }
    }
    if rest.is_empty() {
        return shell.fatal("kill: Usage: kill [-s sigspec | -signum | -sigspec] [pid | job]...");
    }
    let mut status = 0;
    for word in rest {
        let pid = match target(shell, "kill", word) {
            Ok(pid) => pid,
            Err(why) => return shell.fatal(&why),
        };
        if arrives(shell, pid, number) {
            continue;
        }
        if let Err(error) = process::kill(pid, number) {
            shell.complain(&format!("kill: {}", kiln_guest_abi::error::text(&error)));
            status = 1;
        }
    }
    Ok(status)
}

/// Whether the signal is for this shell and it has a trap for it. What other processes do about
/// signals nobody knows here, so that only some can get one.
fn arrives(shell: &mut Shell, pid: i32, number: u32) -> bool {
    if number == 0 {
        return false;
    }
    if pid != process::id() {
        let plain = shell.jobs.iter().any(|(job, plain)| *job == pid && *plain);
        let ignored = shell.traps.contains_key(&number);
        if !(plain && !ignored || number == KILL) {
            shell.needs_native("a signal to another shell");
        }
        return false;
    }
    if number == KILL {
        return false;
    }
    match shell.traps.get(&number) {
        Some(action) if action.is_empty() => {}
        Some(_) => shell.pending.push(number),
        None => shell.needs_native("a signal to the shell itself"),
    }
    true
}
