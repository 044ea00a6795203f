/* hop: GNU Pth's message ports, its own way of talking: a message there, the reply back. */
#include "bench.h"

#include <pth.h>

struct note {
    pth_message_t head;
    long value;
};

static pth_msgport_t to, from;
static long hops;

static struct note *get(pth_msgport_t port)
{
    pth_event_t arrives = pth_event(PTH_EVENT_MSG, port);
    while (pth_msgport_pending(port) == 0)
        pth_wait(arrives);
    pth_event_free(arrives, PTH_FREE_THIS);
    return (struct note *)pth_msgport_get(port);
}

static void *echo(void *arg)
{
    for (long i = 0; i < hops / 2; i++)
        pth_msgport_reply(&get(to)->head);
    return arg;
}

static void pingpong(long steps)
{
    struct note note;
    hops = steps;
    memset(&note, 0, sizeof note);
    pth_t other = pth_spawn(PTH_ATTR_DEFAULT, echo, NULL);
    for (long v = 0; v < hops / 2; v++) {
        note.head.m_replyport = from;
        note.value = v;
        pth_msgport_put(to, &note.head);
        bench_check(get(from)->value == v, "value");
    }
    pth_join(other, NULL);
}

int main(void)
{
    pth_init();
    bench_version(PTH_VERSION_STR);
    to = pth_msgport_create("to");
    from = pth_msgport_create("from");
    bench("hop", BENCH_CPU, pingpong);
}
