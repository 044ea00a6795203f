/* P7b - what a process task sees of its maker: a pointer that means nothing there is refused, a global is as it
 * was when the first process task was made.
 *
 *     make example P7b
 *
 * In Python a queue.Queue given to a Process is copied with it under fork, so that nothing ever arrives, and
 * cannot be pickled under spawn. Here the spawn refuses what is not there, and says what to do instead.
 */
#include <stdio.h>
#include <unistd.h>
#include <weft.h>

static int count; /* each process has its own */

static int put_42(void *queue)
{
    return weft_queue_put(queue, &(int){ 42 }, sizeof(int), weft_never());
}

static int tell_count(void *arg)
{
    (void)arg;
    return count;
}

static void give(const char *what, void *arg)
{
    weft_group g;
    int got;
    weft_group_init(&g, 0);
    int r = weft_group_spawn(&g, WEFT_PROCESS, put_42, arg);
    printf("%s: %s\n", what, r == 0 ? "is spawned" : weft_why());
    if (weft_group_wait(&g, weft_never()) == 0 &&
        weft_queue_get(arg, &got, sizeof got, weft_at_once()) == 1)
        printf("  %d has arrived\n", got);
}

static int ask(const char *who)
{
    weft_group g;
    weft_task task;
    struct weft_exit end = { .size = sizeof end };
    struct weft_spawn more = { .size = sizeof more, .task = &task };
    weft_group_init(&g, 0);
    weft_group_spawn_with(&g, WEFT_PROCESS, tell_count, NULL, &more);
    if (weft_task_join(task, &end, weft_never()) == 0)
        printf("%s sees count as %d\n", who, end.result);
    return weft_group_wait(&g, weft_never());
}

int main(void)
{
    static weft_queue global;
    weft_queue local, *shared = weft_arena_alloc(sizeof *shared);
    if (!shared || weft_queue_init(&local, NULL, 10, sizeof(int), 0) < 0 ||
        weft_queue_init(&global, NULL, 10, sizeof(int), 0) < 0)
        return 1;
    give("a queue on the stack", &local);
    give("a global queue", &global);
    if (weft_queue_init(shared, NULL, 10, sizeof(int), 0) < 0)
        printf("a private one in the arena: %s\n", weft_why());
    if (weft_queue_init(shared, NULL, 10, sizeof(int), WEFT_SHARED) == 0)
        give("a shared one in the arena", shared);

    count = 1;
    ask("count is 1 now; a process task");
    int pid = weft_fork(); /* a copy of everything, as it is now */
    if (pid == 0)
        _exit(count);
    struct weft_exit end = { .size = sizeof end };
    if (pid < 0 || weft_fork_wait(pid, &end, weft_never()) < 0)
        return 1;
    printf("a plain fork sees count as %d\n", end.result);
    return 0;
}
