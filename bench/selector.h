/* selector.h - what the loops share: a ring of 1,000 sockets of which some hold a byte. Whoever gets one
 * passes it on to the next. */
#ifndef BENCH_SELECTOR_H
#define BENCH_SELECTOR_H

#include "bench.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RING = 1000, MANY = 100 };

static int ring[RING][2]; /* what is written to [1] comes out of [0] */
static long passes, events;

static inline void ring_pass(int from)
{
    char byte;
    bench_check(recv(ring[from][0], &byte, 1, MSG_DONTWAIT) == 1, "a byte is there");
    events++;
    if (passes-- > 0)
        bench_check(send(ring[(from + 1) % RING][1], &byte, 1, MSG_DONTWAIT) == 1, "passed on");
}

static inline void ring_make(void)
{
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    for (int i = 0; i < RING; i++)
        bench_check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ring[i]) == 0,
                    "sockets");
}

static void ring_turn(void); /* the loop's: wait, and pass on what is there */

/* Take steps bytes, of which so many are under way at once. */
static inline void ring_run(long steps, int at_once)
{
    passes = steps - at_once;
    events = 0;
    for (int i = 0; i < at_once; i++)
        bench_check(send(ring[i * (RING / at_once)][1], "x", 1, MSG_DONTWAIT) == 1, "first");
    while (events < steps)
        ring_turn();
    bench_check(events == steps, "events");
}

static void ring_one(long steps)
{
    ring_run(steps, 1);
}

static void ring_many(long steps)
{
    ring_run(steps, MANY);
}

static inline void ring_bench(void)
{
    bench("selector_one", BENCH_CPU, ring_one);
    bench("selector_many", BENCH_CPU, ring_many);
}

#endif
