// The records: JSON-like, with random values, made once; a put copies them and writes its own number into each.
#pragma once
#include <stdint.h>

enum {
    KEYS = 10000,
    POOL = 8192,
    KEY_LENGTH = 11,  // user-000000
    LEAST_RECORD_BYTES = 64,
};

// Makes KEYS keys and POOL records of `record_bytes` each.
void make_records(int record_bytes);

const char *key_text(int key);
const char *pool_record(int index);

// A multiplicative hash, so that neighbouring keys land on different shards.
int shard_of_key(int key, int shards);

// The 16 hexadecimal digits at offset 8 of every record: 2 for the producer, 14 for the record's place among those
// that the producer put into that shard. They are what the order check reads.
void write_number(char *data, int producer, long place);
void read_number(const char *data, int *producer, long *place);

// xorshift64 with a fixed seed: every run makes the same records.
uint64_t next_random(void);
