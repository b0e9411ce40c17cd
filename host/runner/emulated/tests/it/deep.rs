//! Directories whose path is longer than any that a system call takes.

use crate::support::{Image, with_program};

/// `configure` of GNU programs goes as deep to test getcwd(3), and removes what it made.
#[test]
fn who_is_root_and_who_is_not_works_in_deep_directories() {
    with_program("deep", include_str!("deep.c"), |image: &Image| {
        let script = "umask 022; mkdir /tmp/deep && deep /tmp/deep && rm -r /tmp/deep && ls /tmp";
        assert_eq!(image.sh(script).ok(), "done\n");
        assert_eq!(image.sh_as_bob(script).ok(), "done\n");
    });
}

#[test]
fn a_deep_tree_can_be_listed_and_removed() {
    with_program("deep", include_str!("deep.c"), |image: &Image| {
        let script =
            "mkdir /tmp/deep && deep /tmp/deep left && find /tmp/deep -name file | grep -c d
            chmod -R go= /tmp/deep && rm -r /tmp/deep && ls /tmp";
        assert_eq!(image.sh(script).ok(), "left\n30\n");
        assert_eq!(image.sh_as_bob(script).ok(), "left\n30\n");
    });
}
