/* wait.c - see wait.h. */
#include "sched/wait.h"

#include "base/report.h"
#include "base/sys.h"

/* Looks come further and further apart: who holds the bit then keeps the object's cache lines for
 * several of its operations, where two at equal pace would pull them from each other for each one. */
void weft__word_lock_slow(uint32_t *word)
{
    for (unsigned turns = 0, gap = 8;;) {
        uint32_t now = load_relaxed(word);
        if (!(now & WEFT__SPIN)) {
            if (__atomic_compare_exchange_n(word, &now, now | WEFT__SPIN, false, __ATOMIC_ACQUIRE,
                                            __ATOMIC_RELAXED))
                return;
        } else if (turns++ < 30) {
            for (unsigned i = 0; i < gap; i++)
                cpu_relax();
            gap = gap < 32 ? gap * 2 : gap;
        } else {
            weft__sys_sched_yield(); /* its holder may have lost its core */
        }
    }
}

bool weft__sleep_is_cancelled(struct weft__task *self, uint64_t ticket)
{
    if (!weft__hears_cancel(self) || !weft__claim(self, ticket, WEFT__CANCELLED))
        return false;
    store_relaxed(&self->sleeping, 0);
    return true;
}

/* A thread sleeps until its flag falls. It claims its own timeout; when somebody else was first, the
 * flag is about to fall. */
static void thread_sleep(struct weft__task *self, uint64_t ticket, int64_t until)
{
    if (weft__sleep_is_cancelled(self, ticket))
        return;
    store_relaxed(&self->endless, until == INT64_MAX);
    if (until == INT64_MAX && weft__all_sleep(NULL))
        weft__nothing_moves(NULL);
    while (load_acquire(&self->sleeping)) {
        int r = weft__sys_futex_wait(&self->sleeping, 1, until);
        if (r == -ETIMEDOUT && until != INT64_MAX) {
            if (weft__claim(self, ticket, WEFT__TIMED_OUT)) {
                store_relaxed(&self->sleeping, 0);
                return;
            }
            until = INT64_MAX;
        }
    }
}

void weft__wait_drop(struct weft__task *self, uint64_t ticket)
{
    if (weft__claim(self, ticket, WEFT__WOKEN))
        store_relaxed(&self->sleeping, 0);
    else if (!weft__is_coroutine(self))
        while (load_acquire(&self->sleeping))
            weft__sys_futex_wait(&self->sleeping, 1, INT64_MAX);
}

int weft__wait(struct weft__task *self, uint64_t ticket, weft_deadline deadline, const char *reason,
               const void *object)
{
    int64_t until = deadline.ns == INT64_MAX ? INT64_MAX : weft__deadline_at(deadline);
    if (self->bound < until)
        until = self->bound;
    store_relaxed(&self->object, object);
    store_relaxed(&self->reason, reason);
    if (likely(weft__is_coroutine(self))) {
        struct weft__worker *worker = self->worker;
        store_relaxed(&self->since, worker->now);
        /* Seeded: a cancel may have come at the point between the call's look and this one. */
        bool asked = (unlikely(!self->member->linked) && weft__group_link(self)) ||
                     (unlikely(weft__rt.seeded) && weft__is_cancelled(self));
        bool dead = unlikely(asked) && !self->shield && weft__claim(self, ticket, WEFT__CANCELLED);
        if (!dead) {
            if (until != INT64_MAX)
                weft__wheel_add(&worker->wheel, &self->timer, until);
            weft__park(self);
            weft__wheel_del(&worker->wheel, &self->timer);
        }
    } else if (unlikely(weft__rt.seeded && weft__seeded_host(self))) {
        store_relaxed(&self->since, weft__now());
        weft__seeded_wait(self, ticket, until);
    } else {
        store_relaxed(&self->since, weft__now());
        thread_sleep(self, ticket, until);
    }
    store_relaxed(&self->reason, (const char *)NULL);
    return weft__outcome(self);
}

/* Whom the next one is to name, past selects, who name nobody; and those after it that name the same:
 * readers behind a writer. */
static void pass_on(const struct weft__wait_node *node, struct weft__task *blocker)
{
    struct weft__task *named = NULL;
    while ((node = node->next)) {
        struct weft__task *now = load_relaxed(&node->task->blocker);
        if (node->several)
            continue;
        if (!now || (named && now != named))
            return;
        named = now;
        store_relaxed(&node->task->blocker, blocker);
    }
}

void weft__give_way(struct weft__wait_queue q, struct weft__wait_node *node)
{
    if (node->next && !node->several)
        pass_on(node, load_relaxed(&node->task->blocker));
    weft__node_unlink(q, node);
}

void (*weft__wait_closes)(struct weft__task *self, struct weft__task *owner);
bool (*weft__nothing_moves)(const struct weft__worker *mine);

static weft__spin readers_spin;
struct weft__task *weft__stuck_readers;

