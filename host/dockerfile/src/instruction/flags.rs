//! The `--name=value` flags of an instruction.

use crate::diagnostic::Cause;

/// What a flag takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// Nothing, `true` or `false`.
    Bool,
    /// One value.
    Value,
    /// A value each of many times.
    Values,
}

/// The flags of one instruction, after checking.
#[derive(Debug, Default)]
pub(super) struct Flags {
    found: Vec<(&'static str, String)>,
}

impl Flags {
    /// Checks the flags of a node against those that the instruction knows.
    pub(super) fn read(args: &[String], known: &[(&'static str, Takes)]) -> Result<Flags, Cause> {
        let mut flags = Flags::default();
        for arg in args {
            let (flag, value) = match arg.split_once('=') {
                Some((flag, value)) => (flag, Some(value)),
                None => (arg.as_str(), None),
            };
            let name = flag.strip_prefix("--").unwrap_or(flag);
            let Some(&(name, takes)) = known.iter().find(|(known, _)| *known == name) else {
                let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
                return Err(Cause::new(format!("unknown flag: {flag}"))
                    .suggest(name, &names)
                    .focus(flag));
            };
            if takes != Takes::Values && flags.value(name).is_some() {
                return Err(Cause::new(format!("duplicate flag specified: {flag}")).focus(flag));
            }
            let value = match (takes, value) {
                (Takes::Bool, None) => "true".to_owned(),
                (Takes::Bool, Some(value)) if is_bool(value) => value.to_lowercase(),
                (Takes::Bool, Some(value)) if !value.is_empty() => {
                    return Err(Cause::new(format!(
                        "expecting boolean value for flag {flag}, not: {value}"
                    ))
                    .focus(arg));
                }
                (Takes::Value | Takes::Values, Some(value)) => value.to_owned(),
                _ => return Err(Cause::new(format!("missing a value on flag: {flag}")).focus(flag)),
            };
            flags.found.push((name, value));
        }
        Ok(flags)
    }

    /// The value of a flag, if it was given.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.found.iter().find(|(found, _)| *found == name).map(|(_, value)| value.as_str())
    }

    /// The same, owned, with no difference between empty and absent.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.value(name).filter(|value| !value.is_empty()).map(str::to_owned)
    }

    /// All values of a flag.
    pub(super) fn values(&self, name: &str) -> Vec<String> {
        let same = self.found.iter().filter(|(found, _)| *found == name);
        same.map(|(_, value)| value.clone()).collect()
    }

    /// The value of a boolean flag, if it was given.
    pub(super) fn bool(&self, name: &str) -> Option<bool> {
        self.value(name).map(|value| value == "true")
    }
}

fn is_bool(value: &str) -> bool {
    value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [(&str, Takes); 3] =
        [("link", Takes::Bool), ("chown", Takes::Value), ("exclude", Takes::Values)];

    fn read(args: &[&str]) -> Result<Flags, String> {
        let args: Vec<String> = args.iter().map(|arg| arg.to_string()).collect();
        Flags::read(&args, &KNOWN).map_err(|cause| {
            crate::Diagnostic::place(cause, Default::default(), Default::default()).to_string()
        })
    }

    #[test]
    fn values() {
        let flags = read(&["--link", "--chown=a=b", "--exclude=x", "--exclude=y"]).unwrap();
        assert_eq!(flags.bool("link"), Some(true));
        assert_eq!(flags.text("chown").as_deref(), Some("a=b"));
        assert_eq!(flags.values("exclude"), ["x", "y"]);
        assert_eq!(read(&["--link=FALSE"]).unwrap().bool("link"), Some(false));
        assert_eq!(read(&["--chown="]).unwrap().text("chown"), None);
    }

    #[test]
    fn errors() {
        let table = [
            ("--lnk", "unknown flag: --lnk (did you mean link?)"),
            ("--boo", "unknown flag: --boo"),
            ("--link=", "missing a value on flag: --link"),
            ("--link=yes", "expecting boolean value for flag --link, not: yes"),
            ("--chown", "missing a value on flag: --chown"),
        ];
        for (arg, expected) in table {
            assert_eq!(read(&[arg]).unwrap_err(), expected);
        }
        assert_eq!(read(&["--link", "--link"]).unwrap_err(), "duplicate flag specified: --link");
    }
}
