/* Circles of waiting tasks are told when they form, by name, and nothing else is. */
#include "until.h"

static unsigned kind;
static char said[8000];
static size_t said_size;
static int reports;

static void hear(void *ctx, const char *text, size_t size)
{
    (void)ctx;
    if (strncmp(text, "weft: DEADLOCK", 14) == 0)
        ADD(reports, 1);
    if (said_size + size < sizeof said) {
        memcpy(said + said_size, text, size);
        said_size += size;
    }
}

static void listen_for(const char *policy)
{
    CHECK_EQ(setenv("WEFT_ON_DEADLOCK", policy, 1), 0);
    weft_reporter_set(hear, NULL);
}

static weft_group group;
static weft_lock locks[8];
static weft_event go;
static int ready, refused;

static weft_task spawn_in(weft_group *g, const char *name, weft_fn *fn, void *arg)
{
    weft_task task;
    struct weft_spawn more = { .size = sizeof more, .task = &task, .name = name };
    CHECK_EQ(weft_group_spawn_with(g, kind, fn, arg, &more), 0);
    return task;
}

static weft_task spawn(const char *name, weft_fn *fn, void *arg)
{
    return spawn_in(&group, name, fn, arg);
}

static void begin(struct test *t, const char *policy)
{
    kind = t->kind;
    listen_for(policy);
    CHECK_OK(weft_group_init(&group, WEFT_KEEP_GOING));
}

/* All have ended: so many calls were refused, so many reports made. */
static void end(int refusals, int told)
{
    CHECK_EQ(weft_group_wait(&group, weft_never()), 0);
    if (refused != refusals || reports != told)
        FAIL("%d refused, %d told:\n%s", refused, reports, said);
}

/* Takes lock n, and when all have theirs the next one. */
struct philosopher {
    int n, of;
};

static int dine(void *arg)
{
    struct philosopher *p = arg;
    CHECK_EQ(weft_lock_acquire(&locks[p->n], weft_never()), 0);
    if (ADD(ready, 1) == p->of)
        weft_event_set(&go);
    CHECK_EQ(weft_event_wait(&go, weft_never()), 0);
    int r = weft_lock_acquire(&locks[(p->n + 1) % p->of], weft_never());
    if (r == -EDEADLK)
        ADD(refused, 1);
    else
        CHECK_EQ(weft_lock_release(&locks[(p->n + 1) % p->of]), 0);
    CHECK_EQ(weft_lock_release(&locks[p->n]), 0);
    return 0;
}

static void table_of(struct test *t, int n)
{
    static struct philosopher seats[8];
    static const char *const names[] = { "ann", "bob", "cho", "dan", "eve" };
    begin(t, "fail");
    for (int i = 0; i < n; i++) {
        seats[i] = (struct philosopher){ i, n };
        spawn(names[i], dine, &seats[i]);
    }
    end(1, 1);
    for (int i = 0; i < n; i++)
        CHECK_SAYS(said, names[i]);
    CHECK_SAYS(said, "waits for lock");
    CHECK_SAYS(said, "    holds lock 0x");
    CHECK_SAYS(said, ", taken at " __FILE__ ":");
}

TEST_EACH_KIND(two_locks_in_opposite_orders)
{
    table_of(t, 2);
}

TEST_EACH_KIND(five_philosophers)
{
    table_of(t, 5);
}

static weft_task first;

static int join_first(void *arg)
{
    CHECK_EQ(weft_lock_acquire(&locks[0], weft_never()), 0);
    STORE(ready, 1);
    struct weft_exit out = { .size = sizeof out };
    int r = weft_task_join(first, &out, weft_never());
    if (r == -EDEADLK)
        ADD(refused, 1);
    CHECK_EQ(weft_lock_release(&locks[0]), 0);
    (void)arg;
    return 0;
}

static int take_when_ready(void *arg)
{
    UNTIL(LOAD(ready));
    int r = weft_lock_acquire(&locks[0], weft_never());
    if (r == -EDEADLK)
        ADD(refused, 1);
    else
        CHECK_EQ(weft_lock_release(&locks[0]), 0);
    (void)arg;
    return 0;
}

