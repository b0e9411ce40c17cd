//! Text to script.

mod arguments;

use shim::{
    Stop, native,
    regex::{Error, Options, Regex},
};

use crate::script::{Action, Address, End, Pattern, Script, Step, Which};

pub(crate) fn parse(text: &[u8], extended: bool, utf8: bool) -> Result<Script, Stop> {
    let mut parser = Parser {
        text,
        at: 0,
        regex: Options { extended, utf8, escapes: true, ..Options::default() },
        script: Script { steps: Vec::new(), files: Vec::new(), silent: false },
        blocks: Vec::new(),
        labels: Vec::new(),
        jumps: Vec::new(),
    };
    if text.starts_with(b"#n\n") || text == b"#n" {
        parser.script.silent = true;
    }
    while parser.step()? {}
    parser.resolve()?;
    Ok(parser.script)
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    regex: Options,
    script: Script,
    /// The numbers of the blocks that are open.
    blocks: Vec<usize>,
    labels: Vec<(Vec<u8>, usize)>,
    /// The numbers of the jumps, with their labels.
    jumps: Vec<(usize, Vec<u8>)>,
}

fn fail(message: impl Into<String>) -> Stop {
    Stop::Fail(1, format!("-e expression #1: {}", message.into()))
}

/// How a pattern's error ends the command.
pub(crate) fn stop(error: Error) -> Stop {
    match error {
        Error::Syntax(message) => fail(message),
        Error::Unsupported(_) => native(error.to_string()),
    }
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace() && byte != b'\n') {
            self.at += 1;
        }
    }

    /// Reads a command; false at the end of the script.
    fn step(&mut self) -> Result<bool, Stop> {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace() || byte == b';') {
            self.at += 1;
        }
        if self.peek().is_none() {
            return Ok(false);
        }
        let which = self.which()?;
        self.skip_blanks();
        let mut negated = false;
        while self.peek() == Some(b'!') {
            negated = true;
            self.at += 1;
            self.skip_blanks();
        }
        let Some(letter) = self.peek() else { return Err(fail("missing command")) };
        self.at += 1;
        let addressed = !matches!(which, Which::All);
        let number = self.script.steps.len();
        let action = match letter {
            b'#' if addressed => return Err(fail("comments don't accept any addresses")),
            b'#' => {
                while self.peek().is_some_and(|byte| byte != b'\n') {
                    self.at += 1;
                }
                return Ok(true);
            }
            b':' => {
                if addressed {
                    return Err(fail(": doesn't want any addresses"));
                }
                self.skip_blanks();
                let label = self.label();
                if label.is_empty() {
                    return Err(fail("\":\" lacks a label"));
                }
                self.labels.push((label, number));
                return Ok(true);
            }
            b'{' => {
                self.blocks.push(number);
                self.script.steps.push(Step { which, negated, action: Action::Block(0) });
                return Ok(true);
            }
            b'}' => {
                let Some(open) = self.blocks.pop() else { return Err(fail("unexpected `}'")) };
                if addressed {
                    return Err(fail("} doesn't want any addresses"));
                }
                self.script.steps[open].action = Action::Block(number + 1);
                Action::BlockEnd
            }
            _ => self.action(letter, number)?,
        };
        let ends_itself =
            matches!(action, Action::Append(_) | Action::Insert(_) | Action::Change(_));
        self.script.steps.push(Step { which, negated, action });
        if !ends_itself {
            self.end_of_command()?;
        }
        Ok(true)
    }

    fn action(&mut self, letter: u8, number: usize) -> Result<Action, Stop> {
        Ok(match letter {
            b'=' => Action::LineNumber,
            b'a' => Action::Append(self.text_argument()?),
            b'i' => Action::Insert(self.text_argument()?),
            b'c' => Action::Change(self.text_argument()?),
            b'b' | b't' | b'T' => {
                self.skip_blanks();
                let label = self.label();
                if !label.is_empty() {
                    self.jumps.push((number, label));
                }
                match letter {
                    b'b' => Action::Branch(None),
                    b't' => Action::BranchIf(None),
                    _ => Action::BranchUnless(None),
                }
            }
            b'd' => Action::Delete,
            b'D' => Action::DeleteFirst,
            b'F' => Action::FileName,
            b'g' => Action::Get,
            b'G' => Action::GetAppend,
            b'h' => Action::Hold,
            b'H' => Action::HoldAppend,
            b'x' => Action::Exchange,
            b'l' => Action::List(self.number()),
            b'n' => Action::Next,
            b'N' => Action::NextAppend,
            b'p' => Action::Print,
            b'P' => Action::PrintFirst,
            b'q' => Action::Quit(self.status()?),
            b'Q' => Action::QuitSilently(self.status()?),
            b'r' => Action::ReadFile(self.file_name()?),
            b'R' => Action::ReadLine(self.file_name()?),
            b'w' => Action::Write(self.file()?),
            b'W' => Action::WriteFirst(self.file()?),
            b's' => self.substitution()?,
            b'y' => self.translation()?,
            b'z' => Action::Zap,
            b'v' => {
                self.skip_blanks();
                let _ = self.label();
                Action::Nothing
            }
            b'e' => return Err(native("the e command")),
            _ => return Err(fail(format!("unknown command: `{}'", char::from(letter)))),
        })
    }

    fn status(&mut self) -> Result<u8, Stop> {
        let status = self.number().unwrap_or(0);
        u8::try_from(status & 0xff).map_err(|_| fail("invalid exit status"))
    }

    fn end_of_command(&mut self) -> Result<(), Stop> {
        self.skip_blanks();
        match self.peek() {
            None | Some(b'}' | b'#') => Ok(()),
            Some(b'\n' | b';') => {
                self.at += 1;
                Ok(())
            }
            Some(_) => Err(fail("extra characters after command")),
        }
    }

    fn number(&mut self) -> Option<u64> {
        self.skip_blanks();
        let from = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        shim::number::decimal(&self.text[from..self.at])
    }

    fn which(&mut self) -> Result<Which, Stop> {
        let Some(first) = self.address()? else { return Ok(Which::All) };
        self.skip_blanks();
        if self.peek() != Some(b',') {
            if matches!(first, Address::Line(0)) {
                return Err(fail("invalid usage of line address 0"));
            }
            return Ok(Which::One(first));
        }
        self.at += 1;
        self.skip_blanks();
        let end = match self.peek() {
            Some(sign @ (b'+' | b'~')) => {
                self.at += 1;
                let count = self.number().ok_or_else(|| fail("expected a number"))?;
                if sign == b'+' { End::Count(count) } else { End::Multiple(count) }
            }
            _ => End::Address(self.address()?.ok_or_else(|| fail("unexpected `,'"))?),
        };
        if matches!(first, Address::Line(0)) && !matches!(end, End::Address(Address::Match(_))) {
            return Err(fail("invalid usage of line address 0"));
        }
        Ok(Which::Range(first, end))
    }

    fn address(&mut self) -> Result<Option<Address>, Stop> {
        match self.peek() {
            Some(b'0'..=b'9') => {
                let line = self.number().ok_or_else(|| fail("number too large"))?;
                self.skip_blanks();
                if self.peek() == Some(b'~') {
                    self.at += 1;
                    let step = self.number().unwrap_or(0);
                    return Ok(Some(Address::Step(line, step)));
                }
                Ok(Some(Address::Line(line)))
            }
            Some(b'$') => {
                self.at += 1;
                Ok(Some(Address::Last))
            }
            Some(byte @ (b'/' | b'\\')) => {
                self.at += 1;
                let mut mark = byte;
                if byte == b'\\' {
                    mark = self.peek().ok_or_else(|| fail("unexpected end"))?;
                    self.at += 1;
                }
                let pattern = self.delimited(mark, true)?;
                let mut options = self.regex;
                loop {
                    match self.peek() {
                        Some(b'I') => options.ignore_case = true,
                        Some(b'M') => options.multiline = true,
                        _ => break,
                    }
                    self.at += 1;
                }
                Ok(Some(Address::Match(self.pattern(&pattern, options)?)))
            }
            _ => Ok(None),
        }
    }

    fn pattern(&self, text: &[u8], options: Options) -> Result<Pattern, Stop> {
        if text.is_empty() {
            return Ok(None);
        }
        Regex::new(text, options).map(Some).map_err(stop)
    }

    fn resolve(&mut self) -> Result<(), Stop> {
        if !self.blocks.is_empty() {
            return Err(fail("unmatched `{'"));
        }
        for (number, label) in &self.jumps {
            let target = self.labels.iter().find(|(name, _)| name == label).map(|(_, at)| *at);
            let Some(target) = target else {
                let label = String::from_utf8_lossy(label);
                return Err(Stop::Fail(4, format!("can't find label for jump to `{label}'")));
            };
            match &mut self.script.steps[*number].action {
                Action::Branch(to) | Action::BranchIf(to) | Action::BranchUnless(to) => {
                    *to = Some(target)
                }
                _ => {}
            }
        }
        Ok(())
    }
}
