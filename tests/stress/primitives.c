/* The primitives under tasks and threads at once, with deadlines and cancels racing the wakes: nothing
 * is lost, nothing doubled, and nobody is left. */
#include "../behaviour/until.h"

#include <fcntl.h>
#include <pthread.h>
#include <time.h>

static uint64_t base_seed(void)
{
    static uint64_t seed;
    if (!seed) {
        const char *text = getenv("WEFT_TEST_SEED");
        seed =
            text ? strtoull(text, NULL, 10) : (uint64_t)time(NULL) * 1000003u + (uint64_t)getpid();
        printf("WEFT_TEST_SEED=%llu\n", (unsigned long long)seed);
        fflush(stdout);
    }
    return seed;
}

/* None, soon, or never. */
static weft_deadline some_deadline(uint64_t *state)
{
    switch (draw(state) % 4) {
    case 0: return weft_at_once();
    case 1: return weft_after((weft_span)(draw(state) % 200) * WEFT_US);
    default: return weft_never();
    }
}

static struct job {
    int (*fn)(uint64_t *state, long rounds);
    long rounds;
    uint64_t state;
} jobs[64];

static int run_job(void *arg)
{
    struct job *job = arg;
    return job->fn(&job->state, job->rounds);
}

static void *run_foreign(void *arg)
{
    CHECK_EQ(run_job(arg), 0);
    return NULL;
}

static weft_task victims[64];
static int victims_count, crew_done;

static void *cancel_at_random(void *arg)
{
    uint64_t state = (uint64_t)(uintptr_t)arg | 1;
    while (!LOAD(crew_done)) {
        weft_task_cancel(victims[draw(&state) % (unsigned)victims_count]);
        for (unsigned i = (unsigned)(draw(&state) % 50); i > 0; i--)
            sched_yield();
    }
    return NULL;
}

/* Tasks of both kinds and foreign threads, each with a function; some of the tasks are cancelled in the
 * middle: theirs is `brief`, which must end on -ECANCELED and tell what it did by itself. */
static void crew(int (*steady)(uint64_t *, long), int (*brief)(uint64_t *, long), long rounds)
{
    weft_group g;
    pthread_t foreign[2], canceller;
    int n = 0;
    CHECK_OK(weft_group_init(&g, WEFT_KEEP_GOING));
    victims_count = 0;
    STORE(crew_done, 0);
    for (int i = 0; i < 6; i++, n++) {
        jobs[n] =
            (struct job){ steady, rounds, (base_seed() + (uint64_t)n) * 0x9e3779b97f4a7c15u | 1 };
        CHECK_EQ(weft_group_spawn(&g, i < 4 ? WEFT_COROUTINE : WEFT_THREAD, run_job, &jobs[n]), 0);
    }
    for (int i = 0; i < 2; i++, n++) {
        jobs[n] =
            (struct job){ steady, rounds, (base_seed() + (uint64_t)n) * 0x9e3779b97f4a7c15u | 1 };
        CHECK_EQ(pthread_create(&foreign[i], NULL, run_foreign, &jobs[n]), 0);
    }
    for (int i = 0; brief && i < 20; i++, n++) {
        jobs[n] =
            (struct job){ brief, rounds, (base_seed() + (uint64_t)n) * 0x9e3779b97f4a7c15u | 1 };
        struct weft_spawn more = { .size = sizeof more, .task = &victims[victims_count++] };
        CHECK_EQ(weft_group_spawn_with(&g, i % 5 ? WEFT_COROUTINE : WEFT_THREAD, run_job, &jobs[n],
                                       &more),
                 0);
    }
    if (brief)
        CHECK_EQ(pthread_create(&canceller, NULL, cancel_at_random, (void *)(uintptr_t)base_seed()),
                 0);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(pthread_join(foreign[i], NULL), 0);
    int r = weft_group_wait(&g, weft_never());
    CHECK(r == 0 || r == -ECANCELED);
    STORE(crew_done, 1);
    if (brief)
        CHECK_EQ(pthread_join(canceller, NULL), 0);
    weft_group_fini(&g);
}

/* -- lock -- */

static weft_lock lock;
static long counter, expected;
static int inside;

