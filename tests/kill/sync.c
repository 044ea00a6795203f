/* Whoever dies at any store or system call of a lock, a condition, a semaphore, ... has lost its own work and nothing else:
 * the others go on, and are told where that is promised. */
#include "kill.h"

enum { ROUNDS = 8 };

static struct shared {
    weft_lock lock;
    weft_rlock rlock;
    weft_rwlock rwlock;
    weft_cond cond;
    weft_semaphore sem, owned;
    weft_event event;
    weft_barrier barrier;
    weft_once once;
    long half, other_half, told, ran; /* the halves are equal while nobody is inside */
} * s;

static void fresh(void)
{
    if (!s)
        s = weft_arena_alloc(sizeof *s);
    CHECK(s != NULL);
    memset(s, 0, sizeof *s);
    CHECK_EQ(weft_lock_init(&s->lock, WEFT_SHARED), 0);
    CHECK_EQ(weft_rlock_init(&s->rlock, WEFT_SHARED), 0);
    CHECK_EQ(weft_cond_init(&s->cond, WEFT_SHARED), 0);
    CHECK_EQ(weft_event_init(&s->event, WEFT_SHARED), 0);
    CHECK_EQ(weft_once_init(&s->once, WEFT_SHARED), 0);
    CHECK_EQ(weft_rwlock_init(&s->rwlock, WEFT_SHARED), 0);
    CHECK_EQ(weft_semaphore_init(&s->sem, 0, 0, WEFT_SHARED), 0);
    CHECK_EQ(weft_semaphore_init(&s->owned, 2, 0, WEFT_SHARED | WEFT_OWNED), 0);
    CHECK_EQ(weft_barrier_init(&s->barrier, 3, NULL, NULL, WEFT_SHARED), 0);
}

static void done(void)
{
    weft_lock_fini(&s->lock);
    weft_rlock_fini(&s->rlock);
    weft_rwlock_fini(&s->rwlock);
    weft_semaphore_fini(&s->owned);
    weft_barrier_fini(&s->barrier);
    weft_once_fini(&s->once);
}

/* Whole: the halves are equal. Who dies between says so by WEFT_RECOVERED. */
static void change(int r)
{
    CHECK(r == 0 || r == WEFT_RECOVERED);
    if (r == WEFT_RECOVERED)
        s->other_half = s->half;
    CHECK_EQ(s->half, s->other_half);
    shared_store(&s->half, s->half + 1);
    shared_store(&s->other_half, s->other_half + 1);
}

/* -- lock -- */

static void use_lock(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        int r = weft_lock_acquire(&s->lock, weft_never());
        change(r);
        if (r == WEFT_RECOVERED)
            CHECK_EQ(weft_lock_repaired(&s->lock), 0);
        CHECK_EQ(weft_lock_release(&s->lock), 0);
    }
}

static void check_lock(void)
{
    int r = weft_lock_acquire(&s->lock, weft_at_once());
    change(r);
    CHECK_EQ(weft_lock_repaired(&s->lock), 0);
    CHECK_EQ(weft_lock_release(&s->lock), 0);
    CHECK_EQ(weft_lock_acquire(&s->lock, weft_at_once()), 0);
    CHECK_EQ(weft_lock_release(&s->lock), 0);
    done();
}

TEST_KILL(a_lock_outlives_its_owners)
{
    CHECK_GT(kill_at_each_point(&(struct kill){ t->kind, fresh, use_lock, use_lock, check_lock }),
             10);
}

static void use_rlock(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        int r = weft_rlock_acquire(&s->rlock, weft_never());
        CHECK_EQ(weft_rlock_acquire(&s->rlock, weft_never()), 0);
        change(r);
        CHECK_EQ(weft_rlock_repaired(&s->rlock), 0);
        CHECK_EQ(weft_rlock_release(&s->rlock), 0);
        CHECK_EQ(weft_rlock_release(&s->rlock), 0);
    }
}

static void check_rlock(void)
{
    use_rlock();
    CHECK_EQ(weft_rlock_release(&s->rlock), -EPERM);
    done();
}

