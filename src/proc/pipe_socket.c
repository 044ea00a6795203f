/* pipe_socket.c - ends of pipes over sockets: for programs that share no memory, and for descriptors.
 *
 * The kernel keeps messages whole and knows when the other side is gone; a goodbye tells a close from a death. A
 * message that is too long for a packet goes as a file in memory, by descriptor. Who receives looks before it
 * takes, so that what is too long stays: one at a time, under a lock.
 */
#include <errno.h>
#include <linux/memfd.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <weft/socket.h>

#include "base/report.h"
#include "base/sys.h"
#include "io/io.h"
#include "proc/pipe.h"
#include "sched/task.h"
#include "shared/arena.h"

enum { OPEN = 1, CLOSED }; /* weft_pipe_end._over; _was_held: until its goodbye */

enum what { MESSAGE = 0x77656674, GOODBYE };
enum { IN_PACKET = 32 << 10 };

struct head {
    uint32_t what, unused;
    uint64_t size;
};

/* -- making ----------------------------------------------------------------------------------------- */

int weft_pipe_init_over(weft_pipe_end *end, int fd)
{
    int type, family, r = weft_option_get(fd, SOL_SOCKET, SO_TYPE, &type);
    if (r == 0)
        r = weft_option_get(fd, SOL_SOCKET, SO_DOMAIN, &family);
    if (r < 0 || type != SOCK_SEQPACKET || family != AF_UNIX)
        return weft__failed(-EINVAL, "a pipe over descriptor %d, which is no SOCK_SEQPACKET", fd);
    if ((r = weft__tree_begin()) < 0) /* values are made in the arena */
        return weft__failed(r, "a pipe over descriptor %d", fd);
    memset(end, 0, sizeof *end);
    end->_fd = fd;
    end->_over = OPEN;
    end->_was_held = 1;
    return weft_lock_init(&end->_reading, 0);
}

static int address_of(const char *path, weft_address *out)
{
    char text[sizeof "unix:" + sizeof out->as.un.sun_path];
    if ((size_t)snprintf(text, sizeof text, "unix:%s", path) >= sizeof text || path[0] == '@')
        return -EINVAL;
    return weft_address_parse(out, text);
}

int weft_pipe_listen(const char *path)
{
    weft_address address;
    int r = address_of(path, &address), fd = -1;
    if (r == 0)
        r = fd = weft_socket(AF_UNIX, SOCK_SEQPACKET, 0);
    if (r >= 0)
        r = weft__sys_fchmod(fd, 0600); /* what bind gives the file, without the umask's help */
    if (r >= 0) {
        weft__remove_dead(&address.as.storage, address.size);
        r = weft_bind(fd, &address);
    }
    if (r >= 0)
        r = weft__sys_listen(fd, 128);
    if (r >= 0)
        return fd;
    if (fd >= 0)
        weft__sys_close(fd);
    return weft__failed(r, "pipe %s", path);
}

/* Is it this user who is at the other end? */
static int peer_check(int fd)
{
    struct weft_credentials peer;
    int r = weft_peer_credentials(fd, &peer);
    return r < 0 ? r : peer.uid == weft__sys_geteuid() ? 0 : -EPERM;
}

int weft_pipe_accept(weft_pipe_end *end, int listener, weft_deadline deadline)
{
    int fd, r;
    if (deadline.ns != 0)
        deadline.ns = weft__deadline_at(deadline);
    do {
        if ((fd = weft_accept(listener, NULL, deadline)) < 0)
            return fd;
        if ((r = peer_check(fd)) == 0)
            r = weft_pipe_init_over(end, fd);
        if (r < 0)
            weft__sys_close(fd);
    } while (r == -EPERM);
    return r;
}

static int path_check(const char *path)
{
    struct stat is;
    int r = weft__sys_stat(path, &is);
    if (r < 0)
        return r;
    return S_ISSOCK(is.st_mode) && is.st_uid == weft__sys_geteuid() && !(is.st_mode & 022) ? 0
                                                                                           : -EPERM;
}

