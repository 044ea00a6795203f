/* yield: State Threads 1.9 has no yield; its manual names st_usleep() for giving others a turn, and
 * st_usleep(0) is that. Its time cache is on, as the manual advises. */
#include "bench.h"

#include <st.h>

static long done, each;

static void *turns(void *arg)
{
    for (long i = 0; i < each; i++, done++)
        st_usleep(0);
    return arg;
}

static void among(int tasks, long steps)
{
    st_thread_t *all = malloc((size_t)tasks * sizeof *all);
    done = 0;
    each = steps / tasks;
    for (int t = 0; t < tasks; t++)
        all[t] = st_thread_create(turns, NULL, 1, 0);
    for (int t = 0; t < tasks; t++)
        st_thread_join(all[t], NULL);
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
    st_set_eventsys(ST_EVENTSYS_POLL);
    st_init();
    st_timecache_set(1);
    bench("yield_2", BENCH_CPU, among_2);
    bench("yield_1000", BENCH_CPU, among_1000);
}
