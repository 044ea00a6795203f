/* lib_one.c - a library that uses weft, for libraries.c: coroutines and threads that wait. */
#include "until.h"

int one_start(weft_group *g, int *count);
int one_wait(weft_group *g);
int one_work(void);

static int nap_and_count(void *arg)
{
    int r = weft_sleep(weft_after(WEFT_MS));
    ADD(*(int *)arg, 1);
    return r;
}

/* 20 tasks that count. */
int one_start(weft_group *g, int *count)
{
    int r = weft_group_init(g, 0);
    for (int i = 0; i < 20 && r == 0; i++)
        r = weft_group_spawn(g, i % 5 ? WEFT_COROUTINE : WEFT_THREAD, nap_and_count, count);
    return r;
}

int one_wait(weft_group *g)
{
    int r = weft_group_wait(g, weft_never());
    weft_group_fini(g);
    return r;
}

/* All by itself, in the background too; how many tasks ran. */
int one_work(void)
{
    weft_group g;
    weft_task task;
    struct weft_spawn more = { .size = sizeof more, .task = &task };
    int count = 0, r = one_start(&g, &count);
    if (r == 0)
        r = weft_group_spawn_with(weft_background(), WEFT_COROUTINE, nap_and_count, &count, &more);
    if (r == 0)
        r = weft_task_join(task, NULL, weft_never());
    if (r == 0)
        r = one_wait(&g);
    return r < 0 ? r : LOAD(count);
}
