/* shared_lock.c - robust locks that are waited for: lock and rlock, and what stands on one. */
#include "shared/arena.h"
#include "shared/range.h"
#include "sync/lock.h"
#include "sync/shared.h"

int weft__object_check(const void *object, size_t size, unsigned flags, unsigned known)
{
    bool shared = flags & WEFT_SHARED;
    if (flags & ~(known | WEFT_SHARED))
        return -EINVAL;
    if (weft__is_shared(object, size) != shared)
        return weft__failed(
            -EINVAL, shared ? "an object with WEFT_SHARED must lie in the arena or in a segment"
                            : "an object that lies in shared memory must be made with WEFT_SHARED");
    return shared ? weft__robust_check() : 0;
}

int (*weft__waits_long)(const struct weft__robust *lock, struct weft__task *self,
                        const char *reason, const char *place, struct weft__note **note);
void (*weft__waits_no_more)(struct weft__note *note);

enum {
    LONG = 100 * WEFT_MS, /* then it looks whether it waits in a circle */
    LOOKS = 30            /* about a microsecond */
};

struct waiter {
    struct weft__task *self; /* NULL: nobody in particular, who waits for moments only */
    const char *reason, *place;
};

static bool is_endless(const struct weft__robust *lock, const struct waiter *w,
                       weft_deadline deadline)
{
    return w->self && deadline.ns == INT64_MAX && w->self->bound == INT64_MAX && weft__waits_long &&
           !weft__rt.seeded && weft__arena_has(lock, sizeof *lock);
}

static cold int take_slowly(struct weft__robust *lock, const struct waiter *w,
                            weft_deadline deadline)
{
    bool slept = false;
    struct weft__note *note = NULL;
    int r;
    deadline = weft__deadline_fix(deadline);
    bool looks = is_endless(lock, w, deadline);
    weft_deadline first = { looks ? weft__now() + LONG : deadline.ns };
    for (;;) {
        uint32_t seen, epoch = weft__death_epoch();
        r = deadline.ns ? weft__robust_take(lock, slept, &seen) : -ETIMEDOUT;
        if (r != -EAGAIN)
            break;
        r = weft__watch_wait(&lock->word, seen, epoch, looks ? first : deadline, w->reason, lock);
        if (looks && r == -ETIMEDOUT) {
            looks = false;
            r = weft__waits_long(lock, w->self, w->reason, w->place, &note);
        }
        if (r < 0) {
            weft__robust_pass(lock);
            break;
        }
        slept = true;
    }
    if (note)
        weft__waits_no_more(note);
    return r;
}

/* An owner that runs lets go soon, mostly: to sleep takes longer than to look for a while. */
static int take_soon(struct weft__robust *lock, weft_deadline deadline)
{
    int r = weft__robust_take(lock, false, NULL);
    for (int i = 0; r == -EAGAIN && deadline.ns && i < LOOKS; i++) {
        cpu_relax();
        if (!(load_relaxed(&lock->word) & FUTEX_TID_MASK))
            r = weft__robust_take(lock, false, NULL);
    }
    return r;
}

static cold int take_held(struct weft__robust *lock, const struct waiter *w, weft_deadline deadline)
{
    if (weft__robust_is_mine(lock)) /* or another task's of this thread, which does not run */
        return load_relaxed(&lock->mine[0]) == (uintptr_t)w->self ? -EDEADLK
                                                                  : take_slowly(lock, w, deadline);
    int r = take_soon(lock, deadline);
    return r == -EAGAIN ? take_slowly(lock, w, deadline) : r;
}

int weft__shared_gate(void *object, weft_deadline deadline, const char *reason)
{
    int r = weft__robust_take(object, false, NULL);
    return likely(r != -EAGAIN)
               ? r
               : take_slowly(object, &(struct waiter){ .reason = reason }, deadline);
}

static always_inline int take(void *object, struct weft__task *self, weft_deadline deadline,
                              const char *reason, const char *place)
{
    struct weft__robust *lock = object;
    int r = likely(weft__robust_take_free(lock))
                ? 0
                : take_held(lock, &(struct waiter){ self, reason, place }, deadline);
    if (likely(r >= 0))
        store_relaxed(&lock->mine[0], (uintptr_t)self);
    return r;
}

int weft__shared_take(void *object, struct weft__task *self, weft_deadline deadline,
                      const char *reason, const char *place)
{
    return take(object, self, deadline, reason, place);
}

