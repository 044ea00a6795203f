/* shared/range.h - which memory other processes see: the arena, and what was mapped besides. */
#ifndef WEFT_SHARED_RANGE_H
#define WEFT_SHARED_RANGE_H

#include "shared/yard.h"

int weft__range_add(void *at, size_t size, struct weft__yard *yard); /* 0; -ENOMEM: 256 already */
void weft__range_remove(void *at);
bool weft__is_shared(const void *p, size_t size); /* all of it */
/* Of the range beside the arena that has all of it; NULL: none. */
struct weft__yard *weft__range_yard(const void *p, size_t size);

#endif
