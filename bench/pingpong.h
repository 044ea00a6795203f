/* pingpong.h - a value to another task and one back, over two queues without slots. Who includes it says how
 * one is got. */
#ifndef BENCH_PINGPONG_H
#define BENCH_PINGPONG_H

#include "ours.h"

static weft_queue to, from;
static weft_deadline patience;
static long hops;

static long get(weft_queue *queue);

static void put(weft_queue *queue, long v)
{
    bench_check(weft_queue_put(queue, &v, sizeof v, patience) == 0, "put");
}

static int echo(void *arg)
{
    (void)arg;
    for (long i = 0; i < hops / 2; i++)
        put(&from, get(&to));
    return 0;
}

static void pingpong(long steps)
{
    weft_group other;
    hops = steps;
    weft_group_init(&other, 0);
    weft_group_spawn(&other, WEFT_COROUTINE, echo, NULL);
    for (long v = 0; v < hops / 2; v++) {
        put(&to, v);
        bench_check(get(&from) == v, "value");
    }
    must(weft_group_wait(&other, weft_never()), "wait");
}

static void pingpong_begin(void)
{
    must(weft_queue_init(&to, NULL, 0, sizeof(long), 0), "queue");
    must(weft_queue_init(&from, NULL, 0, sizeof(long), 0), "queue");
    patience = weft_never();
}

#endif
