/* The n-th allocation and the n-th system call fail, n = 1, 2, ... until none does: clean errors, no
 * hang, and nothing that was counted is left. */
#include <stdlib.h>
#include "failing.h"

/* Sleeps and wakes have no error that a caller could see. */
static long fail_call(long nr)
{
    static const struct {
        long nr, error;
    } errors[] = {
        { SYS_mmap, -ENOMEM },
        { SYS_mprotect, -ENOMEM },
        { SYS_epoll_create1, -EMFILE },
        { SYS_eventfd2, -EMFILE },
        { SYS_epoll_ctl, -ENOMEM },
        { SYS_clone3, -EAGAIN },
        { SYS_sched_getaffinity, -EPERM },
        { SYS_openat, -EMFILE },
        { SYS_getrandom, -EAGAIN },
        { SYS_membarrier, -ENOSYS },
    };
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (nr == errors[i].nr)
            return is_the_one() ? errors[i].error : 0;
    return 0;
}

static int give(void *arg)
{
    return (int)(intptr_t)arg;
}

static int set_local(void *arg)
{
    int r = weft_local_set(arg, arg);
    return r == -ENOMEM ? r : weft_yield();
}

static void deferred(void *arg)
{
    (void)arg;
}

static int defer(void *arg)
{
    return weft_defer(deferred, arg);
}

struct job {
    long a[8];
};

static int run_job(void *arg)
{
    ((struct job *)arg)->a[0]++;
    return 0;
}

static int give_two(void *arg)
{
    int r = weft_generator_yield(arg, sizeof(int));
    return r < 0 ? r : weft_generator_yield(arg, sizeof(int));
}

static void *hand_back(void *value)
{
    return value;
}

/* Without a stack nothing has happened: the next try is the first. */
static int take_two(void *arg)
{
    int two = 2, v = 0, sum = 0, r, tries = 0;
    weft_generator g;
    weft_fiber f;
    void *back = NULL;
    (void)arg;
    CHECK_EQ(weft_generator_init(&g, give_two, &two, sizeof(int)), 0);
    while ((r = weft_generator_next(&g, &v, sizeof v, weft_never())) != 0)
        if (r == 1)
            sum += v;
        else if (r != -ENOMEM || ++tries > 1)
            return r;
    CHECK_EQ(sum, 4);
    CHECK_EQ(weft_fiber_init(&f, hand_back, NULL), 0);
    while ((r = weft_fiber_switch(&f, &two, &back)) != 0)
        if (r != -ENOMEM || ++tries > 1)
            return r;
    CHECK(back == &two);
    weft_fiber_fini(&f);
    weft_generator_fini(&g);
    return 0;
}

static weft_local local = WEFT_LOCAL_INIT(NULL);

/* More than a record notes by itself: without memory for the rest they are held and let go all the same. */
static int hold_many(void *arg)
{
    static weft_rwlock rwlocks[12];
    (void)arg;
    for (int i = 0; i < 12; i++)
        weft_rwlock_enter_read(&rwlocks[i]);
    for (int i = 0; i < 12; i++)
        CHECK_EQ(weft_rwlock_release(&rwlocks[i]), 0);
    for (int i = 0; i < 12; i++) {
        int r = weft_rwlock_acquire_write(&rwlocks[i], weft_at_once());
        CHECK(r == 0 || r == -ECANCELED);
        CHECK_EQ(weft_rwlock_release(&rwlocks[i]), r < 0 ? -EPERM : 0);
    }
    return 0;
}

/* Everything that may fail; each failure is one of these, and the group tells it too. */
static bool is_clean(int r)
{
    return r >= 0 || r == -ENOMEM || r == -EAGAIN || r == -EMFILE || r == -ECANCELED || r == -EPERM;
}

static int scenario(void *arg)
{
    weft_group g;
    struct job job = { { 0 } };
    weft_task task;
    struct weft_spawn more = { .size = sizeof more, .task = &task, .stack = 128 * 1024 };
    int worst = 0, r;
    (void)arg;
    CHECK(is_clean(take_two(NULL)));
    if ((r = weft_group_init(&g, 0)) < 0)
        return r; /* no memory for the thread's record */
#define TRY(call) ((r = (call)) < 0 ? (void)(CHECK(is_clean(r)), worst = r) : (void)0)
    TRY(weft_group_spawn(&g, WEFT_COROUTINE, give, NULL));
    TRY(weft_group_spawn(&g, WEFT_THREAD, give, NULL));
    TRY(weft_group_spawn(&g, WEFT_COROUTINE, set_local, &local));
    TRY(weft_group_spawn(&g, WEFT_COROUTINE, defer, NULL));
    TRY(weft_group_spawn(&g, WEFT_COROUTINE, take_two, NULL));
    TRY(weft_group_spawn(&g, WEFT_THREAD, take_two, NULL));
    TRY(weft_group_spawn(&g, WEFT_COROUTINE, hold_many, NULL));
    TRY(weft_group_spawn_job(&g, WEFT_COROUTINE, run_job, &job));
    TRY(weft_group_spawn_with(&g, WEFT_COROUTINE, give, NULL, &more));
    r = weft_group_wait(&g, weft_never());
    CHECK(is_clean(r));
    if (worst < 0)
        CHECK_LT(r, 0); /* a failed spawn is a failed task */
    weft_group_fini(&g);
    return r;
}

static void rounds(void)
{
    for (long n = 1;; n++) {
        __atomic_store_n(&countdown, n, __ATOMIC_RELEASE);
        CHECK(is_clean(scenario(NULL)));
        CHECK(is_clean(weft_run(scenario, NULL)));
        CHECK_EQ(weft_stop(weft_after(10 * WEFT_SEC)), 0);
        CHECK(is_clean(weft_run(scenario, NULL)));
        CHECK_EQ(weft_stop(weft_after(10 * WEFT_SEC)), 0);
        if (__atomic_exchange_n(&countdown, 0, __ATOMIC_ACQ_REL) > 0)
            return;
        CHECK_EQ(scenario(NULL), 0); /* and after a failure all is as before */
        CHECK_EQ(weft_stop(weft_after(10 * WEFT_SEC)), 0);
    }
}

TEST_REAL_LONG(every_allocation_may_fail, "many runtimes", 120)
{
    __atomic_store_n(&weft__alloc_fault, alloc_fault, __ATOMIC_RELEASE);
    rounds();
}

TEST_REAL_LONG(every_system_call_may_fail, "many runtimes", 120)
{
    __atomic_store_n(&weft__sys_fault, fail_call, __ATOMIC_RELEASE);
    rounds();
}

static __thread bool is_worker;
static long asked; /* by the worker's thread alone */

static long count_asked(long nr)
{
    bool asks =
        nr == SYS_epoll_pwait2 || nr == SYS_epoll_pwait || nr == SYS_ppoll || nr == SYS_pselect6;
    if (is_worker && asks)
        asked++;
    return 0;
}

enum { NAPS = 100 };

static int nap(void *arg)
{
    int r = 0;
    (void)arg;
    is_worker = true;
    for (int i = 0; i < NAPS && r == 0; i++)
        r = weft_sleep(weft_after(WEFT_MS));
    CHECK_LT(asked, NAPS + NAPS / 2);
    return r;
}

TEST_REAL(a_worker_that_has_slept_does_not_ask_the_kernel_again, "counts system calls")
{
    setenv("WEFT_WORKERS", "1", 1);
    __atomic_store_n(&weft__sys_fault, count_asked, __ATOMIC_RELEASE);
    CHECK_EQ(weft_run(nap, NULL), 0);
}
