/* sched/deque.h - closures that have not started, by value, in a growable ring.
 *
 * One owner pushes at the bottom; the owner may pop there (last in, first out: the Chase-Lev deque) or
 * take at the top (first in, first out), as thieves do. One code for both uses; a deque is used in one
 * way by its owner. A ring that was outgrown is released when no thief may be reading it.
 */
#ifndef WEFT_SCHED_DEQUE_H
#define WEFT_SCHED_DEQUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"

struct weft_group;

/* One cache line. */
struct weft__closure {
    int (*fn)(void *arg);
    void *arg; /* with size > 0: unused, the job is in copy */
    struct weft_group *group;
    const char *site;
    union {
        unsigned char copy[24];
        struct weft__task *task; /* fn NULL: a task that has a descriptor already */
    } u;
    uint32_t size;  /* bytes of copy in use */
    uint32_t flags; /* sched/task.h */
};

struct weft__ring;

struct weft__deque {
    int64_t top __attribute__((aligned(64)));    /* thieves */
    uint32_t thieves;                            /* atomic: how many may be reading a ring */
    int64_t bottom __attribute__((aligned(64))); /* this and the rest: the owner */
    int64_t limit;           /* up to here bottom may go without a look at top */
    bool alone;              /* only the owner takes: no locked instruction is needed */
    struct weft__ring *ring; /* NULL until the first push */
};

void weft__deque_fini(struct weft__deque *deque); /* zeroed memory is an empty deque */

/* Owner. 0; -ENOMEM: not pushed. */
static inline int weft__deque_push(struct weft__deque *deque, const struct weft__closure *closure);

/* Owner: the last one pushed, if it is still there and belongs to this group (a group's waiter runs
 * its own tasks only; NULL: any); false else. */
static inline bool weft__deque_pop(struct weft__deque *deque, const struct weft_group *group,
                                   struct weft__closure *out);

/* Anyone; the owner: the oldest. false: empty (a lost race is tried again inside). */
bool weft__deque_take(struct weft__deque *deque, struct weft__closure *out);
bool weft__deque_take_own(struct weft__deque *deque, struct weft__closure *out);

/* Owner: an empty deque of more slots than keep gives its memory back. */
void weft__deque_tidy(struct weft__deque *deque, int64_t keep);

/* Anyone: about how many. */
static inline int64_t weft__deque_length(const struct weft__deque *deque);

/* Take half of what another deque holds, at most 32, rounded up: the first into *out, the others
 * pushed onto into, whose owner the caller is. How many in all; 0: nothing there. What cannot be
 * pushed for want of memory is not taken. */
unsigned weft__deque_steal(struct weft__deque *from, struct weft__deque *into,
                           struct weft__closure *out);

/* -- the inner parts, inline because a fork-join spawn is made of them --------------------------------- */

enum { WEFT__SLOT_WORDS = 8 };

typedef uint64_t __attribute__((may_alias)) weft__word;

_Static_assert(sizeof(struct weft__closure) == WEFT__SLOT_WORDS * sizeof(weft__word),
               "one cache line");
_Static_assert(offsetof(struct weft__closure, group) == 2 * sizeof(weft__word), "pop looks at it");
_Static_assert(offsetof(struct weft__closure, u) == 4 * sizeof(weft__word),
               "words 4 to 6 are often unused");

struct weft__slot {
    weft__word words[WEFT__SLOT_WORDS];
} __attribute__((aligned(64)));

struct weft__ring {
    int64_t size; /* a power of two */
    struct weft__ring *older;
    struct weft__slot slots[];
};

static inline struct weft__slot *weft__slot_at(struct weft__ring *ring, int64_t index)
{
    return &ring->slots[index & (ring->size - 1)];
}

/* Atomic by words: a thief may read a slot that is written under its hands, and then discards it. The
 * union is left out where there is nothing in it. */
static inline void weft__slot_write(struct weft__slot *slot, const struct weft__closure *closure)
{
    const weft__word *from = (const weft__word *)closure;
    store_relaxed(&slot->words[7], from[7]);
    if (closure->size || !closure->fn)
        for (int i = 4; i < 7; i++)
            store_relaxed(&slot->words[i], from[i]);
    for (int i = 0; i < 4; i++)
        store_relaxed(&slot->words[i], from[i]);
}

static inline void weft__slot_read(const struct weft__slot *slot, struct weft__closure *out)
{
    weft__word *to = (weft__word *)out;
    to[7] = load_relaxed(&slot->words[7]);
    for (int i = 0; i < 4; i++)
        to[i] = load_relaxed(&slot->words[i]);
    if (out->size || !out->fn)
        for (int i = 4; i < 7; i++)
            to[i] = load_relaxed(&slot->words[i]);
}

int weft__deque_make_room(struct weft__deque *deque);

static inline int weft__deque_push(struct weft__deque *deque, const struct weft__closure *closure)
{
    int64_t bottom = load_relaxed(&deque->bottom);
    if (unlikely(bottom >= deque->limit)) {
        int r = weft__deque_make_room(deque);
        if (r < 0)
            return r;
    }
    weft__slot_write(weft__slot_at(deque->ring, bottom), closure);
    store_release(&deque->bottom, bottom + 1);
    return 0;
}

static inline bool weft__deque_pop(struct weft__deque *deque, const struct weft_group *group,
                                   struct weft__closure *out)
{
    int64_t bottom = load_relaxed(&deque->bottom) - 1, top = load_relaxed(&deque->top);
    if (bottom < top)
        return false;
    /* Only the owner writes slots: it may look before it has the element. */
    const struct weft__slot *slot = weft__slot_at(deque->ring, bottom);
    if (group && load_relaxed(&slot->words[2]) != (weft__word)(uintptr_t)group)
        return false;

    bool mine = true;
    if (top < bottom) {
        if (deque->alone)
            store_relaxed(&deque->bottom, bottom);
        else
            exchange_seq_cst(&deque->bottom, bottom);
        top = load_seq_cst(&deque->top);
        if (unlikely(top >= bottom)) { /* thieves were here: the last one, or none */
            mine = top == bottom && swap_seq_cst(&deque->top, &top, top + 1);
            store_release(&deque->bottom, bottom + 1); /* empty: top is there too */
        }
    } else if (deque->alone) {
        store_relaxed(&deque->top, top + 1);
    } else {
        mine = swap_seq_cst(&deque->top, &top, top + 1); /* the last one: as a thief would */
    }
    if (mine)
        weft__slot_read(slot, out);
    return mine;
}

static inline int64_t weft__deque_length(const struct weft__deque *deque)
{
    int64_t top = load_relaxed(&deque->top), length = load_relaxed(&deque->bottom) - top;
    return length > 0 ? length : 0;
}

#endif
