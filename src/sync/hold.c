/* hold.c - see hold.h. The first few holds lie in the record, more in a block that grows and stays with
 * it. Without memory for the block a hold goes unnoted: it works, but nobody gives it on. */
#include "sync/hold.h"

#include <string.h>

#include "base/alloc.h"
#include "base/sys.h"

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

static void *object_of(uintptr_t what)
{
    return (void *)(what & ~(uintptr_t)WEFT__HOLD_SORT);
}

void weft__hold_tell(const struct weft__hold *hold, struct weft__text *out)
{
    uintptr_t what = load_relaxed(&hold->what), sort = what & WEFT__HOLD_SORT;
    const char *place = load_relaxed(&hold->place);
    char copy[128]; /* its library may be unloaded */
    weft__sys_copy_text(copy, sizeof copy, place ? place : "?");
    weft__text_add(out, "%s %p, taken at %s", sort < WEFT__HOLD_SORTS ? sorts[sort].name : "?",
                   object_of(what), copy);
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

const struct weft__hold *weft__holds(struct weft__task *task, const void *object,
                                     enum weft__hold_sort sort)
{
    for (uint32_t n = task->held; n > 0; n--)
        if (hold_at(task, n - 1)->what == ((uintptr_t)object | sort))
            return hold_at(task, n - 1);
    return NULL;
}

/* Of a task that ran as a call on another's stack only those above `before` are its own. */
void weft__abandon_holds(struct weft__task *task, uint32_t before)
{
    while (task->held > before) {
        const struct weft__hold *hold = hold_at(task, task->held - 1);
        uintptr_t what = hold->what;
        char words[256];
        weft__hold_tell(hold, &(struct weft__text){ words, sizeof words, 0 });
        weft__report("weft: '%s' ended while holding %s%s\n", weft__task_name(task), words,
                     sorts[what & WEFT__HOLD_SORT].told);
        weft__outer_enter();
        store_relaxed(&task->held, task->held - 1);
        sorts[what & WEFT__HOLD_SORT].ended(object_of(what));
        weft__outer_leave();
    }
    if (before == 0)
        task->held_unnoted = 0;
}

void weft__lose_holds(struct weft__task *task)
{
    for (; task->held > 0; task->held--) {
        uintptr_t what = hold_at(task, task->held - 1)->what;
        sorts[what & WEFT__HOLD_SORT].lost(object_of(what));
    }
}
