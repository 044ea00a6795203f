/* Datagrams, messages, options, multicast: one table of contracts for each kind of task. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft.h>

#define REAL "the kernel's sockets"
#include "in_kind.h"

/* One call in a task of its own. */
struct op {
    int fd;
    const weft_address *to;
    weft_deadline deadline;
    ssize_t result;
    char text[16];
    weft_task task;
};

static int do_recv(void *arg)
{
    struct op *op = arg;
    op->result = weft_recv_from(op->fd, op->text, sizeof op->text, NULL, op->deadline);
    return 0;
}

static int do_send(void *arg)
{
    struct op *op = arg;
    op->result = weft_send_to(op->fd, "late", 4, op->to, op->deadline);
    return 0;
}

static int do_urgent(void *arg)
{
    struct op *op = arg;
    op->result = weft_recv_urgent(op->fd, (unsigned char *)op->text, op->deadline);
    return 0;
}

static void start(weft_fn *fn, struct op *op)
{
    op->task = start_task(fn, op);
}

static void until_it_waits(const struct op *op, const char *what)
{
    until_waits(op->task, what);
}

static void close_both(const int fds[2])
{
    CHECK_OK(weft_close(fds[0]));
    CHECK_OK(weft_close(fds[1]));
}

static void address_of(int fd, weft_address *out)
{
    char text[128];
    CHECK_OK(weft_socket_address(fd, out));
    CHECK_OK(weft_local_address(fd, text, sizeof text));
    if (strncmp(text, "[::]", 4) == 0) { /* any address is none to send to */
        out->as.in6.sin6_addr = in6addr_loopback;
    }
}

/* -- every family: a bound receiver, and how a sender is made that can be answered ------------------ */

static struct family {
    const char *name, *here, *sender;
} families[] = {
    { "udp", "127.0.0.1:0", "127.0.0.1:0" },
    { "udp6", "[::1]:0", "[::1]:0" },
    { "both", ":0", ":0" },
    { "unix path", NULL, "unix:@" }, /* in the test's folder */
    { "abstract", "unix:@", "unix:@" },
};

static int receiver(const struct family *f, weft_address *at)
{
    char path[100];
    snprintf(path, sizeof path, "unix:%s/receiver", dir);
    int fd = weft_datagram(f->here ? f->here : path, NULL, 0);
    if (fd == -EADDRNOTAVAIL || fd == -EAFNOSUPPORT)
        return -1; /* a machine without IPv6 */
    CHECK_OK(fd);
    address_of(fd, at);
    return fd;
}

static int closed(int fd)
{
    CHECK_OK(weft_close(fd));
    return -1;
}

#define EACH_FAMILY(f, fd, at)                                                                \
    for (struct family *f = families; f < families + sizeof families / sizeof *families; f++) \
        for (weft_address at, *once = &at; once; once = NULL)                                 \
            for (int fd = receiver(f, once); fd >= 0; fd = closed(fd))

IN_KIND(a_datagram_comes_whole_with_its_senders_address)
{
    EACH_FAMILY(f, fd, at)
    {
        char text[16] = "", own[128], seen[128];
        weft_address from;
        int sender = weft_datagram(f->sender, NULL, 0);
        CHECK_OK(sender);
        CHECK_EQ(weft_send_to(sender, "hello", 5, &at, SOON), 5);
        CHECK_EQ(weft_send_to(sender, "you", 3, &at, SOON), 3);
        CHECK_EQ(weft_recv_from(fd, text, sizeof text, &from, SOON), 5);
        CHECK_MEM(text, "hello", 5);
        CHECK_EQ(weft_recv_from(fd, text, sizeof text, NULL, SOON), 3);
        CHECK_OK(weft_address_print(&from, seen, sizeof seen));
        CHECK_OK(weft_local_address(sender, own, sizeof own));
        CHECK_STR(strrchr(seen, ':'), strrchr(own, ':')); /* of an any-address the port */
        CHECK_EQ(weft_send_to(fd, "back", 4, &from, SOON), 4);
        CHECK_EQ(weft_recv_from(sender, text, sizeof text, &from, SOON), 4);
        CHECK_EQ(from.size, at.size);
        CHECK_EQ(weft_recv_from(fd, text, 16, &from, weft_at_once()), -ETIMEDOUT);
        CHECK_OK(weft_close(sender));
    }
    return 0;
}

IN_KIND(a_datagram_longer_than_its_room_is_told)
{
    EACH_FAMILY(f, fd, at)
    {
        char text[9] = "........";
        int sender = weft_datagram(f->sender, NULL, 0);
        CHECK_EQ(weft_send_to(sender, "123456", 6, &at, SOON), 6);
        CHECK_EQ(weft_send_to(sender, "12345", 5, &at, SOON), 5);
        CHECK_EQ(weft_send_to(sender, "", 0, &at, SOON), 0);
        CHECK_EQ(weft_send_to(sender, "x", 1, &at, SOON), 1);
        CHECK_GT(weft_recv_from(fd, text, 5, NULL, SOON), 5);
        CHECK_MEM(text, "12345...", 8);
        CHECK_EQ(weft_recv_from(fd, text, 5, NULL, SOON), 5);
        CHECK_EQ(weft_recv_from(fd, text, 5, NULL, SOON), 0);
        CHECK_GT(weft_recv_from(fd, NULL, 0, NULL, SOON), 0);
        CHECK_ERR(weft_recv_from(fd, text, 5, NULL, weft_at_once()), -ETIMEDOUT);
        CHECK_OK(weft_close(sender));
    }
    return 0;
}

