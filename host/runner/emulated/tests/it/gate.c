// How a guest takes the handler over: code of its own in the range that the filter lets through.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static long (*gate)(long, long, long, long, long, long, long);
#define G(n, ...) G_(n, ##__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define G_(n, a, b, c, d, e, f, ...) gate(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

static void open_gate(void) {
    unsigned char *page = mmap((void *)0x700001ff0000, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (page == MAP_FAILED) { perror("gate"); exit(1); }
    static const unsigned char code[] = {0x48, 0x89, 0xf8, 0x48, 0x89, 0xf7, 0x48, 0x89, 0xd6, 0x48,
        0x89, 0xca, 0x4d, 0x89, 0xc2, 0x4d, 0x89, 0xc8, 0x4c, 0x8b, 0x4c, 0x24, 0x08, 0x0f, 0x05, 0xc3};
    memcpy(page, code, sizeof code);
    gate = (void *)page;
}

// A path in the directory that is another's; it lives for a while.
static const char *dir;
static char *in(const char *name) {
    static char paths[64][600]; static int next;
    char *p = paths[next++ % 64];
    snprintf(p, 600, "%s/%s", dir, name);
    return p;
}

static int tries;
static void tell(const char *what, long result) {
    tries++;
    printf("%s: %ld\n", what, result);
    fflush(stdout);
}

// A request to the builder, past the handler's code; its answer.
enum { LINK_TIMES = 1, CONNECT, WATCH, SEND, MODE, TIMES, SET_XATTR, REMOVE_XATTR, SCHEDULE = 14 };
static long ask(unsigned kind, const void *payload, unsigned len, unsigned flags, unsigned target,
                const void *data, size_t data_len, const int *fds, int count) {
    unsigned words[36] = {kind, len, flags, target};
    memcpy(words + 4, payload, len < 128 ? len : 128);
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) return -1000;
    char space[CMSG_SPACE(32 * sizeof(int))] = {0};
    struct iovec v[2] = {{words, sizeof words}, {(void *)data, data_len}};
    struct msghdr m = {0, 0, v, 2, space, CMSG_SPACE((1 + count) * sizeof(int))};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET; c->cmsg_type = SCM_RIGHTS; c->cmsg_len = CMSG_LEN((1 + count) * sizeof(int));
    memcpy(CMSG_DATA(c), &pair[1], sizeof(int));
    if (count) memcpy(CMSG_DATA(c) + sizeof(int), fds, count * sizeof(int));
    long sent = G(SYS_sendmsg, 904, &m, 0);
    close(pair[1]);
    int answer = -2000;
    struct pollfd p = {pair[0], POLLIN};
    if (sent >= 0 && poll(&p, 1, 5000) == 1 && read(pair[0], &answer, 4) != 4) answer = -3000;
    close(pair[0]);
    return sent < 0 ? sent : answer;
}
