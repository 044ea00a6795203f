/* alloc.c - the allocator hook: the one file that knows malloc. */
#include "base/alloc.h"

#include <errno.h>
#include <stdlib.h>
#include <weft/base.h>

_Bool (*weft__alloc_fault)(void);

static void *from_libc(void *ctx, size_t bytes, size_t align)
{
    (void)ctx;
    return align <= _Alignof(max_align_t) ? malloc(bytes)
                                          : aligned_alloc(align, (bytes + align - 1) & ~(align - 1));
}

static void to_libc(void *ctx, void *block, size_t bytes)
{
    (void)ctx;
    (void)bytes;
    free(block);
}

static struct weft_allocator source = {
    .size = sizeof source,
    .allocate = from_libc,
    .release = to_libc,
};
static uint64_t allocations;

int weft_allocator_set(const struct weft_allocator *allocator)
{
    if (allocator->size != sizeof *allocator || !allocator->allocate || !allocator->release)
        return -EINVAL;
    if (weft_allocation_count() > 0)
        return -EBUSY;
    source = *allocator;
    return 0;
}

uint64_t weft_allocation_count(void)
{
    return __atomic_load_n(&allocations, __ATOMIC_RELAXED);
}

void *weft__alloc(size_t bytes, size_t align)
{
    _Bool (*fault)(void) = __atomic_load_n(&weft__alloc_fault, __ATOMIC_RELAXED);
    if (fault && fault())
        return NULL;
    __atomic_fetch_add(&allocations, 1, __ATOMIC_RELAXED);
    return source.allocate(source.ctx, bytes, align);
}

void weft__release(void *block, size_t bytes)
{
    if (block)
        source.release(source.ctx, block, bytes);
}
