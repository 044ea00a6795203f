/* Tasks: handles, joins, names, bounds, what runs before and after, what a task keeps for itself. */
#include "until.h"

#include <fenv.h>
#include <pthread.h>

static unsigned kind;

static int give(void *arg)
{
    return (int)(intptr_t)arg;
}

static int wait_event(void *event)
{
    return weft_event_wait(event, weft_never());
}

/* Run fn as a task of this kind and return what it returned. */
static int as_task(unsigned which, weft_fn *fn, void *arg)
{
    weft_group g;
    weft_task task;
    struct weft_exit how = { .size = sizeof how };
    struct weft_spawn more = { .size = sizeof more, .task = &task };
    CHECK_OK(weft_group_init(&g, WEFT_KEEP_GOING));
    CHECK_EQ(weft_group_spawn_with(&g, which, fn, arg, &more), 0);
    CHECK_EQ(weft_task_join(task, &how, weft_never()), 0);
    int r = weft_group_wait(&g, weft_never());
    CHECK_EQ(r, how.result < 0 ? how.result : 0);
    weft_group_fini(&g);
    return how.result;
}

/* -- handles and joins -- */

static int join_it(void *task)
{
    struct weft_exit how = { .size = sizeof how };
    CHECK_EQ(weft_task_join(*(weft_task *)task, &how, weft_never()), 0);
    CHECK_EQ(how.result, 42);
    return 0;
}

static int give_after_event(void *event)
{
    CHECK_EQ(weft_event_wait(event, weft_never()), 0);
    return 42;
}

TEST_EACH_KIND(any_number_may_join_one_task)
{
    weft_group g;
    weft_task task;
    weft_event go = WEFT_EVENT_INIT;
    struct weft_spawn more = { .size = sizeof more, .task = &task };
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_EQ(weft_group_spawn_with(&g, t->kind, give_after_event, &go, &more), 0);
    CHECK(weft_task_is_alive(task));
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(weft_group_spawn(&g, WEFT_COROUTINE, join_it, &task), 0);
        CHECK_EQ(weft_group_spawn(&g, WEFT_THREAD, join_it, &task), 0);
    }
    CHECK_ERR(weft_task_join(task, NULL, weft_at_once()), -ETIMEDOUT);
    CHECK_ERR(weft_task_join(task, NULL, weft_after(WEFT_MS)), -ETIMEDOUT);
    weft_event_set(&go);
    CHECK_EQ(weft_task_join(task, NULL, weft_never()), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    CHECK(!weft_task_is_alive(task));
    weft_group_fini(&g);
}

static int join_self(void *arg)
{
    (void)arg;
    CHECK_ERR(weft_task_join(weft_task_self(), NULL, weft_never()), -EDEADLK);
    return 0;
}

TEST_EACH_KIND(a_task_cannot_join_itself)
{
    CHECK_EQ(as_task(t->kind, join_self, NULL), 0);
}

static weft_task known;

static int tell_self(void *event)
{
    known = weft_task_self();
    CHECK(weft_task_is_alive(known));
    weft_event_set(event);
    return 0;
}

TEST_EACH_KIND(a_task_that_has_ended_is_stale_wherever_it_is_named)
{
    weft_group g;
    weft_event told = WEFT_EVENT_INIT;
    struct weft_task_info info = { .size = sizeof info };
    CHECK_OK(weft_group_init(&g, 0));
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(weft_group_spawn(&g, t->kind, tell_self, &told), 0);
        CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
        UNTIL(!weft_task_is_alive(known));
        CHECK_ERR(weft_task_join(known, NULL, weft_never()), -ESRCH);
        CHECK_ERR(weft_task_cancel(known), -ESRCH);
        CHECK_ERR(weft_task_describe(known, &info), -ESRCH);
    }
    weft_group_fini(&g);
}

TEST(no_task_is_stale)
{
    static const weft_task none[] = { { 0 }, { 1 }, { UINT64_MAX }, { 5ull << 32 | 1 << 30 } };
    struct weft_task_info info = { .size = sizeof info };
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        CHECK_ERR(weft_task_join(none[i], NULL, weft_never()), -ESRCH);
        CHECK_ERR(weft_task_cancel(none[i]), -ESRCH);
        CHECK_ERR(weft_task_describe(none[i], &info), -ESRCH);
        CHECK(!weft_task_is_alive(none[i]));
    }
}

