/* selector: libevent, persistent events, no locks (one thread). */
#include "selector.h"

#include <event2/event.h>

static struct event_base *base;
static struct event *watched[RING];

static void on_ready(evutil_socket_t fd, short what, void *number)
{
    (void)fd;
    bench_check(what == EV_READ, "ready");
    ring_pass((int)(intptr_t)number);
}

static void ring_turn(void)
{
    bench_check(event_base_loop(base, EVLOOP_ONCE) == 0, "loop");
}

int main(void)
{
    struct event_config *config = event_config_new();
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
    base = event_base_new_with_config(config);
    bench_version(event_get_version());
    ring_make();
    for (intptr_t i = 0; i < RING; i++) {
        watched[i] = event_new(base, ring[i][0], EV_READ | EV_PERSIST, on_ready, (void *)i);
        bench_check(watched[i] && event_add(watched[i], NULL) == 0, "add");
    }
    ring_bench();
}
