// Breaks everything that it shares with the builder: the ledger, the state, the socket.
#include <sys/uio.h>
int main(void) {
    open_gate();
    struct stat st; G(SYS_fstat, 902, &st);
    long size = st.st_size;
    unsigned *table = (unsigned *)G(SYS_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_SHARED, 902, 0);
    if ((long)table < 0) return 2;
    unsigned seed = 1;
    for (long i = 0; i < size / 4 && i < 4000000; i++) table[i] = seed = seed * 1664525 + 1013904223;
    G(SYS_fstat, 905, &st);
    unsigned *state = (unsigned *)G(SYS_mmap, 0, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, 905, 0);
    for (int i = 0; i < st.st_size / 4; i++) state[i] = -1;
    long copy = G(SYS_dup, 902);
    G(SYS_flock, copy, 2);
    G(SYS_fcntl, copy, F_SETFL, O_APPEND | O_NONBLOCK);
    G(SYS_lseek, copy, 1 << 20, 0);
    if (G(SYS_ftruncate, copy, 0) == 0) write(1, "cut\n", 4);
    for (int i = 0; i < 400; i++) G(SYS_sendto, 904, "garbage", i % 8, MSG_DONTWAIT, 0, 0);
    // Directories that nobody may enter, as deep as they go.
    long fd = G(SYS_openat, 900, "tmp", O_RDONLY);
    G(SYS_fchmod, fd, 0);
    if (G(SYS_mkdirat, 900, "deep", 0700) == 0) {
        fd = G(SYS_openat, 900, "deep", O_RDONLY);
        G(SYS_fchdir, fd);
        for (int i = 0; i < 1500; i++) {
            if (G(SYS_mkdirat, AT_FDCWD, "d", 0700)) break;
            fd = G(SYS_openat, AT_FDCWD, "d", O_RDONLY);
            G(SYS_fchdir, fd);
            close(fd);
        }
    }
    return 0;
}
