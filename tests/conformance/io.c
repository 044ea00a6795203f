/* Plain descriptors: one table of contracts for each kind of task and each kind of descriptor. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <weft.h>

#define REAL "the kernel's descriptors"
#include "in_kind.h"

/* One call in a task of its own. */
struct op {
    int fd;
    void *buf;
    size_t size;
    weft_deadline deadline;
    ssize_t result;
    weft_task task;
};

static void tell(struct op *op, ssize_t result)
{
    __atomic_store_n(&op->result, result, __ATOMIC_RELEASE);
}

static ssize_t told(struct op *op)
{
    return __atomic_load_n(&op->result, __ATOMIC_ACQUIRE);
}

static int do_read(void *arg)
{
    struct op *op = arg;
    tell(op, weft_read(op->fd, op->buf, op->size, op->deadline));
    return 0;
}

static int do_write(void *arg)
{
    struct op *op = arg;
    tell(op, weft_write(op->fd, op->buf, op->size, op->deadline));
    return 0;
}

static int do_accept(void *arg)
{
    struct op *op = arg;
    tell(op, weft_accept(op->fd, NULL, op->deadline));
    return 0;
}

static int do_poll(void *arg)
{
    struct op *op = arg;
    tell(op, weft_poll(op->fd, (int)op->size, op->deadline));
    return 0;
}

static void start(weft_fn *fn, struct op *op)
{
    op->result = 12345;
    op->task = start_task(fn, op);
}

static void nap(void)
{
    CHECK_OK(weft_sleep(weft_after(200 * WEFT_US)));
}

static void until_it_waits(const struct op *op, const char *what)
{
    until_waits(op->task, what);
}

static void fill(void *buf, size_t size, unsigned seed)
{
    unsigned char *bytes = buf;
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)((seed = seed * 1664525 + 1013904223) >> 24);
}

/* -- pairs: out[0] reads what out[1] writes --------------------------------------------------------- */

static void tcp_pair(int out[2])
{
    char where[128];
    int listener = weft_listen("127.0.0.1:0", 0);
    CHECK_OK(listener);
    CHECK_OK(weft_local_address(listener, where, sizeof where));
    CHECK_OK(out[1] = weft_dial(where, weft_after(5 * WEFT_SEC)));
    CHECK_OK(out[0] = weft_accept(listener, NULL, weft_after(5 * WEFT_SEC)));
    CHECK_OK(weft_close(listener));
}

static void unix_pair(int out[2])
{
    CHECK_OK(weft_socketpair(out));
}

static void pipe_pair(int out[2])
{
    CHECK_OK(weft_pipe(out));
}

static void foreign_pipe(int out[2])
{
    CHECK_OK(pipe(out));
}

static void foreign_unix(int out[2])
{
    CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, out));
}

static void foreign_fifo(int out[2])
{
    char path[128];
    snprintf(path, sizeof path, "%s/fifo", dir);
    unlink(path);
    CHECK_OK(mkfifo(path, 0600));
    CHECK_OK(out[0] = open(path, O_RDWR)); /* so that the next one does not wait */
    CHECK_OK(out[1] = open(path, O_WRONLY));
    int both = out[0];
    CHECK_OK(out[0] = open(path, O_RDONLY));
    close(both);
}

static void make_pty(int out[2], int flags)
{
    struct termios raw;
    CHECK_OK(out[1] = posix_openpt(O_RDWR | O_NOCTTY | flags));
    CHECK_OK(grantpt(out[1]));
    CHECK_OK(unlockpt(out[1]));
    CHECK_OK(out[0] = open(ptsname(out[1]), O_RDWR | O_NOCTTY | flags));
    CHECK_OK(tcgetattr(out[0], &raw));
    cfmakeraw(&raw);
    CHECK_OK(tcsetattr(out[0], TCSANOW, &raw));
}

static void foreign_pty(int out[2])
{
    make_pty(out, 0);
}

static void nonblocking_pty(int out[2])
{
    make_pty(out, O_NONBLOCK);
}

static const struct pair {
    const char *name;
    void (*make)(int out[2]);
    size_t huge;
    bool both_ways, forgets; /* what was not read when the writer closed */
} pairs[] = {
    { "tcp", tcp_pair, 6 << 20, true, false },
    { "unix", unix_pair, 6 << 20, true, false },
    { "pipe", pipe_pair, 3 << 20, false, false },
    { "foreign pipe", foreign_pipe, 3 << 20, false, false },
    { "foreign unix", foreign_unix, 6 << 20, true, false },
    { "foreign fifo", foreign_fifo, 1 << 20, false, false },
    { "foreign pty", foreign_pty, 100000, true, true },
    { "nonblocking pty", nonblocking_pty, 100000, true, true },
};

#define EACH_PAIR(p, fds)                                                             \
    for (const struct pair *p = pairs; p < pairs + sizeof pairs / sizeof *pairs; p++) \
        for (int fds[2] = { -1, -1 }, once = (p->make(fds), 1); once; once = 0)

static void close_both(const int fds[2])
{
    CHECK_OK(weft_close(fds[0]));
    CHECK_OK(weft_close(fds[1]));
}

/* Write until no more goes in; how much did. */
static size_t stuff(int fd)
{
    static char block[65536];
    size_t size = 0, part = sizeof block;
    for (;;) {
        ssize_t n =
            weft_write(fd, block, part, weft_after(2 * WEFT_MS)); /* TCP makes room once more */
        if (n > 0) {
            size += (size_t)n;
        } else {
            CHECK_ERR(n, -ETIMEDOUT);
            if (part == 1)
                return size;
            part = 1;
        }
    }
}

/* A terminal may give a few bytes at a time. */
static void expect(int fd, const char *text)
{
    char buf[64];
    for (size_t got = 0; got < strlen(text);) {
        ssize_t n = weft_read(fd, buf, strlen(text) - got, weft_after(10 * WEFT_SEC));
        CHECK_GT(n, 0);
        CHECK_MEM(buf, text + got, (size_t)n);
        got += (size_t)n;
    }
}

/* -- reading and writing ---------------------------------------------------------------------------- */

IN_KIND(a_read_of_nothing_waits_for_its_deadline)
{
    EACH_PAIR(p, fds)
    {
        char buf[16];
        CHECK_EQ(weft_read(fds[0], buf, 0, weft_never()), 0);
        CHECK_ERR(weft_read(fds[0], buf, sizeof buf, weft_at_once()), -ETIMEDOUT);
        CHECK_ERR(weft_read(fds[0], buf, sizeof buf, weft_after(0)), -ETIMEDOUT);
        CHECK_ERR(weft_read(fds[0], buf, sizeof buf, weft_at((weft_time){ 1 })), -ETIMEDOUT);
        weft_time begin = weft_now();
        CHECK_ERR(weft_read(fds[0], buf, sizeof buf, weft_after(3 * WEFT_MS)), -ETIMEDOUT);
        CHECK_GE(weft_time_between(begin, weft_now()), 3 * WEFT_MS);
        struct op op = { fds[0], buf, sizeof buf, weft_never(), 0, { 0 } };
        begin = weft_now();
        CHECK_OK(weft_within(weft_after(3 * WEFT_MS), do_read, &op));
        CHECK_ERR(op.result, -ETIMEDOUT);
        CHECK_GE(weft_time_between(begin, weft_now()), 3 * WEFT_MS);
        close_both(fds);
    }
    return 0;
}

