/* tls: OpenSSL on non-blocking sockets, a bare loop over epoll, no deadlines. */
#include "server.h"

#include <openssl/ssl.h>
#include <sys/epoll.h>

static int epfd;
static SSL_CTX *context;

struct conn {
    SSL *ssl;
    int fd;
    bool ready; /* hands were shaken */
};

/* Is it still of use? */
static bool go_on(struct conn *conn)
{
    char buf[512];
    int n = 1;
    if (!conn->ready && (n = SSL_accept(conn->ssl)) == 1)
        conn->ready = true;
    if (conn->ready)
        do
            if ((n = SSL_read(conn->ssl, buf, sizeof buf)) > 0 && SSL_write(conn->ssl, buf, n) != n)
                return false; /* 64 bytes always have room */
        while (n > 0 && SSL_has_pending(conn->ssl));
    return n > 0 || SSL_get_error(conn->ssl, n) == SSL_ERROR_WANT_READ;
}

static void greet(int fd)
{
    struct conn *conn = calloc(1, sizeof *conn);
    bench_check(conn && fd >= 0 && (conn->ssl = SSL_new(context)), "connection");
    conn->fd = fd;
    SSL_set_fd(conn->ssl, fd);
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = conn };
    epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event);
}

static void leave(struct conn *conn)
{
    SSL_free(conn->ssl);
    close(conn->fd);
    free(conn);
}

int main(int argc, char **argv)
{
    struct epoll_event events[256];
    bench_version(OPENSSL_VERSION_TEXT);
    context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(context, 1); /* one read a record, not two */
    bench_check(argc > 1 && SSL_CTX_use_certificate_file(context, argv[1], SSL_FILETYPE_PEM) == 1 &&
                    SSL_CTX_use_PrivateKey_file(context, argv[1], SSL_FILETYPE_PEM) == 1,
                "certificate");
    epfd = epoll_create1(EPOLL_CLOEXEC);
    int listener = bench_listen(SOCK_NONBLOCK);
    struct epoll_event event = { .events = EPOLLIN };
    epoll_ctl(epfd, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int n = epoll_wait(epfd, events, 256, -1);
        for (int i = 0; i < n; i++) {
            struct conn *conn = events[i].data.ptr;
            if (!conn)
                greet(accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
            else if (!go_on(conn))
                leave(conn);
        }
    }
}
