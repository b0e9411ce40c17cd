//! `RUN`.

use super::flags::{Flags, Takes};
use super::mount::{self, Mount};
use super::{CommandLine, command_line, csv};
use crate::diagnostic::Cause;
use crate::parse::{Heredoc, HeredocWord, Node};
use crate::quote::{parse_bool, quote};

/// `RUN`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The command; with heredocs, the line that opens them. [`Run::script`] joins the two.
    pub command: CommandLine,
    /// The heredocs.
    pub heredocs: Vec<Heredoc>,
    /// The values of `--mount` as written.
    pub mount_specs: Vec<String>,
    /// The `from` of each of them: stages, images or contexts that this instruction needs.
    pub mount_sources: Vec<Option<String>>,
    /// The mounts; `None` until [`super::Instruction::expand`] has read them.
    pub mounts: Option<Vec<Mount>>,
    /// `--network`.
    pub network: Network,
    /// `--security`.
    pub security: Security,
    /// `--device`.
    pub devices: Vec<Device>,
}

/// `--network`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Network {
    /// What the build has.
    #[default]
    Default,
    /// None.
    None,
    /// The host's.
    Host,
}

/// `--security`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Security {
    /// The builder's sandbox.
    #[default]
    Sandbox,
    /// More rights than the sandbox gives.
    Insecure,
}

/// `--device`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Device {
    /// The device's CDI name.
    pub name: String,
    /// The step fails without it.
    pub required: bool,
}

/// What to execute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Script {
    /// This program with these arguments.
    Exec(Vec<String>),
    /// This text, given to the shell.
    Shell(String),
    /// This file, which starts with `#!`: it is put under [`Script::DIR`] with mode 0755 and the
    /// shell is given its path.
    File {
        /// The file's name.
        name: String,
        /// The file's content.
        content: String,
    },
}

impl Script {
    /// The directory that holds the file of a [`Script::File`] while it runs.
    pub const DIR: &'static str = "/dev/pipes";
}

impl Run {
    /// What to execute, heredocs included.
    ///
    /// A command that is nothing but a heredoc gives its content, so that images whose shell knows
    /// no heredocs can use them; any other is put together again for the shell.
    pub fn script(&self) -> Script {
        let line = match &self.command {
            CommandLine::Exec(argv) => return Script::Exec(argv.clone()),
            CommandLine::Shell(line) => line,
        };
        let Some(first) = self.heredocs.first() else { return Script::Shell(line.clone()) };
        if HeredocWord::parse(line).is_some() {
            let content = first.chomped();
            return match content.starts_with("#!") {
                true => Script::File { name: first.word.name.clone(), content },
                false => Script::Shell(content),
            };
        }
        let mut text = line.clone();
        for heredoc in &self.heredocs {
            text.push('\n');
            text.push_str(&heredoc.content);
            text.push_str(&heredoc.word.name);
        }
        Script::Shell(text)
    }

    /// The first line of a command that is nothing but a heredoc, for display: `echo hi...`.
    pub fn heredoc_summary(&self) -> Option<String> {
        let CommandLine::Shell(line) = &self.command else { return None };
        HeredocWord::parse(line)?;
        let content = self.heredocs.first()?.content.trim();
        let first = content.lines().next().unwrap_or_default();
        Some(if content.contains('\n') { format!("{first}...") } else { first.to_owned() })
    }
}

pub(super) fn read(node: &Node) -> Result<Run, Cause> {
    let flags = Flags::read(
        &node.flags,
        &[
            ("mount", Takes::Values),
            ("network", Takes::Value),
            ("security", Takes::Value),
            ("device", Takes::Values),
        ],
    )?;
    let devices =
        flags.values("device").iter().map(|spec| device(spec)).collect::<Result<_, _>>()?;
    let mount_specs = flags.values("mount");
    let mount_sources =
        mount_specs.iter().map(|spec| mount::source_stage(spec)).collect::<Result<_, _>>()?;
    Ok(Run {
        command: command_line(node),
        heredocs: node.heredocs.clone(),
        mount_specs,
        mount_sources,
        mounts: None,
        network: match flags.value("network") {
            None | Some("default") => Network::Default,
            Some("none") => Network::None,
            Some("host") => Network::Host,
            Some(other) => {
                return Err(Cause::new(format!("invalid network mode {}", quote(other)))
                    .suggest(other, &["default", "none", "host"])
                    .focus(other));
            }
        },
        security: match flags.value("security") {
            None | Some("sandbox") => Security::Sandbox,
            Some("insecure") => Security::Insecure,
            Some(other) => {
                return Err(Cause::new(format!("security {} is not valid", quote(other)))
                    .suggest(other, &["sandbox", "insecure"])
                    .focus(other));
            }
        },
        devices,
    })
}

fn device(spec: &str) -> Result<Device, Cause> {
    let mut device = Device::default();
    for field in csv::fields(spec, "devices")? {
        let (key, value) = match field.split_once('=') {
            Some((key, value)) => (key.to_lowercase(), Some(value)),
            None => (field.to_lowercase(), None),
        };
        match (key.as_str(), value) {
            ("required", None) => device.required = true,
            ("required", Some(value)) => {
                device.required = parse_bool(value).ok_or_else(|| {
                    Cause::new(format!("invalid value for {key}: {value}")).focus(&field)
                })?;
            }
            ("name", Some(_)) if !device.name.is_empty() => {
                return Err(
                    Cause::new(format!("device name already set to {}", device.name)).focus(&field)
                );
            }
            ("name", Some(value)) => device.name = value.to_owned(),
            // A CDI name has a "=" of its own: vendor.com/class=device.
            _ if device.name.is_empty() => device.name = field,
            (_, None) => {
                return Err(Cause::new(format!(
                    "invalid field '{field}' must be a key=value pair"
                ))
                .focus(&field));
            }
            _ => {
                return Err(Cause::new(format!("unexpected key '{key}' in '{field}'"))
                    .suggest(&key, &["name", "required"])
                    .focus(&field));
            }
        }
    }
    Ok(device)
}
