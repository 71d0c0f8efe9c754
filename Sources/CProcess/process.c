#define _GNU_SOURCE
#include "CProcess.h"

#include <sys/ioctl.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// In C because what a child does between fork and exec may only be async-signal-safe calls, which Swift can't promise;
// and not posix_spawn because it has no way to tie the child's life to its parent's.

static void close_pair(int pair[2]) {
    if (pair[0] >= 0) close(pair[0]);
    if (pair[1] >= 0) close(pair[1]);
}

// Descriptors 0 to 2 may be free in this process; a pipe end there would be overwritten by the dup2 of another.
static int make_pipe(int pair[2]) {
    if (pipe2(pair, O_CLOEXEC) != 0) return errno;
    for (int i = 0; i < 2; i++) {
        if (pair[i] > 2) continue;
        int moved = fcntl(pair[i], F_DUPFD_CLOEXEC, 3);
        if (moved < 0) return errno;
        close(pair[i]);
        pair[i] = moved;
    }
    return 0;
}

int shardline_pipe(int *reading, int *writing) {
    int pair[2] = {-1, -1};
    int error = make_pipe(pair);
    if (error == 0 && fcntl(pair[0], F_SETFL, O_NONBLOCK) != 0) error = errno;
    if (error == 0 && fcntl(pair[1], F_SETFL, O_NONBLOCK) != 0) error = errno;
    if (error != 0) {
        close_pair(pair);
        return error;
    }
    *reading = pair[0];
    *writing = pair[1];
    return 0;
}

static void run_child(const char *command, char *const environment[], int in, int out, int err, int report,
                      pid_t parent) {
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(125);
    for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int error = 0;
    if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0) error = errno;
    // Keep only the report's end, which closes by itself when the exec succeeds.
    if (error == 0 && report != 3) {
        if (dup3(report, 3, O_CLOEXEC) < 0) error = errno;
        else report = 3;
    }
    if (error == 0) {
        long most = sysconf(_SC_OPEN_MAX);
        if (close_range(4, ~0U, 0) != 0)
            for (int descriptor = 4; descriptor < most; descriptor++) close(descriptor);
        char *const arguments[] = {"sh", "-c", (char *)command, NULL};
        execve("/bin/sh", arguments, environment);
        error = errno;
    }
    ssize_t written = write(report, &error, sizeof error);
    (void)written;
    _exit(127);
}

int shardline_spawn(const char *command, char *const environment[], shardline_child *child) {
    int in[2] = {-1, -1}, out[2] = {-1, -1}, err[2] = {-1, -1}, report[2] = {-1, -1};
    int error = make_pipe(in);
    if (error == 0) error = make_pipe(out);
    if (error == 0) error = make_pipe(err);
    if (error == 0) error = make_pipe(report);
    pid_t pid = -1;
    if (error == 0) {
        pid_t parent = getpid();
        // No signal may be handled in the child before its handlers are gone.
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        pid = fork();
        if (pid == 0) run_child(command, environment, in[0], out[1], err[1], report[1], parent);
        if (pid < 0) error = errno;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    if (error == 0) {
        close(report[1]);
        report[1] = -1;
        ssize_t count;
        int reported = 0;
        do count = read(report[0], &reported, sizeof reported);
        while (count < 0 && errno == EINTR);
        if (count == sizeof reported) {
            error = reported;
            while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
        }
    }
    if (error == 0 && (fcntl(in[1], F_SETFL, O_NONBLOCK) != 0 || fcntl(out[0], F_SETFL, O_NONBLOCK) != 0 ||
                       fcntl(err[0], F_SETFL, O_NONBLOCK) != 0)) {
        error = errno;
        kill(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
    }
    close_pair(report);
    if (error != 0) {
        close_pair(in);
        close_pair(out);
        close_pair(err);
        return error;
    }
    close(in[0]);
    close(out[1]);
    close(err[1]);
    child->pid = pid;
    child->input = in[1];
    child->output = out[0];
    child->errors = err[0];
    return 0;
}

int shardline_has_ended(pid_t pid, int waits) {
    siginfo_t info;
    int result;
    do {
        info.si_pid = 0;
        result = waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT | (waits ? 0 : WNOHANG));
    } while (result < 0 && errno == EINTR);
    return result == 0 && info.si_pid == pid;
}

int shardline_watch(pid_t pid) {
#ifdef SYS_pidfd_open
    return (int)syscall(SYS_pidfd_open, pid, 0);
#else
    (void)pid;
    return -1;
#endif
}

void shardline_fill_standard_descriptors(void) {
    for (int descriptor = 0; descriptor <= 2; descriptor++) {
        if (fcntl(descriptor, F_GETFD) >= 0 || errno != EBADF) continue;
        // All below it are open, so it is the one that is given out.
        if (open("/dev/null", descriptor == 0 ? O_RDONLY : O_WRONLY) < 0) return;
    }
}

int shardline_unread(int pipe) {
    int count = 0;
    return ioctl(pipe, FIONREAD, &count) == 0 ? count : -1;
}
