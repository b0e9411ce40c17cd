//! The parser against BuildKit's own test files.

mod shared;

use kiln_dockerfile::{parse, source};

#[test]
fn dumps_are_equal() {
    let Some(root) = shared::cases("parser/testfiles") else { return };
    let mut count = 0;
    for case in shared::directories(&root) {
        let text = shared::read(&case.join("Dockerfile"));
        let expected = shared::read(&case.join("result"));
        let ast = parse(&text).unwrap_or_else(|error| panic!("{}: {error}", case.display()));
        assert_eq!(ast.dump() + "\n", expected, "{}", case.display());
        count += 1;
    }
    assert!(count >= 30, "only {count} cases found");
}

#[test]
fn errors_are_found() {
    let Some(root) = shared::cases("parser/testfiles-negative") else { return };
    let cases = shared::directories(&root);
    assert!(cases.len() >= 4);
    for case in cases {
        let text = shared::read(&case.join("Dockerfile"));
        // What no parser can know, that a file without instructions has none, is an error too.
        parse(&text).expect_err(&case.display().to_string());
    }
}

#[test]
fn lines_are_counted() {
    let Some(root) = shared::cases("parser/testfile-line") else { return };
    let text = shared::read(&root.join("Dockerfile"));
    let ast = parse(&text).unwrap();
    let lines: Vec<_> = ast.nodes.iter().map(|node| (node.lines.start, node.lines.end)).collect();
    assert_eq!(lines, [(5, 5), (11, 12), (17, 31)]);
    for node in &ast.nodes {
        assert_eq!(source::position(&text, node.span.start).line, node.lines.start);
        assert!(node.span.text(&text).starts_with(&node.name));
    }
}

#[test]
fn empty_continuations_warn() {
    let text = "\nFROM alpine:3.6\n\nRUN valid \\\n    continuation\n\nRUN something \\\n\n    following \\\n\n    more\n\n\
                RUN another \\\n\n    thing\n\nRUN non-indented \\\n# this is a comment\n   after-comment\n\n\
                RUN indented \\\n    # this is an indented comment\n    comment\n";
    let found: Vec<_> =
        parse(text).unwrap().warnings.into_iter().map(|w| (w.message, w.line)).collect();
    let expected = [
        ("Empty continuation line found in: RUN something     following     more", 11),
        ("Empty continuation line found in: RUN another     thing", 15),
    ];
    assert_eq!(found, expected.map(|(message, line)| (message.to_owned(), line)));
}

#[test]
fn comments_belong_to_what_follows() {
    let text = "# one\nARG a\n# gone\n#\n# two\n# three\nFROM x\nRUN y";
    let comments: Vec<_> = parse(text).unwrap().nodes.into_iter().map(|n| n.comments).collect();
    assert_eq!(comments, [vec!["one"], vec!["two", "three"], vec![]]);
}

#[test]
fn heredocs_take_their_lines() {
    let text = "FROM x\r\nRUN 3<<A <<-'B' cat\r\n a\r\n\r\nA\r\n\tb\r\n\t\tB\r\nONBUILD COPY <<C /\nc\nC\n\
                RUN [\"<<EOF\"]\nCMD <<EOF\n";
    let ast = parse(text).unwrap();
    let found: Vec<_> = ast.nodes[1]
        .heredocs
        .iter()
        .map(|h| (h.word.name.as_str(), h.word.fd, h.word.expand, h.content.as_str()))
        .collect();
    assert_eq!(found, [("A", 3, true, " a\r\n\r\n"), ("B", 0, false, "\tb\r\n")]);
    assert_eq!(ast.nodes[1].heredocs[1].chomped(), "b\r\n");
    assert_eq!(ast.nodes[2].heredocs[0].content, "c\n");
    assert_eq!((ast.nodes[2].lines.start, ast.nodes[2].lines.end), (8, 10));
    assert!(ast.nodes[3].heredocs.is_empty() && ast.nodes[4].heredocs.is_empty());
}

