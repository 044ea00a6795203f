/* One table for every object that tasks wait for: at once, deadline, cancel, bounds, waiters of mixed
 * kinds, fini under a waiter. A row says how to make its wait wait, and how to end that. */
#include "../behaviour/until.h"

#include <pthread.h>

enum { CROWD = 9 };

static struct objects {
    weft_lock lock;
    weft_rlock rlock;
    weft_rwlock rwlock;
    weft_cond cond;
    weft_semaphore sem;
    weft_event event;
    weft_barrier barrier;
    weft_once once;
    weft_queue queue;
    char slots[WEFT_SEGMENT_SLOTS(1, sizeof(int))] __attribute__((aligned(64)));
    int turn, left; /* what a condition's waiters wait for; how many of their waits have ended */
    struct visit {
        const struct row *row;
        weft_deadline deadline;
        int result;
        unsigned kind;
        bool waits; /* of a process task: in the table's words */
        struct objects *objects;
        struct visit *self; /* a job for a process, which takes no pointer into a segment */
    } visits[CROWD];
} here, *o;
static unsigned flags; /* WEFT_SHARED, and they lie in the arena or a segment */
static weft_segment segment;
static weft_group runner; /* of once's function and of the task that is joined; both wait for the event */
static weft_task joined;

static void lock_init(int waiters)
{
    (void)waiters;
    CHECK_OK(weft_lock_init(&o->lock, flags));
}
static void lock_shut(void)
{
    weft_lock_enter(&o->lock);
}
static void lock_open(int waiters)
{
    (void)waiters;
    weft_lock_leave(&o->lock);
}
static int lock_wait(weft_deadline deadline)
{
    int r = weft_lock_acquire(&o->lock, deadline);
    if (r == 0)
        CHECK_EQ(weft_lock_release(&o->lock), 0);
    return r;
}
static void lock_fini(void)
{
    weft_lock_fini(&o->lock);
}

static void rlock_init(int waiters)
{
    (void)waiters;
    CHECK_OK(weft_rlock_init(&o->rlock, flags));
}
static void rlock_shut(void)
{
    weft_rlock_enter(&o->rlock);
    weft_rlock_enter(&o->rlock);
}
static void rlock_open(int waiters)
{
    (void)waiters;
    weft_rlock_leave(&o->rlock);
    weft_rlock_leave(&o->rlock);
}
static int rlock_wait(weft_deadline deadline)
{
    int r = weft_rlock_acquire(&o->rlock, deadline);
    if (r == 0)
        CHECK_EQ(weft_rlock_release(&o->rlock), 0);
    return r;
}
static void rlock_fini(void)
{
    weft_rlock_fini(&o->rlock);
}

static void rwlock_init(int waiters)
{
    (void)waiters;
    CHECK_OK(weft_rwlock_init(&o->rwlock, flags));
}
static void rwlock_write(void)
{
    weft_rwlock_enter_write(&o->rwlock);
}
static void rwlock_read(void)
{
    weft_rwlock_enter_read(&o->rwlock);
}
static void rwlock_open(int waiters)
{
    (void)waiters;
    weft_rwlock_leave(&o->rwlock);
}
static int read_wait(weft_deadline deadline)
{
    int r = weft_rwlock_acquire_read(&o->rwlock, deadline);
    if (r == 0)
        CHECK_EQ(weft_rwlock_release(&o->rwlock), 0);
    return r;
}
static int write_wait(weft_deadline deadline)
{
    int r = weft_rwlock_acquire_write(&o->rwlock, deadline);
    if (r == 0)
        CHECK_EQ(weft_rwlock_release(&o->rwlock), 0);
    return r;
}
static void rwlock_fini(void)
{
    weft_rwlock_fini(&o->rwlock);
}

