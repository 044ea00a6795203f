/* I2 - a socket with a timeout: none, none at all, or so long.
 *
 *     make example I2
 *
 * What settimeout is in Python is the last argument here, at each call: weft_never() blocks, weft_at_once()
 * does not wait, weft_after(span) waits so long. -ETIMEDOUT means that nothing was taken: try again. seeded.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <weft.h>

static char address[128];

static void say(const char *what, ssize_t n)
{
    if (n < 0)
        printf("%s: %s\n", what, weft_strerror((int)n));
    else
        printf("%s: %zd bytes\n", what, n);
}

/* It thinks for a second, then sends a word letter by letter, one each half second. */
static int slow_server(void *arg)
{
    int fd = weft_accept(*(int *)arg, NULL, weft_never());
    weft_sleep(weft_after(WEFT_SEC));
    for (const char *word = "slow\n"; fd >= 0 && *word; word++) {
        ssize_t n = weft_write(fd, word, 1, weft_after(WEFT_SEC));
        if (n < 0 || weft_sleep(weft_after(WEFT_SEC / 2)) < 0)
            break;
    }
    return fd < 0 ? fd : weft_close(fd);
}

static int client(void *arg)
{
    char byte, line[16], buf[64];
    weft_stream stream;
    int listener = *(int *)arg, fd = weft_accept(listener, NULL, weft_after(WEFT_SEC / 10));
    say("accept, when nobody comes", fd);
    if ((fd = weft_dial(address, weft_after(WEFT_SEC))) < 0)
        return fd;
    say("read, not waiting", weft_read(fd, &byte, 1, weft_at_once()));
    say("read, waiting 0.1 s", weft_read(fd, &byte, 1, weft_after(WEFT_SEC / 10)));
    say("read, waiting as long as it takes", weft_read(fd, &byte, 1, weft_never()));
    /* One deadline for all of it, although every letter comes in time. */
    weft_stream_init(&stream, fd, buf, sizeof buf);
    say("a line in 1 s", weft_stream_read_line(&stream, line, sizeof line, weft_after(WEFT_SEC)));
    say("what is left of it", weft_stream_read_line(&stream, line, sizeof line, weft_never()));
    return weft_close(fd);
}

int main(void)
{
    weft_group group;
    int listener = weft_listen("127.0.0.1:0", 0), r = listener;
    if (r >= 0)
        r = weft_local_address(listener, address, sizeof address);
    weft_group_init(&group, 0);
    if (r == 0)
        r = weft_group_spawn(&group, WEFT_COROUTINE, client, &listener);
    weft_sleep(weft_after(WEFT_SEC / 2)); /* the client's first try has been in vain */
    if (r == 0)
        r = weft_group_spawn(&group, WEFT_COROUTINE, slow_server, &listener);
    if (r == 0)
        r = weft_group_wait(&group, weft_never());
    return r < 0;
}
