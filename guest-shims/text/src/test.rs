//! `test` and `[`.

use std::io;

use shim::{
    Context, Outcome, Stop, native,
    sys::{self, Stat},
};

pub(crate) fn bracket(context: &mut Context) -> Outcome {
    match context.args.split_last() {
        Some((last, words)) if last == b"]" => {
            let words = words.to_vec();
            judge(&words)
        }
        _ => {
            context.warn("missing ']'");
            Ok(2)
        }
    }
}

pub(crate) fn test(context: &mut Context) -> Outcome {
    let words = std::mem::take(&mut context.args);
    judge(&words)
}

fn judge(words: &[Vec<u8>]) -> Outcome {
    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    let mut parser = Parser { words: &words, at: 0 };
    // With up to four words POSIX says by their number what they mean.
    let value = match words.as_slice() {
        [] => false,
        [word] => !word.is_empty(),
        [b"!", word] => word.is_empty(),
        [operator, word] => {
            unary(operator, word)?.ok_or_else(|| Stop::Fail(2, "unary operator expected".into()))?
        }
        [left, operator, right] if is_binary(operator) => binary(left, operator, right)?,
        [b"!", left, operator, right] if is_binary(operator) => !binary(left, operator, right)?,
        _ => {
            let value = parser.or()?;
            if parser.at < words.len() {
                return Err(Stop::Fail(2, "too many arguments".into()));
            }
            value
        }
    };
    Ok(u8::from(!value))
}

struct Parser<'a> {
    words: &'a [&'a [u8]],
    at: usize,
}

impl Parser<'_> {
    fn peek(&self, ahead: usize) -> Option<&[u8]> {
        self.words.get(self.at + ahead).copied()
    }

    fn or(&mut self) -> Result<bool, Stop> {
        let mut value = self.and()?;
        while self.peek(0) == Some(b"-o") {
            self.at += 1;
            value |= self.and()?;
        }
        Ok(value)
    }

    fn and(&mut self) -> Result<bool, Stop> {
        let mut value = self.term()?;
        while self.peek(0) == Some(b"-a") {
            self.at += 1;
            value &= self.term()?;
        }
        Ok(value)
    }

    fn term(&mut self) -> Result<bool, Stop> {
        let missing = || Stop::Fail(2, "argument expected".into());
        if self.peek(1).is_some_and(is_binary) && self.peek(2).is_some() {
            let words = &self.words[self.at..self.at + 3];
            self.at += 3;
            return binary(words[0], words[1], words[2]);
        }
        let word = self.peek(0).ok_or_else(missing)?.to_vec();
        self.at += 1;
        match word.as_slice() {
            b"!" => return self.term().map(|value| !value),
            b"(" => {
                let value = self.or()?;
                if self.peek(0) != Some(b")") {
                    return Err(Stop::Fail(2, "')' expected".into()));
                }
                self.at += 1;
                return Ok(value);
            }
            _ => {}
        }
        if let Some(operand) = self.peek(0)
            && let Some(value) = unary(&word, operand)?
        {
            self.at += 1;
            return Ok(value);
        }
        Ok(!word.is_empty())
    }
}

fn is_binary(word: &[u8]) -> bool {
    matches!(
        word,
        b"=" | b"=="
            | b"!="
            | b"<"
            | b">"
            | b"-eq"
            | b"-ne"
            | b"-lt"
            | b"-le"
            | b"-gt"
            | b"-ge"
            | b"-nt"
            | b"-ot"
            | b"-ef"
    )
}

fn number(text: &[u8]) -> Result<i128, Stop> {
    let digits = str::from_utf8(text).ok().and_then(|text| text.trim().parse().ok());
    digits.ok_or_else(|| {
        Stop::Fail(2, format!("invalid integer '{}'", String::from_utf8_lossy(text)))
    })
}

fn binary(left: &[u8], operator: &[u8], right: &[u8]) -> Result<bool, Stop> {
    let stats = || (sys::stat(left).ok(), sys::stat(right).ok());
    Ok(match operator {
        b"=" | b"==" => left == right,
        b"!=" => left != right,
        b"<" => left < right,
        b">" => left > right,
        b"-nt" => match stats() {
            (Some(a), Some(b)) => a.mtime > b.mtime,
            (a, _) => a.is_some(),
        },
        b"-ot" => match stats() {
            (Some(a), Some(b)) => a.mtime < b.mtime,
            (_, b) => b.is_some(),
        },
        b"-ef" => matches!(stats(), (Some(a), Some(b)) if a.same_file(&b)),
        _ => {
            let (left, right) = (number(left)?, number(right)?);
            match operator {
                b"-eq" => left == right,
                b"-ne" => left != right,
                b"-lt" => left < right,
                b"-le" => left <= right,
                b"-gt" => left > right,
                _ => left >= right,
            }
        }
    })
}

/// The value of a test with one operand; nothing when it is no such test.
fn unary(operator: &[u8], word: &[u8]) -> Result<Option<bool>, Stop> {
    let stat = |test: fn(&Stat) -> bool| sys::stat(word).is_ok_and(|stat| test(&stat));
    let may = |bits: u32| sys::stat(word).is_ok_and(|stat| sys::may(&stat, bits));
    Ok(Some(match operator {
        b"-n" => !word.is_empty(),
        b"-z" => word.is_empty(),
        b"-e" => sys::stat(word).is_ok(),
        b"-f" => stat(Stat::is_file),
        b"-d" => stat(Stat::is_dir),
        b"-s" => stat(|stat| stat.size > 0),
        b"-h" | b"-L" => sys::lstat(word).is_ok_and(|stat| stat.is_symlink()),
        b"-b" => stat(|stat| stat.kind() == sys::S_IFBLK),
        b"-c" => stat(|stat| stat.kind() == sys::S_IFCHR),
        b"-p" => stat(|stat| stat.kind() == sys::S_IFIFO),
        b"-S" => stat(|stat| stat.kind() == sys::S_IFSOCK),
        b"-u" => stat(|stat| stat.mode & 0o4000 != 0),
        b"-g" => stat(|stat| stat.mode & 0o2000 != 0),
        b"-k" => stat(|stat| stat.mode & 0o1000 != 0),
        b"-O" => sys::stat(word).is_ok_and(|stat| stat.uid == sys::effective_uid()),
        b"-G" => sys::stat(word).is_ok_and(|stat| stat.gid == sys::effective_gid()),
        b"-r" => may(4),
        b"-w" => may(2),
        b"-x" => may(1),
        b"-t" => {
            use io::IsTerminal;
            match word {
                b"0" => io::stdin().is_terminal(),
                b"1" => io::stdout().is_terminal(),
                b"2" => io::stderr().is_terminal(),
                _ => return Err(native("test -t of another descriptor")),
            }
        }
        _ => return Ok(None),
    }))
}