TEST_EACH_KIND(a_join_under_a_lock_that_the_joined_one_wants)
{
    begin(t, "fail");
    first = spawn("wants", take_when_ready, NULL);
    spawn("joins", join_first, NULL);
    end(1, 1);
    CHECK_SAYS(said, "waits for join");
    CHECK_SAYS(said, "'wants'");
    CHECK_SAYS(said, "'joins'");
}

static int want(void *arg)
{
    int r = weft_lock_acquire(arg, weft_never());
    if (r == -EDEADLK)
        ADD(refused, 1);
    else if (r == 0)
        CHECK_EQ(weft_lock_release(arg), 0);
    return 0;
}

static int hold_and_wait(void *arg)
{
    weft_group mine;
    CHECK_EQ(weft_lock_acquire(&locks[0], weft_never()), 0);
    CHECK_OK(weft_group_init(&mine, arg ? WEFT_FORK : 0));
    spawn_in(&mine, "child", want, &locks[0]);
    weft_group_wait(&mine, weft_never());
    CHECK_EQ(weft_lock_release(&locks[0]), 0);
    return 0;
}

TEST_EACH_KIND(a_child_that_wants_what_its_waiter_holds)
{
    begin(t, "fail");
    spawn("parent", hold_and_wait, NULL);
    end(1, 1);
    CHECK_SAYS(said, "'parent'");
    CHECK_SAYS(said, "waits for group");
}

/* a holds 0 and wants 1; b holds 1; two wait for 1 ahead of a; then b wants 0. */
static int behind_others(void *arg)
{
    int mine = (int)(intptr_t)arg;
    CHECK_EQ(weft_lock_acquire(&locks[mine], weft_never()), 0);
    ADD(ready, 1);
    CHECK_EQ(weft_event_wait(&go, weft_never()), 0);
    int r = weft_lock_acquire(&locks[1 - mine], weft_never());
    if (r == -EDEADLK)
        ADD(refused, 1);
    else
        CHECK_EQ(weft_lock_release(&locks[1 - mine]), 0);
    CHECK_EQ(weft_lock_release(&locks[mine]), 0);
    return 0;
}

static int impatient(void *arg)
{
    (void)!weft_lock_acquire(&locks[1], weft_never()); /* is cancelled while it waits */
    (void)arg;
    return -ECANCELED;
}

TEST_EACH_KIND(a_circle_through_a_crowd_whose_first_gave_up)
{
    weft_group crowd;
    begin(t, "fail");
    CHECK_OK(weft_group_init(&crowd, WEFT_KEEP_GOING));
    CHECK_OK(weft_event_init(&go, 0));
    spawn("zero", behind_others, (void *)0);
    spawn("one", behind_others, (void *)1);
    UNTIL(LOAD(ready) == 2);
    weft_task quitter = spawn_in(&crowd, "quitter", impatient, NULL);
    UNTIL(waits_for(quitter, "lock"));
    weft_task stayer = spawn_in(&crowd, "stayer", want, &locks[1]);
    UNTIL(waits_for(stayer, "lock"));
    CHECK_EQ(weft_task_cancel(quitter), 0);
    UNTIL(!waits_for(quitter, "lock"));
    CHECK_EQ(reports, 0);
    weft_event_set(&go);
    end(1, 1);
    weft_group_wait(&crowd, weft_never());
    CHECK_SAYS(said, "stuck behind them: 1: 'stayer'");
}

static weft_once once = WEFT_ONCE_INIT;

static int wait_inside(void *arg)
{
    (void)arg;
    STORE(ready, 1);
    return want(&locks[0]);
}

static int run_once(void *arg)
{
    (void)arg;
    return weft_once_run(&once, wait_inside, NULL, weft_never()) < 0 ? -EIO : 0;
}

static int hold_and_run_once(void *arg)
{
    CHECK_EQ(weft_lock_acquire(&locks[0], weft_never()), 0);
    weft_event_set(&go);
    UNTIL(LOAD(ready));
    int r = weft_once_run(&once, wait_inside, NULL, weft_never());
    if (r == -EDEADLK)
        ADD(refused, 1);
    CHECK_EQ(weft_lock_release(&locks[0]), 0);
    (void)arg;
    return 0;
}