static void nothing(void)
{
}
static void cond_init(int waiters)
{
    lock_init(waiters);
    rlock_init(waiters);
    CHECK_OK(weft_cond_init(&o->cond, flags));
}
static void cond_open(int waiters)
{
    for (int before = LOAD(o->left); LOAD(o->left) < before + waiters; weft_yield()) {
        ADD(o->turn, 1);
        weft_cond_broadcast(&o->cond);
    }
}
static int cond_wait(weft_deadline deadline)
{
    int r = 0, before = LOAD(o->turn); /* a shared one wakes without a signal when a process ends */
    weft_with_lock(&o->lock)
        while (r == 0 && LOAD(o->turn) == before)
            r = weft_cond_wait(&o->cond, &o->lock, deadline);
    ADD(o->left, 1);
    return r;
}
static int cond_rlock_wait(weft_deadline deadline)
{
    int r = 0, before = LOAD(o->turn);
    weft_with_rlock(&o->rlock)
        weft_with_rlock(&o->rlock)
            while (r == 0 && LOAD(o->turn) == before)
                r = weft_cond_wait_rlock(&o->cond, &o->rlock, deadline);
    CHECK(!weft_rlock_is_held(&o->rlock));
    ADD(o->left, 1);
    return r;
}
static void cond_fini(void)
{
    weft_cond_fini(&o->cond);
    lock_fini();
    rlock_fini();
}

static void sem_init_(int waiters)
{
    CHECK_OK(weft_semaphore_init(&o->sem, 1, (uint32_t)waiters + 1, flags));
}
static void sem_shut(void)
{
    CHECK_EQ(weft_semaphore_acquire(&o->sem, weft_at_once()), 0);
}
static void sem_open_(int waiters)
{
    (void)waiters;
    CHECK_EQ(weft_semaphore_release(&o->sem, 1), 0);
}
static int sem_wait_(weft_deadline deadline)
{
    int r;
    weft_with_semaphore(&o->sem, deadline, &r)
        CHECK_EQ(r, 0);
    return r;
}
static void sem_fini(void)
{
    weft_semaphore_fini(&o->sem);
}

static void event_init(int waiters)
{
    (void)waiters;
    CHECK_OK(weft_event_init(&o->event, flags));
    weft_event_set(&o->event);
}
static void event_shut(void)
{
    weft_event_clear(&o->event);
}
static void event_open(int waiters)
{
    (void)waiters;
    weft_event_set(&o->event);
}
static int event_wait(weft_deadline deadline)
{
    return weft_event_wait(&o->event, deadline);
}
static void event_fini(void)
{
    weft_event_fini(&o->event);
}

static void barrier_init(int waiters)
{
    CHECK_OK(weft_barrier_init(&o->barrier, (uint32_t)waiters + 1, NULL, NULL, flags));
}
static void barrier_open(int waiters)
{
    UNTIL((int)weft_barrier_waiting(&o->barrier) == waiters);
    CHECK_EQ(weft_barrier_wait(&o->barrier, weft_never()), waiters);
}
static int barrier_wait(weft_deadline deadline)
{
    int r = weft_barrier_wait(&o->barrier, deadline);
    if (r < 0) {
        CHECK(weft_barrier_is_broken(&o->barrier));
        weft_barrier_reset(&o->barrier);
    }
    return r < 0 ? r : 0;
}
static void barrier_fini(void)
{
    weft_barrier_fini(&o->barrier);
}

static int wait_event(void *arg)
{
    (void)arg;
    return weft_event_wait(&o->event, weft_never());
}
static int run_once(void *arg)
{
    (void)arg;
    return weft_once_run(&o->once, wait_event, NULL, weft_never());
}
static void once_init(int waiters)
{
    (void)waiters;
    CHECK_OK(weft_event_init(&o->event, flags));
    CHECK_OK(weft_once_init(&o->once, flags));
    CHECK_OK(weft_group_init(&runner, 0));
}
static void once_shut(void)
{
    weft_task task;
    struct weft_spawn more = { .size = sizeof more, .task = &task };
    CHECK_EQ(weft_group_spawn_with(&runner, WEFT_COROUTINE, run_once, NULL, &more), 0);
    UNTIL(waits_for(task, "event"));
}
static void once_open(int waiters)
{
    (void)waiters;
    weft_event_set(&o->event);
    CHECK_EQ(weft_group_wait(&runner, weft_never()), 0);
}
static int once_wait(weft_deadline deadline)
{
    return weft_once_run(&o->once, wait_event, NULL, deadline);
}
static void once_fini(void)
{
    weft_once_fini(&o->once);
    weft_event_fini(&o->event);
    weft_group_fini(&runner);
}

