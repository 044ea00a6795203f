/* time.c - the clock, sleep, tickers. */
#include <errno.h>
#include <weft/time.h>

#include "base/sys.h"
#include "sched/case.h"
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
    if (unlikely(load_relaxed(&weft__rt.state) == WEFT__OFF))
        weft__seed_begin();
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

static int64_t sleep_when(struct weft_case *c)
{
    if (!c->_state) { /* the span begins */
        c->_at = weft__deadline_at((weft_deadline){ (int64_t)c->_detail });
        c->_state = 1;
    }
    return c->_at;
}

static int sleep_attempt(struct weft_case *c)
{
    bool begun = c->_state || (int64_t)c->_detail >= 0;
    return begun && weft__now() >= sleep_when(c) ? 0 : -ETIMEDOUT;
}

struct weft_case weft_on_time(weft_deadline when)
{
    static const struct weft__case_ops ops = { .name = "sleep",
                                               .attempt = sleep_attempt,
                                               .when = sleep_when };
    return (struct weft_case){ ._ops = &ops, ._detail = (uint64_t)when.ns };
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

static int64_t ticker_when(struct weft_case *c)
{
    const weft_ticker *ticker = c->_on;
    return ticker->next;
}

static int ticker_attempt(struct weft_case *c)
{
    int64_t beats = weft_ticker_wait(c->_on, weft_at_once());
    return beats < INT32_MAX ? (int)beats : INT32_MAX;
}

struct weft_case weft_on_ticker(weft_ticker *ticker)
{
    static const struct weft__case_ops ops = { .name = "ticker",
                                               .attempt = ticker_attempt,
                                               .when = ticker_when };
    return ticker ? (struct weft_case){ ._ops = &ops, ._on = ticker } : (struct weft_case){ 0 };
}
