// What System V IPC does, told line by line without anything that differs from run to run.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

union semun { int val; struct semid_ds *buf; unsigned short *array; struct seminfo *info; };
static void say(const char *what, long result) {
    if (result < 0) printf("%s: %s\n", what, strerrorname_np(errno));
    else printf("%s: %ld\n", what, result);
    fflush(stdout);
}
static void ok(const char *what, long result) { say(what, result < 0 ? -1 : 0); }
static void nap(int ms) { usleep(ms * 1000); }
static int child(void (*work)(void)) {
    int pid = fork();
    if (pid == 0) { work(); fflush(stdout); _exit(0); }
    int status; waitpid(pid, &status, 0);
    return status;
}
static void drop(void) { if (setgroups(0, 0) || setgid(1000) || setuid(1000)) exit(9); }
static long attached(int id) { struct shmid_ds ds; return shmctl(id, IPC_STAT, &ds) ? -1 : (long)ds.shm_nattch; }

static int shm, sem, msg;
static char *memory;
static void on_alarm(int sig) { (void)sig; }

static void in_child(void) {
    printf("child sees: %s\n", memory); say("attached in the child", attached(shm));
    strcpy(memory, "from the child");
    struct shmid_ds ds; shmctl(shm, IPC_STAT, &ds);
    printf("creator is the parent: %d\n", ds.shm_cpid == getppid());
}
static void as_other(void) {
    drop();
    ok("other: attach", (long)shmat(shm, 0, 0));
    ok("other: attach to read", (long)shmat(shm, 0, SHM_RDONLY));
    struct shmid_ds ds; say("other: stat", shmctl(shm, IPC_STAT, &ds));
    say("other: remove", shmctl(shm, IPC_RMID, 0));
    say("other: get", shmget(0x4b494c4e, 0, 0600));
    struct sembuf up = {0, 1, 0}, zero = {0, 0, IPC_NOWAIT};
    say("other: up", semop(sem, &up, 1)); say("other: wait for zero", semop(sem, &zero, 1));
    say("other: value", semctl(sem, 0, GETVAL)); say("other: set", semctl(sem, 0, SETVAL, 1));
    struct { long type; char text[4]; } m = {1, "x"};
    say("other: send", msgsnd(msg, &m, 1, 0)); say("other: receive", msgrcv(msg, &m, 1, 0, IPC_NOWAIT));
    ok("other: own segment", shmget(IPC_PRIVATE, 10, 0600));
}
static void shared_memory(void) {
    say("no such key", shmget(0x4b494c4e, 100, 0600));
    say("nothing", shmget(0x4b494c4e, 0, IPC_CREAT | 0600));
    ok("create", shm = shmget(0x4b494c4e, 10000, IPC_CREAT | IPC_EXCL | 0640));
    say("create again", shmget(0x4b494c4e, 10000, IPC_CREAT | IPC_EXCL | 0600));
    printf("found: %d\n", shmget(0x4b494c4e, 0, 0) == shm && shmget(0x4b494c4e, 10000, IPC_CREAT | 0600) == shm);
    say("too small", shmget(0x4b494c4e, 10001, 0));
    say("attached", attached(shm));
    memory = shmat(shm, 0, 0); ok("attach", (long)memory == -1 ? -1 : 0);
    strcpy(memory, "from the parent");
    memory[10000] = 1; memory[12287] = 1; // To the page's end.
    child(in_child); printf("parent sees: %s\n", memory);
    say("attached", attached(shm));
    char *again = shmat(shm, 0, SHM_RDONLY); printf("second: %s %d\n", again, again != memory);
    say("attached twice", attached(shm)); say("make it writable", mprotect(again, 4096, PROT_READ | PROT_WRITE));
    say("attach there again", (long)shmat(shm, again, 0)); say("odd address", (long)shmat(shm, again + 100, SHM_REMAP));
    say("replace nothing", (long)shmat(shm, 0, SHM_REMAP));
    printf("replaced: %d\n", shmat(shm, again + 100, SHM_REMAP | SHM_RND) == (void *)again);
    say("attached twice", attached(shm)); again[1] = 'R'; printf("parent sees: %s\n", memory);
    say("detach in the middle", shmdt(again + 4096)); say("detach", shmdt(again)); say("detach again", shmdt(again)); say("detach odd", shmdt(again + 1));
    char *free_place = again + 4096;
    printf("rounded: %d\n", shmat(shm, free_place + 5, SHM_RND) == (void *)free_place); say("detach", shmdt(free_place));
    say("no such", (long)shmat(shm + 1, 0, 0)); say("no such", shmctl(shm + 1, IPC_RMID, 0)); say("negative", (long)shmat(-1, 0, 0));
    say("bad command", shmctl(shm, 99, 0)); say("stat nowhere", shmctl(shm, IPC_STAT, (void *)0));
    struct shmid_ds ds; shmctl(shm, IPC_STAT, &ds);
    printf("key %x uid %d gid %d cuid %d mode %o size %lu times %d %d %d last %d\n", ds.shm_perm.__key, ds.shm_perm.uid, ds.shm_perm.gid,
        ds.shm_perm.cuid, ds.shm_perm.mode, ds.shm_segsz, ds.shm_atime > 0, ds.shm_dtime > 0, ds.shm_ctime > 0, ds.shm_lpid == getpid());
    ds.shm_perm.uid = 7; ds.shm_perm.gid = 1000; ds.shm_perm.mode = 07640; say("set", shmctl(shm, IPC_SET, &ds));
    shmctl(shm, IPC_STAT, &ds); printf("uid %d gid %d cuid %d mode %o\n", ds.shm_perm.uid, ds.shm_perm.gid, ds.shm_perm.cuid, ds.shm_perm.mode);
    child(as_other);
    ds.shm_perm.mode = 0600; shmctl(shm, IPC_SET, &ds); child(as_other);
    // Gone with the last attachment; execve(2) and exit(2) end those of a process.
    int pid = fork();
    if (pid == 0) { execl("/proc/self/exe", "sysv", "sleep", (char *)0); _exit(9); }
    nap(300); say("attached after execve", attached(shm)); kill(pid, SIGKILL); waitpid(pid, 0, 0);
    pid = fork();
    if (pid == 0) { pause(); _exit(0); }
    nap(100); say("attached after fork", attached(shm));
    say("remove", shmctl(shm, IPC_RMID, 0)); shmctl(shm, IPC_STAT, &ds);
    printf("mode %o key %x\n", ds.shm_perm.mode, ds.shm_perm.__key); say("by key", shmget(0x4b494c4e, 0, 0));
    memory[0] = 'F'; printf("still: %s\n", memory); say("detach", shmdt(memory)); say("attached", attached(shm));
    memory = shmat(shm, 0, 0); printf("attached again: %s\n", memory); munmap(memory, 12288);
    kill(pid, SIGKILL); waitpid(pid, 0, 0); say("gone", attached(shm)); say("gone", (long)shmat(shm, 0, 0));
    int private = shmget(IPC_PRIVATE, 1, 0600), other = shmget(IPC_PRIVATE, 1, 0600); printf("private: %d\n", private != other);
    char *one = shmat(private, 0, 0), *two = shmat(other, 0, 0); *one = 1; *two = 2; printf("apart: %d\n", *one + *two);
    shmctl(private, IPC_RMID, 0); shmctl(other, IPC_RMID, 0); say("attached", attached(private)); shmdt(one); shmdt(two); say("gone", attached(private));
}

