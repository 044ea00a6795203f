/* P15 - two processes play ping-pong: by pipe, queue, shared memory, signal, semaphore, socket.
 *
 *     make example P15        how long there and back takes goes to standard error
 */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
#include <weft.h>

enum { ROUNDS = 200 };
#define SOON weft_after(10 * WEFT_SEC)

struct table { /* in the arena: both see it */
    weft_pipe_pair pipe;
    weft_queue queue[2];
    _Atomic int players, turn;
    int pid[2], fd[2];
    weft_semaphore semaphore[2];
};

static int await_number(_Atomic int *there, int number)
{
    int r = 0;
    while (r == 0 && *there != number)
        r = weft_yield(); /* memory alone has nothing to wait with, so it is asked again */
    return r;
}

#define PLAY(means, hit, await)                                                              \
    do {                                                                                     \
        weft_time start = weft_now();                                                        \
        for (int i = 0; i < 2 * ROUNDS && r >= 0; i++)                                       \
            r = (int)(i % 2 == me ? (hit) : (await));                                        \
        double us = (double)weft_time_between(start, weft_now()) / WEFT_US / ROUNDS;         \
        if (me == 0 && r >= 0 && printf("%s: %d times there and back\n", means, ROUNDS) > 0) \
            fprintf(stderr, "%-14s %5.1f us\n", means, us);                                  \
    } while (0)

static int play(void *arg)
{
    char c;
    weft_signal usr1 = { 0 };
    struct table *t = arg;
    int me = t->players++; /* who comes first begins */
    int r = weft_signal_init(&usr1, &(int){ SIGUSR1 }, 1);
    t->pid[me] = getpid();
    r = r < 0 ? r : await_number(&t->players, 2);
    PLAY("pipe", weft_pipe_send(&t->pipe.end[me], "", 1, SOON),
         weft_pipe_receive(&t->pipe.end[me], &c, 1, &(size_t){ 0 }, SOON));
    PLAY("queue", weft_queue_put(&t->queue[!me], "", 1, SOON),
         weft_queue_get(&t->queue[me], &c, 1, SOON));
    PLAY("shared memory", t->turn = !me, await_number(&t->turn, me));
    PLAY("signal", kill(t->pid[!me], SIGUSR1), weft_signal_wait(&usr1, SOON));
    PLAY("semaphore", weft_semaphore_release(&t->semaphore[!me], 1),
         weft_semaphore_acquire(&t->semaphore[me], SOON));
    PLAY("socket", weft_write(t->fd[me], "", 1, SOON), weft_read(t->fd[me], &c, 1, SOON));
    weft_signal_fini(&usr1);
    return r < 0 ? r : 0;
}

int main(void)
{
    struct table *t = weft_arena_alloc(sizeof *t);
    weft_group g;
    if (!t || weft_pipe_init(&t->pipe, 0, WEFT_SHARED) < 0 || weft_group_init(&g, 0) < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM, 0, t->fd) < 0)
        return 1;
    t->players = t->turn = 0;
    for (int i = 0; i < 2; i++)
        if (weft_queue_init(&t->queue[i], NULL, 1, 1, WEFT_SHARED) < 0 ||
            weft_semaphore_init(&t->semaphore[i], 0, 0, WEFT_SHARED) < 0)
            return 1;
    struct weft_pass ends[] = { { t->fd[0], t->fd[0] }, { t->fd[1], t->fd[1] } };
    struct weft_process with = { .size = sizeof with, .pass = ends, .pass_count = 2 };
    struct weft_spawn more = { .size = sizeof more, .process = &with };
    for (int i = 0; i < 2; i++)
        weft_group_spawn_with(&g, WEFT_PROCESS, play, t, &more);
    return weft_group_wait(&g, weft_never()) < 0;
}
