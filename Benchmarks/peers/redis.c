// Redis Streams: a stream for each shard, and a server on loopback. The XADDs of a put are pipelined on the
// producer's connection and every reply is awaited. A consumer reads all its streams with one XREADGROUP that blocks
// until there is something, then acknowledges with one XACK for each stream, pipelined.
//
// durability always: appendfsync always; none: appendfsync everysec (see run.sh).
//
// --variant xread: XREAD, with the positions kept in a hash, instead of consumer groups.
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "peer.h"

enum { NAME_ROOM = 16, ID_ROOM = 32 };

static bool groups = true;
static char server_version[32] = "?";
static char (*names)[NAME_ROOM];    // of the streams
static char (*positions)[ID_ROOM];  // the ID of the last record that was fetched from each
static redisContext *producers[MAX_PRODUCERS];

static struct consumer {
    redisContext *connection;
    const char **read;  // the words of its XREADGROUP or XREAD
    int read_count;
    char max[16], wait_ms[16];  // two of them
    redisReply *last;  // what it answered
    const char **acknowledged;
    size_t acknowledged_room;
} consumers[MAX_CONSUMERS];

static const char *version(void) { return server_version; }

static redisContext *connect_to_server(void) {
    redisContext *context = redisConnect("127.0.0.1", options.port);
    if (!context || context->err) fail("redis: can't connect to port %d", options.port);
    return context;
}

static redisReply *checked(redisContext *context, redisReply *reply) {
    if (!reply) fail("redis: %s", context->errstr);
    if (reply->type == REDIS_REPLY_ERROR) fail("redis: %s", reply->str);
    return reply;
}

static void await_replies(redisContext *context, int count) {
    for (int i = 0; i < count; i++) {
        void *reply = NULL;
        redisGetReply(context, &reply);
        freeReplyObject(checked(context, reply));
    }
}

static void ask_for_version(redisContext *context) {
    redisReply *reply = checked(context, redisCommand(context, "INFO server"));
    const char *line = strstr(reply->str, "redis_version:");
    if (line) sscanf(line, "redis_version:%31[^\r\n]", server_version);
    freeReplyObject(reply);
}

static void open_streams(void) {
    if (!strcmp(options.variant, "xread")) groups = false;
    else if (*options.variant) fail("--variant %s: expected xread or nothing", options.variant);
    names = allocate((size_t)options.shards * sizeof *names);
    positions = allocate((size_t)options.shards * sizeof *positions);
    redisContext *context = connect_to_server();
    ask_for_version(context);
    for (int shard = 0; shard < options.shards; shard++) {
        snprintf(names[shard], sizeof names[shard], "s%d", shard);
        strcpy(positions[shard], "0");
        redisAppendCommand(context, "XGROUP CREATE %s g 0 MKSTREAM", names[shard]);
    }
    await_replies(context, options.shards);
    redisFree(context);
}

static void start_producer(int producer) {
    if (!producers[producer]) producers[producer] = connect_to_server();
}

static void put(int producer, const struct record *records, int count) {
    redisContext *context = producers[producer];
    for (int i = 0; i < count; i++) {
        const struct record *record = &records[i];
        const char *name = names[record->shard];
        const char *arguments[] = {"XADD", name, "*", "k", record->key, "v", record->data};
        const size_t lengths[] = {4, strlen(name), 1, 1, (size_t)record->key_length, 1, (size_t)record->length};
        redisAppendCommandArgv(context, 7, arguments, lengths);
    }
    await_replies(context, count);
}

