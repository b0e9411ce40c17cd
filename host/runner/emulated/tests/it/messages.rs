//! Sockets, messages and watches: what the builder does for a step.

use std::process::Command;

use crate::support::{Image, with_program};

#[test]
fn messages_reach_whom_they_are_for() {
    with_program("messages", include_str!("messages.c"), |image| {
        let ran = image.run(&Image::step(&["messages"]));
        assert_eq!((ran.code(), ran.out.as_str()), (0, "all\n"), "{}", ran.err);
    });
}

#[test]
fn connections_wait_as_the_kernels_do() {
    with_program("connects", include_str!("connects.c"), |image| {
        let ran = image.run(&Image::step(&["sh", "-c", "cd /tmp && connects"]));
        let native = Command::new(image.root().join("usr/bin/connects"))
            .current_dir(image.root().join("tmp"))
            .output()
            .unwrap();
        assert_eq!(ran.ok(), String::from_utf8(native.stdout).unwrap());
        assert!(ran.out.contains("waited for room: 0 failed\n"), "{}", ran.out);
    });
}

#[test]
fn peers_have_the_steps_ids() {
    with_program("peers", include_str!("peers.c"), |image| {
        let ran = image.run(&Image::step(&["peers"]));
        // What the program prints as root.
        let meet = |how| {
            format!(
                "{how}, who connected: 1000:1001 the process\n\
                 {how}, who listens: 6:7 the process\n\
                 {how}, once more: 1000:1001 the process\n"
            )
        };
        let native = ["by a path", "by a name"].map(meet).concat();
        assert_eq!(ran.ok(), format!("a pair: 0:0 the process\n{native}"));
    });
}
