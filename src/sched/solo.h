/* sched/solo.h - one thread alone needs no locked instructions.
 *
 * A program under weft_run with one worker has one thread that uses weft, as a gevent program has; a
 * locked instruction costs it 9 ns each for nobody. While weft__solo is on, that thread enters its short
 * critical sections by two plain stores. Whoever would be the second (a foreign thread's first call, a
 * thread task, an offload helper) first ends this for good: it says so, has the kernel put a barrier
 * into every running thread (membarrier), and waits until the first one is in no section. The kernel's
 * barrier stands for the fence that the fast side leaves out; without it (or under ThreadSanitizer,
 * which does not know it) nobody is ever solo.
 */
#ifndef WEFT_SCHED_SOLO_H
#define WEFT_SCHED_SOLO_H

#include <stdbool.h>
#include <stdint.h>

#include "sched/task.h"

enum weft__solo_state { WEFT__SOLO_OFF, WEFT__SOLO_ON, WEFT__SOLO_ENDING };

struct weft__solo {
    uint32_t state;  /* enum weft__solo_state */
    uint32_t inside; /* sections of the one thread, nested */
};

extern struct weft__solo weft__solo __attribute__((visibility("hidden")));

void weft__solo_begin(void); /* by the one thread */
void weft__solo_end(void);   /* by whoever else is about to begin */

/* true: the caller is alone until weft__solo_leave; false: it must use atomics. */
static inline bool weft__solo_enter(void)
{
    if (load_relaxed(&weft__solo.state) != WEFT__SOLO_ON)
        return false;
    if (unlikely(!weft__current || !weft__current->worker)) {
        weft__solo_end(); /* another thread's first call */
        return false;
    }
    store_relaxed(&weft__solo.inside, weft__solo.inside + 1);
    __atomic_signal_fence(__ATOMIC_SEQ_CST); /* membarrier makes it a real one */
    if (likely(load_relaxed(&weft__solo.state) == WEFT__SOLO_ON))
        return true;
    store_release(&weft__solo.inside, weft__solo.inside - 1);
    return false;
}

static inline void weft__solo_leave(void)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    store_release(&weft__solo.inside, weft__solo.inside - 1);
}

#endif
