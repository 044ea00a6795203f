/* The wheel against a model: a flat array, searched from end to end. */
#include "sched/wheel.h"

#include <string.h>
#include "base/base.h"
#include "test.h"

static const int64_t TICK = 1 << WEFT__WHEEL_SHIFT, YEAR = 365 * 86400 * (int64_t)1000000000;

/* The tick at which a timer fires, by the contract. */
static int64_t due_at(int64_t when)
{
    return when <= 0 ? 0 : when / TICK + (when % TICK != 0);
}

TEST(a_timer_fires_at_the_first_tick_not_before_its_time)
{
    static struct weft__wheel wheel;
    struct weft__timer timer = { 0 };
    static const int64_t spans[] = { 1,         TICK - 1,  TICK,       TICK + 1,
                                     63 * TICK, 64 * TICK, 65 * TICK,  4096 * TICK,
                                     YEAR / 2,  9 * YEAR,  100 * YEAR, 291 * YEAR };
    static const int64_t starts[] = { 0, 5, TICK * 64 - 1, 12345678901234567, YEAR };
    for (size_t s = 0; s < ARRAY_LEN(starts); s++)
        for (size_t i = 0; i < ARRAY_LEN(spans); i++) {
            weft__wheel_init(&wheel, starts[s]);
            int64_t when = starts[s] + spans[i], tick = due_at(when) * TICK;
            weft__wheel_add(&wheel, &timer, when);
            CHECK(weft__timer_is_armed(&timer));
            CHECK(weft__wheel_valid(&wheel));
            CHECK(!weft__wheel_pop(&wheel, tick - 1));
            CHECK(weft__wheel_valid(&wheel));
            CHECK_EQ(weft__wheel_next(&wheel), tick);
            CHECK(weft__wheel_pop(&wheel, tick) == &timer);
            CHECK(!weft__timer_is_armed(&timer));
            CHECK_EQ(weft__wheel_next(&wheel), INT64_MAX);
            CHECK(weft__wheel_valid(&wheel));
        }
}

TEST(the_edges_of_time)
{
    static struct weft__wheel wheel;
    struct weft__timer past = { 0 }, never = { 0 }, last = { 0 };
    weft__wheel_init(&wheel, 1000 * TICK);
    weft__wheel_add(&wheel, &never, INT64_MAX);
    weft__wheel_add(&wheel, &last, INT64_MAX - TICK);
    weft__wheel_add(&wheel, &past, INT64_MIN);
    CHECK(weft__wheel_valid(&wheel));
    CHECK_LT(weft__wheel_next(&wheel), 1000 * TICK);
    CHECK(weft__wheel_pop(&wheel, 0) == &past); /* a clock that went back changes nothing */
    CHECK(!weft__wheel_pop(&wheel, 0));
    CHECK(weft__wheel_pop(&wheel, INT64_MAX) == &last);
    CHECK(!weft__wheel_pop(&wheel, INT64_MAX));
    CHECK_EQ(weft__wheel_next(&wheel), INT64_MAX);
    weft__wheel_del(&wheel, &never);
    weft__wheel_del(&wheel, &never);
    CHECK_EQ(wheel.count, 0);
    CHECK(weft__wheel_valid(&wheel));
}

TEST(timers_of_one_tick_fire_in_the_order_they_were_armed)
{
    static struct weft__wheel wheel;
    static struct weft__timer timers[100];
    for (unsigned level = 0; level < 5; level++) {
        int64_t when = TICK * 63;
        for (unsigned i = 0; i < level; i++)
            when *= 64;
        weft__wheel_init(&wheel, 0);
        for (size_t i = 0; i < ARRAY_LEN(timers); i++)
            weft__wheel_add(&wheel, &timers[i], when - (int64_t)i);
        for (size_t i = 0; i < ARRAY_LEN(timers); i++)
            CHECK(weft__wheel_pop(&wheel, when) == &timers[i]);
    }
}

