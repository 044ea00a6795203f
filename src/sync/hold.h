/* sync/hold.h - what a task holds stands in its record, so that its end, or a fork that loses it, can
 * give it on, and so that others can read who holds what since which place. */
#ifndef WEFT_SYNC_HOLD_H
#define WEFT_SYNC_HOLD_H

#include "base/report.h"
#include "sched/task.h"

enum { WEFT__HOLD_SORT = 7 }; /* objects lie at multiples of 8 */

void weft__hold_more(struct weft__task *task, struct weft__hold hold);
bool weft__unhold_slowly(struct weft__task *task, uintptr_t what);
/* NULL: it does not hold that, or there was no memory to note it. */
const struct weft__hold *weft__holds(struct weft__task *task, const void *object,
                                     enum weft__hold_sort sort);

/* By the task itself; or by who hands over to it, between the claim and weft__ready. */
static inline void weft__hold(struct weft__task *task, const void *object,
                              enum weft__hold_sort sort, const char *place)
{
    struct weft__hold hold = { (uintptr_t)object | sort, place };
    uint32_t n = task->held;
    if (unlikely(n >= WEFT__HOLDS)) {
        weft__hold_more(task, hold);
        return;
    }
    store_relaxed(&task->holds[n].what, hold.what);
    store_relaxed(&task->holds[n].place, hold.place);
    store_relaxed(&task->held, n + 1);
}

/* false: it does not hold that. */
static inline bool weft__unhold(struct weft__task *task, const void *object,
                                enum weft__hold_sort sort)
{
    uintptr_t what = (uintptr_t)object | sort;
    uint32_t last = task->held - 1;
    if (unlikely(last >= WEFT__HOLDS || task->holds[last].what != what))
        return weft__unhold_slowly(task, what);
    store_relaxed(&task->held, last);
    return true;
}

/* "lock 0x7ffe3a60, taken at bank.c:86". Anyone may ask this of anyone's. */
void weft__hold_tell(const struct weft__hold *hold, struct weft__text *out);

/* It ends: its holds but the first `before` are reported, and given on. */
void weft__abandon_holds(struct weft__task *task, uint32_t before);
void weft__lose_holds(struct weft__task *task); /* it is not in this child of a fork */

/* By each sort of object: its holder has ended, or is not in this child, where nobody waits either. */
void weft__lock_ended(void *lock), weft__lock_lost(void *lock);
void weft__writer_ended(void *rwlock), weft__writer_lost(void *rwlock);
void weft__reader_ended(void *rwlock), weft__reader_lost(void *rwlock);
void weft__once_ended(void *once), weft__once_lost(void *once);

#endif
