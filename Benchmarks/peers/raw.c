// What the machine itself allows, without any log: durable sequential writes, the page cache, memory, CRC-32C and
// LZ4. One line of JSON.
//
// --dir DIRECTORY [--seconds S for each kind of write, 1.5] [--lines FILE: text whose compression is measured too]
// [--only NAME: only this kind of write, such as prezero_1024K]
#include <fcntl.h>
#include <lz4.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "crc32c.h"
#include "records.h"
#include "support.h"

enum { KIB = 1 << 10, MIB = 1 << 20, NOISE_BYTES = 4 * MIB, PAGE = 4096, MOST_WRITES = 1000000 };

static char path[600];
static double seconds_per_point = 1.5;
static const char *only;
static char *noise;  // random bytes

// Durable writes

enum mode { ZEROED, GROWING, ALLOCATED, DIRECT };

static const uint64_t file_bytes = 512ull * MIB;

static void *allocate_pages(size_t bytes) {
    void *memory = aligned_alloc(PAGE, bytes);  // O_DIRECT asks for it
    if (!memory) fail("out of memory");
    return memory;
}

static void write_all(int file, const void *bytes, size_t length, uint64_t offset) {
    if (pwrite(file, bytes, length, (off_t)offset) != (ssize_t)length) fail("can't write %s", path);
}

static void fill_with_zeros(void) {
    int file = open(path, O_RDWR);
    char *zeros = allocate_pages(MIB);
    memset(zeros, 0, MIB);
    for (uint64_t offset = 0; offset < file_bytes; offset += MIB) write_all(file, zeros, MIB, offset);
    if (fsync(file)) fail("can't flush %s", path);
    close(file);
    free(zeros);
}

static int create_file(enum mode mode) {
    int flags = O_RDWR | O_CREAT | O_TRUNC | (mode == DIRECT ? O_DIRECT | O_DSYNC : 0);
    int file = open(path, flags, 0644);
    if (file < 0) fail("can't create %s", path);
    if (mode == ALLOCATED && posix_fallocate(file, 0, (off_t)file_bytes)) fail("can't allocate %s", path);
    if (mode == ZEROED || mode == DIRECT) fill_with_zeros();
    if (fsync(file)) fail("can't flush %s", path);
    return file;
}

static void measure_durable_writes(const char *kind, enum mode mode, size_t bytes) {
    static double times[MOST_WRITES];
    char name[64];
    snprintf(name, sizeof name, "%s_%zuK", kind, bytes / KIB);
    if (only && strcmp(only, name)) return;
    int file = create_file(mode);
    long writes = 0;
    uint64_t offset = 0;
    double start = now(), last = start;
    while (last - start < seconds_per_point && writes < MOST_WRITES) {
        if (offset + bytes > file_bytes) {
            // Written a second time, a file that grew would be one that is overwritten.
            if (mode == GROWING || mode == ALLOCATED) break;
            offset = 0;
        }
        write_all(file, noise + (writes % 64) * PAGE, bytes, offset);
        if (mode != DIRECT && fdatasync(file)) fail("can't flush %s", path);
        double time = now();
        times[writes++] = time - last;
        last = time;
        offset += bytes;
    }
    double seconds = last - start;
    printf(",\"%s\":{\"MBps\":%.1f", name, (double)writes * (double)bytes / seconds / 1e6);
    printf(",\"ops\":%.0f", (double)writes / seconds);
    printf(",\"p50_us\":%.0f", percentile(times, writes, 0.5) * 1e6);
    printf(",\"p99_us\":%.0f}", percentile(times, writes, 0.99) * 1e6);
    close(file);
    unlink(path);
}

// The page cache

enum { CACHED_BYTES = 256 * MIB };

static double rate(double bytes, double since) { return bytes / (now() - since) / 1e6; }

static double write_rate(int file, size_t bytes) {
    double start = now();
    for (uint64_t offset = 0; offset < CACHED_BYTES; offset += bytes) write_all(file, noise, bytes, offset);
    return rate(CACHED_BYTES, start);
}

static double read_rate(int file, size_t bytes) {
    char *to = allocate(bytes);
    double start = now();
    for (uint64_t offset = 0; offset < CACHED_BYTES; offset += bytes) {
        if (pread(file, to, bytes, (off_t)offset) != (ssize_t)bytes) fail("can't read %s", path);
    }
    double result = rate(CACHED_BYTES, start);
    free(to);
    return result;
}

static void measure_page_cache(size_t bytes) {
    int file = create_file(GROWING);
    printf(",\"cache_%zuK\":{\"grow_MBps\":%.0f", bytes / KIB, write_rate(file, bytes));
    printf(",\"overwrite_MBps\":%.0f", write_rate(file, bytes));
    printf(",\"read_MBps\":%.0f", read_rate(file, bytes));
    double start = now();
    if (fdatasync(file)) fail("can't flush %s", path);
    printf(",\"flush256MiB_MBps\":%.0f}", rate(CACHED_BYTES, start));
    close(file);
    unlink(path);
}

