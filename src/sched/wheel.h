/* sched/wheel.h - timers of one worker: a hierarchical wheel with intrusive nodes.
 *
 * Eight levels of 64 slots, a tick of 65,536 ns (level 0 spans 4 ms, level 7 all of int64_t), a bitmap
 * a level, so that nothing ticks while nothing is due. A timer fires at the first tick at or after its
 * time: never early, less than a tick late; those of one tick in the order they were armed. One owner at a time; no locks, no allocation, no clock:
 * now is always given. Arm and cancel soon after, what every deadline of an I/O call does, is the hot
 * path (7 ns).
 */
#ifndef WEFT_SCHED_WHEEL_H
#define WEFT_SCHED_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

struct weft__worker;

struct weft__timer {
    struct weft__timer *next, **at; /* at: what points to us; NULL: not armed */
    int64_t when;                   /* ns */
    void (*fire)(struct weft__timer *timer, struct weft__worker *worker); /* NULL: a task's wait */
};

enum { WEFT__WHEEL_LEVELS = 8, WEFT__WHEEL_SLOTS = 64, WEFT__WHEEL_SHIFT = 16 };

struct weft__wheel {
    uint64_t tick; /* all before it has fired */
    uint64_t used[WEFT__WHEEL_LEVELS];
    struct weft__timer *slots[WEFT__WHEEL_LEVELS][WEFT__WHEEL_SLOTS];
    struct weft__timer *due; /* expired, not yet popped */
    uint32_t count;
};

void weft__wheel_init(struct weft__wheel *wheel, int64_t now);
void weft__wheel_add(struct weft__wheel *wheel, struct weft__timer *timer, int64_t when);
void weft__wheel_del(struct weft__wheel *wheel, struct weft__timer *timer); /* not armed: nothing */

static inline bool weft__timer_is_armed(const struct weft__timer *timer)
{
    return timer->at != 0;
}

/* A time before which no timer fires; one in the past: pop has some; INT64_MAX: none is armed, or none
 * will ever fire. Sleeping until it, popping and asking again ends at the timer in at most
 * WEFT__WHEEL_LEVELS rounds; a timer on level 0 is told exactly. */
int64_t weft__wheel_next(const struct weft__wheel *wheel);

/* Take out one timer whose time has come, NULL if none; earlier ticks first, but one that was armed in
 * the past comes at once. A now before an earlier one is fine. */
struct weft__timer *weft__wheel_pop(struct weft__wheel *wheel, int64_t now);

bool weft__wheel_valid(const struct weft__wheel *wheel); /* walks everything; for tests */

#endif