IN_KIND(a_connected_socket_hears_its_peer_only)
{
    EACH_FAMILY(f, fd, at)
    {
        char text[16], there[128];
        weft_address mine, peer;
        CHECK_OK(weft_address_print(&at, there, sizeof there));
        int friend = weft_datagram(f->sender, there, 0),
            stranger = weft_datagram(f->sender, NULL, 0);
        CHECK_OK(friend);
        CHECK_OK(weft_socket_peer(friend, &peer));
        CHECK_EQ(peer.size, at.size);
        CHECK_OK(weft_socket_address(friend, &mine));
        if (strncmp(f->here ? f->here : "unix", "unix", 4) == 0) /* the kernel refuses it at once */
            CHECK_ERR(weft_send_to(stranger, "no", 2, &mine, SOON), -EPERM);
        else
            CHECK_EQ(weft_send_to(stranger, "no", 2, &mine, SOON), 2);
        CHECK_EQ(weft_write(friend, "ask", 3, SOON), 3);
        CHECK_EQ(weft_recv_from(fd, text, sizeof text, &mine, SOON), 3);
        CHECK_EQ(weft_send_to(fd, "yes", 3, &mine, SOON), 3);
        CHECK_EQ(weft_read(friend, text, sizeof text, SOON), 3);
        CHECK_MEM(text, "yes", 3);
        CHECK_OK(weft_close(friend));
        CHECK_OK(weft_close(stranger));
    }
    return 0;
}

IN_KIND(a_parked_receiver_gets_what_comes)
{
    EACH_FAMILY(f, fd, at)
    {
        struct op op = { .fd = fd, .deadline = weft_never() };
        int sender = weft_datagram(f->sender, NULL, 0);
        start(do_recv, &op);
        until_it_waits(&op, "receive");
        CHECK_EQ(weft_send_to(sender, "hello", 5, &at, SOON), 5);
        finish();
        CHECK_EQ(op.result, 5);
        CHECK_MEM(op.text, "hello", 5);
        CHECK_OK(weft_close(sender));
    }
    return 0;
}

IN_KIND(a_receiver_leaves_at_its_deadline_or_cancelled)
{
    EACH_FAMILY(f, fd, at)
    {
        char text[4];
        struct op op = { .fd = fd, .deadline = weft_never() };
        weft_time begin = weft_now();
        CHECK_ERR(weft_recv_from(fd, text, 4, NULL, weft_after(3 * WEFT_MS)), -ETIMEDOUT);
        CHECK_GE(weft_time_between(begin, weft_now()), 3 * WEFT_MS);
        start(do_recv, &op);
        until_it_waits(&op, "receive");
        CHECK_OK(weft_task_cancel(op.task));
        finish();
        CHECK_ERR(op.result, -ECANCELED);
    }
    return 0;
}

IN_KIND(a_close_ends_its_receivers)
{
    struct op ops[3];
    int fd = weft_datagram("127.0.0.1:0", NULL, 0);
    for (int i = 0; i < 3; i++) {
        ops[i] = (struct op){ .fd = fd, .deadline = weft_never() };
        start(do_recv, &ops[i]);
        until_it_waits(&ops[i], "receive");
    }
    CHECK_OK(weft_close(fd));
    finish();
    for (int i = 0; i < 3; i++)
        CHECK_ERR(ops[i].result, -EBADF);
    CHECK_ERR(weft_recv_from(fd, ops, 1, NULL, SOON), -EBADF);
    CHECK_ERR(weft_send_to(-1, ops, 1, NULL, SOON), -EBADF);
    return 0;
}

IN_KIND(nobody_there_is_refused)
{
    char text[4], where[128];
    int fd = weft_datagram("127.0.0.1:0", NULL, 0);
    CHECK_OK(weft_local_address(fd, where, sizeof where));
    CHECK_OK(weft_close(fd));
    CHECK_OK(fd = weft_datagram(NULL, where, 0));
    CHECK_EQ(weft_send_to(fd, "x", 1, NULL, SOON), 1);
    CHECK_ERR(weft_recv_from(fd, text, sizeof text, NULL, SOON), -ECONNREFUSED);
    CHECK_ERR(weft_recv_from(fd, text, sizeof text, NULL, weft_at_once()), -ETIMEDOUT);
    CHECK_OK(weft_close(fd));
    CHECK_ERR(weft_datagram(NULL, "unix:@nobody is here", 0), -ECONNREFUSED);
    CHECK_ERR(weft_datagram(NULL, NULL, 0), -EINVAL);
    CHECK_ERR(weft_datagram(":0", NULL, 1u << 9), -EINVAL);
    CHECK_ERR(weft_datagram("nonsense", NULL, 0), -EINVAL);
    CHECK(strstr(weft_why(), "datagram nonsense"));
    fd = weft_datagram("127.0.0.1:0", NULL, 0);
    CHECK_ERR(weft_send_to(fd, "x", 1, NULL, SOON), -EDESTADDRREQ);
    char *huge = calloc(1, 70000);
    weft_address to;
    CHECK_OK(weft_socket_address(fd, &to));
    CHECK_ERR(weft_send_to(fd, huge, 70000, &to, SOON), -EMSGSIZE);
    free(huge);
    CHECK_OK(weft_close(fd));
    return 0;
}

