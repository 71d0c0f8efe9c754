#include "CHash.h"
#include <string.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__)
#include <arm_acle.h>
#endif

static uint32_t table[256];
static int has_instruction;

uint32_t shardline_crc32c_table(uint32_t seed, const void *bytes, size_t length) {
    const uint8_t *at = bytes;
    uint32_t crc = ~seed;
    while (length--) crc = (crc >> 8) ^ table[(crc ^ *at++) & 0xFF];
    return ~crc;
}

#if defined(__x86_64__)
#define WITH_INSTRUCTION __attribute__((target("sse4.2")))
#define STEP(crc, word) _mm_crc32_u64(crc, word)
#define STEP_BYTE(crc, byte) _mm_crc32_u8((uint32_t)(crc), byte)
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
#define WITH_INSTRUCTION
#define STEP(crc, word) __crc32cd((uint32_t)(crc), word)
#define STEP_BYTE(crc, byte) __crc32cb((uint32_t)(crc), byte)
#endif

#ifdef WITH_INSTRUCTION
// The instruction takes three cycles and can begin in each, so three parts of a buffer are done side by side. To put
// their checksums together, the first is moved over as many zeros as the second has bytes, by a table for that length.
enum { LONG_PART = 4096, SHORT_PART = 256 };
static uint32_t over_long[4][256], over_short[4][256];

WITH_INSTRUCTION static void fill(uint32_t table[4][256], size_t zeros) {
    uint32_t moved[32];
    for (int bit = 0; bit < 32; bit++) {
        uint64_t crc = 1u << bit;
        for (size_t done = 0; done < zeros; done += 8) crc = STEP(crc, 0);
        moved[bit] = (uint32_t)crc;
    }
    for (int byte = 0; byte < 4; byte++)
        for (int value = 0; value < 256; value++) {
            uint32_t sum = 0;
            for (int bit = 0; bit < 8; bit++) sum ^= value >> bit & 1 ? moved[8 * byte + bit] : 0;
            table[byte][value] = sum;
        }
}

static inline uint32_t move(uint32_t table[4][256], uint64_t crc) {
    return table[0][crc & 0xFF] ^ table[1][crc >> 8 & 0xFF] ^ table[2][crc >> 16 & 0xFF] ^ table[3][crc >> 24 & 0xFF];
}

static inline uint64_t word_at(const uint8_t *at) {
    uint64_t word;
    memcpy(&word, at, 8);
    return word;
}

WITH_INSTRUCTION static inline uint64_t three_parts(
    uint64_t crc, const uint8_t *at, size_t part, uint32_t over_part[4][256]) {
    uint64_t second = 0, third = 0;
    for (const uint8_t *end = at + part; at < end; at += 8) {
        crc = STEP(crc, word_at(at));
        second = STEP(second, word_at(at + part));
        third = STEP(third, word_at(at + 2 * part));
    }
    crc = move(over_part, crc) ^ second;
    return move(over_part, crc) ^ third;
}

WITH_INSTRUCTION static uint32_t by_instruction(uint32_t seed, const void *bytes, size_t length) {
    const uint8_t *at = bytes;
    uint64_t crc = ~seed;
    for (; length >= 3 * LONG_PART; at += 3 * LONG_PART, length -= 3 * LONG_PART)
        crc = three_parts(crc, at, LONG_PART, over_long);
    for (; length >= 3 * SHORT_PART; at += 3 * SHORT_PART, length -= 3 * SHORT_PART)
        crc = three_parts(crc, at, SHORT_PART, over_short);
    for (; length >= 8; at += 8, length -= 8) crc = STEP(crc, word_at(at));
    for (; length > 0; at++, length--) crc = STEP_BYTE(crc, *at);
    return ~(uint32_t)crc;
}
#endif

// Everything is filled before main, so that no caller pays for a check and no two threads race to fill it.
__attribute__((constructor)) static void prepare(void) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t value = i;
        for (int bit = 0; bit < 8; bit++) value = (value >> 1) ^ (value & 1 ? 0x82F63B78u : 0);
        table[i] = value;
    }
#if defined(__x86_64__)
    has_instruction = __builtin_cpu_supports("sse4.2");
#elif defined(WITH_INSTRUCTION)
    has_instruction = 1;
#endif
#ifdef WITH_INSTRUCTION
    if (!has_instruction) return;
    fill(over_long, LONG_PART);
    fill(over_short, SHORT_PART);
#endif
}

uint32_t shardline_crc32c(uint32_t seed, const void *bytes, size_t length) {
#ifdef WITH_INSTRUCTION
    if (has_instruction) return by_instruction(seed, bytes, length);
#endif
    return shardline_crc32c_table(seed, bytes, length);
}
