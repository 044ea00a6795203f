/* list.c - what a folder holds, as a page. Reading a folder may wait for the disk, so a helper does it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/offload.h>

#include "http/path.h"
#include "http/server.h"

enum { ENTRIES_MAX = 10000 };

struct entry {
    char *name;
    bool is_folder, is_link;
    int64_t size, modified;
};

struct page {
    int dir;
    const char *name;
    bool hidden;
    struct entry *entries;
    size_t count;
    bool more;
    char *text;
    size_t size, room;
    bool failed;
};

static void add(struct page *p, const char *text, size_t size)
{
    if (p->failed)
        return;
    if (p->room - p->size < size) {
        size_t room = (p->room + size) * 2;
        char *bigger = realloc(p->text, room);
        if (!bigger) {
            p->failed = true;
            return;
        }
        p->text = bigger;
        p->room = room;
    }
    memcpy(p->text + p->size, text, size);
    p->size += size;
}

static void add_text(struct page *p, const char *text)
{
    add(p, text, strlen(text));
}

static void add_escaped(struct page *p, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        switch (text[i]) {
        case '&': add_text(p, "&amp;"); break;
        case '<': add_text(p, "&lt;"); break;
        case '>': add_text(p, "&gt;"); break;
        case '"': add_text(p, "&quot;"); break;
        case '\'': add_text(p, "&#39;"); break;
        default: add(p, text + i, 1);
        }
    }
}

__attribute__((format(printf, 2, 3))) static void add_format(struct page *p, const char *format, ...)
{
    char text[128];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    add_text(p, text);
}

static int by_kind_and_name(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->is_folder != y->is_folder)
        return x->is_folder ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* Names that no request can bear are left out, as they could not be fetched. */
static bool is_shown(const struct page *p, const char *name)
{
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || (name[0] == '.' && !p->hidden) ||
        strchr(name, '\\') || !http_is_utf8(name, strlen(name)))
        return false;
    for (const char *c = name; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return false;
    return true;
}

static int read_entries(struct page *p)
{
    int copy = fcntl(p->dir, F_DUPFD_CLOEXEC, 0);
    DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
    size_t room = 0;
    int r = 0;
    if (!dir) {
        r = -errno;
        if (copy >= 0)
            close(copy);
        return r;
    }
    for (struct dirent *e; r == 0 && (e = readdir(dir));) {
        struct stat s;
        if (!is_shown(p, e->d_name) || fstatat(p->dir, e->d_name, &s, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        if (p->count == ENTRIES_MAX) {
            p->more = true;
            break;
        }
        if (p->count == room) {
            struct entry *bigger = realloc(p->entries, (room = room * 2 + 32) * sizeof *bigger);
            if (!bigger) {
                r = -ENOMEM;
                break;
            }
            p->entries = bigger;
        }
        p->entries[p->count] = (struct entry){ strdup(e->d_name), S_ISDIR(s.st_mode),
                                               S_ISLNK(s.st_mode), s.st_size, s.st_mtim.tv_sec };
        if (p->entries[p->count].name)
            p->count++;
        else
            r = -ENOMEM;
    }
    closedir(dir);
    return r;
}

static void add_size(struct page *p, int64_t size)
{
    static const char units[] = "BKMGTP";
    int unit = 0;
    double n = (double)size;
    while (n >= 1000 && unit < 5) {
        n /= 1024;
        unit++;
    }
    if (unit == 0)
        add_format(p, "%d B", (int)size);
    else
        add_format(p, n < 10 ? "%.1f %ciB" : "%.0f %ciB", n, units[unit]);
}

static void add_entry(struct page *p, const struct entry *e)
{
    char url[3 * 256 + 1]; /* NAME_MAX is 255 */
    size_t n = strlen(e->name);
    int64_t year;
    int month, day;
    if (n > 255)
        return;
    add_text(p, "<tr><td><a href=\"./"); /* "./", or a colon in the name would begin a scheme */
    size_t size = http_path_encode(url, e->name, n);
    add_escaped(p, url, size);
    add_text(p, e->is_folder ? "/\">" : "\">");
    add_escaped(p, e->name, n);
    add_text(p, e->is_folder ? "/</a><td>" : e->is_link ? "</a> &rarr;<td>" : "</a><td>");
    if (!e->is_folder && !e->is_link)
        add_size(p, e->size);
    int64_t days = (e->modified >= 0 ? e->modified : e->modified - 86399) / 86400;
    http_date_of(days, &year, &month, &day);
    add_format(p, "<td>%04d-%02d-%02d %02d:%02d\n", (int)year, month, day,
               (int)((e->modified - days * 86400) / 3600),
               (int)((e->modified - days * 86400) / 60 % 60));
}

static int make_page(void *arg)
{
    struct page *p = arg;
    int r = read_entries(p);
    if (p->count)
        qsort(p->entries, p->count, sizeof *p->entries, by_kind_and_name);
    add_text(p,
             "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
             "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>/");
    add_escaped(p, p->name, strlen(p->name));
    add_text(p, "</title>\n<style>body{font:1rem/1.6 system-ui,sans-serif;margin:2rem auto;"
                "max-width:60rem;padding:0 1rem}table{border-collapse:collapse;width:100%}"
                "td{padding:.1rem .5rem;border-bottom:1px solid #8883}"
                "td+td{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}"
                "a{text-decoration:none}a:hover{text-decoration:underline}"
                "@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}a{color:#8bf}}"
                "</style>\n<h1>/");
    add_escaped(p, p->name, strlen(p->name));
    add_text(p, "</h1>\n<table>\n");
    if (p->name[0])
        add_text(p, "<tr><td><a href=\"../\">../</a><td><td>\n");
    for (size_t i = 0; i < p->count; i++) {
        add_entry(p, &p->entries[i]);
        free(p->entries[i].name);
    }
    free(p->entries);
    add_text(p, "</table>\n");
    if (p->more)
        add_format(p, "<p>There are more than %d entries.</p>\n", ENTRIES_MAX);
    return p->failed ? -ENOMEM : r;
}

void http_list(struct http_exchange *x, int dir, const char *name)
{
    struct page page = { .dir = dir, .name = name, .hidden = x->server->config.hidden };
    int r = weft_offload(make_page, &page);
    http_clock(x->thread);
    char *at = r == 0 ? http_room(x, 1024) : NULL;
    if (r < 0) {
        http_page(x, r == -ENOMEM || r == -EMFILE || r == -ENFILE ? 503 : 500, NULL, "");
    } else if (at) {
        uint64_t size = x->head.method == HTTP_HEAD ? 0 : page.size;
        at = http_begin(x, at, 200);
        at = http_put(at,
                      "Content-Type: text/html; charset=utf-8\r\n"
                      "X-Content-Type-Options: nosniff\r\n"
                      "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n"
                      "Cache-Control: no-cache\r\n"
                      "Content-Length: ");
        at = http_put(http_put_number(at, page.size), "\r\n\r\n");
        http_done(x, at);
        for (size_t done = 0; done < size && x->error == 0;) {
            size_t part = size - done < HTTP_OUT ? (size_t)size - done : HTTP_OUT;
            if (!(at = http_room(x, part)))
                break;
            http_done(x, http_put_bytes(at, page.text + done, part));
            done += part;
        }
        http_log(x, 200, size);
    }
    free(page.text);
}
