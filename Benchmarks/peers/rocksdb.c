// RocksDB as a log: the key is shard and sequence number, the value is the partition key with its length and the
// data. One WriteBatch for each group of puts; LZ4, memtables of 64 MiB, blocks of 16 KiB.
//
// durability always: WriteOptions.sync; none: the WAL is written, not flushed. The consumers' positions are never
// flushed.
#include <rocksdb/c.h>
#include <stdio.h>
#include <string.h>
#include "group_commit.h"
#include "shard_key.h"

static rocksdb_t *database;
static rocksdb_options_t *database_options;
static rocksdb_writeoptions_t *put_options, *save_options;
static rocksdb_readoptions_t *read_options;
static rocksdb_writebatch_t *batch;
static rocksdb_iterator_t *iterators[MAX_CONSUMERS];

static const char *version(void) { return PEER_VERSION; }

static void check(const char *action, const char *error) {
    if (error) fail("rocksdb: %s: %s", action, error);
}

static void begin(void) { rocksdb_writebatch_clear(batch); }

static void add(const struct record *record, long sequence) {
    char key[SHARD_KEY_BYTES];
    write_shard_key(key, record->shard, sequence);
    char key_length = (char)record->key_length;
    const char *keys[] = {key};
    const size_t key_lengths[] = {sizeof key};
    const char *values[] = {&key_length, record->key, record->data};
    const size_t value_lengths[] = {1, (size_t)record->key_length, (size_t)record->length};
    rocksdb_writebatch_putv(batch, 1, keys, key_lengths, 3, values, value_lengths);
}

static void commit(void) {
    char *error = NULL;
    rocksdb_write(database, put_options, batch, &error);
    check("write", error);
}

// An iterator is a snapshot of all shards.
static void begin_round(int consumer) { iterators[consumer] = rocksdb_create_iterator(database, read_options); }

static void end_round(int consumer) { rocksdb_iter_destroy(iterators[consumer]); }

static int read_shard(int consumer, int shard, long first, int max) {
    rocksdb_iterator_t *iterator = iterators[consumer];
    char start[SHARD_KEY_BYTES];
    write_shard_key(start, shard, first);
    int count = 0;
    rocksdb_iter_seek(iterator, start, sizeof start);
    while (count < max && rocksdb_iter_valid(iterator)) {
        size_t key_length, value_length;
        const char *key = rocksdb_iter_key(iterator, &key_length);
        if (!is_of_shard(key, key_length, start)) break;
        const char *value = rocksdb_iter_value(iterator, &value_length);
        size_t head = 1 + (size_t)(unsigned char)value[0];
        received(shard, value + head, (int)(value_length - head));
        rocksdb_iter_next(iterator);
        count++;
    }
    return count;
}

// The positions' keys begin with the bytes FF FF, which no shard's number is.
static void save(const int *shards, const long *positions, int count) {
    rocksdb_writebatch_t *saved = rocksdb_writebatch_create();
    for (int i = 0; i < count; i++) {
        const char key[] = {(char)0xFF, (char)0xFF, (char)(shards[i] >> 8), (char)shards[i]};
        rocksdb_writebatch_put(saved, key, sizeof key, (const char *)&positions[i], sizeof positions[i]);
    }
    char *error = NULL;
    rocksdb_write(database, save_options, saved, &error);
    check("write positions", error);
    rocksdb_writebatch_destroy(saved);
}

static const struct store store = {
    .begin = begin,
    .add = add,
    .commit = commit,
    .begin_round = begin_round,
    .read = read_shard,
    .end_round = end_round,
    .save = save,
};

static void open_store(void) {
    use_store(&store);
    database_options = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(database_options, 1);
    rocksdb_options_increase_parallelism(database_options, 2);
    rocksdb_options_set_compression(database_options, rocksdb_lz4_compression);
    rocksdb_options_set_write_buffer_size(database_options, 64 << 20);
    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();
    rocksdb_block_based_options_set_block_size(table, 16 << 10);
    rocksdb_options_set_block_based_table_factory(database_options, table);

    char *error = NULL;
    database = rocksdb_open(database_options, options.directory, &error);
    check("open", error);
    put_options = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(put_options, options.durable);
    save_options = rocksdb_writeoptions_create();
    read_options = rocksdb_readoptions_create();
    batch = rocksdb_writebatch_create();
}

static void close_store(void) { rocksdb_close(database); }

const struct driver driver = {
    .name = "rocksdb",
    .version = version,
    .open = open_store,
    .put = store_put,
    .fetch = store_fetch,
    .checkpoint = store_checkpoint,
    .close = close_store,
};
