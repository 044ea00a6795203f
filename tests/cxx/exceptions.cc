// C++ exceptions inside tasks.
#include "test.h"

#include <stdexcept>
#include <string>
#include <weft.h>

struct guard {
    int *count;
    ~guard()
    {
        ++*count;
    }
};

static int throw_deep(int depth, int *count)
{
    guard g{ count };
    if (depth == 0)
        throw std::runtime_error("deep");
    if (weft_yield() < 0)
        return -1;
    return throw_deep(depth - 1, count);
}

static int catch_inside(void *arg)
{
    int count = 0;
    try {
        throw_deep(10, &count);
    } catch (const std::exception &e) {
        CHECK_EQ(std::string(e.what()) == "deep", 1);
        CHECK_EQ(weft_sleep(weft_after(WEFT_US)), 0); // a wait inside a handler
        CHECK_EQ(count, 11);
        return *static_cast<int *>(arg);
    }
    return -1;
}

TEST_EACH_KIND(an_exception_is_caught_inside_its_task)
{
    weft_group g;
    int one = 1;
    CHECK_OK(weft_group_init(&g, WEFT_ONE_WORKER));
    for (int i = 0; i < 20; i++)
        CHECK_EQ(weft_group_spawn(&g, t->kind, catch_inside, &one), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    weft_group_fini(&g);
}
