// As hostile.c, by calls of i386: as they are, from a gate that the filter takes for the handler's, and from
// 64-bit code.
typedef int caller(int *words);
static int plainly(int *w) { return raw(w[0], w[1], w[2], w[3], w[4], w[5], w[6]); }
// The gates' first bytes are `int 0x80; ret`.
int at_gate(int *words);
__asm__("at_gate: push %ebp\n push %ebx\n push %esi\n push %edi\n mov 20(%esp), %eax\n mov 4(%eax), %ebx\n mov 8(%eax), %ecx\n"
        "mov 12(%eax), %edx\n mov 16(%eax), %esi\n mov 20(%eax), %edi\n mov 24(%eax), %ebp\n mov (%eax), %eax\n"
        "push $1f\n push $0xfffd0000\n ret\n1: pop %edi\n pop %esi\n pop %ebx\n pop %ebp\n ret");
// A far call into 64-bit code, which makes the same call and returns.
int in_64(int *words);
__asm__("in_64: push %ebp\n push %ebx\n push %esi\n push %edi\n mov 20(%esp), %eax\n mov 4(%eax), %ebx\n mov 8(%eax), %ecx\n"
        "mov 12(%eax), %edx\n mov 16(%eax), %esi\n mov 20(%eax), %edi\n mov 24(%eax), %ebp\n mov (%eax), %eax\n"
        "lcall $0x33, $2f\n pop %edi\n pop %esi\n pop %ebx\n pop %ebp\n ret\n"
        "2: int $0x80\n .byte 0xcb");

static char text[4096];
static char *in(const char *directory, const char *name) {
    static char paths[16][512]; static int next; char *p = paths[next++ % 16]; u32 n = length(directory);
    memcpy(p, directory, n); p[n] = '/'; memcpy(p + n + 1, name, length(name) + 1);
    return p;
}
static int decimal(const char *text) { int value = 0; while (*text) value = value * 10 + *text++ - '0'; return value; }
static void dump(int fd) {
    if (fd < 0) return;
    int n = C(3, fd, text, sizeof text - 1);
    if (n > 0) { text[n] = 0; print("LEAK "); print(text); print("\n"); }
}

static caller *way;
static const char *form;
static int W(const char *what, int n, int a, int b, int c, int d, int e, int f) {
    int words[] = {n, a, b, c, d, e, f}, result = way(words);
    tries++; say(what, form, result);
    return result;
}
#define A(what, n, ...) A_(what, n, ##__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define A_(what, n, a, b, c, d, e, f, ...) W(what, n, (int)(a), (int)(b), (int)(c), (int)(d), (int)(e), (int)(f))

