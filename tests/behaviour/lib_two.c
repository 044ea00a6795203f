/* lib_two.c - another library that uses weft, for libraries.c: work that divides itself, and a lock. */
#include "until.h"

int two_start(weft_group *g, int *count);
int two_wait(weft_group *g);
int two_work(void);

static weft_lock lock = WEFT_LOCK_INIT;

static int count_leaves(void *arg);

struct branch {
    int depth, leaves;
};

static int leaves_below(int depth)
{
    weft_group g;
    struct branch left = { depth - 1, 0 }, right = left;
    if (depth == 0)
        return 1;
    int r = weft_group_init(&g, WEFT_FORK);
    if (r == 0)
        r = weft_group_spawn(&g, WEFT_COROUTINE, count_leaves, &left);
    count_leaves(&right);
    if (r == 0)
        r = weft_group_wait(&g, weft_never());
    weft_group_fini(&g);
    return r < 0 ? r : left.leaves + right.leaves;
}

static int count_leaves(void *arg)
{
    struct branch *branch = arg;
    branch->leaves = leaves_below(branch->depth);
    return branch->leaves < 0 ? branch->leaves : 0;
}

static int count_under_lock(void *arg)
{
    weft_lock_enter(&lock);
    int value = *(int *)arg;
    weft_yield();
    *(int *)arg = value + leaves_below(0);
    weft_lock_leave(&lock);
    return 0;
}

/* 30 tasks that count. */
int two_start(weft_group *g, int *count)
{
    int r = weft_group_init(g, 0);
    for (int i = 0; i < 30 && r == 0; i++)
        r = weft_group_spawn(g, WEFT_COROUTINE, count_under_lock, count);
    return r;
}

int two_wait(weft_group *g)
{
    int r = weft_group_wait(g, weft_never());
    weft_group_fini(g);
    return r;
}

/* All by itself; 2 to the 6th. */
int two_work(void)
{
    return leaves_below(6);
}