int weft_pipe_dial(weft_pipe_end *end, const char *path, weft_deadline deadline)
{
    weft_address address;
    int r = address_of(path, &address), fd = -1;
    if (r == 0)
        r = path_check(path);
    if (r == 0)
        r = fd = weft_socket(AF_UNIX, SOCK_SEQPACKET, 0);
    if (r >= 0)
        r = weft_connect(fd, &address, deadline);
    if (r == 0)
        r = peer_check(fd);
    if (r == 0)
        r = weft_pipe_init_over(end, fd);
    if (r < 0 && fd >= 0)
        weft_close(fd);
    return r < 0 && r != -ETIMEDOUT && r != -ECANCELED ? weft__failed(r, "pipe %s", path) : r;
}

/* -- sending ---------------------------------------------------------------------------------------- */

static int file_with(const void *data, size_t size)
{
    int fd = weft__sys_memfd("weft-message", MFD_CLOEXEC);
    for (size_t at = 0; fd >= 0 && at < size;) {
        struct iovec rest = { (char *)(uintptr_t)data + at, size - at };
        ssize_t n = weft__sys_pwritev2(fd, &rest, 1, (off_t)at, 0);
        if (n < 0 && n != -EINTR) {
            weft__sys_close(fd);
            return n == -ENOSPC ? -ENOMEM : (int)n;
        }
        at += n > 0 ? (size_t)n : 0;
    }
    return fd;
}

int weft__pipe_socket_send(weft_pipe_end *end, struct weft__message *message, int fd,
                           weft_deadline deadline)
{
    const void *data = message->block ? message->block : message->from;
    struct head head = { .what = MESSAGE, .size = message->size };
    struct iovec parts[] = { { &head, sizeof head }, { (void *)(uintptr_t)data, message->size } };
    int fds[2], file = -1;
    struct weft_message m = { .size = sizeof m, .parts = parts, .parts_count = 2, .fds = fds };
    if (end->_over == CLOSED)
        return -EPIPE;
    if (message->size > IN_PACKET) {
        if ((file = file_with(data, message->size)) < 0)
            return file;
        m.parts_count = 1;
        fds[m.fds_count++] = file;
    }
    if (fd >= 0)
        fds[m.fds_count++] = fd;
    ssize_t r = weft_send_message(end->_fd, &m, deadline);
    if (file >= 0)
        weft__sys_close(file);
    if (r < 0)
        return r == -ECONNRESET ? -EPIPE : (int)r;
    if (message->block)
        weft__arena_give(message->block);
    return 0;
}

/* -- receiving -------------------------------------------------------------------------------------- */

