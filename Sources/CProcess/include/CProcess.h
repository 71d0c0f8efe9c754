#ifndef SHARDLINE_CPROCESS_H
#define SHARDLINE_CPROCESS_H

#include <sys/types.h>

// Ties child processes to this process, so that nothing that they start outlives it:
//
//   this process ─ fork server ─ guard ─ sh ─ what it starts
//
// The fork server is forked once, early, and forks a guard for each child, so that guards share little memory. A guard
// is a subreaper: everything that its child starts stays below it, even outside the child's process group or session.
// It kills all of that when its child has ended, when it is told to, and when this process is gone, which it notices by
// the end of the control socket. The fork server does the same for processes that a killed guard leaves behind.

// A child process, this side's ends of its three pipes, and of its guard's socket. All are close-on-exec; the pipes are
// non-blocking.
typedef struct {
    pid_t pid;
    int input;
    int output;
    int errors;
    int control;
} shardline_child;

// What a guard reports.
enum {
    shardline_nothing = 0,
    // The child has ended and nothing that it started is left; the value is the child's wait status.
    shardline_ended = 1,
    // The child is suspended (1), or had ended before (0).
    shardline_suspended = 2,
    // The guard itself was killed.
    shardline_guard_lost = 3,
};

// Starts the fork server; `requests` is this side's end of its socket. Returns 0 or errno.
int shardline_start_server(int *requests, pid_t *server);

// Starts `/bin/sh -c command` with `environment` (ends with NULL) and the three pipes. The child gets no other file
// descriptor of this process, no blocked or ignored signal, and a session of its own. `lock`, a descriptor or -1, stays
// open until everything that the child has started is gone. Returns 0, the errno of what failed, or EPIPE where the
// fork server is gone.
int shardline_spawn(int requests, const char *command, char *const environment[], int lock, shardline_child *child);

// Sends an order to a guard: 'T' ends the child's process group (SIGTERM), 'K' kills everything, 'S' suspends the child
// (SIGSTOP). Returns 0 or errno.
int shardline_tell(int control, char order);

// The next report of a guard, with its value in `value`. Where `waits` is 0 and there is none: shardline_nothing.
int shardline_hear(int control, int waits, int *value);

// Waits until the fork server has killed everything that killed guards have left behind. Returns 0, or an errno where
// the server is gone.
int shardline_settle(int requests);

// A descriptor that becomes readable when the process has ended. A signal sent through it reaches only that process. -1
// where there is no such process, or no such descriptors (Linux before 5.3).
int shardline_watch(pid_t pid);

// Sends a signal through such a descriptor. Returns 0 or errno.
int shardline_signal(int watch, int signal);

// Opens /dev/null as each of the descriptors 0 to 2 that is closed; reading 0 and writing 1 still fail (EBADF). Call it
// before anything else is opened.
void shardline_fill_standard_descriptors(void);

// Lets a signal such as SIGSEGV, SIGABRT or SIGQUIT that was sent by another process or the terminal end this one at
// once. The Swift runtime's handler takes it for a crash, prints a backtrace for half a minute, and lets the process and
// its functions go on. It still gets the crashes of this process itself.
void shardline_end_by_sent_signals(void);

// A pipe with both ends close-on-exec and non-blocking. Returns 0 or errno.
int shardline_pipe(int *reading, int *writing);

// How many bytes of a pipe have been written and not read yet; -1 where that can't be known.
int shardline_unread(int pipe);

#endif
