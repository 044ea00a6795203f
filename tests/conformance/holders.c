/* A process that ends while it has something of a shared object, by its function's end, exit or SIGKILL: the
 * next one has it, and is told where what it protects may be half-changed. Then a contract for each kind of
 * next one. */
#include "../behaviour/until.h"

#include <signal.h>

enum end { BY_RETURN, BY_EXIT, BY_KILL, ENDS };
enum { MANY = 2000, MARKED = 3 /* rows: marked until they are repaired */ };

static struct stage {
    weft_lock lock;
    weft_rlock rlock;
    weft_rwlock rwlock;
    weft_semaphore owned;
    weft_once once;
    weft_cond cond;
    weft_barrier barrier;
    weft_event taken, go;
    enum end end;
    int row, result, runs;
    int ready, refused, pids[MARKED];
    char said[4000];
    unsigned said_size;
    weft_lock many[MANY + 1];
} * s;

static void find(struct stage *stage) /* in a process: the test has it since */
{
    if (s != stage)
        s = stage;
}

static int end_by(enum end end)
{
    CHECK_EQ(weft_event_wait(&s->go, weft_never()), 0);
    if (end == BY_KILL)
        raise(SIGKILL);
    else if (end == BY_EXIT)
        exit(0);
    return 0;
}

static int lock_take(weft_deadline deadline)
{
    return weft_lock_acquire(&s->lock, deadline);
}
static int lock_repaired(void)
{
    return weft_lock_repaired(&s->lock);
}
static int lock_let_go(void)
{
    return weft_lock_release(&s->lock);
}

static int rlock_take(weft_deadline deadline)
{
    int r = weft_rlock_acquire(&s->rlock, deadline);
    if (r >= 0)
        CHECK_EQ(weft_rlock_acquire(&s->rlock, deadline), 0);
    return r;
}
static int rlock_repaired(void)
{
    return weft_rlock_repaired(&s->rlock);
}
static int rlock_let_go(void)
{
    CHECK_EQ(weft_rlock_release(&s->rlock), 0);
    return weft_rlock_release(&s->rlock);
}

static int write_take(weft_deadline deadline)
{
    return weft_rwlock_acquire_write(&s->rwlock, deadline);
}
static int write_repaired(void)
{
    return weft_rwlock_repaired(&s->rwlock);
}
static int rwlock_let_go(void)
{
    return weft_rwlock_release(&s->rwlock);
}
static int read_take(weft_deadline deadline) /* a writer, where there are readers */
{
    return weft_rwlock_acquire_read(&s->rwlock, deadline);
}

static int owned_take(weft_deadline deadline)
{
    return weft_semaphore_acquire(&s->owned, deadline);
}
static int owned_let_go(void)
{
    return weft_semaphore_release(&s->owned, 1);
}

static int run_or_end(void *arg)
{
    if (ADD(s->runs, 1) > 1)
        return 7;
    weft_event_set(&s->taken);
    return end_by(*(enum end *)arg);
}
static int once_take(weft_deadline deadline)
{
    return weft_once_run(&s->once, run_or_end, &s->end, deadline);
}
static int once_let_go(void)
{
    return 0;
}

static const struct row {
    const char *name, *state;
    int (*take)(weft_deadline deadline), (*next)(weft_deadline deadline);
    int (*repaired)(void), (*let_go)(void);
    int told, later; /* what the next one gets, and who comes after it */
} rows[] = {
    { "lock", "lock", lock_take, lock_take, lock_repaired, lock_let_go, WEFT_RECOVERED, 0 },
    { "rlock", "rlock", rlock_take, rlock_take, rlock_repaired, rlock_let_go, WEFT_RECOVERED, 0 },
    { "rwlock write", "rwlock (write)", write_take, write_take, write_repaired, rwlock_let_go,
      WEFT_RECOVERED, 0 },
    { "rwlock read", "rwlock (write)", read_take, write_take, write_repaired, rwlock_let_go, 0, 0 },
    { "semaphore, owned", "semaphore", owned_take, owned_take, NULL, owned_let_go, 0, 0 },
    { "once", "once", once_take, once_take, NULL, once_let_go, 7, 7 },
};
static void silence(void *ctx, const char *text, size_t size)
{
    (void)ctx, (void)text, (void)size;
}

