//! Debian's `run-parts`.

use std::io::Write;

use shim::{
    Context, Outcome, Stop,
    args::{self, NO, Opt, Order, flag},
    native, paths,
    sys::{self, Launch},
};

const OPTIONS: &[Opt] =
    &[flag(NO, "test"), flag(NO, "list"), flag('v', "verbose"), flag(NO, "exit-on-error")];

pub(crate) fn main(context: &mut Context) -> Outcome {
    if sys::is_busybox() {
        return Err(native("BusyBox's run-parts"));
    }
    let parsed = args::parse(OPTIONS, &context.args, Order::Permute)?;
    let has = |name: &str| parsed.options.iter().any(|option| option.name() == name);
    let [dir] = parsed.operands.as_slice() else {
        return Err(native("run-parts of other than one directory"));
    };
    let names = sys::read_dir(dir).map_err(|error| {
        let shown = String::from_utf8_lossy(dir);
        Stop::Fail(1, format!("failed to open directory {shown}: {}", sys::reason(&error)))
    })?;
    let mut status = 0;
    for name in names {
        let good = name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(byte));
        let path = paths::join(dir, &name);
        let Some(stat) = sys::stat(&path).ok().filter(|stat| good && stat.is_file()) else {
            continue;
        };
        if has("list") || has("test") && sys::may(&stat, 1) {
            context.out.write_all(&path)?;
            context.out.write_all(b"\n")?;
        }
        if has("list") || has("test") || !sys::may(&stat, 1) {
            continue;
        }
        context.out.flush()?;
        if has("v") {
            let shown = String::from_utf8_lossy(&path).into_owned();
            context.warn(format_args!("executing {shown}"));
        }
        let ended =
            sys::spawn(&[path], &Launch::default()).map_err(|error| native(sys::reason(&error)))?;
        if ended != 0 {
            status = 1;
            if has("exit-on-error") {
                break;
            }
        }
    }
    Ok(status)
}
