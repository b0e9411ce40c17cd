//! The commands beside GNU's and BusyBox's on the same input.

use std::path::Path;

use trial::{Case, Family, Trial};

mod attributes;
mod copies;
mod looks;
mod names;

const COMMANDS: &[&str] = &[
    "chgrp", "chmod", "chown", "cp", "install", "link", "ln", "ls", "mkdir", "mkfifo", "mknod",
    "mktemp", "mv", "readlink", "realpath", "rm", "rmdir", "stat", "touch", "truncate", "unlink",
];

fn compare(family: Family, cases: &[Case]) {
    let program = Path::new(env!("CARGO_BIN_EXE_files"));
    Trial { program, commands: COMMANDS, family }.compare(cases);
}

/// A tree with all kinds of files.
const TREE: &str = "mkdir -p t/d/e; echo a >t/a; echo b >t/d/b; chmod 4755 t/d/b; ln -s b t/d/link; \
    ln -s /nowhere t/dangling; ln -s d t/dirlink; ln t/a t/d/hard; mkfifo t/pipe; chmod 1777 t/d/e; \
    chmod 600 t/a; chown 1234:4321 t/d/b; touch -d 2001-02-03 t/a t/d/b t/d; touch -h -d 2001-02-04 t/d/link";
