// C++ exceptions inside tasks.
#include "../behaviour/until.h"

#include <csignal>
#include <stdexcept>
#include <string>

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

// An exception that nobody catches in its task: it reports itself and aborts, and nobody above sees it.
static void check_terminates(void (*fn)(void *kind), unsigned kind)
{
    char said[4000];
    int status = in_child(fn, &kind, said, sizeof said);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
        FAIL("not aborted: status %x\n%s", status, said);
    CHECK_SAYS(said, "terminat");
    CHECK_SAYS(said, "nobody's");
    if (strstr(said, "unwound"))
        FAIL("the waiter was unwound:\n%s", said);
}

struct loud {
    ~loud()
    {
        fputs("unwound\n", stderr);
    }
};

static int throw_out(void *)
{
    throw std::runtime_error("nobody's");
}

static int wait_and_catch(unsigned flags, unsigned kind, weft_fn *fn, void *arg)
{
    weft_group g;
    try {
        loud l;
        CHECK_OK(weft_group_init(&g, flags));
        CHECK_EQ(weft_group_spawn(&g, kind, fn, arg), 0);
        CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    } catch (...) {
        FAIL("the exception went into the waiter");
    }
    return 0;
}

static void throw_out_of_a_task(void *kind)
{
    wait_and_catch(0, *static_cast<unsigned *>(kind), throw_out, nullptr);
}

TEST_EACH_KIND_REAL(an_exception_that_leaves_its_task_terminates, "processes")
{
    check_terminates(throw_out_of_a_task, t->kind);
}

static int throw_out_of_a_call(void *waiter)
{
    CHECK_EQ(weft_task_self().id, static_cast<weft_task *>(waiter)->id); // a call, as it must be
    return throw_out(nullptr);
}

static int fork_and_catch(void *)
{
    weft_task me = weft_task_self();
    return wait_and_catch(WEFT_FORK, WEFT_COROUTINE, throw_out_of_a_call, &me);
}

static void throw_out_of_a_fork(void *)
{
    setenv("WEFT_WORKERS", "1", 1);
    CHECK_EQ(weft_run(fork_and_catch, nullptr), 0);
}

TEST_REAL(an_exception_does_not_cross_from_a_fork_into_its_waiter, "processes")
{
    check_terminates(throw_out_of_a_fork, 0);
}

static int outlive(void *)
{
    return weft_sleep(weft_after(10 * WEFT_MS));
}

static int throw_out_of_bounds(void *)
{
    try {
        weft_within(weft_after(WEFT_MS), throw_out, nullptr);
        FAIL("not thrown");
    } catch (const std::exception &) {
        CHECK_EQ(outlive(nullptr), 0); // the bound went with the call
    }
    CHECK_EQ(weft_task_cancel(weft_task_self()), 0);
    try {
        weft_shield(weft_never(), throw_out, nullptr);
        FAIL("not thrown");
    } catch (const std::exception &) {
        CHECK_ERR(outlive(nullptr), -ECANCELED); // and so did the shield
    }
    CHECK_EQ(weft_shield(weft_never(), outlive, nullptr), 0);
    return 0;
}

TEST_EACH_KIND(an_exception_takes_bound_and_shield_with_it)
{
    weft_group g;
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_EQ(weft_group_spawn(&g, t->kind, throw_out_of_bounds, nullptr), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    weft_group_fini(&g);
}

static int count_up(void *arg)
{
    guard g{ static_cast<int *>(arg) };
    for (int i = 0;; i++)
        if (int r = weft_generator_yield(&i, sizeof i); r < 0)
            return r;
}

static int catch_in_generator(void *)
{
    for (int i = 0; i < 3; i++) {
        try {
            throw i;
        } catch (int thrown) {
            if (int r = weft_generator_yield(&thrown, sizeof thrown); r < 0)
                return r;
        }
    }
    return 0;
}

TEST(a_loop_over_a_generator_is_closed_by_an_exception)
{
    weft_generator g;
    int gone = 0, seen = 0;
    CHECK_OK(weft_generator_init(&g, count_up, &gone, sizeof(int)));
    try {
        weft_generator_each(&g, int, i)
            if (i == 2)
                throw std::runtime_error("enough");
    } catch (const std::exception &) {
        CHECK_EQ(gone, 1);
    }
    CHECK_OK(weft_generator_init(&g, catch_in_generator, nullptr, sizeof(int)));
    weft_generator_each(&g, int, i)
        CHECK_EQ(i, seen++);
    CHECK_EQ(seen, 3);
    weft_generator_fini(&g);
}

static void throw_out_of_a_generator(void *)
{
    weft_generator g;
    int v;
    try {
        loud l;
        CHECK_OK(weft_generator_init(&g, throw_out, nullptr, sizeof(int)));
        CHECK_EQ(weft_generator_next(&g, &v, sizeof v, weft_never()), 1);
    } catch (...) {
        FAIL("the exception went into the caller");
    }
}

TEST_REAL(an_exception_does_not_cross_from_a_generator_into_its_caller, "processes")
{
    check_terminates(throw_out_of_a_generator, 0);
}
