/* spawn: pth_spawn and pth_join, default attributes. */
#include "bench.h"

#include <pth.h>

static long done;

static void *count(void *arg)
{
    done++;
    return arg;
}

static void batches(int size, long steps)
{
    pth_t all[1000];
    done = 0;
    for (long round = 0; round < steps / size; round++) {
        for (int t = 0; t < size; t++)
            all[t] = pth_spawn(PTH_ATTR_DEFAULT, count, NULL);
        for (int t = 0; t < size; t++)
            pth_join(all[t], NULL);
    }
    bench_check(done == steps / size * size, "tasks run");
}

static void one(long steps)
{
    batches(1, steps);
}
static void thousand(long steps)
{
    batches(1000, steps);
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1) /* one thread only */
        return 0;
    pth_init();
    bench_version(PTH_VERSION_STR);
    bench("spawn_1", BENCH_CPU, one);
    bench("spawn_1000", BENCH_CPU, thousand);
}
