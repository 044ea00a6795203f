/* shared_cells.c - see shared.h. A cell changes by compare-and-swap, so that anyone may take it from the
 * dead; a process may have several, when its threads claim one at once. */
#include "shared/holder.h"
#include "shared/yard.h"
#include "sync/shared.h"

static struct weft__cell_block *at(const weft__cells *cells)
{
    weft__cells distance = load_acquire(cells);
    return distance ? (void *)((uintptr_t)cells + (uintptr_t)distance) : NULL;
}

static weft__cells distance(const weft__cells *cells, const struct weft__cell_block *block)
{
    return (weft__cells)((uintptr_t)block - (uintptr_t)cells);
}

_Static_assert(sizeof(struct weft__cell_block) == WEFT__YARD_BLOCK, "it is one of the yard's");

static struct weft__cell_block *block_new(const weft__cells *cells)
{
    struct weft__cell_block *block = weft__arena_has(cells, 1)
                                         ? weft__arena_take(sizeof *block, WEFT__BLOCK_KEPT)
                                         : weft__yard_take(cells);
    if (block) {
        block->next = 0;
        for (int i = 0; i < WEFT__CELLS; i++)
            shared_store(&block->cell[i], 0);
    }
    return block;
}

static void block_free(const weft__cells *cells, struct weft__cell_block *block)
{
    if (weft__arena_has(cells, 1))
        weft__arena_give(block);
    else
        weft__yard_give(cells, block);
}

int weft__cells_begin(weft__cells *cells)
{
    struct weft__cell_block *block = block_new(cells);
    *cells = block ? distance(cells, block) : 0;
    return block ? 0 : -ENOMEM;
}

void weft__cells_free(weft__cells *cells)
{
    struct weft__cell_block *block = at(cells);
    if (block) {
        weft__cells_free(&block->next);
        block_free(cells, block);
    }
}

static uint32_t owner(uint64_t cell)
{
    return (uint32_t)(cell >> 32);
}

/* In a cell that it has already, or in a free one: one change, so that it can die at any time. */
static bool add(uint64_t *cell, uint32_t me, uint32_t n, bool claim)
{
    uint64_t now = load_acquire(cell), mine = (uint64_t)me << 32;
    while ((uint32_t)now ? owner(now) == me && !claim : claim)
        if (shared_swap(cell, &now, claim ? mine | n : now + n))
            return true;
    return false;
}

/* A block more; a process that dies before it is linked in has lost it. */
static struct weft__cell_block *grow(weft__cells *last)
{
    struct weft__cell_block *more = block_new(last);
    weft__cells none = 0;
    if (more && !shared_swap(last, &none, distance(last, more)))
        block_free(last, more);
    return at(last);
}

int weft__cells_add(weft__cells *cells, uint32_t n)
{
    struct weft__cell_block *block;
    weft__cells *last = cells;
    uint32_t me = weft__holder(cells);
    if (!me)
        return weft__failed(-ENOTSUP,
                            "what a process has of an object, in a plain fork's child, or "
                            "in a segment without /proc");
    for (int claim = 0; claim < 2; claim++)
        for (last = cells; (block = at(last)); last = &block->next)
            for (int i = 0; i < WEFT__CELLS; i++)
                if (add(&block->cell[i], me, n, claim))
                    return 0;
    for (; (block = at(last)) || (block = grow(last)); last = &block->next)
        for (int i = 0; i < WEFT__CELLS; i++)
            if (add(&block->cell[i], me, n, true))
                return 0;
    return -ENOMEM;
}

bool weft__cells_sub(weft__cells *cells, uint32_t n)
{
    uint32_t me = weft__holder(cells);
    for (struct weft__cell_block *block = at(cells); block; block = at(&block->next))
        for (int i = 0; i < WEFT__CELLS; i++) {
            uint64_t now = load_acquire(&block->cell[i]);
            while (owner(now) == me && (uint32_t)now >= n)
                if (shared_swap(&block->cell[i], &now, now - n))
                    return true;
        }
    return false;
}

uint64_t weft__cells_mine(weft__cells *cells)
{
    uint64_t sum = 0;
    uint32_t me = weft__holder(cells);
    for (struct weft__cell_block *block = at(cells); block; block = at(&block->next))
        for (int i = 0; i < WEFT__CELLS; i++) {
            uint64_t now = load_acquire(&block->cell[i]);
            sum += owner(now) == me ? (uint32_t)now : 0;
        }
    return sum;
}

uint64_t weft__cells_sum(weft__cells *cells, bool *died)
{
    uint64_t sum = 0;
    for (struct weft__cell_block *block = at(cells); block; block = at(&block->next))
        for (int i = 0; i < WEFT__CELLS; i++) {
            uint64_t now = load_acquire(&block->cell[i]);
            while ((uint32_t)now && weft__holder_is_dead(cells, owner(now)))
                if (shared_swap(&block->cell[i], &now, 0)) {
                    now = 0;
                    if (died)
                        *died = true;
                }
            sum += (uint32_t)now;
        }
    return sum;
}

uint64_t weft__cells_count(weft__cells *cells)
{
    uint64_t sum = 0;
    for (struct weft__cell_block *block = at(cells); block; block = at(&block->next))
        for (int i = 0; i < WEFT__CELLS; i++)
            sum += (uint32_t)load_acquire(&block->cell[i]);
    return sum;
}
