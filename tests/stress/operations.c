/* Operations ended in every way at once, and datagrams to a crowd: each byte is taken once or still there,
 * and at the end nothing is left. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft.h>
#include "test.h"

#define REAL "the kernel's descriptors"
#define SOON weft_after(60 * WEFT_SEC)

static unsigned random_of(unsigned *x, unsigned below)
{
    *x = *x * 1664525 + 1013904223;
    return (*x >> 8) % below;
}

static void dawdle(unsigned *x)
{
    for (unsigned i = random_of(x, 6); i > 0; i--)
        CHECK_OK(weft_yield());
}

struct round {
    weft_operation *op;
    int fds[2];
    unsigned seed;
};

static int writes(void *arg)
{
    struct round *r = arg;
    dawdle(&r->seed);
    CHECK_EQ(weft_write(r->fds[1], "x", 1, SOON), 1);
    return 0;
}

static int waits(void *arg)
{
    struct round *r = arg;
    ssize_t n = 0;
    int w = weft_operation_wait(r->op, &n, weft_at_once());
    CHECK(w == -ETIMEDOUT || (w == 0 && (n == 1 || n == -ECANCELED)));
    return 0;
}

static int ends_operations(void *arg)
{
    unsigned x = *(unsigned *)arg;
    struct round r = { .seed = x };
    weft_group others;
    CHECK_OK(weft_pipe(r.fds));
    CHECK_OK(weft_group_init(&others, 0));
    for (long i = 0; i < t_rounds(500); i++) {
        char *byte = malloc(1);
        ssize_t n = 0;
        r.op = malloc(sizeof *r.op);
        CHECK_OK(weft_operation_read(r.op, r.fds[0], byte, 1, weft_never()));
        CHECK_OK(weft_group_spawn(&others, x % 2 ? WEFT_COROUTINE : WEFT_THREAD, writes, &r));
        if (random_of(&x, 2))
            CHECK_OK(weft_group_spawn(&others, WEFT_COROUTINE, waits, &r));
        dawdle(&x);
        switch (random_of(&x, 3)) {
        case 0: n = weft_operation_cancel(r.op); break;
        case 1: CHECK_OK(weft_operation_wait(r.op, &n, SOON)); break;
        default:
            while (!weft_operation_is_done(r.op))
                CHECK_OK(weft_sleep(weft_after(20 * WEFT_US)));
            CHECK_OK(weft_operation_wait(r.op, &n, weft_at_once()));
        }
        CHECK_OK(weft_group_wait(&others, SOON));
        CHECK_EQ(weft_operation_cancel(r.op), n);
        free(r.op);
        CHECK(n == 1 || n == -ECANCELED);
        if (n < 0)
            CHECK_EQ(weft_read(r.fds[0], byte, 1, weft_at_once()), 1);
        CHECK_ERR(weft_read(r.fds[0], byte, 1, weft_at_once()), -ETIMEDOUT);
        free(byte);
    }
    weft_group_fini(&others);
    CHECK_OK(weft_close(r.fds[0]));
    CHECK_OK(weft_close(r.fds[1]));
    return 0;
}

TEST_REAL_LONG(operations_end_once_in_every_race, REAL, 120)
{
    int before = t_descriptors(0);
    for (unsigned i = 1; i <= 8; i++)
        CHECK_OK(weft_group_spawn_copy(weft_background(), i % 4 ? WEFT_COROUTINE : WEFT_THREAD,
                                       ends_operations, &i));
    CHECK_OK(weft_stop(weft_never()));
    CHECK_EQ(t_descriptors(0), before);
}

/* -- messages to a crowd, full, late, with descriptors that nobody has room for ------------------------ */

enum { SENDERS = 6, RECEIVERS = 6 };

static int crowd;
static weft_address where;
static long sent, got;

static int sends(void *arg)
{
    unsigned x = *(unsigned *)arg;
    int fds[2], fd = weft_datagram("unix:@", NULL, 0);
    CHECK_OK(fd);
    CHECK_OK(weft_pipe(fds));
    for (long i = 0; i < t_rounds(300); i++) {
        struct weft_message m = { .size = sizeof m,
                                  .parts = &(struct iovec){ &x, sizeof x },
                                  .parts_count = 1,
                                  .address = &where,
                                  .fds = fds,
                                  .fds_count = random_of(&x, 3) };
        weft_span patience = (weft_span)random_of(&x, 3) * WEFT_MS;
        ssize_t n = weft_send_message(fd, &m, weft_after(patience));
        CHECK(n == sizeof x || n == -ETIMEDOUT || n == -ETOOMANYREFS);
        if (n > 0)
            __atomic_add_fetch(&sent, 1, __ATOMIC_ACQ_REL);
    }
    CHECK_OK(weft_close(fds[0]));
    CHECK_OK(weft_close(fds[1]));
    return weft_close(fd);
}

static int receives(void *arg)
{
    unsigned x = *(unsigned *)arg;
    for (;;) {
        unsigned value;
        int fds[2];
        struct weft_message m = { .size = sizeof m,
                                  .parts = &(struct iovec){ &value, sizeof value },
                                  .parts_count = 1,
                                  .fds = fds,
                                  .fds_count = random_of(&x, 3) };
        weft_span patience = (weft_span)random_of(&x, 3) * WEFT_MS;
        ssize_t n = weft_recv_message(crowd, &m, weft_after(patience));
        if (n == -ETIMEDOUT)
            continue;
        if (n == -EBADF)
            return 0;
        CHECK_EQ(n, sizeof value);
        __atomic_add_fetch(&got, 1, __ATOMIC_ACQ_REL);
        for (size_t i = 0; i < m.fds_count; i++)
            CHECK_OK(weft_close(fds[i]));
    }
}

TEST_REAL_LONG(messages_to_a_crowd_arrive_once_and_leave_nothing_open, REAL, 120)
{
    weft_group senders, receivers;
    int before = t_descriptors(0);
    CHECK_OK(crowd = weft_datagram("unix:@", NULL, 0));
    CHECK_OK(weft_socket_address(crowd, &where));
    CHECK_OK(weft_group_init(&senders, 0));
    CHECK_OK(weft_group_init(&receivers, 0));
    for (unsigned i = 0; i < RECEIVERS; i++)
        CHECK_OK(
            weft_group_spawn_copy(&receivers, i % 3 ? WEFT_COROUTINE : WEFT_THREAD, receives, &i));
    for (unsigned i = 0; i < SENDERS; i++)
        CHECK_OK(weft_group_spawn_copy(&senders, i % 3 ? WEFT_COROUTINE : WEFT_THREAD, sends, &i));
    CHECK_OK(weft_group_wait(&senders, SOON));
    while (__atomic_load_n(&got, __ATOMIC_ACQUIRE) != __atomic_load_n(&sent, __ATOMIC_ACQUIRE))
        CHECK_OK(weft_sleep(weft_after(WEFT_MS)));
    CHECK_OK(weft_close(crowd));
    CHECK_OK(weft_group_wait(&receivers, SOON));
    CHECK_GT(got, 0);
    weft_group_fini(&senders);
    weft_group_fini(&receivers);
    CHECK_OK(weft_stop(weft_never()));
    CHECK_EQ(t_descriptors(0), before);
}
