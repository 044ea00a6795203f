/* Operations: what is started goes on beside its starter, ends once, and leaves the buffer alone. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft.h>
#include "test.h"

#define REAL "the kernel's descriptors"
#define SOON weft_after(10 * WEFT_SEC)

static const char *dir;

static void in_a_task(struct test *t, weft_fn *fn)
{
    weft_group group;
    dir = t_dir(t);
    CHECK_OK(weft_group_init(&group, 0));
    CHECK_OK(weft_group_spawn(&group, t->kind, fn, NULL));
    CHECK_OK(weft_group_wait(&group, weft_never()));
    weft_group_fini(&group);
}

static void *on_a_thread(void *fn)
{
    weft_fn *body;
    memcpy(&body, &fn, sizeof body);
    CHECK_EQ(body(NULL), 0);
    return NULL;
}

/* A contract, for each kind of task and for a thread that weft did not start. */
#define OPERATIONS(name)                                             \
    static int name##_body(void *ignored);                           \
    TEST_EACH_KIND_REAL(name, REAL)                                  \
    {                                                                \
        in_a_task(t, name##_body);                                   \
    }                                                                \
    TEST_REAL(name##_for_a_foreign_thread, REAL)                     \
    {                                                                \
        pthread_t thread;                                            \
        weft_fn *body = name##_body;                                 \
        void *fn;                                                    \
        memcpy(&fn, &body, sizeof fn);                               \
        dir = t_dir(t);                                              \
        CHECK_EQ(pthread_create(&thread, NULL, on_a_thread, fn), 0); \
        CHECK_EQ(pthread_join(thread, NULL), 0);                     \
    }                                                                \
    static int name##_body(__attribute__((unused)) void *ignored)

static void until_it_waits(const weft_operation *op, const char *what)
{
    struct weft_task_info info = { .size = sizeof info };
    do {
        CHECK_OK(weft_sleep(weft_after(200 * WEFT_US)));
        CHECK_OK(weft_task_describe(op->task, &info));
    } while (strcmp(info.state, what) != 0);
}

static void until_done(const weft_operation *op)
{
    while (!weft_operation_is_done(op))
        CHECK_OK(weft_sleep(weft_after(200 * WEFT_US)));
}

OPERATIONS(a_read_goes_on_beside_its_starter)
{
    int fds[2];
    char text[16] = "";
    ssize_t n = -1;
    weft_operation op;
    CHECK_OK(weft_socketpair(fds));
    CHECK_OK(weft_operation_read(&op, fds[0], text, sizeof text, weft_never()));
    until_it_waits(&op, "read");
    CHECK(!weft_operation_is_done(&op));
    CHECK_ERR(weft_operation_wait(&op, &n, weft_at_once()), -ETIMEDOUT);
    CHECK_ERR(weft_operation_wait(&op, &n, weft_after(2 * WEFT_MS)), -ETIMEDOUT);
    CHECK_EQ(n, -1);
    CHECK_EQ(weft_write(fds[1], "hello", 5, SOON), 5);
    CHECK_OK(weft_operation_wait(&op, &n, SOON));
    CHECK_EQ(n, 5);
    CHECK_MEM(text, "hello", 5);
    CHECK(weft_operation_is_done(&op));
    n = 0;
    CHECK_OK(weft_operation_wait(&op, &n, weft_at_once())); /* asked again */
    CHECK_EQ(n, 5);
    CHECK_EQ(weft_operation_cancel(&op), 5); /* too late */
    CHECK_OK(weft_close(fds[0]));
    CHECK_OK(weft_close(fds[1]));
    return 0;
}

OPERATIONS(every_call_can_be_an_operation)
{
    char where[128], text[16];
    weft_address at, from;
    struct sockaddr_storage peer;
    ssize_t n, dialled, accepted;
    weft_operation in, out;
    int listener = weft_listen("127.0.0.1:0", 0), datagrams = weft_datagram("127.0.0.1:0", NULL, 0);
    CHECK_OK(weft_local_address(listener, where, sizeof where));
    CHECK_OK(weft_operation_accept(&in, listener, &peer, SOON));
    CHECK_OK(weft_operation_dial(&out, where, SOON));
    CHECK_OK(weft_operation_wait(&out, &dialled, SOON));
    CHECK_OK(weft_operation_wait(&in, &accepted, SOON));
    CHECK_OK(dialled);
    CHECK_OK(accepted);
    CHECK_EQ(peer.ss_family, AF_INET);
    CHECK_OK(weft_operation_write(&out, (int)dialled, "hello", 5, SOON));
    CHECK_OK(weft_operation_read(&in, (int)accepted, text, sizeof text, SOON));
    CHECK_OK(weft_operation_wait(&in, &n, SOON));
    CHECK_EQ(n, 5);
    CHECK_OK(weft_operation_wait(&out, &n, SOON));
    CHECK_EQ(n, 5);
    CHECK_OK(weft_socket_address(datagrams, &at));
    CHECK_OK(weft_operation_recv_from(&in, datagrams, text, sizeof text, &from, SOON));
    CHECK_OK(weft_operation_send_to(&out, datagrams, "you", 3, &at, SOON));
    CHECK_OK(weft_operation_wait(&in, &n, SOON));
    CHECK_EQ(n, 3);
    CHECK_EQ(from.size, at.size);
    CHECK_OK(weft_operation_wait(&out, &n, SOON));
    CHECK_EQ(n, 3);
    CHECK_OK(weft_close((int)dialled));
    CHECK_OK(weft_close((int)accepted));
    CHECK_OK(weft_close(datagrams));
    CHECK_OK(weft_close(listener));
    CHECK_OK(weft_operation_dial(&out, where, SOON));
    CHECK_OK(weft_operation_wait(&out, &n, SOON));
    CHECK_ERR(n, -ECONNREFUSED); /* the operation's error is its result */
    return 0;
}

OPERATIONS(a_cancelled_one_has_let_its_buffer_go)
{
    int fds[2];
    CHECK_OK(weft_pipe(fds));
    for (int i = 0; i < 20; i++) {
        char *text = malloc(64);
        weft_operation *op = malloc(sizeof *op);
        CHECK_OK(weft_operation_read(op, fds[0], text, 64, weft_never()));
        if (i % 2)
            until_it_waits(op, "read");
        CHECK_ERR(weft_operation_cancel(op), -ECANCELED);
        CHECK(weft_operation_is_done(op));
        CHECK_ERR(weft_operation_cancel(op), -ECANCELED);
        free(text); /* AddressSanitizer would see a late touch */
        free(op);
        CHECK_EQ(weft_write(fds[1], "x", 1, SOON), 1); /* and it was not taken */
        char byte;
        CHECK_EQ(weft_read(fds[0], &byte, 1, SOON), 1);
    }
    CHECK_OK(weft_close(fds[0]));
    CHECK_OK(weft_close(fds[1]));
    return 0;
}

OPERATIONS(its_deadline_is_its_own)
{
    int fds[2];
    char text[4];
    ssize_t n;
    weft_operation op;
    CHECK_OK(weft_pipe(fds));
    CHECK_OK(weft_operation_read(&op, fds[0], text, 4, weft_after(3 * WEFT_MS)));
    CHECK_OK(weft_operation_wait(&op, &n, SOON));
    CHECK_ERR(n, -ETIMEDOUT);
    CHECK_OK(weft_operation_read(&op, fds[0], text, 4, weft_never()));
    until_it_waits(&op, "read");
    CHECK_OK(weft_close(fds[0]));
    CHECK_OK(weft_operation_wait(&op, &n, SOON));
    CHECK_ERR(n, -EBADF);
    CHECK_OK(weft_close(fds[1]));
    return 0;
}

static ssize_t sums(void *arg)
{
    return weft_sleep(weft_after(WEFT_MS)) == 0 ? *(int *)arg + 1 : -ECANCELED;
}

OPERATIONS(one_may_be_asked_for_and_never_waited_for)
{
    enum { MANY = 200 };
    weft_operation *ops = calloc(MANY, sizeof *ops);
    ssize_t n;
    int number = 41;
    CHECK_ERR(weft_operation_wait(&ops[0], &n, SOON), -ESRCH);
    CHECK_ERR(weft_operation_cancel(&ops[0]), -ESRCH);
    for (int i = 0; i < MANY; i++)
        CHECK_OK(weft_operation_call(&ops[i], sums, &number));
    for (int i = 0; i < MANY; i++) {
        until_done(&ops[i]);
        if (i % 2)
            CHECK_OK(weft_operation_wait(&ops[i], &n, weft_at_once()));
        else
            n = weft_operation_cancel(&ops[i]);
        CHECK_EQ(n, 42);
    }
    free(ops);
    return 0;
}

OPERATIONS(a_select_waits_for_one)
{
    int fds[2];
    char byte;
    ssize_t n;
    weft_operation op;
    CHECK_OK(weft_pipe(fds));
    CHECK_OK(weft_operation_read(&op, fds[0], &byte, 1, weft_never()));
    struct weft_case on[] = { weft_on_task(op.task, NULL) };
    CHECK_ERR(weft_select(on, 1, weft_after(WEFT_MS)), -ETIMEDOUT);
    CHECK_EQ(weft_write(fds[1], "x", 1, SOON), 1);
    CHECK_EQ(weft_select(on, 1, SOON), 0);
    CHECK_OK(weft_operation_wait(&op, &n, weft_at_once()));
    CHECK_EQ(n, 1);
    CHECK_OK(weft_close(fds[0]));
    CHECK_OK(weft_close(fds[1]));
    return 0;
}

/* -- under seeds: who waits, who cancels, in any order ------------------------------------------------- */

struct scene {
    weft_queue queue;
    int slots[1], values;
    weft_operation op;
    ssize_t seen[3];
};

static ssize_t gets(void *arg)
{
    struct scene *s = arg;
    int value = 0, r = weft_queue_get(&s->queue, &value, sizeof value, weft_never());
    return r < 0 ? r : value;
}

static int puts_one(void *arg)
{
    struct scene *s = arg;
    int value = 7;
    return weft_queue_put(&s->queue, &value, sizeof value, weft_never());
}

static int waits(void *arg)
{
    struct scene *s = arg;
    return weft_operation_wait(&s->op, &s->seen[0], weft_never());
}

static int cancels(void *arg)
{
    struct scene *s = arg;
    s->seen[1] = weft_operation_cancel(&s->op);
    return 0;
}

/* All learn the same, and what was not taken is still there. */
TEST_EACH_KIND(an_operation_ends_one_way)
{
    struct scene s = { .values = 0 };
    weft_group group;
    int value = 0;
    CHECK_OK(weft_queue_init(&s.queue, s.slots, 1, sizeof(int), 0));
    CHECK_OK(weft_operation_call(&s.op, gets, &s));
    CHECK_OK(weft_group_init(&group, 0));
    CHECK_OK(weft_group_spawn(&group, t->kind, waits, &s));
    CHECK_OK(weft_group_spawn(&group, t->kind, puts_one, &s));
    CHECK_OK(weft_group_spawn(&group, t->kind, cancels, &s));
    CHECK_OK(weft_group_wait(&group, weft_never()));
    CHECK_EQ(s.seen[0], s.seen[1]);
    CHECK(s.seen[0] == 7 || s.seen[0] == -ECANCELED);
    CHECK_EQ(weft_queue_get(&s.queue, &value, sizeof value, weft_at_once()),
             s.seen[0] == 7 ? -ETIMEDOUT : 1);
    weft_queue_fini(&s.queue);
    weft_group_fini(&group);
}

static ssize_t deep(void *arg)
{
    weft_operation *op = arg;
    ssize_t n;
    CHECK_ERR(weft_operation_wait(op, &n, weft_never()), -EDEADLK);
    CHECK_ERR(weft_operation_cancel(op), -EDEADLK);
    return 3;
}

TEST_EACH_KIND(a_cancelled_waiter_leaves_the_operation_alone)
{
    struct scene s = { .values = 0 };
    weft_group group;
    ssize_t n;
    int value = 5;
    CHECK_OK(weft_queue_init(&s.queue, s.slots, 1, sizeof(int), 0));
    CHECK_OK(weft_operation_call(&s.op, gets, &s));
    CHECK_OK(weft_group_init(&group, 0));
    CHECK_OK(weft_group_spawn(&group, t->kind, waits, &s));
    weft_group_cancel(&group);
    CHECK_OK(weft_group_wait(&group, weft_never()));
    CHECK(!weft_operation_is_done(&s.op));
    CHECK_OK(weft_queue_put(&s.queue, &value, sizeof value, weft_never()));
    CHECK_OK(weft_operation_wait(&s.op, &n, weft_never()));
    CHECK_EQ(n, 5);
    weft_queue_fini(&s.queue);
    CHECK_OK(weft_operation_call(&s.op, deep, &s.op));
    CHECK_OK(weft_operation_wait(&s.op, &n, weft_never()));
    CHECK_EQ(n, 3);
    weft_group_fini(&group);
}
