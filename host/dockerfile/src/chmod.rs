//! `COPY --chmod`: octal, or symbolic as chmod(1) has it, with an empty umask.
//!
//! The symbolic form is that of BSD, as in BuildKit: `X` counts after `+` only.

use crate::quote::quote;

const SET_UID: u32 = 0o4000;
const SET_GID: u32 = 0o2000;
const STICKY: u32 = 0o1000;
const ALL_EXEC: u32 = 0o111;
/// Everything but the sticky bit, which must be asked for.
const STANDARD: u32 = 0o6777;

/// Most operations in one mode: each is applied to every file that is copied.
const MAX_CHANGES: usize = 256;

/// What to make of a file's mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// This mode, whatever it was.
    Octal(u32),
    /// These changes to it, in order.
    Symbolic(Vec<Change>),
}

/// One change to a mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    action: Action,
    bits: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Set,
    Clear,
    /// Set where something is executable already, or a directory.
    SetExec,
    /// Copy the three bits that lie `shift` up to those in `bits`.
    Copy {
        shift: u32,
        op: Op,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    Add,
    Remove,
    Assign,
}

/// Why a text is no mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChmodError {
    /// A number that is not octal, or too large.
    #[error("invalid chmod parameter: '{0}'. it should be octal string and between 0 and 07777")]
    Octal(String),
    /// Not a symbolic mode either.
    #[error("invalid syntax in chmod parameter {}: it is neither octal like 0755 nor symbolic like u+rwx,go=rX", quote(.0))]
    Symbolic(String),
}

impl Mode {
    /// Reads a mode.
    ///
    /// # Errors
    /// See [`ChmodError`].
    pub fn parse(text: &str) -> Result<Mode, ChmodError> {
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            let is_octal = text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
            let mode = is_octal.then(|| u32::from_str_radix(text, 8).ok()).flatten();
            return match mode {
                Some(mode @ 0..=0o7777) => Ok(Mode::Octal(mode)),
                _ => Err(ChmodError::Octal(text.to_owned())),
            };
        }
        symbolic(text).map(Mode::Symbolic).ok_or_else(|| ChmodError::Symbolic(text.to_owned()))
    }

    /// The mode (permissions, set-id and sticky bits) that a file or directory gets.
    pub fn apply(&self, mode: u32, is_dir: bool) -> u32 {
        let changes = match self {
            Mode::Octal(mode) => return *mode,
            Mode::Symbolic(changes) => changes,
        };
        let has_exec = is_dir || mode & ALL_EXEC != 0;
        let mut new = mode;
        for change in changes {
            match change.action {
                Action::Set => new |= change.bits,
                Action::Clear => new &= !change.bits,
                Action::SetExec if has_exec => new |= change.bits,
                Action::SetExec => {}
                Action::Copy { shift, op } => {
                    // One bit pattern for all three classes, cut to those that are meant.
                    let class = (new >> shift) & 0o7;
                    let copied = (class | class << 3 | class << 6) & change.bits;
                    new = match op {
                        Op::Add => new | copied,
                        Op::Remove => new & !copied,
                        Op::Assign => new & !change.bits | copied,
                    };
                }
            }
        }
        new
    }
}

/// Reads `who op perm, ...`; `None` for what is none.
fn symbolic(text: &str) -> Option<Vec<Change>> {
    let mut changes = Vec::new();
    let mut rest = text;
    loop {
        let (mut who, mut after) = who(rest);
        loop {
            let mut chars = after.chars();
            let op = match chars.next()? {
                '+' => Op::Add,
                '-' => Op::Remove,
                '=' => Op::Assign,
                _ => return None,
            };
            after = permissions(chars.as_str(), op, &mut who, &mut changes);
            if after.is_empty() || after.starts_with(',') {
                break;
            }
        }
        if changes.len() > MAX_CHANGES {
            return None;
        }
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return Some(changes),
        }
    }
}

/// The bits of the classes in front of an operator; none stands for all.
fn who(text: &str) -> (u32, &str) {
    let mut bits = 0;
    let mut rest = text.chars();
    loop {
        let before = rest.as_str();
        bits |= match rest.next() {
            Some('a') => STANDARD,
            Some('u') => SET_UID | 0o700,
            Some('g') => SET_GID | 0o070,
            Some('o') => 0o007,
            _ => return (bits, before),
        };
    }
}

