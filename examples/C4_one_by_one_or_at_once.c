/* C4 - the same jobs one after the other, and all at once.
 *
 *     make example C4
 *
 * A job that waits half a second: nine calls of it take 4.5 seconds, ten tasks half a second. The job
 * does not know which it is; only the caller does.
 *
 * The ten all end at one time, in any order: the lines are compared as a set. The test runs it seeded:
 * in virtual time, where a sleep takes none.
 */
#include <stdio.h>
#include <weft.h>

static int job(void *arg)
{
    int r = weft_sleep(weft_after(500 * WEFT_MS));
    if (r == 0)
        printf("task %d done\n", *(int *)arg);
    return r;
}

static void took(const char *how, weft_time start)
{
    printf("%s: %.1f s\n", how, (double)weft_time_between(start, weft_now()) / (double)WEFT_SEC);
}

static int both_ways(void *arg)
{
    (void)arg;
    int n[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 };

    weft_time start = weft_now();
    for (int i = 1; i <= 9; i++) {
        int r = job(&n[i]);
        if (r < 0)
            return r;
    }
    took("synchronous", start);

    weft_group g;
    weft_group_init(&g, 0);
    start = weft_now();
    for (int i = 0; i <= 9; i++)
        weft_group_spawn(&g, WEFT_COROUTINE, job, &n[i]);
    int r = weft_group_wait(&g, weft_never());
    took("asynchronous", start);
    return r;
}

int main(void)
{
    return weft_run(both_ways, NULL) < 0;
}
