/* The shared forms under process tasks that are killed at random, again and again, while tasks and threads of
 * the program use the same objects: what is whole stays whole, nobody is left waiting, and what the dead had
 * comes back. */
#include "../behaviour/until.h"

#include <signal.h>
#include <time.h>

enum { PROCESSES_AT_ONCE = 4, HEALTHY = 4, UNITS = 2, ONCES = 8, SLOTS = 4 };

struct halves {
    long one, other; /* equal while nobody is inside */
};

static struct all {
    weft_lock lock;
    weft_rlock rlock;
    weft_rwlock rwlock;
    weft_cond cond;
    weft_semaphore sem, owned;
    weft_event event;
    weft_barrier barrier;
    weft_once once[ONCES];
    weft_queue queue, acked;
    struct halves locked, rlocked, written;
    long tokens, inside;
    int over;
} * s;

static weft_deadline some_deadline(uint64_t *state)
{
    switch (draw(state) % 4) {
    case 0: return weft_at_once();
    case 1: return weft_after((weft_span)(draw(state) % 200) * WEFT_US);
    default: return weft_never();
    }
}

/* For what may never come, since who would bring it may be dead. */
static weft_deadline soon(uint64_t *state)
{
    return draw(state) % 4 ? weft_after((weft_span)(draw(state) % 300) * WEFT_US) : weft_at_once();
}

static void check_timed(int r)
{
    if (r != 0)
        CHECK_ERR(r, -ETIMEDOUT);
}

static void change(struct halves *halves, uint64_t *state, int r)
{
    if (r == WEFT_RECOVERED)
        halves->other = halves->one;
    CHECK_EQ(halves->one, halves->other);
    halves->one++;
    if (draw(state) % 8 == 0)
        weft_yield();
    halves->other++;
}

static void use_lock(uint64_t *state)
{
    int r = weft_lock_acquire(&s->lock, some_deadline(state));
    if (r < 0) {
        check_timed(r);
        return;
    }
    change(&s->locked, state, r);
    CHECK_EQ(weft_lock_repaired(&s->lock), 0);
    CHECK_EQ(weft_lock_release(&s->lock), 0);
}

static void use_rlock(uint64_t *state)
{
    int r = weft_rlock_acquire(&s->rlock, some_deadline(state));
    if (r < 0) {
        check_timed(r);
        return;
    }
    CHECK_EQ(weft_rlock_acquire(&s->rlock, weft_never()), 0);
    change(&s->rlocked, state, r);
    CHECK_EQ(weft_rlock_repaired(&s->rlock), 0);
    CHECK_EQ(weft_rlock_release(&s->rlock), 0);
    CHECK_EQ(weft_rlock_release(&s->rlock), 0);
}

static void use_rwlock(uint64_t *state)
{
    bool writes = draw(state) % 3 == 0;
    weft_deadline deadline = some_deadline(state);
    int r = writes ? weft_rwlock_acquire_write(&s->rwlock, deadline)
                   : weft_rwlock_acquire_read(&s->rwlock, deadline);
    if (r < 0) {
        check_timed(r);
        return;
    }
    if (writes) {
        change(&s->written, state, r);
        CHECK_EQ(weft_rwlock_repaired(&s->rwlock), 0);
    } else if (r == 0) {
        CHECK_EQ(s->written.one, s->written.other);
    }
    CHECK_EQ(weft_rwlock_release(&s->rwlock), 0);
}

static void use_cond(uint64_t *state)
{
    int r = weft_lock_acquire(&s->lock, weft_never());
    bool gives = draw(state) % 2;
    change(&s->locked, state, r);
    CHECK_EQ(weft_lock_repaired(&s->lock), 0);
    if (gives && s->tokens < 100) {
        s->tokens++;
        weft_cond_signal(&s->cond);
    } else if (!gives) {
        weft_deadline deadline = soon(state);
        while (s->tokens == 0 && (r = weft_cond_wait(&s->cond, &s->lock, deadline)) >= 0) {
            change(&s->locked, state, r);
            CHECK_EQ(weft_lock_repaired(&s->lock), 0);
        }
        if (s->tokens > 0)
            s->tokens--;
        else
            CHECK_ERR(r, -ETIMEDOUT);
    }
    CHECK_EQ(weft_lock_release(&s->lock), 0);
}

