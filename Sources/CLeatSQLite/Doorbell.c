#include "Doorbell.h"

#include <errno.h>
#include <stddef.h>

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Not FUTEX_PRIVATE: the word is in a file that other processes map too. */
static int wait_on(uint32_t *word, uint32_t seen, uint64_t nanoseconds) {
    struct timespec limit = {(time_t)(nanoseconds / 1000000000u), (long)(nanoseconds % 1000000000u)};
    return syscall(SYS_futex, word, FUTEX_WAIT, seen, &limit, NULL, 0) == 0;
}

static void wake(uint32_t *word, int all) { syscall(SYS_futex, word, FUTEX_WAKE, all ? INT32_MAX : 1, NULL, NULL, 0); }

#elif defined(__APPLE__)
#include <os/clock.h>
#include <os/os_sync_wait_on_address.h>

static int wait_on(uint32_t *word, uint32_t seen, uint64_t nanoseconds) {
    return os_sync_wait_on_address_with_timeout(
               word, seen, sizeof *word, OS_SYNC_WAIT_ON_ADDRESS_SHARED, OS_CLOCK_MACH_ABSOLUTE_TIME, nanoseconds) >= 0;
}

static void wake(uint32_t *word, int all) {
    if (all) {
        os_sync_wake_by_address_all(word, sizeof *word, OS_SYNC_WAKE_BY_ADDRESS_SHARED);
    } else {
        os_sync_wake_by_address_any(word, sizeof *word, OS_SYNC_WAKE_BY_ADDRESS_SHARED);
    }
}
#else
#error "A doorbell needs a futex that processes can share."
#endif

/* Never below nothing: one who was killed may have been forgotten, and another one counted for it. */
void leat_doorbell_forget_waiter(leat_doorbell *bell) {
    uint32_t waiters = __atomic_load_n(&bell->waiters, __ATOMIC_SEQ_CST);
    while (waiters != 0
           && !__atomic_compare_exchange_n(
               &bell->waiters, &waiters, waiters - 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
    }
}

uint32_t leat_doorbell_waiters(leat_doorbell *bell) { return __atomic_load_n(&bell->waiters, __ATOMIC_SEQ_CST); }

uint32_t leat_doorbell_rings(leat_doorbell *bell) { return __atomic_load_n(&bell->rings, __ATOMIC_SEQ_CST); }

int leat_doorbell_wait(leat_doorbell *bell, uint32_t seen, uint64_t nanoseconds) {
    /* Counted before the word is looked at: whoever rings afterwards either sees a waiter or has changed the word. */
    __atomic_add_fetch(&bell->waiters, 1, __ATOMIC_SEQ_CST);
    int is_woken = leat_doorbell_rings(bell) == seen && wait_on(&bell->rings, seen, nanoseconds);
    leat_doorbell_forget_waiter(bell);
    return is_woken;
}

void leat_doorbell_ring(leat_doorbell *bell, int all) {
    __atomic_add_fetch(&bell->rings, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&bell->waiters, __ATOMIC_SEQ_CST) != 0) wake(&bell->rings, all);
}

void leat_doorbell_pass_on(leat_doorbell *bell) { wake(&bell->rings, 0); }
