/* arena.c - see arena.h.
 *
 * The range is cut into spans of 64 KiB. A span of small blocks belongs to one process, and only that one
 * allocates in it; to free a block is one store into its tag, by anyone. A large block is a run of spans of
 * its own. An entry of the table of spans says in one word what a span is and whose: so whoever dies in
 * between leaves entries that name it, and the reaper finishes or undoes what they say. Spans of the dead
 * are ownerless: who needs one like it next takes it over.
 *
 * A process's threads share its spans under a spin lock of the process, which nobody else waits for.
 */
#include "shared/arena.h"

#include <errno.h>

#include "base/report.h"
#include "base/spin.h"
#include "base/sys.h"

enum span_kind {
    SPAN_FREE,   /* detail 1: it has memory */
    SPAN_TAKEN,  /* being made into something, or not the first of its run */
    SPAN_BLOCKS, /* detail: the class; owner 0: who wants it */
    SPAN_RUN,    /* detail: spans */
    SPAN_GOING   /* a run that its owner, who need not have made it, takes apart; detail: spans */
};

/* Small blocks: one span holds several. From 64 on all are multiples of 64, and so aligned. */
static const uint16_t sizes[] = { 16,  32,   48,   64,   128,  192,  256,  384,  512,
                                  768, 1024, 1536, 2048, 3072, 4096, 8128, 16256 };
enum { CLASSES = ARRAY_LEN(sizes), SPAN_HEAD = 64, RUN_HEAD = 128 };
#define SPARE_MAX (256ull << 20) /* memory that free spans may keep */
#define NO_SPAN   0u             /* number 0 is the tree's */

struct span { /* at its beginning; then the tags of its blocks, then the blocks, at a multiple of 64 */
    uint32_t next; /* of the same owner and class; a ring */
    uint32_t at;   /* where to look for a free block next */
    uint64_t unused[7];
    uint64_t tag[];
};

struct run {
    uint64_t tag;
    uint64_t size;
    uint64_t unused[14];
};
_Static_assert(sizeof(struct span) == SPAN_HEAD && sizeof(struct run) == RUN_HEAD, "heads");

static struct {
    weft__spin spin;
    uint32_t current; /* the span to allocate from; NO_SPAN */
} mine[CLASSES];
static uint32_t hint; /* where a free span may be */

bool (*weft__block_is_lent)(const void *block, uint64_t place);

/* -- words ------------------------------------------------------------------------------------------ */

static uint64_t entry(enum span_kind kind, uint32_t detail, weft__process_id owner)
{
    return (uint64_t)owner << 32 | detail << 4 | kind;
}

static enum span_kind kind_of(uint64_t e)
{
    return (enum span_kind)(e & 15);
}

static uint32_t detail_of(uint64_t e)
{
    return (uint32_t)e >> 4;
}

static weft__process_id owner_of(uint64_t e)
{
    return (weft__process_id)(e >> 32);
}

/* owner: 2 bits; a place's distance from the tree, in units of 64: 30; the process: 32. */
static uint64_t tag_of(enum weft__block_owner owner, uint64_t what)
{
    switch (owner) {
    case WEFT__BLOCK_HELD: return what << 32 | owner;
    case WEFT__BLOCK_LENT:
        return (uint64_t)weft__me << 32 | (what - (uintptr_t)weft__tree) >> 6 << 2 | owner;
    default: return owner;
    }
}

static uint64_t place_of(uint64_t tag)
{
    return (uintptr_t)weft__tree + (((uint32_t)tag >> 2) << 6 & 0xfffffffffull);
}

static uint64_t *span_entry(uint32_t i)
{
    return &weft__tree->span[i];
}

static void *span_at(uint32_t i)
{
    return (char *)weft__tree + (size_t)i * WEFT__SPAN;
}

static uint32_t blocks_in(uint32_t class)
{
    uint32_t n = (WEFT__SPAN - SPAN_HEAD) / (sizes[class] + 8u);
    while (SPAN_HEAD + (n * 8 + 63) / 64 * 64 + n * sizes[class] > WEFT__SPAN)
        n--;
    return n;
}

