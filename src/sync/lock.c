/* lock.c - mutual exclusion.
 *
 * Two locked instructions when nobody waits: 0 -> HELD and back. With waiters the WAITERS bit makes
 * both fail into the slow path, under the spin bit; a release then hands the lock to the first waiter,
 * which wakes up holding it. The owner keeps a list of the locks it holds, so that its end, or a fork
 * that loses it, can give them on.
 */
#include <weft/lock.h>

#include "sched/case.h"
#include "sync/sync.h"

enum { HELD = 2, WAITERS = 4, LOST = 8 }; /* LOST: its owner ended; the next one is told */

static struct weft__wait_queue queue(weft_lock *lock)
{
    return WEFT__WAIT_QUEUE(&lock->_first, &lock->_last);
}

int weft_lock_init(weft_lock *lock, unsigned flags)
{
    int r = weft__object_flags(flags);
    if (r == 0)
        *lock = (weft_lock){ ._flags = flags };
    return r;
}

static inline void own(weft_lock *lock, struct weft__task *self, const void *place)
{
    store_relaxed(&lock->_owner, self);
    lock->_place = place;
    lock->_next_held = self->held;
    self->held = lock;
}

static inline void disown(weft_lock *lock, struct weft__task *self)
{
    weft_lock **at = &self->held;
    while (unlikely(*at != lock))
        at = &(*at)->_next_held;
    *at = lock->_next_held;
    store_relaxed(&lock->_owner, (struct weft__task *)NULL);
}

