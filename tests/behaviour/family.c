/* What is each object's own: rlock, rwlock, barrier, once, and blocks that let go. What all have in
 * common stands in tests/conformance/sync.c. */
#include "until.h"

static unsigned kind;
static weft_group group;

static weft_task spawn(weft_fn *fn, void *arg)
{
    weft_task task;
    struct weft_spawn more = { .size = sizeof more, .task = &task };
    CHECK_EQ(weft_group_spawn_with(&group, kind, fn, arg, &more), 0);
    return task;
}

static weft_task spawn_until(weft_fn *fn, void *arg, const char *state)
{
    weft_task task = spawn(fn, arg);
    UNTIL(waits_for(task, state));
    return task;
}

static void begin(const struct test *t)
{
    kind = t->kind;
    CHECK_OK(weft_group_init(&group, WEFT_KEEP_GOING));
}

static void end(void)
{
    int r = weft_group_wait(&group, weft_never());
    CHECK(r == 0 || r == -ECANCELED);
    weft_group_fini(&group);
}

static char said[1000];

static void hear(void *ctx, const char *text, size_t size)
{
    (void)ctx;
    snprintf(said, sizeof said, "%.*s", (int)size, text);
}

/* Who came in, in this order. */
static char order[64];
static size_t order_len;

static void note(char c)
{
    order[__atomic_fetch_add(&order_len, 1, __ATOMIC_ACQ_REL)] = c;
}

/* -- rlock -- */

static weft_rlock rlock = WEFT_RLOCK_INIT;
static weft_cond cond = WEFT_COND_INIT;

static int take_rlock(void *arg)
{
    CHECK(!weft_rlock_is_held(&rlock));
    CHECK_ERR(weft_rlock_release(&rlock), -EPERM);
    CHECK_ERR(weft_cond_wait_rlock(&cond, &rlock, weft_never()), -EPERM);
    CHECK_EQ(weft_rlock_acquire(&rlock, weft_never()), 0);
    note(*(char *)arg);
    CHECK_EQ(weft_rlock_release(&rlock), 0);
    return 0;
}

TEST_EACH_KIND(an_rlock_is_let_go_as_often_as_it_was_taken)
{
    char names[] = "abc";
    begin(t);
    CHECK_ERR(weft_rlock_init(&rlock, WEFT_SHARED), -EINVAL);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(weft_rlock_acquire(&rlock, i ? weft_at_once() : weft_never()), 0);
    weft_rlock_enter(&rlock);
    for (int i = 0; i < 3; i++)
        spawn_until(take_rlock, &names[i], "rlock");
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(weft_rlock_release(&rlock), 0);
        CHECK(weft_rlock_is_held(&rlock));
        weft_yield();
        CHECK_STR(order, "");
    }
    weft_rlock_leave(&rlock);
    CHECK(!weft_rlock_is_held(&rlock));
    CHECK_ERR(weft_rlock_release(&rlock), -EPERM);
    end();
    CHECK_STR(order, "abc");
    weft_rlock_fini(&rlock);
}

static bool ready;

static int make_ready(void *arg)
{
    (void)arg;
    weft_with_rlock(&rlock) {
        ready = true;
        CHECK_EQ(weft_cond_signal(&cond), 1);
    }
    return 0;
}

