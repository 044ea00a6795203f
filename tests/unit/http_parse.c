/* The head and the chunked framing: RFC 9112's cases, each whole, byte by byte, and cut in two. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/parse.h"

#define HOST "Host: a\r\n"
#define GET  "GET / HTTP/1.1\r\n" HOST
#define TE   "Transfer-Encoding: "
#define CL   "Content-Length: "
#define POST "POST / HTTP/1.1\r\n" HOST

enum { WHOLE = 1, MORE = 0 };

static const struct {
    const char *head;
    int expected; /* WHOLE, MORE, or minus a status */
} heads[] = {
    /* request lines */
    { GET "\r\n", WHOLE },
    { "HEAD /x HTTP/1.1\r\n" HOST "\r\n", WHOLE },
    { "\r\n" GET "\r\n", WHOLE },
    { "\r\n\r\n" GET "\r\n", -400 },
    { "\n" GET "\r\n", -400 },
    { " " GET "\r\n", -400 },
    { "GET  / HTTP/1.1\r\n" HOST "\r\n", -400 },
    { "GET /  HTTP/1.1\r\n" HOST "\r\n", -400 },
    { "GET / HTTP/1.1 \r\n" HOST "\r\n", -400 },
    { "GET\t/ HTTP/1.1\r\n" HOST "\r\n", -400 },
    { "GET /\tHTTP/1.1\r\n" HOST "\r\n", -400 },
    { "GET / HTTP/1.1\n" HOST "\r\n", -400 },
    { "GET / HTTP/1.1\r" HOST "\r\n", -400 },
    { "GET /\r\n", -400 },
    { "GET / \r\n\r\n", -400 },
    { "GET / http/1.1\r\n" HOST "\r\n", -400 },
    { "GET / HTTP/1.\r\n" HOST "\r\n", -400 },
    { "GET / HTTP/11\r\n" HOST "\r\n", -400 },
    { "GET / HTTP/1.10\r\n" HOST "\r\n", -400 },
    { "GET / HTTP/01.1\r\n" HOST "\r\n", -400 },
    { "GET / HTTP/1,1\r\n" HOST "\r\n", -400 },
    { "GET / HTTPS/1.1\r\n" HOST "\r\n", -400 },
    { "GET / HTTP/0.9\r\n" HOST "\r\n", -505 },
    { "GET / HTTP/2.0\r\n" HOST "\r\n", -505 },
    { "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", -505 },
    { "GET / HTTP/1.2\r\n" HOST "\r\n", WHOLE },
    { "GET / HTTP/1.0\r\n\r\n", WHOLE },
    { "get / HTTP/1.1\r\n" HOST "\r\n", WHOLE }, /* a method that is not known; the caller says 501 */
    { "BREW / HTTP/1.1\r\n" HOST "\r\n", WHOLE },
    { "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\n", -501 },
    { "G(T / HTTP/1.1\r\n" HOST "\r\n", -400 },
    { "G\x80T / HTTP/1.1\r\n" HOST "\r\n", -400 },
    { ": / HTTP/1.1\r\n" HOST "\r\n", -400 },
    /* other protocols */
    { "USER anonymous\r\n", -400 },
    { "NICK someone\r\n", -400 },
    { "*1\r\n$4\r\nPING\r\n", -400 },
    { "EHLO x\r\n", -400 },
    { "\x16\x03\x01\x02", -400 },
    { "SSH-2.0-OpenSSH_9.2\r\n", -400 },
    { "QUIT\r\n", -400 },
    /* targets */
    { "GET /a%20b?x=%zz HTTP/1.1\r\n" HOST "\r\n",
      WHOLE }, /* escapes are judged where they are undone */
    { "GET /|[]?{}^`\\|[]/?? HTTP/1.1\r\n" HOST "\r\n", WHOLE },
    { "GET /\\ HTTP/1.1\r\n" HOST "\r\n", -400 },
    { "GET /{ HTTP/1.1\r\n" HOST "\r\n", -400 },
    { "GET /a#b HTTP/1.1\r\n" HOST "\r\n", -400 },
    { "GET /?a#b HTTP/1.1\r\n" HOST "\r\n", -400 },
    { "GET /\" HTTP/1.1\r\n" HOST "\r\n", -400 },
    { "GET /<x> HTTP/1.1\r\n" HOST "\r\n", -400 },
    { "GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n", -400 },
    { "GET /\x01 HTTP/1.1\r\n" HOST "\r\n", -400 },
    { "GET /\x7f HTTP/1.1\r\n" HOST "\r\n", -400 },
    { "GET index.html HTTP/1.1\r\n" HOST "\r\n", -400 },
    { "GET ? HTTP/1.1\r\n" HOST "\r\n", -400 },
    { "GET http://a/x?y HTTP/1.1\r\n" HOST "\r\n", WHOLE },
    { "GET HTTP://A:80/x HTTP/1.1\r\n" HOST "\r\n", WHOLE },
    { "GET http://a HTTP/1.1\r\n" HOST "\r\n", WHOLE },
    { "GET http://a?x HTTP/1.1\r\n" HOST "\r\n", WHOLE },
    { "GET http://b/ HTTP/1.1\r\n" HOST "\r\n", -400 },
    { "GET http:/// HTTP/1.1\r\n" HOST "\r\n", -400 },
    { "GET http:// HTTP/1.1\r\n" HOST "\r\n", -400 },
    { "GET http://u@a/ HTTP/1.1\r\n" HOST "\r\n", -400 },
    { "GET https://a/ HTTP/1.1\r\n" HOST "\r\n", -400 },
    { "GET ftp://a/ HTTP/1.1\r\n" HOST "\r\n", -400 },
    { "GET * HTTP/1.1\r\n" HOST "\r\n", -400 },
    { "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", WHOLE },
    { "OPTIONS *x HTTP/1.1\r\n" HOST "\r\n", -400 },
    { "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", WHOLE },
    { "CONNECT /x HTTP/1.1\r\n" HOST "\r\n", -400 },
    /* Host */
    { "GET / HTTP/1.1\r\n\r\n", -400 },
    { "GET / HTTP/1.1\r\n" HOST HOST "\r\n", -400 },
    { "GET / HTTP/1.0\r\n" HOST HOST "\r\n", -400 },
    { "GET / HTTP/1.1\r\nHost:\r\n\r\n", -400 },
    { "GET / HTTP/1.1\r\nHost: \r\n\r\n", -400 },
    { "GET / HTTP/1.1\r\nhOsT:a\r\n\r\n", WHOLE },
    { "GET / HTTP/1.1\r\nHost: a:80\r\n\r\n", WHOLE },
    { "GET / HTTP/1.1\r\nHost: a:\r\n\r\n", WHOLE },
    { "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", -400 },
    { "GET / HTTP/1.1\r\nHost: a:80:80\r\n\r\n", -400 },
    { "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", WHOLE },
    { "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", -400 },
    { "GET / HTTP/1.1\r\nHost: []\r\n\r\n", -400 },
    { "GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n", -400 },
    { "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", -400 },
    { "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", -400 },
    { "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", -400 },
    { "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", WHOLE }, /* odd, but RFC 3986 has commas */
    /* field lines */
    { GET "A:b\r\n\r\n", WHOLE },
    { GET "A: \t b \t \r\n\r\n", WHOLE },
    { GET "A:\r\n\r\n", WHOLE },
    { GET "A: b\tc d\r\n\r\n", WHOLE },
    { GET "A: \xc3\xa9\xff\r\n\r\n", WHOLE },
    { GET "A : b\r\n\r\n", -400 },
    { GET "A\t: b\r\n\r\n", -400 },
    { GET " A: b\r\n\r\n", -400 },
    { GET "A: b\r\n c\r\n\r\n", -400 },
    { GET "A: b\r\n\tc\r\n\r\n", -400 },
    { GET "A: b\n\r\n", -400 },
    { GET "A: b\n\n", -400 },
    { GET "A: b\rc\r\n\r\n", -400 },
    { GET "A: b\r\r\n\r\n", -400 },
    { GET "A: b\x01\r\n\r\n", -400 },
    { GET "A: b\x7f\r\n\r\n", -400 },
    { GET "A: 12345678\x0b\r\n\r\n", -400 },
    { GET "A\r\n\r\n", -400 },
    { GET ": b\r\n\r\n", -400 },
    { GET "A(: b\r\n\r\n", -400 },
    { GET "A\xc3: b\r\n\r\n", -400 },
    { GET "A_b: c\r\n\r\n", WHOLE },
    { GET "\n", -400 },
    { GET "\r\r\n", -400 },
    { GET "A: b\r\n", MORE },
    { GET "A: b\r", MORE },
    { GET "\r", MORE },
    { "", MORE },
    { "G", MORE },
    { "GET / HTTP/1.1", MORE },
    /* lengths */
    { POST CL "5\r\n\r\n", WHOLE },
    { POST CL "0\r\n\r\n", WHOLE },
    { POST CL "005\r\n\r\n", WHOLE },
    { POST CL " 5 \r\n\r\n", WHOLE },
    { POST CL "99999999999999999999999\r\n\r\n", WHOLE },
    { POST CL "99999999999999999999999x\r\n\r\n", -400 },
    { POST CL "\r\n\r\n", -400 },
    { POST CL "-1\r\n\r\n", -400 },
    { POST CL "+5\r\n\r\n", -400 },
    { POST CL "0x5\r\n\r\n", -400 },
    { POST CL "5 5\r\n\r\n", -400 },
    { POST CL "5,5\r\n\r\n", -400 },
    { POST CL "5.0\r\n\r\n", -400 },
    { POST CL "5\r\n" CL "5\r\n\r\n", -400 },
    { POST CL "5\r\n" CL "6\r\n\r\n", -400 },
    { POST CL "5\r\ncontent-LENGTH: 5\r\n\r\n", -400 },
    { "GET / HTTP/1.0\r\n" CL "5\r\n\r\n", WHOLE },
    /* transfer codings */
    { POST TE "chunked\r\n\r\n", WHOLE },
    { POST TE "Chunked\r\n\r\n", WHOLE },
    { POST TE "chunked\r\n" CL "5\r\n\r\n", -400 },
    { POST CL "5\r\n" TE "chunked\r\n\r\n", -400 },
    { POST TE "chunked\r\n" TE "chunked\r\n\r\n", -400 },
    { POST TE "chunked, chunked\r\n\r\n", -400 },
    { POST TE "gzip, chunked\r\n\r\n", -501 },
    { POST TE "gzip\r\n\r\n", -400 },
    { POST TE "chunked, gzip\r\n\r\n", -400 },
    { POST TE "identity\r\n\r\n", -400 },
    { POST TE "xchunked\r\n\r\n", -400 },
    { POST TE "chunkedx\r\n\r\n", -400 },
    { POST TE "chunked;a=b\r\n\r\n", -400 },
    { POST TE "\"chunked\"\r\n\r\n", -400 },
    { POST TE "\x0b"
              "chunked\r\n\r\n",
      -400 },
    { POST TE "\r\n\r\n", -400 },
    { POST TE ",\r\n\r\n", -400 },
    { "POST / HTTP/1.0\r\n" TE "chunked\r\n\r\n", -400 },
    /* expectations */
    { POST CL "5\r\nExpect: 100-continue\r\n\r\n", WHOLE },
    { POST CL "5\r\nExpect: 100-Continue\r\n\r\n", WHOLE },
    { POST CL "5\r\nExpect: tea\r\n\r\n", -417 },
    { "POST / HTTP/1.0\r\nExpect: tea\r\n\r\n", WHOLE },
};

