/* T4b - T4 with processes: 100 of them take one from a counter of 100, in memory that all of them share.
 *
 *     make example T4b
 *
 * Without a lock 99 is left, as with threads; a barrier in place of the sleep makes sure that all have read
 * before anyone writes. Under a lock 0 is left. When one is killed while it holds the lock, the next is told that
 * what the lock protects may be half-changed (WEFT_RECOVERED), and says when it is whole again, or nobody could
 * take the lock any more. What the killed one was about to do is lost, and nothing else: 1 is left.
 */
#include <signal.h>
#include <stdio.h>
#include <weft.h>

enum { ALL = 100, NOBODY = -1 };

struct account { /* in the arena */
    int num, victim, told;
    weft_barrier all_have_read;
    weft_lock lock;
};

static int take_one(void *arg)
{
    struct account *a = arg;
    int n = a->num;
    int r = weft_barrier_wait(&a->all_have_read, weft_never());
    a->num = n - 1;
    return r;
}

static int take_one_locked(void *arg)
{
    struct account *a = arg;
    int r = weft_lock_acquire(&a->lock, weft_never());
    if (r < 0)
        return r;
    if (r == WEFT_RECOVERED) { /* num is right, since it is written in one piece: so say */
        a->told++;
        weft_lock_repaired(&a->lock);
    }
    int n = a->num;
    if (n == a->victim) {
        a->victim = NOBODY;
        raise(SIGKILL); /* with the lock held */
    }
    a->num = n - 1;
    return weft_lock_release(&a->lock);
}

static int hundred(struct account *a, weft_fn *take, int victim)
{
    weft_group g;
    weft_group_init(&g, WEFT_KEEP_GOING);
    a->num = ALL;
    a->victim = victim;
    a->told = 0;
    for (int i = 0; i < ALL; i++)
        weft_group_spawn(&g, WEFT_PROCESS, take, a);
    return weft_group_wait(&g, weft_never());
}

int main(void)
{
    struct account *a = weft_arena_alloc(sizeof *a);
    if (!a || weft_lock_init(&a->lock, WEFT_SHARED) < 0 ||
        weft_barrier_init(&a->all_have_read, ALL, NULL, NULL, WEFT_SHARED) < 0)
        return 1;
    int r = hundred(a, take_one, NOBODY);
    printf("read, wait, write: %d; %s\n", a->num, weft_strerror(r));
    r = hundred(a, take_one_locked, NOBODY);
    printf("the same under a lock: %d; %s\n", a->num, weft_strerror(r));
    r = hundred(a, take_one_locked, 50);
    printf("one is killed in it: %d; %s; told of it: %d\n", a->num, weft_strerror(r), a->told);
    return 0;
}