/* Named or connected: a unix receiver that does not read fills up. */
IN_KIND(a_full_receiver_lets_its_senders_wait)
{
    for (int connected = 0; connected < 2; connected++) {
        weft_address at;
        char text[16], there[128];
        int fd = weft_datagram("unix:@", NULL, 0), count = 0, got = 0;
        address_of(fd, &at);
        CHECK_OK(weft_local_address(fd, there, sizeof there));
        int sender = connected ? weft_datagram(NULL, there, 0) : weft_datagram("unix:@", NULL, 0);
        const weft_address *to = connected ? NULL : &at;
        while (weft_send_to(sender, "x", 1, to, weft_at_once()) == 1)
            count++;
        CHECK_GT(count, 0);
        CHECK_ERR(weft_send_to(sender, "x", 1, to, weft_after(3 * WEFT_MS)), -ETIMEDOUT);
        struct op ops[2] = { { .fd = sender, .to = to, .deadline = weft_never() },
                             { .fd = sender, .to = to, .deadline = weft_never() } };
        const char *what = connected ? "send" : "sleep";
        start(do_send, &ops[0]);
        until_it_waits(&ops[0], what);
        CHECK_OK(weft_task_cancel(ops[0].task));
        start(do_send, &ops[1]);
        until_it_waits(&ops[1], what);
        while (weft_recv_from(fd, text, sizeof text, NULL, SOON) == 1)
            got++;
        CHECK_MEM(text, "late", 4);
        CHECK_EQ(got, count);
        finish();
        CHECK_ERR(ops[0].result, -ECANCELED);
        CHECK_EQ(ops[1].result, 4);
        CHECK_OK(weft_close(sender));
        CHECK_OK(weft_close(fd));
    }
    return 0;
}

IN_KIND(a_sender_to_a_full_name_learns_of_the_close)
{
    weft_address at;
    int fd = weft_datagram("unix:@", NULL, 0), sender = weft_datagram("unix:@", NULL, 0);
    address_of(fd, &at);
    while (weft_send_to(sender, "x", 1, &at, weft_at_once()) == 1)
        ;
    struct op op = { .fd = sender, .to = &at, .deadline = weft_never() };
    start(do_send, &op);
    until_it_waits(&op, "sleep");
    CHECK_OK(weft_close(sender));
    finish();
    CHECK_ERR(op.result, -EBADF);
    CHECK_OK(weft_close(fd));
    return 0;
}

IN_KIND(a_dead_path_is_replaced_and_a_live_one_is_not)
{
    char where[100];
    snprintf(where, sizeof where, "unix:%s/path", dir);
    int fd = weft_datagram(where, NULL, 0);
    CHECK_OK(fd);
    CHECK_ERR(weft_datagram(where, NULL, 0), -EADDRINUSE);
    CHECK_ERR(weft_listen(where, 0), -EADDRINUSE);
    CHECK_OK(weft_close(fd));
    CHECK_ERR(weft_datagram(where, "unix:@nobody is here", 0), -ECONNREFUSED);
    CHECK_ERR(access(where + 5, F_OK), -1); /* not left behind */
    CHECK_OK(fd = weft_datagram(where, NULL, 0));
    CHECK_OK(weft_close(fd));
    return 0;
}

IN_KIND(sockets_of_others_keep_their_flags_and_stop_nobody)
{
    int fds[2];
    char text[4];
    CHECK_OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds));
    CHECK_ERR(weft_recv_from(fds[0], text, 4, NULL, weft_after(2 * WEFT_MS)), -ETIMEDOUT);
    while (weft_send_to(fds[1], "x", 1, NULL, weft_at_once()) == 1)
        ;
    CHECK_ERR(weft_send_to(fds[1], "x", 1, NULL, weft_after(2 * WEFT_MS)), -ETIMEDOUT);
    CHECK_EQ(fcntl(fds[0], F_GETFL) & O_NONBLOCK, 0);
    CHECK_EQ(fcntl(fds[1], F_GETFL) & O_NONBLOCK, 0);
    close_both(fds);
    return 0;
}

