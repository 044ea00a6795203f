/* switch: glibc's swapcontext, which saves the signal mask by a system call. */
#include "bench.h"

#include <gnu/libc-version.h>
#include <ucontext.h>

static ucontext_t here, there;
static long count;

static void other(void)
{
    for (;; count++)
        swapcontext(&there, &here);
}

static void there_and_back(long steps)
{
    long begin = count;
    for (long i = 0; i < steps; i += 2)
        swapcontext(&here, &there);
    bench_check(count - begin >= steps / 2 - 1, "switches");
}

int main(void)
{
    bench_version(gnu_get_libc_version());
    getcontext(&there);
    there.uc_stack.ss_sp = malloc(65536);
    there.uc_stack.ss_size = 65536;
    makecontext(&there, other, 0);
    bench("switch", BENCH_CPU, there_and_back);
}
