//! Children that share their parent's memory have ids of their own.

use std::process::Command;

use crate::support::{Image, as_pod, works_here};

/// Each form of child becomes another user and makes files, or executes a program that does; the
/// parent makes files meanwhile and afterwards.
const CHILDREN: &str = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
static void touch(const char *name) { close(open(name, O_CREAT | O_WRONLY, 0777)); }
static void drop(int id) {
    gid_t groups[] = {2000};
    /* As Go and vfork(2)'s users do: libc's would signal the parent's threads. */
    syscall(SYS_setgroups, 1, groups);
    syscall(SYS_setresgid, id, id, id);
    syscall(SYS_setresuid, id, id, id);
}
static void wait_for(int pid) {
    int status;
    if (waitpid(pid, &status, __WALL) != pid || status) printf("status %x\n", status);
}
static volatile int go;
static int beside(void *name) {
    drop(1000);
    umask(0777);
    touch(name);
    chdir("/tmp");
    go = 1;
    while (go != 2) usleep(1000);
    touch("later");
    return getuid() != 1000;
}
static char stacks[3][65536] __attribute__((aligned(16)));
static void *in_thread(void *none) { setresuid(33, 33, 0); return none; }
int main(int c, char **v) {
    char *const id[] = {"sh", "-c", "id -u; id -G; umask; touch /tmp/program", 0};
    int pid, other;
    setlinebuf(stdout);
    if ((pid = vfork()) == 0) {
        drop(1000);
        umask(0700);
        touch("/tmp/by-vfork");
        execv("/bin/sh", id);
        _exit(127);
    }
    wait_for(pid);
    touch("/after-vfork");
    printf("%d %d\n", getuid(), umask(022));

    /* A failing execve(2) leaves the child what it is. */
    if ((pid = vfork()) == 0) {
        drop(1001);
        execv("/nothing", id);
        touch("/tmp/after-exec");
        _exit(0);
    }
    wait_for(pid);

    /* Children in shared memory beside the parent. */
    pid = clone(beside, stacks[0] + 65536, CLONE_VM | SIGCHLD, "/tmp/by-clone");
    while (go != 1) usleep(1000);
    touch("beside-clone");
    if ((other = fork()) == 0) {
        touch("fork-beside-clone");
        _exit(getuid());
    }
    wait_for(other);
    go = 2;
    wait_for(pid);
    printf("%d\n", getuid());

    /* A process that a child in shared memory forks is as that child is. */
    if ((pid = vfork()) == 0) {
        drop(1002);
        if ((other = syscall(SYS_fork)) == 0) {
            touch("/tmp/by-grandchild");
            _exit(getuid() != 1002);
        }
        wait_for(other);
        _exit(0);
    }
    wait_for(pid);

    /* No end of them. */
    for (int i = 0; i < 1000; i++) {
        if ((pid = vfork()) == 0) {
            drop(1003);
            _exit(getuid() != 1003);
        }
        wait_for(pid);
        if (getuid()) { printf("%d\n", i); break; }
    }
    posix_spawn(&pid, "/bin/sh", 0, 0, id, environ);
    wait_for(pid);

    pthread_t thread;
    pthread_create(&thread, 0, in_thread, 0);
    pthread_join(thread, 0);
    touch("/tmp/by-thread");
    printf("%d\n", getuid());
}"#;

#[test]
fn a_child_in_shared_memory_has_ids_of_its_own() {
    if !works_here() {
        return;
    }
    as_pod(|| {
        let Some(image) = Image::small() else { return };
        assert!(image.compile("children", CHILDREN, &[]));
        let ran = image.sh("cd /root; children; stat -c '%u:%g %a %n' /tmp/* /after-vfork /root/*");
        assert_eq!(
            ran.ok(),
            "1000\n1000 2000\n0700\n0 18\n0\n0\n0\n0022\n33\n\
             1001:1001 755 /tmp/after-exec\n1000:1000 0 /tmp/by-clone\n\
             1002:1002 755 /tmp/by-grandchild\n33:0 755 /tmp/by-thread\n\
             1000:1000 77 /tmp/by-vfork\n1000:1000 0 /tmp/later\n1000:1000 66 /tmp/program\n\
             0:0 755 /after-vfork\n0:0 755 /root/beside-clone\n\
             0:0 755 /root/fork-beside-clone\n",
            "{}",
            ran.err
        );
    });
}

const GO: &str = r#"
package main

import ("fmt"; "os"; "os/exec"; "syscall")

func main() {
	for i := 0; i < 50; i++ {
		command := exec.Command("/bin/sh", "-c", fmt.Sprintf("id -u; id -G; touch /tmp/child%d", i))
		id := &syscall.Credential{Uid: 1000, Gid: 1000, Groups: []uint32{2000}}
		command.SysProcAttr = &syscall.SysProcAttr{Credential: id}
		out, err := command.CombinedOutput()
		if err != nil || string(out) != "1000\n1000 2000\n" {
			fmt.Println("child:", string(out), err)
		}
		if err := os.WriteFile(fmt.Sprintf("/etc/parent%d", i), nil, 0o600); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	fmt.Println(os.Getuid(), os.Geteuid())
}
"#;

#[test]
fn gos_children_become_others_alone() {
    if !works_here() {
        return;
    }
    as_pod(|| {
        let Some(image) = Image::small() else { return };
        let source = image.dir.path().join("main.go");
        std::fs::write(&source, GO).unwrap();
        let built = Command::new("go")
            .args(["build", "-o"])
            .arg(image.root().join("usr/bin/gos"))
            .arg(&source)
            .env("CGO_ENABLED", "0")
            .env("GOCACHE", image.dir.path().join("cache"))
            .env("GOPATH", image.dir.path().join("go"))
            .status();
        if !built.is_ok_and(|status| status.success()) {
            return println!("skipped: this machine has no go");
        }
        let ran = image.sh("gos; stat -c '%u:%g %n' /etc/parent* | cut -d/ -f1 | sort | uniq -c
             stat -c '%u:%g %n' /tmp/child* | cut -d/ -f1 | sort | uniq -c");
        assert_eq!(ran.ok(), "0 0\n     50 0:0 \n     50 1000:1000 \n", "{}", ran.err);
    });
}

#[test]
fn who_gave_up_new_privileges_gets_none_from_programs() {
    if !works_here() {
        return;
    }
    as_pod(|| {
        let Some(image) = Image::small() else { return };
        image.sh("cp /usr/bin/id /usr/bin/sid; chmod 6755 /usr/bin/sid").ok();
        let ran = image.sh_as_bob(
            "sid -u; grep NoNewPrivs /proc/self/status
             setpriv --no-new-privs sh -c 'sid -u; sid -g; grep NoNewPrivs /proc/self/status; sh -c \"(sid -u)\"'; sid -u",
        );
        assert_eq!(
            ran.out, "0\nNoNewPrivs:\t0\n1000\n1000\nNoNewPrivs:\t1\n1000\n0\n",
            "{}",
            ran.err
        );
    });
}
