//! Other processes of a step, as /proc shows them.

use crate::support::{Image, as_pod, with_program, works_here};

/// Becomes bob, and is a parent of who never traps; then says the numbers of all.
const FAMILY: &str = r#"
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
static unsigned owner(int pid, const char *below) {
    char path[64];
    struct stat at;
    snprintf(path, sizeof path, "/proc/%d%s", pid, below);
    return stat(path, &at) ? -1 : at.st_uid;
}
static unsigned uid(int pid) {
    char path[64], line[256];
    unsigned uid = -1;
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file)) sscanf(line, "Uid: %*u %u", &uid);
    if (file) fclose(file);
    return uid;
}
static int child(void) {
    int pid = syscall(SYS_fork);
    if (pid == 0) for (;;) syscall(SYS_pause);
    return pid;
}
int main(int c, char **v) {
    /* As root, before anybody is another: it stays root. */
    int before = child();
    usleep(50000);
    int user = syscall(SYS_fork);
    if (user == 0) {
        syscall(SYS_setresgid, 1000, 1000, 1000);
        syscall(SYS_setresuid, 1000, 1000, 1000);
        usleep(50000);
        int inner = child();
        printf("%u %u %u %u ", owner(getppid(), ""), owner(before, ""), owner(inner, "/fd"), uid(inner));
        printf("%u %u %u ", uid(getppid()), uid(before), uid(getpid()));
        printf("%u %u\n", owner(atoi(v[1]), ""), uid(atoi(v[1])));
        fflush(stdout);
        kill(inner, 9);
        pause();
    }
    sleep(1);
    printf("%u %u %u\n", owner(user, ""), uid(user), owner(before, ""));
    fflush(stdout);
    /* A note from before the process began is another's; whatever is noted, somebody is shown. */
    unsigned *words = mmap(0, 4 * (1024 + 131072), PROT_READ | PROT_WRITE, MAP_SHARED, 905, 0);
    if (words == MAP_FAILED) return 1;
    unsigned *noted = 0;
    for (unsigned *word = words + 1024; word < words + 1024 + 131072; word += 64)
        if (word[1] == user) noted = word;
    if (!noted || noted[5] != 1000) return 2;
    noted[2] = noted[3] = 0;
    printf("%u\n", owner(user, ""));
    fflush(stdout);
    for (int value = -3; value < 3; value++) {
        for (int i = 1024; i < 1024 + 131072; i++) words[i] = value;
        for (unsigned *word = words + 1024 + user % 512 * 256 + 1; word < words + 1024 + user % 512 * 256 + 256; word += 64)
            *word = user;
        owner(user, ""), uid(user), owner(before, ""), uid(1);
        setresuid(5, 5, 0), setresuid(0, 0, 0);
    }
    kill(user, 9), kill(before, 9);
    printf("alive\n");
    return 0;
}
"#;

#[test]
fn each_is_shown_as_who_it_is() {
    with_program("family", FAMILY, |image| {
        let pod = std::process::id().to_string();
        let ran = image.run(&Image::step(&["family", &pod]));
        assert_eq!(ran.ok(), "0 0 1000 1000 0 0 1000 0 0\n1000 1000 0\n0\nalive\n", "{}", ran.err);
    });
}

#[test]
fn users_processes_are_found_by_name_and_number() {
    if !works_here() {
        return;
    }
    as_pod(|| {
        let Some(image) = Image::small() else { return };
        let script = "
            begin() { \"$@\" & pid=$!; until grep -q sleep /proc/$pid/comm; do :; done; }
            begin setpriv --reuid=1000 --regid=1001 --groups=7,2000 sleep 60; bobs=$pid
            begin sleep 60; roots=$pid
            cd /proc; stat -c '%u:%g' /proc/$bobs $bobs $bobs/task/$bobs/status /proc/$roots $$
            exec 5< /proc/$bobs/stat; stat -L -c '%u:%g' - <&5
            for id in $bobs $roots; do
                while read name rest; do
                    case $name in Uid:|Gid:|Groups:|CapEff:) echo $name $rest;; esac
                done < /proc/$id/status
            done
            setpriv --reuid=1000 --regid=1001 --clear-groups bash -c \"
                stat -c %u /proc/$bobs /proc/$roots; cat /proc/$bobs/environ > /dev/null && echo own
                cat /proc/$roots/environ 2>/dev/null || echo kept\"
            kill $bobs $roots";
        let ran = image.run(&Image::step(&["bash", "-ec", script]));
        assert_eq!(
            ran.ok(),
            "1000:1001\n1000:1001\n1000:1001\n0:0\n0:0\n1000:1001\n\
             Uid: 1000 1000 1000 1000\nGid: 1001 1001 1001 1001\nGroups: 7 2000\n\
             CapEff: 0000000000000000\n\
             Uid: 0 0 0 0\nGid: 0 0 0 0\nGroups:\nCapEff: 00000000a80425fb\n\
             1000\n0\nown\nkept\n",
            "{}",
            ran.err
        );
    });
}

#[test]
fn the_runners_descriptors_are_not_there() {
    with_program("listing", include_str!("listing.c"), |image| {
        // Three, `.` and `..`, and the directory.
        let expected = "refused 77 of 77, hidden 165 of 165\n\
            self 6 0 \nentry by entry 6 0 \nin the old way 6 0 \nits own 1\ninfo 6 0 \n\
            below 7 0 \nhere 6 0 \nparent 0\nanother 3 1 \nanother's 1\nmany 20\n";
        assert_eq!(image.run(&Image::step(&["sh", "-c", "listing; :"])).ok(), expected);
        let ran = image.sh_as_bob("listing; :");
        assert_eq!(ran.ok(), expected, "{}", ran.err);
        let ran = image
            .sh("ls -l /proc/self/fd/ /proc/$$/fdinfo /dev/fd/; find /proc/self/ -name 90?
            cd /proc/self/fd; ls -l; ls -l .");
        assert!(!ran.ok().contains(" 90"), "{}", ran.out);
    });
}

#[test]
fn signals_reach_whom_a_user_may_signal() {
    with_program("signals", include_str!("signals.c"), |image| {
        let ran = image.run(&Image::step(&["signals"]));
        let expected = "root's own 0\nno 1 1 1\nno such 3\nyes 0 0\ncontinue 0\nbad 22 22\n\
            group 0\neverybody 0\nroot's 1, bob's 0\nat once 1\nset-id 0\n";
        assert_eq!(ran.ok(), expected, "{}", ran.err);
        for _ in 0..5 {
            assert_eq!(image.run(&Image::step(&["signals", "first"])).ok(), "0\n");
        }
        // What a step began as another: nothing differs, and nobody looks.
        let ran = image.sh_as_bob(
            // The child has the shell's trap until it is another program.
            "trap 'echo ended' TERM; sleep 60 &
             until test \"$(cat /proc/$!/comm)\" = sleep; do sleep 0.05; done
             (kill 0); wait; kill -0 $$ && echo alive",
        );
        assert_eq!(ran.ok(), "ended\nalive\n", "{}", ran.err);
        // A user's script ends its own group alone.
        let script = "
            sleep 60 & mine=$!
            setpriv --reuid=1000 --regid=1000 --clear-groups bash -c '
                sleep 60 & kill $PPID 2> /dev/null || echo kept; trap \"\" TERM; kill 0; wait $!
                echo $?'
            kill -0 $mine && echo both; kill $mine";
        let ran = image.run(&Image::step(&["bash", "-ec", script]));
        assert_eq!(ran.ok(), "kept\n143\nboth\n", "{}", ran.err);
    });
}
