//! `# check=skip=A,B;experimental=C;error=true`.

use std::collections::BTreeSet;

use super::{CHECK_ARG, RULES};
use crate::args::BuildArgs;
use crate::parse::{self, DirectiveScanner};
use crate::quote::{parse_bool, quote};
use crate::{LineRange, suggest};

/// Which rules apply.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// No rule applies, except experimental ones that are asked for.
    pub skip_all: bool,
    /// These do not apply.
    pub skip: BTreeSet<String>,
    /// All experimental rules apply.
    pub experimental_all: bool,
    /// These experimental rules apply.
    pub experimental: BTreeSet<String>,
    /// Findings make the build fail.
    pub error: bool,
}

/// Why an option of the checks cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// An option that does not exist, or one without `=`.
    #[error("invalid check option {}", quote(.0))]
    Invalid(String),
    /// `error=` with something else than a boolean.
    #[error("failed to parse check option {}: {} is not a boolean", quote(.option), quote(.value))]
    NotBoolean {
        /// The option.
        option: String,
        /// The value.
        value: String,
    },
}

impl Config {
    /// Reads the value of `check=`.
    ///
    /// # Errors
    /// See [`CheckError`].
    pub fn parse(text: &str) -> Result<Config, CheckError> {
        let mut config = Config::default();
        let text = text.trim();
        if text.is_empty() {
            return Ok(config);
        }
        for option in text.splitn(3, ';') {
            let invalid = |text: &str| CheckError::Invalid(text.to_owned());
            let (key, value) = option.split_once('=').ok_or_else(|| invalid(option))?;
            let value = value.trim();
            let names = || value.split(',').map(|name| name.trim().to_owned()).collect();
            match key.trim() {
                "skip" if value == "all" => config.skip_all = true,
                "skip" => config.skip = names(),
                "experimental" if value == "all" => config.experimental_all = true,
                "experimental" => config.experimental = names(),
                "error" => {
                    config.error = parse_bool(value).ok_or_else(|| CheckError::NotBoolean {
                        option: option.to_owned(),
                        value: value.to_owned(),
                    })?;
                }
                other => return Err(invalid(other)),
            }
        }
        Ok(config)
    }

    /// The options of a file; a build argument goes before its directive.
    pub(super) fn of(
        source: &str,
        build_args: &BuildArgs,
    ) -> Result<Config, (CheckError, LineRange)> {
        let (text, line) = match build_args.get(CHECK_ARG) {
            Some(text) => (text.clone(), 0),
            None => directive(source).unwrap_or_default(),
        };
        Config::parse(&text).map_err(|error| (error, LineRange::new(line, line)))
    }

    /// The options for one instruction: `# check=` in the comments above it adds to the file's.
    pub(super) fn with_comments(&self, comments: &[String]) -> Config {
        let mut merged = self.clone();
        let Some(Ok(local)) = comments.iter().find_map(|comment| check_of(comment)) else {
            return merged;
        };
        merged.skip_all |= local.skip_all;
        merged.skip.extend(local.skip);
        merged.experimental_all |= local.experimental_all;
        merged.experimental.extend(local.experimental);
        merged
    }
}

/// A name in `# check=skip=` or `experimental=` that no rule has: BuildKit passes over it in silence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownRule {
    /// The name as written.
    pub name: String,
    /// The rule that is meant, perhaps.
    pub near: Option<&'static str>,
    /// Its line; zero for a build argument.
    pub line: usize,
}

/// The names of rules that a file's options misspell; none of a file that cannot be parsed.
pub fn unknown_rules(source: &str, build_args: &BuildArgs) -> Vec<UnknownRule> {
    let mut options = Vec::new();
    match build_args.get(CHECK_ARG) {
        Some(text) => options.push((Config::parse(text), 0)),
        None => options.extend(directive(source).map(|(text, line)| (Config::parse(&text), line))),
    }
    for node in parse::parse(source).map(|ast| ast.nodes).unwrap_or_default() {
        let own = node.comments.iter().find_map(|comment| check_of(comment));
        options.extend(own.map(|config| (config, node.lines.start)));
    }
    let mut unknown = Vec::new();
    for (config, line) in options {
        let Ok(config) = config else { continue };
        for name in config.skip.into_iter().chain(config.experimental) {
            let names = || RULES.iter().map(|rule| rule.name);
            if names().all(|known| known != name) {
                let same = names().find(|known| known.eq_ignore_ascii_case(&name));
                let near = same.or_else(|| suggest::nearest(&name, names()));
                unknown.push(UnknownRule { near, name, line });
            }
        }
    }
    unknown
}

/// Whether findings make the build fail.
pub fn fails_on_findings(source: &str, build_args: &BuildArgs) -> bool {
    Config::of(source, build_args).is_ok_and(|config| config.error)
}

/// The `check` directive at the top of a file, with its line.
fn directive(source: &str) -> Option<(String, usize)> {
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    let mut scanner = DirectiveScanner::new("#");
    let is_script = source.starts_with("#!");
    for (index, line) in source.lines().enumerate().skip(usize::from(is_script)) {
        let (name, value) = scanner.line(line).ok()??;
        if name == "check" {
            return Some((first_word(&value).to_owned(), index + 1));
        }
    }
    None
}

fn check_of(comment: &str) -> Option<Result<Config, CheckError>> {
    let (name, value) = DirectiveScanner::new("").line(comment).ok()??;
    (name == "check").then(|| Config::parse(first_word(&value)))
}

/// What follows a blank is a remark.
fn first_word(value: &str) -> &str {
    value.split(' ').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options() {
        let config = Config::parse(" skip = A, B ; experimental=all;error=1").unwrap();
        assert_eq!(config.skip, ["A", "B"].map(str::to_owned).into());
        assert!(config.experimental_all && config.error && !config.skip_all);
        assert_eq!(Config::parse("").unwrap(), Config::default());
        let table = [
            ("skip", "invalid check option \"skip\""),
            ("foo=1", "invalid check option \"foo\""),
            ("error=x", "failed to parse check option \"error=x\": \"x\" is not a boolean"),
        ];
        for (text, expected) in table {
            assert_eq!(Config::parse(text).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn misspelt_rules_are_found() {
        let source = "# check=skip=StageNameCasin,all;experimental=x\n\
                      FROM scratch\n# check=skip=UNDEFINEDVAR,UndefinedVar\nENV a=b\n";
        let found = unknown_rules(source, &BuildArgs::new());
        let found: Vec<_> = found.iter().map(|r| (r.name.as_str(), r.near, r.line)).collect();
        let expected = [
            ("StageNameCasin", Some("StageNameCasing"), 1),
            ("all", None, 1),
            ("x", None, 1),
            ("UNDEFINEDVAR", Some("UndefinedVar"), 4),
        ];
        assert_eq!(found, expected);
        let given = BuildArgs::from([(CHECK_ARG.to_owned(), "skip=all".to_owned())]);
        assert_eq!(unknown_rules("FROM scratch\n", &given), []);
    }

    #[test]
    fn comments_add_to_the_file() {
        let file = Config::parse("skip=A").unwrap();
        let comments = ["a remark", "check=skip=B // because"].map(str::to_owned);
        assert_eq!(file.with_comments(&comments).skip, ["A", "B"].map(str::to_owned).into());
        assert_eq!(file.with_comments(&["check=foo".to_owned()]), file);
    }
}
