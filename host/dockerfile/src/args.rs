//! Build arguments: which value an `ARG` gets.

use std::collections::{BTreeMap, BTreeSet};

use crate::Diagnostic;
use crate::expand::{ExpandError, Expanded, Lexer, Lookup};
use crate::instruction::{ArgPair, Dockerfile, Kind};
use crate::platform::Platform;

/// What the caller gives with `--build-arg`.
pub type BuildArgs = BTreeMap<String, String>;

/// Names that a build takes from `--build-arg` without an `ARG`; they reach RUN, not the image.
pub const PROXY_ARGS: [&str; 10] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "FTP_PROXY",
    "ftp_proxy",
    "NO_PROXY",
    "no_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// Most bytes of variables at one point of a build: far more than a process can be started with,
/// and few enough that a file whose variables repeat each other stays harmless.
pub const MAX_ENVIRONMENT: usize = 8 << 20;

pub(crate) fn too_large() -> String {
    format!("the variables take more than {MAX_ENVIRONMENT} bytes")
}

/// The arguments that hold outside stages, in `FROM`, and in a stage that declares them again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GlobalArgs {
    values: BTreeMap<String, String>,
    declared: BTreeSet<String>,
}

impl GlobalArgs {
    /// The predefined ones: `BUILDPLATFORM`, `TARGETARCH`, `TARGETSTAGE` and so on.
    ///
    /// `stage` is the target's name; empty for a stage without name. A build argument of the same
    /// name goes before.
    pub fn predefined(
        build: &Platform,
        target: &Platform,
        stage: &str,
        build_args: &BuildArgs,
    ) -> GlobalArgs {
        let stage = if stage.is_empty() { "default" } else { stage };
        let values = [
            ("BUILDPLATFORM", build.short()),
            ("BUILDOS", build.os.clone()),
            ("BUILDOSVERSION", build.os_version.clone()),
            ("BUILDARCH", build.architecture.clone()),
            ("BUILDVARIANT", build.variant.clone()),
            ("TARGETPLATFORM", target.to_string()),
            ("TARGETOS", target.os.clone()),
            ("TARGETOSVERSION", target.os_version.clone()),
            ("TARGETARCH", target.architecture.clone()),
            ("TARGETVARIANT", target.variant.clone()),
            ("TARGETSTAGE", stage.to_owned()),
        ];
        let with_override = |(name, value): (&str, String)| {
            (name.to_owned(), build_args.get(name).cloned().unwrap_or(value))
        };
        GlobalArgs {
            values: values.into_iter().map(with_override).collect(),
            declared: BTreeSet::new(),
        }
    }

    /// Adds the `ARG` instructions before the first `FROM`.
    ///
    /// # Errors
    /// A default value that cannot be expanded; values beyond [`MAX_ENVIRONMENT`] in all.
    pub fn declare(&mut self, file: &Dockerfile, build_args: &BuildArgs) -> Result<(), Diagnostic> {
        let lexer = Lexer::new(file.escape);
        let mut total = 0;
        for instruction in &file.meta_args {
            let Kind::Arg(pairs) = &instruction.kind else { continue };
            for pair in pairs {
                let value = match (build_args.get(&pair.key), &pair.value) {
                    (Some(given), _) => Some(given.clone()),
                    (None, Some(default)) => Some(
                        lexer
                            .word(default, &self.lookup())
                            .map_err(|error| instruction.place(error.into()))?,
                    ),
                    (None, None) => None,
                };
                if let Some(value) = value {
                    total += value.len();
                    self.values.insert(pair.key.clone(), value);
                }
                if total > MAX_ENVIRONMENT {
                    return Err(instruction.error(too_large()));
                }
                self.declared.insert(pair.key.clone());
            }
        }
        Ok(())
    }

    /// Gives an argument another value.
    pub fn set(&mut self, name: &str, value: String) {
        self.values.insert(name.to_owned(), value);
    }

