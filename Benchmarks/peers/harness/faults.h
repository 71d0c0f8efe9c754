// Mistakes made on purpose, to prove that the harness would notice a peer that makes them.
#pragma once
#include "peer.h"

// Ends the process where `options.fault` is none of: swap (two records of a shard change places), lose (the very last
// record is never put), repeat (a record is put again in place of the next), shorten (a record loses its last byte),
// misroute (a record goes to another shard).
void check_fault(void);

// Spoils the records of one put as `options.fault` says, and returns how many are left.
int spoil(struct record *records, int count, bool is_last_put);
