/* fork: OpenMP tasks, taskwait for the join. gcc makes it gomp, clang libomp, and without
 * -fopenmp it is the plain serial program. */
#include "fork.h"

static long fib(long n)
{
    if (n < 2)
        return n;
    long a, b;
#pragma omp task shared(a)
    a = fib(n - 1);
    b = fib(n - 2);
#pragma omp taskwait
    return a + b;
}

static long skynet(long number, long size)
{
    if (size == 1)
        return number;
    long sums[10], all = 0;
    for (long i = 0; i < 10; i++)
#pragma omp task shared(sums) if (i < 9)
        sums[i] = skynet(number + i * size / 10, size / 10);
#pragma omp taskwait
    for (long i = 0; i < 10; i++)
        all += sums[i];
    return all;
}

static long queens(const struct board *board)
{
    if (board->rows == BENCH_QUEENS)
        return 1;
    long found[BENCH_QUEENS] = { 0 }, all = 0;
    for (int column = 0; column < BENCH_QUEENS; column++)
        if (board_allows(board, column))
#pragma omp task shared(found)
        {
            struct board next = board_with(board, column);
            found[column] = queens(&next);
        }
#pragma omp taskwait
    for (int column = 0; column < BENCH_QUEENS; column++)
        all += found[column];
    return all;
}

static long skynet_million(void)
{
    return skynet(0, 1000000);
}

static long queens_12(void)
{
    struct board empty = { 0 };
    return queens(&empty);
}

int main(void)
{
    bench_version(__VERSION__);
#pragma omp parallel num_threads(bench_workers())
#pragma omp single
    bench_fork(fib, skynet_million, queens_12);
}
