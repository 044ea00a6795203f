/* parse.c - see parse.h.
 *
 * One pass: each byte is looked at once, values eight at a time. A head that comes in pieces is taken
 * up again at the line where it broke off, so only that line is read twice; with lines of at most
 * 16 KiB that costs less than the packet that brought the piece.
 */
#include "http/parse.h"

#include <string.h>

enum { TOKEN = 1, PATH = 2, QUERY = 4, REG_NAME = 8, METHOD_MAX = 32, EXTRA_MAX = 8192 };

/* Paths are RFC 3986's and "|", "[" and "]", which browsers send as they are; queries are whatever
 * browsers leave unescaped. */
#define ALL (TOKEN | PATH | QUERY | REG_NAME)
static const uint8_t classes[256] = {
    ['0' ... '9'] = ALL,
    ['A' ... 'Z'] = ALL,
    ['a' ... 'z'] = ALL,
    ['!'] = ALL,
    ['$'] = ALL,
    ['%'] = ALL,
    ['&'] = ALL,
    ['\''] = ALL,
    ['*'] = ALL,
    ['+'] = ALL,
    ['-'] = ALL,
    ['.'] = ALL,
    ['_'] = ALL,
    ['~'] = ALL,
    ['('] = PATH | QUERY | REG_NAME,
    [')'] = PATH | QUERY | REG_NAME,
    [','] = PATH | QUERY | REG_NAME,
    [';'] = PATH | QUERY | REG_NAME,
    ['='] = PATH | QUERY | REG_NAME,
    ['/'] = PATH | QUERY,
    [':'] = PATH | QUERY,
    ['@'] = PATH | QUERY,
    ['['] = PATH | QUERY,
    [']'] = PATH | QUERY,
    ['?'] = QUERY,
    ['\\'] = QUERY,
    ['{'] = QUERY,
    ['}'] = QUERY,
    ['|'] = TOKEN | PATH | QUERY,
    ['#'] = TOKEN,
    ['^'] = TOKEN | QUERY,
    ['`'] = TOKEN | QUERY,
};

static bool is(char c, unsigned class)
{
    return classes[(unsigned char)c] & class;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool http_is_path_byte(unsigned char byte)
{
    return (classes[byte] & PATH) && byte != '%';
}

bool http_is_word(const char *text, size_t size, const char *word)
{
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (c >= 'A' && c <= 'Z')
            c = (char)(c | 0x20);
        if (!word[i] || c != word[i])
            return false;
    }
    return !word[size];
}

const char *http_list_next(const char **at, const char *end, size_t *size)
{
    const char *p = *at;
    while (p < end && (*p == ',' || *p == ' ' || *p == '\t'))
        p++;
    const char *first = p, *last = p;
    for (; p < end && *p != ','; p++)
        if (*p != ' ' && *p != '\t')
            last = p + 1;
    *at = p;
    *size = (size_t)(last - first);
    return *size ? first : NULL;
}

void http_head_begin(struct http_head *head)
{
    memset(head, 0, offsetof(struct http_head, fields));
}

static int fail(struct http_head *head, int status, const char *why)
{
    head->why = why;
    return -status;
}

static struct http_slice slice(size_t from, size_t to)
{
    return (struct http_slice){ (uint16_t)from, (uint16_t)(to - from) };
}

/* -- the request line ------------------------------------------------------------------------------ */

static enum http_method method_of(const char *name, size_t size)
{
    static const struct {
        const char *name;
        uint8_t size, method;
    } methods[] = {
        { "GET", 3, HTTP_GET },     { "HEAD", 4, HTTP_HEAD },   { "OPTIONS", 7, HTTP_OPTIONS },
        { "POST", 4, HTTP_POST },   { "PUT", 3, HTTP_PUT },     { "DELETE", 6, HTTP_DELETE },
        { "PATCH", 5, HTTP_PATCH }, { "TRACE", 5, HTTP_TRACE }, { "CONNECT", 7, HTTP_CONNECT },
    };
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (size == methods[i].size && memcmp(name, methods[i].name, size) == 0)
            return (enum http_method)methods[i].method;
    return HTTP_UNKNOWN;
}

