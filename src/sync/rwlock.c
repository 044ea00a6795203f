/* rwlock.c - many readers or one writer, in the order they came.
 *
 * The count of readers stands in the word, so reading costs two locked instructions while nobody waits
 * and nobody writes. Everything else goes under the spin bit: whoever leaves lets in, from the head of the
 * queue, the readers that stand together there, or one writer; whoever gives up waiting does the same,
 * as those behind may have waited for him alone.
 */
#include <weft/rwlock.h>

#include "sync/hold.h"
#include "sync/shared.h"
#include "sync/sync.h"

enum { WRITER = 2, WAITERS = 4, LOST = 8, READER = 16, FLAGS = READER - 1 };

struct waiter {
    struct weft__wait_node node;
    struct waiter *next; /* of those let in */
    const char *place;
    bool reads;
};

static struct weft__wait_queue queue(weft_rwlock *rwlock)
{
    return WEFT__WAIT_QUEUE(&rwlock->_first, &rwlock->_last);
}

int weft_rwlock_init(weft_rwlock *rwlock, unsigned flags)
{
    int r = weft__object_flags(rwlock, flags, 0);
    if (r == 0)
        *rwlock = (weft_rwlock){ ._flags = flags };
    return r == 0 && flags & WEFT_SHARED ? weft__shared_rwlock_init(rwlock) : r;
}

/* Add to the word, if none of the bits is set. */
static inline bool add_unless(uint32_t *word, uint32_t add, uint32_t bits, int order)
{
    uint32_t now = load_relaxed(word);
    if (weft__solo_enter()) {
        bool may = !(load_relaxed(word) & bits);
        if (may)
            store_relaxed(word, load_relaxed(word) + add);
        weft__solo_leave();
        return may;
    }
    while (!(now & bits))
        if (__atomic_compare_exchange_n(word, &now, now + add, true, order, __ATOMIC_RELAXED))
            return true;
    return false;
}

static inline void own(weft_rwlock *rwlock, struct weft__task *task, bool reads, const char *place)
{
    if (!reads)
        store_relaxed(&rwlock->_owner, task);
    weft__hold(task, rwlock, reads ? WEFT__HOLDS_READ : WEFT__HOLDS_WRITE, place);
}

/* With the spin bit held, which is let go: the word without waiters becomes `word`, and who may come in
 * now does. */
static void let_in(weft_rwlock *rwlock, uint32_t word)
{
    struct waiter *in = NULL, **end = &in, *first;
    while ((first = rwlock->_first) && !(word & WRITER) && (first->reads || word < READER)) {
        if (!weft__claim(first->node.task, first->node.ticket, WEFT__WOKEN)) {
            weft__give_way(queue(rwlock), &first->node);
            continue;
        }
        weft__node_unlink(queue(rwlock), &first->node);
        first->node.result = word & LOST ? WEFT_RECOVERED : 0;
        word = first->reads ? word + READER : (uint32_t)WRITER;
        own(rwlock, first->node.task, first->reads, first->place);
        first->next = NULL;
        *end = first;
        end = &first->next;
    }
    if (first && word >= READER) /* the writer ahead is no more */
        store_relaxed(&first->node.task->blocker, WEFT__ITS_READERS);
    weft__word_unlock_to(&rwlock->_word, word | (first ? WAITERS : 0u));
    while ((first = in)) { /* claimed: it stays until its task is ready */
        in = first->next;
        weft__ready(first->node.task);
    }
}

/* Lock the word; what it is without waiters. */
static uint32_t settle(weft_rwlock *rwlock)
{
    weft__word_lock(&rwlock->_word);
    return load_relaxed(&rwlock->_word) & ~(uint32_t)(WEFT__SPIN | WAITERS);
}

/* Whom a waiter names: the writer ahead of it, who waits or is inside; or all who read. Never one of
 * those: it may have left when others that came in with it have not. */
static struct weft__task *blocked_by(const weft_rwlock *rwlock, uint32_t word)
{
    const struct waiter *last = rwlock->_last;
    if (!last)
        return word & WRITER ? load_relaxed(&rwlock->_owner) : WEFT__ITS_READERS;
    return last->reads ? load_relaxed(&last->node.task->blocker) : last->node.task;
}

