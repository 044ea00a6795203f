/* cond.c - wait with a lock let go. The waiter is queued before the lock is, so no signal is missed. */
#include <weft/cond.h>

#include "sync/lock.h"

static struct weft__wait_queue queue(weft_cond *cond)
{
    return WEFT__WAIT_QUEUE(&cond->_first, &cond->_last);
}

int weft_cond_init(weft_cond *cond, unsigned flags)
{
    int r = weft__object_flags(cond, flags, 0);
    if (r == 0)
        *cond = (weft_cond){ ._flags = flags };
    return r;
}

static int sleep_private(weft_cond *cond, weft_lock *lock, struct weft__task *self,
                         weft_deadline deadline)
{
    struct weft__wait_node node = { .task = self };
    weft__word_lock(&cond->_word);
    node.ticket = weft__wait_begin(self);
    weft__node_link(queue(cond), &node);
    struct weft__queued queued;
    weft__queued_begin(&queued, self, queue(cond), &node);
    weft__word_unlock(&cond->_word);
    weft__lock_let_go(lock, self, WEFT__ROBUST_GONE);
    int r = weft__wait(self, node.ticket, deadline, "cond", cond);
    if (r < 0) {
        weft__word_lock(&cond->_word);
        if (node.linked)
            weft__node_unlink(queue(cond), &node);
        weft__word_unlock(&cond->_word);
    }
    weft__queued_end(self);
    return r;
}

int weft_cond_wait(weft_cond *cond, weft_lock *lock, weft_deadline deadline)
{
    struct weft__task *self;
    if (!weft_lock_is_held(lock))
        return -EPERM;
    int r = weft__wait_enter(&self);
    if (r < 0 || deadline.ns == 0)
        return r < 0 ? r : -ETIMEDOUT;
    const struct weft__hold *hold = weft__holds(self, lock, (enum weft__hold_sort)lock->_sort);
    const char *place = hold ? hold->place : NULL; /* of the taking, now as before */
    r = cond->_flags & WEFT_SHARED ? weft__shared_cond_sleep(cond, lock, self, deadline)
                                   : sleep_private(cond, lock, self, deadline);
    struct weft__calm calm = weft__calm_begin(self);
    int again = weft_lock_acquire_at(lock, weft_never(), place);
    weft__calm_end(self, calm);
    return again ? again : r;
}

int weft_cond_wait_rlock(weft_cond *cond, weft_rlock *rlock, weft_deadline deadline)
{
    if (!weft_rlock_is_held(rlock))
        return -EPERM;
    uint32_t depth = rlock->_lock._depth;
    rlock->_lock._depth = 0;
    int r = weft_cond_wait(cond, &rlock->_lock, deadline);
    if (weft_rlock_is_held(rlock)) /* a shared one may be past repair */
        rlock->_lock._depth = depth;
    return r;
}

int weft_cond_signal(weft_cond *cond)
{
    weft__point("signal");
    if (unlikely(cond->_flags & WEFT_SHARED))
        return weft__word_move(&cond->_word, 1);
    weft__word_lock(&cond->_word);
    struct weft__wait_node *node = weft__claim_first(queue(cond));
    struct weft__task *task = node ? node->task : NULL;
    weft__word_unlock(&cond->_word);
    if (task)
        weft__ready(task);
    return task != NULL;
}

int weft_cond_broadcast(weft_cond *cond)
{
    weft__point("broadcast");
    if (unlikely(cond->_flags & WEFT_SHARED))
        return weft__word_move(&cond->_word, INT32_MAX);
    weft__word_lock(&cond->_word);
    struct weft__task *all = weft__claim_all(queue(cond), 0);
    weft__word_unlock(&cond->_word);
    return weft__ready_all(all);
}

void weft_cond_fini(weft_cond *cond)
{
    WEFT_BUG_ON(!(cond->_flags & WEFT_SHARED) && weft__is_waited_for(&cond->_word, queue(cond)),
                "condition %p is torn down under a waiter", (void *)cond);
    *cond = (weft_cond){ 0 };
}
