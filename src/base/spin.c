/* spin.c - the slow half of a spin lock. */
#include "base/base.h"
#include "base/sys.h"

void weft__spin_slow(weft__spin *spin)
{
    for (unsigned turns = 0;; turns++) {
        while (load_relaxed(&spin->word)) {
            if (turns++ < 200)
                cpu_relax();
            else
                weft__sys_sched_yield(); /* its holder may have lost its core */
        }
        if (!__atomic_exchange_n(&spin->word, 1, __ATOMIC_ACQUIRE))
            return;
    }
}