static void prepare(int row, enum end end)
{
    if (!s) {
        weft_reporter_set(silence, NULL);
        s = weft_arena_alloc(sizeof *s);
        CHECK(s != NULL);
    }
    memset(s, 0, sizeof *s);
    s->row = row;
    s->end = end;
    CHECK_OK(weft_lock_init(&s->lock, WEFT_SHARED));
    CHECK_OK(weft_rlock_init(&s->rlock, WEFT_SHARED));
    CHECK_OK(weft_rwlock_init(&s->rwlock, WEFT_SHARED));
    CHECK_OK(weft_semaphore_init(&s->owned, 1, 0, WEFT_SHARED | WEFT_OWNED));
    CHECK_OK(weft_once_init(&s->once, WEFT_SHARED));
    CHECK_OK(weft_cond_init(&s->cond, WEFT_SHARED));
    CHECK_OK(weft_barrier_init(&s->barrier, 2, NULL, NULL, WEFT_SHARED));
    CHECK_OK(weft_event_init(&s->taken, WEFT_SHARED));
    CHECK_OK(weft_event_init(&s->go, WEFT_SHARED));
}

static void tidy(void)
{
    weft_rwlock_fini(&s->rwlock);
    weft_semaphore_fini(&s->owned);
    weft_barrier_fini(&s->barrier);
}

static int hold_and_end(void *arg)
{
    find(arg);
    CHECK_EQ(rows[s->row].take(weft_never()), 0);
    weft_event_set(&s->taken);
    return end_by(s->end);
}

static weft_task begin(weft_group *g, unsigned kind, weft_fn *fn)
{
    weft_task task;
    struct weft_spawn more = { .size = sizeof more, .task = &task };
    CHECK_EQ(weft_group_spawn_with(g, kind, fn, s, &more), 0);
    return task;
}

/* A process that holds the row's object, until go. */
static void begin_holder(weft_group *g)
{
    CHECK_OK(weft_group_init(g, WEFT_KEEP_GOING));
    begin(g, WEFT_PROCESS, hold_and_end);
    CHECK_EQ(weft_event_wait(&s->taken, weft_never()), 0);
}

static void end_holder(weft_group *g)
{
    weft_event_set(&s->go);
    CHECK_EQ(weft_group_wait(g, weft_never()), s->end == BY_KILL ? -EOWNERDEAD : 0);
    weft_group_fini(g);
}

static void leave_it_held(int row, enum end end)
{
    weft_group g;
    prepare(row, end);
    begin_holder(&g);
    end_holder(&g);
}

/* Of the kind, when the holder lives still. */
static int take_over(void *arg)
{
    find(arg);
    const struct row *row = &rows[s->row];
    int r = row->next(weft_never());
    if (r == WEFT_RECOVERED)
        CHECK_EQ(row->repaired(), 0);
    CHECK_EQ(row->let_go(), 0);
    STORE(s->result, r);
    return 0;
}

static int ways_to_end(const struct row *row)
{
    return row->take == once_take ? BY_EXIT : 0; /* whose function has returned has run */
}

TEST_EACH_KIND_OF_ALL_REAL(what_a_process_ends_with_is_the_next_ones, "processes")
{
    PROCESSES();
    for (int i = 0; i < (int)(sizeof rows / sizeof *rows); i++) {
        const struct row *row = &rows[i];
        for (enum end end = (enum end)ways_to_end(row); end < ENDS; end++) {
            weft_group holder, next;
            prepare(i, end);
            begin_holder(&holder);
            CHECK_OK(weft_group_init(&next, 0));
            weft_task task = begin(&next, t->kind, take_over);
            if (t->kind != WEFT_PROCESS)
                UNTIL(waits_for(task, row->state));
            end_holder(&holder);
            CHECK_EQ(weft_group_wait(&next, weft_never()), 0);
            weft_group_fini(&next);
            if (s->result != row->told)
                FAIL("%s: the next one got %d", row->name, s->result);
            CHECK_EQ(row->next(weft_at_once()), row->later);
            CHECK_EQ(row->let_go(), 0);
            tidy();
        }
        t_holds(row->name, ", shared");
    }
}

static int find_it_gone(void *arg)
{
    find(arg);
    const struct row *row = &rows[s->row];
    CHECK_ERR(row->next(weft_never()), -ENOTRECOVERABLE);
    CHECK_ERR(row->let_go == rlock_let_go ? weft_rlock_release(&s->rlock) : row->let_go(), -EPERM);
    if (row->take == write_take)
        CHECK_ERR(weft_rwlock_acquire_read(&s->rwlock, weft_never()), -ENOTRECOVERABLE);
    STORE(s->result, 1);
    return 0;
}

