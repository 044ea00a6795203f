/* respond.c - answers: composed one behind the other in one buffer, so that a batch of requests leaves
 * in one write. */
#include <errno.h>
#include <limits.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>

#include "http/server.h"

/* A client that takes less than this in write_time holds the connection for nothing. */
enum { PROGRESS_MIN = 16384 };

/* A body up to this size joins the batch; a larger one is written from where it lies. */
enum { COPIED_MAX = 4096 };

const char *http_reason(int status)
{
    switch (status) {
    case 200: return "OK";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 431: return "Request Header Fields Too Large";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    default: return "Internal Server Error";
    }
}

/* -- writing ----------------------------------------------------------------------------------------- */

struct stall {
    weft_conn *conn;
    int queued; /* in the kernel at the last time; -1 unknown */
};

/* write_time is over and `sent` more bytes went to the kernel. Has the peer taken enough of what it
 * has? The kernel reports room only when a third of its buffer is free, so `sent` says little: a peer that
 * reads megabytes a second may show none. What the peer has acknowledged between two looks says it, and
 * so the first look never condemns: a dead peer is dropped within twice write_time. */
static bool is_moving(struct stall *stall, size_t sent)
{
    int queued = 0, before = stall->queued;
    if (ioctl(weft_conn_fd(stall->conn), SIOCOUTQ, &queued) < 0)
        return sent >= PROGRESS_MIN;
    stall->queued = queued;
    return before < 0 || (int64_t)sent + before - queued >= PROGRESS_MIN;
}

static int send_all(struct http_exchange *x, const char *data, size_t size)
{
    struct stall stall = { x->conn, -1 };
    while (size > 0) {
        ssize_t n = weft_conn_write(x->conn, data, size, weft_after(x->server->config.write_time));
        if (n < 0 && n != -ETIMEDOUT)
            return (int)n;
        size_t sent = n > 0 ? (size_t)n : 0;
        if (sent < size && !is_moving(&stall, sent))
            return -ETIMEDOUT;
        data += sent;
        size -= sent;
    }
    return 0;
}

static int send_file(struct http_exchange *x, int fd, uint64_t from, uint64_t size)
{
    struct stall stall = { x->conn, -1 };
    while (size > 0) {
        ssize_t n = weft_conn_sendfile(x->conn, fd, (off_t)from, size < SSIZE_MAX ? size : SSIZE_MAX,
                                       weft_after(x->server->config.write_time));
        if (n == 0)
            return -EIO; /* the file is shorter now */
        if (n < 0 && n != -ETIMEDOUT)
            return (int)n;
        size_t sent = n > 0 ? (size_t)n : 0;
        if (sent < size && !is_moving(&stall, sent))
            return -ETIMEDOUT;
        from += sent;
        size -= sent;
    }
    return 0;
}

/* What is in out, and a body behind it: one write. */
static int send_both(struct http_exchange *x, const char *body, size_t size)
{
    struct iovec both[2] = { { x->out, x->out_size }, { (void *)(uintptr_t)body, size } };
    size_t head = x->out_size;
    x->out_size = 0;
    ssize_t n = weft_conn_writev(x->conn, both, 2, weft_after(x->server->config.write_time));
    if (n < 0 && n != -ETIMEDOUT)
        return (int)n;
    size_t sent = n > 0 ? (size_t)n : 0;
    int r = sent < head ? send_all(x, x->out + sent, head - sent) : 0;
    sent = sent < head ? 0 : sent - head;
    return r < 0 ? r : send_all(x, body + sent, size - sent);
}

bool http_flush(struct http_exchange *x)
{
    if (x->out_size > 0 && x->error == 0)
        x->error = send_all(x, x->out, x->out_size);
    x->out_size = 0;
    return x->error == 0;
}

char *http_room(struct http_exchange *x, size_t size)
{
    if (HTTP_OUT - x->out_size < size)
        http_flush(x);
    return x->error == 0 ? x->out + x->out_size : NULL;
}

void http_done(struct http_exchange *x, const char *at)
{
    x->out_size = (size_t)(at - x->out);
}

/* -- composing --------------------------------------------------------------------------------------- */

char *http_put_bytes(char *at, const void *data, size_t size)
{
    memcpy(at, data, size);
    return at + size;
}

char *http_put(char *at, const char *text)
{
    return http_put_bytes(at, text, strlen(text));
}

char *http_put_number(char *at, uint64_t n)
{
    char digits[20], *p = digits + sizeof digits;
    do
        *--p = (char)('0' + n % 10);
    while (n /= 10);
    return http_put_bytes(at, p, (size_t)(digits + sizeof digits - p));
}

/* What the client must know of the connection's future: nothing, where both think the same. */
static char *put_connection(const struct http_exchange *x, char *at)
{
    if (x->close)
        return http_put(at, "Connection: close\r\n");
    return x->head.minor ? at : http_put(at, "Connection: keep-alive\r\n");
}

