/* C3 - a coroutine that sleeps lets the others run.
 *
 *     make example C3
 *
 * Three coroutines say a number, sleep 2, 1 and 0 seconds, and say another: 1 2 3 as they start, 6 5 4
 * as they wake. Then two that sleep 2 and 5 seconds: together they take 5, not 7.
 *
 * A group of one worker is gevent's world: its coroutines start in the order they were spawned, and no
 * two run at once. Without the flag they would use every core, and 1 2 3 could come in any order.
 *
 * The test runs it seeded: in virtual time, where a sleep takes none.
 */
#include <stdio.h>
#include <weft.h>

struct job {
    int before, after;
    weft_span nap;
};

static int work(void *arg)
{
    const struct job *job = arg;
    printf("%d\n", job->before);
    int r = weft_sleep(weft_after(job->nap));
    if (r < 0)
        return r;
    printf("%d\n", job->after);
    return 0;
}

static int nap(void *arg)
{
    return weft_sleep(weft_after(*(weft_span *)arg));
}

int main(void)
{
    struct job jobs[] = { { 1, 4, 2 * WEFT_SEC }, { 2, 5, 1 * WEFT_SEC }, { 3, 6, 0 } };
    weft_group g;
    weft_group_init(&g, WEFT_ONE_WORKER);
    for (int i = 0; i < 3; i++)
        weft_group_spawn(&g, WEFT_COROUTINE, work, &jobs[i]);
    int r = weft_group_wait(&g, weft_never());

    weft_span two = 2 * WEFT_SEC, five = 5 * WEFT_SEC;
    weft_time start = weft_now();
    weft_group_spawn(&g, WEFT_COROUTINE, nap, &two); /* after a wait a group is as good as new */
    weft_group_spawn(&g, WEFT_COROUTINE, nap, &five);
    if (r == 0)
        r = weft_group_wait(&g, weft_never());
    printf("2 s and 5 s together: %d s\n", (int)(weft_time_between(start, weft_now()) / WEFT_SEC));
    return r < 0;
}
