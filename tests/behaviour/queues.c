/* Queues of every order and size, in batches, by type, and what is done with the values. */
#include "until.h"

WEFT_QUEUE_OF(numbers, long);

static numbers queue;
static unsigned kind;

static weft_task spawn_until(weft_group *g, weft_fn *fn, void *arg, const char *state)
{
    weft_task task;
    struct weft_spawn more = { .size = sizeof more, .task = &task };
    CHECK_EQ(weft_group_spawn_with(g, kind, fn, arg, &more), 0);
    UNTIL(!state || waits_for(task, state));
    return task;
}

static long next(void)
{
    long value = -1;
    CHECK_EQ(numbers_get(&queue, &value, weft_at_once()), 1);
    return value;
}

TEST(a_lifo_gives_the_latest_first)
{
    long slots[4];
    for (int own = 0; own < 2; own++) {
        CHECK_EQ(numbers_init(&queue, own ? NULL : slots, 4, WEFT_LIFO), 0);
        for (long v = 0; v < 4; v++)
            CHECK_EQ(numbers_put(&queue, v, weft_at_once()), 0);
        CHECK_ERR(numbers_put(&queue, 4, weft_at_once()), -ETIMEDOUT);
        CHECK_EQ(next(), 3);
        CHECK_EQ(next(), 2);
        CHECK_EQ(numbers_put(&queue, 5, weft_at_once()), 0);
        CHECK_EQ(next(), 5);
        CHECK_EQ(next(), 1);
        CHECK_EQ(next(), 0);
        weft_queue_fini(&queue.queue);
    }
}

/* Values tell their priority and when they came: the queue against both. */
TEST(a_priority_queue_gives_the_lowest_first_and_equals_in_order)
{
    struct thing {
        int priority, came;
        char ballast[5];
    } thing, before;
    static _Alignas(8) char slots[100 * WEFT_PRIORITY_SLOT(sizeof thing)];
    uint64_t state = 88172645463325252u;
    for (int own = 0; own < 2; own++) {
        weft_queue q;
        int came = 0;
        CHECK_EQ(weft_queue_init(&q, own ? NULL : slots, 100, sizeof thing, WEFT_PRIORITY), 0);
        for (int round = 0; round < 50; round++) {
            while (!weft_queue_is_full(&q)) {
                state ^= state << 13, state ^= state >> 7, state ^= state << 17;
                thing = (struct thing){ (int)(state % 10) - 5, came++, "four" };
                CHECK_EQ(weft_queue_put_at(&q, &thing, sizeof thing, thing.priority, weft_never()),
                         0);
            }
            before = (struct thing){ .priority = INT16_MIN };
            for (int i = round; i < 100; i++) {
                CHECK_EQ(weft_queue_get(&q, &thing, sizeof thing, weft_at_once()), 1);
                CHECK_STR(thing.ballast, "four");
                CHECK(thing.priority > before.priority ||
                      (thing.priority == before.priority && thing.came > before.came));
                before = thing;
            }
        }
        weft_queue_fini(&q);
    }
}

TEST(only_a_priority_queue_has_priorities)
{
    CHECK_EQ(numbers_init(&queue, NULL, 4, 0), 0);
    CHECK_ERR(numbers_put_at(&queue, 1, 1, weft_never()), -EINVAL);
    weft_queue_fini(&queue.queue);
    CHECK_EQ(numbers_init(&queue, NULL, 4, WEFT_PRIORITY), 0);
    CHECK_EQ(numbers_put_at(&queue, 1, 1, weft_never()), 0);
    CHECK_EQ(numbers_put_at(&queue, 2, INT64_MIN, weft_never()), 0);
    CHECK_EQ(numbers_put_at(&queue, 3, INT64_MAX, weft_never()), 0);
    CHECK_EQ(numbers_put(&queue, 4, weft_never()), 0);
    CHECK_EQ(next(), 2);
    CHECK_EQ(next(), 4);
    CHECK_EQ(next(), 1);
    CHECK_EQ(next(), 3);
    weft_queue_fini(&queue.queue);
}

