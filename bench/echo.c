/* Questions: echo, idle, busy (load_echo.c asks them). A handler that gives its connection back after
 * each answer; with "task" one that stays and waits in its reads. Every read has a deadline of 30 s. */
#include "ours.h"
#include "server.h"

static int answer(weft_conn *conn, weft_deadline patience)
{
    char buf[512];
    ssize_t n = weft_conn_read(conn, buf, sizeof buf, patience);
    if (n <= 0)
        return (int)n;
    bench_serve(buf);
    return (int)weft_conn_write(conn, buf, (size_t)n, weft_after(30 * WEFT_SEC));
}

static int answer_once(weft_conn *conn)
{
    int n = answer(conn, weft_at_once());
    return n > 0 || n == -ETIMEDOUT ? WEFT_CONN_IDLE : n;
}

static int answer_all(weft_conn *conn)
{
    int n;
    while ((n = answer(conn, weft_after(30 * WEFT_SEC))) > 0)
        ;
    return n;
}

static int serve(void *handler)
{
    struct weft_serve_options options = { .size = sizeof options, .idle = 30 * WEFT_SEC };
    int listener = weft_listen("127.0.0.1:0", 0);
    must(listener, "listen");
    bench_say_port(listener);
    return weft_serve(listener, *(weft_conn_fn **)handler, &options, weft_never());
}

int main(int argc, char **argv)
{
    weft_conn_fn *handler = argc > 1 && strcmp(argv[1], "task") == 0 ? answer_all : answer_once;
    ours_version();
    must(weft_run(serve, &handler), "serve");
}
