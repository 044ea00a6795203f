/* Pipes between tasks of every kind: messages whole, in order, and an end to every wait. */
#include "test.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <weft.h>

enum { MANY = 300, MB = 1 << 20 };

static weft_pipe_pair *new_pipe(uint64_t limit)
{
    weft_pipe_pair *pipe = weft_arena_alloc(sizeof *pipe);
    CHECK(pipe != NULL);
    CHECK_EQ(weft_pipe_init(pipe, limit, WEFT_SHARED), 0);
    return pipe;
}

static void free_pipe(weft_pipe_pair *pipe)
{
    weft_pipe_fini(pipe);
    weft_arena_free(pipe);
}

/* fn in a task of each kind, with the other end; here what is done with ours; then fn's result. */
static void with(weft_fn *fn, void (*here)(weft_pipe_end *), int result)
{
    static const unsigned kinds[] = { WEFT_COROUTINE, WEFT_THREAD, WEFT_PROCESS };
    for (int k = 0; k < 3; k++) {
        weft_group group;
        weft_pipe_pair *pipe = new_pipe(0);
        CHECK_EQ(weft_group_init(&group, 0), 0);
        CHECK_EQ(weft_group_spawn(&group, kinds[k], fn, &pipe->end[1]), 0);
        here(&pipe->end[0]);
        CHECK_EQ(weft_group_wait(&group, weft_never()), result);
        free_pipe(pipe);
    }
}

static int echo(void *arg)
{
    char text[5000];
    size_t size;
    int r;
    while ((r = weft_pipe_receive(arg, text, sizeof text, &size, weft_never())) == 1)
        CHECK_EQ(weft_pipe_send(arg, text, size, weft_never()), 0);
    CHECK_EQ(r, 0);
    weft_pipe_close(arg);
    return 0;
}

static void hear_the_echo(weft_pipe_end *end)
{
    char text[5000], back[5000];
    size_t size;
    memset(text, 'x', sizeof text);
    for (size_t n = 0; n <= sizeof text; n += 50) {
        CHECK_EQ(weft_pipe_send(end, text, n, weft_never()), 0);
        CHECK_EQ(weft_pipe_poll(end, weft_never()), 1);
        if (n > 0)
            CHECK_EQ(weft_pipe_receive(end, back, n - 1, &size, weft_never()), -EMSGSIZE);
        CHECK_EQ(weft_pipe_receive(end, back, sizeof back, &size, weft_never()), 1);
        CHECK_EQ(size, n);
        CHECK_MEM(back, text, n);
        CHECK_EQ(weft_pipe_poll(end, weft_at_once()), -ETIMEDOUT);
    }
    weft_pipe_close(end);
}

TEST_REAL(messages_go_there_and_back, "processes")
{
    PROCESSES();
    with(echo, hear_the_echo, 0);
}

/* -- both at once -- */

static void send_and_receive(weft_pipe_end *end)
{
    char *text = malloc(MB);
    size_t size;
    memset(text, 'y', MB);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(weft_pipe_send(end, text, MB, weft_never()), 0);
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(weft_pipe_receive(end, text, MB, &size, weft_never()), 1);
        CHECK_EQ(size, MB);
        CHECK_EQ(text[MB - 1], 'y');
    }
    free(text);
}

static int send_and_receive_there(void *arg)
{
    send_and_receive(arg);
    return 0;
}

TEST_REAL(both_ends_may_send_first, "processes")
{
    PROCESSES();
    with(send_and_receive_there, send_and_receive, 0);
}

TEST_REAL(what_is_on_its_way_is_bounded, "shared memory")
{
    static char text[MB];
    weft_pipe_pair *pipe = new_pipe(3 * MB);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(weft_pipe_send(&pipe->end[0], text, MB, weft_at_once()), 0);
    CHECK_EQ(weft_pipe_send(&pipe->end[0], text, MB, weft_after(WEFT_MS)), -ETIMEDOUT);
    CHECK_EQ(weft_pipe_send(&pipe->end[1], text, MB, weft_at_once()),
             0); /* the other way is another */
    free_pipe(pipe);
}

/* -- many on one end -- */

