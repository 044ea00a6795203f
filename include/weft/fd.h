/* weft/fd.h - plain descriptors: files, sockets, pipes. Only the calling task waits.
 *
 * These calls keep no hidden bytes and change no flags of descriptors they did not make: a descriptor
 * may be shared with code that knows nothing of weft. Sockets and files made here are O_NONBLOCK and
 * O_CLOEXEC, TCP ones TCP_NODELAY: many small writes are many packets. Addresses are text: "127.0.0.1:80",
 * "[::1]:80", ":80" (any address of both families), "unix:/run/x", "unix:@abstract" ("unix:@" alone: a name that
 * the kernel chooses), and by name "db1.example.org:5432", "localhost:https". */
#ifndef WEFT_FD_H
#define WEFT_FD_H

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <weft/base.h>
#include <weft/time.h>

WEFT_BEGIN

enum weft_listen_flags {
    WEFT_REUSE_PORT = 1u << 0 /* SO_REUSEPORT */
};

/* Read what there is, at least one byte.
 *   buf, size  room; 0 bytes is 0 at once
 * Returns   bytes read; 0 end of file or the peer has finished; -ETIMEDOUT, -ECANCELED (nothing was
 *           read), -EBADF (also: closed by weft_close meanwhile), -ECONNRESET, -EIO and what else
 *           read(2) has
 * Context   task or thread; several readers of one descriptor each get different bytes
 * Cancels   yes, while waiting. A read of a file that the disk has begun is finished.   Since 0.1
 */
WEFT_API WEFT_MUST ssize_t weft_read(int fd, void *buf, size_t size, weft_deadline deadline);
WEFT_API WEFT_MUST ssize_t weft_readv(int fd, const struct iovec *iov, int count,
                                      weft_deadline deadline);
WEFT_API WEFT_MUST ssize_t weft_pread(int fd, void *buf, size_t size, off_t at,
                                      weft_deadline deadline);

/* Write everything. One span covers the whole.
 * Returns   size; less when an error came after some bytes were written (the error itself returns at
 *           the next call); -ETIMEDOUT, -ECANCELED, -EPIPE (never SIGPIPE on a socket), -ENOSPC and
 *           what else write(2) has, when nothing was written
 * Context   task or thread; two writers may mix their parts
 * Cancels   yes, while waiting.   Since 0.1
 */
WEFT_API WEFT_MUST ssize_t weft_write(int fd, const void *buf, size_t size, weft_deadline deadline);
WEFT_API WEFT_MUST ssize_t weft_writev(int fd, const struct iovec *iov, int count,
                                       weft_deadline deadline);
WEFT_API WEFT_MUST ssize_t weft_pwrite(int fd, const void *buf, size_t size, off_t at,
                                       weft_deadline deadline);

/* Send a part of a file into a socket without copying it through the program.
 *   offset  where in the file it begins; the file's own position is not used
 * Returns   bytes sent: size, or less at the end of the file or after an error as weft_write; errors as
 *           weft_write; -EINVAL when the kernel cannot do it for this pair of descriptors
 * Context   task or thread
 * Cancels   yes, while waiting for the socket.   Since 0.1
 */
WEFT_API WEFT_MUST ssize_t weft_sendfile(int socket, int file, off_t offset, size_t size,
                                         weft_deadline deadline);