/* It is queued already, so what it waits for may be handed to it meanwhile. */
static bool reads(const struct weft__task *self)
{
    uint32_t n = load_relaxed(&self->held);
    for (uint32_t i = 0; i < n && i < WEFT__HOLDS; i++)
        if ((load_relaxed(&self->holds[i].what) & 7) == WEFT__HOLDS_READ)
            return true;
    return false;
}

static void readers_link(struct weft__task *self)
{
    weft__spin_lock(&readers_spin);
    self->reader_prev = NULL;
    store_relaxed(&self->reader_next, weft__stuck_readers);
    if (weft__stuck_readers)
        weft__stuck_readers->reader_prev = self;
    store_release(&weft__stuck_readers, self);
    weft__spin_unlock(&readers_spin);
}

static void readers_unlink(struct weft__task *self)
{
    weft__spin_lock(&readers_spin);
    store_relaxed(self->reader_prev ? &self->reader_prev->reader_next : &weft__stuck_readers,
                  self->reader_next);
    if (self->reader_next)
        self->reader_next->reader_prev = self->reader_prev;
    weft__spin_unlock(&readers_spin);
}

int weft__wait_named(struct weft__task *self, uint64_t ticket, struct weft__task *owner,
                     weft_deadline deadline, const char *reason)
{
    bool endless = deadline.ns == INT64_MAX && self->bound == INT64_MAX;
    bool reader = endless && reads(self);
    store_relaxed(&self->reason, reason);
    if (reader)
        readers_link(self);
    if (owner == WEFT__ITS_TASKS && !self->held && !load_relaxed(&self->joiners)) {
        store_release(&self->endless, endless); /* nobody waits for it: it closes nothing */
    } else if (endless && weft__wait_closes) {
        store_relaxed(&self->since, self->worker ? self->worker->now : weft__now());
        /* Then look: of two who close a circle at once, one sees it. */
        (void)exchange_seq_cst(&self->endless, true);
        weft__wait_closes(self, owner);
    }
    int r = weft__wait(self, ticket, deadline, reason, self->object);
    if (reader)
        readers_unlink(self);
    return r;
}

int weft__wait_behind(uint32_t *word, struct weft__wait_queue q, struct weft__wait_node *node,
                      struct weft__task *self, struct weft__task *blocker, struct weft__task *owner,
                      weft_deadline deadline, const char *reason, const void *object)
{
    if (deadline.ns == 0) {
        weft__word_unlock(word);
        return -ETIMEDOUT;
    }
    node->task = self;
    node->several = false;
    if (owner)
        weft__wait_names(self, blocker, object);
    node->ticket = weft__wait_begin(self);
    weft__node_link(q, node);
    struct weft__queued queued;
    weft__queued_begin(&queued, self, q, node);
    weft__word_unlock(word);
    int r = owner ? weft__wait_named(self, node->ticket, owner, deadline, reason)
                  : weft__wait(self, node->ticket, deadline, reason, object);
    if (r < 0) {
        weft__word_lock(word);
        if (node->linked)
            weft__give_way(q, node);
        weft__word_unlock(word);
    }
    weft__queued_end(self);
    if (owner) /* after who comes next has taken it */
        store_relaxed(&self->blocker, (struct weft__task *)NULL);
    return r;
}

int weft__wait_for(uint32_t *word, struct weft__wait_queue q, struct weft__wait_node *node,
                   struct weft__task *self, struct weft__task *owner, weft_deadline deadline,
                   const char *reason, const void *object)
{
    const struct weft__wait_node *before = *q.last;
    while (before && before->several)
        before = before->prev;
    return weft__wait_behind(word, q, node, self, before && owner ? before->task : owner, owner,
                             deadline, reason, object);
}

bool weft__is_waited_for(uint32_t *word, struct weft__wait_queue q)
{
    weft__word_lock(word);
    const struct weft__wait_node *node = *q.first;
    while (node && load_relaxed(&node->task->wait) >> 3 != node->ticket >> 3) /* not the same turn */
        node = node->next;
    weft__word_unlock(word);
    return node != NULL;
}

struct weft__wait_node *weft__claim_first(struct weft__wait_queue q)
{
    struct weft__wait_node *node;
    while ((node = *q.first)) {
        if (weft__claim(node->task, node->ticket, WEFT__WOKEN)) {
            if (unlikely(node->several))
                pass_on(node, node->task);
            weft__node_unlink(q, node);
            node->result = 0;
            return node;
        }
        weft__give_way(q, node);
    }
    return NULL;
}

struct weft__task *weft__claim_all(struct weft__wait_queue q, int32_t result)
{
    struct weft__task *chain = NULL, **end = &chain;
    struct weft__wait_node *node;
    while ((node = weft__claim_first(q))) {
        node->result = result;
        node->task->next = NULL; /* claimed and parked: its link is ours */
        *end = node->task;
        end = &node->task->next;
    }
    return chain;
}

int weft__ready_all(struct weft__task *chain)
{
    int count = 0;
    while (chain) {
        struct weft__task *next = chain->next;
        weft__ready(chain);
        chain = next;
        count++;
    }
    return count;
}
