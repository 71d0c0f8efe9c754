#define _GNU_SOURCE
#include "CProcess.h"
#include "guard.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// In C, because a process may make only async-signal-safe calls between fork and exec, which Swift can't guarantee. Not
// posix_spawn, because it can't tie the child's life to its parent's.

static void close_all(int descriptors[], int count) {
    for (int i = 0; i < count; i++) {
        if (descriptors[i] >= 0) close(descriptors[i]);
        descriptors[i] = -1;
    }
}

// Descriptors 0 to 2 may be free in this process. A pipe end there would be overwritten by the dup2 of another one.
static int move_up(int pair[2]) {
    for (int i = 0; i < 2; i++) {
        if (pair[i] > 2) continue;
        int moved = fcntl(pair[i], F_DUPFD_CLOEXEC, 3);
        if (moved < 0) return errno;
        close(pair[i]);
        pair[i] = moved;
    }
    return 0;
}

static int make_pipe(int pair[2]) {
    if (pipe2(pair, O_CLOEXEC) != 0) return errno;
    return move_up(pair);
}

static int make_sockets(int pair[2]) {
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return errno;
    return move_up(pair);
}

int shardline_pipe(int *reading, int *writing) {
    int pair[2] = {-1, -1};
    int error = make_pipe(pair);
    if (error == 0 && fcntl(pair[0], F_SETFL, O_NONBLOCK) != 0) error = errno;
    if (error == 0 && fcntl(pair[1], F_SETFL, O_NONBLOCK) != 0) error = errno;
    if (error != 0) {
        close_all(pair, 2);
        return error;
    }
    *reading = pair[0];
    *writing = pair[1];
    return 0;
}

int shardline_start_server(int *requests, pid_t *server) {
    int pair[2] = {-1, -1};
    int error = make_sockets(pair);
    if (error != 0) {
        close_all(pair, 2);
        return error;
    }
    // No signal may be handled in the new process before its handlers are reset.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = fork();
    if (pid == 0) shardline_serve(pair[1]);
    error = pid < 0 ? errno : 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(pair[1]);
    if (error != 0) {
        close(pair[0]);
        return error;
    }
    *requests = pair[0];
    *server = pid;
    return 0;
}

static int write_all(int descriptor, const void *bytes, size_t count) {
    while (count > 0) {
        ssize_t written = write(descriptor, bytes, count);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return errno;
        bytes = (const char *)bytes + written;
        count -= (size_t)written;
    }
    return 0;
}

// The command and the environment as a file in memory, since a message on a socket can't hold large ones.
static int write_parameters(const char *command, char *const environment[], int *file) {
    int descriptor = memfd_create("function", MFD_CLOEXEC);
    if (descriptor < 0) return errno;
    int error = write_all(descriptor, command, strlen(command) + 1);
    for (char *const *variable = environment; *variable != NULL && error == 0; variable++)
        error = write_all(descriptor, *variable, strlen(*variable) + 1);
    if (error != 0) close(descriptor);
    else *file = descriptor;
    return error;
}

static int send_request(int requests, char request, const int descriptors[], int count) {
    union {
        char bytes[CMSG_SPACE(sizeof(int) * most_descriptors)];
        struct cmsghdr alignment;
    } ancillary;
    memset(&ancillary, 0, sizeof ancillary);
    struct iovec content = {&request, 1};
    struct msghdr message = {.msg_iov = &content, .msg_iovlen = 1};
    message.msg_control = ancillary.bytes;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
    memcpy(CMSG_DATA(header), descriptors, sizeof(int) * (size_t)count);
    ssize_t sent;
    do sent = sendmsg(requests, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent >= 0) return 0;
    return errno == ECONNRESET || errno == ENOTCONN ? EPIPE : errno;
}

static ssize_t receive_word(int control, int flags, guard_word *word) {
    ssize_t count;
    do count = recv(control, word, sizeof *word, flags);
    while (count < 0 && errno == EINTR);
    return count;
}

