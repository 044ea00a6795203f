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

enum { FIRST_SIZE = 64, STEAL_MAX = 32 };

static size_t ring_bytes(int64_t size)
{
    return sizeof(struct weft__ring) + (size_t)size * sizeof(struct weft__slot);
}

static inline void weft__slot_copy(struct weft__slot *to, const struct weft__slot *from)
{
    for (int i = 0; i < WEFT__SLOT_WORDS; i++)
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

static void release_older(struct weft__ring *ring)
{
    while (ring->older) {
        struct weft__ring *older = ring->older;
        ring->older = older->older;
        weft__release(older, ring_bytes(older->size));
    }
}

/* Another ring with the same elements. The old one is released as soon as no thief may still read it:
 * a thief counts itself before it reads which ring there is. */
static int replace(struct weft__deque *deque, int64_t size)
{
    int64_t bottom = load_relaxed(&deque->bottom), top = load_acquire(&deque->top);
    struct weft__ring *ring = weft__alloc(ring_bytes(size), 64);
    if (!ring)
        return -ENOMEM;
    ring->size = size;
    ring->older = deque->ring;
    for (int64_t i = top; i < bottom; i++)
        weft__slot_copy(weft__slot_at(ring, i), weft__slot_at(ring->older, i));
    store_seq_cst(&deque->ring, ring);
    deque->limit = top + size;
    if (load_seq_cst(&deque->thieves) == 0)
        release_older(ring);
    return 0;
}

/* bottom has met the limit: look where top is by now, or grow. */
int weft__deque_make_room(struct weft__deque *deque)
{
    int64_t bottom = load_relaxed(&deque->bottom), top = load_acquire(&deque->top);
    struct weft__ring *old = deque->ring;
    if (old && bottom - top < old->size) {
        deque->limit = top + old->size;
        return 0;
    }
    return replace(deque, old ? 2 * old->size : FIRST_SIZE);
}

void weft__deque_tidy(struct weft__deque *deque, int64_t keep)
{
    struct weft__ring *ring = deque->ring;
    if (ring && ring->size > keep && weft__deque_length(deque) == 0)
        replace(deque, FIRST_SIZE); /* no memory: then it stays as it is */
}

/* Take the oldest into a slot that nobody else sees, or where there is none (NULL), into *out. Thieves
 * are counted around it: see replace. */
static inline bool take(struct weft__deque *deque, struct weft__slot *to, struct weft__closure *out)
{
    int64_t top = load_seq_cst(&deque->top);
    for (;;) {
        if (load_seq_cst(&deque->bottom) <= top)
            return false;
        /* After bottom: whoever pushed index top had published the ring that holds it. And in the one
         * order of all seq_cst: an owner that counted no thief has published what is read here. */
        struct weft__ring *ring = load_seq_cst(&deque->ring);
        if (to)
            weft__slot_copy(to, weft__slot_at(ring, top));
        else
            weft__slot_read(weft__slot_at(ring, top), out);
        if (deque->alone) {
            store_release(&deque->top, top + 1);
            return true;
        }
        if (likely(swap_seq_cst(&deque->top, &top, top + 1)))
            return true;
        cpu_relax();
        top = load_seq_cst(&deque->top);
    }
}

bool weft__deque_take(struct weft__deque *deque, struct weft__closure *out)
{
    __atomic_fetch_add(&deque->thieves, 1, __ATOMIC_SEQ_CST);
    bool got = take(deque, NULL, out);
    __atomic_fetch_sub(&deque->thieves, 1, __ATOMIC_RELEASE);
    return got;
}

bool weft__deque_take_own(struct weft__deque *deque, struct weft__closure *out)
{
    return take(deque, NULL, out);
}

unsigned weft__deque_steal(struct weft__deque *from, struct weft__deque *into,
                           struct weft__closure *out)
{
    int64_t half = (weft__deque_length(from) + 1) / 2;
    unsigned want = half < STEAL_MAX ? (unsigned)half : STEAL_MAX, got = 0;
    if (want == 0)
        return 0;
    __atomic_fetch_add(&from->thieves, 1, __ATOMIC_SEQ_CST);
    if (!take(from, NULL, out)) {
        __atomic_fetch_sub(&from->thieves, 1, __ATOMIC_RELEASE);
        return 0;
    }
    int64_t bottom = load_relaxed(&into->bottom);
    for (got = 1; got < want; got++, bottom++) {
        if (bottom >= into->limit) {
            store_release(&into->bottom, bottom); /* it moves what is published */
            if (weft__deque_make_room(into) < 0)
                break;
        }
        if (!take(from, weft__slot_at(into->ring, bottom), out))
            break;
    }
    __atomic_fetch_sub(&from->thieves, 1, __ATOMIC_RELEASE);
    store_release(&into->bottom, bottom); /* all at once */
    return got;
}
