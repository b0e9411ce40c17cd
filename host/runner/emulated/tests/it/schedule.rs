//! Priorities, policies, processors and limits of other threads of the step.

use std::process::Command;

use crate::support::{Image, with_program};

#[test]
fn what_other_threads_have_is_set_as_by_the_kernel() {
    with_program("schedule", include_str!("schedule.c"), |image| {
        let ran = image.run(&Image::step(&["schedule"]));
        let native = Command::new(image.root().join("usr/bin/schedule")).output().unwrap();
        assert_eq!(ran.ok(), String::from_utf8(native.stdout).unwrap());
        assert!(ran.out.contains("an orphan nice: done 7\n"), "{}", ran.out);
        assert!(ran.out.ends_with("failed: 0\n"), "{}", ran.out);
    });
}

#[test]
fn the_usual_programs_change_other_processes() {
    with_program("unused", "int main(void) { return 0; }", |image| {
        for program in ["renice", "taskset", "chrt", "ionice", "prlimit"] {
            if !image.install(program) {
                println!("skipped: this machine has no {program}");
                return;
            }
        }
        let ran = image.sh("sleep 60 & pid=$!
            renice -n 4 -p $pid; taskset -p 1 $pid; chrt -b -p 0 $pid; ionice -c 3 -p $pid
            prlimit --pid $pid --nofile=64:64; cut -d' ' -f 19,41 /proc/$pid/stat
            ionice -p $pid; prlimit --pid $pid --nofile -o SOFT --noheadings; kill $pid");
        let said = ran.ok();
        // Of other users not even root may without CAP_SYS_NICE, which no step has.
        let users = image.sh("setpriv --reuid=1000 --clear-groups sleep 60 & pid=$!
            until grep -q sleep /proc/$pid/comm; do :; done; renice -n 4 -p $pid || echo kept
            setpriv --reuid=1000 --clear-groups renice -n 4 -p $$ || echo kept
            setpriv --reuid=1000 --clear-groups renice -n 4 -p $pid; kill $pid");
        assert!(users.ok().starts_with("kept\nkept\n"), "{}", users.out);
        assert!(users.out.contains("new priority 4"), "{} {}", users.out, users.err);
        assert!(said.contains("old priority 0, new priority 4"), "{said}");
        assert!(said.contains("new affinity mask: 1"), "{said}");
        assert!(said.ends_with("4 3\nidle\n  64\n"), "{said}");
    });
}
