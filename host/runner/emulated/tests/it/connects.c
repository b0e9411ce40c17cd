// connect(2) as it waits: for room, for the other side, for its time, for a signal. Prints what came of it.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static struct sockaddr_un name = {AF_UNIX, "connects.socket"};
static struct sockaddr_in internet = {AF_INET, 0, {0}};
static int listener;
static void *accept_later(void *count) {
    usleep(200000);
    for (long i = 0; i < (long)count; i++) close(accept(listener, 0, 0));
    return 0;
}
static void *connect_once(void *unused) {
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    return (void *)(long)connect(fd, (void *)&name, sizeof name);
}
static void on_alarm(int s) {}
static void tell(const char *what, int result) {
    printf("%s: %d %s\n", what, result, result ? strerror(errno) : "");
}
static int unix_socket(void) { return socket(AF_UNIX, SOCK_STREAM, 0); }
static void fill(void) {
    while (1) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (connect(fd, (void *)&name, sizeof name)) { tell("full", -1); return; }
    }
}

int main(void) {
    setvbuf(stdout, 0, _IONBF, 0);
    unlink(name.sun_path);
    listener = unix_socket();
    bind(listener, (void *)&name, sizeof name);
    listen(listener, 0);
    pthread_t accepting, connecting[8];
    pthread_create(&accepting, 0, accept_later, (void *)8L);
    long failed = 0;
    for (int i = 0; i < 8; i++) pthread_create(&connecting[i], 0, connect_once, 0);
    for (int i = 0; i < 8; i++) { void *result; pthread_join(connecting[i], &result); failed += (long)result != 0; }
    pthread_join(accepting, 0);
    printf("waited for room: %ld failed\n", failed);

    fill();
    int fd = unix_socket();
    struct timeval short_time = {0, 100000};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &short_time, sizeof short_time);
    tell("a time that is over", connect(fd, (void *)&name, sizeof name));
    struct sigaction action = {.sa_handler = on_alarm};
    sigaction(SIGALRM, &action, 0);
    struct itimerval soon = {{0, 0}, {0, 100000}};
    setitimer(ITIMER_REAL, &soon, 0);
    fd = unix_socket();
    tell("a signal", connect(fd, (void *)&name, sizeof name));
    printf("flags: %o\n", fcntl(fd, F_GETFL) & O_NONBLOCK);
    close(listener);
    tell("nobody", connect(fd, (void *)&name, sizeof name));

    int server = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t size = sizeof internet;
    internet.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bind(server, (void *)&internet, size); getsockname(server, (void *)&internet, &size);
    tell("before it listens", connect(client, (void *)&internet, size));
    listen(server, 1);
    tell("internet", connect(client, (void *)&internet, size));
    tell("again", connect(client, (void *)&internet, size));
    printf("written: %zd\n", write(client, "x", 1));
    client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int result = connect(client, (void *)&internet, size);
    printf("without waiting: %d\n", result == 0 || errno == EINPROGRESS);
    printf("flags: %d\n", !!(fcntl(client, F_GETFL) & O_NONBLOCK));
    return 0;
}