// Memory

enum { COPIED_BYTES = 64 * MIB, COPIES = 8, SMALL_COPIES = 100000 };

struct copy {
    char *to, *from;
};

// Keeps the compiler from leaving out copies that nobody reads.
static void use(const void *memory) { __asm__ volatile("" : : "r"(memory) : "memory"); }

static void *copy_memory(void *argument) {
    struct copy *copy = argument;
    for (int i = 0; i < COPIES; i++) {
        memcpy(copy->to, copy->from, COPIED_BYTES);
        use(copy->to);
    }
    return NULL;
}

static void measure_memory(void) {
    struct copy copies[2];
    for (int i = 0; i < 2; i++) {
        copies[i] = (struct copy){allocate(COPIED_BYTES), allocate(COPIED_BYTES)};
        memset(copies[i].to, 1, COPIED_BYTES);
        memset(copies[i].from, 2, COPIED_BYTES);
    }
    double start = now();
    copy_memory(&copies[0]);
    printf(",\"memcpy\":{\"64MiB_GBps\":%.1f", rate((double)COPIES * COPIED_BYTES, start) / 1e3);

    pthread_t other;
    start = now();
    if (pthread_create(&other, NULL, copy_memory, &copies[1])) fail("no more threads");
    copy_memory(&copies[0]);
    pthread_join(other, NULL);
    printf(",\"64MiB_2threads_GBps\":%.1f", rate(2.0 * COPIES * COPIED_BYTES, start) / 1e3);

    static char small_to[64 * KIB], small_from[64 * KIB];
    start = now();
    for (int i = 0; i < SMALL_COPIES; i++) {
        memcpy(small_to, small_from, sizeof small_to);
        use(small_to);
    }
    printf(",\"64KiB_GBps\":%.1f}", rate((double)SMALL_COPIES * sizeof small_to, start) / 1e3);
    for (int i = 0; i < 2; i++) {
        free(copies[i].to);
        free(copies[i].from);
    }
}

// CRC-32C

enum { CRC_BYTES = 64 * KIB, CRC_ROUNDS = 40000, SHORT_CRC_ROUNDS = 5000000 };

// Three parts side by side, as the instruction's latency allows. For speed only: the parts' sums are not combined.
static uint32_t crc_of_three(uint32_t seed, const char *bytes, size_t length) {
    size_t part = length / 24 * 8;
    uint32_t first = seed, second = 0, third = 0;
    for (const char *at = bytes; at < bytes + part; at += 8) {
        uint64_t words[3];
        memcpy(&words[0], at, 8);
        memcpy(&words[1], at + part, 8);
        memcpy(&words[2], at + 2 * part, 8);
        first = crc32c_word(first, words[0]);
        second = crc32c_word(second, words[1]);
        third = crc32c_word(third, words[2]);
    }
    return first ^ second ^ third;
}

// Each sum goes into the next, so that the processor can't begin several at once.
static void measure_crc(void) {
    uint32_t sum = 0;
    double start = now();
    for (int i = 0; i < CRC_ROUNDS; i++) sum = crc32c(sum, noise, CRC_BYTES);
    printf(",\"crc32c\":{\"1stream_GBps\":%.1f", rate((double)CRC_ROUNDS * CRC_BYTES, start) / 1e3);
    start = now();
    for (int i = 0; i < CRC_ROUNDS; i++) sum = crc_of_three(sum, noise, CRC_BYTES);
    printf(",\"3streams_GBps\":%.1f", rate((double)CRC_ROUNDS * CRC_BYTES, start) / 1e3);
    start = now();
    for (int i = 0; i < SHORT_CRC_ROUNDS; i++) sum = crc32c(sum, noise, 100);
    printf(",\"100B_ns\":%.1f}", (now() - start) / SHORT_CRC_ROUNDS * 1e9);
    use(&sum);
}

// LZ4

enum { LZ4_ROUNDS = 3 };

struct blocks {
    const char *from;
    char *to, *plain;
    int *lengths;  // of the compressed blocks
    size_t count;
    int bytes, room;
};

static size_t compress_blocks(const struct blocks *blocks) {
    size_t sum = 0;
    for (size_t i = 0; i < blocks->count; i++) {
        const char *from = blocks->from + i * (size_t)blocks->bytes;
        char *to = blocks->to + i * (size_t)blocks->room;
        blocks->lengths[i] = LZ4_compress_default(from, to, blocks->bytes, blocks->room);
        sum += (size_t)blocks->lengths[i];
    }
    return sum;
}

