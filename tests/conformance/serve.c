/* Connections and serving: what conn.h promises, with the server in each kind of task. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <weft.h>
#include "test.h"

#define REAL "the kernel's sockets"
#define SOON weft_after(10 * WEFT_SEC)
/* ThreadSanitizer lets no fork's child of a threaded process make threads. */
#if defined(__SANITIZE_THREAD__)
#define NO_FORK_UNDER_TSAN SKIP("ThreadSanitizer")
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define NO_FORK_UNDER_TSAN SKIP("ThreadSanitizer")
#endif
#endif
#ifndef NO_FORK_UNDER_TSAN
#define NO_FORK_UNDER_TSAN ((void)0)
#endif

#define COUNT(x) __atomic_load_n(&(x), __ATOMIC_ACQUIRE)
#define ADD(x)   __atomic_add_fetch(&(x), 1, __ATOMIC_ACQ_REL)

struct server {
    int listener, result;
    char where[128];
    struct weft_serve_options options;
    weft_conn_fn *handler;
    weft_deadline deadline;
    weft_group group;
    weft_task task;
};

static long opens, closes, calls;

static int count_open(weft_conn *conn)
{
    weft_conn_user_set(conn, calloc(1, sizeof(long)));
    ADD(opens);
    return 0;
}

static void count_close(weft_conn *conn)
{
    long *mine = weft_conn_user(conn);
    CHECK(mine); /* once each */
    CHECK_EQ(fcntl(weft_conn_fd(conn), F_GETFD), FD_CLOEXEC);
    free(mine);
    weft_conn_user_set(conn, NULL);
    ADD(closes);
}

static int serve(void *arg)
{
    struct server *s = arg;
    s->result = weft_serve(s->listener, s->handler, &s->options, s->deadline);
    return 0;
}

static void listen_for(struct server *s, weft_conn_fn *handler)
{
    *s = (struct server){ .handler = handler, .deadline = weft_never() };
    s->options = (struct weft_serve_options){ .size = sizeof s->options,
                                              .on_open = count_open,
                                              .on_close = count_close };
    CHECK_OK(s->listener = weft_listen("127.0.0.1:0", 0));
    CHECK_OK(weft_local_address(s->listener, s->where, sizeof s->where));
}

static void begin(struct server *s, unsigned kind)
{
    struct weft_spawn more = { .size = sizeof more, .task = &s->task };
    s->result = 12345;
    CHECK_OK(weft_group_init(&s->group, 0));
    CHECK_OK(weft_group_spawn_with(&s->group, kind, serve, s, &more));
}

static void end(struct server *s)
{
    CHECK_OK(weft_task_cancel(s->task));
    CHECK_OK(weft_group_wait(&s->group, weft_never()));
    CHECK_ERR(s->result, -ECANCELED);
    CHECK_OK(weft_close(s->listener));
    CHECK_EQ(COUNT(opens), COUNT(closes));
}

static int dial(const struct server *s)
{
    int fd = weft_dial(s->where, SOON);
    CHECK_OK(fd);
    return fd;
}

static void say(int fd, const char *text)
{
    CHECK_EQ(weft_write(fd, text, strlen(text), SOON), (ssize_t)strlen(text));
}

static void hear(int fd, const char *text)
{
    char buf[256];
    for (size_t got = 0; got < strlen(text);) {
        ssize_t n = weft_read(fd, buf, strlen(text) - got, SOON);
        CHECK_GT(n, 0);
        CHECK_MEM(buf, text + got, (size_t)n);
        got += (size_t)n;
    }
}

static void hear_the_end(int fd)
{
    char buf[256];
    ssize_t n;
    while ((n = weft_read(fd, buf, sizeof buf, SOON)) > 0)
        ;
    CHECK(n == 0 || n == -ECONNRESET);
    CHECK_OK(weft_close(fd));
}

static void reset(int fd)
{
    struct linger at_once = { .l_onoff = 1 };
    CHECK_OK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once));
    CHECK_OK(weft_close(fd));
}

static void nap(void)
{
    CHECK_OK(weft_sleep(weft_after(200 * WEFT_US)));
}

#define UNTIL(x) \
    while (!(x)) \
    nap()

static double cpu_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static int echo(weft_conn *conn)
{
    char buf[4096];
    ADD(calls);
    ssize_t n = weft_conn_read(conn, buf, sizeof buf, weft_at_once());
    if (n == -ETIMEDOUT)
        return WEFT_CONN_IDLE;
    if (n > 0)
        n = weft_conn_write(conn, buf, (size_t)n, SOON);
    return n > 0 ? WEFT_CONN_IDLE : (int)n;
}

