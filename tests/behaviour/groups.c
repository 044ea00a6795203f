/* Groups: what is spawned into one has ended when its wait returns, and the result is the first
 * failure's. */
#include "until.h"

#include <signal.h>

static int ran;

static int count(void *arg)
{
    ADD(*(int *)arg, 1);
    return 0;
}

static int give(void *arg)
{
    return (int)(intptr_t)arg;
}

static int sleep_long(void *arg)
{
    int r = weft_sleep(weft_after(1000 * WEFT_SEC));
    if (arg)
        ADD(*(int *)arg, r == -ECANCELED);
    return r;
}

TEST_EACH_KIND(a_wait_returns_when_every_task_has_ended)
{
    weft_group g;
    CHECK_OK(weft_group_init(&g, 0));
    for (int i = 0; i < 20; i++)
        CHECK_EQ(weft_group_spawn(&g, t->kind, count, &ran), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    CHECK_EQ(ran, 20);
    weft_group_fini(&g);
}

TEST(a_group_without_tasks_is_done_at_once)
{
    weft_group g;
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_EQ(weft_group_wait(&g, weft_at_once()), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    CHECK_EQ(weft_group_failed(&g, NULL), 0);
    weft_group_fini(&g);
    weft_group_fini(&g);
}

TEST_EACH_KIND(the_first_failure_cancels_the_others_and_is_the_result)
{
    weft_group g;
    int cancelled = 0;
    CHECK_OK(weft_group_init(&g, 0));
    for (int i = 0; i < 5; i++)
        CHECK_EQ(weft_group_spawn(&g, t->kind, sleep_long, &cancelled), 0);
    CHECK_EQ(weft_group_spawn(&g, t->kind, give, (void *)(intptr_t)-EIO), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), -EIO);
    CHECK_EQ(cancelled, 5);
    CHECK_EQ(weft_group_failed(&g, NULL), 1);
    weft_group_fini(&g);
}

TEST_EACH_KIND(with_keep_going_a_failure_cancels_nobody)
{
    weft_group g;
    CHECK_OK(weft_group_init(&g, WEFT_KEEP_GOING));
    CHECK_EQ(weft_group_spawn(&g, t->kind, give, (void *)(intptr_t)-EIO), 0);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(weft_group_spawn(&g, t->kind, count, &ran), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), -EIO);
    CHECK_EQ(ran, 5);
    weft_group_fini(&g);
}

TEST(positive_results_are_no_failures)
{
    weft_group g;
    CHECK_OK(weft_group_init(&g, 0));
    for (int i = 0; i < 5; i++)
        CHECK_EQ(weft_group_spawn(&g, WEFT_COROUTINE, give, (void *)(intptr_t)i), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    weft_group_fini(&g);
}

TEST_EACH_KIND(failed_names_the_task_that_had_a_handle)
{
    weft_group g;
    weft_task task, who = { 77 };
    struct weft_spawn more = { .size = sizeof more, .task = &task };
    CHECK_OK(weft_group_init(&g, WEFT_KEEP_GOING));
    CHECK_EQ(weft_group_spawn_with(&g, t->kind, give, (void *)(intptr_t)-EIO, &more), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), -EIO);
    CHECK_EQ(weft_group_failed(&g, &who), 1);
    CHECK_EQ(who.id, task.id);
    weft_group_fini(&g);
}

TEST(failed_names_nobody_when_there_was_no_handle)
{
    for (unsigned flags = 0; flags <= WEFT_FORK; flags += WEFT_FORK) {
        weft_group g;
        weft_task who = { 77 };
        CHECK_OK(weft_group_init(&g, flags));
        CHECK_EQ(weft_group_spawn(&g, WEFT_COROUTINE, give, (void *)(intptr_t)-EIO), 0);
        CHECK_EQ(weft_group_wait(&g, weft_never()), -EIO);
        CHECK_EQ(weft_group_failed(&g, &who), 1);
        CHECK_EQ(who.id, 0);
        weft_group_fini(&g);
    }
}