static void attempts(const char *pod, int victim, const char *abstract, int port) {
    char *secret = in(pod, "secret");
    dump(A("open", 5, secret, 0, 0)); dump(A("openat", 295, -100, secret, 0, 0));
    u32 how[] = {0, 0, 0, 0, 0, 0}; dump(A("openat2", 437, -100, secret, how, 24));
    dump(A("creat", 8, in(pod, "new"), 0644));
    A("unlink", 10, secret); A("rename", 38, secret, "/tmp/stolen"); A("link", 9, secret, "/tmp/linked");
    A("linkat", 303, -100, secret, -100, "/tmp/linked", 0x400); A("symlink", 83, "x", in(pod, "link"));
    A("chmod", 15, secret, 0666); A("fchmodat", 306, -100, secret, 0666); A("fchmodat2", 452, -100, secret, 0666, 0);
    A("chown", 212, secret, 0, 0); A("old chown", 182, secret, 0, 0); A("lchown", 198, secret, 0, 0);
    A("truncate", 92, secret, 0); A("truncate64", 193, secret, 0, 0); A("mkdir", 39, in(pod, "made"), 0755);
    A("utime", 30, secret, 0); A("utimensat", 320, -100, secret, 0, 0); A("utimensat64", 412, -100, secret, 0, 0);
    A("setxattr", 226, secret, "user.keep", "x", 1, 0); A("removexattr", 235, secret, "user.keep");
    int inotify = C(332, 0); A("inotify", 292, inotify, pod, 0xfff); A("chroot", 61, pod);
    char *none[] = {0}; A("execve", 11, in(pod, "program"), none, none);
    A("execveat", 358, -100, in(pod, "program"), none, none, 0);
    A("kill victim", 37, victim, 9); A("tgkill", 270, victim, victim, 9); A("tkill", 238, victim, 9);
    A("ptrace", 26, 16, victim, 0, 0); A("ptrace seize", 26, 0x4206, victim, 0, 0);
    int local[] = {(int)text, 64}, remote[] = {0x400000, 64};
    A("process_vm_readv", 347, victim, local, 1, remote, 1, 0); A("process_vm_writev", 348, victim, local, 1, remote, 1, 0);
    A("prlimit", 340, victim, 7, remote, 0); A("setpriority", 97, 0, victim, 19); A("affinity", 241, victim, 4, remote);
    int pidfd = C(434, victim, 0); A("pidfd_getfd", 438, pidfd, 0, 0); A("pidfd signal", 424, pidfd, 9, 0, 0);
    u8 tcp[16] = {2, 0, port >> 8, port, 127, 0, 0, 1};
    u8 metadata[16] = {2, 0, 0, 80, 169, 254, 169, 254};
    int stream = C(359, 2, 1, 0), datagram = C(359, 2, 2, 0), words[] = {stream, (int)metadata, 16};
    A("fast open", 369, stream, "x", 1, 0x20004000, tcp, 16);
    int vector[] = {(int)"x", 1}, message[] = {(int)tcp, 16, (int)vector, 1, 0, 0, 0};
    A("sendmsg fast open", 370, stream, message, 0x20004000);
    A("connect", 362, stream, metadata, 16); A("socketcall connect", 102, 3, words); A("metadata datagram", 369, datagram, "x", 1, 0, metadata, 16);
    struct { unsigned short family; char name[108]; } unix_name = {1};
    memcpy(unix_name.name + 1, abstract, length(abstract)); int local_socket = C(359, 1, 1, 0);
    A("abstract", 362, local_socket, &unix_name, 3 + length(abstract));
    memset(&unix_name, 0, sizeof unix_name); unix_name.family = 1;
    char *path = in(pod, "socket"); if (length(path) < 108) { memcpy(unix_name.name, path, length(path)); A("socket path", 362, local_socket, &unix_name, 110); }
    A("raw socket", 359, 2, 3, 1); A("mptcp", 359, 2, 1, 262); A("packet", 359, 17, 3, 0); A("vsock", 359, 40, 1, 0);
    A("shmget", 395, 0x4b490000, 4096, 0); A("msgget", 399, 0x4b490000, 0); A("semget", 393, 0x4b490000, 1, 0);
    A("mount", 21, "none", "/", "tmpfs", 0, 0); A("unshare", 310, 0x10000000); A("setns", 346, 3, 0);
    A("clone newuser", 120, 0x10000011, 0, 0, 0, 0); A("io_uring", 425, 1, text); A("bpf", 357, 0, text, 64);
    A("perf", 336, text, 0, -1, -1, 0); A("keyctl", 288, 0, 0, 0); A("userfaultfd", 374, 0); A("kexec", 283, 0, 0, 0, 0);
    A("handle", 342, -100, text, 0); A("seccomp", 354, 1, 0, text); A("vm86", 166, 1, text); A("uselib", 86, secret);
    A("setuid then open", 213, 0); dump(A("open again", 5, secret, 0, 0));
    A("close the root", 6, 900); A("dup over the ledger", 63, 1, 902); A("terminal input", 54, 0, 0x5412, "x");
}

int run(int count, char **arguments) {
    // argv[1] = the pod's directory, argv[2] = a victim's pid, argv[3] = an abstract socket, argv[4] = a port.
    static const struct { const char *form; caller *way; } ways[] = {{"", plainly}, {" at a gate", at_gate}, {" in 64-bit code", in_64}};
    print("attempts\n");
    for (int i = 0; i < 3; i++) {
        form = ways[i].form; way = ways[i].way;
        attempts(arguments[1], decimal(arguments[2]), arguments[3], decimal(arguments[4]));
    }
    char line[20], *end = digits(append(line, "tries "), tries);
    *end++ = '\n';
    C(4, 1, line, end - line);
    return 0;
}
