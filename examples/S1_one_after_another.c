/* S1 - a server of one client after the other: who comes second waits for the first. With datagrams nobody
 * does.
 *
 *     make example S1
 *
 * The loop server holds a conversation, and only then accepts the next one; the kernel keeps the others in
 * the listener's queue. A datagram is a whole question, so there is no conversation to be held up. S2 has a
 * task for each client instead.
 */
#include <stdio.h>
#include <string.h>
#include <weft.h>

#define SOON weft_after(5 * WEFT_SEC)

static int loop_server(void *arg)
{
    char buf[64];
    int fd, listener = *(int *)arg;
    while ((fd = weft_accept(listener, NULL, weft_never())) >= 0) {
        ssize_t n;
        while ((n = weft_read(fd, buf, sizeof buf, weft_never())) > 0 &&
               (n = weft_write(fd, buf, (size_t)n, SOON)) > 0)
            ;
        weft_close(fd);
    }
    return fd;
}

static int datagram_server(void *arg)
{
    char buf[64];
    weft_address from;
    int fd = *(int *)arg;
    ssize_t n;
    while ((n = weft_recv_from(fd, buf, sizeof buf, &from, weft_never())) >= 0 &&
           (n = weft_send_to(fd, buf, (size_t)n, &from, SOON)) >= 0)
        ;
    return (int)n;
}

/* NULL for the question: it was asked before. */
static bool is_answered(int fd, const char *question, weft_deadline deadline)
{
    char buf[64];
    return (!question || weft_write(fd, question, strlen(question), SOON) > 0) &&
           weft_read(fd, buf, sizeof buf, deadline) > 0;
}

static int try_it(weft_fn *server, int fd, bool datagrams)
{
    char address[128];
    weft_group group;
    weft_local_address(fd, address, sizeof address);
    weft_group_init(&group, 0);
    weft_group_spawn(&group, WEFT_COROUTINE, server, &fd);
    int first = datagrams ? weft_datagram(NULL, address, 0) : weft_dial(address, SOON);
    int second = datagrams ? weft_datagram(NULL, address, 0) : weft_dial(address, SOON);
    if (first < 0 || second < 0)
        return 1;
    puts(datagrams ? "datagrams:" : "connections:");
    printf("  the first one asks: %s\n", is_answered(first, "hi", SOON) ? "answered" : "nothing");
    printf("  it stays; the second one asks: %s\n",
           is_answered(second, "hi", weft_after(WEFT_SEC / 5)) ? "answered" : "nothing in 0.2 s");
    weft_close(first);
    if (!datagrams)
        printf("  the first one leaves: %s\n",
               is_answered(second, NULL, SOON) ? "the second one is answered" : "nothing");
    weft_close(second);
    weft_group_wait(&group, weft_at_once()); /* at its deadline a wait cancels */
    return weft_close(fd) < 0;
}

int main(void)
{
    int listener = weft_listen("127.0.0.1:0", 0), socket = weft_datagram("127.0.0.1:0", NULL, 0);
    return listener < 0 || socket < 0 || try_it(loop_server, listener, false) ||
           try_it(datagram_server, socket, true);
}
