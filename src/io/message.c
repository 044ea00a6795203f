/* message.c - datagrams, and what travels beside the bytes of a message.
 *
 * One recvmsg or sendmsg is one try. Received descriptors are the kernel's gift the moment the call
 * returns, so the room for them is always the largest there can be and what nobody asked for is closed
 * here: left to itself the kernel puts one more than asked into the padding of an odd room.
 */
#include <limits.h>
#include <string.h>
#include <weft/socket.h>

#include "io/io.h"

#ifndef SCM_PIDFD
#define SCM_PIDFD 4 /* Linux 6.5: comes with SO_PASSPIDFD */
#endif

union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(sizeof(int)) +
               CMSG_SPACE(WEFT_FDS_MAX * sizeof(int)) +
               256 /* what else a socket may be told to add */];
};

static int begin(struct weft__target *target, int fd)
{
    struct weft__task *self;
    int r = weft__wait_enter(&self);
    return r < 0 ? r : weft__target_begin(target, fd);
}

static ssize_t receive(struct weft__target *target, struct msghdr *msg, weft_deadline deadline)
{
    struct msghdr room = *msg;
    for (;;) {
        ssize_t n = weft__sys_recvmsg(target->fd, msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (n == -EAGAIN) {
            deadline = weft__fixed(deadline);
            n = weft__runtime_need();
            if (n == 0)
                n = weft__fd_wait(target, POLLIN | POLLRDHUP, deadline, "receive");
            if (n < 0)
                return n;
        } else if (n != -EINTR) {
            return n;
        }
        *msg = room;
    }
}

static ssize_t send_now(int fd, const struct msghdr *msg, int flags)
{
    flags |= MSG_DONTWAIT | MSG_NOSIGNAL;
    if (msg->msg_iovlen == 1 && !msg->msg_control) /* the usual case costs the kernel less */
        return weft__sys_sendto(fd, msg->msg_iov->iov_base, msg->msg_iov->iov_len, flags,
                                msg->msg_name, msg->msg_namelen);
    return weft__sys_sendmsg(fd, msg, flags);
}

/* Poll tells of room in the queue of a connected unix socket's peer, not of one that is named. */
static ssize_t send_part(struct weft__target *target, const struct msghdr *msg, int flags,
                         weft_deadline *deadline)
{
    const struct sockaddr *to = msg->msg_name;
    weft_span pause = WEFT_MS;
    for (;;) {
        ssize_t n = send_now(target->fd, msg, flags);
        if (n == -EAGAIN) {
            *deadline = weft__fixed(*deadline);
            n = weft__runtime_need();
            if (n == 0)
                n = to && to->sa_family == AF_UNIX
                        ? weft__target_pause(target, &pause, *deadline)
                        : weft__fd_wait(target, POLLOUT, *deadline, "send");
            if (n < 0)
                return n;
        } else if (n != -EINTR) {
            return n;
        }
    }
}

static size_t total(const struct msghdr *msg)
{
    size_t size = 0;
    for (size_t i = 0; i < msg->msg_iovlen; i++)
        size += msg->msg_iov[i].iov_len;
    return size;
}

/* A stream may take a part of a message; the rest follows without what travelled beside. */
static ssize_t send_all(struct weft__target *target, const struct msghdr *msg,
                        weft_deadline deadline)
{
    ssize_t n = send_part(target, msg, 0, &deadline), more;
    if (n < 0 || (size_t)n >= total(msg))
        return n;
    struct iovec *iov = msg->msg_iov;
    size_t skip = (size_t)n;
    for (; skip >= iov->iov_len; iov++)
        skip -= iov->iov_len;
    struct iovec rest = { (char *)iov->iov_base + skip, iov->iov_len - skip };
    if ((more = weft__write(target, &rest, 1, -1, deadline)) < 0)
        return n;
    n += more;
    int left = (int)(msg->msg_iovlen - (size_t)(++iov - msg->msg_iov));
    if ((size_t)more == rest.iov_len && left > 0 &&
        (more = weft__write(target, iov, left, -1, deadline)) > 0)
        n += more;
    return n;
}

static void address_of(const struct msghdr *msg, weft_address *out)
{
    if (out && (out->size = msg->msg_namelen) == 0)
        out->as.any.sa_family = AF_UNSPEC;
}

ssize_t weft_recv_from(int fd, void *buf, size_t size, weft_address *from, weft_deadline deadline)
{
    struct weft__target target;
    struct iovec iov = { buf, size };
    struct msghdr msg = { .msg_name = from ? &from->as : NULL,
                          .msg_namelen = from ? sizeof from->as : 0,
                          .msg_iov = &iov,
                          .msg_iovlen = 1 };
    int r = begin(&target, fd);
    if (r < 0)
        return r;
    ssize_t n = receive(&target, &msg, deadline);
    if (n >= 0)
        address_of(&msg, from);
    return n >= 0 && msg.msg_flags & MSG_TRUNC ? (ssize_t)size + 1 : n;
}

static void address_to(struct msghdr *msg, const weft_address *to)
{
    if (to) {
        msg->msg_name = (void *)(uintptr_t)&to->as;
        msg->msg_namelen = to->size;
    }
}

ssize_t weft_send_to(int fd, const void *buf, size_t size, const weft_address *to,
                     weft_deadline deadline)
{
    struct weft__target target;
    struct iovec iov = { (void *)(uintptr_t)buf, size };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
    int r = begin(&target, fd);
    address_to(&msg, to);
    return r < 0 ? r : send_all(&target, &msg, deadline);
}

static void attach(struct msghdr *msg, struct cmsghdr **at, int type, const void *data, size_t size)
{
    struct cmsghdr *head = *at;
    *head =
        (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = type, .cmsg_len = CMSG_LEN(size) };
    memcpy(CMSG_DATA(head), data, size);
    *at = (struct cmsghdr *)(void *)((char *)head + CMSG_SPACE(size));
    msg->msg_controllen += CMSG_SPACE(size);
}

ssize_t weft_send_message(int fd, const struct weft_message *m, weft_deadline deadline)
{
    struct weft__target target;
    union control control;
    memset(&control, 0, sizeof control); /* the padding goes to the kernel too */
    if (m->size != sizeof *m || m->parts_count < 0 || m->parts_count > IOV_MAX)
        return -EINVAL;
    struct msghdr msg = { .msg_iov = m->parts, .msg_iovlen = (size_t)m->parts_count };
    if (m->fds_count > 0 && (m->fds_count > WEFT_FDS_MAX || total(&msg) == 0))
        return -EINVAL;
    int r = begin(&target, fd);
    if (r < 0)
        return r;
    struct cmsghdr *at = &control.align;
    address_to(&msg, m->address);
    if (m->credentials) {
        struct ucred c = { m->credentials->pid, m->credentials->uid, m->credentials->gid };
        attach(&msg, &at, SCM_CREDENTIALS, &c, sizeof c);
    }
    if (m->fds_count > 0)
        attach(&msg, &at, SCM_RIGHTS, m->fds, m->fds_count * sizeof *m->fds);
    if (msg.msg_controllen > 0)
        msg.msg_control = &control;
    return send_all(&target, &msg, deadline);
}

/* Those there is room for are the caller's, the others nobody's. */
static void take_fds(struct weft_message *m, size_t room, const struct cmsghdr *head)
{
    size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
        int fd;
        memcpy(&fd, CMSG_DATA(head) + i * sizeof fd, sizeof fd);
        if (head->cmsg_type == SCM_RIGHTS && m->fds_count < room) {
            m->fds[m->fds_count++] = fd;
        } else {
            m->flags |= head->cmsg_type == SCM_RIGHTS ? WEFT_FDS_LOST : 0u;
            weft__sys_close(fd);
        }
    }
}