TEST(a_plain_thread_has_a_task_too)
{
    weft_task self = weft_task_self();
    struct weft_task_info info = { .size = sizeof info };
    CHECK_NE(self.id, 0);
    CHECK_EQ(self.id, weft_task_self().id);
    CHECK(weft_task_is_alive(self));
    CHECK_EQ(weft_task_describe(self, &info), 0);
    CHECK_EQ(info.kind, 0);
    CHECK_EQ(info.worker, -1);
    CHECK(info.site == NULL);
    info.size = 1;
    CHECK_ERR(weft_task_describe(self, &info), -EINVAL);
}

TEST_EACH_KIND(a_join_is_cancelled_and_leaves_the_task_alone)
{
    weft_group g;
    weft_task task, joiner;
    weft_event go = WEFT_EVENT_INIT;
    struct weft_spawn more = { .size = sizeof more, .task = &task };
    struct weft_spawn second = { .size = sizeof more, .task = &joiner };
    CHECK_OK(weft_group_init(&g, WEFT_KEEP_GOING));
    CHECK_EQ(weft_group_spawn_with(&g, t->kind, give_after_event, &go, &more), 0);
    CHECK_EQ(weft_group_spawn_with(&g, t->kind, join_it, &task, &second), 0);
    UNTIL(waits_for(joiner, "join"));
    weft_event_set(&go);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    weft_group_fini(&g);
    weft_event_clear(&go);
    CHECK_OK(weft_group_init(&g, WEFT_KEEP_GOING));
    CHECK_EQ(weft_group_spawn_with(&g, t->kind, wait_event, &go, &more), 0);
    CHECK_EQ(weft_task_cancel(weft_task_self()), 0);
    CHECK_ERR(weft_task_join(task, NULL, weft_never()), -ECANCELED);
    CHECK(weft_task_is_alive(task));
    weft_event_set(&go);
    CHECK_ERR(weft_group_wait(&g, weft_never()), -ECANCELED);
    weft_group_fini(&g);
}

/* -- cancel -- */

static int every_wait_is_cancelled(void *arg)
{
    (void)arg;
    weft_lock lock = WEFT_LOCK_INIT;
    weft_cond cond = WEFT_COND_INIT;
    weft_event event = WEFT_EVENT_INIT;
    weft_semaphore sem = WEFT_SEMAPHORE_INIT(5);
    weft_queue queue;
    weft_ticker ticker;
    int slot = 0;
    CHECK_OK(weft_queue_init(&queue, &slot, 1, sizeof slot, 0));
    CHECK_OK(weft_ticker_init(&ticker, 1));
    CHECK_EQ(weft_task_cancel(weft_task_self()), 0);
    CHECK(weft_task_is_cancelled());
    for (int i = 0; i < 2; i++) {
        CHECK_ERR(weft_sleep(weft_after(WEFT_SEC)), -ECANCELED);
        CHECK_ERR(weft_yield(), -ECANCELED);
        CHECK_ERR(weft_lock_acquire(&lock, weft_never()), -ECANCELED);
        weft_lock_enter(&lock);
        CHECK(weft_lock_is_held(&lock));
        CHECK_ERR(weft_cond_wait(&cond, &lock, weft_never()), -ECANCELED);
        CHECK(weft_lock_is_held(&lock));
        weft_lock_leave(&lock);
        CHECK_ERR(weft_event_wait(&event, weft_never()), -ECANCELED);
        CHECK_ERR(weft_semaphore_acquire(&sem, weft_never()), -ECANCELED);
        CHECK_EQ(weft_semaphore_value(&sem), 5);
        CHECK_ERR(weft_queue_put(&queue, &i, sizeof i, weft_never()), -ECANCELED);
        CHECK_ERR(weft_queue_get(&queue, &i, sizeof i, weft_never()), -ECANCELED);
        CHECK_EQ(weft_ticker_wait(&ticker, weft_never()), -ECANCELED);
    }
    return 3;
}

TEST_EACH_KIND(once_cancelled_every_wait_is)
{
    CHECK_EQ(as_task(t->kind, every_wait_is_cancelled, NULL), 3);
}

