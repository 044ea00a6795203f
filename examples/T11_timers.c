/* T11 - a function that runs later: once, never, again and again.
 *
 *     make example T11
 *
 * The function runs as a coroutine of its own, so it may wait; the timer lies in the caller's memory
 * until it has been stopped. Stopping waits for a run that is under way and tells how many there were.
 * A beat does not drift: each is counted from the first, however long the function takes.
 *
 * The test runs it seeded: in virtual time, where a sleep takes none.
 */
#include <errno.h>
#include <stdio.h>
#include <weft.h>

static weft_time start;

static void say(const char *what)
{
    printf("%d s: %s\n", (int)(weft_time_between(start, weft_now()) / WEFT_SEC), what);
}

static int hello(void *arg)
{
    say(arg);
    return 0;
}

static int beat(void *arg)
{
    int *beats = arg;
    say("beat");
    int r = weft_sleep(weft_after(700 * WEFT_MS)); /* the next beat is on time all the same */
    return ++*beats < 5 ? r : -ECANCELED;          /* any error ends the timer */
}

static int program(void *arg)
{
    (void)arg;
    int beats = 0;
    weft_timer once, never, often;
    start = weft_now();
    int r = weft_timer_start(&once, weft_after(2 * WEFT_SEC), 0, hello, "hello", 0);
    if (r < 0)
        return r;
    weft_timer_start(&never, weft_after(2 * WEFT_SEC), 0, hello, "this is not seen", 0);
    weft_sleep(weft_after(1 * WEFT_SEC));
    printf("cancelled in time: ran %d times\n", weft_timer_stop(&never));
    weft_sleep(weft_after(2 * WEFT_SEC));
    printf("hello: ran %d time\n", weft_timer_stop(&once));

    weft_timer_start(&often, weft_after(1 * WEFT_SEC), 1 * WEFT_SEC, beat, &beats, 0);
    weft_sleep(weft_after(10 * WEFT_SEC));
    printf("beats: %d\n", weft_timer_stop(&often));
    return 0;
}

int main(void)
{
    return weft_run(program, NULL) < 0;
}
