/* timer.c - functions to be run later.
 *
 * An armed timer is a node in one worker's wheel and no task; the task that runs its function is made
 * when it fires. Only its worker touches the node: others put the timer into the worker's inbox, with
 * what they want in its state, and wait for the answer. The program's end waits for a timer that is no
 * daemon, so it counts as one of the background group from its start to its end.
 */
#include <errno.h>
#include <weft/time.h>

#include "sched/wait.h"

enum { IDLE, ARMED, DUE, RUNNING, STATE = 3, STOP = 4, POSTED = 8 };

_Static_assert(sizeof(struct weft__timer) == sizeof(((weft_timer *)0)->_node),
               "a node fits its place");

static struct weft__timer *node_of(weft_timer *timer)
{
    return (struct weft__timer *)(void *)timer->_node;
}

static struct weft__wait_queue stoppers(weft_timer *timer)
{
    return WEFT__WAIT_QUEUE(&timer->_first, &timer->_last);
}

static weft_group *group_of(const weft_timer *timer)
{
    return timer->_flags & WEFT_DAEMON ? &weft__rt.daemons : &weft__rt.background;
}

/* With the spin bit held, which is let go: from here on the memory is the caller's again. */
static void to_idle(weft_timer *timer)
{
    weft_group *group = group_of(timer);
    timer->_state = IDLE;
    struct weft__task *chain = weft__claim_all(stoppers(timer), 0);
    weft__word_unlock(&timer->_word);
    weft__ready_all(chain);
    weft__group_publish(group, 1);
}

static void fire(struct weft__timer *node, struct weft__worker *worker);

static void arm(weft_timer *timer, struct weft__worker *worker)
{
    timer->_worker = worker;
    timer->_state = (timer->_state & ~(uint32_t)STATE) | ARMED;
    weft__wheel_add(&worker->wheel, node_of(timer), node_of(timer)->when);
}

static int run(void *arg)
{
    weft_timer *timer = arg;
    struct weft__task *self = weft__current;
    weft__word_lock(&timer->_word);
    if (timer->_state & STOP) {
        to_idle(timer);
        return 0;
    }
    timer->_state = (timer->_state & ~(uint32_t)STATE) | RUNNING;
    timer->_task = self;
    weft__word_unlock(&timer->_word);
    add_relaxed(&timer->_ran, 1);
    int r = timer->_fn(timer->_arg);
    weft__word_lock(&timer->_word);
    timer->_task = NULL;
    if (r < 0 || timer->_period == 0 || timer->_state & STOP || weft__is_cancelled(self)) {
        to_idle(timer);
        return 0;
    }
    int64_t now = weft__now(), when = node_of(timer)->when;
    when += timer->_period *
            (now > when ? (now - when) / timer->_period + 1 : 1); /* late: beats are left out */
    node_of(timer)->when = when;
    arm(timer, self->worker);
    weft__word_unlock(&timer->_word);
    return 0;
}

static void fire(struct weft__timer *node, struct weft__worker *worker)
{
    weft_timer *timer = container_of((void *)node, weft_timer, _node);
    weft__word_lock(&timer->_word);
    if (timer->_state &
        POSTED) { /* a stop lies in the inbox: it ends there, and is not freed before */
        weft__word_unlock(&timer->_word);
        return;
    }
    timer->_state = (timer->_state & ~(uint32_t)STATE) | DUE;
    if (weft__group_spawn_event(group_of(timer), worker, run, timer, "timer") < 0) {
        timer->_state = (timer->_state & ~(uint32_t)STATE) | ARMED; /* no memory: a little later */
        weft__wheel_add(&worker->wheel, node, worker->now + WEFT_MS);
    }
    weft__word_unlock(&timer->_word);
}

/* With the spin bit held. */
static void post(weft_timer *timer)
{
    struct weft__worker *worker = timer->_worker;
    if (timer->_state & POSTED)
        return;
    timer->_state |= POSTED;
    weft_timer *head = load_relaxed(&worker->timers);
    do
        timer->_next = head;
    while (!swap_seq_cst(&worker->timers, &head, timer));
}

