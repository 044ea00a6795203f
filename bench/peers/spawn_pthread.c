/* spawn: an OS thread each, as cheap as they come: 64 KiB stacks, which glibc keeps for reuse. */
#include "bench.h"

#include <gnu/libc-version.h>
#include <pthread.h>

static long done;
static pthread_attr_t small;

static void *count(void *arg)
{
    __atomic_fetch_add(&done, 1, __ATOMIC_RELAXED);
    return arg;
}

static void batches(int size, long steps)
{
    pthread_t all[1000];
    done = 0;
    for (long round = 0; round < steps / size; round++) {
        for (int t = 0; t < size; t++)
            bench_check(pthread_create(&all[t], &small, count, NULL) == 0, "thread made");
        for (int t = 0; t < size; t++)
            pthread_join(all[t], NULL);
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
    bench_version(gnu_get_libc_version());
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 65536);
    if (argc > 1)
        return bench("spawn_far", BENCH_WALL, thousand), 0;
    bench("spawn_1", BENCH_WALL, one); /* two threads by nature: wall time */
    bench("spawn_1000", BENCH_WALL, thousand);
}
