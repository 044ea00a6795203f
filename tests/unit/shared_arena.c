/* The arena: blocks are whole and apart, in threads, between processes, and after a process was killed
 * anywhere in the middle. This test plays the reaper. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"
#include "shared/arena.h"
#include "test.h"

/* The last word of a block holds its address: two blocks that overlap show it. */
static void *mark(void *block, size_t size)
{
    CHECK(block != NULL);
    memset(block, (int)size, size);
    if (size >= sizeof block)
        memcpy((char *)block + size - sizeof block, &block, sizeof block);
    return block;
}

static void check(const void *block, size_t size)
{
    const void *there = NULL;
    if (size < sizeof there)
        return;
    memcpy(&there, (const char *)block + size - sizeof there, sizeof there);
    CHECK_EQ((uintptr_t)there, (uintptr_t)block);
    for (size_t i = 0; i < size - sizeof there; i += 1 + size / 64)
        CHECK_EQ(((const unsigned char *)block)[i], (unsigned char)size);
}

static uint64_t used(void)
{
    return load_relaxed(&weft__tree->used);
}

static pid_t process_start(void (*run)(void *), void *arg, weft__process_id *id)
{
    CHECK_EQ(weft__tree_begin(), 0);
    *id = weft__process_take();
    CHECK(*id != 0);
    pid_t pid = fork();
    CHECK_OK(pid);
    if (pid == 0) {
        weft__tree_entered(*id);
        weft__process_set(*id, WEFT__SLOT_ALIVE);
        run(arg);
        _exit(0);
    }
    return pid;
}

static int reap(pid_t pid, weft__process_id id)
{
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    weft__process_died(id);
    CHECK(weft__process_is_dead(id));
    weft__process_set(id, WEFT__SLOT_FREE);
    return status;
}

TEST_REAL(blocks_of_all_sizes_are_apart_and_aligned, "memory of the kernel's")
{
    enum { COUNT = 600 };
    static void *block[COUNT];
    static size_t size[COUNT];
    for (size_t i = 0, n = 1; i < COUNT; i++, n = n * 17 / 16 + 1) {
        size[i] = n % 3000000 + 1;
        block[i] = mark(weft__arena_take(size[i], WEFT__BLOCK_KEPT), size[i]);
        CHECK_EQ((uintptr_t)block[i] % (size[i] < 64 ? 16 : 64), 0);
        CHECK_GE(weft__arena_room(block[i]), size[i]);
        CHECK(weft__arena_has(block[i], size[i]));
    }
    for (size_t i = 0; i < COUNT; i++)
        check(block[i], size[i]);
    uint64_t most = used();
    for (size_t i = 0; i < COUNT; i++)
        weft__arena_give(block[i]);
    CHECK_LT(used(), most / 4); /* what is left are spans of small blocks, for the next ones */
    for (size_t i = 0; i < COUNT; i++)
        block[i] = weft__arena_take(size[i], WEFT__BLOCK_KEPT);
    CHECK_EQ(used(), most);
}

TEST_REAL(what_is_not_in_the_arena_is_said_not_to_be, "memory of the kernel's")
{
    int here = 0;
    CHECK(!weft__arena_has(&here, sizeof here));
    char *block = weft__arena_take(100, WEFT__BLOCK_KEPT);
    CHECK(weft__arena_has(block + 99, 1));
    CHECK(!weft__arena_has(block, SIZE_MAX));
    CHECK(!weft__arena_has(weft__tree, 1));
    CHECK_EQ(weft__arena_room(block + 16), 0);
}

enum { ROUNDS = 3000, HELD = 64 };

static void *churn(void *arg)
{
    uint64_t state = (uintptr_t)arg;
    void *block[HELD] = { 0 };
    size_t size[HELD];
    for (long i = t_rounds(ROUNDS); i > 0; i--) {
        uint64_t draw = weft__random(&state);
        unsigned at = draw % HELD;
        if (block[at]) {
            check(block[at], size[at]);
            weft__arena_give(block[at]);
        }
        size[at] = (draw >> 8) % ((draw >> 40) % 8 ? 500 : 200000) + 1;
        block[at] = mark(weft__arena_take(size[at], WEFT__BLOCK_HELD), size[at]);
    }
    for (unsigned at = 0; at < HELD; at++)
        if (block[at]) {
            check(block[at], size[at]);
            weft__arena_give(block[at]);
        }
    return NULL;
}

TEST_REAL(threads_and_processes_allocate_at_once, "processes")
{
    enum { N = 3 };
    pthread_t thread[N];
    pid_t pid[N];
    weft__process_id id[N];
    for (uintptr_t i = 0; i < N; i++)
        pid[i] = process_start((void (*)(void *))(void *)churn, (void *)(i + 100), &id[i]);
    for (uintptr_t i = 0; i < N; i++)
        CHECK_EQ(pthread_create(&thread[i], NULL, churn, (void *)(i + 1)), 0);
    for (int i = 0; i < N; i++)
        CHECK_EQ(pthread_join(thread[i], NULL), 0);
    for (int i = 0; i < N; i++)
        CHECK_EQ(reap(pid[i], id[i]), 0);
}

