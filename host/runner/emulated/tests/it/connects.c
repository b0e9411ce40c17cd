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
static volatile int alarms, awaited;
// A busy machine is late with signals: what they are to interrupt lasts until so many have come.
static void await_alarm(void) {
    for (int i = 0; i < 500 && alarms < awaited; i++) usleep(10000);
}
static void *accept_later(void *count) {
    // A signal that is sent to the process would interrupt the first thread that lets it in.
    sigset_t all; sigfillset(&all); pthread_sigmask(SIG_BLOCK, &all, 0);
    usleep(200000); await_alarm();
    for (long i = 0; i < (long)count; i++) close(accept(listener, 0, 0));
    return 0;
}
static int datagrams;
static void *receive_later(void *unused) {
    sigset_t all; sigfillset(&all); pthread_sigmask(SIG_BLOCK, &all, 0);
    char c; usleep(300000);
    while (recv(datagrams, &c, 1, MSG_DONTWAIT) == 1) {}
    return 0;
}
// A message to a peer without room, which has some after a while.
static void send_one(const char *what, int restarts) {
    struct sockaddr_un at = {AF_UNIX, "connects.datagrams"};
    unlink(at.sun_path);
    datagrams = socket(AF_UNIX, SOCK_DGRAM, 0); int from = socket(AF_UNIX, SOCK_DGRAM, 0);
    bind(datagrams, (void *)&at, sizeof at);
    while (sendto(from, "x", 1, MSG_DONTWAIT, (void *)&at, sizeof at) == 1) {}
    siginterrupt(SIGALRM, !restarts); siginterrupt(SIGUSR1, !restarts);
    struct itimerval soon = {{0, 0}, {0, 100000}};
    setitimer(ITIMER_REAL, &soon, 0);
    pthread_t receiving; pthread_create(&receiving, 0, receive_later, 0);
    int sent = sendto(from, "x", 1, 0, (void *)&at, sizeof at);
    printf("%s: %d %s\n", what, sent, sent == 1 ? "" : strerror(errno));
    pthread_join(receiving, 0); close(datagrams); close(from);
}
static void *connect_once(void *unused) {
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    return (void *)(long)connect(fd, (void *)&name, sizeof name);
}
static void on_alarm(int s) { alarms++; }
static void *wake_later(void *whom) { usleep(100000); pthread_kill(*(pthread_t *)whom, SIGUSR1); return 0; }
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
    // A handler after which the call goes on, then beside one after which it would not.
    action.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &action, 0);
    int restarted;
    for (int i = 0; i < 2; i++) {
        soon.it_interval.tv_usec = 30000;
        alarms = 0; awaited = 3;
        setitimer(ITIMER_REAL, &soon, 0);
        pthread_create(&accepting, 0, accept_later, (void *)2L);
        restarted = unix_socket();
        tell("a signal that restarts", connect(restarted, (void *)&name, sizeof name));
        printf("its handler: %d\n", alarms > 2);
        pthread_join(accepting, 0);
        fill();
        signal(SIGUSR1, on_alarm); siginterrupt(SIGUSR1, 1);
    }
    restarted = unix_socket();
    setsockopt(restarted, SOL_SOCKET, SO_SNDTIMEO, &(struct timeval){5}, sizeof short_time);
    tell("a signal in a limited time", connect(restarted, (void *)&name, sizeof name));
    soon.it_interval.tv_usec = 0;
    setitimer(ITIMER_REAL, &(struct itimerval){0}, 0);
    pthread_t self = pthread_self(); pthread_t waker;
    pthread_create(&waker, 0, wake_later, &self);
    tell("the other signal", connect(unix_socket(), (void *)&name, sizeof name));
    pthread_join(waker, 0);
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
    // Nobody answers while there is no room; the question comes again after a second.
    for (int i = 0; i < 3; i++) connect(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), (void *)&internet, size);
    usleep(10000);
    soon.it_interval.tv_usec = 300000; alarms = 0; awaited = 1;
    setitimer(ITIMER_REAL, &soon, 0);
    listener = server;
    pthread_create(&accepting, 0, accept_later, (void *)4L);
    client = socket(AF_INET, SOCK_STREAM, 0);
    tell("internet and a signal that restarts", connect(client, (void *)&internet, size));
    printf("its handler: %d\n", alarms > 0);
    setitimer(ITIMER_REAL, &(struct itimerval){0}, 0);
    pthread_join(accepting, 0);
    client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int result = connect(client, (void *)&internet, size);
    printf("without waiting: %d\n", result == 0 || errno == EINPROGRESS);
    send_one("a message and a signal", 0);
    send_one("a message and a signal that restarts", 1);
    printf("flags: %d\n", !!(fcntl(client, F_GETFL) & O_NONBLOCK));
    return 0;
}
