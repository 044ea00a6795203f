/* contend.h - two processes that take turns at a lock. */
#ifndef BENCH_CONTEND_H
#define BENCH_CONTEND_H

#include "bench.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static inline void contend(long steps, void (*take)(void), void (*let_go)(void))
{
    long *sum = mmap(NULL, sizeof *sum, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status = -1;
    bench_check(sum != MAP_FAILED, "mmap");
    pid_t other = fork();
    bench_check(other >= 0, "fork");
    for (long i = 0; i < steps / 2; i++) {
        take();
        *(volatile long *)sum += 1;
        let_go();
    }
    if (other == 0)
        _exit(0);
    bench_check(waitpid(other, &status, 0) == other && status == 0, "the other process");
    bench_check(*sum == steps / 2 * 2, "sum");
    munmap(sum, sizeof *sum);
}

#endif