IN_KIND(what_is_there_is_read_at_once)
{
    EACH_PAIR(p, fds)
    {
        char buf[16];
        CHECK_EQ(weft_write(fds[1], "hello", 5, weft_at_once()), 5);
        CHECK_GT(weft_poll(fds[0], POLLIN, weft_never()), 0);
        CHECK_EQ(weft_read(fds[0], buf, 1, weft_at_once()), 1);
        CHECK_EQ(buf[0], 'h');
        expect(fds[0], "ello");
        close_both(fds);
    }
    return 0;
}

IN_KIND(a_parked_reader_gets_what_comes)
{
    EACH_PAIR(p, fds)
    {
        char buf[16] = "";
        struct op op = { fds[0], buf, sizeof buf, weft_never(), 0, { 0 } };
        start(do_read, &op);
        until_it_waits(&op, "read");
        CHECK_EQ(weft_write(fds[1], "hello", 5, weft_never()), 5);
        finish();
        CHECK_GT(op.result, 0);
        CHECK_MEM(buf, "hello", (size_t)op.result);
        expect(fds[0], &"hello"[op.result]);
        close_both(fds);
    }
    return 0;
}

IN_KIND(a_cancelled_read_or_write_ends)
{
    EACH_PAIR(p, fds)
    {
        char buf[16];
        static char block[1 << 20];
        struct op in = { fds[0], buf, sizeof buf, weft_never(), 0, { 0 } };
        start(do_read, &in);
        until_it_waits(&in, "read");
        CHECK_OK(weft_task_cancel(in.task));
        finish();
        CHECK_ERR(in.result, -ECANCELED);
        stuff(fds[1]);
        struct op out = { fds[1], block, sizeof block, weft_never(), 0, { 0 } };
        start(do_write, &out);
        until_it_waits(&out, "write");
        CHECK_OK(weft_task_cancel(out.task));
        finish();
        CHECK(out.result == -ECANCELED || (out.result > 0 && out.result < (ssize_t)sizeof block));
        close_both(fds);
    }
    return 0;
}

static int nothing_works(void *arg)
{
    int *fds = arg;
    char byte = 0;
    struct stat st;
    struct iovec iov = { &byte, 1 };
    while (weft_yield() == 0)
        ;
    CHECK_ERR(weft_read(fds[0], &byte, 1, weft_never()), -ECANCELED);
    CHECK_ERR(weft_readv(fds[0], &iov, 1, weft_never()), -ECANCELED);
    CHECK_ERR(weft_write(fds[1], &byte, 1, weft_never()), -ECANCELED);
    CHECK_ERR(weft_writev(fds[1], &iov, 1, weft_never()), -ECANCELED);
    CHECK_ERR(weft_poll(fds[1], POLLOUT, weft_never()), -ECANCELED);
    CHECK_ERR(weft_accept(fds[0], NULL, weft_never()), -ECANCELED);
    CHECK_ERR(weft_dial("127.0.0.1:1", weft_never()), -ECANCELED);
    CHECK_ERR(weft_sendfile(fds[1], fds[0], 0, 1, weft_never()), -ECANCELED);
    CHECK_ERR(weft_open("/dev/null", O_RDONLY, 0), -ECANCELED);
    CHECK_ERR(weft_fsync(fds[0]), -ECANCELED);
    CHECK_ERR(weft_fstat(fds[0], &st), -ECANCELED);
    CHECK_EQ(weft_shield(weft_never(), (weft_fn *)(void *)weft_yield, NULL), 0);
    return 0;
}

IN_KIND(a_cancelled_task_does_no_io_even_where_it_need_not_wait)
{
    int fds[2];
    weft_task task;
    struct weft_spawn more = { .size = sizeof more, .task = &task };
    unix_pair(fds);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_OK(weft_group_spawn_with(&group, kind, nothing_works, fds, &more));
    CHECK_OK(weft_task_cancel(task));
    finish();
    close_both(fds);
    return 0;
}

struct drain {
    int fd;
    size_t size;
    unsigned char *expected;
};

static int drain_slowly(void *arg)
{
    struct drain *d = arg;
    unsigned char buf[40000];
    size_t got = 0;
    for (unsigned turn = 0; got < d->size; turn++) {
        size_t want = turn % 3 == 0 ? 7 : sizeof buf;
        ssize_t n = weft_read(d->fd, buf, want, weft_after(10 * WEFT_SEC));
        CHECK_GT(n, 0);
        CHECK_MEM(buf, d->expected + got, (size_t)n);
        got += (size_t)n;
        if (turn % 50 == 0)
            nap();
    }
    return 0;
}

IN_KIND(a_huge_write_arrives_whole_at_a_slow_reader)
{
    EACH_PAIR(p, fds)
    {
        unsigned char *bytes = malloc(p->huge);
        struct drain drain = { fds[0], p->huge, bytes };
        fill(bytes, p->huge, 1);
        CHECK_OK(weft_group_spawn(&group, kind, drain_slowly, &drain));
        CHECK_EQ(weft_write(fds[1], bytes, p->huge, weft_after(15 * WEFT_SEC)), (ssize_t)p->huge);
        finish();
        free(bytes);
        close_both(fds);
    }
    return 0;
}

IN_KIND(many_parts_are_written_and_read_in_order)
{
    EACH_PAIR(p, fds)
    {
        enum { PARTS = 50 };
        unsigned char bytes[PARTS * 100], back[sizeof bytes];
        struct iovec out[PARTS],
            in[3] = { { back, 1 }, { back + 1, 0 }, { back + 1, sizeof back - 1 } };
        fill(bytes, sizeof bytes, 2);
        size_t at = 0;
        for (int i = 0; i < PARTS; i++) { /* some are empty, the first too */
            out[i] = (struct iovec){ bytes + at, i % 4 == 0 ? 0 : (size_t)i };
            at += out[i].iov_len;
        }
        CHECK_EQ(weft_writev(fds[1], out, PARTS, weft_after(5 * WEFT_SEC)), (ssize_t)at);
        size_t got = 0;
        while (got < at) {
            ssize_t n = weft_readv(fds[0], in, 3, weft_after(5 * WEFT_SEC));
            CHECK_GT(n, 0);
            CHECK_MEM(back, bytes + got, (size_t)n);
            got += (size_t)n;
        }
        CHECK_EQ(got, at);
        CHECK_EQ(weft_writev(fds[1], out, 1, weft_never()), 0);
        CHECK_EQ(weft_writev(fds[1], out, 0, weft_never()), 0);
        CHECK_EQ(weft_readv(fds[0], out, 0, weft_never()), 0);
        CHECK_ERR(weft_writev(fds[1], out, -1, weft_never()), -EINVAL);
        CHECK_ERR(weft_readv(fds[0], out, -1, weft_never()), -EINVAL);
        close_both(fds);
    }
    return 0;
}

