/* hop: State Threads has no queue; one slot and its condition variables, which need no lock. */
#include "bench.h"

#include <st.h>

struct slot {
    st_cond_t changed;
    bool full;
    long value;
};

static struct slot to, from;
static st_utime_t patience;
static long hops;

static void put(struct slot *s, long v)
{
    while (s->full)
        bench_check(st_cond_timedwait(s->changed, patience) == 0, "put");
    s->value = v;
    s->full = true;
    st_cond_signal(s->changed);
}

static long get(struct slot *s)
{
    while (!s->full)
        bench_check(st_cond_timedwait(s->changed, patience) == 0, "get");
    s->full = false;
    st_cond_signal(s->changed);
    return s->value;
}

static void *echo(void *arg)
{
    for (long i = 0; i < hops / 2; i++)
        put(&from, get(&to));
    return arg;
}

static void pingpong(long steps)
{
    hops = steps;
    st_thread_t other = st_thread_create(echo, NULL, 1, 0);
    for (long v = 0; v < hops / 2; v++) {
        put(&to, v);
        bench_check(get(&from) == v, "value");
    }
    st_thread_join(other, NULL);
}

int main(void)
{
    st_set_eventsys(ST_EVENTSYS_POLL);
    st_init();
    st_timecache_set(1);
    to.changed = st_cond_new();
    from.changed = st_cond_new();
    patience = ST_UTIME_NO_TIMEOUT;
    bench("hop", BENCH_CPU, pingpong);
    patience = 30 * 1000000;
    bench("hop_deadline", BENCH_CPU, pingpong);
}