char *http_begin(const struct http_exchange *x, char *at, int status)
{
    if (status == 200) {
        at = http_put_bytes(at, x->thread->ok, x->thread->ok_size);
    } else {
        at = http_put(at, "HTTP/1.1 ");
        at = http_put_number(at, (uint64_t)status);
        *at++ = ' ';
        at = http_put(at, http_reason(status));
        at = http_put(at, "\r\nDate: ");
        at = http_put_bytes(at, x->thread->date, HTTP_DATE_SIZE);
        at = http_put(at, "\r\n");
    }
    return put_connection(x, at);
}

void http_page(struct http_exchange *x, int status, const char *why, const char *fields)
{
    char page[512], *p = page;
    http_clock(x->thread);
    char *at = http_room(x, 1024 + strlen(fields));
    if (!at)
        return;
    at = http_begin(x, at, status);
    at = http_put(at, fields);
    if (status == 204) {
        at = http_put(at, "\r\n");
        http_done(x, at);
        http_log(x, status, 0);
        return;
    }
    p = http_put(p, "<!doctype html>\n<meta charset=\"utf-8\">\n<title>");
    p = http_put(http_put(http_put_number(p, (uint64_t)status), " "), http_reason(status));
    p = http_put(p, "</title>\n<h1>");
    p = http_put(http_put(http_put_number(p, (uint64_t)status), " "), http_reason(status));
    p = http_put(p, "</h1>\n");
    if (why) /* our own words, never the request's */
        p = http_put(http_put(http_put(p, "<p>"), why), ".</p>\n");
    size_t size = (size_t)(p - page);
    at = http_put(at, "Content-Type: text/html; charset=utf-8\r\n"
                      "X-Content-Type-Options: nosniff\r\n"
                      "Content-Security-Policy: default-src 'none'\r\n"
                      "Content-Length: ");
    at = http_put(http_put_number(at, size), "\r\n\r\n");
    if (x->head.method != HTTP_HEAD)
        at = http_put_bytes(at, page, size);
    else
        size = 0;
    http_done(x, at);
    http_log(x, status, size);
}

/* The head of a 206, or of a 304: what a cache wants to know of the file. */
static char *put_head(const struct http_exchange *x, char *at, int status,
                      const struct http_file *file, uint64_t from, uint64_t to)
{
    if (status == 200)
        return http_put_bytes(at, file->head, file->head_size);
    /* The last fields are the same; they begin where Content-Length ends. */
    if (status == 206) {
        at = http_put(http_put(http_put(at, "Content-Type: "), file->type),
                      "\r\nContent-Range: bytes ");
        at = http_put(http_put_number(at, from), "-");
        at = http_put(http_put_number(at, to - 1), "/");
        at = http_put(http_put_number(at, file->version.size), "\r\nContent-Length: ");
        at = http_put(http_put_number(at, to - from), "\r\n");
    }
    const char *common = memmem(file->head, file->head_size, "Last-Modified:", 14);
    (void)x;
    return http_put_bytes(at, common, (size_t)(file->head + file->head_size - common));
}

/* The body of a file that is not in memory. Small: behind its head, in one write. */
static void send_body(struct http_exchange *x, char *at, int fd, uint64_t from, uint64_t to)
{
    size_t room = (size_t)(x->out + HTTP_OUT - at), done = 0;
    if (to - from <= room) {
        while (done < to - from) {
            ssize_t n =
                weft_pread(fd, at + done, to - from - done, (off_t)(from + done), weft_never());
            if (n <= 0) {
                x->error = n < 0 ? (int)n : -EIO; /* the length is promised already */
                return;
            }
            done += (size_t)n;
        }
        http_done(x, at + done);
        return;
    }
    http_done(x, at);
    if (http_flush(x))
        x->error = send_file(x, fd, from, to - from);
}

void http_answer(struct http_exchange *x, int status, const struct http_file *file, int fd,
                 const char *body, uint64_t from, uint64_t to)
{
    bool with_body = x->head.method != HTTP_HEAD && status != 304;
    uint64_t size = with_body ? to - from : 0;
    bool copied = body && size <= COPIED_MAX;
    char *at = http_room(x, 1024 + (copied ? size : 0));
    if (!at)
        return;
    at = http_begin(x, at, status);
    at = put_head(x, at, status, file, from, to);
    at = http_put(at, "\r\n");
    if (copied)
        at = http_put_bytes(at, body + from, size);
    if (copied || !size) {
        http_done(x, at);
    } else if (body) {
        http_done(x, at);
        x->error = send_both(x, body + from, size);
    } else {
        send_body(x, at, fd, from, to);
    }
    http_log(x, status, size);
}
