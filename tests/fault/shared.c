/* The n-th system call or allocation fails, n = 1, 2, ... until none does, in a program that makes its arena,
 * prepares one of each shared object, uses it, and waits for it in a coroutine: what fails says so, holds
 * nothing, and works the next time. */
#include "failing.h"

#include <stdlib.h>
#include <string.h>

#include "shared/tree.h"

#define REAL "failing calls"

static struct all {
    weft_lock lock;
    weft_rlock rlock;
    weft_rwlock rwlock;
    weft_cond cond;
    weft_semaphore sem, owned;
    weft_event event;
    weft_barrier barrier;
    weft_once once;
    weft_queue queue;
    char slots[WEFT_SEGMENT_SLOTS(2, 0)] __attribute__((aligned(64)));
} * s;

static bool in_segment;

static bool whole; /* nothing fails */

static bool good(int r)
{
    if (r < 0 && (whole || (r != -ENOMEM && r != -ENOTSUP && r != -EAGAIN && r != -EMFILE)))
        FAIL("call %ld failing: %s, %s", failed_nr, weft_strerror(r), weft_why());
    return r >= 0;
}

static int seven(void *arg)
{
    (void)arg;
    return 7;
}

static int acquire(void *arg)
{
    (void)arg;
    int r = weft_lock_acquire(&s->lock, SOON);
    return r < 0 ? r : weft_lock_release(&s->lock);
}
static int acquire_recursive(void *arg)
{
    (void)arg;
    int r = weft_rlock_acquire(&s->rlock, SOON);
    return r < 0 ? r : weft_rlock_release(&s->rlock);
}
static int read_it(void *arg)
{
    (void)arg;
    int r = weft_rwlock_acquire_read(&s->rwlock, SOON);
    return r < 0 ? r : weft_rwlock_release(&s->rwlock);
}
static int write_it(void *arg)
{
    (void)arg;
    int r = weft_rwlock_acquire_write(&s->rwlock, SOON);
    return r < 0 ? r : weft_rwlock_release(&s->rwlock);
}
static int take_a_unit(void *arg)
{
    weft_semaphore *sem = arg ? &s->owned : &s->sem;
    int r = weft_semaphore_acquire(sem, SOON);
    return r < 0 ? r : weft_semaphore_release(sem, 1);
}
static int wait_event(void *arg)
{
    (void)arg;
    return weft_event_wait(&s->event, SOON);
}
static int run_once(void *arg)
{
    (void)arg;
    return weft_once_run(&s->once, seven, NULL, SOON);
}
static int meet(void *arg)
{
    (void)arg;
    return weft_barrier_wait(&s->barrier, SOON);
}
static int get(void *arg)
{
    char byte[300];
    size_t size;
    (void)arg;
    return weft_queue_get_message(&s->queue, byte, sizeof byte, &size, SOON);
}
static int choose(void *arg)
{
    struct weft_case on[] = { weft_on_event(&s->event), weft_on_lock(&s->lock) };
    (void)arg;
    int r = weft_select(on, 2, SOON);
    return r < 0 || on[r].result < 0 ? (r < 0 ? r : on[r].result)
           : r == 1                  ? weft_lock_release(&s->lock)
                                     : r;
}

static void let_barrier(void);

/* In a coroutine, which waits until the caller has slept a little; then it is let in. */
static bool is_beside;

static void beside(weft_fn *fn, bool more, void (*let_in)(void))
{
    weft_group g;
    if (!group_begin(&g, whole))
        return;
    int r = weft_group_spawn(&g, WEFT_COROUTINE, fn, more ? s : NULL);
    is_beside = r == 0;
    if (r == 0)
        r = weft_sleep(weft_after(200 * WEFT_US));
    let_in();
    int done = weft_group_wait(&g, SOON);
    good(r);
    if (done != -EPIPE || let_in != let_barrier)
        good(done);
    weft_group_fini(&g);
}

static void let_lock(void)
{
    CHECK_EQ(weft_lock_release(&s->lock), 0);
}
static void let_rlock(void)
{
    CHECK_EQ(weft_rlock_release(&s->rlock), 0);
}
static void let_rwlock(void)
{
    CHECK_EQ(weft_rwlock_release(&s->rwlock), 0);
}
static void let_sem(void)
{
    CHECK_EQ(weft_semaphore_release(&s->sem, 1), 0);
}
static void let_owned(void)
{
    CHECK_EQ(weft_semaphore_release(&s->owned, 1), 0);
}
static void let_event(void)
{
    weft_event_set(&s->event);
}
static void let_barrier(void)
{
    int r = is_beside ? weft_barrier_wait(&s->barrier, SOON) : -EPIPE;
    if (r < 0) { /* one of both could not wait, and has broken it */
        CHECK(!whole && (r == -EPIPE || r == -ENOMEM));
        weft_barrier_reset(&s->barrier);
    }
}
static void let_queue(void)
{
    char message[300] = "longer than a slot, where it may be";
    size_t size = in_segment ? 100 : sizeof message;
    if (!good(weft_queue_put(&s->queue, message, size, weft_at_once())))
        weft_queue_close(&s->queue);
}

