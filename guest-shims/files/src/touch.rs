//! `touch`.

use shim::{
    Context, Outcome, Stop,
    args::{self, NO, Opt, Order, flag, value},
    native, paths,
    sys::{self, SetTime},
    time,
};

const OPTIONS: &[Opt] = &[
    flag('a', ""),
    flag('c', "no-create"),
    value('d', "date"),
    flag('f', ""),
    flag('h', "no-dereference"),
    flag('m', ""),
    value('r', "reference"),
    value('t', ""),
    value(NO, "time"),
];

pub(crate) fn main(context: &mut Context) -> Outcome {
    let parsed = args::parse(OPTIONS, &context.args, Order::Permute)?;
    let (mut access, mut modify, mut create, mut follow) = (false, false, true, true);
    let mut times = (SetTime::Now, SetTime::Now);
    let mut sources = 0;
    follow &= !parsed.options.iter().any(|option| option.name() == "h");
    for option in &parsed.options {
        match option.name() {
            "a" => access = true,
            "m" => modify = true,
            "c" => create = false,
            "h" | "f" => {}
            "time" => match option.bytes() {
                b"atime" | b"access" | b"use" => access = true,
                b"mtime" | b"modify" => modify = true,
                _ => return Err(native("--time with this word")),
            },
            "r" => {
                let read = if follow { sys::stat } else { sys::lstat };
                let stat = match read(option.bytes()) {
                    Ok(stat) => stat,
                    Err(error) => {
                        context.warn_path("failed to get attributes of", option.bytes(), &error);
                        return Ok(1);
                    }
                };
                times = (SetTime::To(stat.atime), SetTime::To(stat.mtime));
                sources += 1;
            }
            _ => {
                let time = date(context, option)?;
                times = (SetTime::To(time), SetTime::To(time));
                sources += 1;
            }
        }
    }
    if sources > 1 {
        return Err(native("more than one source of times"));
    }
    if access != modify {
        if access {
            times.1 = SetTime::Keep;
        } else {
            times.0 = SetTime::Keep;
        }
    }
    if parsed.operands.is_empty() {
        context.warn("missing file operand");
        return Ok(1);
    }
    let mut status = 0;
    for path in &parsed.operands {
        if path == b"-" {
            return Err(native("operand -"));
        }
        let mut failed = None;
        if create && follow && sys::stat(path).is_err() {
            failed = sys::append(path).err();
        }
        if let Some(error) = failed {
            context.warn_path("cannot touch", path, &error);
            status = 1;
            continue;
        }
        match sys::utimens(path, times.0, times.1, follow) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !create => {}
            Err(error) => {
                context.warn_path("setting times of", path, &error);
                status = 1;
            }
        }
    }
    Ok(status)
}

fn date(context: &Context, option: &args::Given) -> Result<sys::Time, Stop> {
    time::require_utc(context)?;
    let stamp = option.name() == "t";
    let parsed = if stamp {
        time::parse_stamp(option.bytes(), sys::now())
    } else {
        time::parse(option.bytes(), sys::now())
    };
    match parsed {
        Some(time) => Ok(time),
        None if stamp => {
            Err(Stop::Fail(1, format!("invalid date format {}", paths::quoted(option.bytes()))))
        }
        None => Err(native(format!("date {}", paths::quoted(option.bytes())))),
    }
}