/* uri-host [":" port]; an empty host is none. */
static bool host_is_valid(const char *p, size_t size)
{
    size_t i = 0;
    if (size && p[0] == '[') {
        for (i = 1; i < size && p[i] != ']'; i++)
            if (!is(p[i], REG_NAME) && p[i] != ':')
                return false;
        if (i < 3 || i == size)
            return false;
        i++;
    } else {
        while (i < size && is(p[i], REG_NAME))
            i++;
        if (i == 0)
            return false;
    }
    if (i < size && p[i++] != ':')
        return false;
    while (i < size && is_digit(p[i]))
        i++;
    return i == size;
}

/* Which of its four forms a target has, and its parts. */
static int target_form(struct http_head *h, const char *buf)
{
    size_t from = h->target.at, end = from + h->target.size;
    const char *t = buf + from;
    if (h->method == HTTP_CONNECT) {
        h->authority = h->target;
        return host_is_valid(t, h->target.size) ? 0
                                                : fail(h, 400, "CONNECT needs a host and a port");
    }
    if (h->target.size == 1 && *t == '*')
        return h->method == HTTP_OPTIONS ? 0 : fail(h, 400, "the target * is for OPTIONS");
    if (*t != '/') {
        if (h->target.size < 8 || !http_is_word(t, 7, "http://"))
            return fail(h, 400, "the target is neither a path nor an http address");
        size_t host = from += 7;
        while (from < end && buf[from] != '/' && buf[from] != '?')
            from++;
        h->authority = slice(host, from);
        if (!host_is_valid(buf + host, from - host))
            return fail(h, 400, "the target's host is malformed");
    }
    const char *mark = memchr(buf + from, '?', end - from);
    size_t path_end = mark ? (size_t)(mark - buf) : end;
    h->path = slice(from, path_end);
    if (mark)
        h->query = slice(path_end + 1, end);
    return 0;
}

