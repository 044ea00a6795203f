/* Question: what do 1, 100 and 1,000 clients wait for an answer, and what does the server hold for them, when
 * one client comes after the other, when each has a thread, and when each has a coroutine? The handler is the
 * same, and each answer has to wait 10 ms for something else, as for a database. load_echo.c asks. */
#include "ours.h"
#include "server.h"

static unsigned kind; /* 0: one after the other */

static int handle(void *arg)
{
    char buf[512];
    int fd = *(int *)arg;
    ssize_t n;
    while ((n = weft_read(fd, buf, sizeof buf, weft_never())) > 0 &&
           (n = weft_sleep(weft_after(10 * WEFT_MS))) == 0 &&
           (n = weft_write(fd, buf, BENCH_REQUEST, weft_after(30 * WEFT_SEC))) > 0)
        ;
    weft_close(fd);
    return 0;
}

static int serve(void *arg)
{
    weft_group clients;
    int fd, listener = weft_listen("127.0.0.1:0", 0);
    (void)arg;
    must(listener, "listen");
    bench_say_port(listener);
    weft_group_init(&clients, 0);
    while ((fd = weft_accept(listener, NULL, weft_never())) >= 0)
        if (kind)
            weft_group_spawn_copy(&clients, kind, handle, &fd);
        else
            handle(&fd);
    return fd;
}

int main(int argc, char **argv)
{
    const char *model = argc > 1 ? argv[1] : "coroutine";
    kind = strcmp(model, "loop") == 0     ? 0
           : strcmp(model, "thread") == 0 ? WEFT_THREAD
                                          : WEFT_COROUTINE;
    ours_version();
    must(weft_run(serve, NULL), "serve");
}
