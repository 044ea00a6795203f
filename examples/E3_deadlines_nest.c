/* E3 - deadlines nest: the sooner one counts.
 *
 *     make example E3
 *
 * ask() allows a server one second. ask_all() tries three servers, so it may take three. Its caller has
 * promised an answer within two, and says so from outside with weft_within: no function in between
 * needs a parameter for it, and a library that has never heard of the promise keeps it too. A plain
 * timeout on each call (Python's) cannot say this.
 *
 * weft_shield is the other way round: what must still be done after a cancel or a timeout, it lets wait
 * for so long. The test runs it seeded: in virtual time, where a sleep takes none.
 */
#include <errno.h>
#include <stdio.h>
#include <weft.h>

static weft_time start;

static void say(const char *what, int r)
{
    printf("  %.1f s  %s: %s\n", (double)weft_time_between(start, weft_now()) / 1e9, what,
           r == 0 ? "done" : weft_strerror(r));
}

static int goodbye(void *server)
{
    int r = weft_sleep(weft_after(100 * WEFT_MS)); /* stands for a last message */
    say(server, r);
    return r;
}

static int ask(const char *server)
{
    weft_event answer = WEFT_EVENT_INIT; /* which never comes */
    int r = weft_event_wait(&answer, weft_after(1 * WEFT_SEC));
    say(server, r);
    return r;
}

static int ask_all(void *arg)
{
    const char *const *servers = arg;
    int r = -ENOENT;
    for (int i = 0; i < 3 && r < 0; i++)
        r = ask(servers[i]);
    weft_shield(weft_after(1 * WEFT_SEC), goodbye, "goodbye to all");
    return r;
}

static int program(void *arg)
{
    (void)arg;
    const char *servers[] = { "server 1", "server 2", "server 3" };
    printf("each has 1 second\n");
    start = weft_now();
    say("all", ask_all(servers));
    printf("each has 1 second, all have 1.5\n");
    start = weft_now();
    say("all", weft_within(weft_after(1500 * WEFT_MS), ask_all, servers));
    return 0;
}

int main(void)
{
    return weft_run(program, NULL) < 0;
}