TEST_EACH_KIND(a_once_that_waits_for_who_waits_for_it)
{
    begin(t, "fail");
    spawn("wants it done", hold_and_run_once, NULL);
    CHECK_EQ(weft_event_wait(&go, weft_never()), 0);
    spawn("does it", run_once, NULL);
    end(1, 1);
    CHECK_SAYS(said, "waits for once");
    CHECK_SAYS(said, "holds once 0x");
}

TEST_EACH_KIND(a_child_of_a_fork_group_that_wants_what_its_waiter_holds)
{
    begin(t, "fail");
    spawn("parent", hold_and_wait, &kind);
    CHECK_EQ(weft_group_wait(&group, weft_never()), 0);
    CHECK_EQ(refused, 1); /* by a report, or at once where the child ran as its waiter's call */
    CHECK_LE(reports, 1);
}

static int bounded(void *arg)
{
    struct philosopher *p = arg;
    CHECK_EQ(weft_lock_acquire(&locks[p->n], weft_never()), 0);
    if (ADD(ready, 1) == 2)
        weft_event_set(&go);
    CHECK_EQ(weft_event_wait(&go, weft_never()), 0);
    int r = weft_lock_acquire(&locks[1 - p->n], p->n ? weft_after(WEFT_MS) : weft_never());
    if (r == 0)
        CHECK_EQ(weft_lock_release(&locks[1 - p->n]), 0);
    CHECK_EQ(weft_lock_release(&locks[p->n]), 0);
    return 0;
}

TEST_EACH_KIND(a_wait_with_a_deadline_closes_no_circle)
{
    static struct philosopher two[] = { { 0, 2 }, { 1, 2 } };
    begin(t, "fail");
    spawn("endless", bounded, &two[0]);
    spawn("dated", bounded, &two[1]);
    end(0, 0);
}

#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define ALL_THREADS_ARE_KNOWN() \
    SKIP("ThreadSanitizer has a thread of its own, which might call weft")
#else
#define ALL_THREADS_ARE_KNOWN() (void)0
#endif

static weft_queue queue;
static long slots[1];

static int get_one(void *arg)
{
    long v;
    *(int *)arg = weft_queue_get(&queue, &v, sizeof v, weft_never());
    return 0;
}

TEST_EACH_KIND(nothing_can_wake_a_queue_without_producers)
{
    int got = 0;
    ALL_THREADS_ARE_KNOWN();
    begin(t, "fail");
    CHECK_OK(weft_queue_init(&queue, slots, 1, sizeof *slots, 0));
    spawn("hungry", get_one, &got);
    end(0, 1);
    CHECK_ERR(got, -EDEADLK);
    CHECK_SAYS(said, "everything waits");
    CHECK_SAYS(said, "'hungry'");
}

static weft_event never_set = WEFT_EVENT_INIT;

static int select_forever(void *arg)
{
    long v;
    struct weft_case on[] = { weft_on_get(&queue, &v, sizeof v), weft_on_event(NULL),
                              weft_on_event(&never_set) };
    *(int *)arg = weft_select(on, 3, weft_never());
    return 0;
}

TEST_EACH_KIND(a_select_that_nothing_can_wake_says_what_it_waits_for)
{
    int chose = 0;
    char cases[100];
    ALL_THREADS_ARE_KNOWN();
    begin(t, "fail");
    CHECK_OK(weft_queue_init(&queue, slots, 1, sizeof *slots, 0));
    spawn("chooser", select_forever, &chose);
    end(0, 1);
    CHECK_ERR(chose, -EDEADLK);
    snprintf(cases, sizeof cases, "for any of: get %p, event %p\n", (void *)&queue,
             (void *)&never_set);
    CHECK_SAYS(said, "'chooser'");
    CHECK_SAYS(said, cases);
}