static void hand_over_init(int waiters)
{
    (void)waiters;
    CHECK_OK(weft_queue_init(&o->queue, NULL, 0, sizeof(int), 0));
}
static void *shared_slots(void)
{
    return weft_arena_holds(o, sizeof *o) ? NULL : o->slots;
}
static void fifo_init(int waiters)
{
    static int slot;
    (void)waiters;
    CHECK_OK(weft_queue_init(&o->queue, flags ? shared_slots() : &slot, 1, sizeof slot,
                             WEFT_FIFO | flags));
}
static void lifo_init(int waiters)
{
    static int slot;
    (void)waiters;
    CHECK_OK(weft_queue_init(&o->queue, &slot, 1, sizeof slot, WEFT_LIFO));
}
static void priority_init(int waiters)
{
    static _Alignas(8) char slot[WEFT_PRIORITY_SLOT(sizeof(int))];
    (void)waiters;
    CHECK_OK(weft_queue_init(&o->queue, slot, 1, sizeof(int), WEFT_PRIORITY));
}
static void unbounded_init(int waiters)
{
    (void)waiters;
    CHECK_OK(weft_queue_init(&o->queue, NULL, WEFT_UNBOUNDED, sizeof(int), 0));
}
static void acked_init(int waiters)
{
    if (flags)
        CHECK_OK(weft_queue_init(&o->queue, shared_slots(), 1, sizeof(int), WEFT_ACK | flags));
    else
        unbounded_init(waiters);
}
static int put_wait(weft_deadline deadline)
{
    return weft_queue_put(&o->queue, &(int){ 7 }, sizeof(int), deadline);
}
static int get_wait(weft_deadline deadline)
{
    int value = 0, r = weft_queue_get(&o->queue, &value, sizeof value, deadline);
    CHECK_EQ(value, r == 1 ? 7 : 0);
    return r == 1 ? 0 : r;
}
static void queue_shut(void)
{
    CHECK_EQ(put_wait(weft_at_once()), 0);
}
static void queue_gets(int waiters)
{
    while (waiters-- > 0)
        CHECK_EQ(get_wait(weft_never()), 0);
}
static void queue_puts(int waiters)
{
    while (waiters-- > 0)
        CHECK_EQ(put_wait(weft_never()), 0);
}
static int queue_join_wait(weft_deadline deadline)
{
    return weft_queue_join(&o->queue, deadline);
}
static void queue_done(int waiters)
{
    (void)waiters;
    queue_gets(1);
    CHECK_EQ(weft_queue_task_done(&o->queue), 0);
}
static void queue_fini(void)
{
    weft_queue_fini(&o->queue);
}

static void select_init(int waiters)
{
    event_init(waiters);
    fifo_init(waiters);
    lock_init(waiters);
    lock_shut();
}
static int select_wait(weft_deadline deadline)
{
    int value;
    struct weft_case on[] = { weft_on_get(&o->queue, &value, sizeof value),
                              weft_on_event(&o->event), weft_on_lock(&o->lock) };
    int r = weft_select(on, 3, deadline);
    CHECK(r < 0 || r == 1);
    return r < 0 ? r : 0;
}
static void select_fini(void)
{
    event_fini();
    queue_fini();
    if (weft_lock_is_held(&o->lock))
        lock_open(0);
    lock_fini();
}