static cold int acquire_slowly(weft_rwlock *rwlock, struct weft__task *self, bool reads,
                               weft_deadline deadline, const char *place)
{
    bool reading = weft__holds(self, rwlock, WEFT__HOLDS_READ) != NULL;
    if (load_relaxed(&rwlock->_owner) == self || (reading && !reads))
        return -EDEADLK;
    uint32_t word = settle(rwlock), waiters = rwlock->_first ? WAITERS : 0u;
    bool free = word < READER && !(word & WRITER); /* then the queue, if any, is about to empty */
    if (free || (reads && !(word & WRITER) && (reading || !waiters))) {
        own(rwlock, self, reads, place);
        weft__word_unlock_to(&rwlock->_word, (reads ? word + READER : (uint32_t)WRITER) | waiters);
        return word & LOST ? WEFT_RECOVERED : 0;
    }
    struct waiter waiter = { .place = place, .reads = reads };
    struct weft__task *blocker = blocked_by(rwlock, word);
    struct weft__task *owner = word & WRITER ? load_relaxed(&rwlock->_owner)
                               : reads       ? blocker
                                             : WEFT__ITS_READERS;
    store_relaxed(&self->reads, reads);
    store_relaxed(&rwlock->_word, load_relaxed(&rwlock->_word) | WAITERS);
    int r = weft__wait_behind(&rwlock->_word, queue(rwlock), &waiter.node, self, blocker, owner,
                              deadline, reads ? "rwlock (read)" : "rwlock (write)", rwlock);
    store_relaxed(&self->reads, false);
    if (r < 0) {
        let_in(rwlock, settle(rwlock));
        return r;
    }
    return waiter.node.result;
}

static inline bool take_free(weft_rwlock *rwlock, struct weft__task *self, bool reads,
                             const char *place)
{
    weft__outer_enter(); /* as in sync/lock.h */
    bool taken = reads ? add_unless(&rwlock->_word, READER, FLAGS, __ATOMIC_ACQUIRE)
                       : add_unless(&rwlock->_word, WRITER, ~0u, __ATOMIC_ACQUIRE);
    if (likely(taken))
        own(rwlock, self, reads, place);
    weft__outer_leave();
    return taken;
}

static inline int acquire(weft_rwlock *rwlock, bool reads, weft_deadline deadline, const char *place)
{
    struct weft__task *self;
    int r = weft__wait_enter(&self);
    if (unlikely(r < 0))
        return r;
    weft__point("acquire");
    if (unlikely(rwlock->_flags & WEFT_SHARED))
        return weft__shared_rwlock_take(rwlock, self, reads, deadline, place);
    if (likely(take_free(rwlock, self, reads, place)))
        return 0;
    return acquire_slowly(rwlock, self, reads, deadline, place);
}

int weft_rwlock_acquire_read_at(weft_rwlock *rwlock, weft_deadline deadline, const char *place)
{
    return acquire(rwlock, true, deadline, place);
}

int weft_rwlock_acquire_write_at(weft_rwlock *rwlock, weft_deadline deadline, const char *place)
{
    return acquire(rwlock, false, deadline, place);
}

static inline void reader_leaves(weft_rwlock *rwlock)
{
    uint32_t busy = WEFT__SPIN | WAITERS;
    if (unlikely(!add_unless(&rwlock->_word, -(uint32_t)READER, busy, __ATOMIC_RELEASE)))
        let_in(rwlock, settle(rwlock) - READER);
}

static inline void writer_leaves(weft_rwlock *rwlock, uint32_t lost)
{
    store_relaxed(&rwlock->_owner, (struct weft__task *)NULL);
    uint32_t busy = WEFT__SPIN | WAITERS;
    if (lost || unlikely(!add_unless(&rwlock->_word, -(uint32_t)WRITER, busy, __ATOMIC_RELEASE))) {
        (void)settle(rwlock);
        let_in(rwlock, lost);
    }
}

static inline int release(weft_rwlock *rwlock, enum weft__robust_end unrepaired)
{
    struct weft__task *self = weft__current;
    int r = 0;
    if (unlikely(!self))
        return -EPERM;
    weft__outer_enter();
    if (unlikely(rwlock->_flags & WEFT_SHARED)) {
        r = weft__shared_rwlock_let_go(rwlock, self, unrepaired);
    } else if (load_relaxed(&rwlock->_owner) == self) {
        weft__unhold(self, rwlock, WEFT__HOLDS_WRITE);
        writer_leaves(rwlock, 0);
    } else if (likely(weft__unhold(self, rwlock, WEFT__HOLDS_READ))) {
        reader_leaves(rwlock);
    } else {
        r = -EPERM;
    }
    weft__outer_leave();
    if (likely(r == 0))
        weft__point("release");
    return r;
}

