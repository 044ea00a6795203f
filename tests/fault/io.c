/* Sockets, servers, selectors, signals when system calls and allocations fail, one by one. */
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include "failing.h"

#define REAL "the kernel's descriptors"

/* -- two tasks and what is between them ---------------------------------------------------------------- */

struct pair {
    int fds[2];
    bool whole;
};

static int sends(void *arg)
{
    struct pair *p = arg;
    char text[1000];
    memset(text, 's', sizeof text);
    int r = 0;
    for (int i = 0; i < 3 && r >= 0; i++)
        r = (int)weft_write(p->fds[0], text, sizeof text, SOON);
    weft_shutdown(p->fds[0], SHUT_WR);
    return p->whole && r < 0 ? r : 0;
}

static int receives(void *arg)
{
    struct pair *p = arg;
    char text[500];
    ssize_t n, all = 0;
    while ((n = weft_read(p->fds[1], text, sizeof text, SOON)) > 0)
        all += n;
    CHECK(n != -ETIMEDOUT && n != -EAGAIN && n != -EINTR);
    if (p->whole)
        CHECK_EQ(all, 3000);
    return 0;
}

static int selects(void *arg)
{
    struct pair *p = arg;
    static weft_event never;
    struct weft_case on[] = { weft_on_event(&never), weft_on_fd(p->fds[1], POLLIN) };
    char text[500];
    ssize_t n, all = 0;
    do {
        n = weft_select(on, 2, SOON);
        CHECK(n == 1 || (n < 0 && n != -ETIMEDOUT && n != -EAGAIN && n != -EINTR));
        if (n == 1)
            n = on[1].result;
        if (n > 0 && (n = weft_read(p->fds[1], text, sizeof text, weft_at_once())) > 0)
            all += n;
    } while (n > 0);
    if (p->whole)
        CHECK_EQ(all, 3000);
    return 0;
}

static void tasks_talk(unsigned kind, weft_fn *listener, bool whole)
{
    struct pair p = { .whole = whole };
    weft_group group;
    int r = weft_socketpair(p.fds);
    CHECK(r == 0 || !whole);
    if (r < 0)
        return;
    if (!group_begin(&group, whole)) {
        CHECK_OK(weft_close(p.fds[0]));
        CHECK_OK(weft_close(p.fds[1]));
        return;
    }
    r = weft_group_spawn(&group, kind, listener, &p);
    if (r == 0)
        r = weft_group_spawn(&group, kind, sends, &p);
    if (r < 0)
        weft_shutdown(p.fds[0], SHUT_WR);
    int w = weft_group_wait(&group, weft_never());
    CHECK(!whole || (r == 0 && w == 0));
    CHECK(w != -ETIMEDOUT);
    weft_group_fini(&group);
    CHECK_OK(weft_close(p.fds[0]));
    CHECK_OK(weft_close(p.fds[1]));
}

static void coroutines_talk(bool whole)
{
    tasks_talk(WEFT_COROUTINE, receives, whole);
}

static void threads_talk(bool whole)
{
    tasks_talk(WEFT_THREAD, receives, whole);
}

static void coroutines_select(bool whole)
{
    tasks_talk(WEFT_COROUTINE, selects, whole);
}

static void threads_select(bool whole)
{
    tasks_talk(WEFT_THREAD, selects, whole);
}

TEST_REAL(coroutines_that_talk_survive, REAL)
{
    fail_each(coroutines_talk);
}

TEST_REAL(threads_that_talk_survive, REAL)
{
    fail_each(threads_talk);
}

TEST_REAL(coroutines_that_select_survive, REAL)
{
    fail_each(coroutines_select);
}

TEST_REAL(threads_that_select_survive, REAL)
{
    fail_each(threads_select);
}

/* -- a server ------------------------------------------------------------------------------------------- */

static long opens, closes;

static int on_open(weft_conn *conn)
{
    (void)conn;
    opens++;
    return 0;
}

static void on_close(weft_conn *conn)
{
    (void)conn;
    __atomic_add_fetch(&closes, 1, __ATOMIC_ACQ_REL);
}

static int echo(weft_conn *conn)
{
    char buf[100];
    ssize_t n = weft_conn_read(conn, buf, sizeof buf, weft_at_once());
    if (n == -ETIMEDOUT)
        return WEFT_CONN_IDLE;
    if (n > 0)
        n = weft_conn_write(conn, buf, (size_t)n, SOON);
    return n > 0 ? WEFT_CONN_IDLE : (int)n;
}

static int stays(weft_conn *conn)
{
    char buf[100];
    ssize_t n;
    while ((n = weft_conn_read(conn, buf, sizeof buf, SOON)) > 0)
        if ((n = weft_conn_write(conn, buf, (size_t)n, SOON)) < 0)
            break;
    return (int)n;
}

