/* Question: what does a line cost that nobody wants, and one that is written? */
#include "ours.h"

#include <fcntl.h>
#include <unistd.h>

static int evaluated;

static void off(long steps)
{
    for (long i = 0; i < steps; i++)
        weft_log_debug("%d", ++evaluated);
    bench_check(evaluated == 0, "arguments of a line that is off");
}

static void on(long steps)
{
    for (long i = 0; i < steps; i++)
        weft_log_error("request %ld of %s", i, "somebody");
}

int main(void)
{
    ours_version();
    int null = open("/dev/null", O_WRONLY);
    must(null < 0 ? -errno : null, "/dev/null");
    dup2(null, 2);
    bench("log_off", BENCH_CPU, off);
    bench("log_on", BENCH_CPU, on);
    return 0;
}
