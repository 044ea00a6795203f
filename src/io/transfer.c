/* transfer.c - bytes in and out: try, wait, try again.
 *
 * The kernel is asked in a way that never sleeps: MSG_DONTWAIT for sockets, RWF_NOWAIT for the rest. What
 * is not in memory of a file is fetched by a helper thread. What cannot be asked that way (terminals,
 * some fifos) is asked when poll says so, by a helper too if it may sleep all the same. What a number
 * is, is remembered for the rest of the call only, since it may be another thing at the next.
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
    enum { SOCKET, NOWAIT, ON_DISK, NONBLOCKING, BLOCKING } kind; /* as far as is known */
    size_t step;                                                  /* BLOCKING: writes at a time */
};

static ssize_t plain_try(struct transfer *t, int flags)
{
    return t->writing ? weft__sys_pwritev2(t->target->fd, t->iov, t->count, t->at, flags)
                      : weft__sys_preadv2(t->target->fd, t->iov, t->count, t->at, flags);
}

static int blocking_transfer(void *t)
{
    return (int)plain_try(t, 0); /* the kernel moves less than 2 GiB at a time */
}

/* As much as there is room for without sleeping: poll promises a fifo's PIPE_BUF, a terminal's byte. */
static int blocking_write(void *arg)
{
    struct transfer *t = arg;
    size_t size = t->iov->iov_len, done = 0;
    do {
        size_t part = size - done < t->step ? size - done : t->step;
        ssize_t n = weft__sys_write(t->target->fd, (char *)t->iov->iov_base + done, part);
        if (n <= 0)
            return done ? (int)done : (int)n;
        done += (size_t)n;
    } while (done < size && done < INT_MAX / 2 && weft__fd_ready(t->target->fd, POLLOUT) > 0);
    return (int)done;
}

static ssize_t socket_try(struct transfer *t)
{
    struct msghdr msg = { .msg_iov = t->iov, .msg_iovlen = (size_t)t->count };
    int fd = t->target->fd;
    if (t->count == 1) /* the usual case costs the kernel less */
        return t->writing ? weft__sys_send(fd, t->iov->iov_base, t->iov->iov_len,
                                           MSG_DONTWAIT | MSG_NOSIGNAL)
                          : weft__sys_recv(fd, t->iov->iov_base, t->iov->iov_len, MSG_DONTWAIT);
    return t->writing ? weft__sys_sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL)
                      : weft__sys_recvmsg(fd, &msg, MSG_DONTWAIT);
}

static int find_kind(struct transfer *t)
{
    struct stat st;
    int fd = t->target->fd, mode = weft__sys_fcntl(fd, F_GETFL, 0);
    int r = mode < 0 ? mode : weft__sys_fstat(fd, &st);
    if (r < 0)
        return r;
    if (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode))
        t->kind = ON_DISK;
    else
        t->kind = mode & O_NONBLOCK ? NONBLOCKING : BLOCKING;
    t->step = S_ISFIFO(st.st_mode)                               ? PIPE_BUF
              : S_ISCHR(st.st_mode) && weft__sys_is_terminal(fd) ? 1
                                                                 : INT_MAX;
    return 0;
}

/* -EAGAIN: would wait for the other side. */
static ssize_t try(struct transfer *t)
{
    ssize_t n;
    int r;
    switch (t->kind) {
    case SOCKET:
        if ((n = socket_try(t)) != -ENOTSOCK)
            return n;
        t->kind = NOWAIT;
        /* fallthrough */
    case NOWAIT:
        n = plain_try(t, RWF_NOWAIT);
        if (n != -EOPNOTSUPP && n != -EINVAL && n != -EAGAIN)
            return n;
        if ((r = find_kind(t)) < 0)
            return r;
        if (n == -EAGAIN && t->kind != ON_DISK) {
            t->kind = NOWAIT;
            return n;
        }
        return try(t); /* now that it is known */
    case ON_DISK:      /* only its disk is awaited, and that whatever the deadline is */
        return weft__offload(WEFT__FOR_FILES, blocking_transfer, t);
    case NONBLOCKING: return plain_try(t, 0);
    default: /* it might sleep if others use it too, hence the helper */
        r = weft__fd_ready(t->target->fd, t->writing ? POLLOUT : POLLIN);
        return r < 0    ? r
               : r == 0 ? -EAGAIN
                        : weft__offload(WEFT__FOR_FILES,
                                        t->writing ? blocking_write : blocking_transfer, t);
    }
}

/* One transfer of at least a byte. */
static ssize_t transfer(struct transfer *t, weft_deadline *deadline)
{
    for (;;) {
        ssize_t n = try(t);
        if (n == -EINTR)
            continue;
        if (n != -EAGAIN)
            return n;
        int r = weft__runtime_need();
        *deadline = weft__fixed(*deadline);
        if (r == 0)
            r = weft__target_wait(t->target, t->writing ? POLLOUT : POLLIN | POLLRDHUP, *deadline,
                                  t->writing ? "write" : "read");
        if (r < 0)
            return r;
    }
}

ssize_t weft__read(struct weft__target *target, struct iovec *iov, int count, off_t at,
                   weft_deadline deadline)
{
    struct transfer t = { .target = target, .iov = iov, .count = count, .at = at };
    t.kind = at < 0 ? SOCKET : NOWAIT;
    return transfer(&t, &deadline);
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
    struct transfer t = { .target = target, .writing = true };
    t.kind = at < 0 ? SOCKET : NOWAIT;
    while (done < size) {
        while (skip >= iov->iov_len) {
            skip -= iov->iov_len;
            iov++;
            count--;
        }
        t.iov = (struct iovec *)(uintptr_t)iov; /* whole, as a datagram goes: nothing writes to it */
        t.count = count < IOV_MAX ? count : IOV_MAX;
        if (skip > 0) {
            t.iov = part;
            t.count = count < PART ? count : PART;
            memcpy(part, iov, (size_t)t.count * sizeof *part);
            part[0].iov_base = (char *)part[0].iov_base + skip;
            part[0].iov_len -= skip;
        }
        t.at = at < 0 ? -1 : at + (off_t)done;
        ssize_t r = transfer(&t, &deadline);
        if (r <= 0)
            return done ? (ssize_t)done : r;
        done += (size_t)r;
        skip += (size_t)r;
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
                int r = weft__offload(WEFT__FOR_FILES, warm_up, &w);
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

/* Through the program, for sockets that others made: there sendfile itself would sleep. */
static ssize_t copy_file(struct weft__target *target, int file, off_t offset, size_t size,
                         weft_deadline deadline)
{
    char page[8192];
    size_t done = 0;
    while (done < size) {
        struct transfer t = { .target = &(struct weft__target){ .fd = file }, .count = 1 };
        t.iov = &(struct iovec){ page, size - done < sizeof page ? size - done : sizeof page };
        t.at = offset + (off_t)done;
        t.kind = NOWAIT;
        ssize_t n = transfer(&t, &deadline), sent = 0;
        if (n > 0) {
            deadline = weft__fixed(deadline);
            sent = weft__write(target, &(struct iovec){ page, (size_t)n }, 1, -1, deadline);
        }
        done += sent > 0 ? (size_t)sent : 0;
        if (n <= 0 || sent < n)
            return done ? (ssize_t)done : n < 0 ? n : sent;
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
    if (r == 0)
        r = weft__sys_fcntl(socket, F_GETFL, 0);
    if (r < 0)
        return r;
    return (r & O_NONBLOCK ? weft__sendfile : copy_file)(&target, file, offset, size, deadline);
}