static int sign(int r)
{
    return r > 0 ? WHOLE : r;
}

/* The bytes lie at the end of a block of their size, so that a sanitizer sees a read behind them. */
static int parse_exactly(struct http_head *h, const char *text, size_t size)
{
    char *copy = malloc(size ? size : 1);
    memcpy(copy, text, size);
    int r = http_head_parse(h, copy, size);
    free(copy);
    return r;
}

TEST(a_head_is_judged_as_rfc_9112_says)
{
    struct http_head h;
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        http_head_begin(&h);
        int r = parse_exactly(&h, heads[i].head, strlen(heads[i].head));
        if (sign(r) != heads[i].expected)
            FAIL("%s\nis %d (%s), not %d", heads[i].head, r, h.why, heads[i].expected);
        if (r < 0)
            CHECK(h.why != NULL);
        if (r == WHOLE)
            CHECK_EQ(r, strlen(heads[i].head));
    }
}

TEST(the_pieces_in_which_a_head_comes_do_not_matter)
{
    struct http_head h;
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        const char *text = heads[i].head;
        size_t size = strlen(text);
        int r = 0;
        http_head_begin(&h);
        for (size_t n = 0; n <= size && r == 0; n++)
            r = parse_exactly(&h, text, n);
        if (sign(r) != heads[i].expected)
            FAIL("%s\nbyte by byte is %d, not %d", text, r, heads[i].expected);
        for (size_t cut = 0; cut < size; cut++) {
            http_head_begin(&h);
            r = parse_exactly(&h, text, cut);
            if (r == 0)
                r = parse_exactly(&h, text, size);
            if (sign(r) != heads[i].expected)
                FAIL("%s\ncut at %zu is %d, not %d", text, cut, r, heads[i].expected);
        }
    }
}

