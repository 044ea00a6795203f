/* parked: joinable threads with the default stack (64 KiB of address space) that wait on one condition
 * variable. */
#include "bench.h"

#include <st.h>

static st_cond_t go;
static long started, ended;

static void *wait_for_go(void *arg)
{
    started++;
    st_cond_wait(go);
    ended++;
    return arg;
}

int main(int argc, char **argv)
{
    long tasks = argc > 1 ? atol(argv[1]) : 10000;
    st_thread_t *all = malloc((size_t)tasks * sizeof *all);
    st_set_eventsys(ST_EVENTSYS_POLL);
    st_init();
    go = st_cond_new();
    memset(all, 1, (size_t)tasks * sizeof *all); /* our array is not theirs to pay for */
    double before = bench_memory();
    for (long i = 0; i < tasks; i++)
        bench_check((all[i] = st_thread_create(wait_for_go, NULL, 1, 0)) != NULL, "thread made");
    while (started < tasks)
        st_usleep(0);
    bench_print_memory("parked", tasks, bench_memory() - before);
    st_cond_broadcast(go);
    for (long i = 0; i < tasks; i++)
        st_thread_join(all[i], NULL);
    bench_check(ended == tasks, "tasks woken");
}