static int values(void) {
    unsigned short all[3]; if (semctl(sem, 0, GETALL, all) < 0) { say("values", -1); return -1; }
    printf("values %d %d %d\n", all[0], all[1], all[2]); fflush(stdout); return 0;
}
static void waits_for_two(void) {
    struct sembuf two[] = {{0, -2, 0}, {1, 1, 0}}; say("waiter", semop(sem, two, 2));
}
static void waits_removed(void) { struct sembuf down = {2, -1, 0}; say("waiter", semop(sem, &down, 1)); }
static void takes_with_undo(void) {
    struct sembuf ops[] = {{0, -1, SEM_UNDO}, {2, 4, SEM_UNDO}, {2, -1, SEM_UNDO}}; ok("with undo", semop(sem, ops, 3)); values();
}
static void undo_then_execs(void) {
    takes_with_undo(); execl("/proc/self/exe", "sysv", "values", (char *)0);
}
static int background(void (*work)(void)) {
    int pid = fork();
    if (pid == 0) { alarm(20); work(); fflush(stdout); _exit(0); }
    return pid;
}
static void semaphores(void) {
    ok("create", sem = semget(0x4b494c4f, 3, IPC_CREAT | IPC_EXCL | 0640));
    say("create again", semget(0x4b494c4f, 3, IPC_CREAT | IPC_EXCL | 0640)); say("too many", semget(0x4b494c4f, 4, 0)); say("none", semget(IPC_PRIVATE, 0, 0600));
    say("negative", semget(IPC_PRIVATE, -1, 0600)); values();
    unsigned short start[] = {1, 0, 0}; say("set all", semctl(sem, 0, SETALL, start)); values();
    unsigned short high[] = {1, 0, 40000}; say("set too high", semctl(sem, 0, SETALL, high)); say("too high", semctl(sem, 0, SETVAL, 32768)); say("bad number", semctl(sem, 3, GETVAL));
    struct sembuf down = {1, -1, IPC_NOWAIT}, bad = {3, 1, 0}, lots = {0, 32767, 0}, up = {0, 1, 0};
    say("would wait", semop(sem, &down, 1)); say("bad number", semop(sem, &bad, 1)); say("no operation", semop(sem, &up, 0)); say("too many", semop(sem, &up, 501)); say("out of range", semop(sem, &lots, 1));
    say("bad address", semop(sem, (void *)8, 1));
    struct sembuf half[] = {{0, -1, 0}, {1, -1, IPC_NOWAIT}}; say("all or nothing", semop(sem, half, 2)); values();
    struct timespec little = {0, 20000000}, wrong = {0, 1000000000}; struct sembuf wait = {1, -1, 0};
    say("time is up", semtimedop(sem, &wait, 1, &little)); say("no such time", semtimedop(sem, &wait, 1, &wrong));
    int pid = background(waits_for_two); nap(200);
    say("wait to grow", semctl(sem, 0, GETNCNT)); say("wait for zero", semctl(sem, 0, GETZCNT)); int raised = semop(sem, &up, 1);
    waitpid(pid, 0, 0); say("up", raised); values(); printf("last was the waiter: %d\n", semctl(sem, 0, GETPID) == pid);
    // Signals.
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART}; sigaction(SIGALRM, &action, 0);
    struct itimerspec; alarm(1); say("interrupted", semop(sem, &down, 1) < 0 && errno == EAGAIN ? semop(sem, &wait, 1) : 0);
    values(); semctl(sem, 1, SETVAL, 0); alarm(1); say("interrupted", semop(sem, &wait, 1)); say("nobody waits", semctl(sem, 1, GETNCNT)); semop(sem, &(struct sembuf){1, 1, 0}, 1); values();
    // Undo.
    semctl(sem, 0, SETALL, start); child(takes_with_undo); nap(200); values();
    child(undo_then_execs); nap(200); values();
    pid = background(waits_removed); nap(100); semctl(sem, 2, SETVAL, 0);
    struct semid_ds ds; semctl(sem, 0, IPC_STAT, &ds);
    printf("uid %d mode %o count %lu times %d %d\n", ds.sem_perm.uid, ds.sem_perm.mode, ds.sem_nsems, ds.sem_otime > 0, ds.sem_ctime > 0);
    child(as_other); ds.sem_perm.gid = 1000; ds.sem_perm.mode = 0646; say("set", semctl(sem, 0, IPC_SET, &ds)); child(as_other);
    int gone = semctl(sem, 0, IPC_RMID); waitpid(pid, 0, 0); say("remove", gone); say("removed", semctl(sem, 0, GETVAL)); say("removed", semop(sem, &up, 1));
}

