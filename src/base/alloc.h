/* base/alloc.h - every allocation of the library goes through here. */
#ifndef WEFT_BASE_ALLOC_H
#define WEFT_BASE_ALLOC_H

#include <stddef.h>

/* Uninitialised; NULL when there is no memory. align: a power of two up to 64. */
void *weft__alloc(size_t bytes, size_t align);
void weft__release(void *block, size_t bytes); /* bytes as allocated; NULL is fine */

/* Fault injection: asked before each allocation; true makes it fail. NULL: never. */
extern _Bool (*weft__alloc_fault)(void);

#endif
