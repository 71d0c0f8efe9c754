// Plays the loss of power: takes back what the killed processes had not made durable (preload.c).
//
//     lose_power ROOT LOG SEED
//
// With the seed 0 everything goes. With another one the disk had begun by itself: of the 512-byte sectors written
// since a file was last synced some stand there and some do not, a length may be the old or the new one, and of each
// directory's changes an unknown number of the first ones stands there.
//
// Prints one line: how many changes were in the log, how many of them were not durable, how many sectors and names
// were lost, how many of those that were not durable stayed, and how much of its standard output a process had said
// when it began to write the first bytes to a file in `/journal/` that were not durable later (-1: there were none;
// what it said before that was durable).
#define _GNU_SOURCE
#include "undo_log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECTOR = 512 };

static void die(const char *what, const char *path) {
    fprintf(stderr, "lose_power: %s: %s: %s\n", what, path, strerror(errno));
    exit(1);
}

// MARK: Randomness

static uint64_t state;
static int everything_goes;

static uint64_t next_random(void) {
    state += 0x9E3779B97F4A7C15u;
    uint64_t mixed = state;
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9u;
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EBu;
    return mixed ^ mixed >> 31;
}

static int chance(unsigned percent) { return next_random() % 100 < percent; }

// MARK: The log

struct change {
    struct undo_record record;
    int64_t position;
    char *path, *other;
    unsigned char *data;
    int is_durable;
};

static struct change *changes;
static size_t change_count;

struct mark {
    char *directory;
    uint64_t inode;
    int64_t position;
};
static struct mark *marks;
static size_t mark_count;

static char *text(FILE *file, uint32_t length) {
    char *result = calloc(1, length + 1);
    if (length > 0 && fread(result, 1, length, file) != length) return NULL;
    return result;
}

static void read_log(const char *name) {
    FILE *file = fopen(name, "re");
    if (file == NULL) {
        if (errno == ENOENT) return;
        die("can't read", name);
    }
    size_t room = 0, mark_room = 0;
    while (1) {
        struct change change = {.position = ftello(file)};
        // A process may have been killed while it wrote the last record: what that was for was not begun.
        if (fread(&change.record, sizeof change.record, 1, file) != 1) break;
        if (change.record.magic != UNDO_MAGIC) die("the log is damaged", name);
        change.path = text(file, change.record.path_length);
        if (change.path == NULL) break;
        change.other = text(file, change.record.other_length);
        if (change.other == NULL) break;
        change.data = malloc(change.record.data_length + 1);
        if (fread(change.data, 1, change.record.data_length, file) != change.record.data_length) break;
        if (change.record.kind == UNDO_SYNC || change.record.kind == UNDO_SYNC_DIRECTORY) {
            if (mark_count == mark_room) marks = realloc(marks, (mark_room = mark_room * 2 + 64) * sizeof *marks);
            marks[mark_count++] = (struct mark){
                .directory = change.record.kind == UNDO_SYNC_DIRECTORY ? change.path : NULL,
                .inode = change.record.inode, .position = change.record.position};
            continue;
        }
        if (change_count == room) changes = realloc(changes, (room = room * 2 + 64) * sizeof *changes);
        changes[change_count++] = change;
    }
    fclose(file);
}

static int is_name(const struct change *change) {
    return change->record.kind != UNDO_WRITE && change->record.kind != UNDO_TRUNCATE;
}

static int is_in(const char *path, const char *directory) {
    size_t length = strlen(directory);
    return strncmp(path, directory, length) == 0 && path[length] == '/' && strchr(path + length + 1, '/') == NULL;
}

static void find_durable(void) {
    for (size_t m = 0; m < mark_count; m++) {
        for (size_t c = 0; c < change_count; c++) {
            if (changes[c].position >= marks[m].position) break;
            if (is_name(&changes[c])
                    ? marks[m].directory != NULL && is_in(changes[c].path, marks[m].directory)
                    : marks[m].directory == NULL && changes[c].record.inode == marks[m].inode) {
                changes[c].is_durable = 1;
            }
        }
    }
}

