/* datagram: the kernel's calls alone, from one loop without tasks: what a hop cannot be cheaper than when
 * every receiver has to wait. epoll with edges, as whoever counts calls would. */
#include "bench.h"

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

static int fds[2], epfd;
static struct sockaddr_in at[2];

static void give(int fd, long v, const struct sockaddr_in *to)
{
    long data[8] = { v };
    bench_check(sendto(fd, data, sizeof data, MSG_DONTWAIT, (const struct sockaddr *)to,
                       sizeof *to) == sizeof data,
                "send");
}

static long take(int fd, struct sockaddr_in *from)
{
    long data[8];
    socklen_t size = sizeof *from;
    ssize_t n = recvfrom(fd, data, sizeof data, MSG_DONTWAIT, (struct sockaddr *)from, &size);
    return n == sizeof data ? data[0] : -1;
}

static void there(long steps)
{
    struct sockaddr_in from;
    for (long v = 0; v < steps; v++) {
        give(fds[0], v, &at[1]);
        bench_check(take(fds[1], &from) == v, "value");
    }
}

/* A hop: nothing there yet, a datagram is sent, the loop wakes, and it is taken. */
static void pingpong(long steps)
{
    for (long v = 0; v < steps; v++) {
        struct epoll_event event;
        struct sockaddr_in from;
        int to = v % 2 ? 0 : 1;
        bench_check(take(fds[to], &from) < 0, "empty");
        give(fds[1 - to], v, &at[to]);
        bench_check(epoll_wait(epfd, &event, 1, -1) == 1 && event.data.fd == fds[to], "event");
        bench_check(take(fds[to], &from) == v, "value");
    }
}

int main(void)
{
    epfd = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < 2; i++) {
        socklen_t size = sizeof at[i];
        at[i] =
            (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
        fds[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        bench_check(bind(fds[i], (struct sockaddr *)&at[i], size) == 0 &&
                        getsockname(fds[i], (struct sockaddr *)&at[i], &size) == 0,
                    "socket");
        struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.fd = fds[i] };
        bench_check(epoll_ctl(epfd, EPOLL_CTL_ADD, fds[i], &event) == 0, "epoll");
    }
    bench("datagram_there", BENCH_CPU, there);
    bench("datagram_hop", BENCH_CPU, pingpong);
    return 0;
}