struct waits {
    const char *state;
    int (*fn)(void *arg);
};

static weft_lock held_lock = WEFT_LOCK_INIT;
static weft_event never_set = WEFT_EVENT_INIT;
static weft_semaphore empty = WEFT_SEMAPHORE_INIT(0);
static weft_queue queue0;

static int w_sleep(void *arg)
{
    (void)arg;
    return weft_sleep(weft_never());
}

static int w_lock(void *arg)
{
    (void)arg;
    return weft_lock_acquire(&held_lock, weft_never());
}

static int w_cond(void *arg)
{
    (void)arg;
    weft_lock lock = WEFT_LOCK_INIT;
    weft_cond cond = WEFT_COND_INIT;
    weft_lock_enter(&lock);
    int r = weft_cond_wait(&cond, &lock, weft_never());
    CHECK(weft_lock_is_held(&lock));
    weft_lock_leave(&lock);
    return r;
}

static int w_semaphore(void *arg)
{
    (void)arg;
    return weft_semaphore_acquire(&empty, weft_never());
}

static int w_put(void *arg)
{
    return weft_queue_put(&queue0, &arg, sizeof arg, weft_never());
}

static int w_get(void *arg)
{
    return weft_queue_get(&queue0, &arg, sizeof arg, weft_never());
}

TEST_EACH_KIND(a_cancel_ends_any_wait)
{
    static const struct waits all[] = {
        { "sleep", w_sleep },    { "lock", w_lock },           { "cond", w_cond },
        { "event", wait_event }, { "semaphore", w_semaphore }, { "put", w_put },
        { "get", w_get },
    };
    CHECK_OK(weft_queue_init(&queue0, NULL, 0, sizeof(void *), 0));
    weft_lock_enter(&held_lock);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        weft_group g;
        weft_task task;
        struct weft_spawn more = { .size = sizeof more, .task = &task };
        CHECK_OK(weft_group_init(&g, 0));
        CHECK_EQ(weft_group_spawn_with(&g, t->kind, all[i].fn, &never_set, &more), 0);
        UNTIL(waits_for(task, all[i].state));
        CHECK_EQ(weft_task_cancel(task), 0);
        CHECK_EQ(weft_task_cancel(task), 0);
        CHECK_EQ(weft_group_wait(&g, weft_never()), -ECANCELED);
        weft_group_fini(&g);
    }
    weft_lock_leave(&held_lock);
    weft_lock_fini(&held_lock);
    weft_semaphore_fini(&empty);
    weft_queue_fini(&queue0);
    weft_event_fini(&never_set);
}

TEST_EACH_KIND(a_cancel_may_come_before_the_task_starts)
{
    for (int i = 0; i < 20; i++) {
        weft_group g;
        weft_task task;
        struct weft_spawn more = { .size = sizeof more, .task = &task };
        CHECK_OK(weft_group_init(&g, 0));
        CHECK_EQ(weft_group_spawn_with(&g, t->kind, w_sleep, NULL, &more), 0);
        CHECK_EQ(weft_task_cancel(task), 0);
        CHECK_EQ(weft_group_wait(&g, weft_never()), -ECANCELED);
        weft_group_fini(&g);
    }
}

/* -- names and lists -- */

static int sleep_until_told(void *event)
{
    return weft_event_wait(event, weft_never());
}

TEST_EACH_KIND(a_task_is_described)
{
    weft_group g;
    weft_task task;
    weft_event go = WEFT_EVENT_INIT;
    struct weft_task_info info = { .size = sizeof info };
    struct weft_spawn more = { .size = sizeof more, .task = &task };
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_EQ(weft_group_spawn_with(&g, t->kind, sleep_until_told, &go, &more), 0);
    UNTIL(waits_for(task, "event"));
    CHECK_EQ(weft_task_describe(task, &info), 0);
    CHECK_EQ(info.task.id, task.id);
    CHECK_EQ(info.kind, t->kind);
    CHECK_GE(info.waiting_ns, 0);
    CHECK(strstr(info.site, "sleep_until_told at ") == info.site);
    CHECK(strncmp(info.name, "sleep_until_told at ", 20) == 0);
    if (t->kind == WEFT_COROUTINE) {
        CHECK_GE(info.worker, 0);
        CHECK_GE(info.stack, 56 * 1024);
    } else if (!t->seed) {
        CHECK_EQ(info.worker, -1);
    }
    weft_event_set(&go);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    weft_group_fini(&g);
}