static char *block_at(uint32_t span, uint32_t class, uint32_t i)
{
    return (char *)span_at(span) + SPAN_HEAD + (blocks_in(class) * 8 + 63) / 64 * 64 +
           (size_t)i * sizes[class];
}

/* -- spans ------------------------------------------------------------------------------------------ */

static void span_free(uint32_t i)
{
    shared_store(span_entry(i), entry(SPAN_FREE, 1, 0));
    shared_add(&weft__tree->used, -(uint64_t)WEFT__SPAN);
    shared_add(&weft__tree->spare, (uint64_t)WEFT__SPAN);
}

static void spans_return(uint32_t from, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        shared_store(span_entry(from + i), entry(SPAN_FREE, 1, 0));
    shared_add(&weft__tree->spare, (uint64_t)n * WEFT__SPAN);
}

/* Take n spans that lie together, and see that they have memory: 0; -EBUSY one is not free; -ENOMEM. */
static int spans_claim(uint32_t from, uint32_t n)
{
    for (uint32_t got = 0; got < n; got++) {
        uint64_t *e = span_entry(from + got), was = load_acquire(e);
        int r = kind_of(was) == SPAN_FREE && shared_swap(e, &was, entry(SPAN_TAKEN, 0, weft__me))
                    ? 0
                    : -EBUSY;
        if (r == 0 && detail_of(was) == 1) {
            shared_add(&weft__tree->spare, -(uint64_t)WEFT__SPAN);
        } else if (r == 0 && (r = weft__sys_populate(span_at(from + got), WEFT__SPAN)) < 0) {
            shared_store(e, entry(SPAN_FREE, 0, 0));
        }
        if (r < 0) {
            spans_return(from, got);
            return r;
        }
    }
    return 0;
}

static bool all_free(uint32_t from, uint32_t n, uint32_t *met)
{
    for (uint32_t i = n; i-- > 0;) {
        if (kind_of(load_relaxed(span_entry(from + i))) != SPAN_FREE) {
            *met = from + i;
            return false;
        }
    }
    return true;
}

static uint32_t spans_find(uint32_t n)
{
    struct weft__tree *t = weft__tree;
    uint32_t met = load_acquire(&t->spans_met), start = load_relaxed(&hint);
    int r;
    if (start < t->spans_first || start + n > met)
        start = t->spans_first;
    for (int round = 0; round < 2; round++) {
        uint32_t end = round == 0 ? met : start + n < met ? start + n : met, busy;
        for (uint32_t i = round == 0 ? start : t->spans_first; i + n <= end;) {
            if (!all_free(i, n, &busy))
                i = busy + 1;
            else if ((r = spans_claim(i, n)) != -EBUSY)
                return r == 0 ? i : NO_SPAN;
            else
                i++;
        }
    }
    for (;;) { /* beyond all that were ever used */
        uint32_t from = load_acquire(&t->spans_met);
        if (n > t->spans - from)
            return NO_SPAN;
        if (!shared_swap(&t->spans_met, &from, from + n))
            continue;
        if ((r = spans_claim(from, n)) != -EBUSY) /* others see them too */
            return r == 0 ? from : NO_SPAN;
    }
}

static uint32_t spans_take(uint32_t n)
{
    struct weft__tree *t = weft__tree;
    uint64_t bytes = (uint64_t)n * WEFT__SPAN;
    uint32_t span = NO_SPAN;
    if (shared_add(&t->used, bytes) + bytes <= load_relaxed(&t->limit))
        span = spans_find(n);
    if (span == NO_SPAN)
        shared_add(&t->used, -bytes);
    else
        store_relaxed(&hint, span + n);
    return span;
}

/* -- runs ------------------------------------------------------------------------------------------- */