IN_KIND(sockets_made_here_are_nonblocking_and_close_on_exec)
{
    int fds[5] = { weft_datagram(":0", NULL, 0), weft_socket(AF_INET, SOCK_STREAM, 0),
                   weft_datagram("unix:@", NULL, 0) };
    CHECK_OK(weft_socketpair_of(SOCK_SEQPACKET, fds + 3));
    for (int i = 0; i < 5; i++) {
        CHECK(fcntl(fds[i], F_GETFL) & O_NONBLOCK);
        CHECK_EQ(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
        CHECK_OK(weft_close(fds[i]));
    }
    return 0;
}

/* -- connecting what is made already, seqpackets ------------------------------------------------------- */

IN_KIND(a_seqpacket_keeps_bounds_and_ends)
{
    weft_address at;
    char text[16];
    CHECK_OK(weft_address_parse(&at, "unix:@"));
    int listener = weft_socket(AF_UNIX, SOCK_SEQPACKET, 0), fds[2];
    CHECK_OK(weft_bind(listener, &at));
    CHECK_OK(listen(listener, 8));
    CHECK_OK(weft_socket_address(listener, &at));
    fds[0] = weft_socket(AF_UNIX, SOCK_SEQPACKET, 0);
    CHECK_OK(weft_connect(fds[0], &at, SOON));
    CHECK_OK(fds[1] = weft_accept(listener, NULL, SOON));
    CHECK_EQ(weft_write(fds[0], "one", 3, SOON), 3);
    CHECK_EQ(weft_write(fds[0], "three", 5, SOON), 5);
    CHECK_EQ(weft_read(fds[1], text, sizeof text, SOON), 3);
    CHECK_GT(weft_recv_from(fds[1], text, 2, NULL, SOON), 2);
    CHECK_OK(weft_close(fds[0]));
    CHECK_EQ(weft_recv_from(fds[1], text, sizeof text, NULL, SOON), 0);
    CHECK_OK(weft_close(fds[1]));
    CHECK_OK(weft_close(listener));
    return 0;
}

IN_KIND(a_connect_tells_how_it_went)
{
    weft_address at;
    char where[128];
    int listener = weft_listen("127.0.0.1:0", 0), fd = weft_socket(AF_INET, SOCK_STREAM, 0);
    CHECK_OK(weft_socket_address(listener, &at));
    CHECK_OK(weft_connect(fd, &at, SOON));
    CHECK_ERR(weft_connect(fd, &at, SOON), -EISCONN);
    CHECK_OK(weft_peer_address(fd, where, sizeof where));
    CHECK_OK(weft_close(fd));
    CHECK_OK(weft_close(listener));
    fd = weft_socket(AF_INET, SOCK_STREAM, 0);
    CHECK_ERR(weft_connect(fd, &at, SOON), -ECONNREFUSED);
    CHECK_OK(weft_close(fd));
    fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_ERR(weft_connect(fd, &at, SOON), -EINVAL); /* it would sleep */
    CHECK_OK(weft_close(fd));
    CHECK_ERR(weft_connect(fd, &at, SOON), -EBADF);
    /* to a full backlog: no room is told, so it looks again and again */
    CHECK_OK(weft_address_parse(&at, "unix:@"));
    listener = weft_socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK_OK(weft_bind(listener, &at));
    CHECK_OK(listen(listener, 0));
    CHECK_OK(weft_socket_address(listener, &at));
    int fds[2] = { weft_socket(AF_UNIX, SOCK_STREAM, 0), weft_socket(AF_UNIX, SOCK_STREAM, 0) };
    CHECK_OK(weft_connect(fds[0], &at, SOON));
    CHECK_ERR(weft_connect(fds[1], &at, weft_after(5 * WEFT_MS)), -ETIMEDOUT);
    CHECK_OK(weft_close(weft_accept(listener, NULL, SOON)));
    CHECK_OK(weft_connect(fds[1], &at, SOON));
    close_both(fds);
    CHECK_OK(weft_close(listener));
    return 0;
}

IN_KIND(many_parts_are_one_datagram)
{
    int fds[2];
    char bytes[100], all[100];
    struct iovec parts[100];
    for (int i = 0; i < 100; i++) {
        bytes[i] = (char)i;
        parts[i] = (struct iovec){ &bytes[i], 1 };
    }
    struct weft_message m = { .size = sizeof m, .parts = parts, .parts_count = 100 };
    CHECK_OK(weft_socketpair_of(SOCK_DGRAM, fds));
    CHECK_EQ(weft_send_message(fds[0], &m, SOON), 100);
    CHECK_EQ(weft_read(fds[1], all, 100, SOON), 100);
    CHECK_MEM(all, bytes, 100);
    CHECK_EQ(weft_writev(fds[0], parts, 100, SOON), 100);
    memset(bytes, 0, sizeof bytes);
    CHECK_EQ(weft_recv_message(fds[1], &m, SOON), 100);
    CHECK_MEM(all, bytes, 100);
    m.size = 3;
    CHECK_ERR(weft_send_message(fds[0], &m, SOON), -EINVAL);
    CHECK_ERR(weft_recv_message(fds[0], &m, SOON), -EINVAL);
    close_both(fds);
    return 0;
}

/* -- descriptors in messages ------------------------------------------------------------------------- */

#define ROOM(text)                                  \
    (struct iovec[])                                \
    {                                               \
        {                                           \
            (void *)(uintptr_t)(text), sizeof(text) \
        }                                           \
    }

/* Count files, of which number i holds the byte i. */
static void make_files(int *fds, int count)
{
    for (int i = 0; i < count; i++) {
        char byte = (char)i, path[100];
        snprintf(path, sizeof path, "%s/file", dir);
        CHECK_OK(fds[i] = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
        CHECK_OK(unlink(path));
        CHECK_EQ(pwrite(fds[i], &byte, 1, 0), 1);
    }
}

static void close_files(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        CHECK_OK(weft_close(fds[i]));
}

static void send_files(int fd, int count, const char *text)
{
    int fds[WEFT_FDS_MAX];
    make_files(fds, count);
    struct weft_message m = { .size = sizeof m,
                              .parts = &(struct iovec){ (void *)(uintptr_t)text, strlen(text) },
                              .parts_count = 1,
                              .fds = fds,
                              .fds_count = (size_t)count };
    CHECK_EQ(weft_send_message(fd, &m, SOON), strlen(text));
    close_files(fds, (size_t)count);
}

static void check_files(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char byte;
        CHECK_EQ(pread(fds[i], &byte, 1, 0), 1);
        CHECK_EQ((unsigned char)byte, (unsigned char)i);
        CHECK_EQ(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
    }
}

static const int types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET };

IN_KIND(descriptors_arrive_open_and_close_on_exec)
{
    static const int counts[] = { 1, 2, 3, WEFT_FDS_MAX };
    int before = t_descriptors(0);
    for (int i = 0; i < 12; i++) {
        int pair[2], got[WEFT_FDS_MAX], count = counts[i / 3];
        char text[8];
        CHECK_OK(weft_socketpair_of(types[i % 3], pair));
        send_files(pair[0], count, "files");
        struct weft_message m = { .size = sizeof m, .parts = ROOM(text), .parts_count = 1 };
        m.fds = got;
        m.fds_count = (size_t)count;
        CHECK_EQ(weft_recv_message(pair[1], &m, SOON), 5);
        CHECK_EQ(m.fds_count, count);
        CHECK_EQ(m.flags, 0);
        check_files(got, m.fds_count);
        close_files(got, m.fds_count);
        close_both(pair);
    }
    CHECK_EQ(t_descriptors(0), before);
    return 0;
}

IN_KIND(descriptors_without_room_are_told_and_closed)
{
    int before = t_descriptors(0);
    for (int sent = 1; sent < 6; sent++) {
        for (size_t room = 0; room < 6; room++) {
            int pair[2], got[6];
            char text[8];
            CHECK_OK(weft_socketpair_of(types[room % 3], pair));
            send_files(pair[0], sent, "files");
            struct weft_message m = { .size = sizeof m, .parts = ROOM(text), .parts_count = 1 };
            m.fds = room ? got : NULL;
            m.fds_count = room;
            CHECK_EQ(weft_recv_message(pair[1], &m, SOON), 5);
            CHECK_EQ(m.fds_count, room < (size_t)sent ? room : (size_t)sent);
            CHECK_EQ(m.flags, room < (size_t)sent ? WEFT_FDS_LOST : 0);
            check_files(got, m.fds_count);
            close_files(got, m.fds_count);
            CHECK_EQ(t_descriptors(0), before + 2);
            send_files(pair[0], sent, "files"); /* and plain calls leave nothing open either */
            CHECK_EQ(weft_read(pair[1], text, sizeof text, SOON), 5);
            send_files(pair[0], sent, "files");
            CHECK_EQ(weft_recv_from(pair[1], text, sizeof text, NULL, SOON), 5);
            close_both(pair);
            CHECK_EQ(t_descriptors(0), before);
        }
    }
    return 0;
}

IN_KIND(a_full_table_loses_descriptors_and_says_so)
{
    struct rlimit old, low;
    int pair[2], got[8], before = t_descriptors(0);
    char text[8];
    CHECK_OK(weft_socketpair_of(SOCK_DGRAM, pair));
    send_files(pair[0], 8, "files");
    int next = dup(0);
    close(next);
    CHECK_OK(getrlimit(RLIMIT_NOFILE, &old));
    low = old;
    low.rlim_cur = (rlim_t)next + 3;
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &low));
    struct weft_message m = { .size = sizeof m, .parts = ROOM(text), .parts_count = 1 };
    m.fds = got;
    m.fds_count = 8;
    ssize_t n = weft_recv_message(pair[1], &m, SOON);
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &old));
    CHECK_EQ(n, 5);
    CHECK_LE(m.fds_count, 3);
    CHECK_EQ(m.flags, WEFT_FDS_LOST);
    check_files(got, m.fds_count);
    close_files(got, m.fds_count);
    close_both(pair);
    CHECK_EQ(t_descriptors(0), before);
    return 0;
}

