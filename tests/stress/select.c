/* Selects of all sorts against each other, tasks and threads, deadlines and cancels racing the wakes: each
 * value is got once, nothing is held by nobody, and what was not taken is untouched. Under a seed the
 * same in virtual time. */
#include "../behaviour/until.h"

#include <poll.h>
#include <pthread.h>
#include <time.h>

enum { QUEUES = 4, CASES = 6, CREW = 8, FOREIGN = 2, VALUES = 1 << 20, NONE = -1 };

static const uint32_t rooms[QUEUES] = { 0, 0, 1, 3 };
static int slots[QUEUES][3];
static weft_queue queues[QUEUES];
static weft_semaphore sem;
static weft_lock locks[2];
static weft_event event;
static int inside[3]; /* of the two locks, of the semaphore */
static int next_value;
static unsigned char put[VALUES], got[VALUES];
static long taken[8];

enum sort { PUT, GET, LOCK, SEMAPHORE, TASK, EVENT, TIME };
static const enum sort mix[] = { PUT,  PUT,  PUT,       PUT,       GET,  GET,   GET, GET,
                                 LOCK, LOCK, SEMAPHORE, SEMAPHORE, TASK, EVENT, TIME };
static weft_task crew[CREW]; /* those that may be cancelled */

static void hold(int *count, int most, uint64_t *state)
{
    CHECK_LE(ADD(*count, 1), most);
    if (draw(state) % 4 == 0)
        weft_yield();
    ADD(*count, -1);
}

/* Its choice is made: do what follows from it. */
static void follow(const struct weft_case *c, enum sort sort, int where, int value, uint64_t *state)
{
    ADD(taken[sort], 1);
    switch (sort) {
    case PUT:
        CHECK_EQ(c->result, 0);
        ADD(put[value], 1);
        break;
    case GET:
        CHECK_EQ(c->result, 1);
        CHECK_EQ(ADD(got[value], 1), 1);
        break;
    case LOCK:
        CHECK_EQ(c->result, 0);
        CHECK(weft_lock_is_held(&locks[where % 2]));
        hold(&inside[where % 2], 1, state);
        CHECK_EQ(weft_lock_release(&locks[where % 2]), 0);
        break;
    case SEMAPHORE:
        hold(&inside[2], 2, state);
        CHECK_EQ(weft_semaphore_release(&sem, 1), 0);
        break;
    case TASK: CHECK(c->result == 0 || c->result == -EDEADLK); break; /* -EDEADLK: itself */
    default: CHECK_EQ(c->result, 0);
    }
}

static int choose_often(uint64_t *state, long rounds)
{
    for (long i = 0; i < rounds; i++) {
        struct weft_case on[CASES];
        enum sort sorts[CASES];
        struct weft_exit how = { .size = sizeof how, .result = NONE };
        weft_task task;
        int values[CASES], where[CASES], n = (int)(draw(state) % CASES) + 1;
        for (int k = 0; k < n; k++) {
            where[k] = (int)(draw(state) % QUEUES);
            values[k] = NONE;
            switch (sorts[k] = mix[draw(state) % 15]) {
            case PUT:
                CHECK_LT(values[k] = ADD(next_value, 1), VALUES);
                on[k] = weft_on_put(&queues[where[k]], &values[k], sizeof values[k]);
                break;
            case GET: on[k] = weft_on_get(&queues[where[k]], &values[k], sizeof values[k]); break;
            case LOCK: on[k] = weft_on_lock(&locks[where[k] % 2]); break;
            case SEMAPHORE: on[k] = weft_on_semaphore(&sem); break;
            case TASK:
                __atomic_load(&crew[draw(state) % CREW].id, &task.id, __ATOMIC_ACQUIRE);
                on[k] = weft_on_task(task, &how);
                break;
            case EVENT: on[k] = weft_on_event(&event); break;
            default: on[k] = weft_on_time(weft_after((weft_span)(draw(state) % 400) * WEFT_US));
            }
        }
        weft_deadline until = weft_after((weft_span)(draw(state) % 300) * WEFT_US);
        int chose = weft_select(on, (size_t)n, draw(state) % 4 ? until : weft_at_once());
        for (int k = 0; k < n; k++)
            if (k != chose && sorts[k] == GET)
                CHECK_EQ(values[k], NONE);
        CHECK(how.result == NONE || (chose >= 0 && sorts[chose] == TASK));
        if (chose == -ECANCELED)
            return chose;
        if (chose >= 0)
            follow(&on[chose], sorts[chose], where[chose], values[chose], state);
        else
            CHECK_ERR(chose, -ETIMEDOUT);
        if (draw(state) % 16 == 0)
            weft_event_set(&event);
        else if (draw(state) % 4 == 0)
            weft_event_clear(&event);
    }
    return 0;
}

