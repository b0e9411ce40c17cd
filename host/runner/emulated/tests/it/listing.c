// Looks for descriptors that it has not opened, in all the ways that programs have.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a directory lists: how much, and how much of it is the runner's. */
static void list(const char *name, int fd, long number, int at, int room) {
    char *buffer = malloc(room);
    int all = 0, own = 0;
    long length;
    while ((length = syscall(number, fd, buffer, room)) > 0)
        for (long start = 0; start < length; start += *(unsigned short *)(buffer + start + 16)) {
            int entry = atoi(buffer + start + at);
            all++;
            own += entry >= 900 && entry < 986;
        }
    printf("%s %d %d %s\n", name, all, own, length ? strerror(errno) : "");
    free(buffer);
}

int main(void) {
    char path[64];
    struct stat st;
    struct statx sx;
    int refused = 0, hidden = 0;
    for (int fd = 900; fd < 911; fd++) {
        refused += fstat(fd, &st) == -1 && errno == EBADF;
        refused += fstatat(fd, "", &st, AT_EMPTY_PATH) == -1 && errno == EBADF;
        refused += statx(fd, "", AT_EMPTY_PATH, STATX_ALL, &sx) == -1 && errno == EBADF;
        refused += fcntl(fd, F_GETFD) == -1 && errno == EBADF;
        refused += dup(fd) == -1 && errno == EBADF;
        refused += dup2(fd, 5) == -1 && errno == EBADF;
        refused += close(fd) == -1 && errno == EBADF;
        for (int kind = 0; kind < 4; kind++) {
            const char *names[] = {"/proc/self/fd/%d", "/proc/self/fdinfo/%d", "/proc/thread-self/fd/%d", "/dev/fd/%d"};
            char target[64];
            snprintf(path, sizeof path, names[kind], fd);
            hidden += lstat(path, &st) == -1 && errno == ENOENT;
            hidden += open(path, O_RDONLY) == -1 && errno == ENOENT;
            hidden += readlink(path, target, sizeof target) == -1 && errno == ENOENT;
        }
        chdir("/proc/self/fd");
        snprintf(path, sizeof path, "%d", fd);
        hidden += lstat(path, &st) == -1 && errno == ENOENT;
        hidden += access(path, F_OK) == -1 && errno == ENOENT;
        hidden += open(path, O_PATH) == -1 && errno == ENOENT;
    }
    printf("refused %d of 77, hidden %d of 165\n", refused, hidden);

    int fd = open("/proc/self/fd", O_RDONLY | O_DIRECTORY);
    list("self", fd, SYS_getdents64, 19, 4096);
    lseek(fd, 0, SEEK_SET);
    list("entry by entry", fd, SYS_getdents64, 19, 24);
    lseek(fd, 0, SEEK_SET);
    list("in the old way", fd, SYS_getdents, 18, 4096);
    snprintf(path, sizeof path, "%d", fd);
    printf("its own %d\n", fstatat(fd, path, &st, 0) == 0 && S_ISDIR(st.st_mode));
    close(fd);
    list("info", fd = open("/proc/self/fdinfo", O_RDONLY), SYS_getdents64, 19, 4096);
    close(fd);
    int process = open("/proc/self", O_PATH);
    list("below", fd = openat(process, "fd", O_RDONLY), SYS_getdents64, 19, 4096);
    close(fd), close(process);
    list("here", fd = open(".", O_RDONLY), SYS_getdents64, 19, 4096);
    close(fd);
    snprintf(path, sizeof path, "/proc/%d/task/%d/fd", getppid(), getppid());
    DIR *parents = opendir(path);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(parents));) count += atoi(entry->d_name) >= 900;
    printf("parent %d\n", count);
    closedir(parents);

    /* A directory that has such names keeps them, whatever its number. */
    mkdir("/tmp/d", 0755), mkdir("/tmp/d/fd", 0755), mkdir("/tmp/d/fd/902", 0755);
    dup2(open("/tmp/d/fd", O_RDONLY), 990);
    list("another", 990, SYS_getdents64, 19, 4096);
    printf("another's %d\n", chdir("/tmp/d/fd") == 0 && lstat("902", &st) == 0);
    close(990);

    /* More at once than there are numbers for: all answer. */
    int many[20], answers = 0;
    for (int i = 0; i < 20; i++) many[i] = open("/proc/self/fd", O_RDONLY);
    char some[4096];
    for (int i = 0; i < 20; i++) answers += syscall(SYS_getdents64, many[i], some, sizeof some) > 0;
    printf("many %d\n", answers);
    return 0;
}
