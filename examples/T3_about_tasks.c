/* T3 - what a task knows of itself and of the others: name, list, count, stack, hooks.
 *
 *     make example T3
 *
 * threading.current_thread, enumerate, active_count, setName, is_alive, stack_size and settrace have their
 * counterparts. A hook runs in each task, before its function and after it, as settrace's would; the one here
 * counts. A task is a value: asked about one that has ended, the answer is -ESRCH, never garbage.
 *
 * The test runs it seeded: in virtual time.
 */
#include <stdio.h>
#include <weft.h>

static int started, ended;

static void on_start(void *ctx)
{
    (void)ctx;
    started++;
}

static void on_end(void *ctx)
{
    (void)ctx;
    ended++;
}

static void tell(const char *who, weft_task task)
{
    struct weft_task_info info = { .size = sizeof info };
    int r = weft_task_describe(task, &info);
    if (r < 0)
        printf("%s: %s\n", who, weft_strerror(r));
    else
        printf("%s: '%s', %s, stack %zu KiB\n", who, info.name, info.state,
               (info.stack + 4096) / 1024); /* and its guard page */
}

static int work(void *arg)
{
    (void)arg;
    weft_task_rename("renamed");
    return weft_sleep(weft_after(WEFT_SEC));
}

static int look(void *arg)
{
    weft_task task, list[8];
    struct weft_spawn more = { .size = sizeof more, .name = "worker", .task = &task };
    weft_group g;
    (void)arg;
    weft_task_rename("first");
    tell("myself", weft_task_self());

    weft_group_init(&g, WEFT_ONE_WORKER);
    weft_group_spawn_with(&g, WEFT_COROUTINE, work, NULL, &more);
    tell("spawned", task);
    int r = weft_sleep(weft_after(500 * WEFT_MS)); /* meanwhile it renames itself and sleeps */
    tell("asleep", task);
    printf("alive: %d, coroutines and threads: %zu\n", weft_task_is_alive(task),
           weft_task_list(list, 8));
    if (r == 0)
        r = weft_group_wait(&g, weft_never());
    tell("ended", task);
    printf("alive: %d; hooks saw %d start and %d end\n", weft_task_is_alive(task), started, ended);
    return r;
}

int main(void)
{
    weft_hooks_add(&(struct weft_hooks){
        .size = sizeof(struct weft_hooks), .on_start = on_start, .on_end = on_end });
    return weft_run(look, NULL) < 0;
}
