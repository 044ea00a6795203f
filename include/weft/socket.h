/* weft/socket.h - sockets beyond the stream: datagrams, passed descriptors, options, multicast.
 *
 *     int fd = weft_datagram("127.0.0.1:9000", NULL, 0);
 *     weft_address from;
 *     char text[512];
 *     for (;;) {
 *         ssize_t n = weft_recv_from(fd, text, sizeof text, &from, weft_never());
 *         if (n < 0 || (size_t)n > sizeof text)
 *             break;
 *         n = weft_send_to(fd, text, (size_t)n, &from, weft_after(WEFT_SEC));
 *     }
 *
 * weft_listen, weft_accept and weft_dial of <weft/fd.h> make streams; weft_poll, weft_shutdown and
 * weft_close there are for every socket, and weft_read and weft_write for every connected one. Nobody
 * else's flags are changed: all calls here work on sockets that others made, blocking ones too. */
#ifndef WEFT_SOCKET_H
#define WEFT_SOCKET_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>

#include <weft/base.h>
#include <weft/time.h>

WEFT_BEGIN

/* -- addresses ---------------------------------------------------------------------------------- */

/* An address as the kernel has it. */
typedef struct weft_address {
    socklen_t size; /* of what is in use; 0: none, as of a Unix socket without a name */
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
        struct sockaddr_storage storage;
    } as;
} weft_address;

/* An address from its text, the forms of <weft/fd.h>, and back.
 *   text       "127.0.0.1:80", "[::1]:80", ":80", "unix:/run/x", "unix:@name"; names of hosts are
 *              weft_name_find's
 *   out, room  128 bytes are always enough
 * Returns   0; -EINVAL the text is none; -ENOSPC, -EAFNOSUPPORT (a family without a text)
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_address_parse(weft_address *address, const char *text);
WEFT_API int weft_address_print(const weft_address *address, char *out, size_t room);

/* A socket's own address and its peer's; weft_local_address and weft_peer_address have the text.
 * Returns   0; -EBADF, -ENOTSOCK, -ENOTCONN
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_socket_address(int fd, weft_address *out);
WEFT_API int weft_socket_peer(int fd, weft_address *out);

/* Connect to whichever of several addresses answers first, as weft_dial does with those of a name.
 *   addresses  IPv4 and IPv6, as weft_name_find finds them
 * Returns   a descriptor; as weft_dial; words in weft_why(), of each address that was tried
 * Context   task or thread
 * Cancels   yes; nothing is left open.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_dial_any(const weft_address *addresses, int count,
                                     weft_deadline deadline);

/* -- sockets ------------------------------------------------------------------------------------ */

enum weft_datagram_flags {
    /* WEFT_REUSE_PORT of <weft/fd.h>: several sockets share the port, each gets a part of what comes */
    WEFT_REUSE_ADDRESS = 1u << 1 /* SO_REUSEADDR: several share it, each gets all multicasts */
};

/* Make a datagram socket: UDP, or Unix datagrams.
 *   here   where it receives: an address; port 0, and "unix:@" alone, let the kernel choose; a dead
 *          unix path is replaced. NULL: chosen at the first sending; a Unix socket then has no name and
 *          cannot be answered
 *   there  NULL, or the one address that it sends to and receives from: then weft_read and weft_write
 *          serve too, one datagram a call
 *   flags  enum weft_datagram_flags and WEFT_REUSE_PORT
 * Returns   a descriptor; -EADDRINUSE, -EACCES, -EADDRNOTAVAIL, -ECONNREFUSED (nobody at a unix path),
 *           -ENOENT, -EINVAL (both NULL; an address not understood), -EMFILE; words in weft_why()
 * Context   task or thread; never waits
 * Cancels   no.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_datagram(const char *here, const char *there, unsigned flags);

/* Make any socket, as socket(2), O_NONBLOCK and O_CLOEXEC; and give one an address, as bind(2).
 * listen(2) never waits and needs no other form.
 * Returns   weft_socket: a descriptor; weft_bind: 0; errors of socket(2), bind(2)
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_socket(int family, int type, int protocol);
WEFT_API WEFT_MUST int weft_bind(int fd, const weft_address *address);

/* Connect a socket that is made already; weft_dial makes one and connects it.
 * Returns   0; -ECONNREFUSED, -EHOSTUNREACH, -ETIMEDOUT (the deadline's or the kernel's own),
 *           -ECANCELED, -EISCONN, -EBADF (also: closed by weft_close meanwhile). After -ETIMEDOUT and
 *           -ECANCELED a stream socket may still be connecting: close it.
 *           -EINVAL a stream socket that is not O_NONBLOCK: its connect would sleep
 * Context   task or thread
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_connect(int fd, const weft_address *to, weft_deadline deadline);

/* Two connected Unix sockets of a type: SOCK_STREAM (as weft_socketpair), SOCK_DGRAM, or
 * SOCK_SEQPACKET, whose reader learns of the other's end by 0 bytes.
 * Returns   0; -EMFILE, -ENFILE, -ENOMEM, -ESOCKTNOSUPPORT
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_socketpair_of(int type, int out[2]);

/* -- messages ----------------------------------------------------------------------------------- */

