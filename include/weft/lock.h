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
 * more than a pthread mutex's; a waiting coroutine never blocks its worker.
 *
 * A shared one (WEFT_SHARED, in the arena) is for the tasks of all processes. When its owner's process dies,
 * however that comes, the next acquire says so:
 *
 *     int r = weft_lock_acquire(&shop->lock, weft_after(WEFT_SEC));
 *     if (r == WEFT_RECOVERED) {
 *         recount(shop);
 *         weft_lock_repaired(&shop->lock); // or nobody is to trust it again
 *     }
 *
 * Its release wakes the first who waits, and whoever comes first has it. */
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
    void *_first, *_last;   /* waiters; shared: links in libc's list of robust mutexes */
    uint64_t _reserved[7];
} weft_lock;

/* clang-format off */
#define WEFT_LOCK_INIT { 0, 0, 0, 0, 0, 0, 0, { 0, 0, 0, 0, 0, 0, 0 } }
/* clang-format on */

/* Prepare a lock.
 *   lock   caller's memory; never copied or moved while in use
 *   flags  0, or WEFT_SHARED: for the tasks of all processes. Then the object lies in the arena or a segment; without
 *          it, it lies elsewhere. No process may use it before it is prepared, or after its end
 * Returns   0; -EINVAL: other flags, or the wrong place, with words in weft_why(); -ENOTSUP: shared, and
 *           this libc keeps no list of robust mutexes
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_lock_init(weft_lock *lock, unsigned flags);

/* Take the lock. Use the macro: it records the place, for reports.
 * Returns   0 held; WEFT_RECOVERED (1): held, but the last owner ended while holding it, or was lost
 *           in a fork: repair what it protects; -ETIMEDOUT, -ECANCELED, -EDEADLK (the caller holds it
 *           already, or was chosen to break a deadlock, weft(7)): not held. Shared, also -ENOTRECOVERABLE:
 *           a WEFT_RECOVERED owner let it go unrepaired; -ENOLCK: this thread holds 2,000 shared ones;
 *           -ENOMEM: no thread to wait with
 * Context   task or thread
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_lock_acquire_at(weft_lock *lock, weft_deadline deadline,
                                            const char *place);
#define weft_lock_acquire(lock, deadline) weft_lock_acquire_at(lock, deadline, WEFT_PLACE)

/* After WEFT_RECOVERED: what it protects is whole again. A shared lock that is released without it is of no
 * use to anyone any more: every acquire is -ENOTRECOVERABLE. A private one needs no such word.
 * Returns   0; -EPERM the caller does not hold it
 * Context   the task or thread that holds it
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_lock_repaired(weft_lock *lock);

/* Let it go, to the first waiter if there is one.
 * Returns   0; -EPERM the caller does not hold it
 * Context   the task or thread that holds it
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_lock_release(weft_lock *lock);

/* Take and let go where nothing can fail: enter waits however long, cancelled or not; it does not
 * say that a last owner was lost (acquire does). To enter a lock one holds already, or leave one that
 * one does not hold, is a bug: reported, then abort; so is what acquire would refuse for a shared one. Who
 * leaves it unrepaired leaves that to the next one who acquires it.
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

/* End its use. A waiter (of a private one) or a holder is a bug: reported, then abort. Zeroed memory is
 * fine.
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

static inline weft_lock *weft__lock_begin(weft_lock *lock, weft_deadline deadline, int *result,
                                          const char *place)
{
    return (*result = weft_lock_acquire_at(lock, deadline, place)) >= 0 ? lock : NULL;
}

static inline void weft__lock_release(weft_lock **lock)
{
    if (*lock)
        (void)weft_lock_release(*lock);
}

/* weft_with_lock_until(lock, deadline, &result) { ... }: what acquire returns goes to result; the block runs if
 * that is not negative, and releases the lock on whatever way it is left: so after WEFT_RECOVERED it says
 * weft_lock_repaired, or a shared lock is of no use any more. */
#define weft_with_lock_until(lock, deadline, result)                                            \
    WEFT__WITH_IF(weft_lock, weft__lock_release,                                                \
                  weft__lock_begin(lock, deadline, result, WEFT_PLACE), (void), WEFT__IF_TAKEN, \
                  __COUNTER__)

WEFT_END
#endif
