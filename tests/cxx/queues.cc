// Queues by type, and the words of the family, in C++.
#include "test.h"

#include <weft.h>

struct job {
    int number;
    const char *text;
};

WEFT_QUEUE_OF(jobs, struct job);
WEFT_QUEUE_OF(numbers, long);

TEST(a_typed_queue_is_a_class_of_its_own)
{
    jobs q;
    job got{}, slots[2];
    CHECK_EQ(jobs_init(&q, slots, 2, WEFT_FIFO), 0);
    CHECK_EQ(jobs_put(&q, job{ 1, "one" }, weft_never()), 0);
    CHECK_EQ(jobs_put(&q, { 2, "two" }, weft_at_once()), 0);
    CHECK_EQ(jobs_get(&q, &got, weft_never()), 1);
    CHECK_EQ(got.number, 1);
    CHECK_STR(got.text, "one");
    weft_queue_close(&q.queue);
    weft_queue_fini(&q.queue);
}

TEST(priorities_and_no_bound)
{
    numbers q;
    long got;
    CHECK_EQ(numbers_init(&q, nullptr, WEFT_UNBOUNDED, WEFT_PRIORITY), 0);
    for (long v = 10; v > 0; v--)
        CHECK_EQ(numbers_put_at(&q, v, v, weft_never()), 0);
    CHECK_EQ(numbers_get(&q, &got, weft_never()), 1);
    CHECK_EQ(got, 1);
    alignas(8) char slots[2 * WEFT_PRIORITY_SLOT(sizeof got)];
    weft_queue plain;
    CHECK_EQ(weft_queue_init(&plain, slots, 2, sizeof got, WEFT_PRIORITY), 0);
    weft_queue_fini(&plain);
    weft_queue_fini(&q.queue);
}
