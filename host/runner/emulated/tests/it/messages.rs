//! Sockets, messages and watches: what the builder does for a step.

use crate::support::{Image, as_pod, works_here};

#[test]
fn messages_reach_whom_they_are_for() {
    if !works_here() {
        return;
    }
    as_pod(|| {
        let Some(image) = Image::small() else { return };
        if !image.compile("messages", include_str!("messages.c"), &[]) {
            return;
        }
        let ran = image.run(&Image::step(&["messages"]));
        assert_eq!((ran.code(), ran.out.as_str()), (0, "all\n"), "{}", ran.err);
    });
}