void weft__timers_drain(struct weft__worker *worker)
{
    weft_timer *timer = exchange_seq_cst(&worker->timers, (weft_timer *)NULL);
    while (timer) {
        weft_timer *next = timer->_next;
        weft__word_lock(&timer->_word);
        timer->_state &= ~(uint32_t)POSTED;
        bool armed = (timer->_state & STATE) == ARMED;
        if (armed && timer->_state & STOP) {
            weft__wheel_del(&worker->wheel, node_of(timer));
            to_idle(timer);
        } else {
            if (armed && !weft__timer_is_armed(node_of(timer)))
                arm(timer, worker);
            weft__word_unlock(&timer->_word);
        }
        timer = next;
    }
}

int weft_timer_start(weft_timer *timer, weft_deadline first, weft_span period, weft_fn *fn,
                     void *arg, unsigned flags)
{
    if (!fn || period < 0 || flags & ~(unsigned)WEFT_DAEMON)
        return -EINVAL;
    int r = weft__runtime_need();
    if (r < 0)
        return r;
    struct weft__task *self = weft__current;
    *timer = (weft_timer){ ._fn = fn, ._arg = arg, ._period = period, ._flags = flags };
    timer->_epoch = weft__rt.starts;
    int64_t when =
        first.ns == 0 ? weft__now() : weft__deadline_at(first); /* periods count from it */
    *node_of(timer) = (struct weft__timer){ .when = when, .fire = fire };
    weft__group_add(group_of(timer), 1);
    weft__word_lock(&timer->_word);
    if (self && self->worker) {
        arm(timer, self->worker);
        weft__word_unlock(&timer->_word);
    } else {
        bool visiting = weft__visit_begin();
        struct weft__worker *worker = weft__place();
        timer->_worker = worker;
        timer->_state = ARMED;
        post(timer);
        weft__word_unlock(&timer->_word);
        weft__wake(worker);
        weft__visit_end(visiting);
    }
    weft__point("timer start");
    return 0;
}

static int count(const weft_timer *timer)
{
    uint64_t ran = load_relaxed(&timer->_ran);
    return ran < INT32_MAX ? (int)ran : INT32_MAX;
}

int weft_timer_stop(weft_timer *timer)
{
    struct weft__task *self = weft__self();
    if (!self)
        return -ENOMEM;
    weft__point("timer stop");
    if (timer->_epoch != weft__rt.starts) /* never started, or the runtime has ended since */
        return count(timer);
    if (self->worker)
        weft__timers_drain(self->worker);
    weft__word_lock(&timer->_word);
    if ((timer->_state & STATE) == ARMED && timer->_worker == self->worker) {
        weft__wheel_del(&self->worker->wheel, node_of(timer));
        to_idle(timer);
        return count(timer);
    }
    while ((timer->_state & STATE) != IDLE) {
        struct weft__worker *worker = NULL;
        weft_task running = { 0 };
        if (timer->_task == self) {
            weft__word_unlock(&timer->_word);
            return -EDEADLK;
        }
        if (!(timer->_state & STOP)) {
            bool visiting = weft__visit_begin();
            timer->_state |= STOP;
            if ((timer->_state & STATE) == ARMED) {
                post(timer);
                worker = timer->_worker;
            } else if (timer->_task) {
                running = weft__handle(timer->_task);
            }
            weft__word_unlock(&timer->_word);
            if (worker)
                weft__wake(worker);
            weft__visit_end(visiting);
            if (running.id)
                weft_task_cancel(running);
            weft__word_lock(&timer->_word);
            continue;
        }
        struct weft__wait_node node;
        struct weft__calm calm = weft__calm_begin(self);
        weft__wait_on(&timer->_word, stoppers(timer), &node, self, weft_never(), "timer's stop",
                      timer);
        weft__calm_end(self, calm);
        return count(timer);
    }
    weft__word_unlock(&timer->_word);
    return count(timer);
}
