/* A job written where it is given: the designated initialisers stand for Python's keyword arguments. */
#include "test.h"

#include <weft.h>

struct job {
    int a, b, *sum;
};

static int add(void *arg)
{
    const struct job *job = arg;
    __atomic_fetch_add(job->sum, job->a + job->b, __ATOMIC_RELAXED);
    return 0;
}

TEST_EACH_KIND(a_job_may_be_a_compound_literal)
{
    int sum = 0;
    struct job back = { .a = 3, .b = 4, .sum = &sum }; /* comes back: lives until the wait */
    weft_group g;
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_OK(weft_group_spawn_copy(&g, t->kind, add, &(struct job){ .a = 1, .b = 2, .sum = &sum }));
    CHECK_OK(weft_group_spawn_job(&g, t->kind, add, &back));
    CHECK_OK(weft_group_wait(&g, weft_never()));
    CHECK_EQ(sum, 10);
}
