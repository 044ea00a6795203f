/* stream.c - lines, exact sizes and formatted text: two halves of the caller's buffer. */
#include <stdio.h>
#include <string.h>
#include <weft/stream.h>

#include "io/io.h"

static ssize_t fd_read(void *on, void *buf, size_t size, weft_deadline deadline)
{
    return weft_read((int)(intptr_t)on, buf, size, deadline);
}

static ssize_t fd_writev(void *on, const struct iovec *iov, int count, weft_deadline deadline)
{
    return weft_writev((int)(intptr_t)on, iov, count, deadline);
}

static ssize_t conn_read(void *on, void *buf, size_t size, weft_deadline deadline)
{
    return weft_conn_read(on, buf, size, deadline);
}

static ssize_t conn_writev(void *on, const struct iovec *iov, int count, weft_deadline deadline)
{
    return weft_conn_writev(on, iov, count, deadline);
}

static const struct weft_carrier over_fd = { fd_read, fd_writev };
static const struct weft_carrier over_conn = { conn_read, conn_writev };

int weft_stream_init_over(weft_stream *stream, const struct weft_carrier *carrier, void *on,
                          void *buf, size_t size)
{
    if (!carrier || !buf || size < 64)
        return -EINVAL;
    *stream = (weft_stream){ .carrier = carrier, .on = on, .in = buf, .half = size / 2 };
    stream->out = stream->in + stream->half;
    return 0;
}

int weft_stream_init(weft_stream *stream, int fd, void *buf, size_t size)
{
    if (fd < 0)
        return -EINVAL;
    return weft_stream_init_over(stream, &over_fd, (void *)(intptr_t)fd, buf, size);
}

int weft_stream_init_conn(weft_stream *stream, weft_conn *conn, void *buf, size_t size)
{
    if (!conn)
        return -EINVAL;
    return weft_stream_init_over(stream, &over_conn, conn, buf, size);
}

/* -- out ---------------------------------------------------------------------------------------------- */

/* What is pending, then data, in one go. At a deadline or a cancel what is still pending stays for the
 * next call, unless data was begun: then the peer has a part of it, and the stream is done for. */
static int send_all(weft_stream *s, const void *data, size_t size, weft_deadline deadline)
{
    struct iovec both[2] = { { s->out, s->pending }, { (void *)(uintptr_t)data, size } };
    size_t all = s->pending + size, done = 0;
    ssize_t n = 0;
    while (done < all && n >= 0) { /* a short write tells its error at the next call */
        deadline = done ? weft__fixed(deadline) : deadline;
        n = s->carrier->writev(s->on, both, 2, deadline);
        if (n == 0)
            n = -EPIPE;
        for (size_t i = 0, left = n > 0 ? (size_t)n : 0; i < 2; i++) {
            size_t part = left < both[i].iov_len ? left : both[i].iov_len;
            both[i].iov_base = (char *)both[i].iov_base + part;
            both[i].iov_len -= part;
            left -= part;
            done += part;
        }
    }
    memmove(s->out, both[0].iov_base, both[0].iov_len);
    s->pending = both[0].iov_len;
    if (n < 0 && ((n != -ETIMEDOUT && n != -ECANCELED) || both[1].iov_len < size))
        s->error = (int)n;
    return n < 0 ? (int)n : 0;
}

int weft_stream_flush(weft_stream *stream, weft_deadline deadline)
{
    return stream->error ? stream->error : send_all(stream, NULL, 0, deadline);
}

int weft_stream_write(weft_stream *stream, const void *data, size_t size, weft_deadline deadline)
{
    if (stream->error)
        return stream->error;
    if (size > stream->half - stream->pending)
        return send_all(stream, data, size, deadline);
    memcpy(stream->out + stream->pending, data, size);
    stream->pending += size;
    return 0;
}

int weft_stream_vprintf(weft_stream *stream, weft_deadline deadline, const char *format,
                        va_list args)
{
    if (stream->error)
        return stream->error;
    for (int round = 0; round < 2; round++) {
        va_list again;
        size_t room = stream->half - stream->pending;
        va_copy(again, args);
        int n = vsnprintf((char *)stream->out + stream->pending, room, format, again);
        va_end(again);
        if (n < 0)
            return -EINVAL;
        if ((size_t)n < room) {
            stream->pending += (size_t)n;
            return 0;
        }
        int r = weft_stream_flush(stream, deadline);
        if (r < 0)
            return r;
    }
    return -EMSGSIZE;
}

