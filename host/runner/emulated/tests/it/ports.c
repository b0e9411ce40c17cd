// Ports below 1024, as a container's root has them.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int failures;

static void check(int ok, const char *what) {
    if (!ok) {
        printf("%s: %s\n", what, strerror(errno));
        failures++;
    }
}

static int v4(int type, int port, int (*call)(int, const struct sockaddr *, socklen_t)) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, type, 0);
    if (call(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static int port_of(int fd, int (*call)(int, struct sockaddr *, socklen_t *)) {
    struct sockaddr_in6 address;
    socklen_t length = sizeof address;
    return call(fd, (struct sockaddr *)&address, &length) ? -1 : ntohs(address.sin6_port);
}

int main(void) {
    const int port = 611;
    char text[8] = "";
    check(v4(SOCK_STREAM, port, connect) == -1 && errno == ECONNREFUSED, "nobody is there");
    int server = v4(SOCK_STREAM, port, bind);
    check(server >= 0 && listen(server, 4) == 0, "bind");
    check(port_of(server, getsockname) == port, "the server's name");
    check(v4(SOCK_STREAM, port, bind) == -1 && errno == EADDRINUSE, "bind it twice");
    if (fork() == 0) {
        int client = v4(SOCK_STREAM, port, connect);
        check(client >= 0 && port_of(client, getpeername) == port, "connect");
        check(write(client, "hello", 5) == 5, "write");
        _exit(failures != 0);
    }
    int one = accept(server, NULL, NULL);
    check(one >= 0 && read(one, text, 5) == 5 && !strcmp(text, "hello"), "what it said");
    check(port_of(one, getsockname) == port, "the connection's name");
    int status = 1;
    check(wait(&status) > 0 && status == 0, "the client");

    int names = v4(SOCK_DGRAM, 553, bind);
    int asks = v4(SOCK_DGRAM, 553, connect);
    check(names >= 0 && asks >= 0 && write(asks, "who", 3) == 3, "datagram");
    check(recv(names, text, 8, 0) == 3 && !memcmp(text, "who", 3), "the datagram");
    struct sockaddr_in6 all = {.sin6_family = AF_INET6, .sin6_port = htons(612)};
    int six = socket(AF_INET6, SOCK_STREAM, 0);
    if (six >= 0) {
        check(bind(six, (struct sockaddr *)&all, sizeof all) == 0 && listen(six, 1) == 0, "bind v6");
        check(v4(SOCK_STREAM, 612, connect) >= 0, "to it by v4");
    }

    check(setgid(1000) == 0 && setuid(1000) == 0, "become a user");
    check(v4(SOCK_STREAM, 613, bind) == -1 && errno == EACCES, "a user binds");
    if (!failures) puts("all well");
    return failures != 0;
}