/* Receive one datagram and where it came from, waiting until there is one.
 *   size  room for it; 0 is allowed and takes a datagram too
 *   from  NULL, or where the sender's address goes; its size is 0 if he has none
 * Returns   its length; more than size: it was longer, the first size bytes are there and the rest is
 *           lost; 0 an empty one, or a seqpacket's or stream's end; -ETIMEDOUT, -ECANCELED, -EBADF
 *           (also: closed by weft_close meanwhile): none was taken; -ECONNREFUSED: nobody got what a
 *           connected socket sent before
 * Context   task or thread; several receivers each get different datagrams
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST ssize_t weft_recv_from(int fd, void *buf, size_t size, weft_address *from,
                                          weft_deadline deadline);

/* Send one datagram, waiting until there is room for it: in the kernel, and for Unix datagrams in the
 * receiver's queue.
 *   to  where; NULL on a connected socket
 * Returns   size: the kernel has all of it (what UDP promises no more than that); -ETIMEDOUT, -ECANCELED,
 *           -EBADF, -EMSGSIZE (too long), -ECONNREFUSED, -EDESTADDRREQ, -ENETUNREACH, -EPIPE (never
 *           SIGPIPE): nothing was sent
 * Context   task or thread
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST ssize_t weft_send_to(int fd, const void *buf, size_t size,
                                        const weft_address *to, weft_deadline deadline);

/* Who is at the other end of a Unix socket, by the kernel's word. */
struct weft_credentials {
    pid_t pid;
    uid_t uid;
    gid_t gid;
};

enum { WEFT_FDS_MAX = 253 }; /* descriptors in a message */

enum weft_message_flags {
    WEFT_FDS_LOST = 1u << 0 /* more descriptors came than there was room for; those are closed */
};

/* A message with what travels beside its bytes. Set size, parts and what is wanted, the rest is 0. */
struct weft_message {
    size_t size;         /* sizeof (struct weft_message) */
    struct iovec *parts; /* the bytes to send; the room for those that come */
    int parts_count;
    unsigned flags;        /* received: enum weft_message_flags */
    weft_address *address; /* NULL; sent to; received: where the sender's goes */
    int *fds;              /* descriptors to send, of which the sender keeps his; received: room */
    size_t fds_count;      /* how many; received: in the room, out those that came */
    struct weft_credentials *credentials; /* NULL; sent: as oneself, or whom root speaks for;
                                             received: where they go; pid 0 if none came */
};