TEST(a_queue_that_cannot_be_is_refused)
{
    weft_queue q;
    long slots[4];
    CHECK_ERR(weft_queue_init(&q, slots, 4, 0, 0), -EINVAL);
    CHECK_ERR(weft_queue_init(&q, slots, 4, 8, WEFT_LIFO | WEFT_PRIORITY), -EINVAL);
    CHECK_ERR(weft_queue_init(&q, NULL, 0, 8, WEFT_LIFO), -EINVAL);
    CHECK_ERR(weft_queue_init(&q, NULL, 0, 8, WEFT_PRIORITY), -EINVAL);
    CHECK_ERR(weft_queue_init(&q, NULL, UINT32_MAX - 1, 8, 0), -EINVAL);
    CHECK_ERR(weft_queue_init(&q, slots, WEFT_UNBOUNDED, 8, 0), -EINVAL);
    CHECK_ERR(weft_queue_init(&q, (char *)slots + 1, 1, 1, WEFT_PRIORITY), -EINVAL);
    CHECK_ERR(weft_queue_init(&q, slots, 4, 8, 1u << 9), -EINVAL);
    CHECK_ERR(weft_queue_init(&q, slots, 4, 8, WEFT_SHARED), -EINVAL);
    CHECK_ERR(numbers_init(&queue, slots, 1, WEFT_PRIORITY), -EINVAL);
}

static size_t bytes_out, bytes_most;

static void *count_out(void *ctx, size_t bytes, size_t align)
{
    (void)ctx;
    if (ADD(bytes_out, bytes) > LOAD(bytes_most))
        STORE(bytes_most, LOAD(bytes_out));
    return aligned_alloc(align, (bytes + align - 1) / align * align);
}

static void count_back(void *ctx, void *block, size_t bytes)
{
    (void)ctx;
    ADD(bytes_out, -bytes);
    free(block);
}

TEST_REAL(an_unbounded_queue_grows_and_shrinks, "its own allocator")
{
    struct weft_allocator counting = { sizeof counting, count_out, count_back, NULL };
    static const unsigned orders[] = { WEFT_FIFO, WEFT_LIFO, WEFT_PRIORITY };
    CHECK_EQ(weft_allocator_set(&counting), 0);
    CHECK_NE(weft_task_self().id, 0); /* the thread's record is there */
    for (size_t o = 0; o < 3; o++) {
        enum { MANY = 10000 };
        size_t before = LOAD(bytes_out);
        CHECK_EQ(numbers_init(&queue, NULL, WEFT_UNBOUNDED, orders[o]), 0);
        for (int round = 0; round < 3; round++) {
            for (long v = 0; v < MANY; v++)
                CHECK_EQ(numbers_put(&queue, v, weft_at_once()), 0);
            CHECK_EQ(weft_queue_length(&queue.queue), MANY);
            CHECK(!weft_queue_is_full(&queue.queue));
            for (long v = 0; v < MANY; v++)
                CHECK_EQ(next(), orders[o] == WEFT_LIFO ? MANY - 1 - v : v);
            CHECK(weft_queue_is_empty(&queue.queue));
            CHECK_LE(LOAD(bytes_out) - before, 4 * WEFT_PRIORITY_SLOT(sizeof(long)));
        }
        CHECK_GE(LOAD(bytes_most), MANY * sizeof(long));
        CHECK_EQ(numbers_put(&queue, 1, weft_at_once()), 0);
        weft_queue_fini(&queue.queue); /* with a value inside */
        CHECK_EQ(LOAD(bytes_out), before);
    }
}

