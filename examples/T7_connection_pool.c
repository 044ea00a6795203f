/* T7 - five connections to a database, twenty tasks that each need one for two seconds.
 *
 *     make example T7
 *
 * The semaphore is the pool: who finds none left waits in line. Bounded at five, it also finds the bug of
 * giving back what was never taken. (Python: BoundedSemaphore; here each semaphore may have a bound.)
 *
 * The test runs it seeded: in virtual time, where a sleep takes none. The lines are compared as a set,
 * since the five of a batch start in any order.
 */
#include <errno.h>
#include <stdio.h>
#include <weft.h>

static weft_semaphore pool = WEFT_SEMAPHORE_INIT_BOUNDED(5, 5);
static weft_time start;
static int inside, most; /* one worker, and no wait between: no lock */

static int query(void *arg)
{
    int r, n = *(int *)arg;
    weft_with_semaphore(&pool, weft_after(10 * WEFT_SEC), &r) {
        if (++inside > most)
            most = inside;
        printf("%d s: client %d of batch %d has a connection\n",
               (int)(weft_time_between(start, weft_now()) / WEFT_SEC), n, n / 5 + 1);
        r = weft_sleep(weft_after(2 * WEFT_SEC));
        inside--;
    }
    return r;
}

int main(void)
{
    weft_group g;
    start = weft_now();
    weft_group_init(&g, WEFT_ONE_WORKER); /* so they come in the order of their numbers */
    for (int i = 0; i < 20; i++)
        weft_group_spawn_copy(&g, WEFT_COROUTINE, query, &i);
    int r = weft_group_wait(&g, weft_never());
    printf("never more than %d inside, %u free at the end\n", most, weft_semaphore_value(&pool));
    if (weft_semaphore_release(&pool, 1) == -EOVERFLOW)
        printf("one release too many is refused\n");
    return r < 0;
}
