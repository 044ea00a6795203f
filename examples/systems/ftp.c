/* ftp - the files of a folder, for many at once: a server, and a client with a menu.
 *
 *     make example ftp                               serves examples/www; or ARGS="serve ADDRESS FOLDER process"
 *     make example ftp ARGS="to 127.0.0.1:2121 /tmp" is a client, whose folder is /tmp
 *
 * Lines: "list"; "get NAME", which is answered by a put; "put SIZE NAME", answered by "ok" or "no: WHY",
 * then the bytes, then "ok". So both ends offer and take files by the same code. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <weft.h>

#define SOON weft_after(60 * WEFT_SEC)
static unsigned kind;

struct end {
    int fd;
    weft_stream io;
    char buf[8192], line[512]; /* the line that was heard last, or what is to be told */
};

static int hear(struct end *e)
{
    ssize_t n = weft_stream_read_line(&e->io, e->line, sizeof e->line, weft_after(600 * WEFT_SEC));
    return n < 0 ? (int)n : 0;
}

static int say(struct end *e, const char *text)
{
    snprintf(e->line, sizeof e->line, "%s", text);
    return weft_stream_printf(&e->io, SOON, "%s\n", text);
}

/* Offer a file; the other end's answer is the last line. 1: there is no such file. */
static int offer(struct end *e, const char *name)
{
    struct stat st;
    int file = weft_open_beneath(AT_FDCWD, name, O_RDONLY, 0);
    if (weft_fstat(file, &st) < 0 || !S_ISREG(st.st_mode))
        return weft_close(file), 1;
    int r = weft_stream_printf(&e->io, SOON, "put %lld %s\n", (long long)st.st_size, name);
    if (r == 0 && (r = hear(e)) == 0 && strcmp(e->line, "ok") == 0)
        r = weft_sendfile(e->fd, file, 0, (size_t)st.st_size, SOON) == st.st_size ? hear(e) : -EPIPE;
    weft_close(file);
    return r;
}

/* Take what the last line offers. A file that does not come whole goes again. */
static int take(struct end *e)
{
    char name[256], part[4096];
    size_t left;
    if (sscanf(e->line, "put %zu %255[^/]", &left, name) != 2)
        return say(e, "no: list, get NAME or put SIZE NAME");
    int file = weft_open_beneath(AT_FDCWD, name, O_CREAT | O_EXCL | O_WRONLY, 0644);
    if (file < 0)
        return say(e, file == -EEXIST ? "no: it exists already; rename one" : weft_strerror(file));
    ssize_t n = say(e, "ok");
    for (; n >= 0 && left > 0; left -= (size_t)n) {
        n = weft_stream_read(&e->io, part, left < sizeof part ? left : sizeof part, SOON);
        if (n == 0 || (n > 0 && weft_write(file, part, (size_t)n, SOON) != n))
            n = -EIO;
    }
    if (n < 0)
        unlink(name);
    weft_close(file);
    return n < 0 ? (int)n : say(e, "ok");
}

static int list(struct end *e)
{
    char date[32], *name;
    struct stat about;
    struct dirent *entry;
    DIR *dir = opendir(".");
    int r = dir ? 0 : -errno;
    while (r == 0 && (entry = readdir(dir)))
        if (stat(name = entry->d_name, &about) == 0 && S_ISREG(about.st_mode))
            r = weft_stream_printf(&e->io, SOON, "%10lld  %.24s  %s\n", (long long)about.st_size,
                                   ctime_r(&about.st_mtime, date), name);
    if (dir)
        closedir(dir);
    return r < 0 ? r : say(e, ""); /* an empty line ends it */
}

static int serve(void *arg)
{
    struct end e = { .fd = *(int *)arg };
    int r = weft_stream_init(&e.io, e.fd, e.buf, sizeof e.buf);
    for (char name[256]; r == 0 && (r = hear(&e)) == 0;)
        if (strcmp(e.line, "list") == 0)
            r = list(&e);
        else if (sscanf(e.line, "get %255[^/]", name) != 1)
            r = take(&e);
        else if ((r = offer(&e, name)) == 1)
            r = say(&e, "no: there is no such file; list shows what there is");
    return weft_close(e.fd);
}

static int serve_all(void *where)
{
    char address[128];
    int fd, listener = weft_listen(where, 0);
    if (weft_local_address(listener, address, sizeof address) == 0)
        printf("The files are at %s\n", address), fflush(stdout);
    while ((fd = weft_accept(listener, NULL, weft_never())) >= 0) {
        struct weft_pass same = { fd, fd }; /* a process has no descriptor but what it is given */
        struct weft_process with = { .size = sizeof with, .pass = &same, .pass_count = 1 };
        struct weft_spawn more = { .size = sizeof more, .process = &with };
        if (weft_group_spawn_at(weft_background(), kind | WEFT_COPY_IN, serve, &fd, sizeof fd,
                                &more, "client") < 0 ||
            kind == WEFT_PROCESS)
            weft_close(fd); /* it has its own */
    }
    return listener < 0 ? listener : fd;
}

static int menu(void *where)
{
    char typed[256], name[256];
    struct end e = { .fd = weft_dial(where, SOON) };
    int r = e.fd < 0 ? e.fd : weft_stream_init(&e.io, e.fd, e.buf, sizeof e.buf);
    while (r >= 0 && printf("list, get FILE, put FILE, quit: ") && !fflush(stdout) &&
           fgets(typed, sizeof typed, stdin) && strcmp(typed, "quit\n") != 0) {
        if (sscanf(typed, "put %255[^/\n]", name) == 1) {
            if ((r = offer(&e, name)) == 1)
                strcpy(e.line, "no: there is no such file here");
        } else if ((r = weft_stream_printf(&e.io, SOON, "%s", typed)) == 0 && (r = hear(&e)) == 0) {
            if (strncmp(e.line, "put ", 4) == 0)
                r = take(&e);
            while (strcmp(typed, "list\n") == 0 && r == 0 && puts(e.line) && e.line[0])
                r = hear(&e);
        }
        puts(e.line);
    }
    return r < 0 ? r : weft_close(e.fd);
}

int main(int argc, char **argv)
{
    bool to = argc > 1 && strcmp(argv[1], "to") == 0;
    const char *word = argc > 4 ? argv[4] : "";
    kind = *word == 't' ? WEFT_THREAD : *word == 'p' ? WEFT_PROCESS : WEFT_COROUTINE;
    int r = chdir(argc > 3 ? argv[3] : to ? "." : "examples/www"); /* no name leads out of it */
    r = r < 0 ? -errno : weft_run(to ? menu : serve_all, argc > 2 ? argv[2] : "127.0.0.1:2121");
    return r < 0 ? fprintf(stderr, "ftp: %s\n", weft_strerror(r)), 1 : 0;
}
