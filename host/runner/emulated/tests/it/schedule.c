// Sets what another thread or process may do, and says what it then has.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int other;
static int ready[2];
static void *wait_here(void *x) {
    int tid = syscall(SYS_gettid);
    write(ready[1], &tid, sizeof tid);
    for (;;) pause();
}
static int words[2];
static void *read_here(void *x) {
    int tid = syscall(SYS_gettid); char c;
    write(ready[1], &tid, sizeof tid);
    ssize_t n = read(words[0], &c, 1);
    printf("read: %zd %s\n", n, n == 1 ? "well" : strerrorname_np(errno));
    return 0;
}
static const char *name(long result) { return result == 0 ? "done" : strerrorname_np(errno); }

static void about(const char *whose, int who) {
    struct sched_param none = {0}; struct sched_param high = {1};
    printf("%s nice: %s", whose, name(setpriority(PRIO_PROCESS, who, 7)));
    printf(" %d\n", getpriority(PRIO_PROCESS, who));
    printf("%s less nice: %s\n", whose, name(setpriority(PRIO_PROCESS, who, 3)));
    printf("%s batch: %s", whose, name(sched_setscheduler(who, SCHED_BATCH, &none)));
    printf(" %d\n", sched_getscheduler(who));
    printf("%s first of all: %s\n", whose, name(sched_setscheduler(who, SCHED_FIFO, &high)));
    printf("%s parameter: %s\n", whose, name(sched_setparam(who, &none)));
    printf("%s no parameter: %s\n", whose, name(sched_setparam(who, 0)));
    unsigned idle[14] = {56, SCHED_IDLE};
    printf("%s idle: %s", whose, name(syscall(SYS_sched_setattr, who, idle, 0)));
    printf(" %d\n", sched_getscheduler(who));
    unsigned odd[14] = {7, SCHED_IDLE};
    printf("%s odd length: %s\n", whose, name(syscall(SYS_sched_setattr, who, odd, 0)));
    cpu_set_t one, got; CPU_ZERO(&one); CPU_SET(0, &one);
    printf("%s processors: %s", whose, name(sched_setaffinity(who, sizeof one, &one)));
    sched_getaffinity(who, sizeof got, &got); printf(" %d\n", CPU_COUNT(&got));
    CPU_ZERO(&one);
    printf("%s no processor: %s\n", whose, name(sched_setaffinity(who, sizeof one, &one)));
    printf("%s disk: %s", whose, name(syscall(SYS_ioprio_set, 1, who, 3 << 13)));
    printf(" %ld\n", syscall(SYS_ioprio_get, 1, who) >> 13);
    struct rlimit less = {100, 200}, old = {1, 1};
    printf("%s limit: %s", whose, name(prlimit(who, RLIMIT_NOFILE, &less, 0)));
    printf(" %s", name(prlimit(who, RLIMIT_NOFILE, 0, &old)));
    printf(" %d %d\n", (int)old.rlim_cur, (int)old.rlim_max);
    struct rlimit more = {300, 300};
    printf("%s more: %s\n", whose, name(prlimit(who, RLIMIT_NOFILE, &more, &old)));
}

int main(void) {
    pipe(ready);
    pid_t child = fork();
    if (child == 0) wait_here(0);
    read(ready[0], &other, sizeof other);
    about("a child", other);
    // A grandchild whose parent is gone, and not in the group or the session any more.
    if (fork() == 0) {
        if (fork() == 0) { setsid(); usleep(50000); wait_here(0); }
        _exit(0);
    }
    int orphan; read(ready[0], &orphan, sizeof orphan); wait(0);
    about("an orphan", orphan);
    kill(orphan, SIGKILL);
    // A stopped one stays stopped.
    kill(child, SIGSTOP); int status; waitpid(child, &status, WUNTRACED);
    printf("stopped: %s", name(setpriority(PRIO_PROCESS, child, 9)));
    usleep(20000);
    printf(" %d\n", waitpid(child, &status, WUNTRACED | WCONTINUED | WNOHANG));
    kill(child, SIGKILL); waitpid(child, &status, 0);
    printf("nobody: %s\n", name(setpriority(PRIO_PROCESS, child, 9)));
    pthread_t thread; pthread_create(&thread, 0, wait_here, 0);
    int waiter; read(ready[0], &waiter, sizeof waiter);
    about("a thread", waiter);
    printf("the group: %d\n", getpriority(PRIO_PROCESS, 0));
    // What waits goes on waiting.
    pipe(words);
    pthread_t reader; pthread_create(&reader, 0, read_here, 0);
    read(ready[0], &other, sizeof other); usleep(20000);
    for (int i = 0; i < 5; i++) printf("a reader: %s\n", name(setpriority(PRIO_PROCESS, other, 10 + i)));
    printf("%d\n", getpriority(PRIO_PROCESS, other));
    write(words[1], "x", 1); pthread_join(reader, 0);
    // One after the other, on the same.
    int failed = 0;
    for (int i = 0; i < 100; i++) failed += setpriority(PRIO_PROCESS, waiter, 7) != 0;
    printf("failed: %d\n", failed);
    return 0;
}
