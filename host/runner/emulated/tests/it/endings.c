#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>
static const char *start;
static struct stat st;
static struct statfs fs;
static char text[4096];
static int opened(int fd) {
    if (fd < 0) return -1;
    close(fd);
    return 0;
}
/* A directory of its own for every call. */
static char now[4096], path[5000];
static int absolute;
static void fresh(const char *name) {
    static int number;
    sprintf(now, "%s/%d", start, number++);
    sprintf(path, absolute ? "%s/%s" : "%2$s", now, name);
    if (mkdir(now, 0755) || chdir(now) || mkdir("d", 0755) || mkdir("d/e", 0755)
        || opened(open("f", O_CREAT | O_WRONLY, 0644)) || symlink("gone", "l") || symlink("d", "s")
        || symlink("f", "sf")) {
        perror("fresh");
        exit(1);
    }
}
#define CALL(what, expression)                                                              \
    do {                                                                                    \
        fresh(name);                                                                          \
        errno = 0;                                                                          \
        int answer = (expression) ? errno : 0;                                              \
        int left = (!lstat("f", &st)) | !lstat("l", &st) << 1 | !lstat("s", &st) << 2       \
            | !lstat("sf", &st) << 3 | !lstat("d", &st) << 4 | !lstat("gone", &st) << 5     \
            | !lstat("new", &st) << 6 | !lstat("n", &st) << 7 | !lstat("d/new", &st) << 8;  \
        printf("%s %s: %s, left %o\n", what, name, strerror(answer), left);                 \
    } while (0)
static void all(const char *name) {
    CALL("unlink", unlink(path));
    CALL("rmdir", rmdir(path));
    CALL("mkdir", mkdir(path, 0755));
    CALL("mknod", mknod(path, S_IFIFO | 0644, 0));
    CALL("symlink", symlink("x", path));
    CALL("link from", linkat(AT_FDCWD, path, AT_FDCWD, "new", 0));
    CALL("link from, followed", linkat(AT_FDCWD, path, AT_FDCWD, "new", AT_SYMLINK_FOLLOW));
    CALL("link to", link("f", path));
    CALL("rename from", rename(path, "new"));
    CALL("rename from to slash", rename(path, "new/"));
    CALL("rename file to", rename("f", path));
    CALL("rename link to", rename("l", path));
    CALL("rename directory to", rename("d/e", path));
    CALL("rename not over", syscall(SYS_renameat2, AT_FDCWD, "f", AT_FDCWD, path, 1));
    CALL("exchange", syscall(SYS_renameat2, AT_FDCWD, "f", AT_FDCWD, path, 2));
    CALL("open", opened(open(path, O_RDONLY)));
    CALL("open to write", opened(open(path, O_WRONLY)));
    CALL("open a directory", opened(open(path, O_RDONLY | O_DIRECTORY)));
    CALL("open no link", opened(open(path, O_RDONLY | O_NOFOLLOW)));
    CALL("open a link", opened(open(path, O_PATH | O_NOFOLLOW)));
    CALL("create", opened(open(path, O_CREAT | O_WRONLY, 0644)));
    CALL("create to read", opened(open(path, O_CREAT | O_RDONLY, 0644)));
    CALL("create new", opened(open(path, O_CREAT | O_EXCL | O_WRONLY, 0644)));
    CALL("create no link", opened(open(path, O_CREAT | O_NOFOLLOW | O_WRONLY, 0644)));
    CALL("temporary", opened(open(path, O_TMPFILE | O_RDWR, 0600)));
    CALL("truncate", truncate(path, 1));
    CALL("stat", stat(path, &st));
    CALL("lstat", lstat(path, &st));
    CALL("statfs", statfs(path, &fs));
    CALL("access", access(path, R_OK));
    CALL("faccessat", syscall(SYS_faccessat2, AT_FDCWD, path, W_OK, AT_SYMLINK_NOFOLLOW));
    CALL("readlink", readlink(path, text, sizeof text) < 0);
    CALL("chdir", chdir(path) || chdir(now));
    CALL("chmod", chmod(path, 0755));
    CALL("chown", chown(path, -1, -1));
    CALL("lchown", lchown(path, -1, -1));
    CALL("utimensat", utimensat(AT_FDCWD, path, 0, 0));
    CALL("utimensat of a link", utimensat(AT_FDCWD, path, 0, AT_SYMLINK_NOFOLLOW));
    CALL("getxattr", getxattr(path, "user.x", text, sizeof text) < 0);
    CALL("lgetxattr", lgetxattr(path, "user.x", text, sizeof text) < 0);
    CALL("setxattr", setxattr(path, "user.x", "x", 1, 0));
}
int main(int argc, char **argv) {
    static const char *names[] = {"f", "l", "s", "sf", "d", "d/e", "n", "f/x", "n/x", "d/new", "s/e", "s/new", "l/x"};
    static const char *endings[] = {"", "/", "//", "/.", "/..", "/./", "/../"};
    char name[100];
    umask(022);
    start = argv[1];
    absolute = argc > 2;
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        for (unsigned j = 0; j < sizeof endings / sizeof *endings; j++) {
            sprintf(name, "%s%s", names[i], endings[j]);
            all(name);
        }
    if (!absolute) all("");
    all(".");
    all("..");
    return 0;
}