TEST_KILL(an_rlock_outlives_its_owners)
{
    CHECK_GT(kill_at_each_point(&(struct kill){ t->kind, fresh, use_rlock, use_rlock, check_rlock }),
             10);
}

/* -- rwlock -- */

static void read_and_write(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        int r = weft_rwlock_acquire_read(&s->rwlock, weft_never());
        CHECK(r == 0 || r == WEFT_RECOVERED);
        if (r == 0)
            CHECK_EQ(s->half, s->other_half);
        CHECK_EQ(weft_rwlock_release(&s->rwlock), 0);
        change(weft_rwlock_acquire_write(&s->rwlock, weft_never()));
        CHECK_EQ(weft_rwlock_repaired(&s->rwlock), 0);
        CHECK_EQ(weft_rwlock_release(&s->rwlock), 0);
    }
}

static void check_rwlock(void)
{
    change(weft_rwlock_acquire_write(&s->rwlock, weft_at_once()));
    CHECK_EQ(weft_rwlock_repaired(&s->rwlock), 0);
    CHECK_EQ(weft_rwlock_release(&s->rwlock), 0);
    CHECK_EQ(weft_rwlock_acquire_read(&s->rwlock, weft_at_once()), 0);
    CHECK_EQ(weft_rwlock_release(&s->rwlock), 0);
    done();
}

TEST_KILL(a_rwlock_outlives_its_readers_and_its_writer)
{
    struct kill k = { t->kind, fresh, read_and_write, read_and_write, check_rwlock };
    CHECK_GT(kill_at_each_point(&k), 20);
}

/* -- condition: who finds a token takes it, who finds none waits; tokens come from all sides -- */

static void change_and_repair(int r)
{
    change(r);
    CHECK_EQ(weft_lock_repaired(&s->lock), 0);
}

static void give_and_take(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        change_and_repair(weft_lock_acquire(&s->lock, weft_never()));
        shared_add(&s->told, 1);
        weft_cond_signal(&s->cond);
        CHECK_EQ(weft_lock_release(&s->lock), 0);
    }
}

static void take_one(void)
{
    change_and_repair(weft_lock_acquire(&s->lock, weft_never()));
    while (s->told == 0)
        change_and_repair(weft_cond_wait(&s->cond, &s->lock, weft_never()));
    shared_add(&s->told, -1);
    CHECK_EQ(weft_lock_release(&s->lock), 0);
}

/* More waits than one: the victim is woken for a token too, and dies on the way to it. */
static void wait_and_give(void)
{
    take_one();
    give_and_take();
}

static void give_and_wait(void)
{
    give_and_take();
    take_one();
}

TEST_KILL(who_is_signalled_and_dies_leaves_the_token_to_another)
{
    struct kill k = { t->kind, fresh, wait_and_give, give_and_wait, check_lock };
    CHECK_GT(kill_at_each_point(&k), 20);
}

TEST_KILL(who_signals_and_dies_leaves_nobody_asleep)
{
    struct kill k = { t->kind, fresh, give_and_take, give_and_wait, check_lock };
    CHECK_GT(kill_at_each_point(&k), 20);
}

/* -- owned units: two of them, three processes -- */

static void use_owned(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        CHECK_EQ(weft_semaphore_acquire(&s->owned, weft_never()), 0);
        long inside = shared_add(&s->half, 1) + 1;
        CHECK(inside <= 3); /* and the victim's, dead */
        shared_add(&s->half, -1);
        CHECK_EQ(weft_semaphore_release(&s->owned, 1), 0);
    }
}

static void check_owned(void)
{
    CHECK_EQ(weft_semaphore_value(&s->owned), 2);
    CHECK_EQ(weft_semaphore_acquire(&s->owned, weft_at_once()), 0);
    CHECK_EQ(weft_semaphore_acquire(&s->owned, weft_at_once()), 0);
    CHECK_EQ(weft_semaphore_acquire(&s->owned, weft_at_once()), -ETIMEDOUT);
    CHECK_EQ(weft_semaphore_release(&s->owned, 2), 0);
    CHECK_EQ(weft_semaphore_release(&s->owned, 1), -EPERM);
    done();
}

