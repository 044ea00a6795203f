/* shared/tree.h - what the processes of a program have in common: one range of memory, the arena, at the
 * same address in all of them, and at its beginning who they are.
 *
 * The program that was started is the root. It makes the arena at its first use of anything shared; its
 * process tasks, theirs too, find it where it is, because they are clones. All state here is changed by
 * the words of shared/point.h only, state and owner always in one word. Whatever a dead process has left
 * is put right by who comes across it, or by the root's reaper (proc/reaper.c), and nobody waits for the
 * dead: the reaper moves the death epoch, which every shared sleep waits for too.
 */
#ifndef WEFT_SHARED_TREE_H
#define WEFT_SHARED_TREE_H

#include "base/base.h"
#include "shared/point.h"

enum {
    WEFT__PROCESSES = 4096, /* at once */
    WEFT__SLOT_BITS = 12,
    WEFT__SPAN = 1 << 16 /* bytes: the arena's unit */
};

/* A process by slot and generation: 0 nobody; one that has ended never comes again (in a million
 * processes of the same slot). */
typedef uint32_t weft__process_id;

enum weft__process_phase {
    WEFT__SLOT_FREE,
    WEFT__SLOT_TAKEN, /* by who spawns it; it does not run yet */
    WEFT__SLOT_ALIVE,
    WEFT__SLOT_DEAD /* what it left is put right; until the slot is given back its record can be read */
};

struct weft__process {
    uint64_t state;    /* id << 32 | slot of who takes it << 8 | phase: changes together */
    uint64_t proc[31]; /* proc/'s: exit record, parent, what it is to do */
} __attribute__((aligned(256)));

struct weft__tree {
    uint32_t epoch;     /* futex word: moves when a death has been put right */
    uint32_t processes; /* slots ever taken lie below */
    uint64_t limit;     /* bytes of spans */
    uint64_t used;      /* likewise; the reaper counts anew */
    uint32_t spans;     /* in the range */
    uint32_t spans_met; /* those ever taken lie below */
    uint32_t spans_first;
    uint64_t spare;     /* bytes of free spans that have memory, about */
    uint32_t ownerless; /* spans of blocks whose owner has died, about */
    bool huge_pages;
    struct weft__process process[WEFT__PROCESSES];
    uint64_t notes[4096]; /* debug/'s: who waits long */
    uint64_t span[];      /* shared/arena.c */
};

extern struct weft__tree *weft__tree; /* NULL: nothing is shared yet */
extern weft__process_id weft__me;     /* of this process; the root's from the arena's beginning */

/* Make the arena, if there is none: 0, -ENOMEM, -EMFILE, -ENFILE, -ENOTSUP (a plain fork's child without
 * one). From any thread. */
int weft__tree_begin(void);

/* Take a slot, for a process that is about to be made: its id, 0 when all are taken. */
weft__process_id weft__process_take(void);
void weft__process_set(weft__process_id id, enum weft__process_phase phase);
/* What it held goes on: blocks are freed. Then it is dead, and all who sleep look again. By the reaper. */
void weft__process_died(weft__process_id id);

static inline struct weft__process *weft__process(weft__process_id id)
{
    return &weft__tree->process[id & (WEFT__PROCESSES - 1)];
}

/* Taken by `by`, which has not set its phase since. */
static inline bool weft__process_is_taken(uint64_t state, weft__process_id by)
{
    return (uint32_t)state == ((by & (WEFT__PROCESSES - 1)) << 8 | WEFT__SLOT_TAKEN);
}

static inline enum weft__process_phase weft__process_phase(weft__process_id id)
{
    uint64_t state = load_acquire(&weft__process(id)->state);
    return state >> 32 == id ? (enum weft__process_phase)(state & 0xff) : WEFT__SLOT_FREE;
}

/* Its stores are all there, and none will follow. */
static inline bool weft__process_is_dead(weft__process_id id)
{
    enum weft__process_phase phase = weft__process_phase(id);
    return phase == WEFT__SLOT_FREE || phase == WEFT__SLOT_DEAD;
}

/* In a process that has just been made (a process task; a plain fork's child has id 0 and is no member:
 * it may use what is shared, and what it holds when it dies is found by the kernel's list only). */
void weft__tree_entered(weft__process_id me);

#endif
