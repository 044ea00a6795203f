/* fork.h - the fork-join questions' common part: fib, skynet of a million, n-queens of 12, with a task
 * for every call, every leaf, every placement. */
#ifndef BENCH_FORK_H
#define BENCH_FORK_H

#include "bench.h"

#define BENCH_SKYNET       499999500000 /* the sum of 0 ... 999,999 */
#define BENCH_QUEENS       12
#define BENCH_QUEENS_FOUND 14200

struct board {
    int rows;
    signed char queen[BENCH_QUEENS]; /* the column of each row's queen */
};

static inline bool board_allows(const struct board *board, int column)
{
    for (int row = 0; row < board->rows; row++) {
        int apart = column - board->queen[row], down = board->rows - row;
        if (apart == 0 || apart == down || apart == -down)
            return false;
    }
    return true;
}

static inline struct board board_with(const struct board *board, int column)
{
    struct board next = *board;
    next.queen[next.rows++] = (signed char)column;
    return next;
}

static inline clockid_t bench_fork_clock(void)
{
    return bench_workers() > 1 ? BENCH_WALL : BENCH_CPU;
}

/* Run once, check the answer, print milliseconds. */
static inline void bench_once(const char *figure, long (*run)(void), long answer)
{
    double begin = bench_clock(bench_fork_clock());
    bench_check(run() == answer, figure);
    bench_print(figure, (bench_clock(bench_fork_clock()) - begin) / 1e6, "ms");
}

/* Call fib(n) for a growing n until it takes long enough; print ns per spawn, of which fib has one for
 * each call with n >= 2. */
static inline void bench_fib(long (*fib)(long n))
{
    double took = 0;
    long n = 20, a = 6765, b = 10946; /* fib(20), fib(21) */
    for (;; n++, b += a, a = b - a) {
        double begin = bench_clock(bench_fork_clock());
        bench_check(fib(n) == a, "fib");
        if ((took = bench_clock(bench_fork_clock()) - begin) >= BENCH_NS_PER_LAP)
            break;
    }
    bench_print("fib", took / (double)(b - 1), "ns");
}

/* The three, each by its contender's own means. */
static inline void bench_fork(long (*fib)(long n), long (*skynet)(void), long (*queens)(void))
{
    bench_fib(fib);
    bench_once("skynet", skynet, BENCH_SKYNET);
    bench_once("nqueens", queens, BENCH_QUEENS_FOUND);
}

#endif