static struct job {
    uint64_t state;
    long rounds;
} jobs[2 * CREW + FOREIGN];

static int work(void *arg)
{
    struct job *job = arg;
    return choose_often(&job->state, job->rounds);
}

static void *work_foreign(void *arg)
{
    CHECK_EQ(work(arg), 0);
    return NULL;
}

static int cancel_one(void *arg)
{
    (void)arg;
    for (int i = 0; i < CREW; i++)
        if (i % 2) {
            int r = weft_sleep(weft_after((weft_span)i * 300 * WEFT_US));
            weft_task_cancel(crew[i]);
            if (r < 0)
                return r;
        }
    return 0;
}

TEST_LONG(selects_lose_and_double_nothing, 60)
{
    long rounds = t->seed ? 40 : t_rounds(4000);
    rounds = rounds < 25000 ? rounds : 25000; /* as many values as there are */
    uint64_t seed = t->seed ? t->seed : (uint64_t)time(NULL) * 1000003u + (uint64_t)getpid();
    const char *again = getenv("WEFT_TEST_SEED");
    pthread_t foreign[FOREIGN];
    weft_group g;
    int value = 0, n = 0;
    seed = again ? strtoull(again, NULL, 10) : seed;
    if (!t->seed)
        printf("WEFT_TEST_SEED=%llu\n", (unsigned long long)seed);
    for (int i = 0; i < 2 * CREW + FOREIGN; i++)
        jobs[i] = (struct job){ (seed + (uint64_t)i) * 0x9e3779b97f4a7c15u | 1, rounds };
    for (int i = 0; i < QUEUES; i++)
        CHECK_OK(weft_queue_init(&queues[i], rooms[i] ? slots[i] : NULL, rooms[i], sizeof value, 0));
    CHECK_OK(weft_semaphore_init(&sem, 2, 2, 0));
    CHECK_OK(weft_group_init(&g, WEFT_KEEP_GOING));
    for (int i = 0; i < CREW; i++)
        CHECK_OK(weft_group_spawn(&g, i % 4 ? WEFT_COROUTINE : WEFT_THREAD, work, &jobs[n++]));
    for (int i = 0; i < CREW; i++) {
        weft_task task;
        struct weft_spawn more = { .size = sizeof more, .task = &task };
        CHECK_OK(weft_group_spawn_with(&g, i % 4 ? WEFT_COROUTINE : WEFT_THREAD, work, &jobs[n++],
                                       &more));
        __atomic_store(&crew[i].id, &task.id, __ATOMIC_RELEASE);
    }
    CHECK_OK(weft_group_spawn(&g, WEFT_COROUTINE, cancel_one, NULL));
    for (int i = 0; i < FOREIGN && !t->seed; i++)
        CHECK_EQ(pthread_create(&foreign[i], NULL, work_foreign, &jobs[n++]), 0);
    for (int i = 0; i < FOREIGN && !t->seed; i++)
        CHECK_EQ(pthread_join(foreign[i], NULL), 0);
    int r = weft_group_wait(&g, weft_never());
    CHECK(r == 0 || r == -ECANCELED);

    for (int i = 0; i < QUEUES; i++) {
        if (rooms[i] == 0) /* nobody is left in it */
            CHECK_ERR(weft_queue_put(&queues[i], &value, sizeof value, weft_at_once()), -ETIMEDOUT);
        weft_queue_close(&queues[i]);
        while (weft_queue_get(&queues[i], &value, sizeof value, weft_at_once()) == 1)
            CHECK_EQ(ADD(got[value], 1), 1);
        weft_queue_fini(&queues[i]);
    }
    for (int i = 0; i < VALUES; i++)
        CHECK_EQ(put[i], got[i]);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(weft_lock_acquire(&locks[i], weft_at_once()), 0);
        weft_lock_leave(&locks[i]);
        weft_lock_fini(&locks[i]);
    }
    CHECK_EQ(weft_semaphore_value(&sem), 2);
    weft_semaphore_fini(&sem);
    weft_event_fini(&event);
    weft_group_fini(&g);
    if (!t->seed)
        for (int i = PUT; i <= TIME; i++) /* all sorts were met */
            CHECK_GT(taken[i], 0);
}

