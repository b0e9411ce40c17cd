//! What is said of bad Dockerfiles: place, source line, cause, near miss.
//!
//! `diagnostics.txt` has the cases: `=== NAME [| ARGUMENTS]`, the Dockerfile, `--- EXIT-CODE`, and
//! what kiln says. `KILN_UPDATE_SNAPSHOTS=1` writes the last two anew, to be read before they are
//! committed.

use std::fmt::Write;

use crate::support::Kiln;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/it/diagnostics.txt");

struct Case<'a> {
    head: &'a str,
    dockerfile: &'a str,
    expected: &'a str,
}

fn cases(text: &str) -> Vec<Case<'_>> {
    let case = |text| {
        let (head, rest): (&str, &str) = str::split_once(text, '\n').unwrap();
        let (dockerfile, expected) = rest.split_once("--- ").unwrap();
        Case { head, dockerfile, expected: expected.trim_end() }
    };
    text.split("=== ").skip(1).map(case).collect()
}

/// Exit code and stderr, without the names of steps.
fn build(case: &Case<'_>) -> String {
    let kiln = Kiln::with(case.dockerfile);
    let arguments = case.head.split_once(" | ").map_or("", |(_, arguments)| arguments);
    let run = kiln
        .command(["build", ".", "--quiet"])
        .args(arguments.split_whitespace())
        .current_dir(kiln.context())
        .output()
        .unwrap();
    let stderr = String::from_utf8(run.stderr).unwrap();
    let said: Vec<&str> = stderr.lines().filter(|line| !line.starts_with('[')).collect();
    format!("{}\n{}", run.status.code().unwrap(), said.join("\n")).trim_end().to_owned()
}

#[test]
#[expect(clippy::disallowed_methods, reason = "whether to write the file is the caller's to say")]
fn bad_dockerfiles_are_explained() {
    let text = std::fs::read_to_string(FILE).unwrap();
    let cases = cases(&text);
    let mut now = String::new();
    let mut differ = Vec::new();
    for case in &cases {
        let got = build(case);
        if got != case.expected {
            differ.push(format!("{}\nexpected: {}\ngot: {got}", case.head, case.expected));
        }
        assert!(!got.starts_with('0'), "{} is no error", case.head);
        let _infallible = write!(now, "=== {}\n{}--- {got}\n", case.head, case.dockerfile);
    }
    if std::env::var_os("KILN_UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(FILE, now).unwrap();
        return;
    }
    assert!(differ.is_empty(), "{}", differ.join("\n\n"));
    assert!(cases.len() >= 60, "{} cases", cases.len());
}

#[test]
fn near_misses_of_stages_and_arguments() {
    let mut kiln = Kiln::with("FROM scratch AS builder\nFROM scratch\nCOPY --from=buildr /a /b\n");
    // Nothing is asked of a registry elsewhere.
    kiln.env("HTTPS_PROXY", "http://127.0.0.1:1");
    kiln.build_fails(&[])
        .expect(4, "Dockerfile:3:13: error: pull docker.io/library/buildr:latest")
        .expect(4, "hint: did you mean the stage `builder`?");
    kiln.file("Dockerfile", "FROM scratch AS builder\nFROM buildr\n");
    kiln.build_fails(&[])
        .expect(4, "Dockerfile:2:6")
        .expect(4, "did you mean the stage `builder`?");
    kiln.file("Dockerfile", "ARG VERSION\nFROM scratch\nLABEL a=b\n");
    let context = kiln.context();
    let context = context.to_str().unwrap();
    let arguments = ["--build-arg", "VERSOIN=1", "--build-arg", "NO_PROXY=x", "--build-arg", "X=y"];
    let run = kiln.run([&["build", context][..], &arguments].concat());
    run.expect(0, "warning: build argument VERSOIN is not used; did you mean VERSION?");
    run.expect(0, "warning: build argument X is not used: no ARG declares it");
    assert!(!run.stderr.contains("NO_PROXY"), "{}", run.stderr);
    kiln.file("Dockerfile", "FROM scratch\nRUN [\"/x\"]\n");
    let run = kiln.build_fails(&["--platform", "linux/amd65"]);
    run.expect(5, "RUN for linux/amd65").expect(5, "hint: did you mean linux/amd64?");
}
