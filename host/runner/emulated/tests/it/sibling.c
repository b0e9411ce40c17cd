// Another step of the same builder. argv: the other step's rootfs, a process of its, a child of that,
// its System V segment, set and queue, its terminal.
#include <dirent.h>
#include <sys/inotify.h>
#include <sys/msg.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/uio.h>
static void dump(const char *what, long fd) {
    char b[256];
    long n = fd < 0 ? -1 : G(SYS_read, fd, b, sizeof b - 1);
    // A kernel thread's memory opens, and is empty.
    tell(what, fd < 0 ? fd : n > 0 ? n : -1);
    if (n > 0) { b[n] = 0; printf("LEAK %s\n", b); }
    if (fd >= 0) close(fd);
}

static void files(void) {
    char path[600];
    strcpy(path, in("secret"));
    dump("its file", G(SYS_open, path, O_RDONLY));
    dump("politely", open(path, O_RDONLY));
    tell("write its file", G(SYS_open, path, O_WRONLY | O_APPEND));
    tell("unlink its file", G(SYS_unlink, path));
    tell("rename its file", G(SYS_rename, path, "/tmp/x"));
    tell("exchange its file", G(SYS_renameat2, -100, path, 900, "etc/passwd", 2));
    tell("replace its file", G(SYS_renameat2, 900, "etc/group", -100, path, 0));
    tell("link its file", G(SYS_link, path, "/tmp/x"));
    tell("link into it", G(SYS_linkat, 900, "etc/passwd", -100, in("linked"), 0));
    tell("cut its file", G(SYS_truncate, path, 0));
    tell("its file's attributes", G(SYS_listxattr, path, path + 500, 64));
    long file = G(SYS_open, path, O_PATH), folder = G(SYS_open, dir, O_PATH | O_DIRECTORY);
    int fd = file, watcher = inotify_init1(O_NONBLOCK);
    tell("its mode", ask(MODE, 0, 0, 0777, 0, 0, 0, &fd, 1));
    tell("its times", ask(TIMES, 0, 0, 0, 0, 0, 0, &fd, 1));
    tell("an attribute", ask(SET_XATTR, 0, 0, 0, 0, "user.x\0y", 8, &fd, 1));
    tell("watch it", ask(WATCH, 0, 0, 1, 0, 0, 0, (int[]){watcher, folder}, 2));
    tell("by its directory", G(SYS_openat, folder, "secret", O_RDONLY));
    snprintf(path, sizeof path, "/proc/self/fd/%ld", file);
    dump("its open file", G(SYS_open, path, O_RDONLY));
    dump("list it", G(SYS_open, dir, O_RDONLY | O_DIRECTORY));
    tell("a new file", G(SYS_open, in("new"), O_CREAT | O_WRONLY, 0600));
    const char *names[] = {"../ledger", "..", "../..", "../step-0", 0};
    for (const char **n = names; *n; n++) {
        dump(*n, G(SYS_open, in(*n), O_RDONLY));
        tell(*n, G(SYS_open, in(*n), O_RDWR));
    }
    dump("its shared memory", open("/dev/shm/canary", O_RDONLY));
    dump("the pod's shared memory", G(SYS_open, "/dev/shm/canary", O_RDONLY));
}

static void processes(pid_t pid, pid_t child) {
    char path[600], b[64];
    // Every one that is not ours.
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
    for (int fd = 0; fd < 920; fd++) {
        if (fd == 32) fd = 900;
        snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, fd);
        tell("its descriptor", G(SYS_open, path, O_RDWR));
        tell("its descriptor's name", G(SYS_readlink, path, b, sizeof b));
        dump("its descriptor politely", open(path, O_RDONLY));
    }
    long pidfd = G(434, pid, 0);
    struct iovec mine = {b, 64}, theirs = {(void *)0x700000000000, 64};
    struct rlimit limit = {16, 16};
    cpu_set_t one; CPU_ZERO(&one); CPU_SET(0, &one);
    for (int i = 0; i < 2; i++) {
        pid_t whom = i ? child : pid;
        tell("kill", G(SYS_kill, whom, SIGKILL));
        tell("kill politely", kill(whom, SIGTERM));
        tell("stop", G(SYS_kill, whom, SIGSTOP));
        tell("its group", G(SYS_kill, -whom, SIGKILL));
        tell("its thread", G(SYS_tgkill, whom, whom, SIGKILL));
        tell("queue", G(SYS_rt_sigqueueinfo, whom, SIGKILL, b));
        tell("attach", G(SYS_ptrace, PTRACE_ATTACH, whom, 0, 0));
        tell("attach politely", ptrace(PTRACE_ATTACH, whom, 0, 0));
        tell("read memory", G(SYS_process_vm_readv, whom, &mine, 1, &theirs, 1, 0));
        tell("write memory", G(SYS_process_vm_writev, whom, &mine, 1, &theirs, 1, 0));
        tell("nice", G(SYS_setpriority, 0, whom, 19));
        tell("nice politely", setpriority(PRIO_PROCESS, whom, 19));
        tell("limits", G(SYS_prlimit64, whom, 7, &limit, 0));
        tell("limits politely", prlimit(whom, 7, &limit, 0));
        tell("processors", G(SYS_sched_setaffinity, whom, sizeof one, &one));
        tell("processors politely", sched_setaffinity(whom, sizeof one, &one));
    }
    tell("take a descriptor", G(438, pidfd, 1, 0));
    tell("take its root", G(438, pidfd, 900, 0));
    tell("signal", G(424, pidfd, SIGKILL, 0, 0));
    tell("enter", G(SYS_setns, pidfd, 0x20000));
}

