//! The Dockerfiles of builds recorded from BuildKit: what it built we read, what it refused for
//! the file's sake we refuse in the same words.

mod shared;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use kiln_dockerfile::args::BuildArgs;
use kiln_dockerfile::lint::{BaseImage, Options, Scope, lint};
use kiln_dockerfile::platform::Platform;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    case: String,
    error: Option<String>,
    attrs: BTreeMap<String, String>,
}

/// What in a recorded error speaks of the file rather than of the build.
const ABOUT_THE_FILE: [&str; 5] =
    ["dockerfile parse error", "no stages", "unexpected key", "unsupported mount", "platform"];

#[test]
fn recorded_builds_are_read() {
    let Some(root) = shared::cases("integration") else { return };
    let cases: Vec<Case> = shared::json(&root.join("index.json"));
    let (mut good, mut refused) = (0, 0);
    for case in cases {
        let name = case.attrs.get("filename").map_or("Dockerfile", String::as_str);
        let Some(text) = dockerfile(&root.join(&case.case), name) else { continue };
        let expected = case.error.filter(|error| ABOUT_THE_FILE.iter().any(|a| error.contains(a)));
        match (check(&text, &case.attrs), expected) {
            (None, None) => good += 1,
            (Some(error), None) => panic!("{}: {error}\n{text}", case.case),
            (None, Some(error)) => panic!("{}: no error: {error}\n{text}", case.case),
            (Some(error), Some(expected)) => {
                assert!(expected.ends_with(&error), "{}: {error} is not {expected}", case.case);
                refused += 1;
            }
        }
    }
    assert!(good > 150 && refused >= 6, "{good} read, {refused} refused");
}

fn check(text: &str, attrs: &BTreeMap<String, String>) -> Option<String> {
    let build_args: BuildArgs = attrs
        .iter()
        .filter_map(|(key, value)| {
            Some((key.strip_prefix("build-arg:")?.to_owned(), value.clone()))
        })
        .collect();
    let platform = Platform::new("linux", "amd64", "");
    let options = Options {
        scope: Scope::Target(attrs.get("target").map(String::as_str)),
        build_args: &build_args,
        build_platform: platform.clone(),
        target_platform: platform,
        ignore: None,
        base_image: &|_, _| Some(BaseImage::default()),
    };
    lint(text, &options).error.map(|error| error.to_string())
}

fn dockerfile(case: &Path, name: &str) -> Option<String> {
    let file = File::open(case.join("local-dockerfile.tar")).ok()?;
    let mut archive = tar::Archive::new(file);
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let is_file = entry.header().entry_type().is_file();
        if is_file && entry.path().unwrap().to_str()?.trim_start_matches("./") == name {
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            return Some(text);
        }
    }
    None
}