static int lock_body(uint64_t *state, long rounds)
{
    for (long i = 0; i < rounds; i++) {
        int r = weft_lock_acquire(&lock, some_deadline(state));
        if (r == -ETIMEDOUT)
            continue;
        if (r == -ECANCELED)
            return r;
        CHECK_EQ(r, 0);
        CHECK_EQ(ADD(inside, 1), 1);
        counter++;
        if (draw(state) % 8 == 0)
            weft_yield();
        CHECK_EQ(ADD(inside, -1), 0);
        ADD(expected, 1);
        CHECK_EQ(weft_lock_release(&lock), 0);
    }
    return 0;
}

TEST_REAL_LONG(a_lock_excludes, "foreign threads", 60)
{
    crew(lock_body, lock_body, t_rounds(3000));
    CHECK_EQ(counter, expected);
    CHECK_EQ(weft_lock_acquire(&lock, weft_at_once()), 0);
    weft_lock_leave(&lock);
    weft_lock_fini(&lock);
}

/* -- cond: a bounded buffer of one -- */

static weft_cond changed;
static int full;
static long put_in, taken_out;

static int cond_body(uint64_t *state, long rounds)
{
    for (long i = 0; i < rounds; i++) {
        bool put = draw(state) % 2;
        int r = weft_lock_acquire(&lock, weft_never());
        if (r < 0)
            return r;
        while (r == 0 && full == put)
            r = weft_cond_wait(&changed, &lock,
                               weft_after((weft_span)(draw(state) % 300) * WEFT_US));
        CHECK(weft_lock_is_held(&lock));
        if (r == 0) {
            CHECK_EQ(full, !put);
            full = put;
            *(put ? &put_in : &taken_out) += 1;
            if (draw(state) % 2)
                weft_cond_broadcast(&changed);
            else
                weft_cond_signal(&changed);
        }
        weft_lock_leave(&lock);
        CHECK(r == 0 || r == -ETIMEDOUT || r == -ECANCELED);
        if (r == -ECANCELED)
            return r;
    }
    return 0;
}

TEST_REAL_LONG(a_condition_loses_no_signal, "foreign threads", 60)
{
    crew(cond_body, cond_body, t_rounds(500));
    CHECK_EQ(put_in - taken_out, full);
    weft_cond_fini(&changed);
    weft_lock_fini(&lock);
}

/* -- rlock, and a condition with it -- */

static weft_rlock rlock;

static int rlock_body(uint64_t *state, long rounds)
{
    for (long i = 0; i < rounds; i++) {
        int depth = 0, r = 0;
        for (int most = (int)(draw(state) % 4) + 1; depth < most; depth++)
            if ((r = weft_rlock_acquire(&rlock, some_deadline(state))) < 0)
                break;
        if (depth) {
            CHECK_EQ(ADD(inside, 1), 1);
            counter++;
            CHECK_EQ(ADD(inside, -1), 0);
            ADD(expected, 1);
        }
        if (depth && r == 0 && draw(state) % 8 == 0)
            r = weft_cond_wait_rlock(&changed, &rlock, weft_after(20 * WEFT_US));
        else if (draw(state) % 8 == 0)
            weft_cond_signal(&changed);
        while (depth-- > 0)
            CHECK_EQ(weft_rlock_release(&rlock), 0);
        CHECK(!weft_rlock_is_held(&rlock));
        CHECK(r == 0 || r == -ETIMEDOUT || r == -ECANCELED);
        if (r == -ECANCELED)
            return r;
    }
    return 0;
}

TEST_REAL_LONG(an_rlock_excludes, "foreign threads", 60)
{
    crew(rlock_body, rlock_body, t_rounds(1500));
    CHECK_EQ(counter, expected);
    weft_cond_fini(&changed);
    weft_rlock_fini(&rlock);
}

/* -- rwlock: the twins are alike whenever one may look -- */

static weft_rwlock rwlock;
static long twin[2], writes;
static int readers;