IN_KIND(descriptors_travel_with_a_byte)
{
    int pair[2], fd = 0;
    struct weft_message m = { .size = sizeof m, .fds = &fd, .fds_count = 1 };
    CHECK_OK(weft_socketpair(pair));
    CHECK_ERR(weft_send_message(pair[0], &m, SOON), -EINVAL);
    m.parts = &(struct iovec){ &(char){ 'x' }, 1 };
    m.parts_count = 1;
    m.fds_count = WEFT_FDS_MAX + 1;
    CHECK_ERR(weft_send_message(pair[0], &m, SOON), -EINVAL);
    m.fds_count = 1;
    fd = 54321;
    CHECK_ERR(weft_send_message(pair[0], &m, SOON), -EBADF);
    CHECK_ERR(weft_poll(pair[1], POLLIN, weft_at_once()), -ETIMEDOUT); /* nothing was sent */
    close_both(pair);
    return 0;
}

struct flood {
    int fd;
    char *bytes;
    size_t size;
};

static int do_flood(void *arg)
{
    struct flood *f = arg;
    int fds[2];
    make_files(fds, 2);
    struct iovec parts[] = { { f->bytes, 10 },
                             { f->bytes + 10, f->size - 10 - 1000 },
                             { f->bytes + f->size - 1000, 0 },
                             { f->bytes + f->size - 1000, 1000 } };
    struct weft_message m = {
        .size = sizeof m, .parts = parts, .parts_count = 4, .fds = fds, .fds_count = 2
    };
    CHECK_EQ(weft_send_message(f->fd, &m, SOON), f->size);
    close_files(fds, 2);
    return 0;
}