    /// The value of an argument.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// The lookup that `FROM` expands with.
    pub fn lookup(&self) -> impl Fn(&str) -> Option<String> + '_ {
        |name| self.get(name).map(str::to_owned)
    }

    /// The names that have a value.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// Whether `name` has a value or is declared without one.
    pub fn knows(&self, name: &str) -> bool {
        self.get(name).is_some() || self.declared.contains(name)
    }

    /// The names that have a value or are declared without one.
    pub fn known_names(&self) -> BTreeSet<&str> {
        self.names().chain(self.declared.iter().map(String::as_str)).collect()
    }
}

/// The value of one pair of an `ARG` inside a stage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolved {
    /// The value; `None` when the argument stays unset.
    pub value: Option<String>,
    /// What the expansion of the default value asked for; empty when that was not needed.
    pub expanded: Expanded,
}

/// Finds the value of one pair of an `ARG` inside a stage: the build argument, else the default,
/// else the value it has outside stages.
///
/// `lookup` gives the stage's environment, in which the earlier pairs of the same `ARG` are set.
///
/// # Errors
/// A default value that cannot be expanded, if it is needed.
pub fn resolve(
    pair: &ArgPair,
    build_args: &BuildArgs,
    globals: &GlobalArgs,
    escape: char,
    lookup: &Lookup<'_>,
) -> Result<Resolved, ExpandError> {
    if let Some(given) = build_args.get(&pair.key) {
        return Ok(Resolved { value: Some(given.clone()), expanded: Expanded::default() });
    }
    let Some(default) = &pair.value else {
        let value = globals.get(&pair.key).map(str::to_owned);
        return Ok(Resolved { value, expanded: Expanded::default() });
    };
    let expanded = Lexer::new(escape).expand(default, lookup)?;
    Ok(Resolved { value: Some(expanded.text.clone()), expanded })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instruction::parse_dockerfile;

    fn globals(source: &str, build_args: &[(&str, &str)]) -> GlobalArgs {
        let build_args: BuildArgs =
            build_args.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        let platform = Platform::new("linux", "amd64", "");
        let arm = Platform::new("linux", "arm", "v7");
        let mut globals = GlobalArgs::predefined(&platform, &arm, "", &build_args);
        globals.declare(&parse_dockerfile(source).unwrap(), &build_args).unwrap();
        globals
    }

    #[test]
    fn predefined_values() {
        let globals = globals("FROM x", &[("TARGETARCH", "mine")]);
        let table = [
            ("BUILDPLATFORM", "linux/amd64"),
            ("TARGETPLATFORM", "linux/arm/v7"),
            ("TARGETVARIANT", "v7"),
            ("TARGETARCH", "mine"),
            ("TARGETSTAGE", "default"),
        ];
        for (name, value) in table {
            assert_eq!(globals.get(name), Some(value), "{name}");
        }
    }

    #[test]
    fn later_defaults_see_earlier_ones() {
        let globals = globals("ARG a=1 b=${a}2\nARG c\nARG d=\"$b $c\"\nFROM x", &[("a", "9")]);
        assert_eq!((globals.get("a"), globals.get("b")), (Some("9"), Some("92")));
        assert_eq!((globals.get("c"), globals.get("d")), (None, Some("92 ")));
        assert!(globals.knows("c") && !globals.knows("e"));
    }

    #[test]
    fn a_stage_prefers_the_build_argument() {
        let globals = globals("ARG g=global\nFROM x", &[]);
        let pair = |key: &str, value: Option<&str>| ArgPair {
            key: key.to_owned(),
            value: value.map(str::to_owned),
            doc: None,
        };
        let given: BuildArgs = [("a".to_owned(), "given".to_owned())].into();
        let value = |pair| resolve(&pair, &given, &globals, '\\', &|_| None).unwrap().value;
        assert_eq!(value(pair("a", Some("default"))).as_deref(), Some("given"));
        assert_eq!(value(pair("b", Some("'d'"))).as_deref(), Some("d"));
        assert_eq!(value(pair("g", None)).as_deref(), Some("global"));
        assert_eq!(value(pair("g", Some("own"))).as_deref(), Some("own"));
        assert_eq!(value(pair("z", None)), None);
    }
}
