/* Question: what does the bare switch cost? Two stacks, in a loop that returns through one call level, as
 * every switch of the library does. */
#include "bench.h"

#include "arch/switch.h"

static void *ours, *theirs;
static char stack[65536] __attribute__((aligned(64)));

static __attribute__((noinline)) void go(void **from, void *to)
{
    weft__switch(from, to, NULL);
}

static void other(void *handed)
{
    (void)handed;
    for (;;)
        go(&theirs, ours);
}

static void there_and_back(long steps)
{
    for (long i = 0; i < steps; i += 2)
        go(&ours, theirs);
}

int main(void)
{
    theirs = weft__switch_prepare(stack + sizeof stack, other);
    bench("switch", BENCH_CPU, there_and_back);
    return 0;
}