IN_KIND(a_long_message_on_a_stream_arrives_whole_and_its_descriptors_once)
{
    enum { SIZE = 3 << 20 };
    struct flood f = { .bytes = malloc(SIZE), .size = SIZE };
    int pair[2], fds[4];
    size_t all = 0, came = 0;
    char *got = malloc(SIZE);
    for (int i = 0; i < SIZE; i++)
        f.bytes[i] = (char)(i * 7 >> 3);
    CHECK_OK(weft_socketpair(pair));
    f.fd = pair[0];
    CHECK_OK(weft_group_spawn(&group, kind, do_flood, &f));
    while (all < SIZE) {
        struct weft_message m = { .size = sizeof m,
                                  .parts = &(struct iovec){ got + all, SIZE - all },
                                  .parts_count = 1,
                                  .fds = fds + came,
                                  .fds_count = 4 - came };
        ssize_t n = weft_recv_message(pair[1], &m, SOON);
        CHECK_GT(n, 0);
        CHECK_EQ(m.flags, 0);
        all += (size_t)n;
        came += m.fds_count;
    }
    finish();
    CHECK_EQ(came, 2);
    check_files(fds, 2);
    close_files(fds, 2);
    CHECK_MEM(got, f.bytes, SIZE);
    free(got);
    free(f.bytes);
    close_both(pair);
    return 0;
}

/* -- credentials ----------------------------------------------------------------------------------------- */

IN_KIND(credentials_are_the_kernels_word)
{
    int pair[2];
    char text[8];
    struct weft_credentials who;
    struct weft_message m = { .size = sizeof m, .parts = ROOM(text), .parts_count = 1 };
    CHECK_OK(weft_socketpair_of(SOCK_SEQPACKET, pair));
    CHECK_OK(weft_peer_credentials(pair[0], &who));
    CHECK_EQ(who.pid, getpid());
    CHECK_EQ(who.uid, getuid());
    CHECK_EQ(who.gid, getgid());
    m.credentials = &who;
    CHECK_EQ(weft_write(pair[0], "x", 1, SOON), 1);
    CHECK_EQ(weft_recv_message(pair[1], &m, SOON), 1);
    CHECK_EQ(who.pid, 0); /* not asked for */
    CHECK_OK(weft_option_set(pair[1], SOL_SOCKET, SO_PASSCRED, 1));
    send_files(pair[0], 3, "both");
    int fds[3];
    m.fds = fds;
    m.fds_count = 3;
    CHECK_EQ(weft_recv_message(pair[1], &m, SOON), 4);
    CHECK_EQ(who.pid, getpid());
    CHECK_EQ(who.uid, getuid());
    CHECK_EQ(m.fds_count, 3);
    close_files(fds, 3);
    m.fds = NULL;
    m.fds_count = 0;
    struct weft_credentials me = { getpid(), getuid(), getgid() };
    struct weft_message own = m;
    own.parts = &(struct iovec){ "mine", 4 };
    own.credentials = &me;
    CHECK_EQ(weft_send_message(pair[0], &own, SOON), 4);
    CHECK_EQ(weft_recv_message(pair[1], &m, SOON), 4);
    CHECK_EQ(who.pid, getpid());
    close_both(pair);
    int fd = weft_socket(AF_UNIX, SOCK_STREAM, 0), tcp = weft_socket(AF_INET, SOCK_STREAM, 0);
    CHECK_ERR(weft_peer_credentials(fd, &who), -ENOTCONN);
    CHECK_ERR(weft_peer_credentials(tcp, &who), -ENOTCONN);
    CHECK_OK(weft_close(fd));
    CHECK_OK(weft_close(tcp));
    CHECK_ERR(weft_peer_credentials(tcp, &who), -EBADF);
    return 0;
}

TEST_REAL(another_process_is_named_by_its_credentials, REAL)
{
    int pair[2];
    CHECK_OK(weft_socketpair_of(SOCK_DGRAM, pair));
    CHECK_OK(weft_option_set(pair[1], SOL_SOCKET, SO_PASSCRED, 1));
    pid_t child = fork();
    if (child == 0)
        _exit(send(pair[0], "child", 5, 0) != 5);
    char text[8];
    struct weft_credentials who;
    struct weft_message m = { .size = sizeof m, .parts = ROOM(text), .parts_count = 1 };
    m.credentials = &who;
    CHECK_EQ(weft_recv_message(pair[1], &m, SOON), 5);
    CHECK_EQ(who.pid, child);
    CHECK_EQ(waitpid(child, NULL, 0), child);
    close_both(pair);
}

