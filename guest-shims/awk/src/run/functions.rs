//! The functions of the language.

use std::rc::Rc;

use shim::{Stop, locale, native, sys};

use super::{Halt, Machine};
use crate::{
    ast::{Builtin, Expr},
    printf,
    random::Random,
    separator::Fields,
    streams,
    value::Value,
    variables as special,
};

fn count(number: usize) -> Value {
    Value::Number(f64::from(u32::try_from(number).unwrap_or(u32::MAX)))
}

impl<'a> Machine<'a> {
    pub(super) fn builtin(&mut self, builtin: Builtin, args: &'a [Expr]) -> Result<Value, Halt> {
        Ok(match builtin {
            Builtin::Length => self.length(args.first())?,
            Builtin::Index => {
                let (text, part) = (self.wide_text(&args[0])?, self.text(&args[1])?);
                let empty = part.is_empty() && self.dialect.is_mawk();
                let found = if part.is_empty() {
                    None
                } else {
                    text.windows(part.len()).position(|window| window == &part[..])
                };
                count(found.map_or(usize::from(empty), |at| at + 1))
            }
            Builtin::Substr => self.substr(args)?,
            Builtin::Tolower => {
                Value::Text(Rc::from(self.wide_text(&args[0])?.to_ascii_lowercase()))
            }
            Builtin::Toupper => {
                Value::Text(Rc::from(self.wide_text(&args[0])?.to_ascii_uppercase()))
            }
            Builtin::Sprintf => Value::Text(Rc::from(self.formatted(args)?)),
            Builtin::Match => {
                let text = self.wide_text(&args[0])?;
                let found = self.pattern(&args[1])?.find(&text, 0)?;
                let (start, length) = match found {
                    Some((from, to)) => (count(from + 1), count(to - from)),
                    None => (Value::Number(0.0), Value::Number(-1.0)),
                };
                self.set_global(special::RSTART, start.clone())?;
                self.set_global(special::RLENGTH, length)?;
                start
            }
            Builtin::Split => self.split(args)?,
            Builtin::Sub => self.substitute(args, false)?,
            Builtin::Gsub => self.substitute(args, true)?,
            Builtin::Int => Value::Number(self.number(&args[0])?.trunc()),
            Builtin::Sqrt => Value::Number(self.number(&args[0])?.sqrt()),
            Builtin::Exp => Value::Number(self.number(&args[0])?.exp()),
            Builtin::Log => Value::Number(self.number(&args[0])?.ln()),
            Builtin::Sin => Value::Number(self.number(&args[0])?.sin()),
            Builtin::Cos => Value::Number(self.number(&args[0])?.cos()),
            Builtin::Atan2 => {
                let (y, x) = (self.number(&args[0])?, self.number(&args[1])?);
                Value::Number(y.atan2(x))
            }
            Builtin::Rand => {
                // Only mawk's begins with the time; what others give first is known.
                if !self.dialect.is_mawk() {
                    return Err(native("random numbers").into());
                }
                if self.seeded {
                    self.dialect.require_old_mawk("random numbers after a seed")?;
                }
                Value::Number(self.random.next())
            }
            Builtin::Srand => self.seed(args.first())?,
            Builtin::System => {
                let command = self.text(&args[0])?;
                self.streams.flush(self.context)?;
                Value::Number(streams::system(&command, self.dialect)?)
            }
            Builtin::Close => {
                let name = self.text(&args[0])?;
                let missing = if self.dialect.is_busybox() { 0.0 } else { -1.0 };
                Value::Number(self.streams.close(&name, self.dialect)?.unwrap_or(missing))
            }
            Builtin::Fflush => {
                if let Some(name) = args.first() {
                    self.evaluate(name)?;
                }
                self.streams.flush(self.context)?;
                Value::Number(0.0)
            }
            Builtin::Systime => {
                let seconds = sys::now().secs;
                #[expect(clippy::cast_precision_loss, reason = "times are far below 2^53")]
                let seconds = seconds as f64;
                Value::Number(seconds)
            }
        })
    }

    /// A text that is measured: gawk counts characters where the locale says so.
    fn wide_text(&mut self, expr: &'a Expr) -> Result<Rc<[u8]>, Halt> {
        let text = self.text(expr)?;
        self.check_wide(&text)?;
        Ok(text)
    }

    fn check_wide(&self, text: &[u8]) -> Result<(), Stop> {
        if self.dialect.is_gawk() && !text.is_ascii() && locale::is_utf8(&self.context.env) {
            return Err(native("characters beyond ASCII"));
        }
        Ok(())
    }

    fn length(&mut self, arg: Option<&'a Expr>) -> Result<Value, Halt> {
        let text = match arg {
            None => self.record_text()?,
            Some(Expr::Var(variable)) => match self.array(*variable) {
                Ok(array) => return Ok(count(array.borrow().len())),
                Err(_) => self.variable(*variable)?.bytes(&self.convert, self.dialect)?,
            },
            Some(arg) => self.text(arg)?,
        };
        self.check_wide(&text)?;
        Ok(count(text.len()))
    }

