/* http/condition.h - what the conditions of a GET or HEAD mean for a file (RFC 9110 13 and 14). No I/O. */
#ifndef HTTP_CONDITION_H
#define HTTP_CONDITION_H

#include "http/parse.h"

/* What is known of the file that would be sent. */
struct http_version {
    const char *etag; /* strong, quotes included */
    size_t etag_size;
    int64_t modified; /* seconds since 1970 */
    uint64_t size;
};

/* Judge the conditions and the range of a request.
 *   from, to  what of the file to send: all of it, or with 206 from .. to - 1
 * Returns   200, 206, 304, 412 or 416
 */
int http_judge(const struct http_head *head, const char *buf, const struct http_version *version,
               uint64_t *from, uint64_t *to);

#endif