/// Reads what follows an operator, up to the next operator or comma.
fn permissions<'a>(text: &'a str, op: Op, who: &mut u32, changes: &mut Vec<Change>) -> &'a str {
    let mut bits = 0;
    let mut exec = 0;
    let mut is_assigned = false;
    *who &= !STICKY;
    let mut rest = text.chars();
    loop {
        let before = rest.as_str();
        let others_only = *who != 0 && *who & !0o007 == 0;
        match rest.next() {
            Some('r') => bits |= 0o444,
            Some('w') => bits |= 0o222,
            Some('x') => bits |= ALL_EXEC,
            Some('X') if op == Op::Add => exec = ALL_EXEC,
            Some('X') => {}
            Some('s') if !others_only => bits |= SET_UID | SET_GID,
            Some('t') if !others_only => {
                *who |= STICKY;
                bits |= STICKY;
            }
            Some('s' | 't') => {}
            Some(class @ ('u' | 'g' | 'o')) => {
                if bits != 0 {
                    is_assigned = true;
                    push(op, *who, std::mem::take(&mut bits), changes);
                }
                push_exec(*who, std::mem::take(&mut exec), changes);
                let shift = match class {
                    'u' => 6,
                    'g' => 3,
                    _ => 0,
                };
                is_assigned = is_assigned || op == Op::Assign;
                let target = if *who == 0 { 0o777 } else { *who & 0o777 };
                changes.push(Change { action: Action::Copy { shift, op }, bits: target });
            }
            _ => {
                if bits != 0 || op == Op::Assign && !is_assigned {
                    push(op, *who, bits, changes);
                }
                push_exec(*who, exec, changes);
                return before;
            }
        }
    }
}

fn push(op: Op, who: u32, bits: u32, changes: &mut Vec<Change>) {
    if op == Op::Assign {
        let bits = if who == 0 { STANDARD } else { who };
        changes.push(Change { action: Action::Clear, bits });
    }
    let bits = if who == 0 { bits } else { bits & who };
    let action = if op == Op::Remove { Action::Clear } else { Action::Set };
    changes.push(Change { action, bits });
}

fn push_exec(who: u32, bits: u32, changes: &mut Vec<Change>) {
    if bits != 0 {
        let bits = if who == 0 { bits } else { bits & who };
        changes.push(Change { action: Action::SetExec, bits });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: bool = false;
    const DIR: bool = true;

    #[test]
    fn as_bsd_does() {
        let table = [
            ("=", 0o777, FILE, 0o000),
            ("+", 0o421, FILE, 0o421),
            ("+t", 0o421, FILE, 0o1421),
            ("-t", 0o1421, FILE, 0o421),
            ("u+r", 0, FILE, 0o400),
            ("u+X", 0, FILE, 0),
            ("u+X", 0o001, FILE, 0o101),
            ("u+X", 0, DIR, 0o100),
            ("u+s", 0, FILE, 0o4000),
            ("g+s", 0, FILE, 0o2000),
            ("o+s", 0, FILE, 0),
            ("0421", 0, FILE, 0o421),
            ("07421", 0, FILE, 0o7421),
            ("+X", 0o010, FILE, 0o111),
            ("-X", 0o777, DIR, 0o777),
            ("-s", 0o6777, FILE, 0o777),
            ("u=rw", 0o777, FILE, 0o677),
            ("=rw", 0o777, FILE, 0o666),
            ("u=g", 0o742, FILE, 0o442),
            ("u=g-w", 0o762, FILE, 0o462),
            ("u+go", 0o021, FILE, 0o321),
            ("-u", 0o111, FILE, 0),
            ("a=r,ug=rw,u+x", 0o777, FILE, 0o764),
            ("o+r,g+w,a+t,g-s,u+og", 0o2100, FILE, 0o1724),
            ("o+r,g+w,a+t,g-s,u+og", 0o6000, DIR, 0o5624),
            ("=rw,+X", 0o766, FILE, 0o777),
            ("u=rwx,go=u-w", 0, FILE, 0o755),
            ("go=", 0o777, FILE, 0o700),
            ("u+rwx,g=rX", 0o644, FILE, 0o744),
        ];
        for (text, mode, is_dir, expected) in table {
            let found = Mode::parse(text).unwrap().apply(mode, is_dir);
            assert_eq!(found, expected, "{text} of {mode:o}: {found:o}");
        }
    }

    #[test]
    fn errors() {
        for text in ["", ",", "q+r", "z", "u", "go", "u+r,", "+r x"] {
            assert_eq!(Mode::parse(text), Err(ChmodError::Symbolic(text.to_owned())), "{text}");
        }
        for text in ["017777", "9", "0x7", "01000000000000000007777"] {
            assert_eq!(Mode::parse(text), Err(ChmodError::Octal(text.to_owned())), "{text}");
        }
        assert!(Mode::parse(&"u+r,".repeat(10_000)).is_err());
    }
}
