/* Question: what does waiting for the first of several cost, when two can be had, and when neither can?
 * Two queues with a value in each; ping-pong over two queues without slots, each get beside one from a
 * queue into which nobody puts; one worker. */
#include "pingpong.h"

static weft_queue never;

static void ready(long steps)
{
    long slots[2], v = 0, sum = 0;
    weft_queue queues[2];
    struct weft_case on[2];
    for (int i = 0; i < 2; i++) {
        weft_queue_init(&queues[i], &slots[i], 1, sizeof(long), 0);
        put(&queues[i], i);
        on[i] = weft_on_get(&queues[i], &v, sizeof v);
    }
    for (long i = 0; i < steps; i++) {
        int chose = weft_select(on, 2, weft_never());
        bench_check(chose >= 0 && on[chose].result == 1 && v == chose, "value");
        put(&queues[chose], v);
        sum += chose;
    }
    bench_check(sum > steps / 3 && sum < steps - steps / 3, "fair");
}

static long get(weft_queue *queue)
{
    long v = -1;
    struct weft_case on[] = { weft_on_get(queue, &v, sizeof v), weft_on_get(&never, &v, sizeof v) };
    bench_check(weft_select(on, 2, weft_never()) == 0 && on[0].result == 1, "get");
    return v;
}

static int ask(void *arg)
{
    (void)arg;
    pingpong_begin();
    must(weft_queue_init(&never, NULL, 0, sizeof(long), 0), "queue");
    bench("select_ready", BENCH_CPU, ready);
    bench("select_hop", BENCH_CPU, pingpong);
    return 0;
}

int main(void)
{
    return ours(ask);
}
