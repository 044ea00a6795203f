/* worker.c - an OS thread that runs coroutines: what is next, how to get there, where to find more.
 *
 * A worker owns its ready queue, timers and parked coroutines; nobody else touches them. From outside
 * come only: tasks made ready (inbox), tasks to look at for a cancel (cancels), closures that have not
 * started (deques, which may be stolen from, and the injector), and a wake-up. One function picks what
 * runs next (weft__pick), one switches (weft__switch_to); a coroutine that parks goes straight to the
 * next one, and to the worker's own stack (`idle`) only when there is none.
 *
 * Sleeping: PARKED is stored and then everything is looked at once more; who brings something looks at
 * the state after. Both are sequentially consistent, so one of them sees the other. The kernel is
 * entered for a wake-up only if the worker sleeps.
 *
 * Rejected: a lock around each queue; a switch to the worker's stack between two tasks (twice the
 * cost).
 */
#include <errno.h>

#include "arch/switch.h"
#include "base/alloc.h"
#include "base/report.h"
#include "base/sys.h"
#include "sched/strand.h"
#include "sched/wait.h"

enum {
    BUDGET = 64,        /* switches between two looks at the clock */
    POLL_EVERY = 50000, /* ns between two looks into the kernel while there is work */
    SPIN_ROUNDS = 60,   /* looks around before sleeping: about 5 us */
    CACHE = 128,        /* stacks a worker keeps; half of them go back when there are more */
    EVENTS = 128,
    TIDY = 1024,   /* slots that an empty deque keeps */
    INJECTED = 16, /* closures from outside taken at a time */
    COLOURS = 32   /* tops differ by 64 bytes, so that they do not share cache sets */
};

/* -- the switch ---------------------------------------------------------------------------------- */

/* The one place that switches: the return predictor saw this call. errno is the thread's and is kept
 * for the task. */
noinline void weft__switch_to(struct weft__task *self, struct weft__task *next)
{
    struct weft__worker *worker = self->worker;
    int *errno_at = worker->errno_at, saved = *errno_at;
    store_relaxed(&worker->epoch, worker->epoch + 1);
    store_relaxed(&worker->current, next);
    weft__current = next;
    weft__hooks_leave(&self->hooks, &next->hooks, false);
    weft__switch(&self->sp, next->sp, next);
    weft__hooks_arrive(&self->hooks);
    *errno_at = saved;
}

/* -- stacks -------------------------------------------------------------------------------------- */

struct weft__task *weft__stack_new(struct weft__worker *worker, enum weft__stack_class class)
{
    struct weft__task *task = worker->stacks[class];
    if (likely(task != NULL)) {
        worker->stacks[class] = task->next;
        worker->stacks_count[class]--;
        return task;
    }
    if (worker->fresh_count[class] == 0) { /* by number: what is not used yet is not touched */
        int n = weft__stack_take(class, worker->fresh[class], WEFT__FRESH);
        worker->fresh_count[class] = n > 0 ? (uint32_t)n : 0;
    }
    if (worker->fresh_count[class] == 0)
        return NULL;
    return weft__task_at(worker->fresh[class][--worker->fresh_count[class]]);
}

void weft__stack_free(struct weft__worker *worker, struct weft__task *task)
{
    enum weft__stack_class class = task->flags & WEFT__LARGE ? WEFT__STACK_256K : WEFT__STACK_64K;
    task->next = worker->stacks[class];
    worker->stacks[class] = task;
    if (unlikely(++worker->stacks_count[class] > CACHE)) {
        /* The newest is hot, and perhaps the one we stand on: give from behind it. */
        uint32_t slots[CACHE / 2];
        struct weft__task *keep = worker->stacks[class];
        for (unsigned i = 0; i < CACHE / 2; i++) {
            struct weft__task *given = keep->next;
            keep->next = given->next;
            slots[i] = given->slot;
        }
        worker->stacks_count[class] -= CACHE / 2;
        weft__stack_give(class, slots, CACHE / 2);
    }
}

