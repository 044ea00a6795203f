/* selector: libuv's poll handles. What one is watched for changes with the next turn, so it is not asked. */
#include "selector.h"

#include <uv.h>

static uv_poll_t polls[RING];

static void on_ready(uv_poll_t *poll, int status, int what)
{
    bench_check(status == 0 && what == UV_READABLE, "ready");
    ring_pass((int)(poll - polls));
}

static void ring_turn(void)
{
    uv_run(uv_default_loop(), UV_RUN_ONCE);
}

int main(void)
{
    bench_version(uv_version_string());
    ring_make();
    for (int i = 0; i < RING; i++) {
        bench_check(uv_poll_init(uv_default_loop(), &polls[i], ring[i][0]) == 0, "init");
        bench_check(uv_poll_start(&polls[i], UV_READABLE, on_ready) == 0, "start");
    }
    ring_bench();
}
