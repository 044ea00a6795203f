/* wheel.c - the hierarchical wheel.
 *
 * A timer expires at a tick, its time rounded up. Its level is the place, in digits of six bits, of the
 * highest digit in which its tick differs from the wheel's; its slot is that digit. So
 *   - on level 0 lie the timers of the wheel's own block of 64 ticks, slots never lie behind the wheel,
 *     and nothing wraps: the lowest level in use and the first bit of its map are what comes next;
 *   - when the wheel enters a slot of a level above 0, that slot's timers move to lower levels, which
 *     are empty then; this is at most seven moves in a timer's life, however far time jumps;
 *   - eight levels hold every int64_t, so no timer is ever put anywhere but where it belongs.
 * Lists are newest first; each move turns its list round, so timers of one tick fire as they were armed.
 *
 * Rejected: a 4-ary heap (cancel 30 ns hot against 7); exact next() by walking a slot (no bound).
 * Tests: unit/sched_wheel.c.
 */
#include "sched/wheel.h"

#include <stddef.h>

#include "base/base.h"
#include "base/report.h"

enum {
    LEVELS = WEFT__WHEEL_LEVELS,
    SLOTS = WEFT__WHEEL_SLOTS,
    SHIFT = WEFT__WHEEL_SHIFT,
    DIGIT = 6
};

_Static_assert(SLOTS == 1 << DIGIT, "a slot is a digit");
_Static_assert(LEVELS *DIGIT + SHIFT > 63, "every time has its place");

static inline uint64_t expiry(int64_t when)
{
    return when <= 0 ? 0 : ((uint64_t)when + (1 << SHIFT) - 1) >> SHIFT;
}

static inline int64_t time_of(uint64_t tick)
{
    return tick >> (63 - SHIFT) ? INT64_MAX : (int64_t)(tick << SHIFT);
}

static inline unsigned digit(uint64_t tick, unsigned level)
{
    return (unsigned)(tick >> (level * DIGIT)) & (SLOTS - 1);
}

static inline void link_to(struct weft__timer **list, struct weft__timer *timer)
{
    struct weft__timer *first = *list;
    timer->next = first;
    timer->at = list;
    if (first)
        first->at = &timer->next;
    *list = timer;
}

static inline void place(struct weft__wheel *wheel, struct weft__timer *timer)
{
    uint64_t tick = expiry(timer->when);
    if (unlikely(tick < wheel->tick)) {
        link_to(&wheel->due, timer);
        return;
    }
    unsigned level = (63 - (unsigned)__builtin_clzll((tick ^ wheel->tick) | 1)) / DIGIT;
    unsigned slot = digit(tick, level);
    wheel->used[level] |= (uint64_t)1 << slot;
    link_to(&wheel->slots[level][slot], timer);
}

void weft__wheel_init(struct weft__wheel *wheel, int64_t now)
{
    *wheel = (struct weft__wheel){ .tick = now <= 0 ? 0 : (uint64_t)now >> SHIFT };
}

void weft__wheel_add(struct weft__wheel *wheel, struct weft__timer *timer, int64_t when)
{
    weft__assert(!timer->at);
    timer->when = when;
    wheel->count++;
    place(wheel, timer);
}

void weft__wheel_del(struct weft__wheel *wheel, struct weft__timer *timer)
{
    struct weft__timer **at = timer->at, *next = timer->next;
    if (!at)
        return;
    timer->at = NULL;
    wheel->count--;
    *at = next;
    if (next) {
        next->at = at;
        return;
    }
    /* The last of its list; the first too, when a slot points to it. */
    size_t slot = ((uintptr_t)at - (uintptr_t)wheel->slots) / sizeof at;
    if (slot < (size_t)LEVELS * SLOTS)
        wheel->used[slot / SLOTS] &= ~((uint64_t)1 << slot % SLOTS);
}

/* The level where something comes next, and the first tick of its slot; LEVELS: nothing is armed. */
static inline unsigned coming(const struct weft__wheel *wheel, uint64_t *start)
{
    unsigned level = 0;
    while (level < LEVELS && !wheel->used[level])
        level++;
    if (level < LEVELS) {
        uint64_t slot = (uint64_t)__builtin_ctzll(wheel->used[level]);
        unsigned below = level * DIGIT;
        *start = ((wheel->tick >> below >> DIGIT) << DIGIT | slot) << below;
    }
    return level;
}

