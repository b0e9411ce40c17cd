//! `nice`, `nohup` and `timeout`: they run another command.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use shim::{
    Context, Outcome, Stop,
    args::{self, Opt, Order, flag, value},
    native,
    sys::{self, Ended, Launch, Piped},
};

/// The longest pause before `timeout` looks again whether its command has ended.
const PAUSE: Duration = Duration::from_millis(10);

/// What says that the command could not be run.
fn not_run(words: &[Vec<u8>], error: &io::Error) -> Stop {
    let shown = String::from_utf8_lossy(&words[0]);
    let status = if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
    Stop::Fail(status, format!("failed to run command '{shown}': {}", sys::reason(error)))
}

fn run(context: &mut Context, words: &[Vec<u8>]) -> Outcome {
    use io::Write;
    context.out.flush()?;
    sys::spawn(words, &Launch::default()).map_err(|error| not_run(words, &error))
}

/// Guests have no priority: one that is lowered is the same.
pub(crate) fn nice(context: &mut Context) -> Outcome {
    let options: &[Opt] = &[value('n', "adjustment")];
    let parsed = args::parse(options, &context.args, Order::OperandEnds)?;
    for option in &parsed.options {
        if shim::number::decimal(option.bytes()).is_none() {
            return Err(native("nice that raises the priority"));
        }
    }
    if parsed.operands.is_empty() {
        return Err(native("nice without a command"));
    }
    run(context, &parsed.operands)
}

/// No output of a step is a terminal.
pub(crate) fn nohup(context: &mut Context) -> Outcome {
    let parsed = args::parse(&[], &context.args, Order::OperandEnds)?;
    if parsed.operands.is_empty() {
        return Err(native("nohup without a command"));
    }
    run(context, &parsed.operands)
}

pub(crate) fn timeout(context: &mut Context) -> Outcome {
    use io::Write;
    let options: &[Opt] = if sys::is_busybox() {
        &[value('s', ""), value('k', "")]
    } else {
        &[
            value('s', "signal"),
            value('k', "kill-after"),
            flag('v', "verbose"),
            flag('\0', "foreground"),
            flag('\0', "preserve-status"),
        ]
    };
    let parsed = args::parse(options, &context.args, Order::OperandEnds)?;
    for option in &parsed.options {
        let right = match option.name() {
            "s" => option.bytes().iter().all(u8::is_ascii_uppercase) && is_common(option.bytes()),
            "k" => seconds(option.bytes()).is_some(),
            _ => true,
        };
        if !right {
            return Err(native("such an option of timeout"));
        }
    }
    let Some((time, words)) = parsed.operands.split_first().filter(|(_, rest)| !rest.is_empty())
    else {
        return Err(native("timeout without a command"));
    };
    let seconds = seconds(time).ok_or_else(|| native("timeout of such a time"))?;
    // No time at all is no limit.
    if seconds == 0.0 {
        return run(context, words);
    }
    context.out.flush()?;
    let (mut child, _) =
        sys::start(words, Piped::Nothing).map_err(|error| not_run(words, &error))?;
    let (start, mut pause) = (Instant::now(), Duration::from_micros(100));
    loop {
        match child.try_wait()? {
            Some(Ended::Exited(status)) => return Ok(status),
            Some(Ended::Signaled(signal)) => return Ok(signal.saturating_add(128)),
            None => {}
        }
        // What a command and its own children leave when they are ended is the native tools' to show.
        if start.elapsed().as_secs_f64() >= seconds {
            return Err(native("timeout that ends its command"));
        }
        thread::sleep(pause);
        pause = PAUSE.min(pause * 2);
    }
}

fn is_common(signal: &[u8]) -> bool {
    matches!(signal.strip_prefix(b"SIG").unwrap_or(signal), b"TERM" | b"KILL" | b"INT" | b"HUP")
}

/// A time: digits with a fraction, and a unit.
fn seconds(text: &[u8]) -> Option<f64> {
    let text = str::from_utf8(text).ok()?;
    let (digits, factor) = match text.as_bytes().last()? {
        b's' => (&text[..text.len() - 1], 1.0),
        b'm' => (&text[..text.len() - 1], 60.0),
        b'h' => (&text[..text.len() - 1], 3600.0),
        b'd' => (&text[..text.len() - 1], 86_400.0),
        _ => (text, 1.0),
    };
    // Not every BusyBox knows fractions.
    let plain = |byte: u8| byte.is_ascii_digit() || byte == b'.' && !sys::is_busybox();
    let number = digits.bytes().all(plain).then(|| digits.parse::<f64>().ok())??;
    Some(number * factor)
}
