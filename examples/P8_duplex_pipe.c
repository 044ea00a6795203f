/* P8 - a pipe between two processes, both ways; then four processes that write on one end.
 *
 *     make example P8
 *
 * The pipe lies in the arena; each side has an end of it. A message is whole or not there: Python warns that data
 * may be corrupted when two processes write to one end at a time, here any number may. What is sent is a value,
 * and comes out equal to what went in.
 */
#include <stdio.h>
#include <weft.h>

enum { WRITERS = 4, EACH = 1000 };

#define ORDER \
    WEFT_ARRAY(WEFT_INT(12), WEFT_MAP({ WEFT_TEXT("name"), WEFT_TEXT("yuan") }), WEFT_TEXT("hello"))

static int child(void *end)
{
    weft_value answer;
    int r = weft_pipe_send_value(end, ORDER, weft_never());
    if (r < 0 || (r = weft_pipe_receive_value(end, &answer, weft_never())) != 1)
        return r;
    printf("child: %s\n", weft_value_text(&answer, "?"));
    weft_value_fini(&answer);
    return 0;
}

struct writer {
    weft_pipe_end *end;
    int number;
};

static int write_many(void *arg)
{
    const struct writer *w = arg;
    int r = 0;
    for (int i = 0; i < EACH && r == 0; i++)
        r = weft_pipe_send_value(w->end, WEFT_ARRAY(WEFT_INT(w->number), WEFT_INT(i)), weft_never());
    return r;
}

int main(void)
{
    int next[WRITERS] = { 0 }, good = 0;
    char text[100];
    weft_value got;
    weft_group g;
    weft_pipe_pair *pipe = weft_arena_alloc(sizeof *pipe);
    if (!pipe || weft_pipe_init(pipe, 0, WEFT_SHARED) < 0 || weft_group_init(&g, 0) < 0) {
        fprintf(stderr, "P8: %s\n", weft_why());
        return 1;
    }
    weft_group_spawn(&g, WEFT_PROCESS, child, &pipe->end[1]);
    if (weft_pipe_receive_value(&pipe->end[0], &got, weft_never()) != 1)
        return 1;
    weft_value_format(&got, text, sizeof text);
    printf("parent: %s, %s\n", text, weft_value_is(&got, ORDER) ? "equal" : "not equal");
    fflush(stdout); /* before the child prints */
    weft_value_fini(&got);
    int r = weft_pipe_send_value(&pipe->end[0], WEFT_TEXT("儿子你好!"), weft_never());
    if (r < 0 || weft_group_wait(&g, weft_never()) < 0)
        return 1;

    for (int i = 0; i < WRITERS; i++)
        weft_group_spawn_copy(&g, WEFT_PROCESS, write_many, &(struct writer){ &pipe->end[1], i });
    for (int i = 0; i < WRITERS * EACH; i++) {
        if (weft_pipe_receive_value(&pipe->end[0], &got, weft_never()) != 1)
            return 1;
        int64_t writer = weft_value_int(weft_value_at(&got, 0), -1);
        good += writer >= 0 && writer < WRITERS &&
                weft_value_int(weft_value_at(&got, 1), -1) == next[writer]++;
        weft_value_fini(&got);
    }
    printf("%d of %d messages from %d writers are whole and in order\n", good, WRITERS * EACH,
           WRITERS);
    return weft_group_wait(&g, weft_never()) < 0;
}
