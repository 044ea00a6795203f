/* path.c - see path.h. */
#include "http/path.h"

#include <string.h>

#include "http/parse.h"

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int refuse(const char **why, const char *words)
{
    *why = words;
    return -400;
}

bool http_is_utf8(const char *text, size_t size)
{
    const unsigned char *p = (const unsigned char *)text, *end = p + size;
    while (p < end) {
        unsigned char c = *p++;
        if (c < 0x80)
            continue;
        int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
        if (c < 0xc2 || c > 0xf4 || end - p < more)
            return false;
        if ((c == 0xe0 && *p < 0xa0) || (c == 0xed && *p > 0x9f) || (c == 0xf0 && *p < 0x90) ||
            (c == 0xf4 && *p > 0x8f))
            return false;
        for (; more > 0; more--)
            if ((*p++ & 0xc0) != 0x80)
                return false;
    }
    return true;
}

/* Undo the escapes. */
static int decode(char *out, const char *path, size_t size, const char **why)
{
    size_t n = 0;
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)path[i];
        if (c == '%') {
            int high = size - i > 2 ? hex(path[i + 1]) : -1;
            int low = size - i > 2 ? hex(path[i + 2]) : -1;
            if (high < 0 || low < 0)
                return refuse(why, "a percent sign without two digits");
            c = (unsigned char)(high << 4 | low);
            if (c == '/' || c == '\\')
                return refuse(why, "an escaped slash in the path");
            i += 2;
        }
        if (c < 0x20 || c == 0x7f)
            return refuse(why, "a control byte in the path");
        out[n++] = (char)c;
    }
    return (int)n;
}

int http_path_decode(char *out, size_t room, const char *path, size_t size, const char **why)
{
    if (size == 0)
        size = strlen(path = "/"); /* http://host is http://host/ */
    if (room < size || path[0] != '/')
        return refuse(why, "a path begins with a slash");
    int n = decode(out, path, size, why);
    if (n < 0)
        return n;
    if (!http_is_utf8(out, (size_t)n))
        return refuse(why, "a path that is not UTF-8");
    /* In place: what is written never overtakes what is read. */
    size_t from = 1, to = 0, end = (size_t)n;
    while (from < end) {
        size_t next = from;
        while (next < end && out[next] != '/')
            next++;
        size_t segment = next - from;
        bool slash = next < end;
        if (segment == 2 && out[from] == '.' && out[from + 1] == '.') {
            if (to == 0)
                return refuse(why, "a path that leaves the root");
            for (to--; to > 0 && out[to - 1] != '/'; to--)
                ;
        } else if (segment > 0 && !(segment == 1 && out[from] == '.')) {
            memmove(out + to, out + from, segment);
            to += segment;
            if (slash)
                out[to++] = '/';
        }
        from = next + 1;
    }
    out[to] = 0;
    return (int)to;
}

bool http_path_is_hidden(const char *name)
{
    static const char allowed[] = ".well-known";
    size_t n = sizeof allowed - 1;
    if (strncmp(name, allowed, n) == 0 && (name[n] == '/' || name[n] == 0))
        name += n;
    return name[0] == '.' || strstr(name, "/.");
}

size_t http_path_encode(char *out, const char *name, size_t size)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t n = 0;
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)name[i];
        if (http_is_path_byte(c)) {
            out[n++] = (char)c;
        } else {
            out[n++] = '%';
            out[n++] = digits[c >> 4];
            out[n++] = digits[c & 15];
        }
    }
    return n;
}
