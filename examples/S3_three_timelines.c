/* S3 - three tasks that work, wait and work: one after the other, on three threads, event-driven.
 *
 *     make example S3
 *
 * # is a beat of work, which takes a core for itself; . is a beat of waiting, for a disk or a network,
 * which takes none; a blank is neither. Work is played here by a sleep with the core's lock held, so that
 * the picture is the same on every machine.
 *
 * One after the other, every wait is lost. Three threads on three cores lose nothing. One thread that
 * always takes up a task that is ready (here its coroutines) loses next to nothing either: what counts is
 * that waits overlap. That is event-driven programming, and the code of a task does not show it.
 *
 * The test runs it seeded: in virtual time, where a sleep takes none.
 */
#include <stdio.h>
#include <string.h>
#include <weft.h>

enum { TASKS = 3, WAIT = 3, BEATS = TASKS * (WAIT + 2) };
#define BEAT (100 * WEFT_MS)

static weft_time start;
static char lines[TASKS][BEATS + 1];
static weft_lock cores[TASKS];
static int cores_count;

static void beat(int task, char what)
{
    weft_span since = weft_time_between(start, weft_now()) + BEAT / 2;
    if (since / BEAT < BEATS)
        lines[task][since / BEAT] = what;
    weft_sleep(weft_after(BEAT));
}

static int work(int task)
{
    weft_lock *core = &cores[task % cores_count];
    weft_lock_enter(core);
    beat(task, '#');
    weft_lock_leave(core);
    return 0;
}

static int run(void *arg)
{
    int task = *(int *)arg;
    work(task);
    for (int i = 0; i < WAIT; i++)
        beat(task, '.');
    return work(task);
}

static int show(const char *title, unsigned kind)
{
    weft_group group;
    int r = weft_group_init(&group, kind == WEFT_COROUTINE ? WEFT_ONE_WORKER : 0);
    memset(lines, ' ', sizeof lines);
    cores_count = kind == WEFT_THREAD ? TASKS : 1;
    start = weft_now();
    for (int i = 0; i < TASKS; i++)
        if (kind)
            weft_group_spawn_copy(&group, kind, run, &i);
        else
            run(&i);
    r = r < 0 ? r : weft_group_wait(&group, weft_never());
    printf("%s\n", title);
    for (int i = 0; i < TASKS; i++)
        printf("  %c |%.*s|\n", 'A' + i, BEATS, lines[i]);
    return r;
}

int main(void)
{
    return show("one after the other", 0) < 0 || show("three threads", WEFT_THREAD) < 0 ||
           show("one thread, event-driven", WEFT_COROUTINE) < 0;
}
