/* until.h - how the tests of the core wait for conditions, and see programs die. */
#ifndef TESTS_UNTIL_H
#define TESTS_UNTIL_H

#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft.h>

/* Let others run until a condition holds; time stands still meanwhile in a seeded run. */
#define UNTIL(x) \
    while (!(x)) \
    weft_yield()

#define LOAD(x)     __atomic_load_n(&(x), __ATOMIC_ACQUIRE)
#define STORE(x, v) __atomic_store_n(&(x), v, __ATOMIC_RELEASE)
#define ADD(x, v)   __atomic_add_fetch(&(x), v, __ATOMIC_ACQ_REL)

/* A draw of one's own for each task, from a state that is not 0, so that a run can be had again. */
__attribute__((unused)) static inline uint64_t draw(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * 0x2545f4914f6cdd1dull >> 20;
}

/* What a task does; "" when it is no more. */
__attribute__((unused)) static inline const char *state_of(weft_task task)
{
    struct weft_task_info info; /* C++ reads this too */
    info.size = sizeof info;
    return weft_task_describe(task, &info) == 0 ? info.state : "";
}

__attribute__((unused)) static inline bool waits_for(weft_task task, const char *what)
{
    return strcmp(state_of(task), what) == 0;
}

/* Run fn in a process of its own that has not used weft; its words on standard error into out.
 * The wait status. */
__attribute__((unused)) static int in_child(void (*fn)(void *arg), void *arg, char *out, size_t size)
{
    int ends[2];
    CHECK_EQ(pipe(ends), 0);
    fflush(NULL);
    pid_t pid = fork();
    CHECK_GE(pid, 0);
    if (pid == 0) {
        dup2(ends[1], 2);
        close(ends[0]);
        close(ends[1]);
        fn(arg);
        exit(0);
    }
    close(ends[1]);
    size_t used = 0;
    char byte;
    while (read(ends[0], &byte, 1) == 1)
        if (used + 1 < size)
            out[used++] = byte;
    if (size)
        out[used] = 0;
    close(ends[0]);
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    return status;
}

#define CHECK_SAYS(text, part)                                       \
    do {                                                             \
        if (!strstr(text, part))                                     \
            FAIL("\"%s\" is not in what was said:\n%s", part, text); \
    } while (0)

/* A contract broken on purpose: the process reports it and aborts. */
#define CHECK_BUG(fn, arg, part)                                     \
    do {                                                             \
        char t_said[4000];                                           \
        int t_status = in_child(fn, arg, t_said, sizeof t_said);     \
        if (!WIFSIGNALED(t_status) || WTERMSIG(t_status) != SIGABRT) \
            FAIL("not aborted: status %x\n%s", t_status, t_said);    \
        CHECK_SAYS(t_said, part);                                    \
    } while (0)

#endif
