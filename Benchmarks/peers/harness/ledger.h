// Who put what, who has seen what: the check of order and completeness.
#pragma once
#include <stdbool.h>

// Producers 0 to options.producers; the last one is the latency phase's.
void open_ledger(void);

// The place of this producer's next record among its records in the shard.
long next_place(int producer, int shard);

// From now on the time from a record's due time until it is received counts, for the last producer's records: it puts
// record i into shard i % shards at `start` + i / rate.
void expect_latencies(double start);

// All latencies so far, in seconds, in one array that the caller frees.
double *take_latencies(long *count);

// Whether every shard has been received as far as it was put.
bool all_received(void);
