/* Work that divides itself: WEFT_FORK groups, weft_map. */
#include "until.h"

static long fib(int n);

struct fib {
    int n;
    long out;
};

static int fib_task(void *arg)
{
    struct fib *f = arg;
    f->out = fib(f->n);
    return 0;
}

static long fib(int n)
{
    if (n < 2)
        return n;
    weft_group g;
    struct fib a = { n - 1, 0 };
    CHECK_OK(weft_group_init(&g, WEFT_FORK));
    CHECK_EQ(weft_group_spawn(&g, WEFT_COROUTINE, fib_task, &a), 0);
    long b = fib(n - 2);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    weft_group_fini(&g);
    return a.out + b;
}

static int fib_main(void *arg)
{
    struct fib *f = arg;
    f->out = fib(f->n);
    return 0;
}

TEST(work_divides_itself)
{
    struct fib f = { t->seed ? 8 : 18, 0 };
    CHECK_EQ(weft_run(fib_main, &f), 0);
    CHECK_EQ(f.out, t->seed ? 21 : 2584);
    CHECK_EQ(fib(7), 13); /* from a plain thread */
}

static int give(void *arg)
{
    return (int)(intptr_t)arg;
}

static int sleep_long(void *arg)
{
    int r = weft_sleep(weft_after(1000 * WEFT_SEC));
    ADD(*(int *)arg, r == -ECANCELED);
    return r;
}

static int forks(void *arg)
{
    (void)arg;
    for (int first = 0; first < 2; first++) {
        weft_group g;
        int cancelled = 0;
        CHECK_OK(weft_group_init(&g, WEFT_FORK));
        if (first)
            CHECK_EQ(weft_group_spawn(&g, WEFT_COROUTINE, give, (void *)(intptr_t)-EIO), 0);
        for (int i = 0; i < 5; i++) {
            int r = weft_group_spawn(&g, WEFT_COROUTINE, sleep_long, &cancelled);
            CHECK(r == 0 || (first && r == -ECANCELED));
        }
        if (!first)
            CHECK_EQ(weft_group_spawn(&g, WEFT_COROUTINE, give, (void *)(intptr_t)-EIO), 0);
        CHECK_EQ(weft_group_wait(&g, weft_never()), -EIO);
        weft_group_fini(&g);
    }
    return 0;
}

TEST(a_failure_cancels_forks_that_run_as_calls)
{
    if (weft_worker_count() < 2 && !t->seed)
        SKIP("what runs as a call is cancelled by others only");
    CHECK_EQ(weft_run(forks, NULL), 0);
}

static weft_event gate = WEFT_EVENT_INIT;
static weft_task inliner;

static int cancel_inliner(void *arg)
{
    (void)arg;
    CHECK_EQ(weft_event_wait(&gate, weft_never()), 0);
    CHECK_EQ(weft_task_cancel(inliner), 0);
    return 0;
}

static int wait_to_be_cancelled(void *arg)
{
    weft_event_set(&gate);
    int r = weft_event_wait(arg, weft_never());
    CHECK_EQ(r, -ECANCELED);
    return 0;
}

static int inlining(void *arg)
{
    weft_group g;
    weft_event never = WEFT_EVENT_INIT;
    (void)arg;
    CHECK_OK(weft_group_init(&g, WEFT_FORK));
    CHECK_EQ(weft_group_spawn(&g, WEFT_COROUTINE, wait_to_be_cancelled, &never), 0);
    int r = weft_group_wait(&g, weft_never());
    CHECK(r == 0 || r == -ECANCELED);
    CHECK(weft_task_is_cancelled());
    weft_group_fini(&g);
    weft_event_fini(&never);
    return 0;
}

