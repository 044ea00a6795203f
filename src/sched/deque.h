/* sched/deque.h - closures that have not started, by value, in a growable ring.
 *
 * One owner pushes at the bottom; the owner may pop there (last in, first out: the Chase-Lev deque) or
 * take at the top (first in, first out), as thieves do. One code for both uses; a deque is used in one
 * way by its owner. Rings that were outgrown are kept until fini: a thief may still be reading one.
 */
#ifndef WEFT_SCHED_DEQUE_H
#define WEFT_SCHED_DEQUE_H

#include <stdbool.h>
#include <stdint.h>

struct weft_group;

/* One cache line. */
struct weft__closure {
    int (*fn)(void *arg);
    void *arg; /* with size > 0: unused, the job is in copy */
    struct weft_group *group;
    const char *site;
    union {
        unsigned char copy[24];
        struct weft__task *task; /* fn NULL: a task that has a descriptor already */
    } u;
    uint32_t size;  /* bytes of copy in use */
    uint32_t flags; /* sched/task.h */
};

struct weft__ring;

struct weft__deque {
    int64_t top __attribute__((aligned(64)));    /* thieves */
    int64_t bottom __attribute__((aligned(64))); /* this and the rest: the owner */
    int64_t limit;           /* up to here bottom may go without a look at top */
    struct weft__ring *ring; /* NULL until the first push */
};

void weft__deque_fini(struct weft__deque *deque); /* zeroed memory is an empty deque */

/* Owner. 0; -ENOMEM: not pushed. */
int weft__deque_push(struct weft__deque *deque, const struct weft__closure *closure);

/* Owner: the last one pushed, if it is still there and belongs to this group (a group's waiter runs
 * its own tasks only; NULL: any); false else. */
bool weft__deque_pop(struct weft__deque *deque, const struct weft_group *group,
                     struct weft__closure *out);

/* Anyone: the oldest. false: empty (a lost race is tried again inside). */
bool weft__deque_take(struct weft__deque *deque, struct weft__closure *out);

/* Anyone: about how many. */
int64_t weft__deque_length(const struct weft__deque *deque);

/* Take half of what another deque holds, at most 32, rounded up: the first into *out, the others
 * pushed onto into, whose owner the caller is. How many in all; 0: nothing there. What cannot be
 * pushed for want of memory is not taken. */
unsigned weft__deque_steal(struct weft__deque *from, struct weft__deque *into,
                           struct weft__closure *out);

#endif