static struct { long type; char text[9000]; } m;
static long send_(long type, const char *text, int flags) { m.type = type; strcpy(m.text, text); return msgsnd(msg, &m, strlen(text), flags); }
static void receive(const char *what, long type, size_t size, int flags) {
    memset(&m, 0, sizeof m); long got = msgrcv(msg, &m, size, type, flags | IPC_NOWAIT);
    if (got < 0) say(what, -1); else printf("%s: %ld %ld %.20s\n", what, got, m.type, m.text);
    fflush(stdout);
}
static void receives_late(void) { memset(&m, 0, sizeof m); long got = msgrcv(msg, &m, 100, 5, 0); printf("late: %ld %s\n", got, got < 0 ? strerrorname_np(errno) : m.text); }
static void sends_late(void) { say("late", send_(9, "late", 0)); }
static void messages(void) {
    ok("create", msg = msgget(0x4b494c50, IPC_CREAT | IPC_EXCL | 0640)); say("create again", msgget(0x4b494c50, IPC_CREAT | IPC_EXCL | 0640)); say("no such", msgget(0x4b494c51, 0));
    say("bad type", send_(0, "x", 0)); say("bad type", send_(-1, "x", 0)); m.type = 1; say("too long", msgsnd(msg, &m, 8193, 0)); say("empty", send_(1, "", 0)); receive("empty", 0, 10, 0);
    for (int i = 0; i < 6; i++) { char text[20]; sprintf(text, "message %d", i); send_("\3\1\4\1\5\2"[i], text, 0); }
    receive("first", 0, 100, 0); receive("type 5", 5, 100, 0); receive("type 5", 5, 100, 0); receive("at most 2", -2, 100, 0); receive("at most 4", -4, 100, 0);
    receive("but 4", 4, 100, MSG_EXCEPT); receive("too small", 4, 3, 0); receive("cut", 4, 3, MSG_NOERROR); receive("nothing", 0, 100, 0); receive("negative", 0, -1, 0);
    struct msqid_ds ds; msgctl(msg, IPC_STAT, &ds); printf("left %lu bytes %lu room %lu mode %o\n", ds.msg_qnum, ds.__msg_cbytes, ds.msg_qbytes, ds.msg_perm.mode);
    int pid = background(receives_late); nap(100); send_(4, "not this", 0); send_(5, "this", 0); waitpid(pid, 0, 0); receive("other", 0, 100, 0);
    m.type = 2; say("full", msgsnd(msg, &m, 8192, 0)); say("full", msgsnd(msg, &m, 8192, 0)); say("full", send_(3, "x", IPC_NOWAIT)); say("no bytes", send_(3, "", IPC_NOWAIT));
    pid = background(sends_late); nap(100); alarm(1); say("interrupted", send_(3, "x", 0)); long got = msgrcv(msg, &m, 8192, 2, IPC_NOWAIT); waitpid(pid, 0, 0); printf("one: %ld\n", got); receive("one", 9, 100, 0);
    receive("one", 0, 8192, 0); receive("one", 3, 10, 0); alarm(1); say("interrupted", msgrcv(msg, &m, 10, 0, 0));
    send_(1, "x", 0); child(as_other); msgctl(msg, IPC_STAT, &ds); printf("left %lu sender %d receiver %d\n", ds.msg_qnum, ds.msg_lspid == getpid(), ds.msg_lrpid == getpid());
    ds.msg_perm.uid = 1000; ds.msg_qbytes = 3; say("set", msgctl(msg, IPC_SET, &ds)); child(as_other); say("full", send_(1, "abcd", IPC_NOWAIT));
    pid = background(receives_late); nap(100); int gone = msgctl(msg, IPC_RMID, 0); waitpid(pid, 0, 0); say("remove", gone); say("removed", send_(1, "x", 0));
}

