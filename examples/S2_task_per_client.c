/* S2 - a thread for each client, or a coroutine for each client: one handler, one word changed.
 *
 *     make example S2                both in turn, each asked by 20 clients at once
 *     make example S2 ARGS=thread    or one of them
 *
 * The handler does not know what carries it. Threads cost more memory and more time to start, and ten
 * thousand are a burden; a coroutine should not compute for long, for it holds its worker.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <weft.h>

static unsigned kind;
static char address[128];

static int handle(void *arg)
{
    char buf[512], name[128];
    int fd = *(int *)arg;
    weft_stream client;
    weft_stream_init(&client, fd, buf, sizeof buf);
    while (weft_stream_read_line(&client, name, sizeof name, weft_after(60 * WEFT_SEC)) >= 0 &&
           weft_stream_printf(&client, weft_after(5 * WEFT_SEC), "hello %s\n", name) == 0)
        ; /* what was written is sent before the next read waits */
    weft_close(fd);
    return 0;
}

static int serve(void *arg)
{
    int fd, listener = *(int *)arg;
    weft_group clients;
    weft_group_init(&clients, 0);
    while ((fd = weft_accept(listener, NULL, weft_never())) >= 0)
        weft_group_spawn_copy(&clients, kind, handle, &fd); /* here is the word */
    return weft_group_wait(&clients, weft_at_once());       /* at its deadline a wait cancels all */
}

static int client(void *arg)
{
    int fd = weft_dial(address, weft_after(5 * WEFT_SEC));
    char answer[32];
    bool right = weft_write(fd, arg, strlen(arg), weft_after(5 * WEFT_SEC)) > 0 &&
                 weft_read(fd, answer, sizeof answer, weft_after(5 * WEFT_SEC)) == 11 &&
                 memcmp(answer, "hello weft\n", 11) == 0;
    weft_close(fd);
    return right ? 0 : -EPROTO;
}

static int try_it(void *name)
{
    weft_group server, clients;
    int listener = weft_listen("127.0.0.1:0", 0), r = listener;
    if (r < 0 || (r = weft_local_address(listener, address, sizeof address)) < 0)
        return r;
    kind = strcmp(name, "thread") == 0 ? WEFT_THREAD : WEFT_COROUTINE;
    weft_group_init(&server, 0);
    weft_group_init(&clients, 0);
    weft_group_spawn(&server, WEFT_COROUTINE, serve, &listener);
    for (int i = 0; i < 20; i++)
        weft_group_spawn(&clients, WEFT_COROUTINE, client, "weft\n");
    if ((r = weft_group_wait(&clients, weft_never())) == 0)
        printf("a %s for each client: 20 were served\n", (char *)name);
    weft_group_wait(&server, weft_at_once());
    weft_close(listener);
    return r;
}

int main(int argc, char **argv)
{
    int r = weft_run(try_it, argc > 1 ? argv[1] : "coroutine");
    if (r == 0 && argc == 1)
        r = weft_run(try_it, "thread");
    if (r < 0)
        fprintf(stderr, "S2: %s\n", weft_strerror(r));
    return r < 0;
}
