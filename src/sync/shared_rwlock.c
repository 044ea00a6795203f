/* shared_rwlock.c - many readers or one writer, among processes.
 *
 * Readers stand in cells, and come in through a gate, the robust lock that the object begins with. A writer
 * keeps the gate: it waits behind it until the readers have left, so those who come later stand behind it.
 * A task that reads already does not pass the gate. `writing` says whether a gate whose owner died had more
 * behind it than a passing reader.
 */
#include "sync/hold.h"
#include "sync/shared.h"

enum { UNREPAIRED = 2 }; /* writing: 0, 1, or 2 after one who did not end it */

struct shared {
    struct weft__robust gate; /* mine[0]: the writing task */
    uint32_t left;            /* moves when readers leave */
    uint32_t writing;
    weft__cells readers;
};

_Static_assert(sizeof(struct shared) <= sizeof(weft_rwlock), "the shared form fits");

static struct shared *of(const weft_rwlock *rwlock)
{
    return (struct shared *)(uintptr_t)rwlock;
}

int weft__shared_rwlock_init(weft_rwlock *rwlock)
{
    return weft__cells_begin(&of(rwlock)->readers);
}

bool weft__shared_writer_is(const weft_rwlock *rwlock, const struct weft__task *self)
{
    const struct shared *s = of(rwlock);
    return load_relaxed(&s->gate.mine[0]) == (uintptr_t)self && weft__robust_is_mine(&s->gate);
}

/* With the gate held. */
static int until_readers_left(struct shared *s, weft_deadline deadline)
{
    int r = 0;
    if (likely(weft__cells_count(&s->readers) == 0))
        return 0;
    while (r == 0) {
        uint32_t epoch = weft__death_epoch();
        if (weft__cells_sum(&s->readers, NULL) == 0)
            return 0;
        uint32_t seen = weft__word_watched(&s->left);
        if (weft__cells_sum(&s->readers, NULL) == 0)
            return 0;
        if (deadline.ns == 0)
            return -ETIMEDOUT;
        deadline = weft__deadline_fix(deadline);
        r = weft__watch_wait(&s->left, seen, epoch, deadline, "rwlock (write)", s);
    }
    return r;
}

static int begin_write(struct shared *s, weft_deadline deadline)
{
    int r = until_readers_left(s, deadline);
    if (r < 0) {
        weft__shared_drop(s, WEFT__ROBUST_WHOLE);
        return r;
    }
    bool lost = load_relaxed(&s->writing);
    shared_store(&s->writing, lost ? UNREPAIRED : 1u);
    return lost ? WEFT_RECOVERED : 0;
}

/* A member of the tree that reads already is let in past the gate. */
static int begin_read(struct shared *s, bool again)
{
    int r = weft__cells_add(&s->readers, 1);
    if (r == 0 && load_relaxed(&s->writing))
        r = WEFT_RECOVERED;
    if (!again)
        weft__shared_drop(s, WEFT__ROBUST_WHOLE);
    return r;
}

int weft__shared_rwlock_take(weft_rwlock *rwlock, struct weft__task *self, bool reads,
                             weft_deadline deadline, const char *place)
{
    struct shared *s = of(rwlock);
    bool again = weft__holds(self, rwlock, WEFT__HOLDS_READ) != NULL;
    if (again && !reads)
        return -EDEADLK;
    deadline = deadline.ns ? weft__deadline_fix(deadline) : deadline;
    int r = again ? 0
                  : weft__shared_take(s, self, deadline, reads ? "rwlock (read)" : "rwlock (write)",
                                      place);
    if (r >= 0)
        r = reads ? begin_read(s, again) : begin_write(s, deadline);
    if (r >= 0)
        weft__hold(self, rwlock, reads ? WEFT__HOLDS_READ : WEFT__HOLDS_WRITE, place);
    return r;
}

void weft__shared_reader_ended(weft_rwlock *rwlock)
{
    struct shared *s = of(rwlock);
    if (weft__cells_sub(&s->readers, 1)) /* and not its parent's, in a fork's child */
        weft__word_move(&s->left, INT32_MAX);
}

/* `writing` stays as it is. */
void weft__shared_writer_ended(weft_rwlock *rwlock)
{
    struct shared *s = of(rwlock);
    if (weft__robust_is_mine(&s->gate))
        weft__shared_drop(s, WEFT__ROBUST_WHOLE);
}

int weft__shared_rwlock_let_go(weft_rwlock *rwlock, struct weft__task *self,
                               enum weft__robust_end unrepaired)
{
    struct shared *s = of(rwlock);
    if (weft__shared_writer_is(rwlock, self)) {
        bool lost = load_relaxed(&s->writing) == UNREPAIRED;
        weft__unhold(self, rwlock, WEFT__HOLDS_WRITE);
        if (!lost)
            shared_store(&s->writing, 0);
        weft__shared_drop(s, lost && unrepaired == WEFT__ROBUST_GONE ? unrepaired
                                                                     : WEFT__ROBUST_WHOLE);
    } else if (weft__unhold(self, rwlock, WEFT__HOLDS_READ)) {
        weft__shared_reader_ended(rwlock);
    } else {
        return -EPERM;
    }
    return 0;
}

void weft__shared_rwlock_repaired(weft_rwlock *rwlock)
{
    shared_store(&of(rwlock)->writing, 1);
}

bool weft__shared_rwlock_is_used(const weft_rwlock *rwlock)
{
    struct shared *s = of(rwlock);
    uint32_t owner = load_relaxed(&s->gate.word) & FUTEX_TID_MASK;
    return (owner && owner != WEFT__LOCK_GONE) || weft__cells_sum(&s->readers, NULL);
}

void weft__shared_rwlock_fini(weft_rwlock *rwlock)
{
    weft__cells_free(&of(rwlock)->readers);
}