static void *run_take(size_t size, enum weft__block_owner owner)
{
    if (size > (size_t)weft__tree->spans * WEFT__SPAN)
        return NULL;
    uint32_t n = (uint32_t)((size + RUN_HEAD + WEFT__SPAN - 1) / WEFT__SPAN), span = spans_take(n);
    if (span == NO_SPAN)
        return NULL;
    struct run *run = span_at(span);
    run->size = (uint64_t)n * WEFT__SPAN - RUN_HEAD;
    shared_store(&run->tag, tag_of(owner, weft__me));
    shared_store(span_entry(span), entry(SPAN_RUN, n, weft__me));
    return run + 1;
}

/* Its entry is GOING, and ours. A span that is free may be another's at once, and must not be freed again by
 * who goes on after our death: so it is ours by its own entry before it is no longer the run's. */
static void run_dissolve(uint32_t span, uint32_t n)
{
    bool keep = load_relaxed(&weft__tree->spare) < SPARE_MAX;
    if (!keep)
        weft__sys_madvise(span_at(span), (size_t)n * WEFT__SPAN, MADV_REMOVE);
    for (uint32_t i = n; --i > 0;) {
        shared_store(span_entry(span + i), entry(SPAN_TAKEN, 0, weft__me));
        shared_store(span_entry(span), entry(SPAN_GOING, i, weft__me));
        shared_store(span_entry(span + i), entry(SPAN_FREE, keep, 0));
    }
    shared_store(span_entry(span), entry(SPAN_FREE, keep, 0));
    shared_add(&weft__tree->used, -(uint64_t)n * WEFT__SPAN);
    if (keep)
        shared_add(&weft__tree->spare, (uint64_t)n * WEFT__SPAN);
}

/* Not if it is somebody else's by now. */
static bool run_end(uint32_t span, uint64_t was)
{
    if (!shared_swap(span_entry(span), &was, entry(SPAN_GOING, detail_of(was), weft__me)))
        return false;
    run_dissolve(span, detail_of(was));
    return true;
}

/* -- blocks ----------------------------------------------------------------------------------------- */

/* A free block of the span, its tag set; NULL. Under the class's lock. */
static void *block_in(uint32_t i, uint32_t class, uint64_t tag)
{
    struct span *span = span_at(i);
    uint32_t n = blocks_in(class);
    for (uint32_t at = span->at; at < n; at++) {
        if (load_acquire(&span->tag[at]) == WEFT__BLOCK_FREE) {
            span->at = at + 1;
            shared_store(&span->tag[at], tag);
            return block_at(i, class, at);
        }
    }
    return NULL;
}

static bool has_room(uint32_t i, uint32_t class) /* a quarter is free */
{
    const struct span *span = span_at(i);
    uint32_t n = blocks_in(class), free = 0;
    for (uint32_t at = 0; at < n; at++)
        free += load_relaxed(&span->tag[at]) == WEFT__BLOCK_FREE;
    return free > n / 4;
}

static void join_ring(uint32_t i, uint32_t class)
{
    struct span *span = span_at(i);
    uint32_t current = mine[class].current;
    span->at = 0;
    if (current == NO_SPAN) {
        span->next = i;
    } else {
        struct span *before = span_at(current);
        span->next = before->next;
        before->next = i;
    }
    mine[class].current = i;
}

/* Of a dead process. */
static bool adopt(uint32_t class)
{
    struct weft__tree *t = weft__tree;
    if (load_relaxed(&t->ownerless) == 0)
        return false;
    for (uint32_t i = t->spans_first, met = load_acquire(&t->spans_met); i < met; i++) {
        uint64_t e = load_relaxed(span_entry(i));
        if (e == entry(SPAN_BLOCKS, class, 0) && has_room(i, class) &&
            shared_swap(span_entry(i), &e, entry(SPAN_BLOCKS, class, weft__me))) {
            shared_add(&t->ownerless, -1u);
            join_ring(i, class);
            return true;
        }
    }
    return false;
}

static bool fresh(uint32_t class)
{
    uint32_t i = spans_take(1);
    if (i == NO_SPAN)
        return false;
    struct span *span = span_at(i);
    memset(span->tag, 0, blocks_in(class) * sizeof span->tag[0]);
    weft__shared_point();
    shared_store(span_entry(i), entry(SPAN_BLOCKS, class, weft__me));
    join_ring(i, class);
    return true;
}