static void use_semaphore(uint64_t *state)
{
    int r = weft_semaphore_acquire(&s->sem, soon(state));
    check_timed(r);
    r = weft_semaphore_release(&s->sem, 1);
    CHECK(r == 0 || r == -EOVERFLOW);
}

static void use_owned(uint64_t *state)
{
    int r = weft_semaphore_acquire(&s->owned, some_deadline(state));
    if (r == 0)
        CHECK_EQ(weft_semaphore_release(&s->owned, 1), 0);
    check_timed(r);
}

static void use_event(uint64_t *state)
{
    if (draw(state) % 3 == 0)
        weft_event_set(&s->event);
    else if (draw(state) % 2)
        weft_event_clear(&s->event);
    else
        check_timed(weft_event_wait(&s->event, soon(state)));
}

static void use_barrier(uint64_t *state)
{
    int r = weft_barrier_wait(&s->barrier, soon(state));
    CHECK(r == -ETIMEDOUT || r == -EPIPE || (r >= 0 && r < 2));
    if (r < 0)
        weft_barrier_reset(&s->barrier);
}

static int run(void *arg)
{
    weft_yield();
    return *(int *)arg;
}

static void use_once(uint64_t *state)
{
    int which = (int)(draw(state) % ONCES);
    CHECK_EQ(weft_once_run(&s->once[which], run, &which, weft_never()), which);
}

/* A message of any length, through a slot or a block: its bytes are all the same. */
static void use_queue(uint64_t *state)
{
    weft_queue *q = draw(state) % 2 ? &s->queue : &s->acked;
    unsigned char bytes[400];
    size_t size = draw(state) % sizeof bytes;
    if (draw(state) % 2) {
        memset(bytes, (int)(size & 0xff), size);
        check_timed(weft_queue_put(q, bytes, size, soon(state)));
        return;
    }
    int r = weft_queue_get_message(q, bytes, sizeof bytes, &size, soon(state));
    if (r != 1) {
        check_timed(r ? r : -EPIPE);
        return;
    }
    for (size_t i = 0; i < size; i++)
        CHECK_EQ(bytes[i], size & 0xff);
    if (q == &s->acked)
        CHECK_EQ(weft_queue_task_done(q), 0);
}

static void (*const uses[])(uint64_t *state) = { use_lock,  use_rlock,    use_rwlock,  use_cond,
                                                 use_owned, use_event,    use_barrier, use_once,
                                                 use_queue, use_semaphore };

struct job {
    struct all *all;
    uint64_t state;
};

static int use_all(void *arg)
{
    struct job *job = arg;
    if (s != job->all)
        s = job->all;
    while (!LOAD(s->over))
        uses[draw(&job->state) % (sizeof uses / sizeof *uses)](&job->state);
    return 0;
}

static void begin(void)
{
    s = weft_arena_alloc(sizeof *s);
    CHECK(s != NULL);
    memset(s, 0, sizeof *s);
    CHECK_OK(weft_lock_init(&s->lock, WEFT_SHARED));
    CHECK_OK(weft_rlock_init(&s->rlock, WEFT_SHARED));
    CHECK_OK(weft_rwlock_init(&s->rwlock, WEFT_SHARED));
    CHECK_OK(weft_cond_init(&s->cond, WEFT_SHARED));
    CHECK_OK(weft_semaphore_init(&s->sem, UNITS, UNITS, WEFT_SHARED));
    CHECK_OK(weft_semaphore_init(&s->owned, UNITS, 0, WEFT_SHARED | WEFT_OWNED));
    CHECK_OK(weft_event_init(&s->event, WEFT_SHARED));
    CHECK_OK(weft_barrier_init(&s->barrier, 2, NULL, NULL, WEFT_SHARED));
    for (int i = 0; i < ONCES; i++)
        CHECK_OK(weft_once_init(&s->once[i], WEFT_SHARED));
    CHECK_OK(weft_queue_init(&s->queue, NULL, SLOTS, 0, WEFT_SHARED));
    CHECK_OK(weft_queue_init(&s->acked, NULL, SLOTS, 0, WEFT_SHARED | WEFT_ACK));
}

