/* Beginnings and ends: who may call, weft_run, weft_stop, exit(), fork() by others, signals, overflows. */
#include "until.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

static int give(void *arg)
{
    return (int)(intptr_t)arg;
}

static int count(void *arg)
{
    ADD(*(int *)arg, 1);
    return 0;
}

static int shared_count(void)
{
    weft_group g;
    int ran = 0;
    CHECK_OK(weft_group_init(&g, 0));
    for (int i = 0; i < 10; i++)
        CHECK_EQ(weft_group_spawn(&g, i % 3 ? WEFT_COROUTINE : WEFT_THREAD, count, &ran), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    weft_group_fini(&g);
    return ran;
}

/* -- weft_run and weft_stop -- */

static int nested_run(void *arg)
{
    CHECK_ERR(weft_run(give, arg), -EBUSY);
    CHECK_ERR(weft_stop(weft_at_once()), -EBUSY);
    CHECK_EQ(shared_count(), 10);
    return 5;
}

TEST(run_gives_its_functions_result_before_and_after_the_start)
{
    CHECK_EQ(weft_run(nested_run, NULL), 5);
    CHECK_EQ(weft_run(give, (void *)-EIO), -EIO);
    CHECK_EQ(shared_count(), 10); /* starts the runtime by itself */
    CHECK_EQ(weft_run(nested_run, NULL), 5);
    CHECK_ERR(weft_run(NULL, NULL), -EINVAL);
    CHECK_EQ(weft_stop(weft_never()), 0);
    CHECK_EQ(weft_run(nested_run, NULL), 5);
    CHECK_EQ(weft_stop(weft_never()), 0);
    CHECK_EQ(weft_stop(weft_never()), 0);
}

TEST_EACH_KIND(no_task_stops_the_runtime_or_runs_another)
{
    weft_group g;
    weft_task task;
    struct weft_exit how = { .size = sizeof how };
    struct weft_spawn more = { .size = sizeof more, .task = &task };
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_EQ(weft_group_spawn_with(&g, t->kind, nested_run, NULL, &more), 0);
    CHECK_EQ(weft_task_join(task, &how, weft_never()), 0);
    CHECK_EQ(how.result, 5);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    weft_group_fini(&g);
}

static int sleep_then_count(void *arg)
{
    CHECK_EQ(weft_sleep(weft_after(2 * WEFT_MS)), 0);
    return count(arg);
}

static int until_cancelled(void *arg)
{
    CHECK_ERR(weft_sleep(weft_never()), -ECANCELED);
    return count(arg);
}

static int background_ran, daemons_ended;

static int spawn_background(void *arg)
{
    unsigned kind = (unsigned)(uintptr_t)arg;
    CHECK_EQ(weft_group_spawn(weft_background(), kind, sleep_then_count, &background_ran), 0);
    CHECK_EQ(
        weft_group_spawn(weft_background(), kind | WEFT_DAEMON, until_cancelled, &daemons_ended), 0);
    return 3;
}

TEST_EACH_KIND(run_waits_for_the_background_and_cancels_daemons)
{
    CHECK_EQ(weft_run(spawn_background, (void *)(uintptr_t)t->kind), 3);
    CHECK_EQ(background_ran, 1);
    CHECK_EQ(daemons_ended, 1);
}

TEST_EACH_KIND(stop_waits_for_the_background_and_cancels_daemons)
{
    for (int i = 1; i < 4; i++) {
        spawn_background((void *)(uintptr_t)t->kind);
        CHECK_EQ(weft_stop(weft_never()), 0);
        CHECK_EQ(background_ran, i);
        CHECK_EQ(daemons_ended, i);
    }
}

TEST_EACH_KIND(stop_gives_up_at_its_deadline_and_the_runtime_goes_on)
{
    weft_event go = WEFT_EVENT_INIT;
    weft_task task;
    struct weft_spawn more = { .size = sizeof more, .task = &task };
    CHECK_EQ(
        weft_group_spawn_with(weft_background(), t->kind, until_cancelled, &background_ran, &more),
        0);
    CHECK_ERR(weft_stop(weft_after(WEFT_MS)), -ETIMEDOUT);
    CHECK_EQ(shared_count(), 10);
    CHECK_EQ(weft_task_cancel(task), 0);
    CHECK_EQ(weft_stop(weft_never()), 0);
    CHECK_EQ(background_ran, 1);
    weft_event_fini(&go);
}

TEST(a_background_task_is_joined_once)
{
    weft_task task;
    struct weft_exit how = { .size = sizeof how };
    struct weft_spawn more = { .size = sizeof more, .task = &task };
    CHECK_EQ(weft_group_spawn_with(weft_background(), WEFT_COROUTINE, give, (void *)6, &more), 0);
    CHECK_EQ(weft_task_join(task, &how, weft_never()), 0);
    CHECK_EQ(how.result, 6);
    UNTIL(weft_task_join(task, NULL, weft_at_once()) == -ESRCH);
    CHECK_EQ(weft_group_spawn_with(weft_background(), WEFT_COROUTINE, give, (void *)-EIO, &more), 0);
    UNTIL(!weft_task_is_alive(task));
    CHECK_EQ(weft_task_join(task, &how, weft_never()), 0);
    CHECK_EQ(how.result, -EIO);
    CHECK_ERR(weft_task_join(task, NULL, weft_never()), -ESRCH);
}

struct job {
    int in, out;
};

static int square(void *arg)
{
    struct job *job = arg;
    job->out = job->in * job->in;
    return 0;
}

TEST(a_join_brings_a_background_job_back)
{
    for (int late = 0; late < 2; late++) {
        weft_task task;
        struct job job = { 9, 0 };
        struct weft_spawn more = { .size = sizeof more, .task = &task };
        CHECK_EQ(weft_group_spawn_at(weft_background(), WEFT_COROUTINE, square, &job, sizeof job,
                                     &more, "square"),
                 0);
        if (late)
            UNTIL(!weft_task_is_alive(task));
        CHECK_EQ(weft_task_join(task, NULL, weft_never()), 0);
        CHECK_EQ(job.out, 81);
    }
}

TEST(of_background_tasks_the_last_4096_are_kept)
{
    weft_task first, last;
    struct weft_spawn more = { .size = sizeof more, .task = &first };
    if (t->seed)
        SKIP("too many for a seeded run");
    CHECK_EQ(weft_group_spawn_with(weft_background(), WEFT_COROUTINE, give, NULL, &more), 0);
    UNTIL(!weft_task_is_alive(first));
    more.task = &last;
    for (int i = 0; i < 4200; i++) {
        CHECK_EQ(weft_group_spawn_with(weft_background(), WEFT_COROUTINE, give, NULL, &more), 0);
        if (i % 64 == 0)
            UNTIL(!weft_task_is_alive(last));
    }
    UNTIL(!weft_task_is_alive(last));
    UNTIL(weft_task_join(first, NULL, weft_at_once()) == -ESRCH);
    CHECK_EQ(weft_task_join(last, NULL, weft_never()), 0);
}

/* -- exit -- */

static int *page; /* shared with children */

static int sleep_then_page(void *arg)
{
    CHECK_EQ(weft_sleep(weft_after(5 * WEFT_MS)), 0);
    ADD(page[(intptr_t)arg], 1);
    return 0;
}

static int page_when_cancelled(void *arg)
{
    CHECK_ERR(weft_sleep(weft_never()), -ECANCELED);
    ADD(page[(intptr_t)arg], 1);
    return 0;
}

static unsigned exit_kind;

static int exit_now(void *arg)
{
    exit((int)(intptr_t)arg);
}

static int wait_for_an_exit(void *arg)
{
    weft_group g;
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_EQ(weft_group_spawn(&g, exit_kind, exit_now, arg), 0);
    CHECK_OK(weft_group_wait(&g, weft_never()));
    return 0;
}

static void start_both(void)
{
    CHECK_EQ(weft_group_spawn(weft_background(), WEFT_COROUTINE, sleep_then_page, (void *)0), 0);
    CHECK_EQ(weft_group_spawn(weft_background(), WEFT_THREAD, sleep_then_page, (void *)0), 0);
    CHECK_EQ(weft_group_spawn(weft_background(), WEFT_COROUTINE | WEFT_DAEMON, page_when_cancelled,
                              (void *)1),
             0);
    CHECK_EQ(weft_group_spawn(weft_background(), WEFT_THREAD | WEFT_DAEMON, page_when_cancelled,
                              (void *)1),
             0);
}

static void exit_from_main(void *arg)
{
    start_both();
    exit((int)(intptr_t)arg);
}

static void exit_from_a_background_task(void *arg)
{
    start_both();
    CHECK_EQ(weft_group_spawn(weft_background(), exit_kind, exit_now, arg), 0);
    for (;;)
        pause();
}

static void exit_from_below_a_background_task(void *arg)
{
    start_both();
    CHECK_EQ(weft_group_spawn(weft_background(), exit_kind, wait_for_an_exit, arg), 0);
    for (;;)
        pause();
}

static int start_and_exit(void *arg)
{
    start_both();
    exit((int)(intptr_t)arg);
}

static void exit_under_run(void *arg)
{
    weft_run(start_and_exit, arg);
}

static int start_and_wait_for_exit(void *arg)
{
    start_both();
    return wait_for_an_exit(arg);
}

static void exit_below_run(void *arg)
{
    weft_run(start_and_wait_for_exit, arg);
}

static void *exit_thread(void *arg)
{
    exit((int)(intptr_t)arg);
}

static void exit_from_a_foreign_thread(void *arg)
{
    pthread_t thread;
    start_both();
    CHECK_EQ(pthread_create(&thread, NULL, exit_thread, arg), 0);
    for (;;)
        pause();
}

TEST_EACH_KIND_REAL(exit_waits_for_the_background_and_ends_daemons, "processes")
{
    static void (*const ways[])(void *) = { exit_from_main,
                                            exit_from_a_background_task,
                                            exit_from_below_a_background_task,
                                            exit_under_run,
                                            exit_below_run,
                                            exit_from_a_foreign_thread };
    char said[2000];
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    exit_kind = t->kind;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        page[0] = page[1] = 0;
        int64_t start = weft_now().ns;
        int status = in_child(ways[i], (void *)7, said, sizeof said);
        CHECK_STR(said, "");
        CHECK(WIFEXITED(status));
        CHECK_EQ(WEXITSTATUS(status), 7);
        CHECK_EQ(page[0], 2);
        CHECK_EQ(page[1], 2);
        if (!t_slow_build() && weft_now().ns - start > 900 * WEFT_MS)
            FAIL("way %zu took the whole grace", i);
    }
}