TEST_EACH_KIND(a_condition_lets_an_rlock_go_whole_and_takes_it_whole)
{
    begin(t);
    for (int i = 0; i < 3; i++)
        weft_rlock_enter(&rlock);
    CHECK_ERR(weft_cond_wait_rlock(&cond, &rlock, weft_after(WEFT_US)), -ETIMEDOUT);
    spawn_until(make_ready, NULL, "rlock");
    while (!ready)
        CHECK_EQ(weft_cond_wait_rlock(&cond, &rlock, weft_never()), 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(weft_rlock_release(&rlock), 0);
    CHECK_ERR(weft_rlock_release(&rlock), -EPERM);
    end();
    weft_cond_fini(&cond);
    weft_rlock_fini(&rlock);
}

static int end_in_rlock(void *arg)
{
    (void)arg;
    weft_rlock_enter(&rlock);
    weft_rlock_enter(&rlock);
    return 0;
}

TEST_EACH_KIND(an_rlock_left_behind_is_recovered_whole)
{
    weft_reporter_set(hear, NULL);
    begin(t);
    spawn(end_in_rlock, NULL);
    end();
    CHECK_SAYS(said, "ended while holding rlock");
    CHECK_EQ(weft_rlock_acquire(&rlock, weft_never()), WEFT_RECOVERED);
    CHECK_EQ(weft_rlock_acquire(&rlock, weft_never()), 0);
    weft_rlock_leave(&rlock);
    weft_rlock_leave(&rlock);
    CHECK(!weft_rlock_is_held(&rlock));
    weft_rlock_fini(&rlock);
}

/* -- rwlock -- */

static weft_rwlock rwlock = WEFT_RWLOCK_INIT;
static weft_event open_door = WEFT_EVENT_INIT;
static int inside;

static int read_once(void *arg)
{
    CHECK_EQ(weft_rwlock_acquire_read(&rwlock, weft_never()), 0);
    CHECK(weft_rwlock_is_reader(&rwlock) && !weft_rwlock_is_writer(&rwlock));
    note(*(char *)arg);
    CHECK_EQ(weft_rwlock_release(&rwlock), 0);
    return 0;
}

static int write_once(void *arg)
{
    CHECK_EQ(weft_rwlock_acquire_write(&rwlock, weft_never()), 0);
    CHECK(weft_rwlock_is_writer(&rwlock) && !weft_rwlock_is_reader(&rwlock));
    note(*(char *)arg);
    CHECK_EQ(weft_rwlock_release(&rwlock), 0);
    return 0;
}

static int read_together(void *arg)
{
    (void)arg;
    weft_with_read(&rwlock) {
        ADD(inside, 1);
        CHECK_EQ(weft_event_wait(&open_door, weft_never()), 0);
    }
    return 0;
}

TEST_EACH_KIND(readers_read_together)
{
    char w = 'w';
    begin(t);
    for (int i = 0; i < 10; i++)
        spawn(read_together, NULL);
    UNTIL(LOAD(inside) == 10);
    CHECK_ERR(weft_rwlock_acquire_write(&rwlock, weft_at_once()), -ETIMEDOUT);
    CHECK_EQ(weft_rwlock_acquire_read(&rwlock, weft_at_once()), 0);
    CHECK_EQ(weft_rwlock_release(&rwlock), 0);
    spawn_until(write_once, &w, "rwlock (write)");
    weft_event_set(&open_door);
    end();
    CHECK_STR(order, "w");
    weft_rwlock_fini(&rwlock);
}

TEST_EACH_KIND(readers_and_writers_are_served_in_the_order_they_came)
{
    char names[] = "RwrsWxyz"; /* lower case r, s, y, z read; w, W, x write */
    begin(t);
    CHECK_EQ(weft_rwlock_acquire_read(&rwlock, weft_never()), 0);
    spawn(read_once, &names[0]);
    UNTIL(LOAD(order_len) == 1); /* nobody waits: it reads too */
    spawn_until(write_once, &names[1], "rwlock (write)");
    spawn_until(read_once, &names[2], "rwlock (read)"); /* though only readers are inside */
    spawn_until(read_once, &names[3], "rwlock (read)");
    spawn_until(write_once, &names[4], "rwlock (write)");
    spawn_until(write_once, &names[5], "rwlock (write)");
    spawn_until(read_once, &names[6], "rwlock (read)");
    spawn_until(read_once, &names[7], "rwlock (read)");
    CHECK_EQ(weft_rwlock_release(&rwlock), 0);
    end();
    if (order[2] == 's') /* these two together */
        order[2] = 'r', order[3] = 's';
    if (order[6] == 'z')
        order[6] = 'y', order[7] = 'z';
    CHECK_STR(order, names);
    weft_rwlock_fini(&rwlock);
}

static int write_until(void *arg)
{
    int r = weft_rwlock_acquire_write(&rwlock, *(weft_deadline *)arg);
    CHECK(r == -ETIMEDOUT || r == -ECANCELED);
    CHECK_ERR(weft_rwlock_release(&rwlock), -EPERM);
    return 0;
}

TEST_EACH_KIND(a_writer_that_gives_up_lets_the_readers_behind_it_in)
{
    weft_deadline until[2] = { weft_after(10 * WEFT_MS), weft_never() };
    char r = 'r', s = 's';
    begin(t);
    CHECK_EQ(weft_rwlock_acquire_read(&rwlock, weft_never()), 0);
    weft_task writer = spawn(write_until, &until[0]);
    spawn(read_once, &r);
    CHECK_EQ(weft_task_join(writer, NULL, weft_never()), 0);
    UNTIL(LOAD(order_len) == 1);
    writer = spawn_until(write_until, &until[1], "rwlock (write)");
    spawn_until(read_once, &s, "rwlock (read)");
    CHECK_EQ(weft_task_cancel(writer), 0);
    UNTIL(LOAD(order_len) == 2);
    CHECK_EQ(weft_rwlock_release(&rwlock), 0);
    end();
    weft_rwlock_fini(&rwlock);
}

TEST_EACH_KIND(a_reader_comes_in_again_past_a_waiting_writer)
{
    char w = 'w', r = 'r';
    begin(t);
    CHECK_EQ(weft_rwlock_acquire_read(&rwlock, weft_never()), 0);
    spawn_until(write_once, &w, "rwlock (write)");
    spawn_until(read_once, &r, "rwlock (read)");
    CHECK_EQ(weft_rwlock_acquire_read(&rwlock, weft_at_once()), 0);
    weft_rwlock_enter_read(&rwlock);
    CHECK_EQ(weft_rwlock_release(&rwlock), 0);
    CHECK_EQ(weft_rwlock_release(&rwlock), 0);
    weft_yield();
    CHECK_STR(order, "");
    CHECK(weft_rwlock_is_reader(&rwlock));
    CHECK_EQ(weft_rwlock_release(&rwlock), 0);
    CHECK(!weft_rwlock_is_reader(&rwlock));
    CHECK_ERR(weft_rwlock_release(&rwlock), -EPERM);
    end();
    CHECK_STR(order, "wr");
    weft_rwlock_fini(&rwlock);
}

TEST_EACH_KIND(what_would_wait_for_itself_is_refused)
{
    CHECK_ERR(weft_rwlock_init(&rwlock, 1u << 7), -EINVAL);
    CHECK_EQ(weft_rwlock_acquire_write(&rwlock, weft_never()), 0);
    CHECK_ERR(weft_rwlock_acquire_write(&rwlock, weft_never()), -EDEADLK);
    CHECK_ERR(weft_rwlock_acquire_read(&rwlock, weft_never()), -EDEADLK);
    CHECK_EQ(weft_rwlock_release(&rwlock), 0);
    CHECK_EQ(weft_rwlock_acquire_read(&rwlock, weft_never()), 0);
    CHECK_ERR(weft_rwlock_acquire_write(&rwlock, weft_never()), -EDEADLK);
    CHECK_EQ(weft_rwlock_release(&rwlock), 0);
    weft_rwlock_fini(&rwlock);
    begin(t);
    end();
}

static int end_in_rwlock(void *arg)
{
    if (arg)
        weft_rwlock_enter_read(&rwlock);
    else
        weft_rwlock_enter_write(&rwlock);
    return 0;
}

TEST_EACH_KIND(after_a_lost_writer_readers_are_told_until_a_writer_came)
{
    weft_reporter_set(hear, NULL);
    begin(t);
    spawn(end_in_rwlock, NULL);
    end();
    CHECK_SAYS(said, "ended while holding rwlock");
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(weft_rwlock_acquire_read(&rwlock, weft_never()), WEFT_RECOVERED);
        CHECK_EQ(weft_rwlock_acquire_read(&rwlock, weft_never()), WEFT_RECOVERED);
        weft_rwlock_leave(&rwlock);
        weft_rwlock_leave(&rwlock);
    }
    CHECK_EQ(weft_rwlock_acquire_write(&rwlock, weft_never()), WEFT_RECOVERED);
    weft_rwlock_leave(&rwlock);
    CHECK_EQ(weft_rwlock_acquire_read(&rwlock, weft_never()), 0);
    weft_rwlock_leave(&rwlock);
    weft_rwlock_fini(&rwlock);
}