static int rwlock_body(uint64_t *state, long rounds)
{
    for (long i = 0; i < rounds; i++) {
        bool reads = draw(state) % 4 != 0;
        weft_deadline until = some_deadline(state);
        int r = reads ? weft_rwlock_acquire_read(&rwlock, until)
                      : weft_rwlock_acquire_write(&rwlock, until);
        if (r == -ETIMEDOUT)
            continue;
        if (r == -ECANCELED)
            return r;
        CHECK_EQ(r, 0);
        if (reads) {
            ADD(readers, 1);
            long first = twin[0];
            if (draw(state) % 8 == 0) {
                r = weft_rwlock_acquire_read(&rwlock, weft_never()); /* past every writer */
                CHECK(r == 0 || r == -ECANCELED);
                weft_yield();
                if (r == 0)
                    CHECK_EQ(weft_rwlock_release(&rwlock), 0);
            }
            CHECK_EQ(twin[1], first);
            ADD(readers, -1);
        } else {
            CHECK_EQ(ADD(inside, 1), 1);
            CHECK_EQ(LOAD(readers), 0);
            twin[0]++;
            if (draw(state) % 8 == 0)
                weft_yield();
            twin[1]++;
            CHECK_EQ(ADD(inside, -1), 0);
            ADD(writes, 1);
        }
        CHECK_EQ(weft_rwlock_release(&rwlock), 0);
        if (r == -ECANCELED)
            return r;
    }
    return 0;
}

TEST_REAL_LONG(a_rwlock_keeps_writers_alone, "foreign threads", 60)
{
    crew(rwlock_body, rwlock_body, t_rounds(2000));
    CHECK_EQ(twin[0], writes);
    CHECK_EQ(weft_rwlock_acquire_write(&rwlock, weft_at_once()), 0);
    weft_rwlock_leave(&rwlock);
    weft_rwlock_fini(&rwlock);
}

/* -- barrier: broken and reset again and again; a round that ends whole had all its parties -- */

enum { PARTIES = 3 };
static weft_barrier barrier;
static long entered, passed, acted;

static int act(void *arg)
{
    (void)arg;
    long rounds =
        ADD(acted, 1); /* the next round's may run beside this one: more tasks than parties */
    CHECK_GE(LOAD(entered), PARTIES * rounds);
    return rounds % 16 == 0 ? weft_sleep(weft_after(50 * WEFT_US)) : 0;
}

static int barrier_body(uint64_t *state, long rounds)
{
    for (long i = 0; i < rounds; i++) {
        ADD(entered, 1);
        int r = weft_barrier_wait(&barrier,
                                  weft_after((weft_span)(draw(state) % 20 ? 1000 : 20) * WEFT_US));
        if (r >= 0)
            ADD(passed, 1);
        else if (draw(state) % 2)
            weft_barrier_reset(&barrier);
        else if (draw(state) % 16 == 0)
            weft_barrier_abort(&barrier);
        CHECK(r < PARTIES);
        CHECK(r >= 0 || r == -EPIPE || r == -ETIMEDOUT || r == -ECANCELED);
        if (r == -ECANCELED)
            return r;
    }
    return 0;
}

TEST_REAL_LONG(a_barrier_passes_all_or_none, "foreign threads", 60)
{
    CHECK_OK(weft_barrier_init(&barrier, PARTIES, act, NULL, 0));
    crew(barrier_body, barrier_body, t_rounds(1000));
    CHECK_EQ(weft_barrier_waiting(&barrier), 0);
    CHECK_LE(passed, PARTIES * acted); /* an action that is cancelled fails */
    weft_barrier_fini(&barrier);
}

/* -- once: each is done once, though many runs fail -- */

static weft_once onces[256];
static long done[256];

static int do_it(void *arg)
{
    long *count = arg;
    uint64_t state = (uint64_t)(count - done + 1) * 77 + (uint64_t)weft_now().ns;
    int r = weft_sleep(weft_after((weft_span)(draw(&state) % 20) * WEFT_US));
    if (r < 0 || draw(&state) % 4)
        return -EIO;
    ++*count;
    return (int)(count - done);
}

static int once_body(uint64_t *state, long rounds)
{
    for (long i = 0; i < rounds; i++) {
        size_t n = draw(state) % 256;
        int r = weft_once_run(&onces[n], do_it, &done[n], some_deadline(state));
        CHECK(r == (int)n || r == -EIO || r == -ETIMEDOUT || r == -ECANCELED);
        if (r >= 0)
            CHECK_EQ(done[n], 1);
        if (r == -ECANCELED)
            return r;
    }
    return 0;
}

