#include "CHash.h"
#include <string.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__)
#include <arm_acle.h>
#endif

// Filled before main, so that no caller pays for a check and no two threads race to fill it.
static uint32_t table[256];
static int has_instruction;

__attribute__((constructor)) static void prepare(void) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t value = i;
        for (int bit = 0; bit < 8; bit++) value = (value >> 1) ^ (value & 1 ? 0x82F63B78u : 0);
        table[i] = value;
    }
#if defined(__x86_64__)
    has_instruction = __builtin_cpu_supports("sse4.2");
#endif
}

uint32_t shardline_crc32c_table(uint32_t seed, const void *bytes, size_t length) {
    const uint8_t *at = bytes;
    uint32_t crc = ~seed;
    while (length--) crc = (crc >> 8) ^ table[(crc ^ *at++) & 0xFF];
    return ~crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t seed, const void *bytes, size_t length) {
    const uint8_t *at = bytes;
    uint64_t crc = ~seed;
    for (; length >= 8; at += 8, length -= 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        crc = _mm_crc32_u64(crc, word);
    }
    for (; length > 0; at++, length--) crc = _mm_crc32_u8((uint32_t)crc, *at);
    return ~(uint32_t)crc;
}
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
static uint32_t by_instruction(uint32_t seed, const void *bytes, size_t length) {
    const uint8_t *at = bytes;
    uint32_t crc = ~seed;
    for (; length >= 8; at += 8, length -= 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        crc = __crc32cd(crc, word);
    }
    for (; length > 0; at++, length--) crc = __crc32cb(crc, *at);
    return ~crc;
}
#endif

uint32_t shardline_crc32c(uint32_t seed, const void *bytes, size_t length) {
#if defined(__x86_64__)
    if (has_instruction) return by_instruction(seed, bytes, length);
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
    return by_instruction(seed, bytes, length);
#endif
    return shardline_crc32c_table(seed, bytes, length);
}
