/* E2 - one call spreads a computation over every core.
 *
 *     make example E2       the times go to standard error
 *
 * weft_map calls a function for each item of an array, on all workers, and returns when the last call
 * has: Python's Pool.map, without processes, pickling or a pool. Uneven items are no harm: a worker
 * that is done takes what others have not begun. Make the items many more than the cores, and each
 * long enough to be worth the 20 ns that handing one over costs.
 */
#include <stdio.h>
#include <weft.h>

enum { RANGES = 200, SIZE = 10000 };

struct range {
    int from, to;
    int primes; /* the answer */
};

static int count_primes(void *arg)
{
    struct range *range = arg;
    for (int n = range->from; n < range->to; n++) {
        int d = 2;
        while (d * d <= n && n % d != 0)
            d++;
        range->primes += n >= 2 && d * d > n;
    }
    return 0;
}

static int sum_up(const char *how, const struct range *ranges, weft_time start)
{
    int primes = 0;
    for (int i = 0; i < RANGES; i++)
        primes += ranges[i].primes;
    printf("%s: %d primes below %d\n", how, primes, RANGES * SIZE);
    fprintf(stderr, "%s: %.2f s\n", how,
            (double)weft_time_between(start, weft_now()) / (double)WEFT_SEC);
    return primes;
}

int main(void)
{
    struct range alone[RANGES], together[RANGES];
    for (int i = 0; i < RANGES; i++)
        alone[i] = together[i] = (struct range){ .from = i * SIZE, .to = (i + 1) * SIZE };

    weft_time start = weft_now();
    for (int i = 0; i < RANGES; i++)
        count_primes(&alone[i]);
    int one = sum_up("a loop", alone, start);

    start = weft_now();
    if (weft_map(WEFT_COROUTINE, count_primes, together, RANGES, weft_never()) < 0)
        return 1;
    return sum_up("weft_map", together, start) != one;
}