int64_t weft__wheel_next(const struct weft__wheel *wheel)
{
    uint64_t start;
    if (wheel->due)
        return time_of(wheel->tick - 1);
    return coming(wheel, &start) < LEVELS ? time_of(start) : INT64_MAX;
}

/* Empty a slot; its timers oldest first. */
static struct weft__timer *lift(struct weft__wheel *wheel, unsigned level, unsigned slot)
{
    struct weft__timer *timer = wheel->slots[level][slot], *turned = NULL;
    wheel->slots[level][slot] = NULL;
    wheel->used[level] &= ~((uint64_t)1 << slot);
    while (timer) {
        struct weft__timer *next = timer->next;
        timer->next = turned;
        turned = timer;
        timer = next;
    }
    return turned;
}

/* Go to a tick before which nothing is left, and open the slots that begin there. */
static void enter(struct weft__wheel *wheel, uint64_t tick)
{
    wheel->tick = tick;
    for (unsigned level = 1; level < LEVELS && digit(tick, level - 1) == 0; level++) {
        unsigned slot = digit(tick, level);
        if (!(wheel->used[level] >> slot & 1))
            continue;
        for (struct weft__timer *timer = lift(wheel, level, slot), *next; timer; timer = next) {
            next = timer->next;
            place(wheel, timer);
        }
    }
}

static void expire(struct weft__wheel *wheel, uint64_t tick)
{
    struct weft__timer **at = &wheel->due;
    for (struct weft__timer *timer = lift(wheel, 0, digit(tick, 0)); timer; timer = timer->next) {
        *at = timer;
        timer->at = at;
        at = &timer->next;
    }
    enter(wheel, tick + 1);
}

struct weft__timer *weft__wheel_pop(struct weft__wheel *wheel, int64_t now)
{
    uint64_t last = now <= 0 ? 0 : (uint64_t)now >> SHIFT;
    while (!wheel->due) {
        uint64_t start = UINT64_MAX;
        if (last < wheel->tick)
            return NULL;
        unsigned level = coming(wheel, &start);
        if (start > last) {
            enter(wheel, last + 1);
            return NULL;
        }
        if (level == 0)
            expire(wheel, start);
        else
            enter(wheel, start);
    }
    struct weft__timer *timer = wheel->due;
    weft__wheel_del(wheel, timer);
    return timer;
}

/* Is a list sound, and does each of its timers belong there? Adds to *seen. */
static bool list_valid(const struct weft__wheel *wheel, struct weft__timer *const *list, int level,
                       unsigned slot, uint32_t *seen)
{
    struct weft__timer *const *at = list;
    for (const struct weft__timer *timer = *list; timer; at = &timer->next, timer = timer->next) {
        uint64_t tick = expiry(timer->when);
        if (timer->at != at || ++*seen > wheel->count)
            return false;
        if (level < 0 ? tick >= wheel->tick
                      : tick < wheel->tick || digit(tick, (unsigned)level) != slot ||
                            tick >> ((unsigned)level * DIGIT) >> DIGIT !=
                                wheel->tick >> ((unsigned)level * DIGIT) >> DIGIT)
            return false;
    }
    return true;
}

bool weft__wheel_valid(const struct weft__wheel *wheel)
{
    uint32_t seen = 0;
    if (!list_valid(wheel, &wheel->due, -1, 0, &seen))
        return false;
    for (unsigned level = 0; level < LEVELS; level++)
        for (unsigned slot = 0; slot < SLOTS; slot++) {
            struct weft__timer *const *list = &wheel->slots[level][slot];
            if ((wheel->used[level] >> slot & 1) != (*list != NULL))
                return false;
            if (*list && level > 0 && slot <= digit(wheel->tick, level))
                return false;
            if (!list_valid(wheel, list, (int)level, slot, &seen))
                return false;
        }
    return seen == wheel->count;
}
