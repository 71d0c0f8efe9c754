// How consumers of a store in this process learn that there is something new. A wake-up costs nothing while nobody
// sleeps.
#pragma once

void prepare_waking(void);

// Of all consumers.
void wake_consumers(void);

// The number of times that this consumer was woken. Read it before looking for records; a wake-up in between is then
// seen.
long wakings(int consumer);

// Returns when there were more than `seen` wake-ups, or after `milliseconds`.
void wait_for_waking(int consumer, long seen, int milliseconds);
