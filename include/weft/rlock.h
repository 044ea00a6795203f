/* weft/rlock.h - a lock that its owner may take again: an owner and a counter.
 *
 *     static weft_rlock accounts = WEFT_RLOCK_INIT;
 *     weft_with_rlock(&accounts)
 *         transfer(from, to, 100); // which takes it too
 *
 * Otherwise as a lock: waiters are served in the order they came, when the owner has let it go as often
 * as it took it. A function that may be called with the lock held and without it is what it is for;
 * where it is known who holds what, a weft_lock finds more mistakes. */
#ifndef WEFT_RLOCK_H
#define WEFT_RLOCK_H

#include <weft/base.h>
#include <weft/lock.h>
#include <weft/time.h>

WEFT_BEGIN

typedef struct weft_rlock { /* private; 96 bytes; zeroed memory is a valid private rlock */
    weft_lock _lock;
} weft_rlock;

/* clang-format off */
#define WEFT_RLOCK_INIT { { 0, 0, 0, 0, 1, 0, 0, { 0, 0, 0, 0, 0, 0, 0 } } }
/* clang-format on */

/* Prepare an rlock; flags as weft_lock_init's.
 * Returns   as weft_lock_init
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_rlock_init(weft_rlock *rlock, unsigned flags);

/* Take it, or take it once more.
 * Returns   0 held; WEFT_RECOVERED (1): as weft_lock_acquire; -ETIMEDOUT, -ECANCELED, -EDEADLK (it
 *           was chosen to break a deadlock, weft(7)): not held, or not once more; -EOVERFLOW: taken
 *           2^32 times already. Shared, also -ENOTRECOVERABLE, -ENOLCK, -ENOMEM, as weft_lock_acquire
 * Context   task or thread
 * Cancels   yes, also where it would not wait.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_rlock_acquire_at(weft_rlock *rlock, weft_deadline deadline,
                                             const char *place);
#define weft_rlock_acquire(rlock, deadline) weft_rlock_acquire_at(rlock, deadline, WEFT_PLACE)

/* As weft_lock_repaired.
 * Returns   0; -EPERM the caller does not hold it
 * Context   the task or thread that holds it
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_rlock_repaired(weft_rlock *rlock);

/* Let it go once; the last time it goes to the first waiter.
 * Returns   0; -EPERM the caller does not hold it
 * Context   the task or thread that holds it
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_rlock_release(weft_rlock *rlock);

/* As weft_lock_enter and weft_lock_leave: neither fails nor is cancelled. To leave one that one does not
 * hold is a bug: reported, then abort; shared, so is what acquire would refuse.
 * Context   task or thread
 * Cancels   no.   Since 0.1
 */
WEFT_API void weft_rlock_enter_at(weft_rlock *rlock, const char *place);
WEFT_API void weft_rlock_leave(weft_rlock *rlock);
#define weft_rlock_enter(rlock) weft_rlock_enter_at(rlock, WEFT_PLACE)

/* Does the calling task hold it?
 * Returns   true or false
 * Context   task or thread
 * Cancels   no.   Since 0.1
 */
WEFT_API bool weft_rlock_is_held(const weft_rlock *rlock);

/* End its use. A waiter or holder is a bug: reported, then abort. Zeroed memory is fine.
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API void weft_rlock_fini(weft_rlock *rlock);

static inline void weft__rlock_end(weft_rlock **rlock)
{
    weft_rlock_leave(*rlock);
}

/* weft_with_rlock(rlock) { ... }: as weft_with_lock. */
#define weft_with_rlock(rlock) \
    WEFT__WITH(weft_rlock, weft__rlock_end, rlock, weft_rlock_enter, __COUNTER__)

static inline weft_rlock *weft__rlock_begin(weft_rlock *rlock, weft_deadline deadline, int *result,
                                            const char *place)
{
    return (*result = weft_rlock_acquire_at(rlock, deadline, place)) >= 0 ? rlock : NULL;
}

static inline void weft__rlock_release(weft_rlock **rlock)
{
    if (*rlock)
        (void)weft_rlock_release(*rlock);
}

/* weft_with_rlock_until(rlock, deadline, &result) { ... }: as weft_with_lock_until. */
#define weft_with_rlock_until(rlock, deadline, result)                                            \
    WEFT__WITH_IF(weft_rlock, weft__rlock_release,                                                \
                  weft__rlock_begin(rlock, deadline, result, WEFT_PLACE), (void), WEFT__IF_TAKEN, \
                  __COUNTER__)

WEFT_END
#endif
