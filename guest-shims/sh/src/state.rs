//! What a shell remembers: variables, functions, options, traps.

use kiln_guest_abi::process::{self, Flavor};
use kiln_sh_syntax::{Command, Dialect};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A variable.
#[derive(Clone, Debug)]
pub(crate) struct Variable {
    /// `None`: exported or read-only, but not set.
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) exported: bool,
    pub(crate) readonly: bool,
    /// Variables made earlier have smaller numbers.
    pub(crate) made: u64,
}

impl Default for Variable {
    fn default() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let made = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { value: None, exported: false, readonly: false, made }
    }
}

/// `set -o` and its letters.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options {
    pub(crate) allexport: bool,
    pub(crate) errexit: bool,
    pub(crate) noglob: bool,
    pub(crate) noexec: bool,
    pub(crate) nounset: bool,
    pub(crate) verbose: bool,
    pub(crate) xtrace: bool,
    pub(crate) noclobber: bool,
    pub(crate) pipefail: bool,
    /// Remembered and shown only.
    pub(crate) others: [bool; 10],
}

/// Options by letter (0 for none), name and place, in the order in which dash shows them; the places
/// of those without an effect here are from [`FIRST_OTHER`] on.
pub(crate) const OPTIONS: [(u8, &str, usize); 18] = [
    (b'e', "errexit", 1),
    (b'f', "noglob", 2),
    (b'I', "ignoreeof", 9),
    (b'i', "interactive", 10),
    (b'm', "monitor", 11),
    (b'n', "noexec", 3),
    (b's', "stdin", 12),
    (b'x', "xtrace", 6),
    (b'v', "verbose", 5),
    (b'V', "vi", 13),
    (b'E', "emacs", 14),
    (b'C', "noclobber", 7),
    (b'a', "allexport", 0),
    (b'b', "notify", 15),
    (b'u', "nounset", 4),
    (b'p', "privileged", 16),
    (0, "nolog", 17),
    (0, "debug", 18),
];

const FIRST_OTHER: usize = 9;

/// What other shells have beside them.
pub(crate) const MORE_OPTIONS: [(u8, &str, usize); 2] = [(0, "pipefail", 8), (b'h', "hashall", 9)];

/// The options of a dialect.
pub(crate) fn options(
    dialect: Dialect,
) -> impl DoubleEndedIterator<Item = (u8, &'static str, usize)> {
    let more = if dialect == Dialect::Dash { &[][..] } else { &MORE_OPTIONS[..] };
    OPTIONS.iter().chain(more).copied()
}

/// Variables that bash gives a value, less those that are here.
const BASH_VARIABLES: [&str; 32] = [
    "_",
    "BASH",
    "BASHOPTS",
    "BASHPID",
    "BASH_ALIASES",
    "BASH_ARGC",
    "BASH_ARGV",
    "BASH_ARGV0",
    "BASH_CMDS",
    "BASH_COMMAND",
    "BASH_EXECUTION_STRING",
    "BASH_LINENO",
    "BASH_REMATCH",
    "BASH_SOURCE",
    "BASH_SUBSHELL",
    "BASH_VERSINFO",
    "BASH_VERSION",
    "COPROC",
    "DIRSTACK",
    "EPOCHREALTIME",
    "EPOCHSECONDS",
    "FUNCNAME",
    "GROUPS",
    "HISTCMD",
    "HOSTTYPE",
    "MACHTYPE",
    "OSTYPE",
    "PIPESTATUS",
    "RANDOM",
    "SECONDS",
    "SHELLOPTS",
    "SRANDOM",
];

impl Options {
    /// The flag at a place.
    pub(crate) fn flag(&mut self, place: usize) -> &mut bool {
        match place {
            0 => &mut self.allexport,
            1 => &mut self.errexit,
            2 => &mut self.noglob,
            3 => &mut self.noexec,
            4 => &mut self.nounset,
            5 => &mut self.verbose,
            6 => &mut self.xtrace,
            7 => &mut self.noclobber,
            8 => &mut self.pipefail,
            other => &mut self.others[(other - FIRST_OTHER).min(9)],
        }
    }
}

