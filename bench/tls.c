/* Question: what does an answer of 64 bytes over TLS 1.3 cost, and a handshake with the first answer? A
 * coroutine for each connection, 30 s for each read. argv[1]: certificate and key. */
#include "ours.h"
#include "server.h"

static weft_tls_context *context;

static int serve_one(void *arg)
{
    weft_tls tls = { 0 };
    char buf[512];
    int fd = *(int *)arg;
    ssize_t n = weft_tls_init(&tls, context, fd);
    if (n == 0)
        n = weft_tls_handshake(&tls, NULL, weft_after(30 * WEFT_SEC));
    while (n >= 0 && (n = weft_tls_read(&tls, buf, sizeof buf, weft_after(30 * WEFT_SEC))) > 0)
        n = weft_tls_write(&tls, buf, (size_t)n, weft_after(30 * WEFT_SEC));
    weft_tls_fini(&tls);
    weft_close(fd);
    return 0;
}

static int serve(void *certificate)
{
    struct weft_tls_options options = { .size = sizeof options,
                                        .flags = WEFT_TLS_SERVER,
                                        .certificate = certificate };
    weft_group clients;
    int fd, listener = weft_listen("127.0.0.1:0", 0);
    must(listener, "listen");
    must(weft_tls_context_new(&context, &options), "context");
    bench_say_port(listener);
    weft_group_init(&clients, 0);
    while ((fd = weft_accept(listener, NULL, weft_never())) >= 0)
        weft_group_spawn_copy(&clients, WEFT_COROUTINE, serve_one, &fd);
    return fd;
}

int main(int argc, char **argv)
{
    ours_version();
    must(weft_run(serve, argc > 1 ? argv[1] : NULL), "serve");
}
