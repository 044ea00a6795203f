/* rlock.c - a lock with a counter: how often its owner has taken it beyond the first time. */
#include <weft/rlock.h>

#include "sync/lock.h"

int weft_rlock_init(weft_rlock *rlock, unsigned flags)
{
    int r = weft__object_flags(flags);
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
    if (load_relaxed(&lock->_owner) == self) {
        if (unlikely(lock->_depth == UINT32_MAX))
            return -EOVERFLOW;
        lock->_depth++;
        return 0;
    }
    if (likely(weft__lock_take_free(lock, self, place)))
        return 0;
    return weft__lock_take_slowly(lock, self, deadline, "rlock", place);
}

int weft_rlock_release(weft_rlock *rlock)
{
    weft_lock *lock = &rlock->_lock;
    struct weft__task *self = weft__current;
    if (unlikely(!self || load_relaxed(&lock->_owner) != self))
        return -EPERM;
    if (lock->_depth)
        lock->_depth--;
    else
        weft__lock_let_go(lock, self);
    weft__point("release");
    return 0;
}

void weft_rlock_enter_at(weft_rlock *rlock, const char *place)
{
    weft_lock *lock = &rlock->_lock;
    struct weft__task *self = weft__self();
    WEFT_BUG_ON(!self, "weft_rlock_enter: no memory for the thread's record");
    weft__point("enter");
    if (load_relaxed(&lock->_owner) == self) {
        WEFT_BUG_ON(++lock->_depth == 0, "'%s' enters rlock %p once too often", weft__caller_name(),
                    (void *)rlock);
        return;
    }
    if (likely(weft__lock_take_free(lock, self, place)))
        return;
    struct weft__calm calm = weft__calm_begin(self);
    (void)weft__lock_take_slowly(lock, self, weft_never(), "rlock", place);
    weft__calm_end(self, calm);
}

void weft_rlock_leave(weft_rlock *rlock)
{
    int r = weft_rlock_release(rlock);
    WEFT_BUG_ON(r < 0, "'%s' leaves rlock %p, which it does not hold", weft__caller_name(),
                (void *)rlock);
}

bool weft_rlock_is_held(const weft_rlock *rlock)
{
    return weft_lock_is_held(&rlock->_lock);
}

void weft_rlock_fini(weft_rlock *rlock)
{
    WEFT_BUG_ON(load_relaxed(&rlock->_lock._word) & (WEFT__HELD | WEFT__WAITERS),
                "rlock %p is torn down while it is held or waited for", (void *)rlock);
    *rlock = (weft_rlock){ { 0 } };
}
