#include "support.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

_Noreturn void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "peer: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    _exit(1);
}

void *resize(void *memory, size_t bytes) {
    void *resized = realloc(memory, bytes);
    if (!resized) fail("out of memory");
    return resized;
}

void *allocate(size_t bytes) { return resize(NULL, bytes); }

double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static int compare(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

double percentile(double *values, long count, double share) {
    qsort(values, (size_t)count, sizeof *values, compare);
    return values[(long)((double)count * share)];
}
