//! `seq`.

use std::io::Write;

use shim::{Context, Outcome, Stop, native};

/// A decimal number: its value times ten to the scale.
#[derive(Clone, Copy)]
struct Decimal {
    value: i128,
    scale: u32,
}

/// Digits behind the point that are kept.
const MAX_SCALE: u32 = 15;

fn decimal(text: &[u8]) -> Option<Decimal> {
    let text = str::from_utf8(text).ok()?;
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{fraction}");
    if all.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let scale = u32::try_from(fraction.len()).ok().filter(|&scale| scale <= MAX_SCALE)?;
    let value: i128 = all.parse().ok().filter(|&value: &i128| value < 1_i128 << 100)?;
    Some(Decimal { value: if negative { -value } else { value }, scale })
}

pub(crate) fn main(context: &mut Context) -> Outcome {
    let (mut separator, mut equal_width) = (b"\n".to_vec(), false);
    let mut operands = Vec::new();
    let mut args = context.args.iter();
    while let Some(arg) = args.next() {
        let is_number = arg.get(1).is_some_and(|byte| byte.is_ascii_digit() || *byte == b'.');
        if arg.first() != Some(&b'-') || is_number || arg.len() == 1 {
            operands.push(arg.clone());
            continue;
        }
        let missing = || native("an option without a value");
        match arg.as_slice() {
            b"-w" | b"--equal-width" => equal_width = true,
            b"-s" | b"--separator" => separator = args.next().ok_or_else(missing)?.clone(),
            b"--" => operands.extend(args.by_ref().cloned()),
            _ => {
                let attached =
                    arg.strip_prefix(b"-s").or_else(|| arg.strip_prefix(b"--separator="));
                separator = attached
                    .ok_or_else(|| native(format!("option {}", String::from_utf8_lossy(arg))))?
                    .to_vec();
            }
        }
    }
    let mut numbers = Vec::new();
    for operand in &operands {
        numbers.push(
            decimal(operand).ok_or_else(|| {
                native(format!("the number {}", String::from_utf8_lossy(operand)))
            })?,
        );
    }
    let one = Decimal { value: 1, scale: 0 };
    let (first, step, last) = match numbers.as_slice() {
        [last] => (one, one, *last),
        [first, last] => (*first, one, *last),
        [first, step, last] => (*first, *step, *last),
        _ => return Err(Stop::Fail(1, "needs one to three numbers".into())),
    };
    // The last number does not give the precision, but takes part in the comparison.
    let shown = first.scale.max(step.scale);
    let scale = shown.max(last.scale);
    let raise = |number: Decimal| number.value * 10_i128.pow(scale - number.scale);
    let (from, by, to) = (raise(first), raise(step), raise(last));
    if by == 0 {
        return Err(Stop::Fail(1, "invalid Zero increment value".into()));
    }
    let show = |value: i128| {
        let value = value / 10_i128.pow(scale - shown);
        let power = 10_i128.pow(shown);
        let sign = if value < 0 { "-" } else { "" };
        let (whole, rest) = (value.abs() / power, value.abs() % power);
        let digits = usize::try_from(shown).unwrap_or(0);
        if digits == 0 {
            format!("{sign}{whole}")
        } else {
            format!("{sign}{whole}.{rest:0digits$}")
        }
    };
    let width = if equal_width {
        let end = if (to - from) / by >= 0 { from + (to - from) / by * by } else { from };
        show(from).len().max(show(end).len()).max(show(to).len())
    } else {
        0
    };
    let mut value = from;
    let mut any = false;
    while if by > 0 { value <= to } else { value >= to } {
        if any {
            context.out.write_all(&separator)?;
        }
        any = true;
        let text = show(value);
        let padded = match text.strip_prefix('-') {
            Some(digits) => format!("-{digits:0>width$}", width = width.saturating_sub(1)),
            None => format!("{text:0>width$}"),
        };
        context.out.write_all(padded.as_bytes())?;
        value += by;
    }
    if any {
        context.out.write_all(b"\n")?;
    }
    Ok(0)
}
