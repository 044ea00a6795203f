/* weft_select: the first of several, one taken, the others untouched. */
#include "until.h"

#include <poll.h>
#include <signal.h>

static unsigned kind;

static weft_task spawn(weft_group *g, weft_fn *fn, void *arg)
{
    weft_task task;
    struct weft_spawn more = { .size = sizeof more, .task = &task };
    CHECK_EQ(weft_group_spawn_with(g, kind, fn, arg, &more), 0);
    return task;
}

/* A select in a task of its own, for others to wake. */
struct chooser {
    struct weft_case on[8];
    size_t n;
    weft_deadline deadline;
    int chose;
};

static int choose(void *arg)
{
    struct chooser *c = arg;
    c->chose = weft_select(c->on, c->n, c->deadline);
    return 0;
}

static weft_task start(weft_group *g, struct chooser *c)
{
    c->chose = -1000;
    c->deadline = weft_never();
    weft_task task = spawn(g, choose, c);
    UNTIL(waits_for(task, "select"));
    return task;
}

static void end(weft_group *g)
{
    CHECK_EQ(weft_group_wait(g, weft_never()), 0);
}

/* Run the whole of a test in a task of its kind. */
#define BODY(fn)                          \
    static int fn##_body(void *arg);      \
    static void fn##_run(unsigned k)      \
    {                                     \
        weft_group g;                     \
        kind = k;                         \
        CHECK_OK(weft_group_init(&g, 0)); \
        spawn(&g, fn##_body, NULL);       \
        end(&g);                          \
        weft_group_fini(&g);              \
    }
#define IN_KIND(fn)        \
    BODY(fn)               \
    TEST_EACH_KIND(fn)     \
    {                      \
        fn##_run(t->kind); \
    }                      \
    static int fn##_body(__attribute__((unused)) void *arg)
#define IN_KIND_REAL(fn, reason)    \
    BODY(fn)                        \
    TEST_EACH_KIND_REAL(fn, reason) \
    {                               \
        fn##_run(t->kind);          \
    }                               \
    static int fn##_body(__attribute__((unused)) void *arg)

IN_KIND(what_can_be_had_is_taken_and_nothing_else_is)
{
    weft_queue full, empty, closed;
    weft_event event = WEFT_EVENT_INIT;
    weft_semaphore sem = WEFT_SEMAPHORE_INIT(1);
    int slot[2], got = -7, value = 5;
    weft_queue_init(&full, &slot[0], 1, sizeof(int), 0);
    weft_queue_init(&empty, &slot[1], 1, sizeof(int), 0);
    weft_queue_init(&closed, NULL, 0, sizeof(int), 0);
    CHECK_OK(weft_queue_put(&full, &value, sizeof value, weft_at_once()));
    weft_queue_close(&closed);

    struct weft_case on[] = {
        weft_on_put(&full, &value, sizeof value),
        weft_on_get(&empty, &got, sizeof got),
        weft_on_event(&event),
    };
    CHECK_ERR(weft_select(on, 3, weft_at_once()), -ETIMEDOUT);
    CHECK_ERR(weft_select(on, 3, weft_after(WEFT_US)), -ETIMEDOUT);
    CHECK_ERR(weft_select(on, 0, weft_after(WEFT_US)), -ETIMEDOUT);
    CHECK_EQ(got, -7);
    CHECK_EQ(weft_queue_length(&full), 1);
    CHECK_EQ(weft_queue_length(&empty), 0);

    on[0] = weft_on_get(&full, &got, sizeof got);
    CHECK_EQ(weft_select(on, 3, weft_at_once()), 0);
    CHECK_EQ(on[0].result, 1);
    CHECK_EQ(got, 5);
    on[0] = weft_on_put(&full, &value, sizeof value);
    CHECK_EQ(weft_select(on, 3, weft_never()), 0);
    CHECK_EQ(on[0].result, 0);
    weft_event_set(&event);
    CHECK_EQ(weft_select(on, 3, weft_never()), 2);
    CHECK_EQ(on[2].result, 0);

    on[2] = weft_on_semaphore(&sem);
    CHECK_EQ(weft_select(on, 3, weft_never()), 2);
    CHECK_ERR(weft_select(on, 3, weft_at_once()), -ETIMEDOUT);
    CHECK_EQ(weft_semaphore_value(&sem), 0);

    on[2] = weft_on_get(&closed, &got, sizeof got);
    CHECK_EQ(weft_select(on, 3, weft_never()), 2);
    CHECK_EQ(on[2].result, 0);
    on[2] = weft_on_put(&closed, &value, sizeof value);
    CHECK_EQ(weft_select(on, 3, weft_never()), 2);
    CHECK_ERR(on[2].result, -EPIPE);
    on[2] = weft_on_get(&full, &got, 1);
    CHECK_EQ(weft_select(on, 3, weft_never()), 2);
    CHECK_ERR(on[2].result, -EINVAL);
    weft_queue_fini(&full);
    weft_queue_fini(&empty);
    weft_queue_fini(&closed);
    weft_event_fini(&event);
    weft_semaphore_fini(&sem);
    return 0;
}

IN_KIND(a_case_on_nothing_is_never_taken)
{
    int value = 0;
    weft_event event = WEFT_EVENT_INIT;
    struct weft_case on[] = {
        { 0 },
        weft_on_get(NULL, &value, sizeof value),
        weft_on_put(NULL, &value, sizeof value),
        weft_on_event(NULL),
        weft_on_semaphore(NULL),
        weft_on_lock(NULL),
        weft_on_task((weft_task){ 0 }, NULL),
        weft_on_time(weft_never()),
        weft_on_ticker(NULL),
        weft_on_fd(-1, POLLIN),
        weft_on_signal(NULL),
        weft_on_event(&event),
    };
    CHECK_ERR(weft_select(on, 12, weft_at_once()), -ETIMEDOUT);
    CHECK_ERR(weft_select(on, 12, weft_after(WEFT_MS)), -ETIMEDOUT);
    weft_event_set(&event);
    CHECK_EQ(weft_select(on, 12, weft_never()), 11);
    CHECK_ERR(weft_select(on, (size_t)INT32_MAX + 1, weft_at_once()), -EINVAL);
    return 0;
}

TEST_EACH_KIND(the_first_to_come_is_taken_and_the_others_are_left)
{
    static weft_queue in, out;
    static weft_event event;
    static weft_semaphore sem;
    static weft_lock lock;
    static struct chooser c;
    static int got, value;
    weft_group g;
    kind = t->kind;
    CHECK_OK(weft_group_init(&g, 0));
    weft_queue_init(&in, NULL, 0, sizeof(int), 0);
    weft_queue_init(&out, NULL, 0, sizeof(int), 0);
    for (int first = 0; first < 5; first++) {
        int mine = -1;
        got = -7;
        value = 8;
        weft_lock_enter(&lock);
        c = (struct chooser){ .n = 5 };
        c.on[0] = weft_on_get(&in, &got, sizeof got);
        c.on[1] = weft_on_put(&out, &value, sizeof value);
        c.on[2] = weft_on_event(&event);
        c.on[3] = weft_on_semaphore(&sem);
        c.on[4] = weft_on_event(NULL);
        start(&g, &c);
        switch (first) {
        case 0:
            mine = 9;
            CHECK_EQ(weft_queue_put(&in, &mine, sizeof mine, weft_at_once()), 0);
            break;
        case 1:
            CHECK_EQ(weft_queue_get(&out, &mine, sizeof mine, weft_at_once()), 1);
            CHECK_EQ(mine, 8);
            break;
        case 2: weft_event_set(&event); break;
        case 3: CHECK_OK(weft_semaphore_release(&sem, 1)); break;
        default: weft_queue_close(&in);
        }
        end(&g);
        CHECK_EQ(c.chose, first < 4 ? first : 0);
        CHECK_EQ(c.on[c.chose].result, first == 0);
        CHECK_EQ(got, first == 0 ? 9 : -7);
        /* and nobody waits any more */
        CHECK_ERR(weft_queue_put(&in, &mine, sizeof mine, weft_at_once()),
                  first < 4 ? -ETIMEDOUT : -EPIPE);
        CHECK_ERR(weft_queue_get(&out, &mine, sizeof mine, weft_at_once()), -ETIMEDOUT);
        CHECK_EQ(weft_semaphore_value(&sem), 0);
        weft_event_clear(&event);
        weft_lock_leave(&lock);
    }
    weft_queue_fini(&in);
    weft_queue_fini(&out);
    weft_event_fini(&event);
    weft_semaphore_fini(&sem);
    weft_lock_fini(&lock);
    weft_group_fini(&g);
}

/* -- locks -- */

static weft_lock one, two;

static int lock_either(void *arg)
{
    struct weft_case on[] = { weft_on_lock(&one), weft_on_lock(&two) };
    int chose = weft_select(on, 2, weft_never());
    CHECK_GE(chose, 0);
    *(int *)arg = on[chose].result;
    CHECK(weft_lock_is_held(chose ? &two : &one));
    CHECK(!weft_lock_is_held(chose ? &one : &two));
    CHECK_EQ(weft_lock_release(chose ? &two : &one), 0);
    return chose;
}

static int end_with_one(void *arg)
{
    (void)arg;
    weft_lock_enter(&one);
    return 0;
}

static void say_nothing(void *ctx, const char *text, size_t size)
{
    (void)ctx, (void)text, (void)size;
}

TEST_EACH_KIND(a_lock_handed_to_a_select_is_held)
{
    weft_group g;
    int result = -1;
    kind = t->kind;
    CHECK_OK(weft_group_init(&g, 0));
    for (int i = 0; i < 2; i++) {
        weft_lock_enter(&one);
        weft_lock_enter(&two);
        weft_task task = spawn(&g, lock_either, &result);
        UNTIL(waits_for(task, "select"));
        weft_lock_leave(i ? &two : &one);
        struct weft_exit how = { .size = sizeof how };
        CHECK_OK(weft_task_join(task, &how, weft_never()));
        CHECK_EQ(how.result, i);
        CHECK_EQ(result, 0);
        struct weft_case on[] = { weft_on_lock(i ? &one : &two) };
        CHECK_EQ(weft_select(on, 1, weft_never()), 0);
        CHECK_ERR(on[0].result, -EDEADLK);
        weft_lock_leave(i ? &one : &two);
        end(&g);
    }
    weft_reporter_set(say_nothing, NULL);
    weft_lock_enter(&two);
    spawn(&g, end_with_one, NULL);
    end(&g);
    spawn(&g, lock_either, &result);
    end(&g);
    CHECK_EQ(result, WEFT_RECOVERED);
    weft_lock_leave(&two);
    weft_lock_fini(&one);
    weft_lock_fini(&two);
    weft_group_fini(&g);
}

/* -- tasks -- */

static weft_event gates[3];

static int wait_at(void *arg)
{
    int i = (int)(intptr_t)arg;
    CHECK_EQ(weft_event_wait(&gates[i], weft_never()), 0);
    return 10 + i;
}

static int join_oneself(void *arg)
{
    (void)arg;
    struct weft_case on[] = { weft_on_task(weft_task_self(), NULL) };
    CHECK_EQ(weft_select(on, 1, weft_never()), 0);
    return on[0].result;
}

TEST_EACH_KIND(tasks_are_joined_as_they_end)
{
    static const int order[] = { 1, 2, 0 };
    static struct chooser c;
    struct weft_exit how[3];
    weft_group g;
    weft_task task;
    kind = t->kind;
    CHECK_OK(weft_group_init(&g, WEFT_KEEP_GOING));
    c = (struct chooser){ .n = 3 };
    for (int i = 0; i < 3; i++) {
        how[i] = (struct weft_exit){ .size = sizeof how[i] };
        c.on[i] = weft_on_task(spawn(&g, wait_at, (void *)(intptr_t)i), &how[i]);
    }
    for (int i = 0; i < 3; i++) {
        task = start(&g, &c);
        weft_event_set(&gates[order[i]]);
        CHECK_OK(weft_task_join(task, NULL, weft_never()));
        CHECK_EQ(c.chose, order[i]);
        CHECK_EQ(c.on[c.chose].result, 0);
        CHECK_EQ(how[c.chose].result, 10 + order[i]);
        c.on[c.chose] = (struct weft_case){ 0 };
    }
    /* one that has ended; one that never was; oneself; nobody asked for this one */
    c.on[0] = weft_on_task(task, NULL);
    CHECK_EQ(weft_select(c.on, 1, weft_at_once()), 0);
    CHECK_EQ(c.on[0].result, 0);
    c.on[0] = weft_on_task((weft_task){ 12345 }, NULL);
    CHECK_EQ(weft_select(c.on, 1, weft_at_once()), 0);
    CHECK_ERR(c.on[0].result, -ESRCH);
    task = spawn(&g, join_oneself, NULL);
    how[0].size = 1;
    c.on[0] = weft_on_task(task, &how[0]);
    CHECK_EQ(weft_select(c.on, 1, weft_at_once()), 0);
    CHECK_ERR(c.on[0].result, -EINVAL);
    how[0].size = sizeof how[0];
    CHECK_EQ(weft_select(c.on, 1, weft_never()), 0);
    CHECK_ERR(how[0].result, -EDEADLK);
    CHECK_ERR(weft_group_wait(&g, weft_never()), -EDEADLK);
    weft_group_fini(&g);
}

/* -- time -- */

IN_KIND(a_time_is_a_case_and_never_early)
{
    weft_event never = WEFT_EVENT_INIT;
    weft_ticker ticker;
    weft_time start = weft_now();
    struct weft_case on[] = {
        weft_on_time(weft_after(3600 * WEFT_SEC)),
        weft_on_event(&never),
        weft_on_time(weft_at(weft_time_add(start, 10 * WEFT_MS))),
    };
    CHECK_EQ(weft_select(on, 3, weft_after(3600 * WEFT_SEC)), 2);
    CHECK_EQ(on[2].result, 0);
    CHECK_GE(weft_time_between(start, weft_now()), 10 * WEFT_MS);
    CHECK_EQ(weft_select(on, 3, weft_at_once()), 2); /* it stays over */
    CHECK_ERR(weft_select(on, 2, weft_after(WEFT_MS)), -ETIMEDOUT);
    on[0] = weft_on_time(weft_after(10 * WEFT_MS));
    for (int i = 1; i <= 3; i++) { /* the span begins with each select */
        start = weft_now();
        CHECK_ERR(weft_select(on, 2, weft_at_once()), -ETIMEDOUT);
        CHECK_EQ(weft_select(on, 2, weft_never()), 0);
        CHECK_GE(weft_time_between(start, weft_now()), 10 * WEFT_MS);
    }

    CHECK_OK(weft_ticker_init(&ticker, 5 * WEFT_MS));
    on[0] = weft_on_ticker(&ticker);
    CHECK_EQ(weft_select(on, 2, weft_never()), 0);
    CHECK_GE(on[0].result, 1);
    CHECK_OK(weft_sleep(weft_after(20 * WEFT_MS)));
    CHECK_EQ(weft_select(on, 2, weft_at_once()), 0);
    CHECK_GE(on[0].result, 3);
    return 0;
}

static int sleep_or_never(void *arg)
{
    struct weft_case on[] = { weft_on_time(weft_after(*(weft_span *)arg)) };
    return weft_select(on, 1, weft_never());
}

IN_KIND(a_bound_around_it_is_no_case)
{
    weft_span span = 3600 * WEFT_SEC;
    CHECK_ERR(weft_within(weft_after(WEFT_MS), sleep_or_never, &span), -ETIMEDOUT);
    span = WEFT_MS;
    CHECK_EQ(weft_within(weft_after(3600 * WEFT_SEC), sleep_or_never, &span), 0);
    return 0;
}

/* -- cancel -- */

static int find_oneself_cancelled(void *arg)
{
    weft_event *event = arg;
    CHECK_OK(weft_task_cancel(weft_task_self()));
    struct weft_case on[] = { weft_on_event(event) };
    weft_event_set(event);
    CHECK_ERR(weft_select(on, 1, weft_never()), -ECANCELED); /* also when it need not wait */
    return 0;
}

TEST_EACH_KIND(a_cancelled_select_has_taken_nothing)
{
    static struct chooser c;
    static int got;
    weft_event event = WEFT_EVENT_INIT;
    weft_semaphore sem = WEFT_SEMAPHORE_INIT(0);
    weft_queue queue;
    weft_group g;
    kind = t->kind;
    got = -7;
    weft_queue_init(&queue, NULL, 0, sizeof got, 0);
    CHECK_OK(weft_group_init(&g, 0));
    c = (struct chooser){ .n = 3 };
    c.on[0] = weft_on_semaphore(&sem);
    c.on[1] = weft_on_get(&queue, &got, sizeof got);
    c.on[2] = weft_on_time(weft_after(3600 * WEFT_SEC));
    CHECK_OK(weft_task_cancel(start(&g, &c)));
    end(&g);
    CHECK_ERR(c.chose, -ECANCELED);
    CHECK_EQ(weft_semaphore_release(&sem, 1), 0);
    CHECK_EQ(weft_semaphore_value(&sem), 1);
    CHECK_ERR(weft_queue_put(&queue, &got, sizeof got, weft_at_once()), -ETIMEDOUT);
    spawn(&g, find_oneself_cancelled, &event);
    end(&g);
    weft_queue_fini(&queue);
    weft_group_fini(&g);
}

/* -- one with another -- */

TEST_EACH_KIND(a_select_gives_to_a_select)
{
    static struct chooser putter, getter;
    static int value, got;
    weft_queue queues[3];
    weft_group g;
    kind = t->kind;
    CHECK_OK(weft_group_init(&g, 0));
    for (int i = 0; i < 3; i++)
        weft_queue_init(&queues[i], NULL, 0, sizeof(int), 0);
    for (int i = 0; i < 3; i++) {
        struct chooser *first = i % 2 ? &putter : &getter, *second = i % 2 ? &getter : &putter;
        value = 40 + i;
        got = -1;
        putter = (struct chooser){ .n = 2, .deadline = weft_never() };
        getter = (struct chooser){ .n = 2, .deadline = weft_never() };
        putter.on[0] = weft_on_put(&queues[i], &value, sizeof value);
        putter.on[1] = weft_on_put(&queues[(i + 1) % 3], &value, sizeof value);
        getter.on[0] = weft_on_get(&queues[i], &got, sizeof got);
        getter.on[1] = weft_on_get(&queues[(i + 2) % 3], &got, sizeof got);
        start(&g, first);
        CHECK_EQ(weft_select(second->on, 2, weft_never()), 0);
        end(&g);
        CHECK_EQ(first->chose, 0);
        CHECK_EQ(got, 40 + i);
    }
    for (int i = 0; i < 3; i++)
        weft_queue_fini(&queues[i]);
    weft_group_fini(&g);
}

TEST_EACH_KIND(a_select_does_not_meet_itself)
{
    static struct chooser c;
    static int value, got;
    int mine = -1;
    weft_queue queue;
    weft_group g;
    kind = t->kind;
    CHECK_OK(weft_group_init(&g, 0));
    weft_queue_init(&queue, NULL, 0, sizeof(int), 0);
    value = 3;
    got = -7;
    c = (struct chooser){ .n = 4 };
    c.on[0] = weft_on_put(&queue, &value, sizeof value);
    c.on[1] = weft_on_get(&queue, &got, sizeof got);
    c.on[2] = weft_on_put(&queue, &value, sizeof value);
    c.on[3] = weft_on_get(&queue, &got, sizeof got);
    CHECK_ERR(weft_select(c.on, 4, weft_after(WEFT_MS)), -ETIMEDOUT);
    start(&g, &c);
    CHECK_EQ(weft_queue_get(&queue, &mine, sizeof mine, weft_at_once()), 1);
    end(&g);
    CHECK_EQ(mine, 3);
    CHECK_EQ(c.chose % 2, 0);
    CHECK_EQ(got, -7);
    start(&g, &c);
    CHECK_EQ(weft_queue_put(&queue, &mine, sizeof mine, weft_at_once()), 0);
    end(&g);
    CHECK_EQ(c.chose % 2, 1);
    CHECK_EQ(got, 3);
    weft_queue_fini(&queue);
    weft_group_fini(&g);
}

TEST_EACH_KIND(a_waiting_put_keeps_its_priority)
{
    static struct chooser c;
    static const int first = 5, last = 9, waiting[] = { 7, 3, 0 };
    weft_queue queue;
    weft_group g;
    int got;
    kind = t->kind;
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_OK(weft_queue_init(&queue, NULL, 2, sizeof(int), WEFT_PRIORITY));
    for (int i = 0; i < 3; i++) {
        memset(&c, 0x7f, sizeof c); /* what lay there before is no priority */
        c.n = 1;
        c.on[0] = i < 2 ? weft_on_put_at(&queue, &waiting[i], sizeof(int), waiting[i])
                        : weft_on_put(&queue, &waiting[i], sizeof(int));
        CHECK_OK(weft_queue_put_at(&queue, &first, sizeof first, 5, weft_at_once()));
        CHECK_OK(weft_queue_put_at(&queue, &last, sizeof last, 9, weft_at_once()));
        start(&g, &c);
        CHECK_EQ(weft_queue_get(&queue, &got, sizeof got, weft_at_once()), 1);
        CHECK_EQ(got, first);
        end(&g);
        CHECK_EQ(c.chose, 0);
        CHECK_EQ(weft_queue_get(&queue, &got, sizeof got, weft_at_once()), 1);
        CHECK_EQ(got, waiting[i]);
        CHECK_EQ(weft_queue_get(&queue, &got, sizeof got, weft_at_once()), 1);
        CHECK_EQ(got, last);
    }
    weft_queue_fini(&queue);
    CHECK_OK(weft_queue_init(&queue, NULL, 2, sizeof(int), 0));
    c.on[0] = weft_on_put_at(&queue, &first, sizeof first, 1);
    CHECK_EQ(weft_select(c.on, 1, weft_never()), 0);
    CHECK_ERR(c.on[0].result, -EINVAL);
    weft_queue_fini(&queue);
    weft_group_fini(&g);
}

/* -- fairness -- */

IN_KIND(every_ready_case_has_the_same_chance)
{
    enum { CASES = 5, ROUNDS = 5000 };
    weft_event set[CASES], unset = WEFT_EVENT_INIT;
    struct weft_case on[2 * CASES];
    int chosen[2 * CASES] = { 0 };
    for (int i = 0; i < CASES; i++) { /* those that are not ready must not favour a neighbour */
        weft_event_init(&set[i], 0);
        weft_event_set(&set[i]);
        on[i] = weft_on_event(&set[i]);
        on[CASES + i] = weft_on_event(&unset);
    }
    for (int i = 0; i < ROUNDS; i++)
        chosen[weft_select(on, 2 * CASES, weft_never())]++;
    for (int i = 0; i < CASES; i++) {
        /* the mean is 1,000, its deviation 28: beyond 6 of those once in 10^9 */
        CHECK_GT(chosen[i], ROUNDS / CASES - 170);
        CHECK_LT(chosen[i], ROUNDS / CASES + 170);
    }
    return 0;
}

/* -- descriptors and signals -- */

#define REAL "the kernel's descriptors"

IN_KIND_REAL(a_descriptor_is_told_and_not_read, REAL)
{
    int ends[2], other[2];
    char bytes[8];
    weft_event event = WEFT_EVENT_INIT;
    CHECK_OK(weft_socketpair(ends));
    CHECK_OK(weft_socketpair(other));
    struct weft_case on[] = {
        weft_on_fd(ends[0], POLLIN),
        weft_on_fd(other[0], POLLIN),
        weft_on_event(&event),
    };
    CHECK_ERR(weft_select(on, 3, weft_at_once()), -ETIMEDOUT);
    CHECK_ERR(weft_select(on, 3, weft_after(WEFT_MS)), -ETIMEDOUT);
    CHECK_EQ(weft_write(other[1], "ab", 2, weft_never()), 2);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(weft_select(on, 3, weft_never()), 1);
        CHECK_EQ(on[1].result, POLLIN);
    }
    CHECK_EQ(weft_read(other[0], bytes, sizeof bytes, weft_at_once()), 2);
    CHECK_ERR(weft_select(on, 3, weft_after(WEFT_MS)), -ETIMEDOUT);
    weft_event_set(&event);
    CHECK_EQ(weft_select(on, 3, weft_never()), 2);

    on[2] = weft_on_fd(ends[0], POLLOUT); /* the same one again */
    CHECK_EQ(weft_select(on, 3, weft_never()), 2);
    CHECK_EQ(on[2].result, POLLOUT);
    CHECK_OK(weft_close(ends[1]));
    on[2] = weft_on_fd(-1, 0);
    CHECK_EQ(weft_select(on, 3, weft_never()), 0);
    CHECK(on[0].result & POLLHUP);
    CHECK_OK(weft_close(ends[0]));
    CHECK_EQ(weft_select(on, 3, weft_never()), 0);
    CHECK_ERR(on[0].result, -EBADF);
    on[0] = weft_on_fd(1 << 30, POLLIN);
    CHECK_EQ(weft_select(on, 3, weft_never()), 0);
    CHECK_ERR(on[0].result, -EBADF);
    CHECK_OK(weft_close(other[0]));
    CHECK_OK(weft_close(other[1]));
    return 0;
}