IN_KIND(a_full_writer_waits_for_its_deadline_and_tells_what_went)
{
    EACH_PAIR(p, fds)
    {
        static char block[1 << 20];
        size_t room = stuff(fds[1]);
        CHECK_GT(room, 0);
        weft_time begin = weft_now();
        ssize_t n = weft_write(fds[1], block, sizeof block, weft_after(3 * WEFT_MS));
        CHECK(n == -ETIMEDOUT || (n > 0 && n < (ssize_t)sizeof block));
        CHECK_GE(weft_time_between(begin, weft_now()), 3 * WEFT_MS);
        close_both(fds);
    }
    return 0;
}

IN_KIND(nobodys_flags_are_changed)
{
    EACH_PAIR(p, fds)
    {
        char buf[16];
        int before[2] = { fcntl(fds[0], F_GETFL), fcntl(fds[1], F_GETFL) };
        struct op op = { fds[0], buf, sizeof buf, weft_never(), 0, { 0 } };
        CHECK_ERR(weft_read(fds[0], buf, 1, weft_after(WEFT_MS)), -ETIMEDOUT);
        start(do_read, &op);
        until_it_waits(&op, "read");
        CHECK_EQ(fcntl(fds[0], F_GETFL), before[0]);
        CHECK_EQ(weft_write(fds[1], "x", 1, weft_never()), 1);
        finish();
        stuff(fds[1]);
        (void)!weft_write(fds[1], "x", 1, weft_after(WEFT_MS));
        CHECK_EQ(fcntl(fds[0], F_GETFL), before[0]);
        CHECK_EQ(fcntl(fds[1], F_GETFL), before[1]);
        close_both(fds);
    }
    return 0;
}

IN_KIND(the_end_is_read_after_the_last_byte)
{
    EACH_PAIR(p, fds)
    {
        char buf[16];
        CHECK_EQ(weft_write(fds[1], "end", 3, weft_never()), 3);
        if (p->forgets) {
            expect(fds[0], "end");
            CHECK_OK(weft_close(fds[1]));
        } else {
            CHECK_OK(weft_close(fds[1]));
            expect(fds[0], "end");
        }
        CHECK_EQ(weft_read(fds[0], buf, sizeof buf, weft_never()), 0);
        CHECK_EQ(weft_read(fds[0], buf, sizeof buf, weft_never()), 0);
        CHECK_OK(weft_close(fds[0]));
    }
    return 0;
}

IN_KIND(the_end_wakes_a_parked_reader)
{
    EACH_PAIR(p, fds)
    {
        char buf[16];
        struct op op = { fds[0], buf, sizeof buf, weft_never(), 0, { 0 } };
        start(do_read, &op);
        until_it_waits(&op, "read");
        CHECK_OK(close(fds[1]));
        finish();
        CHECK_EQ(op.result, 0);
        CHECK_OK(weft_close(fds[0]));
    }
    return 0;
}

IN_KIND(close_wakes_readers_writers_and_pollers)
{
    EACH_PAIR(p, fds)
    {
        static char block[1 << 20];
        char buf[4][16];
        struct op in[4], out = { fds[1], block, sizeof block, weft_never(), 0, { 0 } };
        for (int i = 0; i < 4; i++) {
            in[i] = (struct op){ fds[0], buf[i], sizeof buf[i], weft_never(), 0, { 0 } };
            if (i == 3)
                in[i].size = POLLIN;
            start(i == 3 ? do_poll : do_read, &in[i]);
            until_it_waits(&in[i], i == 3 ? "poll" : "read");
        }
        CHECK_OK(weft_close(fds[0]));
        finish();
        for (int i = 0; i < 4; i++)
            CHECK_ERR(in[i].result, -EBADF);
        CHECK_OK(weft_close(fds[1]));
        p->make(fds);
        stuff(fds[1]);
        out.fd = fds[1];
        start(do_write, &out);
        until_it_waits(&out, "write");
        CHECK_OK(weft_close(fds[1]));
        finish();
        CHECK(out.result == -EBADF || out.result > 0);
        CHECK_OK(weft_close(fds[0]));
    }
    return 0;
}

IN_KIND(a_number_that_is_used_again_wakes_nobody_of_before)
{
    for (int round = 0; round < 50; round++) {
        int fds[2], again[2];
        char old = 0, new = 0;
        unix_pair(fds);
        struct op first = { fds[0], &old, 1, weft_never(), 0, { 0 } };
        start(do_read, &first);
        until_it_waits(&first, "read");
        int peer = fds[1];
        if (round % 2) /* ready, and perhaps not yet read, when it is closed */
            CHECK_EQ(write(peer, "o", 1), 1);
        CHECK_OK(weft_close(fds[0]));
        unix_pair(again);
        struct op second = { again[0], &new, 1, weft_never(), 0, { 0 } };
        start(do_read, &second);
        CHECK_EQ(weft_write(again[1], "n", 1, weft_never()), 1);
        finish();
        CHECK(first.result == -EBADF || (round % 2 && first.result == 1 && old == 'o'));
        CHECK_EQ(second.result, 1);
        CHECK_EQ(new, 'n');
        close(peer);
        close_both(again);
    }
    return 0;
}

IN_KIND(a_plain_close_under_a_waiter_does_not_spoil_the_number)
{
    int fds[2], again[2];
    char old, new = 0;
    unix_pair(fds);
    struct op first = { fds[0], &old, 1, weft_never(), 0, { 0 } };
    start(do_read, &first);
    until_it_waits(&first, "read");
    close(fds[0]); /* it goes on waiting, as documented */
    close(fds[1]);
    unix_pair(again);
    CHECK_EQ(again[0], fds[0]);
    struct op second = { again[0], &new, 1, weft_never(), 0, { 0 } };
    CHECK_OK(weft_task_cancel(first.task));
    while (told(&first) == 12345)
        nap();
    start(do_read, &second);
    until_it_waits(&second, "read");
    CHECK_EQ(weft_write(again[1], "n", 1, weft_never()), 1);
    finish();
    CHECK(first.result == -ECANCELED || first.result == 0 || first.result == -EBADF);
    CHECK_EQ(second.result, 1);
    CHECK_EQ(new, 'n');
    close_both(again);
    return 0;
}

IN_KIND(a_duplicate_waits_for_itself)
{
    EACH_PAIR(p, fds)
    {
        char a, b;
        int other = dup(fds[0]);
        struct op first = { fds[0], &a, 1, weft_never(), 0, { 0 } };
        struct op second = { other, &b, 1, weft_never(), 0, { 0 } };
        start(do_read, &first);
        start(do_read, &second);
        until_it_waits(&first, "read");
        until_it_waits(&second, "read");
        CHECK_OK(weft_close(fds[0]));
        while (told(&first) == 12345)
            nap();
        CHECK_ERR(first.result, -EBADF);
        until_it_waits(&second, "read");
        CHECK_EQ(weft_write(fds[1], "d", 1, weft_never()), 1);
        finish();
        CHECK_EQ(second.result, 1);
        CHECK_EQ(b, 'd');
        CHECK_OK(weft_close(other));
        CHECK_OK(weft_close(fds[1]));
    }
    return 0;
}

struct many {
    int fd;
    long sum, count;
};

