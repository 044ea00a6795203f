/* P7 - a queue between processes: three numbers, a list, and what full, empty and closed mean.
 *
 *     make example P7
 *
 * multiprocessing.Queue is a weft_queue in the arena, made with WEFT_SHARED. It has a bound, so a put may wait, as
 * long as its deadline says: block=False is weft_at_once(), timeout=0.01 is weft_after(10 * WEFT_MS). No thread feeds
 * it behind the scenes: what was put is in, and stays when its process ends, so join before get is fine. Python
 * pickles what it puts; here it is a value: numbers, text, lists and maps, and nothing that could be executed.
 */
#include <stdio.h>
#include <weft.h>

struct child {
    weft_queue *queue;
    int n;
};

static int put_number(void *arg)
{
    const struct child *child = arg;
    return weft_queue_put_value(child->queue, WEFT_INT(child->n * child->n + 1), weft_never());
}

static int put_list(void *queue)
{
    weft_value list = WEFT_ARRAY(WEFT_INT(42), WEFT_NULL, WEFT_TEXT("hello"));
    int r = weft_queue_put_value(queue, list, weft_never());
    return r < 0 ? r : weft_queue_put_value(queue, WEFT_TEXT("and goodbye"), weft_never());
}

static void print_next(weft_queue *queue, weft_deadline deadline)
{
    char text[100];
    weft_value value;
    int r = weft_queue_get_value(queue, &value, deadline);
    if (r == 1) {
        weft_value_format(&value, text, sizeof text);
        weft_value_fini(&value);
    }
    printf("get: %s\n", r == 1 ? text : r == 0 ? "closed and empty" : weft_strerror(r));
}

int main(void)
{
    weft_group g;
    unsigned seen = 0;
    weft_value value;
    weft_queue *queue = weft_arena_alloc(sizeof *queue);
    if (!queue || weft_queue_init(queue, NULL, 3, 0, WEFT_SHARED) < 0 || weft_group_init(&g, 0) < 0) {
        fprintf(stderr, "P7: %s\n", weft_why());
        return 1;
    }
    for (int n = 0; n < 3; n++)
        weft_group_spawn_copy(&g, WEFT_PROCESS, put_number, &(struct child){ queue, n });
    int r = weft_group_wait(&g, weft_never());
    printf("%u inside, %s\n", weft_queue_length(queue),
           weft_queue_is_full(queue) ? "full" : "not full");
    printf("put at once: %s\n",
           weft_strerror(weft_queue_put_value(queue, WEFT_NULL, weft_at_once())));
    printf("put within 10 ms: %s\n",
           weft_strerror(weft_queue_put_value(queue, WEFT_NULL, weft_after(10 * WEFT_MS))));
    while (weft_queue_get_value(queue, &value, weft_at_once()) == 1) /* in any order */
        seen |= 1u << weft_value_int(&value, 0);
    printf("got: {%s}\n", seen == (1u << 1 | 1u << 2 | 1u << 5) ? "1, 2, 5" : "something else");

    weft_group_spawn(&g, WEFT_PROCESS, put_list, queue);
    print_next(queue, weft_never()); /* what one process puts comes in its order */
    print_next(queue, weft_never());
    printf("%s\n", weft_queue_is_empty(queue) ? "empty" : "not empty");
    print_next(queue, weft_at_once());
    weft_queue_close(queue);
    print_next(queue, weft_never());
    printf("put: %s\n", weft_strerror(weft_queue_put_value(queue, WEFT_NULL, weft_never())));
    return r < 0 || weft_group_wait(&g, weft_never()) < 0;
}
