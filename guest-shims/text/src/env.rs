//! `env` and `printenv`.

use std::io::{self, Write};

use shim::{
    Context, Outcome, Stop,
    args::{self, Opt, Order, flag, value},
    sys::{self, Launch},
};

const ENV: &[Opt] =
    &[flag('i', "ignore-environment"), value('u', "unset"), flag('0', "null"), value('C', "chdir")];

pub(crate) fn env(context: &mut Context) -> Outcome {
    let parsed = args::parse(ENV, &context.args, Order::OperandEnds)?;
    let mut variables = context.env.all().to_vec();
    let (mut end, mut dir) = (b'\n', None);
    let mut clear = false;
    for option in &parsed.options {
        match option.name() {
            "i" => clear = true,
            "u" => variables.retain(|(name, _)| name != option.bytes()),
            "0" => end = 0,
            _ => dir = option.value.clone(),
        }
    }
    let mut words = parsed.operands.as_slice();
    if words.first().is_some_and(|word| word == b"-") {
        clear = true;
        words = &words[1..];
    }
    if clear {
        variables.clear();
    }
    while let Some((word, rest)) = words.split_first() {
        let Some(at) = word.iter().position(|&byte| byte == b'=') else { break };
        let (name, value) = (word[..at].to_vec(), word[at + 1..].to_vec());
        match variables.iter_mut().find(|(known, _)| *known == name) {
            Some(variable) => variable.1 = value,
            None => variables.push((name, value)),
        }
        words = rest;
    }
    if words.is_empty() {
        for (name, value) in variables {
            context.out.write_all(&[&name, &b"="[..], &value, &[end]].concat())?;
        }
        return Ok(0);
    }
    context.out.flush()?;
    let launch = Launch { env: Some(variables), dir, empty_input: false };
    match sys::spawn(words, &launch) {
        Ok(status) => Ok(status),
        Err(error) => {
            let shown = String::from_utf8_lossy(&words[0]).into_owned();
            let status = if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
            Err(Stop::Fail(status, format!("'{shown}': {}", sys::reason(&error))))
        }
    }
}

pub(crate) fn printenv(context: &mut Context) -> Outcome {
    let parsed = args::parse(&[flag('0', "null")], &context.args, Order::Permute)?;
    let end = if parsed.options.is_empty() { b'\n' } else { 0 };
    if parsed.operands.is_empty() {
        for (name, value) in context.env.all() {
            context.out.write_all(&[name.as_slice(), b"=", value, &[end]].concat())?;
        }
    }
    let mut status = 0;
    for name in &parsed.operands {
        match str::from_utf8(name).ok().and_then(|name| context.env.get(name)) {
            Some(value) => context.out.write_all(&[value, &[end]].concat())?,
            None => status = 1,
        }
    }
    Ok(status)
}