TEST_EACH_KIND_REAL(a_descriptor_ends_a_wait_that_has_begun, REAL)
{
    static struct chooser c;
    static int got;
    enum { WRITE, CLOSE, PUT, CANCEL, WAYS };
    weft_queue queue;
    weft_group g;
    int value = 4;
    kind = t->kind;
    weft_queue_init(&queue, NULL, 0, sizeof(int), 0);
    CHECK_OK(weft_group_init(&g, 0));
    for (int way = 0; way < WAYS; way++) {
        int ends[2];
        CHECK_OK(weft_socketpair(ends));
        got = -7;
        c = (struct chooser){ .n = 4 };
        c.on[0] = weft_on_fd(ends[0], POLLIN);
        c.on[1] = weft_on_get(&queue, &got, sizeof got);
        c.on[2] = weft_on_fd(ends[0], POLLPRI);
        c.on[3] = weft_on_time(weft_after(3600 * WEFT_SEC));
        weft_task task = start(&g, &c);
        switch (way) {
        case WRITE: CHECK_EQ(weft_write(ends[1], "x", 1, weft_never()), 1); break;
        case CLOSE: CHECK_OK(weft_close(ends[0])); break;
        case PUT: CHECK_EQ(weft_queue_put(&queue, &value, sizeof value, weft_at_once()), 0); break;
        default: CHECK_OK(weft_task_cancel(task));
        }
        end(&g);
        switch (way) {
        case WRITE:
            CHECK_EQ(c.chose, 0);
            CHECK_EQ(c.on[0].result, POLLIN);
            break;
        case CLOSE:
            CHECK_EQ(c.chose % 2, 0);
            CHECK_ERR(c.on[c.chose].result, -EBADF);
            break;
        case PUT: CHECK_EQ(c.chose, 1); break;
        default: CHECK_ERR(c.chose, -ECANCELED);
        }
        CHECK_EQ(got, way == PUT ? value : -7);
        CHECK_ERR(weft_queue_put(&queue, &value, sizeof value, weft_at_once()), -ETIMEDOUT);
        if (way != CLOSE)
            CHECK_OK(weft_close(ends[0]));
        CHECK_OK(weft_close(ends[1]));
    }
    weft_queue_fini(&queue);
    weft_group_fini(&g);
}

