/* fork: oneTBB's task_group, one spawn and one plain call per fib, run_and_wait for a last child; the
 * workers bounded by global_control, as its manual says. */
#include "fork.h"

#include <tbb/global_control.h>
#include <tbb/task_group.h>
#include <tbb/version.h>

static long fib(long n)
{
    if (n < 2)
        return n;
    long a, b;
    tbb::task_group both;
    both.run([&a, n] { a = fib(n - 1); });
    b = fib(n - 2);
    both.wait();
    return a + b;
}

static long skynet(long number, long size)
{
    if (size == 1)
        return number;
    long sums[10], all = 0;
    tbb::task_group children;
    for (long i = 0; i < 9; i++)
        children.run([=, &sums] { sums[i] = skynet(number + i * size / 10, size / 10); });
    children.run_and_wait([=, &sums] { sums[9] = skynet(number + 9 * size / 10, size / 10); });
    for (long sum : sums)
        all += sum;
    return all;
}

static long queens(const struct board &board)
{
    if (board.rows == BENCH_QUEENS)
        return 1;
    long found[BENCH_QUEENS] = {}, all = 0;
    tbb::task_group children;
    for (int column = 0; column < BENCH_QUEENS; column++)
        if (board_allows(&board, column))
            children.run([=, &board, &found] { found[column] = queens(board_with(&board, column)); });
    children.wait();
    for (long n : found)
        all += n;
    return all;
}

int main()
{
    tbb::global_control workers(tbb::global_control::max_allowed_parallelism,
                                (size_t)bench_workers());
    bench_version(TBB_runtime_version());
    bench_fork(
        fib, [] { return skynet(0, 1000000); }, [] { return queens({}); });
}
