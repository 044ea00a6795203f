/* messages.h - what weft's side and the peers in C of the question "messages" share: processes, and a count
 * of what came. */
#ifndef BENCH_MESSAGES_H
#define BENCH_MESSAGES_H

#include "bench.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MESSAGES_INSIDE = 128 };

static long *messages_count; /* shared */
static int processes;

static inline void count_begin(void)
{
    if (!messages_count)
        messages_count = mmap(NULL, sizeof *messages_count, PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    *messages_count = 0;
}

static inline void count_add(long n)
{
    __atomic_fetch_add(messages_count, n, __ATOMIC_SEQ_CST);
}

static inline bool count_is(long n)
{
    return __atomic_load_n(messages_count, __ATOMIC_SEQ_CST) == n;
}

static inline bool begin_process(void) /* true: this is it */
{
    pid_t pid = fork();
    bench_check(pid >= 0, "fork");
    processes++;
    return pid == 0;
}

#define end_process(work) ((work), _exit(0))

static inline void end_processes(void)
{
    for (int status; processes > 0; processes--)
        bench_check(wait(&status) > 0 && status == 0, "process");
}

#endif