#define CHECK_SLICE(slice, text)                         \
    do {                                                 \
        CHECK_EQ((slice).size, strlen(text));            \
        CHECK_MEM(buf + (slice).at, text, strlen(text)); \
    } while (0)

TEST(the_parts_of_a_head_are_found)
{
    static const char buf[] = "\r\nGET http://a:80/x/y?q=1&r HTTP/1.1\r\nHost:a\r\nX-Empty:\r\n"
                              "If-None-Match: \"1\" \r\nRange:bytes=0-\r\nif-none-match: \"2\"\r\n"
                              "\r\nrest";
    struct http_head h;
    http_head_begin(&h);
    int r = http_head_parse(&h, buf, sizeof buf - 1);
    CHECK_EQ(r, sizeof buf - 1 - 4);
    CHECK_EQ(h.method, HTTP_GET);
    CHECK_EQ(h.minor, 1);
    CHECK(h.keep_alive && !h.chunked && !h.expect_continue);
    CHECK_SLICE(h.line, "GET http://a:80/x/y?q=1&r HTTP/1.1");
    CHECK_SLICE(h.path, "/x/y");
    CHECK_SLICE(h.query, "q=1&r");
    CHECK_SLICE(h.authority, "a:80");
    CHECK_SLICE(h.known[HTTP_IF_NONE_MATCH], "\"1\"");
    CHECK_SLICE(h.known[HTTP_RANGE], "bytes=0-");
    CHECK(h.twice == 1u << HTTP_IF_NONE_MATCH);
    CHECK_EQ(h.fields_count, 5);
    CHECK_SLICE(h.fields[1].name, "X-Empty");
    CHECK_SLICE(h.fields[1].value, "");
}

