//! `HEALTHCHECK`.

use super::flags::{Flags, Takes};
use super::read::at_least_one;
use crate::diagnostic::Cause;
use crate::duration::{self, Duration};
use crate::parse::Node;
use crate::quote::quote;

/// `HEALTHCHECK`; a duration of zero stands for the default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Healthcheck {
    /// What to run.
    pub test: Test,
    /// `--interval`.
    pub interval: Duration,
    /// `--timeout`.
    pub timeout: Duration,
    /// `--start-period`.
    pub start_period: Duration,
    /// `--start-interval`.
    pub start_interval: Duration,
    /// `--retries`; zero stands for the default.
    pub retries: u32,
}

/// What to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// Nothing, not even what the base image says.
    None,
    /// A text for the shell.
    Shell(String),
    /// Program and arguments.
    Exec(Vec<String>),
}

impl Test {
    /// The list that the image's config holds: `["CMD-SHELL", "..."]`.
    pub fn to_config(&self) -> Vec<String> {
        let tagged = |tag: &str, rest: &[String]| {
            std::iter::once(tag.to_owned()).chain(rest.iter().cloned()).collect()
        };
        match self {
            Test::None => tagged("NONE", &[]),
            Test::Shell(text) => tagged("CMD-SHELL", std::slice::from_ref(text)),
            Test::Exec(argv) => tagged("CMD", argv),
        }
    }
}

pub(super) fn read(node: &Node) -> Result<Healthcheck, Cause> {
    let Some((kind, args)) = node.args.values.split_first() else {
        return Err(at_least_one("HEALTHCHECK"));
    };
    let mut check = Healthcheck {
        test: Test::None,
        interval: Duration::ZERO,
        timeout: Duration::ZERO,
        start_period: Duration::ZERO,
        start_interval: Duration::ZERO,
        retries: 0,
    };
    let written = kind;
    let kind = kind.to_uppercase();
    if kind == "NONE" {
        return match args {
            [] => Ok(check),
            _ => Err(Cause::new("HEALTHCHECK NONE takes no arguments")),
        };
    }
    let flags = Flags::read(
        &node.flags,
        &[
            ("interval", Takes::Value),
            ("timeout", Takes::Value),
            ("start-period", Takes::Value),
            ("start-interval", Takes::Value),
            ("retries", Takes::Value),
        ],
    )?;
    check.test = match kind.as_str() {
        "CMD" if args.is_empty() => {
            return Err(Cause::new("Missing command after HEALTHCHECK CMD"));
        }
        "CMD" if node.args.json => Test::Exec(args.to_vec()),
        "CMD" => Test::Shell(args.join(" ")),
        _ => {
            return Err(Cause::new(format!(
                "Unknown type {} in HEALTHCHECK (try CMD)",
                quote(&kind)
            ))
            .focus(written));
        }
    };
    check.interval = interval(&flags, "interval")?;
    check.timeout = interval(&flags, "timeout")?;
    check.start_period = interval(&flags, "start-period")?;
    check.start_interval = interval(&flags, "start-interval")?;
    check.retries = retries(&flags)?;
    Ok(check)
}

fn interval(flags: &Flags, name: &str) -> Result<Duration, Cause> {
    let Some(text) = flags.text(name) else { return Ok(Duration::ZERO) };
    let nanos =
        duration::parse(&text).map_err(|error| Cause::new(error.to_string()).focus(&text))?;
    if nanos != 0 && nanos < 1_000_000 {
        return Err(
            Cause::new(format!("Interval {} cannot be less than 1ms", quote(name))).focus(&text)
        );
    }
    Ok(Duration::from_nanos(nanos.unsigned_abs()))
}

fn retries(flags: &Flags) -> Result<u32, Cause> {
    let Some(text) = flags.text("retries") else { return Ok(0) };
    let invalid = |why: &str| {
        Cause::new(format!("strconv.ParseInt: parsing {}: {why}", quote(&text))).focus(&text)
    };
    let digits = text.strip_prefix(['+', '-']).unwrap_or(&text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(invalid("invalid syntax"));
    }
    let retries: i32 = text.parse().map_err(|_| invalid("value out of range"))?;
    u32::try_from(retries)
        .map_err(|_| Cause::new(format!("--retries cannot be negative ({retries})")).focus(&text))
}
