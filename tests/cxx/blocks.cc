// Blocks let go on an exception's way out too; and the objects' initialisers as C++.
#include "test.h"

#include <stdexcept>
#include <weft.h>

static weft_lock lock = WEFT_LOCK_INIT;
static weft_rlock rlock = WEFT_RLOCK_INIT;
static weft_rwlock rwlock = WEFT_RWLOCK_INIT;
static weft_semaphore sem = WEFT_SEMAPHORE_INIT_BOUNDED(1, 1);
static weft_barrier barrier = WEFT_BARRIER_INIT(1, nullptr, nullptr);
static weft_once once = WEFT_ONCE_INIT;

static void throw_in_blocks()
{
    int r;
    weft_with_lock_until(&lock, weft_never(), &r) weft_with_rlock(&rlock) weft_with_rlock(&rlock)
        weft_with_read(&rwlock) weft_with_semaphore(&sem, weft_never(), &r)
    {
        CHECK(weft_lock_is_held(&lock));
        throw std::runtime_error("out of a block");
    }
    FAIL("no exception");
}

static int check_blocks(void *)
{
    bool caught = false;
    try {
        throw_in_blocks();
    } catch (const std::exception &) {
        caught = true;
    }
    CHECK(caught);
    CHECK(!weft_lock_is_held(&lock) && !weft_rlock_is_held(&rlock));
    CHECK(!weft_rwlock_is_reader(&rwlock));
    CHECK_EQ(weft_semaphore_value(&sem), 1);
    weft_with_write(&rwlock)
        CHECK(weft_rwlock_is_writer(&rwlock));
    CHECK_EQ(weft_barrier_wait(&barrier, weft_never()), 0);
    CHECK(!weft_once_is_done(&once));
    return 0;
}

TEST_EACH_KIND(an_exception_lets_go_of_what_its_blocks_took)
{
    weft_group g;
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_EQ(weft_group_spawn(&g, t->kind, check_blocks, nullptr), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    weft_group_fini(&g);
}