int weft_rwlock_release(weft_rwlock *rwlock)
{
    return release(rwlock, WEFT__ROBUST_GONE);
}

int weft_rwlock_repaired(weft_rwlock *rwlock)
{
    if (!weft_rwlock_is_writer(rwlock))
        return -EPERM;
    if (rwlock->_flags & WEFT_SHARED)
        weft__shared_rwlock_repaired(rwlock);
    return 0;
}

static inline void enter(weft_rwlock *rwlock, bool reads, const char *place)
{
    struct weft__task *self = weft__self();
    WEFT_BUG_ON(!self, "weft_rwlock_enter: no memory for the thread's record");
    weft__point("enter");
    bool shared = rwlock->_flags & WEFT_SHARED;
    if (likely(!shared && take_free(rwlock, self, reads, place)))
        return;
    struct weft__calm calm = weft__calm_begin(self);
    int r = shared ? weft__shared_rwlock_take(rwlock, self, reads, weft_never(), place)
                   : acquire_slowly(rwlock, self, reads, weft_never(), place);
    weft__calm_end(self, calm);
    WEFT_BUG_ON(r < 0, "'%s' enters rwlock %p to %s, %s", weft__caller_name(), (void *)rwlock,
                reads ? "read" : "write", weft__no_entry(r));
}

void weft_rwlock_enter_read_at(weft_rwlock *rwlock, const char *place)
{
    enter(rwlock, true, place);
}

void weft_rwlock_enter_write_at(weft_rwlock *rwlock, const char *place)
{
    enter(rwlock, false, place);
}

void weft_rwlock_leave(weft_rwlock *rwlock)
{
    int r = release(rwlock, WEFT__ROBUST_MARKED);
    WEFT_BUG_ON(r < 0, "'%s' leaves rwlock %p, which it does not hold", weft__caller_name(),
                (void *)rwlock);
}

bool weft_rwlock_is_reader(const weft_rwlock *rwlock)
{
    return weft__current && weft__holds(weft__current, rwlock, WEFT__HOLDS_READ);
}

bool weft_rwlock_is_writer(const weft_rwlock *rwlock)
{
    return weft__current &&
           (rwlock->_flags & WEFT_SHARED ? weft__shared_writer_is(rwlock, weft__current)
                                         : load_relaxed(&rwlock->_owner) == weft__current);
}

static bool is_used(weft_rwlock *rwlock)
{
    if (rwlock->_flags & WEFT_SHARED)
        return weft__shared_rwlock_is_used(rwlock);
    return load_relaxed(&rwlock->_word) & ~(uint32_t)(LOST | WAITERS) ||
           weft__is_waited_for(&rwlock->_word, queue(rwlock));
}

void weft_rwlock_fini(weft_rwlock *rwlock)
{
    WEFT_BUG_ON(is_used(rwlock), "rwlock %p is torn down while it is held or waited for",
                (void *)rwlock);
    if (rwlock->_flags & WEFT_SHARED)
        weft__shared_rwlock_fini(rwlock);
    *rwlock = (weft_rwlock){ 0 };
}

void weft__writer_ended(void *object)
{
    weft_rwlock *rwlock = object;
    if (rwlock->_flags & WEFT_SHARED)
        weft__shared_writer_ended(rwlock);
    else
        writer_leaves(rwlock, LOST);
}

void weft__reader_ended(void *object)
{
    weft_rwlock *rwlock = object;
    if (rwlock->_flags & WEFT_SHARED)
        weft__shared_reader_ended(rwlock);
    else
        reader_leaves(rwlock);
}

void weft__writer_lost(void *object)
{
    weft_rwlock *rwlock = object;
    if (rwlock->_flags & WEFT_SHARED) /* it is the parent's */
        return;
    rwlock->_owner = NULL;
    store_relaxed(&rwlock->_word, LOST);
}

void weft__reader_lost(void *object)
{
    weft_rwlock *rwlock = object;
    if (!(rwlock->_flags & WEFT_SHARED))
        store_relaxed(&rwlock->_word, load_relaxed(&rwlock->_word) - READER);
}
