/* Question: what does work that divides itself cost? fib per spawn, skynet of a million, n-queens of
 * 12, on one worker and on two; WEFT_FORK groups. */
#include "fork.h"
#include "ours.h"

static long fib(long n);

struct fib {
    long n, value;
};

static int fib_task(void *arg)
{
    struct fib *job = arg;
    job->value = fib(job->n);
    return 0;
}

static long fib(long n)
{
    if (n < 2)
        return n;
    struct fib other = { n - 1, 0 };
    weft_group both;
    weft_group_init(&both, WEFT_FORK);
    weft_group_spawn(&both, WEFT_COROUTINE, fib_task, &other);
    long mine = fib(n - 2);
    must(weft_group_wait(&both, weft_never()), "wait");
    return mine + other.value;
}

struct skynet {
    long number, size, sum;
};

static int skynet(void *arg)
{
    struct skynet *job = arg, children[10];
    weft_group all;
    job->sum = job->number;
    if (job->size == 1)
        return 0;
    weft_group_init(&all, WEFT_FORK);
    for (long i = 0; i < 10; i++) {
        children[i] = (struct skynet){ job->number + i * job->size / 10, job->size / 10, 0 };
        weft_group_spawn(&all, WEFT_COROUTINE, skynet, &children[i]);
    }
    must(weft_group_wait(&all, weft_never()), "wait");
    job->sum = 0;
    for (long i = 0; i < 10; i++)
        job->sum += children[i].sum;
    return 0;
}

struct queens {
    struct board board;
    long found;
};

static int queens(void *arg)
{
    struct queens *job = arg, children[BENCH_QUEENS];
    int count = 0;
    weft_group all;
    job->found = 1;
    if (job->board.rows == BENCH_QUEENS)
        return 0;
    weft_group_init(&all, WEFT_FORK);
    for (int column = 0; column < BENCH_QUEENS; column++)
        if (board_allows(&job->board, column)) {
            children[count].board = board_with(&job->board, column);
            weft_group_spawn(&all, WEFT_COROUTINE, queens, &children[count++]);
        }
    must(weft_group_wait(&all, weft_never()), "wait");
    job->found = 0;
    while (count > 0)
        job->found += children[--count].found;
    return 0;
}

static long skynet_million(void)
{
    struct skynet all = { 0, 1000000, 0 };
    skynet(&all);
    return all.sum;
}

static long queens_12(void)
{
    struct queens all = { 0 };
    queens(&all);
    return all.found;
}

static int ask(void *arg)
{
    (void)arg;
    bench_fork(fib, skynet_million, queens_12);
    return 0;
}

int main(void)
{
    return ours(ask);
}