/* -- handlers and their calls ----------------------------------------------------------------------- */

TEST_EACH_KIND_REAL(idle_connections_hold_no_task, REAL)
{
    enum { CONNS = 300 };
    struct server s;
    int fds[CONNS];
    listen_for(&s, echo);
    begin(&s, t->kind);
    for (int i = 0; i < CONNS; i++) {
        fds[i] = dial(&s);
        say(fds[i], "hello");
        hear(fds[i], "hello");
    }
    UNTIL(weft_task_list(NULL, 0) == 2); /* this thread and the server */
    CHECK_EQ(COUNT(opens), CONNS);
    CHECK_EQ(COUNT(closes), 0);
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < CONNS; i++) {
            say(fds[i], "again");
            hear(fds[i], "again");
        }
    for (int i = 0; i < CONNS / 2; i++)
        CHECK_OK(weft_close(fds[i]));
    UNTIL(COUNT(closes) == CONNS / 2);
    end(&s);
    for (int i = CONNS / 2; i < CONNS; i++)
        hear_the_end(fds[i]);
}

static int ten_at_a_time(weft_conn *conn)
{
    char buf[10];
    ADD(calls);
    ssize_t n = weft_conn_read(conn, buf, sizeof buf, weft_at_once());
    if (n > 0)
        n = weft_conn_write(conn, buf, (size_t)n, SOON);
    return n > 0 || n == -ETIMEDOUT ? WEFT_CONN_IDLE : (int)n;
}

TEST_EACH_KIND_REAL(a_handler_is_called_until_all_bytes_are_taken, REAL)
{
    struct server s;
    char bytes[1001], back[1000];
    listen_for(&s, ten_at_a_time);
    begin(&s, t->kind);
    memset(bytes, 'p', 1000);
    bytes[1000] = 0;
    for (int round = 0; round < 3; round++) {
        int fd = dial(&s);
        say(fd, bytes);
        if (round == 1)
            CHECK_OK(weft_shutdown(fd, SHUT_WR)); /* the end comes together with bytes */
        for (size_t got = 0; got < sizeof back;) {
            ssize_t n = weft_read(fd, back + got, sizeof back - got, SOON);
            CHECK_GT(n, 0);
            got += (size_t)n;
        }
        CHECK_MEM(bytes, back, sizeof back);
        if (round == 1)
            hear_the_end(fd);
        else
            CHECK_OK(weft_close(fd));
    }
    UNTIL(COUNT(closes) == 3);
    end(&s);
}

/* A request is a line; what is no whole line is given back. */
static int lines(weft_conn *conn)
{
    char buf[256];
    size_t have = 0, used = 0;
    ADD(calls);
    ssize_t n = weft_conn_read(conn, buf, sizeof buf, weft_at_once());
    if (n == 0)
        return 0;
    if (n < 0)
        return n == -ETIMEDOUT ? WEFT_CONN_IDLE : (int)n;
    have = (size_t)n;
    for (char *nl; (nl = memchr(buf + used, '\n', have - used)); used = (size_t)(nl - buf) + 1)
        CHECK_OK(weft_conn_write(conn, buf + used, (size_t)(nl - buf) + 1 - used, SOON));
    CHECK_OK(weft_conn_unread(conn, buf + used, have - used));
    return WEFT_CONN_IDLE;
}

TEST_EACH_KIND_REAL(bytes_given_back_come_first_and_with_the_new_ones, REAL)
{
    struct server s;
    listen_for(&s, lines);
    begin(&s, t->kind);
    int fd = dial(&s);
    say(fd, "one\ntwo\nthr"); /* pipelined */
    hear(fd, "one\ntwo\n");
    say(fd, "ee\n");
    hear(fd, "three\n");
    for (const char *c = "byte by byte\n"; *c; c++) {
        say(fd, (char[]){ *c, 0 });
        nap();
    }
    hear(fd, "byte by byte\n");
    say(fd, "half");
    CHECK_OK(weft_shutdown(fd, SHUT_WR));
    hear_the_end(fd);
    end(&s);
}

