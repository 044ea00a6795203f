/* Generators and fibers: values one after the other, stacks switched between by name. */
#include "until.h"

#include <pthread.h>

static int count(void *arg)
{
    for (int i = 1; i <= *(int *)arg; i++) {
        int r = weft_generator_yield(&i, sizeof i);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Run fn as a task of this kind; what it returned. */
static int as_task(unsigned kind, weft_fn *fn, void *arg)
{
    weft_group g;
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_EQ(weft_group_spawn(&g, kind, fn, arg), 0);
    int r = weft_group_wait(&g, weft_never());
    weft_group_fini(&g);
    return r;
}

static int next_int(weft_generator *g)
{
    int v = -1, r = weft_generator_next(g, &v, sizeof v, weft_never());
    return r == 1 ? v : r;
}

/* -- values -- */

static int take_three(void *arg)
{
    int three = 3, sum = 0;
    weft_generator g;
    (void)arg;
    CHECK_OK(weft_generator_init(&g, count, &three, sizeof(int)));
    for (int i = 1; i <= 3; i++)
        CHECK_EQ(next_int(&g), i);
    CHECK_EQ(next_int(&g), 0);
    CHECK_EQ(next_int(&g), 0);
    CHECK_EQ(weft_generator_close(&g), 0);
    weft_generator_fini(&g);
    weft_generator_fini(&g);
    CHECK_OK(weft_generator_init(&g, count, &three, sizeof(int)));
    weft_generator_each(&g, int, i)
        sum += i;
    CHECK_EQ(sum, 6);
    weft_generator_fini(&g);
    return 0;
}

TEST_EACH_KIND(a_generator_gives_its_values_and_ends)
{
    CHECK_EQ(as_task(t->kind, take_three, NULL), 0);
}

TEST(a_thread_needs_no_runtime_for_generators)
{
    CHECK_EQ(take_three(NULL), 0);
}

static int fail_second(void *arg)
{
    int one = 1;
    (void)arg;
    int r = weft_generator_yield(&one, sizeof one);
    return r < 0 ? r : -ENOSPC;
}

TEST(its_error_is_the_last_answer_and_stays)
{
    weft_generator g;
    CHECK_OK(weft_generator_init(&g, fail_second, NULL, sizeof(int)));
    CHECK_EQ(next_int(&g), 1);
    CHECK_ERR(next_int(&g), -ENOSPC);
    CHECK_ERR(next_int(&g), -ENOSPC);
    CHECK_ERR(weft_generator_close(&g), -ENOSPC);
    weft_generator_fini(&g);
}

TEST(wrong_arguments_change_nothing)
{
    int three = 3;
    long wide;
    weft_generator g;
    CHECK_ERR(weft_generator_init(&g, NULL, NULL, 4), -EINVAL);
    CHECK_ERR(weft_generator_init(&g, count, NULL, 0), -EINVAL);
    CHECK_OK(weft_generator_init(&g, count, &three, sizeof(int)));
    CHECK_ERR(weft_generator_next(&g, &wide, sizeof wide, weft_never()), -EINVAL);
    CHECK_ERR(weft_generator_next(&g, NULL, 1, weft_never()), -EINVAL);
    CHECK_EQ(next_int(&g), 1);
    CHECK_ERR(weft_generator_next(&g, &wide, sizeof wide, weft_never()), -EINVAL);
    CHECK_EQ(weft_generator_next(&g, NULL, 0, weft_never()), 1);
    CHECK_EQ(next_int(&g), 3);
    weft_generator_fini(&g);
    CHECK_ERR(weft_generator_yield(&three, sizeof three), -EINVAL);
    memset(&g, 0, sizeof g);
    CHECK_EQ(weft_generator_next(&g, NULL, 0, weft_never()), 0);
    weft_generator_fini(&g);
}

static int give_large(void *arg)
{
    struct {
        long a[40];
    } big = { { 0 } };
    int r = 0;
    (void)arg;
    for (long i = 0; r == 0 && i < 5; i++) {
        big.a[0] = big.a[39] = i;
        r = weft_generator_yield(&big, sizeof big);
    }
    return r;
}

TEST(values_may_be_of_any_size)
{
    struct {
        long a[40];
    } big;
    long n = 0;
    weft_generator g;
    CHECK_OK(weft_generator_init(&g, give_large, NULL, sizeof big));
    while (weft_generator_next(&g, &big, sizeof big, weft_never()) == 1) {
        CHECK_EQ(big.a[0], n);
        CHECK_EQ(big.a[39], n++);
    }
    CHECK_EQ(n, 5);
    weft_generator_fini(&g);
}

/* -- send -- */

static int running_sum(void *arg)
{
    int sum = 0, in, r;
    (void)arg;
    while ((r = weft_generator_exchange(&sum, sizeof sum, &in, sizeof in)) >= 0)
        sum += r ? in : 1000;
    return r;
}

static int send_some(void *arg)
{
    int out, in = 5;
    char narrow = 1;
    weft_generator g;
    (void)arg;
    CHECK_OK(weft_generator_init(&g, running_sum, NULL, sizeof(int)));
    CHECK_ERR(weft_generator_send(&g, &in, sizeof in, &out, sizeof out, weft_never()), -EINVAL);
    CHECK_EQ(next_int(&g), 0);
    for (int i = 1; i <= 3; i++) {
        CHECK_EQ(weft_generator_send(&g, &in, sizeof in, &out, sizeof out, weft_never()), 1);
        CHECK_EQ(out, 5 * i);
    }
    CHECK_ERR(weft_generator_send(&g, &narrow, 1, &out, sizeof out, weft_never()), -EINVAL);
    CHECK_EQ(next_int(&g), 1015); /* it learns that nothing was sent */
    CHECK_EQ(weft_generator_close(&g), 0);
    CHECK_EQ(weft_generator_send(&g, &in, sizeof in, &out, sizeof out, weft_never()), 0);
    weft_generator_fini(&g);
    int three = 3;
    CHECK_OK(weft_generator_init(&g, count, &three, sizeof(int)));
    CHECK_EQ(next_int(&g), 1);
    CHECK_ERR(weft_generator_send(&g, &in, sizeof in, &out, sizeof out, weft_never()), -EINVAL);
    CHECK_EQ(next_int(&g), 2);
    weft_generator_fini(&g);
    return 0;
}

TEST_EACH_KIND(what_is_sent_arrives_in_the_generator)
{
    CHECK_EQ(as_task(t->kind, send_some, NULL), 0);
}

/* -- close -- */

static int cleaned;

static int clean_up(void *arg)
{
    int zero = 0, r;
    (void)arg;
    while ((r = weft_generator_yield(&zero, sizeof zero)) == 0)
        ;
    CHECK_ERR(r, -ECANCELED);
    CHECK_EQ(weft_sleep(weft_after(WEFT_MS)), 0); /* a goodbye may wait; nobody is cancelled */
    cleaned++;
    return r;
}

static int leave_early(void *arg)
{
    weft_generator g;
    (void)arg;
    cleaned = 0;
    CHECK_OK(weft_generator_init(&g, clean_up, NULL, sizeof(int)));
    CHECK_EQ(weft_generator_close(&g), 0); /* it has not begun and never will */
    CHECK_EQ(next_int(&g), 0);
    CHECK_EQ(cleaned, 0);
    CHECK_OK(weft_generator_init(&g, clean_up, NULL, sizeof(int)));
    CHECK_EQ(next_int(&g), 0);
    CHECK_EQ(weft_generator_close(&g), 0);
    CHECK_EQ(cleaned, 1);
    CHECK_EQ(weft_generator_close(&g), 0);
    CHECK_OK(weft_generator_init(&g, clean_up, NULL, sizeof(int)));
    weft_generator_each(&g, int, i) {
        CHECK_EQ(i, 0);
        break;
    }
    CHECK_EQ(cleaned, 2);
    CHECK_OK(weft_generator_init(&g, clean_up, NULL, sizeof(int)));
    weft_generator_each(&g, int, i) {
        if (i == 0)
            return 0;
    }
    return -EIO;
}

TEST_EACH_KIND(a_generator_that_is_left_early_cleans_up)
{
    CHECK_EQ(as_task(t->kind, leave_early, NULL), 0);
    CHECK_EQ(cleaned, 3);
}

static int stubborn(void *arg)
{
    int i = 0, no = 0;
    (void)arg;
    while (no < 2)
        if (++i && weft_generator_yield(&i, sizeof i) < 0)
            no++;
    return -ENOSPC;
}

TEST(a_value_after_close_is_an_error)
{
    weft_generator g;
    CHECK_OK(weft_generator_init(&g, stubborn, NULL, sizeof(int)));
    CHECK_EQ(next_int(&g), 1);
    CHECK_ERR(weft_generator_close(&g), -EPROTO);
    CHECK_EQ(next_int(&g), 3); /* and it goes on, as Python's does */
    CHECK_ERR(weft_generator_close(&g), -ENOSPC);
    weft_generator_fini(&g);
}

static int never_ends(void *arg)
{
    int i = 0;
    (void)arg;
    while (i >= 0)
        (void)!weft_generator_yield(&i, sizeof i);
    return 0;
}

static void fini_never_ends(void *arg)
{
    weft_generator g;
    (void)arg;
    CHECK_OK(weft_generator_init(&g, never_ends, NULL, sizeof(int)));
    CHECK_EQ(next_int(&g), 0);
    weft_generator_fini(&g);
}

TEST(fini_of_one_that_does_not_end_is_a_bug)
{
    CHECK_BUG(fini_never_ends, NULL, "never_ends at ");
}

/* -- from one to the other -- */

struct node {
    struct node *left, *right;
    int value;
};

static int walk(void *arg)
{
    struct node *node = arg;
    weft_generator sub;
    int r = 0;
    for (int side = 0; side < 2 && r >= 0; side++) {
        struct node *child = side ? node->right : node->left;
        if (side)
            r = weft_generator_yield(&node->value, sizeof node->value);
        if (r >= 0 && child) {
            CHECK_OK(weft_generator_init(&sub, walk, child, sizeof(int)));
            r = weft_generator_yield_from(&sub);
            weft_generator_fini(&sub);
        }
    }
    return r;
}

static int walk_tree(void *arg)
{
    struct node one = { NULL, NULL, 1 }, three = { NULL, NULL, 3 }, two = { &one, &three, 2 };
    struct node five = { NULL, NULL, 5 }, four = { &two, &five, 4 };
    int seen = 0;
    weft_generator g;
    (void)arg;
    CHECK_OK(weft_generator_init(&g, walk, &four, sizeof(int)));
    weft_generator_each(&g, int, i)
        CHECK_EQ(i, ++seen);
    CHECK_EQ(seen, 5);
    CHECK_OK(weft_generator_init(&g, walk, &four, sizeof(int)));
    weft_generator_each(&g, int, i)
        if (i == 3)
            break; /* from three levels deep */
    CHECK_EQ(weft_generator_close(&g), 0);
    return 0;
}

TEST_EACH_KIND(a_generator_passes_on_the_values_of_another)
{
    CHECK_EQ(as_task(t->kind, walk_tree, NULL), 0);
}

/* -- waits, cancels, bounds: the caller's -- */

static int tick(void *arg)
{
    for (int i = 1;; i++) {
        int r = weft_sleep(weft_after(*(weft_span *)arg));
        if (r == 0)
            r = weft_generator_yield(&i, sizeof i);
        if (r < 0)
            return r;
    }
}

static int wait_inside(void *arg)
{
    weft_span ms = 10 * WEFT_MS, hour = 3600 * WEFT_SEC;
    weft_generator g;
    weft_task self = weft_task_self();
    (void)arg;
    weft_time start = weft_now();
    CHECK_OK(weft_generator_init(&g, tick, &ms, sizeof(int)));
    CHECK_EQ(next_int(&g), 1);
    CHECK_EQ(next_int(&g), 2);
    CHECK_GE(weft_time_between(start, weft_now()), 20 * WEFT_MS);
    CHECK_EQ(weft_task_self().id, self.id);
    weft_generator_fini(&g);
    CHECK_OK(weft_generator_init(&g, tick, &hour, sizeof(int)));
    CHECK_ERR(weft_generator_next(&g, NULL, 0, weft_after(WEFT_MS)), -ETIMEDOUT);
    CHECK_ERR(weft_generator_next(&g, NULL, 0, weft_never()), -ETIMEDOUT);
    weft_generator_fini(&g);
    CHECK_EQ(weft_sleep(weft_after(20 * WEFT_MS)), 0); /* the bound is gone with the call */
    return 0;
}

TEST_EACH_KIND(the_caller_waits_while_its_generator_waits)
{
    CHECK_EQ(as_task(t->kind, wait_inside, NULL), 0);
}

TEST(the_main_thread_waits_in_a_generator_too)
{
    CHECK_EQ(wait_inside(NULL), 0);
}

static int get_cancelled(void *arg)
{
    weft_generator g;
    weft_span hour = 3600 * WEFT_SEC;
    int two = 2;
    CHECK_OK(weft_generator_init(&g, tick, &hour, sizeof(int)));
    STORE(*(int *)arg, 1);
    CHECK_ERR(next_int(&g), -ECANCELED);
    weft_generator_fini(&g);
    CHECK_OK(weft_generator_init(&g, count, &two, sizeof(int)));
    CHECK_EQ(next_int(&g), 1); /* no wait: values come also to one that is cancelled */
    weft_generator_fini(&g);
    return -ECANCELED;
}

TEST_EACH_KIND(a_cancel_of_the_caller_ends_waits_in_the_generator)
{
    weft_group g;
    weft_task task;
    int asks = 0;
    struct weft_spawn more = { .size = sizeof more, .task = &task };
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_EQ(weft_group_spawn_with(&g, t->kind, get_cancelled, &asks, &more), 0);
    UNTIL(LOAD(asks));
    CHECK_EQ(weft_task_cancel(task), 0);
    CHECK_ERR(weft_group_wait(&g, weft_never()), -ECANCELED);
    weft_group_fini(&g);
}

static int yield_one(void *arg)
{
    int one = 1;
    (void)arg;
    return weft_generator_yield(&one, sizeof one);
}

static int yield_at_odd_places(void *arg)
{
    weft_group g;
    (void)arg;
    CHECK_ERR(weft_within(weft_after(WEFT_SEC), yield_one, NULL), -EINVAL);
    CHECK_ERR(weft_shield(weft_never(), yield_one, NULL), -EINVAL);
    CHECK_OK(weft_group_init(&g, WEFT_FORK));
    CHECK_EQ(weft_group_spawn(&g, WEFT_COROUTINE, yield_one, NULL), 0);
    CHECK_ERR(weft_group_wait(&g, weft_never()), -EINVAL);
    weft_group_fini(&g);
    return weft_within(weft_never(), yield_one, NULL); /* bounds nothing */
}

static int call_odd_places(void *arg)
{
    weft_generator g;
    (void)arg;
    CHECK_OK(weft_generator_init(&g, yield_at_odd_places, NULL, sizeof(int)));
    CHECK_EQ(next_int(&g), 1);
    CHECK_EQ(next_int(&g), 0);
    weft_generator_fini(&g);
    return 0;
}

TEST_EACH_KIND(a_yield_out_of_a_bound_or_a_fork_task_is_refused)
{
    CHECK_EQ(as_task(t->kind, call_odd_places, NULL), 0);
    CHECK_EQ(weft_within(weft_after(3600 * WEFT_SEC), call_odd_places, NULL), 0);
}

static int fork_children(void *arg)
{
    int sum = 0;
    (void)arg;
    for (int round = 0; round < 3; round++) {
        int numbers[40], three = 3;
        weft_group g;
        CHECK_OK(weft_group_init(&g, WEFT_FORK));
        for (int i = 0; i < 40; i++) {
            numbers[i] = three;
            CHECK_EQ(weft_group_spawn(&g, WEFT_COROUTINE, take_three, &numbers[i]), 0);
        }
        CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
        weft_group_fini(&g);
        sum += 40;
        int r = weft_generator_yield(&sum, sizeof sum);
        if (r < 0)
            return r;
    }
    return 0;
}

static int ask_forks(void *arg)
{
    weft_generator g;
    (void)arg;
    CHECK_OK(weft_generator_init(&g, fork_children, NULL, sizeof(int)));
    for (int i = 1; i <= 3; i++)
        CHECK_EQ(next_int(&g), 40 * i);
    CHECK_EQ(next_int(&g), 0);
    weft_generator_fini(&g);
    return 0;
}

TEST_EACH_KIND(a_generator_may_use_groups_and_their_tasks_generators)
{
    CHECK_EQ(as_task(t->kind, ask_forks, NULL), 0);
}

static int set_errno(void *arg)
{
    int r = 0;
    (void)arg;
    for (int i = 0; r == 0; i++) {
        CHECK_EQ(errno, 100 + i);
        errno = 200 + i;
        r = weft_generator_yield(&i, sizeof i);
    }
    return r;
}

TEST(errno_passes_as_through_a_call)
{
    weft_generator g;
    CHECK_OK(weft_generator_init(&g, set_errno, NULL, sizeof(int)));
    for (int i = 0; i < 3; i++) {
        errno = 100 + i;
        CHECK_EQ(next_int(&g), i);
        CHECK_EQ(errno, 200 + i);
    }
    weft_generator_fini(&g);
}

/* -- who may ask -- */

static weft_generator shared;
static int asked_while_it_ran, got[4];

static int ask_itself(void *arg)
{
    int i = 7;
    (void)arg;
    CHECK_ERR(next_int(&shared), -EBUSY);
    CHECK_ERR(weft_generator_close(&shared), -EBUSY);
    return weft_generator_yield(&i, sizeof i);
}

TEST(a_generator_that_runs_cannot_be_asked)
{
    CHECK_OK(weft_generator_init(&shared, ask_itself, NULL, sizeof(int)));
    CHECK_EQ(next_int(&shared), 7);
    weft_generator_fini(&shared);
}

static int ask_in_turn(void *arg)
{
    int *mine = arg, r;
    while ((r = next_int(&shared)) == -EBUSY) { /* it sleeps under another task */
        asked_while_it_ran++;
        CHECK_EQ(weft_sleep(weft_after(100 * WEFT_US)), 0);
    }
    *mine = r;
    return 0;
}

TEST(tasks_of_one_worker_may_ask_one_generator)
{
    weft_group g;
    weft_span ms = WEFT_MS;
    asked_while_it_ran = 0;
    CHECK_OK(weft_group_init(&g, WEFT_ONE_WORKER));
    CHECK_OK(weft_generator_init(&shared, tick, &ms, sizeof(int)));
    for (int i = 0; i < 4; i++)
        CHECK_EQ(weft_group_spawn(&g, WEFT_COROUTINE, ask_in_turn, &got[i]), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    CHECK_EQ(got[0] + got[1] + got[2] + got[3], 1 + 2 + 3 + 4);
    CHECK_GT(asked_while_it_ran, 0);
    CHECK_EQ(weft_group_spawn(&g, WEFT_COROUTINE, (weft_fn *)weft_generator_close, &shared), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    weft_group_fini(&g);
}

static int be_refused(void *arg)
{
    (void)arg;
    CHECK_ERR(next_int(&shared), -EPERM);
    CHECK_ERR(weft_generator_close(&shared), -EPERM);
    return 0;
}

static int start_then_lend(void *arg)
{
    (void)arg;
    CHECK_EQ(next_int(&shared), 1);
    CHECK_EQ(as_task(WEFT_THREAD, be_refused, NULL), 0);
    CHECK_EQ(next_int(&shared), 2);
    weft_generator_fini(&shared);
    return 0;
}

TEST_EACH_KIND(one_that_has_begun_stays_on_its_thread)
{
    int ten = 10;
    CHECK_OK(weft_generator_init(&shared, count, &ten, sizeof(int)));
    CHECK_EQ(as_task(t->kind, start_then_lend, NULL), 0);
    CHECK_OK(weft_generator_init(&shared, count, &ten, sizeof(int))); /* one that has not may move */
    CHECK_EQ(as_task(WEFT_THREAD, (weft_fn *)next_int, &shared), 0);
    CHECK_ERR(next_int(&shared), -EPERM);
}

static int overflow(void *arg)
{
    volatile char frame[4096];
    frame[0] = *(char *)arg;
    return frame[0] ? overflow((char *)(uintptr_t)frame) + frame[0] : 0;
}

static int overflow_in_generator(void *arg)
{
    weft_generator g;
    (void)arg;
    CHECK_OK(weft_generator_init(&g, overflow, "x", sizeof(int)));
    return next_int(&g);
}

static void run_overflow(void *arg)
{
    (void)arg;
    weft_run(overflow_in_generator, NULL);
}

TEST_REAL(an_overflow_names_the_generator, "no overflow is survived")
{
    char said[4000];
    if (t_slow_build())
        SKIP("sanitizers have their own words");
    int status = in_child(run_overflow, NULL, said, sizeof said);
    CHECK(WIFSIGNALED(status));
    CHECK_SAYS(said, "generator or fiber 'overflow at ");
}

static int dump_inside(void *arg)
{
    int r = weft_dump(*(int *)arg);
    return r < 0 ? r : 0;
}

static int dump_in_generator(void *arg)
{
    weft_generator g;
    CHECK_OK(weft_generator_init(&g, dump_inside, arg, sizeof(int)));
    int r = next_int(&g);
    weft_generator_fini(&g);
    return r;
}

TEST(a_dump_says_in_which_generator_a_task_is)
{
    int ends[2];
    char said[4000];
    CHECK_EQ(pipe(ends), 0);
    CHECK_EQ(as_task(WEFT_COROUTINE, dump_in_generator, &ends[1]), 0);
    ssize_t n = read(ends[0], said, sizeof said - 1);
    CHECK_GT(n, 0);
    said[n] = 0;
    CHECK_SAYS(said, "in dump_inside at ");
    close(ends[0]);
    close(ends[1]);
}

/* -- fibers -- */

static weft_fiber fa, fb, fc;
static char trail[64];

static void *say(void *value)
{
    char text[2] = { (char)(intptr_t)value, 0 };
    CHECK_LT(strlen(trail) + 1, sizeof trail);
    strcat(trail, text);
    return value;
}

static void *fiber_a(void *value)
{
    void *got_value;
    CHECK_EQ(weft_fiber_current() == &fa, 1);
    say(value);
    CHECK_EQ(weft_fiber_switch(&fb, (void *)'2', &got_value), 0);
    say(got_value);
    CHECK_EQ(weft_fiber_switch(&fb, (void *)'4', &got_value), 0);
    return say(got_value);
}

static void *fiber_b(void *value)
{
    void *got_value;
    say(value);
    CHECK_EQ(weft_fiber_switch(&fa, (void *)'3', &got_value), 0);
    say(got_value);
    return (void *)'5'; /* to its parent */
}

static int play(void *arg)
{
    void *result = NULL;
    (void)arg;
    trail[0] = 0;
    CHECK_OK(weft_fiber_init(&fa, fiber_a, NULL));
    CHECK_OK(weft_fiber_init(&fb, fiber_b, &fa));
    CHECK_EQ(weft_fiber_parent(&fb) == &fa, 1);
    CHECK(!weft_fiber_is_ended(&fa));
    CHECK(!weft_fiber_current());
    CHECK_EQ(weft_fiber_switch(&fa, (void *)'1', &result), 0);
    CHECK_EQ((intptr_t)result, '5');
    CHECK_STR(trail, "12345");
    CHECK(weft_fiber_is_ended(&fa) && weft_fiber_is_ended(&fb));
    CHECK_ERR(weft_fiber_switch(&fa, NULL, NULL), -ESRCH);
    CHECK_EQ(weft_fiber_switch(NULL, &result, &result), 0); /* to oneself */
    CHECK_EQ(result == &result, 1);
    weft_fiber_fini(&fa);
    weft_fiber_fini(&fb);
    weft_fiber_fini(&fb);
    return 0;
}

TEST_EACH_KIND(fibers_switch_with_values_and_end_in_their_parent)
{
    CHECK_EQ(as_task(t->kind, play, NULL), 0);
    CHECK_EQ(play(NULL), 0);
}

static void *to_base(void *value)
{
    void *v = value;
    int r;
    while ((r = weft_fiber_switch(NULL, v, &v)) == 0)
        v = (void *)((intptr_t)v + 1);
    CHECK_ERR(r, -ECANCELED);
    CHECK_ERR(weft_fiber_switch(NULL, v, &v), -ECANCELED); /* and from now on */
    CHECK_EQ(weft_sleep(weft_after(WEFT_US)), 0);
    cleaned++;
    return NULL;
}

static int fini_some(void *arg)
{
    void *v;
    (void)arg;
    cleaned = 0;
    CHECK_OK(weft_fiber_init(&fa, to_base, NULL));
    weft_fiber_fini(&fa); /* has not begun */
    CHECK_OK(weft_fiber_init(&fa, to_base, NULL));
    CHECK_EQ(weft_fiber_switch(&fa, (void *)1, &v), 0);
    CHECK_EQ((intptr_t)v, 1);
    CHECK_EQ(weft_fiber_switch(&fa, (void *)10, &v), 0);
    CHECK_EQ((intptr_t)v, 11);
    weft_fiber_fini(&fa);
    CHECK_EQ(cleaned, 1);
    return 0;
}

TEST_EACH_KIND(fini_lets_a_fiber_clean_up)
{
    CHECK_EQ(as_task(t->kind, fini_some, NULL), 0);
}

static int yield_from_fiber(void *value)
{
    void *v;
    int r = weft_fiber_switch(&fc, value, &v);
    return r < 0 ? r : (int)(intptr_t)v;
}

static void *inside_c(void *value)
{
    int one = 1;
    CHECK_ERR(weft_generator_yield(&one, sizeof one), -EINVAL); /* a fiber is not the generator */
    CHECK_ERR(weft_fiber_switch(&fb, NULL, NULL), -EBUSY);      /* it asks a generator */
    return (void *)((intptr_t)value + 1);
}

static void *ask_generator(void *value)
{
    weft_generator g;
    CHECK_OK(weft_generator_init(&g, yield_from_fiber, value, sizeof(int)));
    CHECK_OK(weft_fiber_init(&fc, inside_c, weft_fiber_current()));
    CHECK_EQ(weft_generator_next(&g, NULL, 0, weft_never()), 0);
    weft_generator_fini(&g);
    weft_fiber_fini(&fc);
    return value;
}

static int nest(void *arg)
{
    void *v;
    (void)arg;
    CHECK_OK(weft_fiber_init(&fb, ask_generator, NULL));
    CHECK_EQ(weft_fiber_switch(&fb, (void *)41, &v), 0);
    CHECK_EQ((intptr_t)v, 41);
    weft_fiber_fini(&fb);
    return 0;
}

TEST_EACH_KIND(fibers_and_generators_nest)
{
    CHECK_EQ(as_task(t->kind, nest, NULL), 0);
}

static int switch_c(void *arg)
{
    return weft_fiber_switch(arg, NULL, NULL);
}

static void *bounded(void *value)
{
    CHECK_ERR(weft_within(weft_after(WEFT_SEC), switch_c, NULL), -EINVAL);
    CHECK_ERR(weft_shield(weft_never(), switch_c, NULL), -EINVAL);
    return value;
}

static int switch_elsewhere(void *arg)
{
    (void)arg;
    CHECK_ERR(weft_fiber_switch(&fa, NULL, NULL), -EPERM);
    return 0;
}

static int refuse_some(void *arg)
{
    (void)arg;
    CHECK_OK(weft_fiber_init(&fb, bounded, NULL));
    CHECK_EQ(weft_fiber_switch(&fb, NULL, NULL), 0);
    weft_fiber_fini(&fb);
    CHECK_ERR(weft_fiber_init(&fa, NULL, NULL), -EINVAL);
    CHECK_ERR(weft_fiber_init(&fa, to_base, &fa), -EINVAL);
    CHECK_OK(weft_fiber_init(&fa, to_base, NULL));
    CHECK_EQ(weft_fiber_switch(&fa, NULL, NULL), 0);
    CHECK_EQ(as_task(WEFT_THREAD, switch_elsewhere, NULL), 0);
    weft_fiber_fini(&fa);
    return 0;
}

TEST(fibers_refuse_what_would_break_a_task)
{
    CHECK_EQ(as_task(WEFT_COROUTINE, refuse_some, NULL), 0);
}

static void *fini_itself(void *value)
{
    weft_fiber_fini(weft_fiber_current());
    return value;
}

static void run_fini_itself(void *arg)
{
    (void)arg;
    CHECK_OK(weft_fiber_init(&fa, fini_itself, NULL));
    (void)!weft_fiber_switch(&fa, NULL, NULL);
}

TEST(fini_of_the_running_fiber_is_a_bug)
{
    CHECK_BUG(run_fini_itself, NULL, "fini_itself at ");
}

/* -- many -- */

static int many(void *arg)
{
    enum { N = 300 };
    static __thread weft_generator gs[N];
    int ten = 10;
    (void)arg;
    for (int i = 0; i < N; i++)
        CHECK_OK(weft_generator_init(&gs[i], count, &ten, sizeof(int)));
    for (int round = 1; round <= 10; round++)
        for (int i = 0; i < N; i++)
            CHECK_EQ(next_int(&gs[i]), round);
    for (int i = 0; i < N; i++)
        CHECK_EQ(next_int(&gs[i]), 0); /* ended: what it had is free */
    return 0;
}

TEST_EACH_KIND(stacks_come_and_go)
{
    for (int i = 0; i < 5; i++)
        CHECK_EQ(as_task(t->kind, many, NULL), 0);
    CHECK_EQ(many(NULL), 0);
}
