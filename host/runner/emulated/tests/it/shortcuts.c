// Calls made again and again at one place: they become shortcuts, and nothing else may change.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(what) ((what) ? (void)0 : fail(__LINE__, #what))
static void fail(int line, const char *what) {
    printf("line %d: %s (errno %d)\n", line, what, errno);
    exit(1);
}
enum { MANY = 200, JUMP = 0xe9, MOV = 0xb8 };

// stat(path, buffer), in the usual form; `direct` enters at the system call itself.
__asm__(".text\n.balign 64\n"
        ".globl raw_stat\nraw_stat:\n.globl raw_site\nraw_site: mov $4, %eax\n.globl raw_call\nraw_call: syscall\n ret\n"
        ".globl direct\ndirect: mov $4, %eax\n jmp raw_call\n"
        // As glibc's nocancel open: moves between.
        ".balign 64\n.globl raw_open\nraw_open:\n.globl open_site\nopen_site: mov $257, %eax\n mov %rdi, %rsi\n"
        " mov $0xffffff9c, %edi\n syscall\n ret\n"
        // Another register has the number: not the usual form.
        ".balign 64\n.globl odd_stat\nodd_stat: mov $4, %eax\n.globl odd_site\nodd_site: mov $4, %r8d\n syscall\n ret\n"
        // Across two pages.
        ".balign 4096\n.skip 4093\n.globl split_site\nsplit_site: mov $4, %eax\n syscall\n ret\n");
long raw_stat(const char *, struct stat *), direct(const char *, struct stat *), odd_stat(const char *, struct stat *);
long raw_open(const char *, int, int), split_site(const char *, struct stat *);
extern unsigned char raw_site[], open_site[], odd_site[];

static struct stat passwd;
static void same(const struct stat *seen) {
    CHECK(seen->st_ino == passwd.st_ino && seen->st_size == passwd.st_size && seen->st_uid == 0);
}

// Every register but rax, rcx and r11 comes back, vector registers too.
static void registers(void) {
    struct stat seen;
    unsigned long in[16][2], out[16][2], general[9];
    for (int i = 0; i < 16; i++) in[i][0] = 0x1111111111111111ul * i, in[i][1] = ~in[i][0];
    __asm__ volatile(
        "movups 0x00(%[in]), %%xmm0\n movups 0x10(%[in]), %%xmm1\n movups 0x20(%[in]), %%xmm2\n movups 0x30(%[in]), %%xmm3\n"
        "movups 0x40(%[in]), %%xmm4\n movups 0x50(%[in]), %%xmm5\n movups 0x60(%[in]), %%xmm6\n movups 0x70(%[in]), %%xmm7\n"
        "movups 0x80(%[in]), %%xmm8\n movups 0x90(%[in]), %%xmm9\n movups 0xa0(%[in]), %%xmm10\n movups 0xb0(%[in]), %%xmm11\n"
        "movups 0xc0(%[in]), %%xmm12\n movups 0xd0(%[in]), %%xmm13\n movups 0xe0(%[in]), %%xmm14\n movups 0xf0(%[in]), %%xmm15\n"
        "push %[out]\n mov $3, %%edx\n mov $5, %%r8d\n mov $6, %%r9d\n mov $7, %%r10d\n mov $8, %%r13d\n mov $9, %%r14d\n"
        "lea -8(%%rsp), %%r12\n movq $42, -16(%%rsp)\n call raw_stat\n pop %[out]\n"
        "movups %%xmm0, 0x00(%[out])\n movups %%xmm1, 0x10(%[out])\n movups %%xmm2, 0x20(%[out])\n movups %%xmm3, 0x30(%[out])\n"
        "movups %%xmm4, 0x40(%[out])\n movups %%xmm5, 0x50(%[out])\n movups %%xmm6, 0x60(%[out])\n movups %%xmm7, 0x70(%[out])\n"
        "movups %%xmm8, 0x80(%[out])\n movups %%xmm9, 0x90(%[out])\n movups %%xmm10, 0xa0(%[out])\n movups %%xmm11, 0xb0(%[out])\n"
        "movups %%xmm12, 0xc0(%[out])\n movups %%xmm13, 0xd0(%[out])\n movups %%xmm14, 0xe0(%[out])\n movups %%xmm15, 0xf0(%[out])\n"
        "mov %%rdi, 0(%[g])\n mov %%rsi, 8(%[g])\n mov %%rdx, 16(%[g])\n mov %%r8, 24(%[g])\n mov %%r9, 32(%[g])\n"
        "mov %%r10, 40(%[g])\n mov %%r13, 48(%[g])\n mov %%r14, 56(%[g])\n mov %%rax, 64(%[g])\n"
        : : "D"("/etc/passwd"), "S"(&seen), [in] "b"(in), [out] "r"(out), [g] "r"(general)
        : "memory", "rax", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
          "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",
          "xmm13", "xmm14", "xmm15");
    CHECK(memcmp(in, out, sizeof in) == 0);
    CHECK(general[1] == (unsigned long)&seen && general[2] == 3 && general[3] == 5 && general[4] == 6);
    CHECK(general[5] == 7 && general[6] == 8 && general[7] == 9 && general[8] == 0);
    same(&seen);
}

