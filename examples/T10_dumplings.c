/* T10 - dumplings: a consumer that looks now and then, and consumers that wait.
 *
 *     make example T10
 *
 * The first consumer asks ten times whether there is a dumpling, as the course's does, and goes home
 * while the cook is still at work. The others wait for each one until the close, and say when they have
 * eaten it; the cook's join waits for that.
 *
 * The test runs it seeded: in virtual time, where a sleep takes none.
 */
#include <stdio.h>
#include <weft.h>

WEFT_QUEUE_OF(dumplings, int);

static dumplings plate;
static int eaten; /* all run on one worker */

static int cook(void *arg)
{
    int r = 0;
    for (int n = 1; n <= 10 && r == 0; n++)
        if ((r = weft_sleep(weft_after(200 * WEFT_MS))) == 0)
            r = dumplings_put(&plate, n, weft_never());
    weft_queue_close(&plate.queue);
    if (arg && r == 0 && (r = weft_queue_join(&plate.queue, weft_never())) == 0)
        printf("the cook sees an empty plate and full guests\n");
    return r;
}

static int look_now_and_then(void *arg)
{
    int n, r = 0;
    (void)arg;
    for (int i = 0; i < 10 && (r = weft_sleep(weft_after(130 * WEFT_MS))) == 0; i++)
        if (dumplings_get(&plate, &n, weft_at_once()) == 1)
            printf("dumpling %d\n", n);
        else
            printf("no dumpling any more\n");
    return r;
}

static int wait_for_each(void *arg)
{
    int n, r;
    (void)arg; /* nobody counts how many will come: the close is the end */
    while ((r = dumplings_get(&plate, &n, weft_never())) == 1) {
        if ((r = weft_sleep(weft_after(300 * WEFT_MS))) < 0)
            break;
        eaten++;
        weft_queue_task_done(&plate.queue);
    }
    return r;
}

static int meals(void *arg)
{
    static const int guests[] = { 1, 1, 3 };
    (void)arg;
    int r = 0;
    for (int meal = 0; meal < 3 && r == 0; meal++, eaten = 0) {
        weft_group g;
        weft_group_init(&g, WEFT_ONE_WORKER);
        dumplings_init(&plate, NULL, WEFT_UNBOUNDED, 0);
        weft_group_spawn(&g, WEFT_COROUTINE, cook, meal ? &g : NULL);
        for (int i = 0; i < guests[meal]; i++)
            weft_group_spawn(&g, WEFT_COROUTINE, meal ? wait_for_each : look_now_and_then, NULL);
        r = weft_group_wait(&g, weft_never());
        printf("guests: %d, eaten after waiting: %d, left on the plate: %u\n", guests[meal], eaten,
               weft_queue_length(&plate.queue));
        weft_queue_fini(&plate.queue);
    }
    return r;
}

int main(void)
{
    return weft_run(meals, NULL) < 0;
}
