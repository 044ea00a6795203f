/* Question: what does a loop pay for an event, when one of 1,000 descriptors is ready, and when 100 are? And
 * for watching one for something else? A function for each descriptor. */
#include "ours.h"
#include "selector.h"

static weft_selector selector;

static int pass(weft_selector *on, const struct weft_ready *ready)
{
    (void)on;
    ring_pass((int)(intptr_t)ready->data);
    return 0;
}

static void ring_turn(void)
{
    must(weft_selector_dispatch(&selector, weft_never()), "dispatch");
}

static void modify(long steps)
{
    for (long i = 0; i < steps; i++)
        must(weft_selector_modify(&selector, ring[i % RING][0], i / RING % 2 ? POLLIN : POLLOUT,
                                  (void *)(intptr_t)(i % RING)),
             "modify");
    for (int i = 0; i < RING; i++)
        must(weft_selector_modify(&selector, ring[i][0], POLLIN, (void *)(intptr_t)i), "modify");
}

static int ask(void *arg)
{
    (void)arg;
    must(weft_selector_init(&selector), "selector");
    ring_make();
    for (intptr_t i = 0; i < RING; i++)
        must(weft_selector_on(&selector, ring[i][0], POLLIN, pass, (void *)i), "on");
    bench("selector_mod", BENCH_CPU, modify);
    ring_bench();
    return 0;
}

int main(void)
{
    return ours(ask);
}
