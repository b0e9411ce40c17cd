//! Typed instructions against BuildKit's errors.

mod shared;

use kiln_dockerfile::instruction::{
    CommandLine, Kind, MountType, Script, Test, parse_dockerfile, parse_trigger,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    name: String,
    dockerfile: String,
    error_contains: String,
}

#[test]
fn errors_are_buildkits() {
    let Some(path) = shared::cases("instructions/instruction-errors.json") else { return };
    for case in shared::json::<Vec<Case>>(&path) {
        let file = format!("FROM scratch\n{}", case.dockerfile);
        let error = parse_dockerfile(&file).expect_err(&case.name).to_string();
        assert!(error.contains(&case.error_contains), "{}: {error}", case.name);
    }
}

#[test]
fn more_errors() {
    let table = [
        ("RUN a", "no build stage in current context"),
        ("ARG a", "dockerfile contains no stages to build"),
        ("FROM", "FROM requires either one or three arguments"),
        ("FROM a b", "FROM requires either one or three arguments"),
        (
            "FROM a AS 1b",
            "invalid name for build stage: \"1b\", name can't start with a number or contain symbols",
        ),
        ("FROM a --platform=x", "FROM requires either one or three arguments"),
        ("FROM --platfrom=x a", "unknown flag: --platfrom (did you mean platform?)"),
        ("FROM a\nRNU x", "unknown instruction: RNU (did you mean RUN?)"),
        ("FROM a\nEXPOSE", "EXPOSE requires at least one argument"),
        ("FROM a\nVOLUME [\" \"]", "VOLUME specified can not be an empty string"),
        ("FROM a\nUSER", "USER requires exactly one argument"),
        ("FROM a\nSHELL sh -c", "SHELL requires the arguments to be in JSON form"),
        ("FROM a\nSHELL []", "SHELL requires at least one argument"),
        ("FROM a\nENV =b", "ENV names can not be blank"),
        ("FROM a\nARG =b", "ARG names can not be blank"),
        ("FROM a\nCOPY a <<EOF\nEOF", "COPY cannot accept a heredoc as a destination"),
        ("FROM a\nHEALTHCHECK NONE x", "HEALTHCHECK NONE takes no arguments"),
        ("FROM a\nHEALTHCHECK CMD", "Missing command after HEALTHCHECK CMD"),
        ("FROM a\nHEALTHCHECK foo", "Unknown type \"FOO\" in HEALTHCHECK (try CMD)"),
        (
            "FROM a\nHEALTHCHECK --interval=1us CMD x",
            "Interval \"interval\" cannot be less than 1ms",
        ),
        ("FROM a\nHEALTHCHECK --timeout=x CMD x", "time: invalid duration \"x\""),
        ("FROM a\nHEALTHCHECK --retries=-1 CMD x", "--retries cannot be negative (-1)"),
        ("FROM a\nRUN --network=foo x", "invalid network mode \"foo\""),
        ("FROM a\nRUN --security=foo x", "security \"foo\" is not valid"),
        (
            "FROM a\nRUN --mount=from=$b x",
            "'from' doesn't support variable expansion, define alias stage instead",
        ),
        ("FROM a\nONBUILD", "ONBUILD requires at least one argument"),
    ];
    for (file, expected) in table {
        assert_eq!(parse_dockerfile(file).unwrap_err().to_string(), expected, "{file}");
    }
}

fn commands(lines: &str) -> Vec<Kind> {
    let file = parse_dockerfile(&format!("FROM scratch\n{lines}")).unwrap();
    file.stages.into_iter().flat_map(|s| s.commands).map(|c| c.kind).collect()
}

fn script(lines: &str) -> Script {
    match &commands(lines)[..] {
        [Kind::Run(run)] => run.script(),
        other => panic!("not one RUN: {other:?}"),
    }
}

#[test]
fn scripts_reach_the_shell_as_written() {
    let shell = |text: &str| Script::Shell(text.to_owned());
    assert_eq!(script("RUN  echo   hi \\\n  # no\n  && ls  "), shell("echo   hi   && ls"));
    assert_eq!(script("RUN"), shell(""));
    assert_eq!(script("RUN [\"a\", \"b\"]"), Script::Exec(vec!["a".into(), "b".into()]));
    assert_eq!(script("RUN ['a']"), shell("['a']"));
    assert_eq!(script("RUN <<EOF\na\n\tb\nEOF"), shell("a\n\tb\n"));
    assert_eq!(script("RUN <<-EOF\n\ta\n\tEOF"), shell("a\n"));
    assert_eq!(
        script("RUN <<EOF\n#!/bin/x\na\nEOF"),
        Script::File { name: "EOF".into(), content: "#!/bin/x\na\n".into() }
    );
    assert_eq!(script("RUN cat <<A 3<<-B\na\nA\n\tb\nB"), shell("cat <<A 3<<-B\na\nA\n\tb\nB"));
    assert_eq!(script("RUN --network=none -- --x"), shell("--x"));
}

