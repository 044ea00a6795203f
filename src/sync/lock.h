/* sync/lock.h - the short ways into and out of a lock, which rlock and cond share. */
#ifndef WEFT_SYNC_LOCK_H
#define WEFT_SYNC_LOCK_H

#include <weft/lock.h>

#include "sync/hold.h"
#include "sync/shared.h"
#include "sync/sync.h"

enum {
    WEFT__HELD = 2,
    WEFT__WAITERS = 4,
    WEFT__LOST = 8
}; /* LOST: its owner ended; tell the next */

int weft__lock_take_slowly(weft_lock *lock, struct weft__task *self, weft_deadline deadline,
                           const char *reason, const char *place);
void weft__lock_hand_over(weft_lock *lock, uint32_t lost);

static inline void weft__lock_own(weft_lock *lock, struct weft__task *self, const char *place)
{
    store_relaxed(&lock->_owner, self);
    weft__hold(self, lock, (enum weft__hold_sort)lock->_sort, place);
}

static inline bool weft__word_swap(uint32_t *word, uint32_t from, uint32_t to, bool solo, int order)
{
    if (!solo)
        return __atomic_compare_exchange_n(word, &from, to, false, order, __ATOMIC_RELAXED);
    bool same = load_relaxed(word) == from;
    if (same)
        store_relaxed(word, to);
    return same;
}

/* Word and record change in one section, so that a fork finds both or neither. place: of the caller's
 * call, for reports. */
static inline bool weft__lock_take_free(weft_lock *lock, struct weft__task *self, const char *place)
{
    bool solo = weft__solo_enter();
    if (!solo)
        weft__section_enter();
    bool taken = weft__word_swap(&lock->_word, 0, WEFT__HELD, solo, __ATOMIC_ACQUIRE);
    if (likely(taken))
        weft__lock_own(lock, self, place);
    if (solo)
        weft__solo_leave();
    else
        weft__section_leave();
    return taken;
}

static inline bool weft__lock_is_mine(const weft_lock *lock, const struct weft__task *self)
{
    return load_relaxed(&lock->_owner) == self &&
           likely(!(lock->_flags & WEFT_SHARED) || weft__robust_is_mine(weft__robust_of(lock)));
}

static inline int weft__lock_take(weft_lock *lock, struct weft__task *self, weft_deadline deadline,
                                  const char *reason, const char *place)
{
    if (unlikely(lock->_flags & WEFT_SHARED))
        return weft__shared_lock_take(lock, self, deadline, reason, place);
    if (likely(weft__lock_take_free(lock, self, place)))
        return 0;
    return weft__lock_take_slowly(lock, self, deadline, reason, place);
}

/* By its owner. unrepaired: what becomes of a shared one that is marked still. */
static inline void weft__lock_let_go(weft_lock *lock, struct weft__task *self,
                                     enum weft__robust_end unrepaired)
{
    if (unlikely(lock->_flags & WEFT_SHARED)) {
        weft__shared_lock_let_go(lock, self, unrepaired);
        return;
    }
    bool solo = weft__solo_enter();
    if (!solo)
        weft__section_enter();
    weft__unhold(self, lock, (enum weft__hold_sort)lock->_sort);
    store_relaxed(&lock->_owner, (struct weft__task *)NULL);
    if (unlikely(!weft__word_swap(&lock->_word, WEFT__HELD, 0, solo, __ATOMIC_RELEASE))) {
        weft__outer_enter(); /* has another in it */
        weft__lock_hand_over(lock, 0);
        weft__outer_leave();
    }
    if (solo)
        weft__solo_leave();
    else
        weft__section_leave();
}

/* For fini. */
static inline bool weft__lock_is_used(const weft_lock *lock)
{
    uint32_t word = load_relaxed(&lock->_word), owner = word & FUTEX_TID_MASK;
    return lock->_flags & WEFT_SHARED ? owner && owner != WEFT__LOCK_GONE
                                      : word & (WEFT__HELD | WEFT__WAITERS);
}

#endif
