/* echo: libuv; one read buffer for all, uv_try_write first, uv_write for a copy of what is left. With
 * "timer": a 30 s uv_timer per connection, started again at each read. */
#include "server.h"

#include <uv.h>

struct conn {
    uv_tcp_t tcp;
    uv_timer_t timer;
    int open; /* handles still to close */
};

struct rest {
    uv_write_t request;
    char bytes[];
};

static bool timed;

static void on_closed(uv_handle_t *handle)
{
    struct conn *conn = handle->data;
    if (--conn->open == 0)
        free(conn);
}

static void hang_up(struct conn *conn)
{
    if (uv_is_closing((uv_handle_t *)&conn->tcp))
        return;
    uv_close((uv_handle_t *)&conn->tcp, on_closed);
    uv_close((uv_handle_t *)&conn->timer, on_closed);
}

static void on_timeout(uv_timer_t *timer)
{
    hang_up(timer->data);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    static char shared[65536]; /* read and answered before the next one is filled */
    (void)handle, (void)suggested;
    *buf = uv_buf_init(shared, sizeof shared);
}

static void on_written(uv_write_t *request, int status)
{
    if (status < 0)
        hang_up(request->handle->data);
    free(request);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct conn *conn = stream->data;
    if (n < 0)
        hang_up(conn);
    if (n <= 0)
        return;
    bench_serve(buf->base);
    if (timed)
        uv_timer_again(&conn->timer);
    uv_buf_t answer = uv_buf_init(buf->base, (unsigned)n);
    int sent = uv_try_write(stream, &answer, 1);
    if (sent == n)
        return;
    answer.len -= (size_t)(sent > 0 ? sent : 0);
    struct rest *rest = malloc(sizeof *rest + answer.len);
    bench_check(rest != NULL, "memory");
    answer.base = memcpy(rest->bytes, buf->base + (size_t)n - answer.len, answer.len);
    uv_write(&rest->request, stream, &answer, 1, on_written);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct conn *conn = calloc(1, sizeof *conn);
    bench_check(status == 0 && conn, "connection");
    uv_tcp_init(listener->loop, &conn->tcp);
    uv_timer_init(listener->loop, &conn->timer);
    conn->tcp.data = conn->timer.data = conn;
    conn->open = 2;
    bench_check(uv_accept(listener, (uv_stream_t *)&conn->tcp) == 0, "accept");
    if (timed)
        uv_timer_start(&conn->timer, on_timeout, 30000, 30000);
    uv_read_start((uv_stream_t *)&conn->tcp, on_alloc, on_read);
}

int main(int argc, char **argv)
{
    uv_loop_t *loop = uv_default_loop();
    uv_tcp_t listener;
    bench_version(uv_version_string());
    timed = argc > 1 && strcmp(argv[1], "timer") == 0;
    uv_tcp_init(loop, &listener);
    uv_tcp_open(&listener, bench_listen(SOCK_NONBLOCK));
    uv_listen((uv_stream_t *)&listener, 4096, on_connection);
    return uv_run(loop, UV_RUN_DEFAULT);
}
