/* P11 - counting to 40 million twice: one after the other, in two threads, processes, coroutines.
 *
 *     make example P11       the times go to standard error
 *
 * The course's question: do two threads help a computation? In Python they do not, because the global
 * interpreter lock lets one run at a time, and handing it to and fro costs extra; only processes help.
 * C has no such lock: on two cores the other ways take half the time of the first.
 *
 *                            one after the other     at once
 *     Python 2.7, threads                  25.5 s      31.4 s    (to 50 million)
 *     Python 3.5, threads                   8.6 s       9.0 s    (to 50 million)
 *     Python 2.7, processes                 6.16 s      3.16 s
 *     Python 3.5, processes                 6.56 s      3.54 s
 *     this program, on two cores            0.11 s      0.06 s
 *
 * The counter is volatile, or the compiler would know the sum without counting. The sum is a job, which is
 * copied to the task and back when it has ended, so a process can tell it too.
 */
#include <stdio.h>
#include <weft.h>

enum { TIMES = 40000000 };

static int count(void *arg)
{
    volatile int n = 0;
    while (n < TIMES)
        n = n + 1;
    *(int *)arg = n;
    return 0;
}

static int twice(unsigned kind, int *n)
{
    weft_group g;
    weft_group_init(&g, 0);
    weft_group_spawn_job(&g, kind, count, &n[0]);
    weft_group_spawn_job(&g, kind, count, &n[1]);
    return weft_group_wait(&g, weft_never());
}

static void report(const char *how, const int *n, weft_time start)
{
    printf("%s: %d and %d\n", how, n[0], n[1]);
    fprintf(stderr, "%s: %.2f s\n", how,
            (double)weft_time_between(start, weft_now()) / (double)WEFT_SEC);
}

int main(void)
{
    int n[2] = { 0, 0 };
    weft_time start = weft_now();
    count(&n[0]);
    count(&n[1]);
    report("one after the other", n, start);

    n[0] = n[1] = 0;
    start = weft_now();
    if (twice(WEFT_THREAD, n) < 0)
        return 1;
    report("two threads", n, start);

    n[0] = n[1] = 0;
    start = weft_now();
    if (twice(WEFT_PROCESS, n) < 0)
        return 1;
    report("two processes", n, start);

    n[0] = n[1] = 0;
    start = weft_now();
    if (twice(WEFT_COROUTINE, n) < 0)
        return 1;
    report("two coroutines", n, start);
    return 0;
}
