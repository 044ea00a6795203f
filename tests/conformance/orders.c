/* Lifo and priority queues between tasks of every kind: what comes next, long or short, whoever puts and gets. */
#include "test.h"

#include <stdlib.h>
#include <string.h>
#include <weft.h>

enum { LONG = 100000 };

static weft_queue *new_queue(uint32_t count, uint32_t size, unsigned flags)
{
    weft_queue *queue = weft_arena_alloc(sizeof *queue);
    CHECK(queue != NULL);
    CHECK_EQ(weft_queue_init(queue, NULL, count, size, flags | WEFT_SHARED), 0);
    return queue;
}

static void free_queue(weft_queue *queue)
{
    weft_queue_fini(queue);
    weft_arena_free(queue);
}

static void check_next(weft_queue *queue, long number)
{
    long got;
    CHECK_EQ(weft_queue_get(queue, &got, sizeof got, weft_at_once()), 1);
    CHECK_EQ(got, number);
}

static void put(weft_queue *queue, long number, int64_t priority)
{
    CHECK_EQ(weft_queue_put_at(queue, &number, sizeof number, priority, weft_at_once()), 0);
}

TEST_REAL(the_latest_comes_first, "shared memory")
{
    weft_queue *queue = new_queue(4, sizeof(long), WEFT_LIFO);
    for (long i = 0; i < 4; i++)
        CHECK_EQ(weft_queue_put(queue, &i, sizeof i, weft_at_once()), 0);
    CHECK(weft_queue_is_full(queue));
    CHECK_EQ(weft_queue_put(queue, &(long){ 4 }, sizeof(long), weft_after(WEFT_MS)), -ETIMEDOUT);
    CHECK_EQ(weft_queue_put_at(queue, &(long){ 4 }, sizeof(long), 1, weft_at_once()), -EINVAL);
    check_next(queue, 3);
    check_next(queue, 2);
    CHECK_EQ(weft_queue_put(queue, &(long){ 5 }, sizeof(long), weft_at_once()), 0);
    CHECK_EQ(weft_queue_length(queue), 3);
    check_next(queue, 5);
    check_next(queue, 1);
    check_next(queue, 0);
    CHECK(weft_queue_is_empty(queue));
    free_queue(queue);
}

TEST_REAL(the_lowest_priority_comes_first_and_of_equals_the_oldest, "shared memory")
{
    enum { N = 100 };
    weft_queue *queue = new_queue(N, sizeof(long), WEFT_PRIORITY);
    for (long i = 0; i < N; i++)
        put(queue, i, (i * 37) % 10 - 5);
    for (long p = -5; p < 5; p++)
        for (long i = 0; i < N; i++)
            if ((i * 37) % 10 - 5 == p)
                check_next(queue, i);
    put(queue, 1, INT64_MAX);
    put(queue, 2, INT64_MIN);
    CHECK_EQ(weft_queue_put(queue, &(long){ 3 }, sizeof(long), weft_at_once()), 0); /* 0 */
    weft_queue_close(queue);
    CHECK_EQ(weft_queue_put(queue, &(long){ 3 }, sizeof(long), weft_at_once()), -EPIPE);
    check_next(queue, 2);
    check_next(queue, 3);
    check_next(queue, 1);
    CHECK_EQ(weft_queue_get(queue, &(long){ 0 }, sizeof(long), weft_never()), 0);
    free_queue(queue);
}

TEST_REAL(what_these_queues_are_not, "shared memory")
{
    weft_queue *queue = weft_arena_alloc(sizeof *queue);
    CHECK_EQ(weft_queue_init(queue, NULL, 1, 8, WEFT_SHARED | WEFT_LIFO | WEFT_PRIORITY), -EINVAL);
    CHECK_EQ(weft_queue_init(queue, NULL, 1, 8, WEFT_SHARED | WEFT_LIFO | WEFT_ACK), -ENOTSUP);
    CHECK(strstr(weft_why(), "WEFT_ACK") != NULL);
    weft_arena_free(queue);
}

