/* C7 - an echo server: one thread, a coroutine for each connection. C7c is a client to type into.
 *
 *     make example C7    tries it with 1,000 clients at once; with ARGS=127.0.0.1:9000 it stays there
 *
 * echo() is written as for a single client, and only its coroutine waits: the thread goes on with the
 * others. All are in groups of one worker, here on the main thread, so counting needs no lock.
 */
#include <stdio.h>
#include <sys/resource.h>
#include <weft.h>

enum { CLIENTS = 1000 };
static char address[128];
static int connected, echoed, stay;
static weft_event all_connected;

static int echo(void *arg)
{
    int fd = *(int *)arg;
    char buf[1024];
    ssize_t n;
    while ((n = weft_read(fd, buf, sizeof buf, weft_never())) > 0 &&
           weft_write(fd, buf, (size_t)n, weft_after(5 * WEFT_SEC)) == n)
        ;
    return weft_close(fd); /* and no error of one connection, which would end the others */
}

static int serve(void *arg)
{
    int fd, listener = *(int *)arg;
    weft_group clients;
    weft_group_init(&clients, WEFT_ONE_WORKER);
    while ((fd = weft_accept(listener, NULL, weft_never())) >= 0)
        weft_group_spawn_copy(&clients, WEFT_COROUTINE, echo, &fd);
    return weft_group_wait(&clients, weft_at_once()); /* at its deadline a wait cancels all */
}

static int client(void *arg)
{
    int number = *(int *)arg, back = -1, fd = weft_dial(address, weft_after(20 * WEFT_SEC));
    if (fd < 0)
        return fd;
    if (++connected == CLIENTS)
        weft_event_set(&all_connected);
    if (weft_event_wait(&all_connected, weft_after(20 * WEFT_SEC)) == 0 &&
        weft_write(fd, &number, sizeof number, weft_after(5 * WEFT_SEC)) == sizeof number &&
        weft_read(fd, &back, sizeof back, weft_after(20 * WEFT_SEC)) == sizeof back)
        echoed += number == back;
    return weft_close(fd);
}

static int try_it(void *listener)
{
    weft_group server, clients;
    weft_group_init(&server, WEFT_ONE_WORKER);
    weft_group_init(&clients, WEFT_ONE_WORKER);
    weft_group_spawn(&server, WEFT_COROUTINE, serve, listener);
    for (int i = 0; i < CLIENTS; i++)
        weft_group_spawn_copy(&clients, WEFT_COROUTINE, client, &i);
    int r = weft_group_wait(&clients, weft_never());
    printf("%d clients connected at once, %d heard their own words\n", connected, echoed);
    weft_group_wait(&server, stay ? weft_never() : weft_at_once());
    return r;
}

int main(int argc, char **argv)
{
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max; /* two a client are wanted */
    setrlimit(RLIMIT_NOFILE, &files);
    stay = argc > 1;
    int listener = weft_listen(stay ? argv[1] : "127.0.0.1:0", 0), r = listener;
    if (r >= 0 && (r = weft_local_address(listener, address, sizeof address)) == 0)
        r = weft_run(try_it, &listener);
    if (r < 0)
        fprintf(stderr, "C7: %s\n", weft_strerror(r));
    return r < 0;
}
