#define _GNU_SOURCE
#include "CProcess.h"
#include "guard.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

// A guard: one process for each child. It runs in a fork of the fork server, so it makes only async-signal-safe calls.

typedef struct {
    int control;
    pid_t child;
    // Set once the child has ended, with its wait status.
    int has_ended;
    int status;
} guard_state;

static void run_shell(char *const environment[], const char *command, const int pipes[3], int report, pid_t guard) {
    // A session of its own: signals of the terminal and of the guard's group don't reach it, and no process below it
    // can enter the guard's group.
    setsid();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != guard) _exit(125);
    for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
    int error = 0;
    for (int i = 0; i < 3; i++)
        if (dup2(pipes[i], i) < 0) error = errno;
    // Keeps only the end of the report, which the exec closes when it succeeds.
    if (error == 0 && report != 3) {
        if (dup3(report, 3, O_CLOEXEC) < 0) error = errno;
        else report = 3;
    }
    if (error == 0) {
        long most = sysconf(_SC_OPEN_MAX);
        if (close_range(4, ~0U, 0) != 0)
            for (int descriptor = 4; descriptor < most; descriptor++) close(descriptor);
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        char *const arguments[] = {"sh", "-c", (char *)command, NULL};
        execve("/bin/sh", arguments, environment);
        error = errno;
    }
    ssize_t written = write(report, &error, sizeof error);
    (void)written;
    _exit(127);
}

// The strings of the parameters in the form of execve. The exec or the guard's end releases their memory.
static int read_parameters(int file, const char **command, char ***environment) {
    struct stat status;
    if (fstat(file, &status) != 0) return errno;
    size_t size = (size_t)status.st_size;
    char *text = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    if (text == MAP_FAILED) return errno;
    size_t strings = 0;
    for (size_t i = 0; i < size; i++) strings += text[i] == 0;
    char **pointers = mmap(NULL, (strings + 1) * sizeof(char *), PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pointers == MAP_FAILED) return errno;
    size_t count = 0;
    int begins = 0;
    for (size_t i = 0; i < size; i++) {
        if (begins) pointers[count++] = text + i;
        begins = text[i] == 0;
    }
    pointers[count] = NULL;
    *command = text;
    *environment = pointers;
    return 0;
}

// Starts the child; returns an errno where that failed.
static int start(guard_state *state, const int descriptors[]) {
    const char *command;
    char **environment;
    int error = read_parameters(descriptors[4], &command, &environment);
    if (error != 0) return error;
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0) return errno;
    pid_t guard = getpid();
    pid_t pid = _Fork();
    if (pid == 0) run_shell(environment, command, descriptors, report[1], guard);
    if (pid < 0) error = errno;
    close(report[1]);
    if (error == 0) {
        ssize_t count;
        int reported = 0;
        do count = read(report[0], &reported, sizeof reported);
        while (count < 0 && errno == EINTR);
        if (count == sizeof reported) error = reported;
    }
    close(report[0]);
    state->child = pid;
    return error;
}

static void reap(guard_state *state) {
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid != state->child) continue;
        state->has_ended = 1;
        state->status = status;
    }
}

static void suspend(guard_state *state) {
    kill(state->child, SIGSTOP);
    siginfo_t info;
    info.si_code = 0;
    while (waitid(P_PID, (id_t)state->child, &info, WSTOPPED | WEXITED | WNOWAIT) < 0 && errno == EINTR) {}
    shardline_tell_word(state->control, shardline_suspended, info.si_code == CLD_STOPPED);
}

// Returns when everything has to be killed.
static void watch(guard_state *state, int signals) {
    struct pollfd wanted[2] = {{state->control, POLLIN, 0}, {signals, POLLIN, 0}};
    while (!state->has_ended) {
        if (poll(wanted, 2, -1) < 0 && errno != EINTR) return;
        if (wanted[1].revents != 0) {
            shardline_drain(signals);
            reap(state);
        }
        if (wanted[0].revents == 0 || state->has_ended) continue;
        char order = 0;
        ssize_t count = recv(state->control, &order, 1, MSG_DONTWAIT);
        if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        // The end of the socket means that the owner has ended, in whatever way.
        if (count != 1 || order == 'K') return;
        if (order == 'T') kill(-state->child, SIGTERM);
        if (order == 'S') suspend(state);
    }
}

// The children of a process that is killed become children of this one, so this goes on until none is left.
static void kill_everything(guard_state *state, int signals) {
    int status;
    pid_t pid;
    while ((pid = shardline_next_end(signals, 0, &status)) > 0) {
        if (pid != state->child) continue;
        state->has_ended = 1;
        state->status = status;
    }
}

_Noreturn void shardline_guard(const int descriptors[most_descriptors]) {
    guard_state state = {descriptors[3], 0, 0, 0};
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    int signals = shardline_child_signals();
    int error = signals < 0 ? errno : start(&state, descriptors);
    for (int i = 0; i < 3; i++) close(descriptors[i]);
    close(descriptors[4]);
    // The lock, if any, stays open until this process ends.
    if (error == 0) {
        shardline_tell_word(state.control, word_started, state.child);
        watch(&state, signals);
    }
    kill_everything(&state, signals);
    if (error != 0) shardline_tell_word(state.control, word_failed, error);
    else shardline_tell_word(state.control, shardline_ended, state.status);
    _exit(0);
}