int shardline_spawn(int requests, const char *command, char *const environment[], int lock, shardline_child *child) {
    int ours[4] = {-1, -1, -1, -1};
    int theirs[most_descriptors] = {-1, -1, -1, -1, -1, -1};
    int pair[2];
    int error = 0;
    for (int i = 0; i < 4 && error == 0; i++) {
        pair[0] = pair[1] = -1;
        error = i < 3 ? make_pipe(pair) : make_sockets(pair);
        // The child reads its input and writes the other two.
        theirs[i] = i == 0 ? pair[0] : pair[1];
        ours[i] = i == 0 ? pair[1] : pair[0];
        if (error == 0 && i < 3 && fcntl(ours[i], F_SETFL, O_NONBLOCK) != 0) error = errno;
    }
    if (error == 0) error = write_parameters(command, environment, &theirs[4]);
    if (error == 0) {
        theirs[5] = lock;
        error = send_request(requests, request_spawn, theirs, lock >= 0 ? 6 : 5);
    }
    // The lock stays the caller's.
    close_all(theirs, 5);
    guard_word word = {0, 0};
    if (error == 0 && receive_word(ours[3], 0, &word) != sizeof word) error = EPIPE;
    if (error == 0 && word.word != word_started) error = word.value != 0 ? word.value : EIO;
    if (error != 0) {
        close_all(ours, 4);
        return error;
    }
    *child = (shardline_child){word.value, ours[0], ours[1], ours[2], ours[3]};
    return 0;
}

int shardline_tell(int control, char order) {
    ssize_t sent;
    do sent = send(control, &order, 1, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent == 1 ? 0 : errno;
}

int shardline_hear(int control, int waits, int *value) {
    guard_word word = {0, 0};
    ssize_t count = receive_word(control, waits ? 0 : MSG_DONTWAIT, &word);
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return shardline_nothing;
    if (count != sizeof word) return shardline_guard_lost;
    *value = word.value;
    return word.word;
}

int shardline_settle(int requests) {
    int pair[2] = {-1, -1};
    int error = make_sockets(pair);
    if (error == 0) error = send_request(requests, request_settle, &pair[1], 1);
    if (pair[1] >= 0) close(pair[1]);
    guard_word word;
    if (error == 0 && receive_word(pair[0], 0, &word) != sizeof word) error = EPIPE;
    if (pair[0] >= 0) close(pair[0]);
    return error;
}

int shardline_watch(pid_t pid) {
#ifdef SYS_pidfd_open
    return (int)syscall(SYS_pidfd_open, pid, 0);
#else
    (void)pid;
    return -1;
#endif
}

int shardline_signal(int watch, int number) {
#ifdef SYS_pidfd_send_signal
    return syscall(SYS_pidfd_send_signal, watch, number, NULL, 0) == 0 ? 0 : errno;
#else
    (void)watch;
    (void)number;
    return ENOSYS;
#endif
}

void shardline_fill_standard_descriptors(void) {
    for (int descriptor = 0; descriptor <= 2; descriptor++) {
        if (fcntl(descriptor, F_GETFD) >= 0 || errno != EBADF) continue;
        // All descriptors below this one are open, so this is the one that open returns. Input is opened for writing
        // and output for reading, so that using them still fails; standard error is discarded.
        if (open("/dev/null", descriptor == 1 ? O_RDONLY : O_WRONLY) < 0) return;
    }
}

static struct sigaction crash_handlers[NSIG];

static void handle_crash(int number, siginfo_t *info, void *context) {
    // 0 and less: sent by a process. abort() sends to its own.
    if (number == SIGQUIT || (info->si_code <= 0 && info->si_pid != getpid())) {
        signal(number, SIG_DFL);
        raise(number);
        return;
    }
    crash_handlers[number].sa_sigaction(number, info, context);
}

void shardline_end_by_sent_signals(void) {
    static const int numbers[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGQUIT, SIGSEGV, SIGTRAP};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct sigaction action;
        if (sigaction(numbers[i], NULL, &action) != 0 || !(action.sa_flags & SA_SIGINFO)) continue;
        crash_handlers[numbers[i]] = action;
        action.sa_sigaction = handle_crash;
        sigaction(numbers[i], &action, NULL);
    }
}

int shardline_unread(int pipe) {
    int count = 0;
    return ioctl(pipe, FIONREAD, &count) == 0 ? count : -1;
}
