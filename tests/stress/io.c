/* Echo under everything at once: deadlines, cancels, resets, descriptors closed by others. What was sent
 * comes back in order or the end says why; at the end nothing is left. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft.h>
#include "test.h"

#define SOON weft_after(30 * WEFT_SEC)

enum { CLIENTS = 200, PAIRS = 20 };

static char where[128];
static long opens, closes;
static unsigned any_seed = 1;

static unsigned random_of(unsigned *x, unsigned below)
{
    *x = *x * 1664525 + 1013904223;
    return (*x >> 8) % below;
}

static unsigned fresh_seed(void)
{
    return __atomic_fetch_add(&any_seed, 7919, __ATOMIC_RELAXED);
}

/* -- the server -------------------------------------------------------------------------------------- */

static int on_open(weft_conn *conn)
{
    weft_conn_user_set(conn, (void *)(uintptr_t)fresh_seed());
    __atomic_add_fetch(&opens, 1, __ATOMIC_ACQ_REL);
    return 0;
}

static void on_close(weft_conn *conn)
{
    (void)conn;
    __atomic_add_fetch(&closes, 1, __ATOMIC_ACQ_REL);
}

/* Idle after each answer or not, with bytes given back, now and then an error. */
static int echo(weft_conn *conn)
{
    unsigned x = (unsigned)(uintptr_t)weft_conn_user(conn);
    char buf[700];
    for (;;) {
        bool wait = random_of(&x, 3) == 0;
        ssize_t n = weft_conn_read(conn, buf, 1 + random_of(&x, sizeof buf),
                                   wait ? weft_after(5 * WEFT_MS) : weft_at_once());
        weft_conn_user_set(conn, (void *)(uintptr_t)x);
        if (n == -ETIMEDOUT)
            return WEFT_CONN_IDLE;
        if (n <= 0)
            return (int)n;
        if (random_of(&x, 500) == 0)
            return -EPROTO;
        ssize_t back = random_of(&x, 4) == 0 ? n / 2 : 0;
        if (weft_conn_unread(conn, buf + (n - back), (size_t)back) < 0)
            return -ENOMEM;
        if (weft_conn_write(conn, buf, (size_t)(n - back), SOON) != n - back)
            return -EPIPE;
        if (back) { /* an unfinished request would wait for more */
            CHECK_EQ(weft_conn_read(conn, buf, (size_t)back, weft_at_once()), back);
            if (weft_conn_write(conn, buf, (size_t)back, SOON) != back)
                return -EPIPE;
        }
    }
}

static int serve(void *arg)
{
    struct weft_serve_options options = { .size = sizeof options,
                                          .on_open = on_open,
                                          .on_close = on_close };
    options.idle = 200 * WEFT_MS;
    int r = weft_serve(*(int *)arg, echo, &options, weft_never());
    CHECK_ERR(r, -ECANCELED);
    return 0;
}

/* -- clients ------------------------------------------------------------------------------------------ */

struct client {
    unsigned seed;
    int rounds;
    weft_task task;
};

static int talk(void *arg)
{
    struct client *c = arg;
    unsigned x = c->seed;
    unsigned char out[2000], in[2000];
    for (int round = 0; round < c->rounds && !weft_task_is_cancelled(); round++) {
        int fd = weft_dial(where, random_of(&x, 10) == 0 ? weft_after(100 * WEFT_US) : SOON);
        if (fd < 0) {
            CHECK(fd == -ETIMEDOUT || fd == -ECANCELED);
            continue;
        }
        unsigned sent = 0, got = 0; /* bytes are their own numbers */
        for (int turn = 0; turn < 6; turn++) {
            size_t size = 1 + random_of(&x, sizeof out);
            for (size_t i = 0; i < size; i++)
                out[i] = (unsigned char)((sent + i) * 31 >> 3);
            ssize_t n = weft_write(fd, out, size, SOON);
            CHECK(n > 0 || n == -EPIPE || n == -ECONNRESET || n == -ECANCELED);
            if (n <= 0)
                break;
            sent += (unsigned)n;
            while (got < sent) {
                n = weft_read(fd, in, sizeof in,
                              random_of(&x, 4) == 0 ? weft_after(random_of(&x, 200000)) : SOON);
                if (n == -ETIMEDOUT)
                    continue;
                CHECK(n >= 0 || n == -ECONNRESET || n == -ECANCELED);
                if (n <= 0)
                    break;
                for (ssize_t i = 0; i < n; i++)
                    CHECK_EQ(in[i], (unsigned char)((got + (unsigned)i) * 31 >> 3));
                got += (unsigned)n;
                CHECK_LE(got, sent);
                if (random_of(&x, 50) == 0)
                    break;
            }
            if (n <= 0)
                break;
        }
        struct linger at_once = { .l_onoff = 1 };
        if (random_of(&x, 5) == 0)
            CHECK_OK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once));
        CHECK_OK(weft_close(fd));
    }
    return 0;
}

/* -- pairs whose ends are closed by others ------------------------------------------------------------ */

