//! The cases of `cases/`, a part of them: what `make truth` runs whole.

#![expect(clippy::print_stdout, reason = "a skipped test says so")]

use std::path::{Path, PathBuf};

use kiln_truth::{Base, Mode, Survey, Verdict};

/// Runs files of cases on a base; nothing may differ, and most of it runs.
fn equal(base: &str, files: &[&str]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let layout = root.join("../../target/bases").join(base);
    if !layout.join("index.json").is_file() {
        println!("skipped: there is no base image {}; tests/setup.sh makes it", layout.display());
        return;
    }
    let base = Base { name: base.to_owned(), layout };
    let files: Vec<PathBuf> = files.iter().map(|file| root.join("cases").join(file)).collect();
    let survey = match Survey::run(&base, &files, Mode::CASES, &mut std::io::sink()).unwrap() {
        Ok(survey) => survey,
        Err(why) => {
            println!("skipped: {why}");
            return;
        }
    };
    let different: Vec<String> = survey
        .judged
        .iter()
        .filter(|judged| matches!(judged.verdict, Verdict::Different(_)))
        .map(|judged| format!("{} {}: {:?}", judged.place, judged.text, judged.verdict))
        .collect();
    assert!(different.is_empty(), "{}", different.join("\n"));
    let counts = survey.counts();
    assert!(counts.equal * 2 > counts.steps, "{counts:?}");
}

#[test]
fn debians_tools_and_the_guests_make_the_same_layers() {
    equal(
        "debian",
        &["both/services.Dockerfile", "debian/users.Dockerfile", "debian/scripts.Dockerfile"],
    );
}

#[test]
fn busyboxs_tools_and_the_guests_make_the_same_layers() {
    equal(
        "busybox",
        &[
            "both/files.Dockerfile",
            "both/edit.Dockerfile",
            "both/shell.Dockerfile",
            "busybox/tools.Dockerfile",
        ],
    );
}

#[test]
fn busyboxs_users_are_made_as_its_tools_make_them() {
    equal("busybox-full", &["busybox/users.Dockerfile", "both/directories.Dockerfile"]);
}
