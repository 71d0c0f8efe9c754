// CRC-32C by the processor's instruction.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE4_2__)
#include <nmmintrin.h>
static inline uint32_t crc32c_word(uint32_t crc, uint64_t word) { return (uint32_t)_mm_crc32_u64(crc, word); }
static inline uint32_t crc32c_byte(uint32_t crc, uint8_t byte) { return _mm_crc32_u8(crc, byte); }
#elif defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
static inline uint32_t crc32c_word(uint32_t crc, uint64_t word) { return __crc32cd(crc, word); }
static inline uint32_t crc32c_byte(uint32_t crc, uint8_t byte) { return __crc32cb(crc, byte); }
#else
#error "this processor has no instruction for CRC-32C"
#endif

// Of all bytes so far: `seed` is the sum of those before, 0 for none.
static inline uint32_t crc32c(uint32_t seed, const void *bytes, size_t length) {
    const char *at = bytes;
    uint32_t crc = ~seed;
    for (; length >= 8; at += 8, length -= 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        crc = crc32c_word(crc, word);
    }
    for (; length > 0; at++, length--) crc = crc32c_byte(crc, (uint8_t)*at);
    return ~crc;
}
