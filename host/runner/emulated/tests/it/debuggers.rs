//! Tracers inside a step: they see what they would see on a bare kernel.

use std::process::Command;

use crate::support::{Image, as_pod, works_here};

/// A program to look at: it says when it is in `inner`, and stays there.
const LOOKED_AT: &str = "#include <fcntl.h>\n#include <stdio.h>\n#include <stdlib.h>\n
    #include <unistd.h>\n
    volatile int number;
    __attribute__((noinline)) void inner(int n) { number = n; open(\"/etc/passwd\", 0);
      for (int i = 0; i < n; i++) sleep(1); number++; }
    __attribute__((noinline)) void outer(int n) { inner(n); number++; }
    int main(int argc, char **argv) {
      printf(\"started\\n\"); fflush(stdout); outer(argc > 1 ? atoi(argv[1]) : 0);
      if (argc == 1) abort(); return 4; }";

const MANY: &str = "#include <pthread.h>\n#include <unistd.h>\n
    static void *work(void *x) {
      for (int i = 0; i < 100; i++) access(\"/etc/passwd\", 0); return 0; }
    int main(void) { pthread_t t[8];
      for (int i = 0; i < 8; i++) pthread_create(t + i, 0, work, 0);
      for (int i = 0; i < 8; i++) pthread_join(t[i], 0); return 0; }";

#[test]
fn a_tracer_sees_the_guests_own_calls_and_instructions() {
    if !works_here() {
        return;
    }
    as_pod(|| {
        let Some(image) = Image::small() else { return };
        if !image.compile("tracer", include_str!("tracer.c"), &[]) {
            return;
        }
        for mode in ["calls", "plain", "steps", "exec", "attach"] {
            let host =
                Command::new(image.root().join("usr/bin/tracer")).arg(mode).output().unwrap();
            let host = String::from_utf8(host.stdout).unwrap();
            assert!(host.contains("end "), "{mode}: {host}");
            let ran = image.run(&Image::step(&["/usr/bin/tracer", mode]));
            assert_eq!(ran.ok(), host, "{mode}");
        }
    });
}

#[test]
fn strace_shows_calls_as_the_program_makes_them() {
    if !works_here() {
        return;
    }
    as_pod(|| {
        let Some(image) = Image::small() else { return };
        if !image.install("strace") {
            println!("skipped: this machine has no strace");
            return;
        }
        let script = "code=0; strace -f -o /tmp/log \
            sh -c 'cat /etc/passwd; readlink /nothing; exit 3' || code=$?; \
            test $code = 3; cat /tmp/log";
        let ran = image.sh(script);
        let log = ran.ok();
        for line in [
            "openat(AT_FDCWD, \"/etc/passwd\", O_RDONLY) = 3",
            "readlink(\"/nothing\", ",
            "-1 ENOENT",
            "+++ exited with 3 +++",
        ] {
            assert!(log.contains(line), "{line}: {log}");
        }
        for line in ["SIGSYS", "openat2(", "rt_sigreturn(", "execveat("] {
            assert!(!log.contains(line), "{line}: {log}");
        }
        // Of many threads at once: each call once.
        if image.compile("threads", MANY, &[]) {
            let ran = image.sh("strace -f -o /tmp/log threads; cat /tmp/log");
            let log = ran.ok();
            assert_eq!(log.matches("access(\"/etc/passwd\"").count(), 800, "{log}");
            assert!(!log.contains("SIGSYS") && !log.contains("openat2("), "{log}");
        }
        // Of a process that runs already.
        let script = "sh -c 'while :; do test -e /nothing; sleep 0.1; done' & pid=$!; \
            timeout 2 strace -o /tmp/log -p $pid || true; \
            kill -0 $pid; kill $pid; cat /tmp/log";
        let ran = image.sh(script);
        let log = ran.ok();
        assert!(log.contains("\"/nothing\"") && log.contains("ENOENT"), "{log}");
        assert!(!log.contains("SIGSYS"), "{log}");
    });
}

#[test]
fn gdb_runs_programs_and_looks_at_running_ones() {
    if !works_here() {
        return;
    }
    as_pod(|| {
        let Some(image) = Image::small() else { return };
        if !image.install("gdb") {
            println!("skipped: this machine has no gdb");
            return;
        }
        // Its Python, without which it does not start.
        let python = image.root().join("usr/lib");
        for library in ["/usr/lib/python3.11", "/usr/lib/python3.12", "/usr/lib/python3.13"] {
            if std::path::Path::new(library).exists() {
                let copied = Command::new("cp").arg("-a").arg(library).arg(&python).status();
                assert!(copied.unwrap().success());
            }
        }
        if !image.compile("looked-at", LOOKED_AT, &[]) {
            return;
        }
        let ran = image
            .sh("sleep 5 & sleep 0.2; readlink /proc/$!/exe; test /proc/$!/exe -ef /bin/sleep");
        assert_eq!(ran.ok(), "/usr/bin/sleep\n");
        let ran = image.sh("gdb -nx -batch -ex run -ex bt /usr/bin/looked-at 2>&1");
        let text = ran.ok();
        assert!(text.contains("SIGABRT") && text.contains(" in main ()"), "{text}");
        assert!(!text.contains("SIGSYS") && !text.contains("signal 31"), "{text}");
        let ran = image.sh(
            "gdb -nx -batch -ex 'break inner' -ex run -ex bt -ex finish -ex 'next' -ex continue \
             --args /usr/bin/looked-at 1 2>&1",
        );
        let text = ran.ok();
        for line in ["in inner ()", "in outer ()", "in main ()", "exited with code 04"] {
            assert!(text.contains(line), "{line}: {text}");
        }
        let ran = image.sh("looked-at 5 & pid=$!; sleep 0.5; gdb -nx -batch -p $pid -ex bt 2>&1; \
             wait $pid || test $? = 4; echo waited");
        let text = ran.ok();
        for line in ["inner ()", "outer ()", "main ()", "waited"] {
            assert!(text.contains(line), "{line}: {text}");
        }
    });
}
