/* Every primitive under thousands of schedules. A crew of five, one of them a thread, uses one object for
 * a few rounds; two of the crew are cancelled on the way, and half of all waits have a deadline. The seed
 * chooses who goes on at each point, when the cancels come and, since time leaps, when deadlines strike.
 * The program is always the same, so what differs is the schedule: schedules are told apart by the hash
 * of their traces. In each the invariants must hold and nobody may be left waiting.
 *
 * WEFT_TEST_SEED=N runs the N-th schedule of a test alone. */
#include "../behaviour/until.h"

#include <pthread.h>
#include <sys/mman.h>

enum { CREW = 5, THREAD = 3, ROUNDS = 3 };

struct scenario {
    void (*begin)(void);
    int (*body)(int who); /* 0; -ECANCELED when it was cancelled */
    void (*end)(void);    /* by the thread that drives, when all have ended */
};

static const struct scenario *scenario;
static weft_task crew[CREW];

static bool is_victim(int who)
{
    return who == 1 || who == THREAD;
}

static int work(void *arg)
{
    int who = (int)(intptr_t)arg, r = scenario->body(who);
    CHECK(r == 0 || (r == -ECANCELED && is_victim(who)));
    return 0;
}

static int cancel_victims(void *arg)
{
    (void)arg;
    for (int who = 0; who < CREW; who++) {
        for (int i = 0; i < ROUNDS; i++)
            CHECK_EQ(weft_yield(), 0);
        if (is_victim(who))
            weft_task_cancel(crew[who]);
    }
    return 0;
}

static void play(void)
{
    weft_group g;
    scenario->begin();
    CHECK_OK(weft_group_init(&g, WEFT_KEEP_GOING));
    for (intptr_t who = 0; who < CREW; who++) {
        struct weft_spawn more = { .size = sizeof more, .task = &crew[who] };
        CHECK_OK(weft_group_spawn_with(&g, who == THREAD ? WEFT_THREAD : WEFT_COROUTINE, work,
                                       (void *)who, &more));
    }
    CHECK_OK(weft_group_spawn(&g, WEFT_COROUTINE, cancel_victims, NULL));
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    weft_group_fini(&g);
    scenario->end();
}

/* -- schedules ------------------------------------------------------------------------------------- */

static struct shared { /* with the process that looks on */
    long seed, distinct;
    uint64_t trace;
} * shared;

static void note_trace(void *ctx, const char *text, size_t length)
{
    unsigned long long trace;
    (void)ctx;
    if (sscanf(text, "weft: seed %*d: %*u steps, trace %llx", &trace) == 1)
        shared->trace = trace;
    else
        fprintf(stderr, "%.*s", (int)length, text);
}

static void play_seed(long seed)
{
    char text[24];
    snprintf(text, sizeof text, "%ld", seed);
    CHECK_EQ(setenv("WEFT_SEED", text, 1), 0);
    shared->seed = seed;
    play();
    CHECK_EQ(weft_stop(weft_never()), 0);
}

static struct range {
    long from, to;
} range;

static void *play_range(void *arg)
{
    uint64_t *met = arg; /* a hash table; 0: free */
    size_t slots = 4 * (size_t)(range.to - range.from + 1);
    CHECK_EQ(setenv("WEFT_SEED_REPORT", "1", 1), 0);
    CHECK_EQ(setenv("WEFT_SEED_LEAPS", "1", 1), 0);
    weft_reporter_set(note_trace, NULL);
    for (long seed = range.from; seed <= range.to; seed++) {
        if (seed % 1000 == 0)
            alarm(t_slow_build() ? 100 : 20); /* the next thousand take this long: they hang */
        play_seed(seed);
        size_t at = shared->trace % slots;
        while (met[at] && met[at] != shared->trace)
            at = (at + 1) % slots;
        shared->distinct += !met[at];
        met[at] = shared->trace;
    }
    alarm(0);
    return NULL;
}

