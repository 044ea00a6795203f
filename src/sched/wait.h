/* sched/wait.h - the one way to wait.
 *
 * A waiter is a node on its own stack, in a FIFO at the object, under the object's spin bit (bit 0 of
 * its word). Who wants to end a wait claims it: compare-and-swap of task->wait from this turn's
 * WAITING to an outcome; the first wins. Then, still under the spin bit, it takes the node out and
 * copies what is handed over, and last makes the task ready. A waiter whose wait ended otherwise takes
 * the spin bit before it leaves, so a node is never touched after its frame is gone.
 *
 *     word_lock(&obj->_word);
 *     if (can be done now) { do it; word_unlock; return 0; }
 *     r = weft__wait_on(&obj->_word, queue, &node, deadline, "lock", obj);   // unlocks
 */
#ifndef WEFT_SCHED_WAIT_H
#define WEFT_SCHED_WAIT_H

#include <errno.h>

#include "base/report.h"
#include "sched/solo.h"
#include "sched/task.h"

struct weft__wait_node {
    struct weft__wait_node *next, *prev;
    struct weft__task *task;
    uint64_t ticket; /* task->wait of this turn */
    void *value;     /* what is handed over, or where it goes */
    int32_t result;  /* set by who wakes; 0 unless it says otherwise */
    bool linked;
    bool several; /* one of a select's: it waits for others too, so nobody names it */
};

/* The two ends of a FIFO are fields of public structs. */
struct weft__wait_queue {
    struct weft__wait_node **first, **last;
};
#define WEFT__WAIT_QUEUE(first, last)                               \
    ((struct weft__wait_queue){ (struct weft__wait_node **)(first), \
                                (struct weft__wait_node **)(last) })

enum { WEFT__SPIN = 1 };

void weft__word_lock_slow(uint32_t *word);

static inline void weft__word_lock(uint32_t *word)
{
    if (weft__solo_enter())
        return;
    weft__section_enter();
    uint32_t now = load_relaxed(word) & ~(uint32_t)WEFT__SPIN;
    if (unlikely(!__atomic_compare_exchange_n(word, &now, now | WEFT__SPIN, false, __ATOMIC_ACQUIRE,
                                              __ATOMIC_RELAXED)))
        weft__word_lock_slow(word);
}

/* Only the holder of the spin bit changes the word's other bits, unless an object says otherwise. */
static inline void weft__word_unlock_to(uint32_t *word, uint32_t value)
{
    bool solo = !(load_relaxed(word) & WEFT__SPIN); /* entered without the bit */
    store_release(word, value);
    if (solo)
        weft__solo_leave();
    else
        weft__section_leave();
}

static inline void weft__word_unlock(uint32_t *word)
{
    weft__word_unlock_to(word, load_relaxed(word) & ~(uint32_t)WEFT__SPIN);
}

/* Begin a turn: from here on a claim may come. Returns the ticket. */
static inline uint64_t weft__wait_begin(struct weft__task *self)
{
    uint64_t ticket = ((load_relaxed(&self->wait) >> 3) + 1) << 3 |
                      (unlikely(self->shield) ? WEFT__SHIELDED : WEFT__WAITING);
    if (likely(weft__is_coroutine(self)))
        store_release(&self->wait, ticket); /* cancels of a coroutine come by its own worker */
    else {
        store_relaxed(&self->sleeping, 1);
        exchange_seq_cst(&self->wait, ticket); /* a thread's come from anywhere: then look at life */
    }
    return ticket;
}

static inline bool weft__claim(struct weft__task *task, uint64_t ticket,
                               enum weft__wait_state outcome)
{
    uint64_t expected = ticket;
    if (weft__solo_enter()) {
        bool open = load_relaxed(&task->wait) == ticket;
        if (open)
            store_relaxed(&task->wait, (ticket & ~(uint64_t)7) | outcome);
        weft__solo_leave();
        return open;
    }
    return swap_acq_rel(&task->wait, &expected, (ticket & ~(uint64_t)7) | outcome);
}

