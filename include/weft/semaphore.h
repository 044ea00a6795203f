/* weft/semaphore.h - a counter: acquire takes one and waits for it if there is none.
 *
 *     static weft_semaphore connections = WEFT_SEMAPHORE_INIT_BOUNDED(5, 5);
 *     int r;
 *     weft_with_semaphore(&connections, weft_after(WEFT_SEC), &r)
 *         query(); // five at a time
 *
 * A shared one (WEFT_SHARED) counts for all processes. What a process has taken is not known, unless it is
 * WEFT_OWNED too: then units are given back by the process that took them, or by its death. */
#ifndef WEFT_SEMAPHORE_H
#define WEFT_SEMAPHORE_H

#include <weft/base.h>
#include <weft/time.h>

WEFT_BEGIN

typedef struct weft_semaphore { /* private; 64 bytes; zeroed: private, value 0, no upper bound */
    uint32_t _word, _flags;
    uint32_t _value, _max;
    void *_first, *_last;
    uint64_t _reserved[4];
} weft_semaphore;

/* clang-format off */
#define WEFT_SEMAPHORE_INIT(value) WEFT_SEMAPHORE_INIT_BOUNDED(value, 0)
#define WEFT_SEMAPHORE_INIT_BOUNDED(value, max) { 0, 0, value, max, 0, 0, { 0, 0, 0, 0 } }
/* clang-format on */

/* A flag of a shared semaphore. */
enum weft_semaphore_flags {
    WEFT_OWNED =
        1u << 8 /* units belong to the process that took them, until it gives them back or dies */
};

/* Prepare a semaphore.
 *   value  what can be acquired at first; owned: how many units there are
 *   max    bounded: a release beyond it is refused; 0: no bound
 *   flags  as weft_lock_init's; WEFT_SHARED | WEFT_OWNED
 * Returns   as weft_lock_init; -EINVAL also value > max > 0, and more than 2^31 - 1 of a shared one; of an
 *           owned one -ENOMEM the arena, or the segment, has no memory
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_semaphore_init(weft_semaphore *sem, uint32_t value, uint32_t max, unsigned flags);

/* Take one; those who wait are served in the order they came, of a shared one whoever comes first.
 * Returns   0 taken; -ETIMEDOUT, -ECANCELED: nothing was taken. Shared, also -ENOMEM: no thread to wait with,
 *           or no memory; owned, also -ENOTSUP: in a plain fork's child (in a segment:
 *           without /proc); -ENOLCK as weft_lock_acquire
 * Context   task or thread
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_semaphore_acquire(weft_semaphore *sem, weft_deadline deadline);

/* Give n back, or n new ones.
 * Returns   0; -EOVERFLOW beyond max (or 2^32 - 1, shared 2^31 - 1): nothing was given; -EPERM owned, and
 *           this process has fewer than n: nothing was given
 * Context   anyone, not only who acquired; owned: any task of the process that did
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_semaphore_release(weft_semaphore *sem, uint32_t n);

/* How many could be acquired now; stale when it is read.
 * Returns   the value
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API uint32_t weft_semaphore_value(const weft_semaphore *sem);

/* End its use. A waiter (of a private one) is a bug: reported, then abort. Zeroed memory is fine.
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API void weft_semaphore_fini(weft_semaphore *sem);

static inline weft_semaphore *weft__semaphore_begin(weft_semaphore *sem, weft_deadline deadline,
                                                    int *result)
{
    return (*result = weft_semaphore_acquire(sem, deadline)) == 0 ? sem : NULL;
}

static inline void weft__semaphore_end(weft_semaphore **sem)
{
    if (*sem)
        (void)weft_semaphore_release(*sem, 1);
}

/* weft_with_semaphore(sem, deadline, &result) { ... }: what acquire returns goes to result; the block
 * runs if that is 0, and gives back what was taken on whatever way it is left (see weft_with_lock). */
#define weft_with_semaphore(sem, deadline, result)                                      \
    WEFT__WITH_IF(weft_semaphore, weft__semaphore_end,                                  \
                  weft__semaphore_begin(sem, deadline, result), (void), WEFT__IF_TAKEN, \
                  __COUNTER__)

WEFT_END
#endif
