/* T12 - an event loop as in user interfaces: one queue, and each event carries its own handler.
 *
 *     make example T12
 *
 * The devices put what happens into one queue and do not know who handles it; the loop takes one event after
 * the other and calls what it brings. So no two handlers run at once, and the program's state needs no lock.
 *
 * The other way, a thread that asks each device again and again, burns its core while nothing happens,
 * asks too late when something does, and a device that does not answer stops it. Here whoever has
 * nothing waits.
 *
 * The test runs it seeded: in virtual time, where a sleep takes none.
 */
#include <stdio.h>
#include <weft.h>

struct event {
    void (*handle)(const struct event *event);
    int x, y, key;
    weft_span after; /* the event before, of its device */
};

static weft_queue events;

static void on_click(const struct event *e)
{
    printf("onClick at %d, %d\n", e->x, e->y);
}

static void on_key_down(const struct event *e)
{
    printf("onKeyDown '%c'\n", e->key);
}

static int mouse(void *arg)
{
    static const struct event clicks[] = {
        { on_click, 10, 20, 0, 1 * WEFT_SEC },
        { on_click, 30, 40, 0, 2 * WEFT_SEC },
    };
    int r = 0;
    (void)arg;
    for (int i = 0; r == 0 && i < 2; i++) {
        r = weft_sleep(weft_after(clicks[i].after));
        if (r == 0)
            r = weft_queue_put(&events, &clicks[i], sizeof clicks[i], weft_never());
    }
    weft_queue_close(&events);
    return r;
}

static int keyboard(void *arg)
{
    struct event key = { on_key_down, 0, 0, 'a', 2 * WEFT_SEC };
    int r = 0;
    (void)arg;
    for (; r == 0 && key.key <= 'c'; key.key++) {
        r = weft_sleep(weft_after(key.after));
        if (r == 0)
            r = weft_queue_put(&events, &key, sizeof key, weft_never());
    }
    weft_queue_close(&events);
    return r;
}

int main(void)
{
    struct event slots[8], e;
    weft_group devices;
    weft_queue_init(&events, slots, 8, sizeof(struct event), 0);
    weft_queue_producers(&events, 2);
    weft_group_init(&devices, 0);
    weft_group_spawn(&devices, WEFT_COROUTINE, mouse, NULL);
    weft_group_spawn(&devices, WEFT_COROUTINE, keyboard, NULL);
    while (weft_queue_get(&events, &e, sizeof e, weft_never()) == 1)
        e.handle(&e);
    printf("no device is left\n");
    return weft_group_wait(&devices, weft_never()) < 0;
}
