/* ours.h - what weft's own sides share. They use the public headers and the installed library only. */
#ifndef BENCH_OURS_H
#define BENCH_OURS_H

#include "bench.h"

#include <errno.h>
#include <weft.h>

static inline void must(int result, const char *what)
{
    if (result < 0)
        fprintf(stderr, "%s: %s\n", what, weft_strerror(result));
    bench_check(result >= 0, what);
}

static inline void ours_version(void)
{
    char text[32];
    unsigned v = weft_version();
    snprintf(text, sizeof text, "%u.%u.%u", v >> 16, v >> 8 & 255, v & 255);
    bench_version(text);
}

/* fn is the first coroutine, the calling thread worker 0. */
static inline int ours(weft_fn *fn)
{
    ours_version();
    must(weft_run(fn, NULL), "weft_run");
    return 0;
}

#endif
