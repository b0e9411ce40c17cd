// Another step of the same builder. argv: its rootfs, a process of it.
#include <dirent.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
static void dump(const char *what, long fd) {
    char b[256];
    long n = fd < 0 ? -1 : G(SYS_read, fd, b, sizeof b - 1);
    // A kernel thread's memory opens, and is empty.
    tell(what, fd < 0 ? fd : n > 0 ? n : -1);
    if (n > 0) { b[n] = 0; printf("LEAK %s\n", b); }
    if (fd >= 0) close(fd);
}
int main(int argc, char **argv) {
    open_gate();
    char path[600]; pid_t pid = atoi(argv[2]);
    snprintf(path, sizeof path, "%s/secret", argv[1]);
    dump("its file", G(SYS_open, path, O_RDONLY));
    dump("politely", open(path, O_RDONLY));
    tell("write its file", G(SYS_open, path, O_WRONLY | O_APPEND));
    tell("unlink its file", G(SYS_unlink, path));
    tell("rename its file", G(SYS_rename, path, "/tmp/x"));
    tell("link its file", G(SYS_link, path, "/tmp/x"));
    tell("cut its file", G(SYS_truncate, path, 0));
    long file = G(SYS_open, path, O_PATH);
    int fd = file;
    tell("its mode", ask(MODE, 0, 0, 0777, 0, 0, 0, &fd, 1));
    snprintf(path, sizeof path, "/proc/self/fd/%ld", file);
    dump("its open file", G(SYS_open, path, O_RDONLY));
    dump("list it", G(SYS_open, argv[1], O_RDONLY | O_DIRECTORY));
    snprintf(path, sizeof path, "%s/new", argv[1]);
    tell("a new file", G(SYS_open, path, O_CREAT | O_WRONLY, 0600));
    const char *names[] = {"../ledger", "..", "../..", "../step-0", 0};
    for (const char **n = names; *n; n++) {
        snprintf(path, sizeof path, "%s/%s", argv[1], *n);
        dump(*n, G(SYS_open, path, O_RDONLY));
        tell(*n, G(SYS_open, path, O_RDWR));
    }
    // Its processes: every one that is not ours.
    DIR *proc = opendir("/proc"); struct dirent *e; int seen = 0;
    while ((e = readdir(proc))) {
        int other = atoi(e->d_name);
        if (other <= 1 || other == getpid()) continue;
        seen++;
        const char *files[] = {"environ", "mem", "maps", "root", "cwd", "fd", 0};
        for (const char **f = files; *f; f++) {
            snprintf(path, sizeof path, "/proc/%d/%s", other, *f);
            dump(*f, G(SYS_open, path, O_RDONLY));
        }
        snprintf(path, sizeof path, "/proc/%d/root/secret", other);
        dump("through its root", G(SYS_open, path, O_RDONLY));
    }
    printf("processes seen %d\n", seen > 2);
    tell("kill", G(SYS_kill, pid, SIGKILL));
    tell("stop", G(SYS_kill, pid, SIGSTOP));
    tell("attach", G(SYS_ptrace, PTRACE_ATTACH, pid, 0, 0));
    char b[64]; struct iovec mine = {b, 64}, theirs = {(void *)0x700000000000, 64};
    tell("read memory", G(SYS_process_vm_readv, pid, &mine, 1, &theirs, 1, 0));
    long pidfd = G(434, pid, 0);
    tell("take a descriptor", G(438, pidfd, 1, 0));
    tell("signal", G(424, pidfd, SIGKILL, 0, 0));
    tell("nice", G(SYS_setpriority, 0, pid, 19));
    printf("tries %d\n", tries);
    return 0;
}
