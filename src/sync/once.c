/* once.c - done exactly once. Success wakes all who wait; a failure hands the turn to the first. */
#include <weft/once.h>

#include "sync/hold.h"
#include "sync/shared.h"
#include "sync/sync.h"

enum { RUNNING = 2, DONE = 4 };
enum { YOUR_TURN = INT32_MIN }; /* as a waiter's result */

static struct weft__wait_queue queue(weft_once *once)
{
    return WEFT__WAIT_QUEUE(&once->_first, &once->_last);
}

int weft_once_init(weft_once *once, unsigned flags)
{
    int r = weft__object_flags(once, flags, 0);
    if (r == 0)
        *once = (weft_once){ ._flags = flags };
    return r;
}

/* Its runner has failed; NULL: it has ended, and holds nothing any more. */
static void pass_on(weft_once *once, struct weft__task *runner)
{
    weft__word_lock(&once->_word);
    if (runner)
        weft__unhold(runner, once, WEFT__HOLDS_ONCE);
    struct weft__wait_node *node = weft__claim_first(queue(once));
    struct weft__task *next = node ? node->task : NULL;
    store_relaxed(&once->_owner, next);
    if (next) {
        node->result = YOUR_TURN;
        weft__hold(next, once, WEFT__HOLDS_ONCE, node->value);
    }
    weft__word_unlock_to(&once->_word, next ? RUNNING : 0);
    if (next)
        weft__ready(next);
}

static int run(weft_once *once, struct weft__task *self, weft_fn *fn, void *arg)
{
    int r = fn(arg);
    if (r < 0) {
        pass_on(once, self);
        return r;
    }
    weft__word_lock(&once->_word);
    weft__unhold(self, once, WEFT__HOLDS_ONCE);
    once->_result = r;
    store_relaxed(&once->_owner, (struct weft__task *)NULL);
    struct weft__task *all = weft__claim_all(queue(once), r);
    weft__word_unlock_to(&once->_word, DONE);
    weft__ready_all(all);
    return r;
}

int weft_once_run_at(weft_once *once, weft_fn *fn, void *arg, weft_deadline deadline,
                     const char *place)
{
    struct weft__task *self;
    int r = weft__wait_enter(&self);
    if (r < 0)
        return r;
    weft__point("once");
    if (likely(weft_once_is_done(once)))
        return once->_result;
    if (unlikely(once->_flags & WEFT_SHARED))
        return weft__shared_once_run(once, self, fn, arg, deadline, place);
    weft__word_lock(&once->_word);
    uint32_t word = load_relaxed(&once->_word);
    if (word & DONE || load_relaxed(&once->_owner) == self) {
        weft__word_unlock(&once->_word);
        return word & DONE ? once->_result : -EDEADLK;
    }
    if (!(word & RUNNING)) {
        store_relaxed(&once->_owner, self);
        weft__hold(self, once, WEFT__HOLDS_ONCE, place);
        weft__word_unlock_to(&once->_word, RUNNING);
        return run(once, self, fn, arg);
    }
    struct weft__wait_node node = { .value = (void *)(uintptr_t)place };
    r = weft__wait_for(&once->_word, queue(once), &node, self, load_relaxed(&once->_owner),
                       deadline, "once", once);
    if (r < 0)
        return r;
    return node.result == YOUR_TURN ? run(once, self, fn, arg) : node.result;
}

bool weft_once_is_done(const weft_once *once)
{
    return once->_flags & WEFT_SHARED ? weft__shared_once_is_done(once)
                                      : load_acquire(&once->_word) & DONE;
}

void weft_once_fini(weft_once *once)
{
    WEFT_BUG_ON(load_relaxed(&once->_word) & (once->_flags & WEFT_SHARED ? FUTEX_TID_MASK : RUNNING),
                "once %p is torn down while it runs", (void *)once);
    *once = (weft_once){ 0 };
}

void weft__once_ended(void *object)
{
    weft_once *once = object;
    if (!(once->_flags & WEFT_SHARED))
        pass_on(once, NULL);
    else if (weft__robust_is_mine(weft__robust_of(once)))
        weft__shared_drop(once, WEFT__ROBUST_WHOLE);
}

void weft__once_lost(void *object)
{
    weft_once *once = object;
    if (once->_flags & WEFT_SHARED)
        return;
    once->_owner = NULL;
    store_relaxed(&once->_word, 0);
}
