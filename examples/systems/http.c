/* http - a web server as an object: an address, a folder, and two handlers that can be replaced.
 *
 *     make example http [ARGS="127.0.0.1:8080 examples/www thread"]     then, in a browser, what it says
 *     curl http://127.0.0.1:8080/time; curl -d '{"a": 1}' http://127.0.0.1:8080/form
 *
 * A task a connection. A path with a dot in its last part, or "/" at its end, is a page and comes from
 * the folder; all others go to the data handler. */
#define _GNU_SOURCE 1 /* strcasestr */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <weft.h>

#define SOON weft_after(10 * WEFT_SEC)

struct request {
    int fd, folder;
    weft_stream peer;
    bool keep; /* the connection, for the next request */
    char method[8], path[1024], body[8192];
    size_t size; /* of the body */
};
struct http {
    int listener, folder;
    unsigned kind;
    int (*page)(struct request *rq), (*data)(struct request *rq);
    weft_group tasks;
};
struct visit {
    struct http *http;
    int fd;
};

static int answer(struct request *rq, const char *status, const char *type, const char *body,
                  size_t size)
{
    int r = weft_stream_printf(&rq->peer, SOON,
                               "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s\r\n",
                               status, type, size, rq->keep ? "" : "Connection: close\r\n");
    if (r == 0 && body)
        r = weft_stream_write(&rq->peer, body, size, SOON);
    return r < 0 ? r : weft_stream_flush(&rq->peer, SOON);
}

static int page(struct request *rq)
{
    struct stat about = { .st_mode = 0 };
    if (rq->path[strlen(rq->path) - 1] == '/')
        strcat(rq->path, "index.html");
    const char *end = strrchr(rq->path, '.');
    const char *type = strcmp(end, ".html") == 0  ? "text/html"
                       : strcmp(end, ".css") == 0 ? "text/css"
                                                  : "application/octet-stream";
    int file = weft_open_beneath(rq->folder, rq->path + 1, O_RDONLY, 0);
    int r = file < 0 ? file : weft_fstat(file, &about);
    size_t size = (size_t)about.st_size;
    if (r < 0 || !S_ISREG(about.st_mode))
        r = answer(rq, "404 Not Found", "text/html", "<h1>There is no such page</h1>", 30);
    else if ((r = answer(rq, "200 OK", type, NULL, size)) == 0)
        r = weft_sendfile(rq->fd, file, 0, size, SOON) == (ssize_t)size ? 0 : -EPIPE;
    weft_close(file);
    return r;
}

/* Tells the time, or says again what it was sent. */
static int data(struct request *rq)
{
    char text[64];
    if (strcmp(rq->path, "/time") != 0)
        return answer(rq, "200 OK", "text/plain", rq->body, rq->size);
    int size = snprintf(text, sizeof text, "{\"time\": %lld}\n", (long long)time(NULL));
    return answer(rq, "200 OK", "application/json", text, (size_t)size);
}

/* 0; -EBADMSG: not HTTP, or more than is taken here; else the peer has gone or is too slow. */
static int read_request(struct request *rq)
{
    char head[4096], minor;
    ssize_t n = weft_stream_read_until(&rq->peer, "\r\n\r\n", head, sizeof head, SOON);
    if (n < 0 || sscanf(head, "%7s %1000s HTTP/1.%c", rq->method, rq->path, &minor) != 3 ||
        rq->path[0] != '/' || strcasestr(head, "\nTransfer-Encoding:") ||
        (strcmp(rq->method, "GET") != 0 && strcmp(rq->method, "POST") != 0))
        return n < 0 ? (int)n : -EBADMSG;
    const char *length = strcasestr(head, "\nContent-Length:");
    rq->path[strcspn(rq->path, "?")] = '\0';
    rq->keep = minor != '0' && !strcasestr(head, "\nConnection: close");
    rq->size = 0;
    if ((length && sscanf(length + 16, "%zu", &rq->size) != 1) || rq->size > sizeof rq->body)
        return -EBADMSG;
    n = weft_stream_read_exactly(&rq->peer, rq->body, rq->size, SOON);
    return n < 0 ? (int)n : 0;
}

static int visit(void *arg)
{
    const struct visit *me = arg;
    struct request rq = { .fd = me->fd, .folder = me->http->folder, .keep = true };
    char buf[8192];
    int r = weft_stream_init(&rq.peer, rq.fd, buf, sizeof buf);
    while (r == 0 && rq.keep && (r = read_request(&rq)) == 0) {
        const char *last = strrchr(rq.path, '/') + 1;
        r = *last && !strchr(last, '.') ? me->http->data(&rq) : me->http->page(&rq);
    }
    rq.keep = false;
    if (r == -EBADMSG || r == -EMSGSIZE)
        r = answer(&rq, "400 Bad Request", "text/plain", "", 0);
    return weft_close(rq.fd);
}

static int http_serve(void *arg) /* until it is cancelled */
{
    struct visit one = { .http = arg };
    while ((one.fd = weft_accept(one.http->listener, NULL, weft_never())) >= 0)
        if (weft_group_spawn_copy(&one.http->tasks, one.http->kind, visit, &one) < 0)
            weft_close(one.fd);
    return one.fd;
}

static int http_init(struct http *http, const char *address, const char *folder, unsigned kind)
{
    *http = (struct http){ .kind = kind, .page = page, .data = data };
    weft_group_init(&http->tasks, WEFT_KEEP_GOING);
    http->folder = weft_open(folder, O_DIRECTORY, 0);
    return http->listener = http->folder < 0 ? http->folder : weft_listen(address, 0);
}

static void http_stop(struct http *http)
{
    weft_group_wait(&http->tasks, weft_at_once()); /* at its deadline a wait cancels all */
    weft_close(http->listener);
    weft_close(http->folder);
}

int main(int argc, char **argv)
{
    struct http http;
    char *address = argc > 1 ? argv[1] : "127.0.0.1:8080", at[128];
    int r = http_init(&http, address, argc > 2 ? argv[2] : "examples/www",
                      argc > 3 && strcmp(argv[3], "thread") == 0 ? WEFT_THREAD : WEFT_COROUTINE);
    if (r >= 0 && (r = weft_group_spawn(&http.tasks, http.kind, http_serve, &http)) == 0) {
        weft_local_address(http.listener, at, sizeof at);
        printf("http://%s/ is open; Ctrl-D closes it\n", at);
        while (fflush(stdout), getchar() != EOF)
            ;
        http_stop(&http);
    }
    return r < 0 ? fprintf(stderr, "http: %s: %s\n", address, weft_strerror(r)), 1 : 0;
}