static bool stays(const char *text)
{
    struct http_head h;
    http_head_begin(&h);
    CHECK(http_head_parse(&h, text, strlen(text)) > 0);
    return h.keep_alive;
}

TEST(a_connection_stays_as_its_version_and_fields_say)
{
    CHECK(stays(GET "\r\n"));
    CHECK(!stays(GET "Connection: close\r\n\r\n"));
    CHECK(!stays(GET "Connection: x, CLOSE\r\n\r\n"));
    CHECK(!stays(GET "Connection: keep-alive\r\nConnection: ,close\r\n\r\n"));
    CHECK(stays(GET "Connection: closed\r\n\r\n"));
    CHECK(stays(GET "Connection: Upgrade, HTTP2-Settings\r\n\r\n"));
    CHECK(!stays("GET / HTTP/1.0\r\n\r\n"));
    CHECK(stays("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"));
    CHECK(!stays("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n"));
}

static int parse_long(const char *begin, const char *part, size_t times, const char *end)
{
    size_t size = strlen(begin) + strlen(part) * times + strlen(end);
    char *text = malloc(size + 1), *at = text;
    struct http_head h;
    CHECK(text != NULL);
    at += sprintf(at, "%s", begin);
    while (times-- > 0)
        at += sprintf(at, "%s", part);
    sprintf(at, "%s", end);
    http_head_begin(&h);
    int r = parse_exactly(&h, text, size), slow = 0;
    http_head_begin(&h); /* in pieces of 1,000 bytes it is the same */
    for (size_t n = 1000; slow == 0 && n < size + 1000; n += 1000)
        slow = parse_exactly(&h, text, n < size ? n : size);
    CHECK_EQ(sign(slow), sign(r));
    free(text);
    return r;
}

