/* Question: what does it cost to find the address of a name that is in the hosts file, and of one that a
 * server on loopback knows; and how long does a name take when 50 are asked for at once? load_names.c makes
 * the world that this is asked in. */
#include "ours.h"

#include <arpa/inet.h>

enum { AT_ONCE = 50 };

static void find(const char *name, const char *right)
{
    weft_address found[4];
    char text[64];
    must(weft_name_find(name, NULL, found, 4, NULL, weft_after(10 * WEFT_SEC)), name);
    bench_check(inet_ntop(AF_INET, &found[0].as.in.sin_addr, text, sizeof text) &&
                    strcmp(text, right) == 0,
                "address");
}

static void in_hosts(long steps)
{
    for (long i = 0; i < steps; i++)
        find("db7.bench", "10.0.0.7");
}

static void at_server(long steps)
{
    for (long i = 0; i < steps; i++)
        find("www.bench", "10.0.1.1");
}

static int some(void *steps)
{
    at_server(*(long *)steps);
    return 0;
}

static void at_once(long steps)
{
    weft_group all;
    long each = steps / AT_ONCE;
    weft_group_init(&all, 0);
    for (int i = 0; i < AT_ONCE; i++)
        weft_group_spawn(&all, WEFT_COROUTINE, some, &each);
    must(weft_group_wait(&all, weft_never()), "wait");
}

static int ask(void *arg)
{
    (void)arg;
    bench("name_hosts", BENCH_CPU, in_hosts);
    bench("name_server", BENCH_CPU, at_server);
    bench("name_50", BENCH_WALL, at_once);
    return 0;
}

int main(void)
{
    return ours(ask);
}
