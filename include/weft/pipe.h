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
 * more, the other end is told: by 0 after the last message if it was closed, by -EPIPE if its last holder died.
 * (Who dies before its first call has held nothing: a deadline, or the join, tells.) */
#ifndef WEFT_PIPE_H
#define WEFT_PIPE_H

#include <weft/base.h>
#include <weft/queue.h>
#include <weft/time.h>

WEFT_BEGIN

typedef struct weft_pipe_end { /* private; 192 bytes */
    weft_queue _in;            /* what is on its way to it */
    void *_holders;
    uint32_t _was_held, _number;
    uint64_t _reserved[6];
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
 * Returns   0; -EPIPE an end is closed, or the other's last holder died; -ETIMEDOUT, -ECANCELED, -ENOMEM,
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
 *           stays; -EPIPE the other end's last holder died, and this was all, or this end is closed;
 *           -ETIMEDOUT, -ECANCELED, -ENOMEM, -ENOTSUP: nothing was taken
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