static int unread_limits(weft_conn *conn)
{
    static char block[65536];
    static char back[65536 + 100];
    CHECK_ERR(weft_conn_unread(conn, block, sizeof block + 1), -EMSGSIZE);
    CHECK_OK(weft_conn_unread(conn, block, 0));
    CHECK_OK(weft_conn_unread(conn, "world", 5));
    CHECK_OK(weft_conn_unread(conn, "hello ", 6));
    CHECK_ERR(weft_conn_unread(conn, block, sizeof block - 10), -EMSGSIZE);
    CHECK_EQ(weft_conn_read(conn, back, 3, weft_at_once()), 3);
    CHECK_MEM(back, "hel", 3);
    CHECK_OK(weft_conn_unread(conn, "HEL", 3));
    CHECK_EQ(weft_conn_read(conn, back, 11, weft_at_once()), 11);
    CHECK_MEM(back, "HELlo world", 11);
    CHECK_EQ(weft_conn_read(conn, back, 4, weft_at_once()), 4); /* the kernel's */
    CHECK_MEM(back, "sent", 4);
    CHECK_ERR(weft_conn_read(conn, back, sizeof back, weft_at_once()), -ETIMEDOUT);
    CHECK_EQ(weft_conn_read(conn, back, 0, weft_never()), 0);
    CHECK_EQ(weft_conn_write(conn, back, 0, weft_never()), 0);
    CHECK_EQ(weft_conn_writev(conn, &(struct iovec){ back, 0 }, 1, weft_never()), 0);
    CHECK_EQ(weft_conn_write(conn, "ok", 2, weft_never()), 2);
    return 0;
}

TEST_REAL(giving_back_has_limits, REAL)
{
    struct server s;
    listen_for(&s, unread_limits);
    begin(&s, WEFT_COROUTINE);
    int fd = dial(&s);
    say(fd, "sent");
    hear(fd, "ok");
    hear_the_end(fd);
    end(&s);
}

static int reads_nothing(weft_conn *conn)
{
    (void)conn;
    ADD(calls);
    return WEFT_CONN_IDLE;
}

static int reads_the_end_and_stays(weft_conn *conn)
{
    char buf[64];
    ADD(calls);
    CHECK_GE(weft_conn_read(conn, buf, sizeof buf, weft_at_once()), 0);
    return WEFT_CONN_IDLE;
}

TEST_REAL(a_handler_that_takes_nothing_does_not_spin, REAL)
{
    weft_conn_fn *handlers[] = { reads_nothing, reads_the_end_and_stays };
    for (int i = 0; i < 2; i++) {
        struct server s;
        calls = 0;
        listen_for(&s, handlers[i]);
        begin(&s, WEFT_COROUTINE);
        int fd = dial(&s);
        say(fd, "x");
        CHECK_OK(weft_shutdown(fd, SHUT_WR));
        UNTIL(COUNT(calls) > 0 && weft_task_list(NULL, 0) == 2);
        CHECK_LE(COUNT(calls), 4);
        end(&s);
        hear_the_end(fd);
    }
}

static int fails(weft_conn *conn)
{
    (void)conn;
    return -EPROTO;
}

static int refuse(weft_conn *conn)
{
    (void)conn;
    ADD(calls);
    return -EACCES;
}

TEST_EACH_KIND_REAL(a_handlers_error_and_a_refusal_close, REAL)
{
    struct server s;
    listen_for(&s, fails);
    begin(&s, t->kind);
    for (int i = 0; i < 3; i++) {
        int fd = dial(&s);
        say(fd, "x");
        hear_the_end(fd);
    }
    UNTIL(COUNT(closes) == 3);
    end(&s);
    listen_for(&s, echo);
    s.options.on_open = refuse;
    s.options.on_close = NULL;
    calls = 0;
    begin(&s, t->kind);
    for (int i = 0; i < 3; i++)
        hear_the_end(dial(&s));
    CHECK_EQ(COUNT(calls), 3);
    end(&s);
}

TEST_EACH_KIND_REAL(resets_and_ends_of_idle_connections_close_them, REAL)
{
    enum { CONNS = 60 };
    struct server s;
    listen_for(&s, echo);
    begin(&s, t->kind);
    for (int i = 0; i < CONNS; i++) {
        int fd = dial(&s);
        if (i % 2) {
            say(fd, "hello");
            hear(fd, "hello");
        }
        if (i % 3 == 0)
            reset(fd);
        else
            CHECK_OK(weft_close(fd));
    }
    UNTIL(COUNT(closes) == CONNS);
    UNTIL(weft_task_list(NULL, 0) == 2);
    end(&s);
}

