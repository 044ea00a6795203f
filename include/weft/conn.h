/* weft/conn.h - connections, and serving them.
 *
 *     static int echo(weft_conn *c)
 *     {
 *         char buf[4096];
 *         ssize_t n = weft_conn_read(c, buf, sizeof buf, weft_at_once());
 *         if (n == -ETIMEDOUT)
 *             return WEFT_CONN_IDLE;
 *         if (n > 0)
 *             n = weft_conn_write(c, buf, (size_t)n, weft_after(5 * WEFT_SEC));
 *         return n > 0 ? WEFT_CONN_IDLE : (int)n;
 *     }
 *
 * A handler is a coroutine that exists while a connection has work. Between two calls of it the
 * connection holds no stack and no worker: any worker may run the next call. */
#ifndef WEFT_CONN_H
#define WEFT_CONN_H

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <weft/base.h>
#include <weft/time.h>

WEFT_BEGIN

typedef struct weft_conn weft_conn; /* owned by its server from accept to close */

/* What a handler returns: 0 close the connection, < 0 a -errno (close it too), or */
enum weft_conn_verdict {
    WEFT_CONN_IDLE = 1 /* keep it, and call the handler again when bytes come or the peer finishes */
};

/* Called when a connection has something to read, in a coroutine of its own: it may wait. It need not take
 * all: it is called again, but for bytes that it gave back, and after a call that read nothing, only when
 * new ones come. At the end of the stream a read in it returns 0; what it gives back then can never be
 * whole, so that closes the connection. */
typedef int weft_conn_fn(weft_conn *conn);

struct weft_serve_options {
    size_t size; /* sizeof (struct weft_serve_options) */
    size_t max; /* connections at once; 0: what the descriptor limit allows. At it accepting stops. */
    weft_span idle;  /* how long a connection may lie idle before it is closed; 0: for ever */
    weft_span grace; /* at the end, how long running handlers may go on before they are cancelled */
    void *user;      /* weft_conn_server_user */
    int (*on_open)(weft_conn *conn);   /* in the accepting task, may not wait; < 0 refuses
                                          (without on_close); or NULL */
    void (*on_close)(weft_conn *conn); /* before the descriptor is closed, in the task of a handler
                                          or of weft_serve, which waits if it does; not after
                                          a detach; or NULL */
    size_t stack; /* of a handler: 0, which is 64 KiB; more is -EINVAL for now */
};

/* Serve a listening socket until cancelled: accept, and run handler for each connection that has
 * something to read. Descriptor exhaustion sheds the newest connections with one report and goes on.
 *   listener  from weft_listen; still open afterwards
 *   options   NULL or options; copied
 * Returns   never 0: -ECANCELED or -ETIMEDOUT the end was asked for: accepting has stopped, idle
 *           connections are closed, running handlers have ended (after grace they were cancelled);
 *           -EBADF the listener was closed; -EINVAL, -ENOMEM at the start
 * Context   task or thread
 * Cancels   yes, as said.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_serve(int listener, weft_conn_fn *handler,
                                  const struct weft_serve_options *options, weft_deadline deadline);

/* Read what there is: bytes that were given back, and with them what else has come.
 * Returns   as weft_read
 * Context   the connection's handler, or another task while the handler runs; one reader at a time
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST ssize_t weft_conn_read(weft_conn *conn, void *buf, size_t size,
                                          weft_deadline deadline);

/* Give bytes back that the next read gets first: the begin of a request that is not whole yet.
 *   size  together with bytes given back before at most 64 KiB
 * Returns   0; -ENOMEM, -EMSGSIZE: not given back
 * Context   as weft_conn_read
 * Cancels   no.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_conn_unread(weft_conn *conn, const void *data, size_t size);

/* Write everything, as weft_write does; send a part of a file, as weft_sendfile does.
 * Returns   as weft_write, weft_sendfile
 * Context   the handler or another task while it runs; one writer at a time
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST ssize_t weft_conn_write(weft_conn *conn, const void *buf, size_t size,
                                           weft_deadline deadline);
WEFT_API WEFT_MUST ssize_t weft_conn_writev(weft_conn *conn, const struct iovec *iov, int count,
                                            weft_deadline deadline);
WEFT_API WEFT_MUST ssize_t weft_conn_sendfile(weft_conn *conn, int file, off_t offset, size_t size,
                                              weft_deadline deadline);

/* The connection's own pointer, kept between calls of the handler; the server's from its options.
 * Returns   the pointer
 * Context   the handler, on_open, on_close
 * Cancels   no.   Since 0.1
 */
WEFT_API void *weft_conn_user(const weft_conn *conn);
WEFT_API void weft_conn_user_set(weft_conn *conn, void *user);
WEFT_API void *weft_conn_server_user(const weft_conn *conn);

/* The descriptor, for options and addresses: not to be read, written or closed.
 * Returns   the descriptor
 * Context   the handler, on_open, on_close
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_conn_fd(const weft_conn *conn);

/* Is the server ending? A handler then finishes what it does and says goodbye.
 * Returns   true or false
 * Context   the handler
 * Cancels   no.   Since 0.1
 */
WEFT_API bool weft_conn_is_ending(const weft_conn *conn);

/* Take the descriptor out of the server's hands; the handler's verdict then does not matter, and on_close
 * is not called.
 *   unread, size  where bytes that were given back go, and room; *size becomes their number. NULL if
 *                 there can be none
 * Returns   the descriptor, the caller's now; -EMSGSIZE no room: nothing is detached
 * Context   the handler
 * Cancels   no.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_conn_detach(weft_conn *conn, void *unread, size_t *size);

WEFT_END
#endif