static int never_looks(void *arg)
{
    (void)arg;
    for (volatile bool always = true; always;)
        __asm__ volatile("");
    return 0;
}

static void exit_with_a_busy_daemon(void *arg)
{
    setenv("WEFT_EXIT_GRACE", arg, 1);
    CHECK_EQ(weft_group_spawn(weft_background(), WEFT_COROUTINE | WEFT_DAEMON, never_looks, NULL),
             0);
    exit(4);
}

TEST_REAL(a_daemon_that_does_not_end_gets_the_grace, "processes")
{
    char said[2000];
    int64_t start = weft_now().ns;
    int status = in_child(exit_with_a_busy_daemon, "50", said, sizeof said);
    int64_t took = weft_now().ns - start;
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 4);
    CHECK_GE(took, 50 * WEFT_MS);
    if (!t_slow_build())
        CHECK_LT(took, 900 * WEFT_MS);
}

static void stop_again_and_again(void *arg)
{
    (void)arg;
    setenv("WEFT_EXIT_GRACE", "0", 1);
    for (long i = 0; i < t_rounds(200); i++) {
        CHECK_EQ(shared_count(), 10);
        CHECK_EQ(weft_stop(weft_never()), 0);
    }
}

TEST_REAL(idle_workers_are_waited_for_whatever_the_grace, "processes")
{
    char said[2000];
    CHECK_EQ(in_child(stop_again_and_again, NULL, said, sizeof said), 0);
    CHECK_STR(said, "");
}

