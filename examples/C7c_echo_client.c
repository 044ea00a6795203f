/* C7c - a client of an echo server, to type into.
 *
 *     make example C7c                        brings a server of its own
 *     make example C7c ARGS=127.0.0.1:9000    asks that of "make example C7 ARGS=127.0.0.1:9000"
 *
 * What you type comes back; Ctrl-D ends it. A stream has lines over a socket, whatever pieces the
 * network makes of them. The program waits in fgets for you, and its coroutines on other threads go on;
 * a client that must show what arrives while you think reads and types in two tasks (see the chat).
 */
#include <stdio.h>
#include <string.h>
#include <weft.h>

static int echo_one(void *arg)
{
    char buf[1024];
    int fd = weft_accept(*(int *)arg, NULL, weft_never());
    ssize_t n = fd;
    while (n >= 0 && (n = weft_read(fd, buf, sizeof buf, weft_never())) > 0)
        n = weft_write(fd, buf, (size_t)n, weft_after(5 * WEFT_SEC));
    return n < 0 ? (int)n : weft_close(fd);
}

static int talk(int fd)
{
    char typed[256], heard[256], buf[1024];
    weft_stream server;
    weft_stream_init(&server, fd, buf, sizeof buf);
    while (printf(">>>> "), fflush(stdout), fgets(typed, sizeof typed, stdin)) {
        typed[strcspn(typed, "\n")] = '\0';
        ssize_t n = weft_stream_printf(&server, weft_after(5 * WEFT_SEC), "%s\n", typed);
        if (n == 0)
            n = weft_stream_read_line(&server, heard, sizeof heard, weft_after(5 * WEFT_SEC));
        if (n < 0)
            return (int)n;
        printf("%s\n", heard);
    }
    printf("bye\n");
    return 0;
}

int main(int argc, char **argv)
{
    char own[128];
    const char *where = argc > 1 ? argv[1] : own;
    int r = 0, listener;
    if (where == own) {
        if ((r = listener = weft_listen("127.0.0.1:0", 0)) >= 0)
            r = weft_local_address(listener, own, sizeof own);
        if (r == 0)
            r = weft_group_spawn_copy(weft_background(), WEFT_COROUTINE | WEFT_DAEMON, echo_one,
                                      &listener);
    }
    if (r == 0 && (r = weft_dial(where, weft_after(5 * WEFT_SEC))) >= 0)
        r = talk(r);
    if (r < 0)
        fprintf(stderr, "C7c: %s\n", weft_strerror(r));
    return r < 0;
}
