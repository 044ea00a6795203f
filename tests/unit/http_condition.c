/* Dates, conditions and ranges: RFC 9110's 5.6.7, 13 and 14. */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "http/condition.h"
#include "http/date.h"

TEST(a_date_has_three_forms_and_one_of_our_own)
{
    char text[HTTP_DATE_SIZE + 1];
    static const char *const same[] = { "Sun, 06 Nov 1994 08:49:37 GMT",
                                        "Sunday, 06-Nov-94 08:49:37 GMT",
                                        "Sun Nov  6 08:49:37 1994", "Sun Nov 06 08:49:37 1994" };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        CHECK_EQ(http_date_parse(same[i], strlen(same[i])), 784111777);
    http_date_format(text, 784111777);
    CHECK_STR(text, same[0]);
    http_date_format(text, 0);
    CHECK_STR(text, "Thu, 01 Jan 1970 00:00:00 GMT");
    http_date_format(text, -1);
    CHECK_STR(text, "Wed, 31 Dec 1969 23:59:59 GMT");
    http_date_format(text, 951782400);
    CHECK_STR(text, "Tue, 29 Feb 2000 00:00:00 GMT");
    http_date_format(text, INT64_MAX);
    CHECK_STR(text, "Fri, 31 Dec 9999 23:59:59 GMT");
    http_date_format(text, INT64_MIN);
    CHECK_STR(text, "Mon, 01 Jan 0001 00:00:00 GMT");
}

TEST(every_day_is_written_and_read_alike)
{
    char text[HTTP_DATE_SIZE + 1];
    for (int64_t s = -5000000000; s < 50000000000; s += 86399 * 7) {
        http_date_format(text, s);
        CHECK_EQ(http_date_parse(text, HTTP_DATE_SIZE), s);
    }
}

TEST(what_is_no_date_is_none)
{
    static const char *const none[] = {
        "",
        "0",
        "yesterday",
        "Sun",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 32 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMTx",
        "Sux, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun, -6 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994 GMT",
    };
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        if (http_date_parse(none[i], strlen(none[i])) != INT64_MIN)
            FAIL("%s is taken for a date", none[i]);
}

#define BEFORE "Sun, 06 Nov 1994 08:49:36 GMT"
#define NOW    "Sun, 06 Nov 1994 08:49:37 GMT"
#define LATER  "Sun, 06 Nov 1994 08:49:38 GMT"

