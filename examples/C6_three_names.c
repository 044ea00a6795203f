/* C6 - three host names looked up at once, with two seconds for all of them.
 *
 *     make example C6
 *     make example C6 ARGS='www.debian.org www.python.org kernel.org'
 *
 * Each look-up waits alone; together they take as long as the slowest. At the group's deadline those that
 * still wait are cancelled, and what the finished ones found is there: in Python that is a gevent.joinall
 * with a timeout, and then the value of each.
 *
 * Without arguments the third name is asked of a server that never answers. The test runs it seeded: in
 * virtual time, where two seconds take none.
 */
#include <stdio.h>
#include <weft.h>

struct look_up {
    const char *host;
    struct weft_name_options options;
    weft_address found;
    int count;
};

static int look_up(void *arg)
{
    struct look_up *l = arg;
    l->count = weft_name_find(l->host, NULL, &l->found, 1, &l->options, weft_never());
    return 0; /* one that is not found ends nobody else's search */
}

static void print(const struct look_up *l)
{
    char text[128] = "";
    if (l->count > 0)
        weft_address_print(&l->found, text, sizeof text);
    printf("%-18s %s\n", l->host, l->count > 0 ? text : weft_strerror(l->count));
}

int main(int argc, char **argv)
{
    char silent[128];
    struct look_up three[3] = { { .host = "localhost" },
                                { .host = "printer.localhost" },
                                { .host = "slow.example.org" } };
    for (int i = 0; i < 3; i++) {
        three[i].options =
            (struct weft_name_options){ .size = sizeof three[i].options, .family = AF_INET };
        if (i + 1 < argc)
            three[i].host = argv[i + 1];
    }
    if (argc < 4) {
        int fd = weft_datagram("127.0.0.1:0", NULL, 0); /* nobody reads from it */
        if (fd < 0 || weft_local_address(fd, silent, sizeof silent) < 0)
            return 1;
        three[2].options.servers = silent;
    }
    weft_group g;
    weft_group_init(&g, 0);
    for (int i = 0; i < 3; i++)
        weft_group_spawn(&g, WEFT_COROUTINE, look_up, &three[i]);
    int r = weft_group_wait(&g, weft_after(2 * WEFT_SEC));
    for (int i = 0; i < 3; i++)
        print(&three[i]);
    puts(r < 0 ? "not all in time" : "all in time");
    return 0;
}