/* Nobody is there any more: all is free, and as it was. */
static void check_all_is_free(void)
{
    uint64_t state = 1;
    size_t size;
    unsigned char bytes[400];
    weft_barrier_reset(&s->barrier);
    CHECK_EQ(weft_barrier_waiting(&s->barrier), 0);
    CHECK_EQ(weft_semaphore_value(&s->owned), UNITS);
    for (int i = 0; i < 2; i++) {
        int r = weft_lock_acquire(&s->lock, weft_at_once());
        CHECK(r == 0 || (i == 0 && r == WEFT_RECOVERED));
        change(&s->locked, &state, r);
        CHECK_EQ(weft_lock_repaired(&s->lock), 0);
        CHECK_EQ(weft_lock_release(&s->lock), 0);
        r = weft_rlock_acquire(&s->rlock, weft_at_once());
        CHECK(r == 0 || (i == 0 && r == WEFT_RECOVERED));
        change(&s->rlocked, &state, r);
        CHECK_EQ(weft_rlock_repaired(&s->rlock), 0);
        CHECK_EQ(weft_rlock_release(&s->rlock), 0);
        r = weft_rwlock_acquire_write(&s->rwlock, weft_at_once());
        CHECK(r == 0 || (i == 0 && r == WEFT_RECOVERED));
        change(&s->written, &state, r);
        CHECK_EQ(weft_rwlock_repaired(&s->rwlock), 0);
        CHECK_EQ(weft_rwlock_release(&s->rwlock), 0);
    }
    while (weft_queue_get_message(&s->acked, bytes, sizeof bytes, &size, weft_at_once()) == 1)
        CHECK_EQ(weft_queue_task_done(&s->acked), 0);
    CHECK_EQ(weft_queue_join(&s->acked, weft_at_once()), 0);
    weft_rwlock_fini(&s->rwlock);
    weft_semaphore_fini(&s->owned);
    weft_barrier_fini(&s->barrier);
    weft_queue_fini(&s->queue);
    weft_queue_fini(&s->acked);
}

TEST_REAL_LONG(what_is_shared_outlives_all_who_are_killed, "processes", 120)
{
    weft_group healthy, dying;
    weft_task victims[PROCESSES_AT_ONCE];
    struct job jobs[HEALTHY], doomed[PROCESSES_AT_ONCE]; /* which come back */
    const char *text = getenv("WEFT_TEST_SEED");
    uint64_t seed = (text ? strtoull(text, NULL, 10) : (uint64_t)time(NULL) * 1000003u) | 1;
    long kills = t_rounds(200);
    PROCESSES();
    printf("WEFT_TEST_SEED=%llu\n", (unsigned long long)seed);
    begin();
    CHECK_OK(weft_group_init(&healthy, 0));
    CHECK_OK(weft_group_init(&dying, WEFT_KEEP_GOING));
    for (int i = 0; i < HEALTHY; i++) {
        jobs[i] = (struct job){ s, draw(&seed) | 1 };
        CHECK_EQ(
            weft_group_spawn(&healthy, i % 2 ? WEFT_THREAD : WEFT_COROUTINE, use_all, &jobs[i]), 0);
    }
    for (long i = 0; i < kills + PROCESSES_AT_ONCE; i++) {
        weft_task *victim = &victims[i % PROCESSES_AT_ONCE];
        struct weft_spawn more = { .size = sizeof more, .task = victim };
        if (i >= PROCESSES_AT_ONCE) {
            CHECK_OK(weft_sleep(weft_after((weft_span)(draw(&seed) % 2000) * WEFT_US)));
            CHECK_EQ(weft_task_kill(*victim, SIGKILL), 0);
            CHECK_EQ(weft_task_join(*victim, NULL, weft_never()), 0);
        }
        if (i < kills) {
            struct job *job = &doomed[i % PROCESSES_AT_ONCE];
            *job = (struct job){ s, draw(&seed) | 1 };
            CHECK_EQ(weft_group_spawn_at(&dying, WEFT_PROCESS, use_all, job, sizeof *job, &more,
                                         WEFT_PLACE),
                     0);
        }
    }
    CHECK_EQ(weft_group_wait(&dying, weft_never()), -EOWNERDEAD);
    STORE(s->over, 1);
    CHECK_EQ(weft_group_wait(&healthy, weft_never()), 0);
    check_all_is_free();
    weft_group_fini(&dying);
    weft_group_fini(&healthy);
    printf("counted: %ld processes killed among shared objects\n", kills);
}
