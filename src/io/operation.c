/* operation.c - a call that goes on while its caller does something else.
 *
 * A coroutine carries it, a daemon of the background group: the kernel would have to be asked again
 * after each readiness anyway, and so every call that waits can be an operation, with its own rules for
 * deadlines, cancel and close, at the price of a stack page while it lasts. A ring's requests would save
 * the page and nothing else. Waiters join the task, whose record outlives any operation's memory; the
 * operation itself is touched for the last time when _done is set.
 */
#include <weft/operation.h>
#include <weft/socket.h>

#include "io/io.h"

static int carry(void *arg)
{
    weft_operation *op = arg;
    op->_result = op->_fn(op->_arg);
    store_release(&op->_done, 1u);
    return 0;
}

static int start(weft_operation *op, weft_operation with)
{
    struct weft_spawn more = { .size = sizeof more, .task = &op->task };
    *op = with;
    int r = weft_group_spawn_with(weft_background(), WEFT_COROUTINE | WEFT_DAEMON, carry, op, &more);
    if (r < 0)
        op->task.id = 0;
    return r;
}

int weft_operation_call(weft_operation *op, ssize_t (*fn)(void *arg), void *arg)
{
    return start(op, (weft_operation){ ._fn = fn, ._arg = arg });
}

static ssize_t do_read(void *arg)
{
    weft_operation *op = arg;
    return weft_read(op->_fd, op->_buf, op->_size, op->_deadline);
}

static ssize_t do_write(void *arg)
{
    weft_operation *op = arg;
    return weft_write(op->_fd, op->_buf, op->_size, op->_deadline);
}

static ssize_t do_accept(void *arg)
{
    weft_operation *op = arg;
    return weft_accept(op->_fd, op->_more, op->_deadline);
}

static ssize_t do_dial(void *arg)
{
    weft_operation *op = arg;
    return weft_dial(op->_buf, op->_deadline);
}

static ssize_t do_recv_from(void *arg)
{
    weft_operation *op = arg;
    return weft_recv_from(op->_fd, op->_buf, op->_size, op->_more, op->_deadline);
}

static ssize_t do_send_to(void *arg)
{
    weft_operation *op = arg;
    return weft_send_to(op->_fd, op->_buf, op->_size, op->_more, op->_deadline);
}

static int start_on(weft_operation *op, ssize_t (*fn)(void *arg), int fd, const void *buf,
                    size_t size, const void *more, weft_deadline deadline)
{
    return start(op, (weft_operation){ ._fn = fn,
                                       ._arg = op,
                                       ._fd = fd,
                                       ._buf = (void *)(uintptr_t)buf,
                                       ._size = size,
                                       ._more = (void *)(uintptr_t)more,
                                       ._deadline = deadline });
}

int weft_operation_read(weft_operation *op, int fd, void *buf, size_t size, weft_deadline deadline)
{
    return start_on(op, do_read, fd, buf, size, NULL, deadline);
}

int weft_operation_write(weft_operation *op, int fd, const void *buf, size_t size,
                         weft_deadline deadline)
{
    return start_on(op, do_write, fd, buf, size, NULL, deadline);
}

int weft_operation_accept(weft_operation *op, int listener, struct sockaddr_storage *peer,
                          weft_deadline deadline)
{
    return start_on(op, do_accept, listener, NULL, 0, peer, deadline);
}

int weft_operation_dial(weft_operation *op, const char *where, weft_deadline deadline)
{
    return start_on(op, do_dial, -1, where, 0, NULL, deadline);
}

int weft_operation_recv_from(weft_operation *op, int fd, void *buf, size_t size,
                             struct weft_address *from, weft_deadline deadline)
{
    return start_on(op, do_recv_from, fd, buf, size, from, deadline);
}

int weft_operation_send_to(weft_operation *op, int fd, const void *buf, size_t size,
                           const struct weft_address *to, weft_deadline deadline)
{
    return start_on(op, do_send_to, fd, buf, size, to, deadline);
}

bool weft_operation_is_done(const weft_operation *op)
{
    return load_acquire(&op->_done);
}

/* Also one that is done is joined: then its record, and the stack that this lies on, is free again. It
 * has nothing left to do but to leave, which no deadline need hear of. */
int weft_operation_wait(weft_operation *op, ssize_t *result, weft_deadline deadline)
{
    struct weft__task *self;
    int r = weft__wait_enter(&self);
    if (r < 0)
        return r;
    if (load_acquire(&op->_done)) {
        struct weft__calm calm = weft__calm_begin(self);
        (void)!weft_task_join(op->task, NULL, weft_never());
        weft__calm_end(self, calm);
    } else {
        r = weft_task_join(op->task, NULL, deadline);
        if (r == -ESRCH && load_acquire(&op->_done)) /* joined by another meanwhile */
            r = 0;
    }
    if (r == 0)
        *result = op->_result;
    return r;
}

ssize_t weft_operation_cancel(weft_operation *op)
{
    struct weft__task *self = weft__self();
    ssize_t result;
    weft_task_cancel(op->task);                   /* of one that has ended: nothing */
    while (!self && weft_task_is_alive(op->task)) /* a thread without a record cannot sleep */
        weft__sys_sched_yield();
    if (!self)
        return load_acquire(&op->_done) ? op->_result : -ESRCH;
    struct weft__calm calm = weft__calm_begin(self);
    int r = weft_operation_wait(op, &result, weft_never());
    weft__calm_end(self, calm);
    return r < 0 ? r : result;
}