TEST(a_cancel_of_the_waiter_reaches_a_child_that_runs_as_a_call)
{
    weft_group g;
    struct weft_spawn more = { .size = sizeof more, .task = &inliner };
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_EQ(weft_group_spawn_with(&g, WEFT_COROUTINE, inlining, NULL, &more), 0);
    CHECK_EQ(weft_group_spawn(&g, WEFT_COROUTINE, cancel_inliner, NULL), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    weft_group_fini(&g);
}

static weft_group fork_group;

static int cancel_group(void *arg)
{
    (void)arg;
    CHECK_EQ(weft_event_wait(&gate, weft_never()), 0);
    weft_group_cancel(&fork_group);
    return 0;
}

static int inlining_group(void *arg)
{
    weft_event never = WEFT_EVENT_INIT;
    (void)arg;
    CHECK_OK(weft_group_init(&fork_group, WEFT_FORK));
    CHECK_EQ(weft_group_spawn(&fork_group, WEFT_COROUTINE, wait_to_be_cancelled, &never), 0);
    CHECK_EQ(weft_group_wait(&fork_group, weft_never()), 0);
    CHECK(!weft_task_is_cancelled());
    weft_group_fini(&fork_group);
    weft_event_fini(&never);
    return 0;
}

TEST(a_cancel_of_the_group_reaches_a_child_that_runs_as_a_call)
{
    weft_group g;
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_EQ(weft_group_spawn(&g, WEFT_COROUTINE, inlining_group, NULL), 0);
    CHECK_EQ(weft_group_spawn(&g, WEFT_COROUTINE, cancel_group, NULL), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    weft_group_fini(&g);
}

static int fail_shielded(void *arg)
{
    (void)arg;
    CHECK_EQ(weft_event_wait(&gate, weft_never()), 0);
    return -EXDEV;
}

static int under_shield(void *arg)
{
    weft_group g;
    weft_event never = WEFT_EVENT_INIT;
    (void)arg;
    CHECK_OK(weft_group_init(&g, WEFT_FORK));
    CHECK_EQ(weft_group_spawn(&g, WEFT_COROUTINE, fail_shielded, NULL), 0);
    CHECK_EQ(weft_group_spawn(&g, WEFT_COROUTINE, wait_to_be_cancelled, &never), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), -EXDEV);
    weft_group_fini(&g);
    weft_event_fini(&never);
    return 0;
}

static int shielding(void *arg)
{
    return weft_shield(weft_never(), under_shield, arg);
}

TEST(a_waiters_shield_is_not_its_childrens)
{
    CHECK_EQ(weft_run(shielding, NULL), 0);
}

static weft_lock mine = WEFT_LOCK_INIT, theirs = WEFT_LOCK_INIT;
static int deferred;

static void on_end(void *arg)
{
    (void)arg;
    deferred++;
}

static int child_with_defer(void *arg)
{
    (void)arg;
    CHECK_EQ(weft_defer(on_end, NULL), 0);
    return 0;
}

static char said[1000];

static void hear(void *ctx, const char *text, size_t size)
{
    (void)ctx;
    snprintf(said, sizeof said, "%.*s", (int)size, text);
}

static int child_leaves_a_lock(void *arg)
{
    (void)arg;
    weft_lock_enter(&theirs);
    return 0;
}

static int holding(void *arg)
{
    weft_group g;
    (void)arg;
    weft_lock_enter(&mine);
    CHECK_OK(weft_group_init(&g, WEFT_FORK));
    CHECK_EQ(weft_group_spawn(&g, WEFT_COROUTINE, child_with_defer, NULL), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    CHECK_EQ(deferred, 1);
    CHECK(weft_lock_is_held(&mine));
    CHECK_STR(said, "");
    CHECK_EQ(weft_group_spawn(&g, WEFT_COROUTINE, child_leaves_a_lock, NULL), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    CHECK_SAYS(said, "ended while holding lock");
    CHECK(weft_lock_is_held(&mine));
    CHECK(!weft_lock_is_held(&theirs));
    CHECK_EQ(weft_lock_acquire(&theirs, weft_never()), WEFT_RECOVERED);
    weft_lock_leave(&theirs);
    weft_lock_leave(&mine);
    weft_group_fini(&g);
    return 0;
}

TEST(a_child_that_runs_as_a_call_leaves_its_own_locks_only)
{
    weft_reporter_set(hear, NULL);
    CHECK_EQ(weft_run(holding, NULL), 0);
}

/* -- map -- */

static int square(void *arg)
{
    int *item = arg;
    *item *= *item;
    return 0;
}

TEST_EACH_KIND(map_calls_the_function_once_for_each_item)
{
    int items[200];
    for (size_t count = 0; count <= 200; count = 2 * count + 1) {
        for (int i = 0; i < 200; i++)
            items[i] = i;
        CHECK_EQ(weft_map(t->kind, square, items, count, weft_never()), 0);
        for (size_t i = 0; i < 200; i++)
            CHECK_EQ(items[i], i < count ? i * i : i);
    }
}

static int called;

static int fail_third(void *arg)
{
    ADD(called, 1);
    return *(int *)arg == 2 ? -EIO : 0;
}

TEST_EACH_KIND(map_gives_the_first_failure_and_leaves_out_what_has_not_begun)
{
    int items[100];
    for (int i = 0; i < 100; i++)
        items[i] = i;
    CHECK_EQ(weft_map(t->kind, fail_third, items, 100, weft_never()), -EIO);
    CHECK_GE(called, 1);
    CHECK_LE(called, 100);
}

static int sleep_item(void *arg)
{
    (void)arg;
    ADD(called, 1);
    int r = weft_sleep(weft_never());
    ADD(called, -1);
    return r;
}

TEST_EACH_KIND(map_ends_at_its_deadline_and_nothing_runs_on)
{
    int items[10] = { 0 };
    CHECK_EQ(weft_map(t->kind, sleep_item, items, 10, weft_after(WEFT_MS)), -ETIMEDOUT);
    CHECK_EQ(called, 0);
}

static int map_in_task(void *arg)
{
    int items[10] = { 0 };
    return weft_map((unsigned)(uintptr_t)arg, sleep_item, items, 10, weft_never());
}

TEST_EACH_KIND(map_is_cancelled)
{
    weft_group g;
    weft_task task;
    struct weft_spawn more = { .size = sizeof more, .task = &task };
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_EQ(weft_group_spawn_with(&g, t->kind, map_in_task, (void *)(uintptr_t)t->kind, &more), 0);
    UNTIL(LOAD(called) > 0);
    CHECK_EQ(weft_task_cancel(task), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), -ECANCELED);
    CHECK_EQ(called, 0);
    weft_group_fini(&g);
}

TEST(map_refuses_what_it_does_not_know)
{
    int item = 3;
    CHECK_ERR(weft_map(WEFT_VTHREAD, square, &item, 1, weft_never()), -ENOTSUP);
    CHECK_ERR(weft_map(0, square, &item, 1, weft_never()), -EINVAL);
    CHECK_ERR(weft_map(WEFT_COROUTINE, NULL, &item, 1, weft_never()), -EINVAL);
    CHECK_EQ(item, 3);
}
