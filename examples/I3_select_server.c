/* I3 - a select server: one loop watches all, and an operator types the answers.
 *
 *     make example I3                        three clients of its own; WEFT_BACKEND=select or poll before it
 *     make example I3 ARGS=127.0.0.1:9000    others: make example C7c ARGS=127.0.0.1:9000
 *
 * A client is watched for writing only while there is an answer for it: else its room would wake the loop
 * for ever. POLLPRI is select's third list. While the operator thinks, the loop stands in fgets and all
 * clients wait; a task for each (S2) has no such wait. seeded.
 */
#include <stdio.h>
#include <string.h>
#include <weft.h>

static char answers[1000][128];
static int coming, leaving;

static int greet(weft_selector *sel, int fd)
{
    intptr_t number = coming++ % 999 + 1;
    printf("client %d comes\n", (int)number);
    return fd < 0 ? fd : weft_selector_register(sel, fd, POLLIN | POLLPRI, (void *)number);
}

static int talk(weft_selector *sel, const struct weft_ready *on)
{
    char line[128], *answer = answers[(intptr_t)on->data];
    int number = (int)(intptr_t)on->data, fd = on->fd;
    if (on->events & POLLOUT) {
        ssize_t n = weft_write(fd, answer, strlen(answer), weft_at_once());
        return n < 0 ? (int)n : weft_selector_modify(sel, fd, POLLIN | POLLPRI, on->data);
    }
    ssize_t n = weft_read(fd, line, sizeof line, weft_at_once());
    if (n > 0) {
        printf("client %d: %.*sanswer %d: >>> ", number, (int)n, line, number);
        fflush(stdout);
        if (fgets(answer, sizeof *answers, stdin))
            return weft_selector_modify(sel, fd, POLLIN | POLLPRI | POLLOUT, on->data);
    }
    printf("client %d leaves: %d have left\n", number, ++leaving);
    weft_selector_unregister(sel, fd);
    return weft_close(fd);
}

static int three_clients(void *where)
{
    char heard[128];
    int fd[3], r = 0;
    for (int i = 0; i < 3 && r >= 0; i++)
        r = fd[i] = weft_dial(where, weft_never());
    weft_sleep(weft_after(6 * WEFT_SEC)); /* they think, too */
    for (int i = 0; i < 3 && r >= 0; i++)
        r = (int)weft_write(fd[i], "hello\n", 6, weft_never());
    for (int i = 0; i < 3 && r >= 0; i++, weft_close(fd[i - 1]))
        if ((r = (int)weft_read(fd[i], heard, sizeof heard, weft_never())) >= 0)
            printf("client %d >>>> hello: %.*s", i + 1, r, heard);
    return r;
}

int main(int argc, char **argv)
{
    char address[128];
    weft_selector sel;
    struct weft_ready on[16];
    int listener = weft_listen(argc > 1 ? argv[1] : "unix:@", 0);
    if (weft_local_address(listener, address, sizeof address) < 0 || weft_selector_init(&sel) < 0)
        return 1;
    int r = weft_selector_register(&sel, listener, POLLIN, NULL);
    if (argc == 1 && r == 0)
        r = weft_group_spawn(weft_background(), WEFT_COROUTINE, three_clients, address);
    while (r >= 0 && (argc > 1 || leaving < 3)) {
        int n = weft_selector_select(&sel, on, 16, weft_after(5 * WEFT_SEC));
        printf("%d ready\n", n < 0 ? 0 : n);
        for (int i = 0; i < n && r >= 0; i++)
            r = on[i].data ? talk(&sel, &on[i])
                           : greet(&sel, weft_accept(listener, NULL, weft_at_once()));
    }
    weft_selector_fini(&sel);
    return r < 0;
}