/* Wait for the end of the turn: 0 woken, -ETIMEDOUT, -ECANCELED. What the deadline means: time.h. */
int weft__wait(struct weft__task *self, uint64_t ticket, weft_deadline deadline, const char *reason,
               const void *object);

static inline bool weft__wait_is_open(uint64_t wait)
{
    return (wait & 7) == WEFT__WAITING || (wait & 7) == WEFT__SHIELDED;
}

/* How the last wait ended; it stays until the next turn begins. */
static inline int weft__outcome(const struct weft__task *self)
{
    switch (load_acquire(&self->wait) & 7) {
    case WEFT__TIMED_OUT: return -ETIMEDOUT;
    case WEFT__CANCELLED: return -ECANCELED;
    case WEFT__DEADLOCKED: return -EDEADLK;
    default: return 0;
    }
}

/* Waits in between are neither cancelled nor bounded: for what must be done whatever happens. */
struct weft__calm {
    int64_t bound;
};

static inline struct weft__calm weft__calm_begin(struct weft__task *self)
{
    struct weft__calm before = { self->bound };
    self->bound = INT64_MAX;
    self->shield++;
    return before;
}

static inline void weft__calm_end(struct weft__task *self, struct weft__calm before)
{
    self->bound = before.bound;
    self->shield--;
}

/* A thread in an open turn is about to sleep: if it is cancelled, the turn is over. */
bool weft__sleep_is_cancelled(struct weft__task *self, uint64_t ticket);

/* End a turn that was begun and not waited for, because its event has come meanwhile. A thread's may
 * have been claimed by a cancel: then its wake-up is on its way and must not meet the next turn. */
void weft__wait_drop(struct weft__task *self, uint64_t ticket);

/* At entry of every waiting call: 0; -ECANCELED; -ENOMEM: no record for a foreign thread. */
static inline int weft__wait_enter(struct weft__task **self)
{
    *self = weft__self();
    if (unlikely(!*self))
        return -ENOMEM;
    return unlikely(weft__is_cancelled(*self)) ? -ECANCELED : 0;
}

static inline void weft__node_link(struct weft__wait_queue q, struct weft__wait_node *node)
{
    node->next = NULL;
    node->prev = *q.last;
    node->linked = true;
    store_relaxed(*q.last ? &(*q.last)->next : q.first, node); /* others look if there is one */
    *q.last = node;
}

static inline void weft__node_unlink(struct weft__wait_queue q, struct weft__wait_node *node)
{
    store_relaxed(node->prev ? &node->prev->next : q.first, node->next);
    *(node->next ? &node->next->prev : q.last) = node->prev;
    node->linked = false;
}

/* The child of a fork gives the stacks of lost threads to its next ones (a lost coroutine's stays as it
 * is). So a thread's record tells, from under the spin bit to the wait's end, where its node is queued,
 * and the child takes it out. */
struct weft__queued {
    struct weft__wait_queue queue;
    struct weft__wait_node *node;
    /* Several nodes: who takes them out, and says what they wait for, while nothing moves. NULL: the one. */
    void (*lost)(struct weft__queued *queued);
    void (*tell)(const struct weft__queued *queued, struct weft__text *out);
};

static inline void weft__queued_begin(struct weft__queued *queued, struct weft__task *self,
                                      struct weft__wait_queue queue, struct weft__wait_node *node)
{
    if (likely(weft__is_coroutine(self)))
        return;
    *queued = (struct weft__queued){ .queue = queue, .node = node };
    self->queued = queued;
}

static inline void weft__queued_end(struct weft__task *self)
{
    if (unlikely(!weft__is_coroutine(self)))
        self->queued = NULL;
}

/* Is there a waiter? Those that were lost in a fork are none. For fini. */
bool weft__is_waited_for(uint32_t *word, struct weft__wait_queue q);

