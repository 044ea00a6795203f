/* T9 - three queues: the oldest first, the latest first, the lowest priority first.
 *
 *     make example T9
 *
 * Python's queues take anything; one of weft's takes values of one type, here a text or a number. The
 * consumer of the first queue reports each value that it is done with, and join waits for that: an empty
 * queue says only that the last value was taken. One get at the end is too many: it has a deadline.
 *
 * The test runs it seeded: in virtual time, where a wait takes none.
 */
#include <stdio.h>
#include <weft.h>

struct thing {
    int priority;
    const char *text; /* or NULL, and a number */
    long number;
};

WEFT_QUEUE_OF(things, struct thing);

static things fifo, lifo, priority;

static void show(const char *from, struct thing thing)
{
    thing.text ? printf("%s: %s\n", from, thing.text) : printf("%s: %ld\n", from, thing.number);
}

static int consume(void *arg)
{
    struct thing thing;
    (void)arg;
    while (things_get(&fifo, &thing, weft_never()) == 1) {
        show("fifo", thing);
        weft_queue_task_done(&fifo.queue);
    }
    return 0;
}

static int three_queues(void *arg)
{
    static const struct thing a[] = { { 0, NULL, 10 }, { 0, NULL, 20 }, { 0, "ending!", 0 } };
    static const struct thing b[] = { { 0, NULL, 34 }, { 0, NULL, 56 }, { 0, NULL, 12 } };
    static const struct thing c[] = {
        { 5, NULL, 100 }, { 7, NULL, 200 }, { 3, "hello", 0 }, { 4, "{name: alex}", 0 }
    };
    struct thing thing;
    int r = 0;
    (void)arg;

    weft_group_spawn(weft_background(), WEFT_COROUTINE | WEFT_DAEMON, consume, NULL);
    for (int i = 0; i < 3 && r == 0; i++)
        r = things_put(&fifo, a[i], weft_never());
    if (r < 0 || (r = weft_queue_join(&fifo.queue, weft_never())) < 0)
        return r;
    printf("fifo: all done\n");

    for (int i = 0; i < 3 && r == 0; i++)
        r = things_put(&lifo, b[i], weft_never());
    while (things_get(&lifo, &thing, weft_at_once()) == 1)
        show("lifo", thing);

    for (int i = 0; i < 4 && r == 0; i++)
        r = things_put_at(&priority, c[i], c[i].priority, weft_never());
    while ((r = things_get(&priority, &thing, weft_after(WEFT_SEC))) == 1) {
        printf("[%d] ", thing.priority);
        show("priority", thing);
    }
    printf("one get too many: %s\n", weft_strerror(r));
    return 0;
}

int main(void)
{
    things_init(&fifo, NULL, WEFT_UNBOUNDED, WEFT_FIFO);
    things_init(&lifo, NULL, WEFT_UNBOUNDED, WEFT_LIFO);
    things_init(&priority, NULL, WEFT_UNBOUNDED, WEFT_PRIORITY);
    return weft_run(three_queues, NULL) < 0;
}
