/* shared_cells.c - see shared.h. A cell changes by compare-and-swap, so that anyone may take it from the
 * dead; a process may have several, when its threads claim one at once. */
#include "shared/arena.h"
#include "sync/shared.h"

static struct weft__cells *cells_new(void)
{
    struct weft__cells *cells = weft__arena_take(sizeof *cells, WEFT__BLOCK_KEPT);
    if (cells) {
        cells->next = NULL;
        for (int i = 0; i < WEFT__CELLS; i++)
            shared_store(&cells->cell[i], 0);
    }
    return cells;
}

int weft__cells_begin(struct weft__cells **field)
{
    if (!weft__arena_has(field, sizeof *field))
        return weft__failed(-ENOTSUP, "object with holders in a segment: in the arena only");
    *field = cells_new();
    return *field ? 0 : -ENOMEM;
}

void weft__cells_free(struct weft__cells *cells)
{
    while (cells) {
        struct weft__cells *next = cells->next;
        weft__arena_give(cells);
        cells = next;
    }
}

static weft__process_id owner(uint64_t cell)
{
    return (weft__process_id)(cell >> 32);
}

/* In a cell that it has already, or in a free one: one change, so that it can die at any time. */
static bool add(uint64_t *cell, uint32_t n, bool claim)
{
    uint64_t now = load_acquire(cell), mine = (uint64_t)weft__me << 32;
    while ((uint32_t)now ? owner(now) == weft__me && !claim : claim)
        if (shared_swap(cell, &now, claim ? mine | n : now + n))
            return true;
    return false;
}

/* A block more; a process that dies before it is linked in has lost it. */
static struct weft__cells *grow(struct weft__cells *last)
{
    struct weft__cells *more = cells_new(), *none = NULL;
    if (more && !shared_swap(&last->next, &none, more))
        weft__arena_give(more);
    return load_acquire(&last->next);
}

int weft__cells_add(struct weft__cells *cells, uint32_t n)
{
    struct weft__cells *at, *last = cells;
    if (!weft__me)
        return weft__failed(-ENOTSUP, "what a process has of an object, in a plain fork's child");
    for (int claim = 0; claim < 2; claim++)
        for (at = cells; at; at = load_acquire(&at->next)) {
            for (int i = 0; i < WEFT__CELLS; i++)
                if (add(&at->cell[i], n, claim))
                    return 0;
            last = at;
        }
    while ((last = load_acquire(&last->next) ? last->next : grow(last)))
        for (int i = 0; i < WEFT__CELLS; i++)
            if (add(&last->cell[i], n, true))
                return 0;
    return -ENOMEM;
}

bool weft__cells_sub(struct weft__cells *cells, uint32_t n)
{
    for (; cells; cells = load_acquire(&cells->next))
        for (int i = 0; i < WEFT__CELLS; i++) {
            uint64_t now = load_acquire(&cells->cell[i]);
            while (owner(now) == weft__me && (uint32_t)now >= n)
                if (shared_swap(&cells->cell[i], &now, now - n))
                    return true;
        }
    return false;
}

uint64_t weft__cells_mine(struct weft__cells *cells)
{
    uint64_t sum = 0;
    for (; cells; cells = load_acquire(&cells->next))
        for (int i = 0; i < WEFT__CELLS; i++) {
            uint64_t now = load_acquire(&cells->cell[i]);
            sum += owner(now) == weft__me ? (uint32_t)now : 0;
        }
    return sum;
}

uint64_t weft__cells_sum(struct weft__cells *cells, bool *died)
{
    uint64_t sum = 0;
    for (; cells; cells = load_acquire(&cells->next))
        for (int i = 0; i < WEFT__CELLS; i++) {
            uint64_t now = load_acquire(&cells->cell[i]);
            while ((uint32_t)now && weft__process_is_dead(owner(now)))
                if (shared_swap(&cells->cell[i], &now, 0)) {
                    now = 0;
                    if (died)
                        *died = true;
                }
            sum += (uint32_t)now;
        }
    return sum;
}