/* Returns where the next line begins; 0 more is needed. */
static int request_line(struct http_head *h, const char *buf, size_t size)
{
    size_t from = h->at, i = from;
    if (!h->skipped && size > from && buf[from] == '\r') { /* one empty line, as RFC 9112 2.2 asks */
        if (size == from + 1)
            return 0;
        if (buf[from + 1] != '\n')
            return fail(h, 400, "a bare carriage return");
        h->skipped = true;
        h->at = (uint16_t)(from += 2);
        i = from;
    }
    while (i < size && is(buf[i], TOKEN))
        i++;
    if (i - from > METHOD_MAX)
        return fail(h, 501, "the method is too long");
    if (i == size)
        return 0;
    if (i == from || buf[i] != ' ')
        return fail(h, 400, "this is not an HTTP request");
    h->name = slice(from, i);
    size_t target = ++i;
    while (i < size && is(buf[i], PATH))
        i++;
    if (i < size && buf[i] == '?')
        while (i < size && is(buf[i], QUERY))
            i++;
    if (i - target > HTTP_TARGET_MAX)
        return fail(h, 414, "the request target is too long");
    if (i == size)
        return 0;
    if (i == target || buf[i] != ' ')
        return fail(h, 400,
                    buf[i] == '\r' || buf[i] == '\n' ? "the request line has no version"
                                                     : "a byte that no target may hold");
    h->target = slice(target, i);
    const char *v = buf + i + 1;
    size_t have = size - i - 1;
    if (have < 10 || memcmp(v, "HTTP/1.1\r\n", 10) != 0) {
        static const char version[] = "HTTP/0.0\r\n";
        for (size_t k = 0; k < 10 && k < have; k++)
            if (version[k] == '0' ? !is_digit(v[k]) : v[k] != version[k])
                return fail(h, 400, "the request line does not end with a version and CR LF");
        if (have < 10)
            return 0;
    }
    if (v[5] != '1')
        return fail(h, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    h->minor = v[7] != '0';
    h->method = (uint8_t)method_of(buf + from, h->name.size);
    h->line = slice(from, i + 9);
    h->has_method = true;
    int r = target_form(h, buf);
    return r < 0 ? r : (int)(i + 11);
}

/* -- fields ------------------------------------------------------------------------------------------ */

/* How many bytes from p on are text: no control byte but HT. */
static size_t text_run(const char *p, size_t size)
{
    const uint64_t ones = ~(uint64_t)0 / 255, high = ones << 7;
    size_t i = 0;
    for (;;) {
        for (; i + 8 <= size; i += 8) {
            uint64_t x, del, found;
            memcpy(&x, p + i, 8);
            del = x ^ ones * 0x7f;
            found = (((x - ones * 0x20) & ~x) | ((del - ones) & ~del)) & high;
            if (found) { /* the lowest bit is right, others may not be; little endian */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
                i += (size_t)__builtin_ctzll(found) / 8;
#endif
                break;
            }
        }
        while (i < size && (unsigned char)p[i] >= 0x20 && p[i] != 0x7f) {
            i++;
            if (i % 8 == 0)
                break;
        }
        if (i == size)
            return i;
        if ((unsigned char)p[i] >= 0x20 && p[i] != 0x7f)
            continue;
        if (p[i] != '\t')
            return i;
        i++;
    }
}

static int known_of(const char *name, size_t size)
{
    static const char *const names[HTTP_KNOWN] = {
        "host",     "content-length", "transfer-encoding", "connection",          "expect",
        "if-match", "if-none-match",  "if-modified-since", "if-unmodified-since", "range",
        "if-range",
    };
    static const int8_t by_size[20][2] = {
        /* each size has at most two names; 0 is HTTP_HOST, so they count from 1 */
        [4] = { 1 + HTTP_HOST },
        [5] = { 1 + HTTP_RANGE },
        [6] = { 1 + HTTP_EXPECT },
        [8] = { 1 + HTTP_IF_MATCH, 1 + HTTP_IF_RANGE },
        [10] = { 1 + HTTP_CONNECTION },
        [13] = { 1 + HTTP_IF_NONE_MATCH },
        [14] = { 1 + HTTP_CONTENT_LENGTH },
        [17] = { 1 + HTTP_TRANSFER_ENCODING, 1 + HTTP_IF_MODIFIED_SINCE },
        [19] = { 1 + HTTP_IF_UNMODIFIED_SINCE },
    };
    if (size < 20)
        for (int k = 0; k < 2 && by_size[size][k]; k++)
            if (http_is_word(name, size, names[by_size[size][k] - 1]))
                return by_size[size][k] - 1;
    return -1;
}

static int content_length(struct http_head *h, const char *p, size_t size)
{
    uint64_t n = 0;
    if (size == 0)
        return fail(h, 400, "an empty Content-Length");
    for (size_t i = 0; i < size; i++) {
        if (!is_digit(p[i]))
            return fail(h, 400, "Content-Length is not a number");
        if (__builtin_mul_overflow(n, 10u, &n) ||
            __builtin_add_overflow(n, (uint64_t)(p[i] - '0'), &n))
            n = UINT64_MAX;
        if (n == UINT64_MAX) {
            for (; i < size; i++)
                if (!is_digit(p[i]))
                    return fail(h, 400, "Content-Length is not a number");
            break;
        }
    }
    h->length = n;
    return 0;
}

static int known_field(struct http_head *h, int known, struct http_slice value, const char *buf)
{
    const char *p = buf + value.at;
    if (http_has(h, (enum http_known)known)) {
        h->twice |= 1u << known;
        if (known == HTTP_HOST)
            return fail(h, 400, "two Host fields");
        if (known == HTTP_CONTENT_LENGTH)
            return fail(h, 400, "two Content-Length fields");
        if (known == HTTP_TRANSFER_ENCODING)
            return fail(h, 400, "two Transfer-Encoding fields");
    } else {
        h->seen |= 1u << known;
        h->known[known] = value;
    }
    if (known == HTTP_HOST && !host_is_valid(p, value.size))
        return fail(h, 400, "the Host field is malformed");
    if (known == HTTP_CONTENT_LENGTH)
        return content_length(h, p, value.size);
    return 0;
}

static int field_line(struct http_head *h, const char *buf, size_t size)
{
    size_t from = h->at, i = from;
    while (i < size && is(buf[i], TOKEN))
        i++;
    if (i == size)
        return 0;
    if (i == from && (buf[i] == ' ' || buf[i] == '\t'))
        return fail(h, 400, "a folded field line");
    if (buf[i] != ':' || i == from)
        return fail(h, 400,
                    buf[i] == ' ' || buf[i] == '\t' ? "white space in or after a field's name"
                                                    : "a malformed field line");
    size_t colon = i++;
    while (i < size && (buf[i] == ' ' || buf[i] == '\t'))
        i++;
    size_t value = i, end = i += text_run(buf + i, size - i);
    if (size - i < 2 && (i == size || buf[i] == '\r'))
        return 0;
    if (buf[i] != '\r' || buf[i + 1] != '\n')
        return fail(h, 400,
                    buf[i] == '\n'   ? "a bare line feed"
                    : buf[i] == '\r' ? "a bare carriage return"
                                     : "a control byte in a field");
    while (end > value && (buf[end - 1] == ' ' || buf[end - 1] == '\t'))
        end--;
    if (h->fields_count == HTTP_FIELDS_MAX)
        return fail(h, 431, "too many fields");
    struct http_field *f = &h->fields[h->fields_count++];
    *f = (struct http_field){ slice(from, colon), slice(value, end) };
    int known = known_of(buf + from, colon - from);
    int r = known >= 0 ? known_field(h, known, f->value, buf) : 0;
    return r < 0 ? r : (int)(i + 2);
}

/* -- what the whole means ----------------------------------------------------------------------------- */

/* "chunked", alone, is the one coding spoken. */
static int transfer_encoding(struct http_head *h, const char *buf)
{
    struct http_slice v = h->known[HTTP_TRANSFER_ENCODING];
    const char *at = buf + v.at, *end = at + v.size, *p;
    size_t size, count = 0, chunked = 0;
    bool last = false;
    while ((p = http_list_next(&at, end, &size))) {
        last = http_is_word(p, size, "chunked");
        chunked += last;
        count++;
    }
    if (h->minor == 0)
        return fail(h, 400, "Transfer-Encoding in HTTP/1.0");
    if (http_has(h, HTTP_CONTENT_LENGTH))
        return fail(h, 400, "Transfer-Encoding and Content-Length");
    if (!last || chunked != 1)
        return fail(h, 400, "Transfer-Encoding does not end with one chunked");
    if (count != 1)
        return fail(h, 501, "a transfer coding other than chunked");
    h->chunked = true;
    return 0;
}

static void connection(struct http_head *h, const char *buf)
{
    bool close = false, keep = false;
    for (unsigned i = 0; http_has(h, HTTP_CONNECTION) && i < h->fields_count; i++) {
        const struct http_field *f = &h->fields[i];
        if (known_of(buf + f->name.at, f->name.size) != HTTP_CONNECTION)
            continue;
        const char *at = buf + f->value.at, *end = at + f->value.size, *p;
        size_t size;
        while ((p = http_list_next(&at, end, &size))) {
            close |= http_is_word(p, size, "close");
            keep |= http_is_word(p, size, "keep-alive");
        }
    }
    h->keep_alive = !close && (h->minor || keep);
}

/* One host may be written with the default port and without. */
static size_t without_port_80(const char *p, size_t size)
{
    if (size > 3 && memcmp(p + size - 3, ":80", 3) == 0)
        return size - 3;
    return size > 1 && p[size - 1] == ':' ? size - 1 : size;
}

static bool is_same_host(const char *a, size_t a_size, const char *b, size_t b_size)
{
    a_size = without_port_80(a, a_size);
    b_size = without_port_80(b, b_size);
    if (a_size != b_size)
        return false;
    for (size_t i = 0; i < a_size; i++) {
        char x = a[i], y = b[i];
        if (x >= 'A' && x <= 'Z')
            x = (char)(x | 0x20);
        if (y >= 'A' && y <= 'Z')
            y = (char)(y | 0x20);
        if (x != y)
            return false;
    }
    return true;
}

static int whole(struct http_head *h, const char *buf)
{
    struct http_slice host = h->known[HTTP_HOST], authority = h->authority;
    if (h->minor && !http_has(h, HTTP_HOST))
        return fail(h, 400, "no Host field");
    if (authority.size && host.size && h->method != HTTP_CONNECT &&
        !is_same_host(buf + host.at, host.size, buf + authority.at, authority.size))
        return fail(h, 400, "Host and the target name different hosts");
    if (http_has(h, HTTP_TRANSFER_ENCODING)) {
        int r = transfer_encoding(h, buf);
        if (r < 0)
            return r;
    }
    connection(h, buf);
    if (http_has(h, HTTP_EXPECT) && h->minor) {
        struct http_slice e = h->known[HTTP_EXPECT];
        if ((h->twice >> HTTP_EXPECT & 1) || !http_is_word(buf + e.at, e.size, "100-continue"))
            return fail(h, 417, "an expectation other than 100-continue");
        h->expect_continue = true;
    }
    return 0;
}

static int parse(struct http_head *h, const char *buf, size_t size)
{
    int r;
    if (!h->has_method) {
        if ((r = request_line(h, buf, size)) <= 0)
            return r;
        h->at = (uint16_t)r;
    }
    for (;;) {
        if (h->at < size && buf[h->at] == '\r') {
            if (h->at + 1u == size)
                return 0;
            if (buf[h->at + 1] != '\n')
                return fail(h, 400, "a bare carriage return");
            return (r = whole(h, buf)) < 0 ? r : h->at + 2;
        }
        if ((r = field_line(h, buf, size)) <= 0)
            return r;
        h->at = (uint16_t)r;
    }
}

int http_head_parse(struct http_head *h, const char *buf, size_t size)
{
    bool all = size >= HTTP_HEAD_MAX;
    int r = parse(h, buf, all ? HTTP_HEAD_MAX : size);
    if (r == 0 && all)
        return h->has_method ? fail(h, 431, "the head is too large")
                             : fail(h, 414, "the request line is too long");
    return r;
}

/* -- chunked bodies ----------------------------------------------------------------------------------- */

enum {
    SIZE, /* of a chunk; digits counts them */
    SIZE_BLANK,
    EXT_BEGIN,
    EXT_NAME,
    EXT_EQUALS,
    EXT_VALUE,
    EXT_TOKEN,
    EXT_QUOTED,
    EXT_ESCAPED,
    EXT_END,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER,
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    LAST_LF
};

static int hex(char c)
{
    if (is_digit(c))
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_text(char c)
{
    return (unsigned char)c >= 0x20 ? c != 0x7f : c == '\t';
}

/* The state after c, or -1. Blanks may surround ";" and "=" (RFC 9112 7.1.1), nothing else. */
static int extension(int state, char c)
{
    switch (state) {
    case SIZE_BLANK: return c == ';' ? EXT_BEGIN : is_blank(c) ? SIZE_BLANK : -1;
    case EXT_BEGIN: return is_blank(c) ? EXT_BEGIN : is(c, TOKEN) ? EXT_NAME : -1;
    case EXT_NAME:
        return is(c, TOKEN)  ? EXT_NAME
               : c == '='    ? EXT_VALUE
               : c == ';'    ? EXT_BEGIN
               : c == '\r'   ? SIZE_LF
               : is_blank(c) ? EXT_EQUALS
                             : -1;
    case EXT_EQUALS:
        return c == '=' ? EXT_VALUE : c == ';' ? EXT_BEGIN : is_blank(c) ? EXT_EQUALS : -1;
    case EXT_VALUE:
        return is_blank(c) ? EXT_VALUE : c == '"' ? EXT_QUOTED : is(c, TOKEN) ? EXT_TOKEN : -1;
    case EXT_TOKEN:
        return is(c, TOKEN)  ? EXT_TOKEN
               : c == ';'    ? EXT_BEGIN
               : c == '\r'   ? SIZE_LF
               : is_blank(c) ? SIZE_BLANK
                             : -1;
    case EXT_QUOTED:
        return c == '"' ? EXT_END : c == '\\' ? EXT_ESCAPED : is_text(c) ? EXT_QUOTED : -1;
    case EXT_ESCAPED: return is_text(c) ? EXT_QUOTED : -1;
    default: return c == ';' ? EXT_BEGIN : c == '\r' ? SIZE_LF : is_blank(c) ? SIZE_BLANK : -1;
    }
}

static int refuse(struct http_chunked *c, const char *why)
{
    c->why = why;
    return -400;
}

static int size_byte(struct http_chunked *c, char byte)
{
    int digit = hex(byte);
    if (digit >= 0) {
        if (c->left >> 56 || ++c->digits > 16)
            return refuse(c, "a chunk's size is too large");
        c->left = c->left << 4 | (unsigned)digit;
        return 0;
    }
    c->state = byte == '\r' ? SIZE_LF : byte == ';' ? EXT_BEGIN : SIZE_BLANK;
    if (c->digits == 0 || (c->state == SIZE_BLANK && !is_blank(byte)))
        return refuse(c, "a chunk's size is not a number");
    return 0;
}

static int trailer_byte(struct http_chunked *c, char byte)
{
    switch (c->state) {
    case TRAILER:
        c->state = byte == '\r' ? LAST_LF : TRAILER_NAME;
        return byte == '\r' || is(byte, TOKEN) ? 0 : refuse(c, "a malformed trailer");
    case TRAILER_NAME:
        if (byte == ':')
            c->state = TRAILER_VALUE;
        return byte == ':' || is(byte, TOKEN) ? 0 : refuse(c, "a malformed trailer");
    case TRAILER_VALUE:
        if (byte == '\r')
            c->state = TRAILER_LF;
        return byte == '\r' || is_text(byte) ? 0 : refuse(c, "a malformed trailer");
    default: c->state = TRAILER; return byte == '\n' ? 0 : refuse(c, "a bare carriage return");
    }
}

int http_chunked_skip(struct http_chunked *c, const char *buf, size_t size, size_t *used)
{
    size_t i = 0;
    int r = 0;
    while (r == 0 && i < size) {
        if (c->state == DATA) {
            uint64_t n = c->left < size - i ? c->left : size - i;
            i += (size_t)n;
            c->left -= n;
            c->total += n;
            if (c->left == 0)
                c->state = DATA_CR;
            continue;
        }
        char byte = buf[i++];
        switch (c->state) {
        case SIZE: r = size_byte(c, byte); continue;
        case SIZE_LF:
            c->state = c->left ? DATA : TRAILER;
            c->digits = 0;
            r = byte == '\n' ? 0 : refuse(c, "a bare carriage return");
            continue;
        case DATA_CR:
            c->state = DATA_LF;
            r = byte == '\r' ? 0 : refuse(c, "a chunk is longer than its size");
            continue;
        case DATA_LF:
            c->state = SIZE;
            r = byte == '\n' ? 0 : refuse(c, "a bare carriage return");
            continue;
        case LAST_LF: r = byte == '\n' ? 1 : refuse(c, "a bare carriage return"); continue;
        default: break;
        }
        if (++c->extra > EXTRA_MAX) {
            r = refuse(c, "too much beside the chunks");
        } else if (c->state >= TRAILER) {
            r = trailer_byte(c, byte);
        } else {
            int next = extension(c->state, byte);
            c->state = (uint8_t)next;
            if (next < 0)
                r = refuse(c, "a malformed chunk extension");
        }
    }
    *used = i;
    return r;
}
