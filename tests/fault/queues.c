/* The n-th allocation of a queue that grows and shrinks fails, n = 1, 2, ... until none does: such a put
 * puts nothing, a get never fails, and nothing is lost. */
#include "failing.h"

static void fill_and_drain(unsigned order, uint32_t batch)
{
    long in = 0, out = 0, value, values[8];
    weft_queue q;
    CHECK_EQ(weft_queue_init(&q, NULL, WEFT_UNBOUNDED, sizeof value, order), 0);
    while (in < 200) {
        for (uint32_t i = 0; i < batch; i++)
            values[i] = in + i;
        int r = batch == 1 ? weft_queue_put(&q, values, sizeof value, weft_never())
                           : weft_queue_put_many(&q, values, batch, sizeof value, weft_never());
        CHECK(r == -ENOMEM || r >= (batch > 1));
        in += r < 0 ? 0 : batch == 1 ? 1 : r;
        CHECK_EQ(weft_queue_length(&q), in);
    }
    for (; out < in; out++) {
        CHECK_EQ(weft_queue_get(&q, &value, sizeof value, weft_at_once()), 1);
        CHECK_EQ(value, order == WEFT_LIFO ? in - 1 - out : out);
    }
    CHECK(weft_queue_is_empty(&q));
    weft_queue_fini(&q);
}

TEST_REAL(a_queue_without_memory_loses_nothing, "failing allocations")
{
    static const unsigned orders[] = { WEFT_FIFO, WEFT_LIFO, WEFT_PRIORITY };
    CHECK_NE(weft_task_self().id, 0); /* the thread's record is there */
    weft__alloc_fault = alloc_fault;
    for (size_t o = 0; o < 3; o++)
        for (uint32_t batch = 1; batch <= 8; batch += 7) {
            long n = 0;
            do {
                countdown = ++n;
                fill_and_drain(orders[o], batch);
            } while (countdown == 0);
            CHECK_GT(n, 10);
        }
}
