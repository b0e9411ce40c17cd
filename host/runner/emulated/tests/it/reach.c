// What belongs to others of the same uid. argv: the pod's directory, kiln's pid, a victim's pid, an
// abstract datagram socket's name, a System V key and id, a mount that may only be read.
#include <dirent.h>
#include <sched.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <utime.h>

static void dump(const char *what, long fd) {
    char b[4096];
    long n = fd < 0 ? -1 : G(SYS_read, fd, b, sizeof b - 1);
    // Some files open for anybody and say nothing.
    tell(what, fd < 0 ? fd : n > 0 ? n : -1);
    if (n > 0) { b[n] = 0; for (int i = 0; i < n; i++) if (!b[i]) b[i] = ' '; printf("LEAK %s\n", b); }
    if (fd < 0) return;
    close(fd);
}

static void processes(pid_t pid, const char *whose) {
    char path[300], what[300];
    const char *files[] = {"mem", "environ", "maps", "smaps", "pagemap", "auxv", "stack", "syscall", "io", "personality", "map_files", "fdinfo", "fd", "root", "cwd", "exe", "ns/mnt", "task", 0};
    for (const char **f = files; *f; f++) {
        snprintf(path, sizeof path, "/proc/%d/%s", pid, *f);
        snprintf(what, sizeof what, "%s %s", whose, *f);
        long fd = G(SYS_open, path, O_RDONLY);
        // A directory of names says nothing yet; what is behind them is tried below.
        if (fd >= 0 && !strcmp(*f, "task")) { tell(what, -1); close(fd); } else dump(what, fd);
        snprintf(path, sizeof path, "/proc/%d/task/%d/%s", pid, pid, *f);
        if (strcmp(*f, "task")) dump(what, G(SYS_open, path, O_RDONLY));
        snprintf(path, sizeof path, "/proc/%d/%s", pid, *f);
        fd = G(SYS_open, path, O_WRONLY); tell(what, fd);
    }
    for (int i = 0; i < 64; i++) {
        snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, i);
        long fd = G(SYS_open, path, O_RDONLY);
        if (fd >= 0) dump("a descriptor", fd);
    }
    snprintf(path, sizeof path, "/proc/%d/root%s", pid, in("secret")); dump(path, G(SYS_open, path, O_RDONLY));
    snprintf(path, sizeof path, "/proc/%d/cwd/secret", pid); dump(path, G(SYS_open, path, O_RDONLY));
    char b[64]; struct iovec mine = {b, 64}, theirs = {(void *)0x400000, 64};
    tell("read memory", G(SYS_process_vm_readv, pid, &mine, 1, &theirs, 1, 0));
    tell("write memory", G(SYS_process_vm_writev, pid, &mine, 1, &theirs, 1, 0));
    tell("attach", G(SYS_ptrace, PTRACE_ATTACH, pid, 0, 0));
    tell("seize", G(SYS_ptrace, PTRACE_SEIZE, pid, 0, 0));
    for (int s = 1; s <= 64; s++) G(SYS_kill, pid, s);
    tell("kill", G(SYS_kill, pid, SIGKILL));
    tell("queue", G(SYS_rt_sigqueueinfo, pid, SIGTERM, b));
    long pidfd = G(434, pid, 0);
    tell("signal by descriptor", G(424, pidfd, SIGKILL, 0, 0));
    tell("take a descriptor", G(438, pidfd, 0, 0));
    tell("its memory's advice", G(440, pidfd, &mine, 1, 4, 0));
    tell("release its memory", G(448, pidfd, 0));
    tell("enter it", G(SYS_setns, pidfd, 0x20000));
    long limit[2] = {1, 1};
    tell("its limits", G(SYS_prlimit64, pid, RLIMIT_NOFILE, limit, 0));
    tell("nice", G(SYS_setpriority, PRIO_PROCESS, pid, 19));
    tell("nice group", G(SYS_setpriority, PRIO_PGRP, pid, 19));
    cpu_set_t cpus; CPU_ZERO(&cpus); CPU_SET(0, &cpus);
    tell("processors", G(SYS_sched_setaffinity, pid, sizeof cpus, &cpus));
    int zero = 0;
    tell("policy", G(SYS_sched_setscheduler, pid, SCHED_IDLE, &zero));
    tell("parameter", G(SYS_sched_setparam, pid, &zero));
    unsigned attributes[14] = {56, SCHED_IDLE};
    tell("attributes", G(SYS_sched_setattr, pid, attributes, 0));
    tell("disk priority", G(SYS_ioprio_set, 1, pid, 3 << 13));
    // Politely, and past the handler: the builder is asked, and proves whose it is.
    tell("politely nice", setpriority(PRIO_PROCESS, pid, 19));
    tell("polite processors", sched_setaffinity(pid, sizeof cpus, &cpus));
    tell("polite limits", prlimit(pid, RLIMIT_NOFILE, (void *)limit, 0));
    struct { long number, a[5]; const void *data; size_t length; } forged[] = {
        {SYS_setpriority, {PRIO_PROCESS, pid, 19}}, {SYS_setpriority, {PRIO_PGRP, pid, 19}},
        {SYS_setpriority, {PRIO_USER, 0, 19}}, {SYS_setpriority, {PRIO_PROCESS, 0, 19}},
        {SYS_sched_setaffinity, {pid}, &cpus, sizeof cpus}, {SYS_sched_setscheduler, {pid, SCHED_IDLE}, &zero, 4},
        {SYS_sched_setparam, {pid}, &zero, 4}, {SYS_sched_setattr, {pid}, attributes, 56},
        {SYS_ioprio_set, {1, pid, 3 << 13}}, {SYS_ioprio_set, {2, pid, 3 << 13}}, {SYS_ioprio_set, {3, 0, 3 << 13}},
        {SYS_prlimit64, {pid, RLIMIT_NOFILE}, limit, 16}, {SYS_prlimit64, {0, RLIMIT_NOFILE}, limit, 16},
        {SYS_prlimit64, {pid, RLIMIT_NOFILE}}, {SYS_prlimit64, {-pid, RLIMIT_NOFILE}}, {SYS_kill, {pid, SIGKILL}},
        {SYS_ptrace, {PTRACE_ATTACH, pid}}, {SYS_setpriority, {PRIO_PROCESS, pid + (1l << 32), 19}}, {SYS_sched_setattr, {1}, attributes, 56},
    };
    for (int i = 0; i < sizeof forged / sizeof *forged; i++) {
        long words[6] = {0}; memcpy(words, forged[i].a, sizeof forged[i].a);
        tell("forged schedule", ask(SCHEDULE, words, 48, forged[i].number, 0, forged[i].data, forged[i].length, 0, 0));
    }
    void *page = (void *)0x400000;
    tell("move pages", G(SYS_move_pages, pid, 1, &page, &zero, &zero, 0));
    tell("migrate pages", G(SYS_migrate_pages, pid, 64, &zero, &zero));
    tell("group", G(SYS_setpgid, pid, 0));
    tell("compare", G(SYS_kcmp, pid, getpid(), 0, 0, 0));
}

