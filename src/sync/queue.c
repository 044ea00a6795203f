/* queue.c - values from task to task.
 *
 * Under the spin bit one of three is true: getters wait and nothing is inside; putters wait and all
 * slots are full; nobody waits. A put gives its value to a waiting getter directly, a get takes a
 * waiting putter's value into the slot it has freed (or, with no slots, directly).
 */
#include <string.h>
#include <weft/queue.h>

#include "sched/case.h"
#include "sync/sync.h"

static struct weft__wait_queue getters(weft_queue *q)
{
    return WEFT__WAIT_QUEUE(&q->_getters, &q->_getters_last);
}

static struct weft__wait_queue putters(weft_queue *q)
{
    return WEFT__WAIT_QUEUE(&q->_putters, &q->_putters_last);
}

int weft_queue_init(weft_queue *queue, void *slots, uint32_t count, uint32_t size, unsigned flags)
{
    int r = weft__object_flags(flags);
    if (r < 0)
        return r;
    if (size == 0 || (count && !slots) || count > UINT32_MAX / 2)
        return -EINVAL;
    *queue = (weft_queue){
        ._flags = flags,
        ._count = count,
        ._size = size,
        ._producers = 1,
        ._slots = slots,
    };
    return 0;
}

/* Small values are most: their copy is a move or two. */
static inline void copy(void *to, const void *from, uint32_t size)
{
    if (likely(size == 8))
        memcpy(to, from, 8);
    else
        memcpy(to, from, size);
}

static void append(weft_queue *q, const void *value)
{
    uint32_t at = q->_head + q->_length;
    if (at >= q->_count)
        at -= q->_count;
    copy(q->_slots + (size_t)at * q->_size, value, q->_size);
    store_relaxed(&q->_length, q->_length + 1);
}

int weft_queue_put(weft_queue *queue, const void *value, size_t size, weft_deadline deadline)
{
    struct weft__task *self;
    int r = weft__wait_enter(&self);
    if (unlikely(r < 0))
        return r;
    if (unlikely(size != queue->_size))
        return -EINVAL;
    weft__point("put");
    weft__word_lock(&queue->_word);
    if (unlikely(queue->_closed)) {
        weft__word_unlock(&queue->_word);
        return -EPIPE;
    }
    struct weft__wait_node *getter = weft__claim_first(getters(queue));
    if (getter) {
        struct weft__task *task = getter->task;
        copy(getter->value, value, queue->_size);
        getter->result = 1;
        weft__word_unlock(&queue->_word);
        weft__ready(task);
        return 0;
    }
    if (queue->_length < queue->_count) {
        append(queue, value);
        weft__word_unlock(&queue->_word);
        return 0;
    }
    struct weft__wait_node node = { .value = (void *)(uintptr_t)value };
    r = weft__wait_on(&queue->_word, putters(queue), &node, self, deadline, "put", queue);
    return r < 0 ? r : node.result;
}

int weft_queue_get(weft_queue *queue, void *out, size_t size, weft_deadline deadline)
{
    struct weft__task *self;
    int r = weft__wait_enter(&self);
    if (unlikely(r < 0))
        return r;
    if (unlikely(size != queue->_size))
        return -EINVAL;
    weft__point("get");
    weft__word_lock(&queue->_word);
    struct weft__wait_node *putter;
    struct weft__task *task = NULL;
    if (queue->_length > 0) {
        copy(out, queue->_slots + (size_t)queue->_head * queue->_size, queue->_size);
        if (++queue->_head == queue->_count)
            queue->_head = 0;
        store_relaxed(&queue->_length, queue->_length - 1);
        if ((putter = weft__claim_first(putters(queue)))) {
            append(queue, putter->value);
            task = putter->task;
        }
    } else if ((putter = weft__claim_first(putters(queue)))) {
        copy(out, putter->value, queue->_size);
        task = putter->task;
    } else if (queue->_closed) {
        weft__word_unlock(&queue->_word);
        return 0;
    } else {
        struct weft__wait_node node = { .value = out };
        r = weft__wait_on(&queue->_word, getters(queue), &node, self, deadline, "get", queue);
        return r < 0 ? r : node.result;
    }
    weft__word_unlock(&queue->_word);
    if (task)
        weft__ready(task);
    return 1;
}

static int put_attempt(struct weft_case *c)
{
    return weft_queue_put(c->_on, c->_value, c->_detail, weft_at_once());
}

static bool put_blocked(struct weft_case *c, struct weft__task *self)
{
    weft_queue *queue = c->_on;
    return !queue->_closed && queue->_length == queue->_count &&
           !weft__others_wait(getters(queue), self);
}

static int get_attempt(struct weft_case *c)
{
    return weft_queue_get(c->_on, c->_value, c->_detail, weft_at_once());
}

static bool get_blocked(struct weft_case *c, struct weft__task *self)
{
    weft_queue *queue = c->_on;
    return !queue->_closed && queue->_length == 0 && !weft__others_wait(putters(queue), self);
}

struct weft_case weft_on_put(weft_queue *queue, const void *value, size_t size)
{
    static const struct weft__case_ops ops = { .attempt = put_attempt, .blocked = put_blocked };
    return queue ? weft__case(&ops, queue, (void *)(uintptr_t)value, size, &queue->_word,
                              putters(queue))
                 : (struct weft_case){ 0 };
}

struct weft_case weft_on_get(weft_queue *queue, void *out, size_t size)
{
    static const struct weft__case_ops ops = { .attempt = get_attempt, .blocked = get_blocked };
    return queue ? weft__case(&ops, queue, out, size, &queue->_word, getters(queue))
                 : (struct weft_case){ 0 };
}

void weft_queue_producers(weft_queue *queue, uint32_t n)
{
    queue->_producers = n;
}

void weft_queue_close(weft_queue *queue)
{
    struct weft__task *get = NULL, *put = NULL;
    weft__point("close");
    weft__word_lock(&queue->_word);
    if (queue->_producers > 0 && --queue->_producers == 0) {
        store_relaxed(&queue->_closed, 1);
        get = weft__claim_all(getters(queue), 0);
        put = weft__claim_all(putters(queue), -EPIPE);
    }
    weft__word_unlock(&queue->_word);
    weft__ready_all(get);
    weft__ready_all(put);
}

uint32_t weft_queue_length(const weft_queue *queue)
{
    return load_relaxed(&queue->_length);
}

void weft_queue_fini(weft_queue *queue)
{
    WEFT_BUG_ON(queue->_getters || queue->_putters, "queue %p is torn down under a waiter",
                (void *)queue);
    *queue = (weft_queue){ 0 };
}