ssize_t weft_recv_message(int fd, struct weft_message *m, weft_deadline deadline)
{
    struct weft__target target;
    union control control;
    if (m->size != sizeof *m || m->parts_count < 0 || m->parts_count > IOV_MAX)
        return -EINVAL;
    struct msghdr msg = {
        .msg_name = m->address ? &m->address->as : NULL,
        .msg_namelen = m->address ? sizeof m->address->as : 0,
        .msg_iov = m->parts,
        .msg_iovlen = (size_t)m->parts_count,
        .msg_control = &control,
        .msg_controllen = sizeof control,
    };
    int r = begin(&target, fd);
    if (r < 0)
        return r;
    ssize_t n = receive(&target, &msg, deadline);
    if (n < 0)
        return n;
    size_t room = m->fds ? m->fds_count : 0;
    m->fds_count = 0;
    m->flags = msg.msg_flags & MSG_CTRUNC ? WEFT_FDS_LOST : 0;
    address_of(&msg, m->address);
    if (m->credentials)
        *m->credentials = (struct weft_credentials){ 0, (uid_t)-1, (gid_t)-1 };
    for (struct cmsghdr *head = CMSG_FIRSTHDR(&msg); head; head = CMSG_NXTHDR(&msg, head)) {
        if (head->cmsg_level != SOL_SOCKET)
            continue;
        if (head->cmsg_type == SCM_RIGHTS || head->cmsg_type == SCM_PIDFD) {
            take_fds(m, room, head);
        } else if (head->cmsg_type == SCM_CREDENTIALS && m->credentials) {
            struct ucred c;
            memcpy(&c, CMSG_DATA(head), sizeof c);
            *m->credentials = (struct weft_credentials){ c.pid, c.uid, c.gid };
        }
    }
    return msg.msg_flags & MSG_TRUNC ? (ssize_t)total(&msg) + 1 : n;
}

/* -- urgent bytes ------------------------------------------------------------------------------------- */

int weft_send_urgent(int fd, unsigned char byte, weft_deadline deadline)
{
    struct weft__target target;
    struct iovec iov = { &byte, 1 };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
    int r = begin(&target, fd);
    if (r < 0)
        return r;
    ssize_t n = send_part(&target, &msg, MSG_OOB, &deadline);
    return n < 0 ? (int)n : 0;
}

int weft_recv_urgent(int fd, unsigned char *byte, weft_deadline deadline)
{
    struct weft__target target;
    int type, in_line, r = begin(&target, fd);
    if (r == 0)
        r = weft_option_get(fd, SOL_SOCKET, SO_TYPE, &type);
    if (r == 0)
        r = weft_option_get(fd, SOL_SOCKET, SO_OOBINLINE, &in_line);
    if (r < 0 || type != SOCK_STREAM || in_line)
        return r < 0 ? r : in_line ? -EINVAL : -EOPNOTSUPP;
    for (int events = 0;;) {
        ssize_t n = weft__sys_recv(fd, byte, 1, MSG_OOB | MSG_DONTWAIT);
        if (n == -EINTR)
            continue;
        if (n != -EINVAL && n != -EAGAIN) /* none yet; announced, and not come yet */
            return (int)n;
        if (events & (POLLRDHUP | POLLHUP | POLLERR) && !(events & POLLPRI))
            return 0;
        deadline = weft__fixed(deadline);
        r = weft__runtime_need();
        if (r == 0)
            r = events = weft__fd_wait(&target, POLLPRI | POLLRDHUP, deadline, "receive");
        if (r < 0)
            return r;
    }
}
