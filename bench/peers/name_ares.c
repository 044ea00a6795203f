/* name: c-ares alone, as whoever writes a loop uses it: one channel that is kept, so its settings are read
 * once; the hosts file is read for each question. */
#include "bench.h"

#include <ares.h>
#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

enum { AT_ONCE = 50 };

static ares_channel channel;
static long left, under_way;
static const char *wanted, *right;

static void on_found(void *arg, int status, int timeouts, struct ares_addrinfo *found)
{
    char text[64];
    (void)arg, (void)timeouts;
    bench_check(status == ARES_SUCCESS, "found");
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)found->nodes->ai_addr;
    bench_check(inet_ntop(AF_INET, &in->sin_addr, text, sizeof text) && strcmp(text, right) == 0,
                "address");
    ares_freeaddrinfo(found);
    under_way--;
}

static void ask_one(void)
{
    struct ares_addrinfo_hints hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
    left--;
    under_way++;
    ares_getaddrinfo(channel, wanted, NULL, &hints, on_found, NULL);
}

static void turn(void)
{
    ares_socket_t sockets[ARES_GETSOCK_MAXNUM];
    struct pollfd fds[ARES_GETSOCK_MAXNUM];
    struct timeval limit, *wait;
    int what = ares_getsock(channel, sockets, ARES_GETSOCK_MAXNUM);
    nfds_t n = 0;
    for (int i = 0; i < ARES_GETSOCK_MAXNUM; i++)
        if (ARES_GETSOCK_READABLE(what, i) || ARES_GETSOCK_WRITABLE(what, i))
            fds[n++] = (struct pollfd){ sockets[i], POLLIN, 0 };
    wait = ares_timeout(channel, NULL, &limit);
    poll(fds, n, wait ? (int)(wait->tv_sec * 1000 + wait->tv_usec / 1000) : -1);
    for (nfds_t i = 0; i < n; i++)
        if (fds[i].revents)
            ares_process_fd(channel, fds[i].fd, ARES_SOCKET_BAD);
    ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

static void ask(long steps, int at_once)
{
    left = steps;
    while (left > 0 || under_way > 0) {
        while (left > 0 && under_way < at_once)
            ask_one();
        if (under_way > 0)
            turn();
    }
}

static void one(long steps)
{
    ask(steps, 1);
}

static void many(long steps)
{
    ask(steps, AT_ONCE);
}

int main(void)
{
    bench_version(ares_version(NULL));
    bench_check(ares_library_init(ARES_LIB_INIT_ALL) == 0 && ares_init(&channel) == 0, "channel");
    wanted = "db7.bench", right = "10.0.0.7";
    bench("name_hosts", BENCH_CPU, one);
    wanted = "www.bench", right = "10.0.1.1";
    bench("name_server", BENCH_CPU, one);
    bench("name_50", BENCH_WALL, many);
}
