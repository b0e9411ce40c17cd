// What a step would steal first: a service account's token, registry credentials, kiln's program. argv:
// kiln's pid, a victim's pid, paths. For each path every way to it, past the handler and politely.
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/sendfile.h>

static const char *whose;
static void attempt(const char *what, long result) {
    char line[600];
    snprintf(line, sizeof line, "%s %s", whose, what);
    tell(line, result);
}
static void dump(const char *what, long fd) {
    char b[256];
    long n = fd < 0 ? -1 : G(SYS_read, fd, b, sizeof b - 1);
    attempt(what, fd < 0 ? fd : n > 0 ? n : -1);
    if (n > 0) { b[n] = 0; printf("LEAK %s\n", b); }
    if (fd >= 0) close(fd);
}
// A child's exit: what it says of a descriptor, or of a program that is not to start.
static void in_child(const char *what, void (*work)(void *), void *arguments) {
    fflush(stdout);
    int status = 0, child = fork();
    if (child == 0) { work(arguments); _exit(0); }
    waitpid(child, &status, 0);
    attempt(what, -(status == 0));
}

struct program { long directory; const char *name; int flags; };
static void execute(void *given) {
    struct program *p = given;
    char *arguments[] = {"x", 0};
    G(SYS_execveat, p->directory, p->name, arguments, 0, p->flags);
}
static void execute_politely(void *path) { execl(path, "x", NULL); }

// Another user of the image's, who is handed the file from a process of root's.
static void receive(void *given) {
    char b[64], path[64], space[CMSG_SPACE(sizeof(int))];
    struct iovec v = {b, 1};
    struct msghdr m = {0, 0, &v, 1, space, sizeof space};
    setgid(1000); setuid(1000);
    if (recvmsg(*(int *)given, &m, MSG_DONTWAIT) != 1 || !CMSG_FIRSTHDR(&m)) _exit(2);
    int file; memcpy(&file, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof file);
    if (read(file, b, 1) > 0 || G(SYS_read, file, b, 1) > 0) _exit(1);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    if (open(path, O_RDONLY) >= 0 || G(SYS_open, path, O_RDONLY) >= 0) _exit(1);
    if (G(SYS_mmap, 0, 4096, PROT_READ, MAP_PRIVATE, file, 0) > 0) _exit(1);
}
static void pass_on(long file) {
    int pair[2];
    socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
    char space[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec v = {"x", 1};
    struct msghdr m = {0, 0, &v, 1, space, sizeof space};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET; c->cmsg_type = SCM_RIGHTS; c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &(int){file}, sizeof(int));
    if (sendmsg(pair[0], &m, 0) != 1) { attempt("not passed on", 1); return; }
    in_child("passed on", receive, &pair[1]);
    close(pair[0]); close(pair[1]);
}

// Names of ours that become links to the secret and back, while others go through them.
static char race[64], other[64];
static const char *target;
static void *swap(void *unused) {
    unlink(other); symlink(target, other);
    for (int i = 0; i < 3000; i++) G(SYS_renameat2, AT_FDCWD, race, AT_FDCWD, other, RENAME_EXCHANGE);
    return 0;
}
static char racing[512];
static void *flip(void *unused) {
    for (int i = 0; i < 20000; i++) { strcpy(racing, target); strcpy(racing, "/etc/passwd"); }
    return 0;
}
static void races(void) {
    pthread_t t; long got = -1;
    char own[600], b[64];
    snprintf(race, sizeof race, "/tmp/race%d", getuid());
    snprintf(other, sizeof other, "/tmp/other%d", getuid());
    close(open(race, O_CREAT | O_WRONLY, 0600));
    pthread_create(&t, 0, swap, 0);
    for (int i = 0; i < 1000; i++) {
        int fd = open(race, O_RDWR);
        if (fd >= 0 && read(fd, b, sizeof b) > 0) got = 1;
        if (fd >= 0) close(fd);
        chmod(race, 0640); chown(race, -1, getgid()); utimes(race, 0); truncate(race, 0); link(race, "/tmp/linked");
        unlink("/tmp/linked");
    }
    pthread_join(t, 0);
    attempt("a race of links", got);
    got = -1;
    pthread_create(&t, 0, flip, 0);
    for (int i = 0; i < 1000; i++) {
        int fd = G(SYS_open, racing, O_RDONLY);
        if (fd >= 0) got = 1, close(fd);
        link(racing, "/tmp/linked");
        unlink("/tmp/linked");
        if (setxattr(racing, "user.x", "y", 1, 0) == 0) removexattr(racing, "user.x");
    }
    pthread_join(t, 0);
    attempt("a race of words", got);
}

