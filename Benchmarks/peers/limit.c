// The floor: the least that a durable log with LZ4 blocks and CRC-32C has to do, in C. It is not a product: no
// recovery, no retention, no index, no shards to read one by one, no interface. The distance from it is what a
// product pays for the rest.
//
// One frame a put, with its records of all shards, made in the producer's thread. Frames that wait while a flush runs
// go out together with one write and one fdatasync. The one consumer reads the frames back, checks them, decompresses
// them and hands the records out.
//
// --variant, a comma-separated list: prezero (the file is filled with zeros before the clock starts, as recycled
// segments are; the default) or grow; lz4 (the default) or raw.
#include <fcntl.h>
#include <lz4.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "crc32c.h"
#include "peer.h"
#include "waking.h"

struct frame {
    uint32_t crc;  // of all that follows
    uint32_t stored_bytes;
    uint32_t raw_bytes;
    uint32_t records;
};

enum { RECORD_HEADER = 7 };  // shard 2, key length 1, data length 4

static bool prezero = true, compress = true;
static int log_file, position_file;
static uint64_t read_offset;           // the consumer's
static _Atomic uint64_t durable_offset;  // what the consumer may read

// Frames that wait for the next write, and what the leader is writing.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t group_done = PTHREAD_COND_INITIALIZER;
static struct pending {
    char *bytes;
    size_t length, room;
    long records;
} pending, writing;
static uint64_t pending_offset;
static bool somebody_leads;

static const char *version(void) { return "c-floor"; }

static void parse_variant(void) {
    char list[200];
    snprintf(list, sizeof list, "%s", options.variant);
    for (char *word = strtok(list, ","); word; word = strtok(NULL, ",")) {
        if (!strcmp(word, "prezero")) prezero = true;
        else if (!strcmp(word, "grow")) prezero = false;
        else if (!strcmp(word, "lz4")) compress = true;
        else if (!strcmp(word, "raw")) compress = false;
        else fail("--variant %s: expected prezero or grow, and lz4 or raw", word);
    }
}

static int create(const char *name) {
    char path[600];
    snprintf(path, sizeof path, "%s/%s", options.directory, name);
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
    if (file < 0) fail("can't create %s", path);
    return file;
}

static void fill_with_zeros(int file, uint64_t bytes) {
    static char zeros[1 << 20];
    for (uint64_t offset = 0; offset < bytes; offset += sizeof zeros) {
        if (pwrite(file, zeros, sizeof zeros, (off_t)offset) != (ssize_t)sizeof zeros) fail("can't fill the log");
    }
    if (fsync(file)) fail("can't flush the log");
}

static void open_log(void) {
    parse_variant();
    log_file = create("log");
    position_file = create("position");
    // A record with its frame needs 41 bytes more than its data where nothing can be compressed; the rest is for the
    // latency phase.
    uint64_t most = (uint64_t)options.records * ((uint64_t)options.record_bytes + 41) + (64 << 20);
    if (prezero) fill_with_zeros(log_file, most);
}

static long long used_bytes(void) { return (long long)atomic_load(&durable_offset); }

// Writing

static void add_pending(const void *bytes, size_t length, int records) {
    if (pending.length + length > pending.room) {
        pending.room = 2 * (pending.length + length);
        pending.bytes = resize(pending.bytes, pending.room);
    }
    memcpy(pending.bytes + pending.length, bytes, length);
    pending.length += length;
    pending.records += records;
}

// Called with the lock held, and returns with it held.
static void lead(void) {
    struct pending group = pending;
    uint64_t offset = pending_offset;
    pending = writing;
    pending.length = 0;
    pending.records = 0;
    pending_offset += group.length;
    somebody_leads = true;
    pthread_mutex_unlock(&lock);
    ssize_t written = pwrite(log_file, group.bytes, group.length, (off_t)offset);
    if (written != (ssize_t)group.length) fail("can't write the log");
    if (options.durable && fdatasync(log_file)) fail("can't flush the log");
    count_commit(group.records);
    atomic_store(&durable_offset, offset + group.length);
    wake_consumers();
    pthread_mutex_lock(&lock);
    writing = group;
    somebody_leads = false;
    pthread_cond_broadcast(&group_done);
}

static void append(const void *bytes, size_t length, int records) {
    pthread_mutex_lock(&lock);
    add_pending(bytes, length, records);
    uint64_t end = pending_offset + pending.length;
    while (atomic_load(&durable_offset) < end) {
        if (somebody_leads) pthread_cond_wait(&group_done, &lock);
        else lead();
    }
    pthread_mutex_unlock(&lock);
}

