/* Time: never early, without drift, and a deadline means the same everywhere. */
#include "until.h"

TEST(now_never_goes_back)
{
    weft_time last = weft_now();
    for (int i = 0; i < 1000; i++) {
        weft_time now = weft_now();
        CHECK_GE(weft_time_between(last, now), 0);
        last = now;
    }
}

static int sleep_some(void *arg)
{
    weft_span span = (weft_span)(intptr_t)arg;
    weft_time start = weft_now();
    CHECK_EQ(weft_sleep(weft_after(span)), 0);
    CHECK_GE(weft_time_between(start, weft_now()), span);
    weft_time point = weft_time_add(weft_now(), span);
    CHECK_EQ(weft_sleep(weft_at(point)), 0);
    CHECK_GE(weft_time_between(point, weft_now()), 0);
    return 0;
}

TEST_EACH_KIND(no_sleep_ends_early)
{
    weft_group g;
    CHECK_OK(weft_group_init(&g, 0));
    for (int i = 0; i < 20; i++)
        CHECK_EQ(weft_group_spawn(&g, t->kind, sleep_some, (void *)(intptr_t)(i * 77777)), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    CHECK_EQ(sleep_some((void *)(intptr_t)WEFT_MS), 0);
    weft_group_fini(&g);
}

TEST(deadlines_that_have_come_do_not_wait)
{
    weft_event event = WEFT_EVENT_INIT;
    CHECK_EQ(weft_sleep(weft_at_once()), 0);
    CHECK_EQ(weft_sleep(weft_after(0)), 0);
    CHECK_EQ(weft_sleep(weft_after(-5)), 0);
    CHECK_EQ(weft_sleep(weft_at((weft_time){ 1 })), 0);
    CHECK_EQ(weft_sleep(weft_at((weft_time){ -1 })), 0);
    CHECK_ERR(weft_event_wait(&event, weft_at_once()), -ETIMEDOUT);
    CHECK_ERR(weft_event_wait(&event, weft_after(-1)), -ETIMEDOUT);
    CHECK_ERR(weft_event_wait(&event, weft_at((weft_time){ 1 })), -ETIMEDOUT);
    weft_event_set(&event);
    CHECK_EQ(weft_event_wait(&event, weft_at_once()), 0);
    weft_event_fini(&event);
}

TEST(virtual_time_jumps_and_is_exact)
{
    if (!t->seed)
        SKIP("only under a seed");
    weft_time start = weft_now();
    CHECK_EQ(weft_sleep(weft_after(3600 * WEFT_SEC)), 0);
    CHECK_LT(weft_time_between(start, weft_now()) - 3600 * WEFT_SEC, WEFT_MS);
}

static int forever(void *arg)
{
    CHECK_ERR(weft_sleep(weft_never()), -ECANCELED);
    CHECK_ERR(weft_sleep(weft_after(INT64_MAX)), -ECANCELED);
    return arg == NULL ? 0 : 1;
}

TEST_EACH_KIND(never_is_until_cancelled)
{
    weft_group g;
    weft_task task;
    struct weft_spawn more = { .size = sizeof more, .task = &task };
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_EQ(weft_group_spawn_with(&g, t->kind, forever, NULL, &more), 0);
    UNTIL(waits_for(task, "sleep"));
    CHECK_EQ(weft_task_cancel(task), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    weft_group_fini(&g);
}

/* -- tickers -- */

static int tick(void *arg)
{
    weft_ticker ticker;
    (void)arg;
    weft_time start = weft_now();
    const weft_span period = WEFT_MS;
    CHECK_EQ(weft_ticker_init(&ticker, period), 0);
    int64_t beats = 0;
    for (int i = 0; i < 10; i++) {
        int64_t n = weft_ticker_wait(&ticker, weft_never());
        CHECK_GE(n, 1);
        beats += n;
        CHECK_GE(weft_time_between(start, weft_now()), beats * period);
    }
    CHECK_EQ(weft_sleep(weft_after(5 * period)), 0);
    int64_t late = weft_ticker_wait(&ticker, weft_never());
    CHECK_GE(late, 4);
    beats += late;
    weft_time end = weft_now();
    int64_t due = weft_time_between(start, end) / period;
    CHECK_LE(beats, due);
    CHECK_GE(beats + 2, due); /* no beat was lost, none was moved */
    CHECK_EQ(weft_ticker_wait(&ticker, weft_at_once()) <= 0 ? 0 : 1, 0);
    return 0;
}

TEST_EACH_KIND(a_ticker_beats_without_drift)
{
    if (t_slow_build() && !t->seed)
        SKIP("too slow for its bounds");
    weft_group g;
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_EQ(weft_group_spawn(&g, t->kind, tick, NULL), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    weft_group_fini(&g);
}

TEST(a_ticker_that_times_out_keeps_its_beat)
{
    weft_ticker ticker;
    CHECK_ERR(weft_ticker_init(&ticker, 0), -EINVAL);
    CHECK_ERR(weft_ticker_init(&ticker, -1), -EINVAL);
    weft_time start = weft_now();
    CHECK_EQ(weft_ticker_init(&ticker, 20 * WEFT_MS), 0);
    CHECK_EQ(weft_ticker_wait(&ticker, weft_at_once()), -ETIMEDOUT);
    CHECK_EQ(weft_ticker_wait(&ticker, weft_after(WEFT_MS)), -ETIMEDOUT);
    CHECK_EQ(weft_sleep(weft_at(weft_time_add(start, 21 * WEFT_MS))), 0);
    CHECK_GE(weft_ticker_wait(&ticker, weft_at_once()), 1);
}

/* -- timers -- */

static int fired;
static weft_time fired_at;

static int fire(void *arg)
{
    (void)arg;
    fired_at = weft_now();
    return ADD(fired, 1) == 5 ? -1 : 0;
}

TEST(a_timer_runs_once)
{
    weft_timer timer;
    weft_time start = weft_now();
    CHECK_EQ(weft_timer_start(&timer, weft_after(WEFT_MS), 0, fire, NULL, 0), 0);
    while (!LOAD(fired))
        CHECK_EQ(weft_sleep(weft_after(WEFT_MS)), 0);
    CHECK_GE(weft_time_between(start, fired_at), WEFT_MS);
    CHECK_EQ(weft_timer_stop(&timer), 1);
    CHECK_EQ(weft_timer_stop(&timer), 1);
    CHECK_EQ(fired, 1);
}

TEST(a_timer_stopped_in_time_never_runs)
{
    weft_timer timer;
    CHECK_EQ(weft_timer_start(&timer, weft_after(1000 * WEFT_SEC), 0, fire, NULL, 0), 0);
    CHECK_EQ(weft_timer_stop(&timer), 0);
    CHECK_EQ(weft_timer_stop(&timer), 0);
    CHECK_EQ(fired, 0);
}

TEST(a_periodic_timer_runs_until_its_function_fails)
{
    weft_timer timer;
    weft_time start = weft_now();
    CHECK_EQ(weft_timer_start(&timer, weft_at_once(), WEFT_MS, fire, NULL, WEFT_DAEMON), 0);
    while (LOAD(fired) < 5)
        CHECK_EQ(weft_sleep(weft_after(WEFT_MS)), 0);
    CHECK_GE(weft_time_between(start, fired_at), 4 * WEFT_MS);
    CHECK_EQ(weft_timer_stop(&timer), 5);
    CHECK_EQ(fired, 5);
}

static weft_time runs_at[5];

static int note_time(void *arg)
{
    (void)arg;
    runs_at[LOAD(fired)] = weft_now();
    return ADD(fired, 1) == 5 ? -1 : 0;
}

TEST(a_timer_at_once_counts_its_periods_from_the_start)
{
    if (!t->seed)
        SKIP("exact under a seed only");
    weft_timer timer;
    CHECK_EQ(weft_timer_start(&timer, weft_at_once(), 7 * WEFT_MS, note_time, NULL, 0), 0);
    while (LOAD(fired) < 5)
        CHECK_EQ(weft_sleep(weft_after(WEFT_MS)), 0);
    for (int i = 1; i < 5; i++) {
        CHECK_GE(weft_time_between(runs_at[0], runs_at[i]), i * 7 * WEFT_MS - 100 * WEFT_US);
        CHECK_LE(weft_time_between(runs_at[0], runs_at[i]), i * 7 * WEFT_MS + 100 * WEFT_US);
    }
    CHECK_EQ(weft_timer_stop(&timer), 5);
}

static weft_timer self_stopping;

static int stop_self(void *arg)
{
    (void)arg;
    CHECK_ERR(weft_timer_stop(&self_stopping), -EDEADLK);
    ADD(fired, 1);
    return -1;
}

TEST(a_timer_cannot_stop_itself)
{
    CHECK_EQ(weft_timer_start(&self_stopping, weft_at_once(), WEFT_MS, stop_self, NULL, 0), 0);
    while (!LOAD(fired))
        CHECK_EQ(weft_sleep(weft_after(WEFT_MS)), 0);
    CHECK_EQ(weft_timer_stop(&self_stopping), 1);
}

static int long_run(void *event)
{
    weft_event_set(event);
    CHECK_ERR(weft_sleep(weft_never()), -ECANCELED);
    fired = 100;
    return 0;
}

TEST(stop_cancels_a_running_function_and_waits_for_it)
{
    weft_timer timer;
    weft_event begun = WEFT_EVENT_INIT;
    CHECK_EQ(weft_timer_start(&timer, weft_at_once(), 0, long_run, &begun, 0), 0);
    CHECK_EQ(weft_event_wait(&begun, weft_never()), 0);
    CHECK_EQ(weft_timer_stop(&timer), 1);
    CHECK_EQ(fired, 100);
    weft_event_fini(&begun);
}

TEST(a_timer_refuses_what_it_does_not_know)
{
    weft_timer timer;
    CHECK_ERR(weft_timer_start(&timer, weft_never(), 0, NULL, NULL, 0), -EINVAL);
    CHECK_ERR(weft_timer_start(&timer, weft_never(), -1, fire, NULL, 0), -EINVAL);
    CHECK_ERR(weft_timer_start(&timer, weft_never(), 0, fire, NULL, 1), -EINVAL);
}