TEST(what_is_too_long_is_refused_with_its_own_status)
{
    CHECK(parse_long("GET /", "x", HTTP_TARGET_MAX - 1, " HTTP/1.1\r\n" HOST "\r\n") > 0);
    CHECK_EQ(parse_long("GET /", "x", HTTP_TARGET_MAX, " HTTP/1.1\r\n" HOST "\r\n"), -414);
    CHECK_EQ(parse_long("GET /", "x", HTTP_TARGET_MAX, ""), -414);
    CHECK_EQ(parse_long("GET /?", "x", 100000, ""), -414);
    CHECK(parse_long(GET, "A: b\r\n", HTTP_FIELDS_MAX - 1, "\r\n") > 0);
    CHECK_EQ(parse_long(GET, "A: b\r\n", HTTP_FIELDS_MAX, "\r\n"), -431);
    CHECK_EQ(parse_long(GET "A: ", "b", HTTP_HEAD_MAX, "\r\n\r\n"), -431);
    CHECK_EQ(parse_long(GET, "b", HTTP_HEAD_MAX, ""), -431);
    CHECK_EQ(parse_long(GET "A: ", " ", HTTP_HEAD_MAX, ""), -431);
    size_t others = strlen(GET "A: \r\n\r\n");
    CHECK_EQ(parse_long(GET "A: ", "b", HTTP_HEAD_MAX - others, "\r\n\r\n"), HTTP_HEAD_MAX);
    CHECK_EQ(parse_long(GET "A: ", "b", HTTP_HEAD_MAX - others + 1, "\r\n\r\n"), -431);
}

TEST(text_is_searched_for_control_bytes_at_every_place)
{
    char text[256];
    struct http_head h;
    for (int length = 1; length < 40; length++)
        for (int place = 0; place < length; place++)
            for (int byte = 1; byte < 256; byte++) {
                int n = sprintf(text, GET "A:%.*s\r\n\r\n", length,
                                "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb");
                text[sizeof GET - 1 + 2 + (size_t)place] = (char)byte;
                http_head_begin(&h);
                bool is_bad = (byte < 0x20 && byte != '\t') || byte == 0x7f;
                CHECK_EQ(http_head_parse(&h, text, (size_t)n), is_bad ? -400 : n);
            }
    int n = sprintf(text, GET "A:b?c\r\n\r\n");
    text[sizeof GET - 1 + 3] = 0;
    http_head_begin(&h);
    CHECK_EQ(http_head_parse(&h, text, (size_t)n), -400);
}

/* -- chunked ------------------------------------------------------------------------------------------ */

