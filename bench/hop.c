/* Question: what does handing a value to another task cost, and with a deadline on every wait?
 * Ping-pong over two queues without slots; one worker. */
#include "ours.h"

static weft_queue to, from;
static weft_deadline patience;
static long hops;

static void put(weft_queue *queue, long v)
{
    bench_check(weft_queue_put(queue, &v, sizeof v, patience) == 0, "put");
}

static long get(weft_queue *queue)
{
    long v = -1;
    bench_check(weft_queue_get(queue, &v, sizeof v, patience) == 1, "get");
    return v;
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

static int ask(void *arg)
{
    (void)arg;
    must(weft_queue_init(&to, NULL, 0, sizeof(long), 0), "queue");
    must(weft_queue_init(&from, NULL, 0, sizeof(long), 0), "queue");
    patience = weft_never();
    bench("hop", BENCH_CPU, pingpong);
    patience = weft_after(30 * WEFT_SEC);
    bench("hop_deadline", BENCH_CPU, pingpong);
    return 0;
}

int main(void)
{
    return ours(ask);
}