char *weft__stack_begin(struct weft__task *task)
{
    size_t colour = task->slot < 65536 ? task->slot % COLOURS * 64 : 0;
    return (char *)task - colour;
}

size_t weft__stack_left(const struct weft__task *self)
{
    const char *here = __builtin_frame_address(0);
    const char *low = self->strand ? self->strand->record->low : self->low;
    return here > low ? (size_t)(here - low) : 0;
}

/* -- a task's life ------------------------------------------------------------------------------- */

static void take_over(struct weft__task *task, const struct weft__closure *closure)
{
    weft__task_begin(task, WEFT_COROUTINE, task->flags & WEFT__LARGE, closure->site);
    task->base.group = closure->group;
    task->fn = closure->fn;
    task->arg = closure->arg;
    if (closure->size) {
        __builtin_memcpy(task->copy, closure->u.copy, WEFT__JOB_INLINE);
        task->arg = task->copy;
    }
}

/* A closure that could not get a stack: its group learns of it. */
static void give_up(struct weft__worker *worker, const struct weft__closure *closure)
{
    if (closure->flags & WEFT__EVENT)
        weft__event_lost(closure->arg);
    else
        weft__group_fail(closure->group, 0, -ENOMEM);
    weft__count_end(worker);
    weft__group_publish(closure->group, 1);
}

static bool take_closure(struct weft__worker *worker, struct weft__closure *out)
{
    /* Now and then the other way round: tasks that spawn their successors starve nobody. */
    if (unlikely(worker->budget % 16 == 0) &&
        (weft__deque_pop(&worker->fork, NULL, out) || weft__deque_take_own(&worker->fifo, out)))
        return true;
    /* Others push to `own`, and may replace its ring: its taker is counted as a thief is. */
    if ((weft__deque_length(&worker->own) > 0 && weft__deque_take(&worker->own, out)) ||
        weft__deque_take_own(&worker->fifo, out) || weft__deque_pop(&worker->fork, NULL, out))
        return true;
    worker->unstarted = false;
    return false;
}

static struct weft__task *pop_ready(struct weft__worker *worker)
{
    struct weft__task *task = worker->first;
    if (likely(task != NULL)) {
        worker->first = task->next;
        if (!task->next)
            worker->last = NULL;
    }
    return task;
}

/* Leave a stack for good. Its memory may be taken again by this thread only, after the switch. */
static _Noreturn void leave(struct weft__worker *worker, struct weft__task *self)
{
    struct weft__task *next = NULL;
    if (unlikely(self->flags & WEFT__KEEP)) {
        worker->zombie = self;
    } else {
        store_relaxed(&self->life, ((load_relaxed(&self->life) >> 8) + 1)
                                       << 8); /* its handle is stale */
        weft__stack_free(worker, self);
#ifdef WEFT_TSAN
        worker->dead_fiber = self->hooks.fiber; /* to be destroyed on another stack */
#else
        if (likely(!weft__rt.seeded))
            next = pop_ready(worker);
#endif
    }
    if (!next)
        next = &worker->idle;
    worker->live--;
    store_relaxed(&worker->epoch, worker->epoch + 1);
    store_relaxed(&worker->current, next);
    weft__current = next;
    void *sp;
    weft__hooks_leave(&self->hooks, &next->hooks, true);
    weft__switch(&sp, next->sp, next);
    __builtin_unreachable();
}

/* The bottom of every coroutine. A stack serves one task after the other as long as there are closures
 * to start: then no switch is needed between two. Ends of tasks of one group are counted here and
 * published together; the group cannot end before, because the task that runs now is its own too. */
