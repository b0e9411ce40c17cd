// The kernel's other doors: i386's calls by int $0x80, x32's numbers, the newest numbers; each from the
// guest's own text, and from the range that the filter lets through. argv: the pod's directory, a
// victim's pid, an abstract socket's name.
#include <setjmp.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

// i386's registers: the number, ebx, ecx, edx, esi, edi.
__attribute__((naked)) static long int80(long number, long b, long c, long d, long s, long D) {
    __asm__("push %rbx\n mov %edi, %eax\n mov %esi, %ebx\n mov %ecx, %r10d\n mov %edx, %ecx\n"
            "mov %r10d, %edx\n mov %r8d, %esi\n mov %r9d, %edi\n int $0x80\n cltq\n pop %rbx\n ret\n");
}
// The other way in for 32-bit code. It comes back, if at all, to where the kernel likes.
__attribute__((naked)) static long sysenter(long number, long b, long c, long d, long s, long D) {
    __asm__("push %rbx\n mov %edi, %eax\n mov %esi, %ebx\n mov %ecx, %r10d\n mov %edx, %ecx\n"
            "mov %r10d, %edx\n mov %r8d, %esi\n mov %r9d, %edi\n sysenter\n cltq\n pop %rbx\n ret\n");
}
typedef long door(long, long, long, long, long, long);
static door *through;

static sigjmp_buf back;
static void fault(int signal) { siglongjmp(back, signal); }

static const char *how;
static long I(long number, long b, long c, long d, long s) {
    // A kernel without i386's calls raises a signal.
    int signal = sigsetjmp(back, 1);
    return signal ? -1000000 - signal : through(number, b, c, d, s, 0);
}
static void i386(const char *what, long number, long b, long c, long d, long s) {
    char line[100];
    snprintf(line, sizeof line, "i386 %s%s %ld", how, what, number);
    long result = I(number, b, c, d, s);
    tell(line, result);
    if (result >= 0 && (number == 5 || number == 295)) {
        char text[100] = {0};
        read(result, text, 99);
        printf("LEAK %s\n", text);
    }
}

// What 32-bit pointers reach.
static char *low;
static long L(const char *text) {
    char *at = low;
    strcpy(low, text);
    low += (strlen(text) + 16) & ~15;
    return (long)at;
}
static long W(const void *words, size_t length) {
    char *at = low;
    memcpy(low, words, length);
    low += (length + 15) & ~15;
    return (long)at;
}


