/* I1 - five ways to wait for input, side by side: each gets a line that comes a little later.
 *
 *     make example I1
 *
 * Two phases: wait until there is something, copy it. The first four models wait in different ways and then
 * copy themselves: POSIX calls all of them synchronous. In the fifth both go on beside the program. With
 * weft one writes the first, and the runtime does the third for all tasks at once.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
#include <weft.h>

static char line[32];

static ssize_t blocking(int fd)
{
    return read(fd, line, sizeof line); /* this thread sleeps in the kernel */
}

static ssize_t polling(int fd)
{
    ssize_t n;
    while ((n = recv(fd, line, sizeof line, MSG_DONTWAIT)) < 0)
        weft_yield(); /* something else, then ask again; a core is busy with asking */
    return n;
}

static ssize_t multiplexed(int fd)
{
    poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, -1); /* one sleep, for any number */
    return read(fd, line, sizeof line);
}

static ssize_t signal_driven(int fd)
{
    weft_signal io;
    ssize_t n = weft_signal_init(&io, (int[]){ SIGIO }, 1);
    fcntl(fd, F_SETOWN, getpid());
    fcntl(fd, F_SETFL, O_ASYNC); /* a signal when something comes */
    while (n >= 0 && (n = recv(fd, line, sizeof line, MSG_DONTWAIT)) < 0)
        n = weft_signal_wait(&io, weft_never());
    weft_signal_fini(&io);
    return n;
}

static ssize_t asynchronous(int fd)
{
    weft_operation op;
    ssize_t n = weft_operation_read(&op, fd, line, sizeof line, weft_never());
    /* ... any other work here, and the bytes come into line meanwhile ... */
    return n < 0 || weft_operation_wait(&op, &n, weft_never()) < 0 ? -1 : n;
}

static int send_later(void *fd)
{
    weft_sleep(weft_after(20 * WEFT_MS));
    return weft_write(*(int *)fd, "hello", 5, weft_after(WEFT_SEC)) == 5 ? 0 : -EPIPE;
}

static int show(const char *name, ssize_t (*get)(int fd))
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
        return 1;
    weft_group_spawn(weft_background(), WEFT_COROUTINE, send_later, &fds[1]);
    ssize_t n = get(fds[0]);
    printf("%-22s %.*s\n", name, n > 0 ? (int)n : 0, line);
    return n != 5 || close(fds[0]) || close(fds[1]);
}

int main(void)
{
    return show("blocking", blocking) || show("non-blocking, polling", polling) ||
           show("multiplexed", multiplexed) || show("signal-driven", signal_driven) ||
           show("asynchronous", asynchronous);
}
