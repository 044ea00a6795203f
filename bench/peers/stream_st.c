/* stream: State Threads has no queue; a ring of 128 slots and two condition variables, no lock. */
#include "bench.h"

#include <st.h>

enum { SLOTS = 128 };

static long ring[SLOTS], head, tail, values;
static st_cond_t room, some;

static void *consume(void *arg)
{
    for (long next = 0; next < values; next++) {
        while (head == tail)
            st_cond_wait(some);
        bench_check(ring[head++ % SLOTS] == next, "value");
        st_cond_signal(room);
    }
    return arg;
}

static void stream(long steps)
{
    head = tail = 0;
    values = steps;
    st_thread_t consumer = st_thread_create(consume, NULL, 1, 0);
    for (long v = 0; v < values; v++) {
        while (tail - head == SLOTS)
            st_cond_wait(room);
        ring[tail++ % SLOTS] = v;
        st_cond_signal(some);
    }
    st_thread_join(consumer, NULL);
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1) /* one thread only */
        return 0;
    st_set_eventsys(ST_EVENTSYS_POLL);
    st_init();
    room = st_cond_new();
    some = st_cond_new();
    bench("stream_128", BENCH_CPU, stream);
}
