/* range.c - see range.h. */
#include "shared/range.h"

#include <errno.h>

#include "base/spin.h"
#include "shared/arena.h"

static struct range {
    uintptr_t at;
    size_t size; /* 0: none */
    struct weft__yard *yard;
} ranges[256];
static uint32_t used; /* those ever taken lie below */
static weft__spin spin;

int weft__range_add(void *at, size_t size, struct weft__yard *yard)
{
    weft__spin_lock(&spin);
    uint32_t i = 0;
    while (i < used && ranges[i].size)
        i++;
    bool room = i < ARRAY_LEN(ranges);
    if (room) {
        ranges[i].at = (uintptr_t)at;
        ranges[i].size = size;
        ranges[i].yard = yard;
        if (i == used)
            store_release(&used, used + 1);
    }
    weft__spin_unlock(&spin);
    return room ? 0 : -ENOMEM;
}

void weft__range_remove(void *at)
{
    weft__spin_lock(&spin);
    for (uint32_t i = 0; i < used; i++)
        if (ranges[i].at == (uintptr_t)at)
            ranges[i].size = 0;
    weft__spin_unlock(&spin);
}

struct weft__yard *weft__range_yard(const void *p, size_t size)
{
    struct weft__yard *yard = NULL;
    if (load_acquire(&used) == 0)
        return NULL;
    weft__spin_lock(&spin);
    for (uint32_t i = 0; i < used && !yard; i++) {
        uintptr_t distance = (uintptr_t)p - ranges[i].at;
        if (distance < ranges[i].size && size <= ranges[i].size - distance)
            yard = ranges[i].yard;
    }
    weft__spin_unlock(&spin);
    return yard;
}

bool weft__is_shared(const void *p, size_t size)
{
    return weft__arena_has(p, size) || weft__range_yard(p, size);
}
