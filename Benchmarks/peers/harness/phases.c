#include "phases.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "faults.h"
#include "ledger.h"
#include "peer.h"
#include "records.h"

enum { FETCH_WAIT_MS = 50, CACHE_LINE = 64 };

static pthread_t producer_threads[MAX_PRODUCERS], consumer_threads[MAX_CONSUMERS];
static double deadline;
static atomic_int producers_at_work;
static atomic_long put_records, commits, committed;
static struct {
    _Alignas(CACHE_LINE) atomic_long records;
    double last_time;  // when it had the last of them
} received_by[MAX_CONSUMERS];

static double *put_times;
static atomic_long put_count;
static long put_room;

void count_commit(long records) {
    atomic_fetch_add(&commits, 1);
    atomic_fetch_add(&committed, records);
}

static long received_records(void) {
    long sum = 0;
    for (int i = 0; i < options.consumers; i++) sum += atomic_load(&received_by[i].records);
    return sum;
}

// When the last record was received. A consumer learns only from a fetch that waited in vain that it has everything,
// and that wait is nobody's work.
static double last_received(void) {
    double last = 0;
    for (int i = 0; i < options.consumers; i++) {
        if (received_by[i].last_time > last) last = received_by[i].last_time;
    }
    return last;
}

static void *consume(void *argument) {
    int consumer = (int)(intptr_t)argument;
    if (driver.start_consumer) driver.start_consumer(consumer);
    // A record that is lost must not keep the run for ever.
    while (now() < deadline + options.max_seconds) {
        int count = driver.fetch(consumer, options.consumer_batch, FETCH_WAIT_MS);
        if (count > 0) {
            driver.checkpoint(consumer);
            atomic_fetch_add(&received_by[consumer].records, count);
            received_by[consumer].last_time = now();
        } else if (!atomic_load(&producers_at_work) && received_records() >= atomic_load(&put_records)) {
            break;
        }
    }
    if (driver.stop_consumer) driver.stop_consumer(consumer);
    return NULL;
}

static void start_consumers(void) {
    for (int i = 0; i < options.consumers; i++) {
        if (pthread_create(&consumer_threads[i], NULL, consume, (void *)(intptr_t)i)) fail("no more threads");
    }
}

static void join_consumers(void) {
    for (int i = 0; i < options.consumers; i++) pthread_join(consumer_threads[i], NULL);
}

// The records of one put, and the bytes that they are made of.
struct batch {
    struct record *records;
    char *bytes;
};

static struct batch new_batch(int records) {
    size_t count = (size_t)records;
    return (struct batch){allocate(count * sizeof(struct record)), allocate(count * (size_t)options.record_bytes)};
}

static void free_batch(struct batch batch) {
    free(batch.records);
    free(batch.bytes);
}

static void fill(struct batch batch, int index, int producer, int key, int shard, int source) {
    char *data = batch.bytes + (size_t)index * (size_t)options.record_bytes;
    memcpy(data, pool_record(source), (size_t)options.record_bytes);
    write_number(data, producer, next_place(producer, shard));
    batch.records[index] = (struct record){key_text(key), data, KEY_LENGTH, options.record_bytes, shard};
}

// Random keys; `state` is the producer's own.
static void fill_random(struct batch batch, int count, int producer, uint64_t *state) {
    for (int i = 0; i < count; i++) {
        *state = *state * 6364136223846793005ull + 1442695040888963407ull;
        int key = (int)((*state >> 40) % KEYS);
        int source = (int)((*state >> 33) % POOL);
        fill(batch, i, producer, key, shard_of_key(key, options.shards), source);
    }
}

static void put_timed(struct batch batch, int count, int producer) {
    double start = now();
    driver.put(producer, batch.records, count);
    double time = now() - start;
    long index = atomic_fetch_add(&put_count, 1);
    if (index < put_room) put_times[index] = time;
}

static void *produce(void *argument) {
    int producer = (int)(intptr_t)argument;
    if (driver.start_producer) driver.start_producer(producer);
    struct batch batch = new_batch(options.batch);
    uint64_t state = 1234567 + 77 * (uint64_t)producer;
    long left = options.records / options.producers;
    while (left > 0 && now() < deadline) {
        int count = left < options.batch ? (int)left : options.batch;
        left -= count;
        fill_random(batch, count, producer, &state);
        int kept = *options.fault ? spoil(batch.records, count, left == 0) : count;
        put_timed(batch, kept, producer);
        atomic_fetch_add(&put_records, count);
    }
    free_batch(batch);
    atomic_fetch_sub(&producers_at_work, 1);
    return NULL;
}

struct load_result run_load(void) {
    struct load_result result = {0};
    put_room = options.records / options.batch + 2 * MAX_PRODUCERS;
    put_times = allocate((size_t)put_room * sizeof(double));
    atomic_store(&producers_at_work, options.producers);

    result.start = usage_now(options.server_pid);
    deadline = result.start.time + options.max_seconds;
    start_consumers();
    for (int i = 0; i < options.producers; i++) {
        if (pthread_create(&producer_threads[i], NULL, produce, (void *)(intptr_t)i)) fail("no more threads");
    }
    for (int i = 0; i < options.producers; i++) pthread_join(producer_threads[i], NULL);
    result.put_seconds = now() - result.start.time;
    join_consumers();
    result.end = usage_now(options.server_pid);

    result.received_seconds = last_received() - result.start.time;
    result.put = atomic_load(&put_records);
    result.received = received_records();
    result.commits = atomic_load(&commits);
    result.committed = atomic_load(&committed);
    result.put_times = put_times;
    result.put_count = put_count < put_room ? put_count : put_room;
    return result;
}

static void sleep_until(double time) {
    double seconds = time - now();
    if (seconds < 2e-6) return;
    struct timespec pause = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&pause, NULL);
}

// Puts record i, which is due at start + i / rate, into shard i % shards. Returns the number of puts.
static long put_at_rate(long records, double start) {
    int producer = options.producers;
    int room = options.latency_rate;  // what comes due in a second
    struct batch batch = new_batch(room);
    long puts = 0, next = 0;
    while (next < records && now() < deadline) {
        sleep_until(start + (double)next / options.latency_rate);
        long due = (long)((now() - start) * options.latency_rate) + 1;
        if (due > records) due = records;
        if (due > next + room) due = next + room;
        int count = 0;
        for (; next < due; next++, count++) {
            fill(batch, count, producer, (int)(next % KEYS), (int)(next % options.shards), (int)(next % POOL));
        }
        driver.put(0, batch.records, count);
        atomic_fetch_add(&put_records, count);
        puts++;
    }
    free_batch(batch);
    return puts;
}

struct latency_result run_latency(void) {
    struct latency_result result = {0};
    long records = (long)(options.latency_seconds * options.latency_rate);
    deadline = now() + options.latency_seconds + 5;
    atomic_store(&producers_at_work, 1);
    start_consumers();
    if (driver.start_producer) driver.start_producer(0);
    sleep_until(now() + 0.1);  // until the consumers wait
    result.start = usage_now(options.server_pid);
    double start = now();
    expect_latencies(start);
    long puts = put_at_rate(records, start);
    double seconds = now() - start;
    atomic_store(&producers_at_work, 0);
    join_consumers();
    result.end = usage_now(options.server_pid);
    result.latencies = take_latencies(&result.count);
    result.records_per_second = (double)result.count / seconds;
    result.records_per_put = (double)result.count / (double)(puts ? puts : 1);
    return result;
}
