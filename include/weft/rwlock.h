/* weft/rwlock.h - many readers at once, or one writer alone.
 *
 *     static weft_rwlock table = WEFT_RWLOCK_INIT;
 *     weft_with_read(&table)
 *         found = look_up(key);
 *     weft_with_write(&table)
 *         insert(key, value);
 *
 * All are served in the order they came, readers that stand together at once: a reader that comes while
 * a writer waits stands behind that writer, so neither side starves the other. The one exception: a task
 * that reads already is let in again at once, past waiting writers, since they wait for that very task.
 * A reader cannot become a writer, nor a writer read: -EDEADLK.
 *
 * A shared one stands to this as a shared lock does to a lock: a writer that waits keeps later ones out, and
 * who comes first of those has it next. A reader whose process dies has left. */
#ifndef WEFT_RWLOCK_H
#define WEFT_RWLOCK_H

#include <weft/base.h>
#include <weft/lock.h>
#include <weft/time.h>

WEFT_BEGIN

typedef struct weft_rwlock { /* private; 128 bytes; zeroed memory is a valid private rwlock */
    uint32_t _word;          /* spin, writer, waiters, lost; count of readers */
    uint32_t _flags;
    struct weft__task *_owner; /* the writer */
    uint64_t _unused;
    void *_first, *_last; /* waiters */
    uint64_t _reserved[11];
} weft_rwlock;

/* clang-format off */
#define WEFT_RWLOCK_INIT { 0, 0, 0, 0, 0, 0, { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 } }
/* clang-format on */

/* Prepare an rwlock; flags as weft_lock_init's.
 * Returns   as weft_lock_init; of a shared one -ENOMEM the arena, or the segment, has no memory
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_rwlock_init(weft_rwlock *rwlock, unsigned flags);

/* Take it for reading, together with other readers; or for writing, alone.
 * Returns   0 held; WEFT_RECOVERED (1): held, but the last writer ended while holding it, or was lost in
 *           a fork: what it protects may be half-changed. Readers are told until a writer has been, who
 *           is to repair it. -ETIMEDOUT, -ECANCELED, -EDEADLK (the caller holds it for writing; or for
 *           reading, and wants to write; or was chosen to break a deadlock, weft(7)): not held, or as
 *           before. Shared, also -ENOTRECOVERABLE, -ENOLCK, -ENOMEM, as weft_lock_acquire; -ENOTSUP: to
 *           read, in a plain fork's child (in a segment: without /proc)
 * Context   task or thread
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_rwlock_acquire_read_at(weft_rwlock *rwlock, weft_deadline deadline,
                                                   const char *place);
WEFT_API WEFT_MUST int weft_rwlock_acquire_write_at(weft_rwlock *rwlock, weft_deadline deadline,
                                                    const char *place);
#define weft_rwlock_acquire_read(rwlock, deadline) \
    weft_rwlock_acquire_read_at(rwlock, deadline, WEFT_PLACE)
#define weft_rwlock_acquire_write(rwlock, deadline) \
    weft_rwlock_acquire_write_at(rwlock, deadline, WEFT_PLACE)

/* After WEFT_RECOVERED, by a writer, as weft_lock_repaired.
 * Returns   0; -EPERM the caller does not hold it for writing
 * Context   the task or thread that holds it
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_rwlock_repaired(weft_rwlock *rwlock);

/* Let it go: once, if one reads more than once.
 * Returns   0; -EPERM the caller does not hold it
 * Context   the task or thread that holds it
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_rwlock_release(weft_rwlock *rwlock);

/* Take and let go where nothing can fail, as weft_lock_enter and weft_lock_leave. What acquire answers
 * with an error, and to leave one that one does not hold, is a bug: reported, then abort.
 * Context   task or thread
 * Cancels   no.   Since 0.1
 */
WEFT_API void weft_rwlock_enter_read_at(weft_rwlock *rwlock, const char *place);
WEFT_API void weft_rwlock_enter_write_at(weft_rwlock *rwlock, const char *place);
WEFT_API void weft_rwlock_leave(weft_rwlock *rwlock);
#define weft_rwlock_enter_read(rwlock)  weft_rwlock_enter_read_at(rwlock, WEFT_PLACE)
#define weft_rwlock_enter_write(rwlock) weft_rwlock_enter_write_at(rwlock, WEFT_PLACE)

/* Does the calling task hold it for reading; for writing?
 * Returns   true or false
 * Context   task or thread
 * Cancels   no.   Since 0.1
 */
WEFT_API bool weft_rwlock_is_reader(const weft_rwlock *rwlock);
WEFT_API bool weft_rwlock_is_writer(const weft_rwlock *rwlock);

/* End its use. A waiter or holder is a bug: reported, then abort. Zeroed memory is fine.
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API void weft_rwlock_fini(weft_rwlock *rwlock);

static inline void weft__rwlock_end(weft_rwlock **rwlock)
{
    weft_rwlock_leave(*rwlock);
}

/* weft_with_read(rwlock) { ... }, weft_with_write(rwlock) { ... }: as weft_with_lock. */
#define weft_with_read(rwlock) \
    WEFT__WITH(weft_rwlock, weft__rwlock_end, rwlock, weft_rwlock_enter_read, __COUNTER__)
#define weft_with_write(rwlock) \
    WEFT__WITH(weft_rwlock, weft__rwlock_end, rwlock, weft_rwlock_enter_write, __COUNTER__)

static inline weft_rwlock *weft__read_begin(weft_rwlock *rwlock, weft_deadline deadline,
                                            int *result, const char *place)
{
    return (*result = weft_rwlock_acquire_read_at(rwlock, deadline, place)) >= 0 ? rwlock : NULL;
}

static inline weft_rwlock *weft__write_begin(weft_rwlock *rwlock, weft_deadline deadline,
                                             int *result, const char *place)
{
    return (*result = weft_rwlock_acquire_write_at(rwlock, deadline, place)) >= 0 ? rwlock : NULL;
}

static inline void weft__rwlock_release(weft_rwlock **rwlock)
{
    if (*rwlock)
        (void)weft_rwlock_release(*rwlock);
}

/* weft_with_read_until(rwlock, deadline, &result) { ... }, weft_with_write_until: as weft_with_lock_until. */
#define weft_with_read_until(rwlock, deadline, result)                                            \
    WEFT__WITH_IF(weft_rwlock, weft__rwlock_release,                                              \
                  weft__read_begin(rwlock, deadline, result, WEFT_PLACE), (void), WEFT__IF_TAKEN, \
                  __COUNTER__)
#define weft_with_write_until(rwlock, deadline, result)                                            \
    WEFT__WITH_IF(weft_rwlock, weft__rwlock_release,                                               \
                  weft__write_begin(rwlock, deadline, result, WEFT_PLACE), (void), WEFT__IF_TAKEN, \
                  __COUNTER__)

WEFT_END
#endif
