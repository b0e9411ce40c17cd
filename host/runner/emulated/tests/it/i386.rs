//! Programs of i386: natively they would do the same.

use crate::pod::Pod;
use crate::support::{Image, with_i386_program};

const PROGRAM: &str = concat!(include_str!("i386.h"), include_str!("i386.c"));
const HOSTILE: &str = concat!(include_str!("i386.h"), include_str!("i386_hostile.c"));

#[test]
fn calls_give_what_they_give_natively() {
    with_i386_program("i386", PROGRAM, |image| {
        let ran = image.sh("i386 || echo status $?; stat -c '%u %g %a %n' /made /made/file");
        let (calls, _) = ran.ok().split_once("mount: ").unwrap();
        assert_eq!(calls, include_str!("i386.txt"), "{}", ran.err);
        let end = "mount: -1\nclone3: -38\nnewer than known: -38\nstatus 3\n\
                   70000 80000 750 /made\n0 7 4711 /made/file\n";
        assert!(ran.out.ends_with(end), "{}", ran.out);
    });
}

#[test]
fn nothing_of_the_pod_is_open_to_them() {
    with_i386_program("hostile32", HOSTILE, |image| {
        let mut pod = Pod::new(image);
        let directory = pod.dir.to_string_lossy().into_owned();
        let (victim, port) = (pod.victim.id().to_string(), pod.port().to_string());
        let ran =
            image.run(&Image::step(&["hostile32", &directory, &victim, &pod.names[0], &port]));
        pod.assert_untouched(&ran);
        let tries = ran.out.lines().last().and_then(|line| line.strip_prefix("tries "));
        assert!(tries.unwrap().parse::<u32>().unwrap() >= 200, "{}", ran.out);
        for attempt in
            ["open", "connect", "kill victim", "ptrace", "mount", "process_vm_readv", "chmod"]
        {
            for form in ["", " at a gate", " in 64-bit code"] {
                let line = format!("\n{attempt}{form}: -");
                assert!(ran.out.contains(&line), "{line}\n{}", ran.out);
            }
        }
    });
}
