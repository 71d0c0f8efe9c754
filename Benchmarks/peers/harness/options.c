#include "options.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "records.h"

struct options options = {
    .records = 1000000,
    .record_bytes = 100,
    .shards = 4,
    .batch = 500,
    .consumer_batch = 1000,
    .producers = 4,
    .consumers = 2,
    .max_seconds = 60,
    .latency_seconds = 3,
    .latency_rate = 10000,
    .durable = true,
    .durability = "always",
    .directory = ".",
    .variant = "",
    .fault = "",
};

static double number(const char *name, const char *text, double least, double most) {
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    if (errno || end == text || *end || value < least || value > most) {
        fail("%s %s: expected a number from %.0f to %.0f", name, text, least, most);
    }
    return value;
}

static bool parse_number(const char *name, const char *value) {
    struct {
        const char *name;
        int *target;
        double least, most;
    } const integers[] = {
        {"--size", &options.record_bytes, LEAST_RECORD_BYTES, 1 << 20},
        {"--shards", &options.shards, 1, MAX_SHARDS},
        {"--batch", &options.batch, 1, 10000},
        {"--cbatch", &options.consumer_batch, 1, 10000},
        {"--producers", &options.producers, 1, MAX_PRODUCERS},
        {"--consumers", &options.consumers, 1, MAX_CONSUMERS},
        {"--latency-rate", &options.latency_rate, 1, 1e6},
        {"--port", &options.port, 1, 65535},
        {"--pid", &options.server_pid, 1, 1e9},
    };
    for (size_t i = 0; i < sizeof integers / sizeof integers[0]; i++) {
        if (strcmp(name, integers[i].name)) continue;
        *integers[i].target = (int)number(name, value, integers[i].least, integers[i].most);
        return true;
    }
    if (!strcmp(name, "--records")) options.records = (long)number(name, value, 1, 1e12);
    else if (!strcmp(name, "--max-seconds")) options.max_seconds = number(name, value, 0, 1e6);
    else if (!strcmp(name, "--latency-seconds")) options.latency_seconds = number(name, value, 0, 1e6);
    else return false;
    return true;
}

static bool parse_text(const char *name, const char *value) {
    if (!strcmp(name, "--durability")) options.durability = value;
    else if (!strcmp(name, "--variant")) options.variant = value;
    else if (!strcmp(name, "--fault")) options.fault = value;
    else if (!strcmp(name, "--dir")) options.directory = value;
    else return false;
    return true;
}

void parse_options(int count, char **arguments) {
    for (int i = 1; i < count; i += 2) {
        const char *name = arguments[i];
        if (i + 1 == count) fail("%s needs a value", name);
        const char *value = arguments[i + 1];
        if (!parse_number(name, value) && !parse_text(name, value)) fail("unknown option %s", name);
    }
    options.durable = !strcmp(options.durability, "always");
    if (!options.durable && strcmp(options.durability, "none")) {
        fail("--durability %s: expected always or none", options.durability);
    }
    if (options.consumers > options.shards) options.consumers = options.shards;
    if (driver.consumers_at_most > 0 && options.consumers > driver.consumers_at_most) {
        options.consumers = driver.consumers_at_most;
    }
}