static void hold_and_die(void *arg)
{
    void **kept = arg;
    mark(weft__arena_take(100, WEFT__BLOCK_HELD), 100);
    mark(weft__arena_take(1000000, WEFT__BLOCK_HELD), 1000000);
    *kept = mark(weft__arena_take(200, WEFT__BLOCK_KEPT), 200);
    raise(SIGKILL);
}

TEST_REAL(what_a_killed_process_held_is_free_and_the_rest_stays, "processes")
{
    void **kept = weft__arena_take(sizeof *kept, WEFT__BLOCK_KEPT);
    uint64_t before = used();
    weft__process_id id;
    pid_t pid = process_start(hold_and_die, kept, &id);
    CHECK_EQ(WTERMSIG(reap(pid, id)), SIGKILL);
    check(*kept, 200);
    CHECK_EQ(used(), before + WEFT__SPAN); /* the span in which that lies */
    void *next = weft__arena_take(200, WEFT__BLOCK_KEPT);
    CHECK_EQ((uintptr_t)next >> 16, (uintptr_t)*kept >> 16); /* it has been taken over */
    weft__arena_give(*kept);
}

TEST_REAL(at_the_limit_there_is_no_block_and_below_it_one_again, "memory of the kernel's")
{
    CHECK_EQ(weft__tree_begin(), 0);
    weft__tree->limit = 1 << 20;
    void *most = weft__arena_take(900 << 10, WEFT__BLOCK_KEPT);
    CHECK(most != NULL);
    CHECK(weft__arena_take(200 << 10, WEFT__BLOCK_KEPT) == NULL);
    weft__arena_give(most);
    CHECK(weft__arena_take(200 << 10, WEFT__BLOCK_KEPT) != NULL);
    CHECK(weft__arena_take(SIZE_MAX, WEFT__BLOCK_KEPT) == NULL);
    CHECK(weft__arena_take((size_t)weft__tree->spans * WEFT__SPAN, WEFT__BLOCK_KEPT) == NULL);
}

static long no_memory(long nr)
{
    return nr == SYS_madvise || nr == SYS_memfd_create ? -ENOMEM : 0;
}

TEST_REAL(without_memory_there_is_no_block_and_later_one, "memory of the kernel's")
{
    weft__sys_fault = no_memory;
    CHECK_EQ(weft__tree_begin(), -ENOMEM);
    weft__sys_fault = NULL;
    CHECK_EQ(weft__tree_begin(), 0);
    weft__sys_fault = no_memory;
    CHECK(weft__arena_take(10, WEFT__BLOCK_KEPT) == NULL);
    CHECK(weft__arena_take(1000000, WEFT__BLOCK_KEPT) == NULL);
    CHECK_EQ(used(), 0);
    weft__sys_fault = NULL;
    CHECK(weft__arena_take(10, WEFT__BLOCK_KEPT) != NULL);
    CHECK(weft__arena_take(1000000, WEFT__BLOCK_KEPT) != NULL);
}

#ifdef WEFT_INVARIANTS
static long points_left, points_met;

static void die_at_last(void)
{
    points_met++;
    if (--points_left == 0)
        kill(getpid(), SIGKILL);
}

struct scene {
    long at;
    bool over;
};

static void act(void *arg)
{
    struct scene *scene = arg;
    points_left = scene->at;
    weft__shared_point_met = die_at_last;
    void *large = mark(weft__arena_take(200000, WEFT__BLOCK_HELD), 200000);
    void *small = mark(weft__arena_take(50, WEFT__BLOCK_HELD), 50);
    void *kept = mark(weft__arena_take(300, WEFT__BLOCK_KEPT), 300);
    weft__arena_give(kept);
    weft__arena_give(large);
    mark(weft__arena_take(100000, WEFT__BLOCK_HELD), 100000);
    weft__arena_give(small);
    mark(weft__arena_take(5000, WEFT__BLOCK_HELD), 5000);
    weft__shared_point_met = NULL;
    scene->over = true;
}

/* After each death: nothing is held, at most the one kept block is left, and what was taken is counted. */
TEST_REAL_LONG(a_kill_at_any_step_leaves_the_arena_whole, "processes", 60)
{
    struct scene *scene = weft__arena_take(sizeof *scene, WEFT__BLOCK_KEPT);
    long points = 0;
    *scene = (struct scene){ 0 };
    for (weft__process_id id; !scene->over; points++) {
        scene->at = points + 1;
        pid_t pid = process_start(act, scene, &id);
        reap(pid, id);
        uint32_t kinds[16] = { 0 };
        for (uint32_t i = weft__tree->spans_first; i < weft__tree->spans_met; i++)
            kinds[weft__tree->span[i] & 15]++;
        uint32_t taken = weft__tree->spans_met - weft__tree->spans_first - kinds[0];
        CHECK_EQ(kinds[1] + kinds[3] + kinds[4], 0); /* no run, none half-made */
        CHECK_EQ(used(), (uint64_t)taken * WEFT__SPAN);
        churn((void *)(uintptr_t)(points + 1));
    }
    CHECK_GT(points, 40);
}
#endif