static void decompress_blocks(const struct blocks *blocks) {
    for (size_t i = 0; i < blocks->count; i++) {
        const char *from = blocks->to + i * (size_t)blocks->room;
        if (LZ4_decompress_safe(from, blocks->plain, blocks->lengths[i], blocks->bytes) != blocks->bytes) {
            fail("LZ4 does not give back what it was given");
        }
    }
}

// The best of some rounds: what the machine allows, not what the neighbours leave of it.
static void measure_lz4(const char *name, const char *from, size_t length, int block_bytes) {
    size_t count = length / (size_t)block_bytes;
    int room = LZ4_compressBound(block_bytes);
    struct blocks blocks = {from, allocate(count * (size_t)room), allocate((size_t)block_bytes),
                            allocate(count * sizeof(int)), count, block_bytes, room};
    double plain_bytes = (double)count * block_bytes, compressed = 0, in = 0, out = 0;
    for (int round = 0; round < LZ4_ROUNDS; round++) {
        double start = now();
        compressed = (double)compress_blocks(&blocks);
        double speed = rate(plain_bytes, start);
        if (speed > in) in = speed;
        start = now();
        decompress_blocks(&blocks);
        speed = rate(plain_bytes, start);
        if (speed > out) out = speed;
    }
    printf(",\"lz4_%s_%dK\":{\"compress_MBps\":%.0f", name, block_bytes / KIB, in);
    printf(",\"decompress_MBps\":%.0f,\"ratio\":%.2f}", out, plain_bytes / compressed);
    free(blocks.to);
    free(blocks.plain);
    free(blocks.lengths);
}

// The records that all peers put, of 1 KiB.
static void measure_lz4_of_records(void) {
    enum { BYTES = KIB };
    make_records(BYTES);
    char *text = allocate((size_t)POOL * BYTES);
    for (int i = 0; i < POOL; i++) memcpy(text + (size_t)i * BYTES, pool_record(i), BYTES);
    measure_lz4("records", text, (size_t)POOL * BYTES, 64 * KIB);
    free(text);
}

static void measure_lz4_of_file(const char *name) {
    enum { MOST_BYTES = 16 * MIB };
    FILE *file = fopen(name, "r");
    if (!file) fail("can't open %s", name);
    char *text = allocate(MOST_BYTES);
    size_t length = fread(text, 1, MOST_BYTES, file);
    fclose(file);
    const int blocks[] = {4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB};
    for (int i = 0; i < 4; i++) {
        if (length >= (size_t)blocks[i]) measure_lz4("lines", text, length, blocks[i]);
    }
    free(text);
}

static void measure_all_writes(void) {
    const size_t sizes[] = {4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB};
    for (int i = 0; i < 5; i++) measure_durable_writes("prezero", ZEROED, sizes[i]);
    for (int i = 0; i < 5; i += 2) measure_durable_writes("grow", GROWING, sizes[i]);
    for (int i = 0; i < 5; i += 2) measure_durable_writes("fallocate", ALLOCATED, sizes[i]);
    for (int i = 0; i < 5; i += 2) measure_durable_writes("odirect_odsync", DIRECT, sizes[i]);
}

static void measure_the_rest(const char *lines) {
    measure_page_cache(64 * KIB);
    measure_page_cache(MIB);
    measure_memory();
    measure_crc();
    measure_lz4("random", noise, NOISE_BYTES, 64 * KIB);
    measure_lz4_of_records();
    if (lines) measure_lz4_of_file(lines);
}

int main(int count, char **arguments) {
    const char *directory = ".", *lines = NULL;
    for (int i = 1; i < count; i += 2) {
        if (i + 1 == count) fail("%s needs a value", arguments[i]);
        if (!strcmp(arguments[i], "--dir")) directory = arguments[i + 1];
        else if (!strcmp(arguments[i], "--seconds")) seconds_per_point = atof(arguments[i + 1]);
        else if (!strcmp(arguments[i], "--lines")) lines = arguments[i + 1];
        else if (!strcmp(arguments[i], "--only")) only = arguments[i + 1];
        else fail("unknown option %s", arguments[i]);
    }
    snprintf(path, sizeof path, "%s/raw", directory);
    noise = allocate_pages(NOISE_BYTES);
    for (size_t i = 0; i < NOISE_BYTES; i += sizeof(uint64_t)) {
        uint64_t word = next_random();
        memcpy(noise + i, &word, sizeof word);
    }
    printf("{\"peer\":\"raw\",\"lz4\":\"%s\"", LZ4_versionString());
    measure_all_writes();
    if (!only) measure_the_rest(lines);
    printf(",\"seconds_per_point\":%.1f}\n", seconds_per_point);
    return 0;
}
