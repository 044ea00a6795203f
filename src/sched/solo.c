/* solo.c - see solo.h. */
#include "sched/solo.h"

#include "base/sys.h"

#include "arch/hooks.h"

enum { MEMBARRIER_PRIVATE_EXPEDITED = 1 << 3, MEMBARRIER_REGISTER = 1 << 4 };

struct weft__solo weft__solo;

void weft__solo_begin(void)
{
#ifndef WEFT_TSAN
    if (WEFT__SYS3(SYS_membarrier, MEMBARRIER_REGISTER, 0, 0) < 0)
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
        WEFT__SYS3(SYS_membarrier, MEMBARRIER_PRIVATE_EXPEDITED, 0, 0);
        while (load_acquire(&weft__solo.inside))
            weft__sys_sched_yield();
        store_release(&weft__solo.state, WEFT__SOLO_OFF);
    }
    while (load_acquire(&weft__solo.state) != WEFT__SOLO_OFF) /* somebody else is at it */
        weft__sys_sched_yield();
}
