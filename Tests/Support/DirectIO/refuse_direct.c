// A preloaded library: a file system that can't do direct I/O (O_DIRECT), or not as it is asked for.
//
// REFUSE_DIRECT says what is refused: `open`, `read`, `write`, `all` (reads and writes), or `align`: what is no multiple
// of 64 MiB, as a device would whose blocks are that large; no read or write of the store is so long, whatever its
// address. REFUSE_DIRECT_ERROR is the error's number; default EINVAL.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { UNIT = 64 << 20 };

static int is(const char *what) {
    const char *mode = getenv("REFUSE_DIRECT");
    return mode && strcmp(mode, what) == 0;
}

static int refuse(void) {
    const char *number = getenv("REFUSE_DIRECT_ERROR");
    errno = number ? atoi(number) : EINVAL;
    return -1;
}

static int is_refused(int descriptor, const char *what, const void *bytes, size_t count, off_t offset) {
    int flags = fcntl(descriptor, F_GETFL);
    if (flags < 0 || !(flags & O_DIRECT)) return 0;
    if (is("align")) return (uintptr_t)bytes % UNIT || count % UNIT || offset % UNIT;
    return is(what) || is("all");
}

#define OPEN(name)                                                                     \
    int name(const char *path, int flags, ...) {                                       \
        static int (*next)(const char *, int, ...);                                    \
        if (!next) next = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, #name);    \
        va_list rest;                                                                  \
        va_start(rest, flags);                                                         \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;        \
        va_end(rest);                                                                  \
        return flags & O_DIRECT && is("open") ? refuse() : next(path, flags, mode);    \
    }
OPEN(open)
OPEN(open64)

#define READ(name)                                                                                    \
    ssize_t name(int descriptor, void *bytes, size_t count, off_t offset) {                           \
        static ssize_t (*next)(int, void *, size_t, off_t);                                           \
        if (!next) next = (ssize_t (*)(int, void *, size_t, off_t))dlsym(RTLD_NEXT, #name);           \
        if (is_refused(descriptor, "read", bytes, count, offset)) return refuse();                    \
        return next(descriptor, bytes, count, offset);                                                \
    }
READ(pread)
READ(pread64)

#define WRITE(name)                                                                                   \
    ssize_t name(int descriptor, const void *bytes, size_t count, off_t offset) {                     \
        static ssize_t (*next)(int, const void *, size_t, off_t);                                     \
        if (!next) next = (ssize_t (*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, #name);     \
        if (is_refused(descriptor, "write", bytes, count, offset)) return refuse();                   \
        return next(descriptor, bytes, count, offset);                                                \
    }
WRITE(pwrite)
WRITE(pwrite64)
