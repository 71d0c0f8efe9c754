// What Swift has no word for: asking the processor to fetch memory before it is read.
#ifndef SHARDLINE_CPREFETCH_H
#define SHARDLINE_CPREFETCH_H

/// Has the processor begin to fetch the cache line that `place` lies in. Reads nothing, so any place will do.
static inline void shardline_prefetch(const void *place) { __builtin_prefetch(place); }

#endif
