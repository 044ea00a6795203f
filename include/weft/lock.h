/* weft/lock.h - mutual exclusion for tasks of any kind.
 *
 *     static weft_lock lock = WEFT_LOCK_INIT;
 *     weft_with_lock(&lock) {
 *         if (closed)
 *             return -EPIPE; // lets it go, as every way out does
 *         total += n;
 *     }
 *
 * Waiters are served in the order they came: a release hands the lock over. Lock and release cost no
 * more than a pthread mutex's; a waiting coroutine never blocks its worker. */
#ifndef WEFT_LOCK_H
#define WEFT_LOCK_H

#include <weft/base.h>
#include <weft/time.h>

WEFT_BEGIN

typedef struct weft_lock { /* private; 96 bytes; zeroed memory is a valid private lock */
    uint32_t _word;        /* spin, held, waiters */
    uint32_t _flags;
    struct weft__task *_owner;
    uint32_t _depth, _sort; /* an rlock's */
    void *_first, *_last;   /* waiters; shared: links of the robust list, which must lie here */
    uint64_t _reserved[7];
} weft_lock;

/* clang-format off */
#define WEFT_LOCK_INIT { 0, 0, 0, 0, 0, 0, 0, { 0, 0, 0, 0, 0, 0, 0 } }
/* clang-format on */

/* Prepare a lock.
 *   lock   caller's memory; never copied or moved while in use
 *   flags  0; WEFT_SHARED is -ENOTSUP until processes land
 * Returns   0; -EINVAL, -ENOTSUP
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_lock_init(weft_lock *lock, unsigned flags);

/* Take the lock. Use the macro: it records the place, for reports.
 * Returns   0 held; WEFT_RECOVERED (1): held, but the last owner ended while holding it, or was lost
 *           in a fork: repair what it protects; -ETIMEDOUT, -ECANCELED, -EDEADLK (the caller holds it
 *           already, or was chosen to break a deadlock, weft(7)): not held
 * Context   task or thread
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_lock_acquire_at(weft_lock *lock, weft_deadline deadline,
                                            const char *place);
#define weft_lock_acquire(lock, deadline) weft_lock_acquire_at(lock, deadline, WEFT_PLACE)

/* Let it go, to the first waiter if there is one.
 * Returns   0; -EPERM the caller does not hold it
 * Context   the task or thread that holds it
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_lock_release(weft_lock *lock);

/* Take and let go where nothing can fail: enter waits however long, cancelled or not; it does not
 * say that a last owner was lost (acquire does). To enter a lock one holds already, or leave one that
 * one does not hold, is a bug: reported, then abort.
 * Context   task or thread
 * Cancels   no.   Since 0.1
 */
WEFT_API void weft_lock_enter_at(weft_lock *lock, const char *place);
WEFT_API void weft_lock_leave(weft_lock *lock);
#define weft_lock_enter(lock) weft_lock_enter_at(lock, WEFT_PLACE)

/* Does the calling task hold it?
 * Returns   true or false
 * Context   task or thread
 * Cancels   no.   Since 0.1
 */
WEFT_API bool weft_lock_is_held(const weft_lock *lock);

/* End its use. A waiter or holder is a bug: reported, then abort. Zeroed memory is fine.
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API void weft_lock_fini(weft_lock *lock);

static inline void weft__lock_end(weft_lock **lock)
{
    weft_lock_leave(*lock);
}

/* weft_with_lock(lock) { ... }: enter, the block, leave, on whatever way the block is left: its end,
 * return, goto, break and continue (which leave this block and no loop around it), a C++ exception. */
#define weft_with_lock(lock) \
    WEFT__WITH(weft_lock, weft__lock_end, lock, weft_lock_enter, __COUNTER__)

WEFT_END
#endif
