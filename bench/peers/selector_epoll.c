/* selector: a bare loop over epoll. */
#include "selector.h"

#include <sys/epoll.h>

static int epfd;

static void ring_turn(void)
{
    struct epoll_event ready[128];
    int n = epoll_wait(epfd, ready, 128, -1);
    bench_check(n > 0, "wait");
    for (int i = 0; i < n; i++)
        ring_pass(ready[i].data.fd);
}

static void watch(int how, int i, uint32_t what)
{
    struct epoll_event event = { .events = what, .data.fd = i };
    bench_check(epoll_ctl(epfd, how, ring[i][0], &event) == 0, "epoll_ctl");
}

static void modify(long steps)
{
    for (long i = 0; i < steps; i++)
        watch(EPOLL_CTL_MOD, (int)(i % RING), i / RING % 2 ? EPOLLIN : EPOLLOUT);
    for (int i = 0; i < RING; i++)
        watch(EPOLL_CTL_MOD, i, EPOLLIN);
}

int main(void)
{
    epfd = epoll_create1(EPOLL_CLOEXEC);
    ring_make();
    for (int i = 0; i < RING; i++)
        watch(EPOLL_CTL_ADD, i, EPOLLIN);
    bench("selector_mod", BENCH_CPU, modify);
    ring_bench();
}