static void coroutine_main(void *handed)
{
    struct weft__task *self = handed;
    struct weft__worker *worker = self->worker;
    uint32_t ended =
        0; /* tasks of self's group that ended on this stack and are not yet published */
    weft__hooks_arrive(&self->hooks);
    for (;;) {
        uint64_t generation = weft__rt.generation;
        if (unlikely(weft__rt.hooks_count))
            weft__hooks_start();
        int result = self->fn(self->arg);
        if (unlikely(generation != weft__rt.generation))
            weft__sys_exit(0); /* in a fork's child this was the last thread */
        self->result = result;
        weft__task_finish(self, 0);
        weft_group *group = self->base.group;
        weft__count_end(worker);
        if (unlikely(self->base.linked || result < 0 || self->flags & WEFT__KEEP))
            weft__group_left(&self->base, result);
        if (unlikely(self->flags & WEFT__KEEP)) {
            if (ended)
                weft__group_publish(group, ended);
            leave(worker, self);
        }
        ended++;
        struct weft__closure closure;
        if (likely(--worker->budget > 0) && worker->unstarted && !weft__rt.seeded &&
            (!worker->first || (worker->turn = !worker->turn)) && take_closure(worker, &closure)) {
            if (likely(closure.fn != NULL)) {
                if (closure.group != group || weft__group_is_background(group)) { /* exit() looks */
                    weft__group_publish(group, ended);
                    ended = 0;
                }
                weft__hooks_renew(&self->hooks);
                take_over(self, &closure);
                store_relaxed(&worker->epoch, worker->epoch + 1);
                continue;
            }
            weft__push_ready(worker, weft__task_start(worker, &closure));
        }
        weft__group_publish(group, ended);
        if (worker->budget == 0)
            weft__tick(worker);
        leave(worker, self);
    }
}

static void prepare(struct weft__worker *worker, struct weft__task *task)
{
    store_relaxed(&task->worker, worker);
    task->serial = 0;
    worker->live++;
    weft__hooks_begin(&task->hooks, task->low, (size_t)((char *)(task + 1) - task->low), false);
    task->sp = weft__switch_prepare(weft__stack_begin(task), coroutine_main);
}

/* Give a closure a stack. NULL: no memory; the closure is as it was. */
struct weft__task *weft__task_start(struct weft__worker *worker, const struct weft__closure *closure)
{
    struct weft__task *task = closure->u.task;
    if (closure->fn) {
        task = weft__stack_new(worker, WEFT__STACK_64K);
        if (!task)
            return NULL;
        take_over(task, closure);
    }
    prepare(worker, task);
    if (!closure->fn) /* who cancels by handle looks at worker after life, a first wait the other way */
        (void)exchange_seq_cst(&task->worker, worker);
    return task;
}

static struct weft__task *start_one(struct weft__worker *worker)
{
    struct weft__closure closure;
    if (unlikely(!worker->stacks[WEFT__STACK_64K])) {
        /* No stack to be had: wait for a task to end, if one of ours can. */
        struct weft__task *spare = weft__stack_new(worker, WEFT__STACK_64K);
        if (spare)
            weft__stack_free(worker, spare);
        else if (worker->live)
            return NULL;
    }
    while (take_closure(worker, &closure)) {
        struct weft__task *task = weft__task_start(worker, &closure);
        if (likely(task != NULL))
            return task;
        give_up(worker, &closure);
    }
    return NULL;
}

/* Where a closure cannot be queued. */
static void start_now(struct weft__worker *worker, const struct weft__closure *closure)
{
    struct weft__task *task = weft__task_start(worker, closure);
    if (task)
        weft__push_ready(worker, task);
    else
        give_up(worker, closure);
}

/* -- ready --------------------------------------------------------------------------------------- */

static void thread_ready(struct weft__task *task)
{
    uint32_t how = exchange_acq_rel(&task->sleeping, 0);
    if (how == 2) {
        uint64_t one = 1;
        weft__sys_write(load_relaxed(&task->wake_fd), &one, sizeof one);
    } else if (how == 1) {
        weft__sys_futex_wake(&task->sleeping, 1);
    }
}