/* -- descriptors: bytes are read once, whoever is told of them -- */

enum { PIPES = 3, BYTES = 3000 };

static int pipes[PIPES][2];
static int written, bytes_read;
static weft_event all_read;

static int read_what_comes(void *arg)
{
    struct weft_case on[PIPES + 1];
    char byte;
    (void)arg;
    for (int i = 0; i < PIPES; i++)
        on[i] = weft_on_fd(pipes[i][0], POLLIN);
    on[PIPES] = weft_on_event(&all_read);
    for (;;) {
        int chose = weft_select(on, PIPES + 1, weft_never());
        CHECK_GE(chose, 0);
        if (chose == PIPES)
            return 0;
        CHECK_EQ(on[chose].result, POLLIN);
        ssize_t n = weft_read(pipes[chose][0], &byte, 1, weft_at_once());
        CHECK(n == 1 || n == -ETIMEDOUT); /* another was quicker */
        if (n == 1 && ADD(bytes_read, 1) == (int)t_rounds(BYTES))
            weft_event_set(&all_read);
    }
}

static int write_some(void *arg)
{
    uint64_t state = (uint64_t)(uintptr_t)arg;
    while (ADD(written, 1) <= (int)t_rounds(BYTES)) {
        int fd = pipes[draw(&state) % PIPES][1];
        struct weft_case on[] = { weft_on_fd(fd, POLLOUT), weft_on_fd(fd, POLLOUT) };
        CHECK_GE(weft_select(on, 2, weft_never()), 0);
        CHECK_EQ(weft_write(fd, "x", 1, weft_never()), 1);
        if (draw(&state) % 8 == 0)
            CHECK_OK(weft_sleep(weft_after((weft_span)(draw(&state) % 50) * WEFT_US)));
    }
    return 0;
}

static void *read_foreign(void *arg)
{
    CHECK_EQ(read_what_comes(arg), 0);
    return NULL;
}

TEST_REAL_LONG(every_byte_is_read_once, "the kernel's descriptors", 60)
{
    weft_group g;
    pthread_t foreign;
    for (int i = 0; i < PIPES; i++)
        CHECK_OK(weft_pipe(pipes[i]));
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_EQ(pthread_create(&foreign, NULL, read_foreign, NULL), 0);
    for (int i = 0; i < CREW; i++)
        CHECK_OK(weft_group_spawn(&g, i % 4 ? WEFT_COROUTINE : WEFT_THREAD, read_what_comes, NULL));
    for (int i = 1; i < 4; i++)
        CHECK_OK(weft_group_spawn(&g, i % 3 ? WEFT_COROUTINE : WEFT_THREAD, write_some,
                                  (void *)(intptr_t)i));
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    CHECK_EQ(pthread_join(foreign, NULL), 0);
    CHECK_EQ(bytes_read, (int)t_rounds(BYTES));
    for (int i = 0; i < 2 * PIPES; i++)
        CHECK_OK(weft_close(pipes[i / 2][i % 2]));
    weft_event_fini(&all_read);
    weft_group_fini(&g);
}
