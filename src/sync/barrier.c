/* barrier.c - n tasks meet. The last one claims all others, so that nobody can give up any more, runs
 * the action, and only then makes them ready. */
#include <weft/barrier.h>

#include "sync/shared.h"
#include "sync/sync.h"

enum { BROKEN = 2 };

static struct weft__wait_queue queue(weft_barrier *barrier)
{
    return WEFT__WAIT_QUEUE(&barrier->_first, &barrier->_last);
}

int weft_barrier_init(weft_barrier *barrier, uint32_t parties, weft_fn *action, void *arg,
                      unsigned flags)
{
    int r = weft__object_flags(barrier, flags, 0);
    if (parties == 0 || parties > (flags & WEFT_SHARED ? WEFT__SHARED_PARTIES : INT32_MAX))
        r = -EINVAL;
    if (r == 0)
        *barrier =
            (weft_barrier){ ._flags = flags, ._parties = parties, ._action = action, ._arg = arg };
    return r == 0 && flags & WEFT_SHARED ? weft__shared_barrier_init(barrier) : r;
}

/* With the spin bit held, which is let go: this round is over for those who wait. */
static void end_round(weft_barrier *barrier, uint32_t word)
{
    struct weft__task *all = weft__claim_all(queue(barrier), -EPIPE);
    store_relaxed(&barrier->_waiting, 0);
    barrier->_round++;
    weft__word_unlock_to(&barrier->_word, word);
    weft__ready_all(all);
}

/* With the spin bit held, which is let go: all have come, unless one has just given up. */
static int complete(weft_barrier *barrier)
{
    struct weft__wait_node *all = NULL, **end = &all, *node;
    uint32_t others = 0;
    while ((node = weft__claim_first(queue(barrier)))) {
        node->result = (int32_t)others++;
        node->next = NULL; /* claimed: it stays until its task is ready */
        *end = node;
        end = &node->next;
    }
    bool whole = others == barrier->_parties - 1;
    end_round(barrier, whole ? 0 : BROKEN);
    int r = whole ? (int)others : -EPIPE;
    if (whole && barrier->_action) {
        int done = barrier->_action(barrier->_arg);
        if (done < 0) {
            weft__word_lock(&barrier->_word);
            end_round(barrier, BROKEN);
            r = done;
        }
    }
    while ((node = all)) {
        all = node->next;
        if (r < 0)
            node->result = -EPIPE;
        weft__ready(node->task);
    }
    return r;
}

int weft_barrier_wait(weft_barrier *barrier, weft_deadline deadline)
{
    struct weft__task *self;
    int r = weft__wait_enter(&self);
    if (r == -ENOMEM)
        return r;
    weft__point("barrier");
    if (unlikely(barrier->_flags & WEFT_SHARED))
        return weft__shared_barrier_wait(barrier, r, deadline);
    weft__word_lock(&barrier->_word);
    if (barrier->_parties == 0 || load_relaxed(&barrier->_word) & BROKEN) {
        weft__word_unlock(&barrier->_word);
        return r < 0 ? r : barrier->_parties ? -EPIPE : -EINVAL;
    }
    bool last = barrier->_waiting + 1 == barrier->_parties;
    if (r == 0 && last)
        return complete(barrier);
    if (r < 0 || deadline.ns == 0) {
        end_round(barrier, BROKEN);
        return r < 0 ? r : -ETIMEDOUT;
    }
    struct weft__wait_node node;
    uint32_t round = barrier->_round;
    store_relaxed(&barrier->_waiting, barrier->_waiting + 1);
    r = weft__wait_on(&barrier->_word, queue(barrier), &node, self, deadline, "barrier", barrier);
    if (r == 0)
        return node.result;
    weft__word_lock(&barrier->_word);
    if (barrier->_round == round)
        end_round(barrier, BROKEN);
    else
        weft__word_unlock(&barrier->_word);
    return r;
}

void weft_barrier_reset(weft_barrier *barrier)
{
    weft__point("barrier reset");
    if (unlikely(barrier->_flags & WEFT_SHARED)) {
        weft__shared_barrier_end(barrier, false);
        return;
    }
    weft__word_lock(&barrier->_word);
    end_round(barrier, 0);
}

void weft_barrier_abort(weft_barrier *barrier)
{
    weft__point("barrier abort");
    if (unlikely(barrier->_flags & WEFT_SHARED)) {
        weft__shared_barrier_end(barrier, true);
        return;
    }
    weft__word_lock(&barrier->_word);
    end_round(barrier, BROKEN);
}

uint32_t weft_barrier_waiting(const weft_barrier *barrier)
{
    return barrier->_flags & WEFT_SHARED ? weft__shared_barrier_waiting(barrier)
                                         : load_relaxed(&barrier->_waiting);
}

bool weft_barrier_is_broken(const weft_barrier *barrier)
{
    return barrier->_flags & WEFT_SHARED ? weft__shared_barrier_is_broken(barrier)
                                         : load_acquire(&barrier->_word) & BROKEN;
}

void weft_barrier_fini(weft_barrier *barrier)
{
    bool shared = barrier->_flags & WEFT_SHARED;
    WEFT_BUG_ON(shared ? weft__shared_barrier_waiting(barrier) > 0
                       : weft__is_waited_for(&barrier->_word, queue(barrier)),
                "barrier %p is torn down under a waiter", (void *)barrier);
    if (shared)
        weft__shared_barrier_fini(barrier);
    *barrier = (weft_barrier){ 0 };
}
