// What could be done with what a step holds open. argv: a TCP and a UDP port of the pod's, its
// directory, a mount that may only be read.
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>

// Another socket under the number that may be sent messages from past the handler.
static void by_number(const char *what, int type, int port, int flags) {
    if (fork() == 0) {
        tell("close the builder's socket", G(SYS_close_range, 904, 904, 0));
        tell("close everything", G(SYS_close_range, 3, ~0u, 0));
        tell("close at exec", G(SYS_close_range, 904, 904, 4));
        int s = socket(AF_INET, type, 0);
        fcntl(s, F_DUPFD, 904);
        struct sockaddr_in to = {AF_INET, htons(port), {htonl(0x7f000001)}};
        struct iovec v = {"sent", 4};
        struct msghdr m = {&to, sizeof to, &v, 1};
        // The builder's own socket takes it for a request that says nothing.
        printf("%s %ld\n", what, G(SYS_sendmsg, 904, &m, flags));
        exit(0);
    }
    wait(0);
}

int main(int argc, char **argv) {
    char path[400], b[256];
    open_gate();
    by_number("fast open", SOCK_STREAM, atoi(argv[1]), 0x20000000);
    by_number("datagram", SOCK_DGRAM, atoi(argv[2]), 0);

    // A route is where packets go first.
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    tell("a route", setsockopt(s, 0, 4, (char[]){131, 7, 4, 127, 0, 0, 9, 0}, 8));
    s = socket(AF_INET6, SOCK_DGRAM, 0);
    char segments[40] = {0, 4, 4, 1, 1}; segments[23] = 1; segments[39] = 1;
    if (s >= 0) {
        tell("segments", setsockopt(s, 41, 57, segments, sizeof segments));
        char control[16 + 40] = {0};
        struct cmsghdr *c = (void *)control;
        c->cmsg_len = sizeof control; c->cmsg_level = 41; c->cmsg_type = 57;
        memcpy(CMSG_DATA(c), segments, sizeof segments);
        tell("segments of old", setsockopt(s, 41, 6, control, sizeof control));
    }
    int pair[2];
    tell("a pair of another family", G(SYS_socketpair, 30, SOCK_STREAM, 0, pair));

    // Who opens a file with a lease waits.
    int own = open("/etc/passwd", O_RDONLY);
    tell("lease", fcntl(own, F_SETLEASE, F_WRLCK));
    tell("lease past the handler", G(SYS_fcntl, own, F_SETLEASE, F_WRLCK));
    long copy = G(SYS_dup, 902);
    tell("lease of the ledger", G(SYS_fcntl, copy, F_SETLEASE, F_WRLCK));

    // What lies in the pod, and may not be opened.
    snprintf(path, sizeof path, "%s/secret", argv[3]);
    tell("attribute", G(SYS_getxattr, path, "user.keep", b, sizeof b));
    tell("attribute of a link", G(SYS_lgetxattr, path, "user.keep", b, sizeof b));
    tell("attributes", G(SYS_listxattr, path, b, sizeof b));
    tell("attributes of a link", G(SYS_llistxattr, path, b, sizeof b));
    copy = G(SYS_open, path, O_PATH);
    snprintf(path, sizeof path, "/proc/self/fd/%ld", copy);
    tell("attribute by descriptor", G(SYS_getxattr, path, "user.keep", b, sizeof b));

    // What may only be read.
    snprintf(path, sizeof path, "%s/kept", argv[4]);
    int kept = open(path, O_RDONLY), flags = FS_NODUMP_FL | FS_NOATIME_FL;
    struct fsxattr more = {FS_XFLAG_NODUMP};
    tell("flags", ioctl(kept, FS_IOC_SETFLAGS, &flags));
    tell("flags past the handler", G(SYS_ioctl, kept, FS_IOC_SETFLAGS, &flags));
    tell("more flags", ioctl(kept, FS_IOC_FSSETXATTR, &more));
    tell("sealing", ioctl(kept, 0x40806685, b));
    printf("can be looked at %d\n", ioctl(kept, FS_IOC_GETFLAGS, &flags) == 0 || errno == ENOTTY);

    // The last: no program can be started any more.
    for (int fd = 900; fd < 906; fd++) {
        copy = G(SYS_dup, fd);
        G(SYS_fchmod, copy, 0);
    }
    printf("tries %d\n", tries);
    return 0;
}
