/* http.c - the handler: requests from a connection to the files and back.
 *
 * A call of the handler reads once into its stack, serves every whole request it finds, writes the
 * answers together, and returns: an idle connection holds neither stack nor buffer. A head that is not
 * whole is waited for here, so that it has a deadline.
 */
#include "http/http.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <weft/task.h>

#include "http/server.h"

enum { FAIR = 64, LINGER_MAX = 1 << 20 };

static _Thread_local struct {
    uint64_t server;
    struct http_thread *thread;
} here;

/* This OS thread's part of the server. A coroutine stays on its thread, so the answer stays right.
 * NULL: no memory. */
struct http_thread *http_thread_of(struct http_server *server)
{
    if (here.server == server->id)
        return here.thread;
    struct http_thread *thread = calloc(1, sizeof *thread);
    if (!thread)
        return NULL;
    weft_lock_enter(&server->lock);
    thread->next = server->threads;
    server->threads = thread;
    weft_lock_leave(&server->lock);
    here.server = server->id;
    here.thread = thread;
    return thread;
}

void http_clock(struct http_thread *thread)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    thread->now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    if (thread->ok_size && now.tv_sec == thread->second)
        return;
    thread->second = now.tv_sec;
    http_date_format(thread->date, now.tv_sec);
    char *at = http_put(thread->ok, "HTTP/1.1 200 OK\r\nDate: ");
    at = http_put(http_put(at, thread->date), "\r\n");
    thread->ok_size = (uint16_t)(at - thread->ok);
}

/* -- reading ------------------------------------------------------------------------------------------ */

/* More bytes behind in + to, at least one. What is answered already goes out before it waits.
 * Returns   > 0; 0 the peer has finished; an error */
static ssize_t read_more(struct http_exchange *x, weft_deadline deadline)
{
    char *at = x->in + x->to;
    size_t room = HTTP_IN - x->to;
    ssize_t n = weft_conn_read(x->conn, at, room, weft_at_once());
    if (n == -ETIMEDOUT) {
        if (!http_flush(x))
            return x->error;
        http_log_flush(x);
        n = weft_conn_read(x->conn, at, room, deadline);
        http_clock(x->thread);
    }
    if (n > 0)
        x->to += (size_t)n;
    return n;
}

/* The request to the buffer's begin, so that there is room behind it. */
static void move_to_front(struct http_exchange *x)
{
    memmove(x->in, x->in + x->from, x->to - x->from);
    x->to -= x->from;
    x->from = 0;
}

/* A whole head. Returns its size; 0 the connection has no more to say; < 0 minus the status that it
 * deserves, or an error of the connection in x->error. */
static int read_head(struct http_exchange *x)
{
    weft_deadline until = { 0 };
    bool dated = false;
    http_head_begin(&x->head);
    for (;;) {
        int r = http_head_parse(&x->head, x->in + x->from, x->to - x->from);
        if (r != 0)
            return r;
        if (x->from > 0)
            move_to_front(x);
        if (!dated) {
            until = weft_at(weft_time_add(weft_now(), x->server->config.head_time));
            dated = true;
        }
        ssize_t n = read_more(x, until);
        if (n == -ETIMEDOUT && x->error == 0) {
            x->head.why = "The request did not come in time";
            return -408;
        }
        if (n < 0)
            x->error = (int)n;
        if (n <= 0)
            return 0;
    }
}

/* Read a request's body and drop it; the head stays where it is. Returns 0; < 0 as read_head. */
static int drop_body(struct http_exchange *x, size_t head_size)
{
    struct http_chunked chunked = { 0 };
    uint64_t left = x->head.length;
    weft_deadline until = { 0 };
    bool dated = false;
    for (;;) {
        size_t body = x->from + head_size, have = x->to - body, used = 0;
        int r = 0;
        if (x->head.chunked) {
            r = http_chunked_skip(&chunked, x->in + body, have, &used);
            if (r < 0)
                x->head.why = chunked.why;
            if (r >= 0 && chunked.total + chunked.left > HTTP_BODY_MAX) {
                x->head.why = NULL;
                r = -413;
            }
        } else {
            used = left < have ? (size_t)left : have;
            left -= used;
            r = left == 0;
        }
        memmove(x->in + body, x->in + body + used, have - used);
        x->to -= used;
        if (r != 0)
            return r < 0 ? r : 0;
        if (x->from > 0 && HTTP_IN - x->to < 1024)
            move_to_front(x);
        if (!dated) {
            until = weft_at(weft_time_add(weft_now(), x->server->config.body_time));
            dated = true;
        }
        ssize_t n = read_more(x, until);
        if (n == -ETIMEDOUT && x->error == 0) {
            x->head.why = "The request's body did not come in time";
            return -408;
        }
        if (n <= 0) {
            x->error = n < 0 ? (int)n : -ECONNRESET;
            return -400;
        }
    }
}

/* -- serving ------------------------------------------------------------------------------------------ */

static void refuse(struct http_exchange *x, int status)
{
    x->close = x->linger = true;
    http_page(x, status, x->head.why, "");
}

