/* sched/strand.h - stacks that run as calls of whichever task is at hand: below generators and fibers.
 *
 * To enter one is a bare switch of stacks on one OS thread. Nothing is scheduled and the task stays who it
 * is: its waits, cancels, bounds, locals and locks are those of a plain call, and a wait inside parks the
 * task with the strand's stack under it. The caller may be any thread.
 *
 * Frames on a strand may hold what belongs to the thread they began on (compilers keep the address of
 * errno), so it stays there. Frames may also have changed the task in a way that they undo when they
 * return: a bound, a shield, a place in a fork group. While there are such a strand is not left
 * (weft__strand_may_leave), since the frames that undo it would run under another caller.
 *
 * Rejected: tasks of their own (their waits would have to be passed on, cancels and bounds too, and a
 * thread without a runtime could not run them).
 */
#ifndef WEFT_SCHED_STRAND_H
#define WEFT_SCHED_STRAND_H

#include "arch/switch.h"
#include "sched/task.h"

/* Where a strand was entered, and how the task was there. */
struct weft__strand_caller {
    void *sp;
    struct weft__strand *strand;
    struct weft__member *member;
    int64_t bound;
    uint32_t shield;
    struct weft__hooks hooks;
};

struct weft__strand { /* at the top of its stack */
    void *sp;         /* while it does not run */
    struct weft__strand_caller *caller;
    void *object;              /* a weft_generator or weft_fiber */
    const void *home;          /* weft__strand_home where it began */
    bool is_generator;         /* else a fiber */
    struct weft__task *record; /* of its stack; it serves no task meanwhile */
    struct weft__hooks hooks;
    struct weft__strand_caller only; /* a generator's */
};

/* A stack on which main(handed by the first switch) will run; it must never return. NULL: no memory. */
struct weft__strand *weft__strand_new(struct weft__task *self, void (*main)(void *handed),
                                      void *object, bool is_generator, const char *site);
void weft__strand_free(struct weft__task *self, struct weft__strand *strand); /* on another stack */

/* The OS thread; in seeded runs the lane that stands for it, or the host. */
static inline const void *weft__strand_home(const struct weft__task *self)
{
    if (likely(!weft__rt.seeded))
        return &weft__current;
    return self->worker ? (const void *)self->worker : self;
}

static inline bool weft__strand_may_leave(const struct weft__task *self,
                                          const struct weft__strand *strand)
{
    const struct weft__strand_caller *caller = strand->caller;
    return likely(self->bound == caller->bound && self->shield == caller->shield &&
                  self->member == caller->member);
}

/* Three ways to switch, in two halves: tell whom it concerns, then switch. What is handed over is what the
 * switch returns that ended there; the task may be another one after it. */

static WEFT__ALWAYS_INLINE void weft__strand_enter(struct weft__task *self,
                                                   struct weft__strand *strand,
                                                   struct weft__strand_caller *here)
{
    here->strand =
        load_relaxed(&self->strand); /* alone: two words at once would wait for its store */
    here->member = self->member;
    here->bound = self->bound;
    here->shield = self->shield;
    weft__hooks_here(&here->hooks, &self->hooks, self->worker || here->strand);
    strand->caller = here;
    store_relaxed(&self->strand, strand);
    weft__hooks_move(&self->hooks, &strand->hooks);
    weft__hooks_leave(&here->hooks, &strand->hooks, false);
}

static WEFT__ALWAYS_INLINE void weft__strand_leave(struct weft__task *self,
                                                   struct weft__strand *strand, bool last)
{
    struct weft__strand_caller *caller = strand->caller;
    store_relaxed(&self->strand, caller->strand);
    weft__hooks_move(&self->hooks, &caller->hooks);
    weft__hooks_leave(&strand->hooks, &caller->hooks, last);
}

/* To another one, which has the same caller from now on. */
static WEFT__ALWAYS_INLINE void weft__strand_pass(struct weft__task *self,
                                                  struct weft__strand *strand,
                                                  struct weft__strand *to, bool last)
{
    to->caller = strand->caller;
    store_relaxed(&self->strand, to);
    weft__hooks_move(&self->hooks, &to->hooks);
    weft__hooks_leave(&strand->hooks, &to->hooks, last);
}

/* On a strand after a switch, and first of all in its main. */
static WEFT__ALWAYS_INLINE void weft__strand_arrive(struct weft__strand *strand)
{
    weft__hooks_arrive_in(&strand->hooks, &strand->caller->hooks);
}

#endif
