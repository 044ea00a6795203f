/* server.h - what the echo servers share: a listening socket on a free port, told to the load
 * generator on standard output, and the request that keeps its handler busy. */
#ifndef BENCH_SERVER_H
#define BENCH_SERVER_H

#include "bench.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BENCH_REQUEST = 64 }; /* bytes, and as many come back */

static inline void bench_say_port(int listener)
{
    struct sockaddr_in at;
    socklen_t size = sizeof at;
    bench_check(getsockname(listener, (struct sockaddr *)&at, &size) == 0, "getsockname");
    printf("port %d\n", ntohs(at.sin_port));
    fflush(stdout);
}

/* flags: SOCK_NONBLOCK or 0 */
static inline int bench_listen(int flags)
{
    struct sockaddr_in at;
    memset(&at, 0, sizeof at);
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    bench_check(bind(listener, (struct sockaddr *)&at, sizeof at) == 0 && listen(listener, 4096) == 0,
                "listen");
    bench_say_port(listener);
    return listener;
}

/* Before each answer: a request that begins with 'B' computes for half a second. */
static inline void bench_serve(const char *request)
{
    if (*request != 'B')
        return;
    double end = bench_clock(BENCH_WALL) + 500e6;
    while (bench_clock(BENCH_WALL) < end)
        ;
}

#endif
