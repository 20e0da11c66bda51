/* Loaded into valkey-server by LD_PRELOAD. After each successful fsync or fdatasync of a file
   it appends a line "inode size" to the file that SYNC_LOG names. This many bytes survive a
   power cut. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int call_and_record(const char *name, int fd) {
    /* The size before the call: it may miss what is written while it runs. */
    struct stat before;
    int is_file = fstat(fd, &before) == 0 && S_ISREG(before.st_mode);
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    int result = real(fd), error = errno;
    const char *log = getenv("SYNC_LOG");
    if (result == 0 && is_file && log) {
        char line[64];
        int length = snprintf(line, sizeof line, "%llu %lld\n", (unsigned long long)before.st_ino,
                              (long long)before.st_size);
        int file = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        /* Without its log the test proves nothing. */
        if (file < 0 || write(file, line, length) != length) abort();
        close(file);
    }
    errno = error;
    return result;
}

int fsync(int fd) { return call_and_record("fsync", fd); }
int fdatasync(int fd) { return call_and_record("fdatasync", fd); }
