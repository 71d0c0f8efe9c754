// SQLite as a log, in WAL mode: a transaction for each group of puts. Up to 256 shards have a table each whose rowid is
// the sequence number, so that every insert is at the right edge of its tree; more shards share one table with the key
// (shard, sequence). Both were measured: 256 tables are faster than one, 1,024 are slower.
//
// durability always: synchronous FULL, the WAL is flushed at each commit; none: NORMAL, it is flushed at SQLite's
// checkpoints. The consumers' positions are written by a second connection, NORMAL, as they need no flush.
#include <sqlite3.h>
#include <pthread.h>
#include <stdio.h>
#include "group_commit.h"

enum { MOST_TABLES = 256 };

static char path[600];
static bool one_table;

// SQLite lets one connection write at a time; waiting here costs less than its busy handler.
static pthread_mutex_t write_lock = PTHREAD_MUTEX_INITIALIZER;
static sqlite3 *writer, *saver;
static sqlite3_stmt *begin_write, *commit_write, *inserts[MOST_TABLES];
static sqlite3_stmt *begin_save, *commit_save, *save_position;

static struct reader {
    sqlite3 *connection;
    sqlite3_stmt *begin, *commit, *selects[MOST_TABLES];
} readers[MAX_CONSUMERS];

static const char *version(void) { return sqlite3_libversion(); }

static int table_count(void) { return one_table ? 1 : options.shards; }
static int table_of(int shard) { return one_table ? 0 : shard; }

static void run(sqlite3 *connection, const char *statement) {
    char *error = NULL;
    if (sqlite3_exec(connection, statement, NULL, NULL, &error)) fail("sqlite: %s: %s", statement, error);
}

static sqlite3_stmt *prepare(sqlite3 *connection, const char *text) {
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(connection, text, -1, &statement, NULL)) {
        fail("sqlite: %s: %s", text, sqlite3_errmsg(connection));
    }
    return statement;
}

static void step(sqlite3_stmt *statement) {
    if (sqlite3_step(statement) != SQLITE_DONE) fail("sqlite: %s", sqlite3_errmsg(sqlite3_db_handle(statement)));
    sqlite3_reset(statement);
}

// NOMUTEX: each connection is used by one thread at a time, so SQLite need not lock it.
static sqlite3 *connect(void) {
    sqlite3 *connection;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(path, &connection, flags, NULL)) fail("sqlite: can't open %s", path);
    return connection;
}

