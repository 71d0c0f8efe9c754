// The two phases of a run.
#pragma once
#include "machine.h"

struct load_result {
    struct usage start, end;
    double put_seconds;       // until the last producer was done
    double received_seconds;  // until the last record was received and its checkpoint written
    long put, received, commits, committed;
    double *put_times;  // seconds from the call of a put to its return
    long put_count;
};

// Producers put `options.records` in batches of mixed shards, as fast as they can; at the same time consumers fetch
// each shard in order and checkpoint after every round of fetches.
struct load_result run_load(void);

struct latency_result {
    struct usage start, end;
    double *latencies;
    long count;
    double records_per_second;
    double records_per_put;
};

// One producer puts at `options.latency_rate`, open loop: at each turn it puts, as one batch, what has come due. What
// is measured is the time from a record's due time until a consumer has it, so a slow put counts for all that it held
// up.
struct latency_result run_latency(void);
