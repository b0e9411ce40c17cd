//! Git repositories for tests.

use std::path::Path;

use super::{run, write};

/// When every commit of [`commit_all`] was made, seconds since 1970.
pub const COMMITTED: i64 = 1_700_000_000;

/// Runs git in a repository.
pub fn git(repository: &Path, args: &[&str]) -> String {
    // Submodules of these tests are directories, which git refuses by itself.
    let settings =
        ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "protocol.file.allow=always"];
    run("git", &[&settings[..], args].concat(), repository)
}

/// Makes a repository with a branch `main` of one commit with these files.
pub fn repository(at: &Path, files: &[(&str, &str)]) {
    std::fs::create_dir_all(at).unwrap();
    for (name, content) in files {
        write(at.join(name), content);
    }
    git(at, &["init", "--quiet", "--initial-branch=main"]);
    commit_all(at);
}

/// Commits everything and gives the commit.
pub fn commit_all(at: &Path) -> String {
    git(at, &["add", "."]);
    let date = format!("@{COMMITTED} +0000");
    run(
        "env",
        &[
            &format!("GIT_COMMITTER_DATE={date}"),
            "git",
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@example.com",
            "commit",
            "--quiet",
            "--message=x",
        ],
        at,
    );
    git(at, &["rev-parse", "HEAD"]).trim().to_owned()
}

/// Puts a bare copy where a plain web server can serve it.
pub fn publish(repository: &Path, bare: &Path) {
    git(repository, &["clone", "--quiet", "--bare", ".", bare.to_str().unwrap()]);
    run("git", &["update-server-info"], bare);
}
