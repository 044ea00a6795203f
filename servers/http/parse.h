/* http/parse.h - an HTTP/1 request's head and the chunked framing of its body, as RFC 9112 has them.
 *
 * No I/O and no memory of its own: the caller keeps the bytes from the head's first one in one place
 * and calls again with more of them. Nothing is lenient. A line ends with CR LF; a bare CR or LF, a
 * folded line, white space around a field's name, two lengths, a length beside a transfer coding, a
 * Host that is missing, double or malformed: each is 400, and nothing after it is believed.
 */
#ifndef HTTP_PARSE_H
#define HTTP_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HTTP_HEAD_MAX = 16384,  /* bytes from the method to the empty line, else 431 */
    HTTP_TARGET_MAX = 8192, /* of the request target, else 414 */
    HTTP_FIELDS_MAX = 100   /* field lines, else 431 */
};

enum http_method {
    HTTP_UNKNOWN,
    HTTP_GET,
    HTTP_HEAD,
    HTTP_OPTIONS,
    HTTP_POST,
    HTTP_PUT,
    HTTP_DELETE,
    HTTP_PATCH,
    HTTP_TRACE,
    HTTP_CONNECT
};

/* The fields that decide something here; each is found without a search. */
enum http_known {
    HTTP_HOST,
    HTTP_CONTENT_LENGTH,
    HTTP_TRANSFER_ENCODING,
    HTTP_CONNECTION,
    HTTP_EXPECT,
    HTTP_IF_MATCH,
    HTTP_IF_NONE_MATCH,
    HTTP_IF_MODIFIED_SINCE,
    HTTP_IF_UNMODIFIED_SINCE,
    HTTP_RANGE,
    HTTP_IF_RANGE,
    HTTP_KNOWN
};

struct http_slice { /* of the head */
    uint16_t at, size;
};

struct http_field {
    struct http_slice name, value; /* the value without white space around it */
};

struct http_head {
    const char *why;      /* words for an error */
    uint64_t length;      /* of the body; UINT64_MAX for more than that */
    uint32_t seen, twice; /* bits of enum http_known: there is such a field; there are several */
    uint16_t at;          /* the first line not yet understood */
    uint16_t fields_count;
    uint8_t method, minor; /* of HTTP/1.minor, at most 1 */
    bool has_method;       /* the request line is understood */
    bool skipped;          /* one empty line before it */
    bool chunked;
    bool keep_alive;                      /* as far as the request decides it */
    bool expect_continue;                 /* "Expect: 100-continue" */
    struct http_slice line, name, target; /* request line, method's name, target */
    struct http_slice path, query;        /* path is empty for "*" and CONNECT, query without "?" */
    struct http_slice authority;          /* of an absolute or authority form */
    struct http_slice known[HTTP_KNOWN];  /* the first value of each */
    struct http_field fields[HTTP_FIELDS_MAX]; /* in order; known ones too */
};

void http_head_begin(struct http_head *head);

/* Understand a head, or the lines of it that have come.
 *   buf, size  all bytes since the head's first; more of them than at the call before
 * Returns   > 0 the head's size: the body, or the next request, begins there; 0 more is needed;
 *           < 0 minus a status: 400, 414, 417, 431, 501, 505, with words in head->why
 */
int http_head_parse(struct http_head *head, const char *buf, size_t size);

static inline bool http_has(const struct http_head *head, enum http_known field)
{
    return head->seen >> field & 1;
}

struct http_chunked { /* zeroed to begin with */
    uint64_t left;    /* of the chunk */
    uint64_t total;   /* bytes of content so far */
    uint32_t extra;   /* bytes of extensions and trailers so far */
    uint8_t state, digits;
    const char *why;
};

/* Skip over a chunked body.
 *   used  how many of the bytes belong to the body
 * Returns   1 it has ended, trailers included; 0 more is needed; -400, words in why
 */
int http_chunked_skip(struct http_chunked *chunked, const char *buf, size_t size, size_t *used);

/* Is text of size bytes the lower-case word, whatever its case? */
bool http_is_word(const char *text, size_t size, const char *word);

/* The next element of a comma-separated list, without white space around it; empty ones are skipped.
 *   at  moved behind it
 * Returns   its first byte, or NULL at the end
 */
const char *http_list_next(const char **at, const char *end, size_t *size);

/* May this byte stand in a path as it is? */
bool http_is_path_byte(unsigned char byte);

#endif
