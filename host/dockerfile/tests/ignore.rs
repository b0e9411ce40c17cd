//! Path patterns against moby's tables.

mod shared;

use kiln_dockerfile::glob;
use kiln_dockerfile::ignore::{IgnoreError, ParentMatches, PatternMatcher, clean};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    patterns: Vec<String>,
    path: String,
    #[serde(rename = "match")]
    expected: bool,
}

#[test]
fn lists_match() {
    let Some(path) = shared::cases("patternmatcher/matches.json") else { return };
    let cases: Vec<Case> = shared::json(&path);
    assert!(cases.len() > 50);
    for case in cases {
        let matcher = PatternMatcher::new(&case.patterns).unwrap();
        let found = matcher.matches_or_parent_matches(&case.path);
        assert_eq!(found, case.expected, "{:?} {}", case.patterns, case.path);
        // A walk from the root comes to the same answer.
        let cleaned = clean(&case.path);
        if cleaned == case.path && !cleaned.starts_with('/') {
            let mut parent = ParentMatches::default();
            let mut found = false;
            let ends = cleaned.match_indices('/').map(|(at, _)| at).chain([cleaned.len()]);
            for end in ends {
                (found, parent) = matcher.matches_with_parent(&cleaned[..end], &parent);
            }
            assert_eq!(found, case.expected, "walk: {:?} {}", case.patterns, case.path);
        }
    }
}

#[derive(Deserialize)]
struct GlobCase {
    pattern: String,
    path: String,
    #[serde(rename = "match")]
    expected: bool,
    bad_pattern: bool,
}

#[test]
fn globs_match() {
    let Some(path) = shared::cases("patternmatcher/filepath-match.json") else { return };
    let cases: Vec<GlobCase> = shared::json(&path);
    assert!(cases.len() > 50);
    for case in cases {
        let list = PatternMatcher::new(&[&case.pattern]);
        let found = glob::match_path(&case.pattern, &case.path);
        if case.bad_pattern {
            assert_eq!(list.unwrap_err(), IgnoreError::BadPattern(case.pattern.clone()));
            assert!(found.is_err(), "{}", case.pattern);
            continue;
        }
        assert_eq!(
            list.unwrap().matches_or_parent_matches(&case.path),
            case.expected,
            "{} {}",
            case.pattern,
            case.path
        );
        // The one case that matches by a parent, which a single glob does not look at.
        if (case.pattern.as_str(), case.path.as_str()) != ("a*", "ab/c") {
            assert_eq!(found, Ok(case.expected), "{} {}", case.pattern, case.path);
        }
    }
}

#[derive(Deserialize)]
struct CompileCase {
    pattern: String,
}

#[test]
fn patterns_compile() {
    let Some(path) = shared::cases("patternmatcher/compile.json") else { return };
    for case in shared::json::<Vec<CompileCase>>(&path) {
        PatternMatcher::new(&[case.pattern.as_str()]).unwrap();
    }
}
