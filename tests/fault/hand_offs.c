/* A hand-off between two tasks of one worker does not enter the kernel, by whatever object: system calls
 * are counted at the door where the tests of this suite make them fail. */
#include "test.h"

#include <stdlib.h>
#include <sys/syscall.h>
#include <weft.h>

#include "base/sys.h"

enum { HAND_OFFS = 20000, LOOK_EVERY = 50000 /* ns: worker.c */ };

static __thread bool counts; /* the worker's thread, while they are at it */
static long looks, calls, last_call;

/* A busy worker looks now and then whether descriptors are ready; that is no hand-off's doing. */
static long count_call(long nr)
{
    if (!counts)
        return 0;
    if (nr == SYS_epoll_pwait2 || nr == SYS_epoll_pwait) {
        looks++;
    } else {
        calls++;
        last_call = nr;
    }
    return 0;
}

static weft_queue to[2];
static weft_semaphore turns[2];
static weft_event events[2];
static weft_lock lock;
static weft_cond changed;
static weft_barrier barrier;
static int turn_of;

static int by_queue(int side, weft_deadline until)
{
    int v = 1;
    if (side == 0)
        CHECK_EQ(weft_queue_put(&to[1], &v, sizeof v, until), 0);
    CHECK_EQ(weft_queue_get(&to[side], &v, sizeof v, until), 1);
    return side == 1 ? weft_queue_put(&to[0], &v, sizeof v, until) : 0;
}

static int by_select(int side, weft_deadline until)
{
    int v = 1;
    struct weft_case put = weft_on_put(&to[!side], &v, sizeof v);
    struct weft_case get[] = { weft_on_event(&events[0]), weft_on_get(&to[side], &v, sizeof v) };
    if (side == 0)
        CHECK_EQ(weft_select(&put, 1, until), 0);
    CHECK_EQ(weft_select(get, 2, until), 1);
    return side == 1 ? weft_select(&put, 1, until) : 0;
}

static int by_semaphore(int side, weft_deadline until)
{
    CHECK_EQ(weft_semaphore_release(&turns[!side], 1), 0);
    return weft_semaphore_acquire(&turns[side], until);
}

static int by_event(int side, weft_deadline until)
{
    if (side == 0)
        weft_event_set(&events[1]);
    int r = weft_event_wait(&events[side], until);
    weft_event_clear(&events[side]);
    if (side == 1)
        weft_event_set(&events[0]);
    return r;
}

static int by_lock(int side, weft_deadline until)
{
    (void)side;
    int r = weft_lock_acquire(&lock, until);
    CHECK_EQ(weft_yield(), 0); /* the other one comes and waits for it */
    return r < 0 ? r : weft_lock_release(&lock);
}

static int by_cond(int side, weft_deadline until)
{
    int r = 0;
    weft_lock_enter(&lock);
    while (r == 0 && turn_of != side)
        r = weft_cond_wait(&changed, &lock, until);
    turn_of = !side;
    weft_cond_signal(&changed);
    weft_lock_leave(&lock);
    return r;
}

static int by_barrier(int side, weft_deadline until)
{
    int r = weft_barrier_wait(&barrier, until);
    (void)side;
    return r < 0 ? r : 0;
}

static int (*hand_off)(int side, weft_deadline until);

static int partner(void *arg)
{
    int side = (int)(intptr_t)arg;
    for (int i = 0; i < HAND_OFFS; i++)
        CHECK_EQ(hand_off(side, i % 2 ? weft_after(3600 * WEFT_SEC) : weft_never()), 0);
    return 0;
}

static int both(void *arg)
{
    weft_group g;
    weft_time begin = weft_now();
    (void)arg;
    looks = calls = 0;
    counts = true;
    CHECK_OK(weft_group_init(&g, WEFT_ONE_WORKER));
    CHECK_EQ(weft_group_spawn(&g, WEFT_COROUTINE, partner, (void *)1), 0);
    CHECK_EQ(partner((void *)0), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    counts = false;
    weft_group_fini(&g);
    if (calls)
        FAIL("%ld system calls, the last one %ld", calls, last_call);
    CHECK_LE(looks, weft_time_between(begin, weft_now()) / LOOK_EVERY + 1);
    return 0;
}

static void hand_over_by_all(const char *workers)
{
    int (*const ways[])(int, weft_deadline) = { by_queue, by_select, by_semaphore, by_event,
                                                by_lock,  by_cond,   by_barrier };
    CHECK_EQ(setenv("WEFT_WORKERS", workers, 1), 0);
    __atomic_store_n(&weft__sys_fault, count_call, __ATOMIC_RELEASE);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        for (int k = 0; k < 2; k++) {
            CHECK_OK(weft_queue_init(&to[k], NULL, 0, sizeof(int), 0));
            CHECK_OK(weft_semaphore_init(&turns[k], 0, 0, 0));
            CHECK_OK(weft_event_init(&events[k], 0));
        }
        CHECK_OK(weft_barrier_init(&barrier, 2, NULL, NULL, 0));
        hand_off = ways[i];
        CHECK_EQ(weft_run(both, NULL), 0);
    }
}

TEST_REAL(a_hand_off_on_the_only_worker_enters_no_kernel, "it counts system calls")
{
    hand_over_by_all("1");
}

TEST_REAL(a_hand_off_on_one_of_two_workers_enters_no_kernel, "it counts system calls")
{
    hand_over_by_all("2");
}
