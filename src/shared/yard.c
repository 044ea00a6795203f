/* yard.c - see yard.h. Blocks that were given back form a list; its first one and a version change together, so
 * that who takes it while others take and give does not see it as it was. */
#include "shared/yard.h"

#include "base/sys.h"
#include "shared/point.h"
#include "shared/range.h"

static void *block_at(struct weft__yard *yard, uint32_t i) /* from 1 on */
{
    return (char *)yard + yard->blocks + (size_t)(i - 1) * WEFT__YARD_BLOCK;
}

void *weft__yard_take(const void *object)
{
    struct weft__yard *yard = weft__range_yard(object, 1);
    if (!yard)
        return NULL;
    uint64_t first = load_acquire(&yard->free);
    while ((uint32_t)first) {
        uint32_t *block = block_at(yard, (uint32_t)first), next = load_relaxed(block);
        if (shared_swap(&yard->free, &first, ((first >> 32) + 1) << 32 | next))
            return block;
    }
    uint32_t used = load_relaxed(&yard->used);
    do
        if (used == yard->count)
            return NULL;
    while (!shared_swap(&yard->used, &used, used + 1));
    void *block = block_at(yard, used + 1);
    uintptr_t page = (uintptr_t)block & ~(uintptr_t)4095; /* the file has no memory there yet */
    return weft__sys_populate((void *)page, 4096) == 0 ? block : NULL;
}

void weft__yard_give(const void *object, void *block)
{
    struct weft__yard *yard = weft__range_yard(object, 1);
    uint32_t i =
        (uint32_t)(((uintptr_t)block - (uintptr_t)block_at(yard, 1)) / WEFT__YARD_BLOCK) + 1;
    uint64_t first = load_relaxed(&yard->free);
    do
        store_relaxed((uint32_t *)block, (uint32_t)first);
    while (!shared_swap(&yard->free, &first, ((first >> 32) + 1) << 32 | i));
}
