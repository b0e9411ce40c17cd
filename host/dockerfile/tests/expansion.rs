//! The lexer against BuildKit's own tables.

mod shared;

use std::collections::BTreeMap;

use kiln_dockerfile::expand::{ExpandError, Lexer, MAX_DEPTH};
use serde::Deserialize;

#[test]
fn words_expand() {
    let Some(path) = shared::cases("shell/envVarTest") else { return };
    let env =
        BTreeMap::from([("PWD", "/home"), ("SHELL", "bash"), ("KOREAN", "한국어"), ("NULL", "")]);
    let lookup = |name: &str| env.get(name).map(|value| value.to_string());
    let mut count = 0;
    for line in
        shared::read(&path).lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let [platform, source, expected] = line.split('|').map(str::trim).collect::<Vec<_>>()[..]
        else {
            panic!("not three columns: {line}")
        };
        // Names ignore case on Windows.
        if platform == "W" {
            continue;
        }
        let found = Lexer::new('\\').word(source, &lookup);
        match (found, expected) {
            (Ok(found), expected) => assert_eq!(found, expected, "{line}"),
            (Err(_), "error") => {}
            (Err(error), _) => panic!("{line}: {error}"),
        }
        count += 1;
    }
    assert!(count > 200, "only {count} cases found");
}

#[test]
fn words_split() {
    let Some(path) = shared::cases("shell/wordsTest") else { return };
    let mut env = BTreeMap::new();
    let mut count = 0;
    for line in
        shared::read(&path).lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
    {
        if let Some((key, value)) = line.strip_prefix("ENV ").and_then(|pair| pair.split_once('='))
        {
            env.insert(key.to_owned(), value.to_owned());
            continue;
        }
        let (source, expected) = line.split_once('|').unwrap();
        let lookup = |name: &str| env.get(name).cloned();
        let found = Lexer::new('\\').words(source.trim(), &lookup);
        let expected = expected.trim_start();
        match found {
            Ok(found) => assert_eq!(found, expected.split(',').collect::<Vec<_>>(), "{line}"),
            Err(error) => assert_eq!(expected, "error", "{line}: {error}"),
        }
        count += 1;
    }
    assert!(count > 20, "only {count} cases found");
}

#[derive(Deserialize)]
struct Case {
    input: String,
    env: BTreeMap<String, String>,
    expected: String,
    error: bool,
    matched: Vec<String>,
    unmatched: Vec<String>,
}

#[test]
fn variables_are_reported() {
    let Some(path) = shared::cases("shell/process-with-matches.json") else { return };
    let cases: Vec<Case> = shared::json(&path);
    assert!(cases.len() > 40);
    for case in cases {
        let lookup = |name: &str| case.env.get(name).cloned();
        match Lexer::new('\\').expand(&case.input, &lookup) {
            Err(error) => assert!(case.error, "{}: {error}", case.input),
            Ok(found) => {
                assert!(!case.error, "{}", case.input);
                assert_eq!(found.text, case.expected, "{}", case.input);
                let sorted = |mut names: Vec<String>| {
                    names.sort();
                    names
                };
                assert_eq!(
                    found.matched.into_iter().collect::<Vec<_>>(),
                    sorted(case.matched),
                    "{}",
                    case.input
                );
                assert_eq!(
                    found.unmatched.into_iter().collect::<Vec<_>>(),
                    sorted(case.unmatched),
                    "{}",
                    case.input
                );
            }
        }
    }
}

#[test]
fn errors_name_the_word() {
    let table = [
        ("${a:?}", "failed to process \"${a:?}\": a: is not allowed to be unset"),
        ("${e:?}", "failed to process \"${e:?}\": e: is not allowed to be empty"),
        ("${a?why}", "failed to process \"${a?why}\": a: why"),
        ("${a", "failed to process \"${a\": syntax error: missing '}'"),
        ("${e/x}", "failed to process \"${e/x}\": syntax error: missing '/' in ${}"),
        ("${a:=1}", "failed to process \"${a:=1}\": unsupported modifier (:=) in substitution"),
        ("${a^^}", "failed to process \"${a^^}\": unsupported modifier (^) in substitution"),
        (
            "'a",
            "failed to process \"'a\": unexpected end of statement while looking for matching single-quote",
        ),
    ];
    for (word, expected) in table {
        let lookup = |name: &str| (name == "e").then(String::new);
        assert_eq!(Lexer::new('\\').word(word, &lookup).unwrap_err().to_string(), expected);
    }
}

#[test]
fn a_word_around_a_default_is_kept() {
    // BuildKit loses the "8" here: its words share a buffer with the default.
    let words = Lexer::new('\\').words("8${p:-0}80 x", &|_| None).unwrap();
    assert_eq!(words, ["8080", "x"]);
}

#[test]
fn hostile_words_are_refused() {
    let nested = |depth: usize| "${a:-".repeat(depth) + &"}".repeat(depth);
    let expand = |word: &str, value: &str| match Lexer::new('\\')
        .word(word, &|_| (!value.is_empty()).then(|| value.to_owned()))
    {
        Err(ExpandError::In { cause, .. }) => Err(*cause),
        other => other,
    };
    assert_eq!(expand(&nested(MAX_DEPTH), ""), Ok(String::new()));
    assert_eq!(expand(&nested(100_000), ""), Err(ExpandError::Depth));
    let mebibyte = "x".repeat(1 << 20);
    assert_eq!(expand(&"$a".repeat(100), &mebibyte), Err(ExpandError::Size));
    assert_eq!(expand(&format!("\"{}\"", "$a".repeat(100)), &mebibyte), Err(ExpandError::Size));
    assert_eq!(expand("${a//x/${a}}", &mebibyte), Err(ExpandError::Size));
}
