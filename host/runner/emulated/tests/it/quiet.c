// A step that has things another one is not to reach. It says on /up what they are called, waits for
// /done, and tells what has become of them.
#define _GNU_SOURCE
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int changed;
static void check(int as_it_was, const char *what) {
    if (!as_it_was) { printf("changed: %s\n", what); changed++; }
}
static int bound(int type, const char *name) {
    struct sockaddr_un at = {AF_UNIX};
    strcpy(at.sun_path + (*name != '/'), name);
    int s = socket(AF_UNIX, type | SOCK_NONBLOCK, 0);
    if (bind(s, (void *)&at, offsetof(struct sockaddr_un, sun_path) + (*name != '/') + strlen(name))) exit(2);
    if (type == SOCK_STREAM && listen(s, 5)) exit(3);
    return s;
}
static int lines(const char *path) {
    int n = 0, c; FILE *f = fopen(path, "r");
    if (!f) return -1;
    while ((c = getc(f)) != EOF) n += c == '\n';
    fclose(f);
    return n;
}

int main(void) {
    umask(077);
    int secret = open("/secret", O_CREAT | O_RDWR, 0600), shared = open("/dev/shm/canary", O_CREAT | O_RDWR, 0600);
    write(secret, "CANARY-file\n", 12); write(shared, "CANARY-shared\n", 14);
    char *memory = strdup("CANARY-memory"); volatile char *kept = memory;
    int streams = bound(SOCK_STREAM, "/socket"), datagrams = bound(SOCK_DGRAM, "/datagrams");
    int named = bound(SOCK_STREAM, "quiet-streams"), messages = bound(SOCK_DGRAM, "quiet-datagrams");
    int segment = shmget(0x5151, 4096, IPC_CREAT | 0600), set = semget(0x5151, 1, IPC_CREAT | 0600), queue = msgget(0x5151, IPC_CREAT | 0600);
    char *attached = shmat(segment, 0, 0); strcpy(attached, "CANARY-segment");
    struct { long type; char text[16]; } message = {1, "CANARY-message"};
    if (msgsnd(queue, &message, sizeof message.text, 0)) return 4;
    int master, terminal; char name[64];
    if (openpty(&master, &terminal, name, 0, 0)) return 5;
    fcntl(master, F_SETFL, O_NONBLOCK);
    int child = fork();
    if (child == 0) { pause(); _exit(0); }
    int pipes[2]; pipe2(pipes, O_NONBLOCK); write(pipes[1], "CANARY-pipe", 11);

    FILE *up = fopen("/up.part", "w");
    fprintf(up, "%d %d %d %d %d %s\n", getpid(), child, segment, set, queue, name + strlen("/dev/pts/"));
    fclose(up);
    rename("/up.part", "/up");
    for (int i = 0; i < 600 && access("/done", F_OK); i++) usleep(50000);

    char b[64] = {0}; struct stat st; struct rlimit limit, own; int status;
    check(pread(secret, b, 63, 0) == 12 && !strcmp(b, "CANARY-file\n"), "the file");
    check(stat("/secret", &st) == 0 && (st.st_mode & 07777) == 0600 && st.st_nlink == 1 && st.st_uid == getuid(), "its mode");
    memset(b, 0, 64);
    check(pread(shared, b, 63, 0) == 14 && !strcmp(b, "CANARY-shared\n"), "the shared file");
    check(!strcmp((char *)kept, "CANARY-memory"), "memory");
    check(!strcmp(attached, "CANARY-segment"), "the segment");
    struct shmid_ds ds;
    check(shmctl(segment, IPC_STAT, &ds) == 0 && ds.shm_nattch == 2, "who uses the segment");
    check(semctl(set, 0, GETVAL) == 0, "the semaphore");
    check(msgrcv(queue, &message, 16, 0, IPC_NOWAIT) == 16 && msgrcv(queue, &message, 16, 0, IPC_NOWAIT) == -1, "the queue");
    check(accept(streams, 0, 0) == -1, "a connection");
    check(accept(named, 0, 0) == -1, "a connection to the abstract socket");
    check(recv(datagrams, b, 64, 0) == -1, "a datagram");
    check(recv(messages, b, 64, 0) == -1, "a datagram for the abstract socket");
    check(read(master, b, 64) == -1, "the terminal");
    check(read(pipes[0], b, 64) == 11, "the pipe");
    check(getpriority(PRIO_PROCESS, child) == 0, "the priority");
    getrlimit(RLIMIT_NOFILE, &own);
    check(prlimit(child, RLIMIT_NOFILE, 0, &limit) == 0 && limit.rlim_cur == own.rlim_cur, "the limits");
    check(lines("/proc/self/status") > 0 && waitpid(child, &status, WNOHANG) == 0, "the child");
    kill(child, SIGKILL);
    check(waitpid(child, &status, 0) == child, "its end");
    printf("changed %d\n", changed);
    return changed;
}
