// What the builder sends, watches and connects for a step works as without it. Prints what fails.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int failed;
#define CHECK(what, good) do { if (!(good)) { printf("failed: %s (%s)\n", what, strerror(errno)); failed = 1; } } while (0)

static char got[100000];
static ssize_t take(int fd) { return recv(fd, got, sizeof got, 0); }
static socklen_t named(struct sockaddr_un *a, const char *name, size_t length) {
    memset(a, 0, sizeof *a); a->sun_family = AF_UNIX; memcpy(a->sun_path, name, length);
    return sizeof a->sun_family + length;
}
static void *consume(void *fd) {
    long total = 0; ssize_t n;
    while ((n = read(*(int *)fd, got, 4096)) > 0) total += n;
    return (void *)total;
}
static void *idle(void *unused) { sleep(1000); return 0; }
static int piped;
static void on_pipe(int s) { piped = 1; }

int main(void) {
    // UDP.
    int server = socket(AF_INET, SOCK_DGRAM, 0), client = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in to = {AF_INET, 0, {htonl(INADDR_LOOPBACK)}}; socklen_t size = sizeof to;
    bind(server, (void *)&to, sizeof to); getsockname(server, (void *)&to, &size);
    CHECK("sendto", sendto(client, "one", 3, 0, (void *)&to, sizeof to) == 3 && take(server) == 3);
    struct iovec two[2] = {{"ab", 2}, {"cde", 3}};
    struct msghdr m = {&to, sizeof to, two, 2};
    CHECK("sendmsg", sendmsg(client, &m, 0) == 5 && take(server) == 5 && !memcmp(got, "abcde", 5));
    struct mmsghdr many[3] = {{m}, {m}, {m}};
    CHECK("sendmmsg", sendmmsg(client, many, 3, 0) == 3 && many[2].msg_len == 5 && take(server) == 5 && take(server) == 5 && take(server) == 5);
    static char long_one[60000];
    CHECK("a long datagram", sendto(client, long_one, sizeof long_one, 0, (void *)&to, sizeof to) == sizeof long_one && take(server) == sizeof long_one);
    connect(client, (void *)&to, sizeof to);
    struct msghdr plain = {0, 0, two, 2}, short_one = {0, 0, two, 1}, none = {0};
    CHECK("connected", sendmsg(client, &plain, 0) == 5 && take(server) == 5);
    CHECK("connected, no signal", sendmsg(client, &plain, MSG_NOSIGNAL) == 5 && take(server) == 5);
    CHECK("one piece", sendmsg(client, &short_one, MSG_NOSIGNAL) == 2 && take(server) == 2);
    CHECK("no piece", sendmsg(client, &none, 0) == 0 && take(server) == 0);
    CHECK("a bad pointer", sendmsg(client, (void *)8, 0) == -1 && errno == EFAULT);
    CHECK("not a socket", sendmsg(0, &plain, 0) == -1 && errno == ENOTSOCK);

    // Unix datagrams: a path, an abstract name, one that is full.
    struct sockaddr_un at; socklen_t length = named(&at, "/tmp/datagrams", 15);
    int us = socket(AF_UNIX, SOCK_DGRAM, 0), uc = socket(AF_UNIX, SOCK_DGRAM, 0);
    CHECK("bind a path", bind(us, (void *)&at, length) == 0);
    CHECK("to a path", sendto(uc, "x", 1, 0, (void *)&at, length) == 1 && take(us) == 1);
    struct msghdr p = {&at, length, two, 2};
    CHECK("sendmsg to a path", sendmsg(uc, &p, 0) == 5 && take(us) == 5);
    if (fork() == 0) {
        for (int i = 0; i < 2000; i++) if (sendto(uc, "x", 1, 0, (void *)&at, length) != 1) _exit(1);
        _exit(0);
    }
    usleep(50000);
    for (int i = 0; i < 2000; i++) take(us);
    int status; wait(&status);
    CHECK("a full queue", status == 0);
    length = named(&at, "\0abstract", 9);
    int ud = socket(AF_UNIX, SOCK_DGRAM, 0);
    CHECK("bind a name", bind(ud, (void *)&at, length) == 0);
    CHECK("to a name", sendto(uc, "x", 1, 0, (void *)&at, length) == 1 && take(ud) == 1);
    struct sockaddr_un seen; size = sizeof seen;
    CHECK("its name", getsockname(ud, (void *)&seen, &size) == 0 && size == length && !memcmp(&seen, &at, length));

    // Abstract streams.
    int listener = socket(AF_UNIX, SOCK_STREAM, 0), stream = socket(AF_UNIX, SOCK_STREAM, 0);
    length = named(&at, "\0stream", 7);
    CHECK("listen", bind(listener, (void *)&at, length) == 0 && listen(listener, 5) == 0);
    CHECK("connect to a name", connect(stream, (void *)&at, length) == 0);
    int accepted = accept(listener, 0, 0);
    size = sizeof seen;
    CHECK("the peer's name", getpeername(stream, (void *)&seen, &size) == 0 && size == length && !memcmp(&seen, &at, length));
    length = named(&at, "\0nobody", 7);
    CHECK("nobody", connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&at, length) == -1 && errno == ECONNREFUSED);

    // A path that is long, and with the rootfs' own before it too long.
    char deep[108]; sprintf(deep, "/tmp/%080d", 0); mkdir(deep, 0700); strcat(deep, "/s");
    int far = socket(AF_UNIX, SOCK_STREAM, 0), near = socket(AF_UNIX, SOCK_STREAM, 0);
    length = named(&at, deep, strlen(deep)) + 1; size = sizeof seen;
    CHECK("bind deep", bind(far, (void *)&at, length) == 0 && listen(far, 1) == 0);
    CHECK("its path", getsockname(far, (void *)&seen, &size) == 0 && size == length && !strcmp(seen.sun_path, deep));
    CHECK("connect to it", connect(near, (void *)&seen, size) == 0);
    size = sizeof seen;
    CHECK("the peer's path", getpeername(near, (void *)&seen, &size) == 0 && !strcmp(seen.sun_path, deep));

    // Descriptors.
    int ends[2], pipes[2]; socketpair(AF_UNIX, SOCK_STREAM, 0, ends); pipe(pipes);
    char space[CMSG_SPACE(sizeof(int))] = {0};
    struct msghdr with = {0, 0, two, 1, space, sizeof space};
    struct cmsghdr *c = CMSG_FIRSTHDR(&with);
    c->cmsg_level = SOL_SOCKET; c->cmsg_type = SCM_RIGHTS; c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &pipes[1], sizeof(int));
    CHECK("pass a descriptor", sendmsg(ends[0], &with, 0) == 2);
    close(pipes[1]);
    struct iovec room = {got, 10}; memset(space, 0, sizeof space);
    struct msghdr back = {0, 0, &room, 1, space, sizeof space};
    CHECK("take it", recvmsg(ends[1], &back, 0) == 2);
    int passed = -1; memcpy(&passed, CMSG_DATA(CMSG_FIRSTHDR(&back)), sizeof(int));
    CHECK("use it", write(passed, "hi", 2) == 2 && read(pipes[0], got, 9) == 2);

    // A long stream in pieces, against a reader that is slower.
    static char big[150000];
    pthread_t reader; pthread_create(&reader, 0, consume, &ends[1]);
    long sent = 0;
    while (sent < 3 * (long)sizeof big) {
        struct iovec rest[3]; int n = 0; long skip = sent;
        for (int i = 0; i < 3; i++) { if (skip >= (long)sizeof big) { skip -= sizeof big; continue; } rest[n].iov_base = big + skip; rest[n++].iov_len = sizeof big - skip; skip = 0; }
        struct msghdr l = {0, 0, rest, n};
        ssize_t done = sendmsg(ends[0], &l, MSG_NOSIGNAL);
        if (done <= 0) { CHECK("a long stream", 0); break; }
        sent += done;
    }
    close(ends[0]); void *total; pthread_join(reader, &total);
    CHECK("all of it", (long)total == 3 * (long)sizeof big);
    CHECK("a closed pipe", sendmsg(stream, &plain, MSG_NOSIGNAL) == 5);
    close(accepted);
    signal(SIGPIPE, on_pipe);
    CHECK("no SIGPIPE", sendmsg(stream, &plain, MSG_NOSIGNAL) == -1 && errno == EPIPE && !piped);
    CHECK("SIGPIPE", sendmsg(stream, &plain, MSG_MORE) == -1 && errno == EPIPE && piped);

    // Watches.
    int watcher = inotify_init1(IN_NONBLOCK);
    CHECK("watch", inotify_add_watch(watcher, "/tmp", IN_CREATE) > 0);
    close(open("/tmp/watched", O_CREAT | O_WRONLY, 0600));
    char events[4096];
    CHECK("the event", read(watcher, events, sizeof events) > 0 && !strcmp(((struct inotify_event *)events)->name, "watched"));
    CHECK("watch nothing", inotify_add_watch(watcher, "/nothing", IN_CREATE) == -1 && errno == ENOENT);

    // Priorities.
    cpu_set_t cpus; sched_getaffinity(0, sizeof cpus, &cpus);
    CHECK("affinity", sched_setaffinity(0, sizeof cpus, &cpus) == 0);
    CHECK("affinity by number", sched_setaffinity(syscall(SYS_gettid), sizeof cpus, &cpus) == 0);
    pthread_attr_t explicit; struct sched_param ordinary = {0}; pthread_t thread; pthread_attr_init(&explicit);
    pthread_attr_setinheritsched(&explicit, PTHREAD_EXPLICIT_SCHED); pthread_attr_setschedparam(&explicit, &ordinary);
    CHECK("a thread of a policy", pthread_create(&thread, &explicit, idle, 0) == 0);
    CHECK("a thread's policy", pthread_setschedparam(thread, SCHED_OTHER, &ordinary) == 0);
    CHECK("not the step's first process", sched_setscheduler(getppid(), SCHED_OTHER, &ordinary) == -1 && errno == EPERM);
    CHECK("nice", setpriority(PRIO_PROCESS, 0, 5) == 0 && getpriority(PRIO_PROCESS, 0) == 5);
    if (!failed) printf("all\n");
    return failed;
}
