/* Question: what does the next value of a generator cost, in a task and in a thread without a runtime; and a
 * switch from fiber to fiber? */
#include "ours.h"

static int count(void *arg)
{
    (void)arg;
    for (long i = 0;; i++) {
        int r = weft_generator_yield(&i, sizeof i);
        if (r < 0)
            return r;
    }
}

static void nexts(long steps)
{
    weft_generator g;
    long v = -1, sum = 0;
    must(weft_generator_init(&g, count, NULL, sizeof v), "init");
    for (long i = 0; i < steps; i++)
        sum += weft_generator_next(&g, &v, sizeof v, weft_never());
    bench_check(sum == steps && v == steps - 1, "values");
    weft_generator_fini(&g);
}

static weft_fiber one, two;

static long left;

static void *bounce(void *value)
{
    (void)value;
    while (--left > 0 &&
           weft_fiber_switch(weft_fiber_current() == &one ? &two : &one, NULL, NULL) == 0)
        ;
    return NULL;
}

static void switches(long steps)
{
    left = steps;
    weft_fiber_init(&one, bounce, NULL);
    weft_fiber_init(&two, bounce, NULL);
    must(weft_fiber_switch(&one, NULL, NULL), "switch");
    bench_check(left == 0, "switches");
    weft_fiber_fini(&one);
    weft_fiber_fini(&two);
}

static int ask(void *arg)
{
    (void)arg;
    bench("generator", BENCH_CPU, nexts);
    bench("fiber", BENCH_CPU, switches);
    return 0;
}

int main(void)
{
    bench("generator_bare", BENCH_CPU, nexts);
    return ours(ask);
}
