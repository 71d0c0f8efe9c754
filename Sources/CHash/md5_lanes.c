#include "CHash.h"
#include <string.h>

// RFC 1321 for many short messages at once: what one message does with a number, sixteen do with a vector of them. A
// partition key fills one block, so a key costs a sixteenth of a block's chain of dependent steps.
//
// The steps are written once, as a macro, and compiled three times: with vectors of sixteen for processors that have
// them (AVX-512), with pairs of vectors of eight (AVX2), which go side by side as the steps of one wait for each other,
// and with vectors of four elsewhere.

#define ROTATE(x, n) (((x) << (n)) | ((x) >> (32 - (n))))
#define MIX1(b, c, d) ((d) ^ ((b) & ((c) ^ (d))))
#define MIX2(b, c, d) ((c) ^ ((d) & ((b) ^ (c))))
#define MIX3(b, c, d) ((b) ^ (c) ^ (d))
#define MIX4(b, c, d) ((c) ^ ((b) | ~(d)))
#define STEP(mix, a, b, c, d, w, n, k) a = b + ROTATE(a + mix(b, c, d) + words[w] + (uint32_t)(k), n);

#define FOUR(mix, w0, w1, w2, w3, n0, n1, n2, n3, k0, k1, k2, k3) \
    STEP(mix, a, b, c, d, w0, n0, k0)                             \
    STEP(mix, d, a, b, c, w1, n1, k1)                             \
    STEP(mix, c, d, a, b, w2, n2, k2)                             \
    STEP(mix, b, c, d, a, w3, n3, k3)

#define ALL_STEPS                                                                                              \
    FOUR(MIX1, 0, 1, 2, 3, 7, 12, 17, 22, 0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee)                      \
    FOUR(MIX1, 4, 5, 6, 7, 7, 12, 17, 22, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501)                      \
    FOUR(MIX1, 8, 9, 10, 11, 7, 12, 17, 22, 0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be)                    \
    FOUR(MIX1, 12, 13, 14, 15, 7, 12, 17, 22, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821)                  \
    FOUR(MIX2, 1, 6, 11, 0, 5, 9, 14, 20, 0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa)                      \
    FOUR(MIX2, 5, 10, 15, 4, 5, 9, 14, 20, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8)                     \
    FOUR(MIX2, 9, 14, 3, 8, 5, 9, 14, 20, 0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed)                      \
    FOUR(MIX2, 13, 2, 7, 12, 5, 9, 14, 20, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a)                     \
    FOUR(MIX3, 5, 8, 11, 14, 4, 11, 16, 23, 0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c)                    \
    FOUR(MIX3, 1, 4, 7, 10, 4, 11, 16, 23, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70)                     \
    FOUR(MIX3, 13, 0, 3, 6, 4, 11, 16, 23, 0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05)                     \
    FOUR(MIX3, 9, 12, 15, 2, 4, 11, 16, 23, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665)                    \
    FOUR(MIX4, 0, 7, 14, 5, 6, 10, 15, 21, 0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039)                     \
    FOUR(MIX4, 12, 3, 10, 1, 6, 10, 15, 21, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1)                    \
    FOUR(MIX4, 8, 15, 6, 13, 6, 10, 15, 21, 0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1)                    \
    FOUR(MIX4, 4, 11, 2, 9, 6, 10, 15, 21, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391)

#define WORD(lane, w) (blocks[(lane) * 16 + (w)])

typedef uint32_t four_lanes __attribute__((vector_size(16)));

static void four_blocks(const uint32_t *blocks, uint32_t *digests) {
    four_lanes words[16];
    for (int w = 0; w < 16; w++) words[w] = (four_lanes){WORD(0, w), WORD(1, w), WORD(2, w), WORD(3, w)};
    four_lanes a = {0x67452301, 0x67452301, 0x67452301, 0x67452301};
    four_lanes b = {0xefcdab89, 0xefcdab89, 0xefcdab89, 0xefcdab89};
    four_lanes c = {0x98badcfe, 0x98badcfe, 0x98badcfe, 0x98badcfe};
    four_lanes d = {0x10325476, 0x10325476, 0x10325476, 0x10325476};
    ALL_STEPS
    for (int lane = 0; lane < 4; lane++) {
        digests[lane * 4] = a[lane] + 0x67452301;
        digests[lane * 4 + 1] = b[lane] + 0xefcdab89;
        digests[lane * 4 + 2] = c[lane] + 0x98badcfe;
        digests[lane * 4 + 3] = d[lane] + 0x10325476;
    }
}

