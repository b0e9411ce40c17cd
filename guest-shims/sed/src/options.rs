//! The command line.

use std::io::Read;

use shim::{
    Context, Stop,
    args::{self, NO, Opt, Order, flag, optional, value},
    locale, number, sys,
};

use crate::{parse, script::Script};

const OPTIONS: &[Opt] = &[
    flag('n', "quiet"),
    flag(NO, "silent"),
    value('e', "expression"),
    value('f', "file"),
    flag('E', "regexp-extended"),
    flag('r', ""),
    optional('i', "in-place"),
    flag('s', "separate"),
    flag('u', "unbuffered"),
    flag('z', "null-data"),
    value('l', "line-length"),
    flag('b', "binary"),
    flag(NO, "follow-symlinks"),
];

/// How the script is run.
pub(crate) struct Settings {
    pub(crate) silent: bool,
    pub(crate) separate: bool,
    /// Edit in place, with this suffix for the original.
    pub(crate) in_place: Option<Vec<u8>>,
    pub(crate) follow: bool,
    pub(crate) end: u8,
    pub(crate) line_length: u64,
}

/// Reads the command line and parses the script.
pub(crate) fn read(context: &Context) -> Result<(Settings, Script, Vec<Vec<u8>>), Stop> {
    let parsed = args::parse(OPTIONS, &context.args, Order::Permute)?;
    let mut settings = Settings {
        silent: false,
        separate: false,
        in_place: None,
        follow: false,
        end: b'\n',
        line_length: 70,
    };
    let mut extended = false;
    let mut text: Option<Vec<u8>> = None;
    let mut add = |more: &[u8]| match &mut text {
        Some(text) => {
            text.push(b'\n');
            text.extend_from_slice(more);
        }
        None => text = Some(more.to_vec()),
    };
    for option in &parsed.options {
        match option.name() {
            "n" | "silent" => settings.silent = true,
            "e" => add(option.bytes()),
            "f" => add(&script_file(option.bytes())?),
            "E" | "r" => extended = true,
            "i" => {
                settings.in_place = Some(option.bytes().to_vec());
                settings.separate = true;
            }
            "s" => settings.separate = true,
            "z" => settings.end = 0,
            "l" => {
                settings.line_length = number::decimal(option.bytes())
                    .ok_or_else(|| Stop::Fail(1, "invalid line length".into()))?;
            }
            "follow-symlinks" => settings.follow = true,
            _ => {}
        }
    }
    let mut operands = parsed.operands;
    let text = match text {
        Some(text) => text,
        None if operands.is_empty() => return Err(Stop::Fail(1, "no script".into())),
        None => operands.remove(0),
    };
    let script = parse::parse(&text, extended, locale::is_utf8(&context.env))?;
    settings.silent |= script.silent;
    Ok((settings, script, operands))
}

fn script_file(name: &[u8]) -> Result<Vec<u8>, Stop> {
    let read = if name == b"-" {
        let mut text = Vec::new();
        std::io::stdin().lock().read_to_end(&mut text).map(|_| text)
    } else {
        sys::read_small(name)
    };
    let mut text = read.map_err(|error| {
        let (shown, reason) = (String::from_utf8_lossy(name), sys::reason(&error));
        Stop::Fail(1, format!("couldn't open file {shown}: {reason}"))
    })?;
    if text.last() == Some(&b'\n') {
        text.pop();
    }
    Ok(text)
}
