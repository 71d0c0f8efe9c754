// The key of a record in a store that has one ordered space of keys: shard and sequence number, big-endian, so that
// the order of the bytes is the order of the log.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { SHARD_BYTES = 2, SHARD_KEY_BYTES = SHARD_BYTES + 8 };

static inline void write_shard_key(char *key, int shard, long sequence) {
    key[0] = (char)(shard >> 8);
    key[1] = (char)shard;
    for (int i = 0; i < 8; i++) key[SHARD_BYTES + i] = (char)((uint64_t)sequence >> (56 - 8 * i));
}

// Whether a key is a record's of the same shard as `start`.
static inline bool is_of_shard(const char *key, size_t length, const char *start) {
    return length == SHARD_KEY_BYTES && !memcmp(key, start, SHARD_BYTES);
}
