// What a peer's driver implements, and what the harness gives it. The harness makes the records, runs the phases,
// checks the order and prints the figures; a driver only puts, fetches and checkpoints.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "support.h"

enum {
    MAX_SHARDS = 4096,
    MAX_PRODUCERS = 255,  // the producer's number takes two hexadecimal digits, and the latency phase needs one more
    MAX_CONSUMERS = 16,
};

struct record {
    const char *key;
    const char *data;
    int key_length;
    int length;
    int shard;
};

struct options {
    long records;
    int record_bytes;
    int shards;
    int batch;           // records a put
    int consumer_batch;  // most records a fetch takes from a shard
    int producers;
    int consumers;
    double max_seconds;  // the producers stop then, whatever is left
    double latency_seconds;
    int latency_rate;  // records a second
    bool durable;      // acknowledged means flushed to the device; otherwise handed to the system
    const char *durability;
    const char *directory;
    const char *variant;
    const char *fault;  // what to do wrong on purpose, see faults.h
    int port;
    int server_pid;
};

extern struct options options;

struct driver {
    const char *name;
    const char *(*version)(void);
    int consumers_at_most;                // 0: as many as asked for
    void (*open)(void);                   // a fresh, empty store
    void (*start_producer)(int producer);  // in the thread that will put; may be NULL
    void (*start_consumer)(int consumer);  // in the thread that will fetch; may be NULL
    void (*stop_consumer)(int consumer);   // in the same thread, at its end; may be NULL

    // Puts records of any shards and returns when they are as durable as the options ask.
    void (*put)(int producer, const struct record *records, int count);

    // Calls `received` for the next records of this consumer's shards, at most `max` of each, and returns how many
    // there were. Waits up to `wait_ms` for the first.
    int (*fetch)(int consumer, int max, int wait_ms);

    void (*checkpoint)(int consumer);  // writes down what the last fetch returned; need not be flushed
    long long (*disk_bytes)(void);     // NULL: the blocks of all files in the directory
    void (*close)(void);
};

extern const struct driver driver;

// A driver calls it for every record that it fetched, in the order in which the peer served them. A record that is
// out of order, there twice, cut or missing ends the run.
void received(int shard, const char *data, int length);

// Each shard has one consumer.
static inline int owner(int shard) { return shard % options.consumers; }

// Counts one flush, for the figure `recs_per_commit`.
void count_commit(long records);
