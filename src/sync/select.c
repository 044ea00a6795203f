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
#include "sync/watch.h"

enum { WATCHES = 16 };     /* cases on shared objects in one select */
enum { OPEN = INT32_MIN }; /* a node's result as long as its case is not taken */

static void shuffle(struct weft_case *on, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t k = i ? weft__draw((uint32_t)i + 1) : 0;
        on[i]._order = on[k]._order;
        on[k]._order = i;
        on[i]._state = 0;
        weft__case_node(&on[i])->linked = false;
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

/* Not left out, and not for a time. */
static bool waits(const struct weft_case *c)
{
    return c->_ops && c->_ops->blocked;
}

/* Shared objects have no queue for a node: it waits at a watch of the object's word. */
struct watches {
    struct weft__watch watch[WATCHES];
    unsigned n;
    int failed;
};

static bool watch(struct weft_case *c, struct watches *w)
{
    uint32_t seen, epoch = weft__death_epoch();
    const uint32_t *word = c->_ops->look(c, &seen);
    if (!word)
        return false;
    struct weft__watch *at = &w->watch[w->n];
    w->failed = w->n < WATCHES ? weft__watch_begin(at, word, seen, epoch) : -EINVAL;
    if (w->failed < 0)
        return false;
    w->n++;
    weft__case_place(c, &at->spin, WEFT__WAIT_QUEUE(&at->first, &at->last));
    return true;
}

static void unwatch(struct weft_case *on, size_t n, struct watches *w)
{
    for (unsigned i = 0; i < w->n; i++)
        weft__watch_end(&w->watch[i]);
    for (size_t i = 0; i < n; i++)
        if (on[i]._ops && on[i]._ops->pass)
            on[i]._ops->pass(&on[i]);
}

static bool enqueue(struct weft_case *c, struct weft__task *self, uint64_t ticket, struct watches *w)
{
    if (unlikely(c->_ops->look != NULL) && !watch(c, w))
        return false;
    struct weft__wait_node *node = weft__case_node(c);
    node->task = self;
    node->ticket = ticket;
    node->value = c->_value;
    node->result = OPEN;
    node->several = true;
    weft__word_lock(c->_word);
    bool blocked = c->_ops->blocked(c, self);
    if (blocked)
        weft__node_link(WEFT__WAIT_QUEUE(c->_first, c->_last), node);
    weft__word_unlock(c->_word);
    return blocked;
}

/* How many of them: all, or those before the one that can be had now. The deadline is the first time of a
 * case, if that is sooner. */
static size_t enqueue_all(struct weft_case *on, size_t n, struct weft__task *self, uint64_t ticket,
                          weft_deadline *deadline, const struct weft__case_ops **outside,
                          struct watches *w)
{
    size_t i = 0;
    for (; i < n; i++) {
        struct weft_case *c = &on[on[i]._order];
        if (waits(c)) {
            if (!enqueue(c, self, ticket, w))
                break;
            *outside = c->_ops->wait ? c->_ops : *outside;
        } else if (c->_ops) {
            int64_t when = c->_ops->when(c);
            deadline->ns = when < deadline->ns ? when : deadline->ns;
        }
    }
    return i;
}

/* Take the nodes out. The one that was handed over; NULL: none. */
static struct weft_case *dequeue(struct weft_case *on, size_t queued)
{
    struct weft_case *winner = NULL;
    for (size_t i = 0; i < queued; i++) {
        struct weft_case *c = &on[on[i]._order];
        struct weft__wait_node *node = weft__case_node(c);
        if (!waits(c))
            continue;
        if (node->result != OPEN) { /* its object may be gone */
            winner = c;
            continue;
        }
        weft__word_lock(c->_word);
        if (node->linked)
            weft__node_unlink(WEFT__WAIT_QUEUE(c->_first, c->_last), node);
        if (c->_ops->left)
            c->_ops->left(c);
        weft__word_unlock(c->_word);
    }
    return winner;
}

struct queued {
    struct weft__queued base;
    struct weft_case *on;
    size_t n;
};

static void lost(struct weft__queued *base)
{
    struct queued *queued = container_of(base, struct queued, base);
    for (size_t i = 0; i < queued->n; i++) {
        struct weft_case *c = &queued->on[i];
        if (waits(c) && !c->_ops->wait && weft__case_node(c)->linked) /* io forgets its own */
            weft__node_unlink(WEFT__WAIT_QUEUE(c->_first, c->_last), weft__case_node(c));
    }
}

static void tell(const struct weft__queued *base, struct weft__text *out)
{
    const struct queued *queued = container_of(base, const struct queued, base);
    for (size_t i = 0; i < queued->n; i++)
        if (queued->on[i]._ops)
            weft__text_add(out, "%s%s %p", out->size ? ", " : "", queued->on[i]._ops->name,
                           queued->on[i]._on);
}

/* One turn. The number of the case that was handed over; -ETIMEDOUT, -ECANCELED; -EAGAIN: look again. */
static inline int turn(struct weft_case *on, size_t n, struct weft__task *self,
                       weft_deadline deadline, struct watches *w)
{
    const struct weft__case_ops *outside = NULL;
    struct queued here = { { .lost = lost, .tell = tell }, on, n };
    int r = -EAGAIN;
    uint64_t ticket = weft__wait_begin(self);
    self->queued = &here.base;
    size_t queued = enqueue_all(on, n, self, ticket, &deadline, &outside, w);
    if (queued < n && weft__claim(self, ticket, WEFT__WOKEN))
        store_relaxed(&self->sleeping, 0);
    else if (outside) /* all are queued, or somebody was quicker and wakes us */
        r = outside->wait(on, n, self, ticket, deadline);
    else
        r = weft__wait(self, ticket, deadline, "select", on);
    struct weft_case *winner = dequeue(on, queued);
    self->queued = NULL;
    if (w)
        unwatch(on, n, w);
    if (!winner)
        return w && w->failed < 0 ? w->failed : r < 0 ? r : -EAGAIN;
    r = winner->_ops->taken ? winner->_ops->taken(winner) : weft__case_node(winner)->result;
    if (r == -ETIMEDOUT || r == -ECANCELED)
        return r == -ETIMEDOUT ? -EAGAIN : r;
    winner->result = r;
    return (int)(winner - on);
}

static bool any_shared(const struct weft_case *on, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (on[i]._ops && on[i]._ops->look)
            return true;
    return false;
}

/* Of a frame of its own, for the watches. Other processes are outside, as descriptors are. */
static cold int turn_watching(struct weft_case *on, size_t n, struct weft__task *self,
                              weft_deadline deadline)
{
    struct watches w;
    w.n = 0;
    w.failed = 0;
    add_relaxed(&weft__rt.outside_waits, 1);
    int r = turn(on, n, self, deadline, &w);
    __atomic_fetch_sub(&weft__rt.outside_waits, 1, __ATOMIC_RELAXED);
    return r;
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
    bool shared = any_shared(on, n);
    for (;;) {
        r = attempt(on, n);
        if (r != -ETIMEDOUT || deadline.ns == 0)
            return r;
        weft__point("select");
        if (weft__is_cancelled(self))
            return -ECANCELED;
        deadline.ns = weft__deadline_at(deadline); /* one span in all */
        r = unlikely(shared) ? turn_watching(on, n, self, deadline)
                             : turn(on, n, self, deadline, NULL);
        if (r != -EAGAIN && r != -ETIMEDOUT)
            return r;
        if (r == -ETIMEDOUT)
            deadline = weft_at_once(); /* look once more: perhaps it was the time of a case */
    }
}