TEST_EACH_KIND_OF_ALL_REAL(what_is_let_go_unrepaired_is_nobodys_any_more, "processes")
{
    PROCESSES();
    for (int i = 0; i < MARKED; i++) {
        const struct row *row = &rows[i];
        weft_group g;
        leave_it_held(i, BY_KILL);
        CHECK_EQ(row->next(weft_at_once()), WEFT_RECOVERED);
        CHECK_OK(weft_group_init(&g, 0));
        weft_task task = begin(&g, t->kind, find_it_gone);
        if (t->kind != WEFT_PROCESS)
            UNTIL(waits_for(task, row->state));
        CHECK_EQ(row->let_go(), 0);
        CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
        CHECK_EQ(s->result, 1);
        CHECK_EQ(find_it_gone(s), 0);
        weft_group_fini(&g);
        tidy();
        t_holds(row->name, ", shared");
    }
}

TEST_REAL(who_enters_and_leaves_leaves_the_repair_to_the_next_one, "processes")
{
    PROCESSES();
    leave_it_held(0, BY_KILL);
    for (int i = 0; i < 2; i++)
        weft_with_lock(&s->lock)
            CHECK(weft_lock_is_held(&s->lock));
    CHECK_EQ(weft_lock_acquire(&s->lock, weft_at_once()), WEFT_RECOVERED);
    CHECK_EQ(weft_lock_repaired(&s->lock), 0);
    CHECK_EQ(weft_lock_release(&s->lock), 0);
    CHECK_EQ(weft_lock_acquire(&s->lock, weft_at_once()), 0);
    CHECK_EQ(weft_lock_release(&s->lock), 0);
    tidy();
}

TEST_REAL(a_block_with_a_deadline_is_told_and_repairs, "processes")
{
    PROCESSES();
    int r;
    leave_it_held(0, BY_KILL);
    weft_with_lock_until(&s->lock, weft_after(WEFT_SEC), &r)
    {
        CHECK_EQ(r, WEFT_RECOVERED);
        CHECK_EQ(weft_lock_repaired(&s->lock), 0);
    }
    weft_with_lock_until(&s->lock, weft_at_once(), &r) CHECK_EQ(r, 0);
    tidy();
    leave_it_held(0, BY_KILL);
    weft_with_lock_until(&s->lock, weft_after(WEFT_SEC), &r) CHECK_EQ(r, WEFT_RECOVERED);
    weft_with_lock_until(&s->lock, weft_at_once(), &r) FAIL("it was let go unrepaired");
    CHECK_ERR(r, -ENOTRECOVERABLE);
    tidy();
}

TEST_REAL(a_condition_lets_no_unrepaired_lock_go_to_others, "processes")
{
    PROCESSES();
    leave_it_held(0, BY_KILL);
    CHECK_EQ(weft_lock_acquire(&s->lock, weft_at_once()), WEFT_RECOVERED);
    CHECK_ERR(weft_cond_wait(&s->cond, &s->lock, weft_after(WEFT_MS)), -ENOTRECOVERABLE);
    CHECK(!weft_lock_is_held(&s->lock));
    CHECK_ERR(weft_lock_acquire(&s->lock, weft_at_once()), -ENOTRECOVERABLE);
    tidy();
}

static int take_too_many(void *arg)
{
    find(arg);
    for (int i = 0; i < MANY; i++)
        CHECK_EQ(weft_lock_acquire(&s->many[i], weft_at_once()), 0);
    CHECK_ERR(weft_lock_acquire(&s->many[MANY], weft_never()), -ENOLCK);
    CHECK_ERR(weft_rlock_acquire(&s->rlock, weft_never()), -ENOLCK);
    CHECK_ERR(weft_rwlock_acquire_write(&s->rwlock, weft_never()), -ENOLCK);
    CHECK_ERR(weft_rwlock_acquire_read(&s->rwlock, weft_never()), -ENOLCK);
    CHECK_ERR(weft_semaphore_acquire(&s->owned, weft_never()), -ENOLCK);
    CHECK_ERR(weft_once_run(&s->once, run_or_end, NULL, weft_never()), -ENOLCK);
    CHECK_EQ(weft_lock_release(&s->many[0]), 0);
    CHECK_EQ(weft_lock_acquire(&s->many[MANY], weft_at_once()), 0);
    return end_by(s->end);
}