static inline bool take_free(weft_lock *lock)
{
    uint32_t none = 0;
    if (weft__solo_enter()) {
        bool free = load_relaxed(&lock->_word) == 0;
        if (free)
            store_relaxed(&lock->_word, HELD);
        weft__solo_leave();
        return free;
    }
    return __atomic_compare_exchange_n(&lock->_word, &none, HELD, false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

/* Not free, or a race: decide under the spin bit. */
static cold int acquire_slowly(weft_lock *lock, struct weft__task *self, weft_deadline deadline,
                               const void *place)
{
    weft__word_lock(&lock->_word);
    uint32_t word = load_relaxed(&lock->_word);
    if (!(word & HELD)) {
        weft__word_unlock_to(&lock->_word, HELD | (lock->_first ? WAITERS : 0u));
        own(lock, self, place);
        return word & LOST ? WEFT_RECOVERED : 0;
    }
    if (load_relaxed(&lock->_owner) == self) {
        weft__word_unlock(&lock->_word);
        return -EDEADLK;
    }
    struct weft__wait_node node;
    store_relaxed(&lock->_word, word | WAITERS);
    int r = weft__wait_for(&lock->_word, queue(lock), &node, self, load_relaxed(&lock->_owner),
                           deadline, "lock", lock);
    if (r < 0)
        return r;
    own(lock, self, place);
    return node.result;
}

int weft_lock_acquire(weft_lock *lock, weft_deadline deadline)
{
    struct weft__task *self;
    int r = weft__wait_enter(&self);
    if (unlikely(r < 0))
        return r;
    weft__point("acquire");
    if (likely(take_free(lock))) {
        own(lock, self, __builtin_return_address(0));
        return 0;
    }
    return acquire_slowly(lock, self, deadline, __builtin_return_address(0));
}

static int attempt(struct weft_case *c)
{
    weft__point("acquire");
    return acquire_slowly(c->_on, weft__current, weft_at_once(), c->_value);
}

static bool blocked(struct weft_case *c, struct weft__task *self)
{
    weft_lock *lock = c->_on;
    uint32_t word = load_relaxed(&lock->_word);
    if (!(word & HELD) || load_relaxed(&lock->_owner) == self)
        return false;
    store_relaxed(&lock->_word, word | WAITERS);
    return true;
}

static int taken(struct weft_case *c)
{
    own(c->_on, weft__current, c->_value);
    return weft__case_node(c)->result;
}

struct weft_case weft_on_lock(weft_lock *lock)
{
    static const struct weft__case_ops ops = { .attempt = attempt,
                                               .blocked = blocked,
                                               .taken = taken };
    void *place = __builtin_return_address(0); /* where it was taken */
    return lock ? weft__case(&ops, lock, place, 0, &lock->_word, queue(lock))
                : (struct weft_case){ 0 };
}

static void hand_over(weft_lock *lock, uint32_t lost)
{
    weft__word_lock(&lock->_word);
    struct weft__wait_node *node = weft__claim_first(queue(lock));
    if (!node) {
        weft__word_unlock_to(&lock->_word, lost);
        return;
    }
    struct weft__task *next = node->task;
    node->result = lost ? WEFT_RECOVERED : 0;
    store_relaxed(&lock->_owner, next);
    weft__word_unlock_to(&lock->_word, HELD | (lock->_first ? WAITERS : 0u));
    weft__ready(next);
}

void weft__lock_let_go(weft_lock *lock, struct weft__task *self)
{
    disown(lock, self);
    uint32_t held = HELD;
    if (weft__solo_enter()) {
        bool alone = load_relaxed(&lock->_word) == HELD;
        if (alone)
            store_relaxed(&lock->_word, 0);
        weft__solo_leave();
        if (unlikely(!alone))
            hand_over(lock, 0);
        return;
    }
    if (unlikely(!__atomic_compare_exchange_n(&lock->_word, &held, 0, false, __ATOMIC_RELEASE,
                                              __ATOMIC_RELAXED)))
        hand_over(lock, 0);
}

int weft_lock_release(weft_lock *lock)
{
    struct weft__task *self = weft__current;
    if (unlikely(!self || load_relaxed(&lock->_owner) != self))
        return -EPERM;
    weft__lock_let_go(lock, self);
    weft__point("release");
    return 0;
}

void weft_lock_enter(weft_lock *lock)
{
    struct weft__task *self = weft__self();
    WEFT_BUG_ON(!self, "weft_lock_enter: no memory for the thread's record");
    weft__point("enter");
    if (likely(take_free(lock))) {
        own(lock, self, __builtin_return_address(0));
        return;
    }
    struct weft__calm calm = weft__calm_begin(self);
    int r = acquire_slowly(lock, self, weft_never(), __builtin_return_address(0));
    weft__calm_end(self, calm);
    WEFT_BUG_ON(r == -EDEADLK, "'%s' enters lock %p, which it holds already", weft__task_name(self),
                (void *)lock);
}

void weft_lock_leave(weft_lock *lock)
{
    int r = weft_lock_release(lock);
    WEFT_BUG_ON(r < 0, "'%s' leaves lock %p, which it does not hold",
                weft__current ? weft__task_name(weft__current) : "thread", (void *)lock);
}

bool weft_lock_is_held(const weft_lock *lock)
{
    return weft__current && load_relaxed(&lock->_owner) == weft__current;
}

void weft_lock_fini(weft_lock *lock)
{
    WEFT_BUG_ON(load_relaxed(&lock->_word) & (HELD | WAITERS),
                "lock %p is torn down while it is held or waited for", (void *)lock);
    *lock = (weft_lock){ 0 };
}

void weft__lock_abandon_all(struct weft__task *task, weft_lock *before)
{
    weft_lock *lock = task->held;
    while (lock && lock != before)
        lock = lock->_next_held;
    if (lock != before) /* let go by the call that has ended: nothing tells what else is its own */
        return;
    while ((lock = task->held) != before) {
        weft__report("weft: '%s' ended while holding lock %p; the next owner is told\n",
                     weft__task_name(task), (void *)lock);
        disown(lock, task);
        hand_over(lock, LOST);
    }
}

/* In the child of a fork: its owner is not here, nor is anyone who waited. */
void weft__lock_lose_all(struct weft__task *task)
{
    for (weft_lock *lock = task->held, *next; lock; lock = next) {
        next = lock->_next_held;
        lock->_owner = NULL;
        lock->_first = lock->_last = NULL;
        store_relaxed(&lock->_word, LOST);
    }
    task->held = NULL;
}
