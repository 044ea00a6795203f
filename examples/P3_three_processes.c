/* P3 - three processes at once, each with arguments of its own; then wait for all.
 *
 *     make example P3
 *
 * Process(target=hello, args=(...), kwargs={...}) is a job: a struct, copied into the process when it is
 * spawned. Designated initialisers are the keyword arguments; what is left out is 0, or what the function
 * takes 0 for. The three lines come in any order, compared as a set; "end" is last.
 */
#include <stdio.h>
#include <weft.h>

struct hello {
    const char *name; /* a literal: read-only data, the same there */
    const char *greeting;
    int times;
};

static int hello(void *job)
{
    const struct hello *h = job;
    char line[100];
    int n = 0;
    for (int i = 0; i < (h->times ? h->times : 1); i++)
        n += snprintf(line + n, sizeof line - (size_t)n, "%s, ",
                      h->greeting ? h->greeting : "hello");
    printf("%s%s!\n", line, h->name);
    return 0;
}

int main(void)
{
    weft_group g;
    weft_group_init(&g, 0);
    weft_group_spawn_copy(&g, WEFT_PROCESS, hello, &(struct hello){ .name = "Ann" });
    weft_group_spawn_copy(&g, WEFT_PROCESS, hello, &(struct hello){ .name = "Bob", .times = 2 });
    weft_group_spawn_copy(&g, WEFT_PROCESS, hello,
                          &(struct hello){ .greeting = "good morning", .name = "Eve" });
    int r = weft_group_wait(&g, weft_never()); /* join for all */
    printf("%s\n", r < 0 ? weft_why() : "end");
    return r < 0;
}