int main(int argc, char **argv) {
    dir = argv[1];
    pid_t kiln = atoi(argv[2]), victim = atoi(argv[3]);
    const char *name = argv[4], *mount = argv[7];
    key_t key = atoi(argv[5]); int id = atoi(argv[6]);
    char b[4096] = {0}, path[300];
    open_gate();

    processes(kiln, "kiln");
    processes(victim, "victim");
    processes(getppid(), "first process");
    tell("nice everybody", G(SYS_setpriority, PRIO_USER, 0, 19));
    tell("nice everybody politely", setpriority(PRIO_USER, 0, 19));
    tell("everybody's disk priority", G(SYS_ioprio_set, 3, 0, 3 << 13));

    // Datagram sockets of the pod's.
    struct sockaddr_un at = {AF_UNIX}; strcpy(at.sun_path, in("datagrams"));
    int s = socket(AF_UNIX, SOCK_DGRAM, 0); struct iovec v = {"x", 1};
    struct msghdr m = {&at, sizeof at, &v, 1}; struct mmsghdr many[1] = {{m}};
    tell("datagram", sendto(s, "x", 1, 0, (void *)&at, sizeof at));
    tell("datagram past the handler", G(SYS_sendto, s, "x", 1, 0, &at, sizeof at));
    tell("message", sendmsg(s, &m, 0));
    tell("message past the handler", G(SYS_sendmsg, s, &m, 0));
    tell("messages", sendmmsg(s, many, 1, 0));
    tell("messages past the handler", G(SYS_sendmmsg, s, many, 1, 0));
    tell("connect past the handler", G(SYS_connect, s, &at, sizeof at));
    int target = G(SYS_open, in("datagrams"), O_PATH), secret = G(SYS_open, in("secret"), O_PATH);
    int link = G(SYS_open, in("link"), O_PATH | O_NOFOLLOW), folder = G(SYS_open, in(""), O_PATH | O_DIRECTORY);
    tell("forged message", ask(SEND, 0, 0, 0, 1, "x", 1, (int[]){s, target}, 2));
    tell("forged connection", ask(CONNECT, 0, 0, 0, 1, 0, 0, (int[]){s, target}, 2));
    tell("forged address", ask(SEND, &at, sizeof at, 0, 0, "x", 1, &s, 1));
    tell("forged connection by address", ask(CONNECT, &at, 110, 0, 0, 0, 0, &s, 1));
    snprintf(at.sun_path, sizeof at.sun_path, "/proc/self/fd/%d", target);
    tell("by descriptor", G(SYS_sendto, s, "x", 1, 0, &at, sizeof at));
    memset(at.sun_path, 0, sizeof at.sun_path); strcpy(at.sun_path + 1, name);
    socklen_t length = 3 + strlen(name);
    tell("abstract", sendto(s, "x", 1, 0, (void *)&at, length));
    tell("abstract past the handler", G(SYS_sendto, s, "x", 1, 0, &at, length));
    m.msg_namelen = length;
    tell("abstract message past the handler", G(SYS_sendmsg, s, &m, 0));
    tell("abstract connection", connect(s, (void *)&at, length));
    tell("abstract connection past the handler", G(SYS_connect, s, &at, length));
    tell("abstract, forged", ask(SEND, &at, length, 0, 0, "x", 1, &s, 1));
    tell("abstract connection, forged", ask(CONNECT, &at, length, 0, 0, 0, 0, &s, 1));

    // The builder as a deputy.
    tell("forged mode", ask(MODE, 0, 0, 0777, 0, 0, 0, &secret, 1));
    tell("forged times", ask(TIMES, (long[]){1, 1, 1, 1}, 32, 0, 0, 0, 0, &secret, 1));
    tell("forged link times", ask(LINK_TIMES, (long[]){1, 1, 1, 1}, 32, 0, 0, 0, 0, &link, 1));
    tell("forged times of no link", ask(LINK_TIMES, 0, 0, 0, 0, 0, 0, &secret, 1));
    tell("forged attribute", ask(SET_XATTR, 0, 0, 0, 0, "user.x\0y", 8, &secret, 1));
    tell("forged removal", ask(REMOVE_XATTR, 0, 0, 0, 0, "user.keep", 10, &secret, 1));
    int watcher = inotify_init1(IN_NONBLOCK);
    tell("watch", inotify_add_watch(watcher, in(""), IN_ALL_EVENTS));
    tell("watch past the handler", G(SYS_inotify_add_watch, watcher, in(""), IN_ALL_EVENTS));
    tell("forged watch", ask(WATCH, 0, 0, IN_ALL_EVENTS, 0, 0, 0, (int[]){watcher, folder}, 2));
    tell("fanotify", G(SYS_fanotify_init, 0x200, 0));
    for (unsigned kind = 0; kind < 20; kind++) ask(kind, b, 128, -1, kind & 1, b, kind * 100, (int[]){0, 1, 2, s, secret, folder, 900, 902}, kind % 9);
    tell("unknown request", ask(99, 0, 0, 0, 0, 0, 0, &s, 1));
    tell("nonsense", (G(SYS_sendto, 904, "abc", 3, 0, 0, 0), ask(MODE, b, 200, 0, 0, 0, 0, &s, 1)));
    tell("not its files", ask(MODE, 0, 0, 0777, 0, 0, 0, (int[]){901}, 1));

    // Who answers: kiln itself, by the builder's connection.
    int listener = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un own = {AF_UNIX, "/tmp/own"};
    bind(listener, (void *)&own, sizeof own); listen(listener, 1); connect(client, (void *)&own, sizeof own);
    int peer = accept(listener, 0, 0), pidfd = -1; socklen_t size = sizeof pidfd;
    if (getsockopt(peer, SOL_SOCKET, 77, &pidfd, &size) == 0) {
        tell("kill the peer", G(424, pidfd, SIGKILL, 0, 0));
        tell("the peer's descriptor", G(438, pidfd, 0, 0));
        tell("the peer's name space", G(SYS_setns, pidfd, 0x20000));
        tell("the peer's mounts", G(SYS_setns, ioctl(pidfd, 0xff03, 0), 0x20000));
    }

    // System V objects.
    tell("segment", G(SYS_shmget, key, 4096, 0600));
    char *segment = (char *)G(SYS_shmat, id, 0, 0);
    if ((long)segment > 0) { printf("LEAK %s\n", segment); strcpy(segment, "overwritten"); }
    tell("attach segment", -((long)segment <= 0));
    tell("remove segment", G(SYS_shmctl, id, IPC_RMID, 0));
    tell("semaphore", G(SYS_semget, key, 1, 0600 | IPC_CREAT));
    tell("queue", G(SYS_msgget, key, 0600 | IPC_CREAT));
    tell("posix queue", G(SYS_mq_open, "x", O_RDWR | O_CREAT, 0600, 0));

    // What may only be read.
    snprintf(path, sizeof path, "%s/kept", mount);
    int kept = open(path, O_RDONLY);
    tell("it can be read", -(kept >= 0 && read(kept, b, 5) == 5));
    struct timespec then[2] = {{1, 0}, {1, 0}};
    tell("mode of an open file", G(SYS_fchmod, kept, 0777));
    tell("times of an open file", G(SYS_utimensat, kept, 0, then, 0));
    tell("attribute of an open file", G(SYS_fsetxattr, kept, "user.x", "y", 1, 0));
    tell("removal", G(SYS_fremovexattr, kept, "user.keep"));
    tell("owner", G(SYS_fchown, kept, getuid(), -1));
    tell("forged", ask(MODE, 0, 0, 0777, 0, 0, 0, &kept, 1));
    tell("forged time", ask(TIMES, 0, 0, 0, 0, 0, 0, &kept, 1));
    tell("forged attribute", ask(SET_XATTR, 0, 0, 0, 0, "user.x\0y", 8, &kept, 1));
    tell("politely", chmod(path, 0777));
    tell("politely open", fchmod(kept, 0777));
    tell("polite times", utimes(path, 0));
    tell("polite attribute", setxattr(path, "user.x", "y", 1, 0));
    snprintf(path, sizeof path, "/proc/self/fd/%d", kept);
    tell("opened again", G(SYS_open, path, O_WRONLY));
    tell("cut", G(SYS_ftruncate, kept, 0));
    tell("linked", G(SYS_linkat, AT_FDCWD, path, 900, "tmp/kept", AT_SYMLINK_FOLLOW));
    snprintf(path, sizeof path, "%s/kept", mount);
    tell("renamed", rename(path, "/tmp/kept"));
    tell("removed", unlink(path));
    tell("shared for writing", -(G(SYS_mmap, 0, 4096, PROT_WRITE, MAP_SHARED, kept, 0) > 0 ? 0 : 1));
    // Its own files it may change, though by the builder.
    int mine = open("/tmp/mine", O_CREAT | O_RDWR, 0600); struct stat st;
    printf("own mode %d\n", fchmod(mine, 0640) == 0 && fstat(mine, &st) == 0 && (st.st_mode & 0777) == 0640);
    printf("own times %d\n", futimens(mine, then) == 0 && fstat(mine, &st) == 0 && st.st_mtime == 1);

    // What the runner hands to every process of the step.
    for (int fd = 900; fd < 940; fd++) {
        if (fd == 902 || fd == 904 || fd == 905) continue;
        long copy = G(SYS_dup, fd);
        if (copy < 0) continue;
        if (G(SYS_pwrite64, copy, "x", 1, 0) > 0 || G(SYS_ftruncate, copy, 0) == 0) printf("LEAK wrote to %d\n", fd);
        snprintf(path, sizeof path, "/proc/self/fd/%ld", copy);
        if ((fd == 901 || fd == 903) && G(SYS_open, path, O_RDWR) >= 0) {
            long again = G(SYS_open, path, O_RDWR);
            if (G(SYS_pwrite64, again, "x", 1, 0) > 0) printf("LEAK wrote to %d\n", fd);
        }
        if (fd > 905) dump("above a mount", G(SYS_openat, fd, "../secret", O_RDONLY));
        close(copy);
    }
    // A program from memory, past the loader.
    if (fork() == 0) {
        int memory = memfd_create("x", 0), cat = open("/bin/cat", O_RDONLY);
        char block[65536]; long n;
        while ((n = read(cat, block, sizeof block)) > 0) write(memory, block, n);
        char *arguments[] = {"cat", in("secret"), 0};
        G(SYS_execveat, memory, "", arguments, 0, AT_EMPTY_PATH);
        _exit(1);
    }
    wait(0);
    tell("everybody", G(SYS_kill, -victim, SIGKILL));
    printf("tries %d\n", tries);
    return 0;
}
