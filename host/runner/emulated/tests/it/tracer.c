// A tracer of its own child: tells what it sees, which must be what it sees on a bare kernel.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static int good = 1;

static void work(void) {
    syscall(SYS_getppid);
    syscall(SYS_access, "/nothing", 0);
    syscall(SYS_access, "/etc/passwd", 0);
    int fd = syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY);
    syscall(SYS_close, fd);
    int child = fork();
    if (child == 0) {
        usleep(50000);
        _exit(3);
    }
    int status;
    syscall(SYS_wait4, child, &status, 0, 0);
    syscall(SYS_wait4, -1, &status, 0, 0);
    kill(getpid(), SIGUSR1);
    syscall(SYS_exit_group, 7);
}

static void on_signal(int signal) { syscall(SYS_access, "/etc", 0); }

// The calls, their values, and the signals.
static void calls(int child) {
    int status, entry = 0, on = 0;
    long number = 0;
    while (waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
        int signal = WSTOPSIG(status), pass = 0;
        if (signal == (SIGTRAP | (good ? 0x80 : 0))) {
            struct user_regs_struct regs;
            ptrace(PTRACE_GETREGS, child, 0, &regs);
            entry = !entry;
            if (entry) number = regs.orig_rax;
            if (number == SYS_getppid) on = 1;
            if (!on) {
            } else if (entry) printf("%ld", number);
            else if (number == SYS_wait4 || number == SYS_clone)
                printf(" %s\n", (long)regs.rax > 0 ? "ok" : strerror(-regs.rax));
            else if (number == SYS_getppid || number == SYS_getpid || number == SYS_gettid)
                printf(" some\n");
            else printf(" %ld\n", (long)regs.rax);
        } else {
            // Whose order with the end of a wait is nobody's promise.
            if (signal != SIGCHLD) printf("signal %d\n", signal);
            pass = signal;
        }
        ptrace(PTRACE_SYSCALL, child, 0, pass);
    }
    printf("\nend %x\n", status);
}

// Instructions from one marked call to the next, over a trapped one.
static void steps(int child) {
    int status, count = 0, on = 0;
    while (waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
        struct user_regs_struct regs;
        ptrace(PTRACE_GETREGS, child, 0, &regs);
        long code = ptrace(PTRACE_PEEKTEXT, child, regs.rip, 0) & 0xffff;
        if (WSTOPSIG(status) != SIGTRAP) printf("signal %d\n", WSTOPSIG(status));
        if (code == 0x050f && regs.rax == SYS_getppid) on = 1;
        if (on) count++;
        if (code == 0x050f && on && regs.rax == SYS_close) {
            printf("steps %d\n", count);
            ptrace(PTRACE_CONT, child, 0, 0);
            on = 0;
            kill(child, SIGKILL);
        } else ptrace(PTRACE_SINGLESTEP, child, 0, 0);
    }
    printf("end %x\n", status);
}

// Calls of every kind without an end, and the same program from its start again.
static void loop(char *self, int rounds) {
    for (int i = 0; i < 20; i++) {
        syscall(SYS_getppid);
        syscall(SYS_access, "/nothing", 0);
        int status, child = fork();
        if (child == 0) {
            usleep(500);
            _exit(0);
        }
        syscall(SYS_wait4, child, &status, 0, 0);
    }
    char text[20];
    sprintf(text, "%d", rounds - 1);
    if (rounds > 1) execl(self, self, "loop", text, NULL);
    _exit(0);
}

// Who is attached to in the middle of anything: entries and exits by turns, an entry first.
static void attach(char *self) {
    int child = fork(), status = 0, odd = 0, seen = 0;
    if (child == 0) loop(self, 1000);
    for (int i = 0; i < 200; i++) {
        usleep(i * 7919 % 3000);
        if (ptrace(PTRACE_SEIZE, child, 0, PTRACE_O_TRACESYSGOOD)) break;
        ptrace(PTRACE_INTERRUPT, child, 0, 0);
        int calls = 0;
        for (int stops = 0; stops < 100 && calls < 6; stops++) {
            if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) return;
            int signal = WSTOPSIG(status), pass = 0;
            if (signal == (SIGTRAP | 0x80)) {
                unsigned char info[88] = {0};
                ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof info, info);
                odd += info[0] != (calls++ % 2 ? PTRACE_SYSCALL_INFO_EXIT : PTRACE_SYSCALL_INFO_ENTRY);
            } else if (status >> 16 == 0) pass = signal;
            if (calls < 6) ptrace(PTRACE_SYSCALL, child, 0, pass);
        }
        seen += calls == 6;
        ptrace(PTRACE_DETACH, child, 0, 0);
    }
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    printf("attached %d odd %d\nend %x\n", seen, odd, status);
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    if (!strcmp(argv[1], "work")) work();
    if (!strcmp(argv[1], "loop")) loop(argv[0], atoi(argv[2]));
    if (!strcmp(argv[1], "attach")) return attach(argv[0]), 0;
    setvbuf(stdout, 0, _IOFBF, 65536);
    int borrowed = !strcmp(argv[1], "exec") || !strcmp(argv[1], "event");
    int child = borrowed ? vfork() : fork();
    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        if (borrowed) {
            execl(argv[0], argv[0], "work", NULL);
            _exit(1);
        }
        signal(SIGUSR1, on_signal);
        raise(SIGSTOP);
        work();
    }
    int status;
    printf("%d", waitpid(child, &status, 0) == child);
    printf(" first %x\n", status);
    if (!strcmp(argv[1], "steps")) {
        ptrace(PTRACE_SINGLESTEP, child, 0, 0);
        steps(child);
        return 0;
    }
    good = strcmp(argv[1], "plain");
    ptrace(PTRACE_SETOPTIONS, child, 0, good ? PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL : 0);
    ptrace(PTRACE_SYSCALL, child, 0, 0);
    calls(child);
    return 0;
}