/* ThreadSanitizer holds signals back while a thread is in a system call that it does not know. */
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define NO_SIGNALS_UNDER_TSAN SKIP("ThreadSanitizer")
#else
#define NO_SIGNALS_UNDER_TSAN ((void)0)
#endif

TEST_EACH_KIND_REAL(a_signal_ends_a_wait_once, "signals")
{
    static const int both[] = { SIGUSR1, SIGUSR2 };
    static struct chooser c;
    static weft_event event;
    weft_signal caught;
    weft_group g;
    NO_SIGNALS_UNDER_TSAN;
    kind = t->kind;
    CHECK_OK(weft_signal_init(&caught, both, 2));
    CHECK_OK(weft_group_init(&g, 0));
    c = (struct chooser){ .n = 2 };
    c.on[0] = weft_on_event(&event);
    c.on[1] = weft_on_signal(&caught);
    for (int i = 0; i < 2; i++) {
        CHECK_ERR(weft_select(c.on, 2, weft_at_once()), -ETIMEDOUT);
        start(&g, &c);
        CHECK_OK(kill(getpid(), both[i]));
        end(&g);
        CHECK_EQ(c.chose, 1);
        CHECK_EQ(c.on[1].result, both[i]);
        CHECK_ERR(weft_select(c.on, 2, weft_after(WEFT_MS)), -ETIMEDOUT);
    }
    start(&g, &c);
    weft_event_set(&event);
    end(&g);
    CHECK_EQ(c.chose, 0);
    CHECK_OK(kill(getpid(), SIGUSR2)); /* it has been left to the next one */
    weft_event_clear(&event);
    CHECK_EQ(weft_select(c.on, 2, weft_never()), 1);
    CHECK_EQ(c.on[1].result, SIGUSR2);
    weft_signal_fini(&caught);
    weft_group_fini(&g);
}