static int send_many(void *arg)
{
    unsigned char text[200];
    for (int i = 0; i < MANY; i++) {
        memset(text, i, sizeof text);
        CHECK_EQ(weft_pipe_send(arg, text, 1 + (size_t)i % sizeof text, weft_never()), 0);
    }
    return 0;
}

TEST_REAL(many_send_on_one_end_and_no_message_is_torn, "processes")
{
    PROCESSES();
    static const unsigned kinds[] = { WEFT_COROUTINE, WEFT_THREAD, WEFT_PROCESS };
    weft_group group;
    unsigned char text[200];
    size_t size;
    weft_pipe_pair *pipe = new_pipe(0);
    CHECK_EQ(weft_group_init(&group, 0), 0);
    for (int i = 0; i < 6; i++)
        CHECK_EQ(weft_group_spawn(&group, kinds[i % 3], send_many, &pipe->end[1]), 0);
    for (int i = 0; i < 6 * MANY; i++) {
        CHECK_EQ(weft_pipe_receive(&pipe->end[0], text, sizeof text, &size, weft_never()), 1);
        CHECK(size == 1 + text[0] % 200u || size == 1 + (text[0] + 256u) % 200);
        for (size_t at = 0; at < size; at++)
            CHECK_EQ(text[at], text[0]);
    }
    CHECK_EQ(weft_group_wait(&group, weft_never()), 0);
    free_pipe(pipe);
}

/* -- ends -- */

static int die_with_a_message_sent(void *arg)
{
    CHECK_EQ(weft_pipe_send(arg, "last words", 11, weft_never()), 0);
    raise(SIGKILL);
    return 0;
}

TEST_REAL(who_waits_for_a_dead_peer_is_told, "processes")
{
    PROCESSES();
    weft_group group;
    char text[50];
    size_t size;
    weft_pipe_pair *pipe = new_pipe(0);
    CHECK_EQ(weft_group_init(&group, 0), 0);
    CHECK_EQ(weft_group_spawn(&group, WEFT_PROCESS, die_with_a_message_sent, &pipe->end[1]), 0);
    CHECK_EQ(weft_pipe_receive(&pipe->end[0], text, sizeof text, &size, weft_never()), 1);
    CHECK_STR(text, "last words");
    CHECK_EQ(weft_pipe_receive(&pipe->end[0], text, sizeof text, &size, weft_never()), -EPIPE);
    CHECK_EQ(weft_pipe_poll(&pipe->end[0], weft_never()), -EPIPE);
    CHECK_EQ(weft_pipe_send(&pipe->end[0], text, 1, weft_never()), -EPIPE);
    CHECK_EQ(weft_group_wait(&group, weft_never()), -EOWNERDEAD);
    free_pipe(pipe);
}

TEST_REAL(a_closed_end_is_drained, "shared memory")
{
    char text[50];
    size_t size;
    weft_pipe_pair *pipe = new_pipe(0);
    CHECK_EQ(weft_pipe_send(&pipe->end[0], "one", 4, weft_never()), 0);
    weft_pipe_close(&pipe->end[0]);
    CHECK_EQ(weft_pipe_receive(&pipe->end[1], text, sizeof text, &size, weft_never()), 1);
    CHECK_STR(text, "one");
    CHECK_EQ(weft_pipe_receive(&pipe->end[1], text, sizeof text, &size, weft_never()), 0);
    CHECK_EQ(weft_pipe_poll(&pipe->end[1], weft_never()), 0);
    CHECK_EQ(weft_pipe_send(&pipe->end[1], "two", 4, weft_never()), -EPIPE);
    CHECK_EQ(weft_pipe_send(&pipe->end[0], "two", 4, weft_never()), -EPIPE);
    free_pipe(pipe);
}

TEST_REAL(a_pipe_lies_in_the_arena, "shared memory")
{
    static weft_pipe_pair pipe;
    CHECK_EQ(weft_pipe_init(&pipe, 0, WEFT_SHARED), -EINVAL);
    weft_pipe_pair *right = weft_arena_alloc(sizeof *right);
    CHECK_EQ(weft_pipe_init(right, 0, 0), -EINVAL);
    weft_arena_free(right);
}
