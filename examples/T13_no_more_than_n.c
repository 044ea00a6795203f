/* T13 - never more than three tasks alive: the main task takes one of the semaphore before each start, the
 * started task gives it back at its end.
 *
 *     make example T13
 *
 * In T7 all tasks exist and wait; here those that are not started yet are not even made. Taking and
 * giving back happen in different tasks: a semaphore has no owner, as a lock has.
 *
 * The test runs it seeded: in virtual time, where a sleep takes none.
 */
#include <stdio.h>
#include <weft.h>

static weft_semaphore places = WEFT_SEMAPHORE_INIT_BOUNDED(3, 3);
static weft_time start;
static int alive, most;

static int seconds(void)
{
    return (int)(weft_time_between(start, weft_now()) / WEFT_SEC);
}

static int work(void *arg)
{
    if (++alive > most)
        most = alive;
    int r = weft_sleep(weft_after(2 * WEFT_SEC));
    alive--;
    printf("%d s: task %d ends\n", seconds(), *(int *)arg);
    weft_semaphore_release(&places, 1);
    return r;
}

static int program(void *arg)
{
    weft_group g;
    int r = 0;
    (void)arg;
    start = weft_now();
    weft_group_init(&g, WEFT_ONE_WORKER);
    for (int i = 1; i <= 7 && r == 0; i++) {
        if ((r = weft_semaphore_acquire(&places, weft_never())) < 0)
            break;
        printf("%d s: task %d starts\n", seconds(), i);
        r = weft_group_spawn_copy(&g, WEFT_COROUTINE, work, &i);
        weft_sleep(weft_after(100 * WEFT_MS)); /* one after the other */
    }
    int waited = weft_group_wait(&g, weft_never());
    printf("never more than %d\n", most);
    return r < 0 ? r : waited;
}

int main(void)
{
    return weft_run(program, NULL) < 0;
}
