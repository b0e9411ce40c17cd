//! `date`.

use std::io::Write;

use shim::{
    Context, Outcome, Stop,
    args::{self, NO, Opt, Order, flag, optional, value},
    locale::{self, Locale},
    native, sys, time,
};

const OPTIONS: &[Opt] = &[
    flag('u', "utc"),
    flag(NO, "universal"),
    value('d', "date"),
    value('r', "reference"),
    flag('R', "rfc-2822"),
    flag(NO, "rfc-email"),
    optional('I', "iso-8601"),
    value(NO, "rfc-3339"),
];

pub(crate) fn main(context: &mut Context) -> Outcome {
    let parsed = args::parse(OPTIONS, &context.args, Order::Permute)?;
    let mut at = sys::now();
    let mut format: Option<Vec<u8>> = None;
    let mut utc = false;
    for option in &parsed.options {
        match option.name() {
            "u" | "universal" => utc = true,
            "d" => {
                let text = option.bytes();
                at = time::parse(text, sys::now()).ok_or_else(|| {
                    native(format!("the date '{}'", String::from_utf8_lossy(text)))
                })?;
            }
            "r" => {
                let stat = sys::stat(option.bytes()).map_err(|error| {
                    Stop::Fail(
                        1,
                        format!(
                            "{}: {}",
                            String::from_utf8_lossy(option.bytes()),
                            sys::reason(&error)
                        ),
                    )
                })?;
                at = stat.mtime;
            }
            "R" | "rfc-email" => format = Some(b"%a, %d %b %Y %H:%M:%S %z".to_vec()),
            "I" => {
                format = Some(match option.bytes() {
                    b"" | b"date" => b"%Y-%m-%d".to_vec(),
                    b"hours" => b"%Y-%m-%dT%H%:z".to_vec(),
                    b"minutes" => b"%Y-%m-%dT%H:%M%:z".to_vec(),
                    b"seconds" => b"%Y-%m-%dT%H:%M:%S%:z".to_vec(),
                    b"ns" => b"%Y-%m-%dT%H:%M:%S,%N%:z".to_vec(),
                    _ => return Err(Stop::Fail(1, "invalid argument for --iso-8601".into())),
                });
            }
            _ => {
                format = Some(match option.bytes() {
                    b"date" => b"%Y-%m-%d".to_vec(),
                    b"seconds" => b"%Y-%m-%d %H:%M:%S%:z".to_vec(),
                    b"ns" => b"%Y-%m-%d %H:%M:%S.%N%:z".to_vec(),
                    _ => return Err(Stop::Fail(1, "invalid argument for --rfc-3339".into())),
                });
            }
        }
    }
    if !utc {
        time::require_utc(context)?;
    }
    match parsed.operands.as_slice() {
        [] => {}
        [operand] if operand.starts_with(b"+") && format.is_none() => {
            format = Some(operand[1..].to_vec())
        }
        _ => return Err(native("setting the clock")),
    }
    let format = match format {
        Some(format) => format,
        None if locale::of(&context.env, "LC_TIME") == Locale::Language => {
            return Err(native("a language's date"));
        }
        None => b"%a %b %e %H:%M:%S %Z %Y".to_vec(),
    };
    context.out.write_all(&time::format(&format, at)?)?;
    context.out.write_all(b"\n")?;
    Ok(0)
}
