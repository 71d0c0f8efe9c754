#ifndef SHARDLINE_GUARD_H
#define SHARDLINE_GUARD_H

#include <sys/types.h>

// Requests of the owner to the fork server: one byte and descriptors.
enum {
    request_spawn = 'P',   // standard input, output, error, control, parameters, and perhaps the lock
    request_settle = 'Q',  // a socket for the answer
};
enum { most_descriptors = 6 };

// Messages of a guard: one of the codes of CProcess.h, or first one of these two.
enum { word_started = 100, word_failed = 101 };
typedef struct {
    int word;
    int value;
} guard_word;

// Runs the fork server. Does not return.
_Noreturn void shardline_serve(int requests);
// Runs a guard, which starts a child with these descriptors. Does not return.
_Noreturn void shardline_guard(const int descriptors[most_descriptors]);

// Shared by both.
int shardline_tell_word(int control, int word, int value);
// Kills the children of this process: all, or those outside its own session. Returns how many there are.
int shardline_kill_below(int spares_own_session);
// Repeats that until one of them has ended, and returns its number; 0 where none is left.
pid_t shardline_next_end(int signals, int spares_own_session, int *status);
// A descriptor that becomes readable when a child has ended. The caller has blocked all signals.
int shardline_child_signals(void);
void shardline_drain(int signals);

#endif