static void use_marked(void)
{
    if (good(weft_lock_init(&s->lock, WEFT_SHARED))) {
        if (good(weft_lock_acquire(&s->lock, weft_never())))
            beside(acquire, false, let_lock);
        if (good(weft_event_init(&s->event, WEFT_SHARED))) {
            if (good(weft_lock_acquire(&s->lock, weft_never())))
                beside(choose, false, let_lock);
            beside(wait_event, false, let_event);
        }
        weft_lock_fini(&s->lock);
    }
    if (good(weft_rlock_init(&s->rlock, WEFT_SHARED))) {
        if (good(weft_rlock_acquire(&s->rlock, weft_never())))
            beside(acquire_recursive, false, let_rlock);
        weft_rlock_fini(&s->rlock);
    }
    if (good(weft_once_init(&s->once, WEFT_SHARED))) {
        if (good(run_once(NULL)))
            CHECK_EQ(run_once(NULL), 7);
        weft_once_fini(&s->once);
    }
    if (good(weft_semaphore_init(&s->sem, 0, 0, WEFT_SHARED)))
        beside(take_a_unit, false, let_sem);
}

static void use_with_memory(void)
{
    if (good(weft_rwlock_init(&s->rwlock, WEFT_SHARED))) {
        if (good(weft_rwlock_acquire_read(&s->rwlock, weft_never())))
            beside(write_it, false, let_rwlock);
        if (good(weft_rwlock_acquire_write(&s->rwlock, weft_never())))
            beside(read_it, false, let_rwlock);
        weft_rwlock_fini(&s->rwlock);
    }
    if (good(weft_semaphore_init(&s->owned, 1, 0, WEFT_SHARED | WEFT_OWNED))) {
        if (good(weft_semaphore_acquire(&s->owned, weft_never())))
            beside(take_a_unit, true, let_owned);
        CHECK_EQ(weft_semaphore_value(&s->owned), 1);
        weft_semaphore_fini(&s->owned);
    }
    if (good(weft_barrier_init(&s->barrier, 2, NULL, NULL, WEFT_SHARED))) {
        beside(meet, false, let_barrier);
        weft_barrier_fini(&s->barrier);
    }
    if (good(weft_queue_init(&s->queue, in_segment ? s->slots : NULL, 2, 0, WEFT_SHARED))) {
        beside(get, false, let_queue);
        weft_queue_fini(&s->queue);
    }
}

static void use_all(bool nothing_fails)
{
    whole = nothing_fails;
    if (!s && !(s = weft_arena_alloc(sizeof *s))) {
        CHECK(!whole);
        return;
    }
    memset(s, 0, sizeof *s);
    use_marked();
    use_with_memory();
}

static long fail_call(long nr)
{
    static const struct {
        long nr, error;
    } errors[] = {
        { SYS_memfd_create, -EMFILE },   { SYS_ftruncate, -EFBIG },  { SYS_mmap, -ENOMEM },
        { SYS_get_robust_list, -EPERM }, { SYS_clone3, -EAGAIN },    { SYS_eventfd2, -EMFILE },
        { SYS_epoll_create1, -EMFILE },  { SYS_epoll_ctl, -ENOMEM }, { SYS_epoll_pwait2, -EINTR },
        { SYS_futex_waitv, -ENOSYS },    { SYS_openat, -EMFILE },    { SYS_madvise, -ENOMEM },
    };
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (nr == errors[i].nr && is_the_one()) {
            failed_nr = nr;
            return errors[i].error;
        }
    return 0;
}

