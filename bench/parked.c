/* Question: how much memory, page tables included, does a task hold that waits, and one that was
 * spawned and has not started? One worker. */
#include "ours.h"

static weft_event go = WEFT_EVENT_INIT;
static long tasks, started, ended;

static int wait_for_go(void *arg)
{
    (void)arg;
    started++;
    must(weft_event_wait(&go, weft_never()), "event");
    ended++;
    return 0;
}

static int ask(void *arg)
{
    weft_group all;
    (void)arg;
    weft_group_init(&all, 0);
    double before = bench_memory();
    for (long i = 0; i < tasks; i++)
        weft_group_spawn(&all, WEFT_COROUTINE, wait_for_go, NULL);
    bench_check(started == 0, "none has started");
    bench_print_memory("queued", tasks, bench_memory() - before);
    while (started < tasks)
        weft_yield();
    must(weft_sleep(weft_after(10 * WEFT_MS)),
         "sleep"); /* at rest: what the burst used is given back */
    bench_print_memory("parked", tasks, bench_memory() - before);
    weft_event_set(&go);
    must(weft_group_wait(&all, weft_never()), "wait");
    bench_check(ended == tasks, "tasks woken");
    return 0;
}

int main(int argc, char **argv)
{
    tasks = argc > 1 ? atol(argv[1]) : 10000;
    return ours(ask);
}