/* -- objects that processes share, beside private ones -- */

struct shared_objects {
    weft_lock lock;
    weft_event event;
    weft_semaphore sem, owned;
};

static struct shared_objects *shared_objects(void)
{
    struct shared_objects *s = weft_arena_alloc(sizeof *s);
    CHECK(s != NULL);
    CHECK_OK(weft_lock_init(&s->lock, WEFT_SHARED));
    CHECK_OK(weft_event_init(&s->event, WEFT_SHARED));
    CHECK_OK(weft_semaphore_init(&s->sem, 0, 0, WEFT_SHARED));
    CHECK_OK(weft_semaphore_init(&s->owned, 1, 0, WEFT_SHARED | WEFT_OWNED));
    CHECK_OK(weft_semaphore_acquire(&s->owned, weft_at_once()));
    return s;
}

TEST_EACH_KIND_REAL(shared_objects_are_chosen_beside_private_ones, "shared memory")
{
    kind = t->kind;
    struct shared_objects *s = shared_objects();
    weft_event mine = WEFT_EVENT_INIT;
    weft_group g;
    CHECK_OK(weft_group_init(&g, 0));
    weft_lock_enter(&s->lock);
    for (int i = 0; i < 4; i++) {
        struct chooser c = { { weft_on_event(&mine), weft_on_semaphore(&s->sem),
                               weft_on_event(&s->event), weft_on_semaphore(&s->owned) },
                             .n = 4 };
        start(&g, &c);
        if (i == 0)
            weft_event_set(&mine);
        else if (i == 2)
            weft_event_set(&s->event);
        else
            CHECK_EQ(weft_semaphore_release(i == 1 ? &s->sem : &s->owned, 1), 0);
        end(&g);
        CHECK_EQ(c.chose, i);
        CHECK_EQ(c.on[i].result, 0);
        weft_event_clear(&mine);
        weft_event_clear(&s->event);
    }
    CHECK_EQ(weft_semaphore_value(&s->sem), 0);
    CHECK_EQ(weft_semaphore_value(&s->owned), 0);
    weft_group_fini(&g);
}