/* Send a message: weft_write or weft_send_to with descriptors and credentials beside the bytes.
 * Returns   the bytes sent, all of them; on a stream less after an error, as weft_write; errors as
 *           weft_write and weft_send_to; -EINVAL a wrong size, descriptors without a byte to travel
 *           with or more than WEFT_FDS_MAX; -EBADF also one of the descriptors; -ETOOMANYREFS too many
 *           on their way; -EPERM credentials of somebody else. A negative result: nothing was sent
 * Context   task or thread; two senders on a stream may mix their parts
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST ssize_t weft_send_message(int fd, const struct weft_message *message,
                                             weft_deadline deadline);

/* Receive a message. The descriptors in it are the caller's to close, and O_CLOEXEC; none stays open
 * that is not told of. The kernel adds credentials to what is sent after
 * weft_option_set(fd, SOL_SOCKET, SO_PASSCRED, 1).
 *   message  parts, fds with fds_count, address, credentials: room for each; all but parts may be NULL
 * Returns   as weft_recv_from, and on a stream as weft_read; -EINVAL a wrong size. Negative: nothing
 *           was taken, no descriptor came
 * Context   task or thread
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST ssize_t weft_recv_message(int fd, struct weft_message *message,
                                             weft_deadline deadline);

/* Who connected, or who listens, at the other end of a Unix stream or seqpacket: as of the connect.
 * Returns   0; -ENOTSOCK, -EBADF; -ENOTCONN, also when it is no Unix socket
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_peer_credentials(int fd, struct weft_credentials *out);

/* TCP's urgent byte: send one; wait for one. It overtakes the others, and a new one replaces one that
 * was not read. weft_poll tells of one by POLLPRI; with SO_OOBINLINE it stays among the others and
 * sockatmark(3) tells where.
 * Returns   send: 0; as weft_write. recv: 1 it is in *byte; 0 the peer has finished without one;
 *           -ETIMEDOUT, -ECANCELED, -EBADF; -EINVAL with SO_OOBINLINE; -EOPNOTSUPP no such socket
 * Context   task or thread
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_send_urgent(int fd, unsigned char byte, weft_deadline deadline);
WEFT_API WEFT_MUST int weft_recv_urgent(int fd, unsigned char *byte, weft_deadline deadline);

/* -- options ------------------------------------------------------------------------------------ */

/* Options that are a number, by the names of socket(7), ip(7), ipv6(7), tcp(7), udp(7), unix(7):
 * weft_option_set(fd, SOL_SOCKET, SO_BROADCAST, 1).
 * Returns   0; errors of setsockopt(2), getsockopt(2)
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_option_set(int fd, int level, int name, int value);
WEFT_API int weft_option_get(int fd, int level, int name, int *value);

/* Options of another shape.
 *   size  of the value; get: room in, the value's length out
 * Returns   0; errors of setsockopt(2), getsockopt(2)
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_option_set_raw(int fd, int level, int name, const void *value, socklen_t size);
WEFT_API int weft_option_get_raw(int fd, int level, int name, void *value, socklen_t *size);

/* Ask an idle TCP peer whether it lives.
 *   idle   after so long without a word; 0: never ask
 *   every  then so often, and after `tries` without an answer the connection is -ETIMEDOUT. Both spans
 *          are rounded up to seconds
 * Returns   0; -EINVAL; errors of setsockopt(2)
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_keep_alive(int fd, weft_span idle, weft_span every, int tries);

/* What the kernel does with bytes that a stream still has to send when it is closed.
 *   span  < 0: goes on sending (the default); 0: drops them, and the peer sees a reset. Others are
 *         -EINVAL, for a close would sleep so long: wait for the peer's end by weft_read instead
 * Returns   0; -EINVAL, errors of setsockopt(2)
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_linger(int fd, weft_span span);

/* -- multicast ---------------------------------------------------------------------------------- */

/* Receive what is sent to a group; no more.
 *   fd         a datagram socket bound to the group's port. One bound to any address of both families,
 *              ":5000", may join groups of both
 *   group      "239.1.2.3", "ff15::1"
 *   interface  "eth0"; NULL: the kernel chooses one by its routes
 * Returns   0; -EINVAL no group of that name, or no such family; -ENODEV no such interface;
 *           -EADDRINUSE joined already; -EADDRNOTAVAIL not joined; -ENOBUFS too many
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_multicast_join(int fd, const char *group, const char *interface);
WEFT_API int weft_multicast_leave(int fd, const char *group, const char *interface);

/* How a socket sends to groups. A socket of both families is told for both.
 *   interface  through which; NULL: the kernel chooses
 *   hops       how many routers it may pass, 0 to 255; 1 unless told: none
 *   loop       1 (unless told): receivers on this machine get it too; 0
 * Returns   0; -ENODEV, -EINVAL, errors of setsockopt(2)
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_multicast_interface(int fd, const char *interface);
WEFT_API int weft_multicast_hops(int fd, int hops);
WEFT_API int weft_multicast_loop(int fd, int loop);

WEFT_END
#endif
