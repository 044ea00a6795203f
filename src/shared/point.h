/* shared/point.h - the words for stores into memory that processes share. Between any two of them the
 * process may be killed, so the state that is left must make sense to the others after each. A build
 * with -Dinvariants=true counts them, and a test kills at the n-th: tests/kill. */
#ifndef WEFT_SHARED_POINT_H
#define WEFT_SHARED_POINT_H

#include <string.h>

#include "base/base.h"

#ifdef WEFT_INVARIANTS
extern void (*weft__shared_point_met)(void);

static inline void weft__shared_point(void)
{
    void (*met)(void) = load_relaxed(&weft__shared_point_met);
    if (unlikely(met != NULL))
        met();
}
#else
static inline void weft__shared_point(void)
{
}
#endif

#define shared_store(p, v)    \
    do {                      \
        store_release(p, v);  \
        weft__shared_point(); \
    } while (0)
#define shared_exchange(p, v)       weft__shared_value(exchange_acq_rel(p, v))
#define shared_add(p, v)            weft__shared_value(add_acq_rel(p, v))
#define shared_and(p, v)            weft__shared_value(and_acq_rel(p, v))
#define shared_or(p, v)             weft__shared_value(or_seq_cst(p, v))
#define shared_swap(p, expected, v) weft__shared_value(swap_seq_cst(p, expected, v))
#define weft__shared_value(expression)                \
    ({                                                \
        __typeof__(expression) value_ = (expression); \
        weft__shared_point();                         \
        value_;                                       \
    })

static inline void shared_copy(void *to, const void *from, size_t size)
{
    size_t half = size / 2;
    memcpy(to, from, half);
    weft__shared_point(); /* torn */
    memcpy((char *)to + half, (const char *)from + half, size - half);
    weft__shared_point();
}

#endif