void weft__ready(struct weft__task *task)
{
    struct weft__worker *worker = task->worker;
    if (!worker) {
        thread_ready(task);
        return;
    }
    struct weft__task *self = weft__current;
    if (likely(self && self->worker == worker)) {
        weft__push_ready(worker, task);
        return;
    }
    bool visiting = weft__visit_begin();
    struct weft__task *head = load_relaxed(&worker->inbox);
    do
        task->next = head;
    while (!swap_seq_cst(&worker->inbox, &head, task));
    if (!head)
        weft__wake(worker); /* who found it filled knows that the first one has seen to that */
    weft__visit_end(visiting);
}

void weft__cancel_send(struct weft__task *task)
{
    struct weft__worker *worker = load_relaxed(&task->worker);
    if (exchange_acq_rel(&task->cancel_queued, 1))
        return; /* on its way already; who takes it looks at life after that */
    bool visiting = weft__visit_begin();
    struct weft__task *head = load_relaxed(&worker->cancels);
    do
        task->cancel_next = head;
    while (!swap_seq_cst(&worker->cancels, &head, task));
    if (!head)
        weft__wake(worker);
    weft__visit_end(visiting);
}

static bool drain_inbox(struct weft__worker *worker)
{
    if (!load_relaxed(&worker->inbox))
        return false;
    struct weft__task *task = exchange_seq_cst(&worker->inbox, (struct weft__task *)NULL);
    struct weft__task *first = NULL, *last = task; /* latest first: turn it round */
    while (task) {
        struct weft__task *next = task->next;
        task->next = first;
        first = task;
        task = next;
    }
    if (!first)
        return false;
    if (worker->first)
        worker->last->next = first;
    else
        worker->first = first;
    worker->last = last;
    return true;
}

static void drain_cancels(struct weft__worker *worker)
{
    if (!load_relaxed(&worker->cancels))
        return;
    struct weft__task *task = exchange_seq_cst(&worker->cancels, (struct weft__task *)NULL);
    while (task) {
        struct weft__task *next = task->cancel_next;
        exchange_acq_rel(&task->cancel_queued, 0);
        struct weft__worker *home = load_relaxed(&task->worker);
        if (home == worker)
            weft__cancel_deliver(task);
        else if (home) /* another life on another worker: it may be meant */
            weft__cancel_send(task);
        task = next;
    }
}

/* -- sleeping and waking -------------------------------------------------------------------------- */

void weft__wake(struct weft__worker *worker)
{
    uint32_t state = load_seq_cst(&worker->state);
    if (state == WEFT__PARKED && swap_seq_cst(&worker->state, &state, WEFT__RUNNING)) {
        uint64_t one = 1;
        weft__sys_write(load_relaxed(&worker->wake_fd), &one, sizeof one);
    }
}

void weft__wake_one(void)
{
    if (load_relaxed(&weft__rt.parked) == 0 || load_relaxed(&weft__rt.spinning))
        return;
    for (unsigned i = 0; i < weft__rt.workers_count; i++) {
        struct weft__worker *worker = weft__rt.workers[i];
        if (load_relaxed(&worker->state) == WEFT__PARKED) {
            weft__wake(worker);
            return;
        }
    }
}

/* The kernel's events; data 0 is the wake-up, which only the owner takes: a harvest eats none. */
static int dispatch(struct weft__worker *worker, int64_t timeout, bool own)
{
    struct epoll_event events[EVENTS];
    int n = weft__poller_wait(&worker->poller, events, EVENTS, timeout), found = 0;
    for (int i = 0; i < n; i++) {
        uint64_t data = events[i].data.u64, count;
        if (data) {
            struct weft__source *source = (struct weft__source *)(uintptr_t)(data << 16 >> 16);
            weft__hooks_hand_out(source);
            source->ready(source, (uint16_t)(data >> 48), events[i].events, worker);
            found++;
        } else if (own) {
            weft__sys_read(worker->wake_fd, &count, sizeof count);
        }
    }
    return found;
}

void weft__poll(struct weft__worker *worker, int64_t timeout)
{
    dispatch(worker, timeout, true);
}

int weft__harvest(struct weft__worker *worker)
{
    return dispatch(worker, 0, false);
}

