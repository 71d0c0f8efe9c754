// Runs a driver through both phases and prints one line of JSON; nothing where a record was out of order.
#include <stdio.h>
#include "faults.h"
#include "ledger.h"
#include "machine.h"
#include "options.h"
#include "peer.h"
#include "phases.h"
#include "records.h"
#include "waking.h"

static void print_times(const char *name, double *seconds, long count) {
    if (!count) return;
    printf(",\"%s_p50_us\":%.0f", name, percentile(seconds, count, 0.5) * 1e6);
    printf(",\"%s_p99_us\":%.0f", name, percentile(seconds, count, 0.99) * 1e6);
}

static void print_what_ran(const struct load_result *load, bool complete) {
    printf("{\"peer\":\"%s\",\"version\":\"%s\"", driver.name, driver.version());
    printf(",\"variant\":\"%s\",\"durability\":\"%s\"", options.variant, options.durability);
    printf(",\"records\":%ld,\"size\":%d,\"shards\":%d", load->put, options.record_bytes, options.shards);
    printf(",\"batch\":%d,\"producers\":%d", options.batch, options.producers);
    printf(",\"consumers\":%d,\"cbatch\":%d", options.consumers, options.consumer_batch);
    printf(",\"complete\":%s", complete ? "true" : "false");
}

static void print_load(const struct load_result *load) {
    double put_rate = (double)load->put / load->put_seconds;
    double received_rate = (double)load->received / load->received_seconds;
    double server_seconds = load->end.server - load->start.server;
    double cpu_seconds = load->end.client - load->start.client + server_seconds;
    printf(",\"put_rps\":%.0f,\"put_MBps\":%.1f", put_rate, put_rate * options.record_bytes / 1e6);
    printf(",\"e2e_rps\":%.0f,\"e2e_MBps\":%.1f", received_rate, received_rate * options.record_bytes / 1e6);
    printf(",\"cpu_s\":%.2f,\"cpu_us_per_rec\":%.3f", cpu_seconds, cpu_seconds / (double)load->put * 1e6);
    printf(",\"server_cpu_s\":%.2f,\"noise\":%.2f", server_seconds, used_by_others(load->start, load->end));
    print_times("put", load->put_times, load->put_count);
    if (load->commits) printf(",\"recs_per_commit\":%.0f", (double)load->committed / (double)load->commits);
}

static void print_latency(const struct latency_result *latency) {
    if (!latency->count) return;
    print_times("lat", latency->latencies, latency->count);
    printf(",\"lat_rate\":%.0f,\"lat_n\":%ld", latency->records_per_second, latency->count);
    printf(",\"lat_batch\":%.1f", latency->records_per_put);
    double server_seconds = latency->end.server - latency->start.server;
    double cpu_seconds = latency->end.client - latency->start.client + server_seconds;
    printf(",\"lat_cpu_us_per_rec\":%.3f", cpu_seconds / (double)latency->count * 1e6);
    printf(",\"lat_noise\":%.2f", used_by_others(latency->start, latency->end));
}

static void print_space(const struct load_result *load, long long disk_bytes) {
    double megabytes = 1024;  // in KiB
    double user_bytes = (double)load->put * options.record_bytes;
    double client = options.server_pid ? (double)peak_memory_kib(0) / megabytes : 0;
    printf(",\"peak_rss_MB\":%.1f", (double)peak_memory_kib(options.server_pid) / megabytes);
    printf(",\"client_rss_MB\":%.1f", client);
    printf(",\"disk_MB\":%.1f,\"disk_ratio\":%.3f", (double)disk_bytes / 1e6, (double)disk_bytes / user_bytes);
}

int main(int count, char **arguments) {
    parse_options(count, arguments);
    check_fault();
    make_records(options.record_bytes);
    open_ledger();
    prepare_waking();
    driver.open();

    struct load_result load = run_load();
    if (!load.put) fail("nothing was put within --max-seconds");
    long long disk_bytes = driver.disk_bytes ? driver.disk_bytes() : disk_usage(options.directory);
    bool complete = all_received();
    struct latency_result latency = {0};
    if (complete && options.latency_seconds > 0) {
        latency = run_latency();
        complete = all_received();
    }

    print_what_ran(&load, complete);
    print_load(&load);
    print_latency(&latency);
    print_space(&load, disk_bytes);
    printf("}\n");
    fflush(stdout);
    driver.close();
    return complete ? 0 : 1;
}