static int read_file(int fd, void *out, size_t size)
{
    for (size_t at = 0; at < size;) {
        struct iovec rest = { (char *)out + at, size - at };
        ssize_t n = weft__sys_preadv2(fd, &rest, 1, (off_t)at, 0);
        if (n <= 0 && n != -EINTR)
            return n < 0 ? (int)n : -EPIPE; /* shorter than it said */
        at += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

/* What is next: 1; 0 a goodbye was said, -EPIPE none was; -EAGAIN nothing yet. */
static int look(weft_pipe_end *end, struct head *head)
{
    ssize_t n;
    do
        n = weft__sys_recv(end->_fd, head, sizeof *head, MSG_PEEK | MSG_DONTWAIT);
    while (n == -EINTR || n == -ECONNRESET); /* said once; messages may be left */
    if (n == sizeof *head && head->what == GOODBYE) {
        weft__sys_recv(end->_fd, head, sizeof *head, MSG_DONTWAIT);
        end->_was_held = 0;
        return 0;
    }
    return n < 0 ? (int)n : n == sizeof *head && head->what == MESSAGE ? 1 : -EPIPE;
}

/* The message that was seen, into `to`. */
static int take(weft_pipe_end *end, const struct head *seen, void *to, int *fd)
{
    struct head head;
    struct iovec parts[] = { { &head, sizeof head }, { to, seen->size } };
    bool is_file = seen->size > IN_PACKET;
    int fds[2] = { -1, -1 };
    struct weft_message m = {
        .size = sizeof m, .parts = parts, .parts_count = is_file ? 1 : 2, .fds = fds, .fds_count = 2
    };
    ssize_t n = weft_recv_message(end->_fd, &m, weft_at_once());
    if (n < 0)
        return n == -ETIMEDOUT || n == -ECONNRESET ? -EAGAIN : (int)n;
    int r = 1, along = fds[is_file];
    if (is_file) {
        if ((r = fds[0] < 0 ? -EMFILE : read_file(fds[0], to, seen->size)) == 0)
            r = 1;
        if (fds[0] >= 0)
            weft__sys_close(fds[0]);
    }
    if (fd && r == 1)
        *fd = along;
    else if (along >= 0)
        weft__sys_close(along);
    return r;
}

static int receive_next(weft_pipe_end *end, struct weft__message *m, int *fd, weft_deadline deadline)
{
    struct head head;
    if (!end->_was_held)
        return 0;
    int r = weft_poll(end->_fd, POLLIN, deadline);
    if (r < 0 || (r = look(end, &head)) != 1)
        return r;
    m->size = head.size;
    if (m->looks)
        return 1;
    if (!m->moves)
        return m->size > m->room ? -EMSGSIZE : take(end, &head, m->to, fd);
    m->block = weft__arena_take(m->size, WEFT__BLOCK_HELD);
    if (!m->block)
        return weft__failed(-ENOMEM, "a message of %zu bytes", m->size);
    if ((r = take(end, &head, m->block, fd)) != 1)
        weft__arena_give(m->block);
    return r;
}

int weft__pipe_socket_receive(weft_pipe_end *end, struct weft__message *message, int *fd,
                              weft_deadline deadline)
{
    if (end->_over == CLOSED)
        return -EPIPE;
    if (deadline.ns != 0)
        deadline.ns = weft__deadline_at(deadline);
    int r = weft_lock_acquire(&end->_reading, deadline);
    if (r < 0)
        return r;
    do
        r = receive_next(end, message, fd, deadline);
    while (r == -EAGAIN);
    weft_lock_release(&end->_reading);
    return r;
}

/* Who hears the goodbye finds that it can send no more. It has room when nothing else has: the buffer that it
 * needs may be made twice as large. */
void weft__pipe_socket_close(weft_pipe_end *end)
{
    struct head goodbye = { .what = GOODBYE };
    if (end->_over == CLOSED)
        return;
    weft__sys_shutdown(end->_fd, SHUT_RD);
    for (int i = 0; i < 2; i++) {
        if (weft__sys_sendto(end->_fd, &goodbye, sizeof goodbye, MSG_DONTWAIT | MSG_NOSIGNAL, NULL,
                             0) != -EAGAIN)
            break;
        weft_option_set(end->_fd, SOL_SOCKET, SO_SNDBUF, 1 << 20);
    }
    weft_close(end->_fd);
    weft_lock_fini(&end->_reading);
    end->_over = CLOSED;
}

/* -- cases of weft_select --------------------------------------------------------------------------- */

static int receive_attempt(struct weft_case *c)
{
    int r = weft__fd_case_begin(c);
    return r < 0 ? r : weft__pipe_receive_attempt(c);
}

static int send_attempt(struct weft_case *c)
{
    int r = weft__fd_case_begin(c);
    return r < 0 ? r : weft__pipe_send_attempt(c);
}

struct weft_case weft__pipe_socket_case(weft_pipe_end *end, bool sends)
{
    static const struct weft__case_ops ops[] = { { .name = "receive",
                                                   .attempt = receive_attempt,
                                                   .blocked = weft__fd_case_blocked,
                                                   .left = weft__fd_case_left,
                                                   .taken = receive_attempt,
                                                   .wait = weft__fd_case_wait },
                                                 { .name = "send",
                                                   .attempt = send_attempt,
                                                   .blocked = weft__fd_case_blocked,
                                                   .left = weft__fd_case_left,
                                                   .taken = send_attempt,
                                                   .wait = weft__fd_case_wait } };
    return weft__fd_case(&ops[sends], end, end->_fd, sends ? POLLOUT : POLLIN);
}
