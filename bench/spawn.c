/* Question: what does a task cost from spawn to join, one by one, in batches of 1,000, and ("far") in
 * batches of 1,000 from a plain thread that is no worker, with two workers? */
#include "ours.h"

static long runs[1000];

static int count(void *run)
{
    ++*(long *)run;
    return 0;
}

static void batches(int size, long steps)
{
    weft_group all;
    memset(runs, 0, sizeof runs);
    weft_group_init(&all, 0);
    for (long round = 0; round < steps / size; round++) {
        for (int t = 0; t < size; t++)
            weft_group_spawn(&all, WEFT_COROUTINE, count, &runs[t]);
        must(weft_group_wait(&all, weft_never()), "wait");
    }
    for (int t = 0; t < size; t++)
        bench_check(runs[t] == steps / size, "tasks run");
}

static void one(long steps)
{
    batches(1, steps);
}

static void thousand(long steps)
{
    batches(1000, steps);
}

static int ask(void *arg)
{
    (void)arg;
    bench("spawn_1", BENCH_CPU, one);
    bench("spawn_1000", BENCH_CPU, thousand);
    return 0;
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc == 1)
        return ours(ask);
    ours_version();
    bench("spawn_far", BENCH_WALL, thousand);
}