static void join_init(int waiters)
{
    struct weft_spawn more = { .size = sizeof more, .task = &joined };
    (void)waiters;
    CHECK_OK(weft_event_init(&o->event, 0));
    CHECK_OK(weft_group_init(&runner, 0));
    CHECK_EQ(weft_group_spawn_with(&runner, WEFT_COROUTINE, wait_event, NULL, &more), 0);
}
static int join_wait(weft_deadline deadline)
{
    return weft_task_join(joined, NULL, deadline);
}
static void join_fini(void)
{
    weft_event_set(&o->event);
    CHECK_EQ(weft_group_wait(&runner, weft_never()), 0);
    event_fini();
}

static int group_wait(weft_deadline deadline)
{
    weft_group g;
    CHECK_OK(weft_group_init(&g, 0));
    int r = weft_group_spawn(&g, WEFT_COROUTINE, wait_event, NULL);
    if (r == 0)
        r = weft_group_wait(&g, deadline);
    weft_group_fini(&g);
    return r;
}
static void group_init_(int waiters)
{
    event_init(waiters);
    event_shut();
}

static const struct row {
    const char *name, *state; /* of a waiter */
    void (*init)(int waiters), (*shut)(void), (*open)(int waiters);
    int (*wait)(weft_deadline deadline);
    void (*fini)(void);
    bool passes; /* what is open and not shut is had at once */
} rows[] = {
    { "lock", "lock", lock_init, lock_shut, lock_open, lock_wait, lock_fini, true },
    { "rlock", "rlock", rlock_init, rlock_shut, rlock_open, rlock_wait, rlock_fini, true },
    { "rwlock read", "rwlock (read)", rwlock_init, rwlock_write, rwlock_open, read_wait,
      rwlock_fini, true },
    { "rwlock write", "rwlock (write)", rwlock_init, rwlock_read, rwlock_open, write_wait,
      rwlock_fini, true },
    { "cond", "cond", cond_init, nothing, cond_open, cond_wait, cond_fini, false },
    { "cond rlock", "cond", cond_init, nothing, cond_open, cond_rlock_wait, cond_fini, false },
    { "semaphore", "semaphore", sem_init_, sem_shut, sem_open_, sem_wait_, sem_fini, true },
    { "event", "event", event_init, event_shut, event_open, event_wait, event_fini, true },
    { "barrier", "barrier", barrier_init, nothing, barrier_open, barrier_wait, barrier_fini, false },
    { "once", "once", once_init, once_shut, once_open, once_wait, once_fini, false },
    { "queue get, fifo", "get", fifo_init, nothing, queue_puts, get_wait, queue_fini, false },
    { "queue put, fifo", "put", fifo_init, queue_shut, queue_gets, put_wait, queue_fini, false },
    { "queue join", "queue", acked_init, queue_shut, queue_done, queue_join_wait, queue_fini, true },
    { "select", "select", select_init, event_shut, event_open, select_wait, select_fini, true },
    { "queue get, hand-over", "get", hand_over_init, nothing, queue_puts, get_wait, queue_fini,
      false },
    { "queue put, hand-over", "put", hand_over_init, nothing, queue_gets, put_wait, queue_fini,
      false },
    { "queue get, lifo", "get", lifo_init, nothing, queue_puts, get_wait, queue_fini, false },
    { "queue put, lifo", "put", lifo_init, queue_shut, queue_gets, put_wait, queue_fini, false },
    { "queue get, priority", "get", priority_init, nothing, queue_puts, get_wait, queue_fini, false },
    { "queue put, priority", "put", priority_init, queue_shut, queue_gets, put_wait, queue_fini,
      false },
    { "queue get, unbounded", "get", unbounded_init, nothing, queue_puts, get_wait, queue_fini,
      false },
    { "task join", "join", join_init, nothing, event_open, join_wait, join_fini, false },
    { "group wait", "group", group_init_, nothing, event_open, group_wait, event_fini, false },
};
enum { SHARED_ROWS = 14, ALL_ROWS = sizeof rows / sizeof *rows }; /* the first ones can be shared */

