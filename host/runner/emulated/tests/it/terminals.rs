//! Terminals, and what /proc says of a process.

use crate::support::{Image, as_pod, works_here};

const TERMINAL: &str = r#"
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
int main(void) {
    int master, status;
    char name[64], text[64] = {0};
    pid_t child = forkpty(&master, name, NULL, NULL);
    if (child == 0) {
        struct stat a, b;
        /* The controlling terminal, by three names. */
        int tty = open("/dev/tty", O_RDWR), out = open("/dev/stdout", O_WRONLY);
        if (tty < 0 || out < 0 || !ttyname(0) || stat(ttyname(0), &a) || fstat(0, &b)) _exit(1);
        if (a.st_ino != b.st_ino || a.st_uid != getuid() || !S_ISCHR(a.st_mode)) _exit(2);
        write(tty, "from ", 5); write(out, "within\n", 7);
        _exit(3);
    }
    /* Changing a terminal's attributes does not open it: its maker sees no hang-up. */
    int other = posix_openpt(O_RDWR | O_NOCTTY);
    struct pollfd wait = {.fd = other, .events = POLLIN};
    struct stat seen;
    if (grantpt(other) || unlockpt(other) || chmod(ptsname(other), 0640)) return 11;
    if (utimes(ptsname(other), NULL) || stat(ptsname(other), &seen)) return 12;
    if ((seen.st_mode & 07777) != 0640 || poll(&wait, 1, 0) != 0) return 13;
    /* Nor by its path below a root directory of the process's own, which only root can have. */
    const char *below = ptsname(other) + strlen("/dev");
    pid_t inside = fork();
    if (inside == 0) _exit(chroot("/dev") == 0 && chmod(below, 0600));
    if (waitpid(inside, &status, 0) != inside || status || poll(&wait, 1, 0) != 0) return 14;
    close(other);
    for (int have = 0, n; (n = read(master, text + have, 60 - have)) > 0;) have += n;
    if (waitpid(child, &status, 0) != child) return 10;
    printf("%d %s %s", WEXITSTATUS(status), name, text);
    /* The pod's own terminals have numbers too; none of them opens. */
    for (int n = 0; n < 64; n++) {
        snprintf(text, 64, "/dev/pts/%d", n);
        int fd = open(text, O_RDWR | O_NOCTTY);
        if (fd >= 0 && strcmp(text, name)) printf("opened %s\n", text);
    }
    /* open(2) gives the lowest number. */
    close(0);
    printf("%d\n", open("/dev/ptmx", O_RDWR | O_NOCTTY));
    return 0;
}"#;

#[test]
fn a_step_has_terminals_of_its_own_and_no_others() {
    if !works_here() {
        return;
    }
    if !std::path::Path::new("/dev/pts/ptmx").exists() {
        println!("skipped: no devpts here");
        return;
    }
    as_pod(|| {
        let Some(image) = Image::small() else { return };
        if !image.compile("terminal", TERMINAL, &["-lutil"]) {
            return;
        }
        for ran in [image.sh("terminal"), image.sh_as_bob("terminal")] {
            let lines: Vec<&str> = ran.ok().lines().collect();
            let [first, lowest] = lines[..] else { panic!("{lines:?}") };
            assert!(first.starts_with("3 /dev/pts/") && first.ends_with(" from within"), "{first}");
            assert_eq!(lowest, "0");
        }
    });
}

#[test]
fn what_proc_says_is_about_the_guest() {
    if !works_here() {
        return;
    }
    as_pod(|| {
        let Some(image) = Image::small() else { return };
        let host = image.root().to_string_lossy().into_owned();
        let script = "cat /proc/self/maps /proc/self/mounts /proc/self/mountinfo /proc/mounts; \
                      tr '\\0' '\\n' < /proc/self/environ; tr '\\0' ' ' < /proc/$$/cmdline; \
                      echo; cat /proc/self/status; find /dev -name null -type c";
        if !["tr", "grep"].iter().all(|program| image.install(program)) {
            return println!("skipped: this machine has no tr or grep");
        }
        let ran = image.sh(script);
        let text = ran.ok();
        assert!(!text.contains(&host), "{text}");
        assert!(!text.contains('\u{1}'), "{text}");
        for line in ["Uid:\t0\t0\t0\t0", "Gid:\t0\t0\t0\t0", "/dev/null"] {
            assert!(text.lines().any(|known| known == line), "{line}: {text}");
        }
        assert!(text.contains(" /usr/bin/cat\n"), "{text}");
        let bob =
            image.sh_as_bob("cat /proc/self/status; echo hidden > /dev/stderr; ls /proc/self/fd");
        assert!(bob.ok().contains("Uid:\t1000\t1000\t1000\t1000\n"), "{}", bob.out);
        assert_eq!(bob.err, "hidden\n");
    });
}
