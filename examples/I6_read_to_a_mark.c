/* I6 - read to a mark, then exactly so many bytes: what Python's asynchat does with terminators.
 *
 *     make example I6
 *
 * A sender knows no lines: its bytes leave in pieces that end anywhere. The reader asks for what it wants, a
 * header up to an empty line, a body of the length that the header names, and the stream keeps what came
 * too early for the next question. There is no callback to be called with half a line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft.h>

static int send_pieces(void *fd)
{
    static const char *const pieces[] = { "to: al",  "ice\r\nlength: 1",
                                          "1\r\n\r", "\nhello",
                                          " world",  "to: bob\r\nlength: 2\r\n\r\nhi" };
    for (int i = 0; i < 6; i++) {
        ssize_t n = weft_write(*(int *)fd, pieces[i], strlen(pieces[i]), weft_never());
        if (n < 0 || weft_yield() < 0)
            return -EPIPE;
    }
    return weft_close(*(int *)fd);
}

static int read_letters(void *fd)
{
    char buf[1024], header[256], body[64];
    weft_stream s;
    ssize_t n;
    weft_stream_init(&s, *(int *)fd, buf, sizeof buf);
    while ((n = weft_stream_read_until(&s, "\r\n\r\n", header, sizeof header, weft_never())) >= 0) {
        const char *length = strstr(header, "length: ");
        size_t size = length ? strtoul(length + 8, NULL, 10) : 0;
        if (size >= sizeof body)
            return -EMSGSIZE;
        n = weft_stream_read_exactly(&s, body, size, weft_after(5 * WEFT_SEC));
        if (n < 0)
            return (int)n;
        body[size] = 0;
        printf("%.*s: %s\n", (int)strcspn(header, "\r"), header, body);
    }
    weft_close(*(int *)fd);
    return n == -ENODATA ? 0 : (int)n;
}

int main(void)
{
    int ends[2];
    weft_group g;
    if (weft_socketpair(ends) < 0)
        return 1;
    weft_group_init(&g, 0);
    weft_group_spawn(&g, WEFT_COROUTINE, send_pieces, &ends[0]);
    weft_group_spawn(&g, WEFT_COROUTINE, read_letters, &ends[1]);
    return weft_group_wait(&g, weft_after(10 * WEFT_SEC)) < 0;
}
