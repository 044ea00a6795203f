/* Question: what does it cost to run a program that does nothing, by a small program and by one that has touched
 * 1 GB? */
#include "ours.h"

static void programs(long steps)
{
    const char *argv[] = { "/bin/true", NULL };
    for (long i = 0; i < steps; i++)
        bench_check(weft_subprocess_run(argv, NULL, NULL, 0, NULL, weft_never()) == 0, "run");
}

static int ask(void *arg)
{
    (void)arg;
    bench_from(20, "subprocess", BENCH_WALL, programs);
    bench_touch();
    bench_from(20, "subprocess_1g", BENCH_WALL, programs);
    return 0;
}

int main(void)
{
    ours_version();
    must(weft_run(ask, NULL), "weft_run");
}
