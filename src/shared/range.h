/* shared/range.h - which memory other processes see: the arena, and what was mapped besides. */
#ifndef WEFT_SHARED_RANGE_H
#define WEFT_SHARED_RANGE_H

#include "base/base.h"

int weft__range_add(void *at, size_t size); /* 0; -ENOMEM: 256 already */
void weft__range_remove(void *at);
bool weft__is_shared(const void *p, size_t size); /* all of it */

#endif
