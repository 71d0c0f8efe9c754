#ifndef SHARDLINE_CPROCESS_H
#define SHARDLINE_CPROCESS_H

#include <sys/types.h>

// How child processes are tied to this process, so that nothing of theirs outlives it:
//
//   this process ─ fork server ─ guard ─ sh ─ what it starts
//
// The fork server is forked once, early, and forks a guard for each child, so that guards share little memory. A guard is
// a subreaper: whatever its child starts stays below it, also what leaves the process group or the session. It kills all
// of that when its child has ended, when it is told to, and when this process is gone, which it notices by the end of
// the control socket. The fork server does the same for what a killed guard leaves behind.

// A child process and this side's ends of its three pipes and of its guard's socket, all close-on-exec; the pipes are
// non-blocking.
typedef struct {
    pid_t pid;
    int input;
    int output;
    int errors;
    int control;
} shardline_child;

// What a guard tells.
enum {
    shardline_nothing = 0,
    // The child has ended and nothing that it started is left; the value is its wait status.
    shardline_ended = 1,
    // The child stands still (1), or has ended before (0).
    shardline_suspended = 2,
    // The guard itself was killed.
    shardline_guard_lost = 3,
};

// Starts the fork server; `requests` is this side's end of its socket. Returns 0 or errno.
int shardline_start_server(int *requests, pid_t *server);

// Starts `/bin/sh -c command` with `environment` (ends with NULL) and nothing but the three pipes: no other file
// descriptor of this process, no blocked or ignored signal, a session of its own. `lock`, a descriptor or -1, stays open
// until all that the child has started is gone.
// Returns 0, the errno of what failed, or EPIPE where the fork server is gone.
int shardline_spawn(int requests, const char *command, char *const environment[], int lock, shardline_child *child);

// Tells a guard: 'T' the child's process group is to end (SIGTERM), 'K' everything is to be killed, 'S' the child is to
// stand still (SIGSTOP). Returns 0 or errno.
int shardline_tell(int control, char order);

// The next word of a guard, in `value` what belongs to it. Where `waits` is 0 and there is none, shardline_nothing.
int shardline_hear(int control, int waits, int *value);

// Waits until the fork server has nothing left below it that a killed guard has left behind. Returns 0, or an errno
// where the server is gone.
int shardline_settle(int requests);

// A descriptor that becomes readable when the process has ended, and by which a signal reaches that process and no
// other; -1 where there is no such process, or none (Linux before 5.3).
int shardline_watch(pid_t pid);

// Sends a signal by such a descriptor. Returns 0 or errno.
int shardline_signal(int watch, int signal);

// Opens /dev/null as each of the descriptors 0 to 2 that is closed; reading 0 and writing 1 fail as before (EBADF). To
// be called before anything else is opened.
void shardline_fill_standard_descriptors(void);

// A pipe with both ends close-on-exec and non-blocking. Returns 0 or errno.
int shardline_pipe(int *reading, int *writing);

// How many bytes that were written to a pipe nobody has read yet; -1 where that can't be known.
int shardline_unread(int pipe);

#endif