TEST_EACH_KIND_OF_ALL_REAL(the_2001st_lock_of_a_thread_is_refused_and_no_death_is_missed,
                           "processes")
{
    weft_group g;
    if (t->kind == WEFT_PROCESS)
        PROCESSES();
    prepare(0, t->kind == WEFT_PROCESS ? BY_KILL : BY_RETURN);
    for (int i = 0; i <= MANY; i++)
        CHECK_OK(weft_lock_init(&s->many[i], WEFT_SHARED));
    CHECK_OK(weft_group_init(&g, WEFT_KEEP_GOING));
    begin(&g, t->kind, take_too_many);
    end_holder(&g);
    CHECK_EQ(weft_lock_acquire(&s->many[0], weft_at_once()), 0);
    CHECK_EQ(weft_lock_release(&s->many[0]), 0);
    for (int i = 1; i <= MANY; i++) {
        CHECK_EQ(weft_lock_acquire(&s->many[i], weft_at_once()), WEFT_RECOVERED);
        CHECK_EQ(weft_lock_repaired(&s->many[i]), 0);
        CHECK_EQ(weft_lock_release(&s->many[i]), 0);
    }
    tidy();
}

/* -- barrier ---------------------------------------------------------------------------------------- */

static int meet_twice(void *arg)
{
    find(arg);
    CHECK_GE(weft_barrier_wait(&s->barrier, weft_never()), 0);
    STORE(s->result, 1);
    int r = weft_barrier_wait(&s->barrier, weft_never());
    STORE(s->result, r);
    return 0;
}

static int come_and_die(void *arg)
{
    find(arg);
    CHECK_GE(weft_barrier_wait(&s->barrier, weft_never()), 0);
    raise(SIGKILL);
    return 0;
}

static int die_waiting(void *arg)
{
    find(arg);
    weft_event_set(&s->taken);
    return weft_barrier_wait(&s->barrier, weft_never());
}

TEST_EACH_KIND_OF_ALL_REAL(who_dies_at_a_barrier_breaks_it, "processes")
{
    weft_group dying, g;
    PROCESSES();
    prepare(0, BY_KILL);
    weft_barrier_fini(&s->barrier);
    CHECK_OK(weft_barrier_init(&s->barrier, 3, NULL, NULL, WEFT_SHARED));
    CHECK_OK(weft_group_init(&dying, WEFT_KEEP_GOING));
    CHECK_OK(weft_group_init(&g, 0));
    weft_task task = begin(&dying, WEFT_PROCESS, die_waiting);
    UNTIL(weft_barrier_waiting(&s->barrier) == 1);
    begin(&g, t->kind, die_waiting);
    UNTIL(weft_barrier_waiting(&s->barrier) == 2);
    CHECK_EQ(weft_task_kill(task, SIGKILL), 0);
    CHECK_EQ(weft_group_wait(&dying, weft_never()), -EOWNERDEAD);
    CHECK_EQ(weft_group_wait(&g, weft_never()), -EPIPE);
    CHECK(weft_barrier_is_broken(&s->barrier));
    CHECK_ERR(weft_barrier_wait(&s->barrier, weft_never()), -EPIPE);
    weft_barrier_reset(&s->barrier);
    CHECK_ERR(weft_barrier_wait(&s->barrier, weft_after(WEFT_MS)), -ETIMEDOUT);
    weft_group_fini(&dying);
    weft_group_fini(&g);
    tidy();
}

/* Nobody knows that it would have come but who waits for its task. */
TEST_EACH_KIND_OF_ALL_REAL(who_dies_before_it_comes_to_a_barrier_is_missed_by_who_joins_it,
                           "processes")
{
    weft_group dying, g;
    PROCESSES();
    prepare(0, BY_KILL);
    CHECK_OK(weft_group_init(&dying, WEFT_KEEP_GOING));
    CHECK_OK(weft_group_init(&g, 0));
    begin(&dying, WEFT_PROCESS, come_and_die);
    begin(&g, t->kind, meet_twice);
    UNTIL(LOAD(s->result) == 1 && weft_barrier_waiting(&s->barrier) == 1);
    CHECK_EQ(weft_group_wait(&dying, weft_never()), -EOWNERDEAD);
    CHECK(!weft_barrier_is_broken(&s->barrier));
    weft_barrier_abort(&s->barrier);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    CHECK_EQ(s->result, -EPIPE);
    weft_group_fini(&dying);
    weft_group_fini(&g);
    tidy();
}

