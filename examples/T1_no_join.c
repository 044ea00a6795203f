/* T1 - two jobs in the background; main does not wait for them, but the program does.
 *
 *     make example T1
 *
 * "ending!" comes before the jobs have ended, and the program ends when they have: return from main
 * and exit() wait for background tasks, as Python does for threads. (WEFT_DAEMON: see T2.)
 *
 * Which line comes first, the jobs' or main's? A thread starts by itself, a coroutine as soon as a
 * worker is free: both race with main. Inside weft_run, in a group of one worker, "ending!" would
 * always be first, for there a task starts when the present one waits. So the lines are compared as a
 * set. The jobs get a copy of n, because main's variables are gone before they have ended.
 *
 * The test runs it seeded: in virtual time, where a sleep takes none.
 */
#include <stdio.h>
#include <weft.h>

static int job(void *arg)
{
    int n = *(int *)arg;
    printf("running on number:%d\n", n);
    weft_time start = weft_now();
    int r = weft_sleep(weft_after(3 * WEFT_SEC));
    if (r == 0)
        printf("number %d ends after %d s\n", n,
               (int)(weft_time_between(start, weft_now()) / WEFT_SEC));
    return r;
}

int main(void)
{
    int n = 23;
    if (weft_group_spawn_copy(weft_background(), WEFT_THREAD, job, &n) < 0)
        return 1;
    n = 34;
    if (weft_group_spawn_copy(weft_background(), WEFT_COROUTINE, job, &n) < 0)
        return 1;
    printf("ending!\n");
    return 0;
}
