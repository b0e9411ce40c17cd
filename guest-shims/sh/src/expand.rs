//! Word expansion (XCU 2.6).

use crate::arith;
use crate::pattern::{Marked, Pattern, expand_paths};
use crate::state::{Flow, Shell};
use kiln_guest_abi::{fd, process};
use kiln_sh_syntax::{Dialect, ParamOp, Part, Trim, Word};

/// What an expansion gives.
type Expanded<T> = Result<T, Flow>;

/// Collects fields.
struct Fields {
    done: Vec<Marked>,
    current: Option<Marked>,
    /// A field was ended by a blank: a separator right after it is part of the same separation.
    after_blank: bool,
    /// Whether unquoted expansions are split.
    splits: bool,
    separators: Vec<u8>,
}

impl Fields {
    fn new(shell: &Shell, splits: bool) -> Self {
        let separators = shell.get(b"IFS").unwrap_or_else(|| b" \t\n".to_vec());
        Self { done: Vec::new(), current: None, after_blank: false, splits, separators }
    }

    fn push(&mut self, bytes: &[u8], quoted: bool) {
        self.current.get_or_insert_default().push(bytes, quoted);
        self.after_blank = false;
    }

    fn end(&mut self) {
        if let Some(field) = self.current.take() {
            self.done.push(field);
        }
    }

    /// The result of an expansion outside quotes.
    fn push_split(&mut self, bytes: &[u8]) {
        if !self.splits {
            if !bytes.is_empty() {
                self.push(bytes, false);
            }
            return;
        }
        for &byte in bytes {
            if !self.separators.contains(&byte) {
                self.push(&[byte], false);
            } else if matches!(byte, b' ' | b'\t' | b'\n') {
                if self.current.is_some() {
                    self.end();
                    self.after_blank = true;
                }
            } else if self.current.is_some() {
                self.end();
                self.after_blank = false;
            } else if self.after_blank {
                self.after_blank = false;
            } else {
                self.done.push(Marked::default());
            }
        }
    }