TEST_REAL_LONG(once_is_once_though_many_fail, "foreign threads", 60)
{
    crew(once_body, once_body, t_rounds(1000));
    for (int i = 0; i < 256; i++) {
        CHECK_EQ(done[i], weft_once_is_done(&onces[i]));
        weft_once_fini(&onces[i]);
    }
}

/* -- event: a ring of events, each set wakes all -- */

static weft_event gates[4];

static int event_body(uint64_t *state, long rounds)
{
    for (long i = 0; i < rounds; i++) {
        weft_event *gate = &gates[draw(state) % 4];
        switch (draw(state) % 4) {
        case 0: weft_event_set(gate); break;
        case 1: weft_event_clear(gate); break;
        default: {
            int r = weft_event_wait(gate, weft_after((weft_span)(draw(state) % 100) * WEFT_US));
            CHECK(r == 0 || r == -ETIMEDOUT || r == -ECANCELED);
            if (r == -ECANCELED)
                return r;
        }
        }
    }
    return 0;
}

TEST_REAL_LONG(events_keep_nobody, "foreign threads", 60)
{
    crew(event_body, event_body, t_rounds(1500));
    for (int i = 0; i < 4; i++)
        weft_event_fini(&gates[i]);
}

/* -- semaphore -- */

static weft_semaphore sem;

static int sem_body(uint64_t *state, long rounds)
{
    for (long i = 0; i < rounds; i++) {
        int r = weft_semaphore_acquire(&sem, some_deadline(state));
        if (r == -ETIMEDOUT)
            continue;
        if (r == -ECANCELED)
            return r;
        CHECK_EQ(r, 0);
        CHECK_LE(ADD(inside, 1), 3);
        if (draw(state) % 8 == 0)
            weft_yield();
        ADD(inside, -1);
        CHECK_EQ(weft_semaphore_release(&sem, 1), 0);
    }
    return 0;
}

TEST_REAL_LONG(a_semaphore_counts, "foreign threads", 60)
{
    CHECK_OK(weft_semaphore_init(&sem, 3, 3, 0));
    crew(sem_body, sem_body, t_rounds(2000));
    CHECK_EQ(weft_semaphore_value(&sem), 3);
    CHECK_ERR(weft_semaphore_release(&sem, 1), -EOVERFLOW);
    weft_semaphore_fini(&sem);
}

/* -- queues -- */

static weft_queue queue;
static unsigned order;
static uint64_t sum_in, sum_out;
static long put_count, got_count;

static int queue_body(uint64_t *state, long rounds)
{
    for (long i = 0; i < rounds; i++) {
        uint64_t values[4] = { 0 };
        uint32_t n = 1 + (uint32_t)(draw(state) % 4);
        bool put = draw(state) % 2;
        weft_deadline until = weft_after((weft_span)(draw(state) % 300) * WEFT_US);
        for (uint32_t v = 0; put && v < n; v++)
            values[v] = draw(state);
        int r;
        if (n > 1)
            r = put ? weft_queue_put_many(&queue, values, n, sizeof *values, until)
                    : weft_queue_get_many(&queue, values, n, sizeof *values, until);
        else if (!put)
            r = weft_queue_get(&queue, values, sizeof *values, until);
        else if (order & WEFT_PRIORITY)
            r = weft_queue_put_at(&queue, values, sizeof *values, (int64_t)*values, until);
        else
            r = weft_queue_put(&queue, values, sizeof *values, until);
        if (r < 0) {
            CHECK(r == -ETIMEDOUT || r == -ECANCELED);
            CHECK(put || values[0] == 0);
            if (r == -ECANCELED)
                return r;
            continue;
        }
        r += put && n == 1; /* of a single put 0 says one */
        CHECK_GE(r, 1);
        CHECK_LE(r, n);
        for (int v = 0; v < r; v++)
            ADD(*(put ? &sum_in : &sum_out), values[v]);
        ADD(*(put ? &put_count : &got_count), r);
    }
    return 0;
}