static int lock_and_release(void *lock)
{
    CHECK_EQ(weft_lock_acquire((weft_lock *)lock, weft_never()), 0);
    return weft_lock_release(lock);
}

static int choose_lock(void *arg)
{
    struct chooser *c = arg;
    choose(c);
    return c->chose == 0 ? weft_lock_release(c->on[0]._on) : 0;
}

TEST_EACH_KIND_REAL(who_selects_a_shared_lock_in_vain_keeps_nobody_from_it, "shared memory")
{
    kind = t->kind;
    struct shared_objects *s = shared_objects();
    weft_group g;
    CHECK_OK(weft_group_init(&g, 0));
    for (int round = 0; round < 20; round++) {
        struct chooser c = { { weft_on_lock(&s->lock), weft_on_event(&s->event) }, .n = 2 };
        weft_lock_enter(&s->lock);
        c.deadline = weft_never();
        weft_task first = spawn(&g, choose_lock, &c), second = spawn(&g, lock_and_release, &s->lock);
        UNTIL(waits_for(first, "select") && waits_for(second, "lock"));
        if (round % 2)
            weft_event_set(&s->event); /* both at once, or almost */
        weft_lock_leave(&s->lock);
        end(&g);
        CHECK(c.chose == 0 || (c.chose == 1 && round % 2));
        weft_event_clear(&s->event);
    }
    weft_group_fini(&g);
}

