/* Question: what do taking and letting go of a free lock cost? Private, and shared with processes. */
#include "ours.h"

static weft_lock private_lock = WEFT_LOCK_INIT, shared_lock;
static volatile long count;

static void use_private(long steps)
{
    count = 0;
    for (long i = 0; i < steps; i++) {
        weft_lock_enter(&private_lock);
        count = count + 1;
        weft_lock_leave(&private_lock);
    }
    bench_check(count == steps, "count");
}

static void use_shared(long steps)
{
    count = 0;
    for (long i = 0; i < steps; i++) {
        bench_check(weft_lock_acquire(&shared_lock, weft_never()) == 0, "acquire");
        count = count + 1;
        bench_check(weft_lock_release(&shared_lock) == 0, "release");
    }
    bench_check(count == steps, "count");
}

static int ask(void *arg)
{
    (void)arg;
    bench("lock_private", BENCH_CPU, use_private);
    if (weft_lock_init(&shared_lock, WEFT_SHARED) == 0)
        bench("lock_shared", BENCH_CPU, use_shared);
    return 0;
}

int main(void)
{
    return ours(ask);
}
