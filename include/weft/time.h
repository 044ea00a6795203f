/* weft/time.h - spans, points in time, deadlines; sleep, tickers, timers.
 *
 * All times are the monotonic clock's (CLOCK_MONOTONIC: it stands still while the machine sleeps) in
 * nanoseconds, or the virtual clock's in a seeded run. A deadline that has come is -ETIMEDOUT; no wait
 * ever ends early. */
#ifndef WEFT_TIME_H
#define WEFT_TIME_H

#include <weft/base.h>
#include <weft/task.h>

WEFT_BEGIN

typedef int64_t weft_span; /* nanoseconds: 30 * WEFT_SEC */

#define WEFT_NS  ((weft_span)1)
#define WEFT_US  ((weft_span)1000)
#define WEFT_MS  ((weft_span)1000000)
#define WEFT_SEC ((weft_span)1000000000)

typedef struct weft_time { /* a point in time; nanoseconds since the clock's start */
    int64_t ns;
} weft_time;

typedef struct weft_deadline { /* private: build it with the four calls below */
    int64_t ns;                /* > 0 a point in time, < 0 a span not yet started, 0 at once */
} weft_deadline;

/* The four deadlines.
 *   weft_after     so long from when the call begins to wait; a span <= 0 is at once
 *   weft_at        a point in time; one in the past is at once
 *   weft_never     no deadline
 *   weft_at_once   do not wait: what cannot be done now is -ETIMEDOUT
 * The same weft_after given to two calls allows each its span; for one bound on many calls use weft_at
 * or weft_within.
 * Returns   the deadline
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
static inline weft_deadline weft_after(weft_span span)
{
    weft_deadline d = { span > 0 ? -span : 0 };
    return d;
}

static inline weft_deadline weft_at(weft_time time)
{
    weft_deadline d = { time.ns > 0 ? time.ns : 0 };
    return d;
}

static inline weft_deadline weft_never(void)
{
    weft_deadline d = { INT64_MAX };
    return d;
}

static inline weft_deadline weft_at_once(void)
{
    weft_deadline d = { 0 };
    return d;
}

/* The time now.
 * Returns   a point in time, never before an earlier one
 * Context   anywhere, signal handlers included
 * Cancels   no.   Since 0.1
 */
WEFT_API weft_time weft_now(void);

/* A point so much later (earlier for a negative span); and the span from one point to another.
 * Returns   the point; the span
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
static inline weft_time weft_time_add(weft_time time, weft_span span)
{
    weft_time later = { time.ns + span };
    return later;
}

static inline weft_span weft_time_between(weft_time from, weft_time to)
{
    return to.ns - from.ns;
}

/* Do nothing until the deadline.
 *   until  weft_after(span) or weft_at(time); weft_never() sleeps until cancelled
 * Returns   0 slept; -ECANCELED; -ETIMEDOUT when a weft_within around it ended first
 * Context   task or thread
 * Cancels   yes.   Since 0.1
 */
WEFT_API int weft_sleep(weft_deadline until);

typedef struct weft_ticker { /* private */
    int64_t next, period;
} weft_ticker;

/* A beat every period, counted from now, without drift: a late wait does not move the later beats.
 *   ticker  caller's memory; nothing to tear down
 *   period  nanoseconds, > 0
 * Returns   0; -EINVAL
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_ticker_init(weft_ticker *ticker, weft_span period);

/* Wait for the next beat.
 * Returns   the beats since the last call, >= 1 (more when the caller was late); -ETIMEDOUT,
 *           -ECANCELED: the beat is not used up
 * Context   task or thread; one at a time
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST int64_t weft_ticker_wait(weft_ticker *ticker, weft_deadline deadline);

typedef struct weft_timer { /* private; 128 bytes */
    uint32_t _word, _state;
    void *_node[4]; /* in a worker's wheel */
    struct weft__worker *_worker;
    weft_fn *_fn;
    void *_arg;
    int64_t _period;
    uint64_t _ran;
    struct weft__task *_task; /* that runs fn */
    void *_first, *_last;     /* who waits for the stop */
    struct weft_timer *_next; /* in a worker's inbox */
    uint32_t _flags, _epoch;
    uint64_t _reserved;
} weft_timer;

/* Run a function later, once or again and again.
 *   timer   caller's memory, until weft_timer_stop has returned
 *   first   when: weft_after(span) from now, or weft_at(time)
 *   period  0: once; else nanoseconds between later runs, without drift, until fn returns < 0 or stop
 *   fn      runs as a coroutine of its own, so it may wait; a run that is late skips beats, never
 *           doubles them
 *   flags   0: the program's end waits for a timer that is still to fire, as Python's does;
 *           WEFT_DAEMON: it does not. A periodic one that is no daemon keeps the program until
 *           its stop
 * Returns   0; -EINVAL, -ENOMEM, -EAGAIN (no runtime): nothing is started
 * Context   task or thread
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_timer_start(weft_timer *timer, weft_deadline first, weft_span period, weft_fn *fn,
                              void *arg, unsigned flags);

/* Stop a timer and wait until its function does not run.
 * Returns   how often fn has run, >= 0: 0 means it never will. A second stop answers the same, and so
 *           does a stop of zeroed memory.
 *           -EDEADLK from inside fn itself: return < 0 there instead
 * Context   task or thread; not at the same time as another stop of this timer
 * Cancels   no: it cancels fn's waits and waits for its return.   Since 0.1
 */
WEFT_API int weft_timer_stop(weft_timer *timer);

WEFT_END
#endif
