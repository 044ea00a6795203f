/* I5 - bit operations, and the events of poll, which are bits.
 *
 *     make example I5
 *
 * One number carries many yes-or-no answers: POLLIN may I read, POLLOUT may I write, POLLERR, POLLHUP what
 * went wrong. | puts a bit in, & asks for it, & ~ takes it out, ^ turns it over, << and >> move all.
 */
#include <poll.h>
#include <stdio.h>
#include <weft.h>

static void show(const char *what, int events)
{
    static const struct {
        int bit;
        const char *name;
    } bits[] = {
        { POLLIN, "POLLIN" }, { POLLOUT, "POLLOUT" }, { POLLERR, "POLLERR" }, { POLLHUP, "POLLHUP" }
    };
    printf("%s:", what);
    for (int i = 0; i < 4; i++)
        if (events & bits[i].bit)
            printf(" %s", bits[i].name);
    printf(events ? "\n" : " nothing\n");
}

int main(void)
{
    printf("14 & 19  = %d\n", 14 & 19); /* 01110 and 10011: 00010 */
    printf("14 | 19  = %d\n", 14 | 19); /*                  11111 */
    printf("14 ^ 19  = %d\n", 14 ^ 19); /*                  11101 */
    printf("14 << 2  = %d\n", 14 << 2); /* 01110 two places on: 111000 */
    printf("14 >> 2  = %d\n", 14 >> 2); /* 01110 two places back: 00011 */

    int events = 0;
    events |= POLLIN | POLLOUT;
    show("set", events);
    events &= ~POLLOUT;
    show("cleared again", events);
    printf("may I read? %s\n", events & POLLIN ? "yes" : "no");

    int ends[2];
    if (weft_socketpair(ends) < 0)
        return 1;
    show("a new socket", weft_poll(ends[0], POLLIN | POLLOUT, weft_never()));
    if (weft_write(ends[1], "hello", 5, weft_never()) != 5)
        return 1;
    show("the peer has written", weft_poll(ends[0], POLLIN | POLLOUT, weft_never()));
    weft_close(ends[1]);
    show("the peer has closed", weft_poll(ends[0], POLLIN | POLLOUT, weft_never()));
    weft_close(ends[0]);
    return 0;
}
