/* I11 - why epoll: what one wait costs when one descriptor is ready and all the others are idle.
 *
 *     make example I11    the times go to standard error
 *
 * To select and poll the program hands the whole list, in each call, and the kernel looks at each. An epoll
 * keeps the list and hears from a descriptor when something comes, so only what is ready costs anything. It
 * is CPU time that is measured, so others on the machine do not count. select's sets end at 1,024.
 */
#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <time.h>
#include <weft.h>

enum { MOST = 4000, TIMES = 200 };

static struct pollfd all[MOST];
static int epoll;

static int by_select(int count)
{
    fd_set set;
    FD_ZERO(&set);
    for (int i = 0; i < count; i++)
        FD_SET(all[i].fd, &set);
    return select(FD_SETSIZE, &set, NULL, NULL, NULL);
}

static int by_poll(int count)
{
    return poll(all, (nfds_t)count, -1);
}

static int by_epoll(int count)
{
    struct epoll_event ready[64];
    (void)count;
    return epoll_wait(epoll, ready, 64, -1);
}

static void measure(const char *name, int (*wait)(int count), int count)
{
    int told = 0;
    clock_t start = clock();
    for (int i = 0; i < TIMES; i++)
        told += wait(count);
    fprintf(stderr, "%5d descriptors, %-6s %7.2f us\n", count, name,
            (double)(clock() - start) * 1e6 / CLOCKS_PER_SEC / TIMES);
    printf("%d descriptors: %s tells of %d\n", count, name, told / TIMES);
}

int main(void)
{
    static const int counts[] = { 10, 100, 1000, MOST };
    struct rlimit files;
    int ends[2], count = 0;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) < 0 || (epoll = epoll_create1(EPOLL_CLOEXEC)) < 0 ||
        weft_pipe(ends) < 0 || weft_write(ends[1], "!", 1, weft_never()) != 1)
        return 1;
    for (int i = 0; i < 4; i++) {
        for (; count < counts[i]; count++) {
            int fd = count == 0 ? ends[0] : weft_datagram("127.0.0.1:0", NULL, 0); /* idle */
            struct epoll_event on = { .events = EPOLLIN, .data.fd = fd };
            all[count] = (struct pollfd){ .fd = fd, .events = POLLIN };
            if (fd < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &on) < 0)
                return 1;
        }
        if (all[count - 1].fd < FD_SETSIZE)
            measure("select", by_select, count);
        measure("poll", by_poll, count);
        measure("epoll", by_epoll, count);
    }
    return 0;
}
