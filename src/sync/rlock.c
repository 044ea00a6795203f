/* rlock.c - a lock with a counter: how often its owner has taken it beyond the first time. */
#include <weft/rlock.h>

#include "sync/lock.h"

int weft_rlock_init(weft_rlock *rlock, unsigned flags)
{
    int r = weft__object_flags(rlock, flags, 0);
    if (r == 0)
        *rlock = (weft_rlock){ { ._flags = flags, ._sort = WEFT__HOLDS_RLOCK } };
    return r;
}

int weft_rlock_acquire_at(weft_rlock *rlock, weft_deadline deadline, const char *place)
{
    weft_lock *lock = &rlock->_lock;
    struct weft__task *self;
    int r = weft__wait_enter(&self);
    if (unlikely(r < 0))
        return r;
    weft__point("acquire");
    if (weft__lock_is_mine(lock, self)) {
        if (unlikely(lock->_depth == UINT32_MAX))
            return -EOVERFLOW;
        lock->_depth++;
        return 0;
    }
    return weft__lock_take(lock, self, deadline, "rlock", place);
}

static inline int release(weft_rlock *rlock, enum weft__robust_end unrepaired)
{
    weft_lock *lock = &rlock->_lock;
    struct weft__task *self = weft__current;
    if (unlikely(!self || !weft__lock_is_mine(lock, self)))
        return -EPERM;
    if (lock->_depth)
        lock->_depth--;
    else
        weft__lock_let_go(lock, self, unrepaired);
    weft__point("release");
    return 0;
}

int weft_rlock_release(weft_rlock *rlock)
{
    return release(rlock, WEFT__ROBUST_GONE);
}

int weft_rlock_repaired(weft_rlock *rlock)
{
    return weft_lock_repaired(&rlock->_lock);
}

void weft_rlock_enter_at(weft_rlock *rlock, const char *place)
{
    weft_lock *lock = &rlock->_lock;
    struct weft__task *self = weft__self();
    WEFT_BUG_ON(!self, "weft_rlock_enter: no memory for the thread's record");
    weft__point("enter");
    if (weft__lock_is_mine(lock, self)) {
        WEFT_BUG_ON(++lock->_depth == 0, "'%s' enters rlock %p once too often", weft__caller_name(),
                    (void *)rlock);
        return;
    }
    if (likely(!(lock->_flags & WEFT_SHARED) && weft__lock_take_free(lock, self, place)))
        return;
    struct weft__calm calm = weft__calm_begin(self);
    int r = weft__lock_take(lock, self, weft_never(), "rlock", place);
    weft__calm_end(self, calm);
    WEFT_BUG_ON(r < 0, "'%s' enters rlock %p, %s", weft__caller_name(), (void *)rlock,
                weft__no_entry(r));
}

void weft_rlock_leave(weft_rlock *rlock)
{
    int r = release(rlock, WEFT__ROBUST_MARKED);
    WEFT_BUG_ON(r < 0, "'%s' leaves rlock %p, which it does not hold", weft__caller_name(),
                (void *)rlock);
}

bool weft_rlock_is_held(const weft_rlock *rlock)
{
    return weft_lock_is_held(&rlock->_lock);
}

void weft_rlock_fini(weft_rlock *rlock)
{
    WEFT_BUG_ON(weft__lock_is_used(&rlock->_lock),
                "rlock %p is torn down while it is held or waited for", (void *)rlock);
    *rlock = (weft_rlock){ { 0 } };
}
