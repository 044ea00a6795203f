/* yield: GNU Pth's pth_yield(NULL). */
#include "bench.h"

#include <pth.h>

static long done, each;

static void *turns(void *arg)
{
    for (long i = 0; i < each; i++, done++)
        pth_yield(NULL);
    return arg;
}

static void among(int tasks, long steps)
{
    pth_t *all = malloc((size_t)tasks * sizeof *all);
    done = 0;
    each = steps / tasks;
    for (int t = 0; t < tasks; t++)
        all[t] = pth_spawn(PTH_ATTR_DEFAULT, turns, NULL);
    for (int t = 0; t < tasks; t++)
        pth_join(all[t], NULL);
    free(all);
    bench_check(done == each * tasks, "yields");
}

static void among_2(long steps)
{
    among(2, steps);
}
static void among_1000(long steps)
{
    among(1000, steps);
}

int main(void)
{
    pth_init();
    bench_version(PTH_VERSION_STR);
    bench("yield_2", BENCH_CPU, among_2);
    bench("yield_1000", BENCH_CPU, among_1000);
}