int weft_stream_printf(weft_stream *stream, weft_deadline deadline, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int r = weft_stream_vprintf(stream, deadline, format, args);
    va_end(args);
    return r;
}

/* -- in ------------------------------------------------------------------------------------------------ */

static ssize_t receive(weft_stream *s, void *buf, size_t size, weft_deadline deadline)
{
    int r =
        s->error ? 0 : weft_stream_flush(s, deadline); /* the answer may wait for what is asked */
    if (r < 0)
        return r;
    return s->carrier->read(s->on, buf, size, deadline);
}

/* More input behind what is there. > 0, 0 at the end, -EMSGSIZE the half is full, errors. */
static ssize_t fill(weft_stream *s, weft_deadline deadline)
{
    if (s->begin == s->end)
        s->begin = s->end = 0;
    if (s->end == s->half && s->begin > 0) {
        memmove(s->in, s->in + s->begin, s->end - s->begin);
        s->end -= s->begin;
        s->begin = 0;
    }
    if (s->end == s->half)
        return -EMSGSIZE;
    ssize_t n = receive(s, s->in + s->end, s->half - s->end, deadline);
    if (n > 0)
        s->end += (size_t)n;
    return n;
}

/* Up to a mark; strip_cr: a "\r" before it is the mark's too. */
static ssize_t until(weft_stream *s, const char *mark, size_t mark_size, bool strip_cr, char *out,
                     size_t max, weft_deadline deadline)
{
    size_t searched = 0;
    if (max == 0)
        return -EMSGSIZE;
    deadline = weft__fixed(deadline);
    for (;;) {
        size_t have = s->end - s->begin, size = have, take = have;
        unsigned char *from = s->in + s->begin;
        unsigned char *at = memmem(from + searched, have - searched, mark, mark_size);
        if (at) {
            size = (size_t)(at - from);
            take = size + mark_size;
        } else {
            searched = have >= mark_size ? have - mark_size + 1 : 0;
            ssize_t n = fill(s, deadline);
            if (n > 0)
                continue;
            if (n < 0)
                return n;
            if (have == 0)
                return -ENODATA;
            from = s->in + s->begin; /* the end of the stream ends the last line */
        }
        if (strip_cr && size > 0 && at && from[size - 1] == '\r')
            size--;
        if (size >= max)
            return -EMSGSIZE;
        memcpy(out, from, size);
        out[size] = 0;
        s->begin += take;
        return (ssize_t)size;
    }
}

ssize_t weft_stream_read_line(weft_stream *stream, char *out, size_t max, weft_deadline deadline)
{
    return until(stream, "\n", 1, true, out, max, deadline);
}

ssize_t weft_stream_read_until(weft_stream *stream, const char *mark, char *out, size_t max,
                               weft_deadline deadline)
{
    size_t size = strlen(mark);
    if (size < 1 || size > 16)
        return -EINVAL;
    return until(stream, mark, size, false, out, max, deadline);
}

static size_t take(weft_stream *s, void *out, size_t max)
{
    size_t have = s->end - s->begin, n = have < max ? have : max;
    memcpy(out, s->in + s->begin, n);
    s->begin += n;
    return n;
}

ssize_t weft_stream_read(weft_stream *stream, void *out, size_t max, weft_deadline deadline)
{
    if (max == 0)
        return 0;
    size_t n = take(stream, out, max);
    return n > 0 ? (ssize_t)n : receive(stream, out, max, deadline);
}

ssize_t weft_stream_read_exactly(weft_stream *stream, void *out, size_t size, weft_deadline deadline)
{
    size_t done = take(stream, out, size);
    deadline = weft__fixed(deadline);
    while (done < size) {
        ssize_t n = receive(stream, (char *)out + done, size - done, deadline);
        if (n <= 0)
            return n < 0 ? n : -ENODATA;
        done += (size_t)n;
    }
    return (ssize_t)size;
}