static void prepare_read(int index) {
    struct consumer *consumer = &consumers[index];
    const char *max = consumer->max, *wait_ms = consumer->wait_ms;
    const char *grouped[] = {"XREADGROUP", "GROUP", "g", "c", "COUNT", max, "BLOCK", wait_ms, "STREAMS"};
    const char *plain[] = {"XREAD", "COUNT", max, "BLOCK", wait_ms, "STREAMS"};
    int head = groups ? 9 : 6;
    int streams = (options.shards - index + options.consumers - 1) / options.consumers;
    consumer->read_count = head + 2 * streams;
    consumer->read = allocate((size_t)consumer->read_count * sizeof *consumer->read);
    memcpy(consumer->read, groups ? grouped : plain, (size_t)head * sizeof *consumer->read);
    for (int i = 0; i < streams; i++) {
        int shard = index + i * options.consumers;
        consumer->read[head + i] = names[shard];
        consumer->read[head + streams + i] = groups ? ">" : positions[shard];
    }
}

static void start_consumer(int consumer) {
    if (!consumers[consumer].connection) consumers[consumer].connection = connect_to_server();
}

static int shard_of_name(const redisReply *name) { return atoi(name->str + 1); }

// A reply is a list of streams; a stream is its name and a list of entries; an entry is its ID and a list of fields,
// here k, the key, v, the data.
static int hand_out(const redisReply *stream) {
    int shard = shard_of_name(stream->element[0]);
    const redisReply *entries = stream->element[1];
    for (size_t i = 0; i < entries->elements; i++) {
        const redisReply *data = entries->element[i]->element[1]->element[3];
        received(shard, data->str, (int)data->len);
    }
    return (int)entries->elements;
}

static int fetch(int index, int max, int wait_ms) {
    struct consumer *consumer = &consumers[index];
    snprintf(consumer->max, sizeof consumer->max, "%d", max);
    snprintf(consumer->wait_ms, sizeof consumer->wait_ms, "%d", wait_ms);
    if (!consumer->read) prepare_read(index);
    redisContext *context = consumer->connection;
    redisReply *reply = checked(context, redisCommandArgv(context, consumer->read_count, consumer->read, NULL));
    int count = 0;
    if (reply->type == REDIS_REPLY_ARRAY) {
        for (size_t i = 0; i < reply->elements; i++) count += hand_out(reply->element[i]);
    }
    if (count) consumer->last = reply;
    else freeReplyObject(reply);
    return count;
}

static void acknowledge(struct consumer *consumer, const char *name, const redisReply *entries) {
    size_t count = entries->elements + 3;
    if (count > consumer->acknowledged_room) {
        consumer->acknowledged_room = count;
        consumer->acknowledged = resize(consumer->acknowledged, count * sizeof *consumer->acknowledged);
    }
    const char **words = consumer->acknowledged;
    words[0] = "XACK";
    words[1] = name;
    words[2] = "g";
    for (size_t i = 0; i < entries->elements; i++) words[3 + i] = entries->element[i]->element[0]->str;
    redisAppendCommandArgv(consumer->connection, (int)count, words, NULL);
}

static void checkpoint(int index) {
    struct consumer *consumer = &consumers[index];
    int commands = 0;
    for (size_t i = 0; i < consumer->last->elements; i++) {
        const redisReply *name = consumer->last->element[i]->element[0];
        const redisReply *entries = consumer->last->element[i]->element[1];
        if (!entries->elements) continue;
        int shard = shard_of_name(name);
        snprintf(positions[shard], ID_ROOM, "%s", entries->element[entries->elements - 1]->element[0]->str);
        if (groups) acknowledge(consumer, name->str, entries);
        else redisAppendCommand(consumer->connection, "HSET positions %s %s", name->str, positions[shard]);
        commands++;
    }
    await_replies(consumer->connection, commands);
    freeReplyObject(consumer->last);
}

static void close_streams(void) {
    for (int i = 0; i < MAX_PRODUCERS; i++) {
        if (producers[i]) redisFree(producers[i]);
    }
    for (int i = 0; i < MAX_CONSUMERS; i++) {
        if (consumers[i].connection) redisFree(consumers[i].connection);
    }
}

const struct driver driver = {
    .name = "redis",
    .version = version,
    .open = open_streams,
    .start_producer = start_producer,
    .start_consumer = start_consumer,
    .put = put,
    .fetch = fetch,
    .checkpoint = checkpoint,
    .close = close_streams,
};
