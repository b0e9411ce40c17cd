#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <linux/securebits.h>
#include <sys/un.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>
#define SHOW(what, expression)                                                  \
    do {                                                                        \
        errno = 0;                                                              \
        long answer = (long)(expression);                                       \
        printf("%s: %s\n", what, answer < 0 ? strerror(errno) : "fine");        \
    } while (0)
static struct stat st;
static char text[5000];
static long open2(struct open_how *how, size_t size) {
    long fd = syscall(SYS_openat2, AT_FDCWD, "f", how, size);
    if (fd >= 0) close(fd);
    return fd;
}
static mode_t mode_of(int fd) {
    fstat(fd, &st);
    close(fd);
    return st.st_mode & 07777;
}
int main(int argc, char **argv) {
    char *args[] = {"true", 0};
    umask(0);
    if (chdir(argv[1]) || close(open("f", O_CREAT | O_WRONLY, 0755)) || symlink("f", "l") || mkfifo("p", 0600)) return 1;
    SHOW("fstatat", syscall(SYS_newfstatat, AT_FDCWD, "f", &st, 0x40000000));
    SHOW("statx", syscall(SYS_statx, AT_FDCWD, "f", 0x40000000, 0xfff, text));
    SHOW("statx, reserved", syscall(SYS_statx, AT_FDCWD, "f", 0, 1u << 31, text));
    SHOW("faccessat2", syscall(SYS_faccessat2, AT_FDCWD, "f", R_OK, 0x40000000));
    SHOW("unlinkat", unlinkat(AT_FDCWD, "f", 0x1000));
    SHOW("fchownat", fchownat(AT_FDCWD, "f", -1, -1, 0x40000000));
    SHOW("utimensat", utimensat(AT_FDCWD, "f", 0, 0x40000000));
    SHOW("renameat2", syscall(SYS_renameat2, AT_FDCWD, "f", AT_FDCWD, "g", 64));
    SHOW("linkat", linkat(AT_FDCWD, "f", AT_FDCWD, "g", 64));
    SHOW("execveat", syscall(SYS_execveat, AT_FDCWD, "f", args, args + 1, 0x40000000));
    SHOW("execveat of a link", syscall(SYS_execveat, AT_FDCWD, "l", args, args + 1, AT_SYMLINK_NOFOLLOW));
    SHOW("readlink into nothing", syscall(SYS_readlink, "l", text, 0));
    SHOW("readlink into less", syscall(SYS_readlink, "l", text, -1));
    SHOW("getgroups", getgroups(-1, 0));
    struct { struct open_how how; char more[40]; } how = {{O_RDONLY}};
    SHOW("openat2", open2(&how.how, sizeof how.how));
    SHOW("openat2, longer", open2(&how.how, sizeof how));
    how.more[30] = 1;
    SHOW("openat2, longer by something", open2(&how.how, sizeof how));
    SHOW("openat2, too long", open2(&how.how, 5000));
    how.how.flags = 1ul << 40;
    SHOW("openat2, flags", open2(&how.how, sizeof how.how));
    how.how.flags = O_RDONLY, how.how.mode = 0600;
    SHOW("openat2, a mode for nothing", open2(&how.how, sizeof how.how));
    how.how.flags = O_CREAT, how.how.mode = 1 << 16;
    SHOW("openat2, more than a mode", open2(&how.how, sizeof how.how));
    memset(text, '/', 4096);
    text[4095] = 0;
    SHOW("chdir, as long as can be", chdir(text));
    text[4095] = '/', text[4096] = 0;
    SHOW("chdir, longer", chdir(text));
    if (chdir(argv[1])) return 1;
    int sock = socket(AF_UNIX, SOCK_STREAM, 0);
    socklen_t length = -1;
    SHOW("getsockname", getsockname(sock, (void *)text, &length));
    unsigned versions[] = {0x19980330, 0x20071026, 0x20080522, 1};
    for (int i = 0; i < 4; i++) {
        unsigned header[] = {versions[i], 0}, data[8];
        memset(data, 0x5a, sizeof data);
        SHOW("capget", syscall(SYS_capget, header, data));
        printf("%x, %s\n", header[0], data[3] == 0x5a5a5a5a ? "three words" : data[6] == 0x5a5a5a5a ? "six words" : "more");
        header[0] = versions[i];
        SHOW("capset", i > 2 ? 0 : syscall(SYS_capset, header, data));
    }
    char *none = mmap(0, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    SHOW("can memory be read", syscall(SYS_rt_sigprocmask, ~0, none, 0, 8));
    SHOW("can other memory be read", syscall(SYS_rt_sigprocmask, ~0, text, 0, 8));
    int path = open("f", O_PATH);
    SHOW("fchown by a path", fchown(path, -1, -1));
    SHOW("fchmod by a path", fchmod(path, 0600));
    SHOW("an attribute of a fifo", setxattr("p", "user.x", "x", 1, 0));
    /* Only root can make one; nobody's device has such an attribute. */
    if (!geteuid() && (mknod("d", S_IFCHR | 0600, 0x103) || !setxattr("d", "user.x", "x", 1, 0))) return 1;
    printf("%o %o %o\n", mode_of(open(".", O_TMPFILE | O_RDWR, 0)), mode_of(open(".", O_TMPFILE | O_RDWR, 0644)),
           mode_of(open(".", O_TMPFILE | O_RDWR, 0200)));
    struct sockaddr_un whole = {AF_UNIX}, told;
    sprintf(whole.sun_path + 1, "kiln-%d", getpid());
    int client = socket(AF_UNIX, SOCK_STREAM, 0), other = socket(AF_UNIX, SOCK_STREAM, 0);
    SHOW("an abstract name with its zeros", bind(sock, (void *)&whole, sizeof whole));
    SHOW("listen", listen(sock, 1));
    length = sizeof told;
    SHOW("its name", getsockname(sock, (void *)&told, &length));
    printf("%u %s\n", length, memcmp(&told, &whole, sizeof whole) ? "differs" : "equal");
    SHOW("connect", connect(client, (void *)&whole, sizeof whole));
    SHOW("connect without the zeros", connect(other, (void *)&whole, 3 + strlen(whole.sun_path + 1)));
    memset(told.sun_path + 1, 'x', sizeof told.sun_path - 1);
    SHOW("connect to nobody", connect(other, (void *)&told, 60));
    for (int i = 0; i < 5; i++) {
        stat("f", &st);
        struct timespec before = st.st_ctim;
        usleep(20000);
        int fd = open("f", O_RDONLY);
        if (i == 0 ? chown("f", geteuid(), getegid()) : i == 1 ? fchown(fd, -1, getegid()) : i == 2 ? lchown("f", geteuid(), -1)
            : i == 3 ? chmod("f", st.st_mode) : fchmod(fd, st.st_mode)) perror("change");
        stat("f", &st);
        puts(before.tv_sec == st.st_ctim.tv_sec && before.tv_nsec == st.st_ctim.tv_nsec ? "not changed" : "changed");
    }
    unsigned header[] = {versions[2], 0}, nothing[6] = {0};
    if (syscall(SYS_capset, header, nothing)) return 1;
    SHOW("drop from the bounding set", prctl(PR_CAPBSET_DROP, 3, 0, 0, 0));
    SHOW("secure bits", prctl(PR_SET_SECUREBITS, 0, 0, 0, 0));
    return 0;
}