static void open_writer(void) {
    writer = connect();
    run(writer, "PRAGMA page_size=8192");
    run(writer, "PRAGMA journal_mode=WAL");
    run(writer, options.durable ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
    run(writer, "PRAGMA cache_size=-65536");  // 64 MiB
    run(writer, "PRAGMA mmap_size=8589934592");
    run(writer, "CREATE TABLE positions(shard INTEGER PRIMARY KEY, sequence INTEGER)");
    begin_write = prepare(writer, "BEGIN IMMEDIATE");
    commit_write = prepare(writer, "COMMIT");
}

static void create_table(int table) {
    char text[200];
    const char *create = one_table ? "CREATE TABLE log%d(shard INTEGER, sequence INTEGER, key TEXT, data BLOB, "
                                     "PRIMARY KEY(shard, sequence)) WITHOUT ROWID"
                                   : "CREATE TABLE log%d(sequence INTEGER PRIMARY KEY, key TEXT, data BLOB)";
    snprintf(text, sizeof text, create, table);
    run(writer, text);
    const char *insert = one_table ? "INSERT INTO log%d(sequence, key, data, shard) VALUES(?, ?, ?, ?)"
                                   : "INSERT INTO log%d(sequence, key, data) VALUES(?, ?, ?)";
    snprintf(text, sizeof text, insert, table);
    inserts[table] = prepare(writer, text);
}

static void open_saver(void) {
    saver = connect();
    run(saver, "PRAGMA synchronous=NORMAL");
    run(saver, "PRAGMA wal_autocheckpoint=0");  // the writer's task
    begin_save = prepare(saver, "BEGIN IMMEDIATE");
    commit_save = prepare(saver, "COMMIT");
    save_position = prepare(
        saver, "INSERT INTO positions VALUES(?, ?) ON CONFLICT DO UPDATE SET sequence = excluded.sequence");
}

// Writing

static void begin(void) {
    pthread_mutex_lock(&write_lock);
    step(begin_write);
}

static void add(const struct record *record, long sequence) {
    sqlite3_stmt *insert = inserts[table_of(record->shard)];
    sqlite3_bind_int64(insert, 1, sequence);
    sqlite3_bind_text(insert, 2, record->key, record->key_length, SQLITE_STATIC);
    sqlite3_bind_blob(insert, 3, record->data, record->length, SQLITE_STATIC);
    if (one_table) sqlite3_bind_int(insert, 4, record->shard);
    step(insert);
}

static void commit(void) {
    step(commit_write);
    pthread_mutex_unlock(&write_lock);
}

// Reading

static void start_consumer(int consumer) {
    struct reader *reader = &readers[consumer];
    reader->connection = connect();
    run(reader->connection, "PRAGMA mmap_size=8589934592");
    reader->begin = prepare(reader->connection, "BEGIN");
    reader->commit = prepare(reader->connection, "COMMIT");
    const char *condition = one_table ? "shard = ?3 AND sequence >= ?1" : "sequence >= ?1";
    for (int table = 0; table < table_count(); table++) {
        char text[200];
        if (!one_table && owner(table) != consumer) continue;
        snprintf(text, sizeof text, "SELECT data FROM log%d WHERE %s ORDER BY sequence LIMIT ?2", table, condition);
        reader->selects[table] = prepare(reader->connection, text);
    }
}

static void stop_consumer(int consumer) {
    struct reader *reader = &readers[consumer];
    sqlite3_finalize(reader->begin);
    sqlite3_finalize(reader->commit);
    for (int table = 0; table < MOST_TABLES; table++) {
        sqlite3_finalize(reader->selects[table]);
        reader->selects[table] = NULL;
    }
    sqlite3_close(reader->connection);
}

static void begin_round(int consumer) { step(readers[consumer].begin); }

static void end_round(int consumer) { step(readers[consumer].commit); }

static int read_shard(int consumer, int shard, long first, int max) {
    sqlite3_stmt *select = readers[consumer].selects[table_of(shard)];
    sqlite3_bind_int64(select, 1, first);
    sqlite3_bind_int(select, 2, max);
    if (one_table) sqlite3_bind_int(select, 3, shard);
    int count = 0, state;
    while ((state = sqlite3_step(select)) == SQLITE_ROW) {
        received(shard, sqlite3_column_blob(select, 0), sqlite3_column_bytes(select, 0));
        count++;
    }
    if (state != SQLITE_DONE) fail("sqlite: %s", sqlite3_errmsg(readers[consumer].connection));
    sqlite3_reset(select);
    return count;
}

static void save(const int *shards, const long *positions, int count) {
    pthread_mutex_lock(&write_lock);
    step(begin_save);
    for (int i = 0; i < count; i++) {
        sqlite3_bind_int(save_position, 1, shards[i]);
        sqlite3_bind_int64(save_position, 2, positions[i]);
        step(save_position);
    }
    step(commit_save);
    pthread_mutex_unlock(&write_lock);
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
    snprintf(path, sizeof path, "%s/log.db", options.directory);
    one_table = options.shards > MOST_TABLES;
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);  // its counters would be one more lock
    open_writer();
    for (int table = 0; table < table_count(); table++) create_table(table);
    open_saver();
}

static void close_store(void) {
    sqlite3_finalize(begin_write);
    sqlite3_finalize(commit_write);
    for (int table = 0; table < table_count(); table++) sqlite3_finalize(inserts[table]);
    sqlite3_finalize(begin_save);
    sqlite3_finalize(commit_save);
    sqlite3_finalize(save_position);
    sqlite3_close(saver);
    sqlite3_close(writer);
}

const struct driver driver = {
    .name = "sqlite",
    .version = version,
    .open = open_store,
    .start_consumer = start_consumer,
    .stop_consumer = stop_consumer,
    .put = store_put,
    .fetch = store_fetch,
    .checkpoint = store_checkpoint,
    .close = close_store,
};