TEST_REAL(a_select_knows_so_many_shared_objects, "shared memory")
{
    struct shared_objects *s = shared_objects();
    struct weft_case on[17];
    for (int i = 0; i < 17; i++)
        on[i] = weft_on_event(&s->event);
    CHECK_EQ(weft_select(on, 16, weft_after(WEFT_MS)), -ETIMEDOUT);
    CHECK_EQ(weft_select(on, 17, weft_after(WEFT_MS)), -EINVAL);
    weft_event_set(&s->event);
    CHECK_GE(weft_select(on, 17, weft_after(WEFT_MS)), 0);
}

/* The first thread of a process, in the kernel, for something. */
static bool sleeps(pid_t pid)
{
    char path[64], state = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "re");
    bool read = f && fscanf(f, "%*d (%*[^)]) %c", &state) == 1;
    if (f)
        fclose(f);
    return read && state == 'S';
}

TEST_REAL(another_process_ends_a_select, "processes")
{
    struct shared_objects *s = shared_objects();
    struct weft_case on[] = { weft_on_event(&s->event), weft_on_semaphore(&s->sem) };
    pid_t waiter = getpid(), pid = fork();
    CHECK_GE(pid, 0);
    if (pid == 0) {
        UNTIL(sleeps(waiter));
        _exit(weft_semaphore_release(&s->sem, 1));
    }
    CHECK_EQ(weft_select(on, 2, weft_after(10 * WEFT_SEC)), 1);
    CHECK_EQ(waitpid(pid, NULL, 0), pid);
}
