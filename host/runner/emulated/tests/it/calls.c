// Calls that wrappers of chroot tend to forget. Prints "all well" or what failed.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static int bad;
#define CHECK(x) do { if (!(x)) { bad = 1; fprintf(stderr, "line %d: %s (%s)\n", __LINE__, #x, strerror(errno)); } } while (0)

static void *walker(void *unused) {
    struct stat st;
    for (int i = 0; i < 300; i++)
        if (stat("/etc/os-release", &st) || access("/nonexistent", F_OK) == 0) return (void *)1;
    return 0;
}

static volatile int got;
static void note(int sig) { got = sig; struct stat st; stat("/etc", &st); }

int main(void) {
    struct statx sx;
    CHECK(statx(AT_FDCWD, "/etc/os-release", 0, STATX_ALL, &sx) == 0 && sx.stx_size == 9 && sx.stx_uid == 0);
    CHECK(syscall(439, AT_FDCWD, "/etc/os-release", R_OK | W_OK, 0) == 0);
    struct open_how how = {.flags = O_RDONLY};
    int fd = syscall(437, AT_FDCWD, "/../etc/os-release", &how, sizeof how);
    CHECK(fd >= 0);
    int dir = open("/etc", O_PATH | O_DIRECTORY);
    CHECK(dir >= 0);
    how.resolve = RESOLVE_BENEATH;
    CHECK(syscall(437, dir, "os-release", &how, sizeof how) >= 0);
    CHECK(syscall(437, dir, "../etc/os-release", &how, sizeof how) < 0 && errno == EXDEV);
    CHECK(faccessat(dir, "../../../etc/os-release", R_OK, 0) == 0);
    CHECK(syscall(334 + 1000, 0, 0, 0) < 0 && errno == ENOSYS);
    CHECK(open("/etc/none", O_RDONLY) < 0 && errno == ENOENT);
    CHECK(open(NULL, O_RDONLY) < 0 && errno == EFAULT);

    CHECK(mkdir("/tmp/a", 0700) == 0 && close(open("/tmp/a/f", O_CREAT | O_WRONLY, 0640)) == 0);
    CHECK(close(open("/tmp/g", O_CREAT | O_WRONLY, 0600)) == 0);
    CHECK(renameat2(AT_FDCWD, "/tmp/a/f", AT_FDCWD, "/tmp/g", RENAME_EXCHANGE) == 0);
    CHECK(renameat2(AT_FDCWD, "/tmp/a/f", AT_FDCWD, "/tmp/g", RENAME_NOREPLACE) < 0 && errno == EEXIST);
    CHECK(link("/tmp/g", "/tmp/h") == 0 && unlink("/tmp/h") == 0);
    CHECK(setxattr("/tmp/g", "user.k", "v", 1, 0) == 0);
    char value[64];
    CHECK(getxattr("/tmp/g", "user.k", value, sizeof value) == 1 && value[0] == 'v');
    CHECK(truncate("/tmp/g", 100) == 0 && stat("/tmp/g", (struct stat *)&(struct stat){0}) == 0);
    int tmp = open("/tmp", O_TMPFILE | O_RDWR, 0600);
    char name[64];
    sprintf(name, "/proc/self/fd/%d", tmp);
    CHECK(tmp >= 0 && linkat(AT_FDCWD, name, AT_FDCWD, "/tmp/linked", AT_SYMLINK_FOLLOW) == 0);
    int watch = inotify_init();
    CHECK(inotify_add_watch(watch, "/tmp", IN_CREATE) >= 0);
    CHECK(mkdir("/tmp/seen", 0755) == 0);
    struct pollfd p = {watch, POLLIN, 0};
    CHECK(poll(&p, 1, 1000) == 1);

    int s = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un un = {AF_UNIX, "/tmp/sock"}, back = {0};
    socklen_t len = sizeof back;
    CHECK(bind(s, (void *)&un, sizeof un) == 0 && listen(s, 5) == 0);
    CHECK(getsockname(s, (void *)&back, &len) == 0 && strcmp(back.sun_path, "/tmp/sock") == 0);
    CHECK(connect(c, (void *)&un, sizeof un) == 0);
    CHECK(bind(c, (void *)&un, sizeof un) < 0);

    int mem = memfd_create("m", 0);
    CHECK(mem >= 0 && ftruncate(mem, 4096) == 0);
    char *argv[] = {"true", 0}, *env[] = {0};
    for (int i = 0; i < 150; i++) {
        pid_t child = vfork();
        if (child == 0) { execve("/nonexistent", argv, env); execve("/bin/true", argv, env); _exit(1); }
        int status;
        CHECK(waitpid(child, &status, 0) == child && status == 0);
    }
    for (int i = 0; i < 100; i++) {
        pid_t child;
        int status;
        CHECK(posix_spawnp(&child, "true", 0, 0, argv, env) == 0);
        CHECK(waitpid(child, &status, 0) == child && status == 0);
    }
    pid_t child = fork();
    if (child == 0) { int t = open("/bin/true", O_PATH); fexecve(t, argv, env); _exit(1); }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);

    pthread_t threads[50];
    for (int i = 0; i < 50; i++) CHECK(pthread_create(&threads[i], 0, walker, 0) == 0);
    for (int i = 0; i < 50; i++) { void *r; pthread_join(threads[i], &r); CHECK(r == 0); }

    // SIGSYS can be neither blocked nor caught; masks with it in them do no harm.
    sigset_t all, old;
    sigfillset(&all);
    CHECK(sigprocmask(SIG_BLOCK, &all, &old) == 0 && access("/etc", F_OK) == 0);
    CHECK(sigprocmask(SIG_SETMASK, &old, 0) == 0);
    signal(SIGSYS, SIG_IGN);
    CHECK(access("/etc", F_OK) == 0);
    struct sigaction act = {.sa_handler = note};
    sigfillset(&act.sa_mask);
    sigaction(SIGALRM, &act, 0);
    struct timespec ts = {5, 0};
    alarm(1);
    CHECK(ppoll(0, 0, &ts, &old) < 0 && errno == EINTR && got == SIGALRM);
    got = 0;
    sigset_t mask = all;
    sigdelset(&mask, SIGALRM);
    alarm(1);
    CHECK(pselect(0, 0, 0, 0, &ts, &mask) < 0 && errno == EINTR && got == SIGALRM);
    got = 0;
    alarm(1);
    CHECK(sigsuspend(&mask) < 0 && got == SIGALRM);
    // Waiting to open a fifo ends with a signal, and is restarted when that is asked for.
    CHECK(mkfifo("/tmp/fifo", 0600) == 0);
    alarm(1);
    CHECK(open("/tmp/fifo", O_RDONLY) < 0 && errno == EINTR);
    child = fork();
    if (child == 0) { sleep(2); int w = open("/tmp/fifo", O_WRONLY); write(w, "x", 1); _exit(0); }
    act.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &act, 0);
    alarm(1);
    int r = open("/tmp/fifo", O_RDONLY);
    CHECK(r >= 0 && read(r, value, 1) == 1);
    waitpid(child, 0, 0);

    // Descriptors of the runner's cannot be closed or replaced by accident.
    for (int i = 3; i < 1100; i++) { close(i); fcntl(i, F_SETFD, FD_CLOEXEC); dup2(1, i); }
    CHECK(access("/etc/os-release", F_OK) == 0 && system("true") == 0);
    if (!bad) puts("all well");
    return bad;
}