TEST_EACH_KIND(a_lost_reader_is_let_go_and_nobody_is_told)
{
    weft_reporter_set(hear, NULL);
    begin(t);
    spawn(end_in_rwlock, &group);
    end();
    CHECK_SAYS(said, "ended while holding rwlock for reading");
    CHECK_EQ(weft_rwlock_acquire_write(&rwlock, weft_at_once()), 0);
    weft_rwlock_leave(&rwlock);
    weft_rwlock_fini(&rwlock);
}

/* -- barrier -- */

enum { PARTIES = 5, ROUNDS = 20 };

static weft_barrier barrier;
static int arrived, acted, seen[PARTIES], broken;

static int act(void *arg)
{
    CHECK(arg == &acted);
    CHECK_EQ(LOAD(arrived), PARTIES * (LOAD(acted) + 1));
    CHECK_EQ(weft_sleep(weft_after(10 * WEFT_US)), 0);
    CHECK_EQ(LOAD(arrived), PARTIES * (LOAD(acted) + 1)); /* nobody has left */
    ADD(acted, 1);
    return 0;
}

static int meet(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        ADD(arrived, 1);
        int r = weft_barrier_wait(&barrier, weft_after(100 * WEFT_SEC));
        CHECK(r >= 0 && r < PARTIES);
        CHECK_GE(LOAD(acted), i + 1);
        ADD(seen[r], 1);
    }
    return 0;
}