static int echo_by_waiting(weft_conn *conn)
{
    char buf[100];
    ssize_t n;
    while ((n = weft_conn_read(conn, buf, sizeof buf, SOON)) > 0)
        if ((n = weft_conn_write(conn, buf, (size_t)n, SOON)) < 0)
            break;
    return (int)n;
}

TEST_EACH_KIND_REAL(a_handler_may_stay_and_wait, REAL)
{
    enum { CONNS = 50 };
    struct server s;
    int fds[CONNS];
    listen_for(&s, echo_by_waiting);
    begin(&s, t->kind);
    for (int i = 0; i < CONNS; i++)
        fds[i] = dial(&s);
    for (int round = 0; round < 20; round++)
        for (int i = 0; i < CONNS; i++) {
            say(fds[i], "hello");
            if (round % 2)
                hear(fds[i], "hello");
            else if (i > 0)
                hear(fds[i - 1], "hello");
            if (round % 2 == 0 && i == CONNS - 1)
                hear(fds[i], "hello");
        }
    for (int i = 0; i < CONNS; i++)
        CHECK_OK(weft_close(fds[i]));
    UNTIL(COUNT(closes) == CONNS);
    end(&s);
}

static unsigned char *huge;
enum { HUGE_SIZE = 8 << 20 };

static int writes_much(weft_conn *conn)
{
    char byte;
    if (weft_conn_read(conn, &byte, 1, weft_never()) != 1)
        return 0;
    if (byte == 't') { /* nobody takes it */
        ssize_t n;
        do
            n = weft_conn_write(conn, huge, HUGE_SIZE, weft_after(5 * WEFT_MS));
        while (n > 0 && n < HUGE_SIZE); /* the kernel finds room once more */
        CHECK_ERR(n, -ETIMEDOUT);
        return 0;
    }
    CHECK_EQ(weft_conn_write(conn, huge, HUGE_SIZE, SOON), HUGE_SIZE);
    return WEFT_CONN_IDLE;
}

TEST_EACH_KIND_REAL(a_slow_peer_makes_a_writer_wait, REAL)
{
    struct server s;
    static unsigned char buf[100000];
    huge = malloc(HUGE_SIZE);
    for (size_t i = 0; i < HUGE_SIZE; i++)
        huge[i] = (unsigned char)(i * 7 + i / 251);
    listen_for(&s, writes_much);
    begin(&s, t->kind);
    int fd = dial(&s), stuck = dial(&s);
    say(stuck, "t");
    for (int round = 0; round < 2; round++) {
        say(fd, "x");
        for (size_t got = 0; got < HUGE_SIZE;) {
            ssize_t n = weft_read(fd, buf, sizeof buf, SOON);
            CHECK_GT(n, 0);
            CHECK_MEM(buf, huge + got, (size_t)n);
            got += (size_t)n;
            if (got % 17 == 0)
                nap();
        }
    }
    UNTIL(COUNT(closes) == 1);
    CHECK_OK(weft_close(stuck));
    CHECK_OK(weft_close(fd));
    UNTIL(COUNT(closes) == 2);
    end(&s);
    free(huge);
}

static int read_elsewhere(void *arg)
{
    char buf[16];
    weft_conn *conn = *(weft_conn **)arg;
    CHECK_EQ(weft_conn_read(conn, buf, 5, SOON), 5);
    CHECK_MEM(buf, "hello", 5);
    CHECK_EQ(weft_conn_write(conn, "world", 5, SOON), 5);
    return 0;
}

static unsigned helper_kind;

static int lets_others_read(weft_conn *conn)
{
    weft_group group;
    char byte;
    if (weft_conn_read(conn, &byte, 1, SOON) != 1)
        return 0;
    CHECK_OK(weft_group_init(&group, 0));
    CHECK_OK(weft_group_spawn(&group, helper_kind, read_elsewhere, &conn));
    CHECK_OK(weft_group_wait(&group, weft_never()));
    weft_group_fini(&group);
    return WEFT_CONN_IDLE;
}

TEST_EACH_KIND_REAL(another_task_may_read_while_the_handler_runs, REAL)
{
    struct server s;
    helper_kind = t->kind;
    listen_for(&s, lets_others_read);
    begin(&s, WEFT_COROUTINE);
    int fd = dial(&s);
    for (int i = 0; i < 30; i++) {
        say(fd, "x");
        if (i % 2)
            nap();
        say(fd, "hello");
        hear(fd, "world");
    }
    CHECK_OK(weft_close(fd));
    UNTIL(COUNT(closes) == 1);
    end(&s);
}

