#include "waking.h"
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include "peer.h"

enum { CACHE_LINE = 64 };

static struct sleeper {
    _Alignas(CACHE_LINE) atomic_long wakings;
    atomic_bool asleep;
    pthread_mutex_t lock;
    pthread_cond_t woken;
} sleepers[MAX_CONSUMERS];

void prepare_waking(void) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    for (int i = 0; i < MAX_CONSUMERS; i++) {
        pthread_mutex_init(&sleepers[i].lock, NULL);
        pthread_cond_init(&sleepers[i].woken, &attributes);
    }
}

void wake_consumers(void) {
    for (int i = 0; i < options.consumers; i++) {
        struct sleeper *sleeper = &sleepers[i];
        atomic_fetch_add(&sleeper->wakings, 1);
        // The sleeper sets `asleep` before it looks at `wakings`, so one of the two sees the other.
        if (!atomic_load(&sleeper->asleep)) continue;
        pthread_mutex_lock(&sleeper->lock);
        pthread_cond_signal(&sleeper->woken);
        pthread_mutex_unlock(&sleeper->lock);
    }
}

long wakings(int consumer) { return atomic_load(&sleepers[consumer].wakings); }

static struct timespec after(int milliseconds) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    time.tv_nsec += milliseconds * 1000000L;
    time.tv_sec += time.tv_nsec / 1000000000L;
    time.tv_nsec %= 1000000000L;
    return time;
}

void wait_for_waking(int consumer, long seen, int milliseconds) {
    struct sleeper *sleeper = &sleepers[consumer];
    struct timespec end = after(milliseconds);
    int timed_out = 0;
    pthread_mutex_lock(&sleeper->lock);
    atomic_store(&sleeper->asleep, true);
    while (atomic_load(&sleeper->wakings) == seen && !timed_out) {
        timed_out = pthread_cond_timedwait(&sleeper->woken, &sleeper->lock, &end);
    }
    atomic_store(&sleeper->asleep, false);
    pthread_mutex_unlock(&sleeper->lock);
}
