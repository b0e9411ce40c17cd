// Gives the builder things to hold for ever: a call that waits for a semaphore, whose answer is to go to
// the builder's own other end, and to this program's output; connections to a socket that nobody
// accepts from, which the request itself keeps open.
#include <stdint.h>
#include <sys/syscall.h>

enum { SYSV = 11, BROKER = 904 };

// A request whose answer is to go to `reply`; nobody waits for it.
static long request(unsigned kind, const void *payload, unsigned len, unsigned flags, unsigned target,
                    const void *data, size_t data_len, int reply, const int *fds, int count) {
    unsigned words[36] = {kind, len, flags, target};
    memcpy(words + 4, payload, len);
    char space[CMSG_SPACE(8 * sizeof(int))] = {0};
    struct iovec v[2] = {{words, sizeof words}, {(void *)data, data_len}};
    struct msghdr m = {0, 0, v, 2, space, CMSG_SPACE((1 + count) * sizeof(int))};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET; c->cmsg_type = SCM_RIGHTS; c->cmsg_len = CMSG_LEN((1 + count) * sizeof(int));
    memcpy(CMSG_DATA(c), &reply, sizeof(int));
    if (count) memcpy(CMSG_DATA(c) + sizeof(int), fds, count * sizeof(int));
    return G(SYS_sendmsg, BROKER, &m, 0);
}

static long sysv(unsigned number, const uint64_t *a, const void *data, size_t len, int reply) {
    uint64_t words[6] = {a[0], a[1], a[2], a[3], a[4], 0};
    return request(SYSV, words, sizeof words, number, 0, data, len, reply, 0, 0);
}

int main(void) {
    open_gate();
    long set = syscall(SYS_semget, 0, 1, 0600);
    if (set < 0) { perror("semget"); return 1; }
    struct { unsigned short number; short change; short flags; } take = {0, -1, 0};
    uint64_t a[5] = {set, 0, 1};
    int held[] = {BROKER, 1, 2};
    for (int i = 0; i < 3; i++)
        if (sysv(SYS_semop, a, &take, sizeof take, held[i]) < 0) return 2;

    struct sockaddr_un name = {AF_UNIX, "/tmp/full"};
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(listener, (void *)&name, sizeof name) || listen(listener, 0)) return 3;
    int inode = open(name.sun_path, O_PATH);
    for (int i = 0; i < 40; i++) {
        int pair[2] = {socket(AF_UNIX, SOCK_STREAM, 0), inode};
        int reply = i % 2 ? listener : BROKER;
        if (request(CONNECT, "", 0, 0, 1, "", 0, reply, pair, 2) < 0) return 4;
        close(pair[0]);
    }
    puts("held");
    return 0;
}