/* -- detaching -------------------------------------------------------------------------------------- */

static int detached_fd;
static bool go_home;

static int detaches(weft_conn *conn)
{
    char buf[16], unread[16];
    size_t size = 3;
    CHECK_GT(weft_conn_read(conn, buf, sizeof buf, SOON), 0);
    CHECK_OK(weft_conn_unread(conn, "rest", 4));
    CHECK_ERR(weft_conn_detach(conn, NULL, NULL), -EMSGSIZE);
    CHECK_ERR(weft_conn_detach(conn, unread, &size), -EMSGSIZE);
    size = sizeof unread;
    int fd = weft_conn_detach(conn, unread, &size);
    CHECK_OK(fd);
    CHECK_EQ(size, 4);
    CHECK_MEM(unread, "rest", 4);
    __atomic_store_n(&detached_fd, fd, __ATOMIC_RELEASE);
    while (!COUNT(go_home)) /* somebody else waits for it already */
        CHECK_OK(weft_sleep(weft_after(WEFT_MS)));
    return WEFT_CONN_IDLE;
}

struct reading {
    int fd;
    ssize_t result;
    char buf[16];
    weft_task task;
};

static int do_read(void *arg)
{
    struct reading *r = arg;
    r->result = weft_read(r->fd, r->buf, sizeof r->buf, SOON);
    return 0;
}

TEST_EACH_KIND_REAL(a_detached_descriptor_is_a_plain_one_at_once, REAL)
{
    struct server s;
    listen_for(&s, detaches);
    s.options.on_open = NULL;
    s.options.on_close = NULL;
    begin(&s, WEFT_COROUTINE);
    for (int round = 0; round < 8; round++) {
        struct reading reading = { 0 };
        struct weft_spawn more = { .size = sizeof more, .task = &reading.task };
        struct weft_task_info info = { .size = sizeof info };
        weft_group group;
        __atomic_store_n(&detached_fd, 0, __ATOMIC_RELEASE);
        __atomic_store_n(&go_home, false, __ATOMIC_RELEASE);
        int fd = dial(&s);
        say(fd, "hello");
        UNTIL((reading.fd = COUNT(detached_fd)) > 0);
        CHECK_OK(weft_group_init(&group, 0));
        CHECK_OK(weft_group_spawn_with(&group, t->kind, do_read, &reading, &more));
        do {
            nap();
            CHECK_OK(weft_task_describe(reading.task, &info));
        } while (strcmp(info.state, "read") != 0);
        __atomic_store_n(&go_home, true, __ATOMIC_RELEASE);
        UNTIL(weft_task_list(NULL, 0) == 3); /* the handler has gone */
        say(fd, "more");
        CHECK_OK(weft_group_wait(&group, weft_never()));
        CHECK_EQ(reading.result, 4);
        say(reading.fd, "bye");
        hear(fd, "bye");
        CHECK_OK(weft_close(reading.fd));
        hear_the_end(fd);
    }
    opens = closes = 0;
    end(&s);
}

/* -- limits and ends -------------------------------------------------------------------------------- */

TEST_EACH_KIND_REAL(what_lies_idle_too_long_is_closed, REAL)
{
    struct server s;
    listen_for(&s, echo);
    s.options.idle = 400 * WEFT_MS; /* far more than a busy machine takes for an answer */
    begin(&s, t->kind);
    weft_time from = weft_now();
    int idle = dial(&s), busy = dial(&s);
    for (int i = 0; i < 12; i++) {
        CHECK_OK(weft_sleep(weft_after(50 * WEFT_MS)));
        say(busy, "still here");
        hear(busy, "still here");
    }
    hear_the_end(idle);
    CHECK_GE(weft_time_between(from, weft_now()), 400 * WEFT_MS);
    hear_the_end(busy);
    UNTIL(COUNT(closes) == 2);
    end(&s);
}

TEST_EACH_KIND_REAL(no_more_than_max_at_once, REAL)
{
    struct server s;
    listen_for(&s, echo);
    s.options.max = 2;
    begin(&s, t->kind);
    int fds[4];
    for (int i = 0; i < 4; i++) {
        fds[i] = dial(&s); /* the kernel's queue has the others */
        say(fds[i], "hello");
    }
    hear(fds[0], "hello");
    hear(fds[1], "hello");
    CHECK_EQ(COUNT(opens), 2);
    CHECK_OK(weft_close(fds[0]));
    hear(fds[2], "hello");
    CHECK_EQ(COUNT(opens), 3);
    CHECK_OK(weft_close(fds[2]));
    hear(fds[3], "hello");
    CHECK_OK(weft_close(fds[1]));
    CHECK_OK(weft_close(fds[3]));
    UNTIL(COUNT(closes) == 4);
    end(&s);
}