TEST_EACH_KIND(nobody_passes_a_barrier_early)
{
    begin(t);
    CHECK_ERR(weft_barrier_wait(&barrier, weft_never()), -EINVAL);
    CHECK_ERR(weft_barrier_init(&barrier, 0, NULL, NULL, 0), -EINVAL);
    CHECK_ERR(weft_barrier_init(&barrier, 1u << 31, NULL, NULL, 0), -EINVAL);
    CHECK_ERR(weft_barrier_init(&barrier, 1, NULL, NULL, WEFT_SHARED), -EINVAL);
    CHECK_OK(weft_barrier_init(&barrier, PARTIES, act, &acted, 0));
    for (int i = 0; i < PARTIES; i++)
        spawn(meet, NULL);
    end();
    CHECK_EQ(acted, ROUNDS);
    for (int i = 0; i < PARTIES; i++)
        CHECK_EQ(seen[i], ROUNDS); /* each number once a round */
    weft_barrier_fini(&barrier);
}

static int expect_broken(void *arg)
{
    (void)arg;
    CHECK_ERR(weft_barrier_wait(&barrier, weft_never()), -EPIPE);
    ADD(broken, 1);
    return 0;
}

static int give_up(void *arg)
{
    int r = weft_barrier_wait(&barrier, arg ? weft_after(WEFT_US) : weft_never());
    CHECK_EQ(r, arg ? -ETIMEDOUT : -ECANCELED);
    return 0;
}

static int pass(void *arg)
{
    (void)arg;
    CHECK_GE(weft_barrier_wait(&barrier, weft_never()), 0);
    return 0;
}

TEST_EACH_KIND(who_gives_up_breaks_a_barrier_until_its_reset)
{
    weft_barrier fresh = WEFT_BARRIER_INIT(3, NULL, NULL);
    memcpy(&barrier, &fresh, sizeof fresh);
    for (int how = 0; how < 5; how++) {
        begin(t);
        spawn_until(expect_broken, NULL, "barrier");
        if (how == 0)
            spawn(give_up, t);
        else if (how == 1)
            CHECK_EQ(weft_task_cancel(spawn_until(give_up, NULL, "barrier")), 0);
        else if (how == 2)
            CHECK_ERR(weft_barrier_wait(&barrier, weft_at_once()), -ETIMEDOUT);
        else if (how == 3)
            weft_barrier_abort(&barrier);
        else
            weft_barrier_reset(&barrier);
        end();
        CHECK_EQ(weft_barrier_is_broken(&barrier), how < 4);
        if (how < 4)
            CHECK_ERR(weft_barrier_wait(&barrier, weft_never()), -EPIPE);
        weft_barrier_reset(&barrier);
        CHECK(!weft_barrier_is_broken(&barrier));
        begin(t);
        for (int i = 0; i < 6; i++)
            spawn(pass, NULL);
        end();
    }
    CHECK_EQ(broken, 5);
    CHECK_EQ(weft_barrier_waiting(&barrier), 0);
    weft_barrier_fini(&barrier);
}

static int act_slowly(void *arg)
{
    ADD(acted, 1);
    CHECK_EQ(weft_sleep(weft_after(20 * WEFT_MS)), 0);
    return *(int *)arg;
}

