/* hold.c - see hold.h. The first few holds lie in the record, more in a block that grows and stays with
 * it. Without memory for the block a hold goes unnoted: it works, but nobody gives it on. */
#include "sync/hold.h"

#include <string.h>

#include "base/alloc.h"
#include "base/report.h"

static const struct {
    const char *name, *told; /* a reader leaves nothing half-changed */
    void (*ended)(void *object), (*lost)(void *object);
} sorts[WEFT__HOLD_SORTS] = {
    [WEFT__HOLDS_LOCK] = { "lock", "; the next owner is told", weft__lock_ended, weft__lock_lost },
    [WEFT__HOLDS_RLOCK] = { "rlock", "; the next owner is told", weft__lock_ended, weft__lock_lost },
    [WEFT__HOLDS_WRITE] = { "rwlock", "; the next owner is told", weft__writer_ended,
                            weft__writer_lost },
    [WEFT__HOLDS_READ] = { "rwlock for reading", "", weft__reader_ended, weft__reader_lost },
    [WEFT__HOLDS_ONCE] = { "once", "; the next one runs it again", weft__once_ended,
                           weft__once_lost },
};

const char *weft__hold_name(uintptr_t what)
{
    uintptr_t sort = what & WEFT__HOLD_SORT;
    return sort < WEFT__HOLD_SORTS ? sorts[sort].name : "?";
}

static struct weft__hold *hold_at(struct weft__task *task, uint32_t n)
{
    return n < WEFT__HOLDS ? &task->holds[n] : &task->held_more[n - WEFT__HOLDS];
}

cold void weft__hold_more(struct weft__task *task, struct weft__hold hold)
{
    uint32_t more = task->held - WEFT__HOLDS, room = task->held_room;
    if (more == room) {
        struct weft__hold *block = weft__alloc((room ? 2 * room : 16) * sizeof hold, 16);
        if (!block) {
            task->held_unnoted++;
            return;
        }
        if (room) {
            memcpy(block, task->held_more, room * sizeof hold);
            weft__release(task->held_more, room * sizeof hold);
        }
        task->held_more = block;
        task->held_room = room ? 2 * room : 16;
    }
    task->held_more[more] = hold;
    store_relaxed(&task->held, task->held + 1);
}

cold bool weft__unhold_slowly(struct weft__task *task, uintptr_t what)
{
    uint32_t n = task->held;
    while (n > 0 && hold_at(task, n - 1)->what != what)
        n--;
    if (n == 0) {
        bool unnoted = task->held_unnoted > 0;
        task->held_unnoted -= unnoted;
        return unnoted;
    }
    for (; n < task->held; n++) {
        store_relaxed(&hold_at(task, n - 1)->what, hold_at(task, n)->what);
        store_relaxed(&hold_at(task, n - 1)->place, hold_at(task, n)->place);
    }
    store_relaxed(&task->held, task->held - 1);
    return true;
}

bool weft__holds(struct weft__task *task, const void *object, enum weft__hold_sort sort)
{
    for (uint32_t n = task->held; n > 0; n--)
        if (hold_at(task, n - 1)->what == ((uintptr_t)object | sort))
            return true;
    return false;
}

/* Of a task that ran as a call on another's stack only those above `before` are its own. */
void weft__abandon_holds(struct weft__task *task, uint32_t before)
{
    while (task->held > before) {
        uintptr_t what = hold_at(task, task->held - 1)->what;
        void *object = weft__hold_object(what);
        weft__report("weft: '%s' ended while holding %s %p%s\n", weft__task_name(task),
                     sorts[what & WEFT__HOLD_SORT].name, object, sorts[what & WEFT__HOLD_SORT].told);
        weft__outer_enter();
        store_relaxed(&task->held, task->held - 1);
        sorts[what & WEFT__HOLD_SORT].ended(object);
        weft__outer_leave();
    }
    if (before == 0)
        task->held_unnoted = 0;
}

void weft__lose_holds(struct weft__task *task)
{
    for (; task->held > 0; task->held--) {
        uintptr_t what = hold_at(task, task->held - 1)->what;
        sorts[what & WEFT__HOLD_SORT].lost(weft__hold_object(what));
    }
}
