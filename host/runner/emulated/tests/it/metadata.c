// Every way to a cloud's metadata service. argv: its addresses, of IPv4 and IPv6, and one that is
// allowed. Port 80 of each hands out a secret, by TCP and UDP.
static int port = 80;
// Milliseconds: the server counts who comes, so a late answer is not missed.
static int patience = 20;

static struct sockaddr_storage where(int family, const char *text, socklen_t *size) {
    struct sockaddr_storage all = {0};
    if (family == AF_INET) {
        struct sockaddr_in *in = (void *)&all;
        in->sin_family = AF_INET; in->sin_port = htons(port); inet_pton(AF_INET, text, &in->sin_addr);
        *size = sizeof *in;
    } else {
        struct sockaddr_in6 *in = (void *)&all;
        in->sin6_family = AF_INET6; in->sin6_port = htons(port); inet_pton(AF_INET6, text, &in->sin6_addr);
        *size = sizeof *in;
    }
    return all;
}

// Asks whoever is at the other end; tells what comes.
static int talk(const char *what, int s, int datagram) {
    char b[300]; struct pollfd p = {s, POLLOUT};
    if (!datagram) poll(&p, 1, patience);
    if (!datagram && send(s, "GET / HTTP/1.0\r\n\r\n", 18, MSG_NOSIGNAL) < 0) { close(s); return 0; }
    p.events = POLLIN;
    long n = poll(&p, 1, patience) == 1 ? recv(s, b, sizeof b - 1, MSG_DONTWAIT) : -1;
    close(s);
    if (n <= 0) return 0;
    b[n] = 0;
    printf("GOT %s: %s\n", what, strstr(b, "CANARY") ? "CANARY" : "something");
    return 1;
}

static struct sockaddr_storage racing, good, bad;
static socklen_t racing_size;
static volatile int stop;
static void *flip(void *unused) {
    while (!stop) { racing = good; racing = bad; }
    return 0;
}

#define WAY(name) (snprintf(what, sizeof what, "%s %s", name, text), what)
static void datagrams(int family, const char *text, int protocol) {
    socklen_t size; struct sockaddr_storage to = where(family, text, &size);
    struct iovec v = {"x", 1}; struct msghdr m = {&to, size, &v, 1};
    char what[100]; int s;
    s = socket(family, SOCK_DGRAM, protocol);
    tell(WAY("sendto"), sendto(s, "x", 1, 0, (void *)&to, size)); talk(what, s, 1);
    s = socket(family, SOCK_DGRAM, protocol);
    tell(WAY("sendto past the handler"), G(SYS_sendto, s, "x", 1, 0, &to, size)); talk(what, s, 1);
    s = socket(family, SOCK_DGRAM, protocol);
    tell(WAY("datagram connect"), connect(s, (void *)&to, size)); send(s, "x", 1, 0); talk(what, s, 1);
    s = socket(family, SOCK_DGRAM, protocol);
    tell(WAY("datagram connect past the handler"), G(SYS_connect, s, &to, size)); send(s, "x", 1, 0); talk(what, s, 1);
    s = socket(family, SOCK_DGRAM, protocol);
    tell(WAY("sendmsg"), sendmsg(s, &m, 0)); talk(what, s, 1);
    s = socket(family, SOCK_DGRAM, protocol);
    tell(WAY("sendmsg past the handler"), G(SYS_sendmsg, s, &m, 0)); talk(what, s, 1);
    struct mmsghdr many[1] = {{m}};
    s = socket(family, SOCK_DGRAM, protocol);
    tell(WAY("sendmmsg"), sendmmsg(s, many, 1, 0)); talk(what, s, 1);
    s = socket(family, SOCK_DGRAM, protocol);
    tell(WAY("sendmmsg past the handler"), G(SYS_sendmmsg, s, many, 1, 0)); talk(what, s, 1);
    s = socket(family, SOCK_DGRAM, protocol);
    tell(WAY("a forged message"), ask(SEND, &to, size, 0, 0, "x", 1, &s, 1)); talk(what, s, 1);
    s = socket(family, SOCK_DGRAM, protocol); struct sockaddr_storage odd = to; odd.ss_family = AF_UNSPEC;
    tell(WAY("of no family"), sendto(s, "x", 1, 0, (void *)&odd, size)); talk(what, s, 1);
    s = socket(family, SOCK_DGRAM, protocol);
    tell(WAY("of no family past the handler"), G(SYS_sendto, s, "x", 1, 0, &odd, size)); talk(what, s, 1);
}

