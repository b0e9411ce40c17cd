//! Stages: which are built, and what passes between them.

use crate::support::{Kiln, base};

#[test]
fn a_stage_that_nobody_needs_is_never_touched() {
    let kiln = Kiln::with(
        "FROM 127.0.0.1:1/does/not:exist AS unused\nRUN false\n\
         FROM scratch AS used\nCOPY Dockerfile /a\n\
         FROM unused AS also-unused\nRUN false\n\
         FROM scratch\nCOPY --from=used /a /b\n",
    );
    let image = kiln.build(&[]);
    assert_eq!(image.last_layer().keys().collect::<Vec<_>>(), ["b"]);
}

#[test]
fn the_target_is_chosen_by_name_or_number() {
    let kiln = Kiln::with(
        "FROM scratch AS One\nLABEL n=1\nFROM one AS two\nLABEL n=2\nFROM scratch\nLABEL n=3\n",
    );
    for (target, label) in [("one", "1"), ("TWO", "2"), ("2", "3")] {
        let image = kiln.build(&["--target", target]);
        assert_eq!(image.config["config"]["Labels"]["n"], label);
    }
}

#[test]
fn files_pass_from_stage_to_stage_by_name_and_number() {
    let kiln = Kiln::with(
        "FROM scratch AS first\nCOPY a /dir/a\nFROM first\nCOPY b /dir/b\n\
         FROM scratch\nCOPY --from=first /dir /one/\nCOPY --from=1 /dir /two/\n",
    );
    kiln.file("a", "a").file("b", "b");
    let image = kiln.build(&[]);
    assert_eq!(image.layer(0).keys().collect::<Vec<_>>(), ["one", "one/a"]);
    assert_eq!(image.layer(1).keys().collect::<Vec<_>>(), ["two", "two/a", "two/b"]);
}

#[test]
fn arguments_do_not_leak_between_stages() {
    let kiln = Kiln::with(
        "FROM scratch AS a\nARG SECRET=x\nLABEL s=$SECRET\nFROM scratch\nLABEL s=\"<$SECRET>\"\n",
    );
    assert_eq!(kiln.build(&[]).config["config"]["Labels"]["s"], "<>");
}

#[test]
fn onbuild_triggers_run_in_the_child() {
    let kiln = Kiln::with(
        "FROM scratch AS other\nCOPY Dockerfile /from-other\n\
         FROM scratch AS parent\nONBUILD COPY --from=other /from-other /triggered\n\
         ONBUILD LABEL by=trigger\n\
         FROM parent\nLABEL own=1\n",
    );
    let image = kiln.build(&[]);
    assert_eq!(image.last_layer().keys().collect::<Vec<_>>(), ["triggered"]);
    let config = &image.config["config"];
    assert_eq!(config["Labels"], serde_json::json!({"by": "trigger", "own": "1"}));
    assert_eq!(config.get("OnBuild"), None);
}

#[test]
fn independent_stages_run_side_by_side() {
    let Some(busybox) = base("busybox") else { return };
    // Each waits for the other's file in a shared cache: alone, neither could end.
    let kiln = Kiln::with(
        "FROM base AS a\nRUN --mount=type=cache,target=/c touch /c/a; i=0; \
         while [ ! -e /c/b ]; do i=$((i+1)); [ $i -lt 200 ] || exit 9; usleep 50000; done\n\
         FROM base AS b\nRUN --mount=type=cache,target=/c touch /c/b; i=0; \
         while [ ! -e /c/a ]; do i=$((i+1)); [ $i -lt 200 ] || exit 9; usleep 50000; done\n\
         FROM scratch\nCOPY --from=a /etc/passwd /a\nCOPY --from=b /etc/passwd /b\n",
    );
    kiln.build(&["--build-context", &Kiln::base_arg("base", &busybox)]);
}