struct pair {
    int fds[2];
    long got;
    bool closed;
};

static int reads_until_closed(void *arg)
{
    struct pair *p = arg;
    char buf[64];
    ssize_t n;
    unsigned x = fresh_seed();
    do {
        n = weft_read(p->fds[0], buf, sizeof buf, weft_after(1 + random_of(&x, 300000)));
        if (n > 0)
            __atomic_add_fetch(&p->got, n, __ATOMIC_RELAXED);
    } while ((n > 0 || n == -ETIMEDOUT) && !__atomic_load_n(&p->closed, __ATOMIC_ACQUIRE));
    CHECK(n > 0 || n == -ETIMEDOUT || n == -EBADF || n == -ECANCELED);
    return 0;
}

static int closes_under_readers(void *arg)
{
    (void)arg;
    unsigned x = fresh_seed();
    for (int round = 0; round < 10; round++) {
        struct pair p = { .got = 0 };
        weft_group group;
        CHECK_OK(weft_socketpair(p.fds));
        CHECK_OK(weft_group_init(&group, WEFT_KEEP_GOING));
        for (int i = 0; i < 4; i++)
            CHECK_OK(weft_group_spawn(&group, i == 3 ? WEFT_THREAD : WEFT_COROUTINE,
                                      reads_until_closed, &p));
        for (unsigned i = random_of(&x, 20); i > 0; i--)
            CHECK_EQ(weft_write(p.fds[1], "0123456789", 10, SOON), 10);
        if (random_of(&x, 2))
            CHECK_OK(weft_sleep(weft_after(random_of(&x, 500000))));
        /* Nobody may take the number while a reader is between two reads. */
        CHECK_OK(weft_shutdown(p.fds[0], SHUT_WR));
        __atomic_store_n(&p.closed, true, __ATOMIC_RELEASE);
        if (random_of(&x, 2))
            weft_group_cancel(&group);
        else
            CHECK_EQ(weft_write(p.fds[1], "x", 1, SOON), 1);
        (void)weft_group_wait(&group, weft_never());
        weft_group_fini(&group);
        CHECK_OK(weft_close(p.fds[0]));
        CHECK_OK(weft_close(p.fds[1]));
    }
    return 0;
}

static struct client clients[CLIENTS];

static int everything(void *arg)
{
    int listener = weft_listen("127.0.0.1:0", 0);
    weft_group server, all;
    weft_task server_task;
    struct weft_spawn more = { .size = sizeof more, .task = &server_task };
    unsigned x = fresh_seed();
    CHECK_OK(listener);
    CHECK_OK(weft_local_address(listener, where, sizeof where));
    CHECK_OK(weft_group_init(&server, 0));
    CHECK_OK(weft_group_init(&all, WEFT_KEEP_GOING));
    CHECK_OK(weft_group_spawn_with(&server, WEFT_COROUTINE, serve, &listener, &more));
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){ .seed = fresh_seed(), .rounds = *(int *)arg };
        struct weft_spawn named = { .size = sizeof named, .task = &clients[i].task };
        CHECK_OK(weft_group_spawn_with(&all, i % 20 ? WEFT_COROUTINE : WEFT_THREAD, talk,
                                       &clients[i], &named));
    }
    for (int i = 0; i < PAIRS; i++)
        CHECK_OK(weft_group_spawn(&all, WEFT_COROUTINE, closes_under_readers, NULL));
    for (int i = 0; i < CLIENTS / 4; i++) { /* some are cancelled on their way */
        CHECK_OK(weft_sleep(weft_after(random_of(&x, 1000000))));
        weft_task_cancel(clients[random_of(&x, CLIENTS)].task);
    }
    CHECK_OK(weft_group_wait(&all, weft_never()));
    weft_group_fini(&all);
    while (__atomic_load_n(&closes, __ATOMIC_ACQUIRE) < __atomic_load_n(&opens, __ATOMIC_ACQUIRE))
        CHECK_OK(weft_sleep(weft_after(WEFT_MS)));
    CHECK_OK(weft_task_cancel(server_task));
    CHECK_OK(weft_group_wait(&server, weft_never()));
    weft_group_fini(&server);
    CHECK_OK(weft_close(listener));
    CHECK_EQ(opens, closes);
    return 0;
}

static void go(const char *workers)
{
    CHECK_OK(setenv("WEFT_WORKERS", workers, 1));
    int rounds = (int)t_rounds(20);
    int before = t_descriptors(0);
    CHECK_OK(weft_run(everything, &rounds));
    CHECK_LE(t_descriptors(0), before + 1); /* this thread's wake-up */
}

TEST_REAL_LONG(one_worker_echoes_through_everything, "the kernel's sockets", 120)
{
    go("1");
}

TEST_REAL_LONG(two_workers_echo_through_everything, "the kernel's sockets", 120)
{
    go("2");
}

TEST_REAL_LONG(four_workers_echo_through_everything, "the kernel's sockets", 120)
{
    go("4");
}