// MARK: Files

struct file {
    uint64_t inode;
    char *path;
};
static struct file *files;
static size_t file_count;

static void find_files(const char *directory) {
    DIR *stream = opendir(directory);
    if (stream == NULL) return;
    struct dirent *entry;
    while ((entry = readdir(stream)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        char *path;
        if (asprintf(&path, "%s/%s", directory, entry->d_name) < 0) abort();
        struct stat status;
        if (lstat(path, &status) != 0) continue;
        if (S_ISDIR(status.st_mode)) find_files(path);
        if (!S_ISREG(status.st_mode)) continue;
        files = realloc(files, (file_count + 1) * sizeof *files);
        files[file_count++] = (struct file){.inode = status.st_ino, .path = path};
    }
    closedir(stream);
}

static void read_at(int file, unsigned char *bytes, size_t count, int64_t offset) {
    // What is after the end counts as zeros.
    memset(bytes, 0, count);
    size_t done = 0;
    while (done < count) {
        ssize_t got = pread(file, bytes + done, count - done, offset + (int64_t)done);
        if (got < 0) die("can't read", "a file");
        if (got == 0) return;
        done += (size_t)got;
    }
}

static void write_at(int file, const unsigned char *bytes, size_t count, int64_t offset) {
    size_t done = 0;
    while (done < count) {
        ssize_t put = pwrite(file, bytes + done, count - done, offset + (int64_t)done);
        if (put <= 0) die("can't write", "a file");
        done += (size_t)put;
    }
}

static long lost_sectors, lost_names, kept;

// Takes the bytes of one file back to what was durable, and then lets some of the new sectors be there.
static void roll_back(const struct file *file) {
    int64_t first = INT64_MAX, last = 0;
    size_t touching = 0;
    for (size_t c = 0; c < change_count; c++) {
        struct undo_record *record = &changes[c].record;
        if (is_name(&changes[c]) || changes[c].is_durable || record->inode != file->inode) continue;
        touching++;
        int64_t end = record->kind == UNDO_TRUNCATE
            ? (record->size_before > record->offset ? record->size_before : record->offset)
            : record->offset + record->length;
        if (record->offset < first) first = record->offset;
        if (end > last) last = end;
    }
    if (touching == 0) return;
    int descriptor = open(file->path, O_RDWR | O_CLOEXEC);
    if (descriptor < 0) die("can't open", file->path);
    struct stat status;
    if (fstat(descriptor, &status) != 0) die("can't look at", file->path);
    int64_t size_now = status.st_size;
    first -= first % SECTOR;
    size_t length = (size_t)(last - first);
    unsigned char *now = malloc(length + 1), *then = malloc(length + 1);
    read_at(descriptor, now, length, first);
    for (size_t c = change_count; c-- > 0;) {
        struct undo_record *record = &changes[c].record;
        if (is_name(&changes[c]) || changes[c].is_durable || record->inode != file->inode) continue;
        write_at(descriptor, changes[c].data, record->data_length, record->offset);
        if (ftruncate(descriptor, record->size_before) != 0) die("can't cut", file->path);
    }
    if (fstat(descriptor, &status) != 0) die("can't look at", file->path);
    read_at(descriptor, then, length, first);
    unsigned percent = everything_goes ? 0 : (unsigned[]){0, 10, 50, 90, 100}[next_random() % 5];
    if (percent > 0 && status.st_size != size_now && chance(percent)) {
        if (ftruncate(descriptor, size_now) != 0) die("can't lengthen", file->path);
        status.st_size = size_now;
    }
    for (size_t offset = 0; offset < length; offset += SECTOR) {
        size_t count = length - offset < SECTOR ? length - offset : SECTOR;
        int64_t place = first + (int64_t)offset;
        if (memcmp(now + offset, then + offset, count) == 0) continue;
        if (place < status.st_size && percent > 0 && chance(percent)) {
            if (place + (int64_t)count > status.st_size) count = (size_t)(status.st_size - place);
            write_at(descriptor, now + offset, count, place);
            kept++;
        } else {
            lost_sectors++;
        }
    }
    free(now);
    free(then);
    close(descriptor);
}

// MARK: Names

static void remove_everything(const char *path) {
    DIR *stream = opendir(path);
    if (stream != NULL) {
        struct dirent *entry;
        while ((entry = readdir(stream)) != NULL) {
            if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
            char *inner;
            if (asprintf(&inner, "%s/%s", path, entry->d_name) < 0) abort();
            remove_everything(inner);
            free(inner);
        }
        closedir(stream);
    }
    if (remove(path) != 0 && errno != ENOENT) die("can't remove", path);
}

// Of the first changes of names in the directory of `index` some have reached the disk by themselves.
static void let_some_names_stay(size_t index) {
    char *slash = strrchr(changes[index].path, '/');
    char *directory = strndup(changes[index].path, (size_t)(slash - changes[index].path));
    size_t count = 0;
    for (size_t c = index; c < change_count; c++) {
        if (is_name(&changes[c]) && !changes[c].is_durable && is_in(changes[c].path, directory)) count++;
    }
    size_t staying = next_random() % (count + 1);
    for (size_t c = index; c < change_count && count > 0; c++) {
        if (!is_name(&changes[c]) || changes[c].is_durable || !is_in(changes[c].path, directory)) continue;
        count--;
        if (staying > 0) {
            staying--;
            kept++;
            changes[c].is_durable = 2;
        } else {
            // Decided, too: it goes.
            changes[c].is_durable = -1;
        }
    }
    free(directory);
}

static void roll_back_names(void) {
    for (size_t c = 0; c < change_count && !everything_goes; c++) {
        if (is_name(&changes[c]) && changes[c].is_durable == 0) let_some_names_stay(c);
    }
    for (size_t c = change_count; c-- > 0;) {
        struct change *change = &changes[c];
        if (!is_name(change) || change->is_durable > 0) continue;
        lost_names++;
        switch (change->record.kind) {
        case UNDO_CREATE:
        case UNDO_MAKE_DIRECTORY: remove_everything(change->path); break;
        case UNDO_UNLINK:
            if (access(change->path, F_OK) != 0 && link(change->other, change->path) != 0) {
                // Its directory is gone with the power as well.
                if (errno != ENOENT) die("can't bring back", change->path);
            }
            break;
        case UNDO_RENAME:
            if (rename(change->other, change->path) != 0 && errno != ENOENT) die("can't bring back", change->path);
            break;
        default: break;
        }
    }
}

int main(int count, char **arguments) {
    if (count != 4) {
        fprintf(stderr, "usage: lose_power ROOT LOG SEED\n");
        return 64;
    }
    state = strtoull(arguments[3], NULL, 10);
    everything_goes = state == 0;
    char name[PATH_MAX];
    snprintf(name, sizeof name, "%s/undo.log", arguments[2]);
    read_log(name);
    find_durable();
    find_files(arguments[1]);
    find_files(arguments[2]);
    long volatile_changes = 0;
    int64_t promised = -1;
    for (size_t c = 0; c < change_count; c++) {
        if (changes[c].is_durable) continue;
        volatile_changes++;
        if (!is_name(&changes[c]) && promised < 0 && strstr(changes[c].path, "/journal/") != NULL) {
            promised = changes[c].record.said;
        }
    }
    for (size_t f = 0; f < file_count; f++) {
        // A kept file that still has its name elsewhere was seen there.
        int is_seen = 0;
        for (size_t before = 0; before < f; before++) is_seen |= files[before].inode == files[f].inode;
        if (!is_seen) roll_back(&files[f]);
    }
    roll_back_names();
    // What is there now is what the disk holds.
    remove_everything(arguments[2]);
    if (mkdir(arguments[2], 0700) != 0) die("can't make", arguments[2]);
    printf(
        "changes %zu volatile %ld lost-sectors %ld lost-names %ld kept %ld promised %lld\n", change_count,
        volatile_changes, lost_sectors, lost_names, kept, (long long)promised);
    return 0;
}