#if defined(__x86_64__)
typedef uint32_t sixteen_lanes __attribute__((vector_size(64)));

// A loop over an array of vectors is to leave them where they are, in registers.
#define UNROLLED _Pragma("clang loop unroll(full)")

// The first halves of two vectors, one number of each in turn, and their second halves.
#define LOW(x, y) __builtin_shufflevector(x, y, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define HIGH(x, y) __builtin_shufflevector(x, y, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)

// A vector holds a block, and is to hold one word of sixteen blocks: four rounds of interleaving exchange rows and
// columns, as each moves the highest bit of the row's number to the column's end, and the other way round.
#define SIXTEEN_BLOCKS(name, instructions)                                                                     \
    __attribute__((target(instructions))) static void name(const uint32_t *blocks, uint32_t *digests) {        \
        sixteen_lanes words[16], mixed[16];                                                                    \
        memcpy(words, blocks, sizeof words);                                                                   \
        UNROLLED for (int round = 0; round < 4; round++) {                                                     \
            UNROLLED for (int i = 0; i < 8; i++) {                                                             \
                mixed[2 * i] = LOW(words[i], words[i + 8]);                                                    \
                mixed[2 * i + 1] = HIGH(words[i], words[i + 8]);                                               \
            }                                                                                                  \
            memcpy(words, mixed, sizeof words);                                                                \
        }                                                                                                      \
        sixteen_lanes zero = {0};                                                                              \
        sixteen_lanes a = zero + 0x67452301u, b = zero + 0xefcdab89u;                                          \
        sixteen_lanes c = zero + 0x98badcfeu, d = zero + 0x10325476u;                                          \
        ALL_STEPS                                                                                              \
        a += 0x67452301u, b += 0xefcdab89u, c += 0x98badcfeu, d += 0x10325476u;                                \
        sixteen_lanes out[4] = {                                                                               \
            LOW(LOW(a, c), LOW(b, d)), HIGH(LOW(a, c), LOW(b, d)), LOW(HIGH(a, c), HIGH(b, d)),                \
            HIGH(HIGH(a, c), HIGH(b, d))};                                                                     \
        memcpy(digests, out, sizeof out);                                                                      \
    }

SIXTEEN_BLOCKS(sixteen_at_once, "avx512f")
SIXTEEN_BLOCKS(twice_eight, "avx2")

static enum shardline_md5_lanes widest;
__attribute__((constructor)) static void prepare(void) {
    widest = __builtin_cpu_supports("avx512f") ? SHARDLINE_MD5_SIXTEEN
             : __builtin_cpu_supports("avx2")  ? SHARDLINE_MD5_TWICE_EIGHT
                                               : SHARDLINE_MD5_FOUR;
}
#else
static const enum shardline_md5_lanes widest = SHARDLINE_MD5_FOUR;
#endif

int shardline_md5_blocks_in(enum shardline_md5_lanes lanes, const void *blocks, size_t count, void *digests) {
    if (lanes > widest) return 0;
    const uint32_t *from = blocks;
    uint32_t *to = digests;
#if defined(__x86_64__)
    if (lanes != SHARDLINE_MD5_FOUR) {
        void (*hash)(const uint32_t *, uint32_t *) = lanes == SHARDLINE_MD5_SIXTEEN ? sixteen_at_once : twice_eight;
        for (; count >= 16; count -= 16, from += 16 * 16, to += 16 * 4) hash(from, to);
    }
#endif
    for (; count >= 4; count -= 4, from += 4 * 16, to += 4 * 4) four_blocks(from, to);
    if (count == 0) return 1;
    uint32_t rest[4 * 16] = {0}, out[4 * 4];
    memcpy(rest, from, count * 64);
    four_blocks(rest, out);
    memcpy(to, out, count * 16);
    return 1;
}

void shardline_md5_blocks(const void *blocks, size_t count, void *digests) {
    shardline_md5_blocks_in(widest, blocks, count, digests);
}
