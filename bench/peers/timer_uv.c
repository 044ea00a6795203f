/* timer: uv_timer_start and uv_timer_stop of caller-owned handles: libuv's heap. */
#include "bench.h"

#include <uv.h>

enum { MILLION = 1000000 };

static uv_timer_t hot, many[MILLION];

static void never(uv_timer_t *timer)
{
    (void)timer;
    bench_check(false, "fired");
}

static void start(uv_timer_t *timer, uint64_t ms)
{
    bench_check(uv_timer_start(timer, never, ms, 0) == 0, "timer start");
}

static void arm_and_cancel(long steps)
{
    for (long i = 0; i < steps; i++) {
        start(&hot, 300000);
        uv_timer_stop(&hot);
    }
}

static void move_any(long steps)
{
    static uint32_t seed = 1;
    for (long i = 0; i < steps; i++) {
        uv_timer_t *any = &many[bench_random(&seed) % MILLION];
        uv_timer_stop(any);
        start(any, 100000 + bench_random(&seed) % 600000);
    }
}

int main(void)
{
    uint32_t seed = 7;
    bench_version(uv_version_string());
    uv_timer_init(uv_default_loop(), &hot);
    bench("timer_hot", BENCH_CPU, arm_and_cancel);
    for (int i = 0; i < MILLION; i++) {
        uv_timer_init(uv_default_loop(), &many[i]);
        start(&many[i], 100000 + bench_random(&seed) % 600000);
    }
    bench("timer_million", BENCH_CPU, arm_and_cancel);
    bench("timer_random", BENCH_CPU, move_any);
    bench_check(uv_loop_alive(uv_default_loop()), "timers outstanding");
}
