// 200 processes of 50 threads each make, give away, look at and remove files, all at the same time.
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void *work(void *number) {
    char name[64];
    struct stat seen;
    snprintf(name, sizeof name, "/tmp/%d-%ld", getpid(), (long)number);
    for (int round = 0; round < 3; round++) {
        int fd = open(name, O_CREAT | O_EXCL | O_RDWR, 0600);
        if (fd < 0 || chown(name, 33, 44) || fstat(fd, &seen) || seen.st_uid != 33 || unlink(name))
            _exit(3);
        close(fd);
    }
    // So that all processes are there together.
    usleep(200000);
    return 0;
}

int main(void) {
    int failed = 0, status;
    for (int process = 0; process < 200; process++) {
        pid_t child = fork();
        if (child < 0)
            return 1;
        if (child)
            continue;
        pthread_t threads[50];
        for (long n = 0; n < 50; n++)
            if (pthread_create(&threads[n], 0, work, (void *)n))
                _exit(2);
        for (int n = 0; n < 50; n++)
            pthread_join(threads[n], 0);
        _exit(0);
    }
    while (wait(&status) > 0)
        failed += status != 0;
    printf("%d failed\n", failed);
    return failed != 0;
}
