//! Commands of a few lines.

use std::{
    io::{self, Write},
    time::Duration,
};

use shim::{
    Context, Outcome, Stop,
    args::{self, NO, Opt, Order, flag, value},
    native, number, paths, sys,
};

pub(crate) fn true_(_: &mut Context) -> Outcome {
    Ok(0)
}

pub(crate) fn false_(_: &mut Context) -> Outcome {
    Ok(1)
}

pub(crate) fn yes(context: &mut Context) -> Outcome {
    let line = if context.args.is_empty() { b"y".to_vec() } else { context.args.join(&b' ') };
    let block = [line.as_slice(), b"\n"].concat().repeat(512);
    loop {
        context.out.write_all(&block)?;
    }
}

/// The longest that `sleep` waits in one piece, in seconds; a step's own limit comes first.
const MAX_SLEEP: f64 = 1e9;

pub(crate) fn sleep(context: &mut Context) -> Outcome {
    let parsed = args::parse(&[], &context.args, Order::Permute)?;
    let mut seconds = 0.0;
    for operand in &parsed.operands {
        let text = str::from_utf8(operand).unwrap_or_default();
        let (digits, factor) = match text.as_bytes().last() {
            Some(b's') => (&text[..text.len() - 1], 1.0),
            Some(b'm') => (&text[..text.len() - 1], 60.0),
            Some(b'h') => (&text[..text.len() - 1], 3600.0),
            Some(b'd') => (&text[..text.len() - 1], 86_400.0),
            _ => (text, 1.0),
        };
        let number = digits.parse::<f64>().ok().filter(|number| *number >= 0.0);
        let number =
            number.ok_or_else(|| Stop::Fail(1, format!("invalid time interval '{text}'")))?;
        seconds += number * factor;
    }
    if parsed.operands.is_empty() {
        context.warn("missing operand");
        return Ok(1);
    }
    std::thread::sleep(Duration::from_secs_f64(seconds.min(MAX_SLEEP)));
    Ok(0)
}

pub(crate) fn pwd(context: &mut Context) -> Outcome {
    let parsed =
        args::parse(&[flag('L', "logical"), flag('P', "physical")], &context.args, Order::Permute)?;
    if parsed.options.iter().any(|option| option.name() == "L") {
        return Err(native("pwd -L"));
    }
    context.out.write_all(&sys::current_dir()?)?;
    context.out.write_all(b"\n")?;
    Ok(0)
}

pub(crate) fn hostname(context: &mut Context) -> Outcome {
    let options = [flag('f', "fqdn"), flag('s', "short")];
    let parsed = args::parse(&options, &context.args, Order::Permute)?;
    if !parsed.operands.is_empty() || !parsed.options.is_empty() {
        return Err(native("hostname with arguments"));
    }
    context.out.write_all(&sys::hostname())?;
    context.out.write_all(b"\n")?;
    Ok(0)
}

pub(crate) fn nproc(context: &mut Context) -> Outcome {
    let options: &[Opt] = &[flag(NO, "all"), value(NO, "ignore")];
    let parsed = args::parse(options, &context.args, Order::Permute)?;
    let mut ignored = 0;
    for option in &parsed.options {
        if option.name() == "ignore" {
            ignored = number::decimal(option.bytes())
                .ok_or_else(|| Stop::Fail(1, "invalid number".into()))?;
        }
    }
    let count = u64::from(sys::processors()).saturating_sub(ignored).max(1);
    writeln!(context.out, "{count}")?;
    Ok(0)
}

pub(crate) fn uname(context: &mut Context) -> Outcome {
    let options: &[Opt] = &[
        flag('a', "all"),
        flag('m', "machine"),
        flag('n', "nodename"),
        flag('o', "operating-system"),
        flag('p', "processor"),
        flag('r', "kernel-release"),
        flag('s', "kernel-name"),
        flag('v', "kernel-version"),
    ];
    let parsed = args::parse(options, &context.args, Order::Permute)?;
    let mut shown: Vec<Vec<u8>> = Vec::new();
    let has = |name: &str| parsed.options.iter().any(|option| option.name() == name);
    for (name, text) in [("s", "Linux"), ("n", ""), ("m", ""), ("o", "GNU/Linux")] {
        if has(name) || name == "s" && parsed.options.is_empty() {
            shown.push(match name {
                "n" => sys::hostname(),
                // The guest does not know the machine that its image is for.
                "m" => machine().ok_or_else(|| native("uname -m"))?,
                "o" if sys::is_busybox() => b"Linux".to_vec(),
                _ => text.as_bytes().to_vec(),
            });
        }
    }
    if has("a") || has("p") || has("r") || has("v") {
        return Err(native("the kernel's version"));
    }
    context.out.write_all(&shown.join(&b' '))?;
    context.out.write_all(b"\n")?;
    Ok(0)
}

pub(crate) fn arch(context: &mut Context) -> Outcome {
    args::parse(&[], &context.args, Order::Permute)?;
    let machine = machine().ok_or_else(|| native("arch"))?;
    context.out.write_all(&machine)?;
    context.out.write_all(b"\n")?;
    Ok(0)
}

/// The machine of the image: that of its ELF interpreter or shell, from the file's header.
fn machine() -> Option<Vec<u8>> {
    const PROGRAMS: [&[u8]; 6] = [
        b"/bin/sh",
        b"/bin/busybox",
        b"/bin/bash",
        b"/usr/bin/env",
        b"/sbin/ldconfig",
        b"/bin/true",
    ];
    for program in PROGRAMS {
        let mut header = [0; 20];
        let read =
            sys::open(program).and_then(|mut file| io::Read::read_exact(&mut file, &mut header));
        if read.is_err() || !header.starts_with(b"\x7fELF") {
            continue;
        }
        let number = u16::from_le_bytes([header[18], header[19]]);
        return match (number, header[5]) {
            (62, 1) => Some(b"x86_64".to_vec()),
            (183, 1) => Some(b"aarch64".to_vec()),
            (243, 1) if header[4] == 2 => Some(b"riscv64".to_vec()),
            (21, 1) => Some(b"ppc64le".to_vec()),
            _ => None,
        };
    }
    None
}

pub(crate) fn which(context: &mut Context) -> Outcome {
    let parsed = args::parse(&[flag('a', "")], &context.args, Order::OperandEnds)?;
    let path = context.env.get("PATH").unwrap_or_default().to_vec();
    let mut status = u8::from(parsed.operands.is_empty());
    for name in &parsed.operands {
        let runs =
            |file: &[u8]| sys::stat(file).is_ok_and(|stat| stat.is_file() && sys::may(&stat, 1));
        let places: Vec<Vec<u8>> = if name.contains(&b'/') {
            vec![name.clone()]
        } else {
            let dirs = path.split(|&byte| byte == b':');
            dirs.map(|dir| paths::join(if dir.is_empty() { b"." } else { dir }, name)).collect()
        };
        let found = places.iter().filter(|place| runs(place));
        let most = if parsed.options.is_empty() { 1 } else { usize::MAX };
        let mut any = false;
        for place in found.take(most) {
            context.out.write_all(place)?;
            context.out.write_all(b"\n")?;
            any = true;
        }
        if !any {
            status = 1;
        }
    }
    Ok(status)
}