int main(int argc, char **argv) {
    pid_t kiln = atoi(argv[1]), victim = atoi(argv[2]);
    char path[1200], b[512];
    open_gate();
    for (int at = 3; at < argc; at++) {
        const char *secret = argv[at];
        char folder[600]; strcpy(folder, secret); *strrchr(folder, '/') = 0;
        const char *name = strrchr(secret, '/') + 1;
        whose = name; target = secret;
        dump("politely", open(secret, O_RDONLY));
        dump("opened", G(SYS_open, secret, O_RDONLY));
        attempt("opened to write", G(SYS_open, secret, O_WRONLY | O_APPEND));
        attempt("emptied by opening", G(SYS_open, secret, O_WRONLY | O_TRUNC));
        attempt("truncated", G(SYS_truncate, secret, 0));
        long file = G(SYS_open, secret, O_PATH), directory = G(SYS_open, folder, O_PATH | O_DIRECTORY);
        snprintf(path, sizeof path, "/proc/self/fd/%ld", file);
        dump("opened again", G(SYS_open, path, O_RDONLY));
        dump("opened again politely", open(path, O_RDONLY));
        dump("by its directory", G(SYS_openat, directory, name, O_RDONLY));
        dump("by its directory politely", openat(directory, name, O_RDONLY));
        struct { unsigned long flags, mode, resolve; } how = {O_RDONLY, 0, 0x08};
        dump("beneath its directory", G(437, directory, name, &how, sizeof how));
        dump("its directory listed", G(SYS_open, folder, O_RDONLY | O_DIRECTORY));
        attempt("a name in its directory", G(SYS_openat, directory, "made", O_CREAT | O_WRONLY, 0600));
        const char *through[] = {"root", "cwd/../../../../../../../..", "task/%d/root", 0};
        for (const char **t = through; *t; t++) for (int i = 0; i < 4; i++) {
            int pid = (int[]){kiln, victim, getppid(), 1}[i];
            char what[64], inner[64];
            snprintf(inner, sizeof inner, *t, pid);
            snprintf(path, sizeof path, "/proc/%d/%s%s", pid, inner, secret);
            snprintf(what, sizeof what, "through %d's %s", i, inner);
            dump(what, G(SYS_open, path, O_RDONLY));
            dump(what, open(path, O_RDONLY));
        }
        snprintf(path, sizeof path, "/proc/self/root%s", secret);
        dump("through our root", G(SYS_open, path, O_RDONLY));
        dump("through our root politely", open(path, O_RDONLY));
        unlink("/tmp/symbolic"); symlink(secret, "/tmp/symbolic");
        dump("through a link", open("/tmp/symbolic", O_RDONLY));
        dump("through a link past the handler", G(SYS_openat, 900, "tmp/symbolic", O_RDONLY));
        attempt("linked", G(SYS_linkat, AT_FDCWD, secret, 900, "tmp/hard", AT_SYMLINK_FOLLOW));
        attempt("linked politely", link(secret, "/tmp/hard"));
        attempt("linked by its descriptor", G(SYS_linkat, file, "", 900, "tmp/hard", AT_EMPTY_PATH));
        attempt("linked by its descriptor's name", (snprintf(path, sizeof path, "/proc/self/fd/%ld", file), G(SYS_linkat, AT_FDCWD, path, 900, "tmp/hard", AT_SYMLINK_FOLLOW)));
        attempt("moved", G(SYS_renameat2, AT_FDCWD, secret, 900, "tmp/moved", 0));
        attempt("replaced", G(SYS_renameat2, 900, "etc/passwd", AT_FDCWD, secret, 0));
        attempt("exchanged", G(SYS_renameat2, 900, "etc/passwd", AT_FDCWD, secret, RENAME_EXCHANGE));
        attempt("removed", G(SYS_unlink, secret));
        attempt("its mode", G(SYS_chmod, secret, 0777));
        attempt("its times", G(SYS_utimensat, AT_FDCWD, secret, 0, 0));
        attempt("its attributes", G(SYS_listxattr, secret, b, sizeof b));
        attempt("an attribute", G(SYS_getxattr, secret, "user.keep", b, sizeof b));
        attempt("watched", G(SYS_inotify_add_watch, inotify_init(), secret, 1));
        attempt("watched by all", G(SYS_fanotify_mark, 900, 1, 1, AT_FDCWD, secret));
        attempt("mapped", -(G(SYS_mmap, 0, 4096, PROT_READ, MAP_PRIVATE, file, 0) < 0));
        int mine = open("/tmp/copy", O_CREAT | O_RDWR, 0600);
        attempt("sent", G(SYS_sendfile, mine, file, 0, 4096));
        attempt("copied", G(SYS_copy_file_range, file, 0, mine, 0, 4096, 0));
        attempt("cloned", G(SYS_ioctl, mine, FICLONE, file));
        int pipes[2]; pipe(pipes);
        attempt("spliced", G(SYS_splice, file, 0, pipes[1], 0, 4096, 0));
        attempt("read by its descriptor", G(SYS_pread64, file, b, sizeof b, 0));
        attempt("read ahead", G(SYS_readahead, file, 0, 4096));
        attempt("its handle", G(SYS_name_to_handle_at, file, "", b, b, AT_EMPTY_PATH));
        attempt("its handle opened", G(SYS_open_by_handle_at, directory, b, O_RDONLY));
        attempt("mounted", G(SYS_mount, secret, "/tmp/copy", 0, 4096, 0));
        attempt("its tree", G(428, AT_FDCWD, secret, 1));
        attempt("its tree's attributes", G(467, AT_FDCWD, secret, 1, b, 32));
        attempt("its mount", G(457, b, b, sizeof b, 0));
        attempt("mounts listed", G(458, b, b, 8, 0));
        attempt("its attributes, newly", G(464, file, "", AT_EMPTY_PATH, "user.keep", b, 16));
        attempt("its flags", G(468, file, "", b, 24, AT_EMPTY_PATH));
        attempt("its flags set", G(469, file, "", b, 24, AT_EMPTY_PATH));
        attempt("cached pages", G(451, file, b, b, 0));
        attempt("accounting", G(SYS_acct, secret));
        attempt("swap", G(SYS_swapon, secret, 0));
        attempt("a module", G(SYS_finit_module, file, "", 0));
        attempt("a kernel", G(320, file, file, 0, "", 0));
        attempt("quota", G(443, file, 0, 0, b));
        attempt("chroot", G(SYS_chroot, folder));
        attempt("root", G(SYS_pivot_root, folder, folder));
        struct sockaddr_un at_secret = {AF_UNIX};
        strncpy(at_secret.sun_path, secret, sizeof at_secret.sun_path - 1);
        int s = socket(AF_UNIX, SOCK_STREAM, 0);
        attempt("connected", G(SYS_connect, s, &at_secret, sizeof at_secret));
        attempt("bound", G(SYS_bind, s, &at_secret, sizeof at_secret));
        int fds[] = {file, directory};
        attempt("its mode, by the builder", ask(MODE, 0, 0, 0777, 0, 0, 0, fds, 1));
        attempt("its times, by the builder", ask(TIMES, 0, 0, 0, 0, 0, 0, fds, 1));
        attempt("an attribute, by the builder", ask(SET_XATTR, 0, 0, 0, 0, "user.x\0y", 8, fds, 1));
        attempt("a connection, by the builder", ask(CONNECT, 0, 0, 0, 1, 0, 0, (int[]){s, file}, 2));
        attempt("a watch, by the builder", ask(WATCH, 0, 0, 1, 0, 0, 0, (int[]){inotify_init(), directory}, 2));
        attempt("its text, by the builder", ask(10, 0, 0, 0, 0, b, 200, fds, 1));
        in_child("executed", execute, &(struct program){AT_FDCWD, secret, 0});
        in_child("executed by its descriptor", execute, &(struct program){file, "", AT_EMPTY_PATH});
        in_child("executed by its directory", execute, &(struct program){directory, name, 0});
        in_child("executed politely", execute_politely, (void *)secret);
        int script = open("/tmp/script", O_CREAT | O_TRUNC | O_WRONLY, 0700);
        dprintf(script, "#!%s\n", secret); close(script);
        in_child("as an interpreter", execute_politely, "/tmp/script");
        pass_on(file);
        races();
        close(file); close(directory); close(mine); close(s);
    }
    // kiln itself.
    whose = "kiln";
    const char *links[] = {"exe", "cwd", "root", "fd/0", "fd/1", "fd/3", "ns/net", "map_files", 0};
    for (const char **l = links; *l; l++) {
        snprintf(path, sizeof path, "/proc/%d/%s", kiln, *l);
        attempt(*l, G(SYS_readlink, path, b, sizeof b));
        attempt(*l, readlink(path, b, sizeof b) < 0 ? -1 : 1);
        dump(*l, G(SYS_open, path, O_RDONLY));
        struct stat st;
        if (strcmp(*l, "map_files")) attempt(*l, G(SYS_stat, path, &st));
        in_child(*l, execute, &(struct program){AT_FDCWD, path, 0});
    }
    char own[2]; struct stat st;
    printf("own 1 %d\n", readlink("/proc/self/exe", own, 2) > 0);
    printf("tries %d\n", tries);
    return 0;
}
