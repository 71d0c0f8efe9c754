// What the system knows: processor time, memory, bytes on disk.
#pragma once

// Processor seconds so far.
struct usage {
    double time;
    double client;   // this process
    double server;   // the peer's server, where it has one
    double machine;  // everything on the machine
};

// `server_pid` is 0 where there is no server.
struct usage usage_now(int server_pid);

// The share of all cores that neither client nor server used in between, 0 to 1.
double used_by_others(struct usage from, struct usage to);

// The most resident memory ever, in KiB; pid 0 is this process.
long peak_memory_kib(int pid);

// The blocks of all files below the directory.
long long disk_usage(const char *directory);
