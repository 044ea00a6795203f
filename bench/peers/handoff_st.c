/* handoff: State Threads' condition variables, which need no lock; it has no semaphore. */
#include "bench.h"

#include <st.h>

static st_cond_t changed;
static long hops, turn;

static void take_turns(int who)
{
    for (long i = 0; i < hops / 2; i++) {
        while (turn % 2 != who)
            st_cond_wait(changed);
        turn++;
        st_cond_signal(changed);
    }
}

static void *other(void *arg)
{
    take_turns(1);
    return arg;
}

static void run(long steps)
{
    hops = steps;
    turn = 0;
    st_thread_t thread = st_thread_create(other, NULL, 1, 0);
    take_turns(0);
    st_thread_join(thread, NULL);
    bench_check(turn == hops, "turns");
}

int main(void)
{
    st_set_eventsys(ST_EVENTSYS_POLL);
    st_init();
    st_timecache_set(1);
    changed = st_cond_new();
    bench("handoff_cond", BENCH_CPU, run);
}