static volatile int ticks;
static sigjmp_buf back;
static void tick(int signal) {
    struct stat seen;
    CHECK(raw_stat("/etc/passwd", &seen) == 0);
    same(&seen);
    ticks++;
    if (signal == SIGUSR1) siglongjmp(back, 1);
}

static void *thread(void *unused) {
    struct stat seen;
    for (int i = 0; i < MANY; i++) CHECK(raw_stat("/etc/passwd", &seen) == 0), same(&seen);
    return 0;
}

// The mask is the guest's, whether signals are blocked during shortcuts or not.
static void masks(void) {
    sigset_t one, all, old;
    struct stat seen;
    sigemptyset(&one), sigaddset(&one, SIGUSR2), sigfillset(&all);
    for (int i = 0; i < MANY; i++) {
        CHECK(sigprocmask(SIG_BLOCK, &one, &old) == 0 && !sigismember(&old, SIGUSR2));
        CHECK(sigprocmask(SIG_SETMASK, &all, &old) == 0 && sigismember(&old, SIGUSR2) && !sigismember(&old, SIGTERM));
        CHECK(raw_stat("/etc/passwd", &seen) == 0 && stat("/nowhere", &seen) == -1 && errno == ENOENT);
        CHECK(sigprocmask(SIG_UNBLOCK, &all, &old) == 0 && sigismember(&old, SIGTERM));
        CHECK(sigprocmask(SIG_BLOCK, 0, &old) == 0 && !sigismember(&old, SIGTERM));
        CHECK(sigprocmask(99, &one, 0) == -1 && errno == EINVAL);
    }
}

int main(void) {
    struct stat seen;
    CHECK(stat("/etc/passwd", &passwd) == 0 && passwd.st_size > 0);
    CHECK(*raw_site == MOV);
    for (int i = 0; i < MANY; i++) registers();
    CHECK(*raw_site == JUMP);
    for (int i = 0; i < MANY; i++) CHECK(direct("/etc/passwd", &seen) == 0), same(&seen);
    for (int i = 0; i < MANY; i++) CHECK(raw_stat("/nowhere", &seen) == -ENOENT);
    for (int i = 0; i < MANY; i++) CHECK(odd_stat("/etc/passwd", &seen) == 0), same(&seen);
    CHECK(*odd_site == 0x41);
    for (int i = 0; i < MANY; i++) CHECK(split_site("/etc/passwd", &seen) == 0), same(&seen);
    CHECK(*(unsigned char *)split_site == JUMP);

    // Writable code stays as it is, and keeps its protection.
    unsigned char *page = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(page != MAP_FAILED);
    memcpy(page, "\xb8\x04\0\0\0\x0f\x05\xc3", 8);
    for (int i = 0; i < MANY; i++) CHECK(((long (*)(const char *, struct stat *))page)("/etc/passwd", &seen) == 0);
    CHECK(*page == MOV);
    *page = MOV;

    masks();
    // Signals during shortcuts, handlers that make calls, handlers that never return.
    struct sigaction action = {.sa_handler = tick};
    CHECK(sigaction(SIGALRM, &action, 0) == 0 && sigaction(SIGUSR1, &action, 0) == 0);
    struct itimerval often = {{0, 200}, {0, 200}}, never = {{0}};
    setitimer(ITIMER_REAL, &often, 0);
    for (int i = 0; i < 20000; i++) CHECK(raw_stat("/etc/passwd", &seen) == 0), same(&seen);
    CHECK(ticks > 0);
    for (volatile int i = 0; i < 300; i++)
        if (sigsetjmp(back, 1) == 0) { raise(SIGUSR1); CHECK(0); }
    masks();
    setitimer(ITIMER_REAL, &never, 0);
    sigset_t mask;
    CHECK(sigprocmask(SIG_BLOCK, 0, &mask) == 0 && !sigismember(&mask, SIGALRM) && !sigismember(&mask, SIGTERM));

    // A shortcut that must wait: a fifo is opened by the kernel itself, after a trap.
    for (int i = 0; i < MANY; i++) { int fd = raw_open("/etc/passwd", O_RDONLY, 0); CHECK(fd > 2); close(fd); }
    CHECK(*open_site == JUMP);
    CHECK(mkfifo("/tmp/fifo", 0600) == 0);
    pid_t child = fork();
    if (child == 0) { usleep(50000); int fd = open("/tmp/fifo", O_WRONLY); _exit(write(fd, "x", 1) != 1); }
    char byte = 0;
    int fd = raw_open("/tmp/fifo", O_RDONLY, 0), status;
    CHECK(fd > 2 && read(fd, &byte, 1) == 1 && byte == 'x');
    CHECK(waitpid(child, &status, 0) == child && status == 0);

    // Children and threads have the shortcuts too.
    child = fork();
    if (child == 0) { thread(0); _exit(0); }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    pthread_t threads[8];
    for (int i = 0; i < 8; i++) CHECK(pthread_create(&threads[i], 0, thread, 0) == 0);
    for (int i = 0; i < 8; i++) CHECK(pthread_join(threads[i], 0) == 0);
    puts("all well");
}
