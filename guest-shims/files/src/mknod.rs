//! `mknod` and `mkfifo`.

use shim::{
    Context, Outcome, Stop,
    args::{self, Opt, Order, value},
    mode::Changes,
    number, paths, sys,
};

use crate::mkdir::dialect;

const OPTIONS: &[Opt] = &[value('m', "mode")];

fn mode(parsed: &args::Parsed) -> Result<Option<u32>, Stop> {
    let Some(option) = parsed.options.last() else { return Ok(None) };
    match Changes::parse(option.bytes(), dialect()) {
        Some(changes) => Ok(Some(changes.apply(0o666, false, sys::umask()))),
        None => Err(Stop::Fail(1, "invalid mode".into())),
    }
}

fn make(context: &mut Context, path: &[u8], kind: u32, mode: Option<u32>, dev: u64) -> bool {
    let made = sys::mknod(path, kind | 0o666, dev)
        .and_then(|()| mode.map_or(Ok(()), |mode| sys::chmod(path, mode)));
    if let Err(error) = made {
        context.warn_path("cannot create", path, &error);
        return false;
    }
    true
}

pub(crate) fn mkfifo(context: &mut Context) -> Outcome {
    let parsed = args::parse(OPTIONS, &context.args, Order::Permute)?;
    let mode = mode(&parsed)?;
    if parsed.operands.is_empty() {
        context.warn("missing operand");
        return Ok(1);
    }
    let mut status = 0;
    for path in &parsed.operands {
        if !make(context, path, sys::S_IFIFO, mode, 0) {
            status = 1;
        }
    }
    Ok(status)
}

pub(crate) fn mknod(context: &mut Context) -> Outcome {
    let parsed = args::parse(OPTIONS, &context.args, Order::Permute)?;
    let mode = mode(&parsed)?;
    let (path, kind, dev) = match parsed.operands.as_slice() {
        [path, kind] if kind == b"p" => (path, sys::S_IFIFO, 0),
        [path, kind, major, minor] => {
            let kind = match kind.as_slice() {
                b"b" => sys::S_IFBLK,
                b"c" | b"u" => sys::S_IFCHR,
                _ => return Err(Stop::Fail(1, format!("invalid type {}", paths::quoted(kind)))),
            };
            let part = |text: &[u8]| {
                number::decimal(text).and_then(|value| u32::try_from(value).ok()).ok_or_else(|| {
                    Stop::Fail(1, format!("invalid device number {}", paths::quoted(text)))
                })
            };
            (path, kind, sys::makedev(part(major)?, part(minor)?))
        }
        _ => {
            context.warn("needs a path, a type and the device's numbers");
            return Ok(1);
        }
    };
    Ok(u8::from(!make(context, path, kind, mode, dev)))
}