static int rename_self(void *arg)
{
    (void)arg;
    struct weft_task_info info = { .size = sizeof info };
    CHECK_EQ(weft_task_describe(weft_task_self(), &info), 0);
    CHECK_STR(info.name, "reader");
    CHECK_STR(info.state, "running");
    CHECK_EQ(weft_task_rename("a name that has more than thirty-one bytes"), 0);
    CHECK_EQ(weft_task_describe(weft_task_self(), &info), 0);
    CHECK_STR(info.name, "a name that has more than thirt");
    return 0;
}

TEST_EACH_KIND(names_are_copied_up_to_31_bytes)
{
    char name[] = "reader";
    weft_group g;
    struct weft_spawn more = { .size = sizeof more, .name = name };
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_EQ(weft_group_spawn_with(&g, t->kind, rename_self, NULL, &more), 0);
    memset(name, 'x', sizeof name - 1);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    weft_group_fini(&g);
}

TEST_EACH_KIND(live_tasks_are_listed)
{
    weft_group g;
    weft_task tasks[5], list[64];
    weft_event go = WEFT_EVENT_INIT;
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_NE(weft_task_self().id, 0);
    size_t before = weft_task_list(NULL, 0);
    for (int i = 0; i < 5; i++) {
        struct weft_spawn more = { .size = sizeof more, .task = &tasks[i] };
        CHECK_EQ(weft_group_spawn_with(&g, t->kind, wait_event, &go, &more), 0);
    }
    CHECK_EQ(weft_task_list(NULL, 0), before + 5);
    for (int i = 0; i < 5; i++)
        UNTIL(waits_for(tasks[i], "event"));
    size_t n = weft_task_list(list, 64);
    CHECK_EQ(n, before + 5);
    for (int i = 0; i < 5; i++) {
        bool found = false;
        for (size_t k = 0; k < n; k++)
            found |= list[k].id == tasks[i].id;
        CHECK(found);
    }
    weft_event_set(&go);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    UNTIL(weft_task_list(NULL, 0) == before);
    weft_group_fini(&g);
}

/* -- yield -- */

static int turns[2];

static int take_turns(void *arg)
{
    int me = (int)(intptr_t)arg;
    for (int i = 0; i < 100; i++) {
        turns[me]++;
        CHECK_EQ(weft_yield(), 0);
        CHECK_GE(turns[!me] - turns[me] + 2, 0); /* strictly in turn */
    }
    turns[me] = 1000;
    return 0;
}

