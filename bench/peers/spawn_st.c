/* spawn: st_thread_create, joinable, default stack (64 KiB, kept for reuse). */
#include "bench.h"

#include <st.h>

static long done;

static void *count(void *arg)
{
    done++;
    return arg;
}

static void batches(int size, long steps)
{
    st_thread_t all[1000];
    done = 0;
    for (long round = 0; round < steps / size; round++) {
        for (int t = 0; t < size; t++)
            all[t] = st_thread_create(count, NULL, 1, 0);
        for (int t = 0; t < size; t++)
            st_thread_join(all[t], NULL);
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
    st_set_eventsys(ST_EVENTSYS_POLL);
    st_init();
    bench("spawn_1", BENCH_CPU, one);
    bench("spawn_1000", BENCH_CPU, thousand);
}
