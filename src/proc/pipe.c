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

void weft_pipe_close(weft_pipe_end *end)
{
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
