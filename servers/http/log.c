/* log.c - the access log: a line for each answer in the common log format, all lines of a batch in one
 * write, so that lines of different connections never mix. */
#include <string.h>

#include "http/server.h"

void http_log_flush(struct http_exchange *x)
{
    if (x->log_size > 0) /* one that cannot be written is no reason to stop serving */
        (void)!weft_write(x->server->config.log, x->log, x->log_size, weft_after(WEFT_SEC));
    x->log_size = 0;
}

/* The request line, or how far one came; what is not plain text is \xHH. */
static char *put_line(const struct http_exchange *x, char *at, const char *end)
{
    static const char digits[] = "0123456789abcdef";
    const char *p = x->in + x->from, *stop = x->in + x->to;
    if (x->head.has_method) {
        p += x->head.line.at;
        stop = p + x->head.line.size;
    }
    for (; p < stop && *p != '\r' && *p != '\n' && end - at > 4; p++) {
        unsigned char c = (unsigned char)*p;
        if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
            *at++ = (char)c;
        } else {
            *at++ = '\\';
            *at++ = 'x';
            *at++ = digits[c >> 4];
            *at++ = digits[c & 15];
        }
    }
    return at;
}

void http_log(struct http_exchange *x, int status, uint64_t bytes)
{
    if (x->server->config.log < 0)
        return;
    if (!x->peer[0] && weft_peer_address(weft_conn_fd(x->conn), x->peer, sizeof x->peer) < 0)
        strcpy(x->peer, "-");
    /* "127.0.0.1:4711", "[::1]:4711": the log has the host alone */
    size_t host = strlen(x->peer);
    const char *colon = strrchr(x->peer, ':');
    if (colon && x->peer[0] != 'u')
        host = (size_t)(colon - x->peer);
    if (HTTP_LOG - x->log_size < HTTP_LOG / 2)
        http_log_flush(x);
    char *at = x->log + x->log_size;
    const char *date = x->thread->date; /* Sun, 06 Nov 1994 08:49:37 GMT */
    at = http_put_bytes(at, x->peer, host);
    at = http_put(at, " - - [");
    at = http_put_bytes(at, date + 5, 2);
    *at++ = '/';
    at = http_put_bytes(at, date + 8, 3);
    *at++ = '/';
    at = http_put_bytes(at, date + 12, 4);
    *at++ = ':';
    at = http_put_bytes(at, date + 17, 8);
    at = http_put(at, " +0000] \"");
    at = put_line(x, at, x->log + HTTP_LOG - 64);
    at = http_put(at, "\" ");
    at = http_put_number(at, (uint64_t)status);
    *at++ = ' ';
    at = bytes ? http_put_number(at, bytes) : http_put(at, "-");
    *at++ = '\n';
    x->log_size = (size_t)(at - x->log);
}
