// Two hashes of the product's hot paths: CRC-32C for what is on disk, MD5 for the shard of a partition key.
#ifndef SHARDLINE_CHASH_H
#define SHARDLINE_CHASH_H

#include <stddef.h>
#include <stdint.h>

/// CRC-32C (Castagnoli) of `length` bytes, continuing from `seed` (0 for a fresh one).
/// Uses the processor's instruction where it has one, a table elsewhere.
uint32_t shardline_crc32c(uint32_t seed, const void *bytes, size_t length);

/// The same by table alone: the fallback, and the other's judge in tests.
uint32_t shardline_crc32c_table(uint32_t seed, const void *bytes, size_t length);

/// MD5 (RFC 1321) of `length` bytes, 16 bytes into `digest`. For hash keys only, never for security.
void shardline_md5(const void *bytes, size_t length, uint8_t digest[16]);

/// MD5 of `count` messages that each fill one block: 64 bytes, padded as RFC 1321 says (so of at most 55 bytes). Blocks
/// lie one behind the other, aligned to 4 bytes; 16 bytes each go into `digests`, aligned to 4 bytes too.
void shardline_md5_blocks(const void *blocks, size_t count, void *digests);

/// Vectors that messages are hashed in.
enum shardline_md5_lanes {
    SHARDLINE_MD5_FOUR,
    /// Two of eight: AVX2.
    SHARDLINE_MD5_TWICE_EIGHT,
    /// AVX-512.
    SHARDLINE_MD5_SIXTEEN
};

/// The same in these vectors, for tests: each kind is used on some machine. 0 where the processor doesn't have them.
int shardline_md5_blocks_in(enum shardline_md5_lanes lanes, const void *blocks, size_t count, void *digests);

#endif
