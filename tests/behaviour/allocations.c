/* Hot paths take no memory: counted. Each scene runs once to warm its caches, and then again. */
#include "test.h"

#include <unistd.h>
#include <weft.h>

static int yield_some(void *arg)
{
    for (int i = 0; i < *(int *)arg; i++)
        weft_yield();
    return 0;
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static void spawn_many(void)
{
    static int rounds = 10;
    weft_group g;
    weft_group_init(&g, 0);
    for (int i = 0; i < 500; i++)
        weft_group_spawn(&g, WEFT_COROUTINE, i % 2 ? nothing : yield_some, &rounds);
    (void)weft_group_wait(&g, weft_after(10 * WEFT_SEC));
}

static int halve(void *arg)
{
    long n = *(long *)arg, left = n / 2, right = n - left;
    weft_group g;
    if (n < 2)
        return 0;
    weft_group_init(&g, WEFT_FORK);
    weft_group_spawn(&g, WEFT_COROUTINE, halve, &left);
    weft_group_spawn(&g, WEFT_COROUTINE, halve, &right);
    return weft_group_wait(&g, weft_never());
}

static void fork_many(void)
{
    long n = 2000;
    (void)halve(&n);
}

static weft_queue queue;
static weft_lock lock;

static int put_some(void *arg)
{
    int r = 0;
    for (long i = 0; i < 1000 && r == 0; i++)
        r = weft_queue_put(&queue, &i, sizeof i, weft_after(5 * WEFT_SEC));
    weft_queue_close(&queue);
    (void)arg;
    return r;
}

static int get_all(void *arg)
{
    long value;
    (void)arg;
    while (weft_queue_get(&queue, &value, sizeof value, weft_after(5 * WEFT_SEC)) == 1) {
        weft_lock_enter(&lock);
        weft_lock_leave(&lock);
    }
    return 0;
}

static void pass_values(void)
{
    static long slots[8];
    weft_group g;
    weft_queue_init(&queue, slots, 8, sizeof *slots, 0);
    weft_group_init(&g, 0);
    weft_group_spawn(&g, WEFT_COROUTINE, put_some, NULL);
    weft_group_spawn(&g, WEFT_COROUTINE, get_all, NULL);
    (void)weft_group_wait(&g, weft_never());
}

static weft_event ended;

static int put_by_select(void *arg)
{
    long i = 0;
    struct weft_case on[] = { weft_on_put(&queue, &i, sizeof i), weft_on_event(&ended) };
    while (weft_select(on, 2, weft_after(5 * WEFT_SEC)) == 0)
        i++;
    (void)arg;
    return 0;
}

static int get_by_select(void *arg)
{
    long value;
    struct weft_case on[] = { weft_on_get(&queue, &value, sizeof value), weft_on_event(&ended),
                              weft_on_time(weft_after(5 * WEFT_SEC)) };
    (void)arg;
    for (int i = 0; i < 500; i++)
        if (weft_select(on, 3, weft_never()) != 0)
            return -EIO;
    weft_event_set(&ended);
    return 0;
}

static void select_values(void)
{
    weft_group g;
    weft_event_clear(&ended);
    weft_queue_init(&queue, NULL, 0, sizeof(long), 0);
    weft_group_init(&g, 0);
    weft_group_spawn(&g, WEFT_COROUTINE, put_by_select, NULL);
    weft_group_spawn(&g, WEFT_COROUTINE, get_by_select, NULL);
    (void)weft_group_wait(&g, weft_never());
}

static int nap(void *arg)
{
    (void)arg;
    return weft_sleep(weft_after(WEFT_MS));
}

static void sleep_many(void)
{
    weft_group g;
    weft_group_init(&g, 0);
    for (int i = 0; i < 100; i++)
        weft_group_spawn(&g, WEFT_COROUTINE, nap, NULL);
    (void)weft_group_wait(&g, weft_never());
}

static int all_scenes(void *arg)
{
    static void (*const scenes[])(void) = { spawn_many, fork_many, pass_values, select_values,
                                            sleep_many };
    struct test *t = arg;
    for (size_t i = 0; i < sizeof scenes / sizeof *scenes; i++) {
        uint64_t grown = 1;
        for (int round = 0; round < 20 && grown;
             round++) { /* rings and caches grow to what is needed */
            uint64_t before = weft_allocation_count();
            scenes[i]();
            grown = weft_allocation_count() - before;
        }
        CHECK_EQ(grown, 0);
    }
    (void)t;
    return 0;
}

TEST(hot_paths_take_no_memory)
{
    CHECK_EQ(weft_run(all_scenes, t), 0);
}

static int echo(void *arg)
{
    int *ends = arg;
    char byte;
    for (int i = 0; i < 200; i++) {
        if (weft_read(ends[1], &byte, 1, weft_after(5 * WEFT_SEC)) != 1 ||
            weft_write(ends[1], &byte, 1, weft_after(5 * WEFT_SEC)) != 1)
            return -1;
    }
    return 0;
}

static int ask(void *arg)
{
    int *ends = arg;
    char byte = 'x';
    for (int i = 0; i < 200; i++) {
        if (weft_write(ends[0], &byte, 1, weft_after(5 * WEFT_SEC)) != 1 ||
            weft_read(ends[0], &byte, 1, weft_after(5 * WEFT_SEC)) != 1)
            return -1;
    }
    return 0;
}

TEST_REAL(waiting_for_bytes_takes_no_memory, "real sockets")
{
    int ends[2];
    CHECK_EQ(weft_socketpair(ends), 0);
    uint64_t grown = 1;
    for (int round = 0; round < 20 && grown; round++) {
        uint64_t before = weft_allocation_count();
        weft_group g;
        weft_group_init(&g, 0);
        weft_group_spawn(&g, WEFT_COROUTINE, echo, ends);
        weft_group_spawn(&g, WEFT_COROUTINE, ask, ends);
        CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
        grown = weft_allocation_count() - before;
    }
    CHECK_EQ(grown, 0);
    close(ends[0]);
    close(ends[1]);
}