/* The body of a request that has one. false: the connection has had its answer. */
static bool take_body(struct http_exchange *x, size_t head_size, bool is_known)
{
    bool too_large = !x->head.chunked && x->head.length > HTTP_BODY_MAX;
    if (too_large && is_known) {
        refuse(x, 413);
        return false;
    }
    if (too_large ||
        (x->head.expect_continue && !is_known)) { /* unread: nothing after it is a request */
        x->close = x->linger = true;
        return true;
    }
    if (x->head.expect_continue && x->to == x->from + head_size) {
        char *at = http_room(x, 64);
        if (!at)
            return false;
        http_done(x, http_put(at, "HTTP/1.1 100 Continue\r\n\r\n"));
    }
    int r = drop_body(x, head_size);
    if (x->error)
        return false;
    if (r < 0) {
        refuse(x, -r);
        return false;
    }
    return true;
}

static void serve(struct http_exchange *x, size_t head_size)
{
    static const char allow[] = "Allow: GET, HEAD, OPTIONS\r\n";
    int method = x->head.method;
    bool is_known = method == HTTP_GET || method == HTTP_HEAD || method == HTTP_OPTIONS;
    x->close = !x->head.keep_alive;
    if (weft_conn_is_ending(x->conn))
        x->close = x->linger = true;
    if ((x->head.length || x->head.chunked) && !take_body(x, head_size, is_known))
        return;
    if (method == HTTP_GET || method == HTTP_HEAD)
        http_get(x);
    else if (method == HTTP_OPTIONS)
        http_page(x, 204, NULL, allow);
    else if (method == HTTP_UNKNOWN)
        http_page(x, 501, NULL, "");
    else
        http_page(x, 405, NULL, allow);
}

/* Every whole request that has come, and those that follow while one is not whole. */
static void serve_all(struct http_exchange *x)
{
    for (unsigned count = 1; x->error == 0 && !x->close && x->from < x->to; count++) {
        int head_size = read_head(x);
        if (head_size < 0) {
            refuse(x, -head_size);
            return;
        }
        if (head_size == 0) { /* it finished in the middle, or broke */
            x->close = true;
            return;
        }
        serve(x, (size_t)head_size);
        x->from += (size_t)head_size;
        if (count % FAIR == 0 && weft_yield() < 0)
            x->error = -ECANCELED;
    }
}

/* Closing with bytes unread makes the kernel reset the connection, and the answer may be lost. */
static void linger(struct http_exchange *x)
{
    weft_deadline until = weft_at(weft_time_add(weft_now(), WEFT_SEC));
    ssize_t n = 1;
    if (weft_shutdown(weft_conn_fd(x->conn), SHUT_WR) < 0)
        return;
    for (size_t all = 0; n > 0 && all < LINGER_MAX; all += (size_t)n)
        n = weft_conn_read(x->conn, x->in, HTTP_IN, until);
}

static int handle(weft_conn *conn)
{
    char in[HTTP_IN], out[HTTP_OUT], log[HTTP_LOG];
    struct http_exchange x;
    ssize_t n = weft_conn_read(conn, in, HTTP_IN, weft_at_once());
    if (n <= 0)
        return n == -ETIMEDOUT ? WEFT_CONN_IDLE : (int)n;
    x.server = weft_conn_server_user(conn);
    x.thread = http_thread_of(x.server);
    x.conn = conn;
    x.in = in;
    x.out = out;
    x.log = log;
    x.from = x.out_size = x.log_size = 0;
    x.to = (size_t)n;
    x.peer[0] = 0;
    x.error = x.thread ? 0 : -ENOMEM;
    x.close = x.linger = false;
    if (x.thread)
        http_clock(x.thread);
    serve_all(&x);
    http_flush(&x);
    if (x.log_size)
        http_log_flush(&x);
    if (x.error == 0 && x.close && (x.linger || x.from < x.to))
        linger(&x);
    return x.error ? x.error : x.close ? 0 : WEFT_CONN_IDLE;
}

/* -- the server ---------------------------------------------------------------------------------------- */

int http_server_new(struct http_server **out, const struct http_config *config)
{
    static _Atomic uint64_t ids;
    struct http_server *server = calloc(1, sizeof *server);
    if (!server)
        return -ENOMEM;
    server->config = *config;
    server->id = ++ids;
    server->root = weft_open(config->root, O_RDONLY | O_DIRECTORY, 0);
    /* Try the call that keeps requests inside before any comes. */
    int r = server->root < 0 ? server->root : weft_open_beneath(server->root, ".", O_RDONLY, 0);
    if (r < 0) {
        http_server_free(server);
        return r;
    }
    weft_close(r);
    *out = server;
    return 0;
}

int http_serve(struct http_server *server, int listener)
{
    struct weft_serve_options options = {
        .size = sizeof options,
        .max = server->config.max,
        .idle = server->config.idle,
        .grace = server->config.grace,
        .user = server,
    };
    int on = 1; /* accepted sockets inherit it: an answer never waits for the one before */
    setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return weft_serve(listener, handle, &options, weft_never());
}

void http_server_free(struct http_server *server)
{
    if (!server)
        return;
    for (struct http_thread *t = server->threads, *next; t; t = next) {
        next = t->next;
        http_cache_free(t);
        free(t);
    }
    if (server->root >= 0)
        weft_close(server->root);
    weft_lock_fini(&server->lock);
    free(server);
}