/* On a slow machine it may give up before the other has come. */
static int pass_soon(void *arg)
{
    int r = weft_barrier_wait(&barrier, weft_after(5 * WEFT_MS));
    CHECK(r == *(int *)arg || (r == -ETIMEDOUT && !LOAD(acted)));
    return 0;
}

/* All are there before any deadline; the action is longer than all of them. */
TEST_EACH_KIND(nobody_gives_up_while_the_action_runs)
{
    int result = 0, number = 0;
    begin(t);
    CHECK_OK(weft_barrier_init(&barrier, 2, act_slowly, &result, 0));
    spawn(pass_soon, &number);
    UNTIL(weft_barrier_waiting(&barrier) == 1 || weft_barrier_is_broken(&barrier));
    int r = weft_barrier_wait(&barrier, weft_after(5 * WEFT_MS));
    CHECK(r == 1 || r == -EPIPE);
    end();
    weft_barrier_fini(&barrier);
}

TEST_EACH_KIND(an_action_that_fails_breaks_the_barrier)
{
    int result = -EIO;
    begin(t);
    CHECK_OK(weft_barrier_init(&barrier, 3, act_slowly, &result, 0));
    spawn_until(expect_broken, NULL, "barrier");
    spawn_until(expect_broken, NULL, "barrier");
    CHECK_ERR(weft_barrier_wait(&barrier, weft_never()), -EIO);
    end();
    CHECK(weft_barrier_is_broken(&barrier));
    weft_barrier_fini(&barrier);
}

/* -- once -- */

static weft_once once = WEFT_ONCE_INIT;
static int runs;

static int run_slowly(void *arg)
{
    (void)arg;
    CHECK_ERR(weft_once_run(&once, run_slowly, NULL, weft_never()), -EDEADLK);
    CHECK(!weft_once_is_done(&once));
    int r = weft_sleep(weft_after(50 * WEFT_US));
    ADD(runs, 1);
    return r < 0 ? r : 42;
}

static int run_once(void *arg)
{
    (void)arg;
    CHECK_EQ(weft_once_run(&once, run_slowly, NULL, weft_never()), 42);
    CHECK(weft_once_is_done(&once));
    return 0;
}

TEST_EACH_KIND(once_is_once)
{
    begin(t);
    CHECK_ERR(weft_once_init(&once, WEFT_SHARED), -EINVAL);
    for (int i = 0; i < 20; i++)
        spawn(run_once, NULL);
    end();
    CHECK_EQ(runs, 1);
    CHECK_EQ(weft_once_run(&once, run_slowly, NULL, weft_at_once()), 42);
    CHECK_EQ(runs, 1);
    weft_once_fini(&once);
    CHECK(!weft_once_is_done(&once));
}

static int fail_at_first(void *arg)
{
    (void)arg;
    int r = weft_event_wait(&open_door, weft_never());
    return ADD(runs, 1) < 3 ? -EIO : r;
}

static int run_failing(void *results)
{
    int r = weft_once_run(&once, fail_at_first, NULL, weft_never());
    ADD(((int *)results)[r == 0 ? 0 : r == -EIO ? 1 : 2], 1);
    return 0;
}

TEST_EACH_KIND(what_fails_is_run_again_by_the_first_who_waits)
{
    int results[3] = { 0 };
    begin(t);
    weft_task runner = spawn_until(run_failing, results, "event");
    for (int i = 0; i < 8; i++)
        spawn_until(run_failing, results, "once");
    CHECK_EQ(weft_task_cancel(runner), 0); /* the cancel's own error, on top of the first -EIO */
    UNTIL(LOAD(runs) == 1);
    weft_event_set(&open_door);
    end();
    CHECK_EQ(runs, 3);
    CHECK_EQ(results[0], 7);
    CHECK_EQ(results[1], 2);
    CHECK_EQ(results[2], 0);
    weft_once_fini(&once);
    weft_event_fini(&open_door);
}

/* -- blocks -- */

static weft_lock lock = WEFT_LOCK_INIT;
static weft_semaphore sem = WEFT_SEMAPHORE_INIT_BOUNDED(2, 2);

