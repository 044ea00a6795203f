/* T4 - 100 tasks take one from a counter of 100, each by read, sleep, write: what is left?
 *
 *     make example T4
 *
 * Without a lock all have read 100 before anyone writes: 99 is left. That has nothing to do with cores
 * or with an interpreter's lock: the sleep between read and write is enough, so it happens on one worker
 * too. A lock around all three leaves 0. So does the bare `num -= 1` in a group of one worker, where
 * nothing changes between two waits, and an atomic anywhere.
 *
 * T4b does the same with processes.
 *
 * The test runs it seeded: in virtual time, where a sleep takes none.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <weft.h>

static int num;
static atomic_int counter;
static weft_lock lock = WEFT_LOCK_INIT;

static int take_one(void *arg)
{
    (void)arg;
    int n = num;
    int r = weft_sleep(weft_after(100 * WEFT_MS)); /* meanwhile the others read the same */
    num = n - 1;
    return r;
}

static int take_one_locked(void *arg)
{
    int r = 0;
    weft_with_lock(&lock)
        r = take_one(arg);
    return r;
}

static int take_one_at_once(void *arg)
{
    (void)arg;
    num -= 1;
    return weft_sleep(weft_after(100 * WEFT_MS));
}

static int take_one_atomic(void *arg)
{
    (void)arg;
    atomic_fetch_sub(&counter, 1);
    return weft_sleep(weft_after(100 * WEFT_MS));
}

static int hundred(unsigned flags, weft_fn *take)
{
    weft_group g;
    num = 100;
    atomic_store(&counter, 100);
    weft_group_init(&g, flags);
    for (int i = 0; i < 100; i++)
        weft_group_spawn(&g, WEFT_COROUTINE, take, NULL);
    int r = weft_group_wait(&g, weft_never());
    return r < 0 ? r : take == take_one_atomic ? atomic_load(&counter) : num;
}

int main(void)
{
    printf("read, sleep, write: %d\n", hundred(WEFT_ONE_WORKER, take_one));
    printf("the same under a lock: %d\n", hundred(0, take_one_locked));
    printf("num -= 1 on one worker: %d\n", hundred(WEFT_ONE_WORKER, take_one_at_once));
    printf("an atomic: %d\n", hundred(0, take_one_atomic));
    return 0;
}