/* The next of the ring, if blocks have come free in it: one look for each span that fills up, so that a
 * process of many full ones does not go through them all each time. */
static bool turn_ring(uint32_t class)
{
    uint32_t next = ((struct span *)span_at(mine[class].current))->next;
    if (!has_room(next, class))
        return false;
    ((struct span *)span_at(next))->at = 0;
    mine[class].current = next;
    return true;
}

static void *small_take(size_t size, enum weft__block_owner owner)
{
    uint32_t class = 0;
    while (sizes[class] < size)
        class ++;
    uint64_t tag = tag_of(owner, weft__me);
    void *block = NULL;
    weft__spin_lock(&mine[class].spin);
    do
        if (mine[class].current != NO_SPAN && (block = block_in(mine[class].current, class, tag)))
            break;
    while ((mine[class].current != NO_SPAN && turn_ring(class)) || adopt(class) || fresh(class));
    weft__spin_unlock(&mine[class].spin);
    return block;
}

/* -- the calls -------------------------------------------------------------------------------------- */

void *weft__arena_take(size_t size, enum weft__block_owner owner)
{
    if (weft__tree_begin() < 0 || !weft__me)
        return NULL;
    return size <= sizes[CLASSES - 1] ? small_take(size, owner) : run_take(size, owner);
}

/* Where its tag is; NULL: no block begins there. */
static uint64_t *tag_at(const void *block, uint32_t *span, uint64_t *e)
{
    struct weft__tree *t = weft__tree;
    uintptr_t distance = (uintptr_t)block - (uintptr_t)t;
    if (!t || distance / WEFT__SPAN >= load_acquire(&t->spans_met) ||
        distance / WEFT__SPAN < t->spans_first)
        return NULL;
    *span = (uint32_t)(distance / WEFT__SPAN);
    *e = load_acquire(span_entry(*span));
    if (kind_of(*e) == SPAN_RUN)
        return distance % WEFT__SPAN == RUN_HEAD ? &((struct run *)span_at(*span))->tag : NULL;
    uint32_t class = detail_of(*e);
    if (kind_of(*e) != SPAN_BLOCKS || class >= CLASSES)
        return NULL;
    uintptr_t from = (uintptr_t)block_at(*span, class, 0),
              i = ((uintptr_t)block - from) / sizes[class];
    if ((uintptr_t)block < from || i >= blocks_in(class) ||
        (uintptr_t)block != from + i * sizes[class])
        return NULL;
    return &((struct span *)span_at(*span))->tag[i];
}

void weft__arena_give(void *block)
{
    uint32_t span;
    uint64_t e, *tag = tag_at(block, &span, &e);
    bool known = tag && load_relaxed(tag) != WEFT__BLOCK_FREE;
    if (known && kind_of(e) == SPAN_RUN)
        known = run_end(span, e);
    else if (known)
        shared_store(tag, (uint64_t)WEFT__BLOCK_FREE);
    WEFT_BUG_ON(!known, "%p is freed, and is no block of the arena%s", block,
                tag ? " any more" : "");
}

size_t weft__arena_room(const void *block)
{
    uint32_t span;
    uint64_t e;
    if (!tag_at(block, &span, &e))
        return 0;
    return kind_of(e) == SPAN_RUN ? (size_t)detail_of(e) * WEFT__SPAN - RUN_HEAD
                                  : sizes[detail_of(e)];
}

void weft__arena_owner_set(void *block, enum weft__block_owner owner, uint64_t what)
{
    uint32_t span;
    uint64_t e, *tag = tag_at(block, &span, &e);
    if (tag)
        shared_store(tag, tag_of(owner, what));
}

bool weft__arena_is_lent(const void *block, uint64_t place)
{
    uint32_t span;
    uint64_t e, *tag = tag_at(block, &span, &e), now = tag ? load_acquire(tag) : 0;
    return (now & 3) == WEFT__BLOCK_LENT && place_of(now) == place;
}

