/* weft/stream.h - lines, exact sizes and formatted text over a descriptor, a connection or TLS. */
#ifndef WEFT_STREAM_H
#define WEFT_STREAM_H

#include <stdarg.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <weft/base.h>
#include <weft/conn.h>
#include <weft/time.h>

WEFT_BEGIN

/* What carries bytes to and from the other side, for things that stand on any such: streams, TLS. The two
 * functions are to keep the contracts of weft_read and weft_writev; on is what they work on. They run in the
 * task that uses what stands on them, and may wait, until the deadline. */
struct weft_carrier {
    ssize_t (*read)(void *on, void *buf, size_t size, weft_deadline deadline);
    ssize_t (*writev)(void *on, const struct iovec *iov, int count, weft_deadline deadline);
};

typedef struct weft_stream { /* private; 96 bytes */
    const struct weft_carrier *carrier;
    void *on;
    unsigned char *in, *out;
    size_t half, begin, end, pending; /* input lies at begin..end, output at 0..pending */
    int error;
    uint32_t _reserved[7];
} weft_stream;

/* Put a stream over a descriptor, a connection or something else, with the caller's buffer: one half for
 * what was read and not yet taken, one for what was written and not yet sent.
 *   carrier, on  its functions and what they work on; carrier must last as long as the stream
 *   size         of buf, >= 64; a line or other item can be as long as half of it
 * Returns   0; -EINVAL
 * Context   anywhere; a stream belongs to one task at a time
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_stream_init(weft_stream *stream, int fd, void *buf, size_t size);
WEFT_API int weft_stream_init_conn(weft_stream *stream, weft_conn *conn, void *buf, size_t size);
WEFT_API int weft_stream_init_over(weft_stream *stream, const struct weft_carrier *carrier,
                                   void *on, void *buf, size_t size);

/* Read a line or up to a mark. What is pending for output is sent first.
 *   out, max  text is ended with NUL; the line's "\n" or "\r\n", the mark, are taken and not stored
 *   mark      1 to 16 bytes
 * Returns   bytes stored, >= 0 (an empty line is 0); -ENODATA the peer has finished and nothing is
 *           left (bytes without their end at the very end count as a line); -EMSGSIZE longer than max
 *           or half the buffer: nothing is taken; -ETIMEDOUT, -ECANCELED: what has come stays for the
 *           next call; errors of weft_read
 * Context   the stream's task
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST ssize_t weft_stream_read_line(weft_stream *stream, char *out, size_t max,
                                                 weft_deadline deadline);
WEFT_API WEFT_MUST ssize_t weft_stream_read_until(weft_stream *stream, const char *mark, char *out,
                                                  size_t max, weft_deadline deadline);

/* Read what there is; read exactly so much.
 * Returns   bytes, as weft_read; exactly: size, or -ENODATA when the peer finishes before (what came
 *           is lost), and after -ETIMEDOUT or -ECANCELED what came is lost too
 * Context   the stream's task
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST ssize_t weft_stream_read(weft_stream *stream, void *out, size_t max,
                                            weft_deadline deadline);
WEFT_API WEFT_MUST ssize_t weft_stream_read_exactly(weft_stream *stream, void *out, size_t size,
                                                    weft_deadline deadline);

/* Write; it is sent when the half buffer is full, at a flush and before a read that must wait.
 * Returns   0; -ETIMEDOUT, -ECANCELED: nothing of data was taken and what is pending stays, unless a part
 *           of data was sent already; that, and other errors of weft_write, end writing: the same one
 *           comes again at every later write; printf: -EMSGSIZE longer than half the buffer,
 *           -EINVAL a bad format
 * Context   the stream's task
 * Cancels   yes, when it must send.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_stream_write(weft_stream *stream, const void *data, size_t size,
                                         weft_deadline deadline);
WEFT_API WEFT_MUST int weft_stream_printf(weft_stream *stream, weft_deadline deadline,
                                          const char *format, ...) WEFT_PRINTF(3, 4);
WEFT_API WEFT_MUST int weft_stream_vprintf(weft_stream *stream, weft_deadline deadline,
                                           const char *format, va_list args) WEFT_PRINTF(3, 0);
WEFT_API WEFT_MUST int weft_stream_flush(weft_stream *stream, weft_deadline deadline);

WEFT_END
#endif