static void fire_timers(struct weft__worker *worker, int64_t now)
{
    struct weft__timer *timer;
    while ((timer = weft__wheel_pop(&worker->wheel, now))) {
        if (timer->fire) {
            timer->fire(timer, worker);
            continue;
        }
        struct weft__task *task = container_of(timer, struct weft__task, timer);
        uint64_t wait = load_relaxed(&task->wait);
        if (weft__wait_is_open(wait) && weft__claim(task, wait, WEFT__TIMED_OUT))
            weft__push_ready(worker, task);
    }
}

static bool take_injected(struct weft__worker *worker)
{
    int64_t count = (weft__deque_length(&weft__rt.injector) + 1) / 2;
    struct weft__closure closure;
    for (int i = 0; i < count && i < INJECTED && weft__deque_take(&weft__rt.injector, &closure);
         i++) {
        worker->unstarted = true;
        if (weft__deque_push(&worker->fifo, &closure) < 0)
            start_now(worker, &closure);
    }
    return worker->unstarted || worker->first;
}

static void freeze(struct weft__worker *worker)
{
    store_release(&worker->state, WEFT__FROZEN);
    for (;;)
        weft__sys_futex_wait(&weft__rt.state, WEFT__GONE, INT64_MAX);
}

static cold void stand_still(struct weft__worker *worker)
{
    exchange_seq_cst(&worker->state, WEFT__FROZEN);
    while (load_seq_cst(&weft__rt.halted))
        weft__sys_futex_wait(&weft__rt.halted, 1, INT64_MAX);
    exchange_seq_cst(&worker->state, WEFT__RUNNING);
}

/* asked: the kernel was, just now. */
static void tick(struct weft__worker *worker, bool asked)
{
    worker->budget = BUDGET;
    if (unlikely(load_relaxed(&weft__rt.state) == WEFT__GONE))
        freeze(worker);
    if (unlikely(load_seq_cst(&weft__rt.halted)))
        stand_still(worker);
    int64_t now = weft__now();
    worker->now = now;
    drain_inbox(worker);
    drain_cancels(worker);
    if (unlikely(load_relaxed(&worker->timers)))
        weft__timers_drain(worker);
    fire_timers(worker, now);
    if (weft__deque_length(&worker->own) > 0) /* others push there */
        worker->unstarted = true;
    bool due = now - worker->polled > POLL_EVERY;
    if (due || asked)
        worker->polled = now;
    if (due) {
        if (!asked)
            weft__poll(worker, 0);
        weft__deque_tidy(&worker->fifo, TIDY);
        weft__deque_tidy(&worker->fork, TIDY);
        if (!load_relaxed(&worker->stopping))
            take_injected(worker);
        if (load_relaxed(&weft__rt.parked) && worker->first && worker->unstarted)
            weft__wake_one(); /* bounds what a spawn without a wake-up may cost */
    }
}

void weft__tick(struct weft__worker *worker)
{
    tick(worker, false);
}

struct weft__task *weft__pick(struct weft__worker *worker)
{
    if (unlikely(--worker->budget == 0))
        weft__tick(worker);
    struct weft__task *task = worker->first;
    if (unlikely(!task) && drain_inbox(worker))
        task = worker->first;
    if (unlikely(worker->unstarted && !load_relaxed(&worker->stopping)) &&
        (!task || (worker->turn = !worker->turn))) {
        struct weft__task *fresh = start_one(worker);
        if (fresh)
            return fresh;
    }
    return pop_ready(worker);
}

/* -- looking for work ----------------------------------------------------------------------------- */

static bool steal(struct weft__worker *worker)
{
    unsigned count = weft__rt.workers_count;
    if (count < 2 || load_relaxed(&worker->stopping))
        return false;
    unsigned start = weft__draw(count);
    for (unsigned i = 0; i < count; i++) {
        struct weft__worker *victim = weft__rt.workers[(start + i) % count];
        struct weft__closure closure;
        if (victim == worker)
            continue;
        if (!weft__deque_steal(&victim->fifo, &worker->fifo, &closure) &&
            !weft__deque_steal(&victim->fork, &worker->fork, &closure))
            continue;
        worker->unstarted = true;
        start_now(worker, &closure);
        return true;
    }
    return false;
}