bool weft__arena_has(const void *p, size_t size)
{
    const struct weft__tree *t = load_acquire(&weft__tree);
    if (!t)
        return false;
    uintptr_t distance = (uintptr_t)p - (uintptr_t)t,
              end = (uintptr_t)load_acquire(&t->spans_met) * WEFT__SPAN;
    return distance >= (uintptr_t)t->spans_first * WEFT__SPAN && distance < end &&
           size <= end - distance;
}

void weft__arena_forked(void)
{
    memset(mine, 0, sizeof mine);
}

/* -- what the dead have left ------------------------------------------------------------------------ */

/* true: it was the dead one's, and is free now. */
static bool sweep_tag(uint64_t *tag, const void *block, weft__process_id died)
{
    uint64_t now = load_acquire(tag);
    if (now >> 32 != died)
        return false;
    if ((now & 3) == WEFT__BLOCK_LENT && weft__block_is_lent &&
        weft__block_is_lent(block, place_of(now)))
        return false;
    return shared_swap(tag, &now, (uint64_t)WEFT__BLOCK_FREE);
}

static void sweep_blocks(uint32_t i, uint64_t e, weft__process_id died)
{
    struct span *span = span_at(i);
    uint32_t class = detail_of(e), n = blocks_in(class), used = 0;
    for (uint32_t at = 0; at < n; at++)
        if (load_relaxed(&span->tag[at]) != WEFT__BLOCK_FREE)
            used += !sweep_tag(&span->tag[at], block_at(i, class, at), died);
    if (owner_of(e) != died)
        return;
    if (used == 0) {
        span_free(i);
    } else if (shared_swap(span_entry(i), &e, entry(SPAN_BLOCKS, class, 0))) {
        shared_add(&weft__tree->ownerless, 1u);
    }
}

/* A death may have come between a change and its sum. If somebody is at it now, the next death's will do. */
static void recount(void)
{
    struct weft__tree *t = weft__tree;
    uint64_t used = load_acquire(&t->used), spare = load_acquire(&t->spare), is_used = 0,
             is_spare = 0;
    for (uint32_t i = t->spans_first, met = load_acquire(&t->spans_met); i < met; i++) {
        uint64_t e = load_relaxed(span_entry(i));
        is_used += kind_of(e) != SPAN_FREE ? WEFT__SPAN : 0;
        is_spare += e == entry(SPAN_FREE, 1, 0) ? WEFT__SPAN : 0;
    }
    shared_swap(&t->used, &used, is_used);
    shared_swap(&t->spare, &spare, is_spare);
}

void weft__arena_sweep(weft__process_id died)
{
    uint32_t met = load_acquire(&weft__tree->spans_met);
    for (uint32_t i = weft__tree->spans_first, n = 1; i < met; i += n, n = 1) {
        uint64_t e = load_acquire(span_entry(i));
        switch (kind_of(e)) {
        case SPAN_FREE: break;
        case SPAN_TAKEN:
            if (owner_of(e) == died)
                span_free(i);
            break;
        case SPAN_BLOCKS: sweep_blocks(i, e, died); break;
        case SPAN_RUN:
            n = detail_of(e);
            if (sweep_tag(&((struct run *)span_at(i))->tag, (struct run *)span_at(i) + 1, died))
                run_end(i, e);
            break;
        case SPAN_GOING:
            n = detail_of(e);
            if (owner_of(e) == died && shared_swap(span_entry(i), &e, entry(SPAN_GOING, n, weft__me)))
                run_dissolve(i, n);
            break;
        }
    }
    recount();
}

#ifdef WEFT_INVARIANTS
size_t weft__arena_blocks(void)
{
    size_t count = 0;
    for (uint32_t i = weft__tree->spans_first; i < load_acquire(&weft__tree->spans_met); i++) {
        uint64_t e = load_acquire(span_entry(i));
        uint32_t n = kind_of(e) == SPAN_BLOCKS ? blocks_in(detail_of(e)) : 0;
        for (uint32_t at = 0; at < n; at++)
            count += load_acquire(&((struct span *)span_at(i))->tag[at]) != WEFT__BLOCK_FREE;
        count += kind_of(e) == SPAN_RUN;
    }
    return count;
}
#endif
