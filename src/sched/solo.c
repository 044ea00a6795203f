/* solo.c - see solo.h. */
#include "sched/solo.h"

#include "base/sys.h"

#include "arch/hooks.h"

struct weft__solo weft__solo;

void weft__solo_begin(void)
{
#ifndef WEFT_TSAN
    if (weft__sys_barrier_prepare() < 0)
        return;
    store_seq_cst(&weft__solo.state, WEFT__SOLO_ON);
    if (load_seq_cst(&weft__rt.threads) != 1) /* who came meanwhile may not have seen it */
        weft__solo_end();
#endif
}

void weft__solo_end(void)
{
    uint32_t state = WEFT__SOLO_ON;
    if (likely(load_acquire(&weft__solo.state) == WEFT__SOLO_OFF))
        return;
    if (swap_seq_cst(&weft__solo.state, &state, WEFT__SOLO_ENDING)) {
        weft__sys_barrier();
        while (load_acquire(&weft__solo.inside))
            weft__sys_sched_yield();
        store_release(&weft__solo.state, WEFT__SOLO_OFF);
    }
    while (load_acquire(&weft__solo.state) != WEFT__SOLO_OFF) /* somebody else is at it */
        weft__sys_sched_yield();
}
