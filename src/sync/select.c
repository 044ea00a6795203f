/* select.c - wait for the first of several.
 *
 * A select makes each case's own call with weft_at_once(), in random order. If none can be had it begins
 * one turn and queues a node for each case, all with the turn's ticket, so that the first claim decides
 * among them too; the nodes lie in the cases. Each time it looks once more, under the spin bit: if there
 * is something to be had now, it ends the turn itself, takes its nodes out and begins anew. So nothing
 * is ever taken while another may be handed over, and two selects that want each other's values do not
 * wait for each other: the one that looks last finds the other's node.
 */
#include "sched/case.h"
#include "sync/sync.h"

enum { OPEN = INT32_MIN }; /* a node's result as long as its case is not taken */

static void shuffle(struct weft_case *on, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t k = i ? weft__draw((uint32_t)i + 1) : 0;
        on[i]._order = on[k]._order;
        on[k]._order = i;
        on[i]._state = 0;
    }
}

/* The number of the case that could be had; -ETIMEDOUT, -ECANCELED. */
static int attempt(struct weft_case *on, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct weft_case *c = &on[on[i]._order];
        int r = c->_ops ? c->_ops->attempt(c) : -ETIMEDOUT;
        if (r == -ECANCELED)
            return r;
        if (r != -ETIMEDOUT) {
            c->result = r;
            return (int)(c - on);
        }
    }
    return -ETIMEDOUT;
}

static bool enqueue(struct weft_case *c, struct weft__task *self, uint64_t ticket)
{
    struct weft__wait_node *node = weft__case_node(c);
    node->task = self;
    node->ticket = ticket;
    node->value = c->_value;
    node->result = OPEN;
    weft__word_lock(c->_word);
    bool blocked = c->_ops->blocked(c, self);
    if (blocked)
        weft__node_link(WEFT__WAIT_QUEUE(c->_first, c->_last), node);
    weft__word_unlock(c->_word);
    return blocked;
}

static void dequeue(struct weft_case *c)
{
    struct weft__wait_node *node = weft__case_node(c);
    weft__word_lock(c->_word);
    if (node->linked)
        weft__node_unlink(WEFT__WAIT_QUEUE(c->_first, c->_last), node);
    if (c->_ops->left)
        c->_ops->left(c);
    weft__word_unlock(c->_word);
}

/* One turn. The number of the case that was handed over; -ETIMEDOUT, -ECANCELED; -EAGAIN: look again. */
static int turn(struct weft_case *on, size_t n, struct weft__task *self, weft_deadline deadline)
{
    uint64_t ticket = weft__wait_begin(self);
    struct weft_case *winner = NULL;
    const struct weft__case_ops *outside = NULL;
    size_t queued;
    int r;
    for (queued = 0; queued < n; queued++) {
        struct weft_case *c = &on[on[queued]._order];
        if (!c->_ops)
            continue;
        if (c->_ops->when) {
            int64_t when = c->_ops->when(c);
            deadline.ns = when < deadline.ns ? when : deadline.ns;
        } else if (!enqueue(c, self, ticket)) {
            break;
        } else if (c->_ops->wait) {
            outside = c->_ops;
        }
    }
    if (queued < n && weft__claim(self, ticket, WEFT__WOKEN)) {
        store_relaxed(&self->sleeping, 0);
        r = -EAGAIN;
    } else {
        r = outside ? outside->wait(on, n, self, ticket, deadline)
                    : weft__wait(self, ticket, deadline, "select", on);
    }
    for (size_t i = 0; i < queued; i++) {
        struct weft_case *c = &on[on[i]._order];
        if (!c->_ops || c->_ops->when)
            continue;
        if (weft__case_node(c)->result == OPEN)
            dequeue(c);
        else
            winner = c;
    }
    if (!winner)
        return r < 0 ? r : -EAGAIN;
    r = winner->_ops->taken ? winner->_ops->taken(winner) : weft__case_node(winner)->result;
    if (r == -ETIMEDOUT || r == -ECANCELED)
        return r == -ETIMEDOUT ? -EAGAIN : r;
    winner->result = r;
    return (int)(winner - on);
}

int weft_select(struct weft_case *on, size_t n, weft_deadline deadline)
{
    struct weft__task *self;
    int r = weft__wait_enter(&self);
    if (r < 0)
        return r;
    if (n > INT32_MAX)
        return -EINVAL;
    shuffle(on, n);
    for (;;) {
        r = attempt(on, n);
        if (r != -ETIMEDOUT || deadline.ns == 0)
            return r;
        weft__point("select");
        if (weft__is_cancelled(self))
            return -ECANCELED;
        deadline.ns = weft__deadline_at(deadline); /* one span in all */
        r = turn(on, n, self, deadline);
        if (r >= 0 || r == -ECANCELED)
            return r;
        if (r == -ETIMEDOUT)
            deadline = weft_at_once(); /* look once more: perhaps it was the time of a case */
    }
}