static int leave_one_behind(void *arg)
{
    struct weft_spawn more = { .size = sizeof more, .name = "left" };
    return weft_group_spawn_with(weft_background(), kind, get_one, arg, &more);
}

TEST_EACH_KIND(what_is_left_behind_at_the_end_of_weft_run_may_be_stuck)
{
    int got = 0;
    kind = t->kind;
    ALL_THREADS_ARE_KNOWN();
    listen_for("fail");
    CHECK_OK(weft_queue_init(&queue, slots, 1, sizeof *slots, 0));
    CHECK_EQ(weft_run(leave_one_behind, &got), 0);
    CHECK_ERR(got, -EDEADLK);
    CHECK_EQ(reports, 1);
    CHECK_SAYS(said, "everything waits");
    CHECK_SAYS(said, "'left'");
}

/* -- selects are in no circle, and hide none -- */

/* Does what its script says, a step for each push: +A takes lock A, -A lets it go, ?A takes it unless
 * `go` is set; rX reads the book, wX writes it, xX leaves it. */
static struct actor {
    const char *script;
    weft_semaphore push;
    weft_task task;
    int done, results[8];
} actors[3];

static weft_rwlock book = WEFT_RWLOCK_INIT;

static int take_or_go(weft_lock *lock)
{
    struct weft_case on[] = { weft_on_event(&go), weft_on_lock(lock), weft_on_lock(lock) };
    int chose = weft_select(on, 3, weft_never());
    return chose > 0 ? on[chose].result : chose;
}

static int do_step(char what, weft_lock *lock)
{
    switch (what) {
    case '+': return weft_lock_acquire(lock, weft_never());
    case '-': return weft_lock_release(lock);
    case '?': return take_or_go(lock);
    case 'r': return weft_rwlock_acquire_read(&book, weft_never());
    case 'w': return weft_rwlock_acquire_write(&book, weft_never());
    default: return weft_rwlock_release(&book);
    }
}

static int act(void *arg)
{
    struct actor *a = arg;
    for (const char *step = a->script; *step; step += 2) {
        CHECK_EQ(weft_semaphore_acquire(&a->push, weft_never()), 0);
        a->results[a->done] = do_step(step[0], step[1] < 'A' + 8 ? &locks[step[1] - 'A'] : NULL);
        if (a->results[a->done] == -EDEADLK)
            ADD(refused, 1);
        ADD(a->done, 1);
    }
    return 0;
}

static void cast(struct test *t, const char *policy, const char *x, const char *y, const char *z)
{
    const char *const scripts[] = { x, y, z };
    begin(t, policy);
    for (int i = 0; i < 3; i++) {
        actors[i] = (struct actor){ .script = scripts[i] };
        actors[i].task = spawn("actor", act, &actors[i]);
    }
}

/* Let an actor do its next step, or begin to wait in it. */
static void push(int i, const char *waits)
{
    int done = LOAD(actors[i].done);
    CHECK_OK(weft_semaphore_release(&actors[i].push, 1));
    UNTIL(waits ? waits_for(actors[i].task, waits) : LOAD(actors[i].done) > done);
}

/* All steps may be done now: one of them has been refused, once. */
static void end_of_circle(void)
{
    for (int i = 0; i < 3; i++)
        CHECK_OK(weft_semaphore_release(&actors[i].push, 8));
    end(1, 1);
}

TEST_EACH_KIND(a_circle_through_a_reader_is_found_as_the_writer_closes_it)
{
    cast(t, "fail", "rX+A-AxX", "+AwXxX-A", "");
    push(0, NULL);
    push(1, NULL);
    push(0, "lock");
    CHECK_EQ(reports, 0);
    end_of_circle();
    CHECK_SAYS(said, "holds rwlock for reading");
}

TEST_EACH_KIND(a_circle_through_a_reader_is_found_as_the_reader_closes_it)
{
    cast(t, "fail", "rX+A-AxX", "+AwXxX-A", "rXxX");
    push(2, NULL); /* another reader, who is free to go */
    push(0, NULL);
    push(1, NULL);
    push(1, "rwlock (write)");
    CHECK_EQ(reports, 0);
    end_of_circle();
}

