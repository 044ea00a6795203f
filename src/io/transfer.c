/* transfer.c - bytes in and out: try, wait, try again.
 *
 * The kernel is asked in a way that never sleeps: MSG_DONTWAIT for sockets, RWF_NOWAIT for the rest. A
 * file whose pages are not in memory goes to a helper thread; what cannot be asked that way (a
 * terminal) is first waited for. Sockets are tried first; what is none is remembered for the rest of
 * the call only, since a number may be another thing at the next.
 */
#include "io/io.h"

#include <limits.h>
#include <string.h>

#include <weft/offload.h>

enum { SENDFILE_CHUNK = 1 << 20 };

struct transfer {
    struct weft__target *target;
    struct iovec *iov;
    int count;
    off_t at; /* -1: a stream, or the file's own position */
    bool writing;
    bool no_socket, no_nowait;
};

static int blocking_transfer(void *arg)
{
    struct transfer *t = arg;
    ssize_t n = t->writing ? weft__sys_pwritev2(t->target->fd, t->iov, t->count, t->at, 0)
                           : weft__sys_preadv2(t->target->fd, t->iov, t->count, t->at, 0);
    return n > INT_MAX ? INT_MAX : (int)n;
}

static ssize_t socket_try(struct transfer *t)
{
    struct msghdr msg = { .msg_iov = t->iov, .msg_iovlen = (size_t)t->count };
    if (t->count == 1) { /* the usual case costs the kernel less */
        return t->writing ? weft__sys_send(t->target->fd, t->iov->iov_base, t->iov->iov_len,
                                           MSG_DONTWAIT | MSG_NOSIGNAL)
                          : weft__sys_recv(t->target->fd, t->iov->iov_base, t->iov->iov_len, MSG_DONTWAIT);
    }
    return t->writing ? weft__sys_sendmsg(t->target->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL)
                      : weft__sys_recvmsg(t->target->fd, &msg, MSG_DONTWAIT);
}

/* -EAGAIN: would wait; how it must wait, the caller finds out. */
static ssize_t try(struct transfer *t)
{
    ssize_t n;
    if (!t->no_socket && t->at < 0) {
        n = socket_try(t);
        if (n != -ENOTSOCK)
            return n;
        t->no_socket = true;
    }
    if (!t->no_nowait) {
        n = t->writing ? weft__sys_pwritev2(t->target->fd, t->iov, t->count, t->at, RWF_NOWAIT)
                       : weft__sys_preadv2(t->target->fd, t->iov, t->count, t->at, RWF_NOWAIT);
        if (n != -EOPNOTSUPP && n != -EINVAL)
            return n;
        t->no_nowait = true;
    }
    return -EAGAIN;
}

/* One transfer of at least a byte. */
static ssize_t transfer(struct transfer *t, weft_deadline deadline)
{
    for (;;) {
        ssize_t n = try(t);
        if (n == -EINTR)
            continue;
        if (n != -EAGAIN)
            return n;
        int r = weft__runtime_need();
        if (r == 0)
            r = weft__target_wait(t->target, t->writing ? POLLOUT : POLLIN | POLLRDHUP, deadline,
                                  t->writing ? "write" : "read");
        if (r == -EPERM) /* a file: only its disk is awaited */
            return weft_offload(blocking_transfer, t);
        if (r < 0)
            return r;
        /* Ready now, so it does not sleep; and a thread may sleep for its file. */
        if (t->no_nowait || (t->no_socket && !weft__is_coroutine(weft__current))) {
            n = blocking_transfer(t);
            if (n != -EAGAIN && n != -EINTR)
                return n;
        }
    }
}

ssize_t weft__read(struct weft__target *target, struct iovec *iov, int count, off_t at,
                   weft_deadline deadline)
{
    struct transfer t = { .target = target, .iov = iov, .count = count, .at = at };
    return transfer(&t, deadline);
}

static size_t total(const struct iovec *iov, int count)
{
    size_t size = 0;
    for (int i = 0; i < count; i++)
        size += iov[i].iov_len;
    return size;
}

/* Everything: what is left is written again, until an error. */
ssize_t weft__write(struct weft__target *target, const struct iovec *iov, int count, off_t at,
                    weft_deadline deadline)
{
    enum { PART = 16 };
    size_t size = total(iov, count), done = 0, skip = 0;
    struct iovec part[PART];
    bool fixed = false;
    while (done < size || (size == 0 && count > 0)) {
        while (count > 0 && skip >= iov->iov_len) {
            skip -= iov->iov_len;
            iov++;
            count--;
        }
        int n = count < PART ? count : PART;
        memcpy(part, iov, (size_t)n * sizeof *part);
        part[0].iov_base = (char *)part[0].iov_base + skip;
        part[0].iov_len -= skip;
        struct transfer t = {
            .target = target, .iov = part, .count = n, .writing = true,
            .at = at < 0 ? -1 : at + (off_t)done,
        };
        if (done && !fixed) {
            deadline = weft__fixed(deadline);
            fixed = true;
        }
        ssize_t r = transfer(&t, deadline);
        if (r < 0)
            return done ? (ssize_t)done : r;
        done += (size_t)r;
        skip += (size_t)r;
        if (r == 0)
            break;
    }
    return (ssize_t)done;
}

