/* weft/cond.h - wait, with a lock let go meanwhile, until somebody says that something has changed.
 *
 *     weft_with_lock(&box->lock)
 *         while (!box->full && (r = weft_cond_wait(&box->changed, &box->lock, deadline)) >= 0)
 *             ;
 *
 * A shared one (WEFT_SHARED) goes with a shared lock. Its wait may end without a signal, since the process
 * for which a signal was may have died: the loop above is not only for what has changed again meanwhile. */
#ifndef WEFT_COND_H
#define WEFT_COND_H

#include <weft/base.h>
#include <weft/lock.h>
#include <weft/rlock.h>

WEFT_BEGIN

typedef struct weft_cond { /* private; 64 bytes; zeroed memory is a valid private condition */
    uint32_t _word, _flags;
    void *_first, *_last;
    uint64_t _reserved[5];
} weft_cond;

/* clang-format off */
#define WEFT_COND_INIT { 0, 0, 0, 0, { 0, 0, 0, 0, 0 } }
/* clang-format on */

/* Prepare a condition; flags as weft_lock_init's.
 * Returns   as weft_lock_init
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_cond_init(weft_cond *cond, unsigned flags);

/* Let the lock go, wait for a signal, take the lock again. A private one does not wake without a signal, but
 * what it told may have changed again: test in a loop.
 *   lock  held by the caller; all who wait on one condition at a time use the same lock
 * Returns   0; WEFT_RECOVERED as weft_lock_acquire; -ETIMEDOUT, -ECANCELED: no signal was used up;
 *           -EPERM the lock is not held. In every case but -EPERM the lock is held again, however
 *           long that takes. Shared, also -ENOMEM: no thread to wait with, the lock is held; and
 *           -ENOTRECOVERABLE, -ENOLCK as weft_lock_acquire, the only ones where it is not
 * Context   task or thread
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_cond_wait(weft_cond *cond, weft_lock *lock, weft_deadline deadline);

/* The same with an rlock: it is let go however often the caller has taken it, and as often taken again.
 * Returns   as weft_cond_wait
 * Context   task or thread
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_cond_wait_rlock(weft_cond *cond, weft_rlock *rlock,
                                            weft_deadline deadline);

/* Wake the first who waits; wake all. Without a waiter nothing happens.
 * Returns   how many were woken; of a shared one 1 where anybody may have waited, else 0
 * Context   task or thread; best while holding the lock
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_cond_signal(weft_cond *cond);
WEFT_API int weft_cond_broadcast(weft_cond *cond);

/* End its use. A waiter (of a private one) is a bug: reported, then abort. Zeroed memory is fine.
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API void weft_cond_fini(weft_cond *cond);

WEFT_END
#endif
