//! Calls that no longer trap are answered as those that do.

use crate::support::{Image, as_pod, works_here};

#[test]
fn calls_made_often_are_answered_as_before() {
    if !works_here() {
        return;
    }
    as_pod(|| {
        let Some(image) = Image::small() else { return };
        if !image.compile("shortcuts", include_str!("shortcuts.c"), &[]) {
            return;
        }
        let ran = image.run(&Image::step(&["shortcuts"]));
        assert_eq!(ran.ok(), "all well\n", "{}", ran.err);
        if image.compile("fixed", include_str!("shortcuts.c"), &["-static", "-no-pie"]) {
            image.sh("rm -f /tmp/fifo").ok();
            assert_eq!(image.run(&Image::step(&["fixed"])).ok(), "all well\n");
        }
    });
}
