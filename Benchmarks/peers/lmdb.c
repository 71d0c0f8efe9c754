// LMDB as a log: the key is shard and sequence number, the value is the partition key with its length and the data.
// One transaction for each group of puts. Up to 64 shards have a database each, where MDB_APPEND spares the search
// for the place; more shards share one database, in which the end of a shard is not the end of the tree.
//
// durability always: each commit is flushed; none: MDB_NOSYNC. The consumers' positions are never flushed.
#include <lmdb.h>
#include <stdio.h>
#include <string.h>
#include "group_commit.h"
#include "shard_key.h"

enum { MOST_DATABASES = 64 };

static MDB_env *environment;
static MDB_dbi databases[MOST_DATABASES], positions_database;
static MDB_txn *write_transaction, *read_transactions[MAX_CONSUMERS];
static bool one_database;

static const char *version(void) {
    static char text[32];
    int major, minor, patch;
    mdb_version(&major, &minor, &patch);
    snprintf(text, sizeof text, "%d.%d.%d", major, minor, patch);
    return text;
}

static int database_count(void) { return one_database ? 1 : options.shards; }
static MDB_dbi database_of(int shard) { return databases[one_database ? 0 : shard]; }

static void check(const char *action, int error) {
    if (error) fail("lmdb: %s: %s", action, mdb_strerror(error));
}

// Writing

static void begin(void) { check("begin", mdb_txn_begin(environment, NULL, 0, &write_transaction)); }

static void add(const struct record *record, long sequence) {
    char key_bytes[SHARD_KEY_BYTES];
    write_shard_key(key_bytes, record->shard, sequence);
    MDB_val key = {sizeof key_bytes, key_bytes};
    size_t head = 1 + (size_t)record->key_length;
    MDB_val value = {head + (size_t)record->length, NULL};
    // MDB_RESERVE: LMDB says where the value belongs, which spares a copy.
    unsigned flags = MDB_RESERVE | (one_database ? 0 : MDB_APPEND);
    check("put", mdb_put(write_transaction, database_of(record->shard), &key, &value, flags));
    char *to = value.mv_data;
    to[0] = (char)record->key_length;
    memcpy(to + 1, record->key, (size_t)record->key_length);
    memcpy(to + head, record->data, (size_t)record->length);
}

static void commit(void) { check("commit", mdb_txn_commit(write_transaction)); }

static void save(const int *shards, const long *positions, int count) {
    MDB_txn *transaction;
    check("begin", mdb_txn_begin(environment, NULL, MDB_NOSYNC, &transaction));
    for (int i = 0; i < count; i++) {
        MDB_val key = {sizeof shards[i], (void *)&shards[i]};
        MDB_val value = {sizeof positions[i], (void *)&positions[i]};
        check("put a position", mdb_put(transaction, positions_database, &key, &value, 0));
    }
    check("commit positions", mdb_txn_commit(transaction));
}

// Reading. A consumer's read transaction is renewed, which costs less than a new one.

static void begin_round(int consumer) {
    MDB_txn **transaction = &read_transactions[consumer];
    if (*transaction) check("renew", mdb_txn_renew(*transaction));
    else check("begin", mdb_txn_begin(environment, NULL, MDB_RDONLY, transaction));
}

static void end_round(int consumer) { mdb_txn_reset(read_transactions[consumer]); }

static int read_shard(int consumer, int shard, long first, int max) {
    char start[SHARD_KEY_BYTES];
    write_shard_key(start, shard, first);
    MDB_cursor *cursor;
    check("cursor", mdb_cursor_open(read_transactions[consumer], database_of(shard), &cursor));
    MDB_val key = {sizeof start, start}, value;
    int count = 0;
    int error = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    while (!error && count < max && is_of_shard(key.mv_data, key.mv_size, start)) {
        const char *bytes = value.mv_data;
        size_t head = 1 + (size_t)(unsigned char)bytes[0];
        received(shard, bytes + head, (int)(value.mv_size - head));
        count++;
        error = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    if (error && error != MDB_NOTFOUND) check("read", error);
    mdb_cursor_close(cursor);
    return count;
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

static void open_databases(void) {
    MDB_txn *transaction;
    check("begin", mdb_txn_begin(environment, NULL, 0, &transaction));
    for (int i = 0; i < database_count(); i++) {
        char name[16];
        snprintf(name, sizeof name, "log%d", i);
        check("create", mdb_dbi_open(transaction, name, MDB_CREATE, &databases[i]));
    }
    check("create", mdb_dbi_open(transaction, "positions", MDB_CREATE, &positions_database));
    check("commit", mdb_txn_commit(transaction));
}

static void open_store(void) {
    use_store(&store);
    one_database = options.shards > MOST_DATABASES;
    check("environment", mdb_env_create(&environment));
    check("map size", mdb_env_set_mapsize(environment, 32ull << 30));
    check("databases", mdb_env_set_maxdbs(environment, MOST_DATABASES + 1));
    // MDB_NOTLS: a consumer's transaction goes from the load phase's thread to the latency phase's.
    unsigned flags = MDB_NOTLS | (options.durable ? 0 : MDB_NOSYNC);
    check("open", mdb_env_open(environment, options.directory, flags, 0644));
    open_databases();
}

static void close_store(void) {
    for (int i = 0; i < MAX_CONSUMERS; i++) {
        if (read_transactions[i]) mdb_txn_abort(read_transactions[i]);
    }
    mdb_env_close(environment);
}

const struct driver driver = {
    .name = "lmdb",
    .version = version,
    .open = open_store,
    .put = store_put,
    .fetch = store_fetch,
    .checkpoint = store_checkpoint,
    .close = close_store,
};
