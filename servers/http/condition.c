/* condition.c - see condition.h.
 *
 * The order is RFC 9110's 13.2.2. A condition that is malformed, or that comes twice where it may not,
 * does not hold; a malformed range, and several ranges in one field, are answered with the whole file.
 */
#include "http/condition.h"

#include <string.h>

#include "http/date.h"

/* Is the file's tag among those of a field? weak: W/"x" counts as "x"; a weak tag matches nothing
 * strongly. */
static bool has_tag(const struct http_head *head, const char *buf, enum http_known field,
                    const struct http_version *version, bool weak)
{
    struct http_slice v = head->known[field];
    const char *p = buf + v.at, *end = p + v.size;
    if (v.size == 1 && *p == '*')
        return true;
    while (p < end) {
        while (p < end && (*p == ',' || *p == ' ' || *p == '\t'))
            p++;
        bool is_weak = end - p > 2 && p[0] == 'W' && p[1] == '/';
        p += is_weak ? 2 : 0;
        const char *close =
            end - p > 1 && *p == '"' ? memchr(p + 1, '"', (size_t)(end - p - 1)) : NULL;
        if (!close)
            return false;
        size_t size = (size_t)(close + 1 - p);
        if (size == version->etag_size && memcmp(p, version->etag, size) == 0 && (weak || !is_weak))
            return true;
        p = close + 1;
    }
    return false;
}

static int64_t date_of(const struct http_head *head, const char *buf, enum http_known field)
{
    struct http_slice v = head->known[field];
    return head->twice >> field & 1 ? INT64_MIN : http_date_parse(buf + v.at, v.size);
}

static bool if_range_holds(const struct http_head *head, const char *buf,
                           const struct http_version *version)
{
    struct http_slice v = head->known[HTTP_IF_RANGE];
    const char *p = buf + v.at;
    if (!http_has(head, HTTP_IF_RANGE))
        return true;
    if (head->twice >> HTTP_IF_RANGE & 1)
        return false;
    if (v.size && *p == '"')
        return v.size == version->etag_size && memcmp(p, version->etag, v.size) == 0;
    return http_date_parse(p, v.size) == version->modified;
}

/* Digits to a number that stops growing at the largest. false: none. */
static bool number(const char **at, const char *end, uint64_t *out)
{
    const char *p = *at;
    uint64_t n = 0;
    for (; p < end && *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(n, 10u, &n) ||
            __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n))
            n = UINT64_MAX / 10;
    bool any = p > *at;
    *at = p;
    *out = n;
    return any;
}

/* One range of bytes. 200: not one, so it is as if it were not there. */
static int range(const struct http_head *head, const char *buf, uint64_t size, uint64_t *from,
                 uint64_t *to)
{
    struct http_slice v = head->known[HTTP_RANGE];
    const char *p = buf + v.at, *end = p + v.size;
    if (head->twice >> HTTP_RANGE & 1 || v.size < 8 || !http_is_word(p, 6, "bytes="))
        return 200;
    p += 6;
    uint64_t first, last;
    bool has_first = number(&p, end, &first);
    if (p == end || *p++ != '-')
        return 200;
    bool has_last = number(&p, end, &last);
    if (p != end || (!has_first && !has_last) || (has_first && has_last && last < first))
        return 200;
    if (!has_first) {
        if (last == 0 || size == 0)
            return 416;
        *from = last < size ? size - last : 0;
        *to = size;
        return 206;
    }
    if (first >= size)
        return 416;
    *from = first;
    *to = has_last && last < size ? last + 1 : size;
    return 206;
}

int http_judge(const struct http_head *head, const char *buf, const struct http_version *version,
               uint64_t *from, uint64_t *to)
{
    const uint32_t all = 1u << HTTP_IF_MATCH | 1u << HTTP_IF_NONE_MATCH |
                         1u << HTTP_IF_MODIFIED_SINCE | 1u << HTTP_IF_UNMODIFIED_SINCE |
                         1u << HTTP_RANGE;
    *from = 0;
    *to = version->size;
    if (!(head->seen & all))
        return 200;
    if (http_has(head, HTTP_IF_MATCH)) {
        if (!has_tag(head, buf, HTTP_IF_MATCH, version, false))
            return 412;
    } else if (http_has(head, HTTP_IF_UNMODIFIED_SINCE)) {
        int64_t date = date_of(head, buf, HTTP_IF_UNMODIFIED_SINCE);
        if (date != INT64_MIN && version->modified > date)
            return 412;
    }
    if (http_has(head, HTTP_IF_NONE_MATCH)) {
        if (has_tag(head, buf, HTTP_IF_NONE_MATCH, version, true))
            return 304;
    } else if (http_has(head, HTTP_IF_MODIFIED_SINCE)) {
        int64_t date = date_of(head, buf, HTTP_IF_MODIFIED_SINCE);
        if (date != INT64_MIN && version->modified <= date)
            return 304;
    }
    if (head->method != HTTP_GET || !http_has(head, HTTP_RANGE) ||
        !if_range_holds(head, buf, version))
        return 200;
    return range(head, buf, version->size, from, to);
}