/* -- urgent bytes -------------------------------------------------------------------------------------- */

static void tcp_pair(int out[2])
{
    char where[128];
    int listener = weft_listen("127.0.0.1:0", 0);
    CHECK_OK(weft_local_address(listener, where, sizeof where));
    CHECK_OK(out[0] = weft_dial(where, SOON));
    CHECK_OK(out[1] = weft_accept(listener, NULL, SOON));
    CHECK_OK(weft_close(listener));
}

IN_KIND(an_urgent_byte_overtakes)
{
    int pair[2];
    unsigned char byte = 0;
    char text[8];
    tcp_pair(pair);
    CHECK_ERR(weft_recv_urgent(pair[1], &byte, weft_at_once()), -ETIMEDOUT);
    CHECK_ERR(weft_recv_urgent(pair[1], &byte, weft_after(2 * WEFT_MS)), -ETIMEDOUT);
    CHECK_EQ(weft_write(pair[0], "slow", 4, SOON), 4);
    CHECK_ERR(weft_recv_urgent(pair[1], &byte, weft_after(2 * WEFT_MS)), -ETIMEDOUT);
    CHECK_OK(weft_send_urgent(pair[0], '!', SOON));
    CHECK(weft_poll(pair[1], POLLPRI, SOON) & POLLPRI);
    CHECK_EQ(weft_recv_urgent(pair[1], &byte, SOON), 1);
    CHECK_EQ(byte, '!');
    CHECK_EQ(weft_read(pair[1], text, sizeof text, SOON), 4);
    struct op op = { .fd = pair[1], .deadline = weft_never() };
    start(do_urgent, &op);
    until_it_waits(&op, "receive");
    CHECK_OK(weft_send_urgent(pair[0], '?', SOON));
    finish();
    CHECK_EQ(op.result, 1);
    CHECK_EQ(op.text[0], '?');
    start(do_urgent, &op);
    until_it_waits(&op, "receive");
    CHECK_OK(weft_task_cancel(op.task));
    finish();
    CHECK_ERR(op.result, -ECANCELED);
    start(do_urgent, &op);
    until_it_waits(&op, "receive");
    CHECK_OK(weft_shutdown(pair[0], SHUT_WR));
    finish();
    CHECK_EQ(op.result, 0);
    close_both(pair);
    return 0;
}

IN_KIND(an_urgent_byte_inline_is_among_the_others)
{
    int pair[2], udp = weft_datagram("127.0.0.1:0", NULL, 0);
    unsigned char byte;
    char text[8];
    tcp_pair(pair);
    CHECK_OK(weft_option_set(pair[1], SOL_SOCKET, SO_OOBINLINE, 1));
    CHECK_ERR(weft_recv_urgent(pair[1], &byte, SOON), -EINVAL);
    CHECK_EQ(weft_write(pair[0], "ab", 2, SOON), 2);
    CHECK_OK(weft_send_urgent(pair[0], '!', SOON));
    CHECK(weft_poll(pair[1], POLLPRI, SOON) & POLLPRI);
    CHECK_EQ(weft_read(pair[1], text, sizeof text, SOON), 2); /* a read stops before the mark */
    CHECK_EQ(sockatmark(pair[1]), 1);
    CHECK_EQ(weft_read(pair[1], text, sizeof text, SOON), 1);
    CHECK_EQ(text[0], '!');
    close_both(pair);
    CHECK_ERR(weft_recv_urgent(udp, &byte, SOON), -EOPNOTSUPP);
    CHECK_ERR(weft_send_urgent(udp, '!', SOON), -EOPNOTSUPP);
    CHECK_OK(weft_close(udp));
    return 0;
}

/* -- options, multicast ---------------------------------------------------------------------------------- */

IN_KIND(options_are_set_and_told)
{
    int pair[2], value = -1;
    struct linger linger;
    socklen_t size = sizeof linger;
    char text[4];
    tcp_pair(pair);
    CHECK_OK(weft_option_get(pair[0], SOL_SOCKET, SO_TYPE, &value));
    CHECK_EQ(value, SOCK_STREAM);
    CHECK_OK(weft_option_get(pair[0], IPPROTO_TCP, TCP_NODELAY, &value));
    CHECK_EQ(value, 1);
    CHECK_OK(weft_option_set(pair[0], IPPROTO_TCP, TCP_NODELAY, 0));
    CHECK_OK(weft_option_get(pair[0], IPPROTO_TCP, TCP_NODELAY, &value));
    CHECK_EQ(value, 0);
    CHECK_ERR(weft_option_set(pair[0], SOL_SOCKET, SO_TYPE, 1), -ENOPROTOOPT);
    CHECK_ERR(weft_option_get(-1, SOL_SOCKET, SO_TYPE, &value), -EBADF);
    CHECK_OK(weft_keep_alive(pair[0], 1500 * WEFT_MS, WEFT_SEC, 7));
    CHECK_OK(weft_option_get(pair[0], IPPROTO_TCP, TCP_KEEPIDLE, &value));
    CHECK_EQ(value, 2);
    CHECK_OK(weft_option_get(pair[0], SOL_SOCKET, SO_KEEPALIVE, &value));
    CHECK_EQ(value, 1);
    CHECK_OK(weft_keep_alive(pair[0], 0, 0, 0));
    CHECK_OK(weft_option_get(pair[0], SOL_SOCKET, SO_KEEPALIVE, &value));
    CHECK_EQ(value, 0);
    CHECK_ERR(weft_keep_alive(pair[0], WEFT_SEC, 0, 1), -EINVAL);
    CHECK_ERR(weft_linger(pair[0], WEFT_SEC), -EINVAL);
    CHECK_OK(weft_linger(pair[0], 0));
    CHECK_OK(weft_option_get_raw(pair[0], SOL_SOCKET, SO_LINGER, &linger, &size));
    CHECK_EQ(linger.l_onoff, 1);
    CHECK_OK(weft_close(pair[0]));
    CHECK_ERR(weft_read(pair[1], text, sizeof text, SOON), -ECONNRESET);
    CHECK_OK(weft_close(pair[1]));
    return 0;
}