static always_inline int lock_take(weft_lock *lock, struct weft__task *self, weft_deadline deadline,
                                   const char *reason, const char *place)
{
    int r = take(lock, self, deadline, reason, place);
    if (unlikely(r == WEFT_RECOVERED))
        shared_store(&lock->_depth, 0);
    if (likely(r >= 0))
        weft__hold(self, lock, (enum weft__hold_sort)lock->_sort, place);
    return r;
}

int weft__shared_lock_take(weft_lock *lock, struct weft__task *self, weft_deadline deadline,
                           const char *reason, const char *place)
{
    return lock_take(lock, self, deadline, reason, place);
}

static always_inline void let_go(weft_lock *lock, struct weft__task *self,
                                 enum weft__robust_end unrepaired)
{
    struct weft__robust *robust = weft__robust_of(lock);
    weft__unhold(self, lock, (enum weft__hold_sort)lock->_sort);
    weft__shared_drop(robust,
                      unlikely(weft__robust_is_marked(robust)) ? unrepaired : WEFT__ROBUST_WHOLE);
}

void weft__shared_lock_let_go(weft_lock *lock, struct weft__task *self,
                              enum weft__robust_end unrepaired)
{
    let_go(lock, self, unrepaired);
}

int weft__shared_lock_acquire(weft_lock *lock, weft_deadline deadline, const char *place)
{
    struct weft__task *self;
    int r = weft__wait_enter(&self);
    if (unlikely(r < 0))
        return r;
    weft__point("acquire");
    return lock_take(lock, self, deadline, "lock", place);
}

int weft__shared_lock_release(weft_lock *lock, enum weft__robust_end unrepaired)
{
    struct weft__task *self = weft__current;
    if (unlikely(!self || load_relaxed(&lock->_owner) != self ||
                 !weft__robust_is_mine(weft__robust_of(lock))))
        return -EPERM;
    let_go(lock, self, unrepaired);
    weft__point("release");
    return 0;
}

/* -- in a select -------------------------------------------------------------------------------------- */

static int attempt(struct weft_case *c)
{
    return weft__shared_lock_take(c->_on, weft__current, weft_at_once(), "lock", c->_value);
}

static const uint32_t *look(struct weft_case *c, uint32_t *seen)
{
    weft_lock *lock = c->_on;
    uint32_t word = load_seq_cst(&lock->_word), owner;
    do {
        owner = word & FUTEX_TID_MASK;
        if (owner == 0 || owner == WEFT__LOCK_GONE || weft__lock_is_mine(lock, weft__current))
            return NULL;
        *seen = word | FUTEX_WAITERS;
    } while (!(word & FUTEX_WAITERS) && !shared_swap(&lock->_word, &word, *seen));
    return &lock->_word;
}

static void pass(struct weft_case *c)
{
    weft__robust_pass(weft__robust_of(c->_on));
}

struct weft_case weft__shared_lock_case(weft_lock *lock, const char *place)
{
    static const struct weft__case_ops ops = { .name = "lock",
                                               .attempt = attempt,
                                               .blocked = weft__case_blocked,
                                               .taken = attempt,
                                               .look = look,
                                               .pass = pass };
    return weft__shared_case(&ops, lock, place);
}

/* -- once: whoever runs the function holds the lock. The result and its mark are one word. -------------- */

static uint64_t *outcome(weft_once *once)
{
    return &weft__robust_of(once)->mine[1];
}

#define DONE (1ull << 32) /* above the result */

bool weft__shared_once_is_done(const weft_once *once)
{
    return load_acquire(&weft__robust_of(once)->mine[1]) & DONE;
}

int weft__shared_once_run(weft_once *once, struct weft__task *self, weft_fn *fn, void *arg,
                          weft_deadline deadline, const char *place)
{
    int r = weft__shared_take(once, self, deadline, "once", place);
    if (r < 0)
        return r;
    if (weft__shared_once_is_done(once)) {
        r = once->_result;
    } else {
        weft__hold(self, once, WEFT__HOLDS_ONCE, place);
        r = fn(arg);
        weft__unhold(self, once, WEFT__HOLDS_ONCE);
        if (r >= 0)
            shared_store(outcome(once), DONE | (uint32_t)r);
    }
    weft__shared_drop(once, WEFT__ROBUST_WHOLE);
    return r;
}
