/* Question: what does a timer cost that is started and stopped before it fires: alone, among a million
 * others, and any one of the million? One worker. */
#include "ours.h"

#include <unistd.h>

enum { MILLION = 1000000 };

static weft_timer hot, many[MILLION];

static int never(void *arg)
{
    (void)arg;
    bench_check(false, "fired");
    return 0;
}

static void start(weft_timer *timer, weft_span span)
{
    must(weft_timer_start(timer, weft_after(span), 0, never, NULL, WEFT_DAEMON), "timer start");
}

static void arm_and_cancel(long steps)
{
    for (long i = 0; i < steps; i++) {
        start(&hot, 300 * WEFT_SEC);
        bench_check(weft_timer_stop(&hot) == 0, "timer stopped");
    }
}

static weft_span later(uint32_t *seed)
{
    return (100000 + bench_random(seed) % 600000) * WEFT_MS;
}

static void move_any(long steps)
{
    static uint32_t seed = 1;
    for (long i = 0; i < steps; i++) {
        weft_timer *any = &many[bench_random(&seed) % MILLION];
        bench_check(weft_timer_stop(any) == 0, "timer stopped");
        start(any, later(&seed));
    }
}

static int ask(void *arg)
{
    uint32_t seed = 7;
    (void)arg;
    bench("timer_hot", BENCH_CPU, arm_and_cancel);
    for (int i = 0; i < MILLION; i++)
        start(&many[i], later(&seed));
    arm_and_cancel(1); /* a timer is a task: let the million start */
    bench("timer_million", BENCH_CPU, arm_and_cancel);
    bench("timer_random", BENCH_CPU, move_any);
    _exit(0); /* nobody asked what ending a million takes */
}

int main(void)
{
    return ours(ask);
}
