// Leaves the builder a connection that takes ten minutes to close: nobody reads what it has to send
// first. The builder is kept busy, so that it has not been received when the step ends.
#include <stdint.h>

static void request(unsigned kind, unsigned flags, const void *payload, unsigned len, int reply, const int *fds, int count) {
    unsigned words[36] = {kind, len, flags, 0};
    memcpy(words + 4, payload, len);
    char space[CMSG_SPACE(4 * sizeof(int))] = {0};
    struct iovec v = {words, sizeof words};
    struct msghdr m = {0, 0, &v, 1, space, CMSG_SPACE((1 + count) * sizeof(int))};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET; c->cmsg_type = SCM_RIGHTS; c->cmsg_len = CMSG_LEN((1 + count) * sizeof(int));
    memcpy(CMSG_DATA(c), &reply, sizeof(int));
    if (count) memcpy(CMSG_DATA(c) + sizeof(int), fds, count * sizeof(int));
    G(SYS_sendmsg, 904, &m, MSG_DONTWAIT);
}

int main(void) {
    open_gate();
    struct sockaddr_in at = {AF_INET, 0, {htonl(0x7f000001)}};
    socklen_t size = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (void *)&at, size) || listen(listener, 1) || getsockname(listener, (void *)&at, &size)) return 1;
    if (connect(client, (void *)&at, size)) return 2;
    int peer = accept(listener, 0, 0), pair[2];
    static char block[1 << 20];
    while (send(client, block, sizeof block, MSG_DONTWAIT) > 0) {}
    struct linger minutes = {1, 600}, reset = {1, 0}, none = {0, 7}, got;
    size = sizeof got;
    if (setsockopt(client, SOL_SOCKET, SO_LINGER, &none, 4) == 0 || errno != EINVAL) return 3;
    if (setsockopt(client, SOL_SOCKET, SO_LINGER, &reset, 8)) return 4;
    if (getsockopt(client, SOL_SOCKET, SO_LINGER, &got, &size) || got.l_onoff != 1 || got.l_linger) return 5;
    if (setsockopt(client, SOL_SOCKET, SO_LINGER, &minutes, 8)) return 6;
    G(SYS_setsockopt, client, SOL_SOCKET, SO_LINGER, &minutes, 8);
    pid_t busy = fork();
    if (!busy) for (;;) {}
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    uint64_t nice[6] = {0, busy, 1};
    for (int i = 0; i < 40; i++) request(SCHEDULE, SYS_setpriority, nice, sizeof nice, pair[1], 0, 0);
    request(99, 0, "", 0, pair[1], (int[]){client, peer}, 2);
    puts("left");
    return 0;
}
