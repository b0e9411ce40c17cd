//! The instructions that change the image's config and nothing else.

use kiln_dockerfile::args;
use kiln_dockerfile::instruction::{ArgPair, CommandLine, Healthcheck, Instruction, Kind, Pair};
use kiln_dockerfile::port::Ports;
use kiln_dockerfile::suggest;
use kiln_image::config;

use super::{StageRun, env::set_config_env};
use crate::error::{BuildError, Result};
use crate::gofmt;
use crate::history::commit;

/// The signals that STOPSIGNAL knows by name (signal(7)); numbers and SIGRTMIN+n are accepted too.
const SIGNALS: [&str; 34] = [
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL",
    "PIPE", "POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP",
    "TTIN", "TTOU", "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ",
];

/// The number of the last real-time signal.
const LAST_SIGNAL: u32 = 64;

impl StageRun<'_> {
    /// Executes an instruction of the config, already expanded; false when it is not one.
    pub(super) fn metadata(&mut self, instruction: &Instruction) -> Result<bool> {
        let message = match &instruction.kind {
            Kind::Env(pairs) => self.env(pairs),
            Kind::Label(pairs) => self.label(pairs),
            Kind::Maintainer(author) => {
                self.config.author.clone_from(author);
                format!("MAINTAINER {author}")
            }
            Kind::Expose(words) => self.expose(words)?,
            Kind::Entrypoint(line) => self.entrypoint(line),
            Kind::Cmd(line) => self.cmd(line),
            Kind::Volume(paths) => {
                self.config.config.volumes.extend(paths.iter().cloned());
                format!("VOLUME {}", gofmt::plain_list(paths))
            }
            Kind::User(user) => {
                self.config.config.user.clone_from(user);
                format!("USER {user}")
            }
            Kind::StopSignal(signal) => {
                check_signal(signal)?;
                self.config.config.stop_signal.clone_from(signal);
                format!("STOPSIGNAL {signal}")
            }
            Kind::Healthcheck(check) => self.healthcheck(check)?,
            Kind::Shell(shell) => {
                self.config.config.shell.clone_from(shell);
                format!("SHELL {}", gofmt::plain_list(shell))
            }
            Kind::Onbuild(trigger) => {
                self.config.config.on_build.push(trigger.clone());
                return Ok(true);
            }
            Kind::Arg(_)
            | Kind::Run(_)
            | Kind::Copy(_)
            | Kind::Add(_)
            | Kind::Workdir(_)
            | Kind::From(_) => return Ok(false),
        };
        commit(&mut self.config, message, false, self.cx.epoch_time());
        Ok(true)
    }

    /// Executes ARG, whose default values are expanded only where they are needed.
    pub(super) fn arg(&mut self, pairs: &[ArgPair]) -> Result<()> {
        let mut shown = Vec::with_capacity(pairs.len());
        for pair in pairs {
            let env = &self.variables.env;
            let value = args::resolve(
                pair,
                &self.cx.plan.build_args,
                &self.cx.plan.globals,
                self.cx.plan.escape,
                &|name| env.get(name).map(str::to_owned),
            )
            .map_err(|error| BuildError::input(error.to_string()))?
            .value;
            if let Some(value) = &value
                && !args::PROXY_ARGS.contains(&pair.key.as_str())
            {
                self.variables.env.set(&pair.key, value);
            }
            shown.push(match &value {
                Some(value) => format!("{}={value}", pair.key),
                None => pair.key.clone(),
            });
            self.variables.arguments.push((pair.key.clone(), value));
        }
        let message = format!("ARG {}", shown.join(" "));
        commit(&mut self.config, message, false, self.cx.epoch_time());
        Ok(())
    }

    fn env(&mut self, pairs: &[Pair]) -> String {
        let mut message = "ENV".to_owned();
        for pair in pairs {
            message.push_str(&format!(" {}={}", pair.key, pair.value));
            self.variables.env.set(&pair.key, &pair.value);
            set_config_env(&mut self.config.config.env, &pair.key, &pair.value);
        }
        message
    }

    fn label(&mut self, pairs: &[Pair]) -> String {
        let mut message = "LABEL".to_owned();
        for pair in pairs {
            message.push_str(&format!(" {}={}", pair.key, pair.value));
            self.config.config.labels.insert(pair.key.clone(), pair.value.clone());
        }
        message
    }

    fn expose(&mut self, words: &[String]) -> Result<String> {
        let mut ports = Vec::new();
        for word in words {
            let range = Ports::parse(word)
                .map_err(|error| BuildError::input(error.to_string()).with_focus(word))?;
            ports.extend(range.names());
        }
        let message = format!("EXPOSE {}", gofmt::plain_list(&ports));
        self.config.config.exposed_ports.extend(ports);
        Ok(message)
    }

    fn entrypoint(&mut self, line: &CommandLine) -> String {
        let argv = line.argv(&self.shell());
        let message = format!("ENTRYPOINT {}", gofmt::quoted_list(&argv));
        self.config.config.entrypoint = argv;
        if !self.cmd_is_set {
            self.config.config.cmd.clear();
        }
        message
    }

    fn cmd(&mut self, line: &CommandLine) -> String {
        let argv = line.argv(&self.shell());
        let message = format!("CMD {}", gofmt::quoted_list(&argv));
        self.config.config.cmd = argv;
        self.config.config.args_escaped = true;
        self.cmd_is_set = true;
        message
    }

    fn healthcheck(&mut self, check: &Healthcheck) -> Result<String> {
        let nanos = |duration: kiln_dockerfile::duration::Duration| -> Result<i64> {
            i64::try_from(duration.as_nanos())
                .map_err(|_| BuildError::input("HEALTHCHECK: a duration is too long"))
        };
        let (interval, timeout) = (check.interval, check.timeout);
        let (start_period, start_interval) = (check.start_period, check.start_interval);
        let health = config::Healthcheck {
            test: check.test.to_config(),
            interval: nanos(interval)?,
            timeout: nanos(timeout)?,
            start_period: nanos(start_period)?,
            start_interval: nanos(start_interval)?,
            retries: i64::from(check.retries),
            ..config::Healthcheck::default()
        };
        let message = format!(
            "HEALTHCHECK {{Test:{} Interval:{} Timeout:{} StartPeriod:{} StartInterval:{} Retries:{}}}",
            gofmt::plain_list(&health.test),
            gofmt::duration(interval),
            gofmt::duration(timeout),
            gofmt::duration(start_period),
            gofmt::duration(start_interval),
            health.retries
        );
        self.config.config.healthcheck = Some(health);
        Ok(message)
    }
}