static weft_lock late_lock = WEFT_LOCK_INIT;

static void late(void)
{
    weft_group g;
    weft_lock_enter(&late_lock);
    weft_lock_leave(&late_lock);
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_LT(weft_group_spawn(&g, WEFT_COROUTINE, give, NULL), 0);
    CHECK_LT(weft_group_wait(&g, weft_never()), 0);
    CHECK(weft_sleep(weft_after(WEFT_MS)) <= 0);
    page[0] = 1;
}

static void exit_with_a_late_handler(void *arg)
{
    atexit(late);
    (void)arg;
    wait_for_an_exit((void *)3);
}

TEST_EACH_KIND_REAL(destructors_that_use_weft_do_not_hang, "processes")
{
    char said[2000];
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    exit_kind = t->kind;
    int status = in_child(exit_with_a_late_handler, NULL, said, sizeof said);
    CHECK_STR(said, "");
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 3);
    CHECK_EQ(page[0], 1);
}

/* -- fork by others -- */

static int hold_for_ever(void *lock)
{
    weft_lock_enter(lock);
    ADD(page[0], 1);
    CHECK_ERR(weft_sleep(weft_never()), -ECANCELED);
    weft_lock_leave(lock);
    return 0;
}

/* A lost task reads one, writes the other, holds an rlock twice and runs a once. */
static weft_rlock lost_rlock;
static weft_rwlock lost_read, lost_write;
static weft_once lost_once;

static int hold_all(void *lock)
{
    weft_with_rlock(&lost_rlock)
        weft_with_rlock(&lost_rlock)
            weft_with_read(&lost_read)
                weft_with_write(&lost_write)
                    return hold_for_ever(lock);
    return 0;
}

static int hold_in_once(void *lock)
{
    return weft_once_run(&lost_once, hold_all, lock, weft_never());
}

static int one(void *arg)
{
    (void)arg;
    return 1;
}

static void check_lost(void)
{
    CHECK_EQ(weft_rlock_acquire(&lost_rlock, weft_at_once()), WEFT_RECOVERED);
    weft_rlock_leave(&lost_rlock);
    CHECK(!weft_rlock_is_held(&lost_rlock));
    CHECK_EQ(weft_rwlock_acquire_write(&lost_read, weft_at_once()), 0);
    weft_rwlock_leave(&lost_read);
    CHECK_EQ(weft_rwlock_acquire_write(&lost_write, weft_at_once()), WEFT_RECOVERED);
    weft_rwlock_leave(&lost_write);
    CHECK_EQ(weft_once_run(&lost_once, one, NULL, weft_at_once()), 1);
}

static void check_child(weft_lock *lost, weft_task stale)
{
    CHECK_ERR(weft_task_join(stale, NULL, weft_never()), -ESRCH);
    CHECK_EQ(weft_lock_acquire(lost, weft_after(5 * WEFT_SEC)), WEFT_RECOVERED);
    CHECK_EQ(weft_lock_release(lost), 0);
    CHECK_EQ(weft_lock_acquire(lost, weft_never()), 0);
    CHECK_EQ(weft_lock_release(lost), 0);
    CHECK_EQ(shared_count(), 10);
    CHECK_EQ(weft_stop(weft_never()), 0);
    CHECK_EQ(weft_run(nested_run, NULL), 5);
}

