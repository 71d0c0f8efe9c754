// A preloaded library that remembers how to take back whatever was not made durable.
//
// SIGKILL leaves the page cache as it is, so it never loses what a program forgot to sync; a loss of power does. This
// library writes, before each change of a file below POWERLOSS_ROOT, what stood there into the log of POWERLOSS_LOG (a
// folder on the same file system, outside of the root), and after each fsync or fdatasync how far that has made things
// durable. After the processes were killed, `lose_power` (lose_power.c) takes back what is left.
//
// What is held durable: a file's bytes and length after fdatasync or fsync of the file; a name that was made, taken
// away or changed after fsync of its directory, never before, though some file systems do more. `sync_file_range`
// makes nothing durable. Files whose name ends with `-shm` are shared memory of SQLite and are left alone.
//
// POWERLOSS_IGNORE_SYNC is a part of a path, or the word `directories`: a sync of a file or directory whose path
// contains it, or of any directory, returns at once, does nothing and makes nothing durable; it stands for a program
// that has forgotten this sync.
//
// A change below the root in a way that is not followed here ends the process with a message, so that nothing is
// missed in silence.
#define _GNU_SOURCE
#include "undo_log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static char root[PATH_MAX];
static size_t root_length;
// The directory that holds the root: its sync makes the root's own name durable.
static char parent[PATH_MAX];
static char folder[PATH_MAX];
static const char *ignored;
static int log_descriptor = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void die(const char *what, const char *path) {
    char text[PATH_MAX + 200];
    int length = snprintf(text, sizeof text, "power loss library: %s: %s\n", what, path);
    syscall(SYS_write, 2, text, (size_t)length);
    _exit(99);
}

static int starts_with_root(const char *path) {
    return root_length > 0 && strncmp(path, root, root_length) == 0 &&
        (path[root_length] == '/' || path[root_length] == 0);
}

// The absolute path of what is called `path` in the directory of `at`; the last part need not exist.
static int resolve(int at, const char *path, char *resolved) {
    char whole[PATH_MAX * 2];
    if (path[0] == '/') {
        snprintf(whole, sizeof whole, "%s", path);
    } else {
        char base[PATH_MAX];
        if (at == AT_FDCWD) {
            if (getcwd(base, sizeof base) == NULL) return 0;
        } else {
            char link[64];
            snprintf(link, sizeof link, "/proc/self/fd/%d", at);
            ssize_t count = readlink(link, base, sizeof base - 1);
            if (count < 0) return 0;
            base[count] = 0;
        }
        snprintf(whole, sizeof whole, "%s/%s", base, path);
    }
    size_t length = strlen(whole);
    while (length > 1 && whole[length - 1] == '/') whole[--length] = 0;
    char *slash = strrchr(whole, '/');
    if (slash == NULL || slash == whole) {
        snprintf(resolved, PATH_MAX, "%s", whole);
        return 1;
    }
    *slash = 0;
    char above[PATH_MAX];
    if (realpath(whole, above) == NULL) return 0;
    return snprintf(resolved, PATH_MAX, "%s/%s", above, slash + 1) < PATH_MAX;
}

static int is_followed(int at, const char *path, char *resolved) {
    if (log_descriptor < 0 || path == NULL) return 0;
    int saved = errno;
    int result = resolve(at, path, resolved) && starts_with_root(resolved);
    errno = saved;
    return result;
}

// Whether what is open there is a file or directory below the root; its path, with " (deleted)" where it has no name.
static int is_followed_descriptor(int descriptor, char *path) {
    if (log_descriptor < 0 || descriptor < 0) return 0;
    int saved = errno;
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t count = readlink(link, path, PATH_MAX - 1);
    errno = saved;
    if (count < 0) return 0;
    path[count] = 0;
    return starts_with_root(path) || strcmp(path, parent) == 0;
}

static int is_shared_memory(const char *path) {
    size_t length = strlen(path);
    return length > 4 && strcmp(path + length - 4, "-shm") == 0;
}