/* Wait until a descriptor is ready, for other libraries' descriptors.
 *   events  POLLIN, POLLOUT, POLLRDHUP, POLLPRI or-ed
 * Returns   the events that are true, POLLERR and POLLHUP included, > 0; -ETIMEDOUT, -ECANCELED,
 *           -EBADF; a regular file is always ready
 * Context   task or thread
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_poll(int fd, int events, weft_deadline deadline);

/* Open a file; the disk stops nobody but the caller.
 *   flags, mode  as open(2); O_CLOEXEC and O_NONBLOCK are added (a fifo opened to write is
 *                -ENXIO without a reader)
 *   dir          weft_open_beneath: path is looked up under this descriptor and never leaves it, by
 *                ".." or symbolic links (openat2, RESOLVE_BENEATH); -EXDEV if it would
 * Returns   a descriptor; -ENOENT, -EACCES, -EMFILE and what else open(2) has; -ENOSYS
 *           weft_open_beneath before Linux 5.6; -ECANCELED; words in weft_why() for all but that
 * Context   task or thread
 * Cancels   at entry.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_open(const char *path, int flags, mode_t mode);
WEFT_API WEFT_MUST int weft_open_beneath(int dir, const char *path, int flags, mode_t mode);

/* Flush a file to its disk; ask about one; only the caller waits.
 * Returns   0; errors of fsync(2), fstat(2); -ECANCELED
 * Context   task or thread
 * Cancels   at entry.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_fsync(int fd);
WEFT_API WEFT_MUST int weft_fstat(int fd, struct stat *out);

/* Make a listening socket. TCP gets SO_REUSEADDR; a dead unix path is replaced.
 *   where  an address; port 0 lets the kernel choose: weft_local_address tells it. A name is looked for in
 *          the hosts file only; of its addresses the first that can be had, IPv4 before IPv6
 *   flags  enum weft_listen_flags
 * Returns   a descriptor; -EADDRINUSE, -EACCES, -EADDRNOTAVAIL, -EINVAL (address not understood), -ENOENT
 *           (no such name, no such service), -EMFILE, -ECANCELED; words in weft_why()
 * Context   task or thread; waits for nobody but a disk, if there are names
 * Cancels   no; with a name at entry.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_listen(const char *where, unsigned flags);

/* Take the next connection.
 *   peer  NULL, or where the other side's address goes
 * Returns   a descriptor; -ETIMEDOUT, -ECANCELED, -EBADF (also: closed by weft_close meanwhile),
 *           -EMFILE, -ENFILE, -ENOMEM: none taken; words in weft_why() for all but the first two. A
 *           connection that died in the queue is skipped.
 * Context   task or thread
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_accept(int listener, struct sockaddr_storage *peer,
                                   weft_deadline deadline);

/* Connect.
 *   where  an address; a name's addresses are raced (RFC 8305): families take turns, another one starts
 *          after 250 ms or when one fails, the first 16 at most; the first connection is the one, the
 *          others are closed
 * Returns   a descriptor; -ECONNREFUSED, -EHOSTUNREACH, -ETIMEDOUT (deadline or the kernel's own),
 *           -ECANCELED, -EINVAL, -EMFILE; for names those of weft_name_find too; words in weft_why(), of
 *           each address that was tried
 * Context   task or thread; the deadline is for all of it
 * Cancels   yes; nothing is left open.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_dial(const char *where, weft_deadline deadline);

/* The text of a socket's own or its peer's address, in the form weft_dial takes.
 *   out, size  room; 128 bytes are always enough
 * Returns   0; -EBADF, -ENOTSOCK, -ENOTCONN, -ENOSPC
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_local_address(int fd, char *out, size_t size);
WEFT_API int weft_peer_address(int fd, char *out, size_t size);

/* Two connected stream sockets; a pipe (out[0] reads).
 * Returns   0; -EMFILE, -ENFILE, -ENOMEM
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_socketpair(int out[2]);
WEFT_API WEFT_MUST int weft_pipe(int out[2]);

/* Another number for the same open file, O_CLOEXEC; position and O_NONBLOCK are shared. weft_close of one
 * wakes those who wait on that one.
 * Returns   a descriptor; -EBADF, -EMFILE
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_dup(int fd);

/* Finish one direction of a socket: SHUT_RD, SHUT_WR, SHUT_RDWR.
 * Returns   0; -EBADF, -ENOTSOCK, -ENOTCONN
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_shutdown(int fd, int how);

/* Close a descriptor and wake all who wait on it with -EBADF. A plain close(2) under a waiter leaves
 * the waiter waiting. The number is free again when it returns.
 * Returns   0; -EBADF; -EIO and others of close(2): the descriptor is closed all the same
 * Context   anywhere but signal handlers
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_close(int fd);

WEFT_END
#endif
