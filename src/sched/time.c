/* time.c - the clock, sleep, tickers, timers. */
#include <errno.h>
#include <weft/group.h>
#include <weft/time.h>

#include "base/sys.h"
#include "sched/wait.h"

int64_t weft__now(void)
{
    return unlikely(weft__rt.seeded) ? weft__seeded_now() : weft__sys_now();
}

/* A span becomes a point here, once a call. */
int64_t weft__deadline_at(weft_deadline deadline)
{
    if (deadline.ns >= 0)
        return deadline.ns;
    int64_t now = weft__now();
    return INT64_MAX + deadline.ns < now ? INT64_MAX : now - deadline.ns;
}

weft_time weft_now(void)
{
    return (weft_time){ weft__now() };
}

int weft_sleep(weft_deadline until)
{
    struct weft__task *self;
    int r = weft__wait_enter(&self);
    if (r < 0)
        return r;
    if (until.ns == 0)
        return 0;
    until.ns = weft__deadline_at(until);
    int64_t bound = self->bound;
    weft__point("sleep");
    r = weft__wait(self, weft__wait_begin(self), until, "sleep", NULL);
    if (r == -ETIMEDOUT && until.ns <= bound)
        return 0;
    return r;
}

int weft_ticker_init(weft_ticker *ticker, weft_span period)
{
    if (period <= 0)
        return -EINVAL;
    *ticker = (weft_ticker){ .next = weft__now() + period, .period = period };
    return 0;
}

int64_t weft_ticker_wait(weft_ticker *ticker, weft_deadline deadline)
{
    struct weft__task *self;
    int r = weft__wait_enter(&self);
    if (r < 0)
        return r;
    int64_t now = weft__now(), until = weft__deadline_at(deadline);
    if (now < ticker->next) {
        if (until < ticker->next) {
            r = weft_sleep((weft_deadline){ until });
            return r < 0 ? r : -ETIMEDOUT;
        }
        r = weft_sleep((weft_deadline){ ticker->next });
        if (r < 0)
            return r;
        now = weft__now();
    }
    int64_t beats = (now - ticker->next) / ticker->period + 1;
    ticker->next += beats * ticker->period;
    return beats;
}

/* -- timers: a task that sleeps ------------------------------------------------------------------- */

static int timer_run(void *arg)
{
    weft_timer *timer = arg;
    weft_ticker ticker = { .next = timer->first, .period = timer->period };
    int r = weft_sleep((weft_deadline){ timer->first });
    if (r < 0)
        return 0;
    for (;;) {
        add_relaxed(&timer->ran, 1);
        r = timer->fn(timer->arg);
        if (r < 0 || timer->period == 0)
            return r;
        if (ticker.next == timer->first)
            ticker.next += ticker.period;
        if (weft_ticker_wait(&ticker, weft_never()) < 0)
            return 0;
    }
}

int weft_timer_start(weft_timer *timer, weft_deadline first, weft_span period, weft_fn *fn, void *arg,
                     unsigned flags)
{
    if (!fn || period < 0 || flags & ~(unsigned)WEFT_DAEMON)
        return -EINVAL;
    *timer = (weft_timer){ .fn = fn, .arg = arg, .period = period };
    timer->first = first.ns == 0 ? weft__now() : weft__deadline_at(first); /* periods count from it */
    struct weft_spawn more = { .size = sizeof more, .name = "timer", .task = &timer->task };
    return weft_group_spawn_with(weft_background(), WEFT_COROUTINE | flags, timer_run, timer, &more);
}

int weft_timer_stop(weft_timer *timer)
{
    struct weft__task *self = weft__self();
    if (!self)
        return -ENOMEM;
    if (timer->task.id == weft__handle(self).id)
        return -EDEADLK;
    weft_task_cancel(timer->task);
    struct weft__calm calm = weft__calm_begin(self);
    int r = weft_task_join(timer->task, NULL, weft_never());
    weft__calm_end(self, calm);
    return r == 0 || r == -ESRCH ? (int)load_relaxed(&timer->ran) : r;
}