/// Why execution does not go on with the next command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// `break`: so many loops to leave.
    Break(u32),
    /// `continue`: so many loops to leave, the last is continued.
    Continue(u32),
    /// `return`
    Return(i32),
    /// `exit`, or `set -e`.
    Exit(i32),
    /// An error: it ends the shell, unless a regular builtin or `command` met it.
    Error(i32),
}

/// The result of executing: a status, or a flow that is not the usual one.
pub(crate) type Done = Result<i32, Flow>;

/// A shell.
#[derive(Debug)]
pub(crate) struct Shell {
    pub(crate) dialect: Dialect,
    /// Called `sh`: bash then keeps closer to POSIX.
    pub(crate) posix: bool,
    pub(crate) name: Vec<u8>,
    pub(crate) positional: Vec<Vec<u8>>,
    pub(crate) variables: BTreeMap<Vec<u8>, Variable>,
    pub(crate) functions: BTreeMap<Vec<u8>, Rc<Command>>,
    pub(crate) options: Options,
    pub(crate) status: i32,
    /// The status of the last command substitution, for assignments alone.
    pub(crate) substituted: Option<i32>,
    pub(crate) pid: i32,
    pub(crate) last_background: Option<i32>,
    /// Above zero where a failure is being tested, so that `set -e` does not apply.
    pub(crate) tested: u32,
    pub(crate) loops: u32,
    pub(crate) functions_deep: u32,
    pub(crate) sourced_deep: u32,
    /// Variables to be put back at the end of each function that is running.
    pub(crate) locals: Vec<Vec<(Vec<u8>, Option<Variable>)>>,
    /// Options to be put back at the end of each function that is running: those of `local -`.
    pub(crate) local_options: Vec<Option<Options>>,
    /// The action of `trap … EXIT`.
    pub(crate) exit_trap: Option<Vec<u8>>,
    /// Other traps by signal: only a signal that the shell sends itself arrives here.
    pub(crate) traps: BTreeMap<u32, Vec<u8>>,
    /// Signals with a trap that arrived and whose action did not run yet.
    pub(crate) pending: Vec<u32>,
    /// While a trap's action runs, the status before it: what `exit` and `return` give.
    pub(crate) interrupted: Option<i32>,
    pub(crate) line: u32,
    /// `command exec` without a program: what is redirected stays so.
    pub(crate) keeps_redirections: bool,
    /// Where `getopts` is: the argument from 1, and the place inside it.
    pub(crate) getopts: (usize, usize),
    /// Children whose end was seen while waiting for others.
    pub(crate) ended: BTreeMap<i32, i32>,
    pub(crate) children: Vec<i32>,
    /// Jobs in the background in the order of their numbers, and whether each is a program and
    /// nothing else.
    pub(crate) jobs: Vec<(i32, bool)>,
}

impl Shell {
    pub(crate) fn new(name: Vec<u8>, flavor: Flavor) -> Self {
        let dialect = match flavor {
            Flavor::Gnu => Dialect::Dash,
            Flavor::BusyBox => Dialect::Ash,
            Flavor::Bash => Dialect::Bash,
        };
        crate::pattern::caret_negates(dialect != Dialect::Dash);
        let posix = name.rsplit(|&byte| byte == b'/').next() == Some(b"sh");
        let mut shell = Self {
            dialect,
            posix,
            name,
            positional: Vec::new(),
            variables: BTreeMap::new(),
            functions: BTreeMap::new(),
            options: Options::default(),
            status: 0,
            substituted: None,
            pid: process::id(),
            last_background: None,
            tested: 0,
            loops: 0,
            functions_deep: 0,
            sourced_deep: 0,
            locals: Vec::new(),
            local_options: Vec::new(),
            exit_trap: None,
            traps: BTreeMap::new(),
            pending: Vec::new(),
            interrupted: None,
            line: 1,
            keeps_redirections: false,
            getopts: (1, 0),
            ended: BTreeMap::new(),
            children: Vec::new(),
            jobs: Vec::new(),
        };
        shell.import_environment();
        shell
    }