/* In a process of its own, where the arena, the workers, the thread that sleeps for coroutines begin anew. */
static void fail_each_call(void)
{
    enum { NONE_FAILED = 42 };
    weft_reporter_set(no_report, NULL);
    for (long n = 1, over = 0; !over; n++) {
        int status;
        pid_t child = fork();
        if (child == 0) {
            countdown = n;
            __atomic_store_n(&weft__sys_fault, fail_call, __ATOMIC_RELEASE);
            use_all(false);
            bool none = __atomic_exchange_n(&countdown, 0, __ATOMIC_ACQ_REL) > 0;
            use_all(true);
            CHECK_OK(weft_stop(SOON));
            _exit(none ? NONE_FAILED : 0);
        }
        CHECK_EQ(waitpid(child, &status, 0), child);
        over = WIFEXITED(status) && WEXITSTATUS(status) == NONE_FAILED;
        if (status != 0 && !over)
            FAIL("call %ld failing ends the process with %#x", n, (unsigned)status);
        if (over)
            printf("%ld calls failed one by one\n", n - 1);
    }
}

TEST_REAL_LONG(each_call_of_shared_objects_may_fail, REAL, 120)
{
    fail_each_call();
}

TEST_REAL_LONG(each_call_of_objects_in_a_segment_may_fail, REAL, 120)
{
    weft_segment segment;
    char path[200];
    snprintf(path, sizeof path, "%s/segment", t_dir(t));
    CHECK_OK(weft_segment_open(&segment, path, sizeof *s, NULL, NULL, weft_never()));
    s = weft_segment_data(&segment);
    in_segment = true;
    fail_each_call();
    weft_segment_close(&segment);
}

TEST_REAL_LONG(each_allocation_of_shared_objects_may_fail, REAL, 120)
{
    weft_reporter_set(no_report, NULL);
    fail_each_allocation(use_all);
}

/* -- the arena is full ------------------------------------------------------------------------------ */

static void fill_arena(void)
{
    struct weft_arena_info info = { .size = sizeof info };
    CHECK_OK(weft_arena_describe(&info));
    struct weft_arena_options options = { .size = sizeof options, .limit = info.used };
    CHECK_OK(weft_arena_configure(&options));
    for (size_t size = 4096; size >= 8; size /= 2)
        while (weft_arena_alloc(size))
            ;
}

TEST_REAL(without_memory_in_the_arena_nothing_is_half_prepared, "the arena's limit")
{
    s = weft_arena_alloc(sizeof *s);
    memset(s, 0, sizeof *s);
    fill_arena();
    CHECK_ERR(weft_rwlock_init(&s->rwlock, WEFT_SHARED), -ENOMEM);
    CHECK_ERR(weft_semaphore_init(&s->owned, 1, 0, WEFT_SHARED | WEFT_OWNED), -ENOMEM);
    CHECK_ERR(weft_barrier_init(&s->barrier, 2, NULL, NULL, WEFT_SHARED), -ENOMEM);
    CHECK_ERR(weft_queue_init(&s->queue, NULL, 2, 0, WEFT_SHARED), -ENOMEM);
    weft_rwlock_fini(&s->rwlock);
    weft_semaphore_fini(&s->owned);
    weft_barrier_fini(&s->barrier);
    CHECK_OK(weft_lock_init(&s->lock, WEFT_SHARED)); /* and what needs none works */
    CHECK_EQ(acquire(NULL), 0);
}

/* As if each came from a process of its own: the first block of cells is full. */
static void fill_cells(int (*take)(void))
{
    weft__process_id me = weft__me;
    for (int i = 0; i < 15; i++) {
        weft__me = weft__process_take();
        weft__process_set(weft__me, WEFT__SLOT_ALIVE);
        CHECK_EQ(take(), 0);
    }
    weft__me = me;
}

static int take_unit(void)
{
    return weft_semaphore_acquire(&s->owned, weft_at_once());
}

static void bury_all(void)
{
    for (uint32_t i = 1; i < weft__tree->processes; i++)
        weft__process_died((weft__process_id)(weft__tree->process[i].state >> 32));
}

TEST_REAL(one_process_too_many_is_told_and_holds_nothing, "the arena's limit")
{
    s = weft_arena_alloc(sizeof *s);
    memset(s, 0, sizeof *s);
    CHECK_OK(weft_semaphore_init(&s->owned, 20, 0, WEFT_SHARED | WEFT_OWNED));
    fill_arena();
    fill_cells(take_unit);
    for (int i = 0; i < 3; i++)
        CHECK_ERR(take_unit(), -ENOMEM);
    CHECK_EQ(weft_semaphore_value(&s->owned), 5);
    bury_all();
    CHECK_EQ(weft_semaphore_value(&s->owned), 20);
    CHECK_EQ(take_unit(), 0);
    CHECK_EQ(weft_semaphore_release(&s->owned, 1), 0);
    weft_semaphore_fini(&s->owned);
}
