/* shared_barrier.c - n tasks of any processes meet.
 *
 * One 64-bit word is the state, its lower half what is slept on: broken 1, and the number of the round, which
 * moves when a round ends; above it how the last rounds ended, for those who have not woken yet; above that
 * how many wait. Who is inside stands in the cells before it is counted, so that a process that dies in there
 * is found by those who wait, and breaks the round. All parties counted: nobody can break it any more, but by
 * dying, until the last has run the action.
 */
#include "shared/arena.h"
#include "sync/shared.h"

enum { BROKEN = 1, ROUND = 2, PAST_BITS = 12, PAST_AT = 32, WAITING_AT = PAST_AT + PAST_BITS };
#define ONE_WAITS (1ull << WAITING_AT)

struct shared {
    uint64_t unused;
    uint32_t parties, unused_count;
    weft_fn *action;
    weft__cells inside;
    void *unused_link;
    void *arg;
    uint64_t state;
};

_Static_assert(offsetof(struct shared, action) == offsetof(weft_barrier, _action) &&
                   offsetof(struct shared, arg) == offsetof(weft_barrier, _arg) &&
                   sizeof(struct shared) <= sizeof(weft_barrier),
               "the shared form is the same where both have the same");
_Static_assert(WEFT__SHARED_PARTIES >> (64 - WAITING_AT) == 0, "the parties fit above");

static struct shared *of(const weft_barrier *barrier)
{
    return (struct shared *)(uintptr_t)barrier;
}

static const uint32_t *slept_on(const struct shared *s)
{
    return (const uint32_t *)(const void *)&s->state;
}

static uint32_t waiting(uint64_t state)
{
    return (uint32_t)(state >> WAITING_AT);
}

/* What the state becomes when its round ends: nobody waits. */
static uint64_t next_round(uint64_t state, bool whole)
{
    uint64_t past = (state >> PAST_AT << 1 | whole) & ((1u << PAST_BITS) - 1);
    return past << PAST_AT | (((uint32_t)state & ~(uint32_t)BROKEN) + ROUND);
}

/* How the round of a state has ended, by what the state is now: 0, -EPIPE; -EAGAIN: it has not. */
static int ended(uint64_t then, uint64_t now)
{
    uint32_t rounds = ((uint32_t)now / ROUND - (uint32_t)then / ROUND) & (UINT32_MAX / ROUND);
    if (rounds == 0)
        return now & BROKEN ? -EPIPE : -EAGAIN;
    return rounds > PAST_BITS || now >> (PAST_AT + rounds - 1) & 1 ? 0 : -EPIPE;
}

static bool change(struct shared *s, uint64_t *state, uint64_t to)
{
    if (!shared_swap(&s->state, state, to))
        return false;
    if ((uint32_t)*state != (uint32_t)to)
        weft__shared_wake(slept_on(s), INT32_MAX);
    return true;
}

/* Break the round of a state, unless all have come (or even then). How it has ended. */
static int give_up(struct shared *s, uint64_t then, bool even_then)
{
    uint64_t now = load_acquire(&s->state);
    int r;
    while ((r = ended(then, now)) == -EAGAIN && (even_then || waiting(now) < s->parties))
        if (change(s, &now, (now & (ONE_WAITS - 1)) | BROKEN))
            return -EPIPE;
    return r;
}

/* 0, -EPIPE; or why the caller has broken it. */
static int until_ended(struct shared *s, uint64_t then, weft_deadline deadline)
{
    struct weft__task *self = weft__current;
    struct weft__calm calm;
    bool is_calm = false;
    int r, why = 0;
    deadline = weft__deadline_fix(deadline);
    for (;;) {
        uint32_t epoch = weft__death_epoch();
        bool died = false;
        weft__cells_sum(&s->inside, &died);
        r = died || why ? give_up(s, then, died) : ended(then, load_acquire(&s->state));
        if (r != -EAGAIN)
            break;
        if (why && !is_calm) { /* all have come */
            calm = weft__calm_begin(self);
            is_calm = true;
            deadline = weft_never();
        }
        why = weft__watch_wait(slept_on(s), (uint32_t)then, epoch, deadline, "barrier", s);
    }
    if (is_calm)
        weft__calm_end(self, calm);
    return r < 0 && why < 0 ? why : r;
}

/* The last has come. */
static int act(struct shared *s, uint64_t full)
{
    int r = s->action(s->arg);
    uint64_t now = load_acquire(&s->state);
    if (r < 0) {
        give_up(s, full, true);
        return r;
    }
    while ((r = ended(full, now)) == -EAGAIN)
        if (change(s, &now, next_round(now, true)))
            return 0;
    return r;
}

static int meet(struct shared *s, weft_deadline deadline)
{
    uint64_t now = load_acquire(&s->state);
    for (;;) {
        uint32_t before = waiting(now);
        bool last = before + 1 == s->parties;
        if (now & BROKEN)
            return -EPIPE;
        if (before == s->parties) { /* the action of a round runs; the next one begins after it */
            until_ended(s, now, deadline);
            now = load_acquire(&s->state);
            continue;
        }
        if (!last && deadline.ns == 0) {
            give_up(s, now, false);
            return -ETIMEDOUT;
        }
        uint64_t counted = last && !s->action ? next_round(now, true) : now + ONE_WAITS;
        if (!change(s, &now, counted))
            continue;
        int r = !last ? until_ended(s, now, deadline) : s->action ? act(s, now) : 0;
        return r < 0 ? r : (int)before;
    }
}

int weft__shared_barrier_init(weft_barrier *barrier)
{
    if (of(barrier)->action && !weft__arena_has(barrier, sizeof *barrier))
        return weft__failed(
            -ENOTSUP, "barrier with an action in a segment: other programs have it elsewhere");
    return weft__cells_begin(&of(barrier)->inside);
}

int weft__shared_barrier_wait(weft_barrier *barrier, int entered, weft_deadline deadline)
{
    struct shared *s = of(barrier);
    int r = entered < 0 ? entered : weft__cells_add(&s->inside, 1);
    if (r < 0) {
        give_up(s, load_acquire(&s->state), false);
        return r;
    }
    r = meet(s, deadline);
    weft__cells_sub(&s->inside, 1);
    return r;
}

/* Reset it or break it; a round whose action runs is not affected. */
void weft__shared_barrier_end(weft_barrier *barrier, bool broken)
{
    struct shared *s = of(barrier);
    uint64_t now = load_acquire(&s->state);
    if (broken) {
        give_up(s, now, false);
        return;
    }
    while (waiting(now) < s->parties && (now & BROKEN || waiting(now)))
        if (change(s, &now, next_round(now, false)))
            return;
}

uint32_t weft__shared_barrier_waiting(const weft_barrier *barrier)
{
    uint32_t n = waiting(load_acquire(&of(barrier)->state));
    return n < of(barrier)->parties ? n : 0;
}

bool weft__shared_barrier_is_broken(const weft_barrier *barrier)
{
    return load_acquire(&of(barrier)->state) & BROKEN;
}

void weft__shared_barrier_fini(weft_barrier *barrier)
{
    weft__cells_free(&of(barrier)->inside);
}