TEST_KILL(owned_units_come_back_when_their_process_dies)
{
    CHECK_GT(kill_at_each_point(&(struct kill){ t->kind, fresh, use_owned, use_owned, check_owned }),
             20);
}

/* -- semaphore, event -- */

static void release_some(void)
{
    for (int i = 0; i < ROUNDS; i++)
        CHECK_EQ(weft_semaphore_release(&s->sem, 2), 0);
    int r = weft_semaphore_acquire(&s->sem, weft_never());
    CHECK_EQ(r, 0);
}

TEST_KILL(a_semaphore_is_counted_by_one_store)
{
    CHECK_GT(kill_at_each_point(&(struct kill){ t->kind, fresh, release_some, release_some, done }),
             2);
}

static void set_it(void)
{
    weft_event_set(&s->event);
}

static void set_and_wait(void)
{
    int r = weft_event_wait(&s->event, weft_after(WEFT_MS));
    CHECK(r == 0 || r == -ETIMEDOUT);
    set_it();
    CHECK_EQ(weft_event_wait(&s->event, weft_never()), 0);
}

TEST_KILL(an_event_is_set_or_not)
{
    CHECK_GT(kill_at_each_point(&(struct kill){ t->kind, fresh, set_it, set_and_wait, done }), 0);
}

/* -- barrier: one dies, and the others would wait in vain -- */

static void meet(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        int r = weft_barrier_wait(&s->barrier, weft_never());
        if (r == -EPIPE)
            return; /* and so they all do */
        CHECK(r >= 0 && r < 3);
    }
}

static void meet_without_the_dead(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        int r = weft_barrier_wait(&s->barrier, weft_after(20 * WEFT_MS));
        if (r == -EPIPE || r == -ETIMEDOUT)
            return; /* it may have died before it came */
        CHECK(r >= 0 && r < 3);
    }
}

static void check_barrier(void)
{
    weft_barrier_reset(&s->barrier);
    CHECK_EQ(weft_barrier_waiting(&s->barrier), 0);
    CHECK(!weft_barrier_is_broken(&s->barrier));
    done();
}

TEST_KILL(a_barrier_breaks_when_a_party_dies)
{
    CHECK_GT(kill_at_each_point(
                 &(struct kill){ t->kind, fresh, meet, meet_without_the_dead, check_barrier }),
             5);
}

/* -- once -- */

static int run(void *arg)
{
    (void)arg;
    shared_store(&s->half, 1); /* half done */
    shared_store(&s->other_half, 1);
    shared_add(&s->ran, 1);
    return 7;
}

static void run_once(void)
{
    CHECK_EQ(weft_once_run(&s->once, run, NULL, weft_never()), 7);
    CHECK_EQ(s->half + s->other_half, 2);
}

static void check_once(void)
{
    CHECK(weft_once_is_done(&s->once));
    CHECK(s->ran == 1 || s->ran == 2); /* by the victim too, who could not say so */
    done();
}

TEST_KILL(the_next_one_runs_what_the_dead_did_not_end)
{
    CHECK_GT(kill_at_each_point(&(struct kill){ t->kind, fresh, run_once, run_once, check_once }),
             8);
}

/* -- in a segment: nobody tells of the deaths -- */

TEST_KILL(strangers_outlive_each_other_in_a_segment)
{
    static const struct {
        const char *what;
        void (*victim)(void), (*peer)(void), (*check)(void);
        long stores;
    } rows[] = {
        { "rwlock", read_and_write, read_and_write, check_rwlock, 20 },
        { "owned semaphore", use_owned, use_owned, check_owned, 20 },
        { "barrier", meet, meet_without_the_dead, check_barrier, 5 },
    };
    s = kill_segment(t, sizeof *s);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct kill k = { t->kind, fresh, rows[i].victim, rows[i].peer, rows[i].check };
        snprintf(kill_what, sizeof kill_what, "%s", rows[i].what);
        CHECK_GT(kill_at_each_point(&k), rows[i].stores);
    }
}
