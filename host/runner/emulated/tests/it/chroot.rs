//! chroot(2) to a directory of the image's.

use crate::support::{Image, as_pod, works_here};

/// A root directory inside the image, with the image's programs.
const NEW: &str =
    "mkdir -p /new/tmp /new/root /new/run; cp -a /usr /bin /sbin /lib /lib64 /etc /new
    chmod 1777 /new/tmp; echo inner > /new/etc/marker; echo outer > /etc/marker\n";

#[test]
fn a_root_of_its_own_is_all_that_a_process_sees() {
    if !works_here() {
        return;
    }
    as_pod(|| {
        let Some(image) = Image::small() else { return };
        image
            .sh(&format!(
                "{NEW} printf '#!/bin/sh\\necho script $0 $1\\n' > /new/usr/bin/s; chmod 755 /new/usr/bin/s
                 ln -s /etc/marker /new/abs; ln -s ../../../etc/marker /new/up; ln -s /new /new/usr/loop"
            ))
            .ok();
        let ran = image.sh(
            "chroot /new sh -c 'pwd; cat /etc/marker /abs /up /../../etc/marker ../etc/marker; s 1; cd /usr/bin
                 pwd; ./s 2; test ! -e /new && echo none; cat ../../../../etc/marker; cat /usr/loop 2>/dev/null || echo dangling
                 touch /made; chown 5:6 /made; chmod 4711 /made; mkdir /d; mv /made /d/moved; ln /d/moved /hard; ln -s /d /sd
                 readlink /sd; stat -c \"%u:%g %a %h\" /sd/moved; chroot /d /moved 2>/dev/null || echo failed
                 setpriv --reuid 1000 --regid 1000 --clear-groups sh -c \"id -u; touch /tmp/bobs; touch /no 2>/dev/null || echo no
                     chroot / true 2>/dev/null || echo not root\"; (cd /tmp; sh -c pwd); exec env -i /bin/pwd'
             cat /etc/marker; stat -c '%u:%g %a %n' /new/hard /new/tmp/bobs; chroot / pwd; cd /new/usr; chroot /new/etc /bin/pwd 2>/dev/null || echo no program
             chroot /nothing true 2>/dev/null || echo nothing; chroot /etc/marker true 2>/dev/null || echo no directory",
        );
        assert_eq!(
            ran.ok(),
            "/\ninner\ninner\ninner\ninner\ninner\nscript /usr/bin/s 1\n/usr/bin\nscript ./s 2\nnone\ninner\ndangling\n\
             /d\n5:6 4711 2\nfailed\n1000\nno\nnot root\n/tmp\n/usr/bin\n\
             outer\n5:6 4711 /new/hard\n1000:1000 644 /new/tmp/bobs\n/\nno program\nnothing\nno directory\n",
            "{}",
            ran.err
        );
    });
}

/// What programs do to leave a root, and what they see then. Also children in shared memory.
const LEAVE: &str = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
static void show(const char *what) {
    char cwd[5000] = "?", marker[20] = "none\n";
    syscall(SYS_getcwd, cwd, sizeof cwd);
    int file = open("/etc/marker", O_RDONLY);
    if (file >= 0) read(file, marker, sizeof marker);
    close(file);
    file = openat(AT_FDCWD, "../../../../../../../../etc/hostname.of.the.pod", O_RDONLY);
    printf("%s %s %d %s", what, cwd, file, marker);
}
int main(void) {
    setlinebuf(stdout);
    int root = open("/", O_RDONLY | O_DIRECTORY), pid, status;
    if ((pid = vfork()) == 0) {
        if (chroot("/new") || chdir("/")) puts("chroot");
        show("child");
        _exit(0);
    }
    waitpid(pid, &status, 0);
    show("parent");
    chdir("/new/usr");
    if (chroot("/new")) puts("chroot");
    show("inside");
    struct sockaddr_un name = {AF_UNIX, "/run/socket"};
    socklen_t length = sizeof name;
    int one = socket(AF_UNIX, SOCK_STREAM, 0), two = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(one, (void *)&name, sizeof name) || listen(one, 1)) puts("bind");
    memset(&name, 0, sizeof name);
    getsockname(one, (void *)&name, &length);
    printf("%s\n", name.sun_path);
    if (connect(two, (void *)&name, sizeof name)) puts("connect");
    mkdir("/cell", 0755);
    if (chroot("/cell")) puts("chroot");
    show("deeper");
    fchdir(root);
    show("by descriptor");
    chdir("..");
    for (int i = 0; i < 50; i++) chdir("..");
    show("up");
    if (chroot(".")) puts("chroot");
    show("out");
    struct stat here, slash;
    stat(".", &here);
    stat("/", &slash);
    printf("%d\n", here.st_ino == slash.st_ino && here.st_dev == slash.st_dev);
    return access("/new/run/socket", F_OK);
}"#;

#[test]
fn who_leaves_a_root_is_in_the_image_still() {
    if !works_here() {
        return;
    }
    as_pod(|| {
        let Some(image) = Image::small() else { return };
        assert!(image.compile("leave", LEAVE, &[]));
        image.sh(NEW).ok();
        let ran = image.sh("leave");
        assert_eq!(
            ran.ok(),
            "child / -1 inner\nparent / -1 outer\ninside /usr -1 inner\n/run/socket\n\
             deeper (unreachable)/new/usr -1 none\nby descriptor (unreachable)/ -1 none\n\
             up (unreachable)/ -1 none\nout / -1 outer\n1\n",
            "{}",
            ran.err
        );
    });
}
