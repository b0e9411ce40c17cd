//! What a target takes from outside.

use kiln_dockerfile::lint::{Options, Scope};
use kiln_dockerfile::outline::{Outline, OutlineArg, OutlineMount, outline};
use kiln_dockerfile::platform::Platform;

fn outlined(source: &str, target: &str, build_args: &[(&str, &str)]) -> Outline {
    let build_args = build_args.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let platform = Platform::new("linux", "amd64", "");
    let options = Options {
        scope: Scope::Target(Some(target)),
        build_args: &build_args,
        build_platform: platform.clone(),
        target_platform: platform,
        ignore: None,
        base_image: &|_, _| None,
    };
    outline(source, &options).unwrap()
}

fn args(outline: &Outline) -> Vec<(&str, &str, Option<&str>, usize)> {
    let shown = |arg: &'_ OutlineArg| arg.lines.start;
    let args = outline.args.iter();
    args.map(|a| (a.name.as_str(), a.value.as_str(), a.description.as_deref(), shown(a))).collect()
}

#[test]
fn the_arguments_that_a_target_uses() {
    let source = "ARG box=x\n# sfx is a suffix\nARG sfx=y${box} unused=1\n\
                  FROM b${sfx} AS first\n# not about it\nARG FOO=1\n# BAR is a number\n\
                  ARG BAR=2\nFROM other AS second\nARG BAZ\n\
                  FROM scratch AS third\nARG ABC=a\nARG box\n# target is built\n\
                  FROM third AS target\nCOPY --from=first / /\n";
    let found = outlined(source, "target", &[("BAR", "9")]);
    assert_eq!(found.description.as_deref(), Some("is built"));
    let expected = [
        ("box", "x", None, 1),
        ("sfx", "yx", Some("is a suffix"), 3),
        ("FOO", "1", None, 6),
        ("BAR", "9", Some("is a number"), 8),
        ("ABC", "a", None, 12),
    ];
    assert_eq!(args(&found), expected);
}

#[test]
fn an_argument_made_of_its_own_older_value() {
    let source = "ARG FOO=1\nARG ABC=a\nARG DEF=d\nARG FOO=${FOO}${ABC}\n\
                  ARG BAR=${FOO}4\nARG FOO=${FOO}5${BAR}\nFROM scratch AS t\nARG FOO\n";
    let found = outlined(source, "t", &[]);
    assert_eq!(
        args(&found),
        [("ABC", "a", None, 2), ("BAR", "1a4", None, 5), ("FOO", "1a51a4", None, 6)]
    );
}

#[test]
fn the_secrets_and_agents_that_a_target_uses() {
    let source = "FROM a AS first\n\
                  RUN --mount=type=secret,target=/etc/p,required=true --mount=type=ssh x\n\
                  FROM b AS second\nRUN --mount=type=secret,id=unused x\n\
                  FROM scratch AS third\nARG BAR\nRUN --mount=type=secret,id=s${BAR} x\n\
                  FROM third AS target\nCOPY --from=first /f /\n\
                  RUN --mount=type=ssh,id=k,required x\n";
    let found = outlined(source, "target", &[("BAR", "7")]);
    let shown = |all: &[OutlineMount]| {
        all.iter().map(|m| (m.name.clone(), m.required, m.lines.start)).collect::<Vec<_>>()
    };
    assert_eq!(shown(&found.secrets), [("p".into(), true, 2), ("s7".into(), false, 7)]);
    assert_eq!(shown(&found.ssh), [("default".into(), false, 2), ("k".into(), true, 10)]);
}