static void queue_of(uint32_t count, bool own, unsigned flags)
{
    static _Alignas(8) char slots[8 * WEFT_PRIORITY_SLOT(sizeof(uint64_t))];
    uint64_t value;
    order = flags;
    CHECK_OK(weft_queue_init(&queue, count && !own ? slots : NULL, count, sizeof value, flags));
    crew(queue_body, queue_body, t_rounds(1500));
    weft_queue_close(&queue);
    int r;
    while ((r = weft_queue_get(&queue, &value, sizeof value, weft_never())) == 1) {
        ADD(sum_out, value);
        ADD(got_count, 1);
    }
    CHECK_EQ(r, 0);
    CHECK_EQ(put_count, got_count);
    CHECK_EQ(sum_in, sum_out);
    CHECK_EQ(weft_queue_length(&queue), 0);
    weft_queue_fini(&queue);
}

TEST_REAL_LONG(a_hand_over_loses_and_doubles_nothing, "foreign threads", 60)
{
    queue_of(0, false, 0);
}

TEST_REAL_LONG(a_queue_of_one_loses_and_doubles_nothing, "foreign threads", 60)
{
    queue_of(1, false, 0);
}

TEST_REAL_LONG(a_queue_of_eight_loses_and_doubles_nothing, "foreign threads", 60)
{
    queue_of(8, false, 0);
}

TEST_REAL_LONG(a_lifo_loses_and_doubles_nothing, "foreign threads", 60)
{
    queue_of(6, true, WEFT_LIFO);
}

TEST_REAL_LONG(a_priority_queue_loses_and_doubles_nothing, "foreign threads", 60)
{
    queue_of(8, false, WEFT_PRIORITY);
    queue_of(40, true, WEFT_PRIORITY);
}

TEST_REAL_LONG(an_unbounded_queue_loses_and_doubles_nothing, "foreign threads", 60)
{
    queue_of(WEFT_UNBOUNDED, true, 0);
}

/* No deadline ends a wait here: a wake-up that is lost is a hang. */
static int produce(void *rounds)
{
    for (long v = (long)(intptr_t)rounds; v > 0; v--)
        CHECK_EQ(weft_queue_put(&queue, &v, sizeof v, weft_never()), 0);
    weft_queue_close(&queue);
    return 0;
}

static int consume(void *arg)
{
    (void)arg;
    uint64_t value;
    int r;
    while ((r = weft_queue_get(&queue, &value, sizeof value, weft_never())) == 1) {
        ADD(sum_out, value);
        CHECK_EQ(weft_queue_task_done(&queue), 0);
    }
    return r;
}

static void *consume_foreign(void *arg)
{
    CHECK_EQ(consume(arg), 0);
    return NULL;
}

TEST_REAL_LONG(streams_between_threads_never_stall, "foreign threads", 60)
{
    static const uint32_t counts[] = { 0, 1, 2, 16, 128 };
    static const unsigned kinds[] = { WEFT_COROUTINE, WEFT_THREAD };
    for (int i = 0; i < 5 * 4; i++) {
        uint64_t slots[128], rounds = (uint64_t)t_rounds(5000);
        weft_group g;
        pthread_t foreign;
        sum_out = 0;
        CHECK_OK(weft_group_init(&g, 0));
        CHECK_OK(
            weft_queue_init(&queue, counts[i / 4] ? slots : NULL, counts[i / 4], sizeof *slots, 0));
        weft_queue_producers(&queue, 2);
        CHECK_EQ(pthread_create(&foreign, NULL, consume_foreign, NULL), 0);
        CHECK_OK(weft_group_spawn(&g, kinds[i % 2], consume, NULL));
        CHECK_OK(weft_group_spawn(&g, kinds[i / 2 % 2], produce, (void *)(intptr_t)rounds));
        CHECK_OK(weft_group_spawn(&g, WEFT_COROUTINE, produce, (void *)(intptr_t)rounds));
        CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
        CHECK_EQ(pthread_join(foreign, NULL), 0);
        CHECK_EQ(sum_out, rounds * (rounds + 1));
        CHECK_EQ(weft_queue_join(&queue, weft_at_once()), 0);
        weft_queue_fini(&queue);
        weft_group_fini(&g);
    }
}

/* -- groups -- */

static int live;

static int nest(uint64_t *state, long depth);

static int nest_job(void *arg)
{
    struct job *job = arg;
    ADD(live, 1);
    int r = nest(&job->state, job->rounds);
    ADD(live, -1);
    return r;
}