#[test]
fn stages_and_their_names() {
    let file = parse_dockerfile(
        "# base the first\nARG v=1\nFROM --platform=$P a:$v AS Base\nRUN x\n# second stage\nfrom Base as second\n",
    )
    .unwrap();
    assert_eq!(file.meta_pairs().map(|p| p.key.as_str()).collect::<Vec<_>>(), ["v"]);
    let [first, second] = &file.stages[..] else { panic!("two stages") };
    assert_eq!((first.name.as_deref(), first.base.as_str()), (Some("base"), "a:$v"));
    assert_eq!(first.platform.as_deref(), Some("$P"));
    assert_eq!(first.commands.len(), 1);
    assert_eq!(second.doc.as_deref(), Some("stage"));
    assert_eq!(second.from.text, "from Base as second");
    assert_eq!(file.stage_index("SECOND"), Some(1));
}

#[test]
fn fields_expand_as_in_buildkit() {
    let env = |name: &str| match name {
        "a" => Some("1 2".to_owned()),
        "p" => Some("80 443/udp".to_owned()),
        "t" => Some("cache".to_owned()),
        _ => None,
    };
    let expand = |line: &str| {
        let file = parse_dockerfile(&format!("FROM scratch\n{line}")).unwrap();
        file.stages[0].commands[0].expand('\\', &env).map(|i| i.kind).map_err(|e| e.to_string())
    };
    let Ok(Kind::Env(pairs)) = expand("ENV k$a=\"$a\" b='$a' c=\\$a") else { panic!() };
    let pairs: Vec<_> = pairs.iter().map(|p| (p.key.as_str(), p.value.as_str())).collect();
    assert_eq!(pairs, [("k1 2", "1 2"), ("b", "$a"), ("c", "$a")]);
    let Ok(Kind::Expose(ports)) = expand("EXPOSE 9 $p") else { panic!() };
    assert_eq!(ports, ["80", "443/udp", "9"], "sorted before expansion");
    let Ok(Kind::Copy(copy)) =
        expand("COPY --chown=$a --exclude=$a $a <<A <<'B' /$a\n$a 'x'\nA\n$a\nB")
    else {
        panic!()
    };
    assert_eq!(copy.chown.as_deref(), Some("1 2"));
    assert_eq!(copy.excludes, ["$a"]);
    assert_eq!((copy.paths.sources[0].as_str(), copy.paths.dest.as_str()), ("1 2", "/1 2"));
    let contents: Vec<_> = copy.paths.files.iter().map(|f| f.content.as_str()).collect();
    assert_eq!(contents, ["1 2 'x'\n", "$a\n"]);
    let Ok(Kind::Run(run)) = expand("RUN --mount=type=$t,target=/$a echo $a") else { panic!() };
    let mount = &run.mounts.unwrap()[0];
    assert_eq!((mount.kind, mount.target.as_deref()), (MountType::Cache, Some("/1 2")));
    assert_eq!(run.command, CommandLine::Shell("echo $a".into()));
    assert_eq!(expand("VOLUME $none"), Err("VOLUME specified can not be an empty string".into()));
    assert_eq!(expand("RUN --mount=type=$none x"), Err("unsupported mount type \"\"".into()));
}

#[test]
fn healthchecks() {
    let Kind::Healthcheck(check) =
        &commands("HEALTHCHECK --interval=1m30s --retries=3 CMD [\"a\", \"b\"]")[0]
    else {
        panic!()
    };
    assert_eq!((check.interval.as_secs(), check.retries), (90, 3));
    assert_eq!(check.test.to_config(), ["CMD", "a", "b"]);
    let Kind::Healthcheck(check) = &commands("HEALTHCHECK cmd a  b")[0] else { panic!() };
    assert_eq!(check.test, Test::Shell("a  b".into()));
}

#[test]
fn triggers_keep_their_heredocs() {
    let Kind::Onbuild(text) = &commands("onbuild  RUN cat <<EOF\nhi\nEOF")[0] else { panic!() };
    assert_eq!(text, "RUN cat <<EOF\nhi\nEOF");
    let Kind::Run(run) = parse_trigger(text).unwrap().kind else { panic!() };
    assert_eq!(run.script(), Script::Shell("cat <<EOF\nhi\nEOF".into()));
    assert!(parse_trigger("FROM x").is_err());
    assert!(parse_trigger("RUN a\nRUN b").is_err());
    assert!(parse_trigger("").is_err());
}