static void wait_for_child(pid_t pid)
{
    int status;
    CHECK_GE(pid, 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
}

TEST_EACH_KIND_REAL(a_forked_child_uses_weft_afresh, "processes")
{
    FORKS_AMONG_THREADS();
    static weft_lock lock = WEFT_LOCK_INIT, mine = WEFT_LOCK_INIT;
    weft_group g;
    weft_task task;
    struct weft_spawn more = { .size = sizeof more, .task = &task };
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_EQ(weft_group_spawn_with(&g, t->kind, hold_in_once, &lock, &more), 0);
    UNTIL(LOAD(page[0]) == 1);
    weft_lock_enter(&mine);
    for (int i = 0; i < 5; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            CHECK(weft_lock_is_held(&mine)); /* by the thread that forked */
            CHECK_ERR(weft_lock_acquire(&mine, weft_at_once()), -EDEADLK);
            weft_lock_leave(&mine);
            check_lost();
            check_child(&lock, task);
            exit(0);
        }
        wait_for_child(pid);
        CHECK_EQ(shared_count(), 10); /* the parent is unharmed */
    }
    weft_lock_leave(&mine);
    CHECK_ERR(weft_lock_acquire(&lock, weft_at_once()), -ETIMEDOUT);
    weft_group_cancel(&g);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    weft_group_fini(&g);
}

static int fork_inside(void *arg)
{
    weft_lock own = WEFT_LOCK_INIT;
    weft_task self = weft_task_self();
    (void)arg;
    weft_lock_enter(&own);
    pid_t pid = fork();
    if (pid == 0) {
        CHECK(weft_lock_is_held(&own));
        weft_lock_leave(&own);
        CHECK_EQ(weft_task_self().id != 0, 1);
        CHECK_EQ(shared_count(), 10);
        CHECK_EQ(weft_sleep(weft_after(WEFT_MS)), 0);
        CHECK_EQ(weft_stop(weft_never()), 0);
        return 0; /* the child ends here */
    }
    wait_for_child(pid);
    CHECK_EQ(weft_task_self().id, self.id);
    weft_lock_leave(&own);
    return weft_yield();
}