static void every_way(int family, const char *text) {
    socklen_t size; struct sockaddr_storage to = where(family, text, &size);
    char what[100];
#define S(type) socket(family, type, 0)
    int s = S(SOCK_STREAM);
    tell(WAY("connect"), connect(s, (void *)&to, size)); talk(what, s, 0);
    s = S(SOCK_STREAM | SOCK_NONBLOCK);
    tell(WAY("connect without waiting"), connect(s, (void *)&to, size)); talk(what, s, 0);
    s = S(SOCK_STREAM);
    tell(WAY("past the handler"), G(SYS_connect, s, &to, size)); talk(what, s, 0);
    s = S(SOCK_STREAM);
    tell(WAY("fast open"), sendto(s, "GET / HTTP/1.0\r\n\r\n", 18, MSG_FASTOPEN, (void *)&to, size)); talk(what, s, 0);
    s = S(SOCK_STREAM);
    tell(WAY("fast open past the handler"), G(SYS_sendto, s, "GET / HTTP/1.0\r\n\r\n", 18, MSG_FASTOPEN, &to, size)); talk(what, s, 0);
    s = S(SOCK_STREAM);
    struct iovec v = {"GET / HTTP/1.0\r\n\r\n", 18}; struct msghdr m = {&to, size, &v, 1};
    tell(WAY("fast open message"), sendmsg(s, &m, MSG_FASTOPEN)); talk(what, s, 0);
    s = S(SOCK_STREAM);
    tell(WAY("fast open message past the handler"), G(SYS_sendmsg, s, &m, MSG_FASTOPEN)); talk(what, s, 0);
    s = S(SOCK_STREAM); int one = 1;
    setsockopt(s, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &one, sizeof one);
    tell(WAY("fast open connect"), connect(s, (void *)&to, size)); talk(what, s, 0);
    s = S(SOCK_STREAM); setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3);
    tell(WAY("bound to the device"), connect(s, (void *)&to, size)); talk(what, s, 0);
    s = S(SOCK_STREAM);
    tell(WAY("a forged request"), ask(CONNECT, &to, size, 0, 0, 0, 0, &s, 1)); talk(what, s, 0);
    s = S(SOCK_STREAM);
    tell(WAY("a forged message with fast open"), ask(SEND, &to, size, MSG_FASTOPEN, 0, "GET / HTTP/1.0\r\n\r\n", 18, &s, 1)); talk(what, s, 0);

    int light = socket(family, SOCK_DGRAM, IPPROTO_UDPLITE);
    // Newer kernels have it no more.
    if (light >= 0) { close(light); datagrams(family, text, IPPROTO_UDPLITE); }
    datagrams(family, text, 0);

    // The address changes while it is looked at.
    socklen_t unused; good = where(family, family == AF_INET ? "127.0.0.3" : "::1", &unused); bad = to;
    stop = 0; pthread_t t; pthread_create(&t, 0, flip, 0);
    int got = 0;
    for (int i = 0; i < 300 && !got; i++) {
        s = S(SOCK_STREAM);
        if (connect(s, (void *)&racing, size) == 0) { struct sockaddr_storage peer; socklen_t n = sizeof peer; if (!getpeername(s, (void *)&peer, &n) && !memcmp(&peer, &bad, size)) got = talk("race", s, 0); }
        close(s);
        s = S(SOCK_DGRAM); sendto(s, "x", 1, 0, (void *)&racing, size); close(s);
    }
    stop = 1; pthread_join(t, 0);
    tell(WAY("a race"), -got);
}

int main(int argc, char **argv) {
    open_gate();
    every_way(AF_INET, argv[1]);
    every_way(AF_INET6, argv[2]);
    char mapped[100]; snprintf(mapped, sizeof mapped, "::ffff:%s", argv[1]);
    every_way(AF_INET6, mapped);
    char buffer[256] = {0};
    tell("io_uring", syscall(425, 1, buffer));
    tell("io_uring past the handler", G(425, 1, buffer));
    tell("sctp", socket(AF_INET, SOCK_SEQPACKET, 0));
    tell("sctp past the handler", G(SYS_socket, AF_INET, SOCK_SEQPACKET, 0));
    tell("sctp stream", G(SYS_socket, AF_INET, SOCK_STREAM, 132));
    tell("mptcp", G(SYS_socket, AF_INET, SOCK_STREAM, 262));
    tell("dccp", G(SYS_socket, AF_INET, 6, 0));
    tell("raw", G(SYS_socket, AF_INET, SOCK_RAW, 6));
    tell("packet", G(SYS_socket, AF_PACKET, SOCK_RAW, 0));
    tell("smc", G(SYS_socket, 43, SOCK_STREAM, 0));
    tell("tipc", G(SYS_socket, 30, SOCK_STREAM, 0));
    port = 53;
    socklen_t size; struct sockaddr_storage to = where(AF_INET, argv[1], &size);
    tell("names", connect(socket(AF_INET, SOCK_STREAM, 0), (void *)&to, size));
    port = 80;
    printf("tries %d\n", tries);

    // And what is no secret.
    patience = 5000;
    to = where(AF_INET, argv[3], &size);
    int s = socket(AF_INET, SOCK_STREAM, 0);
    printf("allowed tcp %d\n", connect(s, (void *)&to, size) == 0 && talk("allowed", s, 0));
    s = socket(AF_INET, SOCK_DGRAM, 0);
    printf("allowed udp %d\n", sendto(s, "x", 1, 0, (void *)&to, size) == 1 && talk("allowed", s, 1));
    snprintf(mapped, sizeof mapped, "::ffff:%s", argv[3]);
    to = where(AF_INET6, mapped, &size); s = socket(AF_INET6, SOCK_STREAM, 0);
    printf("allowed mapped %d\n", connect(s, (void *)&to, size) == 0 && talk("allowed", s, 0));
    port = 8080; to = where(AF_INET, argv[3], &size);
    s = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE);
    int same = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE);
    printf("allowed udp-lite %d\n", s < 0 || bind(same, (void *)&to, size) == 0 && sendto(s, "x", 1, 0, (void *)&to, size) == 1 && talk("allowed", same, 1));
    return 0;
}
