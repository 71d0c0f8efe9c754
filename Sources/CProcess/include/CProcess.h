#ifndef SHARDLINE_CPROCESS_H
#define SHARDLINE_CPROCESS_H

#include <sys/types.h>

// A child process and this side's ends of its three pipes, all close-on-exec and non-blocking.
typedef struct {
    pid_t pid;
    int input;
    int output;
    int errors;
} shardline_child;

// Starts `/bin/sh -c command` with `environment` (ends with NULL) and nothing but the three pipes: no other file
// descriptor of this process, no blocked or ignored signal, a process group of its own. The child is killed when the
// thread that started it ends, so nothing outlives a process that was killed itself.
// Returns 0, or the errno of what failed.
int shardline_spawn(const char *command, char *const environment[], shardline_child *child);

// Whether a child has ended, which leaves it on the system's list: its number and its group's stay its own until it is
// waited for. Where `waits` is not 0, returns when it has.
int shardline_has_ended(pid_t pid, int waits);

// A descriptor that becomes readable when the child has ended; -1 where the system has none (Linux before 5.3).
int shardline_watch(pid_t pid);

// Opens /dev/null as each of the descriptors 0 to 2 that is closed. To be called before anything else is opened.
void shardline_fill_standard_descriptors(void);

// A pipe with both ends close-on-exec and non-blocking. Returns 0 or errno.
int shardline_pipe(int *reading, int *writing);

// How many bytes that were written to a pipe nobody has read yet; -1 where that can't be known.
int shardline_unread(int pipe);

#endif