static int fork_as_a_call(void *arg)
{
    weft_group g;
    (void)arg;
    CHECK_OK(weft_group_init(&g, WEFT_FORK));
    CHECK_EQ(weft_group_spawn(&g, WEFT_COROUTINE, fork_inside, NULL), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    weft_group_fini(&g);
    return 0;
}

TEST_EACH_KIND_REAL(a_task_may_fork, "processes")
{
    FORKS_AMONG_THREADS();
    weft_group g;
    CHECK_OK(weft_group_init(&g, 0));
    for (int i = 0; i < 4; i++)
        CHECK_EQ(weft_group_spawn(&g, t->kind, i % 2 ? fork_as_a_call : fork_inside, NULL), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    CHECK_EQ(weft_run(fork_inside, NULL), 0);
    CHECK_EQ(weft_stop(weft_never()), 0);
    CHECK_EQ(weft_run(fork_inside, NULL), 0); /* the caller is worker 0 */
    weft_group_fini(&g);
}

static int busy;

static int keep_busy(void *arg)
{
    (void)arg;
    while (!LOAD(busy)) {
        weft_group g;
        CHECK_OK(weft_group_init(&g, 0));
        for (int i = 0; i < 5; i++)
            CHECK_EQ(weft_group_spawn(&g, WEFT_COROUTINE, give, NULL), 0);
        CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
        CHECK_EQ(weft_yield(), 0);
    }
    return 0;
}

TEST_REAL(forks_while_workers_run, "processes")
{
    FORKS_AMONG_THREADS();
    weft_group g;
    CHECK_OK(weft_group_init(&g, 0));
    for (int i = 0; i < 3; i++)
        CHECK_EQ(weft_group_spawn(&g, WEFT_COROUTINE, keep_busy, NULL), 0);
    for (int i = 0; i < (t_slow_build() ? 5 : 30); i++) {
        pid_t pid = fork();
        if (pid == 0) {
            CHECK_EQ(shared_count(), 10);
            exit(0);
        }
        wait_for_child(pid);
    }
    STORE(busy, 1);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    weft_group_fini(&g);
}

static weft_event flag = WEFT_EVENT_INIT;
static weft_queue pipeline;
static weft_semaphore units;
static weft_cond cond = WEFT_COND_INIT;
static weft_lock taken_often = WEFT_LOCK_INIT;

/* All objects, one short section after the other. */
static void touch_all(void)
{
    long value = 7;
    weft_event_set(&flag);
    weft_event_clear(&flag);
    CHECK_EQ(weft_event_wait(&flag, weft_at_once()) % ETIMEDOUT, 0);
    CHECK_EQ(weft_queue_put(&pipeline, &value, sizeof value, weft_at_once()) % ETIMEDOUT, 0);
    int r = weft_queue_get(&pipeline, &value, sizeof value, weft_at_once());
    CHECK(r == 1 ? value == 7 : r == -ETIMEDOUT);
    CHECK_OK(weft_semaphore_release(&units, 1));
    CHECK_EQ(weft_semaphore_acquire(&units, weft_at_once()) % ETIMEDOUT, 0);
    weft_cond_signal(&cond);
    CHECK_OK(weft_lock_acquire(&taken_often, weft_never()));
    CHECK_EQ(weft_lock_release(&taken_often), 0);
}

static int touch_on(void *arg)
{
    (void)arg;
    while (!LOAD(busy)) {
        touch_all();
        CHECK_EQ(weft_yield(), 0);
    }
    return 0;
}

TEST_EACH_KIND_REAL(a_fork_finds_nobody_in_the_middle, "processes")
{
    FORKS_AMONG_THREADS();
    static long slots[8];
    weft_group g;
    CHECK_EQ(weft_queue_init(&pipeline, slots, 8, sizeof *slots, 0), 0);
    CHECK_EQ(weft_semaphore_init(&units, 0, 0, 0), 0);
    CHECK_OK(weft_group_init(&g, 0));
    for (int i = 0; i < 3; i++)
        CHECK_EQ(weft_group_spawn(&g, t->kind, touch_on, NULL), 0);
    for (int i = 0; i < 50; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            alarm(20); /* a bit that stays set is waited for without end */
            for (int k = 0; k < 10; k++)
                touch_all();
            CHECK_LE(weft_queue_length(&pipeline), 8);
            CHECK_EQ(shared_count(), 10);
            exit(0);
        }
        wait_for_child(pid);
    }
    STORE(busy, 1);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    weft_group_fini(&g);
}

static int wait_for_flag(void *arg)
{
    (void)arg;
    return weft_event_wait(&flag, weft_never());
}

static int wait_for_value(void *arg)
{
    long value;
    (void)arg;
    return weft_queue_get(&pipeline, &value, sizeof value, weft_never());
}

static int wait_for_lock(void *lock)
{
    int r = weft_lock_acquire(lock, weft_never());
    if (r >= 0)
        weft_lock_leave(lock);
    return r;
}

static int wait_for_signal(void *lock)
{
    weft_lock_enter(lock);
    int r = weft_cond_wait(&cond, lock, weft_never());
    weft_lock_leave(lock);
    return r;
}

static int wait_for_any(void *lock)
{
    long value;
    struct weft_case on[] = { weft_on_event(&flag), weft_on_get(&pipeline, &value, sizeof value),
                              weft_on_lock(lock), weft_on_time(weft_after(3600 * WEFT_SEC)) };
    return weft_select(on, 4, weft_never());
}

static int write_on_stack(void *arg)
{
    char bytes[32 * 1024];
    (void)arg;
    memset(bytes, 0x55, sizeof bytes);
    CHECK_EQ(weft_sleep(weft_after(WEFT_MS)), 0);
    return bytes[t_rounds(1)] - 0x55;
}

static void forget_waiters(weft_lock *lock)
{
    weft_group g;
    long value = 1;
    CHECK_OK(weft_group_init(&g, 0));
    for (int i = 0; i < 8; i++) /* on the stacks of those who waited */
        CHECK_EQ(weft_group_spawn(&g, i % 2 ? WEFT_THREAD : WEFT_COROUTINE, write_on_stack, NULL),
                 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    CHECK_EQ(weft_queue_put(&pipeline, &value, sizeof value, weft_at_once()), 0);
    CHECK_EQ(weft_queue_get(&pipeline, &value, sizeof value, weft_at_once()), 1);
    CHECK_EQ(weft_cond_signal(&cond), 0); /* nobody */
    weft_lock_leave(lock);
    CHECK_EQ(weft_lock_acquire(lock, weft_at_once()), 0);
    weft_lock_leave(lock);
    weft_event_set(&flag);
    weft_queue_fini(&pipeline);
    weft_cond_fini(&cond);
    weft_lock_fini(lock);
    weft_event_fini(&flag);
    CHECK_EQ(weft_stop(weft_never()), 0);
}

TEST_EACH_KIND_REAL(a_forked_child_has_nobody_waiting, "processes")
{
    FORKS_AMONG_THREADS();
    static weft_fn *const fns[] = { wait_for_flag, wait_for_value, wait_for_signal, wait_for_lock,
                                    wait_for_any };
    static const char *const reasons[] = { "event", "get", "cond", "lock", "select" };
    static weft_lock lock = WEFT_LOCK_INIT;
    static long slots[1];
    weft_group g;
    CHECK_EQ(weft_queue_init(&pipeline, slots, 1, sizeof *slots, 0), 0);
    CHECK_OK(weft_group_init(&g, 0));
    for (int i = 0; i < 10; i++) {
        weft_task task;
        struct weft_spawn more = { .size = sizeof more, .task = &task };
        CHECK_EQ(weft_group_spawn_with(&g, t->kind, fns[i / 2], &lock, &more), 0);
        UNTIL(waits_for(task, reasons[i / 2]));
        if (i == 5)
            weft_lock_enter(&lock);
    }
    pid_t pid = fork();
    if (pid == 0) {
        alarm(20);
        forget_waiters(&lock);
        exit(0);
    }
    wait_for_child(pid);
    weft_lock_leave(&lock);
    weft_group_cancel(&g);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    weft_group_fini(&g);
}

TEST_EACH_KIND_REAL(a_forked_child_waits_for_nobody, "processes")
{
    FORKS_AMONG_THREADS();
    static const unsigned flags[] = { 0, WEFT_ONE_WORKER, WEFT_COLLECT, WEFT_KEEP_GOING };
    enum { GROUPS = sizeof flags / sizeof *flags };
    weft_group groups[2 * GROUPS];
    for (int i = 0; i < 2 * GROUPS; i++) {
        CHECK_OK(weft_group_init(&groups[i], flags[i / 2]));
        for (int k = 0; k < 20; k++) /* waiting, running and not begun */
            CHECK_EQ(weft_group_spawn(&groups[i], t->kind, wait_for_flag, NULL), 0);
    }
    pid_t pid = fork();
    if (pid == 0) {
        alarm(20);
        for (int i = 0; i < GROUPS; i++) {
            weft_group *g = &groups[2 * i];
            weft_group_cancel(g);
            if (flags[i] == WEFT_COLLECT)
                CHECK_EQ(weft_group_next(g, NULL, weft_never()), 0);
            CHECK_ERR(weft_group_wait(g, weft_never()), -EOWNERDEAD);
            CHECK_EQ(weft_group_spawn(g, t->kind, give, NULL), 0); /* it may be used again */
            CHECK_EQ(weft_group_wait(g, weft_never()), 0);
            weft_group_fini(g);
            weft_group_fini(g + 1);
        }
        weft_event_fini(&flag);
        exit(0);
    }
    wait_for_child(pid);
    weft_event_set(&flag);
    for (int i = 0; i < 2 * GROUPS; i++) {
        CHECK_EQ(weft_group_wait(&groups[i], weft_never()), 0);
        weft_group_fini(&groups[i]);
    }
}

static weft_rlock rlock = WEFT_RLOCK_INIT;
static weft_rwlock written = WEFT_RWLOCK_INIT, read_often = WEFT_RWLOCK_INIT;
static weft_once once = WEFT_ONCE_INIT;
static weft_barrier barrier;

static int want_rlock(void *arg)
{
    (void)arg;
    weft_with_rlock(&rlock) {
    }
    return 0;
}

static int want_to_read(void *arg)
{
    (void)arg;
    weft_with_read(&written) {
    }
    return 0;
}

static int want_to_write(void *arg)
{
    (void)arg;
    weft_with_write(&read_often) {
    }
    return 0;
}

static int want_once(void *arg)
{
    return weft_once_run(&once, wait_for_flag, arg, weft_never());
}

static int take_a_unit(void *arg)
{
    CHECK_EQ(weft_semaphore_acquire(&units, weft_never()), 0);
    CHECK_EQ(wait_for_flag(arg), 0);
    CHECK_OK(weft_semaphore_release(&units, 1));
    return 0;
}

static int meet(void *arg)
{
    int r = weft_barrier_wait(&barrier, weft_never());
    (void)arg;
    return r < 0 ? r : 0;
}

/* The forking thread holds all but the once, which a lost task ran, and a unit, which one has taken. */
static void go_on_alone(void)
{
    weft_rlock_leave(&rlock);
    CHECK_EQ(weft_rlock_acquire(&rlock, weft_at_once()), 0);
    weft_rlock_leave(&rlock);
    weft_rwlock_leave(&written);
    CHECK_EQ(weft_rwlock_acquire_write(&written, weft_at_once()), 0);
    weft_rwlock_leave(&written);
    weft_rwlock_leave(&read_often);
    CHECK_EQ(weft_rwlock_acquire_write(&read_often, weft_at_once()), 0);
    weft_rwlock_leave(&read_often);
    CHECK_EQ(weft_once_run(&once, give, (void *)4, weft_never()), 4);
    CHECK_ERR(weft_semaphore_acquire(&units, weft_at_once()), -ETIMEDOUT); /* nobody gives it back */
    CHECK_OK(weft_semaphore_release(&units, 1));
    CHECK_EQ(weft_semaphore_acquire(&units, weft_at_once()), 0);
    CHECK_ERR(weft_barrier_wait(&barrier, weft_never()), -EPIPE); /* the other one is not here */
    weft_barrier_fini(&barrier);
    weft_semaphore_fini(&units);
    weft_once_fini(&once);
    weft_rwlock_fini(&read_often);
    weft_rwlock_fini(&written);
    weft_rlock_fini(&rlock);
}

TEST_EACH_KIND_REAL(a_forked_child_has_nobody_waiting_for_any_lock, "processes")
{
    FORKS_AMONG_THREADS();
    static weft_fn *const fns[] = { want_once,  want_once,    take_a_unit,   take_a_unit,
                                    want_rlock, want_to_read, want_to_write, meet };
    static const char *const reasons[] = { "event", "once",          "event",          "semaphore",
                                           "rlock", "rwlock (read)", "rwlock (write)", "barrier" };
    weft_group g;
    CHECK_OK(weft_semaphore_init(&units, 1, 0, 0));
    CHECK_OK(weft_barrier_init(&barrier, 2, NULL, NULL, 0));
    CHECK_OK(weft_group_init(&g, 0));
    weft_rlock_enter(&rlock);
    weft_rwlock_enter_write(&written);
    weft_rwlock_enter_read(&read_often);
    for (size_t i = 0; i < sizeof fns / sizeof *fns; i++) {
        weft_task task;
        struct weft_spawn more = { .size = sizeof more, .task = &task };
        CHECK_EQ(weft_group_spawn_with(&g, t->kind, fns[i], NULL, &more), 0);
        UNTIL(waits_for(task, reasons[i]));
    }
    pid_t pid = fork();
    if (pid == 0) {
        alarm(20);
        go_on_alone();
        exit(0);
    }
    wait_for_child(pid);
    weft_rwlock_leave(&read_often);
    weft_rwlock_leave(&written);
    weft_rlock_leave(&rlock);
    weft_event_set(&flag);
    CHECK_EQ(meet(NULL), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    weft_group_fini(&g);
}

static void *signal_on(void *arg)
{
    while (!LOAD(busy))
        raise(SIGUSR1);
    return arg;
}

TEST_REAL(a_forked_child_waits_for_no_handler, "processes")
{
    FORKS_AMONG_THREADS();
    static const int signos[] = { SIGUSR1 };
    weft_signal signal;
    pthread_t threads[2];
    CHECK_OK(weft_signal_init(&signal, signos, 1));
    for (int i = 0; i < 2; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, signal_on, NULL), 0);
    for (int i = 0; i < 50; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            alarm(20);
            weft_signal_fini(&signal);
            exit(0);
        }
        wait_for_child(pid);
    }
    STORE(busy, 1);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    weft_signal_fini(&signal);
}

/* -- foreign threads -- */

static void *use_weft(void *arg)
{
    weft_event event = WEFT_EVENT_INIT;
    CHECK_EQ(shared_count(), 10);
    CHECK_ERR(weft_event_wait(&event, weft_after(WEFT_US)), -ETIMEDOUT);
    CHECK_NE(weft_task_self().id, 0);
    weft_event_fini(&event);
    return arg;
}

TEST_REAL(any_thread_may_call, "foreign threads")
{
    for (int round = 0; round < 20; round++) {
        pthread_t threads[8];
        for (int i = 0; i < 8; i++)
            CHECK_EQ(pthread_create(&threads[i], NULL, use_weft, NULL), 0);
        for (int i = 0; i < 8; i++)
            CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
    CHECK_LE(weft_task_list(NULL, 0), 1); /* their records went with them */
}

/* -- signals -- */

static int see_mask(void *arg)
{
    sigset_t mask, *out = arg;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    *out = mask;
    return 0;
}

static int worker_masks(void *arg)
{
    sigset_t mask;
    struct weft_task_info info = { .size = sizeof info };
    (void)arg;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    CHECK_EQ(weft_task_describe(weft_task_self(), &info), 0);
    CHECK_EQ(sigismember(&mask, SIGTERM), info.worker != 0);
    CHECK_EQ(sigismember(&mask, SIGUSR1), info.worker != 0);
    CHECK(!sigismember(&mask, SIGSEGV));
    return weft_sleep(weft_after(WEFT_US));
}

static int masks_under_run(void *arg)
{
    weft_group g;
    sigset_t *out = arg;
    see_mask(out);
    CHECK_OK(weft_group_init(&g, 0));
    for (int i = 0; i < 100; i++)
        CHECK_EQ(weft_group_spawn(&g, WEFT_COROUTINE, worker_masks, NULL), 0);
    int r = weft_group_wait(&g, weft_never());
    weft_group_fini(&g);
    return r;
}

TEST_REAL(workers_block_signals_but_worker_0_keeps_its_mask, "signals")
{
    sigset_t mask;
    CHECK_EQ(weft_run(masks_under_run, &mask), 0);
    CHECK(!sigismember(&mask, SIGTERM));
    weft_group g;
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_EQ(weft_group_spawn(&g, WEFT_COROUTINE, see_mask, &mask), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    CHECK(sigismember(&mask, SIGTERM));
    weft_group_fini(&g);
}

static int waits_here(void *event)
{
    return weft_event_wait(event, weft_never());
}

static int quit_self(void *arg)
{
    weft_event event = WEFT_EVENT_INIT;
    weft_group g;
    weft_task task;
    struct weft_spawn more = { .size = sizeof more, .task = &task, .name = "reader" };
    (void)arg;
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_EQ(weft_group_spawn_with(&g, WEFT_COROUTINE, waits_here, &event, &more), 0);
    UNTIL(waits_for(task, "event"));
    CHECK_EQ(kill(getpid(), SIGQUIT), 0);
    UNTIL(true);
    weft_yield();
    weft_event_set(&event);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    weft_group_fini(&g);
    return 0;
}

static void run_and_quit(void *arg)
{
    signal(SIGQUIT, SIG_DFL); /* a shell's background jobs ignore it */
    CHECK_EQ(weft_run(quit_self, arg), 0);
}

TEST_REAL(sigquit_prints_the_tasks_under_run, "signals")
{
    char said[8000];
    int status = in_child(run_and_quit, NULL, said, sizeof said);
    CHECK_EQ(status, 0);
    CHECK_SAYS(said, "'reader'");
    CHECK_SAYS(said, "waits for event 0x");
    CHECK_SAYS(said, "spawned as waits_here at ");
}

static volatile int quits;

static void own_quit(int signo)
{
    (void)signo;
    quits++;
}

static void run_and_quit_own(void *arg)
{
    signal(SIGQUIT, own_quit);
    CHECK_EQ(weft_run(quit_self, arg), 0);
    CHECK_EQ(quits, 1);
}

TEST_REAL(a_programs_own_sigquit_handler_stays, "signals")
{
    char said[8000];
    CHECK_EQ(in_child(run_and_quit_own, NULL, said, sizeof said), 0);
    CHECK_STR(said, "");
}

/* -- overflow -- */

static int recurse(void *arg)
{
    volatile char block[1000];
    block[0] = (char)(intptr_t)arg;
    if (block[0] == INT8_MAX)
        return 0; /* never: it wraps in between */
    return recurse((void *)(intptr_t)((block[0] + 1) % 100)) + block[0];
}

static int overflow_elsewhere(void *arg)
{
    weft_group g;
    struct weft_spawn more = { .size = sizeof more, .name = arg };
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_EQ(weft_group_spawn_with(&g, WEFT_COROUTINE, recurse, NULL, &more), 0);
    return weft_group_wait(&g, weft_never());
}

static int block_main(void *arg)
{
    weft_group g;
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_EQ(weft_group_spawn(&g, WEFT_COROUTINE, overflow_elsewhere, arg), 0);
    for (int64_t end = weft_now().ns + 50 * WEFT_MS; weft_now().ns < end;)
        ; /* another worker takes it, if there is one */
    return weft_group_wait(&g, weft_never());
}

static void overflow(void *arg)
{
    weft_run(overflow_elsewhere, arg);
}

static void overflow_on_another(void *arg)
{
    weft_run(block_main, arg);
}

TEST_REAL(a_stack_overflow_is_named, "a fault")
{
    static const char *const guards[] = { "madvise", "poison", "mprotect" };
    if (t_slow_build())
        SKIP("the sanitizers have handlers of their own");
    for (size_t i = 0; i < 3; i++)
        for (int other = 0; other < 2; other++) {
            char said[4000];
            setenv("WEFT_GUARD", guards[i], 1);
            int status =
                in_child(other ? overflow_on_another : overflow, "reader", said, sizeof said);
            CHECK(WIFSIGNALED(status));
            CHECK(WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGBUS);
            CHECK_SAYS(said, "coroutine 'reader' spawned as recurse at ");
            CHECK_SAYS(said, "overflowed its 64 KiB stack");
        }
}

/* -- dump -- */

TEST_EACH_KIND(a_dump_names_tasks_and_what_they_wait_for)
{
    char path[200], text[8000];
    weft_event event = WEFT_EVENT_INIT;
    weft_group g;
    weft_task task;
    struct weft_spawn more = { .size = sizeof more, .task = &task, .name = "reader" };
    snprintf(path, sizeof path, "%s/dump", t_dir(t));
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_EQ(weft_group_spawn_with(&g, t->kind, waits_here, &event, &more), 0);
    UNTIL(waits_for(task, "event"));
    CHECK_EQ(weft_dump(fd), 0);
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    CHECK_GT(n, 0);
    text[n] = 0;
    CHECK_SAYS(text, "weft: ");
    CHECK_SAYS(text, "worker 0: ");
    CHECK_SAYS(text, t->kind == WEFT_THREAD ? "thread " : "coroutine ");
    CHECK_SAYS(text, "'reader'");
    CHECK_SAYS(text, "waits for event 0x");
    CHECK_SAYS(text, "spawned as waits_here at ");
    close(fd);
    CHECK_ERR(weft_dump(fd), -EBADF);
    weft_event_set(&event);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    weft_group_fini(&g);
}

TEST_EACH_KIND_REAL(a_dump_outlives_the_text_of_a_site, "unmapped memory")
{
    weft_event event = WEFT_EVENT_INIT;
    weft_group g;
    weft_task tasks[2];
    struct weft_task_info info = { .size = sizeof info };
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    char *site = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    strcpy(site + size - 4, "end"); /* nothing is behind it */
    CHECK_EQ(munmap(site + size, size), 0);
    CHECK_OK(weft_group_init(&g, 0));
    for (int i = 0; i < 2; i++) {
        struct weft_spawn more = { .size = sizeof more, .task = &tasks[i], .name = i ? "x" : NULL };
        CHECK_EQ(weft_group_spawn_at(&g, t->kind, waits_here, &event, 0, &more, site + size - 4), 0);
        UNTIL(waits_for(tasks[i], "event"));
    }
    CHECK_EQ(weft_task_describe(tasks[0], &info), 0);
    CHECK_STR(info.name, "end");
    CHECK_EQ(munmap(site, size), 0); /* as dlclose does while the last task ends */
    CHECK_EQ(weft_task_describe(tasks[0], &info), 0);
    CHECK_STR(info.name, "?");
    int fd = open("/dev/null", O_WRONLY);
    CHECK_EQ(weft_dump(fd), 0);
    close(fd);
    weft_event_set(&event);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    weft_group_fini(&g);
}

/* -- the count of workers -- */

TEST_REAL(workers_are_as_many_as_asked_for, "the environment")
{
    CHECK_GE(weft_cpu_count(), 1);
    setenv("WEFT_WORKERS", "3", 1);
    CHECK_EQ(weft_worker_count(), 3);
    CHECK_EQ(shared_count(), 10);
    setenv("WEFT_WORKERS", "2", 1);
    CHECK_EQ(weft_worker_count(), 3);
    CHECK_EQ(weft_stop(weft_never()), 0);
    CHECK_EQ(weft_worker_count(), 2);
    setenv("WEFT_WORKERS", "100000", 1);
    CHECK_EQ(weft_worker_count(), 256);
    setenv("WEFT_WORKERS", "nonsense", 1);
    CHECK_EQ(weft_worker_count(), weft_cpu_count());
    unsetenv("WEFT_WORKERS");
    CHECK_EQ(weft_worker_count(), weft_cpu_count());
}