/* -- files to sockets -------------------------------------------------------------------------------- */

struct warm {
    int file;
    off_t at;
    size_t size;
};

/* Read through a part of a file, so that its pages are in memory. */
static int warm_up(void *arg)
{
    struct warm *w = arg;
    char page[16384];
    while (w->size > 0) {
        struct iovec iov = { page, w->size < sizeof page ? w->size : sizeof page };
        ssize_t n = weft__sys_preadv2(w->file, &iov, 1, w->at, 0);
        if (n <= 0)
            return (int)n;
        w->at += n;
        w->size -= (size_t)n;
    }
    return 0;
}

/* Is the end of this part in memory? Disks read ahead, so the end is what comes last. */
static bool is_cold(int file, off_t at, size_t size)
{
    char byte;
    struct iovec iov = { &byte, 1 };
    return weft__sys_preadv2(file, &iov, 1, at, RWF_NOWAIT) == -EAGAIN ||
           weft__sys_preadv2(file, &iov, 1, at + (off_t)size - 1, RWF_NOWAIT) == -EAGAIN;
}

ssize_t weft__sendfile(struct weft__target *target, int file, off_t offset, size_t size,
                       weft_deadline deadline)
{
    size_t done = 0, warm = 0;
    while (done < size) {
        size_t part = size - done < SENDFILE_CHUNK ? size - done : SENDFILE_CHUNK;
        off_t at = offset + (off_t)done;
        if (weft__is_coroutine(weft__current) && done >= warm) {
            warm = done + part;
            if (is_cold(file, at, part)) {
                struct warm w = { file, at, part };
                int r = weft_offload(warm_up, &w);
                if (r < 0)
                    return done ? (ssize_t)done : r;
            }
        }
        ssize_t n = weft__sys_sendfile(target->fd, file, &at, part);
        if (n == -EINTR)
            continue;
        if (n == -EAGAIN) {
            deadline = weft__fixed(deadline);
            n = weft__runtime_need();
            if (n == 0)
                n = weft__target_wait(target, POLLOUT, deadline, "sendfile");
            if (n >= 0)
                continue;
        }
        if (n < 0)
            return done ? (ssize_t)done : n;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

/* -- plain descriptors -------------------------------------------------------------------------------- */

static int begin(struct weft__target *target, int fd)
{
    struct weft__task *self;
    int r = weft__wait_enter(&self);
    return r < 0 ? r : weft__target_begin(target, fd);
}

static ssize_t fd_read(int fd, struct iovec *iov, int count, off_t at, weft_deadline deadline)
{
    struct weft__target target;
    int r = begin(&target, fd);
    if (r < 0)
        return r;
    return total(iov, count) == 0 ? 0 : weft__read(&target, iov, count, at, deadline);
}

static ssize_t fd_write(int fd, const struct iovec *iov, int count, off_t at, weft_deadline deadline)
{
    struct weft__target target;
    int r = begin(&target, fd);
    if (r < 0)
        return r;
    return total(iov, count) == 0 ? 0 : weft__write(&target, iov, count, at, deadline);
}

ssize_t weft_read(int fd, void *buf, size_t size, weft_deadline deadline)
{
    return fd_read(fd, &(struct iovec){ buf, size }, 1, -1, deadline);
}

ssize_t weft_pread(int fd, void *buf, size_t size, off_t at, weft_deadline deadline)
{
    return at < 0 ? -EINVAL : fd_read(fd, &(struct iovec){ buf, size }, 1, at, deadline);
}

ssize_t weft_readv(int fd, const struct iovec *iov, int count, weft_deadline deadline)
{
    if (count < 0 || count > IOV_MAX)
        return -EINVAL;
    return fd_read(fd, (struct iovec *)(uintptr_t)iov, count, -1, deadline);
}

ssize_t weft_write(int fd, const void *buf, size_t size, weft_deadline deadline)
{
    return fd_write(fd, &(struct iovec){ (void *)(uintptr_t)buf, size }, 1, -1, deadline);
}

ssize_t weft_pwrite(int fd, const void *buf, size_t size, off_t at, weft_deadline deadline)
{
    if (at < 0)
        return -EINVAL;
    return fd_write(fd, &(struct iovec){ (void *)(uintptr_t)buf, size }, 1, at, deadline);
}

ssize_t weft_writev(int fd, const struct iovec *iov, int count, weft_deadline deadline)
{
    return count < 0 ? -EINVAL : fd_write(fd, iov, count, -1, deadline);
}

ssize_t weft_sendfile(int socket, int file, off_t offset, size_t size, weft_deadline deadline)
{
    struct weft__target target;
    int r = begin(&target, socket);
    return r < 0 ? r : weft__sendfile(&target, file, offset, size, deadline);
}