static int read_numbers(void *arg)
{
    struct many *m = arg;
    char byte;
    ssize_t n;
    while ((n = weft_read(m->fd, &byte, 1, weft_never())) == 1) {
        __atomic_fetch_add(&m->sum, byte, __ATOMIC_RELAXED);
        __atomic_fetch_add(&m->count, 1, __ATOMIC_RELAXED);
    }
    CHECK_EQ(n, 0);
    return 0;
}

IN_KIND(several_readers_share_a_descriptor)
{
    void (*makes[])(int out[2]) = { tcp_pair, unix_pair, pipe_pair, foreign_pipe, foreign_unix };
    for (size_t k = 0; k < sizeof makes / sizeof *makes; k++) {
        enum { READERS = 8, BYTES = 1000 };
        int fds[2];
        long sum = 0;
        makes[k](fds);
        struct many many = { fds[0], 0, 0 };
        for (int i = 0; i < READERS; i++)
            CHECK_OK(weft_group_spawn(&group, kind, read_numbers, &many));
        for (int i = 0; i < BYTES; i++) {
            char byte = (char)(i % 100);
            sum += byte;
            CHECK_EQ(weft_write(fds[1], &byte, 1, weft_never()), 1);
            if (i % 64 == 0)
                nap();
        }
        CHECK_OK(weft_close(fds[1]));
        finish();
        CHECK_EQ(many.count, BYTES);
        CHECK_EQ(many.sum, sum);
        CHECK_OK(weft_close(fds[0]));
    }
    return 0;
}

static int pour(void *arg)
{
    struct drain *d = arg;
    CHECK_EQ(weft_write(d->fd, d->expected, d->size, weft_after(15 * WEFT_SEC)), (ssize_t)d->size);
    return 0;
}

IN_KIND(both_directions_flow_at_once)
{
    EACH_PAIR(p, fds)
    {
        if (!p->both_ways) {
            close_both(fds);
            continue;
        }
        size_t size = p->huge / 4;
        unsigned char *there = malloc(size), *back = malloc(size);
        fill(there, size, 3);
        fill(back, size, 4);
        struct drain out[2] = { { fds[1], size, there }, { fds[0], size, back } };
        struct drain in[2] = { { fds[0], size, there }, { fds[1], size, back } };
        for (int i = 0; i < 2; i++) {
            CHECK_OK(weft_group_spawn(&group, kind, drain_slowly, &in[i]));
            CHECK_OK(weft_group_spawn(&group, kind, pour, &out[i]));
        }
        finish();
        free(there);
        free(back);
        close_both(fds);
    }
    return 0;
}

/* -- sockets ---------------------------------------------------------------------------------------- */

IN_KIND(half_a_connection_can_end)
{
    void (*makes[])(int out[2]) = { tcp_pair, unix_pair };
    for (int k = 0; k < 2; k++) {
        int fds[2];
        char buf[8];
        makes[k](fds);
        CHECK_EQ(weft_write(fds[1], "ask", 3, weft_never()), 3);
        CHECK_OK(weft_shutdown(fds[1], SHUT_WR));
        CHECK_EQ(weft_read(fds[0], buf, sizeof buf, weft_never()), 3);
        CHECK_EQ(weft_read(fds[0], buf, sizeof buf, weft_never()), 0);
        CHECK_EQ(weft_write(fds[0], "answer", 6, weft_never()), 6);
        CHECK_EQ(weft_read(fds[1], buf, sizeof buf, weft_never()), 6);
        CHECK_ERR(weft_write(fds[1], "more", 4, weft_never()), -EPIPE);
        close_both(fds);
    }
    return 0;
}

IN_KIND(a_reset_is_an_error_of_whoever_waits)
{
    int fds[2];
    char buf[8];
    struct linger at_once = { .l_onoff = 1 };
    tcp_pair(fds);
    struct op op = { fds[0], buf, sizeof buf, weft_never(), 0, { 0 } };
    start(do_read, &op);
    until_it_waits(&op, "read");
    CHECK_OK(setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once));
    CHECK_OK(weft_close(fds[1]));
    finish();
    CHECK_ERR(op.result, -ECONNRESET);
    CHECK_ERR(weft_write(fds[0], "x", 1, weft_never()), -EPIPE);
    CHECK_OK(weft_close(fds[0]));
    return 0;
}

static int write_to_nobody(void *arg)
{
    static char block[100000];
    struct iovec iov[2] = { { block, 10 }, { block, 10 } };
    int *fds = arg;
    int file = weft_open("/proc/self/exe", O_RDONLY, 0);
    CHECK_OK(file);
    CHECK_ERR(weft_write(fds[1], block, sizeof block, weft_never()), -EPIPE);
    CHECK_ERR(weft_writev(fds[1], iov, 2, weft_never()), -EPIPE);
    CHECK_ERR(weft_sendfile(fds[1], file, 0, 100, weft_never()), -EPIPE);
    CHECK_OK(weft_close(file));
    return 0;
}

/* The program's own threads have the signal open, weft's do not. */
TEST_REAL(a_socket_never_raises_sigpipe, REAL)
{
    for (int how = 0; how < 2; how++) {
        int fds[2];
        sigset_t pending;
        CHECK_OK(weft_socketpair(fds));
        CHECK_OK(close(fds[0]));
        if (how == 0)
            write_to_nobody(fds);
        else
            CHECK_OK(weft_run(write_to_nobody, fds));
        CHECK_OK(sigpending(&pending));
        CHECK(!sigismember(&pending, SIGPIPE));
        CHECK_OK(sigprocmask(SIG_BLOCK, NULL, &pending));
        CHECK(!sigismember(&pending, SIGPIPE));
        CHECK_OK(weft_close(fds[1]));
    }
}