/* Values go round in the ring while it grows and shrinks. */
TEST(order_survives_every_change_of_size)
{
    long in = 0, out = 0;
    CHECK_EQ(numbers_init(&queue, NULL, WEFT_UNBOUNDED, 0), 0);
    for (int length = 1; length < 300; length++) {
        while (in - out < length)
            CHECK_EQ(numbers_put(&queue, in++, weft_at_once()), 0);
        while (in - out > length / 7)
            CHECK_EQ(next(), out++);
    }
    weft_queue_fini(&queue.queue);
}

TEST(a_queue_with_memory_of_its_own_has_bounds_too)
{
    CHECK_EQ(numbers_init(&queue, NULL, 5, 0), 0);
    CHECK(weft_queue_is_empty(&queue.queue));
    for (long v = 0; v < 5; v++) {
        CHECK(!weft_queue_is_full(&queue.queue));
        CHECK_EQ(numbers_put(&queue, v, weft_at_once()), 0);
    }
    CHECK(weft_queue_is_full(&queue.queue));
    CHECK_ERR(numbers_put(&queue, 5, weft_at_once()), -ETIMEDOUT);
    CHECK_ERR(numbers_put(&queue, 5, weft_after(WEFT_US)), -ETIMEDOUT);
    for (long v = 0; v < 5; v++)
        CHECK_EQ(next(), v);
    weft_queue_fini(&queue.queue);
}

static int put_waiting(void *arg)
{
    long value = (long)(intptr_t)arg;
    return numbers_put_at(&queue, value, value, weft_never());
}

TEST_EACH_KIND(who_waits_for_room_comes_in_by_priority_once_it_is_in)
{
    weft_group g;
    kind = t->kind;
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_EQ(numbers_init(&queue, NULL, 2, WEFT_PRIORITY), 0);
    CHECK_EQ(numbers_put_at(&queue, 5, 5, weft_at_once()), 0);
    CHECK_EQ(numbers_put_at(&queue, 6, 6, weft_at_once()), 0);
    spawn_until(&g, put_waiting, (void *)7, "put");
    spawn_until(&g, put_waiting, (void *)1, "put");
    CHECK_EQ(next(), 5); /* 7 comes in */
    CHECK_EQ(next(), 6); /* 1 comes in */
    CHECK_EQ(next(), 1);
    CHECK_EQ(next(), 7);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    weft_queue_fini(&queue.queue);
    weft_group_fini(&g);
}

/* -- batches -- */

static int put_hundred(void *arg)
{
    long values[100];
    for (long i = 0; i < 100; i++)
        values[i] = i;
    return weft_queue_put_many(&queue.queue, values, 100, sizeof *values, weft_never()) ==
                   (int)(intptr_t)arg
               ? 0
               : -EBADMSG;
}

TEST_EACH_KIND(a_batch_goes_through_a_queue_of_any_size)
{
    static const uint32_t counts[] = { 0, 1, 7, 100, WEFT_UNBOUNDED };
    kind = t->kind;
    for (size_t c = 0; c < 5; c++) {
        long values[9], expected = 0;
        weft_group g;
        int n;
        CHECK_OK(weft_group_init(&g, 0));
        CHECK_EQ(numbers_init(&queue, NULL, counts[c], 0), 0);
        spawn_until(&g, put_hundred, (void *)100, NULL);
        while (expected < 100) {
            n = weft_queue_get_many(&queue.queue, values, 9, sizeof *values, weft_never());
            CHECK_GT(n, 0);
            CHECK_LE(n, 9);
            for (int i = 0; i < n; i++)
                CHECK_EQ(values[i], expected++);
        }
        CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
        weft_queue_close(&queue.queue);
        CHECK_EQ(weft_queue_get_many(&queue.queue, values, 9, sizeof *values, weft_never()), 0);
        weft_queue_fini(&queue.queue);
        weft_group_fini(&g);
    }
}

