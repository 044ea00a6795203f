/* C9 - a C function that blocks, wrapped so that only its caller waits.
 *
 *     make example C9
 *     make example C9 ARGS=direct    unwrapped: it stands still, and Ctrl-C ends it
 *
 * ask() is a library's, which knows nothing of weft: it blocks its OS thread in read(2). weft_offload runs it
 * on a helper thread and parks the caller. All coroutines here are on one worker: if ask() blocked that, the
 * one that is to answer would never run. (gevent has the hub's thread pool for this, eventlet tpool.)
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <weft.h>

struct question {
    int fd;
    char answer[32];
};

static int ends[2]; /* of a pipe: [0] to read, [1] to write */
static bool direct;

static int ask(void *arg)
{
    struct question *q = arg;
    ssize_t n = read(q->fd, q->answer, sizeof q->answer - 1);
    return n < 0 ? -1 : 0;
}

static int caller(void *arg)
{
    struct question q = { .fd = ends[0] };
    (void)arg;
    printf("the caller asks\n");
    int r = direct ? ask(&q) : weft_offload(ask, &q);
    printf("the caller hears: %s\n", q.answer);
    return r;
}

static int other(void *arg)
{
    (void)arg;
    for (int i = 1; i <= 3; i++) {
        printf("another coroutine goes on: %d\n", i);
        if (weft_yield() < 0)
            return -1;
    }
    return weft_write(ends[1], "hello", 5, weft_never()) == 5 ? 0 : -1;
}

int main(int argc, char **argv)
{
    weft_group g;
    (void)argv;
    direct = argc > 1;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (pipe(ends) < 0)
        return 1;
    weft_group_init(&g, WEFT_ONE_WORKER);
    weft_group_spawn(&g, WEFT_COROUTINE, caller, NULL);
    weft_group_spawn(&g, WEFT_COROUTINE, other, NULL);
    return weft_group_wait(&g, weft_never()) < 0;
}
