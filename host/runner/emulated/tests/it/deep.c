#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#define LEVELS 30
static void check(int failed, const char *what, int level) {
    if (!failed) return;
    printf("%s at %d: %s\n", what, level, strerror(errno));
    exit(1);
}
int main(int argc, char **argv) {
    char name[201], path[5000];
    struct stat first, here;
    memset(name, 'd', 200);
    name[200] = 0;
    check(chdir(argv[1]), "chdir to the start", 0);
    check(stat(".", &first), "stat .", 0);
    for (int level = 1; level <= LEVELS; level++) {
        check(mkdir(name, 0750), "mkdir", level);
        check(chdir(name), "chdir", level);
        int file = open("file", O_CREAT | O_EXCL | O_WRONLY, 0600);
        check(file < 0, "open", level);
        close(file);
    }
    if (argc > 2) {
        puts("left");
        return 0;
    }
    long length = syscall(SYS_getcwd, path, sizeof path);
    check(length >= 0 || errno != ENAMETOOLONG, "getcwd(2)", LEVELS);
    check(!getcwd(0, 0), "getcwd(3)", LEVELS);
    check(rename("file", "../moved"), "rename", LEVELS);
    check(link("../moved", "./linked"), "link", LEVELS);
    check(symlink("../moved", "up"), "symlink", LEVELS);
    check(symlink("/etc/passwd", "out"), "symlink", LEVELS);
    check(chmod("up", 0640), "chmod", LEVELS);
    check(stat("./up", &here) || here.st_mode != (S_IFREG | 0640) || here.st_nlink != 2, "stat up", LEVELS);
    check(stat("out", &here) || !here.st_size, "stat out", LEVELS);
    check(readlink("../../../moved", path, sizeof path) != -1 || errno != ENOENT, "readlink", LEVELS);
    check(readlink("./up", path, sizeof path) != 8, "readlink", LEVELS);
    check(truncate("../moved", 3), "truncate", LEVELS);
    check(access("linked", R_OK | W_OK), "access", LEVELS);
    /* More steps than there are directories end at the root, as from anywhere. */
    path[0] = 0;
    for (int step = 0; step < LEVELS + 20; step++) strcat(path, "../");
    strcat(path, "etc/passwd");
    check(access(path, R_OK), "access from the root", LEVELS);
    int directory = open(".", O_RDONLY | O_DIRECTORY);
    for (int level = LEVELS; level > 0; level--) {
        int above = openat(directory, "..", O_RDONLY | O_DIRECTORY);
        check(above < 0, "openat ..", level);
        close(directory);
        directory = above;
    }
    check(fstat(directory, &here) || here.st_ino != first.st_ino, "the start by openat", 0);
    for (int level = LEVELS; level > 0; level--) {
        if (level > LEVELS - 2) unlink("moved"), unlink("linked"), unlink("up"), unlink("out");
        if (level < LEVELS) check(unlink("file"), "unlink", level);
        check(chdir(".."), "chdir ..", level);
        if (level > 2) check(rmdir(name), "rmdir", level);
    }
    check(stat(".", &here) || here.st_ino != first.st_ino, "the start by chdir", 0);
    puts("done");
    return 0;
}