static void lists(void) {
    int a = shmget(1, 4096, IPC_CREAT | 0600), b = semget(2, 5, IPC_CREAT | 0600), c = msgget(3, IPC_CREAT | 0600);
    struct shm_info shm_info; struct shmid_ds shm_ds; int top = shmctl(0, SHM_INFO, (void *)&shm_info); long found = -1;
    for (int i = 0; i <= top; i++) if (shmctl(i, SHM_STAT, &shm_ds) == a) found = shm_ds.shm_segsz;
    printf("segments %d pages %lu found %ld\n", shm_info.used_ids, shm_info.shm_tot, found);
    struct seminfo seminfo; struct semid_ds sem_ds; union semun u = {.info = &seminfo}; top = semctl(0, 0, SEM_INFO, u); found = -1; u.buf = &sem_ds;
    for (int i = 0; i <= top; i++) if (semctl(i, 0, SEM_STAT, u) == b) found = sem_ds.sem_nsems;
    printf("sets %d semaphores %d found %ld value %d\n", seminfo.semusz, seminfo.semaem, found, seminfo.semvmx);
    struct msginfo msginfo; struct msqid_ds msg_ds; top = msgctl(0, MSG_INFO, (void *)&msginfo); found = -1;
    for (int i = 0; i <= top; i++) if (msgctl(i, MSG_STAT, &msg_ds) == c) found = msg_ds.msg_qbytes;
    printf("queues %d messages %d found %ld\n", msginfo.msgpool, msginfo.msgmap, found);
    for (int i = 0; i < 3; i++) {
        char path[64], line[512]; sprintf(path, "/proc/sysvipc/%s", (char *[]){"shm", "sem", "msg"}[i]); FILE *file = fopen(path, "r");
        while (file && fgets(line, sizeof line, file)) { int key, id, mode, size, uid;
            if (sscanf(line, "%d %d %o %d", &key, &id, &mode, &size) == 4) printf("%s: key %d known %d mode %o size %d length %zu\n", path, key, id == (int[]){a, b, c}[i], mode, size, strlen(line)); else printf("%s", line); }
    }
    // Left behind: the next step must not find them.
}

int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "sleep")) { sleep(10); return 0; }
    if (argc > 1 && !strcmp(argv[1], "values")) { sem = semget(0x4b494c4f, 0, 0); return values(); }
    if (argc > 1 && !strcmp(argv[1], "find")) { say("segment", shmget(1, 0, 0)); say("set", semget(2, 0, 0)); say("queue", msgget(3, 0)); return 0; }
    setvbuf(stdout, 0, _IOLBF, 0);
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART}; sigaction(SIGALRM, &action, 0);
    shared_memory(); semaphores(); messages(); lists();
}
