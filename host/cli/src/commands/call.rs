//! `--call`: what to do with a Dockerfile, as `docker buildx build` has it.

use kiln_build::{BuildError, Result};
use kiln_dockerfile::suggest;

use super::{check, outline};
use crate::args::{BuildArgs, ResultFormat};
use crate::environment::Environment;
use crate::exit::ExitStatus;

/// What can be called; `lint` is an older name of `check`.
const NAMES: [&str; 5] = ["build", "check", "lint", "outline", "targets"];

/// A call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Call {
    what: What,
    format: ResultFormat,
    /// Findings of a check make no difference to the exit code.
    ignores_status: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Build,
    Check,
    Outline,
    Targets,
}

impl Call {
    /// What the arguments ask for.
    pub(super) fn of(args: &BuildArgs) -> Result<Self> {
        match &args.call {
            _ if args.check => Self::parse("check"),
            Some(text) => Self::parse(text),
            None => Self::parse("build"),
        }
    }

    fn parse(text: &str) -> Result<Self> {
        let wrong = |why: String| BuildError::input(format!("--call={text}: {why}"));
        let mut call =
            Self { what: What::Build, format: ResultFormat::Text, ignores_status: false };
        let (name, fields) = text.split_once(',').map_or((text, None), |(n, f)| (n, Some(f)));
        call.what = match name {
            "build" => What::Build,
            "check" | "lint" => What::Check,
            "outline" => What::Outline,
            "targets" => What::Targets,
            other => {
                let near = suggest::nearest(other, NAMES);
                let error = wrong(format!("there is no call `{other}`"));
                return Err(error.with_hint(match near {
                    Some(near) => format!("did you mean {near}?"),
                    None => "the calls are build, check, outline and targets".to_owned(),
                }));
            }
        };
        for field in fields.into_iter().flat_map(|fields| fields.split(',')) {
            match field.split_once('=') {
                Some(("format", "json")) => call.format = ResultFormat::Json,
                Some(("format", "text")) => call.format = ResultFormat::Text,
                Some(("format", _)) => return Err(wrong("format is text or json".to_owned())),
                Some(("ignorestatus", "true" | "1")) => call.ignores_status = true,
                Some(("ignorestatus", "false" | "0")) => call.ignores_status = false,
                _ => return Err(wrong(format!("`{field}` is not known"))),
            }
        }
        Ok(call)
    }

    /// Whether an image is to be built.
    pub(super) fn is_build(self) -> bool {
        self.what == What::Build
    }

    /// Answers a call that builds nothing.
    pub(super) fn answer(self, args: &BuildArgs, environment: &Environment) -> ExitStatus {
        let status = match self.what {
            What::Outline => outline::run(args, self.format, environment),
            What::Targets => outline::targets(args, self.format, environment),
            What::Build | What::Check => check::run(args, self.format, environment),
        };
        match status {
            ExitStatus::Failed if self.ignores_status => ExitStatus::Success,
            status => status,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls() {
        let call = |what, format, ignores_status| Call { what, format, ignores_status };
        let (text, json) = (ResultFormat::Text, ResultFormat::Json);
        for (written, expected) in [
            ("build", call(What::Build, text, false)),
            ("check", call(What::Check, text, false)),
            ("lint,ignorestatus=1", call(What::Check, text, true)),
            ("outline,format=json", call(What::Outline, json, false)),
            ("targets,format=text", call(What::Targets, text, false)),
        ] {
            assert_eq!(Call::parse(written).unwrap(), expected, "{written}");
        }
        assert_eq!(Call::parse("outlin").unwrap_err().hint(), Some("did you mean outline?"));
        for bad in ["", "outline,format=xml", "outline,what", "check,ignorestatus=x"] {
            assert!(Call::parse(bad).is_err(), "{bad}");
        }
    }
}