TEST(a_batch_tells_how_far_it_came_by_its_deadline)
{
    long values[8] = { 0, 1, 2, 3, 4, 5, 6, 7 }, out[8] = { 0 };
    CHECK_EQ(numbers_init(&queue, NULL, 5, 0), 0);
    CHECK_ERR(weft_queue_get_many(&queue.queue, out, 8, sizeof *out, weft_at_once()), -ETIMEDOUT);
    CHECK_EQ(weft_queue_put_many(&queue.queue, values, 8, sizeof *values, weft_at_once()), 5);
    CHECK_ERR(weft_queue_put_many(&queue.queue, values, 8, sizeof *values, weft_at_once()),
              -ETIMEDOUT);
    CHECK_ERR(weft_queue_put_many(&queue.queue, values, 8, sizeof *values, weft_after(WEFT_US)),
              -ETIMEDOUT);
    CHECK_EQ(weft_queue_length(&queue.queue), 5);
    CHECK_EQ(weft_queue_get_many(&queue.queue, out, 2, sizeof *out, weft_at_once()), 2);
    CHECK_EQ(weft_queue_put_many(&queue.queue, values + 5, 3, sizeof *values, weft_after(WEFT_US)),
             2);
    CHECK_EQ(weft_queue_get_many(&queue.queue, out + 2, 6, sizeof *out, weft_after(WEFT_US)), 5);
    for (long v = 0; v < 7; v++)
        CHECK_EQ(out[v], v);
    CHECK_ERR(weft_queue_put_many(&queue.queue, values, 0, sizeof *values, weft_never()), -EINVAL);
    CHECK_ERR(weft_queue_put_many(&queue.queue, values, 1, 1, weft_never()), -EINVAL);
    CHECK_ERR(weft_queue_get_many(&queue.queue, out, 0, sizeof *out, weft_never()), -EINVAL);
    CHECK_ERR(weft_queue_get_many(&queue.queue, out, 1u << 31, sizeof *out, weft_never()), -EINVAL);
    CHECK_EQ(weft_queue_put_many(&queue.queue, values, 3, sizeof *values, weft_never()), 3);
    weft_queue_close(&queue.queue);
    CHECK_ERR(weft_queue_put_many(&queue.queue, values, 3, sizeof *values, weft_never()), -EPIPE);
    CHECK_EQ(weft_queue_get_many(&queue.queue, out, 8, sizeof *out, weft_never()), 3);
    weft_queue_fini(&queue.queue);
}

TEST_EACH_KIND(a_batch_tells_how_far_it_came_when_it_is_ended)
{
    for (int how = 0; how < 2; how++) {
        weft_group g;
        kind = t->kind;
        CHECK_OK(weft_group_init(&g, 0));
        CHECK_EQ(numbers_init(&queue, NULL, 5, 0), 0);
        weft_task task = spawn_until(&g, put_hundred, (void *)6, "put");
        CHECK_EQ(next(), 0);
        UNTIL(weft_queue_length(&queue.queue) == 5 && waits_for(task, "put"));
        if (how == 0)
            weft_queue_close(&queue.queue);
        else
            CHECK_EQ(weft_task_cancel(task), 0);
        CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
        for (long v = 1; v < 6; v++)
            CHECK_EQ(next(), v);
        weft_queue_fini(&queue.queue);
        weft_group_fini(&g);
    }
}

static int get_some(void *sum)
{
    long value;
    int r;
    while ((r = numbers_get(&queue, &value, weft_never())) == 1)
        ADD(*(long *)sum, value);
    return r;
}

TEST_EACH_KIND(a_batch_serves_all_who_wait)
{
    weft_group g;
    long sum = 0;
    kind = t->kind;
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_EQ(numbers_init(&queue, NULL, 3, 0), 0);
    for (int i = 0; i < 5; i++)
        spawn_until(&g, get_some, &sum, "get");
    CHECK_EQ(put_hundred((void *)100), 0);
    weft_queue_close(&queue.queue);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    CHECK_EQ(sum, 99 * 50);
    weft_queue_fini(&queue.queue);
    weft_group_fini(&g);
}

