/* Question: what do taking and letting go of a free lock cost? Private, and shared with processes; one that
 * its owner may take again; one for readers together and a writer alone. */
#include "ours.h"

static weft_lock private_lock = WEFT_LOCK_INIT, shared_lock;
static weft_rlock rlock = WEFT_RLOCK_INIT;
static weft_rwlock rwlock = WEFT_RWLOCK_INIT;
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

static void use_rlock(long steps)
{
    count = 0;
    for (long i = 0; i < steps; i++) {
        weft_rlock_enter(&rlock);
        count = count + 1;
        weft_rlock_leave(&rlock);
    }
    bench_check(count == steps, "count");
}

static void use_read(long steps)
{
    count = 0;
    for (long i = 0; i < steps; i++) {
        weft_rwlock_enter_read(&rwlock);
        count = count + 1;
        weft_rwlock_leave(&rwlock);
    }
    bench_check(count == steps, "count");
}

static void use_write(long steps)
{
    count = 0;
    for (long i = 0; i < steps; i++) {
        weft_rwlock_enter_write(&rwlock);
        count = count + 1;
        weft_rwlock_leave(&rwlock);
    }
    bench_check(count == steps, "count");
}

static int ask(void *arg)
{
    (void)arg;
    bench("lock_private", BENCH_CPU, use_private);
    if (weft_lock_init(&shared_lock, WEFT_SHARED) == 0)
        bench("lock_shared", BENCH_CPU, use_shared);
    bench("rlock", BENCH_CPU, use_rlock);
    bench("rwlock_read", BENCH_CPU, use_read);
    bench("rwlock_write", BENCH_CPU, use_write);
    return 0;
}

int main(void)
{
    return ours(ask);
}
