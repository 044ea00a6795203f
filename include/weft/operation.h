/* weft/operation.h - start a read, do other work, ask whether it is done, wait for it, cancel it.
 *
 *     char page[4096];
 *     ssize_t n = 0;
 *     weft_operation op;
 *     int r = weft_operation_read(&op, fd, page, sizeof page, weft_never());
 *     if (r == 0)
 *         draw_something_else();
 *     if (r == 0 && weft_operation_wait(&op, &n, weft_after(WEFT_SEC)) < 0)
 *         n = weft_operation_cancel(&op); // what it did after all, or -ECANCELED
 *
 * An operation is an ordinary call in a coroutine of its own, so it waits, ends and fails as the call
 * does. It begins when a worker is free for it: at once, or at the latest when a caller that is itself a
 * coroutine waits or yields. Several that belong together are better spawned into a group. */
#ifndef WEFT_OPERATION_H
#define WEFT_OPERATION_H

#include <sys/socket.h>
#include <sys/types.h>

#include <weft/base.h>
#include <weft/task.h>
#include <weft/time.h>

WEFT_BEGIN

struct weft_address;

/* The caller's memory; it and what the operation works on must stay until is_done has said yes, wait
 * has returned 0, or cancel has returned. From then on nothing touches them. */
typedef struct weft_operation { /* 128 bytes; private but for task */
    weft_task task;             /* what carries it, to be waited for as any task (weft_select) */
    uint32_t _done;
    int _fd;
    ssize_t _result;
    ssize_t (*_fn)(void *arg);
    void *_arg, *_buf;
    size_t _size;
    void *_more;
    weft_deadline _deadline;
    uint64_t _reserved[7];
} weft_operation;

/* Start one: weft_read, weft_write, weft_accept, weft_dial, weft_recv_from, weft_send_to. The deadline is
 * the operation's own; weft_after counts from when it begins to wait.
 * Returns   0; -ENOMEM, -EAGAIN (no runtime), -ECANCELED: nothing was started
 * Context   task or thread; never waits
 * Cancels   no.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_operation_read(weft_operation *op, int fd, void *buf, size_t size,
                                           weft_deadline deadline);
WEFT_API WEFT_MUST int weft_operation_write(weft_operation *op, int fd, const void *buf,
                                            size_t size, weft_deadline deadline);
WEFT_API WEFT_MUST int weft_operation_accept(weft_operation *op, int listener,
                                             struct sockaddr_storage *peer, weft_deadline deadline);
WEFT_API WEFT_MUST int weft_operation_dial(weft_operation *op, const char *where,
                                           weft_deadline deadline);
WEFT_API WEFT_MUST int weft_operation_recv_from(weft_operation *op, int fd, void *buf, size_t size,
                                                struct weft_address *from, weft_deadline deadline);
WEFT_API WEFT_MUST int weft_operation_send_to(weft_operation *op, int fd, const void *buf,
                                              size_t size, const struct weft_address *to,
                                              weft_deadline deadline);

/* Start anything else that waits: fn(arg) runs in the coroutine, where it may wait, and its result is the
 * operation's.
 * Returns   as above. fn is called in any case once this has returned 0, cancelled or not
 * Context   task or thread; never waits
 * Cancels   no.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_operation_call(weft_operation *op, ssize_t (*fn)(void *arg), void *arg);

/* Has it ended?
 * Returns   true: a wait for it returns at once
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API bool weft_operation_is_done(const weft_operation *op);

/* Wait until it has ended; it goes on if the wait ends first. Any number may wait, and ask again.
 *   result  what the call returned, its error if it failed
 * Returns   0; -ETIMEDOUT, -ECANCELED: the waiter's own; -ESRCH it was never started;
 *           -EDEADLK from inside it
 * Context   task or thread
 * Cancels   yes: the wait, not the operation.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_operation_wait(weft_operation *op, ssize_t *result,
                                           weft_deadline deadline);

/* Cancel it and wait for its end, which no cancel or bound of the caller's cuts short: short, unless a
 * disk has begun on it or a function given to weft_operation_call does not end.
 * Returns   its result: -ECANCELED; what it did if it was quicker; -ESRCH it was never started
 *           (zeroed memory is fine); -EDEADLK from inside it
 * Context   task or thread, more than once if you like
 * Cancels   no.   Since 0.1
 */
WEFT_API ssize_t weft_operation_cancel(weft_operation *op);

WEFT_END
#endif
