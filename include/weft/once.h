/* weft/once.h - do something exactly once, whoever comes first; the others wait until it is done.
 *
 *     static weft_once opened = WEFT_ONCE_INIT;
 *     int r = weft_once_run(&opened, open_database, "people.db", weft_after(5 * WEFT_SEC));
 *     if (r < 0)
 *         return r;
 *     // here the database is open, in every task
 */
#ifndef WEFT_ONCE_H
#define WEFT_ONCE_H

#include <weft/base.h>
#include <weft/task.h>
#include <weft/time.h>

WEFT_BEGIN

typedef struct weft_once {     /* private; 96 bytes; zeroed memory is a valid private once */
    uint32_t _word, _flags;    /* spin, running, done */
    struct weft__task *_owner; /* who runs the function */
    int32_t _result;
    uint32_t _unused;
    void *_first, *_last;
    uint64_t _reserved[7];
} weft_once;

/* clang-format off */
#define WEFT_ONCE_INIT { 0, 0, 0, 0, 0, 0, 0, { 0, 0, 0, 0, 0, 0, 0 } }
/* clang-format on */

/* Prepare a once; flags as weft_lock_init's. A shared one is done once for all processes; when the process
 * that runs the function dies, the next one runs its own.
 * Returns   as weft_lock_init
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_once_init(weft_once *once, unsigned flags);

/* Run fn(arg) unless that has been done, and wait while another task runs it.
 *   fn        runs in the calling task and may wait. A result >= 0: it is done for ever. A failure, a
 *             cancel of its task among them, does not count: it is the result of its caller alone, and
 *             the first who waits runs fn again, its own
 *   deadline  of the waiting for another; fn's own time is fn's business
 * Returns   what fn returned when it was done, >= 0, to every caller; what fn returned to the caller who
 *           ran it in vain; -ETIMEDOUT, -ECANCELED; -EDEADLK from inside fn itself,
 *           or chosen to break a deadlock, weft(7). Shared, also -ENOLCK, -ENOMEM, as weft_lock_acquire
 * Context   task or thread
 * Cancels   yes, also when it is done already.   Since 0.1
 */
WEFT_API int weft_once_run_at(weft_once *once, weft_fn *fn, void *arg, weft_deadline deadline,
                              const char *place);
#define weft_once_run(once, fn, arg, deadline) weft_once_run_at(once, fn, arg, deadline, WEFT_PLACE)

/* Has it been done? What fn wrote is then seen by the caller.
 * Returns   true or false
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API bool weft_once_is_done(const weft_once *once);

/* End its use; it could be run again. While it runs it is a bug: reported, then abort.
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API void weft_once_fini(weft_once *once);

WEFT_END
#endif