static bool anything(struct weft__worker *worker)
{
    if (load_seq_cst(&worker->inbox) || load_seq_cst(&worker->cancels) ||
        load_seq_cst(&worker->timers) || weft__deque_length(&worker->own) > 0)
        return true;
    if (load_relaxed(&worker->stopping))
        return false;
    if (weft__deque_length(&weft__rt.injector) > 0)
        return true;
    for (unsigned i = 0; i < weft__rt.workers_count; i++) {
        struct weft__worker *other = weft__rt.workers[i];
        if (weft__deque_length(&other->fifo) > 0 || weft__deque_length(&other->fork) > 0)
            return true;
    }
    return false;
}

/* Look everywhere but sleep nowhere. true: something is ready or can be started. */
static bool look(struct weft__worker *worker)
{
    drain_inbox(worker);
    drain_cancels(worker);
    if (unlikely(load_relaxed(&worker->timers)))
        weft__timers_drain(worker);
    if (weft__deque_length(&worker->own) > 0)
        worker->unstarted = true;
    return worker->first || worker->unstarted || take_injected(worker) || steal(worker);
}

/* true: it has asked the kernel. */
static bool sleep_until_woken(struct weft__worker *worker)
{
    uint32_t nobody = 0;
    bool asked = false;
    if (weft__rt.workers_count > 1 && swap_acq_rel(&weft__rt.spinning, &nobody, 1)) {
        bool found = false;
        for (int i = 0; i < SPIN_ROUNDS && !found; i++) {
            cpu_relax();
            found = anything(worker);
        }
        store_release(&weft__rt.spinning, 0); /* before what was found is run: others may look on */
        if (found)
            return false;
    }
    add_relaxed(&weft__rt.parked, 1);
    exchange_seq_cst(&worker->state, WEFT__PARKED);
    if (!anything(worker) && load_seq_cst(&weft__rt.state) != WEFT__GONE &&
        !load_relaxed(&worker->stopping)) {
        int64_t next = weft__wheel_next(&worker->wheel), wait = -1;
        if (next != INT64_MAX) {
            int64_t now = weft__now();
            wait = next > now ? next - now : 0;
        }
        bool endless = wait < 0;
        if (endless) {
            __atomic_fetch_add(&weft__rt.asleep, 1, __ATOMIC_SEQ_CST);
            if (weft__all_sleep(NULL) && weft__nothing_moves(NULL))
                wait = 0;
        }
        weft__poll(worker, wait);
        asked = true;
        if (endless)
            __atomic_fetch_sub(&weft__rt.asleep, 1, __ATOMIC_RELAXED);
    }
    exchange_seq_cst(&worker->state, WEFT__RUNNING); /* then look whether the watch sleeps */
    __atomic_fetch_sub(&weft__rt.parked, 1, __ATOMIC_RELAXED);
    weft__watch_notice();
    return asked;
}

/* What an ended task could not do on its own stack. */
static void bury(struct weft__worker *worker)
{
    struct weft__task *zombie = worker->zombie;
#ifdef WEFT_TSAN
    if (worker->dead_fiber)
        __tsan_destroy_fiber(worker->dead_fiber);
    worker->dead_fiber = NULL;
#endif
    if (unlikely(zombie != NULL)) {
        worker->zombie = NULL;
        weft__hooks_end(&zombie->hooks);
        weft__group_keep(zombie);
    }
}

void weft__worker_loop(struct weft__worker *worker, bool (*done)(struct weft__worker *worker))
{
    weft__current = &worker->idle;
    worker->errno_at = weft__sys_errno();
    for (;;) {
        struct weft__task *task = weft__pick(worker);
        if (!task && look(worker))
            task = weft__pick(worker);
        if (task) {
            weft__switch_to(&worker->idle, task);
            bury(worker);
            continue;
        }
        if (done(worker))
            return;
        /* A worker among others looks into the kernel before it spins and sleeps; one alone sleeps in it. */
        bool asked = weft__rt.workers_count > 1;
        if (asked)
            weft__poll(worker, 0);
        if (!worker->first && !worker->unstarted && !load_relaxed(&worker->inbox) &&
            sleep_until_woken(worker))
            asked = true;
        tick(worker, asked);
    }
}