    /// A variable's value.
    pub(crate) fn get(&self, name: &[u8]) -> Option<Vec<u8>> {
        // Debian builds its dash without it.
        if name == b"LINENO" && self.dialect != Dialect::Dash {
            return Some(self.line.to_string().into_bytes());
        }
        match self.variables.get(name) {
            Some(variable) => variable.value.clone(),
            None => self.given(name),
        }
    }

    /// A variable that the shell itself has.
    fn given(&self, name: &[u8]) -> Option<Vec<u8>> {
        let ours: &[&str] = match self.dialect {
            Dialect::Dash => return None,
            Dialect::Ash => &["RANDOM", "EPOCHSECONDS", "EPOCHREALTIME", "FUNCNAME"],
            Dialect::Bash => &BASH_VARIABLES,
        };
        match name {
            b"UID" if self.dialect == Dialect::Bash => {
                Some(process::ids().uid.to_string().into_bytes())
            }
            b"EUID" if self.dialect == Dialect::Bash => {
                Some(process::ids().euid.to_string().into_bytes())
            }
            name if ours.iter().any(|own| own.as_bytes() == name) => {
                self.needs_native(&format!("${}", String::from_utf8_lossy(name)))
            }
            _ => None,
        }
    }

    /// Whether the environment asks bash for a locale that sorts and counts in its own way.
    pub(crate) fn has_locale(&self) -> bool {
        self.dialect == Dialect::Bash
            && [&b"LC_ALL"[..], b"LC_COLLATE", b"LC_CTYPE", b"LANG"].iter().any(|name| {
                self.variables
                    .get(*name)
                    .and_then(|variable| variable.value.as_ref())
                    .is_some_and(|value| !matches!(&value[..], b"" | b"C" | b"POSIX"))
            })
    }

    /// Sets a variable; the error is what the shell says.
    pub(crate) fn set(&mut self, name: &[u8], value: Vec<u8>) -> Result<(), String> {
        if name == b"OPTIND" {
            self.restart_getopts(&value)?;
        }
        let allexport = self.options.allexport;
        let variable = self.variables.entry(name.to_vec()).or_default();
        if variable.readonly {
            return Err(format!("{}: is read only", String::from_utf8_lossy(name)));
        }
        variable.value = Some(value);
        variable.exported |= allexport;
        Ok(())
    }

    /// `set` with operands.
    pub(crate) fn replace_positional(&mut self, words: Vec<Vec<u8>>) {
        self.positional = words;
        if self.dialect == Dialect::Dash {
            self.getopts = (1, 0);
        }
    }

    /// What `getopts` makes of a new value of `OPTIND`; dash takes only numbers.
    pub(crate) fn restart_getopts(&mut self, value: &[u8]) -> Result<(), String> {
        let number = std::str::from_utf8(value).ok().and_then(|text| text.trim().parse().ok());
        if number.is_none() && self.dialect == Dialect::Dash {
            return Err(format!("Illegal number: {}", String::from_utf8_lossy(value)));
        }
        self.getopts = (number.unwrap_or(1).max(1), 0);
        Ok(())
    }

    /// `$-`
    pub(crate) fn flags(&mut self) -> Vec<u8> {
        let mut flags = Vec::new();
        for (letter, _, place) in options(self.dialect).rev() {
            if *self.options.flag(place) && letter != 0 {
                flags.push(letter);
            }
        }
        flags
    }

    /// Says something on standard error, as this shell does.
    pub(crate) fn complain(&self, text: &str) {
        let name = String::from_utf8_lossy(&self.name);
        crate::output::error(format!("{name}: {}: {text}\n", self.line).as_bytes());
    }

    /// An error that ends a shell that is not interactive.
    pub(crate) fn fatal<T>(&self, text: &str) -> Result<T, Flow> {
        if self.dialect == Dialect::Bash {
            // Which errors end bash, and with what status, is its own affair.
            self.needs_native(text);
        }
        self.complain(text);
        Err(Flow::Error(2))
    }

    /// Text that only a native shell can execute.
    pub(crate) fn needs_native(&self, what: &str) -> ! {
        process::needs_native(&format!("sh: {what}"))
    }
}