/* A random tree of groups of all sorts; some sleep, some fail, some are bounded, some cancel. */
static int nest(uint64_t *state, long depth)
{
    static const unsigned sorts[] = {
        0, WEFT_FORK, WEFT_ONE_WORKER, WEFT_KEEP_GOING, WEFT_COLLECT, WEFT_FORK | WEFT_KEEP_GOING
    };
    if (depth == 0)
        switch (draw(state) % 6) {
        case 0: return weft_sleep(weft_after((weft_span)(draw(state) % 300) * WEFT_US));
        case 1: return -EIO;
        case 2: return weft_yield();
        default: return 0;
        }
    weft_group g;
    unsigned sort = sorts[draw(state) % 6];
    struct job below[6];
    int count = (int)(draw(state) % 6) + 1;
    CHECK_OK(weft_group_init(&g, sort));
    for (int i = 0; i < count; i++) {
        below[i] = (struct job){ NULL, depth - 1, draw(state) | 1 };
        unsigned kind = draw(state) % 12 ? WEFT_COROUTINE : WEFT_THREAD;
        weft_task task = { 0 };
        struct weft_spawn more = { .size = sizeof more, .task = &task };
        int r = draw(state) % 3 ? weft_group_spawn(&g, kind, nest_job, &below[i])
                                : weft_group_spawn_with(&g, kind, nest_job, &below[i], &more);
        CHECK(r == 0 || r == -ECANCELED);
        if (task.id && draw(state) % 4 == 0)
            weft_task_cancel(task);
        if (task.id && draw(state) % 4 == 0) {
            r = weft_task_join(task, NULL, weft_after((weft_span)(draw(state) % 100) * WEFT_US));
            CHECK(r == 0 || r == -ETIMEDOUT || r == -ECANCELED);
        }
    }
    if (sort & WEFT_COLLECT) {
        int r, n = 0;
        while ((r = weft_group_next(&g, NULL, weft_after(100 * WEFT_US))) == 1)
            n++;
        CHECK(r <= 0 && n <= count);
    }
    if (draw(state) % 8 == 0)
        weft_group_cancel(&g);
    int r = weft_group_wait(
        &g, draw(state) % 2 ? weft_never() : weft_after((weft_span)(draw(state) % 500) * WEFT_US));
    CHECK(r == 0 || r == -EIO || r == -ETIMEDOUT || r == -ECANCELED);
    weft_group_fini(&g);
    return draw(state) % 2 ? 0 : r;
}

static int nest_some(uint64_t *state, long rounds)
{
    for (long i = 0; i < rounds; i++)
        (void)nest(state, 3);
    return 0;
}

TEST_REAL_LONG(trees_of_groups_end_whole, "foreign threads", 60)
{
    crew(nest_some, NULL, t_rounds(20));
    CHECK_EQ(live, 0);
    CHECK_EQ(weft_stop(weft_after(10 * WEFT_SEC)), 0);
}

/* -- joins -- */

static int quick(void *arg)
{
    for (intptr_t i = (intptr_t)arg; i > 0; i--)
        weft_yield();
    return (int)(intptr_t)arg;
}

static weft_task shared_tasks[16];

static int join_some(uint64_t *state, long rounds)
{
    for (long i = 0; i < rounds; i++) {
        weft_task task;
        __atomic_load(&shared_tasks[draw(state) % 16].id, &task.id, __ATOMIC_RELAXED);
        struct weft_exit how = { .size = sizeof how, .result = -1 };
        int r = weft_task_join(task, &how, some_deadline(state));
        CHECK(r == 0 || r == -ESRCH || r == -ETIMEDOUT);
        CHECK(r != 0 || (how.result >= 0 && how.result < 4));
        if (draw(state) % 2) {
            weft_task made;
            struct weft_spawn more = { .size = sizeof more, .task = &made };
            CHECK_EQ(weft_group_spawn_with(weft_background(),
                                           draw(state) % 16 ? WEFT_COROUTINE : WEFT_THREAD, quick,
                                           (void *)(intptr_t)(draw(state) % 4), &more),
                     0);
            __atomic_store(&shared_tasks[draw(state) % 16].id, &made.id, __ATOMIC_RELAXED);
        }
    }
    return 0;
}

