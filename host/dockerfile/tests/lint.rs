//! The checks against BuildKit's own tests.

mod shared;

use std::collections::BTreeMap;

use kiln_dockerfile::args::BuildArgs;
use kiln_dockerfile::ignore::{PatternMatcher, read_ignore_file};
use kiln_dockerfile::lint::{BaseImage, Options, RULES, Report, Scope, lint};
use kiln_dockerfile::platform::Platform;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    test: String,
    dockerfile: String,
    dockerignore: Option<String>,
    #[serde(default)]
    frontend_attrs: BTreeMap<String, String>,
    warnings: Option<Vec<Expected>>,
    unmarshal_warnings: Option<Vec<Expected>>,
    build_err: Option<String>,
    build_err_line: Option<usize>,
    /// The build fails where files are read, which the checks do not do.
    stream_build_err_regexp: Option<String>,
}

#[derive(Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord, Clone)]
#[serde(rename_all = "PascalCase")]
struct Expected {
    line: usize,
    detail: String,
    rule_name: String,
    description: String,
    #[serde(rename = "URL", default)]
    url: String,
}

fn platform() -> Platform {
    Platform::new("linux", "amd64", "")
}

fn with_path() -> BaseImage {
    BaseImage {
        env: vec![("PATH".to_owned(), "/bin".to_owned())],
        platform: Some(platform()),
        ..BaseImage::default()
    }
}

fn run(text: &str, scope: Scope<'_>, build_args: &BuildArgs, ignore: Option<&str>) -> Report {
    let matcher = ignore.map(|text| PatternMatcher::new(&read_ignore_file(text)).unwrap());
    lint(
        text,
        &Options {
            scope,
            build_args,
            build_platform: platform(),
            target_platform: platform(),
            ignore: matcher.as_ref(),
            base_image: &|_, _| Some(with_path()),
        },
    )
}

fn found(report: &Report) -> Vec<Expected> {
    let expected = |w: &kiln_dockerfile::lint::Warning| Expected {
        line: w.lines.start,
        detail: w.detail.clone(),
        rule_name: w.rule.name.to_owned(),
        description: w.rule.description.to_owned(),
        url: w.rule.url.to_owned(),
    };
    let mut found: Vec<_> = report.warnings.iter().map(expected).collect();
    found.sort();
    found
}

#[test]
fn findings_are_buildkits() {
    let Some(path) = shared::cases("lint.jsonl") else { return };
    let text = shared::read(&path);
    let cases: Vec<Case> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(cases.len() > 80);
    for case in cases {
        let name = format!("{}\n{}", case.test, case.dockerfile);
        let build_args: BuildArgs = case
            .frontend_attrs
            .iter()
            .filter_map(|(key, value)| {
                Some((key.strip_prefix("build-arg:")?.to_owned(), value.clone()))
            })
            .collect();
        let sorted = |expected: Option<Vec<Expected>>| {
            let mut expected = expected.unwrap_or_default();
            expected.sort();
            expected
        };
        let ignore = case.dockerignore.as_deref();
        let build = run(&case.dockerfile, Scope::Target(None), &build_args, ignore);
        let warnings = sorted(case.warnings);
        assert_eq!(found(&build), warnings, "{name}");
        let check = run(&case.dockerfile, Scope::All, &build_args, ignore);
        // Upstream does not compare the lines of these, and one case has others than its file.
        let without_lines = |list: Vec<Expected>| {
            sorted(Some(list.into_iter().map(|w| Expected { line: 0, ..w }).collect()))
        };
        let all = case.unmarshal_warnings.unwrap_or(warnings);
        assert_eq!(without_lines(found(&check)), without_lines(all), "{name}");
        match (build.error, case.build_err) {
            (None, None) => {}
            (None, Some(error)) => panic!("{name}: no error: {error}"),
            (Some(error), None) => panic!("{name}: {error}"),
            (Some(error), Some(expected)) => {
                // The place is ours to print, in another form.
                let cause = expected
                    .strip_prefix("dockerfile parse error on line 4: ")
                    .unwrap_or(&expected);
                assert_eq!(error.to_string(), cause, "{name}");
                assert_eq!(Some(error.lines.start), case.build_err_line, "{name}");
            }
        }
        assert!(case.stream_build_err_regexp.is_none_or(|error| error.contains("not found")));
    }
}