/* Each private, shared in the arena, shared in a segment; a seed knows of private ones only, a process of shared
 * ones. */
enum { PRIVATE, IN_ARENA, IN_SEGMENT, FORMS };

static int first_form(const struct test *t)
{
    return t->kind == WEFT_PROCESS ? IN_ARENA : PRIVATE;
}

static int forms(const struct test *t)
{
    return t->seed ? PRIVATE + 1 : FORMS;
}

/* Before the first process: they have it too. */
static void open_segment(const struct test *t)
{
    char path[200];
    snprintf(path, sizeof path, "%s/objects", t_dir(t));
    if (!t->seed)
        CHECK_OK(weft_segment_open(&segment, path, sizeof *o, NULL, NULL, weft_never()));
}

static const struct row *first_row(int form)
{
    flags = form ? WEFT_SHARED : 0u;
    o = form == PRIVATE    ? &here
        : form == IN_ARENA ? weft_arena_alloc(sizeof *o)
                           : weft_segment_data(&segment);
    CHECK(o != NULL);
    return rows;
}

static void next_row(const struct row **row, int form)
{
    static const char *const names[] = { "", ", shared", ", in a segment" };
    t_holds((*row)->name, names[form]);
    ++*row;
}

#define ROWS(row, form)                                                                         \
    for (const struct row *row = first_row(form); row < rows + (form ? SHARED_ROWS : ALL_ROWS); \
         next_row(&row, form))
#define EACH(row)                                           \
    if (t->kind == WEFT_PROCESS)                            \
        PROCESSES();                                        \
    open_segment(t);                                        \
    for (int form = first_form(t); form < forms(t); form++) \
    ROWS(row, form)

/* A visit lies with the objects, so that a process can tell of it. */
static struct visit *visitor(int i, const struct row *row, weft_deadline deadline)
{
    o->visits[i] = (struct visit){
        .row = row, .deadline = deadline, .result = 77, .objects = o, .self = &o->visits[i]
    };
    return &o->visits[i];
}

static int visit(void *arg)
{
    struct visit *v = *(struct visit **)arg;
    if (o != v->objects) /* in a process: they are where the test has them */
        o = v->objects;
    STORE(v->result, v->row->wait(v->deadline));
    return 0;
}

static int visit_bounded(void *arg)
{
    CHECK_EQ(weft_within(weft_after(50 * WEFT_US), visit, arg), 0);
    return 0;
}

static int visit_cancelled(void *arg)
{
    CHECK_EQ(weft_task_cancel(weft_task_self()), 0);
    return visit(arg);
}

/* What a process task waits for is known in its process only. */
static struct told {
    weft_task task;
    struct visit *visit;
} told;

static int tell_state(void *arg)
{
    struct visit *v = told.visit;
    do
        STORE(v->waits, waits_for(told.task, v->row->state));
    while (LOAD(v->result) == 77 && weft_sleep(weft_after(200 * WEFT_US)) == 0);
    return arg != NULL;
}

static int visit_and_tell(void *arg)
{
    weft_group g;
    told = (struct told){ weft_task_self(), *(struct visit **)arg };
    CHECK_OK(weft_group_init(&g, WEFT_KEEP_GOING));
    CHECK_EQ(weft_group_spawn(&g, WEFT_THREAD, tell_state, NULL), 0);
    visit(arg);
    int r = weft_group_wait(&g, weft_never());
    CHECK(r == 0 || r == -ECANCELED);
    return 0;
}

static weft_task start(weft_group *g, unsigned kind, weft_fn *fn, struct visit *v)
{
    weft_task task;
    struct weft_spawn more = { .size = sizeof more, .task = &task };
    v->kind = kind;
    CHECK_EQ(weft_group_spawn_at(g, kind, fn, &v->self, sizeof v->self, &more, WEFT_PLACE), 0);
    return task;
}

static void until_asleep(weft_task task, const struct visit *v)
{
    UNTIL(v->kind == WEFT_PROCESS ? LOAD(v->waits) : waits_for(task, v->row->state));
}