/* -- circles ---------------------------------------------------------------------------------------- */

static void hear(void *ctx, const char *text, size_t size)
{
    (void)ctx;
    unsigned at = ADD(s->said_size, (unsigned)size) - (unsigned)size;
    if (at + size < sizeof s->said)
        memcpy(s->said + at, text, size);
}

struct party {
    struct stage *stage;
    int number;
};

/* Takes its own, and when all have theirs the next one's. */
static int take_two(void *arg)
{
    struct party *p = arg;
    find(p->stage);
    const struct row *own = &rows[p->number], *next = &rows[(p->number + 1) % MARKED];
    CHECK_EQ(own->take(weft_never()), 0);
    s->pids[p->number] = getpid();
    ADD(s->ready, 1);
    while (LOAD(s->ready) < MARKED)
        CHECK_OK(weft_sleep(weft_after(WEFT_MS)));
    int r = next->take(weft_never());
    if (r == -EDEADLK) {
        ADD(s->refused, 1);
    } else {
        CHECK_EQ(r, 0);
        CHECK_EQ(next->let_go(), 0);
    }
    return own->let_go();
}

TEST_EACH_KIND_OF_ALL_REAL(a_circle_of_tasks_of_several_processes_is_told, "processes")
{
    PROCESSES();
    struct party parties[MARKED];
    weft_group g;
    char part[64];
    CHECK_EQ(setenv("WEFT_ON_DEADLOCK", "fail", 1), 0);
    prepare(0, BY_RETURN);
    weft_reporter_set(hear, NULL);
    CHECK_OK(weft_group_init(&g, 0));
    for (int i = 0; i < MARKED; i++) {
        struct weft_spawn more = { .size = sizeof more, .name = rows[i].name };
        parties[i] = (struct party){ s, i };
        CHECK_EQ(weft_group_spawn_at(&g, i == 0 ? t->kind : WEFT_PROCESS, take_two, &parties[i],
                                     sizeof parties[i], &more, WEFT_PLACE),
                 0);
    }
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    CHECK_EQ(s->refused, 1);
    CHECK_SAYS(s->said, "DEADLOCK: 3 tasks wait in a circle");
    CHECK_SAYS(s->said, "one of them gets -EDEADLK");
    CHECK_SAYS(s->said, "taken at tests/conformance/holders.c:");
    for (int i = 0; i < MARKED; i++) {
        snprintf(part, sizeof part, "process %d, '%s': waits for", s->pids[i], rows[i].name);
        CHECK_SAYS(s->said, part);
    }
    CHECK(strstr(strstr(s->said, "DEADLOCK") + 1, "DEADLOCK:") == NULL); /* once */
    weft_group_fini(&g);
    tidy();
}

static int hold_for_long(void *arg)
{
    find(arg);
    CHECK_EQ(weft_lock_acquire(&s->lock, weft_never()), 0);
    weft_event_set(&s->taken);
    CHECK_OK(weft_sleep(weft_after(300 * WEFT_MS)));
    return weft_lock_release(&s->lock);
}

static int wait_for_long(void *arg)
{
    find(arg);
    CHECK_EQ(weft_rlock_acquire(&s->rlock, weft_never()), 0);
    CHECK_EQ(weft_lock_acquire(&s->lock, weft_never()), 0);
    CHECK_EQ(weft_lock_release(&s->lock), 0);
    return weft_rlock_release(&s->rlock);
}

TEST_EACH_KIND_OF_ALL_REAL(who_waits_long_in_no_circle_is_not_told, "processes")
{
    PROCESSES();
    weft_group g;
    prepare(0, BY_RETURN);
    weft_reporter_set(hear, NULL);
    CHECK_OK(weft_group_init(&g, 0));
    begin(&g, WEFT_PROCESS, hold_for_long);
    CHECK_EQ(weft_event_wait(&s->taken, weft_never()), 0);
    for (int i = 0; i < 3; i++) /* behind each other */
        begin(&g, t->kind, wait_for_long);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    CHECK_STR(s->said, "");
    weft_group_fini(&g);
    tidy();
}