#[test]
fn errors_name_their_line() {
    let long = format!("FROM x\nLABEL a={}", "a".repeat(65_536));
    let table = [
        ("", "file with no instructions", 0),
        ("FROM x\nRUN <<EOF\na", "unterminated heredoc", 2),
        ("# escape=\\\n# escape=`\nFROM x", "only one escape parser directive can be used", 2),
        ("# escape=x\nFROM x", "invalid escape token 'x' does not match ` or \\", 1),
        ("FROM x\nENV a", "ENV must have two arguments", 2),
        (
            "FROM x\n\nCMD [1]",
            "when using JSON array syntax, arrays must be comprised of strings only",
            3,
        ),
        (&long, "dockerfile line greater than max allowed size of 65535", 2),
    ];
    for (text, message, line) in table {
        let error = parse(text).unwrap_err();
        assert_eq!(error.to_string(), message);
        assert_eq!(error.lines.start, line, "{message}");
    }
    let text = format!("FROM x\nLABEL a={}\n", "a".repeat(65_535 - 8));
    assert_eq!(parse(&text).unwrap().nodes.len(), 2);
}

#[test]
fn directives_and_byte_order_mark() {
    let text = "\u{feff}# syntax = docker/dockerfile:1\n# check=skip=all\n# escape=`\n# note\nFROM x `\n AS y";
    let ast = parse(text).unwrap();
    assert_eq!(ast.escape, '`');
    assert_eq!(ast.directives.syntax.unwrap().value, "docker/dockerfile:1");
    assert_eq!(ast.directives.check.unwrap().line, 2);
    assert_eq!(ast.nodes[0].text, "FROM x  AS y");
    assert_eq!(ast.nodes[0].comments, ["note"]);
    assert_eq!(ast.nodes[0].span.text(text), "FROM x `\n AS y");
}

#[test]
fn heredoc_words_in_their_variety() {
    // The instruction, the lines after it, and what is found: name, expands, content.
    type Found<'a> = (&'a str, bool, &'a str);
    let table: [(&str, &str, &[Found<'_>]); 13] = [
        ("RUN <<A", "A\n", &[("A", true, "")]),
        ("RUN \"<<A\"", "", &[]),
        ("USER <<A", "", &[]),
        ("RUN <<A cmd", "x\nA\n", &[("A", true, "x\n")]),
        ("RUN --mount=type=cache,target=/f <<A", "# x\nA\n", &[("A", true, "# x\n")]),
        ("COPY <<X <<Y /d", "Y\nX\nX\nY\n", &[("X", true, "Y\n"), ("Y", true, "X\n")]),
        ("COPY <<file.txt /d", "x\nfile.txt\n", &[("file.txt", true, "x\n")]),
        ("RUN <<eo'f'", "x\neof\n", &[("eof", false, "x\n")]),
        ("RUN <<eo\\'f", "x\neo'f\n", &[("eo'f", true, "x\n")]),
        ("RUN <<'e'o\\'f", "x\neo'f\n", &[("eo'f", false, "x\n")]),
        ("RUN <<'one two'", "x\none two\n", &[("one two", false, "x\n")]),
        ("RUN <<  A  > f", "A\n", &[("A", true, "")]),
        ("RUN cat <<'A", "", &[]),
    ];
    for (line, lines, expected) in table {
        let ast = parse(&format!("FROM x\n{line}\n{lines}RUN last\n")).unwrap();
        let heredocs = ast.nodes[1].heredocs.iter();
        let found: Vec<_> =
            heredocs.map(|h| (h.word.name.as_str(), h.word.expand, h.content.as_str())).collect();
        assert_eq!(found, expected, "{line}");
        assert_eq!(ast.nodes[2].text, "RUN last", "{line}");
    }
}

#[test]
fn other_blanks_than_ascii_belong_to_words() {
    let ast = parse("FROM x\nVOLUME \u{a0}--a b\nHEALTHCHECK CMD\u{a0}x\n").unwrap();
    assert_eq!((ast.nodes[1].flags.len(), ast.nodes[1].args.values.len()), (0, 2));
    assert_eq!(ast.nodes[2].args.values, ["CMD\u{a0}x"]);
}