/* Sleep until next(), pop, again: never past the timer, and there within eight rounds. */
TEST(next_leads_to_the_timer_in_at_most_eight_rounds)
{
    static struct weft__wheel wheel;
    struct weft__timer timer = { 0 };
    uint64_t random = t->seed + 1;
    for (long round = t_rounds(20000); round > 0; round--) {
        int64_t now = (int64_t)(weft__random(&random) >> (2 + weft__random(&random) % 60));
        int64_t when = now + (int64_t)(weft__random(&random) >> (2 + weft__random(&random) % 60));
        weft__wheel_init(&wheel, now);
        weft__wheel_add(&wheel, &timer, when);
        int rounds = 0;
        while (!weft__wheel_pop(&wheel, now)) {
            int64_t next = weft__wheel_next(&wheel);
            CHECK_GT(next, now);
            CHECK_LE(next, due_at(when) * TICK);
            CHECK_LE(++rounds, WEFT__WHEEL_LEVELS);
            now = next;
        }
        CHECK_GE(now, when);
        CHECK_LT(now - when, TICK);
    }
}

enum { TIMERS = 300 };

static struct weft__wheel wheel;
static struct model {
    struct weft__timer timer;
    int64_t when, armed; /* armed: a count, 0 when not */
} model[TIMERS];

static int64_t spread(uint64_t *random) /* all sizes alike: nanoseconds to a century */
{
    return (int64_t)(weft__random(random) >> (4 + weft__random(random) % 58));
}

/* Pop everything due at now, and see that it is exactly what the model says, in order. */
static void pop_all(int64_t now, int64_t *latest)
{
    int64_t at = -1, armed = 0;
    for (struct weft__timer *timer; (timer = weft__wheel_pop(&wheel, now));) {
        struct model *m = container_of(timer, struct model, timer);
        CHECK(m->armed);
        CHECK_LE(m->when, now);
        CHECK(!weft__timer_is_armed(timer));
        if (due_at(m->when) > *latest) { /* one armed in the past comes out of order */
            CHECK(due_at(m->when) > at || (due_at(m->when) == at && m->armed > armed));
            at = due_at(m->when);
            armed = m->armed;
        }
        m->armed = 0;
    }
    for (int i = 0; i < TIMERS; i++)
        CHECK(!model[i].armed || due_at(model[i].when) > now / TICK);
    if (now / TICK > *latest)
        *latest = now / TICK;
}

static void run_model(uint64_t random)
{
    int64_t now = spread(&random), latest = now / TICK - 1, armed = 0;
    weft__wheel_init(&wheel, now);
    memset(model, 0, sizeof model);
    for (int step = 0; step < 3000; step++) {
        struct model *m = &model[weft__random(&random) % TIMERS];
        switch (weft__random(&random) % 8) {
        case 0 ... 3:
            weft__wheel_del(&wheel, &m->timer);
            m->when = now + spread(&random) - (weft__random(&random) % 16 ? 0 : spread(&random));
            m->armed = ++armed;
            weft__wheel_add(&wheel, &m->timer, m->when);
            break;
        case 4:
            weft__wheel_del(&wheel, &m->timer);
            m->armed = 0;
            break;
        case 5:
            if (now < 200 * YEAR)
                now += spread(&random) >> 4;
            pop_all(now, &latest);
            break;
        case 6: { /* to what comes next */
            int64_t next = weft__wheel_next(&wheel);
            for (int i = 0; i < TIMERS; i++)
                CHECK(!model[i].armed || next <= due_at(model[i].when) * TICK || next <= now);
            if (next < 200 * YEAR && next > now)
                now = next;
            pop_all(now, &latest);
            break;
        }
        default:
            now += (int64_t)(weft__random(&random) % (3 * (uint64_t)TICK));
            pop_all(now, &latest);
        }
        CHECK(weft__wheel_valid(&wheel));
        int count = 0;
        for (int i = 0; i < TIMERS; i++) {
            count += model[i].armed != 0;
            CHECK_EQ(weft__timer_is_armed(&model[i].timer), model[i].armed != 0);
        }
        CHECK_EQ(wheel.count, count);
    }
}

TEST_LONG(random_timers_and_jumps_agree_with_a_model, 60)
{
    for (long round = t_rounds(t_slow_build() ? 10 : 60); round > 0; round--)
        run_model(t->seed + (uint64_t)round);
}
