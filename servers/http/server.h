/* http/server.h - what the files of this server share. */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include <sys/stat.h>
#include <weft/conn.h>
#include <weft/fd.h>
#include <weft/lock.h>

#include "http/condition.h"
#include "http/date.h"
#include "http/http.h"
#include "http/parse.h"

enum {
    HTTP_IN = HTTP_HEAD_MAX + 1024, /* a head of any size leaves room to read a body into */
    HTTP_OUT = 16384,
    HTTP_LOG = 1024,
    HTTP_BODY_MAX = 65536,   /* of a request; it is read and dropped */
    HTTP_CACHED_MAX = 65536, /* files up to this size are kept in memory */
    HTTP_NAME_MAX = 4096
};

/* What is known of a file, and the part of its answer's head that all answers share. */
struct http_file {
    struct stat stamp;
    struct http_version version;
    const char *type;
    char etag[64], modified[HTTP_DATE_SIZE + 1];
    char head[512]; /* of a 200, from Content-Type to the last field */
    uint16_t head_size;
};

/* Kept by an OS thread for the handlers that run on it: no lock, and whoever uses it does not wait
 * meanwhile. */
struct http_thread {
    struct http_thread *next;
    struct http_cache *cache;
    int64_t second, now_ms; /* by the wall clock's last tick */
    char ok[64];            /* "HTTP/1.1 200 OK" and Date */
    uint16_t ok_size;
    char date[HTTP_DATE_SIZE + 1];
};

struct http_server {
    struct http_config config;
    int root;
    uint64_t id;
    weft_lock lock; /* of threads */
    struct http_thread *threads;
};

/* One call of the handler. */
struct http_exchange {
    struct http_server *server;
    struct http_thread *thread;
    weft_conn *conn;
    char *in;        /* HTTP_IN bytes; in + from is the request that is being served */
    size_t from, to; /* what was read of it and what follows */
    char *out;       /* HTTP_OUT bytes: answers not yet written */
    size_t out_size;
    char *log; /* HTTP_LOG bytes: lines not yet written */
    size_t log_size;
    char peer[64]; /* "" until it is needed */
    int error;     /* of the connection: nothing can be written any more */
    bool close;    /* after this answer */
    bool linger;   /* bytes may come that nobody will read */
    struct http_head head;
};

/* -- http.c */
struct http_thread *http_thread_of(struct http_server *server);
void http_clock(struct http_thread *thread);

/* -- respond.c: answers go to out; an error of the connection goes to x->error */
bool http_flush(struct http_exchange *x);
/* Room for so many bytes at the end of out, <= HTTP_OUT; may write what is there. NULL: x->error. */
char *http_room(struct http_exchange *x, size_t size);
/* A status line, the date, and whether the connection stays. The fields and the empty line follow. */
char *http_begin(const struct http_exchange *x, char *at, int status);
char *http_put(char *at, const char *text);
char *http_put_bytes(char *at, const void *data, size_t size);
char *http_put_number(char *at, uint64_t n);
void http_done(struct http_exchange *x, const char *at);
/* An answer without a file: a small page, or nothing for statuses that have none.
 *   fields  more fields, each with CR LF, or "" */
void http_page(struct http_exchange *x, int status, const char *why, const char *fields);
/* A file's answer; its body from memory, if it is there, else from fd. May wait with body in hand. */
void http_answer(struct http_exchange *x, int status, const struct http_file *file, int fd,
                 const char *body, uint64_t from, uint64_t to);
const char *http_reason(int status);

/* -- file.c */
void http_get(struct http_exchange *x);

/* -- cache.c */
struct http_entry {
    struct http_file file;
    uint64_t hash;
    int64_t checked_ms;
    uint32_t users; /* one is the cache */
    uint16_t key_size;
    char *body; /* file.version.size bytes; the key lies behind */
};
/* A path's file as it was at most HTTP_FRESH_MS ago; NULL: none, or an older one that is in *stale. */
struct http_entry *http_cache_get(struct http_thread *thread, const char *key, size_t size,
                                  struct http_entry **stale);
struct http_entry *http_entry_new(const struct http_file *file, const char *key, size_t size);
/* Whoever waits with an entry in hand is a user of it. */
void http_entry_release(struct http_entry *entry);
/* The cache becomes a user, too; it may refuse. */
void http_cache_put(struct http_thread *thread, struct http_entry *entry);
void http_cache_free(struct http_thread *thread);

/* -- list.c */
void http_list(struct http_exchange *x, int dir, const char *name);

/* -- log.c */
void http_log(struct http_exchange *x, int status, uint64_t bytes);
void http_log_flush(struct http_exchange *x);

#endif
