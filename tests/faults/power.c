/* Loaded into valkey-server by LD_PRELOAD: notes in the file named by SYNCED_NOTES, a line "inode size" each, how long a file
   was when fsync or fdatasync was called on it and succeeded. So much of it outlives a power cut. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int noted(const char *name, int fd) {
    /* Before the call: what is written while it runs may be missed by it. */
    struct stat before;
    int known = fstat(fd, &before) == 0 && S_ISREG(before.st_mode);
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    int answer = real(fd), error = errno;
    const char *notes = getenv("SYNCED_NOTES");
    if (answer == 0 && known && notes) {
        char line[64];
        int length = snprintf(line, sizeof line, "%llu %lld\n", (unsigned long long)before.st_ino, (long long)before.st_size);
        int file = open(notes, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        if (file < 0 || write(file, line, length) != length) abort(); /* a proof that does not see is none */
        close(file);
    }
    errno = error;
    return answer;
}

int fsync(int fd) { return noted("fsync", fd); }
int fdatasync(int fd) { return noted("fdatasync", fd); }