static void append(struct undo_record *record, const char *path, const char *other, const void *data) {
    record->magic = UNDO_MAGIC;
    record->path_length = path ? (uint32_t)strlen(path) : 0;
    record->other_length = other ? (uint32_t)strlen(other) : 0;
    struct stat output;
    record->said = fstat(1, &output) == 0 && S_ISREG(output.st_mode) ? output.st_size : -1;
    struct iovec parts[4] = {
        {record, sizeof *record},
        {(void *)path, record->path_length},
        {(void *)other, record->other_length},
        {(void *)data, record->data_length},
    };
    size_t total = sizeof *record + record->path_length + record->other_length + record->data_length;
    if (syscall(SYS_writev, log_descriptor, parts, 4) != (long)total) die("can't write the log", folder);
}

static int64_t log_position(void) { return (int64_t)syscall(SYS_lseek, log_descriptor, 0, SEEK_END); }

// Remembers the bytes of a range that is about to change.
static void save_bytes(int descriptor, const char *path, enum undo_kind kind, int64_t offset, int64_t length) {
    struct stat status;
    if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode) || is_shared_memory(path)) return;
    struct undo_record record = {
        .kind = kind, .inode = status.st_ino, .offset = offset, .length = length, .size_before = status.st_size};
    int64_t end = kind == UNDO_TRUNCATE ? status.st_size : offset + length;
    if (end > status.st_size) end = status.st_size;
    char *data = NULL;
    if (end > offset) {
        record.data_length = (uint64_t)(end - offset);
        data = malloc(record.data_length);
        // The descriptor itself may be for writing only.
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
        int reader = (int)syscall(SYS_openat, AT_FDCWD, link, O_RDONLY | O_CLOEXEC, 0);
        size_t done = 0;
        while (data != NULL && done < record.data_length) {
            long count = syscall(
                SYS_pread64, reader, data + done, record.data_length - done, offset + (int64_t)done);
            if (count <= 0) die("can't read what is about to be overwritten", path);
            done += (size_t)count;
        }
        syscall(SYS_close, reader);
    }
    append(&record, path, NULL, data);
    free(data);
}

static void save_name(enum undo_kind kind, const char *path, const char *other) {
    struct undo_record record = {.kind = kind};
    append(&record, path, other, NULL);
}

// Keeps a file that is about to lose its name; nothing where there is none, or it is no file.
static void save_file(const char *path) {
    static unsigned count = 0;
    struct stat status;
    if (lstat(path, &status) != 0 || !S_ISREG(status.st_mode)) return;
    char kept[PATH_MAX + 64];
    snprintf(kept, sizeof kept, "%s/kept-%d-%u", folder, getpid(), count++);
    if (syscall(SYS_linkat, AT_FDCWD, path, AT_FDCWD, kept, 0) != 0) die("can't keep what is unlinked", path);
    save_name(UNDO_UNLINK, path, kept);
}

__attribute__((constructor)) static void start(void) {
    const char *root_path = getenv("POWERLOSS_ROOT");
    const char *log_path = getenv("POWERLOSS_LOG");
    if (root_path == NULL || log_path == NULL) return;
    if (!resolve(AT_FDCWD, root_path, root) || realpath(log_path, folder) == NULL) {
        die("POWERLOSS_ROOT or POWERLOSS_LOG can't be found", root_path);
    }
    root_length = strlen(root);
    snprintf(parent, sizeof parent, "%.*s", (int)(strrchr(root, '/') - root), root);
    ignored = getenv("POWERLOSS_IGNORE_SYNC");
    char name[PATH_MAX + 16];
    snprintf(name, sizeof name, "%s/undo.log", folder);
    log_descriptor =
        (int)syscall(SYS_openat, AT_FDCWD, name, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log_descriptor < 0) die("can't open", name);
}

// MARK: Opening

