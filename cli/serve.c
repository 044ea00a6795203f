/* serve.c - weft serve: a folder over HTTP, until a signal ends it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/fd.h>
#include <weft/group.h>
#include <weft/runtime.h>

#include "cli.h"
#include "http/http.h"
#include "service/options.h"
#include "service/service.h"

enum { LISTENERS_MAX = 16 };

struct serve {
    struct http_config http;
    struct http_server *server;
    const char *where[LISTENERS_MAX];
    char where_text[64];
    int listeners[LISTENERS_MAX];
    int count;
    const char *log;
};

static int set_http(void *config, const char *value)
{
    struct serve *s = config;
    if (s->count == LISTENERS_MAX)
        return -ENOSPC;
    s->where[s->count++] = value;
    return 0;
}

static int set_port(void *config, const char *value)
{
    struct serve *s = config;
    long port;
    if (service_number(value, 0, 65535, &port) < 0)
        return -EINVAL;
    snprintf(s->where_text, sizeof s->where_text, "127.0.0.1:%ld", port);
    return set_http(s, s->where_text);
}

static int set_list(void *config, const char *value)
{
    (void)value;
    ((struct serve *)config)->http.list = true;
    return 0;
}

static int set_no_list(void *config, const char *value)
{
    (void)value;
    ((struct serve *)config)->http.list = false;
    return 0;
}

static int set_hidden(void *config, const char *value)
{
    (void)value;
    ((struct serve *)config)->http.hidden = true;
    return 0;
}

static int set_max_age(void *config, const char *value)
{
    return service_number(value, 0, 31536000, &((struct serve *)config)->http.max_age);
}

static int set_log(void *config, const char *value)
{
    ((struct serve *)config)->log = value;
    return 0;
}

static int set_max(void *config, const char *value)
{
    long max;
    int r = service_number(value, 1, 10000000, &max);
    if (r == 0)
        ((struct serve *)config)->http.max = (size_t)max;
    return r;
}

static int set_idle(void *config, const char *value)
{
    return service_span(value, &((struct serve *)config)->http.idle);
}

static int set_head_time(void *config, const char *value)
{
    return service_span(value, &((struct serve *)config)->http.head_time);
}

static int set_body_time(void *config, const char *value)
{
    return service_span(value, &((struct serve *)config)->http.body_time);
}

static int set_write_time(void *config, const char *value)
{
    return service_span(value, &((struct serve *)config)->http.write_time);
}

static int set_grace(void *config, const char *value)
{
    return service_span(value, &((struct serve *)config)->http.grace);
}

static const char usage[] = "usage: weft serve [OPTION...] [DIR]\n"
                            "\n"
                            "Serve the files below DIR (the current folder) over HTTP/1.1.\n";

static const struct service_option options[] = {
    { "--http", "ADDRESS:PORT", "where to listen (127.0.0.1:8080); may come several times",
      set_http },
    { "--port", "PORT", "the same as --http 127.0.0.1:PORT", set_port },
    { "--list", NULL, "folders without index.html show what they hold", set_list },
    { "--no-list", NULL, "they are 403 (as if nothing is said)", set_no_list },
    { "--hidden", NULL, "serve names that begin with a dot, too", set_hidden },
    { "--max-age", "SECONDS", "how long all but HTML may be kept unasked (asked each time)",
      set_max_age },
    { "--log", "FILE", "write a line for each request; - is standard output", set_log },
    { "--max", "COUNT", "connections at once and address (what descriptors allow)", set_max },
    { "--idle", "SECONDS", "a connection may lie idle so long (60)", set_idle },
    { "--head-time", "SECONDS", "a request's head must come within (10)", set_head_time },
    { "--body-time", "SECONDS", "a request's body must come within (10)", set_body_time },
    { "--write-time", "SECONDS", "a client must take something within (30)", set_write_time },
    { "--grace", "SECONDS", "at the end, running requests may take (10)", set_grace },
    { NULL, NULL, NULL, NULL },
};

static int open_log(struct serve *s)
{
    if (!s->log)
        return 0;
    s->http.log = strcmp(s->log, "-") == 0 ? STDOUT_FILENO
                                           : weft_open(s->log, O_WRONLY | O_APPEND | O_CREAT, 0644);
    if (s->http.log < 0)
        fprintf(stderr, "weft serve: %s: %s\n", s->log, weft_strerror(s->http.log));
    return s->http.log < 0 ? s->http.log : 0;
}

static int open_all(struct serve *s)
{
    int r = open_log(s);
    if (r < 0)
        return r;
    if ((r = http_server_new(&s->server, &s->http)) < 0) {
        fprintf(stderr, "weft serve: %s: %s\n", s->http.root, weft_strerror(r));
        return r;
    }
    for (int i = 0; i < s->count; i++) {
        char at[128];
        s->listeners[i] = r = weft_listen(s->where[i], 0);
        if (r < 0) {
            fprintf(stderr, "weft serve: %s\n", weft_why());
            return r;
        }
        if (weft_local_address(r, at, sizeof at) < 0)
            snprintf(at, sizeof at, "%s", s->where[i]);
        fprintf(stderr, "weft: serving %s on http://%s/\n", s->http.root, at);
    }
    return 0;
}

struct listening {
    struct http_server *server;
    int listener;
};

static int serve_one(void *arg)
{
    struct listening *l = arg;
    int r = http_serve(l->server, l->listener);
    return r == -ECANCELED ? 0 : r;
}

static int serve_all(void *arg)
{
    struct serve *s = arg;
    static weft_group group; /* the signals' task may look at it to the very end */
    struct listening listening[LISTENERS_MAX];
    int r = weft_group_init(&group, 0);
    if (r == 0)
        r = service_end_on_signals(&group);
    if (r == 0) /* says where it listens: from then on a signal ends it in good order */
        r = open_all(s);
    if (r == 0) {
        for (int i = 0; i < s->count; i++) { /* one that cannot start ends the others */
            listening[i] = (struct listening){ s->server, s->listeners[i] };
            weft_group_spawn(&group, WEFT_COROUTINE, serve_one, &listening[i]);
        }
        r = weft_group_wait(&group, weft_never());
        r = r == -ECANCELED ? 0 : r; /* by a signal, perhaps before they started */
        if (r < 0)
            fprintf(stderr, "weft serve: %s\n", weft_strerror(r));
    }
    for (int i = 0; i < s->count; i++)
        if (s->listeners[i] >= 0)
            weft_close(s->listeners[i]);
    http_server_free(s->server);
    return r;
}

int cli_serve(int argc, char **argv)
{
    struct serve s = { .http = HTTP_CONFIG_INIT };
    size_t max = service_raise_descriptors();
    for (int i = 0; i < LISTENERS_MAX; i++)
        s.listeners[i] = -1;
    int words = service_options("weft serve", usage, options, &s, argc, argv);
    if (words < 0)
        return words == -ECANCELED ? 0 : 2;
    if (words > 1) {
        fprintf(stderr, "weft serve: one folder at a time: %s is too many\n", argv[2]);
        return 2;
    }
    if (words == 1)
        s.http.root = argv[1];
    if (s.count == 0)
        set_http(&s, "127.0.0.1:8080");
    if (s.http.max == 0)
        s.http.max = max / (size_t)s.count;
    return weft_run(serve_all, &s) < 0;
}