struct server {
    int listener, result;
    weft_conn_fn *handler;
    bool ended;
};

static int serve(void *arg)
{
    struct server *s = arg;
    struct weft_serve_options options = { .size = sizeof options,
                                          .on_open = on_open,
                                          .on_close = on_close };
    s->result = weft_serve(s->listener, s->handler, &options, weft_never());
    __atomic_store_n(&s->ended, true, __ATOMIC_RELEASE);
    return 0;
}

/* A client that has nothing to do with weft: an echo, or the server hangs up; never silence. */
static bool ask(const char *where, const struct server *s, bool whole)
{
    struct sockaddr_storage addr = { .ss_family = AF_UNIX };
    char back[5];
    strcpy(((struct sockaddr *)&addr)->sa_data, where + 5);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
    CHECK_OK(connect(fd, (struct sockaddr *)&addr, 100));
    bool good = true;
    for (int i = 0; i < 2 && good; i++) {
        good = send(fd, "hello", 5, MSG_NOSIGNAL) == 5;
        int ready = 0;
        for (int waited = 0; ready == 0 && waited < 1000; waited++) {
            ready = poll(&poll_fd, 1, 10);
            if (__atomic_load_n(&s->ended, __ATOMIC_ACQUIRE))
                break; /* it told why it gave up */
        }
        CHECK(ready == 1 || s->ended);
        good = good && ready == 1 && recv(fd, back, 5, 0) == 5;
    }
    close(fd);
    CHECK(good || !whole);
    return good;
}

static void serve_some(weft_conn_fn *handler, bool whole)
{
    static char where[128];
    struct server s = { .handler = handler };
    weft_group group;
    weft_task task = { 0 };
    struct weft_spawn more = { .size = sizeof more, .task = &task };
    opens = closes = 0;
    snprintf(where, sizeof where, "unix:%s/sock", getenv("TMPDIR"));
    s.listener = weft_listen(where, 0);
    CHECK(s.listener >= 0 || !whole);
    if (s.listener < 0)
        return;
    if (!group_begin(&group, whole)) {
        CHECK_OK(weft_close(s.listener));
        return;
    }
    int r = weft_group_spawn_with(&group, WEFT_COROUTINE, serve, &s, &more);
    CHECK(r == 0 || !whole);
    if (r == 0) {
        for (int i = 0; i < 3; i++)
            ask(where, &s, whole);
        weft_task_cancel(task);
    }
    int w = weft_group_wait(&group, weft_never());
    CHECK(w == 0 || !whole);
    if (whole)
        CHECK_ERR(s.result, -ECANCELED);
    CHECK_EQ(opens, closes);
    weft_group_fini(&group);
    CHECK_OK(weft_close(s.listener));
}

static void serve_idle(bool whole)
{
    serve_some(echo, whole);
}

static void serve_staying(bool whole)
{
    serve_some(stays, whole);
}

TEST_REAL_LONG(a_server_of_idle_connections_survives, REAL, 60)
{
    fail_each(serve_idle);
}

TEST_REAL_LONG(a_server_of_waiting_handlers_survives, REAL, 60)
{
    fail_each(serve_staying);
}

/* -- the rest: streams, helpers, files, dialling --------------------------------------------------------- */

static int double_it(void *arg)
{
    *(int *)arg *= 2;
    return 0;
}

static int a_bit_of_all(void *arg)
{
    bool whole = *(bool *)arg;
    char path[160], at[128], buf[256], line[64];
    weft_stream stream;
    int job = 21, r, fds[2];
    snprintf(path, sizeof path, "%s/file", getenv("TMPDIR"));
    r = weft_offload_job(double_it, &job, SOON);
    CHECK(r == 0 ? job == 42 : !whole && job == 21);
    r = weft_offload(double_it, &job);
    CHECK(r == 0 || !whole);
    int file = weft_open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    CHECK(file >= 0 || !whole);
    if (file >= 0) {
        ssize_t n = weft_write(file, "0123456789", 10, SOON);
        CHECK(n == 10 || !whole);
        CHECK((r = weft_fsync(file)) == 0 || !whole);
        if (weft_socketpair(fds) == 0) {
            ssize_t sent = weft_sendfile(fds[0], file, 0, 10, SOON);
            CHECK(sent == 10 || !whole);
            CHECK_OK(weft_close(fds[0]));
            CHECK_OK(weft_close(fds[1]));
        }
        CHECK_OK(weft_close(file));
    }
    int listener = weft_listen("127.0.0.1:0", 0), client = -1, taken = -1;
    CHECK(listener >= 0 || !whole);
    if (listener >= 0 && weft_local_address(listener, at, sizeof at) == 0 &&
        (client = weft_dial(at, SOON)) >= 0)
        taken = weft_accept(listener, NULL, SOON);
    CHECK(taken >= 0 || !whole);
    if (taken >= 0) {
        CHECK_OK(weft_stream_init(&stream, taken, buf, sizeof buf));
        ssize_t n = weft_write(client, "a line\n", 7, SOON);
        CHECK(n == 7 || !whole);
        CHECK_OK(weft_shutdown(client, SHUT_WR));
        n = weft_stream_read_line(&stream, line, sizeof line, SOON);
        CHECK(n == 6 || (!whole && n != -ETIMEDOUT));
        r = weft_stream_printf(&stream, SOON, "an answer\n");
        if (r == 0)
            r = weft_stream_flush(&stream, SOON);
        CHECK(r == 0 || !whole);
        CHECK_OK(weft_close(taken));
    }
    if (client >= 0)
        CHECK_OK(weft_close(client));
    if (listener >= 0)
        CHECK_OK(weft_close(listener));
    return 0;
}

