//! `test` and `[`.

use crate::state::{Done, Shell};
use kiln_guest_abi::file::{self, Stat};
use kiln_guest_abi::process;
use kiln_guest_abi::wire::{ACCESS_R, ACCESS_W, ACCESS_X};
use kiln_sh_syntax::Dialect;

/// Why an expression has no value.
struct Malformed(String);

type Tested = Result<bool, Malformed>;

pub(super) fn test(shell: &mut Shell, words: &[Vec<u8>]) -> Done {
    let mut args = &words[1..];
    if words[0] == b"[" {
        match args.split_last() {
            Some((last, rest)) if last == b"]" => args = rest,
            _ => {
                shell.complain("[: missing ]");
                return Ok(2);
            }
        }
    }
    if shell.dialect == Dialect::Bash {
        let one = matches!(args, [operator, _] if matches!(&operator[..], b"-a" | b"-o"));
        if one || args.iter().any(|word| matches!(&word[..], b"-v" | b"-R" | b"-N")) {
            shell.needs_native("an operator of bash's test");
        }
    }
    let mut expression = Expression { args, at: 0, dialect: shell.dialect };
    let result = match args {
        [] => Ok(false),
        // POSIX decides short forms by their number of operands.
        [one] => Ok(!one.is_empty()),
        [not, one] if not == b"!" => Ok(one.is_empty()),
        [left, operator, right] if is_binary(operator, shell.dialect) => {
            binary(left, operator, right)
        }
        [not, rest @ ..]
            if not == b"!" && rest.len() == 3 && is_binary(&rest[1], shell.dialect) =>
        {
            binary(&rest[0], &rest[1], &rest[2]).map(|value| !value)
        }
        [open, one, close] if open == b"(" && close == b")" => Ok(!one.is_empty()),
        _ => expression.or().and_then(|value| {
            if expression.at == args.len() {
                Ok(value)
            } else {
                let shown = String::from_utf8_lossy(&args[expression.at]).into_owned();
                Err(Malformed(format!("{shown}: unexpected operator")))
            }
        }),
    };
    match result {
        Ok(value) => Ok(i32::from(!value)),
        Err(Malformed(why)) => {
            let name = String::from_utf8_lossy(&words[0]).into_owned();
            shell.complain(&format!("{name}: {why}"));
            Ok(2)
        }
    }
}

struct Expression<'a> {
    args: &'a [Vec<u8>],
    at: usize,
    dialect: Dialect,
}

impl Expression<'_> {
    fn peek(&self) -> Option<&[u8]> {
        self.args.get(self.at).map(Vec::as_slice)
    }

    fn or(&mut self) -> Tested {
        let mut value = self.and()?;
        while self.peek() == Some(b"-o") {
            self.at += 1;
            value |= self.and()?;
        }
        Ok(value)
    }

    fn and(&mut self) -> Tested {
        let mut value = self.not()?;
        while self.peek() == Some(b"-a") {
            self.at += 1;
            value &= self.not()?;
        }
        Ok(value)
    }

    fn not(&mut self) -> Tested {
        let next_is_binary =
            self.args.get(self.at + 1).is_some_and(|word| is_binary(word, self.dialect));
        let left = self.args.len() - self.at;
        if self.peek() == Some(b"!") && left > 1 && !(next_is_binary && left > 2) {
            self.at += 1;
            return self.not().map(|value| !value);
        }
        self.primary()
    }

    fn primary(&mut self) -> Tested {
        let rest = &self.args[self.at.min(self.args.len())..];
        match rest {
            [] => Err(Malformed("argument expected".to_owned())),
            [left, operator, right, ..] if is_binary(operator, self.dialect) => {
                self.at += 3;
                binary(left, operator, right)
            }
            [open, ..] if open == b"(" && rest.len() > 1 => {
                self.at += 1;
                let value = self.or()?;
                if self.peek() != Some(b")") {
                    return Err(Malformed("closing paren expected".to_owned()));
                }
                self.at += 1;
                Ok(value)
            }
            [operator, operand, ..] if is_unary(operator) => {
                self.at += 2;
                Ok(unary(operator[1], operand))
            }
            [one, ..] => {
                self.at += 1;
                Ok(!one.is_empty())
            }
        }
    }
}

