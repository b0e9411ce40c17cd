use crate::harness::Stage;

#[test]
fn a_step_runs_to_its_end_and_its_changes_are_known() {
    let Some(stage) = Stage::new() else { return };
    let ran = stage.sh("mkdir -p /x && echo hi > /x/y");
    assert_eq!((ran.code(), &ran.stdout[..], &ran.stderr[..]), (0, "", ""));
    assert_eq!(ran.changes(), "Set x\nSet x/y\n");
    assert_eq!(stage.rootfs.read_small(b"/x/y", 100).unwrap(), b"hi\n");
}
