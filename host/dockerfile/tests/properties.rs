//! What holds for any text: nothing panics, nothing runs away, what is read once reads the same
//! twice.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kiln_dockerfile::args::BuildArgs;
use kiln_dockerfile::chmod::Mode;
use kiln_dockerfile::expand::{Lexer, MAX_EXPANDED};
use kiln_dockerfile::git_ref::GitRef;
use kiln_dockerfile::glob;
use kiln_dockerfile::ignore::{ParentMatches, PatternMatcher, clean};
use kiln_dockerfile::instruction::{Mount, stages};
use kiln_dockerfile::lint::{BaseImage, Options, Scope, lint};
use kiln_dockerfile::platform::Platform;
use kiln_dockerfile::port::Ports;
use kiln_dockerfile::{Ast, duration, parse};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Pieces of which Dockerfiles, good and bad, are made.
const PIECES: [&str; 72] = [
    "FROM a AS b\n",
    "FROM ",
    "RUN ",
    "COPY ",
    "ADD ",
    "ENV ",
    "ARG ",
    "LABEL ",
    "ONBUILD ",
    "CMD ",
    "HEALTHCHECK ",
    "EXPOSE ",
    "VOLUME ",
    "USER ",
    "WORKDIR ",
    "SHELL ",
    "STOPSIGNAL ",
    "ENTRYPOINT ",
    "MAINTAINER ",
    "FOO ",
    "\n",
    "\n",
    "\n",
    "\r\n",
    "\\\n",
    "\\",
    "\\\\",
    "`",
    "`\n",
    " ",
    "\t",
    "# x\n",
    "#",
    "# escape=`\n",
    "# check=skip=all\n",
    "--",
    "--mount=",
    "--from=b ",
    "--chown=a:b ",
    "type=cache,target=/x ",
    "<<EOF ",
    "<<-'E O' ",
    "EOF\n",
    "\tE O\n",
    "<<",
    "[\"a\", \"b\"]",
    "[",
    "]",
    "\"",
    "'",
    "$",
    "${",
    "}",
    "$a",
    "${a:-",
    "${a##*",
    "${a%",
    "${a/",
    "/",
    "//",
    "a",
    "b=c ",
    "=",
    "a b",
    "\u{feff}",
    "é",
    "\u{a0}",
    "0",
    "80/tcp ",
    "@",
    "NONE",
    "CMD ",
];

fn dockerfile() -> impl Strategy<Value = String> {
    let piece = proptest::sample::select(&PIECES[..]);
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![dockerfile(), "(?s).{0,80}", "[ -~\n]{0,120}"]
}

/// A text with the same instructions: comments and continuations are gone.
fn written_again(ast: &Ast) -> String {
    let mut out = format!("# escape={}\n", ast.escape);
    for node in &ast.nodes {
        out.push_str(&node.text);
        out.push('\n');
        for heredoc in &node.heredocs {
            out.push_str(&heredoc.content);
            out.push_str(&heredoc.word.name);
            out.push('\n');
        }
    }
    out
}

/// Everything that can be done with a text.
fn exercise(text: &str) {
    let no_args = BuildArgs::new();
    let options = Options {
        scope: Scope::All,
        build_args: &no_args,
        build_platform: Platform::new("linux", "amd64", ""),
        target_platform: Platform::new("linux", "amd64", ""),
        ignore: None,
        base_image: &|_, _| Some(BaseImage::default()),
    };
    if let Some(error) = lint(text, &options).error {
        assert!(error.render("Dockerfile", text).contains("error: "));
    }
    let Ok(ast) = parse(text) else { return };
    for node in &ast.nodes {
        assert!(text.is_char_boundary(node.span.start) && text.is_char_boundary(node.span.end));
        assert!(node.span.start <= node.span.end && node.lines.start <= node.lines.end);
    }
    // A line of a lone escape is a node without text, which is no line when written again; a text
    // whose continuation ended at an escape goes on when written again.
    let whole = |text: &str| !text.is_empty() && !text.ends_with(ast.escape);
    if ast.nodes.iter().all(|node| whole(node.text.trim())) {
        let again = written_again(&ast);
        let found = parse(&again).unwrap_or_else(|error| panic!("{error}: {again:?}"));
        assert_eq!(found.dump(), ast.dump(), "{text:?}");
    }
    let Ok(file) = stages(&ast) else { return };
    for command in file.stages.iter().flat_map(|stage| &stage.commands) {
        let _ = command.expand(file.escape, &|name| Some(name.repeat(2)));
        let _ = command.expand(file.escape, &|_| None);
    }
}

#[test]
fn texts_are_read_without_panic() {
    exercise("RUN a \\\t\\\n");
    let mut runner =
        TestRunner::new(Config { cases: 3000, failure_persistence: None, ..Config::default() });
    runner
        .run(&any_text(), |text| {
            exercise(&text);
            Ok(())
        })
        .unwrap();
}

