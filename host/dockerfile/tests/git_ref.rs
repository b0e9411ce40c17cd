//! Git sources against BuildKit's table.

mod shared;

use kiln_dockerfile::git_ref::{GitRef, is_http};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    #[serde(rename = "ref")]
    source: String,
    error_contains: String,
    expected: Option<Expected>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Expected {
    remote: String,
    short_name: String,
    #[serde(rename = "Ref")]
    reference: String,
    checksum: String,
    sub_dir: String,
    indistinguishable_from_local: bool,
    #[serde(rename = "UnencryptedTCP")]
    unencrypted_tcp: bool,
    keep_git_dir: Option<bool>,
    submodules: Option<bool>,
    #[serde(rename = "MTime")]
    mtime: String,
    fetch_by_commit: bool,
}

#[test]
fn sources_are_split() {
    let Some(path) = shared::cases("git-ref/git-ref.json") else { return };
    let cases: Vec<Case> = shared::json(&path);
    assert!(cases.len() > 30);
    for case in cases {
        let source = &case.source;
        let found = match GitRef::parse(source) {
            Err(error) => {
                let error = error.to_string();
                assert!(!case.error_contains.is_empty(), "{source}: {error}");
                assert!(error.contains(&case.error_contains), "{source}: {error}");
                continue;
            }
            Ok(found) => found,
        };
        assert_eq!(case.error_contains, "", "{source}");
        let Some(expected) = case.expected else {
            assert_eq!(found, None, "{source}");
            continue;
        };
        let found = found.unwrap_or_else(|| panic!("{source} is a git source"));
        assert_eq!(
            GitRef { scheme: String::new(), host: String::new(), ..found },
            GitRef {
                remote: expected.remote,
                short_name: expected.short_name,
                reference: expected.reference,
                checksum: expected.checksum,
                subdir: expected.sub_dir,
                is_like_local: expected.indistinguishable_from_local,
                is_unencrypted: expected.unencrypted_tcp,
                keep_git_dir: expected.keep_git_dir,
                submodules: expected.submodules,
                mtime: expected.mtime,
                fetch_by_commit: expected.fetch_by_commit,
                ..GitRef::default()
            },
            "{source}"
        );
    }
}

#[test]
fn hosts_and_schemes() {
    let table = [
        ("HTTPS://u:p@example.com:8443/a.git", "https", "example.com:8443"),
        ("git@example.com:a/b", "ssh", "example.com"),
        ("ssh://git@example.com/a%20b.git", "ssh", "example.com"),
        ("github.com/a/b", "https", "github.com"),
    ];
    for (source, scheme, host) in table {
        let git = GitRef::parse(source).unwrap().unwrap();
        assert_eq!((git.scheme.as_str(), git.host.as_str()), (scheme, host), "{source}");
    }
}

#[test]
fn subdirectories_stay_inside() {
    let git = GitRef::parse("https://a/b.git#r:../../x/./y").unwrap().unwrap();
    assert_eq!(git.subdir, "x/y");
}

#[test]
fn web_files_are_no_repositories() {
    let table = [
        ("https://a/b.tar", true),
        ("https://a/b.git", false),
        ("https://a/b.git?x=1", false),
        ("http://a/%zz", true),
        ("ftp://a/b", false),
        ("file", false),
        ("https://a:x/b.git", true),
        ("https://a:80/b.git", false),
        ("https://[::1]:80/b.git", false),
        ("https://a%20b/c.git", true),
    ];
    for (source, expected) in table {
        assert_eq!(is_http(source), expected, "{source}");
    }
}
