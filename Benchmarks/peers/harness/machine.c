#include "machine.h"
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "support.h"

static double seconds(struct timeval value) { return (double)value.tv_sec + (double)value.tv_usec * 1e-6; }

static double client_seconds(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

static double server_seconds(int pid) {
    if (!pid) return 0;
    char path[64], line[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    if (!file) fail("the server %d has ended", pid);
    size_t length = fread(line, 1, sizeof line - 1, file);
    fclose(file);
    line[length] = 0;
    // The second field is the program's name in parentheses and may hold anything, so count from its end: state is
    // field 3, processor time in user mode and in the kernel are 14 and 15.
    char *at = strrchr(line, ')');
    unsigned long user, kernel;
    if (!at || sscanf(at + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &kernel) != 2) {
        fail("%s is not as expected", path);
    }
    return (double)(user + kernel) / (double)sysconf(_SC_CLK_TCK);
}

static double machine_seconds(void) {
    FILE *file = fopen("/proc/stat", "r");
    double user, nice, kernel, idle, waiting, interrupts, soft, stolen;
    if (!file) fail("can't open /proc/stat");
    int fields = fscanf(file, "cpu %lf %lf %lf %lf %lf %lf %lf %lf", &user, &nice, &kernel, &idle, &waiting,
                        &interrupts, &soft, &stolen);
    if (fields != 8) fail("/proc/stat is not as expected");
    fclose(file);
    return (user + nice + kernel + interrupts + soft + stolen) / (double)sysconf(_SC_CLK_TCK);
}

struct usage usage_now(int server_pid) {
    return (struct usage){now(), client_seconds(), server_seconds(server_pid), machine_seconds()};
}

double used_by_others(struct usage from, struct usage to) {
    double ours = to.client - from.client + to.server - from.server;
    double all = to.machine - from.machine;
    double share = (all - ours) / ((to.time - from.time) * (double)sysconf(_SC_NPROCESSORS_ONLN));
    return share < 0 ? 0 : share;
}

long peak_memory_kib(int pid) {
    char path[64] = "/proc/self/status", line[256];
    if (pid) snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    long peak = 0;
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "VmHWM: %ld", &peak) == 1) break;
    }
    fclose(file);
    return peak;
}

static long long found_bytes;

static int add_file(const char *path, const struct stat *status, int type, struct FTW *place) {
    (void)path;
    (void)place;
    if (type == FTW_F) found_bytes += (long long)status->st_blocks * 512;
    return 0;
}

long long disk_usage(const char *directory) {
    found_bytes = 0;
    nftw(directory, add_file, 16, FTW_PHYS);
    return found_bytes;
}