#[test]
fn long_hostile_texts_end_in_time() {
    let texts = [
        "ONBUILD ".repeat(8000),
        format!("FROM a\n{}", "RUN <<a <<b <<c\n".repeat(2000)),
        format!("FROM a\nRUN {}", "<<a ".repeat(10_000)),
        format!("FROM a\nENV a={}", "${a:-".repeat(10_000)),
        format!("FROM a\nENV {}", "a=$a$a$a$a ".repeat(5000)),
        format!("FROM a\nRUN {}", "\\\n".repeat(200_000)),
        format!("FROM a\nCMD {}", "[".repeat(60_000)),
        format!("FROM a\nCMD [{}\"x\"]", "\"\\ud800\",".repeat(5000)),
        format!("FROM a\nARG a={}\n{}", "x".repeat(1000), "ENV a=$a$a\n".repeat(40)),
        format!("FROM a\nENV {}\n", "a=${b//*/$b} ".repeat(4000)),
        format!("FROM a\nEXPOSE {}", "0-65535 ".repeat(8000)),
        "#\n".repeat(300_000),
        format!(
            "FROM a AS a\nENV a={}\n{}",
            "x".repeat(9999),
            "FROM a AS a\nENV b=$a$a c=$b\n".repeat(900)
        ),
        format!(
            "FROM a\n{}{}",
            "ENV a=$a$a$a$a$a$a$a$a\n".repeat(7),
            "ENV b=$a c=$a d=$a\n".repeat(9999)
        ),
        format!("ARG a={}\n{}FROM a", "x".repeat(9999), "ARG a=$a$a b=$a$a c=$a\n".repeat(999)),
        "FROM a AS b\n".repeat(90_000),
        format!("FROM a\n{}", "ENV x=$y y=$x z1=$z2\n".repeat(50_000)),
    ];
    for text in texts {
        let start = Instant::now();
        exercise(&text);
        let taken = start.elapsed();
        let head: String = text.chars().take(30).collect();
        assert!(taken < Duration::from_secs(20), "{head:?}: {taken:?}");
    }
}

proptest! {
    #![proptest_config(Config { cases: 2000, failure_persistence: None, ..Config::default() })]

    #[test]
    fn words_expand_without_panic(word in any_text(), value in any_text()) {
        let env = BTreeMap::from([("a", value.as_str()), ("b", "x*y/z")]);
        let lookup = |name: &str| env.get(name).map(|value| value.to_string());
        for escape in ['\\', '`'] {
            let plain = Lexer::new(escape);
            for lexer in [
                plain,
                Lexer { raw_quotes: true, raw_escapes: true, keep_unset: true, ..plain },
                Lexer::heredoc(),
            ] {
                if let Ok(found) = lexer.expand(&word, &lookup) {
                    prop_assert!(found.text.len() <= MAX_EXPANDED);
                    prop_assert!(found.matched.iter().all(|name| env.contains_key(name.as_str())));
                }
            }
        }
    }

    #[test]
    fn plain_words_stay(word in "[a-zA-Z0-9é_/:.,=@+-]{0,40}") {
        let found = Lexer::new('\\').expand(&word, &|_| None).unwrap();
        prop_assert_eq!(&found.text, &word);
        prop_assert_eq!(found.words.concat(), word);
    }

    #[test]
    fn values_parse_without_panic(text in any_text(), mode in 0u32..0o10000) {
        let _ = Mount::parse(&text);
        let _ = GitRef::parse(&text);
        let _ = duration::parse(&text);
        let _ = glob::match_path(&text, &text);
        if let Ok(platform) = Platform::parse(&text) {
            prop_assert_eq!(platform.normalized(), platform.normalized().normalized());
        }
        if let Ok(ports) = Ports::parse(&text) {
            prop_assert!(ports.names().count() >= 1);
        }
        if let Ok(parsed) = Mode::parse(&text) {
            prop_assert!(parsed.apply(mode, false) <= 0o7777);
        }
    }

    #[test]
    fn modes_of_their_letters_apply(text in "[ugoa]{0,2}[-+=][rwxXstugo]{0,4}(,[ugoa]{1,2}[-+=][rwxXst]{0,3}){0,3}",
                                    mode in 0u32..0o10000, is_dir: bool) {
        prop_assert!(Mode::parse(&text).unwrap().apply(mode, is_dir) <= 0o7777);
    }

    #[test]
    fn skipped_directories_hold_nothing(patterns in proptest::collection::vec("!?[ab*?/]{1,4}|!?a/\\*\\*|\\*\\*|\\*|!\\[ab\\]/a", 1..5),
                                        path in "[ab](/[ab]){1,3}") {
        let Ok(matcher) = PatternMatcher::new(&patterns) else { return Ok(()) };
        let mut parent = ParentMatches::default();
        let mut skipped = None;
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        for end in ends {
            let (is_ignored, next) = matcher.matches_with_parent(&path[..end], &parent);
            parent = next;
            if let Some(dir) = skipped {
                prop_assert!(is_ignored, "{:?} skips {} but keeps {}", patterns, dir, &path[..end]);
            } else if is_ignored && matcher.can_skip_dir(&path[..end]) {
                skipped = Some(&path[..end]);
            }
            if !matcher.has_exclusions() {
                prop_assert_eq!(is_ignored, matcher.matches_or_parent_matches(&path[..end]));
            }
        }
    }

    #[test]
    fn cleaning_twice_changes_nothing(path in "[ab./]{0,12}") {
        let once = clean(&path);
        prop_assert_eq!(clean(&once), once);
    }
}