static void sockets(void) {
    int s = socket(AF_UNIX, SOCK_STREAM, 0), d = socket(AF_UNIX, SOCK_DGRAM, 0);
    struct sockaddr_un at = {AF_UNIX};
    const char *paths[] = {"socket", "datagrams", 0};
    for (const char **p = paths; *p; p++) {
        int target = G(SYS_open, in(*p), O_PATH);
        snprintf(at.sun_path, sizeof at.sun_path, "/proc/self/fd/%d", target);
        tell("connect by descriptor", G(SYS_connect, s, &at, sizeof at));
        tell("send by descriptor", G(SYS_sendto, d, "x", 1, 0, &at, sizeof at));
        tell("connect politely", connect(s, (void *)&at, sizeof at));
        tell("send politely", sendto(d, "x", 1, 0, (void *)&at, sizeof at));
        tell("connect by the builder", ask(CONNECT, 0, 0, 0, 1, 0, 0, (int[]){s, target}, 2));
        tell("send by the builder", ask(SEND, 0, 0, 0, 1, "x", 1, (int[]){d, target}, 2));
        tell("pass a descriptor", ask(SEND, 0, 0, 0, 1, "x", 1, (int[]){d, target, 900}, 3));
    }
    // By what it calls them, and by what they are called in the pod.
    char names[32][110]; int count = 0;
    strcpy(names[count++], "quiet-streams"); strcpy(names[count++], "quiet-datagrams");
    FILE *table = fdopen(G(SYS_open, "/proc/self/net/unix", O_RDONLY), "r"); char line[300];
    while (table && count < 32 && fgets(line, sizeof line, table)) {
        char *name = strchr(line, '@');
        if (!name || !strstr(name, "quiet-")) continue;
        name[strcspn(name, "\n")] = 0;
        strncpy(names[count++], name + 1, 109);
    }
    printf("names %d\n", count);
    for (int i = 0; i < count; i++) {
        memset(&at, 0, sizeof at); at.sun_family = AF_UNIX; strcpy(at.sun_path + 1, names[i]);
        socklen_t length = 3 + strlen(names[i]);
        tell("abstract", G(SYS_connect, s, &at, length));
        tell("abstract politely", connect(s, (void *)&at, length));
        tell("abstract by the builder", ask(CONNECT, &at, length, 0, 0, 0, 0, &s, 1));
        tell("abstract datagram", G(SYS_sendto, d, "x", 1, 0, &at, length));
        tell("abstract datagram politely", sendto(d, "x", 1, 0, (void *)&at, length));
        tell("abstract datagram by the builder", ask(SEND, &at, length, 0, 0, "x", 1, &d, 1));
    }
}

int main(int argc, char **argv) {
    open_gate();
    dir = argv[1];
    char path[600], b[64];
    files();
    processes(atoi(argv[2]), atoi(argv[3]));
    sockets();
    int segment = atoi(argv[4]), set = atoi(argv[5]), queue = atoi(argv[6]);
    struct sembuf up = {0, 1, IPC_NOWAIT};
    struct { long type; char text[16]; } message = {1};
    tell("its segment", shmget(0x5151, 0, 0));
    tell("its segment by number", (long)shmat(segment, 0, 0) == -1 ? -1 : 1);
    tell("remove it", shmctl(segment, IPC_RMID, 0));
    tell("its semaphore", semget(0x5151, 0, 0));
    tell("its semaphore by number", semop(set, &up, 1));
    tell("its queue", msgget(0x5151, 0));
    tell("its message", msgrcv(queue, &message, 16, 0, IPC_NOWAIT));
    tell("a message", msgsnd(queue, &message, 16, IPC_NOWAIT));
    tell("past the handler", G(SYS_shmat, segment, 0, 0));
    tell("message past the handler", G(SYS_msgrcv, queue, &message, 16, 0, IPC_NOWAIT));
    snprintf(path, sizeof path, "/dev/pts/%s", argv[7]);
    int number = atoi(argv[7]);
    tell("its terminal", G(SYS_open, path, O_RDWR | O_NOCTTY));
    tell("its terminal politely", open(path, O_RDWR | O_NOCTTY));
    tell("its terminal by the builder", ask(9, &number, 4, O_RDWR, 0, 0, 0, 0, 0));
    printf("tries %d\n", tries);
    return 0;
}
