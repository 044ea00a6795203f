/* E4 - the first of several: take or give, whichever can be done.
 *
 *     make example E4
 *
 * An editor has two wires that bring stories, a slow printer, and room for two stories. She must not wait
 * for one while another could go on, so weft_select waits for all and does the first that can be done. A
 * case on NULL is left out: without room no wire, without a story no printer. Beside queues there are
 * cases for descriptors, events, locks, tasks, times, signals. The test runs it seeded, in virtual time.
 */
#include <stdio.h>
#include <weft.h>

static weft_queue wires[2], paper; /* of numbers: 11 to 13 from one wire, 21 to 23 from the other */
static weft_time start;

static void say(int story, const char *what)
{
    printf("%.1f s: %d %s\n", (double)weft_time_between(start, weft_now()) / 1e9, story, what);
}

static int report(void *wire)
{
    int i = (int)((weft_queue *)wire - wires), r = 0;
    for (int story = 10 * i + 11; story < 10 * i + 14 && r == 0; story++) {
        weft_sleep(weft_after((i ? 700 : 1700) * WEFT_MS));
        r = weft_queue_put(wire, &story, sizeof story, weft_never());
    }
    weft_queue_close(wire);
    return r;
}

static int print(void *from)
{
    int story;
    while (weft_queue_get(from, &story, sizeof story, weft_never()) == 1) {
        weft_sleep(weft_after(1250 * WEFT_MS));
        say(story, "is printed");
    }
    return 0;
}

static int edit(void *to)
{
    int held[2], story, count = 0;
    weft_queue *from[] = { &wires[0], &wires[1] };
    while (from[0] || from[1] || count > 0) {
        struct weft_case on[] = {
            weft_on_get(count < 2 ? from[0] : NULL, &story, sizeof story),
            weft_on_get(count < 2 ? from[1] : NULL, &story, sizeof story),
            weft_on_put(count > 0 ? to : NULL, &held[0], sizeof held[0]),
        };
        int chose = weft_select(on, 3, weft_never());
        if (chose < 0)
            return chose;
        if (chose == 2)
            held[0] = held[--count];
        else if (on[chose].result == 1)
            say(held[count++] = story, "comes in");
        else
            from[chose] = NULL; /* closed */
    }
    weft_queue_close(to);
    return 0;
}

int main(void)
{
    weft_group desk;
    weft_group_init(&desk, 0);
    start = weft_now();
    weft_queue_init(&paper, NULL, 0, sizeof(int), 0);
    for (int i = 0; i < 2; i++) {
        weft_queue_init(&wires[i], NULL, 0, sizeof(int), 0);
        weft_group_spawn(&desk, WEFT_COROUTINE, report, &wires[i]);
    }
    weft_group_spawn(&desk, WEFT_COROUTINE, edit, &paper);
    weft_group_spawn(&desk, WEFT_COROUTINE, print, &paper);
    return weft_group_wait(&desk, weft_never()) < 0;
}
