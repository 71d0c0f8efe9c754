// Small things that all files need.
#pragma once
#include <stddef.h>

// Says what went wrong, and ends the process at once, whatever its other threads are doing.
__attribute__((format(printf, 1, 2))) _Noreturn void fail(const char *format, ...);

// As malloc and realloc; they end the process where there is no memory.
void *allocate(size_t bytes);
void *resize(void *memory, size_t bytes);

// Seconds of the monotonic clock.
double now(void);

// Sorts the values and returns the one that `share` of them are below.
double percentile(double *values, long count, double share);
