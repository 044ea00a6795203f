/* I8 - level and edge: told as long as there is something to read, or only when something has come.
 *
 *     make example I8
 *
 * Five bytes come, and the reader takes two at a time. Level: each wait tells of what is left. Edge: it is told
 * once, and what it leaves lies there in silence until more comes; so with edges one reads until that would
 * wait. (poll and select know no edges: on them, WEFT_BACKEND=poll, both are levels.)
 */
#include <stdio.h>
#include <weft.h>

static int ends[2];

/* Takes up to two bytes, if the selector tells of any. */
static bool look(weft_selector *sel)
{
    char two[2];
    struct weft_ready ready;
    if (weft_selector_select(sel, &ready, 1, weft_at_once()) != 1) {
        printf("  not told\n");
        return false;
    }
    ssize_t n = weft_read(ends[0], two, sizeof two, weft_at_once());
    printf("  told, takes \"%.*s\"\n", n > 0 ? (int)n : 0, two);
    return true;
}

static void drain(weft_selector *sel)
{
    char two[2];
    struct weft_ready ready;
    ssize_t n;
    if (weft_selector_select(sel, &ready, 1, weft_at_once()) != 1)
        return;
    printf("  told, takes");
    while ((n = weft_read(ends[0], two, sizeof two, weft_at_once())) > 0)
        printf(" \"%.*s\"", (int)n, two);
    printf("\n");
}

static int show(const char *how, int flags)
{
    weft_selector sel;
    printf("%s\n", how);
    if (weft_socketpair(ends) < 0 || weft_selector_init(&sel) < 0 ||
        weft_selector_register(&sel, ends[0], POLLIN | flags, NULL) < 0 ||
        weft_write(ends[1], "hello", 5, weft_never()) != 5)
        return 1;
    while (look(&sel))
        ;
    if (flags) {
        printf("  \"!\" comes\n");
        if (weft_write(ends[1], "!", 1, weft_never()) != 1)
            return 1;
        drain(&sel);
        look(&sel);
    }
    weft_selector_unregister(&sel, ends[0]);
    weft_selector_fini(&sel);
    return weft_close(ends[0]) < 0 || weft_close(ends[1]) < 0;
}

int main(void)
{
    return show("level:", 0) || show("edge:", WEFT_EDGE);
}