TEST_REAL_LONG(joins_race_ends, "foreign threads", 60)
{
    crew(join_some, NULL, t_rounds(500));
}

/* -- generators -- */

static int count_up(void *arg)
{
    for (long i = 0;; i++) {
        int r = i % 16 == 15 && *(long *)arg ? weft_yield() : 0;
        if (r == 0)
            r = weft_generator_yield(&i, sizeof i);
        if (r < 0)
            return r;
    }
}

/* Several at once, advanced and closed at random; some of their bodies wait. */
static int generate(uint64_t *state, long rounds)
{
    struct {
        weft_generator g;
        long next, waits;
    } all[6];
    memset(all, 0, sizeof all);
    for (int i = 0; i < 6; i++)
        CHECK_OK(weft_generator_init(&all[i].g, count_up, &all[i].waits, sizeof(long)));
    for (; rounds > 0; rounds--) {
        int i = (int)(draw(state) % 6), r;
        long v = -1;
        if (draw(state) % 20 == 0) {
            weft_generator_fini(&all[i].g);
            all[i].next = 0;
            all[i].waits = draw(state) % 2;
            CHECK_OK(weft_generator_init(&all[i].g, count_up, &all[i].waits, sizeof(long)));
        }
        r = weft_generator_next(&all[i].g, &v, sizeof v, some_deadline(state));
        if (r == 1)
            CHECK_EQ(v, all[i].next++);
        else
            CHECK_ERR(r, -ECANCELED); /* of this task, passed on by a body that waited */
    }
    for (int i = 0; i < 6; i++)
        weft_generator_fini(&all[i].g);
    return 0;
}

static int generate_briefly(uint64_t *state, long rounds)
{
    generate(state, rounds / 10);
    return -ECANCELED;
}

TEST_REAL_LONG(generators_keep_count, "foreign threads", 60)
{
    crew(generate, generate_briefly, t_rounds(5000));
}

/* -- the runtime -- */

static int spawn_some(void *arg)
{
    weft_group g;
    (void)arg;
    CHECK_OK(weft_group_init(&g, 0));
    for (int i = 0; i < 10; i++)
        CHECK_EQ(weft_group_spawn(&g, i % 5 ? WEFT_COROUTINE : WEFT_THREAD, quick, (void *)3), 0);
    int r = weft_group_wait(&g, weft_never());
    weft_group_fini(&g);
    return r;
}

TEST_REAL_LONG(the_runtime_starts_and_stops_again_and_again, "threads", 60)
{
    for (long i = t_rounds(t_slow_build() ? 20 : 60); i > 0; i--) {
        if (i % 3)
            CHECK_EQ(spawn_some(NULL), 0);
        if (i % 2)
            CHECK_EQ(weft_group_spawn(weft_background(), WEFT_COROUTINE, spawn_some, NULL), 0);
        if (i % 5 == 0)
            CHECK_EQ(weft_group_spawn(weft_background(), WEFT_COROUTINE | WEFT_DAEMON,
                                      (weft_fn *)spawn_some, NULL),
                     0);
        if (i % 3 == 0 && weft_stop(weft_never()) == 0)
            CHECK_EQ(weft_run(spawn_some, NULL), 0);
        CHECK_EQ(weft_stop(weft_after(20 * WEFT_SEC)), 0);
    }
}

static int pass_on(void *arg)
{
    weft_semaphore *pair = arg;
    for (long i = t_rounds(20000); i > 0; i--) {
        CHECK_EQ(weft_semaphore_acquire(&pair[0], weft_never()), 0);
        CHECK_EQ(weft_semaphore_release(&pair[1], 1), 0);
    }
    return 0;
}

TEST_REAL_LONG(no_wake_of_a_sleeping_worker_is_lost, "sleeping workers", 60)
{
    weft_semaphore pair[2] = { WEFT_SEMAPHORE_INIT(0), WEFT_SEMAPHORE_INIT(0) };
    weft_group g;
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_EQ(weft_group_spawn(&g, WEFT_COROUTINE, pass_on, pair), 0);
    for (long i = t_rounds(20000); i > 0; i--) {
        CHECK_EQ(weft_semaphore_release(&pair[0], 1), 0);
        CHECK_EQ(weft_semaphore_acquire(&pair[1], weft_never()), 0);
    }
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    for (long i = t_rounds(5000); i > 0; i--) {
        unsigned flags = i % 2 ? WEFT_ONE_WORKER : 0;
        weft_group h;
        CHECK_OK(weft_group_init(&h, flags));
        CHECK_EQ(weft_group_spawn(&h, WEFT_COROUTINE, quick, NULL), 0);
        CHECK_EQ(weft_group_wait(&h, weft_never()), 0);
        weft_group_fini(&h);
    }
    weft_group_fini(&g);
}

