/* S2 - a process, a thread or a coroutine for each client: one handler, one word changed.
 *
 *     make example S2
 *
 * The handler does not know what carries it. Threads cost more than coroutines, and ten thousand are a burden;
 * processes cost more still, but one that crashes takes nobody along; a coroutine should not compute for long.
 */
#include <stdio.h>
#include <weft.h>

#define SOON weft_after(5 * WEFT_SEC)

static unsigned kind;
static char address[128];

static int handle(void *arg)
{
    int fd = *(int *)arg;
    char buf[512], name[128];
    weft_stream client;
    weft_stream_init(&client, fd, buf, sizeof buf);
    while (weft_stream_read_line(&client, name, sizeof name, weft_after(60 * WEFT_SEC)) >= 0 &&
           weft_stream_printf(&client, SOON, "hello %s\n", name) == 0)
        ; /* what was written is sent before the next read waits */
    return weft_close(fd);
}

static int serve(void *arg)
{
    int fd, listener = *(int *)arg;
    weft_group clients;
    weft_group_init(&clients, 0);
    while ((fd = weft_accept(listener, NULL, weft_never())) >= 0) {
        struct weft_pass same = { fd, fd }; /* a process has no descriptor but what it is given */
        struct weft_process with = { .size = sizeof with, .pass = &same, .pass_count = 1 };
        struct weft_spawn more = { .size = sizeof more, .process = &with };
        weft_group_spawn_at(&clients, kind | WEFT_COPY_IN, handle, &fd, sizeof fd, &more, "client");
        if (kind == WEFT_PROCESS)
            weft_close(fd); /* it has its own */
    }
    return weft_group_wait(&clients, weft_at_once()); /* at its deadline a wait cancels all */
}

static int client(void *arg)
{
    int fd = weft_dial(address, SOON);
    char answer[32];
    bool right = weft_write(fd, arg, 5, SOON) == 5 && weft_read(fd, answer, 32, SOON) == 11 &&
                 answer[10] == '\n';
    return weft_close(fd) == 0 && right ? 0 : -EPROTO;
}

static int try_it(void *name)
{
    weft_group server, clients;
    int r, listener = weft_listen("127.0.0.1:0", 0);
    if ((r = weft_local_address(listener, address, sizeof address)) < 0)
        return r;
    weft_group_init(&server, 0);
    weft_group_init(&clients, 0);
    weft_group_spawn(&server, WEFT_COROUTINE, serve, &listener);
    for (int i = 0; i < 20; i++)
        weft_group_spawn(&clients, WEFT_COROUTINE, client, "weft\n");
    if ((r = weft_group_wait(&clients, weft_never())) == 0)
        printf("a %s for each client: 20 were served\n", (char *)name);
    weft_group_wait(&server, weft_at_once());
    return weft_close(listener);
}

int main(void)
{
    kind = WEFT_COROUTINE;
    if (weft_run(try_it, "coroutine") < 0)
        return 1;
    kind = WEFT_THREAD;
    if (weft_run(try_it, "thread") < 0)
        return 1;
    kind = WEFT_PROCESS;
    return weft_run(try_it, "process") < 0;
}
