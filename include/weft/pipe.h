/* weft/pipe.h - whole messages there and back, between two ends; any number of tasks, of any kind and in any
 * process, on each.
 *
 *     weft_pipe_pair *pipe = weft_arena_alloc(sizeof *pipe);
 *     weft_pipe_init(pipe, 0, WEFT_SHARED);
 *     weft_group_spawn(&g, WEFT_PROCESS, child, &pipe->end[1]);
 *     weft_pipe_send(&pipe->end[0], "hello", 6, weft_never());
 *     weft_pipe_receive(&pipe->end[0], text, sizeof text, &size, weft_after(WEFT_SEC)); // what child sends
 *
 * A process holds an end from its first call on it until it closes it, or ends. When an end was held and is no
 * more, the other end is told: by 0 after the last message if it was closed, by -EPIPE if its last holder ended
 * without closing it, killed or not. (Who ends before its first call has held nothing: a deadline, or the join,
 * tells.)
 *
 * Programs of one user that did not start each other have ends over a socket, by name; and descriptors go along
 * with messages there:
 *
 *     int listener = weft_pipe_listen("/run/user/1000/talk");       // one of them
 *     weft_pipe_accept(&end, listener, weft_never());
 *     weft_pipe_dial(&end, "/run/user/1000/talk", weft_never());    // the other
 *     weft_pipe_send_fd(&end, "read this", 10, fd, weft_never());
 */
#ifndef WEFT_PIPE_H
#define WEFT_PIPE_H

#include <weft/base.h>
#include <weft/lock.h>
#include <weft/queue.h>
#include <weft/time.h>

WEFT_BEGIN

typedef struct weft_pipe_end { /* private; 192 bytes */
    union {
        weft_queue _in;     /* what is on its way to it */
        weft_lock _reading; /* over a socket: who receives now */
    };
    void *_holders;
    uint32_t _was_held, _number;
    int32_t _fd;
    uint32_t _over; /* a socket, and what of it */
    uint64_t _reserved[5];
} weft_pipe_end;

typedef struct weft_pipe_pair { /* 384 bytes */
    weft_pipe_end end[2];
} weft_pipe_pair;

/* Prepare a pipe.
 *   pipe   in the arena
 *   limit  bytes on their way in one direction before a send waits, about; 0: 16 MiB
 *   flags  WEFT_SHARED
 * Returns   0; -EINVAL, -ENOMEM, with words in weft_why()
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_pipe_init(weft_pipe_pair *pipe, uint64_t limit, unsigned flags);

/* Send a message to the other end, waiting while too much is on its way there. Messages of several tasks come
 * in some order, each one whole.
 *   data, size  any size, also 0
 * Returns   0; -EPIPE an end is closed, or the other's last holder has ended; -ETIMEDOUT, -ECANCELED, -ENOMEM,
 *           -ENOTSUP (the child of a plain fork): not sent
 * Context   task or thread; any number at once
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_pipe_send(weft_pipe_end *end, const void *data, size_t size,
                                      weft_deadline deadline);

/* Receive the next message, waiting for one. Of several that receive at one end one gets it.
 *   out, room  where to, and how many bytes at most
 *   size       its length; also when it is too long
 * Returns   1 it is in out; 0 the other end is closed, and this was all; -EMSGSIZE it is longer than room, and
 *           stays; -EPIPE the other end's last holder ended without closing it, and this was all, or this end is
 *           closed; -ETIMEDOUT, -ECANCELED, -ENOMEM, -ENOTSUP: nothing was taken; -EMFILE over a socket: no number
 *           was free for a descriptor that a long message came by, and it is lost
 * Context   task or thread; any number at once
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_pipe_receive(weft_pipe_end *end, void *out, size_t room, size_t *size,
                                         weft_deadline deadline);

/* Wait until there is something to receive; with weft_at_once(), ask.
 * Returns   1 there is, but another may take it first; 0, and errors, as weft_pipe_receive
 * Context   task or thread; any number at once
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_pipe_poll(weft_pipe_end *end, weft_deadline deadline);

/* -- over a socket ------------------------------------------------------------------------------------- */

/* Make an end of a connected socket, whose other side is to be one too: for processes that one of them is
 * passed to. A socket's end is one process's, for any number of its tasks, and lies outside the arena. Every call
 * on ends serves it; about 200 KB are on their way before a send waits, where a message of more than 32 KiB
 * counts for a descriptor.
 *   fd  of type SOCK_SEQPACKET, as weft_socketpair_of makes two
 * Returns   0; -EINVAL, -ENOMEM, -EMFILE, with words in weft_why()
 * Context   anywhere
 * Cancels   no
 * Owns      on 0 fd is the end's, until weft_pipe_close.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_pipe_init_over(weft_pipe_end *end, int fd);

/* Wait under a name for other programs of this user, and connect to one that does. Both sides ask the kernel who
 * the other is.
 *   path  of up to 107 bytes, in a folder that nobody else may write to, /run/user/UID best; listen makes it,
 *         mode 0600, and replaces a dead one. It stays after weft_close(listener)
 * Returns   listen: a descriptor, for weft_close; accept, dial: 0, and *end is made. -EPERM (dial) it is another
 *           user's, no socket, or others may write to it; -EADDRINUSE, -ENOENT, -ECONNREFUSED, -EINVAL, -ENOMEM,
 *           -EMFILE; -ETIMEDOUT, -ECANCELED: *end is not made; with words in weft_why() for all but the last two.
 *           Accept passes over other users
 * Context   task or thread
 * Cancels   accept and dial.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_pipe_listen(const char *path);
WEFT_API WEFT_MUST int weft_pipe_accept(weft_pipe_end *end, int listener, weft_deadline deadline);
WEFT_API WEFT_MUST int weft_pipe_dial(weft_pipe_end *end, const char *path, weft_deadline deadline);

/* Send a message with a descriptor, of which the sender keeps his; receive one with what came along.
 *   fd   receive: the caller's to close, O_CLOEXEC; -1: none came along. (The other calls close it.)
 * Returns   as weft_pipe_send and weft_pipe_receive; -EBADF; -ETOOMANYREFS too many are on their way;
 *           -ENOTSUP an end in the arena, with words in weft_why()
 * Context   task or thread; any number at once
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_pipe_send_fd(weft_pipe_end *end, const void *data, size_t size, int fd,
                                         weft_deadline deadline);
WEFT_API WEFT_MUST int weft_pipe_receive_fd(weft_pipe_end *end, void *out, size_t room,
                                            size_t *size, int *fd, weft_deadline deadline);

/* -- ends ---------------------------------------------------------------------------------------------- */

/* This process is done with the end. The last holder's close closes it: the other end receives what is on its
 * way, then 0, and sends no more; what was on its way here is lost. Closing what one does not hold is the same
 * if nobody holds it, else nothing.
 * Context   task or thread; no other task of this process uses the end any more
 * Cancels   no.   Since 0.1
 */
WEFT_API void weft_pipe_close(weft_pipe_end *end);

/* End its use; messages on their way are lost. Zeroed memory is fine.
 * Context   when no process uses it any more
 * Cancels   no.   Since 0.1
 */
WEFT_API void weft_pipe_fini(weft_pipe_pair *pipe);

WEFT_END
#endif