/* With the spin bit held: queue the node (its value is set), let go, wait. On a negative result the
 * node has been taken out again.
 *   owner    NULL, or who must do something first: the owner of a lock, a task that is joined. Who waits
 *            names whom it waits for, and who closes a circle of endless waits finds that out here: then
 *            also -EDEADLK.
 *   blocker  whom it names: the owner, or who waits for it too and comes first */
int weft__wait_behind(uint32_t *word, struct weft__wait_queue q, struct weft__wait_node *node,
                      struct weft__task *self, struct weft__task *blocker, struct weft__task *owner,
                      weft_deadline deadline, const char *reason, const void *object);

/* For what is handed to one after the other: with many waiters each names the one ahead of it, which is
 * the owner when its turn comes; so a release has nothing to update. Not so with a select, which names
 * nobody: each names the one ahead of it, and the select only when it has got the lock. */
int weft__wait_for(uint32_t *word, struct weft__wait_queue q, struct weft__wait_node *node,
                   struct weft__task *self, struct weft__task *owner, weft_deadline deadline,
                   const char *reason, const void *object);

static inline int weft__wait_on(uint32_t *word, struct weft__wait_queue q,
                                struct weft__wait_node *node, struct weft__task *self,
                                weft_deadline deadline, const char *reason, const void *object)
{
    return weft__wait_behind(word, q, node, self, NULL, NULL, deadline, reason, object);
}

/* With the spin bit held: out of the queue, without having been served: who comes next has the same
 * before it. */
void weft__give_way(struct weft__wait_queue q, struct weft__wait_node *node);

/* A task that waits for its group waits for each task in it; to write a rwlock that others read, for each
 * of these. */
#define WEFT__ITS_TASKS   ((struct weft__task *)1)
#define WEFT__ITS_READERS ((struct weft__task *)2)

/* Those who wait without end, for somebody whom they name, and read a rwlock: so a writer may wait for
 * them. Read along reader_next by anyone; at worst something stale is found. */
extern struct weft__task *weft__stuck_readers;

/* Before the turn begins: what the wait is for. */
static inline void weft__wait_names(struct weft__task *self, struct weft__task *blocker,
                                    const void *object)
{
    store_relaxed(&self->object, object);
    store_relaxed(&self->blocker, blocker);
    store_relaxed(&self->endless, false);
}

/* Filled by assembly.c. The caller, in an open turn, is about to wait for owner without end: it may end
 * that turn (WEFT__DEADLOCKED), or another one in the circle. Or: everybody sleeps, without end. */
extern void (*weft__wait_closes)(struct weft__task *self, struct weft__task *owner);
extern bool (*weft__nothing_moves)(const struct weft__worker *mine); /* it did something about it */

/* weft__wait for a turn that was named. */
int weft__wait_named(struct weft__task *self, uint64_t ticket, struct weft__task *owner,
                     weft_deadline deadline, const char *reason);

/* With the spin bit held: claim the first waiter that is still waiting, take it out and return it;
 * those whose wait ended otherwise are taken out on the way. NULL: nobody. Then hand over by node, let
 * the spin bit go, and weft__ready(task): the node is gone with the spin bit. */
struct weft__wait_node *weft__claim_first(struct weft__wait_queue q);

/* With the spin bit held: does anyone but self wait? Perhaps his wait has ended, and he is not out yet. */
static inline bool weft__others_wait(struct weft__wait_queue q, const struct weft__task *self)
{
    const struct weft__wait_node *node = *q.first;
    while (node && node->task == self)
        node = node->next;
    return node != NULL;
}

/* With the spin bit held: claim all, chained by task->next. The caller makes them ready after. */
struct weft__task *weft__claim_all(struct weft__wait_queue q, int32_t result);
int weft__ready_all(struct weft__task *chain); /* how many */

#endif
