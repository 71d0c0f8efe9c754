#include "faults.h"
#include <string.h>

static bool fault_is(const char *name) { return !strcmp(options.fault, name); }

void check_fault(void) {
    static const char *known[] = {"", "swap", "lose", "repeat", "shorten", "misroute"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (fault_is(known[i])) return;
    }
    fail("--fault %s: expected swap, lose, repeat, shorten or misroute", options.fault);
}

static void swap_in_shard(struct record *records, int count) {
    for (int i = 1; i < count; i++) {
        if (records[i].shard != records[0].shard) continue;
        struct record first = records[0];
        records[0] = records[i];
        records[i] = first;
        return;
    }
}

int spoil(struct record *records, int count, bool is_last_put) {
    if (fault_is("lose")) return is_last_put ? count - 1 : count;
    if (fault_is("swap")) swap_in_shard(records, count);
    if (fault_is("repeat") && count > 1) records[1] = records[0];
    if (fault_is("shorten")) records[0].length--;
    if (fault_is("misroute")) records[0].shard = (records[0].shard + 1) % options.shards;
    return count;
}