/* In a process of its own, whose last seed is known whatever ends it; and in a thread other than main,
 * whose stack is cheaper to find at each start of the runtime. */
static void play_seeds(long from, long to)
{
    pthread_t thread;
    fflush(NULL);
    pid_t pid = fork();
    CHECK_GE(pid, 0);
    if (pid == 0) {
        range = (struct range){ from, to };
        uint64_t *met = calloc(4 * (size_t)(to - from + 1), sizeof *met);
        CHECK(met);
        CHECK_EQ(pthread_create(&thread, NULL, play_range, met), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        free(met);
        exit(0);
    }
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    if (status)
        FAIL("schedule %ld fails, status %x; again with WEFT_TEST_SEED=%ld", shared->seed, status,
             shared->seed);
}

static void explore(const struct scenario *chosen)
{
    const char *again = getenv("WEFT_TEST_SEED");
    long n = t_rounds(t_slow_build() ? 200 : 6000);
    scenario = chosen;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
    if (again) {
        play_seeds(atol(again), atol(again));
        return;
    }
    play_seeds(1, n);
    printf("counted: %ld schedules, %ld distinct\n", n, shared->distinct);
    CHECK_GE(shared->distinct, n / 10 * 9); /* else the scenario is too small */
}

#define SCHEDULES(name, begin, body, end)                   \
    TEST_REAL_LONG(name, "it makes seeded runs itself", 60) \
    {                                                       \
        explore(&(struct scenario){ begin, body, end });    \
    }

/* -- what the scenarios share ---------------------------------------------------------------------- */

/* Every other wait of a task has a deadline. */
static weft_deadline limit(int who, int round)
{
    return (who + round) % 2 ? weft_after((who + 1) * WEFT_MS) : weft_never();
}

static int inside, most_inside;
static long counts[4];

static void hold(int most)
{
    CHECK_LE(++inside, most);
    (void)weft_yield();
    CHECK_GE(--inside, 0);
}

static void reset_counts(void)
{
    inside = 0;
    memset(counts, 0, sizeof counts);
}

/* -- lock ------------------------------------------------------------------------------------------ */

static weft_lock lock;

static int lock_body(int who)
{
    for (int i = 0; i < ROUNDS; i++) {
        int r = weft_lock_acquire(&lock, limit(who, i));
        if (r == -ETIMEDOUT)
            continue;
        if (r < 0)
            return r;
        hold(1);
        CHECK_EQ(weft_lock_release(&lock), 0);
    }
    return 0;
}

static void lock_end(void)
{
    CHECK_EQ(weft_lock_acquire(&lock, weft_at_once()), 0);
    weft_lock_leave(&lock);
    weft_lock_fini(&lock);
}

SCHEDULES(lock_excludes, reset_counts, lock_body, lock_end)

/* -- rlock ----------------------------------------------------------------------------------------- */

static weft_rlock rlock;
static weft_cond changed;

static int rlock_body(int who)
{
    for (int i = 0; i < ROUNDS; i++) {
        int depth = 0, r = 0;
        while (depth < 1 + (who + i) % 2 && r == 0)
            if ((r = weft_rlock_acquire(&rlock, limit(who, i + depth))) == 0)
                depth++;
        if (depth)
            hold(1);
        if (depth && r == 0 && who % 2)
            r = weft_cond_wait_rlock(&changed, &rlock, weft_after(WEFT_MS));
        else if (depth)
            weft_cond_signal(&changed);
        if (depth)
            hold(1);
        while (depth-- > 0)
            CHECK_EQ(weft_rlock_release(&rlock), 0);
        CHECK(!weft_rlock_is_held(&rlock));
        if (r < 0 && r != -ETIMEDOUT)
            return r;
    }
    return 0;
}

static void rlock_end(void)
{
    CHECK_EQ(weft_rlock_acquire(&rlock, weft_at_once()), 0);
    weft_rlock_leave(&rlock);
    weft_cond_fini(&changed);
    weft_rlock_fini(&rlock);
}

SCHEDULES(rlock_excludes, reset_counts, rlock_body, rlock_end)

/* -- rwlock ---------------------------------------------------------------------------------------- */

static weft_rwlock rwlock;
static weft_event event;
enum { READERS, WRITERS, WRITES, TWIN };

static int rwlock_body(int who)
{
    for (int i = 0; i < ROUNDS; i++) {
        bool writes = who % 2 || (who == 4 && i > 0);
        int r = writes ? weft_rwlock_acquire_write(&rwlock, weft_after((who + 1) * WEFT_MS))
                       : weft_rwlock_acquire_read(&rwlock, i ? limit(who, i) : weft_never());
        if (r == -ETIMEDOUT)
            continue;
        if (r < 0)
            return r;
        counts[writes ? WRITERS : READERS]++;
        counts[WRITES] += writes;
        (void)weft_yield();
        counts[TWIN] += writes;
        CHECK_EQ(counts[WRITES], counts[TWIN]);
        CHECK(counts[WRITERS] == 0 || (counts[WRITERS] == 1 && counts[READERS] == 0));
        if (who == 2)
            weft_event_set(&event);
        if (who == 0) { /* who gives up waiting to write lets the other reader in */
            CHECK_EQ(weft_event_wait(&event, weft_never()), 0);
            CHECK_EQ(weft_rwlock_acquire_read(&rwlock, weft_never()), 0); /* past every writer */
            CHECK_EQ(weft_rwlock_release(&rwlock), 0);
        }
        counts[writes ? WRITERS : READERS]--;
        CHECK_EQ(weft_rwlock_release(&rwlock), 0);
    }
    return 0;
}

static void rwlock_end(void)
{
    CHECK_EQ(weft_rwlock_acquire_write(&rwlock, weft_at_once()), 0);
    weft_rwlock_leave(&rwlock);
    weft_rwlock_fini(&rwlock);
    weft_event_fini(&event);
}

SCHEDULES(rwlock_keeps_writers_alone, reset_counts, rwlock_body, rwlock_end)

/* -- cond: a buffer of one; a lost signal leaves somebody waiting without end ----------------------- */

static weft_cond has_room, has_value;
enum { FULL, IN, OUT, PRODUCERS };

static void cond_begin(void)
{
    reset_counts();
    counts[PRODUCERS] = 2;
}

/* true: its turn came, with the lock held */
static int await(weft_cond *cond, bool full, int who, int round)
{
    int r = 0;
    while (counts[FULL] != full && (!full || counts[PRODUCERS] > 0) && r != -ECANCELED) {
        r = weft_cond_wait(cond, &lock, limit(who, round++));
        CHECK(r == 0 || r == -ETIMEDOUT || r == -ECANCELED);
    }
    return counts[FULL] == full ? 1 : r == -ECANCELED ? r : 0;
}

static int produce_one_by_one(int who)
{
    int r = 1;
    for (int i = 0; i < ROUNDS && r == 1; i++) {
        weft_lock_enter(&lock);
        if ((r = await(&has_room, false, who, i)) == 1) {
            counts[FULL] = 1;
            counts[IN]++;
            weft_cond_signal(&has_value);
        }
        weft_lock_leave(&lock);
    }
    weft_lock_enter(&lock);
    if (--counts[PRODUCERS] == 0)
        weft_cond_broadcast(&has_value);
    weft_lock_leave(&lock);
    return r == 1 ? 0 : r;
}

static int cond_body(int who)
{
    if (who < 2)
        return produce_one_by_one(who);
    for (int r = 1, i = 0; r == 1; i++) {
        weft_lock_enter(&lock);
        if ((r = await(&has_value, true, who, i)) == 1) {
            counts[FULL] = 0;
            counts[OUT]++;
            weft_cond_signal(&has_room);
        }
        weft_lock_leave(&lock);
        if (r < 0)
            return r;
    }
    return 0;
}

static void cond_end(void)
{
    CHECK_EQ(counts[IN], counts[OUT]);
    CHECK_GE(counts[IN], ROUNDS);
    weft_cond_fini(&has_room);
    weft_cond_fini(&has_value);
    weft_lock_fini(&lock);
}

SCHEDULES(cond_loses_no_signal, cond_begin, cond_body, cond_end)

/* -- semaphore --------------------------------------------------------------------------------------- */

static weft_semaphore sem;

static int hold_permit(int who)
{
    for (int i = 0; i < ROUNDS; i++) {
        int r = weft_semaphore_acquire(&sem, limit(who, i));
        if (r == -ETIMEDOUT)
            continue;
        if (r < 0)
            return r;
        hold(2);
        CHECK_EQ(weft_semaphore_release(&sem, 1), 0);
    }
    return 0;
}

static void bounded_begin(void)
{
    reset_counts();
    CHECK_OK(weft_semaphore_init(&sem, 2, 2, 0));
}

static void bounded_end(void)
{
    CHECK_EQ(weft_semaphore_value(&sem), 2);
    CHECK_ERR(weft_semaphore_release(&sem, 1), -EOVERFLOW);
    weft_semaphore_fini(&sem);
}

SCHEDULES(bounded_semaphore_counts, bounded_begin, hold_permit, bounded_end)

static int give_and_take_permits(int who)
{
    for (int i = 0; i < ROUNDS; i++) {
        if (who % 2 == 0) { /* nine in all, and the others take six at most */
            CHECK_EQ(weft_semaphore_release(&sem, 1 + (unsigned)(i % 2)), 0);
            counts[IN] += 1 + i % 2;
            (void)weft_yield();
            continue;
        }
        int r = weft_semaphore_acquire(&sem, limit(who, i));
        if (r == 0)
            CHECK_LE(++counts[OUT], counts[IN] + 2); /* released, and its giver not back yet */
        else if (r != -ETIMEDOUT)
            return r;
    }
    return 0;
}

static void semaphore_begin(void)
{
    reset_counts();
    CHECK_OK(weft_semaphore_init(&sem, 0, 0, 0));
}

static void semaphore_end(void)
{
    CHECK_EQ(weft_semaphore_value(&sem), counts[IN] - counts[OUT]);
    weft_semaphore_fini(&sem);
}

SCHEDULES(semaphore_loses_no_permit, semaphore_begin, give_and_take_permits, semaphore_end)

/* -- event ------------------------------------------------------------------------------------------- */

enum { BEGUN, ENDED };

static int event_body(int who)
{
    for (int i = 0; i < ROUNDS; i++) {
        if (who % 2 == 0 && i < ROUNDS - 1) {
            counts[BEGUN]++;
            weft_event_set(&event);
            counts[ENDED]++;
            (void)weft_yield();
            if (who < 4)
                weft_event_clear(&event);
            continue;
        }
        long ended = counts[ENDED];
        bool was_set = weft_event_is_set(&event);
        int r = weft_event_wait(&event, who == 4 ? weft_never() : weft_after(WEFT_MS * (1 + who)));
        if (r == 0)
            CHECK(was_set || counts[BEGUN] > ended); /* it was set meanwhile */
        else if (r != -ETIMEDOUT)
            return r;
        if (who % 2 == 0) { /* the last of these comes after every clear */
            counts[BEGUN]++;
            weft_event_set(&event);
            counts[ENDED]++;
        }
    }
    return 0;
}

static void event_end(void)
{
    weft_event_fini(&event);
}

SCHEDULES(event_keeps_nobody, reset_counts, event_body, event_end)

/* -- barrier ----------------------------------------------------------------------------------------- */

enum { PARTIES = 3, ACTED = PARTIES };
static weft_barrier barrier;

static int act(void *arg)
{
    (void)arg;
    counts[ACTED]++;
    return 0;
}

static int barrier_body(int who)
{
    for (int i = 0; i < ROUNDS; i++) {
        int r = weft_barrier_wait(&barrier, weft_after((who + 2) * WEFT_MS));
        CHECK_LT(r, PARTIES);
        if (r >= 0)
            counts[r]++;
        else if (r == -ECANCELED)
            return r;
        else if (who == 4)
            weft_barrier_abort(&barrier);
        else
            weft_barrier_reset(&barrier);
    }
    return 0;
}

static void barrier_begin(void)
{
    reset_counts();
    CHECK_OK(weft_barrier_init(&barrier, PARTIES, act, NULL, 0));
}

static void barrier_end(void)
{
    for (int i = 0; i < PARTIES; i++) /* each round was passed by all or by none */
        CHECK_EQ(counts[i], counts[ACTED]);
    CHECK_EQ(weft_barrier_waiting(&barrier), 0);
    weft_barrier_fini(&barrier);
}

SCHEDULES(barrier_passes_all_or_none, barrier_begin, barrier_body, barrier_end)

/* -- once -------------------------------------------------------------------------------------------- */

static weft_once once;
enum { RUNS, DONE };

static int succeed_at_last(void *arg)
{
    (void)arg;
    CHECK_EQ(++inside, 1);
    CHECK_EQ(counts[DONE], 0);
    int r = weft_sleep(weft_after(WEFT_MS));
    inside--;
    if (r < 0 || ++counts[RUNS] < 3)
        return r < 0 ? r : -EIO;
    counts[DONE]++;
    return 7;
}

static int once_body(int who)
{
    for (int i = 0, r = 0; i < ROUNDS && r != 7; i++) {
        r = weft_once_run(&once, succeed_at_last, NULL, limit(who, i));
        CHECK(r == 7 || r == -EIO || r == -ETIMEDOUT || r == -ECANCELED);
        CHECK(r != 7 || counts[DONE] == 1);
        if (r == -ECANCELED)
            return r;
    }
    return 0;
}

static void once_end(void)
{
    CHECK_EQ(weft_once_is_done(&once), counts[DONE]);
    weft_once_fini(&once);
    once = (weft_once){ 0 };
}

SCHEDULES(once_is_once_though_some_fail, reset_counts, once_body, once_end)

/* -- queues ------------------------------------------------------------------------------------------ */

enum { VALUES = 16 }; /* of a producer: they are numbered who * VALUES + 0, 1, ... */
static weft_queue queue;
static unsigned order;
static bool closes_early;
static char put[CREW * VALUES], got[CREW * VALUES];

static void queue_begin(uint32_t count, bool own, unsigned flags)
{
    static _Alignas(8) char slots[2 * WEFT_PRIORITY_SLOT(sizeof(int))];
    reset_counts();
    memset(put, 0, sizeof put);
    memset(got, 0, sizeof got);
    order = flags;
    closes_early = false;
    CHECK_OK(weft_queue_init(&queue, own ? slots : NULL, count, sizeof(int), flags));
    weft_queue_producers(&queue, 2);
    counts[PRODUCERS] = 2;
}

static int put_values(int who)
{
    int r = 0;
    for (int i = 0; i < ROUNDS && r != -ECANCELED && r != -EPIPE; i++) {
        int v[2] = { who * VALUES + 2 * i, who * VALUES + 2 * i + 1 };
        if (order & WEFT_PRIORITY)
            r = weft_queue_put_at(&queue, v, sizeof *v, -who, limit(who, i));
        else if (i == 1)
            r = weft_queue_put_many(&queue, v, 2, sizeof *v, limit(who, i));
        else
            r = weft_queue_put(&queue, v, sizeof *v, limit(who, i));
        CHECK(r >= 0 || r == -ETIMEDOUT || r == -ECANCELED || (r == -EPIPE && closes_early));
        for (int k = 0; k < (r == 0 ? 1 : r); k++, counts[IN]++)
            put[v[k]]++;
    }
    counts[PRODUCERS]--;
    weft_queue_close(&queue);
    return r == -ECANCELED ? r : 0;
}

static int queue_body(int who)
{
    int last[2] = { -1, -1 };
    if (who < 2)
        return put_values(who);
    for (int i = 0;; i++) {
        int v[2], r;
        if (closes_early && i == 1) {
            if (who == 4)
                weft_queue_close(&queue);
            return 0;
        }
        if (who == 4)
            r = weft_queue_get_many(&queue, v, 2, sizeof *v, limit(who, i));
        else
            r = weft_queue_get(&queue, v, sizeof *v, limit(who, i));
        CHECK_LE(r, 1 + (who == 4));
        for (int k = 0; k < r; k++) {
            CHECK_EQ(++got[v[k]], 1);
            if (order != WEFT_LIFO) /* of one producer they come in order */
                CHECK_LT(last[v[k] / VALUES], v[k]);
            last[v[k] / VALUES] = v[k];
        }
        if (r == 0 || r == -ECANCELED)
            return r;
        CHECK(r > 0 || r == -ETIMEDOUT);
    }
}

static void queue_end(void)
{
    CHECK_MEM(put, got, sizeof put);
    CHECK(weft_queue_is_empty(&queue));
    weft_queue_fini(&queue);
}

static void fifo_begin(void)
{
    queue_begin(2, true, WEFT_FIFO);
}

static void lifo_begin(void)
{
    queue_begin(2, true, WEFT_LIFO);
}

static void priority_begin(void)
{
    queue_begin(2, true, WEFT_PRIORITY);
}

static void hand_over_begin(void)
{
    queue_begin(0, false, WEFT_FIFO);
}

static void early_close_begin(void)
{
    queue_begin(2, true, WEFT_FIFO);
    closes_early = true;
    weft_queue_producers(&queue, 1); /* whoever is done first: who puts then waits no more */
}

/* After the end values may be left: of puts that were in before. */
static void early_close_end(void)
{
    int v;
    CHECK_ERR(weft_queue_put(&queue, &(int){ 0 }, sizeof v, weft_never()), -EPIPE);
    while (weft_queue_get(&queue, &v, sizeof v, weft_never()) == 1)
        CHECK_EQ(++got[v], 1);
    queue_end();
}

static void unbounded_begin(void)
{
    queue_begin(WEFT_UNBOUNDED, false, WEFT_FIFO);
}

SCHEDULES(fifo_loses_and_doubles_nothing, fifo_begin, queue_body, queue_end)
SCHEDULES(lifo_loses_and_doubles_nothing, lifo_begin, queue_body, queue_end)
SCHEDULES(priority_loses_and_doubles_nothing, priority_begin, queue_body, queue_end)
SCHEDULES(hand_over_loses_and_doubles_nothing, hand_over_begin, queue_body, queue_end)
SCHEDULES(close_ends_every_wait, early_close_begin, queue_body, early_close_end)
SCHEDULES(unbounded_loses_and_doubles_nothing, unbounded_begin, queue_body, queue_end)

/* A join that returns 0 has seen the end of all that was put. */
static int join_body(int who)
{
    if (who < 2)
        return put_values(who);
    for (int i = 0; i < 2 * ROUNDS; i++) {
        bool all_in = counts[PRODUCERS] == 0;
        int v, r;
        if (who < 4) {
            r = weft_queue_get(&queue, &v, sizeof v, limit(who, i));
            if (r == 1) {
                got[v]++;
                (void)weft_yield();
                counts[OUT]++;
                CHECK_EQ(weft_queue_task_done(&queue), 0);
            }
        } else {
            r = weft_queue_join(&queue, weft_after(WEFT_MS * (1 + i)));
            if (r == 0 && all_in)
                CHECK_EQ(counts[OUT], counts[IN]);
        }
        if (r == -ECANCELED)
            return r;
    }
    return 0;
}

/* What is left over is got here. */
static void join_end(void)
{
    int v;
    while (weft_queue_get(&queue, &v, sizeof v, weft_at_once()) == 1) {
        got[v]++;
        CHECK_EQ(weft_queue_task_done(&queue), 0);
    }
    CHECK_EQ(weft_queue_join(&queue, weft_at_once()), 0);
    queue_end();
}

SCHEDULES(queue_join_waits_for_all, unbounded_begin, join_body, join_end)

/* -- select ------------------------------------------------------------------------------------------ */

static weft_queue room_for_one;

static void select_begin(void)
{
    static int slot;
    queue_begin(0, false, WEFT_FIFO);
    CHECK_OK(weft_queue_init(&room_for_one, &slot, 1, sizeof slot, 0));
    CHECK_OK(weft_semaphore_init(&sem, 1, 1, 0));
}

static int select_body(int who)
{
    for (int i = 0; i < ROUNDS; i++) {
        int in = -1, out = who * VALUES + i;
        weft_queue *to = who % 2 ? &queue : &room_for_one, *from = who % 2 ? &room_for_one : &queue;
        struct weft_exit how = { .size = sizeof how };
        struct weft_case on[] = {
            weft_on_put(to, &out, sizeof out),
            weft_on_get(from, &in, sizeof in),
            weft_on_lock(&lock),
            i < 2 ? weft_on_semaphore(&sem) : weft_on_task(crew[(who + 1) % CREW], &how),
        };
        size_t first = i == 0 ? 0 : 1, n = 4 - first - (who == 0);
        int chose = weft_select(on + first, n, weft_after((1 + who) * WEFT_MS));
        chose += chose >= 0 ? (int)first : 0;
        CHECK(in == -1 || chose == 1);
        switch (chose) {
        case 0: put[out]++; break;
        case 1: CHECK_EQ(++got[in], 1); break;
        case 2:
            CHECK(weft_lock_is_held(&lock));
            hold(1);
            CHECK_EQ(weft_lock_release(&lock), 0);
            break;
        case 3:
            if (i < 2) {
                CHECK_EQ(++most_inside, 1);
                (void)weft_yield();
                most_inside--;
                CHECK_EQ(weft_semaphore_release(&sem, 1), 0);
            }
            break;
        case -ECANCELED: return chose;
        default: CHECK_ERR(chose, -ETIMEDOUT);
        }
    }
    return 0;
}

static void select_end(void)
{
    int v = -1;
    CHECK_ERR(weft_queue_put(&queue, &v, sizeof v, weft_at_once()), -ETIMEDOUT);
    while (weft_queue_get(&room_for_one, &v, sizeof v, weft_at_once()) == 1)
        CHECK_EQ(++got[v], 1);
    CHECK_EQ(weft_semaphore_value(&sem), 1);
    weft_queue_fini(&room_for_one);
    weft_semaphore_fini(&sem);
    queue_end();
    lock_end();
}

SCHEDULES(select_takes_one_and_leaves_the_rest, select_begin, select_body, select_end)

/* -- groups and joins -------------------------------------------------------------------------------- */

static int child(void *arg)
{
    int *alive = arg, r;
    ++*alive;
    r = weft_yield();
    if (r == 0 && *alive == 2)
        r = -EIO; /* the one that finds both cancels the other */
    if (r == 0)
        r = weft_sleep(weft_after(2 * WEFT_MS));
    --*alive;
    return r;
}

static int group_body(int who)
{
    for (int i = 0; i < ROUNDS; i++) {
        weft_group g;
        weft_task ended;
        int alive = 0, next = 1, r;
        CHECK_OK(weft_group_init(&g, i == 1 ? WEFT_COLLECT : 0));
        for (int k = 0; k < 2; k++) {
            r = weft_group_spawn(&g, k == 1 && who == 0 ? WEFT_THREAD : WEFT_COROUTINE, child,
                                 &alive);
            CHECK(r == 0 || r == -ECANCELED); /* the first may have failed already */
        }
        for (int k = 0; i == 1 && next == 1; k++) {
            next = weft_group_next(&g, &ended, limit(who, k));
            CHECK(next >= 0 || next == -ETIMEDOUT || next == -ECANCELED);
            CHECK_LE(k, 2);
            if (next == 1) {
                struct weft_exit how = { .size = sizeof how };
                r = weft_task_join(ended, &how, weft_at_once());
                CHECK(r == 0 || r == -ECANCELED);
            }
        }
        r = weft_group_wait(&g, limit(who, i));
        CHECK_EQ(alive, 0);
        CHECK(r == 0 || r == -EIO || r == -ETIMEDOUT || r == -ECANCELED);
        CHECK_EQ(weft_group_failed(&g, NULL), r == -EIO);
        weft_group_fini(&g);
        if (r == -ECANCELED)
            return r;
    }
    return 0;
}

static void nothing(void)
{
}

SCHEDULES(group_leaves_nobody_running, nothing, group_body, nothing)

/* The first one ends when it likes; the others join it, and those before them. */
static int join_task_body(int who)
{
    if (who == 0)
        for (int i = 0; i < ROUNDS; i++)
            CHECK_EQ(weft_sleep(weft_after(WEFT_MS)), 0);
    for (int i = 0; i < who; i++) {
        struct weft_exit how = { .size = sizeof how, .result = -1 };
        int r = weft_task_join(crew[i], &how, limit(who, i));
        CHECK(r == 0 || r == -ETIMEDOUT || r == -ECANCELED);
        CHECK_EQ(how.result, r == 0 ? 0 : -1);
        if (r == 0) {
            CHECK(!how.cancelled || is_victim(i));
            CHECK(LOAD(counts[0]) & 1 << i);
        }
        if (r == -ECANCELED) {
            counts[0] |= 1 << who;
            return r;
        }
    }
    counts[0] |= 1 << who;
    return 0;
}

SCHEDULES(join_tells_of_an_end, reset_counts, join_task_body, nothing)

/* -- generators -------------------------------------------------------------------------------------- */

/* Gives 1, 2, 3, each with a permit; 0 where its caller's patience ended. */
static int with_permits(void *arg)
{
    (void)arg;
    for (int i = 1; i <= ROUNDS; i++) {
        int none = 0, r;
        while ((r = weft_semaphore_acquire(&sem, weft_never())) == -ETIMEDOUT)
            if ((r = weft_generator_yield(&none, sizeof none)) < 0)
                return r;
        if (r < 0)
            return r;
        hold(2);
        CHECK_EQ(weft_semaphore_release(&sem, 1), 0);
        if ((r = weft_generator_yield(&i, sizeof i)) < 0)
            return r;
    }
    return 0;
}

static int generator_body(int who)
{
    weft_generator g;
    int value, expected = 1, r = 1;
    CHECK_OK(weft_generator_init(&g, with_permits, NULL, sizeof(int)));
    for (int i = 0; r == 1 && i < 2 * ROUNDS; i++) {
        r = weft_generator_next(&g, &value, sizeof value, limit(who, i));
        CHECK(r >= 0 || r == -ECANCELED);
        if (r == 1 && value)
            CHECK_EQ(value, expected++);
    }
    if (r == 0)
        CHECK_EQ(expected, ROUNDS + 1);
    weft_generator_fini(&g);
    return r == -ECANCELED ? r : 0;
}

SCHEDULES(generator_waits_as_its_caller, bounded_begin, generator_body, bounded_end)

/* -- and that is what a seed means ------------------------------------------------------------------- */

TEST_REAL_LONG(a_schedule_is_the_same_alone, "it makes seeded runs itself", 60)
{
    enum { SEEDS = 20 };
    scenario = &(struct scenario){ fifo_begin, queue_body, queue_end };
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
    for (long seed = 2; seed <= SEEDS; seed++) {
        play_seeds(1, seed);
        uint64_t among_others = shared->trace;
        play_seeds(seed, seed);
        CHECK_EQ(shared->trace, among_others);
    }
}
