// Signals between users.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
static int sent(int pid, int signal) { return kill(pid, signal) ? errno : 0; }
static int asleep(int user) {
    int pid = syscall(SYS_fork);
    if (pid == 0) {
        if (user) syscall(SYS_setresuid, user, user, user);
        for (;;) pause();
    }
    usleep(30000);
    return pid;
}
/* What ends a child, or zero when it lives. */
static int ended(int pid) {
    int status;
    for (int i = 0; i < 100; i++) {
        if (waitpid(pid, &status, WNOHANG) == pid) return WTERMSIG(status);
        usleep(1000);
    }
    return 0;
}
static volatile int caught;
static void catch(int signal) { caught = 1; }
static void *beside(void *none) { for (;;) pause(); }
int main(int count, char **words) {
    setlinebuf(stdout);
    if (count > 1) {
        /* The step's first change of ids, and in the same moment a child that has done nothing yet. */
        syscall(SYS_setresuid, 1000, 1000, 1000);
        int child = syscall(SYS_fork);
        if (child == 0) for (;;) syscall(SYS_pause);
        printf("%d\n", sent(child, 9));
        return 0;
    }
    int roots = asleep(0), bobs = asleep(1000), others = asleep(1001);
    printf("root's own %d\n", sent(bobs, 0) | sent(others, 0) | sent(roots, 0));
    int gone = asleep(0);
    kill(gone, 9), waitpid(gone, 0, 0);
    int bob = syscall(SYS_fork);
    if (bob == 0) {
        syscall(SYS_setresuid, 1000, 1000, 1000);
        printf("no %d %d %d\n", sent(roots, 9), sent(others, 0), sent(getppid(), 15));
        printf("no such %d\n", sent(gone, 9));
        int mine = asleep(0);
        printf("yes %d %d\n", sent(mine, 0), sent(bobs, 0));
        printf("continue %d\n", sent(roots, SIGCONT));
        printf("bad %d %d\n", sent(mine, 99), sent(0, 99));
        /* Its group holds root's processes, which stay, and itself. */
        signal(SIGTERM, SIG_IGN);
        printf("group %d\n", sent(0, 15));
        waitpid(mine, 0, 0);
        printf("everybody %d\n", sent(-1, 9));
        pause();
    }
    int lives = ended(bobs) == 15 && !ended(roots) && !ended(others);
    kill(bob, 9), waitpid(bob, 0, 0);
    printf("root's %d, bob's %d\n", lives, kill(bobs, 0) == 0);
    kill(roots, 9), kill(others, 9);
    /* To itself, beside other threads: there before the call returns. */
    pthread_t thread;
    pthread_create(&thread, 0, beside, 0);
    signal(SIGUSR1, catch);
    kill(getpid(), SIGUSR1);
    printf("at once %d\n", caught);
    syscall(SYS_setresuid, 1000, 5, 5);
    int lower = syscall(SYS_fork);
    if (lower == 0) {
        syscall(SYS_setresuid, 1000, 1000, 1000);
        printf("set-id %d\n", sent(getppid(), 0));
        _exit(0);
    }
    waitpid(lower, 0, 0);
    return 0;
}
