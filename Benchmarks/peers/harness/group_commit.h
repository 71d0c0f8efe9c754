// What a store in this process needs to be a peer: group commit for its writes, and rounds of fetches for its reads.
// It is the same for all of them, so that they flush equally often and only the stores differ.
//
// Group commit: the first put that comes leads. It writes all puts that wait, its own included, in one transaction,
// and what arrives meanwhile goes into the next.
#pragma once
#include "peer.h"

struct store {
    // Writing: `begin`, `add` for each record, `commit`, by one thread at a time. Sequence numbers count from 0 in
    // each shard.
    void (*begin)(void);
    void (*add)(const struct record *record, long sequence);
    void (*commit)(void);  // returns when the transaction is as durable as the options ask

    // Reading: one snapshot for the reads of all shards in a round of fetches. `read` calls `received` for up to
    // `max` records of the shard from `first`, and returns how many there were.
    void (*begin_round)(int consumer);
    int (*read)(int consumer, int shard, long first, int max);
    void (*end_round)(int consumer);

    // Writes the positions that the consumer reached in some shards, in one transaction that is not flushed.
    void (*save)(const int *shards, const long *positions, int count);
};

// Called by a driver's `open`.
void use_store(const struct store *store);

// A driver's `put`, `fetch` and `checkpoint`.
void store_put(int producer, const struct record *records, int count);
int store_fetch(int consumer, int max, int wait_ms);
void store_checkpoint(int consumer);