TEST_EACH_KIND(a_deadline_cancels_the_tasks_and_waits_for_them)
{
    weft_group g;
    int cancelled = 0;
    CHECK_OK(weft_group_init(&g, 0));
    for (int i = 0; i < 5; i++)
        CHECK_EQ(weft_group_spawn(&g, t->kind, sleep_long, &cancelled), 0);
    CHECK_EQ(weft_group_wait(&g, weft_after(WEFT_MS)), -ETIMEDOUT);
    CHECK_EQ(cancelled, 5);
    CHECK_EQ(weft_group_failed(&g, NULL), 0);
    CHECK(!weft_group_is_cancelled(&g));
    weft_group_fini(&g);
}

TEST_EACH_KIND(a_wait_at_once_cancels_what_runs)
{
    weft_group g;
    int cancelled = 0;
    CHECK_OK(weft_group_init(&g, 0));
    for (int i = 0; i < 5; i++)
        CHECK_EQ(weft_group_spawn(&g, t->kind, sleep_long, &cancelled), 0);
    CHECK_EQ(weft_group_wait(&g, weft_at_once()), -ETIMEDOUT);
    CHECK_EQ(cancelled, 5);
    weft_group_fini(&g);
}

static weft_task waiter;
static unsigned inner_kind;
static int cancelled_below;

static int wait_for_sleepers(void *arg)
{
    weft_group g;
    (void)arg;
    CHECK_OK(weft_group_init(&g, 0));
    for (int i = 0; i < 3; i++)
        CHECK_EQ(weft_group_spawn(&g, inner_kind, sleep_long, &cancelled_below), 0);
    int r = weft_group_wait(&g, weft_never());
    CHECK_EQ(r, -ECANCELED);
    CHECK_EQ(cancelled_below, 3);
    CHECK_EQ(weft_group_failed(&g, NULL), 0);
    weft_group_fini(&g);
    return 7;
}

TEST_EACH_KIND(a_cancelled_waiter_cancels_its_tasks)
{
    weft_group g;
    struct weft_exit how = { .size = sizeof how };
    struct weft_spawn more = { .size = sizeof more, .task = &waiter };
    inner_kind = t->kind;
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_EQ(weft_group_spawn_with(&g, t->kind, wait_for_sleepers, NULL, &more), 0);
    if (!t->seed)
        UNTIL(waits_for(waiter, "group"));
    CHECK_EQ(weft_task_cancel(waiter), 0);
    CHECK_EQ(weft_task_join(waiter, &how, weft_never()), 0);
    CHECK_EQ(how.result, 7);
    CHECK(how.cancelled);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    weft_group_fini(&g);
}

TEST_EACH_KIND(after_its_wait_a_group_begins_anew)
{
    weft_group g;
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_EQ(weft_group_spawn(&g, t->kind, give, (void *)(intptr_t)-EIO), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), -EIO);
    CHECK_EQ(weft_group_failed(&g, NULL), 1);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    CHECK_EQ(weft_group_failed(&g, NULL), 0);
    CHECK_EQ(weft_group_spawn(&g, t->kind, give, (void *)(intptr_t)-EPIPE), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), -EPIPE);
    CHECK_EQ(weft_group_spawn(&g, t->kind, count, &ran), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    CHECK_EQ(weft_group_failed(&g, NULL), 0);
    CHECK_EQ(ran, 1);
    weft_group_fini(&g);
}

