#ifndef LEAT_DOORBELL_H
#define LEAT_DOORBELL_H

#include <stdint.h>

/// What processes that wait for the same thing share: it lies in a file that each of them maps.
///
/// A process that is killed while it waits leaves `waiters` too high, which costs a system call a ring and nothing else.
typedef struct {
    uint32_t rings;
    uint32_t waiters;
} leat_doorbell;

/// How often it was rung, which wraps around.
uint32_t leat_doorbell_rings(leat_doorbell *bell);

/// How many wait, those that were killed while they did included, and those less that were forgotten.
uint32_t leat_doorbell_waiters(leat_doorbell *bell);

/// Takes one who was killed while it waited out of the count.
void leat_doorbell_forget_waiter(leat_doorbell *bell);

/// Waits until it has been rung more often than `seen`, or the time is over; may return early.
///
/// Returns whether one of those that wait was woken, and it was this one: who does not use that passes it on.
int leat_doorbell_wait(leat_doorbell *bell, uint32_t seen, uint64_t nanoseconds);

/// Counts a ring, and wakes one of those that wait, or all.
void leat_doorbell_ring(leat_doorbell *bell, int all);

/// Wakes one more, without a ring.
void leat_doorbell_pass_on(leat_doorbell *bell);

#endif