/* The file: 100 bytes, tag "t", modified NOW. */
static const struct {
    const char *fields;
    int status;
    unsigned from, to;
} cases[] = {
    { "", 200, 0, 100 },
    { "If-None-Match: \"t\"\r\n", 304, 0, 0 },
    { "If-None-Match: W/\"t\"\r\n", 304, 0, 0 },
    { "If-None-Match: *\r\n", 304, 0, 0 },
    { "If-None-Match: \"a\", \"t\"\r\n", 304, 0, 0 },
    { "If-None-Match: \"a,\" ,W/\"t\"\r\n", 304, 0, 0 },
    { "If-None-Match: \"a\"\r\n", 200, 0, 100 },
    { "If-None-Match: t\r\n", 200, 0, 100 },
    { "If-None-Match: \"t\r\n", 200, 0, 100 },
    { "If-None-Match:\r\n", 200, 0, 100 },
    { "If-None-Match: \"a\"\r\nIf-Modified-Since: " LATER "\r\n", 200, 0, 100 },
    { "If-Modified-Since: " NOW "\r\n", 304, 0, 0 },
    { "If-Modified-Since: " LATER "\r\n", 304, 0, 0 },
    { "If-Modified-Since: " BEFORE "\r\n", 200, 0, 100 },
    { "If-Modified-Since: nonsense\r\n", 200, 0, 100 },
    { "If-Match: \"t\"\r\n", 200, 0, 100 },
    { "If-Match: *\r\n", 200, 0, 100 },
    { "If-Match: W/\"t\"\r\n", 412, 0, 0 },
    { "If-Match: \"a\"\r\n", 412, 0, 0 },
    { "If-Match: \"t\"\r\nIf-Unmodified-Since: " BEFORE "\r\n", 200, 0, 100 },
    { "If-Unmodified-Since: " BEFORE "\r\n", 412, 0, 0 },
    { "If-Unmodified-Since: " NOW "\r\n", 200, 0, 100 },
    { "If-Unmodified-Since: nonsense\r\n", 200, 0, 100 },
    { "Range: bytes=0-0\r\n", 206, 0, 1 },
    { "Range: bytes=10-19\r\n", 206, 10, 20 },
    { "Range: bytes=10-\r\n", 206, 10, 100 },
    { "Range: bytes=10-1000\r\n", 206, 10, 100 },
    { "Range: bytes=99-99999999999999999999999\r\n", 206, 99, 100 },
    { "Range: bytes=-10\r\n", 206, 90, 100 },
    { "Range: bytes=-1000\r\n", 206, 0, 100 },
    { "Range: Bytes=0-1\r\n", 206, 0, 2 },
    { "Range: bytes=100-\r\n", 416, 0, 0 },
    { "Range: bytes=99999999999999999999999-\r\n", 416, 0, 0 },
    { "Range: bytes=-0\r\n", 416, 0, 0 },
    { "Range: bytes=5-4\r\n", 200, 0, 100 },
    { "Range: bytes=-\r\n", 200, 0, 100 },
    { "Range: bytes=\r\n", 200, 0, 100 },
    { "Range: bytes=0-1,3-4\r\n", 200, 0, 100 },
    { "Range: bytes=0-1,\r\n", 200, 0, 100 },
    { "Range: bytes = 0-1\r\n", 200, 0, 100 },
    { "Range: bytes=+0-1\r\n", 200, 0, 100 },
    { "Range: lines=0-1\r\n", 200, 0, 100 },
    { "Range: bytes=0-1\r\nRange: bytes=2-3\r\n", 200, 0, 100 },
    { "Range: bytes=0-1\r\nIf-Range: \"t\"\r\n", 206, 0, 2 },
    { "Range: bytes=0-1\r\nIf-Range: W/\"t\"\r\n", 200, 0, 100 },
    { "Range: bytes=0-1\r\nIf-Range: \"a\"\r\n", 200, 0, 100 },
    { "Range: bytes=0-1\r\nIf-Range: " NOW "\r\n", 206, 0, 2 },
    { "Range: bytes=0-1\r\nIf-Range: " LATER "\r\n", 200, 0, 100 },
    { "Range: bytes=0-1\r\nIf-Range: x\r\n", 200, 0, 100 },
    { "Range: bytes=0-1\r\nIf-None-Match: \"t\"\r\n", 304, 0, 0 },
};

static int judge(const char *method, const char *fields, uint64_t size, uint64_t *from, uint64_t *to)
{
    char text[512];
    struct http_head h;
    struct http_version version = { "\"t\"", 3, 784111777, size };
    int n = snprintf(text, sizeof text, "%s / HTTP/1.1\r\nHost: a\r\n%s\r\n", method, fields);
    http_head_begin(&h);
    CHECK_EQ(http_head_parse(&h, text, (size_t)n), n);
    return http_judge(&h, text, &version, from, to);
}

TEST(conditions_and_ranges_are_judged_as_rfc_9110_says)
{
    uint64_t from, to;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int status = judge("GET", cases[i].fields, 100, &from, &to);
        if (status != cases[i].status)
            FAIL("%sis %d, not %d", cases[i].fields, status, cases[i].status);
        if (status == 200 || status == 206) {
            CHECK_EQ(from, cases[i].from);
            CHECK_EQ(to, cases[i].to);
        }
    }
    CHECK_EQ(judge("HEAD", "Range: bytes=0-1\r\n", 100, &from, &to), 200);
    CHECK_EQ(judge("GET", "Range: bytes=0-\r\n", 0, &from, &to), 416);
    CHECK_EQ(judge("GET", "Range: bytes=-1\r\n", 0, &from, &to), 416);
}
