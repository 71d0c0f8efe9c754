#ifndef SHARDLINE_GUARD_H
#define SHARDLINE_GUARD_H

#include <sys/types.h>

// What this process and the fork server tell each other: a byte and descriptors.
enum {
    request_spawn = 'P',   // standard input, output, error, control, parameters, and perhaps the lock
    request_settle = 'Q',  // a socket for the answer
};
enum { most_descriptors = 6 };

// What a guard tells: one of the codes of CProcess.h, or one of these two first.
enum { word_started = 100, word_failed = 101 };
typedef struct {
    int word;
    int value;
} guard_word;

// The fork server's life. Does not return.
_Noreturn void shardline_serve(int requests);
// A guard's life: starts a child with these descriptors. Does not return.
_Noreturn void shardline_guard(const int descriptors[most_descriptors]);

// Common to both.
int shardline_tell_word(int control, int word, int value);
// Kills the processes directly below this one: all, or those of other sessions than its own. Returns how many there are.
int shardline_kill_below(int spares_own_session);
// Does that until one of them has ended and returns its number; 0 where none is left.
pid_t shardline_next_end(int signals, int spares_own_session, int *status);
// A descriptor that becomes readable when a child has ended. All signals are blocked.
int shardline_child_signals(void);
void shardline_drain(int signals);

#endif
