/* I4 - a selector with a function for each descriptor: an echo server as an event loop.
 *
 *     make example I4                        three clients of its own
 *     make example I4 ARGS=127.0.0.1:9000    stays there; try C7c with the same address
 *
 * As in Python's selectors: the listener is registered with one function, each client with another, and
 * modified while there is something to write. All run in the task that dispatches: they share without a
 * lock, and none may wait for long. C7 has a coroutine for each client. compared as a set.
 */
#include <stdio.h>
#include <stdlib.h>
#include <weft.h>

enum { CLIENTS = 3 };
static int leavers;

struct client {
    char buf[256];
    ssize_t size; /* of what is to be sent back */
};

static int serve(weft_selector *sel, const struct weft_ready *ready)
{
    struct client *client = ready->data;
    if (ready->events & POLLOUT) { /* there was something to write, and now there is room */
        ssize_t n = weft_write(ready->fd, client->buf, (size_t)client->size, weft_at_once());
        return n < 0 ? (int)n : weft_selector_modify(sel, ready->fd, POLLIN, client);
    }
    client->size = weft_read(ready->fd, client->buf, sizeof client->buf, weft_at_once());
    if (client->size > 0)
        return weft_selector_modify(sel, ready->fd, POLLOUT, client);
    weft_selector_unregister(sel, ready->fd);
    printf("%d left: %zu descriptors are registered\n", ++leavers, weft_selector_count(sel));
    free(client);
    return weft_close(ready->fd);
}

static int greet(weft_selector *sel, const struct weft_ready *ready)
{
    int fd = weft_accept(ready->fd, NULL, weft_at_once());
    struct client *client = fd < 0 ? NULL : calloc(1, sizeof *client);
    int r = client ? weft_selector_on(sel, fd, POLLIN, serve, client) : fd;
    printf("a client comes: %zu descriptors are registered\n", weft_selector_count(sel));
    return r;
}

static int clients(void *arg)
{
    int fds[CLIENTS], r = 0;
    for (int i = 0; i < CLIENTS && r >= 0; i++)
        r = fds[i] = weft_dial(arg, weft_after(5 * WEFT_SEC));
    for (int i = 0; i < CLIENTS && r >= 0; i++) {
        char words[32], back[32];
        int size = snprintf(words, sizeof words, "hello from %d", i + 1);
        r = (int)weft_write(fds[i], words, (size_t)size, weft_after(5 * WEFT_SEC));
        if (r >= 0 && (r = (int)weft_read(fds[i], back, sizeof back, weft_after(WEFT_SEC))) > 0)
            printf(">>>> %.*s\n", r, back);
    }
    for (int i = 0; i < CLIENTS && r >= 0; i++)
        r = weft_close(fds[i]);
    return r;
}

int main(int argc, char **argv)
{
    char address[128];
    weft_selector sel;
    int stay = argc > 1, listener = weft_listen(stay ? argv[1] : "127.0.0.1:0", 0);
    if (listener < 0 || weft_local_address(listener, address, sizeof address) < 0 ||
        weft_selector_init(&sel) < 0)
        return 1;
    int r = weft_selector_on(&sel, listener, POLLIN, greet, NULL);
    if (r == 0 && !stay)
        r = weft_group_spawn(weft_background(), WEFT_COROUTINE, clients, address);
    while (r >= 0 && (stay || leavers < CLIENTS))
        r = weft_selector_dispatch(&sel, weft_never());
    weft_selector_fini(&sel);
    return r < 0;
}
