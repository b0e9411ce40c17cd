//! Every form of program starts, and fails as it should.

use crate::support::{Image, as_pod, works_here};

const HELLO: &str = r#"
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/auxv.h>
#include <unistd.h>
int main(int c, char **v) {
    char exe[200] = {0};
    readlink("/proc/self/exe", exe, 199);
    printf("%d %s %s %s\n", c, v[0], exe, (char *)getauxval(AT_EXECFN));
    return environ[0] && environ[0][0] == 1;
}"#;

#[test]
fn static_dynamic_and_position_independent() {
    if !works_here() {
        return;
    }
    as_pod(|| {
        let Some(image) = Image::small() else { return };
        let forms: [(&str, &[&str]); 4] = [
            ("dynamic", &["-pie"]),
            ("fixed", &["-no-pie"]),
            ("static", &["-static"]),
            ("static-pie", &["-static-pie"]),
        ];
        for (name, options) in forms {
            if image.compile(name, HELLO, options) {
                let ran = image.sh(&format!("cd /usr/bin; {name} a b; ./{name}; exec /bin/{name}"));
                let expected = format!(
                    "3 {name} /usr/bin/{name} /usr/bin/{name}\n1 ./{name} /usr/bin/{name} ./{name}\n\
                     1 /bin/{name} /usr/bin/{name} /bin/{name}\n"
                );
                assert_eq!(ran.ok(), expected);
            }
        }
    });
}

#[test]
fn busybox_as_every_applet() {
    if !works_here() {
        return;
    }
    as_pod(|| {
        let Some(image) = Image::with(&["busybox"]) else { return };
        let ran = image.run(&Image::step(&[
            "busybox",
            "sh",
            "-c",
            "busybox id -u; busybox ls -d /usr; echo $(busybox readlink /proc/self/exe) | busybox cat
             busybox touch /x; busybox chown 7:8 /x; busybox stat -c %u:%g /x; busybox uname -n",
        ]));
        assert_eq!(ran.ok(), "0\n/usr\n/usr/bin/busybox\n7:8\nbuilder\n");
    });
}

#[test]
fn scripts_and_what_cannot_be_executed() {
    if !works_here() {
        return;
    }
    as_pod(|| {
        let Some(image) = Image::small() else { return };
        image.write("s1", "#!/s2 one two\n");
        image.write("s2", "#! /bin/sh\necho \"$0:$*\"\n");
        image.write("loop", "#!/loop\n");
        image.write("orphan", "#!/nowhere\n");
        image.write("plain", "echo plain\n");
        image.write("broken", "\x7fELF garbage");
        // A program for ARM, as far as its header goes.
        image.write("old", "\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x28\0\x01\0\0\0");
        let ran = image.sh("chmod +x old; bash -c 'exec ./old' || echo $?");
        assert_eq!(ran.ok(), "126\n");
        assert!(ran.err.contains("/old: a program for another machine"), "{}", ran.err);
        // One that wants the loader's own place.
        let options = ["-static", "-nostdlib", "-no-pie", "-Wl,-Ttext-segment=0x700000000000"];
        if image.compile("there", "void _start(void) { for (;;); }", &options) {
            let ran = image.sh("exec bash -c 'exec /usr/bin/there'");
            assert_eq!(ran.code(), 126, "{}", ran.err);
            assert!(ran.err.contains("/usr/bin/there: a program linked to fixed"), "{}", ran.err);
        }
        let ran = image.sh("chmod +x s1 s2 loop orphan plain broken; ./s1 x; sh -c ./plain
             for f in ./loop ./orphan ./broken ./tmp ./none /etc/passwd; do
                 rc=0; bash -c \"exec $f\" 2>/dev/null || rc=$?; echo $f $rc
             done");
        assert_eq!(
            ran.ok(),
            "/s2:one two ./s1 x\nplain\n./loop 126\n./orphan 127\n./broken 126\n./tmp 126\n\
             ./none 127\n/etc/passwd 126\n"
        );
    });
}

#[test]
fn a_step_that_cannot_start_says_why() {
    use kiln_runner::RunError;
    if !works_here() {
        return;
    }
    as_pod(|| {
        let Some(image) = Image::small() else { return };
        for (program, expected) in [("nonesuch", 127), ("/nonesuch", 127), ("/etc/passwd", 126)] {
            match image.run(&Image::step(&[program])).result {
                Err(RunError::CannotStart { code, .. }) => assert_eq!(code, expected, "{program}"),
                other => panic!("{program}: {other:?}"),
            }
        }
        // A program of another architecture: 32 bits, for ARM.
        let mut program = std::fs::read(image.root().join("usr/bin/true")).unwrap();
        (program[4], program[18]) = (1, 40);
        std::fs::write(image.root().join("arm"), program).unwrap();
        image.sh("chmod 755 /arm").ok();
        match image.run(&Image::step(&["/arm"])).result {
            Err(RunError::CannotStart { code: 126, reason, .. }) => {
                assert!(reason.contains("x86_64 or i386 (ENOEXEC)"), "{reason}");
            }
            other => panic!("{other:?}"),
        }
        let mut step = Image::step(&["true"]);
        step.cwd = b"/nonesuch".to_vec();
        assert!(matches!(image.run(&step).result, Err(RunError::CannotStart { code: 126, .. })));
    });
}