static int busy_result, busy_began, saw_ending;

static int busy(weft_conn *conn)
{
    char buf[16];
    (void)!weft_conn_read(conn, buf, sizeof buf, weft_at_once());
    ADD(busy_began);
    weft_time until = weft_time_add(weft_now(), 60 * WEFT_SEC);
    while (busy_result == 0 && !weft_conn_is_ending(conn))
        busy_result = weft_sleep(weft_after(WEFT_MS));
    saw_ending = weft_conn_is_ending(conn);
    if (busy_result == 0 && *buf == 'w') /* it goes on */
        busy_result = weft_sleep(weft_at(until));
    if (busy_result == 0)
        (void)!weft_conn_write(conn, "bye", 3, SOON);
    return 0;
}

TEST_EACH_KIND_REAL(the_end_gives_busy_handlers_their_grace, REAL)
{
    for (int how = 0; how < 3; how++) {
        struct server s;
        busy_result = busy_began = saw_ending = 0;
        listen_for(&s, busy);
        s.options.grace = how == 0 ? 30 * WEFT_SEC : how == 1 ? 20 * WEFT_MS : 0;
        begin(&s, t->kind);
        int fd = dial(&s), idle = dial(&s);
        say(fd, how == 0 ? "finish" : "wait");
        UNTIL(COUNT(busy_began) && COUNT(opens) == 2 * how + 2);
        end(&s);
        CHECK(saw_ending || how == 2);
        CHECK_EQ(busy_result, how == 0 ? 0 : -ECANCELED);
        if (how == 0)
            hear(fd, "bye");
        hear_the_end(fd);
        hear_the_end(idle);
    }
}

static int serve_within(void *arg)
{
    return weft_within(weft_after(30 * WEFT_MS), serve, arg);
}

TEST_EACH_KIND_REAL(a_deadline_or_a_closed_listener_ends_serving, REAL)
{
    struct server s;
    listen_for(&s, echo);
    s.deadline = weft_after(30 * WEFT_MS);
    begin(&s, t->kind);
    int fd = dial(&s);
    CHECK_OK(weft_group_wait(&s.group, weft_never()));
    CHECK_ERR(s.result, -ETIMEDOUT);
    hear_the_end(fd);
    s.deadline = weft_never();
    CHECK_OK(weft_group_spawn(&s.group, t->kind, serve_within, &s));
    CHECK_OK(weft_group_wait(&s.group, weft_never()));
    CHECK_ERR(s.result, -ETIMEDOUT);
    s.deadline = weft_at_once();
    CHECK_OK(weft_group_spawn(&s.group, t->kind, serve, &s));
    CHECK_OK(weft_group_wait(&s.group, weft_never()));
    CHECK_ERR(s.result, -ETIMEDOUT);
    s.deadline = weft_never();
    begin(&s, t->kind); /* the same listener, again */
    fd = dial(&s);
    say(fd, "hello");
    hear(fd, "hello");
    CHECK_OK(weft_close(s.listener));
    CHECK_OK(weft_group_wait(&s.group, weft_never()));
    CHECK_ERR(s.result, -EBADF);
    hear_the_end(fd);
    CHECK_EQ(opens, closes);
}

TEST_REAL(wrong_options_are_refused, REAL)
{
    struct server s;
    struct weft_serve_options o;
    listen_for(&s, echo);
    CHECK_ERR(weft_serve(s.listener, NULL, NULL, weft_at_once()), -EINVAL);
    o = (struct weft_serve_options){ .size = 3 };
    CHECK_ERR(weft_serve(s.listener, echo, &o, weft_at_once()), -EINVAL);
    o = (struct weft_serve_options){ .size = sizeof o, .idle = -1 };
    CHECK_ERR(weft_serve(s.listener, echo, &o, weft_at_once()), -EINVAL);
    CHECK_ERR(weft_serve(s.listener, echo, NULL, weft_at_once()), -ETIMEDOUT);
    CHECK_ERR(weft_serve(-1, echo, NULL, weft_never()), -EBADF);
    CHECK_ERR(weft_serve(0, echo, NULL, weft_never()), -ENOTSOCK);
    CHECK_OK(weft_close(s.listener));
}