static int leave_by(int way)
{
    for (int i = 0; i < 3; i++) {
        weft_with_lock(&lock)
            weft_with_rlock(&rlock)
                weft_with_rlock(&rlock) {
                    weft_with_write(&rwlock) {
                        CHECK(weft_lock_is_held(&lock) && weft_rwlock_is_writer(&rwlock));
                        if (way == 0)
                            return i;
                        if (way == 1)
                            break;
                        if (way == 2)
                            continue;
                        if (way == 3)
                            goto out;
                    }
                    CHECK(!weft_rwlock_is_writer(&rwlock));
                    CHECK(weft_lock_is_held(&lock));
                }
        CHECK(!weft_lock_is_held(&lock) && !weft_rlock_is_held(&rlock));
    }
    return 3;
out:
    return 4;
}

static int leave_semaphore_by(int way)
{
    int r;
    weft_with_semaphore(&sem, weft_at_once(), &r) {
        CHECK_EQ(weft_semaphore_value(&sem), 1);
        weft_with_semaphore(&sem, weft_after(WEFT_SEC), &r) {
            if (way == 0)
                return 0;
            if (way == 1)
                break;
            weft_with_semaphore(&sem, weft_after(WEFT_US), &r)
                FAIL("the third came in");
            CHECK_ERR(r, -ETIMEDOUT);
        }
    }
    return r;
}

static int hold_until_told(void *arg)
{
    weft_event *told = arg;
    weft_with_lock(&lock)
        weft_with_rlock(&rlock)
            weft_with_write(&rwlock)
                return weft_event_wait(told, weft_never());
    return -1;
}

/* The blocks with a deadline run, or not: where. */
static int run_until(weft_deadline deadline, int expected)
{
    int r[4] = { 77, 77, 77, 77 }, ran = 0;
    weft_with_lock_until(&lock, deadline, &r[0]) ran += weft_lock_is_held(&lock);
    weft_with_rlock_until(&rlock, deadline, &r[1]) ran += weft_rlock_is_held(&rlock);
    weft_with_read_until(&rwlock, deadline, &r[2]) ran += weft_rwlock_is_reader(&rwlock);
    weft_with_write_until(&rwlock, deadline, &r[3]) ran += weft_rwlock_is_writer(&rwlock);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(r[i], expected);
    CHECK(!weft_lock_is_held(&lock) && !weft_rlock_is_held(&rlock));
    CHECK(!weft_rwlock_is_reader(&rwlock) && !weft_rwlock_is_writer(&rwlock));
    return ran;
}

TEST_EACH_KIND(a_block_with_a_deadline_runs_if_it_has_the_lock)
{
    weft_event told = WEFT_EVENT_INIT;
    weft_group g;
    CHECK_EQ(run_until(weft_never(), 0), 4);
    CHECK_OK(weft_group_init(&g, 0));
    weft_task task;
    struct weft_spawn more = { .size = sizeof more, .task = &task };
    CHECK_EQ(weft_group_spawn_with(&g, t->kind, hold_until_told, &told, &more), 0);
    UNTIL(waits_for(task, "event"));
    CHECK_EQ(run_until(weft_after(WEFT_MS), -ETIMEDOUT), 0);
    weft_event_set(&told);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    CHECK_EQ(run_until(weft_at_once(), 0), 4);
    weft_group_fini(&g);
}

TEST_EACH_KIND(a_block_lets_go_whatever_way_it_is_left)
{
    static const int expected[] = { 0, 3, 3, 4, 3 };
    weft_lock *at = &lock;
    kind = t->kind;
    for (int way = 0; way < 5; way++) {
        CHECK_EQ(leave_by(way), expected[way]);
        CHECK(!weft_lock_is_held(&lock) && !weft_rlock_is_held(&rlock));
        CHECK(!weft_rwlock_is_writer(&rwlock));
    }
    for (int way = 0; way < 3; way++) {
        CHECK_EQ(leave_semaphore_by(way), way == 2 ? -ETIMEDOUT : 0);
        CHECK_EQ(weft_semaphore_value(&sem), 2);
    }
    weft_with_lock(at++) /* evaluated once */
        CHECK(weft_lock_is_held(&lock));
    CHECK(at == &lock + 1);
    weft_with_read(&rwlock)
        weft_with_read(&rwlock)
            CHECK(weft_rwlock_is_reader(&rwlock));
    CHECK(!weft_rwlock_is_reader(&rwlock));
}

/* -- circles -- */

static int take(int n)
{
    return n == 0   ? weft_lock_acquire(&lock, weft_never())
           : n == 1 ? weft_rlock_acquire(&rlock, weft_never())
                    : weft_rwlock_acquire_write(&rwlock, weft_never());
}

