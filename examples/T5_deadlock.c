/* T5 - two locks, taken in opposite orders by ten tasks: a deadlock, told as it forms (seeded).
 *
 *     make example T5
 *     make example T5 ARGS=report    the whole report, and it stands still; also abort, fail
 *
 * Task 1 takes A and B, lets go, takes B, wants A; task 2 has A by then and wants B; all others stand behind
 * them at A. Under WEFT_ON_DEADLOCK=fail one of the two is refused, which ends the rest. T5b has cures. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft.h>

static weft_lock a = WEFT_LOCK_INIT, b = WEFT_LOCK_INIT;
static weft_rlock one = WEFT_RLOCK_INIT;
static int steps;

static int take_both(weft_lock *first, weft_lock *second, int who)
{
    int r = weft_lock_acquire(first, weft_never());
    if (r < 0)
        return r;
    printf("%d: %s\n", who, first == &a ? "A" : "B");
    weft_sleep(weft_after(2 * WEFT_SEC));
    if ((r = weft_lock_acquire(second, weft_never())) == 0) {
        printf("%d: %s\n", who, second == &a ? "A" : "B");
        weft_lock_release(second);
    }
    weft_lock_release(first);
    return r;
}

static int two_locks(void *arg)
{
    int who = *(int *)arg, r = take_both(&a, &b, who);
    return r < 0 ? r : take_both(&b, &a, who);
}

static int one_lock(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2; i++)
        weft_with_rlock(&one)
            weft_with_rlock(&one) /* again: its owner may */
                steps++;
    return 0;
}

static void tell(void *ctx, const char *text, size_t size)
{
    (void)ctx;
    if (strstr(text, "DEADLOCK") || strstr(text, "stuck behind")) /* the rest has addresses in it */
        (void)!write(STDOUT_FILENO, text, size);
}

static int ten(weft_fn *fn)
{
    weft_group tasks;
    int numbers[10];
    weft_group_init(&tasks, WEFT_ONE_WORKER);
    for (int i = 0; i < 10; i++) {
        char name[8];
        snprintf(name, sizeof name, "%d", numbers[i] = i + 1);
        struct weft_spawn more = { .size = sizeof more, .name = name };
        weft_group_spawn_with(&tasks, WEFT_COROUTINE, fn, &numbers[i], &more);
    }
    return weft_group_wait(&tasks, weft_never());
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    setenv("WEFT_ON_DEADLOCK", argc > 1 ? argv[1] : "fail", 1);
    weft_reporter_set(argc > 1 ? NULL : tell, NULL);
    printf("two locks: %s\n", weft_strerror(ten(two_locks)));
    int r = ten(one_lock);
    printf("one recursive lock: %d steps\n", steps);
    return r < 0;
}
