/* shared_word.c - objects whose whole state is one word: condition, event, semaphore. Whoever dies has
 * changed it or not, and those who sleep look again. The units of an owned semaphore are in cells. */
#include "sched/case.h"
#include "sync/lock.h"
#include "sync/shared.h"

bool weft__word_move(uint32_t *word, int n)
{
    uint32_t now = load_seq_cst(word);
    bool watched = now & WEFT__WAITED;
    while (now & WEFT__WAITED) {
        uint32_t all = n == INT32_MAX ? (uint32_t)WEFT__WAITED : 0u;
        if (!shared_swap(word, &now, (now + WEFT__MOVE) & ~all))
            continue;
        if (weft__shared_wake(word, n) > 0 || all)
            break;
        n = INT32_MAX; /* nobody sleeps: once more, so that the next one need not come here */
        now = load_seq_cst(word);
    }
    return watched;
}

/* -- condition ------------------------------------------------------------------------------------ */

int weft__shared_cond_sleep(weft_cond *cond, weft_lock *lock, struct weft__task *self,
                            weft_deadline deadline)
{
    uint32_t epoch = weft__death_epoch(), seen = weft__word_watched(&cond->_word);
    deadline = weft__deadline_fix(deadline);
    weft__lock_let_go(lock, self, WEFT__ROBUST_GONE);
    int r = weft__watch_wait(&cond->_word, seen, epoch, deadline, "cond", cond);
    return r < 0 && load_acquire(&cond->_word) != seen ? 0 : r; /* perhaps it was for the caller */
}

/* -- event: waited for 1, set 2, and how often it was set ------------------------------------------ */

enum { SET = 2, TIMES = 4 };

static bool was_set(uint32_t word, uint32_t before)
{
    return word & SET || (word ^ before) >= TIMES;
}

int weft__shared_event_wait(weft_event *event, weft_deadline deadline)
{
    uint32_t before = load_acquire(&event->_word);
    if (deadline.ns == 0)
        return before & SET ? 0 : -ETIMEDOUT;
    deadline = weft__deadline_fix(deadline);
    for (;;) {
        uint32_t epoch = weft__death_epoch(), seen = shared_or(&event->_word, WEFT__WAITED);
        if (was_set(seen, before))
            return 0;
        int r =
            weft__watch_wait(&event->_word, seen | WEFT__WAITED, epoch, deadline, "event", event);
        if (r < 0)
            return was_set(load_acquire(&event->_word), before) ? 0 : r;
    }
}

void weft__shared_event_set(weft_event *event)
{
    uint32_t word = load_relaxed(&event->_word), set;
    do
        set = (word & SET ? word : word + TIMES + SET) & ~(uint32_t)WEFT__WAITED;
    while (!shared_swap(&event->_word, &word, set));
    if (word & WEFT__WAITED)
        weft__shared_wake(&event->_word, INT32_MAX);
}

void weft__shared_event_clear(weft_event *event)
{
    shared_and(&event->_word, ~(uint32_t)SET);
}

static int event_attempt(struct weft_case *c)
{
    return weft_event_wait(c->_on, weft_at_once());
}

static const uint32_t *event_look(struct weft_case *c, uint32_t *seen)
{
    weft_event *event = c->_on;
    *seen = weft__word_watched(&event->_word);
    return *seen & SET ? NULL : &event->_word;
}

static int event_taken(struct weft_case *c)
{
    const weft_event *event = c->_on;
    return was_set(load_acquire(&event->_word), weft__case_watch(c)->seen) ? 0 : -ETIMEDOUT;
}

struct weft_case weft__shared_event_case(weft_event *event)
{
    static const struct weft__case_ops ops = { .name = "event",
                                               .attempt = event_attempt,
                                               .blocked = weft__case_blocked,
                                               .taken = event_taken,
                                               .look = event_look };
    return weft__shared_case(&ops, event, NULL);
}

/* -- semaphore ------------------------------------------------------------------------------------ */

#define SOMEBODY_WAITS (1u << 31) /* above the count */
enum { COUNT = INT32_MAX };

/* By one who was perhaps woken for a unit, and leaves it. */
static void plain_pass(weft_semaphore *sem)
{
    if (shared_or(&sem->_value, SOMEBODY_WAITS) & COUNT)
        weft__shared_wake(&sem->_value, 1);
}

static int plain_acquire(weft_semaphore *sem, weft_deadline deadline)
{
    uint32_t word = load_relaxed(&sem->_value), others = 0; /* who has slept does not know of them */
    int r = 0;
    while (r == 0) {
        uint32_t epoch = weft__death_epoch();
        if (word & COUNT) {
            if (!shared_swap(&sem->_value, &word, (word - 1) | others))
                continue;
            if (others && (word & COUNT) > 1)
                weft__shared_wake(&sem->_value, 1);
            return 0;
        }
        if (deadline.ns == 0)
            return -ETIMEDOUT;
        if (!(word & SOMEBODY_WAITS) && !shared_swap(&sem->_value, &word, word | SOMEBODY_WAITS))
            continue;
        deadline = weft__deadline_fix(deadline);
        r = weft__watch_wait(&sem->_value, SOMEBODY_WAITS, epoch, deadline, "semaphore", sem);
        others = SOMEBODY_WAITS;
        word = load_relaxed(&sem->_value);
    }
    plain_pass(sem);
    return r;
}

