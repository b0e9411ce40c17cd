//! Word expansion (XCU 2.6).

mod fields;
mod parameter;

use crate::arith;
use crate::pattern::{Marked, Pattern, expand_paths};
use crate::state::{Flow, Shell};
use fields::Fields;
use kiln_guest_abi::{fd, process};
use kiln_sh_syntax::{Dialect, ParamOp, Part, Word};

/// What an expansion gives.
type Expanded<T> = Result<T, Flow>;

impl Shell {
    /// A command's words to fields; what `export` and its kin assign is expanded as assignments are.
    pub(crate) fn command_fields(&mut self, words: &[Word]) -> Expanded<Vec<Vec<u8>>> {
        let mut assigns = false;
        let mut all: Vec<Vec<u8>> = Vec::new();
        for word in words {
            if assigns && kiln_sh_syntax::is_assignment(word) {
                all.push(self.assigned(word)?);
                continue;
            }
            let nothing_yet = all.is_empty();
            all.extend(self.fields(std::slice::from_ref(word))?);
            let first = all.first().map(Vec::as_slice);
            assigns = match first {
                _ if self.dialect == Dialect::Ash => false,
                Some(b"command") if !nothing_yet => {
                    assigns || all.last().is_some_and(|word| is_assigner(word))
                }
                Some(name) => is_assigner(name) && !self.functions.contains_key(name),
                None => false,
            };
        }
        Ok(all)
    }

    /// Words to fields: all expansions.
    pub(crate) fn fields(&mut self, words: &[Word]) -> Expanded<Vec<Vec<u8>>> {
        let mut all = Vec::new();
        for word in words {
            let mut fields = Fields::new(self, true);
            self.expand(&word.0, false, false, &mut fields)?;
            for field in fields.finish() {
                let paths = if self.options.noglob { Vec::new() } else { expand_paths(&field) };
                if paths.len() > 1 && self.has_locale() {
                    self.needs_native("paths in a locale's order");
                }
                if paths.is_empty() {
                    all.push(field.bytes);
                } else {
                    all.extend(paths);
                }
            }
        }
        Ok(all)
    }

    /// A word to one text: no splitting, no paths.
    pub(crate) fn text(&mut self, word: &Word) -> Expanded<Vec<u8>> {
        self.marked(&word.0, false, false).map(|text| text.bytes)
    }

    /// The value of an assignment: tildes after colons too.
    pub(crate) fn assigned(&mut self, word: &Word) -> Expanded<Vec<u8>> {
        self.marked(&word.0, false, true).map(|text| text.bytes)
    }

    /// A word as a pattern.
    pub(crate) fn pattern(&mut self, word: &Word) -> Expanded<Pattern> {
        self.marked(&word.0, false, false).map(|text| Pattern::new(&text))
    }

    /// Text as in double quotes, to one text.
    pub(crate) fn quoted(&mut self, parts: &[Part]) -> Expanded<Vec<u8>> {
        self.marked(parts, true, false).map(|text| text.bytes)
    }

    fn marked(&mut self, parts: &[Part], quoted: bool, assignment: bool) -> Expanded<Marked> {
        let mut fields = Fields::new(self, false);
        self.expand(parts, quoted, assignment, &mut fields)?;
        // "$@" gives several fields even here; they are joined.
        let mut joined = Marked::default();
        for (n, field) in fields.finish().into_iter().enumerate() {
            if n > 0 {
                joined.push(b" ", true);
            }
            joined.bytes.extend(field.bytes);
            joined.quoted.extend(field.quoted);
        }
        Ok(joined)
    }

    fn expand(
        &mut self,
        parts: &[Part],
        quoted: bool,
        assignment: bool,
        out: &mut Fields,
    ) -> Expanded<()> {
        for (n, part) in parts.iter().enumerate() {
            match part {
                Part::Literal(text) if quoted => out.push(text, true),
                Part::Literal(text) => {
                    let ends_word = n + 1 == parts.len();
                    self.push_literal(text, n == 0, ends_word, assignment, out);
                }
                Part::Quoted(text) => out.push(text, true),
                Part::Double(inner) => {
                    // Quotes make a field even of nothing, unless it is "$@" without parameters.
                    if !is_only_at(inner, self.dialect) || out.current.is_some() {
                        out.push(b"", true);
                    }
                    self.expand(inner, true, false, out)?;
                }
                Part::Param { name, op } => self.parameter(name, op, quoted, out)?,
                Part::Command(list) => {
                    let text = self.substitute(list)?;
                    push_value(&text, quoted, out);
                }
                Part::Arithmetic(inner) => {
                    let text = self.quoted(inner)?;
                    let value = self.arithmetic(&text)?;
                    push_value(value.to_string().as_bytes(), quoted, out);
                }
            }
        }
        Ok(())
    }