TEST_EACH_KIND(a_circle_through_a_reader_is_found_as_a_third_one_closes_it)
{
    cast(t, "fail", "rX+A-AxX", "+BwXxX-B", "+A+B-B-A");
    for (int i = 0; i < 3; i++)
        push(i, NULL);
    push(0, "lock");
    push(1, "rwlock (write)");
    CHECK_EQ(reports, 0);
    end_of_circle();
    CHECK_SAYS(said, "3 tasks wait in a circle");
}

TEST_EACH_KIND(a_reader_behind_a_waiting_writer_waits_for_those_who_read)
{
    cast(t, "fail", "rX+A-AxX", "wXxX", "+ArXxX-A");
    push(0, NULL);
    push(1, "rwlock (write)");
    push(2, NULL);
    push(2, "rwlock (read)");
    CHECK_EQ(reports, 0);
    end_of_circle();
    CHECK_SAYS(said, "3 tasks wait in a circle");
}

static int write_or_enter(void *arg)
{
    CHECK_ERR(weft_rwlock_acquire_write(&book, weft_never()), -ECANCELED);
    weft_lock_enter(&locks[0]);
    weft_lock_leave(&locks[0]);
    (void)arg;
    return 0;
}

static int read_book(void *lock)
{
    if (lock)
        CHECK_EQ(weft_lock_acquire(lock, weft_never()), 0);
    CHECK_EQ(weft_rwlock_acquire_read(&book, weft_never()), 0);
    CHECK_EQ(weft_rwlock_release(&book), 0);
    return lock ? weft_lock_release(lock) : 0;
}

TEST_EACH_KIND(no_reader_waits_for_a_writer_that_gave_up)
{
    begin(t, "fail");
    weft_rwlock_enter_write(&book);
    weft_task quitter = spawn("quitter", write_or_enter, NULL);
    UNTIL(waits_for(quitter, "rwlock (write)"));
    for (int i = 0; i < 2; i++) {
        weft_task reader = spawn("reader", read_book, i ? &locks[0] : NULL);
        UNTIL(waits_for(reader, "rwlock (read)"));
    }
    CHECK_EQ(weft_task_cancel(quitter), 0);
    UNTIL(waits_for(quitter, "lock"));
    weft_rwlock_leave(&book);
    end(0, 0);
}

TEST_EACH_KIND(a_circle_behind_a_select_is_found)
{
    cast(t, "fail", "+A+B-B-A", "+B+A-A-B", "?A-A");
    push(0, NULL);
    push(1, NULL);
    push(2, "select");
    push(1, "lock");
    end_of_circle();
}

TEST_EACH_KIND(nobody_waits_for_a_select_that_has_gone_elsewhere)
{
    cast(t, "report", "+A-A", "+C+A-A-C", "?A+C-C");
    push(0, NULL);
    push(1, NULL);
    push(2, "select");
    push(1, "lock");
    weft_event_set(&go);
    UNTIL(LOAD(actors[2].done) == 1);
    push(2, "lock");
    CHECK_EQ(reports, 0);
    push(0, NULL);
    UNTIL(LOAD(actors[1].done) == 2);
    push(1, NULL);
    push(1, NULL);
    UNTIL(LOAD(actors[2].done) == 2);
    push(2, NULL);
    end(0, 0);
}

TEST_EACH_KIND(a_select_that_got_the_lock_is_whom_others_wait_for)
{
    cast(t, "report", "+A-A+C-C", "+C+A-A-C", "?A-A");
    push(0, NULL);
    push(1, NULL);
    push(2, "select");
    push(1, "lock");
    push(0, NULL);
    UNTIL(LOAD(actors[2].done) == 1);
    CHECK_EQ(actors[2].results[0], 0);
    push(0, "lock");
    CHECK_EQ(reports, 0);
    push(2, NULL);
    UNTIL(LOAD(actors[1].done) == 2);
    push(1, NULL);
    push(1, NULL);
    UNTIL(LOAD(actors[0].done) == 3);
    push(0, NULL);
    end(0, 0);
}