static void all_of_i386(pid_t victim, const char *name) {
    char *start = low, text[300];
    long secret = L(in("secret")), program = L(in("program")), here = L(in("")), made = L(in("made"));
    long own = L("/tmp/x"), key = L("user.keep"), room = W((char[256]){0}, 256), nothing = L("");
    long file = G(SYS_open, in("secret"), O_PATH), folder = G(SYS_open, in(""), O_PATH | O_DIRECTORY);
    int s = socket(AF_UNIX, SOCK_STREAM, 0), d = socket(AF_UNIX, SOCK_DGRAM, 0);
    struct sockaddr_un un = {AF_UNIX}; strcpy(un.sun_path, in("socket"));
    long stream = W(&un, sizeof un);
    strcpy(un.sun_path, in("datagrams"));
    long datagram = W(&un, sizeof un);
    memset(un.sun_path, 0, sizeof un.sun_path); strcpy(un.sun_path + 1, name);
    long abstract = W(&un, sizeof un), length = 3 + strlen(name);
    struct sockaddr_in metadata = {AF_INET, htons(80), {htonl(0xa9fea9fe)}};
    long service = W(&metadata, sizeof metadata), inet = socket(AF_INET, SOCK_STREAM, 0);
    int u[] = {s, stream, sizeof un}, v[] = {s, abstract, length}, w[] = {inet, service, sizeof metadata};
    int x[] = {d, own, 1, 0, datagram, sizeof un}, raw[] = {AF_INET, SOCK_RAW, 1}, packet[] = {17, SOCK_RAW, 0};
    int vector[] = {room, 64}, remote[] = {0x400000, 64}, message[] = {datagram, sizeof un, W(vector, 8), 1, 0, 0, 0};

    i386("open", 5, secret, O_RDONLY, 0, 0);
    i386("open for writing", 5, secret, O_WRONLY | O_TRUNC, 0, 0);
    i386("create", 5, made, O_WRONLY | O_CREAT, 0600, 0);
    i386("creat", 8, made, 0600, 0, 0);
    i386("openat", 295, folder, L("secret"), O_RDONLY, 0);
    i386("openat2", 437, folder, L("secret"), W((long[]){0, 0, 0}, 24), 24);
    snprintf(text, sizeof text, "/proc/self/fd/%ld", file);
    i386("opened again", 5, L(text), O_RDONLY, 0, 0);
    snprintf(text, sizeof text, "/proc/%d/root%s", victim, in("secret"));
    i386("through its root", 5, L(text), O_RDONLY, 0, 0);
    const char *files[] = {"mem", "environ", "maps", "fd/0", 0};
    for (const char **f = files; *f; f++) {
        snprintf(text, sizeof text, "/proc/%d/%s", victim, *f);
        i386("the victim's", 5, L(text), O_RDONLY, 0, 0);
    }
    i386("link", 9, secret, own, 0, 0);
    i386("linkat", 303, folder, L("secret"), 900, own);
    i386("unlink", 10, secret, 0, 0, 0);
    i386("unlinkat", 301, folder, L("secret"), 0, 0);
    i386("rename", 38, secret, own, 0, 0);
    i386("renameat2", 353, folder, L("secret"), 900, own);
    i386("mkdir", 39, made, 0755, 0, 0);
    i386("rmdir", 40, L(in("sub")), 0, 0, 0);
    i386("symlink", 83, own, made, 0, 0);
    i386("mknod", 14, made, S_IFIFO | 0600, 0, 0);
    i386("truncate", 92, secret, 0, 0, 0);
    i386("truncate64", 193, secret, 0, 0, 0);
    i386("chmod", 15, secret, 0777, 0, 0);
    i386("fchmodat", 306, folder, L("secret"), 0777, 0);
    i386("fchmodat2", 452, file, nothing, 0777, 0x1000);
    i386("lchown", 198, secret, getuid(), -1, 0);
    i386("utime", 30, secret, 0, 0, 0);
    i386("utimensat", 320, -100, secret, 0, 0);
    i386("getxattr", 229, secret, key, room, 64);
    i386("listxattr", 232, secret, room, 64, 0);
    i386("setxattr", 226, secret, L("user.x"), own, 1);
    i386("removexattr", 235, secret, key, 0, 0);
    i386("inotify_add_watch", 292, inotify_init(), here, 1, 0);
    i386("chroot", 61, here, 0, 0, 0);
    i386("pivot_root", 217, here, here, 0, 0);
    i386("mount", 21, here, own, 0, 4096);
    i386("acct", 51, secret, 0, 0, 0);
    i386("swapon", 87, secret, 0, 0, 0);
    i386("kill", 37, victim, SIGKILL, 0, 0);
    i386("tkill", 238, victim, SIGKILL, 0, 0);
    i386("tgkill", 270, victim, victim, SIGKILL, 0);
    i386("queue", 178, victim, SIGKILL, room, 0);
    i386("attach", 26, PTRACE_ATTACH, victim, 0, 0);
    i386("seize", 26, PTRACE_SEIZE, victim, 0, 0);
    i386("read memory", 347, victim, W(vector, 8), 1, W(remote, 8));
    i386("write memory", 348, victim, W(vector, 8), 1, W(remote, 8));
    i386("nice", 97, 0, victim, 19, 0);
    i386("processors", 241, victim, 4, W((int[]){1}, 4), 0);
    i386("limits", 340, victim, 7, W((long[]){1, 1}, 16), 0);
    long pidfd = G(434, victim, 0);
    i386("signal by descriptor", 424, pidfd, SIGKILL, 0, 0);
    i386("a descriptor", 438, pidfd, 0, 0, 0);
    i386("enter", 346, pidfd, 0x20000, 0, 0);
    i386("connect", 362, s, stream, sizeof un, 0);
    i386("connect to the abstract", 362, s, abstract, length, 0);
    i386("connect to metadata", 362, inet, service, sizeof metadata, 0);
    i386("sendto", 369, d, own, 1, 0);
    i386("sendmsg", 370, d, W(message, 28), 0, 0);
    i386("connect by socketcall", 102, 3, W(u, 12), 0, 0);
    i386("to the abstract by socketcall", 102, 3, W(v, 12), 0, 0);
    i386("to metadata by socketcall", 102, 3, W(w, 12), 0, 0);
    i386("send by socketcall", 102, 11, W(x, 24), 0, 0);
    i386("a raw socket by socketcall", 102, 1, W(raw, 12), 0, 0);
    i386("a packet socket by socketcall", 102, 1, W(packet, 12), 0, 0);
    i386("a raw socket", 359, AF_INET, SOCK_RAW, 1, 0);
    i386("shmget by ipc", 117, 23, 0x4b490001, 4096, 0600);
    i386("unshare", 310, 0x10000000, 0, 0, 0);
    i386("clone", 120, 0x10000011, 0, 0, 0);
    i386("bpf", 357, 0, room, 64, 0);
    i386("io_uring", 425, 1, room, 0, 0);
    i386("keyctl", 288, 0, -4, 0, 0);
    i386("perf", 336, room, 0, -1, -1);
    i386("userfaultfd", 374, 1, 0, 0, 0);
    i386("open_by_handle_at", 342, 900, room, 0, 0);
    i386("module", 128, room, 16, nothing, 0);
    i386("seccomp", 354, 1, 0, room, 0);
    // A program that starts would not come back.
    for (int i = 0; i < 2; i++) {
        fflush(stdout);
        int status = 0, child = fork();
        if (child == 0) {
            if (i) I(11, program, W((int[]){program, 0}, 8), 0, 0);
            else I(358, folder, L("program"), W((int[]){program, 0}, 8), 0);
            _exit(7);
        }
        waitpid(child, &status, 0);
        tell("i386 execve", WIFEXITED(status) && WEXITSTATUS(status) == 7 ? -1 : status);
    }
    close(file); close(folder); close(s); close(d); close(inet);
    low = start;
}

