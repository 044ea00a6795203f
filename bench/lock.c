/* Question: what do taking and letting go of a free lock cost? Private, and shared with processes; one that
 * its owner may take again; one for readers together and a writer alone. And of a shared one that another
 * process takes and lets go all the time? */
#include "contend.h"
#include "ours.h"

static weft_lock private_lock = WEFT_LOCK_INIT, *shared_lock;
static weft_rlock rlock = WEFT_RLOCK_INIT;
static weft_rwlock rwlock = WEFT_RWLOCK_INIT;
static volatile long count;

/* name(steps): take, count, let go. */
#define PAIR(name, take, let_go)              \
    static void name(long steps)              \
    {                                         \
        count = 0;                            \
        for (long i = 0; i < steps; i++) {    \
            take;                             \
            count = count + 1;                \
            let_go;                           \
        }                                     \
        bench_check(count == steps, "count"); \
    }

PAIR(use_private, weft_lock_enter(&private_lock), weft_lock_leave(&private_lock))
PAIR(use_shared, bench_check(weft_lock_acquire(shared_lock, weft_never()) == 0, "acquire"),
     bench_check(weft_lock_release(shared_lock) == 0, "release"))
PAIR(use_rlock, weft_rlock_enter(&rlock), weft_rlock_leave(&rlock))
PAIR(use_read, weft_rwlock_enter_read(&rwlock), weft_rwlock_leave(&rwlock))
PAIR(use_write, weft_rwlock_enter_write(&rwlock), weft_rwlock_leave(&rwlock))

static void take(void)
{
    bench_check(weft_lock_acquire(shared_lock, weft_never()) == 0, "acquire");
}

static void let_go(void)
{
    bench_check(weft_lock_release(shared_lock) == 0, "release");
}

static void contended(long steps)
{
    contend(steps, take, let_go);
}

static int ask(void *arg)
{
    (void)arg;
    shared_lock = weft_arena_alloc(sizeof *shared_lock);
    must(weft_lock_init(shared_lock, WEFT_SHARED), "a shared lock");
    bench("lock_private", BENCH_CPU, use_private);
    bench("lock_shared", BENCH_CPU, use_shared);
    bench("lock_contended", BENCH_WALL, contended);
    bench("rlock", BENCH_CPU, use_rlock);
    bench("rwlock_read", BENCH_CPU, use_read);
    bench("rwlock_write", BENCH_CPU, use_write);
    return 0;
}

int main(void)
{
    return ours(ask);
}
