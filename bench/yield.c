/* Question: what does letting another task run cost, among 2 and among 1,000? One worker. */
#include "ours.h"

static long done, each;

static int turns(void *arg)
{
    (void)arg;
    for (long i = 0; i < each; i++, done++)
        weft_yield();
    return 0;
}

static void among(int tasks, long steps)
{
    weft_group all;
    done = 0;
    each = steps / tasks;
    weft_group_init(&all, 0);
    for (int t = 0; t < tasks; t++)
        weft_group_spawn(&all, WEFT_COROUTINE, turns, NULL);
    must(weft_group_wait(&all, weft_never()), "wait");
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

static int ask(void *arg)
{
    (void)arg;
    bench("yield_2", BENCH_CPU, among_2);
    bench("yield_1000", BENCH_CPU, among_1000);
    return 0;
}

int main(void)
{
    return ours(ask);
}
