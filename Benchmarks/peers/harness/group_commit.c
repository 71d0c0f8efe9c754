#include "group_commit.h"
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include "waking.h"

static const struct store *store;

void use_store(const struct store *used) { store = used; }

// Writing

struct put {
    const struct record *records;
    int count;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t group_done = PTHREAD_COND_INITIALIZER;
static struct put waiting[MAX_PRODUCERS];  // a producer has one put at a time
static int waiting_count;
static bool somebody_leads;
static long tickets_given, tickets_done;

static long next_sequence[MAX_SHARDS];   // the leader's
static atomic_long readable[MAX_SHARDS];  // records of the shard that consumers may read

static void commit_group(const struct put *group, int count) {
    long records = 0;
    store->begin();
    for (int i = 0; i < count; i++) {
        for (int j = 0; j < group[i].count; j++) {
            const struct record *record = &group[i].records[j];
            store->add(record, next_sequence[record->shard]++);
        }
        records += group[i].count;
    }
    store->commit();
    count_commit(records);
    for (int i = 0; i < count; i++) {
        for (int j = 0; j < group[i].count; j++) {
            int shard = group[i].records[j].shard;
            atomic_store_explicit(&readable[shard], next_sequence[shard], memory_order_release);
        }
    }
    wake_consumers();
}

// Called with the lock held, and returns with it held.
static void lead(void) {
    static struct put group[MAX_PRODUCERS];
    int count = waiting_count;
    long last_ticket = tickets_given;
    memcpy(group, waiting, (size_t)count * sizeof *waiting);
    waiting_count = 0;
    somebody_leads = true;
    pthread_mutex_unlock(&lock);
    commit_group(group, count);
    pthread_mutex_lock(&lock);
    somebody_leads = false;
    tickets_done = last_ticket;
    pthread_cond_broadcast(&group_done);
}

void store_put(int producer, const struct record *records, int count) {
    (void)producer;
    pthread_mutex_lock(&lock);
    waiting[waiting_count++] = (struct put){records, count};
    long ticket = ++tickets_given;
    while (tickets_done < ticket) {
        if (somebody_leads) pthread_cond_wait(&group_done, &lock);
        else lead();
    }
    pthread_mutex_unlock(&lock);
}

// Reading

static long consumed[MAX_SHARDS];  // each shard's is its owner's

// What the last round of fetches moved, for the checkpoint.
static struct round {
    int shards[MAX_SHARDS];
    long positions[MAX_SHARDS];
    int count;
} rounds[MAX_CONSUMERS];

static int fetch_round(int consumer, int max) {
    struct round *round = &rounds[consumer];
    round->count = 0;
    bool open = false;
    int records = 0;
    for (int shard = consumer; shard < options.shards; shard += options.consumers) {
        long there = atomic_load_explicit(&readable[shard], memory_order_acquire) - consumed[shard];
        if (there <= 0) continue;
        if (!open) store->begin_round(consumer);
        open = true;
        int count = store->read(consumer, shard, consumed[shard], there < max ? (int)there : max);
        if (!count) continue;
        consumed[shard] += count;
        records += count;
        round->shards[round->count] = shard;
        round->positions[round->count++] = consumed[shard];
    }
    if (open) store->end_round(consumer);
    return records;
}

int store_fetch(int consumer, int max, int wait_ms) {
    long seen = wakings(consumer);
    int records = fetch_round(consumer, max);
    if (records) return records;
    wait_for_waking(consumer, seen, wait_ms);
    return fetch_round(consumer, max);
}

void store_checkpoint(int consumer) {
    const struct round *round = &rounds[consumer];
    store->save(round->shards, round->positions, round->count);
}
