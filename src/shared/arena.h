/* shared/arena.h - memory that all processes of the tree see at the same address. No lock: a process
 * that is stopped inside stops nobody, and one that dies inside leaves no more than its reaper frees. */
#ifndef WEFT_SHARED_ARENA_H
#define WEFT_SHARED_ARENA_H

#include "shared/tree.h"

/* A block belongs to: */
enum weft__block_owner {
    WEFT__BLOCK_FREE,
    WEFT__BLOCK_KEPT, /* nobody in particular: freed by a call only */
    WEFT__BLOCK_HELD, /* a process, by id: freed when it dies */
    WEFT__BLOCK_LENT /* a place in a queue, an address: freed when the process that lent it there dies
                         and weft__block_is_lent says that it is not in that place */
};

/* size bytes, aligned to 16 (64 from 64 bytes on), of this process (WEFT__BLOCK_HELD) or kept. NULL: no
 * memory, the limit, or no arena. */
void *weft__arena_take(size_t size, enum weft__block_owner owner);
void weft__arena_give(void *block);
size_t weft__arena_room(const void *block); /* usable bytes */
/* One store. what: the process's id or the address. */
void weft__arena_owner_set(void *block, enum weft__block_owner owner, uint64_t what);
bool weft__arena_is_lent(const void *block,
                         uint64_t place);         /* whatever block is: a stale pointer is not */
bool weft__arena_has(const void *p, size_t size); /* all of it */
extern bool (*weft__block_is_lent)(const void *block, uint64_t place); /* NULL: none is */

void weft__arena_sweep(weft__process_id died); /* by the reaper */
void weft__arena_forked(void);                 /* this process has no spans of its own yet */
#ifdef WEFT_INVARIANTS
size_t weft__arena_blocks(void); /* that are not free, while nobody is at it */
#endif

#endif