#define CHECK_RESULT(v, expected)                                           \
    do {                                                                    \
        if ((v)->result != (expected))                                      \
            FAIL("%s: %d, not %s", (v)->row->name, (v)->result, #expected); \
    } while (0)

/* One visit by a task of its own; the table's words for a waiter hold meanwhile. */
static void check_visit(const struct row *row, unsigned kind, weft_fn *fn, weft_deadline deadline,
                        int expected)
{
    struct visit *v = visitor(0, row, deadline);
    weft_group g;
    CHECK_OK(weft_group_init(&g, 0));
    start(&g, kind, fn, v);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    CHECK_RESULT(v, expected);
    weft_group_fini(&g);
}

TEST_EACH_KIND_OF_ALL(what_cannot_be_had_ends_at_its_deadline)
{
    EACH(row)
    {
        row->init(1);
        if (row->passes) {
            check_visit(row, t->kind, visit, weft_at_once(), 0);
            check_visit(row, t->kind, visit, weft_never(), 0);
        }
        row->shut();
        check_visit(row, t->kind, visit, weft_at_once(), -ETIMEDOUT);
        check_visit(row, t->kind, visit, weft_after(50 * WEFT_US), -ETIMEDOUT);
        check_visit(row, t->kind, visit, weft_at(weft_time_add(weft_now(), 50 * WEFT_US)),
                    -ETIMEDOUT);
        struct visit *v = visitor(0, row, weft_never());
        weft_group g;
        CHECK_OK(weft_group_init(&g, 0));
        start(&g, t->kind, visit, v);
        row->open(1);
        CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
        CHECK_RESULT(v, 0);
        row->fini();
        row->fini(); /* zeroed memory is fine */
        weft_group_fini(&g);
    }
}

TEST_EACH_KIND_OF_ALL(a_bound_around_it_ends_a_wait)
{
    EACH(row)
    {
        row->init(1);
        row->shut();
        check_visit(row, t->kind, visit_bounded, weft_never(), -ETIMEDOUT);
        if (row->open != cond_open && row->open != barrier_open)
            row->open(0);
        row->fini();
    }
}

TEST_EACH_KIND_OF_ALL(a_cancel_ends_a_wait_and_takes_nothing)
{
    EACH(row)
    {
        struct visit *v = visitor(0, row, weft_never()), *next = visitor(1, row, weft_never());
        weft_group g;
        row->init(1);
        row->shut();
        CHECK_OK(weft_group_init(&g, 0));
        weft_task task = start(&g, t->kind, t->kind == WEFT_PROCESS ? visit_and_tell : visit, v);
        until_asleep(task, v);
        CHECK_EQ(weft_task_cancel(task), 0);
        CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
        CHECK_RESULT(v, -ECANCELED);
        start(&g, t->kind, visit, next);
        row->open(1);
        CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
        CHECK_RESULT(next, 0);
        row->fini();
        weft_group_fini(&g);
    }
}

TEST_EACH_KIND_OF_ALL(who_has_left_takes_no_wake_up_from_others)
{
    EACH(row)
    {
        struct visit *v = visitor(0, row, weft_after(WEFT_MS)),
                     *next = visitor(1, row, weft_never());
        weft_group g;
        row->init(1);
        row->shut();
        CHECK_OK(weft_group_init(&g, 0));
        start(&g, t->kind, visit, v);
        while (LOAD(v->result) == 77) /* asleep, so that virtual time goes on */
            CHECK_OK(weft_sleep(weft_after(WEFT_MS)));
        until_asleep(start(&g, WEFT_THREAD, visit, next), next);
        row->open(1);
        CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
        CHECK_RESULT(v, -ETIMEDOUT);
        CHECK_RESULT(next, 0);
        row->fini();
        weft_group_fini(&g);
    }
}

TEST_EACH_KIND_OF_ALL(who_is_cancelled_waits_for_nothing)
{
    EACH(row)
    {
        row->init(1);
        check_visit(row, t->kind, visit_cancelled, weft_never(), -ECANCELED);
        row->fini();
    }
}

static void *visit_foreign(void *arg)
{
    visit(arg);
    return NULL;
}

/* Threads beside those of the kind; beside processes coroutines too. */
static unsigned kind_of(int i, unsigned kind)
{
    return i % 3 == 0 ? WEFT_THREAD : i % 3 == 1 && kind == WEFT_PROCESS ? WEFT_COROUTINE : kind;
}

TEST_EACH_KIND_OF_ALL(waiters_of_all_kinds_are_served)
{
    EACH(row)
    {
        weft_group g;
        row->init(CROWD);
        row->shut();
        CHECK_OK(weft_group_init(&g, 0));
        for (int i = 0; i < CROWD; i++) {
            struct visit *v = visitor(i, row, i % 2 ? weft_never() : weft_after(100 * WEFT_SEC));
            unsigned kind = kind_of(i, t->kind);
            bool tells = kind == WEFT_PROCESS && i % 4 == 3;
            weft_task task = start(&g, kind, tells ? visit_and_tell : visit, v);
            if (i % 4 == 3)
                until_asleep(task, v);
        }
        row->open(CROWD);
        CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
        for (int i = 0; i < CROWD; i++)
            CHECK_RESULT(&o->visits[i], 0);
        row->fini();
        weft_group_fini(&g);
    }
}

TEST_REAL(foreign_threads_wait_beside_coroutines, "threads that weft did not start")
{
    EACH(row)
    {
        pthread_t threads[2];
        weft_group g;
        row->init(4);
        row->shut();
        CHECK_OK(weft_group_init(&g, 0));
        for (int i = 0; i < 4; i++) {
            struct visit *v = visitor(i, row, weft_never());
            if (i < 2)
                CHECK_EQ(pthread_create(&threads[i], NULL, visit_foreign, &v->self), 0);
            else
                start(&g, WEFT_COROUTINE, visit, v);
        }
        row->open(4);
        for (int i = 0; i < 2; i++)
            CHECK_EQ(pthread_join(threads[i], NULL), 0);
        CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
        for (int i = 0; i < 4; i++)
            CHECK_RESULT(&o->visits[i], 0);
        row->fini();
        weft_group_fini(&g);
    }
}

static unsigned bug_kind;

static void fini_under_a_waiter(void *arg)
{
    const struct row *row = arg;
    weft_group g;
    row->init(1);
    row->shut();
    CHECK_OK(weft_group_init(&g, 0));
    until_asleep(start(&g, bug_kind, visit, visitor(0, row, weft_never())), &o->visits[0]);
    row->fini();
}

TEST_EACH_KIND_REAL(fini_under_a_waiter_is_a_bug, "processes")
{
    bug_kind = t->kind;
    ROWS(row, 0)
    {
        if (row->wait == join_wait) /* this and what is left have no fini of their own */
            break;
        CHECK_BUG(fini_under_a_waiter, (void *)(uintptr_t)row, "torn down");
    }
}

static int add_and_let_go(void *arg)
{
    long *sum = arg;
    for (long i = 0, n = t_rounds(20000); i < n; i++) {
        CHECK_EQ(weft_lock_acquire(&o->lock, weft_never()), 0);
        *(volatile long *)sum += 1;
        CHECK_EQ(weft_lock_release(&o->lock), 0);
    }
    return 0;
}

TEST_REAL(a_plain_fork_s_child_holds_what_it_takes_itself, "processes")
{
    FORKS_AMONG_THREADS();
    first_row(1);
    long *sum = weft_arena_alloc(sizeof *sum);
    *sum = 0;
    CHECK_OK(weft_lock_init(&o->lock, flags));
    add_and_let_go(sum);
    pid_t pid = fork();
    CHECK_GE(pid, 0);
    add_and_let_go(sum);
    if (pid == 0)
        _exit(0);
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    CHECK_EQ(*sum, 3 * t_rounds(20000));
}
