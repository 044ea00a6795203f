/* file.c - from a GET or HEAD to the file it names. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "http/path.h"
#include "http/mime.h"
#include "http/server.h"

static void describe(struct http_file *f, const struct http_server *server, const char *name)
{
    const struct stat *s = &f->stamp;
    f->type = http_mime_of(name);
    f->version.size = (uint64_t)s->st_size;
    f->version.modified = s->st_mtim.tv_sec;
    f->version.etag = f->etag;
    /* Strong: the kernel moves mtime at each write; a file that replaces another has another inode. */
    f->version.etag_size = (size_t)snprintf(
        f->etag, sizeof f->etag, "\"%llx-%llx-%llx\"",
        (unsigned long long)s->st_mtim.tv_sec * 1000000000u + (unsigned long long)s->st_mtim.tv_nsec,
        (unsigned long long)s->st_size, (unsigned long long)s->st_ino);
    http_date_format(f->modified, s->st_mtim.tv_sec);
    char cache[48] = "no-cache";
    if (server->config.max_age >= 0 && strncmp(f->type, "text/html", 9) != 0)
        snprintf(cache, sizeof cache, "max-age=%ld", server->config.max_age);
    f->head_size = (uint16_t)snprintf(f->head, sizeof f->head,
                                      "Content-Type: %s\r\n"
                                      "Content-Length: %lld\r\n"
                                      "Last-Modified: %s\r\n"
                                      "ETag: %s\r\n"
                                      "Accept-Ranges: bytes\r\n"
                                      "X-Content-Type-Options: nosniff\r\n"
                                      "Cache-Control: %s\r\n",
                                      f->type, (long long)s->st_size, f->modified, f->etag, cache);
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static void answer(struct http_exchange *x, const struct http_file *file, int fd, const char *body)
{
    uint64_t from, to;
    int status = http_judge(&x->head, x->in + x->from, &file->version, &from, &to);
    if (status == 412) {
        http_page(x, status, NULL, "");
    } else if (status == 416) {
        char field[64];
        snprintf(field, sizeof field, "Content-Range: bytes */%llu\r\n",
                 (unsigned long long)file->version.size);
        http_page(x, status, NULL, field);
    } else {
        http_answer(x, status, file, fd, body, from, to);
    }
}

/* A copy of a small file for the cache. NULL: no memory, or it changed while it was read. */
static struct http_entry *entry_read(const struct http_file *file, int fd, const char *key,
                                     size_t size)
{
    struct http_entry *entry = http_entry_new(file, key, size);
    size_t done = 0, all = (size_t)file->version.size;
    while (entry && done < all) {
        ssize_t n = weft_pread(fd, entry->body + done, all - done, (off_t)done, weft_never());
        if (n <= 0) {
            http_entry_release(entry);
            return NULL;
        }
        done += (size_t)n;
    }
    return entry;
}

/* What open's answer is to the client. */
static void refuse(struct http_exchange *x, int error)
{
    switch (error) {
    case -ENOENT:
    case -ENOTDIR:
    case -ENAMETOOLONG:
    case -ELOOP: http_page(x, 404, NULL, ""); return;
    case -EACCES:
    case -EPERM:
    case -EXDEV: /* a link that leads out of the root */
    case -ENXIO: http_page(x, 403, NULL, ""); return;
    case -EMFILE:
    case -ENFILE:
    case -ENOMEM: http_page(x, 503, NULL, "Retry-After: 1\r\n"); return;
    case -ECANCELED: x->error = error; return;
    default: http_page(x, 500, NULL, ""); return;
    }
}

/* The same address with a slash at its end. The name is normalised, so "//host" cannot come of it. */
static void redirect(struct http_exchange *x, const char *name, size_t size)
{
    static const char begin[] = "Location: /";
    char field[HTTP_TARGET_MAX + 64], *at = http_put(field, begin);
    struct http_slice query = x->head.query;
    if (3 * size + query.size + 16 > sizeof field - sizeof begin) {
        http_page(x, 404, NULL, "");
        return;
    }
    at += http_path_encode(at, name, size);
    *at++ = '/';
    if (query.size) {
        *at++ = '?';
        at = http_put_bytes(at, x->in + x->from + query.at, query.size);
    }
    http_put_bytes(at, "\r\n", 3);
    http_page(x, 301, NULL, field);
}

/* A folder without index.html. */
static void folder(struct http_exchange *x, const char *name)
{
    if (!x->server->config.list) {
        http_page(x, 403, "This folder has no index.html, and lists are off", "");
        return;
    }
    int fd = weft_open_beneath(x->server->root, name[0] ? name : ".", O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0) {
        refuse(x, fd);
        return;
    }
    http_list(x, fd, name);
    weft_close(fd);
}

static void serve(struct http_exchange *x, struct http_slice path, struct http_entry *stale)
{
    const char *raw = x->in + x->from + path.at, *why = NULL;
    static const char index[] = "index.html";
    char name[HTTP_NAME_MAX + sizeof index];
    if (path.size > HTTP_NAME_MAX) {
        http_page(x, 404, NULL, "");
        return;
    }
    struct stat old = { 0 };
    if (stale)
        old = stale->file.stamp; /* it may be gone after the next wait */
    int n = http_path_decode(name, HTTP_NAME_MAX, raw, path.size, &why);
    if (n < 0) {
        http_page(x, -n, why, "");
        return;
    }
    if (!x->server->config.hidden && http_path_is_hidden(name)) {
        http_page(x, 404, NULL, "");
        return;
    }
    bool is_folder = n == 0 || name[n - 1] == '/';
    if (is_folder)
        memcpy(name + n, index, sizeof index);
    int fd = weft_open_beneath(x->server->root, name, O_RDONLY | O_NOCTTY, 0);
    if (fd == -ENOENT && is_folder) {
        name[n] = 0;
        folder(x, name);
        return;
    }
    if (fd < 0) {
        refuse(x, fd);
        return;
    }
    struct http_file file;
    int r = weft_fstat(fd, &file.stamp);
    http_clock(x->thread);
    if (r < 0) {
        refuse(x, r);
    } else if (S_ISDIR(file.stamp.st_mode)) {
        if (is_folder)
            http_page(x, 403, NULL, "");
        else
            redirect(x, name, (size_t)n);
    } else if (!S_ISREG(file.stamp.st_mode)) {
        http_page(x, 403, NULL, "");
    } else {
        struct http_entry *entry = NULL, *now = NULL;
        if (stale)
            http_cache_get(x->thread, raw, path.size, &now);
        if (now && is_same(&old, &file.stamp) && is_same(&now->file.stamp, &file.stamp)) {
            now->checked_ms = x->thread->now_ms;
            weft_close(fd);
            http_get(x); /* fresh again */
            return;
        }
        describe(&file, x->server, name);
        if (file.version.size <= HTTP_CACHED_MAX)
            entry = entry_read(&file, fd, raw, path.size);
        if (entry)
            http_cache_put(x->thread, entry);
        answer(x, &file, fd, entry ? entry->body : NULL);
        if (entry)
            http_entry_release(entry);
    }
    weft_close(fd);
}

void http_get(struct http_exchange *x)
{
    struct http_slice path = x->head.path;
    struct http_entry *entry, *stale;
    if (path.size == 0) { /* "*" has none; http://host has an empty one */
        serve(x, path, NULL);
        return;
    }
    entry = http_cache_get(x->thread, x->in + x->from + path.at, path.size, &stale);
    if (entry) {
        entry->users++;
        answer(x, &entry->file, -1, entry->body);
        http_entry_release(entry);
        return;
    }
    serve(x, path, stale);
}