    fn finish(mut self) -> Vec<Marked> {
        self.end();
        self.done
    }
}

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
        let passwd = crate::read_file(b"/etc/passwd").ok()?;
        passwd.split(|&byte| byte == b'\n').find_map(|line| {
            let mut fields = line.split(|&byte| byte == b':');
            (fields.next() == Some(user)).then(|| fields.nth(4).map(<[u8]>::to_vec))?
        })
    }

    fn parameter(
        &mut self,
        name: &[u8],
        op: &ParamOp,
        quoted: bool,
        out: &mut Fields,
    ) -> Expanded<()> {
        if *op == ParamOp::Bad {
            return self.fatal("Bad substitution");
        }
        let many = matches!(name, b"@" | b"*");
        let value = if many { None } else { self.special(name) };
        // To dash, `$@` and `$*` are set even without parameters.
        let is_set = if many {
            self.dialect == Dialect::Dash || !self.positional.is_empty()
        } else {
            value.is_some()
        };
        let is_empty = if many {
            self.positional.iter().all(Vec::is_empty) && self.positional.len() < 2
        } else {
            value.as_ref().is_none_or(Vec::is_empty)
        };
        let lacks = |colon: bool| if colon { is_empty } else { !is_set };
        match op {
            ParamOp::Default(colon, word) if lacks(*colon) => self.operand(word, quoted, out),
            ParamOp::Alternative(colon, word) => {
                if lacks(*colon) {
                    Ok(())
                } else {
                    self.operand(word, quoted, out)
                }
            }
            ParamOp::Assign(colon, word) if lacks(*colon) => {
                if !kiln_sh_syntax::is_name(name) {
                    return self.fatal("Bad substitution");
                }
                let text = self.marked(&word.0, quoted, false)?.bytes;
                if let Err(why) = self.set(name, text.clone()) {
                    return self.fatal(&why);
                }
                push_value(&text, quoted, out);
                Ok(())
            }
            ParamOp::Error(colon, word) if lacks(*colon) => {
                let text = self.marked(&word.0, quoted, false)?.bytes;
                let default: &str =
                    if *colon { "parameter not set or null" } else { "parameter not set" };
                let text = if word.0.is_empty() {
                    default.to_owned()
                } else {
                    String::from_utf8_lossy(&text).into_owned()
                };
                self.fatal(&format!("{}: {text}", String::from_utf8_lossy(name)))
            }
            _ if many => self.all_positional(name == b"@", op, quoted, out),
            ParamOp::Default(..) | ParamOp::Assign(..) | ParamOp::Error(..) => {
                push_value(&value.unwrap_or_default(), quoted, out);
                Ok(())
            }
            _ if value.is_none() && self.options.nounset => {
                self.fatal(&format!("{}: parameter not set", String::from_utf8_lossy(name)))
            }
            _ => {
                let value = value.unwrap_or_default();
                let text = self.operate(&value, op)?;
                push_value(&text, quoted, out);
                Ok(())
            }
        }
    }

    /// What an operator other than those about being unset makes of a value.
    fn operate(&mut self, value: &[u8], op: &ParamOp) -> Expanded<Vec<u8>> {
        match op {
            ParamOp::Length => Ok(value.len().to_string().into_bytes()),
            ParamOp::Trim(trim, word) => {
                let pattern = self.pattern(word)?;
                Ok(cut(value, *trim, &pattern).to_vec())
            }
            ParamOp::Replace { all, pattern, with } => {
                let pattern = self.pattern(pattern)?;
                let with = self.text(with)?;
                Ok(replace(value, &pattern, &with, *all))
            }
            ParamOp::Slice { offset, length } => {
                let text = self.quoted(offset)?;
                let offset = self.arithmetic(&text)?;
                let length = match length {
                    Some(length) => {
                        let text = self.quoted(length)?;
                        Some(self.arithmetic(&text)?)
                    }
                    None => None,
                };
                Ok(slice(value, offset, length))
            }
            _ => Ok(value.to_vec()),
        }
    }

    fn all_positional(
        &mut self,
        at: bool,
        op: &ParamOp,
        quoted: bool,
        out: &mut Fields,
    ) -> Expanded<()> {
        if *op == ParamOp::Length {
            push_value(self.positional.len().to_string().as_bytes(), quoted, out);
            return Ok(());
        }
        if matches!(op, ParamOp::Slice { .. }) {
            self.needs_native("${@:…}");
        }
        if self.positional.is_empty() && matches!(op, ParamOp::Trim(..)) {
            // The pattern is expanded all the same: it may assign, or be an error.
            self.operate(b"", op)?;
        }
        let mut values = Vec::new();
        for value in self.positional.clone() {
            values.push(self.operate(&value, op)?);
        }
        let one = !out.splits && self.dialect == Dialect::Dash;
        if quoted && at && !one {
            for (n, value) in values.iter().enumerate() {
                if n > 0 {
                    out.end();
                }
                out.push(value, true);
            }
        } else if quoted || !out.splits {
            let separators = self.get(b"IFS");
            let between = match &separators {
                Some(text) => text.get(..1).unwrap_or_default().to_vec(),
                None => b" ".to_vec(),
            };
            let between = if at && !one { b" ".to_vec() } else { between };
            push_value(&values.join(&between[..]), quoted, out);
        } else {
            for (n, value) in values.iter().enumerate() {
                if n > 0 {
                    out.end();
                }
                out.push_split(value);
            }
        }
        Ok(())
    }

    /// The word of an operator: in double quotes as those, else its text is split.
    fn operand(&mut self, word: &Word, quoted: bool, out: &mut Fields) -> Expanded<()> {
        if quoted {
            return self.expand(&word.0, true, false, out);
        }
        for (n, part) in word.0.iter().enumerate() {
            match part {
                Part::Literal(text) => {
                    let tilde = n == 0 && text.starts_with(b"~");
                    if tilde {
                        self.push_literal(text, true, word.0.len() == 1, false, out);
                    } else {
                        out.push_split(text);
                    }
                }
                other => self.expand(std::slice::from_ref(other), false, false, out)?,
            }
        }
        Ok(())
    }

    /// A parameter's value, special ones included, less `@` and `*`.
    fn special(&mut self, name: &[u8]) -> Option<Vec<u8>> {
        let number = |value: i64| Some(value.to_string().into_bytes());
        match name {
            b"#" => number(self.positional.len().try_into().unwrap_or(i64::MAX)),
            b"?" => number(self.status.into()),
            b"$" => number(self.pid.into()),
            b"!" => self.last_background.and_then(|pid| number(pid.into())),
            b"-" => Some(self.flags()),
            b"0" => Some(self.name.clone()),
            digits if digits.first().is_some_and(u8::is_ascii_digit) => {
                let place: usize = std::str::from_utf8(digits).ok()?.parse().ok()?;
                self.positional.get(place.checked_sub(1)?).cloned()
            }
            name => self.get(name),
        }
    }

    /// `$(…)`: the output of the commands, less the newlines at its end.
    fn substitute(&mut self, list: &kiln_sh_syntax::List) -> Expanded<Vec<u8>> {
        let (reader, writer) = match fd::pipe() {
            Ok(pipe) => pipe,
            Err(error) => return self.fatal(&kiln_guest_abi::error::text(&error)),
        };
        let pid = self.fork(|shell| {
            let _ = fd::close(reader);
            let _ = fd::dup2(writer, 1);
            let _ = fd::close(writer);
            shell.tested = 0;
            let posix = shell.name.ends_with(b"sh") && !shell.name.ends_with(b"bash");
            if shell.dialect == Dialect::Bash && !posix {
                shell.options.errexit = false;
            }
            shell.list(list)
        })?;
        let _ = fd::close(writer);
        let mut text = Vec::new();
        let mut buffer = [0; 8192];
        while let Ok(count @ 1..) = crate::output::read(reader, &mut buffer) {
            text.extend_from_slice(&buffer[..count]);
        }
        let _ = fd::close(reader);
        self.status = self.wait_for(pid);
        self.substituted = Some(self.status);
        text.retain(|&byte| byte != 0);
        let end = text.iter().rposition(|&byte| byte != b'\n').map_or(0, |last| last + 1);
        text.truncate(end);
        Ok(text)
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

/// `${x#…}` and its kin.
fn cut<'a>(value: &'a [u8], trim: Trim, pattern: &Pattern) -> &'a [u8] {
    let mut lengths = 0..=value.len();
    match trim {
        Trim::ShortestPrefix => {
            lengths.find(|&n| pattern.matches(&value[..n])).map_or(value, |n| &value[n..])
        }
        Trim::LongestPrefix => {
            lengths.rfind(|&n| pattern.matches(&value[..n])).map_or(value, |n| &value[n..])
        }
        Trim::ShortestSuffix => {
            lengths.rfind(|&n| pattern.matches(&value[n..])).map_or(value, |n| &value[..n])
        }
        Trim::LongestSuffix => {
            lengths.find(|&n| pattern.matches(&value[n..])).map_or(value, |n| &value[..n])
        }
    }
}

/// `${x/pattern/with}`: the longest match at the first place that has one.
fn replace(value: &[u8], pattern: &Pattern, with: &[u8], all: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < value.len() {
        match (at + 1..=value.len()).rfind(|&end| pattern.matches(&value[at..end])) {
            Some(end) => {
                out.extend_from_slice(with);
                at = end;
                if !all {
                    break;
                }
            }
            None => {
                out.push(value[at]);
                at += 1;
            }
        }
    }
    out.extend_from_slice(&value[at..]);
    out
}

/// `${x:offset:length}`; negative numbers count from the end.
fn slice(value: &[u8], offset: i64, length: Option<i64>) -> Vec<u8> {
    let size = i64::try_from(value.len()).unwrap_or(i64::MAX);
    let from_end = |n: i64| if n < 0 { size.saturating_add(n) } else { n };
    let start = from_end(offset);
    if start < 0 || start > size {
        return Vec::new();
    }
    let end = match length {
        None => size,
        Some(length) if length < 0 => size.saturating_add(length).max(start),
        Some(length) => start.saturating_add(length).min(size),
    };
    let index = |n: i64| usize::try_from(n).unwrap_or(0);
    value[index(start)..index(end)].to_vec()
}