static void all_in_a_task(bool whole)
{
    weft_group group;
    if (!group_begin(&group, whole))
        return;
    int r = weft_group_spawn(&group, WEFT_COROUTINE, a_bit_of_all, &whole);
    int w = weft_group_wait(&group, weft_never());
    CHECK((r == 0 && w == 0) || !whole);
    weft_group_fini(&group);
}

static void all_on_a_thread(bool whole)
{
    a_bit_of_all(&whole);
}

TEST_REAL_LONG(calls_of_a_coroutine_survive, REAL, 60)
{
    fail_each(all_in_a_task);
}

TEST_REAL_LONG(calls_of_a_thread_survive, REAL, 60)
{
    fail_each(all_on_a_thread);
}

/* Three descriptors travel in a message; whatever fails, nobody keeps one that he was not told of. */
static int passes_descriptors(void *arg)
{
    bool whole = *(bool *)arg;
    int pair[2], fds[3], got[3];
    char text[8];
    if (weft_socketpair_of(SOCK_SEQPACKET, pair) < 0)
        return whole ? -EPROTO : 0;
    for (int i = 0; i < 3; i++)
        fds[i] = dup(0);
    struct weft_message m = { .size = sizeof m,
                              .parts = &(struct iovec){ text, sizeof text },
                              .parts_count = 1,
                              .fds = fds,
                              .fds_count = 3 };
    ssize_t r = weft_option_set(pair[1], SOL_SOCKET, SO_PASSCRED, 1);
    if (r == 0)
        r = weft_send_message(pair[0], &m, SOON);
    for (int i = 0; i < 3; i++)
        CHECK_OK(close(fds[i]));
    if (r > 0) {
        m.fds = got;
        m.fds_count = 2; /* and none for the third */
        r = weft_recv_message(pair[1], &m, SOON);
        CHECK(r > 0 || !whole);
        for (size_t i = 0; r > 0 && i < m.fds_count; i++)
            CHECK_OK(weft_close(got[i]));
    }
    CHECK(r > 0 || !whole);
    CHECK_OK(weft_close(pair[0]));
    CHECK_OK(weft_close(pair[1]));
    return 0;
}

static int sends_datagrams(void *arg)
{
    bool whole = *(bool *)arg;
    char where[160], text[8];
    weft_address to;
    snprintf(where, sizeof where, "unix:%s/datagrams", getenv("TMPDIR"));
    int fd = weft_datagram("127.0.0.1:0", NULL, WEFT_REUSE_ADDRESS), path = -1, both = -1, r = fd;
    if (r >= 0)
        r = weft_multicast_interface(fd, "lo");
    if (r >= 0)
        r = weft_socket_address(fd, &to);
    if (r >= 0)
        r = (int)weft_send_to(fd, "hello", 5, &to, SOON);
    if (r >= 0)
        r = (int)weft_recv_from(fd, text, sizeof text, &to, SOON);
    if (r >= 0)
        r = path = weft_datagram(where, NULL, 0);
    if (r >= 0)
        r = both = weft_datagram("unix:@", where, 0);
    weft_operation in = { .task = { 0 } };
    ssize_t got = 0;
    if (r >= 0)
        r = weft_operation_read(&in, path, text, sizeof text, SOON);
    if (r >= 0)
        r = (int)weft_write(both, "hello", 5, SOON);
    if (r < 0)
        weft_operation_cancel(&in);
    else if ((r = weft_operation_wait(&in, &got, SOON)) == 0)
        r = (int)got;
    CHECK(r >= 0 || (!whole && r != -ETIMEDOUT && r != -EINTR));
    for (int i = 0; i < 3; i++)
        if ((int[]){ fd, path, both }[i] >= 0)
            CHECK_OK(weft_close((int[]){ fd, path, both }[i]));
    int ends[2], t = weft_terminal_pair(ends);
    CHECK(t == 0 || !whole || t == -ENOENT);
    for (int i = 0; t == 0 && i < 2; i++)
        CHECK_OK(weft_close(ends[i]));
    return passes_descriptors(arg);
}