static int open_following(int at, const char *path, int flags, mode_t mode) {
    char resolved[PATH_MAX];
    if ((flags & (O_CREAT | O_TRUNC)) == 0 || !is_followed(at, path, resolved)) {
        return (int)syscall(SYS_openat, at, path, flags, mode);
    }
    pthread_mutex_lock(&lock);
    struct stat status;
    int was_there = lstat(resolved, &status) == 0;
    if (was_there && (flags & O_TRUNC) && status.st_size > 0) die("O_TRUNC is not followed", resolved);
    int result = (int)syscall(SYS_openat, at, path, flags, mode);
    int saved = errno;
    if (result >= 0 && !was_there) save_name(UNDO_CREATE, resolved, NULL);
    pthread_mutex_unlock(&lock);
    errno = saved;
    return result;
}

#define OPEN_MODE                                                                                                     \
    mode_t mode = 0;                                                                                                  \
    if (flags & (O_CREAT | __O_TMPFILE)) {                                                                            \
        va_list arguments;                                                                                            \
        va_start(arguments, flags);                                                                                   \
        mode = va_arg(arguments, mode_t);                                                                             \
        va_end(arguments);                                                                                            \
    }

int open(const char *path, int flags, ...) { OPEN_MODE return open_following(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) {
    OPEN_MODE return open_following(AT_FDCWD, path, flags | O_LARGEFILE, mode);
}
int openat(int at, const char *path, int flags, ...) { OPEN_MODE return open_following(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) {
    OPEN_MODE return open_following(at, path, flags | O_LARGEFILE, mode);
}
int __open_2(const char *path, int flags) { return open_following(AT_FDCWD, path, flags, 0); }
int __open64_2(const char *path, int flags) { return open_following(AT_FDCWD, path, flags, 0); }
int creat(const char *path, mode_t mode) {
    return open_following(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}
int creat64(const char *path, mode_t mode) { return creat(path, mode); }

// MARK: Writing

#define FOLLOWING(descriptor, save, call)                                                                             \
    char path[PATH_MAX];                                                                                              \
    if (!is_followed_descriptor(descriptor, path)) return call;                                                       \
    pthread_mutex_lock(&lock);                                                                                        \
    save;                                                                                                             \
    long result = call;                                                                                               \
    int saved = errno;                                                                                                \
    pthread_mutex_unlock(&lock);                                                                                      \
    errno = saved;                                                                                                    \
    return result;

static int64_t total(const struct iovec *pieces, int count) {
    int64_t bytes = 0;
    for (int index = 0; index < count; index++) bytes += (int64_t)pieces[index].iov_len;
    return bytes;
}

static int64_t place(int descriptor, const char *path) {
    long flags = syscall(SYS_fcntl, descriptor, F_GETFL);
    if (flags & O_APPEND) {
        struct stat status;
        if (fstat(descriptor, &status) != 0) die("can't find the end of", path);
        return status.st_size;
    }
    return (int64_t)syscall(SYS_lseek, descriptor, 0, SEEK_CUR);
}

ssize_t write(int descriptor, const void *bytes, size_t count) {
    FOLLOWING(descriptor, save_bytes(descriptor, path, UNDO_WRITE, place(descriptor, path), (int64_t)count),
        syscall(SYS_write, descriptor, bytes, count))
}
ssize_t writev(int descriptor, const struct iovec *pieces, int count) {
    FOLLOWING(descriptor, save_bytes(descriptor, path, UNDO_WRITE, place(descriptor, path), total(pieces, count)),
        syscall(SYS_writev, descriptor, pieces, count))
}
ssize_t pwrite64(int descriptor, const void *bytes, size_t count, off64_t offset) {
    FOLLOWING(descriptor, save_bytes(descriptor, path, UNDO_WRITE, offset, (int64_t)count),
        syscall(SYS_pwrite64, descriptor, bytes, count, offset))
}
ssize_t pwrite(int descriptor, const void *bytes, size_t count, off_t offset) {
    return pwrite64(descriptor, bytes, count, offset);
}
ssize_t pwritev64(int descriptor, const struct iovec *pieces, int count, off64_t offset) {
    FOLLOWING(descriptor, save_bytes(descriptor, path, UNDO_WRITE, offset, total(pieces, count)),
        syscall(SYS_pwritev, descriptor, pieces, count, offset, 0))
}
ssize_t pwritev(int descriptor, const struct iovec *pieces, int count, off_t offset) {
    return pwritev64(descriptor, pieces, count, offset);
}
int ftruncate64(int descriptor, off64_t size) {
    FOLLOWING(descriptor, save_bytes(descriptor, path, UNDO_TRUNCATE, size, 0),
        (int)syscall(SYS_ftruncate, descriptor, size))
}
int ftruncate(int descriptor, off_t size) { return ftruncate64(descriptor, size); }

// MARK: Making durable

static int synchronize(int descriptor, long number) {
    char path[PATH_MAX];
    if (!is_followed_descriptor(descriptor, path)) return (int)syscall(number, descriptor);
    struct stat status;
    if (fstat(descriptor, &status) != 0) return -1;
    if (ignored != NULL && ignored[0] != 0 && strstr(path, ignored) != NULL) return 0;
    if (ignored != NULL && strcmp(ignored, "directories") == 0 && S_ISDIR(status.st_mode)) return 0;
    // What is written while the sync runs is not made durable by it.
    pthread_mutex_lock(&lock);
    int64_t position = log_position();
    pthread_mutex_unlock(&lock);
    int result = (int)syscall(number, descriptor);
    if (result != 0) return result;
    struct undo_record record = {
        .kind = S_ISDIR(status.st_mode) ? UNDO_SYNC_DIRECTORY : UNDO_SYNC, .inode = status.st_ino,
        .position = position};
    pthread_mutex_lock(&lock);
    append(&record, path, NULL, NULL);
    pthread_mutex_unlock(&lock);
    return 0;
}

int fsync(int descriptor) { return synchronize(descriptor, SYS_fsync); }
int fdatasync(int descriptor) { return synchronize(descriptor, SYS_fdatasync); }

// MARK: Names

static int unlink_following(int at, const char *path, int flags) {
    char resolved[PATH_MAX];
    if (!is_followed(at, path, resolved)) return (int)syscall(SYS_unlinkat, at, path, flags);
    if (flags & AT_REMOVEDIR) die("rmdir is not followed", resolved);
    pthread_mutex_lock(&lock);
    save_file(resolved);
    int result = (int)syscall(SYS_unlinkat, at, path, flags);
    int saved = errno;
    pthread_mutex_unlock(&lock);
    errno = saved;
    return result;
}

int unlink(const char *path) { return unlink_following(AT_FDCWD, path, 0); }
int unlinkat(int at, const char *path, int flags) { return unlink_following(at, path, flags); }
int rmdir(const char *path) { return unlink_following(AT_FDCWD, path, AT_REMOVEDIR); }
int remove(const char *path) {
    int result = unlink(path);
    return result != 0 && errno == EISDIR ? rmdir(path) : result;
}

static int make_directory(int at, const char *path, mode_t mode) {
    int result = (int)syscall(SYS_mkdirat, at, path, mode);
    char resolved[PATH_MAX];
    if (result == 0 && is_followed(at, path, resolved)) {
        pthread_mutex_lock(&lock);
        save_name(UNDO_MAKE_DIRECTORY, resolved, NULL);
        pthread_mutex_unlock(&lock);
    }
    return result;
}

int mkdir(const char *path, mode_t mode) { return make_directory(AT_FDCWD, path, mode); }
int mkdirat(int at, const char *path, mode_t mode) { return make_directory(at, path, mode); }

static int rename_following(int from, const char *path, int to, const char *other, unsigned flags) {
    char resolved[PATH_MAX], target[PATH_MAX];
    if (!is_followed(from, path, resolved) || !is_followed(to, other, target)) {
        return (int)syscall(SYS_renameat2, from, path, to, other, flags);
    }
    if (flags != 0) die("renameat2 with flags is not followed", resolved);
    pthread_mutex_lock(&lock);
    save_file(target);
    save_name(UNDO_RENAME, resolved, target);
    int result = (int)syscall(SYS_renameat2, from, path, to, other, flags);
    int saved = errno;
    pthread_mutex_unlock(&lock);
    errno = saved;
    return result;
}

int rename(const char *path, const char *other) { return rename_following(AT_FDCWD, path, AT_FDCWD, other, 0); }
int renameat(int from, const char *path, int to, const char *other) {
    return rename_following(from, path, to, other, 0);
}
int renameat2(int from, const char *path, int to, const char *other, unsigned flags) {
    return rename_following(from, path, to, other, flags);
}

// MARK: What is not followed

#define REFUSED(descriptor, what)                                                                                     \
    char path[PATH_MAX];                                                                                              \
    if (is_followed_descriptor(descriptor, path)) die(what " is not followed", path);

void *mmap64(void *address, size_t length, int protection, int flags, int descriptor, off64_t offset) {
    char path[PATH_MAX];
    if ((protection & PROT_WRITE) && (flags & MAP_SHARED) && !(flags & MAP_ANONYMOUS) &&
        is_followed_descriptor(descriptor, path) && !is_shared_memory(path)) {
        die("writing through mmap is not followed", path);
    }
    return (void *)syscall(SYS_mmap, address, length, protection, flags, descriptor, offset);
}
void *mmap(void *address, size_t length, int protection, int flags, int descriptor, off_t offset) {
    return mmap64(address, length, protection, flags, descriptor, offset);
}
int fallocate64(int descriptor, int mode, off64_t offset, off64_t length) {
    REFUSED(descriptor, "fallocate")
    return (int)syscall(SYS_fallocate, descriptor, mode, offset, length);
}
int fallocate(int descriptor, int mode, off_t offset, off_t length) {
    return fallocate64(descriptor, mode, offset, length);
}
int posix_fallocate64(int descriptor, off64_t offset, off64_t length) {
    REFUSED(descriptor, "posix_fallocate")
    return syscall(SYS_fallocate, descriptor, 0, offset, length) == 0 ? 0 : errno;
}
int posix_fallocate(int descriptor, off_t offset, off_t length) {
    return posix_fallocate64(descriptor, offset, length);
}
ssize_t pwritev64v2(int descriptor, const struct iovec *pieces, int count, off64_t offset, int flags) {
    REFUSED(descriptor, "pwritev2")
    return syscall(SYS_pwritev2, descriptor, pieces, count, offset, 0, flags);
}
ssize_t pwritev2(int descriptor, const struct iovec *pieces, int count, off_t offset, int flags) {
    return pwritev64v2(descriptor, pieces, count, offset, flags);
}
ssize_t copy_file_range(
    int from, off64_t *from_offset, int to, off64_t *to_offset, size_t length, unsigned flags) {
    REFUSED(to, "copy_file_range")
    return syscall(SYS_copy_file_range, from, from_offset, to, to_offset, length, flags);
}
ssize_t sendfile64(int to, int from, off64_t *offset, size_t count) {
    REFUSED(to, "sendfile")
    return syscall(SYS_sendfile, to, from, offset, count);
}
ssize_t sendfile(int to, int from, off_t *offset, size_t count) { return sendfile64(to, from, offset, count); }
int truncate64(const char *name, off64_t size) {
    char resolved[PATH_MAX];
    if (is_followed(AT_FDCWD, name, resolved)) die("truncate is not followed", resolved);
    return (int)syscall(SYS_truncate, name, size);
}
int truncate(const char *name, off_t size) { return truncate64(name, size); }
int linkat(int from, const char *path, int to, const char *other, int flags) {
    char resolved[PATH_MAX];
    if (is_followed(to, other, resolved)) die("link is not followed", resolved);
    return (int)syscall(SYS_linkat, from, path, to, other, flags);
}
int link(const char *path, const char *other) { return linkat(AT_FDCWD, path, AT_FDCWD, other, 0); }
void sync(void) { die("sync is not followed", root); }
int syncfs(int descriptor) {
    REFUSED(descriptor, "syncfs")
    return (int)syscall(SYS_syncfs, descriptor);
}
