/* E1 - the first error ends the rest, and a deadline ends them all.
 *
 *     make example E1
 *
 * A page needs three parts, fetched at once. When a part fails, the others are of no use: the group
 * cancels them, its wait returns the error, and no task is left running anywhere. The same holds when
 * the whole takes too long. There is no flag to poll and nothing to clean up: a cancelled wait is
 * -ECANCELED and leaves the function by the door every error takes.
 *
 * In Python this is a future for each, wait(FIRST_EXCEPTION), a cancel that does not reach what has
 * started, and threads that go on. The test runs it seeded, in virtual time; what happens at one time
 * may come in any order, so its lines are compared as a set.
 */
#include <errno.h>
#include <stdio.h>
#include <weft.h>

struct part {
    const char *name;
    weft_span takes;
    int error; /* that its server will answer with */
};

static weft_time start;

static int fetch(void *arg)
{
    const struct part *part = arg;
    int r = weft_sleep(weft_after(part->takes)); /* stands for weft_dial, weft_write, weft_read */
    if (r == 0)
        r = part->error;
    printf("  %.1f s  %-6s  %s\n", (double)weft_time_between(start, weft_now()) / 1e9, part->name,
           r == 0 ? "fetched" : weft_strerror(r));
    return r;
}

static void page(weft_span limit, weft_span image_takes, int price_error)
{
    struct part parts[] = { { "text", 300 * WEFT_MS, 0 },
                            { "image", image_takes, 0 },
                            { "price", 500 * WEFT_MS, price_error } };
    weft_group g;
    weft_group_init(&g, 0);
    start = weft_now();
    for (int i = 0; i < 3; i++)
        weft_group_spawn(&g, WEFT_COROUTINE, fetch, &parts[i]);
    int r = weft_group_wait(&g, weft_after(limit));
    printf("page: %s\n", r == 0 ? "complete" : weft_strerror(r));
}

static int three_pages(void *arg)
{
    (void)arg;
    page(1 * WEFT_SEC, 700 * WEFT_MS, 0);
    page(1 * WEFT_SEC, 900 * WEFT_MS, -ECONNREFUSED);
    page(1 * WEFT_SEC, 60 * WEFT_SEC, 0);
    return 0;
}

int main(void)
{
    return weft_run(three_pages, NULL) < 0;
}