static void datagrams(bool whole)
{
    weft_group group;
    if (!group_begin(&group, whole))
        return;
    int r = weft_group_spawn(&group, WEFT_COROUTINE, sends_datagrams, &whole);
    int w = weft_group_wait(&group, weft_never());
    CHECK((r == 0 && w == 0) || !whole);
    weft_group_fini(&group);
}

TEST_REAL(datagrams_and_passed_descriptors_survive, REAL)
{
    fail_each(datagrams);
}

static int uses_a_selector(void *arg)
{
    bool whole = *(bool *)arg;
    weft_selector sel = { 0 };
    struct weft_ready ready[2];
    int pair[2], r = weft_selector_init(&sel);
    CHECK(r == 0 || !whole);
    if (r < 0 || weft_socketpair(pair) < 0)
        goto end;
    r = weft_selector_register(&sel, pair[0], POLLIN, NULL);
    if (r == 0)
        r = weft_selector_modify(&sel, pair[0], POLLIN | POLLRDHUP, NULL);
    if (r == 0)
        r = weft_selector_select(&sel, ready, 2, weft_after(WEFT_MS));
    CHECK(r == -ETIMEDOUT || !whole);
    if (r == -ETIMEDOUT && (r = (int)weft_write(pair[1], "x", 1, SOON)) == 1)
        r = weft_selector_select(&sel, ready, 2, SOON);
    CHECK(r == 1 || (!whole && r != -ETIMEDOUT && r != -EINTR));
    size_t count = weft_selector_count(&sel);
    CHECK_OK(weft_close(pair[0]));
    CHECK_EQ(weft_selector_count(&sel), 0);
    if (count)
        r = weft_selector_select(&sel, ready, 2, SOON);
    CHECK(r < 0 ? !whole : ready[0].events == POLLNVAL || !whole);
    CHECK_OK(weft_close(pair[1]));
end:
    weft_selector_fini(&sel);
    return 0;
}

static void selecting(bool whole, unsigned kind)
{
    weft_group group;
    if (!group_begin(&group, whole))
        return;
    int r = weft_group_spawn(&group, kind, uses_a_selector, &whole);
    int w = weft_group_wait(&group, weft_never());
    CHECK((r == 0 && w == 0) || !whole);
    weft_group_fini(&group);
}

static void selecting_in_a_coroutine(bool whole)
{
    selecting(whole, WEFT_COROUTINE);
}

static void selecting_in_a_thread(bool whole)
{
    selecting(whole, WEFT_THREAD);
}

TEST_REAL(a_selector_in_a_coroutine_survives, REAL)
{
    fail_each(selecting_in_a_coroutine);
}

TEST_REAL(a_selector_in_a_thread_survives, REAL)
{
    fail_each(selecting_in_a_thread);
}

static void on_signal(int signo, void *arg)
{
    CHECK_EQ(signo, SIGUSR2);
    weft_event_set(arg);
}

struct served {
    weft_signal signal;
    weft_event came;
};

static int serves_signals(void *arg)
{
    struct served *s = arg;
    return weft_signal_serve(&s->signal, on_signal, &s->came, SOON);
}

static void wants_signals(bool whole)
{
    static const int both[] = { SIGUSR1, SIGUSR2 };
    weft_signal signal = { 0 };
    int r = weft_signal_init(&signal, both, 2);
    CHECK(r == 0 || !whole);
    if (r == 0) {
        kill(getpid(), SIGUSR2);
        r = weft_signal_wait(&signal, SOON);
        CHECK(r == SIGUSR2 || (!whole && r != -ETIMEDOUT));
    }
    weft_signal_fini(&signal);
    struct served s = { .came = WEFT_EVENT_INIT };
    weft_group group;
    if (weft_signal_init(&s.signal, both, 2) < 0 || !group_begin(&group, whole)) {
        CHECK(!whole);
        weft_signal_fini(&s.signal);
        return;
    }
    r = weft_group_spawn(&group, WEFT_COROUTINE, serves_signals, &s);
    kill(getpid(), SIGUSR2);
    while (r == 0 && !weft_event_is_set(&s.came) && !weft_group_failed(&group, NULL))
        weft_yield();
    weft_group_cancel(&group);
    r = weft_group_wait(&group, weft_never());
    CHECK(r != -ETIMEDOUT && (r == 0 || !whole));
    weft_group_fini(&group);
    weft_signal_fini(&s.signal);
}

TEST_REAL(wanting_signals_survives, REAL)
{
    fail_each(wants_signals);
}
