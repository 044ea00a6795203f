/* deque.c - the deque of Chase and Lev, after Le, Pop, Cohen and Zappa Nardelli (PPoPP 2013).
 *
 * Elements are the indices [top, bottom); index i lies in slot i mod size of the ring. top only grows,
 * by compare-and-swap, and who moves it owns the element. bottom is written by the owner alone.
 *
 * Why a thief's copy is whole: a slot is written again only after the owner has seen top beyond its
 * index (the acquire in make_room meets the release of the swap), so a thief that read a mixture loses
 * its swap. Why nobody pops what a thief takes: pop stores bottom by a seq_cst exchange and then reads
 * top, a thief reads top and then bottom, all seq_cst: whoever is later in their order sees the other.
 * No fence: ThreadSanitizer does not know them, clang makes an mfence of each.
 *
 * One swap takes one element, also when half is stolen: the owner pops without a swap as long as top is
 * below, so a thief that moved top by several could give out what the owner is popping.
 *
 * Tests: unit/sched_deque.c, models/deque.pml.
 */
#include "sched/deque.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/base.h"

enum { WORDS = 8, FIRST_SIZE = 64, STEAL_MAX = 32 };

typedef uint64_t __attribute__((may_alias)) word;

_Static_assert(sizeof(struct weft__closure) == WORDS * sizeof(word), "a closure is one cache line");
_Static_assert(offsetof(struct weft__closure, group) == 2 * sizeof(word), "pop looks at this word");

struct slot {
    word words[WORDS];
} __attribute__((aligned(64)));

struct weft__ring {
    int64_t size; /* a power of two */
    struct weft__ring *older;
    struct slot slots[];
};

static size_t ring_bytes(int64_t size)
{
    return sizeof(struct weft__ring) + (size_t)size * sizeof(struct slot);
}

static inline struct slot *slot_at(struct weft__ring *ring, int64_t index)
{
    return &ring->slots[index & (ring->size - 1)];
}

/* Atomic by words: a thief may read a slot that is written under its hands, and then discards it. */
static inline void slot_write(struct slot *slot, const struct weft__closure *closure)
{
    const word *from = (const word *)closure;
    for (int i = 0; i < WORDS; i++)
        store_relaxed(&slot->words[i], from[i]);
}

static inline void slot_read(const struct slot *slot, struct weft__closure *out)
{
    word *to = (word *)out;
    for (int i = 0; i < WORDS; i++)
        to[i] = load_relaxed(&slot->words[i]);
}

static inline void slot_copy(struct slot *to, const struct slot *from)
{
    for (int i = 0; i < WORDS; i++)
        store_relaxed(&to->words[i], load_relaxed(&from->words[i]));
}

void weft__deque_fini(struct weft__deque *deque)
{
    struct weft__ring *ring = deque->ring;
    while (ring) {
        struct weft__ring *older = ring->older;
        weft__release(ring, ring_bytes(ring->size));
        ring = older;
    }
    *deque = (struct weft__deque){ 0 };
}

/* bottom has met the limit: look where top is by now, or grow. */
static noinline int make_room(struct weft__deque *deque)
{
    int64_t bottom = load_relaxed(&deque->bottom), top = load_acquire(&deque->top);
    struct weft__ring *old = deque->ring;
    if (old && bottom - top < old->size) {
        deque->limit = top + old->size;
        return 0;
    }
    int64_t size = old ? 2 * old->size : FIRST_SIZE;
    struct weft__ring *ring = weft__alloc(ring_bytes(size), 64);
    if (!ring)
        return -ENOMEM;
    ring->size = size;
    ring->older = old;
    for (int64_t i = top; i < bottom; i++)
        slot_copy(slot_at(ring, i), slot_at(old, i));
    store_release(&deque->ring, ring);
    deque->limit = top + size;
    return 0;
}

int weft__deque_push(struct weft__deque *deque, const struct weft__closure *closure)
{
    int64_t bottom = load_relaxed(&deque->bottom);
    if (unlikely(bottom >= deque->limit)) {
        int r = make_room(deque);
        if (r < 0)
            return r;
    }
    slot_write(slot_at(deque->ring, bottom), closure);
    store_release(&deque->bottom, bottom + 1);
    return 0;
}

bool weft__deque_pop(struct weft__deque *deque, const struct weft_group *group,
                     struct weft__closure *out)
{
    int64_t bottom = load_relaxed(&deque->bottom) - 1, top = load_relaxed(&deque->top);
    if (bottom < top)
        return false;
    /* Only the owner writes slots: it may look before it has the element. */
    const struct slot *slot = slot_at(deque->ring, bottom);
    if (group && load_relaxed(&slot->words[2]) != (word)(uintptr_t)group)
        return false;

    bool mine = true;
    if (top < bottom) {
        exchange_seq_cst(&deque->bottom, bottom);
        top = load_seq_cst(&deque->top);
        if (unlikely(top >= bottom)) { /* thieves were here: the last one, or none */
            mine = top == bottom && swap_seq_cst(&deque->top, &top, top + 1);
            store_release(&deque->bottom, bottom + 1); /* empty: top is there too */
        }
    } else {
        mine = swap_seq_cst(&deque->top, &top, top + 1); /* the last one: as a thief would */
    }
    if (mine)
        slot_read(slot, out);
    return mine;
}

/* Take the oldest into a slot that nobody else sees, or for a caller. */
static inline bool take(struct weft__deque *deque, struct slot *to, struct weft__closure *out)
{
    int64_t top = load_seq_cst(&deque->top);
    for (;;) {
        if (load_seq_cst(&deque->bottom) <= top)
            return false;
        /* After bottom: whoever pushed index top had published the ring that holds it. */
        struct weft__ring *ring = load_acquire(&deque->ring);
        if (to)
            slot_copy(to, slot_at(ring, top));
        else
            slot_read(slot_at(ring, top), out);
        if (likely(swap_seq_cst(&deque->top, &top, top + 1)))
            return true;
        cpu_relax();
        top = load_seq_cst(&deque->top);
    }
}

bool weft__deque_take(struct weft__deque *deque, struct weft__closure *out)
{
    return take(deque, NULL, out);
}

int64_t weft__deque_length(const struct weft__deque *deque)
{
    int64_t top = load_relaxed(&deque->top), length = load_relaxed(&deque->bottom) - top;
    return length > 0 ? length : 0;
}

unsigned weft__deque_steal(struct weft__deque *from, struct weft__deque *into,
                           struct weft__closure *out)
{
    int64_t half = (weft__deque_length(from) + 1) / 2;
    unsigned want = half < STEAL_MAX ? (unsigned)half : STEAL_MAX, got = 0;
    if (want == 0 || !take(from, NULL, out))
        return 0;
    int64_t bottom = load_relaxed(&into->bottom);
    for (got = 1; got < want; got++, bottom++) {
        if (bottom >= into->limit) {
            store_release(&into->bottom, bottom); /* make_room moves what is published */
            if (make_room(into) < 0)
                break;
        }
        if (!take(from, slot_at(into->ring, bottom), NULL))
            break;
    }
    store_release(&into->bottom, bottom); /* all at once */
    return got;
}
