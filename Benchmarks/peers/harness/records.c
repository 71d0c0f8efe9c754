#include "records.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "support.h"

enum { NUMBER_OFFSET = 8, NUMBER_DIGITS = 16, KEY_ROOM = 24 };

static char (*keys)[KEY_ROOM];
static char *pool;
static int pool_stride;

uint64_t next_random(void) {
    static uint64_t state = 88172645463325252ull;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static unsigned below(unsigned limit) { return (unsigned)(next_random() % limit); }

struct text {
    char *bytes;
    int length;
    int room;
};

// Adds what fits.
__attribute__((format(printf, 2, 3))) static void add(struct text *text, const char *format, ...) {
    int left = text->room - text->length;
    va_list arguments;
    va_start(arguments, format);
    int added = vsnprintf(text->bytes + text->length, (size_t)left + 1, format, arguments);
    va_end(arguments);
    text->length += added < left ? added : left;
}

static void add_field(struct text *text, int index) {
    static const char *countries[] = {"DE", "FR", "US", "GB", "JP", "BR", "IN", "SE"};
    switch (index % 5) {
    case 0:
        add(text, ",\"country\":\"%s\"", countries[below(8)]);
        add(text, ",\"session_id\":\"%08x\"", (unsigned)next_random());
        break;
    case 1:
        add(text, ",\"product_id\":%u", below(100000));
        add(text, ",\"price_cents\":%u", below(20000));
        add(text, ",\"quantity\":%u", 1 + below(4));
        break;
    case 2:
        add(text, ",\"user_agent\":\"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36");
        add(text, " Chrome/12%u.0.0.0\"", below(10));
        break;
    case 3:
        add(text, ",\"referrer\":\"https://www.example.com/category/%u\"", below(500));
        break;
    default:
        add(text, ",\"flags\":{\"mobile\":%s", below(2) ? "true" : "false");
        add(text, ",\"returning\":%s}", below(2) ? "true" : "false");
    }
}

// `bytes` has room for one more than `length`, for the end of the string.
static void make_record(char *bytes, int length) {
    static const char *events[] = {"page_view", "add_to_cart", "purchase", "search", "login", "logout"};
    struct text text = {bytes, 0, length};
    add(&text, "{\"seq\":\"%016d\",\"user\":\"user-%06u\"", 0, below(KEYS));
    add(&text, ",\"ts\":17%011llu", (unsigned long long)(next_random() % 100000000000ull));
    add(&text, ",\"event\":\"%s\"", events[below(6)]);
    for (int index = 0; text.length < length; index++) add_field(&text, index);
    bytes[length - 1] = '}';
}

void make_records(int record_bytes) {
    keys = allocate(KEYS * sizeof *keys);
    for (int i = 0; i < KEYS; i++) snprintf(keys[i], sizeof keys[i], "user-%06d", i);
    pool_stride = record_bytes + 1;
    pool = allocate((size_t)POOL * (size_t)pool_stride);
    for (int i = 0; i < POOL; i++) make_record(pool + (size_t)i * (size_t)pool_stride, record_bytes);
}

const char *key_text(int key) { return keys[key]; }

const char *pool_record(int index) { return pool + (size_t)index * (size_t)pool_stride; }

int shard_of_key(int key, int shards) { return (int)((((uint32_t)key * 2654435761u) >> 16) % (uint32_t)shards); }

void write_number(char *data, int producer, long place) {
    static const char digits[] = "0123456789abcdef";
    uint64_t number = (uint64_t)producer << 56 | (uint64_t)place;
    for (int i = NUMBER_DIGITS - 1; i >= 0; i--) {
        data[NUMBER_OFFSET + i] = digits[number & 15];
        number >>= 4;
    }
}

void read_number(const char *data, int *producer, long *place) {
    uint64_t number = 0;
    for (int i = 0; i < NUMBER_DIGITS; i++) {
        char digit = data[NUMBER_OFFSET + i];
        number = number << 4 | (uint64_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
    }
    *producer = (int)(number >> 56);
    *place = (long)(number & 0xFFFFFFFFFFFFFFull);
}
