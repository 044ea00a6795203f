/* shared/yard.h - small blocks of one size in a segment, for what its objects need beside themselves. */
#ifndef WEFT_SHARED_YARD_H
#define WEFT_SHARED_YARD_H

#include "base/base.h"

enum { WEFT__YARD_BLOCK = 128 };

struct weft__yard {       /* in the segment's head */
    uint64_t blocks;      /* where they begin, from here on */
    uint32_t count, used; /* those ever taken lie below */
    uint64_t free;        /* version << 32 | the first of those given back, from 1 on */
};

/* Of the yard beside the object: aligned to 64. NULL: no memory; a process that is killed in here takes one
 * along. */
void *weft__yard_take(const void *object);
void weft__yard_give(const void *object, void *block);

#endif