fn check_signal(signal: &str) -> Result<()> {
    let name = signal.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let real_time = || {
        let offset = name.strip_prefix("RTMIN").or_else(|| name.strip_prefix("RTMAX"))?;
        let digits = offset.strip_prefix(['+', '-']);
        Some(offset.is_empty() || digits.is_some_and(|n| n.parse::<u32>().is_ok_and(|n| n <= 30)))
    };
    let known = signal.parse().is_ok_and(|number: u32| (1..=LAST_SIGNAL).contains(&number))
        || SIGNALS.contains(&name)
        || real_time() == Some(true);
    if known {
        return Ok(());
    }
    let hint = match suggest::nearest(name, SIGNALS) {
        Some(near) => format!("did you mean SIG{near}?"),
        None => "STOPSIGNAL takes a name such as SIGTERM or a number".to_owned(),
    };
    Err(BuildError::input(format!("invalid signal: {signal}")).with_focus(signal).with_hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals() {
        for good in ["SIGTERM", "term", "9", "SIGRTMIN+3", "RTMAX-1", "SIGRTMIN", "SIGWINCH"] {
            assert!(check_signal(good).is_ok(), "{good}");
        }
        for bad in ["", "0", "65", "SIGFOO", "SIGRTMIN+99", "-9"] {
            assert!(check_signal(bad).is_err(), "{bad}");
        }
    }
}