static long from_text(long n, long a, long b, long c, long d) {
    return syscall(n, a, b, c, d) < 0 ? -errno : 1;
}

int main(int argc, char **argv) {
    dir = argv[1];
    pid_t victim = atoi(argv[2]);
    char b[256] = {0};
    open_gate();
    low = mmap(0, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    for (int s = 1; s < 32; s++) if (s == SIGSEGV || s == SIGILL || s == SIGBUS) {
        struct sigaction action = {.sa_handler = fault, .sa_flags = SA_NODEFER};
        sigaction(s, &action, 0);
    }
    how = "";
    through = int80;
    all_of_i386(victim, argv[3]);
    how = "within the range: ";
    through = memcpy((char *)gate + 1024, int80, 64);
    all_of_i386(victim, argv[3]);
    // sysenter may not come back: a child.
    for (int i = 0; i < 2; i++) {
        fflush(stdout);
        int status = 0, child = fork();
        if (child == 0) {
            through = i ? memcpy((char *)gate + 2048, sysenter, 64) : sysenter;
            long secret = L(in("secret"));
            I(10, secret, 0, 0, 0); I(15, secret, 0777, 0, 0); I(37, victim, SIGKILL, 0, 0);
            _exit(I(5, secret, 0, 0, 0) >= 0);
        }
        waitpid(child, &status, 0);
        tell("i386 sysenter", status ? WIFSIGNALED(status) ? -1 : 1 : -1);
    }

    // x32: the numbers of x86_64 with a bit, and some of its own.
    long file = G(SYS_open, in("secret"), O_PATH);
    long secret = (long)in("secret"), made = (long)in("made");
    struct { long number, a, b, c, d; } x32[] = {
        {SYS_open, secret, O_RDONLY}, {SYS_openat, -100, secret}, {SYS_creat, made, 0600}, {SYS_unlink, secret},
        {SYS_rename, secret, made}, {SYS_link, secret, made}, {SYS_symlink, secret, made}, {SYS_mkdir, made, 0755},
        {SYS_truncate, secret, 0}, {SYS_chmod, secret, 0777}, {SYS_fchmodat, -100, secret, 0777}, {SYS_utimensat, -100, secret},
        {SYS_chroot, (long)dir}, {SYS_mount, secret, made, 0, 4096}, {SYS_kill, victim, SIGKILL}, {SYS_tgkill, victim, victim, SIGKILL},
        {SYS_connect, 0, secret, 110}, {SYS_socket, AF_INET, SOCK_RAW, 1}, {SYS_unshare, 0x10000000}, {SYS_bpf, 0, (long)b, 64},
        {SYS_inotify_add_watch, 0, secret, 1}, {SYS_setns, 0, 0}, {SYS_userfaultfd, 1}, {SYS_name_to_handle_at, -100, secret, (long)b, (long)b},
        {437, -100, secret, (long)b, 24}, {425, 1, (long)b}, {424, 0, 9}, {438, 0, 0},
        // execve, ptrace, rt_sigqueueinfo, kexec_load, move_pages, process_vm_readv, process_vm_writev, execveat
        {520, (long)in("program"), 0, 0}, {521, PTRACE_ATTACH, victim}, {524, victim, SIGKILL, (long)b}, {528, 0, 0, 0},
        {533, victim, 1, (long)b, (long)b}, {539, victim, (long)b, 1, (long)b}, {540, victim, (long)b, 1, (long)b}, {545, -100, (long)in("program"), 0},
    };
    for (size_t i = 0; i < sizeof x32 / sizeof *x32; i++) for (int bit = 0; bit < 2; bit++) {
        if (!bit && x32[i].number < 512) continue;
        long n = x32[i].number | (bit ? 0x40000000 : 0);
        snprintf(b, sizeof b, "x32 %ld", n);
        tell(b, G(n, x32[i].a, x32[i].b, x32[i].c, x32[i].d));
        tell(b, from_text(n, x32[i].a, x32[i].b, x32[i].c, x32[i].d));
    }
    // With high bits, which the kernel cuts off.
    tell("high bits", G(SYS_chmod | 1L << 32, secret, 0777));
    tell("high bits of x32", G(0x40000000 | SYS_chmod | 1L << 32, secret, 0777));
    tell("a negative number", G(-1, secret, 0777));

    // Numbers that nobody knows yet, and those of the last years.
    long worst = -38;
    for (long n = 480; n < 2048; n++) {
        if (n >= 512 && n < 548) continue;
        long one = G(n, secret, O_RDWR, b, 64), other = from_text(n, secret, O_RDWR, (long)b, 64);
        if (one != -38 || other != -38) worst = one == -38 ? other : one;
    }
    tell("unknown numbers", worst == -38 ? -38 : 1);
    struct { const char *name; long number, a, b, c, d; } newer[] = {
        {"fsopen", 430, (long)"tmpfs", 0}, {"fsconfig", 431, 0, 0}, {"fsmount", 432, 0, 0}, {"fspick", 433, -100, (long)dir},
        {"move_mount", 429, -100, (long)dir, -100, (long)"/tmp"}, {"open_tree", 428, -100, (long)dir, 1}, {"mount_setattr", 442, -100, (long)dir, 0, (long)b},
        {"open_tree_attr", 467, -100, (long)dir, 1, (long)b}, {"statmount", 457, (long)b, (long)b, 256}, {"listmount", 458, (long)b, (long)b, 8},
        {"io_uring_setup", 425, 1, (long)b}, {"io_uring_enter", 426, 0, 1}, {"io_uring_register", 427, 0, 0}, {"quotactl_fd", 443, file, 0},
        {"process_madvise", 440, G(434, victim, 0), (long)b, 1, 4}, {"process_mrelease", 448, G(434, victim, 0), 0}, {"fchmodat2", 452, file, (long)"", 0777, 0x1000},
        {"setxattrat", 463, -100, secret, 0, (long)"user.x"}, {"getxattrat", 464, -100, secret, 0, (long)"user.keep"},
        {"listxattrat", 465, -100, secret, 0, (long)b}, {"removexattrat", 466, -100, secret, 0, (long)"user.keep"},
        {"file_getattr", 468, -100, secret, (long)b, 24}, {"file_setattr", 469, -100, secret, (long)b, 24}, {"pidfd_getfd", 438, G(434, victim, 0), 0},
        {"memory policy of a node", 450, 0x400000, 4096, 0}, {"lsm_set_self_attr", 460, 100, (long)b, 32}, {"landlock", 444, (long)b, 8}, {"landlock rule", 445, 906, 1, (long)b}, {"landlock itself", 446, 906, 0},
    };
    for (size_t i = 0; i < sizeof newer / sizeof *newer; i++)
        tell(newer[i].name, G(newer[i].number, newer[i].a, newer[i].b, newer[i].c, newer[i].d));
    printf("tries %d\n", tries);
    return 0;
}