fn is_unary(word: &[u8]) -> bool {
    matches!(word, [b'-', letter] if b"bcdefghknprsStuwxzLOG".contains(letter))
}

fn is_binary(word: &[u8], dialect: Dialect) -> bool {
    match word {
        b"=" | b"!=" | b"<" | b">" | b"-eq" | b"-ne" | b"-lt" | b"-le" | b"-gt" | b"-ge"
        | b"-nt" | b"-ot" | b"-ef" => true,
        b"==" => dialect != Dialect::Dash,
        _ => false,
    }
}

fn unary(operator: u8, operand: &[u8]) -> bool {
    let is = |kind: u32| file::stat(operand).is_ok_and(|there| there.mode & Stat::TYPE == kind);
    let has = |bits: u32| file::stat(operand).is_ok_and(|there| there.mode & bits != 0);
    match operator {
        b'n' => !operand.is_empty(),
        b'z' => operand.is_empty(),
        b'e' => file::stat(operand).is_ok(),
        b'f' => is(Stat::FILE),
        b'd' => is(Stat::DIR),
        b'b' => is(Stat::BLOCK),
        b'c' => is(Stat::CHAR),
        b'p' => is(Stat::FIFO),
        b'S' => is(Stat::SOCKET),
        b'h' | b'L' => file::lstat(operand).is_ok_and(|there| there.is_symlink()),
        b's' => file::stat(operand).is_ok_and(|there| there.size > 0),
        b'u' => has(0o4000),
        b'g' => has(0o2000),
        b'k' => has(0o1000),
        b'r' => file::access(operand, ACCESS_R).is_ok(),
        b'w' => file::access(operand, ACCESS_W).is_ok(),
        b'x' => file::access(operand, ACCESS_X).is_ok(),
        b'O' => file::stat(operand).is_ok_and(|there| there.uid == process::ids().euid),
        b'G' => file::stat(operand).is_ok_and(|there| there.gid == process::ids().egid),
        // -t: nothing here is a terminal.
        _ => false,
    }
}

fn binary(left: &[u8], operator: &[u8], right: &[u8]) -> Tested {
    let numbers = || Ok((integer(left)?, integer(right)?));
    let stats = || (file::stat(left).ok(), file::stat(right).ok());
    Ok(match operator {
        b"=" | b"==" => left == right,
        b"!=" => left != right,
        b"<" => left < right,
        b">" => left > right,
        b"-eq" => numbers().map(|(a, b)| a == b)?,
        b"-ne" => numbers().map(|(a, b)| a != b)?,
        b"-lt" => numbers().map(|(a, b)| a < b)?,
        b"-le" => numbers().map(|(a, b)| a <= b)?,
        b"-gt" => numbers().map(|(a, b)| a > b)?,
        b"-ge" => numbers().map(|(a, b)| a >= b)?,
        b"-nt" => matches!(stats(), (Some(a), Some(b)) if a.mtime > b.mtime),
        b"-ot" => matches!(stats(), (Some(a), Some(b)) if a.mtime < b.mtime),
        _ => matches!(stats(), (Some(a), Some(b)) if (a.dev, a.ino) == (b.dev, b.ino)),
    })
}

fn integer(word: &[u8]) -> Result<i64, Malformed> {
    let text = String::from_utf8_lossy(word);
    let trimmed = text.trim();
    trimmed
        .strip_prefix('+')
        .unwrap_or(trimmed)
        .parse()
        .map_err(|_| Malformed(format!("Illegal number: {text}")))
}
