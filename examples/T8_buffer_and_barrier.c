/* T8 - a condition and a barrier: wait until something is so, and wait until all are there.
 *
 *     make example T8
 *
 * A condition makes a bounded buffer: who finds it full, or empty, lets the lock go and waits for a
 * signal; after each wake it looks again, because somebody may have been quicker. (weft_queue is such a
 * buffer, ready-made.) At a barrier nobody passes before all have come; the last one runs the action.
 *
 * The test runs it seeded: in virtual time, where a sleep takes none.
 */
#include <stdio.h>
#include <weft.h>

enum { SLOTS = 3, VALUES = 8, PARTIES = 3 };

static weft_lock lock = WEFT_LOCK_INIT;
static weft_cond changed = WEFT_COND_INIT;
static int slots[SLOTS], length, first, here;

static int produce(void *arg)
{
    (void)arg;
    for (int i = 1; i <= VALUES; i++)
        weft_with_lock(&lock) {
            while (length == SLOTS)
                if (weft_cond_wait(&changed, &lock, weft_after(WEFT_SEC)) < 0)
                    return -1; /* lets the lock go */
            slots[(first + length++) % SLOTS] = i;
            weft_cond_broadcast(&changed);
        }
    return 0;
}

static int consume(void *arg)
{
    (void)arg;
    for (int i = 1; i <= VALUES; i++)
        weft_with_lock(&lock) {
            while (length == 0)
                if (weft_cond_wait(&changed, &lock, weft_after(WEFT_SEC)) < 0)
                    return -1;
            printf("%d%c", slots[first], i < VALUES ? ' ' : '\n');
            first = (first + 1) % SLOTS;
            length--;
            weft_cond_broadcast(&changed);
        }
    return 0;
}

static int all_here(void *arg)
{
    (void)arg;
    printf("all here: %d\n", here);
    return 0;
}

static weft_barrier barrier = WEFT_BARRIER_INIT(PARTIES, all_here, NULL);

static int travel(void *arg)
{
    weft_sleep(weft_after(*(int *)arg * WEFT_SEC));
    printf("%d arrives\n", ++here);
    int r = weft_barrier_wait(&barrier, weft_never());
    printf("goes on\n");
    return r;
}

int main(void)
{
    weft_group g;
    weft_group_init(&g, 0);
    weft_group_spawn(&g, WEFT_COROUTINE, consume, NULL);
    weft_group_spawn(&g, WEFT_THREAD, produce, NULL);
    int r = weft_group_wait(&g, weft_never());
    weft_group_init(&g, WEFT_ONE_WORKER);
    for (int i = 1; i <= PARTIES; i++)
        weft_group_spawn_copy(&g, WEFT_COROUTINE, travel, &i);
    return r < 0 || weft_group_wait(&g, weft_never()) < 0;
}