    fn substr(&mut self, args: &'a [Expr]) -> Result<Value, Halt> {
        let text = self.wide_text(&args[0])?;
        let begin = self.number(&args[1])?;
        let length = match args.get(2) {
            Some(length) => Some(self.number(length)?),
            None => None,
        };
        let whole = begin == begin.trunc() && length.is_none_or(|length| length == length.trunc());
        if begin.is_nan() || length.is_some_and(f64::is_nan) || self.dialect.is_gawk() && !whole {
            return Err(native("substr with such numbers").into());
        }
        if self.dialect.is_mawk() && (!whole || begin < 1.0 && length.is_some()) {
            self.dialect.require_old_mawk("substr with such numbers")?;
        }
        let (mut begin, mut length) = (begin.trunc(), length.map(f64::trunc));
        if begin < 1.0 {
            length = match length {
                // The old mawk adds what is before the beginning.
                Some(length) if self.dialect.is_mawk() => Some(length - begin),
                Some(length) if self.dialect.is_gawk() => Some(length + begin - 1.0),
                Some(_) => return Err(native("substr before the beginning").into()),
                None => None,
            };
            begin = 1.0;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the casts saturate"
        )]
        let (from, most) =
            (begin as usize - 1, length.map_or(usize::MAX, |length| length as usize));
        let from = from.min(text.len());
        let to = from.saturating_add(most).min(text.len());
        Ok(Value::Text(Rc::from(&text[from..to])))
    }

    pub(super) fn formatted(&mut self, args: &'a [Expr]) -> Result<Vec<u8>, Halt> {
        let Some((format, args)) = args.split_first() else { return Ok(Vec::new()) };
        let format = self.text(format)?;
        let mut values = Vec::with_capacity(args.len());
        for arg in args {
            values.push(self.evaluate(arg)?);
        }
        Ok(printf::format(&format, &values, &self.convert, self.dialect)?)
    }

    fn split(&mut self, args: &'a [Expr]) -> Result<Value, Halt> {
        let text = self.text(&args[0])?;
        let fields = match args.get(2) {
            None => self.fields.clone(),
            Some(Expr::Pattern(pattern)) => Fields::Pattern(pattern.clone()),
            Some(separator) => {
                let separator = self.text(separator)?;
                Fields::new(&separator, self.dialect)?
            }
        };
        let parts = fields.split(&text, false)?;
        let values: Vec<Value> =
            parts.into_iter().map(|part| Value::input(part, self.dialect)).collect();
        let total = values.len();
        let Expr::Var(array) = &args[1] else { return Err(native("split").into()) };
        self.array(*array)?.borrow_mut().fill(values, self.dialect);
        Ok(count(total))
    }

    fn seed(&mut self, seed: Option<&'a Expr>) -> Result<Value, Halt> {
        let new = match seed {
            Some(seed) => self.evaluate(seed)?,
            None => {
                let secs = sys::now().secs & 0x7fff_ffff;
                Value::Number(f64::from(i32::try_from(secs).unwrap_or(0)))
            }
        };
        self.seeded = seed.is_some();
        let number = new.number(self.dialect).trunc();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "as the C library takes a seed"
        )]
        let word = number as i64 as u32;
        self.random = Random::new(word);
        Ok(std::mem::replace(&mut self.seed, Value::Number(number)))
    }

    fn substitute(&mut self, args: &'a [Expr], all: bool) -> Result<Value, Halt> {
        let pattern = self.pattern(&args[0])?;
        let replacement = self.text(&args[1])?;
        let target = &args[2];
        let text = self.text(target)?;
        let mut result = Vec::with_capacity(text.len());
        let (mut done, mut from, mut replaced) = (0, 0, 0_u32);
        while from <= text.len() {
            let Some((begin, end)) = pattern.find(&text, from)? else { break };
            if begin == end && replaced > 0 && begin == done && begin > 0 && from == done {
                if self.dialect.is_busybox() {
                    return Err(native("an empty match behind another").into());
                }
                // Nothing is replaced right behind what was replaced.
                from = begin + 1;
                continue;
            }
            result.extend_from_slice(&text[done..begin]);
            expand(&mut result, &replacement, &text[begin..end], self.dialect.is_mawk());
            replaced += 1;
            done = end;
            if !all {
                break;
            }
            from = if begin == end { end + 1 } else { end };
        }
        // BusyBox assigns also what it did not change, which makes a field where there was none.
        if replaced == 0 && !self.dialect.is_busybox() {
            return Ok(Value::Number(0.0));
        }
        result.extend_from_slice(text.get(done..).unwrap_or_default());
        self.assign(target, Value::Text(Rc::from(result)))?;
        Ok(Value::Number(f64::from(replaced)))
    }
}

/// Adds a replacement: `&` is what matched, `\&` an ampersand, `\\&` a backslash and what matched.
/// Elsewhere two backslashes are one in mawk and two in the others.
fn expand(result: &mut Vec<u8>, replacement: &[u8], matched: &[u8], pairs: bool) {
    let mut at = 0;
    while let Some(&byte) = replacement.get(at) {
        let run = replacement[at..].iter().take_while(|&&byte| byte == b'\\').count();
        at += run;
        let ampersand = replacement.get(at) == Some(&b'&');
        if run == 0 {
            at += 1;
            if byte == b'&' {
                result.extend_from_slice(matched);
            } else {
                result.push(byte);
            }
            continue;
        }
        let shown = match (ampersand, pairs) {
            (true, _) => run / 2,
            (false, true) => run.div_ceil(2),
            (false, false) => run,
        };
        result.resize(result.len() + shown, b'\\');
        if ampersand && run % 2 == 1 {
            result.push(b'&');
            at += 1;
        }
    }
}
