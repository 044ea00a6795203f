/* Question: what does a datagram of 64 bytes cost over UDP on loopback, when it is there already, and when
 * the other task has to wait for it? One worker; each answer goes to the address it came from. */
#include "ours.h"

static int ours_fd, theirs_fd;
static weft_address theirs_at;
static long hops;

static void give(int fd, long v, const weft_address *to)
{
    long data[8] = { v };
    bench_check(weft_send_to(fd, data, sizeof data, to, weft_never()) == sizeof data, "send");
}

static long receive(int fd, weft_address *from)
{
    long data[8];
    bench_check(weft_recv_from(fd, data, sizeof data, from, weft_never()) == sizeof data,
                "receive");
    return data[0];
}

static void there(long steps)
{
    weft_address from;
    for (long v = 0; v < steps; v++) {
        give(ours_fd, v, &theirs_at);
        bench_check(receive(theirs_fd, &from) == v, "value");
    }
}

static int echo(void *arg)
{
    (void)arg;
    for (long i = 0; i < hops / 2; i++) {
        weft_address from;
        long v = receive(theirs_fd, &from);
        give(theirs_fd, v, &from);
    }
    return 0;
}

static void pingpong(long steps)
{
    weft_group other;
    weft_address from;
    hops = steps;
    weft_group_init(&other, 0);
    weft_group_spawn(&other, WEFT_COROUTINE, echo, NULL);
    for (long v = 0; v < hops / 2; v++) {
        give(ours_fd, v, &theirs_at);
        bench_check(receive(ours_fd, &from) == v, "value");
    }
    must(weft_group_wait(&other, weft_never()), "wait");
}

static int ask(void *arg)
{
    (void)arg;
    must(ours_fd = weft_datagram("127.0.0.1:0", NULL, 0), "socket");
    must(theirs_fd = weft_datagram("127.0.0.1:0", NULL, 0), "socket");
    must(weft_socket_address(theirs_fd, &theirs_at), "address");
    bench("datagram_there", BENCH_CPU, there);
    bench("datagram_hop", BENCH_CPU, pingpong);
    return 0;
}

int main(void)
{
    return ours(ask);
}