static int plain_release(weft_semaphore *sem, uint32_t n)
{
    uint32_t most = sem->_max ? sem->_max : (uint32_t)COUNT, word = load_relaxed(&sem->_value);
    do
        if (n > most - (word & COUNT))
            return -EOVERFLOW;
    while (!shared_swap(&sem->_value, &word, (word & COUNT) + n));
    if (word & SOMEBODY_WAITS)
        weft__shared_wake(&sem->_value, (int)n);
    return 0;
}

/* Owned: what the living have in the cells is the truth, and the value a word that moves. */

static weft__cells *units(const weft_semaphore *sem)
{
    return (weft__cells *)(uintptr_t)&sem->_first;
}

static uint32_t owned_value(const weft_semaphore *sem)
{
    uint64_t held = weft__cells_sum(units(sem), NULL);
    return held < sem->_max ? sem->_max - (uint32_t)held : 0;
}

/* -EAGAIN: there was none when the word was seen. The gate is held by one who counts and takes. */
static int owned_attempt(weft_semaphore *sem, weft_deadline deadline, uint32_t *seen)
{
    int r = weft__shared_gate(sem, deadline, "semaphore");
    if (r < 0)
        return r;
    bool had = weft__cells_count(units(sem)) < sem->_max || owned_value(sem);
    if (!had) {
        *seen = weft__word_watched(&sem->_value);
        had = owned_value(sem);
    }
    r = had ? weft__cells_add(units(sem), 1) : -EAGAIN;
    weft__robust_drop(weft__robust_of(sem), WEFT__ROBUST_WHOLE);
    return r;
}

static int owned_acquire(weft_semaphore *sem, weft_deadline deadline)
{
    int r;
    do {
        uint32_t seen = 0, epoch = weft__death_epoch();
        r = owned_attempt(sem, deadline, &seen);
        if (r != -EAGAIN)
            break;
        deadline = weft__deadline_fix(deadline);
        r = weft__watch_wait(&sem->_value, seen, epoch, deadline, "semaphore", sem);
    } while (r == 0);
    if (r < 0)
        weft__word_move(&sem->_value, 1); /* perhaps it was woken, and another can have it */
    return r;
}

static int owned_release(weft_semaphore *sem, uint32_t n)
{
    if (n && !weft__cells_sub(units(sem), n))
        return -EPERM;
    for (uint32_t i = 0; i < n && weft__word_move(&sem->_value, 1); i++)
        ;
    return 0;
}

int weft__shared_semaphore_init(weft_semaphore *sem)
{
    if (sem->_value > COUNT || sem->_max > COUNT)
        return -EINVAL;
    if (!(sem->_flags & WEFT_OWNED))
        return 0;
    sem->_max = sem->_value;
    sem->_value = 0;
    return weft__cells_begin(units(sem));
}

int weft__shared_semaphore_acquire(weft_semaphore *sem, weft_deadline deadline)
{
    return sem->_flags & WEFT_OWNED ? owned_acquire(sem, deadline) : plain_acquire(sem, deadline);
}

int weft__shared_semaphore_release(weft_semaphore *sem, uint32_t n)
{
    return sem->_flags & WEFT_OWNED ? owned_release(sem, n) : n ? plain_release(sem, n) : 0;
}

uint32_t weft__shared_semaphore_value(const weft_semaphore *sem)
{
    return sem->_flags & WEFT_OWNED ? owned_value(sem) : load_relaxed(&sem->_value) & COUNT;
}

static int semaphore_attempt(struct weft_case *c)
{
    return weft_semaphore_acquire(c->_on, weft_at_once());
}

static const uint32_t *semaphore_look(struct weft_case *c, uint32_t *seen)
{
    weft_semaphore *sem = c->_on;
    if (sem->_flags & WEFT_OWNED) {
        *seen = weft__word_watched(&sem->_value);
        return owned_value(sem) ? NULL : &sem->_value;
    }
    *seen = SOMEBODY_WAITS;
    return shared_or(&sem->_value, SOMEBODY_WAITS) & COUNT ? NULL : &sem->_value;
}

static void semaphore_pass(struct weft_case *c)
{
    weft_semaphore *sem = c->_on;
    if (sem->_flags & WEFT_OWNED)
        weft__word_move(&sem->_value, 1);
    else
        plain_pass(sem);
}

struct weft_case weft__shared_semaphore_case(weft_semaphore *sem)
{
    static const struct weft__case_ops ops = { .name = "semaphore",
                                               .attempt = semaphore_attempt,
                                               .blocked = weft__case_blocked,
                                               .taken = semaphore_attempt,
                                               .look = semaphore_look,
                                               .pass = semaphore_pass };
    return weft__shared_case(&ops, sem, NULL);
}
