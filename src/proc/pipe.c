/* pipe.c - two queues of messages, and who holds each end. */
#include "proc/pipe.h"

#include "shared/arena.h"
#include "sync/shared.h"

enum { MESSAGES = 256 };
#define LIMIT (16ull << 20)

_Static_assert(sizeof(weft_pipe_end) == 192 && sizeof(weft_pipe_pair) == 384, "public sizes");

static weft_pipe_end *other(weft_pipe_end *end)
{
    return end->_number ? end - 1 : end + 1;
}

static weft__cells *holders(weft_pipe_end *end)
{
    return (weft__cells *)&end->_holders;
}

/* From now on this process is seen to be there. */
static int hold(weft_pipe_end *end)
{
    if (weft__cells_mine(holders(end)) > 0)
        return 0;
    int r = weft__cells_add(holders(end), 1);
    if (r == 0)
        shared_store(&end->_was_held, 1);
    return r;
}

/* Was it held, and is nobody left? */
static bool is_left(void *arg)
{
    weft_pipe_end *end = arg;
    return load_acquire(&end->_was_held) && weft__cells_sum(holders(end), NULL) == 0;
}

int weft_pipe_init(weft_pipe_pair *pipe, uint64_t limit, unsigned flags)
{
    int r = flags == WEFT_SHARED && weft__arena_has(pipe, sizeof *pipe)
                ? 0
                : weft__failed(-EINVAL, "a pipe is made with WEFT_SHARED, in the arena");
    if (r < 0)
        return r;
    memset(pipe, 0, sizeof *pipe);
    for (uint32_t i = 0; i < 2 && r == 0; i++) {
        weft_pipe_end *end = &pipe->end[i];
        end->_number = i;
        r = weft_queue_init(&end->_in, NULL, MESSAGES, 0, WEFT_SHARED);
        if (r == 0 && (r = weft__cells_begin(holders(end))) < 0)
            weft__failed(r, "a pipe");
        if (r == 0)
            weft_queue_limit(&end->_in, limit ? limit : LIMIT);
    }
    if (r < 0)
        weft_pipe_fini(pipe);
    return r;
}

int weft__pipe_send(weft_pipe_end *end, struct weft__message *message, weft_deadline deadline)
{
    if (end->_over)
        return weft__pipe_socket_send(end, message, -1, deadline);
    weft_pipe_end *to = other(end);
    int r = hold(end);
    message->left = is_left;
    message->other = to;
    if (r == 0 && is_left(to))
        r = -EPIPE;
    return r < 0 ? r : weft__shared_queue_put(&to->_in, message, deadline);
}

int weft_pipe_send(weft_pipe_end *end, const void *data, size_t size, weft_deadline deadline)
{
    struct weft__message message = { .from = data, .size = size };
    return weft__pipe_send(end, &message, deadline);
}

int weft__pipe_receive(weft_pipe_end *end, struct weft__message *message, weft_deadline deadline)
{
    if (end->_over)
        return weft__pipe_socket_receive(end, message, NULL, deadline);
    int r = hold(end);
    message->left = is_left;
    message->other = other(end);
    return r < 0 ? r : weft__shared_queue_get(&end->_in, message, deadline);
}

int weft_pipe_receive(weft_pipe_end *end, void *out, size_t room, size_t *size,
                      weft_deadline deadline)
{
    struct weft__message message = { .to = out, .room = room };
    int r = weft__pipe_receive(end, &message, deadline);
    if (r == 1 || r == -EMSGSIZE)
        *size = message.size;
    return r;
}

int weft_pipe_poll(weft_pipe_end *end, weft_deadline deadline)
{
    struct weft__message message = { .looks = true };
    return weft__pipe_receive(end, &message, deadline);
}

/* -- with a descriptor ------------------------------------------------------------------------------ */

static int check_for_descriptors(const weft_pipe_end *end)
{
    return end->_over ? 0 : weft__failed(-ENOTSUP, "a descriptor through a pipe in the arena");
}