TEST_REAL(several_servers_at_once_do_not_mix, REAL)
{
    enum { SERVERS = 5, ROUNDS = 3 };
    static struct server s[SERVERS];
    for (int round = 0; round < ROUNDS; round++) {
        int fds[SERVERS][4];
        for (int i = 0; i < SERVERS; i++) {
            listen_for(&s[i], i % 2 ? lines : echo);
            begin(&s[i], i % 3 ? WEFT_COROUTINE : WEFT_THREAD);
        }
        for (int k = 0; k < 4; k++)
            for (int i = 0; i < SERVERS; i++) {
                fds[i][k] = dial(&s[i]);
                say(fds[i][k], i % 2 ? "half\nhal" : "half");
            }
        for (int k = 0; k < 4; k++)
            for (int i = 0; i < SERVERS; i++)
                hear(fds[i][k], i % 2 ? "half\n" : "half");
        __atomic_store_n(&closes, 0, __ATOMIC_RELEASE);
        for (int i = 0; i < SERVERS; i++) {
            CHECK_OK(weft_task_cancel(s[i].task));
            CHECK_OK(weft_group_wait(&s[i].group, weft_never()));
            CHECK_OK(weft_close(s[i].listener));
            CHECK_EQ(COUNT(closes), 4 * (i + 1));
            for (int k = 0; k < 4; k++)
                hear_the_end(fds[i][k]);
        }
    }
}

/* -- many ------------------------------------------------------------------------------------------- */

struct churn {
    struct server *server;
    unsigned seed;
};

static int churn(void *arg)
{
    struct churn *c = arg;
    unsigned x = c->seed;
    for (int i = 0; i < 150; i++) {
        int fd = dial(c->server);
        x = x * 1664525 + 1013904223;
        switch (x >> 28) {
        case 0:
        case 1: break;
        case 2:
        case 3: say(fd, "bye"); break;
        case 4: reset(fd); continue;
        case 5:
            say(fd, "bye");
            reset(fd);
            continue;
        case 6:
            say(fd, "end");
            CHECK_OK(weft_shutdown(fd, SHUT_WR));
            hear(fd, "end");
            hear_the_end(fd);
            continue;
        default:
            for (unsigned k = 0; k < 3; k++) {
                say(fd, "hello");
                hear(fd, "hello");
            }
        }
        CHECK_OK(weft_close(fd));
    }
    return 0;
}

TEST_EACH_KIND_REAL(thousands_of_connections_come_and_go, REAL)
{
    enum { CLIENTS = 10 };
    struct server s;
    struct churn clients[CLIENTS];
    weft_group group;
    listen_for(&s, echo);
    begin(&s, t->kind);
    CHECK_OK(weft_group_init(&group, 0));
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i] = (struct churn){ &s, i };
        CHECK_OK(weft_group_spawn(&group, WEFT_COROUTINE, churn, &clients[i]));
    }
    CHECK_OK(weft_group_wait(&group, weft_never()));
    UNTIL(COUNT(closes) == COUNT(opens));
    UNTIL(weft_task_list(NULL, 0) == 2);
    CHECK_LE(COUNT(opens), CLIENTS * 150); /* a reset may come before accept */
    end(&s);
}

/* -- no more descriptors ----------------------------------------------------------------------------- */

static long reports;

static void count_report(void *ctx, const char *text, size_t length)
{
    (void)ctx;
    if (memmem(text, length, "refused until others end", 24))
        ADD(reports);
}

/* Another process connects: its descriptors are its own. It says how many were not closed at once, waits
 * for a word, and closes all. */
static pid_t crowd(const char *where, int size, int words)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    int fds[200], held = 0;
    for (int i = 0; i < size; i++) {
        char byte;
        fds[i] = weft_dial(where, SOON);
        if (fds[i] < 0 || weft_write(fds[i], "x", 1, SOON) != 1)
            continue;
        held += weft_read(fds[i], &byte, 1, weft_after(5 * WEFT_SEC)) == 1;
    }
    char word = (char)held;
    (void)!write(words, &word, 1);
    (void)!read(words, &word, 1);
    _exit(0);
}