TEST_REAL(long_messages_are_ordered_and_bounded, "shared memory")
{
    char *text = malloc(LONG), *back = malloc(LONG);
    size_t size;
    void *block;
    weft_queue *queue = new_queue(10, 0, WEFT_PRIORITY);
    CHECK_EQ(weft_queue_limit(queue, 3 * LONG), 0);
    for (int i = 0; i < 3; i++) {
        memset(text, 'a' + i, LONG);
        CHECK_EQ(weft_queue_put_at(queue, text, LONG, -i, weft_at_once()), 0);
    }
    CHECK_EQ(weft_queue_put_at(queue, text, LONG, 9, weft_at_once()), -ETIMEDOUT);
    CHECK_EQ(weft_queue_get_message(queue, back, 10, &size, weft_at_once()), -EMSGSIZE);
    CHECK_EQ(size, LONG);
    for (int i = 2; i > 0; i--) {
        memset(text, 'a' + i, LONG);
        CHECK_EQ(weft_queue_get_message(queue, back, LONG, &size, weft_at_once()), 1);
        CHECK_MEM(back, text, LONG);
    }
    CHECK_EQ(weft_queue_get_block(queue, &block, &size, weft_at_once()), 1);
    CHECK_EQ(size, LONG);
    CHECK_EQ(weft_queue_put_block(queue, block, size, weft_at_once()), 0);
    free_queue(queue); /* with what is in it */
    free(text);
    free(back);
}

/* -- many -- */

enum { EACH = 500, PUTTERS = 3 };

static int put_each(void *queue)
{
    for (long i = 0; i < EACH; i++)
        CHECK_EQ(weft_queue_put(queue, &i, sizeof i, weft_never()), 0);
    weft_queue_close(queue);
    return 0;
}

struct sums {
    weft_queue queue;
    long sum, count;
};

static int get_all(void *arg)
{
    struct sums *s = arg;
    long number;
    int r;
    while ((r = weft_queue_get(&s->queue, &number, sizeof number, weft_never())) == 1) {
        __atomic_fetch_add(&s->sum, number, __ATOMIC_RELAXED);
        __atomic_fetch_add(&s->count, 1, __ATOMIC_RELAXED);
    }
    return r;
}

TEST_REAL(tasks_of_every_kind_put_and_get, "processes")
{
    PROCESSES();
    static const unsigned kinds[] = { WEFT_COROUTINE, WEFT_THREAD, WEFT_PROCESS };
    static const unsigned orders[] = { WEFT_LIFO, WEFT_PRIORITY };
    for (int o = 0; o < 2; o++) {
        weft_group group;
        struct sums *s = weft_arena_alloc(sizeof *s);
        CHECK(s != NULL);
        memset(s, 0, sizeof *s);
        CHECK_EQ(weft_queue_init(&s->queue, NULL, 7, sizeof(long), WEFT_SHARED | orders[o]), 0);
        weft_queue_producers(&s->queue, PUTTERS);
        CHECK_EQ(weft_group_init(&group, 0), 0);
        for (int i = 0; i < PUTTERS; i++) {
            CHECK_EQ(weft_group_spawn(&group, kinds[i], get_all, s), 0);
            CHECK_EQ(weft_group_spawn(&group, kinds[i], put_each, &s->queue), 0);
        }
        CHECK_EQ(weft_group_wait(&group, weft_never()), 0);
        CHECK_EQ(s->count, PUTTERS * EACH);
        CHECK_EQ(s->sum, PUTTERS * (EACH * (EACH - 1L) / 2));
        weft_queue_fini(&s->queue);
        weft_arena_free(s);
    }
}

TEST_EACH_KIND_REAL(a_select_puts_and_gets_in_order, "shared memory")
{
    long a = 1, b = 2, got;
    weft_queue *queue = new_queue(2, sizeof(long), WEFT_PRIORITY);
    struct weft_case in[] = { weft_on_put_at(queue, &a, sizeof a, 5),
                              weft_on_put_at(queue, &b, sizeof b, -5) },
                     out = weft_on_get(queue, &got, sizeof got);
    (void)t;
    CHECK_EQ(weft_select(&out, 1, weft_after(WEFT_MS)), -ETIMEDOUT);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(weft_select(&in[i], 1, weft_never()), 0);
    CHECK_EQ(weft_select(in, 2, weft_after(WEFT_MS)), -ETIMEDOUT);
    CHECK_EQ(weft_select(&out, 1, weft_never()), 0);
    CHECK_EQ(got, 2);
    CHECK_EQ(weft_select(&out, 1, weft_never()), 0);
    CHECK_EQ(got, 1);
    free_queue(queue);
}
