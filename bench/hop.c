/* Question: what does handing a value to another task cost, and with a deadline on every wait?
 * Ping-pong over two queues without slots; one worker. */
#include "pingpong.h"

static long get(weft_queue *queue)
{
    long v = -1;
    bench_check(weft_queue_get(queue, &v, sizeof v, patience) == 1, "get");
    return v;
}

static int ask(void *arg)
{
    (void)arg;
    pingpong_begin();
    bench("hop", BENCH_CPU, pingpong);
    patience = weft_after(30 * WEFT_SEC);
    bench("hop_deadline", BENCH_CPU, pingpong);
    return 0;
}

int main(void)
{
    return ours(ask);
}