TEST_REAL_LONG(who_gives_work_and_sleeps_is_no_deadlock, "sleeping workers", 60)
{
    weft_group g;
    CHECK_OK(weft_group_init(&g, 0));
    for (long i = t_rounds(50000); i > 0; i--) { /* WEFT_ON_DEADLOCK is abort */
        CHECK_EQ(weft_group_spawn(&g, WEFT_COROUTINE, quick, NULL), 0);
        CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    }
    weft_group_fini(&g);
}

/* -- everything may be looked at while it comes and goes -- */

static int over;

static int yield_once(void *arg)
{
    (void)arg;
    (void)!weft_yield();
    return 0;
}

/* What it gets is not looked at: the program may end. */
static int come_and_go(void *arg)
{
    weft_group g;
    (void)!weft_group_init(&g, 0);
    for (int i = 0; i < 4; i++) {
        struct weft_spawn more = { .size = sizeof more, .name = i % 2 ? "named" : NULL };
        weft_group_spawn_with(&g, i < 2 ? WEFT_COROUTINE : WEFT_THREAD, yield_once, arg, &more);
    }
    weft_group_wait(&g, weft_never());
    weft_group_fini(&g);
    return 0;
}

static int present;

static void *come_as_a_stranger(void *arg)
{
    come_and_go(arg);
    ADD(present, -1);
    return NULL;
}

/* exit() waits for none of them. */
static void start_detached(void *(*fn)(void *arg))
{
    pthread_t thread;
    pthread_attr_t detached;
    CHECK_EQ(pthread_attr_init(&detached), 0);
    CHECK_EQ(pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED), 0);
    CHECK_EQ(pthread_create(&thread, &detached, fn, NULL), 0);
    pthread_attr_destroy(&detached);
}

static void *strangers(void *arg)
{
    while (!LOAD(over)) {
        UNTIL(LOAD(present) < 8);
        ADD(present, 1);
        start_detached(come_as_a_stranger);
    }
    UNTIL(LOAD(present) == 0);
    return arg;
}

static int come_again(void *arg)
{
    while (!LOAD(over))
        come_and_go(arg);
    return 0;
}

TEST_REAL_LONG(what_comes_and_goes_may_be_listed, "foreign threads", 60)
{
    weft_task tasks[64];
    weft_group g;
    pthread_t stranger;
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_EQ(weft_group_spawn(&g, WEFT_COROUTINE, come_again, NULL), 0);
    CHECK_EQ(weft_group_spawn(&g, WEFT_THREAD, come_again, NULL), 0);
    CHECK_EQ(pthread_create(&stranger, NULL, strangers, NULL), 0);
    for (long i = 0; i < t_rounds(300); i++) {
        size_t n = weft_task_list(tasks, 64);
        for (size_t k = 0; k < n && k < 64; k++) {
            struct weft_task_info info = { .size = sizeof info };
            int r = weft_task_describe(tasks[k], &info);
            CHECK(r == 0 || r == -ESRCH);
        }
        CHECK_EQ(weft_dump(nowhere), 0);
    }
    STORE(over, 1);
    CHECK_EQ(pthread_join(stranger, NULL), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    weft_group_fini(&g);
    close(nowhere);
}

static void exit_among_strangers(void *arg)
{
    (void)arg;
    start_detached(strangers);
    UNTIL(LOAD(present) > 4);
    come_and_go(NULL);
    exit(0);
}

TEST_REAL_LONG(a_program_may_end_while_threads_come, "processes", 60)
{
    char said[8000];
    for (long i = 0; i < t_rounds(20); i++) {
        int status = in_child(exit_among_strangers, NULL, said, sizeof said);
        if (status)
            FAIL("status %x\n%s", status, said);
    }
}
