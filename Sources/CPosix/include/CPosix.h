// What Linux has beyond POSIX and Swift's Glibc module does not show.
#ifndef SHARDLINE_CSYSTEM_H
#define SHARDLINE_CSYSTEM_H

#include <stdint.h>

/// The flag O_DIRECT of open(2): past the page cache.
int shardline_open_direct_flag(void);

/// sync_file_range(2) with SYNC_FILE_RANGE_WRITE: begins writing, waits for nothing.
int shardline_begin_writing(int descriptor, int64_t offset, int64_t length);

/// accept4(2) with SOCK_CLOEXEC: the connection that comes is no child process' from its first moment.
int shardline_accept(int listener);

/// SO_PEERCRED of unix(7): the process that listens at the other end of a connected socket, or has connected, as this
/// process sees it; 0 where it can't, -1 without an answer.
int shardline_peer_process(int socket);

/// posix_fadvise(2) with POSIX_FADV_DONTNEED for the whole file: takes from the page cache what is not to be written.
int shardline_forget_cached(int descriptor);

/// Names the calling thread for tools; at most 15 bytes.
void shardline_name_thread(const char *name);

#endif