/* -- lanes: what the seeded driver needs -------------------------------------------------------------- */

static bool is_worker_lane(const struct weft__worker *lane)
{
    return lane->index < weft__rt.workers_count;
}

bool weft__lane_can_run(struct weft__worker *lane)
{
    drain_inbox(lane);
    drain_cancels(lane);
    if (lane->timers)
        weft__timers_drain(lane);
    if (weft__deque_length(&lane->own) > 0)
        lane->unstarted = true;
    else if (weft__deque_length(&lane->fifo) <= 0 && weft__deque_length(&lane->fork) <= 0)
        lane->unstarted = false;
    return lane->first || lane->unstarted || (is_worker_lane(lane) && anything(lane));
}

struct weft__task *weft__lane_start(struct weft__worker *lane)
{
    return start_one(lane);
}

bool weft__lane_steal(struct weft__worker *lane)
{
    return is_worker_lane(lane) && (take_injected(lane) || steal(lane));
}

void weft__lane_bury(struct weft__worker *lane)
{
    bury(lane);
}

void weft__lane_fire(struct weft__worker *lane, int64_t now)
{
    lane->now = now;
    fire_timers(lane, now);
}

bool weft__lanes_poll(int64_t timeout)
{
    /* One after the other; for a long wait in slices, because a seeded run that reaches one is not
     * deterministic any more (its tests are tagged). */
    for (;;) {
        bool any = false;
        for (unsigned i = 0; i < weft__rt.lanes_count; i++) {
            struct weft__worker *lane = weft__rt.workers[i];
            weft__poll(lane, timeout < 0 ? 1000000 : 0);
            any |= lane->first || load_relaxed(&lane->inbox);
        }
        if (any || timeout == 0)
            return any;
    }
}

/* -- opening and closing -------------------------------------------------------------------------- */

void weft__worker_init(struct weft__worker *worker, unsigned index)
{
    *worker = (struct weft__worker){ .index = index, .wake_fd = -1, .budget = BUDGET };
    worker->poller.epfd = -1;
    worker->now = weft__now();
    weft__wheel_init(&worker->wheel, worker->now);
    worker->draws = index * 0xd1342543de82ef95u; /* each begins elsewhere */
    worker->idle.worker = worker;
    worker->idle.bound = INT64_MAX;
    worker->current = &worker->idle;
}

int weft__worker_open(struct weft__worker *worker)
{
    int r = worker->wake_fd = weft__sys_eventfd(0, O_NONBLOCK | O_CLOEXEC);
    if (r >= 0)
        r = weft__poller_open(&worker->poller, worker->wake_fd);
    if (r < 0)
        weft__worker_close(worker);
    return r < 0 ? r : 0;
}

void weft__worker_close(struct weft__worker *worker)
{
    drain_cancels(worker); /* for tasks that have ended; a mark left would silence later cancels */
    if (worker->wake_fd >= 0)
        weft__sys_close(worker->wake_fd);
    weft__poller_close(&worker->poller);
    store_relaxed(&worker->wake_fd, -1);
    for (int class = 0; class < WEFT__STACK_CLASSES; class ++) {
        struct weft__task *task;
        while ((task = worker->stacks[class])) {
            worker->stacks[class] = task->next;
            weft__stack_give((enum weft__stack_class) class, &task->slot, 1);
        }
        weft__stack_give((enum weft__stack_class) class, worker->fresh[class],
                         worker->fresh_count[class]);
        worker->fresh_count[class] = 0;
    }
    weft__deque_fini(&worker->fifo);
    weft__deque_fini(&worker->fork);
    weft__deque_fini(&worker->own);
}