static const struct {
    const char *body;
    int expected; /* 1, 0, -400 */
    unsigned total;
} bodies[] = {
    { "0\r\n\r\n", 1, 0 },
    { "5\r\nhello\r\n0\r\n\r\n", 1, 5 },
    { "5\r\nhello\r\n00\r\n\r\n", 1, 5 },
    { "A\r\n0123456789\r\n1\r\nx\r\n0\r\n\r\n", 1, 11 },
    { "a\r\n0123456789\r\n0\r\nA: b\r\nC:\r\n\r\n", 1, 10 },
    { "5;a\r\nhello\r\n0\r\n\r\n", 1, 5 },
    { "5;a=b;c=\"d;\\\"\"\r\nhello\r\n0;x\r\n\r\n", 1, 5 },
    { "5 ; a = b\r\nhello\r\n0\r\n\r\n", 1, 5 },
    { "5 ;a\r\nhello\r\n0\r\n\r\n", 1, 5 },
    { "5", 0, 0 },
    { "5\r\nhel", 0, 3 },
    { "0\r\n", 0, 0 },
    { "0\r\nA: b\r\n", 0, 0 },
    { "\r\n", -400, 0 },
    { "5\nhello\r\n0\r\n\r\n", -400, 0 },
    { "5\r\nhello0\r\n\r\n", -400, 0 },
    { "5\r\nhello!\r\n0\r\n\r\n", -400, 0 },
    { "5\r\nhello\n0\r\n\r\n", -400, 0 },
    { "5\r\nhello\r0\r\n\r\n", -400, 0 },
    { "5\rhello\r\n0\r\n\r\n", -400, 0 },
    { "5 \r\nhello\r\n0\r\n\r\n", -400, 0 },
    { " 5\r\nhello\r\n0\r\n\r\n", -400, 0 },
    { "5;\r\nhello\r\n0\r\n\r\n", -400, 0 },
    { "5;a=\r\nhello\r\n0\r\n\r\n", -400, 0 },
    { "5;a=\"b\r\nhello\r\n0\r\n\r\n", -400, 0 },
    { "5;a b\r\nhello\r\n0\r\n\r\n", -400, 0 },
    { "5;a\nhello\r\n0\r\n\r\n", -400, 0 },
    { "0x5\r\nhello\r\n0\r\n\r\n", -400, 0 },
    { "5_0\r\nhello\r\n0\r\n\r\n", -400, 0 },
    { "-5\r\nhello\r\n0\r\n\r\n", -400, 0 },
    { "+5\r\nhello\r\n0\r\n\r\n", -400, 0 },
    { "g\r\n", -400, 0 },
    { "10000000000000005\r\nhello\r\n0\r\n\r\n", -400, 0 },
    { "00000000000000005\r\nhello\r\n0\r\n\r\n", -400, 0 },
    { "fffffffffffffffff\r\n", -400, 0 },
    { "0\r\nA : b\r\n\r\n", -400, 0 },
    { "0\r\n A: b\r\n\r\n", -400, 0 },
    { "0\r\nA\r\n\r\n", -400, 0 },
    { "0\r\nA: b\n\r\n", -400, 0 },
    { "0\r\nA: \x01\r\n\r\n", -400, 0 },
    { "0\r\n\rx", -400, 0 },
};

TEST(a_chunked_body_is_judged_as_rfc_9112_says)
{
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        const char *text = bodies[i].body;
        size_t size = strlen(text), used = 0;
        struct http_chunked c = { 0 };
        int r = http_chunked_skip(&c, text, size, &used);
        if (r != bodies[i].expected)
            FAIL("%s\nis %d (%s), not %d", text, r, c.why, bodies[i].expected);
        if (r >= 0)
            CHECK_EQ(c.total, bodies[i].total);
        if (r > 0)
            CHECK_EQ(used, size);
        c = (struct http_chunked){ 0 };
        r = 0;
        for (size_t n = 0; n < size && r == 0; n++) {
            r = http_chunked_skip(&c, text + n, 1, &used);
            CHECK(used == 1);
        }
        CHECK_EQ(r, bodies[i].expected);
    }
}

TEST(a_chunked_body_ends_where_it_ends)
{
    static const char text[] = "3\r\nabc\r\n0\r\n\r\nGET / HTTP/1.1\r\n";
    struct http_chunked c = { 0 };
    size_t used;
    CHECK_EQ(http_chunked_skip(&c, text, sizeof text - 1, &used), 1);
    CHECK_EQ(used, 13);
}

TEST(extensions_and_trailers_have_a_bound)
{
    static char text[20000];
    struct http_chunked c = { 0 };
    size_t used;
    memset(text, 'a', sizeof text);
    memcpy(text, "5;", 2);
    CHECK_EQ(http_chunked_skip(&c, text, sizeof text, &used), -400);
    c = (struct http_chunked){ 0 };
    memcpy(text, "0\r\nA:", 5);
    CHECK_EQ(http_chunked_skip(&c, text, sizeof text, &used), -400);
}
