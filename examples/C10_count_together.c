/* C10 - 1,000 coroutines count on one variable: when is a lock needed?
 *
 *     make example C10
 *
 * Each reads the counter, adds one and writes it back. In a group of one worker no two coroutines run
 * at once and nothing changes between two waits: the bare counter is right. In any other group they
 * run on all cores, and it takes a lock or an atomic. "make example C10 ARGS=wrong" leaves both out: a
 * data race, which may or may not lose counts here but which -fsanitize=thread reports every time.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <weft.h>

static long bare, locked, wrong;
static atomic_long atomic;
static weft_lock lock = WEFT_LOCK_INIT;

static int add_bare(void *counter)
{
    long n = *(long *)counter; /* no wait from here ... */
    n = n + 1;
    *(long *)counter = n; /* ... to here */
    return weft_yield();
}

static int add_locked(void *counter)
{
    weft_lock_enter(&lock);
    long n = *(long *)counter;
    n = n + 1;
    *(long *)counter = n;
    weft_lock_leave(&lock);
    return weft_yield();
}

static int add_atomic(void *counter)
{
    atomic_fetch_add((atomic_long *)counter, 1);
    return weft_yield();
}

static int thousand(unsigned flags, weft_fn *add, void *counter)
{
    weft_group g;
    weft_group_init(&g, flags);
    for (int i = 0; i < 1000; i++)
        weft_group_spawn(&g, WEFT_COROUTINE, add, counter);
    return weft_group_wait(&g, weft_never());
}

int main(int argc, char **argv)
{
    (void)argv;
    if (thousand(WEFT_ONE_WORKER, add_bare, &bare) < 0 || thousand(0, add_locked, &locked) < 0 ||
        thousand(0, add_atomic, &atomic) < 0 || (argc > 1 && thousand(0, add_bare, &wrong) < 0))
        return 1;
    printf("one worker, no lock: %ld\n", bare);
    printf("all workers, a lock: %ld\n", locked);
    printf("all workers, atomic: %ld\n", atomic_load(&atomic));
    if (argc > 1)
        printf("all workers, neither: %ld\n", wrong);
    return 0;
}