    fn push_literal(
        &self,
        text: &[u8],
        starts_word: bool,
        ends_word: bool,
        assignment: bool,
        out: &mut Fields,
    ) {
        let mut rest = text;
        let mut may_start = starts_word && out.current.is_none();
        loop {
            if may_start && rest.first() == Some(&b'~') {
                let end = rest
                    .iter()
                    .position(|&byte| byte == b'/' || assignment && byte == b':')
                    .unwrap_or(rest.len());
                // A quoted part right after it makes it no user's name.
                let whole = end < rest.len() || ends_word;
                if whole && let Some(home) = self.home(&rest[1..end]) {
                    out.push(&home, true);
                    rest = &rest[end..];
                }
            }
            let next = if assignment { rest.iter().position(|&byte| byte == b':') } else { None };
            match next {
                Some(colon) => {
                    out.push(&rest[..=colon], false);
                    rest = &rest[colon + 1..];
                    may_start = true;
                }
                None => {
                    if !rest.is_empty() {
                        out.push(rest, false);
                    }
                    return;
                }
            }
        }
    }

    /// The home directory that `~` or `~user` stands for.
    fn home(&self, user: &[u8]) -> Option<Vec<u8>> {
        if user.is_empty() {
            return self.get(b"HOME");
        }
        if self.dialect == Dialect::Bash && matches!(user[0], b'+' | b'-' | b'0'..=b'9') {
            self.needs_native("~+ and ~-");
        }
        let passwd = crate::read_file(b"/etc/passwd").ok()?;
        passwd.split(|&byte| byte == b'\n').find_map(|line| {
            let mut fields = line.split(|&byte| byte == b':');
            (fields.next() == Some(user)).then(|| fields.nth(4).map(<[u8]>::to_vec))?
        })
    }

    /// `$(…)`: the output of the commands, less the newlines at its end.
    fn substitute(&mut self, list: &kiln_sh_syntax::List) -> Expanded<Vec<u8>> {
        let (mut text, status) = match self.substitute_plain(list) {
            Some(done) => done,
            None => self.substitute_copy(list)?,
        };
        self.status = status;
        self.substituted = Some(status);
        text.retain(|&byte| byte != 0);
        let end = text.iter().rposition(|&byte| byte != b'\n').map_or(0, |last| last + 1);
        text.truncate(end);
        Ok(text)
    }

    /// What a copy of the shell writes that runs the commands, and its status.
    fn substitute_copy(&mut self, list: &kiln_sh_syntax::List) -> Expanded<(Vec<u8>, i32)> {
        let (reader, writer) = match fd::pipe() {
            Ok(pipe) => pipe,
            Err(error) => return self.fatal(&kiln_guest_abi::error::text(&error)),
        };
        let pid = self.fork(|shell| {
            let _ = fd::close(reader);
            let _ = fd::dup2(writer, 1);
            let _ = fd::close(writer);
            shell.tested = 0;
            if shell.dialect == Dialect::Bash && !shell.posix {
                shell.options.errexit = false;
            }
            shell.list(list)
        })?;
        let _ = fd::close(writer);
        let text = crate::output::read_all(reader);
        let _ = fd::close(reader);
        Ok((text, self.wait_for(pid)))
    }

    /// `$((…))`
    pub(crate) fn arithmetic(&mut self, text: &[u8]) -> Expanded<i64> {
        match arith::evaluate(text, &mut Numbers(self)) {
            Ok(value) => Ok(value),
            Err(why) => self.fatal(&why),
        }
    }

    /// Starts a copy of the shell that runs `work` and exits.
    pub(crate) fn fork(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<i32, Flow>,
    ) -> Expanded<i32> {
        let forked = process::fork(|| {
            self.exit_trap = None;
            self.traps.retain(|_, action| action.is_empty());
            self.children.clear();
            self.jobs.clear();
            self.ended.clear();
            self.pending.clear();
            let done = work(self);
            self.finish(done)
        });
        match forked {
            Ok(pid) => {
                self.children.push(pid);
                Ok(pid)
            }
            Err(error) => {
                let why = kiln_guest_abi::error::text(&error);
                self.fatal(&format!("Cannot fork: {why}"))
            }
        }
    }
}

fn is_assigner(name: &[u8]) -> bool {
    matches!(name, b"export" | b"readonly" | b"local" | b"alias")
}

struct Numbers<'a>(&'a mut Shell);

impl arith::Variables for Numbers<'_> {
    fn get(&mut self, name: &[u8]) -> Option<Vec<u8>> {
        let value = self.0.get(name);
        if value.is_none() && self.0.options.nounset && self.0.dialect != Dialect::Dash {
            self.0.complain(&format!("{}: parameter not set", String::from_utf8_lossy(name)));
            return Some(b"?".to_vec());
        }
        value
    }

    fn set(&mut self, name: &[u8], value: i64) -> Result<(), String> {
        self.0.set(name, value.to_string().into_bytes())
    }

    fn extended(&self) -> bool {
        self.0.dialect != Dialect::Dash
    }
}

/// Whether the parts are `$@` and nothing else; to dash, one with an operator is not.
fn is_only_at(parts: &[Part], dialect: Dialect) -> bool {
    matches!(parts, [Part::Param { name, op }] if name == b"@"
        && (*op == ParamOp::Plain || dialect != Dialect::Dash && *op != ParamOp::Length))
}

fn push_value(bytes: &[u8], quoted: bool, out: &mut Fields) {
    if quoted {
        out.push(bytes, true);
    } else {
        out.push_split(bytes);
    }
}