/* -- the work that values stand for -- */

static long eaten;

static int eat(void *arg)
{
    long value;
    int r;
    (void)arg;
    while ((r = numbers_get(&queue, &value, weft_never())) == 1) {
        weft_yield();
        ADD(eaten, 1);
        CHECK_EQ(weft_queue_task_done(&queue.queue), 0);
    }
    return r;
}

static int join(void *arg)
{
    (void)arg;
    int r = weft_queue_join(&queue.queue, weft_never());
    CHECK_EQ(LOAD(eaten), 20);
    return r;
}

TEST_EACH_KIND(a_join_waits_until_all_that_came_is_done)
{
    static const uint32_t counts[] = { 0, 3, WEFT_UNBOUNDED };
    kind = t->kind;
    for (size_t c = 0; c < 3; c++) {
        weft_group g;
        eaten = 0;
        CHECK_OK(weft_group_init(&g, 0));
        CHECK_EQ(numbers_init(&queue, NULL, counts[c], 0), 0);
        CHECK_EQ(weft_queue_join(&queue.queue, weft_never()), 0);
        CHECK_ERR(weft_queue_task_done(&queue.queue), -EINVAL);
        for (int i = 0; i < 3; i++)
            spawn_until(&g, eat, NULL, NULL);
        for (long v = 0; v < 20; v++)
            CHECK_EQ(numbers_put(&queue, v, weft_never()), 0);
        spawn_until(&g, join, NULL, NULL);
        CHECK_EQ(weft_queue_join(&queue.queue, weft_never()), 0);
        CHECK_EQ(LOAD(eaten), 20);
        CHECK_ERR(weft_queue_task_done(&queue.queue), -EINVAL);
        CHECK_EQ(weft_queue_join(&queue.queue, weft_at_once()), 0);
        weft_queue_close(&queue.queue);
        CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
        weft_queue_fini(&queue.queue);
        weft_group_fini(&g);
    }
}

static int join_in_vain(void *arg)
{
    (void)arg;
    return weft_queue_join(&queue.queue, weft_never()) == -ECANCELED ? 0 : -EBADMSG;
}

TEST_EACH_KIND(a_join_ends_by_its_deadline_and_by_a_cancel)
{
    weft_group g;
    kind = t->kind;
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_EQ(numbers_init(&queue, NULL, 3, 0), 0);
    CHECK_EQ(numbers_put(&queue, 1, weft_never()), 0);
    CHECK_ERR(weft_queue_join(&queue.queue, weft_at_once()), -ETIMEDOUT);
    CHECK_ERR(weft_queue_join(&queue.queue, weft_after(WEFT_US)), -ETIMEDOUT);
    CHECK_EQ(weft_task_cancel(spawn_until(&g, join_in_vain, NULL, "queue")), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    CHECK_EQ(next(), 1);
    CHECK_EQ(weft_queue_task_done(&queue.queue), 0);
    weft_queue_fini(&queue.queue);
    weft_group_fini(&g);
}

static int fini_joined_task(void *arg)
{
    weft_group g;
    (void)arg;
    kind = WEFT_COROUTINE;
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_EQ(numbers_init(&queue, NULL, 3, 0), 0);
    CHECK_EQ(numbers_put(&queue, 1, weft_never()), 0);
    spawn_until(&g, join_in_vain, NULL, "queue");
    weft_queue_fini(&queue.queue);
    return 0;
}

static void fini_joined(void *arg)
{
    setenv("WEFT_WORKERS", "1", 1);
    CHECK_EQ(weft_run(fini_joined_task, arg), 0);
}

TEST_REAL(a_queue_torn_down_under_a_waiter_is_a_bug, "processes")
{
    CHECK_BUG(fini_joined, NULL, "torn down under a waiter");
}
