/* lock.c - mutual exclusion.
 *
 * Two locked instructions when nobody waits: 0 -> HELD and back. With waiters the WAITERS bit makes
 * both fail into the slow path, under the spin bit; a release then hands the lock to the first waiter,
 * which wakes up holding it.
 */
#include "sched/case.h"
#include "sync/lock.h"

static struct weft__wait_queue queue(weft_lock *lock)
{
    return WEFT__WAIT_QUEUE(&lock->_first, &lock->_last);
}

int weft_lock_init(weft_lock *lock, unsigned flags)
{
    int r = weft__object_flags(lock, flags, 0);
    if (r == 0)
        *lock = (weft_lock){ ._flags = flags };
    return r;
}

/* Not free, or a race: decide under the spin bit. */
cold int weft__lock_take_slowly(weft_lock *lock, struct weft__task *self, weft_deadline deadline,
                                const char *reason, const char *place)
{
    weft__word_lock(&lock->_word);
    uint32_t word = load_relaxed(&lock->_word);
    if (!(word & WEFT__HELD)) {
        weft__lock_own(lock, self, place);
        weft__word_unlock_to(&lock->_word, WEFT__HELD | (lock->_first ? WEFT__WAITERS : 0u));
        return word & WEFT__LOST ? WEFT_RECOVERED : 0;
    }
    if (load_relaxed(&lock->_owner) == self) {
        weft__word_unlock(&lock->_word);
        return -EDEADLK;
    }
    struct weft__wait_node node = { .value = (void *)(uintptr_t)place };
    store_relaxed(&lock->_word, word | WEFT__WAITERS);
    int r = weft__wait_for(&lock->_word, queue(lock), &node, self, load_relaxed(&lock->_owner),
                           deadline, reason, lock);
    return r < 0 ? r : node.result;
}

int weft_lock_acquire_at(weft_lock *lock, weft_deadline deadline, const char *place)
{
    struct weft__task *self;
    if (unlikely(lock->_flags & WEFT_SHARED))
        return weft__shared_lock_acquire(lock, deadline, place);
    int r = weft__wait_enter(&self);
    if (unlikely(r < 0))
        return r;
    weft__point("acquire");
    return weft__lock_take(lock, self, deadline, "lock", place);
}

static int attempt(struct weft_case *c)
{
    weft__point("acquire");
    return weft__lock_take_slowly(c->_on, weft__current, weft_at_once(), "lock", c->_value);
}

static bool blocked(struct weft_case *c, struct weft__task *self)
{
    weft_lock *lock = c->_on;
    uint32_t word = load_relaxed(&lock->_word);
    if (!(word & WEFT__HELD) || load_relaxed(&lock->_owner) == self)
        return false;
    store_relaxed(&lock->_word, word | WEFT__WAITERS);
    return true;
}

struct weft_case weft_on_lock_at(weft_lock *lock, const char *place)
{
    static const struct weft__case_ops ops = { .name = "lock",
                                               .attempt = attempt,
                                               .blocked = blocked };
    if (lock && lock->_flags & WEFT_SHARED)
        return weft__shared_lock_case(lock, place);
    return lock ? weft__case(&ops, lock, (void *)(uintptr_t)place, 0, &lock->_word, queue(lock))
                : (struct weft_case){ 0 };
}

/* The next one holds it before it runs: a fork in between finds it so. */
void weft__lock_hand_over(weft_lock *lock, uint32_t lost)
{
    weft__word_lock(&lock->_word);
    struct weft__wait_node *node = weft__claim_first(queue(lock));
    if (!node) {
        weft__word_unlock_to(&lock->_word, lost);
        return;
    }
    struct weft__task *next = node->task;
    node->result = lost ? WEFT_RECOVERED : 0;
    weft__lock_own(lock, next, node->value);
    weft__word_unlock_to(&lock->_word, WEFT__HELD | (lock->_first ? WEFT__WAITERS : 0u));
    weft__ready(next);
}

static inline int release(weft_lock *lock, enum weft__robust_end unrepaired)
{
    struct weft__task *self = weft__current;
    if (unlikely(lock->_flags & WEFT_SHARED))
        return weft__shared_lock_release(lock, unrepaired);
    if (unlikely(!self || !weft__lock_is_mine(lock, self)))
        return -EPERM;
    weft__lock_let_go(lock, self, unrepaired);
    weft__point("release");
    return 0;
}

int weft_lock_release(weft_lock *lock)
{
    return release(lock, WEFT__ROBUST_GONE);
}

int weft_lock_repaired(weft_lock *lock)
{
    if (!weft_lock_is_held(lock))
        return -EPERM;
    if (lock->_flags & WEFT_SHARED)
        weft__robust_repaired(weft__robust_of(lock));
    return 0;
}

void weft_lock_enter_at(weft_lock *lock, const char *place)
{
    struct weft__task *self = weft__self();
    WEFT_BUG_ON(!self, "weft_lock_enter: no memory for the thread's record");
    weft__point("enter");
    if (likely(!(lock->_flags & WEFT_SHARED) && weft__lock_take_free(lock, self, place)))
        return;
    struct weft__calm calm = weft__calm_begin(self);
    int r = weft__lock_take(lock, self, weft_never(), "lock", place);
    weft__calm_end(self, calm);
    WEFT_BUG_ON(r < 0, "'%s' enters lock %p, %s", weft__caller_name(), (void *)lock,
                weft__no_entry(r));
}

void weft_lock_leave(weft_lock *lock)
{
    int r = release(lock, WEFT__ROBUST_MARKED);
    WEFT_BUG_ON(r < 0, "'%s' leaves lock %p, which it does not hold", weft__caller_name(),
                (void *)lock);
}

bool weft_lock_is_held(const weft_lock *lock)
{
    return weft__current && weft__lock_is_mine(lock, weft__current);
}

void weft_lock_fini(weft_lock *lock)
{
    WEFT_BUG_ON(weft__lock_is_used(lock), "lock %p is torn down while it is held or waited for",
                (void *)lock);
    *lock = (weft_lock){ 0 };
}

void weft__lock_ended(void *object)
{
    weft_lock *lock = object;
    if (lock->_flags & WEFT_SHARED) {
        if (weft__robust_is_mine(weft__robust_of(lock))) /* and not its parent's, in a fork's child */
            weft__shared_drop(lock, WEFT__ROBUST_MARKED);
        return;
    }
    lock->_depth = 0;
    store_relaxed(&lock->_owner, (struct weft__task *)NULL);
    weft__lock_hand_over(lock, WEFT__LOST);
}

/* Those who waited are dead nodes in the queue. */
void weft__lock_lost(void *object)
{
    weft_lock *lock = object;
    if (lock->_flags & WEFT_SHARED) /* it is the parent's */
        return;
    lock->_depth = 0;
    lock->_owner = NULL;
    store_relaxed(&lock->_word, WEFT__LOST);
}
