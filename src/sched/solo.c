/* solo.c - see solo.h. */
#include "sched/solo.h"

#include "base/sys.h"

#include "arch/hooks.h"

enum { MEMBARRIER_PRIVATE_EXPEDITED = 1 << 3, MEMBARRIER_REGISTER = 1 << 4 };

struct weft__solo weft__solo;

void weft__solo_begin(void)
{
#ifndef WEFT_TSAN
    if (WEFT__SYS3(SYS_membarrier, MEMBARRIER_REGISTER, 0, 0) == 0)
        store_release(&weft__solo.on, true);
#endif
}

void weft__solo_end(void)
{
    if (likely(!load_acquire(&weft__solo.on)))
        return;
    store_seq_cst(&weft__solo.on, false);
    WEFT__SYS3(SYS_membarrier, MEMBARRIER_PRIVATE_EXPEDITED, 0, 0);
    while (load_acquire(&weft__solo.inside))
        weft__sys_sched_yield();
}
