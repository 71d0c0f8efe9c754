#include "ledger.h"
#include <stdlib.h>
#include <string.h>
#include "peer.h"
#include "records.h"

enum { CACHE_LINE = 64, LONGS_A_LINE = CACHE_LINE / sizeof(long) };

// Each producer writes its own row of `put`, each consumer its own shards' rows of `seen`: rows start on a cache
// line, so that threads do not slow each other down here, where nothing is measured.
static long *put;   // [producer][shard]
static long *seen;  // [shard][producer]
static int put_row, seen_row;

static struct latencies {
    double *values;
    long count, room;
} latencies[MAX_CONSUMERS];
static double latency_start;

static int whole_lines(int longs) { return (longs + LONGS_A_LINE - 1) / LONGS_A_LINE * LONGS_A_LINE; }

static long *zeroed_rows(int rows, int row) {
    size_t bytes = (size_t)rows * (size_t)row * sizeof(long);
    long *table = aligned_alloc(CACHE_LINE, bytes);
    if (!table) fail("out of memory");
    memset(table, 0, bytes);
    return table;
}

void open_ledger(void) {
    int producers = options.producers + 1;
    put_row = whole_lines(options.shards);
    seen_row = whole_lines(producers);
    put = zeroed_rows(producers, put_row);
    seen = zeroed_rows(options.shards, seen_row);
    for (int i = 0; i < options.consumers; i++) {
        latencies[i].room = (long)(options.latency_seconds * options.latency_rate) + 16;
        latencies[i].values = allocate((size_t)latencies[i].room * sizeof(double));
    }
}

long next_place(int producer, int shard) { return put[producer * put_row + shard]++; }

void expect_latencies(double start) { latency_start = start; }

static void note_latency(int shard, long place) {
    struct latencies *mine = &latencies[owner(shard)];
    double due = latency_start + (double)(place * options.shards + shard) / options.latency_rate;
    if (mine->count < mine->room) mine->values[mine->count++] = now() - due;
}

void received(int shard, const char *data, int length) {
    if (length != options.record_bytes) {
        fail("%s: shard %d: got a record of %d bytes, wanted %d", driver.name, shard, length, options.record_bytes);
    }
    if (shard < 0 || shard >= options.shards) fail("%s: got a record of shard %d", driver.name, shard);
    int producer;
    long place;
    read_number(data, &producer, &place);
    if (producer > options.producers) fail("%s: shard %d: got a record of nobody", driver.name, shard);
    long *wanted = &seen[shard * seen_row + producer];
    if (place != *wanted) {
        fail("%s: shard %d: got record %ld of producer %d, wanted %ld", driver.name, shard, place, producer, *wanted);
    }
    ++*wanted;
    if (producer == options.producers) note_latency(shard, place);
}

double *take_latencies(long *count) {
    *count = 0;
    for (int i = 0; i < options.consumers; i++) *count += latencies[i].count;
    double *all = allocate((size_t)(*count + 1) * sizeof(double));
    double *end = all;
    for (int i = 0; i < options.consumers; i++) {
        memcpy(end, latencies[i].values, (size_t)latencies[i].count * sizeof(double));
        end += latencies[i].count;
    }
    return all;
}

bool all_received(void) {
    for (int producer = 0; producer <= options.producers; producer++) {
        for (int shard = 0; shard < options.shards; shard++) {
            if (put[producer * put_row + shard] != seen[shard * seen_row + producer]) return false;
        }
    }
    return true;
}