IN_KIND(a_listener_tells_its_port_and_takes_a_connection)
{
    static const char *wheres[] = { "127.0.0.1:0", "[::1]:0", ":0", "path", "abstract" };
    for (size_t i = 0; i < sizeof wheres / sizeof *wheres; i++) {
        char where[128], at[128], peer_text[128], own[128];
        struct sockaddr_storage peer;
        snprintf(where, sizeof where, "%s", wheres[i]);
        if (i == 3)
            snprintf(where, sizeof where, "unix:%s/sock", dir);
        if (i == 4)
            snprintf(where, sizeof where, "unix:@weft%d", getpid());
        int listener = weft_listen(where, 0);
        if (listener == -EADDRNOTAVAIL && i == 1)
            continue; /* no IPv6 here */
        CHECK_OK(listener);
        CHECK_EQ(fcntl(listener, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        CHECK_OK(weft_local_address(listener, at, sizeof at));
        if (i >= 3)
            CHECK_STR(at, where);
        struct op op = { listener, NULL, 0, weft_never(), 0, { 0 } };
        start(do_accept, &op);
        until_it_waits(&op, "accept");
        int client = weft_dial(at, weft_after(5 * WEFT_SEC));
        CHECK_OK(client);
        CHECK_EQ(fcntl(client, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        CHECK_EQ(fcntl(client, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
        finish();
        CHECK_OK(op.result);
        CHECK_EQ(fcntl((int)op.result, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
        CHECK_OK(weft_peer_address(client, peer_text, sizeof peer_text));
        CHECK_OK(weft_local_address((int)op.result, own, sizeof own));
        if (i != 2)
            CHECK_STR(peer_text, own);
        CHECK_OK(weft_close(client));
        CHECK_OK(weft_close((int)op.result));
        CHECK_OK(client = weft_dial(at, weft_after(5 * WEFT_SEC)));
        int taken = weft_accept(listener, &peer, weft_at_once());
        CHECK_OK(taken);
        CHECK_EQ(peer.ss_family, i >= 3 ? AF_UNIX : i == 0 ? AF_INET : AF_INET6);
        CHECK_ERR(weft_accept(listener, &peer, weft_at_once()), -ETIMEDOUT);
        CHECK_ERR(weft_accept(listener, &peer, weft_after(WEFT_MS)), -ETIMEDOUT);
        close(client);
        close(taken);
        CHECK_OK(weft_close(listener));
    }
    return 0;
}

IN_KIND(any_address_means_both_families)
{
    char at[128], where[64];
    int listener = weft_listen(":0", 0);
    CHECK_OK(listener);
    CHECK_OK(weft_local_address(listener, at, sizeof at));
    for (int i = 0; i < 2; i++) {
        snprintf(where, sizeof where, "%s%s", i ? "[::1]" : "127.0.0.1", strrchr(at, ':'));
        int client = weft_dial(where, weft_after(5 * WEFT_SEC));
        if (client == -EADDRNOTAVAIL)
            continue;
        CHECK_OK(client);
        int taken = weft_accept(listener, NULL, weft_after(5 * WEFT_SEC));
        CHECK_OK(taken);
        close(client);
        close(taken);
    }
    CHECK_OK(weft_close(listener));
    return 0;
}

IN_KIND(bad_addresses_are_refused_with_words)
{
    static const char *bad[] = { "",
                                 "80",
                                 "localhost",
                                 "localhost:",
                                 "127.1:80",
                                 "[localhost]:80",
                                 "local host:80",
                                 "127.0.0.1",
                                 "1.2.3:80",
                                 "[::1",
                                 "[::1]80",
                                 "[]:80",
                                 "::1:80",
                                 ":65536",
                                 ":-1",
                                 ": 80",
                                 ":8o",
                                 "1.2.3.4:",
                                 "unix:",
                                 "[1.2.3.4]:80",
                                 "1.2.3.4:99999999999999",
                                 "[::1%lo]:80:80",
                                 "[::1]:80 " };
    char long_path[256] = "unix:/";
    memset(long_path + 6, 'x', 200);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_ERR(weft_listen(bad[i], 0), -EINVAL);
        CHECK_ERR(weft_dial(bad[i], weft_never()), -EINVAL);
        CHECK(strstr(weft_why(), "dial"));
    }
    CHECK_ERR(weft_listen(long_path, 0), -EINVAL);
    CHECK_ERR(weft_listen("127.0.0.1:0", 1u << 9), -EINVAL);
    CHECK_ERR(weft_listen("192.0.2.1:0", 0), -EADDRNOTAVAIL);
    CHECK(strstr(weft_why(), "listen 192.0.2.1:0: "));
    CHECK_ERR(weft_listen("unix:/nonexistent/folder/x", 0), -ENOENT);
    return 0;
}

IN_KIND(what_cannot_be_opened_has_words)
{
    char path[128], at[128];
    struct rlimit limit;
    CHECK_ERR(weft_open("/nonexistent/x", O_RDONLY, 0), -ENOENT);
    CHECK_STR(weft_why(), "open /nonexistent/x: No such file or directory");
    CHECK_ERR(weft_open((char *)16, O_RDONLY, 0), -EFAULT);
    CHECK_STR(weft_why(), "open, no text at 0x10: Bad address");
    int folder = weft_open(dir, O_RDONLY | O_DIRECTORY, 0);
    CHECK_OK(folder);
    CHECK_ERR(weft_open_beneath(folder, "../x", O_RDONLY, 0), -EXDEV);
    CHECK(strstr(weft_why(), "open ../x, which leads out of its folder: "));
    CHECK_ERR(weft_accept(folder, NULL, weft_never()), -ENOTSOCK);
    CHECK(strstr(weft_why(), "accept from descriptor "));
    snprintf(path, sizeof path, "unix:%s/sock", dir);
    int listener = weft_listen(path, 0), peer = weft_dial(path, weft_never());
    CHECK_OK(peer);
    CHECK_OK(weft_close(folder)); /* the lowest free number */
    CHECK_OK(getrlimit(RLIMIT_NOFILE, &limit));
    limit.rlim_cur = (rlim_t)folder;
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
    CHECK_ERR(weft_accept(listener, NULL, weft_never()), -EMFILE);
    snprintf(at, sizeof at, "descriptor %d: Too many open files (ulimit -n is %d)", listener,
             folder);
    CHECK(strstr(weft_why(), at));
    limit.rlim_cur = limit.rlim_max;
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
    CHECK_OK(weft_close(peer));
    CHECK_OK(weft_close(listener));
    return 0;
}

IN_KIND(nobody_there_is_a_refusal)
{
    char at[128], path[128];
    int listener = weft_listen("127.0.0.1:0", 0);
    CHECK_OK(listener);
    CHECK_OK(weft_local_address(listener, at, sizeof at));
    CHECK_OK(weft_close(listener));
    CHECK_ERR(weft_dial(at, weft_never()), -ECONNREFUSED);
    CHECK(strstr(weft_why(), at));
    snprintf(path, sizeof path, "unix:%s/none", dir);
    CHECK_ERR(weft_dial(path, weft_never()), -ENOENT);
    snprintf(path, sizeof path, "unix:%s/sock", dir);
    CHECK_OK(listener = weft_listen(path, 0));
    CHECK_OK(weft_close(listener));
    CHECK_ERR(weft_dial(path, weft_never()), -ECONNREFUSED);
    return 0;
}

IN_KIND(a_dead_unix_path_is_replaced_a_live_one_is_not)
{
    char where[128], *path = where + 5;
    struct stat st;
    snprintf(where, sizeof where, "unix:%s/sock", dir);
    int first = weft_listen(where, 0);
    CHECK_OK(first);
    CHECK_ERR(weft_listen(where, 0), -EADDRINUSE);
    CHECK_ERR(weft_listen(where, 0), -EADDRINUSE);
    CHECK_OK(weft_close(first));
    CHECK_OK(first = weft_listen(where, 0));
    int client = weft_dial(where, weft_after(5 * WEFT_SEC));
    CHECK_OK(client);
    close(client);
    CHECK_OK(weft_close(first));
    CHECK_OK(unlink(path));
    int file = open(path, O_CREAT | O_WRONLY, 0600); /* somebody's file */
    CHECK_EQ(write(file, "precious", 8), 8);
    close(file);
    CHECK_ERR(weft_listen(where, 0), -EADDRINUSE);
    CHECK_OK(stat(path, &st));
    CHECK_EQ(st.st_size, 8);
    char target[160];
    snprintf(target, sizeof target, "%s/target", dir);
    CHECK_OK(rename(path, target));
    CHECK_OK(symlink(target, path));
    CHECK_ERR(weft_listen(where, 0), -EADDRINUSE);
    CHECK_OK(lstat(path, &st));
    CHECK(S_ISLNK(st.st_mode));
    CHECK_OK(stat(target, &st));
    return 0;
}

struct dialling {
    const char *where;
    weft_deadline deadline;
    int result;
};

static int do_dial(void *arg)
{
    struct dialling *d = arg;
    d->result = weft_dial(d->where, d->deadline);
    return 0;
}

/* A plain listener whose backlog holds one or two. */
static int narrow_listener(const char *where)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    snprintf(un.sun_path, sizeof un.sun_path, "%s", where + 5);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_OK(bind(fd, (struct sockaddr *)&un, sizeof un));
    CHECK_OK(listen(fd, 0));
    return fd;
}

IN_KIND(a_full_unix_backlog_is_waited_for)
{
    char where[128];
    int held[16], n = 0;
    snprintf(where, sizeof where, "unix:%s/narrow", dir);
    int listener = narrow_listener(where);
    while ((held[n] = weft_dial(where, weft_at_once())) >= 0)
        n++;
    CHECK_ERR(held[n], -ETIMEDOUT);
    weft_time begin = weft_now();
    CHECK_ERR(weft_dial(where, weft_after(5 * WEFT_MS)), -ETIMEDOUT);
    CHECK_GE(weft_time_between(begin, weft_now()), 5 * WEFT_MS);
    struct dialling d = { where, weft_after(10 * WEFT_SEC), 0 };
    CHECK_OK(weft_group_spawn(&group, kind, do_dial, &d));
    nap();
    close(weft_accept(listener, NULL, weft_never()));
    finish();
    CHECK_OK(d.result);
    close(d.result);
    for (int i = 0; i < n; i++)
        close(held[i]);
    CHECK_OK(weft_close(listener));
    return 0;
}

IN_KIND(a_dial_that_nobody_answers_ends_at_its_deadline)
{
    /* A TCP listener with a full queue drops what comes. */
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    char at[128];
    int held[64], n = 0, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_OK(bind(listener, (struct sockaddr *)&in, sizeof in));
    CHECK_OK(listen(listener, 0));
    CHECK_OK(weft_local_address(listener, at, sizeof at));
    do
        held[n] = weft_dial(at, weft_after(50 * WEFT_MS));
    while (held[n] >= 0 && ++n < 64);
    CHECK_LT(n, 64);
    CHECK_ERR(held[n], -ETIMEDOUT);
    int probe = dup(0);
    CHECK_OK(weft_close(probe));
    CHECK_ERR(weft_dial(at, weft_after(2 * WEFT_MS)), -ETIMEDOUT);
    struct dialling d = { at, weft_never(), 0 };
    weft_task task;
    struct weft_spawn more = { .size = sizeof more, .task = &task };
    CHECK_OK(weft_group_spawn_with(&group, kind, do_dial, &d, &more));
    struct op wait_for = { .task = task };
    until_it_waits(&wait_for, "dial");
    CHECK_OK(weft_task_cancel(task));
    finish();
    CHECK_ERR(d.result, -ECANCELED);
    int now = dup(0); /* nothing was left open */
    CHECK_EQ(now, probe);
    close(now);
    for (int i = 0; i < n; i++)
        close(held[i]);
    close(listener);
    return 0;
}

IN_KIND(close_wakes_accepters)
{
    int listener = weft_listen("127.0.0.1:0", 0);
    struct op ops[3];
    for (int i = 0; i < 3; i++) {
        ops[i] = (struct op){ .fd = listener, .deadline = weft_never() };
        start(do_accept, &ops[i]);
        until_it_waits(&ops[i], "accept");
    }
    CHECK_OK(weft_close(listener));
    finish();
    for (int i = 0; i < 3; i++)
        CHECK_ERR(ops[i].result, -EBADF);
    return 0;
}

IN_KIND(a_foreign_blocking_listener_stays_as_it_is)
{
    char where[128];
    snprintf(where, sizeof where, "unix:%s/foreign", dir);
    int listener = narrow_listener(where), mode = fcntl(listener, F_GETFL);
    CHECK_ERR(weft_accept(listener, NULL, weft_at_once()), -ETIMEDOUT);
    int client = weft_dial(where, weft_after(5 * WEFT_SEC));
    CHECK_OK(client);
    int taken = weft_accept(listener, NULL, weft_at_once());
    CHECK_OK(taken);
    CHECK_EQ(fcntl(listener, F_GETFL), mode);
    close(client);
    close(taken);
    CHECK_OK(weft_close(listener));
    return 0;
}

IN_KIND(accept_of_what_is_no_listener_is_an_error)
{
    int fds[2], datagrams = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    unix_pair(fds);
    CHECK_ERR(weft_accept(fds[0], NULL, weft_never()), -EINVAL);
    CHECK_ERR(weft_accept(datagrams, NULL, weft_never()), -EOPNOTSUPP);
    CHECK_ERR(weft_accept(1000, NULL, weft_never()), -EBADF);
    CHECK_ERR(weft_accept(-1, NULL, weft_never()), -EBADF);
    CHECK_OK(pipe(fds));
    CHECK_ERR(weft_accept(fds[0], NULL, weft_never()), -ENOTSOCK);
    close(datagrams);
    return 0;
}

IN_KIND(wrong_descriptors_are_errors)
{
    char byte = 0, text[8];
    struct stat st;
    int bad[] = { -1, -100, 1000, 1 << 29, INT32_MAX };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_ERR(weft_read(bad[i], &byte, 1, weft_never()), -EBADF);
        CHECK_ERR(weft_write(bad[i], &byte, 1, weft_never()), -EBADF);
        CHECK_ERR(weft_pread(bad[i], &byte, 1, 0, weft_never()), -EBADF);
        CHECK_ERR(weft_poll(bad[i], POLLIN, weft_never()), -EBADF);
        CHECK_ERR(weft_sendfile(bad[i], 0, 0, 1, weft_never()), -EBADF);
        CHECK_ERR(weft_fsync(bad[i]), -EBADF);
        CHECK_ERR(weft_fstat(bad[i], &st), -EBADF);
        CHECK_ERR(weft_close(bad[i]), -EBADF);
        CHECK_ERR(weft_shutdown(bad[i], SHUT_WR), -EBADF);
        CHECK_ERR(weft_local_address(bad[i], text, sizeof text), -EBADF);
    }
    int listener = weft_listen("127.0.0.1:0", 0);
    CHECK_ERR(weft_local_address(listener, text, sizeof text), -ENOSPC);
    CHECK_ERR(weft_peer_address(listener, text, sizeof text), -ENOTCONN);
    CHECK_ERR(weft_shutdown(listener + 1, SHUT_WR), -EBADF);
    CHECK_OK(weft_close(listener));
    return 0;
}

IN_KIND(poll_tells_which_events_are_true)
{
    EACH_PAIR(p, fds)
    {
        struct op op = { fds[0], NULL, POLLIN, weft_never(), 0, { 0 } };
        CHECK_ERR(weft_poll(fds[0], POLLIN, weft_at_once()), -ETIMEDOUT);
        CHECK_ERR(weft_poll(fds[0], POLLIN, weft_after(WEFT_MS)), -ETIMEDOUT);
        CHECK_EQ(weft_poll(fds[1], POLLIN | POLLOUT, weft_never()), POLLOUT);
        start(do_poll, &op);
        until_it_waits(&op, "poll");
        CHECK_EQ(weft_write(fds[1], "x", 1, weft_never()), 1);
        finish();
        CHECK_EQ(op.result & POLLIN, POLLIN);
        CHECK_OK(weft_close(fds[1]));
        CHECK_EQ(weft_poll(fds[0], POLLIN, weft_never()) & POLLIN, POLLIN);
        CHECK_OK(weft_close(fds[0]));
    }
    int event = eventfd(0, EFD_NONBLOCK);
    uint64_t one = 1, got;
    struct op op = { event, &got, sizeof got, weft_never(), 0, { 0 } };
    start(do_read, &op);
    until_it_waits(&op, "read");
    CHECK_EQ(weft_write(event, &one, sizeof one, weft_never()), 8);
    finish();
    CHECK_EQ(op.result, 8);
    CHECK_OK(weft_close(event));
    return 0;
}

/* -- files ------------------------------------------------------------------------------------------ */

IN_KIND(files_are_read_and_written_whatever_the_deadline)
{
    char path[128], text[64];
    struct stat st;
    snprintf(path, sizeof path, "%s/file", dir);
    int fd = weft_open(path, O_RDWR | O_CREAT | O_EXCL, 0640);
    CHECK_OK(fd);
    CHECK_EQ(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    CHECK_EQ(weft_write(fd, "hello world", 11, weft_at_once()), 11);
    CHECK_EQ(weft_pwrite(fd, "W", 1, 6, weft_at_once()), 1);
    CHECK_EQ(weft_pread(fd, text, sizeof text, 4, weft_at_once()), 7);
    CHECK_MEM(text, "o World", 7);
    CHECK_EQ(weft_pread(fd, text, sizeof text, 100, weft_never()), 0);
    CHECK_EQ(weft_read(fd, text, sizeof text, weft_at_once()), 0);
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    CHECK_EQ(weft_read(fd, text, 5, weft_at_once()), 5);
    CHECK_EQ(weft_read(fd, text + 5, 59, weft_never()), 6);
    CHECK_MEM(text, "hello World", 11);
    CHECK_ERR(weft_pread(fd, text, 1, -1, weft_never()), -EINVAL);
    CHECK_ERR(weft_pwrite(fd, text, 1, -1, weft_never()), -EINVAL);
    CHECK_OK(weft_fsync(fd));
    CHECK_OK(weft_fstat(fd, &st));
    CHECK_EQ(st.st_size, 11);
    CHECK_EQ(st.st_mode & 0777, 0640 & ~0027);
    CHECK_GT(weft_poll(fd, POLLIN, weft_at_once()), 0);
    CHECK_OK(weft_close(fd));
    CHECK_ERR(weft_open(path, O_RDWR | O_CREAT | O_EXCL, 0640), -EEXIST);
    CHECK_ERR(weft_open("/nonexistent/x", O_RDONLY, 0), -ENOENT);
    CHECK_OK(fd = weft_open(path, O_RDONLY, 0));
    CHECK_ERR(weft_write(fd, "x", 1, weft_never()), -EBADF);
    CHECK_OK(weft_close(fd));
    CHECK_OK(fd = weft_open(dir, O_RDONLY | O_DIRECTORY, 0));
    CHECK_ERR(weft_read(fd, text, 1, weft_never()), -EISDIR);
    CHECK_OK(weft_close(fd));
    CHECK_OK(fd = weft_open("/dev/zero", O_RDWR, 0));
    CHECK_EQ(weft_read(fd, text, 8, weft_at_once()), 8);
    CHECK_OK(weft_close(fd));
    CHECK_OK(fd = weft_open("/dev/full", O_WRONLY, 0));
    CHECK_ERR(weft_write(fd, "x", 1, weft_never()), -ENOSPC);
    CHECK_OK(weft_close(fd));
    CHECK_OK(fd = weft_open("/proc/self/stat", O_RDONLY, 0));
    CHECK_GT(weft_read(fd, text, sizeof text, weft_never()), 0);
    CHECK_GT(weft_pread(fd, text, sizeof text, 2, weft_never()), 0);
    CHECK_OK(weft_close(fd));
    return 0;
}

IN_KIND(a_file_that_left_memory_is_read_from_its_disk)
{
    enum { SIZE = 1 << 20 };
    char path[128];
    unsigned char *bytes = malloc(SIZE), *back = malloc(SIZE);
    fill(bytes, SIZE, 5);
    snprintf(path, sizeof path, "%s/cold", dir);
    int fd = weft_open(path, O_RDWR | O_CREAT, 0600);
    CHECK_OK(fd);
    CHECK_EQ(weft_write(fd, bytes, SIZE, weft_never()), SIZE);
    CHECK_OK(weft_fsync(fd));
    for (int how = 0; how < 2; how++) {
        posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        size_t got = 0;
        lseek(fd, 0, SEEK_SET);
        while (got < SIZE) {
            ssize_t n = how ? weft_pread(fd, back + got, SIZE - got, (off_t)got, weft_never())
                            : weft_read(fd, back + got, SIZE - got, weft_at_once());
            CHECK_GT(n, 0);
            got += (size_t)n;
        }
        CHECK_MEM(back, bytes, SIZE);
    }
    free(bytes);
    free(back);
    CHECK_OK(weft_close(fd));
    return 0;
}

struct sending {
    int socket, file;
    off_t offset;
    size_t size;
    ssize_t result;
};

static int do_sendfile(void *arg)
{
    struct sending *s = arg;
    s->result = weft_sendfile(s->socket, s->file, s->offset, s->size, weft_after(15 * WEFT_SEC));
    return 0;
}

IN_KIND(a_file_goes_into_any_socket)
{
    enum { SIZE = 3 << 20, FROM = 12345 };
    void (*makes[])(int out[2]) = { tcp_pair, unix_pair, foreign_unix };
    char path[128];
    unsigned char *bytes = malloc(SIZE);
    fill(bytes, SIZE, 6);
    snprintf(path, sizeof path, "%s/sent", dir);
    int file = weft_open(path, O_RDWR | O_CREAT, 0600);
    CHECK_OK(file);
    CHECK_EQ(weft_write(file, bytes, SIZE, weft_never()), SIZE);
    for (int k = 0; k < 3; k++) {
        int fds[2];
        makes[k](fds);
        posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
        struct sending s = { fds[1], file, FROM, SIZE, 0 }; /* more than there is */
        struct drain drain = { fds[0], SIZE - FROM, bytes + FROM };
        CHECK_OK(weft_group_spawn(&group, kind, do_sendfile, &s));
        CHECK_OK(weft_group_spawn(&group, kind, drain_slowly, &drain));
        finish();
        CHECK_EQ(s.result, SIZE - FROM);
        CHECK_EQ(lseek(file, 0, SEEK_CUR), SIZE);
        CHECK_EQ(weft_sendfile(fds[1], file, 0, 0, weft_never()), 0);
        CHECK_EQ(weft_sendfile(fds[1], file, SIZE + 5, 10, weft_never()), 0);
        stuff(fds[1]);
        ssize_t n;
        while ((n = weft_sendfile(fds[1], file, 0, 1000, weft_at_once())) > 0)
            ;
        CHECK_ERR(n, -ETIMEDOUT);
        while ((n = weft_sendfile(fds[1], file, 0, 1000, weft_after(2 * WEFT_MS))) > 0)
            ;
        CHECK_ERR(n, -ETIMEDOUT);
        close_both(fds);
    }
    CHECK_OK(weft_close(file));
    free(bytes);
    return 0;
}

IN_KIND(open_beneath_does_not_leave_its_folder)
{
    char path[160], secret[160];
    snprintf(path, sizeof path, "%s/in", dir);
    snprintf(secret, sizeof secret, "%s/secret", dir);
    CHECK_OK(mkdir(path, 0700));
    close(open(secret, O_CREAT | O_WRONLY, 0600));
    int folder = weft_open(path, O_PATH | O_DIRECTORY, 0);
    CHECK_OK(folder);
    CHECK_OK(mkdirat(folder, "sub", 0700));
    CHECK_OK(symlinkat("../secret", folder, "up"));
    CHECK_OK(symlinkat(secret, folder, "absolute"));
    CHECK_OK(symlinkat("/proc/self/root/etc/passwd", folder, "magic"));
    CHECK_OK(symlinkat("sub/file", folder, "inside"));
    int fd = weft_open_beneath(folder, "sub/file", O_CREAT | O_RDWR, 0600);
    if (fd == -ENOSYS)
        return 0;
    CHECK_OK(fd);
    CHECK_OK(weft_close(fd));
    CHECK_OK(fd = weft_open_beneath(folder, "inside", O_RDONLY, 0));
    CHECK_OK(weft_close(fd));
    CHECK_OK(fd = weft_open_beneath(folder, "sub/../sub/file", O_RDONLY, 0));
    CHECK_OK(weft_close(fd));
    static const char *out[] = { "../secret", "sub/../../secret", "up", "absolute",
                                 "magic",     "/etc/passwd",      ".." };
    for (size_t i = 0; i < sizeof out / sizeof *out; i++) {
        CHECK_ERR(weft_open_beneath(folder, out[i], O_RDONLY, 0), -EXDEV);
        CHECK_ERR(weft_open_beneath(folder, out[i], O_RDWR | O_CREAT, 0600), -EXDEV);
    }
    int proc = weft_open("/proc/self", O_PATH | O_DIRECTORY, 0);
    CHECK_OK(proc);
    CHECK_LT(weft_open_beneath(proc, "cwd/x", O_RDONLY, 0), 0);
    CHECK_LT(weft_open_beneath(proc, "exe", O_RDONLY, 0), 0);
    CHECK_ERR(weft_open_beneath(folder, "missing", O_RDONLY, 0), -ENOENT);
    CHECK_OK(weft_close(proc));
    CHECK_OK(weft_close(folder));
    return 0;
}

/* -- signals everywhere ----------------------------------------------------------------------------- */

static int storm_over;

static void on_usr1(int signo)
{
    (void)signo;
}

static void *storm(void *arg)
{
    pthread_t target = *(pthread_t *)arg;
    while (!__atomic_load_n(&storm_over, __ATOMIC_ACQUIRE)) {
        pthread_kill(target, SIGUSR1);
        for (volatile int i = 0; i < 2000; i++)
            ;
    }
    return NULL;
}

static int traffic(void *arg)
{
    (void)arg;
    unsigned char bytes[20000], back[20000];
    fill(bytes, sizeof bytes, 7);
    CHECK_OK(weft_group_init(&group, 0));
    kind = WEFT_COROUTINE;
    for (int round = 0; round < 20; round++) {
        int fds[2];
        tcp_pair(fds);
        struct drain d = { fds[1], sizeof bytes, bytes };
        CHECK_OK(weft_group_spawn(&group, kind, pour, &d));
        for (size_t got = 0; got < sizeof bytes;) {
            ssize_t n = weft_read(fds[0], back, sizeof back, weft_after(10 * WEFT_SEC));
            CHECK_GT(n, 0);
            CHECK_MEM(back, bytes + got, (size_t)n);
            got += (size_t)n;
        }
        CHECK_ERR(weft_read(fds[0], back, 1, weft_after(WEFT_MS)), -ETIMEDOUT);
        CHECK_ERR(weft_poll(fds[0], POLLIN, weft_at_once()), -ETIMEDOUT);
        CHECK_ERR(weft_poll(fds[0], POLLIN, weft_after(WEFT_MS)), -ETIMEDOUT);
        CHECK_OK(weft_close(fds[0]));
        CHECK_OK(weft_close(fds[1]));
        int fd = weft_open("/proc/self/status", O_RDONLY, 0);
        CHECK_OK(fd);
        CHECK_GT(weft_read(fd, back, sizeof back, weft_never()), 0);
        CHECK_OK(weft_close(fd));
        CHECK_OK(weft_group_wait(&group, weft_never()));
    }
    weft_group_fini(&group);
    return 0;
}

TEST_REAL(signals_do_not_disturb_io, REAL)
{
    for (int flags = 0; flags <= SA_RESTART; flags += SA_RESTART) {
        pthread_t self = pthread_self(), thread;
        struct sigaction action = { .sa_handler = on_usr1, .sa_flags = flags };
        CHECK_OK(sigaction(SIGUSR1, &action, NULL));
        __atomic_store_n(&storm_over, 0, __ATOMIC_RELEASE);
        CHECK_EQ(pthread_create(&thread, NULL, storm, &self), 0);
        traffic(NULL); /* on a plain thread */
        CHECK_OK(weft_stop(weft_after(5 * WEFT_SEC)));
        CHECK_OK(weft_run(traffic, NULL)); /* which becomes a worker */
        __atomic_store_n(&storm_over, 1, __ATOMIC_RELEASE);
        pthread_join(thread, NULL);
    }
}

/* -- forks ------------------------------------------------------------------------------------------ */

IN_KIND(a_childs_close_disturbs_no_waiter_of_its_parent)
{
    int fds[2];
    char byte = 0;
    unix_pair(fds);
    struct op op = { fds[0], &byte, 1, weft_never(), 0, { 0 } };
    start(do_read, &op);
    until_it_waits(&op, "read");
    pid_t child = fork();
    if (child == 0) {
        int again[2];
        char c = 0;
        weft_close(fds[0]);
        weft_close(fds[1]);
        if (weft_socketpair(again) < 0 || weft_write(again[1], "c", 1, weft_never()) != 1 ||
            weft_read(again[0], &c, 1, weft_after(5 * WEFT_SEC)) != 1 || c != 'c')
            _exit(1);
        _exit(0);
    }
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    CHECK_EQ(told(&op), 12345);
    CHECK_EQ(weft_write(fds[1], "p", 1, weft_never()), 1);
    finish();
    CHECK_EQ(op.result, 1);
    CHECK_EQ(byte, 'p');
    close_both(fds);
    return 0;
}
