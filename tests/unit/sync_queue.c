/* Looking on: whether a queue between threads spares waits, and gives up where it does not. A queue's
 * doubts tell: they fall when a look paid, and rise when it was in vain. */
#include <pthread.h>
#include <stdlib.h>
#include <weft.h>

#include "base/base.h"
#include "sched/task.h"
#include "test.h"

enum { GET, PUT };

static void nothing(void)
{
}

/* What assembly.c does for the rooms that are here. */
const char weft__assembled;

__attribute__((constructor)) static void assemble(void)
{
    weft__background_init();
    weft__run_entered = nothing;
}

static weft_queue queue;
static long slots[4], value;
static uint32_t turn;

static void prepare(int doubts)
{
    CHECK_EQ(weft_queue_init(&queue, slots, ARRAY_LEN(slots), sizeof *slots, 0), 0);
    for (int side = GET; side <= PUT; side++) {
        queue._doubts[side] = (uint8_t)doubts;
        queue._skips[side] = 0;
    }
}

/* The other end: moves one value each time the tested end is about to do so. */
static void *follow(void *arg)
{
    for (uint32_t now = 1;; now++) {
        uint32_t asked;
        while ((asked = load_acquire(&turn)) < now)
            cpu_relax();
        if (asked == UINT32_MAX)
            return NULL;
        for (int i = 0; i < 30; i++) /* it may be inside by now */
            cpu_relax();
        long v = 0;
        CHECK_GE(arg ? weft_queue_put(&queue, &v, sizeof v, weft_never())
                     : weft_queue_get(&queue, &v, sizeof v, weft_never()),
                 0);
    }
}

/* Sooner or later a look pays, however busy the machine is; without looks none ever would. */
TEST_REAL(who_finds_nothing_looks_on_before_it_waits, "two threads at once")
{
    pthread_t other;
    prepare(6);
    turn = 0;
    CHECK_EQ(pthread_create(&other, NULL, follow, &turn), 0);
    for (uint32_t i = 1; load_relaxed(&queue._doubts[GET]) >= 6; i++) {
        queue._skips[GET] = 0;
        store_release(&turn, i);
        CHECK_EQ(weft_queue_get(&queue, &value, sizeof value, weft_never()), 1);
    }
    store_release(&turn, UINT32_MAX);
    CHECK_EQ(pthread_join(other, NULL), 0);
    weft_queue_fini(&queue);
}

TEST_REAL(who_finds_no_room_looks_on_before_it_waits, "two threads at once")
{
    pthread_t other;
    prepare(6);
    turn = 0;
    for (size_t i = 0; i < ARRAY_LEN(slots); i++)
        CHECK_EQ(weft_queue_put(&queue, &value, sizeof value, weft_at_once()), 0);
    CHECK_EQ(pthread_create(&other, NULL, follow, NULL), 0);
    for (uint32_t i = 1; load_relaxed(&queue._doubts[PUT]) >= 6; i++) {
        queue._skips[PUT] = 0;
        store_release(&turn, i);
        CHECK_EQ(weft_queue_put(&queue, &value, sizeof value, weft_never()), 0);
    }
    store_release(&turn, UINT32_MAX);
    CHECK_EQ(pthread_join(other, NULL), 0);
    weft_queue_fini(&queue);
}

static int looks(int side, int rounds)
{
    int count = 0;
    for (int i = 0; i < rounds; i++) {
        count += queue._skips[side] == 0;
        CHECK_ERR(side == GET ? weft_queue_get(&queue, &value, sizeof value, weft_after(1))
                              : weft_queue_put(&queue, &value, sizeof value, weft_after(1)),
                  -ETIMEDOUT);
    }
    return count;
}

TEST_REAL(looks_in_vain_become_rare, "outside a seeded run")
{
    CHECK_EQ(weft_queue_init(&queue, slots, ARRAY_LEN(slots), sizeof *slots, 0), 0);
    CHECK_LT(looks(GET, 640), 16);
    CHECK_EQ(queue._doubts[GET], 6);
    for (size_t i = 0; i < ARRAY_LEN(slots); i++)
        CHECK_EQ(weft_queue_put(&queue, &value, sizeof value, weft_at_once()), 0);
    CHECK_LT(looks(PUT, 640), 16);
    CHECK_EQ(queue._doubts[PUT], 6);
    weft_queue_fini(&queue);
}

TEST_REAL(who_may_not_wait_does_not_look_on, "outside a seeded run")
{
    prepare(1);
    for (int i = 0; i < 10; i++)
        CHECK_ERR(weft_queue_get(&queue, &value, sizeof value, weft_at_once()), -ETIMEDOUT);
    CHECK_EQ(queue._doubts[GET], 1);
    CHECK_EQ(queue._skips[GET], 0);
    weft_queue_fini(&queue);
}

static bool done;

static int go_on(void *arg)
{
    (void)arg;
    while (!done)
        weft_yield();
    return 0;
}

static int look(void *arg)
{
    (void)arg;
    (void)looks(GET, 100);
    done = true;
    return 0;
}

TEST_REAL(who_has_other_tasks_to_run_does_not_look_on, "two workers")
{
    weft_group g;
    setenv("WEFT_WORKERS", "2", 1);
    prepare(1);
    CHECK_EQ(weft_group_init(&g, WEFT_ONE_WORKER), 0);
    CHECK_EQ(weft_group_spawn(&g, WEFT_COROUTINE, go_on, NULL), 0);
    CHECK_EQ(weft_group_spawn(&g, WEFT_COROUTINE, look, NULL), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    CHECK_EQ(queue._doubts[GET], 1);
    CHECK_EQ(queue._skips[GET], 0);
    weft_group_fini(&g);
    weft_queue_fini(&queue);
}
