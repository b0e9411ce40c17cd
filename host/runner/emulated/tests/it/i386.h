// What a program of i386 needs that has no libc.
typedef unsigned char u8;
typedef unsigned u32;

static int raw(int n, int a, int b, int c, int d, int e, int f) {
    int result;
    int words[] = {n, a, b, c, d, e, f};
    __asm__ volatile("push %%ebp\n push %%ebx\n mov %%eax, %%ecx\n mov 4(%%ecx), %%ebx\n mov 12(%%ecx), %%edx\n"
                     "mov 16(%%ecx), %%esi\n mov 20(%%ecx), %%edi\n mov 24(%%ecx), %%ebp\n mov (%%ecx), %%eax\n"
                     "mov 8(%%ecx), %%ecx\n int $0x80\n pop %%ebx\n pop %%ebp"
                     : "=a"(result) : "a"(words) : "ecx", "edx", "esi", "edi", "memory");
    return result;
}
#define C(n, ...) C_(n, ##__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define C_(n, a, b, c, d, e, f, ...) raw(n, (int)(a), (int)(b), (int)(c), (int)(d), (int)(e), (int)(f))

void *memset(void *to, int value, u32 count) { u8 *p = to; while (count--) *p++ = value; return to; }
void *memcpy(void *to, const void *from, u32 count) {
    u8 *p = to; const u8 *q = from; while (count--) *p++ = *q++; return to;
}
static u32 length(const char *text) { u32 n = 0; while (text[n]) n++; return n; }
static void print(const char *text) { C(4, 1, text, length(text)); }
static char *append(char *to, const char *text) { u32 n = length(text); memcpy(to, text, n); return to + n; }
static char *digits(char *to, int value) {
    char reversed[12]; int n = 0; u32 rest = value < 0 ? -value : value;
    do reversed[n++] = '0' + rest % 10; while (rest /= 10);
    if (value < 0) *to++ = '-';
    while (n) *to++ = reversed[--n];
    return to;
}
// In one piece, for others may write too.
static void say(const char *what, const char *form, int value) {
    char line[200], *end = digits(append(append(append(line, what), form), ": "), value);
    *end++ = '\n';
    C(4, 1, line, end - line);
}
static int tries;
static void tell(const char *what, int result) { tries++; say(what, "", result); }
static int wait_for(int pid) { int status = -1; C(7, pid, &status, 0x40000000); return status >> 8; }

int run(int count, char **arguments);
__attribute__((force_align_arg_pointer)) void start(int *stack) { C(1, run(stack[0], (char **)(stack + 1))); }
__asm__(".globl _start\n_start: mov %esp, %eax\n push %eax\n call start");
