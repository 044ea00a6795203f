/* http/http.h - an HTTP/1.1 server of static files. */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

#include <weft/time.h>

struct http_config {
    const char *root;    /* the folder that is served */
    bool list;           /* folders without index.html show what they hold */
    bool hidden;         /* names that begin with a dot are served too */
    long max_age;        /* seconds that others than HTML may be kept unasked; < 0: ask each time */
    size_t max;          /* connections at once and listener; 0: what the descriptor limit allows */
    int log;             /* descriptor of the access log, or -1 */
    weft_span idle;      /* between two requests */
    weft_span head_time; /* from a head's first byte to its last */
    weft_span body_time; /* for the body of a request */
    weft_span write_time; /* without progress while writing */
    weft_span grace;      /* at the end, for requests that run */
};

#define HTTP_CONFIG_INIT                                                                          \
    {                                                                                             \
        .root = ".", .max_age = -1, .log = -1, .idle = 60 * WEFT_SEC, .head_time = 10 * WEFT_SEC, \
        .body_time = 10 * WEFT_SEC, .write_time = 30 * WEFT_SEC, .grace = 10 * WEFT_SEC           \
    }

struct http_server;

/* Open a server's folder.
 *   config  copied
 * Returns   0; -ENOENT, -ENOTDIR, -EACCES and what else open has; -ENOMEM, -ENOSYS (no openat2)
 * Context   task or thread
 */
int http_server_new(struct http_server **out, const struct http_config *config);

/* Serve a listener until cancelled; any number at once. Returns as weft_serve. */
int http_serve(struct http_server *server, int listener);

/* After the last http_serve has returned. NULL is fine. */
void http_server_free(struct http_server *server);

#endif