int weft_pipe_send_fd(weft_pipe_end *end, const void *data, size_t size, int fd,
                      weft_deadline deadline)
{
    struct weft__message message = { .from = data, .size = size };
    int r = fd < 0 ? -EBADF : check_for_descriptors(end);
    return r < 0 ? r : weft__pipe_socket_send(end, &message, fd, deadline);
}

int weft_pipe_receive_fd(weft_pipe_end *end, void *out, size_t room, size_t *size, int *fd,
                         weft_deadline deadline)
{
    struct weft__message message = { .to = out, .room = room };
    int r = check_for_descriptors(end);
    if (r == 0)
        r = weft__pipe_socket_receive(end, &message, fd, deadline);
    if (r == 1 || r == -EMSGSIZE)
        *size = message.size;
    return r;
}

/* -- cases of weft_select --------------------------------------------------------------------------- */

int weft__pipe_receive_attempt(struct weft_case *c)
{
    size_t *size = (size_t *)(uintptr_t)c->_more;
    return c->_value ? weft_pipe_receive(c->_on, c->_value, *size, size, weft_at_once())
                     : weft_pipe_poll(c->_on, weft_at_once());
}

int weft__pipe_send_attempt(struct weft_case *c)
{
    return weft_pipe_send(c->_on, c->_value, c->_more, weft_at_once());
}

static const uint32_t *receive_look(struct weft_case *c, uint32_t *seen)
{
    weft_pipe_end *end = c->_on;
    const uint32_t *word = weft__shared_queue_look(&end->_in, false, 0, seen);
    return is_left(other(end)) ? NULL : word;
}

static const uint32_t *send_look(struct weft_case *c, uint32_t *seen)
{
    weft_pipe_end *to = other(c->_on);
    const uint32_t *word = weft__shared_queue_look(&to->_in, true, c->_more, seen);
    return is_left(to) ? NULL : word;
}

static void receive_pass(struct weft_case *c)
{
    weft__shared_queue_pass(&((weft_pipe_end *)c->_on)->_in, false);
}

static void send_pass(struct weft_case *c)
{
    weft__shared_queue_pass(&other(c->_on)->_in, true);
}

static struct weft_case on_pipe(const struct weft__case_ops *ops, weft_pipe_end *end, void *data,
                                uint64_t more, bool sends)
{
    struct weft_case c = { 0 };
    if (end && end->_over)
        c = weft__pipe_socket_case(end, sends);
    else if (end)
        c = weft__case(ops, end, NULL, 0, NULL, WEFT__WAIT_QUEUE(NULL, NULL));
    c._value = data;
    c._more = more;
    return c;
}

struct weft_case weft_on_receive(weft_pipe_end *end, void *out, size_t *size)
{
    static const struct weft__case_ops ops = { .name = "receive",
                                               .attempt = weft__pipe_receive_attempt,
                                               .blocked = weft__case_blocked,
                                               .taken = weft__pipe_receive_attempt,
                                               .look = receive_look,
                                               .pass = receive_pass };
    return on_pipe(&ops, end, out, (uintptr_t)size, false);
}

struct weft_case weft_on_send(weft_pipe_end *end, const void *data, size_t size)
{
    static const struct weft__case_ops ops = { .name = "send",
                                               .attempt = weft__pipe_send_attempt,
                                               .blocked = weft__case_blocked,
                                               .taken = weft__pipe_send_attempt,
                                               .look = send_look,
                                               .pass = send_pass };
    return on_pipe(&ops, end, (void *)(uintptr_t)data, size, true);
}

/* -- ends ------------------------------------------------------------------------------------------- */

void weft_pipe_close(weft_pipe_end *end)
{
    if (end->_over) {
        weft__pipe_socket_close(end);
        return;
    }
    weft__cells_sub(holders(end), 1);
    if (weft__cells_sum(holders(end), NULL) > 0)
        return;
    weft_queue_close(&other(end)->_in);
    weft_queue_close(&end->_in);
}

void weft_pipe_fini(weft_pipe_pair *pipe)
{
    for (int i = 0; i < 2; i++) {
        weft_queue_fini(&pipe->end[i]._in);
        weft__cells_free(holders(&pipe->end[i]));
    }
    memset(pipe, 0, sizeof *pipe);
}
