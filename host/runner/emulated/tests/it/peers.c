// Who is at the other end of a Unix socket, by SO_PEERCRED. Prints a line for each.
#define _GNU_SOURCE
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void tell(const char *what, int fd, pid_t expected) {
    struct ucred peer; socklen_t size = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size)) { perror(what); return; }
    printf("%s: %d:%d %s\n", what, (int)peer.uid, (int)peer.gid, peer.pid == expected ? "the process" : "another process");
    fflush(stdout);
}

static socklen_t named(struct sockaddr_un *at, const char *name, int length) {
    memset(at, 0, sizeof *at); at->sun_family = AF_UNIX; memcpy(at->sun_path, name, length);
    return offsetof(struct sockaddr_un, sun_path) + length;
}

// A listener whose process changes its ids once it listens, and a client with others.
static void meet(const char *what, const char *name, int length) {
    struct sockaddr_un at; socklen_t size = named(&at, name, length);
    int go[2]; pipe(go);
    if (name[0]) unlink(name);
    pid_t server = fork();
    if (!server) {
        int listener = socket(AF_UNIX, SOCK_STREAM, 0); char c;
        if (setegid(7) || seteuid(6) || bind(listener, (void *)&at, size) || listen(listener, 5)) { perror("listen"); _exit(1); }
        if (seteuid(0) || setegid(0)) _exit(1);
        write(go[1], "!", 1);
        int accepted = accept(listener, 0, 0);
        pid_t client; read(accepted, &client, sizeof client);
        printf("%s, ", what); tell("who connected", accepted, client);
        // They are those of that moment, whatever becomes of the process.
        write(accepted, "!", 1); read(accepted, &c, 1);
        printf("%s, ", what); tell("once more", accepted, client);
        _exit(0);
    }
    char c; read(go[0], &c, 1);
    if (name[0]) chmod(name, 0777);
    pid_t client = fork();
    if (!client) {
        if (setgid(1001) || setuid(1000)) _exit(1);
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        if (connect(fd, (void *)&at, size)) { perror("connect"); _exit(1); }
        pid_t self = getpid(); write(fd, &self, sizeof self); read(fd, &c, 1);
        printf("%s, ", what); tell("who listens", fd, server);
        write(fd, "!", 1);
        _exit(0);
    }
    waitpid(client, 0, 0); waitpid(server, 0, 0);
    close(go[0]); close(go[1]);
}

int main(void) {
    int pair[2]; socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    tell("a pair", pair[0], getpid());
    meet("by a path", "/tmp/peers", sizeof "/tmp/peers");
    meet("by a name", "\0peers", 6);
    return 0;
}
