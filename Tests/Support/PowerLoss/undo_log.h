// What the preloaded library and the program that plays the loss of power share: the log of what can be taken back.
//
// The log is a sequence of records in the order in which things were done, by all processes that work on a directory.
// Each record is a head, then its two paths (without an ending zero), then the bytes that were there before.
#ifndef UNDO_LOG_H
#define UNDO_LOG_H

#include <stdint.h>

enum undo_kind {
    UNDO_WRITE = 1,      // bytes of a file are about to be written; `data`: what stood there
    UNDO_TRUNCATE,       // a file is about to get another length; `data`: what is cut off
    UNDO_CREATE,         // a file was made at `path`
    UNDO_MAKE_DIRECTORY, // a directory was made at `path`
    UNDO_UNLINK,         // `path` is about to lose its name; `other`: a link to it in the folder of the log
    UNDO_RENAME,         // `path` is about to be called `other`
    UNDO_SYNC,           // all of a file up to `position` in the log is durable
    UNDO_SYNC_DIRECTORY, // all names in the directory `path` up to `position` in the log are durable
};

#define UNDO_MAGIC 0x4F444E55u

struct undo_record {
    uint32_t magic;
    uint32_t kind;
    uint64_t inode;
    int64_t offset;
    int64_t length;
    int64_t size_before;
    // How many bytes the process had said on its standard output by then.
    int64_t said;
    int64_t position;
    uint32_t path_length;
    uint32_t other_length;
    uint64_t data_length;
};

#endif
