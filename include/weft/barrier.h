/* weft/barrier.h - a place where n tasks meet: none goes on before all have come.
 *
 *     static weft_barrier round = WEFT_BARRIER_INIT(4, swap_buffers, &grid);
 *     while (step(grid) && (r = weft_barrier_wait(&round, weft_never())) >= 0)
 *         ; // each step begins when all have ended the last, and the buffers are swapped
 *
 * If one of them gives up, at its deadline or cancelled, the others would wait in vain: so the barrier
 * breaks, and every wait is -EPIPE until it is reset. So does a shared one whose party's process dies inside
 * weft_barrier_wait; of one that dies before it comes nobody knows, but a deadline ends that wait. */
#ifndef WEFT_BARRIER_H
#define WEFT_BARRIER_H

#include <weft/base.h>
#include <weft/task.h>
#include <weft/time.h>

WEFT_BEGIN

typedef struct weft_barrier { /* private; 96 bytes */
    uint32_t _word, _flags;   /* spin, broken */
    uint32_t _parties, _waiting;
    weft_fn *_action;
    void *_first, *_last;
    void *_arg;
    uint32_t _round, _unused;
    uint64_t _reserved[5];
} weft_barrier;

/* clang-format off */
#define WEFT_BARRIER_INIT(parties, action, arg) \
    { 0, 0, parties, 0, action, 0, 0, arg, 0, 0, { 0, 0, 0, 0, 0 } }
/* clang-format on */

/* Prepare a barrier.
 *   parties  how many tasks meet, 1 to 2^31 - 1; shared to 2^20 - 1
 *   action   NULL, or called as action(arg) by the last who comes, in its task, before anybody leaves.
 *            It may wait. If it returns < 0 the barrier breaks. Who comes while it runs, being one more
 *            than the parties, begins the next round, whose action may run beside this one; of a shared
 *            one it begins after this one.
 *   flags    as weft_lock_init's
 * Returns   as weft_lock_init; -EINVAL also parties; of a shared one -ENOMEM the arena,
 *           or the segment, has no memory, -ENOTSUP an action, in a segment
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_barrier_init(weft_barrier *barrier, uint32_t parties, weft_fn *action, void *arg,
                               unsigned flags);

/* Wait until all have come. Then the barrier is as new, for the next round. A process that dies in here breaks
 * a shared one. One that dies before it comes is not missed, since nobody knows that it would have come: give a
 * deadline, or let who joins its task (-EOWNERDEAD) call weft_barrier_abort.
 * Returns   the caller's number in the order of coming, 0 to parties - 1; whoever gets parties - 1 came
 *           last and has run the action. -EPIPE: the barrier is broken, or breaks meanwhile.
 *           -ETIMEDOUT, -ECANCELED: the caller gives up and has broken it, even where it was cancelled
 *           before. Once all have come nobody can give up, however long the action takes.
 *           The last gets its action's error, and the others -EPIPE. -EINVAL: never initialised.
 *           Shared, also -ENOMEM: broken for want of it; -ENOTSUP: in a plain fork's child (in a
 *           segment: without /proc)
 * Context   task or thread
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_barrier_wait(weft_barrier *barrier, weft_deadline deadline);

/* Mend a broken barrier; break a whole one. Those who wait get -EPIPE either way. A round whose action
 * runs is complete and not affected.
 * Context   task or thread
 * Cancels   no.   Since 0.1
 */
WEFT_API void weft_barrier_reset(weft_barrier *barrier);
WEFT_API void weft_barrier_abort(weft_barrier *barrier);

/* How many wait now, stale when it is read; is it broken?
 * Returns   the count, less than parties; true or false
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API uint32_t weft_barrier_waiting(const weft_barrier *barrier);
WEFT_API bool weft_barrier_is_broken(const weft_barrier *barrier);

/* End its use. A waiter is a bug: reported, then abort. Zeroed memory is fine.
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API void weft_barrier_fini(weft_barrier *barrier);

WEFT_END
#endif