/* Groups that do not leave the machine; IPv6 has no route to its own on the loopback interface. */
static const struct multicast {
    const char *group, *any, *format;
    int level, hops, loop;
} multicasts[] = {
    { "239.77.1.2", "0.0.0.0:0", "%s:%u", IPPROTO_IP, IP_MULTICAST_TTL, IP_MULTICAST_LOOP },
    { "ff11::7712", "[::]:0", "[%s]:%u", IPPROTO_IPV6, IPV6_MULTICAST_HOPS, IPV6_MULTICAST_LOOP },
};

static int option_of(int fd, int level, int name)
{
    int value = -1;
    CHECK_OK(weft_option_get(fd, level, name, &value));
    return value;
}

/* False: no way to groups by this interface. */
static bool group_works(const struct multicast *m, const char *interface)
{
    char where[128], text[8];
    weft_address at;
    int fd = weft_datagram(m->any, NULL, WEFT_REUSE_ADDRESS);
    int sender = weft_datagram(m->any, NULL, 0);
    if (fd < 0 || weft_multicast_join(fd, m->group, interface) < 0)
        return weft_close(fd), weft_close(sender), false;
    CHECK_ERR(weft_multicast_join(fd, m->group, interface), -EADDRINUSE);
    CHECK_OK(weft_socket_address(fd, &at));
    snprintf(where, sizeof where, m->format, m->group, ntohs(at.as.in.sin_port));
    CHECK_OK(weft_address_parse(&at, where));
    CHECK_OK(weft_multicast_interface(sender, interface));
    CHECK_OK(weft_multicast_hops(sender, 0));
    CHECK_EQ(option_of(sender, m->level, m->hops), 0);
    CHECK_EQ(option_of(sender, m->level, m->loop), 1);
    ssize_t n = weft_send_to(sender, "all", 3, &at, SOON);
    if (n == 3)
        CHECK_EQ(weft_recv_from(fd, text, sizeof text, NULL, SOON), 3);
    CHECK_OK(weft_multicast_loop(sender, 0)); /* what goes out by lo comes back all the same */
    CHECK_EQ(option_of(sender, m->level, m->loop), 0);
    CHECK_OK(weft_multicast_leave(fd, m->group, interface));
    CHECK_ERR(weft_multicast_leave(fd, m->group, interface), -EADDRNOTAVAIL);
    CHECK_ERR(weft_multicast_join(fd, m->group, "no such thing"), -ENODEV);
    CHECK_ERR(weft_multicast_join(fd, "nonsense", interface), -EINVAL);
    CHECK_ERR(weft_multicast_hops(fd, 256), -EINVAL);
    CHECK_ERR(weft_multicast_loop(fd, 2), -EINVAL);
    CHECK_ERR(weft_multicast_interface(fd, "none"), -ENODEV);
    CHECK_OK(weft_close(fd));
    CHECK_OK(weft_close(sender));
    return n == 3;
}

IN_KIND(a_group_is_joined_and_left)
{
    struct if_nameindex *all = if_nameindex();
    for (int i = 0; i < 2; i++) {
        struct if_nameindex *one = all;
        while (one->if_name && !group_works(&multicasts[i], one->if_name))
            one++;
        if (!one->if_name)
            SKIP("no interface has a way to %s", multicasts[i].group);
    }
    if_freenameindex(all);
    return 0;
}

IN_KIND(one_socket_joins_groups_of_both_families)
{
    int fd = weft_datagram(":0", NULL, 0), v4 = weft_datagram("0.0.0.0:0", NULL, 0);
    if (fd < 0 || weft_multicast_join(fd, "ff11::7713", "lo") < 0)
        SKIP("no IPv6 here");
    CHECK_OK(weft_multicast_join(fd, "239.77.1.3", "lo"));
    CHECK_OK(weft_multicast_hops(fd, 2));
    CHECK_OK(weft_multicast_leave(fd, "239.77.1.3", "lo"));
    CHECK_OK(weft_multicast_leave(fd, "ff11::7713", "lo"));
    CHECK_ERR(weft_multicast_join(v4, "ff11::7713", "lo"), -EINVAL);
    CHECK_OK(weft_close(fd));
    CHECK_OK(weft_close(v4));
    return 0;
}