static int let_go(int n)
{
    return n == 0   ? weft_lock_release(&lock)
           : n == 1 ? weft_rlock_release(&rlock)
                    : weft_rwlock_release(&rwlock);
}

static weft_barrier all_have_one = WEFT_BARRIER_INIT(3, NULL, NULL);
static int refused;

static int take_two(void *arg)
{
    int n = (int)(intptr_t)arg;
    CHECK_EQ(take(n), 0);
    CHECK_GE(weft_barrier_wait(&all_have_one, weft_never()), 0);
    int r = take((n + 1) % 3);
    if (r == -EDEADLK)
        ADD(refused, 1);
    else
        CHECK_EQ(let_go((n + 1) % 3), 0);
    CHECK_EQ(let_go(n), 0);
    return 0;
}

TEST_EACH_KIND(a_circle_over_locks_of_three_sorts_is_told)
{
    CHECK_EQ(setenv("WEFT_ON_DEADLOCK", "fail", 1), 0);
    weft_reporter_set(hear, NULL);
    begin(t);
    for (int n = 0; n < 3; n++)
        spawn(take_two, (void *)(intptr_t)n);
    end();
    CHECK_EQ(refused, 1);
    CHECK_SAYS(said, "one of them gets -EDEADLK");
}

/* -- bugs -- */

static void leave_rlock(void *arg)
{
    weft_rlock_leave(arg);
}
static void fini_rlock(void *arg)
{
    weft_rlock_enter(arg);
    weft_rlock_fini(arg);
}
static void leave_rwlock(void *arg)
{
    weft_rwlock_leave(arg);
}
static void upgrade(void *arg)
{
    weft_rwlock_enter_read(arg);
    weft_rwlock_enter_write(arg);
}
static void write_twice(void *arg)
{
    weft_rwlock_enter_write(arg);
    weft_rwlock_enter_read(arg);
}
static void fini_read(void *arg)
{
    weft_rwlock_enter_read(arg);
    weft_rwlock_fini(arg);
}
static int fini_inside(void *arg)
{
    weft_once_fini(arg);
    return 0;
}
static void fini_once(void *arg)
{
    (void)weft_once_run(arg, fini_inside, arg, weft_never());
}

TEST_REAL(misuse_is_a_bug, "processes")
{
    CHECK_BUG(leave_rlock, &rlock, "which it does not hold");
    CHECK_BUG(fini_rlock, &rlock, "torn down while it is held");
    CHECK_BUG(leave_rwlock, &rwlock, "which it does not hold");
    CHECK_BUG(upgrade, &rwlock, "to write, which it holds already");
    CHECK_BUG(write_twice, &rwlock, "to read, which it holds already");
    CHECK_BUG(fini_read, &rwlock, "torn down while it is held");
    CHECK_BUG(fini_once, &once, "torn down while it runs");
}

/* -- dumps -- */

static int hold_three(void *arg)
{
    (void)arg;
    weft_with_lock(&lock)
        weft_with_rlock(&rlock)
            weft_with_read(&rwlock)
                CHECK_EQ(weft_event_wait(&open_door, weft_never()), 0);
    return 0;
}

TEST_EACH_KIND_REAL(a_dump_shows_what_each_holds, "pipes")
{
    char text[4000], expected[200];
    int ends[2];
    begin(t);
    CHECK_EQ(pipe(ends), 0);
    spawn_until(hold_three, NULL, "event");
    CHECK_EQ(weft_dump(ends[1]), 0);
    ssize_t n = read(ends[0], text, sizeof text - 1);
    CHECK_GT(n, 0);
    text[n] = 0;
    snprintf(expected, sizeof expected, "holds lock %p, taken at " __FILE__ ":", (void *)&lock);
    CHECK_SAYS(text, expected);
    snprintf(expected, sizeof expected, "holds rlock %p, taken at " __FILE__ ":", (void *)&rlock);
    CHECK_SAYS(text, expected);
    snprintf(expected, sizeof expected, "holds rwlock for reading %p, taken at " __FILE__ ":",
             (void *)&rwlock);
    CHECK_SAYS(text, expected);
    weft_event_set(&open_door);
    end();
    close(ends[0]);
    close(ends[1]);
}
