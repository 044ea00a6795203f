/* weft/arena.h - memory that a program shares with its process tasks, at the same address in all of them.
 *
 *     struct tally { weft_lock lock; long sum; } *tally = weft_arena_alloc(sizeof *tally);
 *     weft_lock_init(&tally->lock, WEFT_SHARED);
 *     for (int i = 0; i < 4; i++)
 *         weft_group_spawn(&g, WEFT_PROCESS, add_up, tally); // the pointer means the same there
 *
 * So plain pointers into it, and from it into it, work everywhere. Objects that several processes use
 * (locks, conditions, queues, ...) lie in it and are made with WEFT_SHARED. It is made at its first use, has
 * no name and no file, grows with what is allocated, and is gone with the last process, however that ends.
 *
 * All processes in it trust each other: one that writes where it should not harms them all. */
#ifndef WEFT_ARENA_H
#define WEFT_ARENA_H

#include <weft/base.h>

WEFT_BEGIN

/* Allocate. The block is nobody's in particular: it stays until it is freed, by any process, whichever
 * others have ended. A process that is killed in the middle of this call, or of a free, leaves the arena whole.
 *   size  bytes; 0 is taken for 1
 * Returns   the block, not necessarily zeroed, aligned to 16 bytes, from 64 bytes on to 64; NULL: no memory, the
 *           limit, or in the child of a plain fork, with words in weft_why()
 * Context   task or thread of the program or its process tasks; it waits for no other process
 * Cancels   no.   Since 0.1
 */
WEFT_API WEFT_MUST void *weft_arena_alloc(size_t size);

/* Free a block of weft_arena_alloc, here or in another process. NULL is fine. What is no block, or none any
 * more, is a bug: reported, then abort.
 * Context   as weft_arena_alloc
 * Cancels   no.   Since 0.1
 */
WEFT_API void weft_arena_free(void *block);

/* Do the size bytes at p lie in the arena?
 * Returns   true or false; false for NULL, and while there is no arena
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API bool weft_arena_holds(const void *p, size_t size);

/* What the arena is like. */
struct weft_arena_info {
    size_t size;     /* sizeof (struct weft_arena_info) */
    uint64_t used;   /* bytes given out, in units of 64 KiB; about, while others allocate */
    uint64_t limit;  /* used never passes it */
    uint64_t range;  /* bytes of addresses: 64 GiB, less where limits of the process say so */
    bool huge_pages; /* asked for */
};

/* Ask.
 *   out  out->size set by the caller
 * Returns   0; -EINVAL (size); -ENOMEM there is none, and none can be made
 * Context   anywhere but signal handlers
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_arena_describe(struct weft_arena_info *out);

/* Options; zero them, then set size and what you need. */
struct weft_arena_options {
    size_t size; /* sizeof (struct weft_arena_options) */
    uint64_t limit; /* bytes, rounded down to 64 KiB; 0: as it is. Below `used` nothing more is given out */
    bool huge_pages; /* ask the kernel for pages of 2 MiB (it heeds that if its settings say so): few faults and
                        fewer misses for large data, more memory for small */
};

/* Change it, or make it so before its first use. Holds for all processes.
 * Returns   0; -EINVAL; -ENOMEM, -EMFILE, -ENFILE: there is none, and none can be made, with words in weft_why()
 * Context   anywhere but signal handlers
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_arena_configure(const struct weft_arena_options *options);

WEFT_END
#endif