static int take_turns_of_two(void *arg)
{
    weft_group g;
    /* Ours: both are there before one starts. */
    CHECK_OK(weft_group_init(&g, WEFT_ONE_WORKER));
    CHECK_EQ(weft_group_spawn(&g, WEFT_COROUTINE, take_turns, (void *)0), 0);
    CHECK_EQ(weft_group_spawn(&g, WEFT_COROUTINE, take_turns, (void *)1), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    weft_group_fini(&g);
    (void)arg;
    return 0;
}

TEST_REAL(yields_go_round, "a seed may favour one")
{
    CHECK_EQ(as_task(WEFT_COROUTINE, take_turns_of_two, NULL), 0);
}

/* -- within and shield -- */

static int sleep_ten(void *arg)
{
    (void)arg;
    return weft_sleep(weft_after(10 * WEFT_SEC));
}

static int nested_within(void *arg)
{
    (void)arg;
    weft_time start = weft_now();
    CHECK_ERR(weft_within(weft_after(WEFT_SEC), sleep_ten, NULL), -ETIMEDOUT);
    return weft_time_between(start, weft_now()) < 900 * WEFT_MS;
}

static int sleep_short(void *arg)
{
    (void)arg;
    return weft_sleep(weft_after(WEFT_US));
}

static int within_body(void *arg)
{
    (void)arg;
    CHECK_ERR(weft_within(weft_after(WEFT_MS), sleep_ten, NULL), -ETIMEDOUT);
    CHECK_ERR(weft_within(weft_at_once(), sleep_ten, NULL), -ETIMEDOUT);
    CHECK_EQ(weft_within(weft_never(), sleep_short, NULL), 0);
    CHECK_EQ(weft_within(weft_after(WEFT_MS), give, (void *)9), 9);
    CHECK_EQ(weft_within(weft_after(WEFT_MS), nested_within, NULL), 1);
    CHECK_EQ(weft_sleep(weft_after(2 * WEFT_MS)), 0); /* and no longer */
    return 0;
}

TEST_EACH_KIND(within_bounds_every_wait_inside)
{
    CHECK_EQ(as_task(t->kind, within_body, NULL), 0);
    CHECK_EQ(within_body(NULL), 0);
}

static int group_within(void *arg)
{
    weft_group g;
    CHECK_OK(weft_group_init(&g, (unsigned)(uintptr_t)arg));
    CHECK_EQ(weft_group_spawn(&g, kind, sleep_ten, NULL), 0);
    int r = weft_group_wait(&g, weft_never());
    weft_group_fini(&g);
    return r;
}

static int groups_within(void *arg)
{
    CHECK_ERR(weft_within(weft_after(WEFT_MS), group_within, arg), -ETIMEDOUT);
    return 0;
}

TEST_EACH_KIND(within_bounds_a_group)
{
    static unsigned const flags[] = { 0, WEFT_FORK, WEFT_ONE_WORKER };
    kind = t->kind;
    for (int i = 0; i < 3; i++)
        CHECK_EQ(as_task(t->kind, groups_within, (void *)(uintptr_t)flags[i]), 0);
}

static int goodbye(void *arg)
{
    (void)arg;
    CHECK(!weft_task_is_cancelled());
    CHECK_EQ(weft_sleep(weft_after(WEFT_US)), 0);
    CHECK_ERR(weft_sleep(weft_never()), -ETIMEDOUT);
    return 5;
}

static int shielded(void *arg)
{
    (void)arg;
    CHECK_EQ(weft_task_cancel(weft_task_self()), 0);
    CHECK_ERR(weft_sleep(weft_after(WEFT_US)), -ECANCELED);
    CHECK_EQ(weft_shield(weft_after(WEFT_MS), goodbye, NULL), 5);
    CHECK(weft_task_is_cancelled());
    CHECK_ERR(weft_sleep(weft_after(WEFT_US)), -ECANCELED);
    return 0;
}

TEST_EACH_KIND(a_shield_keeps_cancels_out_for_so_long)
{
    CHECK_EQ(as_task(t->kind, shielded, NULL), 0);
}

static int wait_under_shield(void *event)
{
    return weft_event_wait(event, weft_never());
}

static int shield_wait(void *event)
{
    CHECK_EQ(weft_shield(weft_never(), wait_under_shield, event), 0);
    return weft_task_is_cancelled() ? 1 : 2;
}

TEST_EACH_KIND(a_cancel_does_not_reach_under_a_shield)
{
    weft_group g;
    weft_task task;
    weft_event go = WEFT_EVENT_INIT;
    struct weft_exit how = { .size = sizeof how };
    struct weft_spawn more = { .size = sizeof more, .task = &task };
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_EQ(weft_group_spawn_with(&g, t->kind, shield_wait, &go, &more), 0);
    UNTIL(waits_for(task, "event"));
    CHECK_EQ(weft_task_cancel(task), 0);
    weft_group_cancel(&g);
    for (int i = 0; i < 50; i++)
        weft_yield();
    CHECK(waits_for(task, "event"));
    weft_event_set(&go);
    CHECK_EQ(weft_task_join(task, &how, weft_never()), 0);
    CHECK_EQ(how.result, 1);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    weft_group_fini(&g);
}

/* -- defers and hooks -- */

static char order[16];
static int marks;

static void mark(void *arg)
{
    order[marks++] = (char)(uintptr_t)arg;
}

static void slow_mark(void *arg)
{
    CHECK_EQ(weft_sleep(weft_after(WEFT_US)), 0);
    CHECK(!weft_task_is_cancelled());
    mark(arg);
}

static void late_mark(void *arg)
{
    CHECK_EQ(weft_defer(mark, arg), 0);
}

static int deferring(void *arg)
{
    CHECK_EQ(weft_defer(mark, (void *)'a'), 0);
    CHECK_EQ(weft_defer(slow_mark, (void *)'b'), 0);
    CHECK_EQ(weft_defer(late_mark, (void *)'c'), 0);
    CHECK_EQ(weft_defer(mark, (void *)'d'), 0);
    CHECK_EQ(weft_task_cancel(weft_task_self()), 0);
    mark((void *)'.');
    return (int)(intptr_t)arg;
}

TEST_EACH_KIND(defers_run_last_first_before_the_end_is_known)
{
    CHECK_EQ(as_task(t->kind, deferring, (void *)4), 4);
    CHECK_STR(order, ".dcba");
}

TEST(only_tasks_defer)
{
    CHECK_ERR(weft_defer(mark, NULL), -EINVAL);
    CHECK_EQ(weft_task_self().id ? 0 : 1, 0);
    CHECK_ERR(weft_defer(mark, NULL), -EINVAL);
}

static int starts, ends;

static void on_start(void *ctx)
{
    CHECK_EQ((intptr_t)ctx, 7);
    CHECK_NE(weft_task_self().id, 0);
    ADD(starts, 1);
}

static void on_end(void *ctx)
{
    (void)ctx;
    ADD(ends, 1);
}

static int wait_for_forks(void *arg)
{
    weft_group g;
    (void)arg;
    CHECK_OK(weft_group_init(&g, WEFT_FORK));
    for (int i = 0; i < 10; i++)
        CHECK_EQ(weft_group_spawn(&g, WEFT_COROUTINE, give, NULL), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    weft_group_fini(&g);
    return 0;
}

TEST_EACH_KIND(hooks_see_every_start_and_end)
{
    struct weft_hooks hooks = { sizeof hooks, on_start, on_end, (void *)7 };
    CHECK_EQ(weft_hooks_add(&hooks), 0);
    weft_group g;
    CHECK_OK(weft_group_init(&g, 0));
    for (int i = 0; i < 10; i++)
        CHECK_EQ(weft_group_spawn(&g, t->kind, give, NULL), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    CHECK_EQ(starts, 10);
    CHECK_EQ(ends, 10);
    CHECK_EQ(as_task(t->kind, wait_for_forks, NULL), 0);
    CHECK_EQ(starts, 21);
    CHECK_EQ(ends, 21);
    weft_group_fini(&g);
}

TEST(there_is_room_for_eight_hooks)
{
    struct weft_hooks hooks = { sizeof hooks, on_start, NULL, (void *)7 },
                      none = { .size = sizeof none };
    CHECK_ERR(weft_hooks_add(NULL), -EINVAL);
    CHECK_ERR(weft_hooks_add(&none), -EINVAL);
    for (int i = 0; i < 8; i++)
        CHECK_EQ(weft_hooks_add(&hooks), 0);
    CHECK_ERR(weft_hooks_add(&hooks), -ENOSPC);
    CHECK_EQ(as_task(WEFT_COROUTINE, give, (void *)1), 1);
    CHECK_EQ(starts, 8);
}

/* -- what a task keeps -- */

static int keep_errno(void *arg)
{
    for (int i = 0; i < 20; i++) {
        errno = (int)(intptr_t)arg;
        weft_yield();
        CHECK_EQ(errno, (intptr_t)arg);
        CHECK_EQ(weft_sleep(weft_after(WEFT_US)), 0);
        CHECK_EQ(errno, (intptr_t)arg);
    }
    return 0;
}

TEST_EACH_KIND(errno_is_kept_across_waits)
{
    weft_group g;
    CHECK_OK(weft_group_init(&g, 0));
    for (int i = 1; i < 8; i++)
        CHECK_EQ(weft_group_spawn(&g, t->kind, keep_errno, (void *)(intptr_t)i), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    weft_group_fini(&g);
}

static __thread int own_thread;

static int keep_address(void *arg)
{
    (void)arg;
    int *at = &own_thread, *errno_at = &errno;
    for (int i = 0; i < 20; i++) {
        if (i % 2)
            weft_yield();
        else
            CHECK_EQ(weft_sleep(weft_after(WEFT_US)), 0);
        __asm__ volatile("" ::: "memory");
        CHECK(at == &own_thread);
        CHECK(errno_at == &errno);
    }
    return 0;
}

TEST_EACH_KIND(a_started_task_stays_on_its_thread)
{
    weft_group g;
    CHECK_OK(weft_group_init(&g, 0));
    for (int i = 0; i < 50; i++)
        CHECK_EQ(weft_group_spawn(&g, t->kind, keep_address, NULL), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    weft_group_fini(&g);
}

static int keep_rounding(void *arg)
{
    int mode = (int)(intptr_t)arg;
    CHECK_EQ(fesetround(mode), 0);
    for (int i = 0; i < 10; i++) {
        weft_yield();
        CHECK_EQ(fegetround(), mode);
    }
    return 0;
}

TEST_EACH_KIND(rounding_modes_are_a_tasks_own)
{
    static const int modes[] = { FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO };
    weft_group g;
    CHECK_OK(weft_group_init(&g, WEFT_ONE_WORKER));
    for (int i = 0; i < 16; i++)
        CHECK_EQ(weft_group_spawn(&g, t->kind, keep_rounding, (void *)(intptr_t)modes[i % 4]), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    CHECK_EQ(fegetround(), FE_TONEAREST);
    weft_group_fini(&g);
}

static int fail_why(void *arg)
{
    (void)arg;
    CHECK_STR(weft_why(), "");
    CHECK_LT(weft_listen("no such place", 0), 0);
    CHECK_NE(weft_why()[0], 0);
    return 0;
}

TEST_EACH_KIND(a_task_begins_without_words_of_failure)
{
    for (int i = 0; i < 5; i++)
        CHECK_EQ(as_task(t->kind, fail_why, NULL), 0);
}

static weft_group *others;

static int fail_with_words(void *arg)
{
    static const struct {
        unsigned kind;
        struct weft_spawn more;
        weft_fn *fn;
        int result;
        const char *words;
    } bad[] = {
        { WEFT_VTHREAD, { 0 }, fail_why, -ENOTSUP, "does not have: Operation not supported" },
        { 77, { 0 }, fail_why, -EINVAL, "no such kind: " },
        { WEFT_COROUTINE | 1u << 31, { 0 }, fail_why, -EINVAL, "unknown flags: " },
        { WEFT_COROUTINE | WEFT_DAEMON, { 0 }, fail_why, -EINVAL, "a daemon in a group: " },
        { WEFT_COROUTINE, { 0 }, NULL, -EINVAL, "no function: " },
        { WEFT_COROUTINE, { .size = 1 }, fail_why, -EINVAL, "options without their size: " },
        { WEFT_COROUTINE,
          { sizeof(struct weft_spawn), NULL, 1 << 20, NULL, NULL },
          fail_why,
          -EINVAL,
          "256 KiB: " },
    };
    weft_group g;
    CHECK_OK(weft_group_init(&g, 0));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const struct weft_spawn *more = bad[i].more.size ? &bad[i].more : NULL;
        CHECK_ERR(weft_group_spawn_with(&g, bad[i].kind, bad[i].fn, NULL, more), bad[i].result);
        CHECK_EQ(strncmp(weft_why(), "spawn bad[i].fn at ", 19), 0);
        CHECK_SAYS(weft_why(), bad[i].words);
    }
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    weft_group_fini(&g);
    CHECK_ERR(weft_map(WEFT_VTHREAD, fail_why, (int *)arg, 1, weft_never()), -ENOTSUP);
    CHECK_SAYS(weft_why(), "map fail_why at ");
    CHECK_ERR(weft_group_wait(others, weft_never()), -EPERM);
    CHECK_SAYS(weft_why(), "which another task owns: ");
    CHECK_ERR(weft_run(fail_why, NULL), -EBUSY);
    CHECK_SAYS(weft_why(), "weft_run inside a task: ");
    CHECK_ERR(weft_stop(weft_at_once()), -EBUSY);
    CHECK_SAYS(weft_why(), "stop, inside a task");
    CHECK_ERR(weft_sleep(weft_at_once()), 0);
    CHECK_SAYS(weft_why(), "stop, inside a task"); /* a call that succeeds leaves it alone */
    return 0;
}

TEST_EACH_KIND(what_a_program_does_wrong_has_words)
{
    weft_group g;
    int item = 0;
    CHECK_OK(weft_group_init(&g, 0));
    others = &g;
    CHECK_EQ(as_task(t->kind, fail_with_words, &item), 0);
    weft_group_fini(&g);
}

TEST(the_ends_of_waits_have_words_of_weft)
{
    CHECK_STR(weft_strerror(-ETIMEDOUT), "deadline reached");
    CHECK_STR(weft_strerror(ECANCELED), "cancelled");
    CHECK_STR(weft_strerror(-ECONNREFUSED), "Connection refused");
    CHECK_STR(weft_strerror(-4000), "unknown error");
}

static int set_why(void *arg)
{
    char long_one[1000];
    (void)arg;
    CHECK_EQ(weft_why_set(-ENOENT, "user '%s': unknown", "eve"), -ENOENT);
    CHECK_STR(weft_why(), "user 'eve': unknown");
    CHECK_EQ(weft_why_set(-EPERM, "log in: %s", weft_why()), -EPERM);
    CHECK_STR(weft_why(), "log in: user 'eve': unknown");
    memset(long_one, 'x', sizeof long_one - 1);
    long_one[sizeof long_one - 1] = 0;
    CHECK_EQ(weft_why_set(-EPERM, "%s", long_one), -EPERM);
    CHECK_EQ(strlen(weft_why()), 511);
    return 0;
}

TEST_EACH_KIND(words_of_failure_can_be_the_programs_own)
{
    CHECK_EQ(as_task(t->kind, set_why, NULL), 0);
}

static int deep(void *arg)
{
    volatile char block[4096];
    int left = (int)(intptr_t)arg;
    memset((char *)block, left, sizeof block);
    weft_yield();
    int below = left ? deep((void *)(intptr_t)(left - 1)) : 0;
    return below + (block[17] == (char)left);
}

TEST_EACH_KIND(a_stack_has_the_size_that_was_asked_for)
{
    weft_group g;
    weft_task task;
    struct weft_exit how = { .size = sizeof how };
    struct weft_spawn more = { .size = sizeof more, .stack = 256 * 1024, .task = &task };
    int frames = t_slow_build() ? 20 : 50;
    CHECK_OK(weft_group_init(&g, 0));
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(weft_group_spawn_with(&g, t->kind, deep, (void *)(intptr_t)(frames - 1), &more), 0);
        CHECK_EQ(weft_task_join(task, &how, weft_never()), 0);
        CHECK_EQ(how.result, frames);
    }
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    weft_group_fini(&g);
}

/* -- what a run leaves behind -- */

struct left {
    int napped, begun, cancelled;
};

static int nap_and_tell(void *arg)
{
    int r = weft_sleep(weft_after(5 * WEFT_MS));
    ADD(((struct left *)arg)->napped, r == 0);
    return r;
}

static int sleep_on(void *arg)
{
    ADD(((struct left *)arg)->begun, 1);
    int r = weft_sleep(weft_never());
    ADD(((struct left *)arg)->cancelled, r == -ECANCELED);
    return r;
}

static int leave_some(void *arg)
{
    static const unsigned kinds[] = { WEFT_COROUTINE, WEFT_THREAD };
    struct left *left = arg;
    left->begun = 0;
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(weft_group_spawn(weft_background(), kinds[i], nap_and_tell, left), 0);
        CHECK_EQ(weft_group_spawn(weft_background(), kinds[i] | WEFT_DAEMON, sleep_on, left), 0);
    }
    UNTIL(LOAD(left->begun) == 2);
    return 7;
}

TEST(each_run_waits_for_background_tasks_and_ends_daemons)
{
    struct left left = { 0, 0, 0 };
    weft_time before = weft_now(); /* which starts nothing, under a seed too */
    for (int round = 1; round <= 3; round++) {
        CHECK_EQ(weft_run(leave_some, &left), 7);
        CHECK_EQ(LOAD(left.napped), 2 * round);
        CHECK_EQ(LOAD(left.cancelled), 2 * round);
    }
    CHECK_GE(weft_time_between(before, weft_now()), 15 * WEFT_MS);
}