static char *encode(char *to, const struct record *record) {
    uint16_t shard = (uint16_t)record->shard;
    uint32_t length = (uint32_t)record->length;
    memcpy(to, &shard, 2);
    to[2] = (char)record->key_length;
    memcpy(to + 3, &length, 4);
    to += RECORD_HEADER;
    memcpy(to, record->key, (size_t)record->key_length);
    to += record->key_length;
    memcpy(to, record->data, length);
    return to + length;
}

// Each producer's own memory.
static _Thread_local char *raw, *frame_bytes;
static _Thread_local size_t raw_room;

static void make_room(const struct record *records, int count) {
    size_t needed = 0;
    for (int i = 0; i < count; i++) needed += RECORD_HEADER + (size_t)(records[i].key_length + records[i].length);
    if (needed <= raw_room) return;
    raw_room = 2 * needed;
    raw = resize(raw, raw_room);
    frame_bytes = resize(frame_bytes, sizeof(struct frame) + (size_t)LZ4_compressBound((int)raw_room));
}

static void put(int producer, const struct record *records, int count) {
    (void)producer;
    make_room(records, count);
    char *end = raw;
    for (int i = 0; i < count; i++) end = encode(end, &records[i]);

    size_t raw_bytes = (size_t)(end - raw), stored_bytes = raw_bytes;
    char *body = frame_bytes + sizeof(struct frame);
    if (compress) {
        stored_bytes = (size_t)LZ4_compress_default(raw, body, (int)raw_bytes, LZ4_compressBound((int)raw_room));
    } else {
        memcpy(body, raw, raw_bytes);
    }
    struct frame frame = {0, (uint32_t)stored_bytes, (uint32_t)raw_bytes, (uint32_t)count};
    size_t length = sizeof frame + stored_bytes;
    memcpy(frame_bytes, &frame, sizeof frame);
    frame.crc = crc32c(0, frame_bytes + sizeof frame.crc, length - sizeof frame.crc);
    memcpy(frame_bytes, &frame.crc, sizeof frame.crc);
    append(frame_bytes, length, count);
}

// Reading

static void hand_out(const char *at, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        uint16_t shard;
        uint32_t length;
        memcpy(&shard, at, 2);
        memcpy(&length, at + 3, 4);
        const char *data = at + RECORD_HEADER + (unsigned char)at[2];
        received(shard, data, (int)length);
        at = data + length;
    }
}

static void read_exactly(void *to, size_t length, uint64_t offset) {
    if (pread(log_file, to, length, (off_t)offset) != (ssize_t)length) fail("can't read the log");
}

// Returns the number of records in the frame.
static int read_frame(void) {
    static char *stored, *plain;
    static size_t stored_room, plain_room;
    struct frame frame;
    read_exactly(&frame, sizeof frame, read_offset);
    size_t length = sizeof frame + frame.stored_bytes;
    if (length > stored_room) stored = resize(stored, stored_room = 2 * length);
    if (frame.raw_bytes > plain_room) plain = resize(plain, plain_room = 2 * (size_t)frame.raw_bytes);

    read_exactly(stored, length, read_offset);
    if (crc32c(0, stored + sizeof frame.crc, length - sizeof frame.crc) != frame.crc) fail("a frame is damaged");
    const char *body = stored + sizeof frame;
    if (compress) {
        int size = LZ4_decompress_safe(body, plain, (int)frame.stored_bytes, (int)frame.raw_bytes);
        if (size != (int)frame.raw_bytes) fail("a frame can't be decompressed");
        body = plain;
    }
    hand_out(body, frame.records);
    read_offset += length;
    return (int)frame.records;
}

static int fetch(int consumer, int max, int wait_ms) {
    long seen = wakings(consumer);
    if (read_offset >= atomic_load(&durable_offset)) wait_for_waking(consumer, seen, wait_ms);
    int records = 0;
    while (records < max && read_offset < atomic_load(&durable_offset)) records += read_frame();
    return records;
}

static void checkpoint(int consumer) {
    (void)consumer;
    if (pwrite(position_file, &read_offset, sizeof read_offset, 0) != (ssize_t)sizeof read_offset) {
        fail("can't write the position");
    }
}

static void close_log(void) {
    close(log_file);
    close(position_file);
}

const struct driver driver = {
    .name = "limit",
    .version = version,
    .consumers_at_most = 1,  // it gets a mixed log, so a second one could not keep the shards' order
    .open = open_log,
    .put = put,
    .fetch = fetch,
    .checkpoint = checkpoint,
    .disk_bytes = used_bytes,  // the zeros beyond are nobody's
    .close = close_log,
};