#[test]
fn an_unknown_image_may_set_any_variable() {
    let text = "FROM known\nCOPY $a /\n";
    let none = BuildArgs::new();
    assert_eq!(found(&run(text, Scope::All, &none, None)).len(), 1);
    let options = Options {
        scope: Scope::All,
        build_args: &none,
        build_platform: platform(),
        target_platform: platform(),
        ignore: None,
        base_image: &|_, _| None,
    };
    assert_eq!(lint(text, &options).warnings, []);
}

#[test]
fn the_image_tells_platform_shell_and_triggers() {
    let none = BuildArgs::new();
    let base = BaseImage {
        platform: Some(Platform::new("linux", "arm64", "v8")),
        has_shell: true,
        onbuild: vec!["WORKDIR here".to_owned(), "ENV token=x".to_owned()],
        ..with_path()
    };
    let options = Options {
        scope: Scope::All,
        build_args: &none,
        build_platform: platform(),
        target_platform: platform(),
        ignore: None,
        base_image: &|_, _| Some(base.clone()),
    };
    let report = lint("FROM img\nCMD x\n", &options);
    let details: Vec<_> = report.warnings.iter().map(|w| w.detail.as_str()).collect();
    assert_eq!(
        details,
        [
            "Base image img was pulled with platform \"linux/arm64\", expected \"linux/amd64\" for current build",
            "Relative workdir \"here\" can have unexpected results if the base image changes",
            "Do not use ARG or ENV instructions for sensitive data (ENV \"token\")",
        ]
    );
    assert!(report.warnings.iter().all(|w| w.lines.start == 1));
    assert_eq!(report.error, None);
}

#[test]
fn only_what_the_target_needs_is_checked() {
    let text = "FROM scratch AS a\nWORKDIR x\nFROM scratch AS b\nWORKDIR y\nFROM scratch AS c\n\
                COPY --from=a / /\nRUN --mount=from=b,target=/b x\nFROM scratch AS d\n";
    let lines = |scope| {
        let report = run(text, scope, &BuildArgs::new(), None);
        report.warnings.iter().map(|w| w.lines.start).collect::<Vec<_>>()
    };
    assert!(lines(Scope::Target(None)).is_empty());
    assert_eq!(lines(Scope::Target(Some("C"))), [2, 4]);
    assert_eq!(lines(Scope::Target(Some("b"))), [4]);
    assert_eq!(lines(Scope::Target(Some("1"))), [4]);
    let error = run(text, Scope::Target(Some("cc")), &BuildArgs::new(), None).error.unwrap();
    assert_eq!(error.to_string(), "target stage \"cc\" could not be found (did you mean c?)");
}

/// The text of the fenced block of that language in a part of a page.
fn block<'a>(page: &'a str, part: &str, language: &str) -> Option<&'a str> {
    let (_, after) = page.split_once(&format!("\n## {part}\n"))?;
    let part = after.split("\n## ").next()?;
    let (_, after) = part.split_once(&format!("```{language}\n"))?;
    after.split("```").next()
}

#[test]
fn every_rule_has_a_page_whose_examples_are_true() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/rules");
    for rule in RULES {
        let page = shared::read(&std::path::Path::new(root).join(rule.name).with_extension("md"));
        assert!(page.starts_with(&format!("# {}\n", rule.name)));
        for (part, is_bad) in [("Bad", true), ("Good", false)] {
            let example =
                block(&page, part, "dockerfile").unwrap_or_else(|| panic!("{part}: {page}"));
            let ignore = block(&page, part, "dockerignore")
                .map(|text| PatternMatcher::new(&read_ignore_file(text)).unwrap());
            let report = lint(
                example,
                &Options {
                    scope: Scope::All,
                    build_args: &BuildArgs::new(),
                    build_platform: platform(),
                    target_platform: platform(),
                    ignore: ignore.as_ref(),
                    base_image: &|name, _| {
                        let arm = Platform::new("linux", "arm64", "");
                        let is_arm = name.ends_with("arm64-only");
                        Some(BaseImage { platform: is_arm.then_some(arm), ..with_path() })
                    },
                },
            );
            let names: Vec<_> = report.warnings.iter().map(|warning| warning.rule.name).collect();
            assert_eq!(names.contains(&rule.name), is_bad, "{} {part}: {names:?}", rule.name);
            assert!(is_bad || names.is_empty(), "{} {part}: {names:?}", rule.name);
        }
    }
}

#[test]
fn every_rule_has_a_name_of_its_own() {
    let mut names: Vec<_> = RULES.iter().map(|rule| rule.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 22);
}
