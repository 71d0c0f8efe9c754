#define _GNU_SOURCE
#include "CProcess.h"
#include "guard.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// The fork server. It is a fork of a process with threads, so it makes only async-signal-safe calls.

int shardline_tell_word(int control, int word, int value) {
    guard_word told = {word, value};
    ssize_t sent;
    do sent = send(control, &told, sizeof told, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent == sizeof told ? 0 : errno;
}

int shardline_child_signals(void) {
    sigset_t children;
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    return signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
}

void shardline_drain(int signals) {
    struct signalfd_siginfo info;
    while (read(signals, &info, sizeof info) > 0) {}
}

// Reads a number at the start of a text; `*end` is the place after it.
static long number(const char *text, const char **end) {
    long value = 0;
    while (*text >= '0' && *text <= '9') value = value * 10 + (*text++ - '0');
    *end = text;
    return value;
}

static int kill_one(pid_t pid, int spares_own_session) {
    if (spares_own_session && getsid(pid) == getsid(0)) return 0;
    kill(pid, SIGKILL);
    return 1;
}

static int open_at(int folder, const char *name, int flags) { return openat(folder, name, flags | O_CLOEXEC); }

// The parent of a process, from /proc/PID/stat; 0 where the process is gone.
static pid_t parent(int proc, const char *name) {
    char path[64];
    size_t length = strlen(name);
    if (length > 20) return 0;
    memcpy(path, name, length);
    memcpy(path + length, "/stat", 6);
    int file = open_at(proc, path, O_RDONLY);
    if (file < 0) return 0;
    char text[512];
    ssize_t count = read(file, text, sizeof text - 1);
    close(file);
    if (count <= 0) return 0;
    text[count] = 0;
    // After the name, which may contain anything: ") S PARENT".
    const char *name_end = strrchr(text, ')');
    if (name_end == NULL || strlen(name_end) < 5) return 0;
    const char *end;
    return (pid_t)number(name_end + 4, &end);
}

// The slow way, for a kernel without a list of a process's children.
static int kill_below_by_search(int spares_own_session) {
    int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (proc < 0) return 0;
    int found = 0;
    _Alignas(8) char entries[4096];
    long count;
    while ((count = syscall(SYS_getdents64, proc, entries, sizeof entries)) > 0) {
        for (long at = 0; at < count;) {
            // struct linux_dirent64: u64 inode, i64 offset, u16 size, u8 type, name.
            uint16_t size;
            memcpy(&size, entries + at + 16, sizeof size);
            const char *name = entries + at + 19, *end;
            pid_t pid = (pid_t)number(name, &end);
            if (pid > 0 && *end == 0 && parent(proc, name) == getpid()) found += kill_one(pid, spares_own_session);
            at += size;
        }
    }
    close(proc);
    return found;
}

int shardline_kill_below(int spares_own_session) {
    int file = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
    if (file < 0) return kill_below_by_search(spares_own_session);
    int found = 0;
    char text[4096];
    size_t kept = 0;
    ssize_t count;
    while ((count = read(file, text + kept, sizeof text - 1 - kept)) > 0) {
        text[kept + (size_t)count] = 0;
        const char *at = text;
        for (;;) {
            const char *end;
            long pid = number(at, &end);
            // A number at the end of the buffer may be incomplete; it is completed by the next read.
            if (end == at || *end == 0) break;
            found += kill_one((pid_t)pid, spares_own_session);
            at = end + 1;
        }
        kept = strlen(at);
        memmove(text, at, kept);
    }
    close(file);
    return found;
}

// Processes are often killed by their command's name; this one must not be killed together with the owner.
static void rename_itself(pid_t owner) {
    prctl(PR_SET_NAME, "function-guard");
    int file = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    char text[2048];
    ssize_t count = file < 0 ? -1 : read(file, text, sizeof text - 1);
    if (file >= 0) close(file);
    if (count <= 0) return;
    text[count] = 0;
    const char *at = strrchr(text, ')');
    uintptr_t first = 0, last = 0;
    // Fields 48 and 49 are the bounds of the arguments; field 3 is the first after the name.
    for (int field = 2; at != NULL && field < 49; field++) {
        at = strchr(at + 1, ' ');
        if (at == NULL) return;
        if (field + 1 == 48) first = strtoul(at + 1, NULL, 10);
        if (field + 1 == 49) last = strtoul(at + 1, NULL, 10);
    }
    if (first == 0 || last <= first + 1) return;
    char title[80];
    int length = snprintf(title, sizeof title, "function-guard: kills what the functions of process %d leave", (int)owner);
    memset((char *)first, 0, last - first);
    size_t room = last - first - 1;
    memcpy((char *)first, title, (size_t)length < room ? (size_t)length : room);
}

static int receive_request(int requests, char *request, int descriptors[most_descriptors]) {
    union {
        char bytes[CMSG_SPACE(sizeof(int) * most_descriptors)];
        struct cmsghdr alignment;
    } ancillary;
    struct iovec content = {request, 1};
    struct msghdr message = {.msg_iov = &content, .msg_iovlen = 1};
    message.msg_control = ancillary.bytes;
    message.msg_controllen = sizeof ancillary.bytes;
    ssize_t received = recvmsg(requests, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (received < 0 && (errno == EINTR || errno == EAGAIN)) return 0;
    if (received != 1) return -1;
    int count = 0;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header != NULL; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        count = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        if (count > most_descriptors) count = most_descriptors;
        memcpy(descriptors, CMSG_DATA(header), sizeof(int) * (size_t)count);
    }
    return count;
}

static void reap(void) {
    while (waitpid(-1, NULL, WNOHANG) > 0) {}
    // The processes below a guard that was killed have become children of this process.
    shardline_kill_below(1);
}

static void settle(int reply) {
    for (;;) {
        while (waitpid(-1, NULL, WNOHANG) > 0) {}
        if (shardline_kill_below(1) == 0) break;
        poll(NULL, 0, 1);
    }
    shardline_tell_word(reply, shardline_nothing, 0);
}

pid_t shardline_next_end(int signals, int spares_own_session, int *status) {
    for (;;) {
        shardline_kill_below(spares_own_session);
        pid_t pid = waitpid(-1, status, WNOHANG);
        if (pid > 0) return pid;
        if (pid < 0 && errno == ECHILD) return 0;
        // Processes below one that can't be killed yet may become children of this process later, without a signal.
        struct pollfd wanted = {signals, POLLIN, 0};
        if (poll(&wanted, 1, 10) > 0) shardline_drain(signals);
    }
}

// Returns 0 where the owner is gone.
static int serve_request(int requests, int signals, int *lock) {
    char request = 0;
    int descriptors[most_descriptors] = {-1, -1, -1, -1, -1, -1};
    int count = receive_request(requests, &request, descriptors);
    if (count < 0) return 0;
    if (request == request_settle && count == 1) settle(descriptors[0]);
    if (request == request_spawn && count >= 5) {
        pid_t pid = _Fork();
        if (pid == 0) {
            close(requests);
            close(signals);
            if (*lock >= 0) close(*lock);
            shardline_guard(descriptors);
        }
        if (pid < 0) shardline_tell_word(descriptors[3], word_failed, errno);
        // The lock is kept as long as this process lives, because processes that a guard has left behind may live that
        // long.
        if (count == 6) {
            if (*lock >= 0) close(*lock);
            *lock = descriptors[5];
            descriptors[5] = -1;
        }
    }
    for (int i = 0; i < most_descriptors; i++)
        if (descriptors[i] >= 0) close(descriptors[i]);
    return 1;
}

_Noreturn void shardline_serve(int requests) {
    pid_t owner = getppid();
    setsid();
    // The owner's signal handlers must not run here. All signals but SIGKILL stay blocked.
    for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    rename_itself(owner);
    int nothing = open("/dev/null", O_RDWR);
    for (int descriptor = 0; descriptor <= 2; descriptor++) dup2(nothing, descriptor);
    if (requests != 3) dup3(requests, 3, O_CLOEXEC);
    requests = 3;
    if (close_range(4, ~0U, 0) != 0)
        for (long descriptor = sysconf(_SC_OPEN_MAX) - 1; descriptor > 3; descriptor--) close((int)descriptor);
    int signals = shardline_child_signals();
    int lock = -1;
    struct pollfd wanted[2] = {{requests, POLLIN, 0}, {signals, POLLIN, 0}};
    for (;;) {
        if (poll(wanted, 2, -1) < 0) continue;
        if (wanted[1].revents != 0) {
            shardline_drain(signals);
            reap();
        }
        if (wanted[0].revents != 0 && !serve_request(requests, signals, &lock)) break;
    }
    // The owner is gone, and each guard has noticed that by itself.
    int status;
    while (shardline_next_end(signals, 1, &status) > 0) {}
    _exit(0);
}
