#define _GNU_SOURCE
#include "CPosix.h"
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>

int shardline_open_direct_flag(void) { return O_DIRECT; }

int shardline_begin_writing(int descriptor, int64_t offset, int64_t length) {
    return sync_file_range(descriptor, offset, length, SYNC_FILE_RANGE_WRITE);
}

int shardline_accept(int listener) { return accept4(listener, 0, 0, SOCK_CLOEXEC); }

void shardline_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }

int shardline_peer_process(int socket) {
    struct ucred peer;
    socklen_t length = sizeof peer;
    return getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 ? peer.pid : -1;
}

int shardline_forget_cached(int descriptor) { return posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED); }
