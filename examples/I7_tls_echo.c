/* I7 - an echo server and its client over TLS.
 *     make example I7
 * What TLS adds to a plain echo: a context on either side, a handshake before the first byte, a goodbye
 * after the last. The client believes one authority and wants "localhost"; any other certificate would
 * end its handshake, with words in weft_why().
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <weft.h>

#define SOON weft_after(10 * WEFT_SEC)

static int listener;
static weft_tls_context *ours, *theirs;

static int begin(weft_tls *tls, weft_stream *stream, weft_tls_context *on, int fd, const char *host)
{
    static char buffers[2][1024];
    int r = weft_tls_init(tls, on, fd);
    if (r == 0)
        r = weft_tls_handshake(tls, host, SOON);
    return r < 0 ? r : weft_tls_stream(stream, tls, buffers[host != NULL], sizeof buffers[0]);
}

static int serve_one(void *ignored)
{
    (void)ignored;
    weft_tls tls = { 0 };
    weft_stream stream;
    char line[256];
    int fd = weft_accept(listener, NULL, SOON), r = begin(&tls, &stream, ours, fd, NULL);
    while (r == 0 && weft_stream_read_line(&stream, line, sizeof line, SOON) >= 0)
        r = weft_stream_printf(&stream, SOON, "echo: %s\n", line);
    if (r == 0)
        r = weft_tls_shutdown(&tls, SOON);
    weft_tls_fini(&tls);
    weft_close(fd);
    return r;
}

static int connect_one(void *where)
{
    weft_tls tls = { 0 };
    weft_stream stream;
    char line[256];
    int fd = weft_dial(where, SOON), r = begin(&tls, &stream, theirs, fd, "localhost");
    puts(r == 0 ? weft_tls_version(&tls) : weft_why());
    if (r == 0)
        r = weft_stream_printf(&stream, SOON, "hello\nworld\n");
    for (int i = 0; i < 2 && r == 0; i++)
        if (weft_stream_read_line(&stream, line, sizeof line, SOON) >= 0)
            puts(line);
    if (r == 0)
        r = weft_tls_shutdown(&tls, SOON);
    weft_tls_fini(&tls);
    weft_close(fd);
    return r;
}

int main(void)
{
    char folder[] = "/tmp/weft-I7-XXXXXX", where[128];
    struct weft_tls_options server = { sizeof server, WEFT_TLS_SERVER, "my.pem", "my.key", 0, 0 };
    struct weft_tls_options client = { sizeof client, 0, NULL, NULL, "my.pem", NULL };
    if (!mkdtemp(folder) || chdir(folder) < 0 ||
        system("umask 077; openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -addext "
               "subjectAltName=DNS:localhost -keyout my.key -out my.pem 2>log") != 0 ||
        weft_tls_context_new(&ours, &server) < 0 || weft_tls_context_new(&theirs, &client) < 0)
        return 1;
    unlink("my.key"), unlink("my.pem"), unlink("log"), rmdir(folder);
    listener = weft_listen("localhost:0", 0);
    if (weft_local_address(listener, where, sizeof where) < 0)
        return 1;
    weft_group g;
    weft_group_init(&g, 0);
    weft_group_spawn(&g, WEFT_COROUTINE, serve_one, NULL);
    weft_group_spawn(&g, WEFT_COROUTINE, connect_one, where);
    return weft_group_wait(&g, weft_never()) < 0;
}