TEST_EACH_KIND(a_cancelled_group_takes_no_tasks_until_its_wait_returned)
{
    weft_group g;
    CHECK_OK(weft_group_init(&g, 0));
    CHECK(!weft_group_is_cancelled(&g));
    weft_group_cancel(&g);
    weft_group_cancel(&g);
    CHECK(weft_group_is_cancelled(&g));
    CHECK_ERR(weft_group_spawn(&g, t->kind, count, &ran), -ECANCELED);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    CHECK(!weft_group_is_cancelled(&g));
    CHECK_EQ(weft_group_spawn(&g, t->kind, count, &ran), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    CHECK_EQ(ran, 1);
    weft_group_fini(&g);
}

static int see_cancel(void *arg)
{
    (void)arg;
    ADD(ran, 1);
    UNTIL(weft_task_is_cancelled());
    CHECK_ERR(weft_sleep(weft_after(WEFT_MS)), -ECANCELED);
    return 0;
}

TEST_EACH_KIND(a_group_cancel_reaches_every_task)
{
    weft_group g;
    CHECK_OK(weft_group_init(&g, 0));
    for (int i = 0; i < 5; i++)
        CHECK_EQ(weft_group_spawn(&g, t->kind, see_cancel, NULL), 0);
    weft_group_cancel(&g);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    CHECK_EQ(ran, 5);
    weft_group_fini(&g);
}

static int wait_for_it(void *group)
{
    return weft_group_wait(group, weft_never()) == -EPERM ? 1 : -EINVAL;
}

TEST_EACH_KIND(only_the_owner_waits)
{
    weft_group g;
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_EQ(weft_group_spawn(&g, t->kind, wait_for_it, &g), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    weft_group_fini(&g);
}

TEST(the_background_is_not_to_be_waited_for)
{
    CHECK_ERR(weft_group_wait(weft_background(), weft_at_once()), -EINVAL);
    CHECK_EQ(weft_group_spawn(weft_background(), WEFT_COROUTINE, count, &ran), 0);
    CHECK_ERR(weft_group_wait(weft_background(), weft_at_once()), -EINVAL);
}

TEST(wrong_flags_and_options_are_refused_and_count_as_nothing)
{
    weft_group g;
    struct weft_spawn old = { .size = 1 };
    struct weft_spawn large = { .size = sizeof large, .stack = 256 * 1024 + 1 };
    CHECK_ERR(weft_group_init(&g, 1u << 20), -EINVAL);
    CHECK_ERR(weft_group_init(&g, WEFT_FORK | WEFT_ONE_WORKER), -EINVAL);
    CHECK_ERR(weft_group_init(&g, WEFT_FORK | WEFT_COLLECT), -EINVAL);
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_ERR(weft_group_spawn(&g, WEFT_VTHREAD, count, &ran), -ENOTSUP);
    CHECK_ERR(weft_group_spawn(&g, 0, count, &ran), -EINVAL);
    CHECK_ERR(weft_group_spawn(&g, 9, count, &ran), -EINVAL);
    CHECK_ERR(weft_group_spawn(&g, WEFT_COROUTINE, NULL, &ran), -EINVAL);
    CHECK_ERR(weft_group_spawn(&g, WEFT_COROUTINE | 1u << 20, count, &ran), -EINVAL);
    CHECK_ERR(weft_group_spawn(&g, WEFT_COROUTINE | WEFT_DAEMON, count, &ran), -EINVAL);
    CHECK_ERR(weft_group_spawn_with(&g, WEFT_COROUTINE, count, &ran, &old), -EINVAL);
    CHECK_ERR(weft_group_spawn_with(&g, WEFT_COROUTINE, count, &ran, &large), -EINVAL);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    CHECK_EQ(ran, 0);
    weft_group_fini(&g);
}

static int spawn_below(void *arg)
{
    weft_group g;
    int depth = (int)(intptr_t)arg;
    ADD(ran, 1);
    if (depth == 0)
        return 0;
    CHECK_OK(weft_group_init(&g, 0));
    for (int i = 0; i < 2; i++)
        CHECK_EQ(weft_group_spawn(&g, inner_kind, spawn_below, (void *)(intptr_t)(depth - 1)), 0);
    int r = weft_group_wait(&g, weft_never());
    weft_group_fini(&g);
    return r;
}

TEST_EACH_KIND(groups_nest)
{
    weft_group g;
    inner_kind = t->kind;
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_EQ(weft_group_spawn(&g, t->kind, spawn_below, (void *)4), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    CHECK_EQ(ran, 31);
    weft_group_fini(&g);
}

static int spawn_more(void *group)
{
    int n = ADD(ran, 1);
    return n < 50 ? weft_group_spawn(group, inner_kind, spawn_more, group) : 0;
}

TEST_EACH_KIND(a_task_may_spawn_into_its_own_group)
{
    weft_group g;
    inner_kind = t->kind;
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_EQ(weft_group_spawn(&g, t->kind, spawn_more, &g), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    CHECK_EQ(ran, 50);
    weft_group_fini(&g);
}

static int fail_below(void *arg)
{
    weft_group g;
    (void)arg;
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_EQ(weft_group_spawn(&g, inner_kind, sleep_long, NULL), 0);
    CHECK_EQ(weft_group_spawn(&g, inner_kind, give, (void *)(intptr_t)-EXDEV), 0);
    int r = weft_group_wait(&g, weft_never());
    weft_group_fini(&g);
    return r;
}

TEST_EACH_KIND(a_failure_climbs_through_the_groups)
{
    weft_group g;
    inner_kind = t->kind;
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_EQ(weft_group_spawn(&g, t->kind, sleep_long, NULL), 0);
    CHECK_EQ(weft_group_spawn(&g, t->kind, fail_below, NULL), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), -EXDEV);
    weft_group_fini(&g);
}

struct small {
    int in, out;
};

struct big {
    int in, out;
    char rest[200];
};

static int square_small(void *arg)
{
    struct small *job = arg;
    job->out = job->in * job->in;
    return 0;
}

static int square_big(void *arg)
{
    struct big *job = arg;
    job->out = job->in * job->in;
    return 0;
}

TEST_EACH_KIND(a_job_is_copied_in_and_back)
{
    weft_group g;
    struct small s[10];
    struct big b[10];
    CHECK_OK(weft_group_init(&g, 0));
    for (int i = 0; i < 10; i++) {
        s[i] = (struct small){ i, -1 };
        b[i] = (struct big){ .in = i, .out = -1 };
        CHECK_EQ(weft_group_spawn_job(&g, t->kind, square_small, &s[i]), 0);
        CHECK_EQ(weft_group_spawn_job(&g, t->kind, square_big, &b[i]), 0);
    }
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(s[i].out, i * i);
        CHECK_EQ(b[i].out, i * i);
    }
    weft_group_fini(&g);
}

static int sum;

static int add_small(void *arg)
{
    struct small *job = arg;
    ADD(sum, job->in);
    job->in = job->out = 99;
    return 0;
}

static int add_big(void *arg)
{
    struct big *job = arg;
    ADD(sum, job->in);
    job->in = job->out = 99;
    return 0;
}

TEST_EACH_KIND(a_copied_job_is_read_at_the_spawn_and_never_written)
{
    weft_group g;
    struct small s = { 0, -1 };
    struct big b = { .out = -1 };
    CHECK_OK(weft_group_init(&g, 0));
    for (int i = 1; i <= 10; i++) {
        s.in = b.in = i;
        CHECK_EQ(weft_group_spawn_copy(&g, t->kind, add_small, &s), 0);
        CHECK_EQ(weft_group_spawn_copy(&g, t->kind, add_big, &b), 0);
    }
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    CHECK_EQ(sum, 110);
    CHECK_EQ(s.in, 10);
    CHECK_EQ(s.out, -1);
    CHECK_EQ(b.in, 10);
    CHECK_EQ(b.out, -1);
    weft_group_fini(&g);
}

TEST_EACH_KIND(next_tells_of_each_ended_task_once)
{
    weft_group g;
    weft_task done, tasks[10], last = { 0 };
    bool seen[10] = { 0 };
    struct weft_exit how = { .size = sizeof how };
    CHECK_OK(weft_group_init(&g, WEFT_COLLECT));
    for (int i = 0; i < 10; i++) {
        struct weft_spawn more = { .size = sizeof more, .task = &tasks[i] };
        CHECK_EQ(weft_group_spawn_with(&g, t->kind, give, (void *)(intptr_t)i, &more), 0);
    }
    for (int n = 0; n < 10; n++) {
        CHECK_EQ(weft_group_next(&g, &done, weft_never()), 1);
        CHECK_EQ(weft_task_join(done, &how, weft_at_once()), 0);
        CHECK(!how.cancelled);
        CHECK_EQ(tasks[how.result].id, done.id);
        CHECK(!seen[how.result]);
        seen[how.result] = true;
        if (last.id)
            CHECK_ERR(weft_task_join(last, NULL, weft_at_once()), -ESRCH);
        last = done;
    }
    CHECK_EQ(weft_group_next(&g, &done, weft_never()), 0);
    CHECK_EQ(weft_group_next(&g, NULL, weft_at_once()), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    CHECK_ERR(weft_task_join(last, NULL, weft_at_once()), -ESRCH);
    weft_group_fini(&g);
}

TEST_EACH_KIND(next_times_out_and_leaves_the_group_as_it_was)
{
    weft_group g;
    weft_event go = WEFT_EVENT_INIT;
    CHECK_OK(weft_group_init(&g, WEFT_COLLECT));
    CHECK_EQ(weft_group_spawn(&g, t->kind, sleep_long, &cancelled_below), 0);
    CHECK_ERR(weft_group_next(&g, NULL, weft_at_once()), -ETIMEDOUT);
    CHECK_ERR(weft_group_next(&g, NULL, weft_after(WEFT_MS)), -ETIMEDOUT);
    CHECK_EQ(LOAD(cancelled_below), 0);
    CHECK(!weft_group_is_cancelled(&g));
    weft_group_cancel(&g);
    CHECK_EQ(weft_group_next(&g, NULL, weft_never()), 1);
    CHECK_EQ(cancelled_below, 1);
    CHECK_EQ(weft_group_next(&g, NULL, weft_never()), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    weft_group_fini(&g);
    weft_event_fini(&go);
}

TEST_EACH_KIND(next_brings_a_job_back)
{
    weft_group g;
    struct small job = { 6, -1 };
    CHECK_OK(weft_group_init(&g, WEFT_COLLECT));
    CHECK_EQ(weft_group_spawn_job(&g, t->kind, square_small, &job), 0);
    CHECK_EQ(weft_group_next(&g, NULL, weft_never()), 1);
    CHECK_EQ(job.out, 36);
    CHECK_EQ(weft_group_next(&g, NULL, weft_never()), 0);
    weft_group_fini(&g);
}

TEST(next_is_for_collecting_groups)
{
    weft_group g;
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_ERR(weft_group_next(&g, NULL, weft_never()), -EINVAL);
    weft_group_fini(&g);
}

static int next_until_cancelled(void *arg)
{
    weft_group g;
    (void)arg;
    CHECK_OK(weft_group_init(&g, WEFT_COLLECT));
    CHECK_EQ(weft_group_spawn(&g, inner_kind, sleep_long, &cancelled_below), 0);
    CHECK_ERR(weft_group_next(&g, NULL, weft_never()), -ECANCELED);
    CHECK_EQ(LOAD(cancelled_below), 0);
    CHECK_ERR(weft_group_wait(&g, weft_never()), -ECANCELED);
    CHECK_EQ(cancelled_below, 1);
    weft_group_fini(&g);
    return 0;
}

TEST_EACH_KIND(a_cancelled_next_leaves_the_group_as_it_was)
{
    weft_group g;
    struct weft_spawn more = { .size = sizeof more, .task = &waiter };
    inner_kind = t->kind;
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_EQ(weft_group_spawn_with(&g, t->kind, next_until_cancelled, NULL, &more), 0);
    UNTIL(waits_for(waiter, "group next"));
    CHECK_EQ(weft_task_cancel(waiter), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    weft_group_fini(&g);
}

static int inside, most_inside, started;

static int alone(void *arg)
{
    CHECK_EQ((intptr_t)arg, started);
    started++;
    for (int i = 0; i < 10; i++) {
        int n = ++inside;
        most_inside = n > most_inside ? n : most_inside;
        inside--;
        CHECK_EQ(weft_yield(), 0);
    }
    return 0;
}

static int spawn_one_worker(void *arg)
{
    weft_group g;
    (void)arg;
    CHECK_OK(weft_group_init(&g, WEFT_ONE_WORKER));
    for (int i = 0; i < 200; i++)
        CHECK_EQ(weft_group_spawn(&g, WEFT_COROUTINE, alone, (void *)(intptr_t)i), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    CHECK_EQ(started, 200);
    CHECK_EQ(most_inside, 1);
    weft_group_fini(&g);
    return 0;
}

TEST(tasks_of_one_worker_start_in_order_and_exclude_each_other)
{
    CHECK_EQ(spawn_one_worker(NULL), 0); /* from a plain thread */
    started = most_inside = 0;
    weft_group g;
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_EQ(weft_group_spawn(&g, WEFT_COROUTINE, spawn_one_worker, NULL), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    weft_group_fini(&g);
}

static int count_up(void *counter)
{
    ++*(int *)counter;
    return 0;
}

TEST(a_plain_thread_may_fill_a_group_of_one_worker_while_it_runs)
{
    weft_group g;
    for (int round = 0; round < 20; round++) {
        int counter = 0; /* bare: no two run at once */
        CHECK_OK(weft_group_init(&g, WEFT_ONE_WORKER));
        for (int i = 0; i < 1000; i++)
            CHECK_EQ(weft_group_spawn(&g, WEFT_COROUTINE, count_up, &counter), 0);
        CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
        CHECK_EQ(counter, 1000);
        weft_group_fini(&g);
    }
}

static int first_worker = -1;

static int see_worker(void *arg)
{
    (void)arg;
    struct weft_task_info info = { .size = sizeof info };
    CHECK_EQ(weft_task_describe(weft_task_self(), &info), 0);
    if (first_worker < 0)
        first_worker = info.worker;
    CHECK_GE(info.worker, 0);
    CHECK_EQ(info.worker, first_worker);
    return 0;
}

TEST(tasks_of_one_worker_share_it)
{
    weft_group g;
    CHECK_OK(weft_group_init(&g, WEFT_ONE_WORKER));
    for (int i = 0; i < 100; i++)
        CHECK_EQ(weft_group_spawn(&g, WEFT_COROUTINE, see_worker, NULL), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    weft_group_fini(&g);
}

static int respawn(void *group)
{
    return LOAD(ran) ? 0 : weft_group_spawn(group, WEFT_COROUTINE, respawn, group);
}

static int respawning(void *arg)
{
    weft_group own, other;
    unsigned flags = (unsigned)(uintptr_t)arg;
    CHECK_OK(weft_group_init(&own, flags));
    CHECK_OK(weft_group_init(&other, flags == 0 ? WEFT_FORK : 0));
    CHECK_EQ(weft_group_spawn(&own, WEFT_COROUTINE, respawn, &own), 0);
    CHECK_EQ(weft_group_spawn(&other, WEFT_COROUTINE, count, &ran), 0);
    CHECK_EQ(weft_group_wait(&own, weft_never()), 0);
    CHECK_EQ(weft_group_wait(&other, weft_never()), 0);
    weft_group_fini(&own);
    weft_group_fini(&other);
    return 0;
}

TEST(tasks_that_spawn_their_successors_starve_nobody)
{
    static const unsigned flags[] = { 0, WEFT_ONE_WORKER };
    for (unsigned i = 0; i < 2; i++) {
        ran = 0;
        CHECK_EQ(weft_run(respawning, (void *)(uintptr_t)flags[i]), 0);
    }
}

TEST_EACH_KIND(a_handle_lives_until_the_groups_wait_returns)
{
    weft_group g;
    weft_task task;
    struct weft_exit how = { .size = sizeof how };
    struct weft_spawn more = { .size = sizeof more, .task = &task };
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_EQ(weft_group_spawn_with(&g, t->kind, give, (void *)5, &more), 0);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(weft_task_join(task, &how, weft_never()), 0);
        CHECK_EQ(how.result, 5);
        CHECK(!weft_task_is_alive(task));
    }
    CHECK_EQ(weft_task_cancel(task), 0);
    CHECK_EQ(weft_task_join(task, &how, weft_never()), 0);
    CHECK(!how.cancelled);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    CHECK_ERR(weft_task_join(task, &how, weft_never()), -ESRCH);
    CHECK_ERR(weft_task_cancel(task), -ESRCH);
    CHECK(!weft_task_is_alive(task));
    weft_group_fini(&g);
}

static int fail_when_told(void *event)
{
    CHECK_EQ(weft_event_wait(event, weft_never()), 0);
    return -EIO;
}

TEST_EACH_KIND(an_exit_record_says_who_was_asked_to_end)
{
    weft_group g;
    weft_task victim, culprit;
    weft_event go = WEFT_EVENT_INIT;
    struct weft_exit how = { .size = sizeof how };
    struct weft_spawn more = { .size = sizeof more, .task = &victim };
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_EQ(weft_group_spawn_with(&g, t->kind, sleep_long, NULL, &more), 0);
    more.task = &culprit;
    CHECK_EQ(weft_group_spawn_with(&g, t->kind, fail_when_told, &go, &more), 0);
    weft_event_set(&go);
    CHECK_EQ(weft_task_join(culprit, &how, weft_never()), 0);
    CHECK_EQ(how.result, -EIO);
    CHECK(!how.cancelled);
    CHECK_EQ(weft_task_join(victim, &how, weft_never()), 0);
    CHECK_EQ(how.result, -ECANCELED);
    CHECK(how.cancelled);
    CHECK_EQ(weft_task_join(culprit, &how, weft_at_once()), 0);
    CHECK(!how.cancelled);
    CHECK_EQ(weft_group_wait(&g, weft_never()), -EIO);
    weft_group_fini(&g);
}

TEST(many_tasks_at_once)
{
    weft_group g;
    int many = t->seed ? 300 : 20000;
    CHECK_OK(weft_group_init(&g, 0));
    for (int i = 0; i < many; i++)
        CHECK_EQ(weft_group_spawn(&g, WEFT_COROUTINE, count, &ran), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    CHECK_EQ(ran, many);
    weft_group_fini(&g);
}

static int yields, ended;

static int yield_until_ended(void *arg)
{
    (void)arg;
    for (; !LOAD(ended); ADD(yields, 1))
        weft_yield();
    return 0;
}

static int end_it(void *arg)
{
    (void)arg;
    STORE(ended, 1);
    return 0;
}

TEST(a_task_from_outside_starts_beside_one_that_only_yields)
{
    weft_group g;
    CHECK_OK(weft_group_init(&g, WEFT_ONE_WORKER));
    CHECK_EQ(weft_group_spawn(&g, WEFT_COROUTINE, yield_until_ended, NULL), 0);
    UNTIL(LOAD(yields) > 0);
    CHECK_EQ(weft_group_spawn(&g, WEFT_COROUTINE, end_it, NULL), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    weft_group_fini(&g);
}

static void fini_with_a_live_task(void *arg)
{
    weft_group g;
    (void)arg;
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_EQ(weft_group_spawn(&g, WEFT_COROUTINE, sleep_long, NULL), 0);
    weft_group_fini(&g);
}

TEST(a_fini_under_a_live_task_is_a_bug)
{
    CHECK_BUG(fini_with_a_live_task, NULL, "torn down while tasks of it live");
}

TEST(zeroed_memory_may_be_torn_down)
{
    weft_group g;
    memset(&g, 0, sizeof g);
    weft_group_fini(&g);
}