TEST_EACH_KIND_REAL(without_descriptors_it_sheds_reports_once_and_recovers, REAL)
{
    struct server s;
    int words[2], lowest = dup(0);
    char held;
    NO_FORK_UNDER_TSAN;
    listen_for(&s, echo);
    begin(&s, t->kind);
    int first = dial(&s);
    say(first, "hello");
    hear(first, "hello");
    weft_reporter_set(count_report, NULL);
    CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, words));
    struct rlimit limit, before;
    CHECK_OK(getrlimit(RLIMIT_NOFILE, &before));
    limit = before;
    limit.rlim_cur = (rlim_t)lowest + 30;
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
    for (int round = 0; round < 2; round++) {
        pid_t child = crowd(s.where, 100, words[1]);
        CHECK_EQ(read(words[0], &held, 1), 1);
        CHECK_GE(held, 5);
        CHECK_LT(held, 31);
        CHECK_EQ(COUNT(reports), 1);
        double cpu = cpu_ms(); /* at the limit, nobody new: it rests */
        CHECK_OK(weft_sleep(weft_after(100 * WEFT_MS)));
        if (!t_slow_build())
            CHECK_LT((long)(cpu_ms() - cpu), 20);
        say(first, "hello"); /* old ones are served */
        hear(first, "hello");
        CHECK_EQ(write(words[0], "e", 1), 1);
        CHECK_EQ(waitpid(child, NULL, 0), child);
        UNTIL(COUNT(closes) == COUNT(opens) - 1);
        int again = dial(&s);
        say(again, "hello");
        hear(again, "hello");
        CHECK_OK(weft_close(again));
        UNTIL(COUNT(closes) == COUNT(opens) - 1);
    }
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &before));
    CHECK_OK(weft_close(first));
    end(&s);
}

/* -- forks ------------------------------------------------------------------------------------------ */

static int forks(weft_conn *conn)
{
    int n = echo(conn);
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    CHECK_EQ(waitpid(child, NULL, 0), child);
    return n;
}

TEST_REAL(a_fork_among_connections_leaves_them_alone, REAL)
{
    struct server s;
    int fds[20];
    NO_FORK_UNDER_TSAN;
    listen_for(&s, forks);
    begin(&s, WEFT_COROUTINE);
    for (int i = 0; i < 20; i++) {
        fds[i] = dial(&s);
        say(fds[i], "hello");
    }
    for (int i = 0; i < 20; i++)
        hear(fds[i], "hello");
    pid_t child = fork();
    if (child == 0) { /* a server of its own, on the same listener; the parent's connections stay */
        int r = weft_serve(s.listener, echo, NULL, weft_after(WEFT_MS));
        _exit(r == -ETIMEDOUT ? 0 : 1);
    }
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    for (int i = 0; i < 20; i++) {
        say(fds[i], "again");
        hear(fds[i], "again");
        CHECK_OK(weft_close(fds[i]));
    }
    UNTIL(COUNT(closes) == 20);
    end(&s);
}

/* -- one handler computes ---------------------------------------------------------------------------- */

static bool enough; /* atomic: the handler that computes may stop */

static int echo_or_burn(weft_conn *conn)
{
    char buf[16];
    ssize_t n = weft_conn_read(conn, buf, sizeof buf, weft_at_once());
    while (n > 0 && *buf == 'B' && !__atomic_load_n(&enough, __ATOMIC_ACQUIRE))
        ;
    if (n > 0)
        n = weft_conn_write(conn, buf, (size_t)n, SOON);
    return n > 0 || n == -ETIMEDOUT ? WEFT_CONN_IDLE : (int)n;
}

TEST_REAL(a_computing_handler_holds_no_idle_connection_up, REAL)
{
    enum { CONNS = 200 };
    struct server s;
    int fds[CONNS];
    if (weft_worker_count() < 2)
        SKIP("one worker");
    if (!t_has_epoll())
        SKIP("poll and select leave a busy worker's connections to it");
    listen_for(&s, echo_or_burn);
    begin(&s, WEFT_COROUTINE);
    int burner = dial(&s);
    for (int i = 0; i < CONNS; i++) {
        fds[i] = dial(&s);
        say(fds[i], "hello");
        hear(fds[i], "hello");
    }
    say(burner, "B");
    for (int i = 0; i < CONNS;
         i++) { /* all are answered while it computes; how soon is the bench's */
        say(fds[i], "hello");
        hear(fds[i], "hello");
    }
    __atomic_store_n(&enough, true, __ATOMIC_RELEASE);
    hear(burner, "B");
    for (int i = 0; i < CONNS; i++)
        CHECK_OK(weft_close(fds[i]));
    CHECK_OK(weft_close(burner));
    UNTIL(COUNT(closes) == CONNS + 1);
    end(&s);
}
