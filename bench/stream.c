/* Question: what does a value cost that goes through a queue of 128 slots, on one worker, and ("far")
 * from one worker to another, each end on a core of its own? */
#include "ours.h"

static weft_queue queue;
static long slots[128], values;
static volatile bool started;

static int consume(void *arg)
{
    long v, next = 0;
    (void)arg;
    if (bench_workers() > 1)
        bench_keep_core(false);
    started = true;
    while (weft_queue_get(&queue, &v, sizeof v, weft_never()) == 1)
        bench_check(v == next++, "value");
    bench_check(next == values, "values");
    return 0;
}

static void stream(bool far, long steps)
{
    weft_group consumer;
    values = steps;
    started = false;
    must(weft_queue_init(&queue, slots, 128, sizeof *slots, 0), "queue");
    weft_group_init(&consumer, 0);
    weft_group_spawn(&consumer, WEFT_COROUTINE, consume, NULL);
    while (far && !started)
        ; /* this worker is taken: the consumer can only start on the other, where it stays */
    for (long v = 0; v < values; v++)
        bench_check(weft_queue_put(&queue, &v, sizeof v, weft_never()) == 0, "put");
    weft_queue_close(&queue);
    must(weft_group_wait(&consumer, weft_never()), "wait");
}

static void near_stream(long steps)
{
    stream(false, steps);
}

static void far_stream(long steps)
{
    stream(true, steps);
}

static int ask(void *arg)
{
    (void)arg;
    if (bench_workers() == 1)
        return bench("stream_128", BENCH_CPU, near_stream), 0;
    bench_keep_core(true);
    bench("stream_far", BENCH_WALL, far_stream);
    return 0;
}

int main(void)
{
    return ours(ask);
}
