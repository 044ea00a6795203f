/* queue.c - values from task to task.
 *
 * Under the spin bit one of three is true: getters wait and nothing is inside; putters wait and as many
 * values are inside as may be; nobody waits. A put gives its value to a waiting getter directly; a get
 * takes a waiting putter's value into the slot it has freed (or, where there are no slots, directly).
 *
 * Slots are a ring that the values of a fifo move round, the bottom of which is a lifo's stack, or the
 * heap of a priority queue. Those of the queue's own are allocated under the spin bit, so that a put is
 * one step: as they double and halve, that is rare.
 */
#include <limits.h>
#include <string.h>
#include <weft/queue.h>

#include "base/alloc.h"
#include "sched/case.h"
#include "sync/look.h"
#include "sync/shared_queue.h"
#include "sync/sync.h"

enum side { GET, PUT };
enum { OWN = 1 << 30 /* in _flags: the slots are the queue's */, ROOM_MIN = 4 };
static const uint32_t COUNT_MAX = 1u << 31;

static struct weft__wait_queue getters(weft_queue *q)
{
    return WEFT__WAIT_QUEUE(&q->_getters, &q->_getters_last);
}

static struct weft__wait_queue putters(weft_queue *q)
{
    return WEFT__WAIT_QUEUE(&q->_putters, &q->_putters_last);
}

static struct weft__wait_queue joiners(weft_queue *q)
{
    return WEFT__WAIT_QUEUE(&q->_joiners, &q->_joiners_last);
}

/* -- looking on: see sync/look.h. A hand-over has nothing to look at: both ends would look on. ----------- */

static bool can_go_on(weft_queue *q, unsigned side)
{
    uint32_t length = load_relaxed(&q->_length);
    return load_relaxed(&q->_producers) == 0 ||
           (side == GET ? length > 0 : length <= q->_count - (q->_count + 3) / 4);
}

/* With the spin bit held. true: it was let go meanwhile, so all may have changed. */
static bool look_on(weft_queue *q, enum side side, struct weft__task *self, weft_deadline *deadline)
{
    if (deadline->ns == 0 || q->_count == 0 || weft__rt.seeded ||
        load_relaxed(&weft__solo.state) != WEFT__SOLO_OFF || weft__has_work(self->worker))
        return false;
    if (q->_skips[side] > 0) {
        q->_skips[side]--;
        return false;
    }
    weft__word_unlock(&q->_word);
    deadline->ns = weft__deadline_at(*deadline); /* the call begins to wait here */
    bool pays = weft__look_on(q, side, self, *deadline, can_go_on);
    weft__word_lock(&q->_word);
    weft__look_learn(q, side, pays);
    return true;
}

/* -- slots ---------------------------------------------------------------------------------------- */

struct entry {
    int64_t priority;
    uint64_t turn; /* among equals */
    unsigned char value[];
};
_Static_assert(WEFT_PRIORITY_SLOT(1) == sizeof(struct entry) + 8, "a slot holds an entry");

static struct entry *entry_at(const weft_queue *q, uint32_t at)
{
    return (void *)(q->_slots + at * WEFT_PRIORITY_SLOT(q->_size));
}

static bool is_before(const struct entry *a, const struct entry *b)
{
    return a->priority < b->priority || (a->priority == b->priority && a->turn < b->turn);
}

/* Small values are most: their copy is a move or two. */
static inline void copy(void *to, const void *from, uint32_t size)
{
    if (likely(size == 8))
        memcpy(to, from, 8);
    else
        memcpy(to, from, size);
}

static void heap_put(weft_queue *q, const void *value, int64_t priority)
{
    uint32_t at = q->_length;
    while (at > 0 && priority < entry_at(q, (at - 1) / 2)->priority) { /* equals are older */
        memcpy(entry_at(q, at), entry_at(q, (at - 1) / 2), WEFT_PRIORITY_SLOT(q->_size));
        at = (at - 1) / 2;
    }
    struct entry *entry = entry_at(q, at);
    entry->priority = priority;
    entry->turn = q->_put;
    copy(entry->value, value, q->_size);
}

static void heap_take(weft_queue *q, void *out)
{
    copy(out, entry_at(q, 0)->value, q->_size);
    uint32_t at = 0, child, rest = q->_length - 1;
    const struct entry *last = entry_at(q, rest);
    for (; (child = 2 * at + 1) < rest; at = child) {
        if (child + 1 < rest && is_before(entry_at(q, child + 1), entry_at(q, child)))
            child++;
        if (is_before(last, entry_at(q, child)))
            break;
        memcpy(entry_at(q, at), entry_at(q, child), WEFT_PRIORITY_SLOT(q->_size));
    }
    if (at != rest)
        memcpy(entry_at(q, at), last, WEFT_PRIORITY_SLOT(q->_size));
}

/* Move to memory of the queue's own for so many values; what is inside begins at slot 0 then. */
static noinline int resize(weft_queue *q, uint32_t room)
{
    size_t slot = q->_flags & WEFT_PRIORITY ? WEFT_PRIORITY_SLOT(q->_size) : q->_size;
    unsigned char *slots = weft__alloc(room * slot, 16);
    if (!slots)
        return -ENOMEM;
    if (q->_length) {
        uint32_t front = q->_room - q->_head < q->_length ? q->_room - q->_head : q->_length;
        memcpy(slots, q->_slots + q->_head * slot, front * slot);
        memcpy(slots + front * slot, q->_slots, (q->_length - front) * slot);
    }
    weft__release(q->_slots, q->_room * slot);
    q->_slots = slots;
    q->_room = room;
    q->_head = 0;
    return 0;
}

static noinline int grow(weft_queue *q)
{
    if (q->_room >= COUNT_MAX)
        return -ENOMEM;
    uint32_t room = q->_room ? q->_room * 2 : ROOM_MIN;
    return resize(q, room < q->_count ? room : q->_count);
}

/* There is a slot. */
static inline void append(weft_queue *q, const void *value, int64_t priority)
{
    if (unlikely(q->_flags & WEFT_PRIORITY)) {
        heap_put(q, value, priority);
    } else {
        uint32_t at = q->_head + q->_length;
        if (at >= q->_room)
            at -= q->_room;
        copy(q->_slots + (size_t)at * q->_size, value, q->_size);
    }
    q->_put++;
    store_relaxed(&q->_length, q->_length + 1);
}

/* There is a value. */
static inline void take(weft_queue *q, void *out)
{
    uint32_t at = q->_head;
    if (unlikely(q->_flags & WEFT_PRIORITY)) {
        heap_take(q, out);
    } else {
        if (unlikely(q->_flags & WEFT_LIFO))
            at = q->_length - 1;
        else if (++q->_head == q->_room)
            q->_head = 0;
        copy(out, q->_slots + (size_t)at * q->_size, q->_size);
    }
    store_relaxed(&q->_length, q->_length - 1);
    if (unlikely(q->_flags & OWN) && q->_length < q->_room / 4 && q->_room > ROOM_MIN)
        (void)resize(q, q->_room / 2); /* else it stays as large */
}

/* -- put and get ---------------------------------------------------------------------------------- */

/* The node of a put has its priority behind it. */
struct waiter {
    struct weft__wait_node node;
    int64_t priority;
};
_Static_assert(sizeof(struct waiter) <= sizeof(((struct weft_case *)0)->_node), "it fits a case");

static inline struct weft__wait_node *claim(struct weft__wait_queue waiters)
{
    return unlikely(*waiters.first) ? weft__claim_first(waiters) : NULL;
}

/* Under the spin bit: put and get, or -EAGAIN; *woken, if that is set, is to be made ready after. Inlined
 * once for the calls that are to be fast; all others take try_put and try_get. */
static always_inline int put_now(weft_queue *q, const void *value, int64_t priority,
                                 struct weft__task **woken)
{
    if (unlikely(q->_producers == 0))
        return -EPIPE;
    struct weft__wait_node *getter = claim(getters(q));
    if (getter) {
        copy(getter->value, value, q->_size);
        getter->result = 1;
        q->_put++;
        *woken = getter->task;
        return 0;
    }
    if (unlikely(q->_length == q->_room)) {
        if (q->_room == q->_count)
            return -EAGAIN;
        int r = grow(q);
        if (r < 0)
            return r;
    }
    append(q, value, priority);
    return 0;
}

static always_inline int get_now(weft_queue *q, void *out, struct weft__task **woken)
{
    struct weft__wait_node *putter;
    if (likely(q->_length > 0)) {
        take(q, out);
        if ((putter = claim(putters(q)))) {
            append(q, putter->value, container_of(putter, struct waiter, node)->priority);
            *woken = putter->task;
        }
        return 1;
    }
    if ((putter = claim(putters(q)))) {
        copy(out, putter->value, q->_size);
        q->_put++;
        *woken = putter->task;
        return 1;
    }
    return q->_producers == 0 ? 0 : -EAGAIN;
}

static noinline int try_put(weft_queue *q, const void *value, int64_t priority,
                            struct weft__task **woken)
{
    return put_now(q, value, priority, woken);
}

static noinline int try_get(weft_queue *q, void *out, struct weft__task **woken)
{
    return get_now(q, out, woken);
}

/* What every call that may wait begins with. 0: the spin bit is held. */
static always_inline int enter(weft_queue *q, size_t size, const char *operation,
                               struct weft__task **self)
{
    int r = weft__wait_enter(self);
    if (unlikely(r < 0))
        return r;
    if (unlikely(size != q->_size))
        return -EINVAL;
    weft__point(operation);
    weft__word_lock(&q->_word);
    return 0;
}

static always_inline void leave(weft_queue *q, struct weft__task *woken)
{
    weft__word_unlock(&q->_word);
    if (woken)
        weft__ready(woken);
}

static inline bool is_shared(const weft_queue *q)
{
    return unlikely(q->_flags & WEFT_SHARED);
}

/* With the spin bit held, after -EAGAIN. */
static noinline int wait_for(enum side side, weft_queue *q, struct waiter *waiter,
                             struct weft__task *self, weft_deadline deadline)
{
    if (look_on(q, side, self, &deadline)) {
        struct weft__task *woken = NULL;
        int r = side == GET ? try_get(q, waiter->node.value, &woken)
                            : try_put(q, waiter->node.value, waiter->priority, &woken);
        if (r != -EAGAIN) {
            leave(q, woken);
            return r;
        }
    }
    int r = weft__wait_on(&q->_word, side == GET ? getters(q) : putters(q), &waiter->node, self,
                          deadline, side == GET ? "get" : "put", q);
    return r < 0 ? r : waiter->node.result;
}

static always_inline int put(weft_queue *q, const void *value, size_t size, int64_t priority,
                             weft_deadline deadline)
{
    struct weft__task *self, *woken = NULL;
    int r = enter(q, size, "put", &self);
    if (unlikely(r < 0))
        return r;
    r = put_now(q, value, priority, &woken);
    if (unlikely(r == -EAGAIN)) {
        struct waiter waiter = { { .value = (void *)(uintptr_t)value }, priority };
        return wait_for(PUT, q, &waiter, self, deadline);
    }
    leave(q, woken);
    return r;
}

static noinline int put_shared(weft_queue *q, const void *value, size_t size, int64_t priority,
                               weft_deadline deadline)
{
    struct weft__message message = { .from = value, .size = size, .priority = priority };
    return weft__shared_queue_put(q, &message, deadline);
}

static noinline int get_shared(weft_queue *q, void *out, size_t size, weft_deadline deadline)
{
    struct weft__message message = { .to = out, .room = size };
    return size && size == q->_size ? weft__shared_queue_get(q, &message, deadline) : -EINVAL;
}

int weft_queue_put(weft_queue *queue, const void *value, size_t size, weft_deadline deadline)
{
    if (is_shared(queue))
        return put_shared(queue, value, size, 0, deadline);
    return put(queue, value, size, 0, deadline);
}

int weft_queue_put_at(weft_queue *queue, const void *value, size_t size, int64_t priority,
                      weft_deadline deadline)
{
    if (!(queue->_flags & WEFT_PRIORITY))
        return -EINVAL;
    return is_shared(queue) ? put_shared(queue, value, size, priority, deadline)
                            : put(queue, value, size, priority, deadline);
}

int weft_queue_get(weft_queue *queue, void *out, size_t size, weft_deadline deadline)
{
    if (is_shared(queue))
        return get_shared(queue, out, size, deadline);
    struct weft__task *self, *woken = NULL;
    int r = enter(queue, size, "get", &self);
    if (unlikely(r < 0))
        return r;
    r = get_now(queue, out, &woken);
    if (unlikely(r == -EAGAIN)) {
        struct waiter waiter = { { .value = out }, 0 };
        return wait_for(GET, queue, &waiter, self, deadline);
    }
    leave(queue, woken);
    return r;
}

/* -- batches: the first value may wait; the others follow under one hold of the spin bit, so many at a
 * time that nobody who spins for it despairs. */
enum { HOLD = 64 };

static uint32_t follow_shared(enum side side, weft_queue *q, unsigned char *values, uint32_t done,
                              uint32_t n)
{
    for (; done < n; done++) {
        void *value = values + (size_t)done * q->_size;
        if (side == GET ? get_shared(q, value, q->_size, weft_at_once()) != 1
                        : put_shared(q, value, q->_size, 0, weft_at_once()) != 0)
            break;
    }
    return done;
}

/* Go on with what needs no wait, from value `done` on. Returns how many are done then. */
static uint32_t follow(enum side side, weft_queue *q, unsigned char *values, uint32_t done,
                       uint32_t n)
{
    struct weft__task *woken = NULL, **end = &woken;
    uint32_t most = n - done < HOLD ? n : done + HOLD;
    if (is_shared(q))
        return follow_shared(side, q, values, done, n);
    weft__word_lock(&q->_word);
    for (; done < most; done++) {
        void *value = values + (size_t)done * q->_size;
        if (side == GET ? try_get(q, value, end) != 1 : try_put(q, value, 0, end) != 0)
            break;
        if (*end) {
            end = &(*end)->next;
            *end = NULL;
        }
    }
    weft__word_unlock(&q->_word);
    weft__ready_all(woken);
    return done;
}

int weft_queue_put_many(weft_queue *queue, const void *values, uint32_t n, size_t size,
                        weft_deadline deadline)
{
    if (n == 0 || n > INT_MAX || size == 0)
        return -EINVAL;
    if (deadline.ns < 0)
        deadline.ns = weft__deadline_at(deadline);
    for (uint32_t done = 0; done < n;) {
        const unsigned char *next = (const unsigned char *)values + done * size;
        int r = weft_queue_put(queue, next, size, deadline);
        if (r < 0)
            return done ? (int)done : r;
        done = follow(PUT, queue, (void *)(uintptr_t)values, done + 1, n);
    }
    return (int)n;
}

int weft_queue_get_many(weft_queue *queue, void *out, uint32_t max, size_t size,
                        weft_deadline deadline)
{
    if (max == 0 || max > INT_MAX)
        return -EINVAL;
    int r = weft_queue_get(queue, out, size, deadline);
    if (r != 1)
        return r;
    uint32_t done = 1, before = 0;
    while (done < max && done - before != 0) {
        before = done;
        done = follow(GET, queue, out, done, max);
    }
    return (int)done;
}

/* -- cases of weft_select ------------------------------------------------------------------------- */

static int put_attempt(struct weft_case *c)
{
    return weft_queue_put(c->_on, c->_value, c->_detail, weft_at_once());
}

static int put_at_attempt(struct weft_case *c)
{
    return weft_queue_put_at(c->_on, c->_value, c->_detail, c->_at, weft_at_once());
}

static bool put_blocked(struct weft_case *c, struct weft__task *self)
{
    weft_queue *queue = c->_on;
    container_of(weft__case_node(c), struct waiter, node)->priority = c->_at;
    return queue->_producers > 0 && queue->_length == queue->_count &&
           !weft__others_wait(getters(queue), self);
}

static int get_attempt(struct weft_case *c)
{
    return weft_queue_get(c->_on, c->_value, c->_detail, weft_at_once());
}

static bool get_blocked(struct weft_case *c, struct weft__task *self)
{
    weft_queue *queue = c->_on;
    return queue->_producers > 0 && queue->_length == 0 && !weft__others_wait(putters(queue), self);
}

static inline struct weft_case on_put(const struct weft__case_ops *ops, weft_queue *queue,
                                      const void *value, size_t size, int64_t priority)
{
    if (!queue)
        return (struct weft_case){ 0 };
    struct weft_case c =
        is_shared(queue)
            ? weft__shared_queue_case(queue, (void *)(uintptr_t)value, size, true)
            : weft__case(ops, queue, (void *)(uintptr_t)value, size, &queue->_word, putters(queue));
    c._at = priority;
    return c;
}

struct weft_case weft_on_put(weft_queue *queue, const void *value, size_t size)
{
    static const struct weft__case_ops ops = { .name = "put",
                                               .attempt = put_attempt,
                                               .blocked = put_blocked };
    return on_put(&ops, queue, value, size, 0);
}

struct weft_case weft_on_put_at(weft_queue *queue, const void *value, size_t size, int64_t priority)
{
    static const struct weft__case_ops ops = { .name = "put",
                                               .attempt = put_at_attempt,
                                               .blocked = put_blocked };
    return on_put(&ops, queue, value, size, priority);
}

struct weft_case weft_on_get(weft_queue *queue, void *out, size_t size)
{
    static const struct weft__case_ops ops = { .name = "get",
                                               .attempt = get_attempt,
                                               .blocked = get_blocked };
    if (queue && is_shared(queue))
        return weft__shared_queue_case(queue, out, size, false);
    return queue ? weft__case(&ops, queue, out, size, &queue->_word, getters(queue))
                 : (struct weft_case){ 0 };
}

/* -- the queue as a whole ------------------------------------------------------------------------- */

int weft_queue_init(weft_queue *queue, void *slots, uint32_t count, uint32_t size, unsigned flags)
{
    unsigned order = flags & (WEFT_LIFO | WEFT_PRIORITY);
    if (flags & WEFT_SHARED)
        return weft__shared_queue_init(queue, slots, count, size, flags);
    int r = weft__object_flags(queue, flags & ~order, 0);
    if (r < 0)
        return r;
    if (size == 0 || (order && count == 0) || order == (WEFT_LIFO | WEFT_PRIORITY) ||
        (count > COUNT_MAX && (slots || count != WEFT_UNBOUNDED)) ||
        (order == WEFT_PRIORITY && (uintptr_t)slots % _Alignof(struct entry)))
        return -EINVAL;
    *queue = (weft_queue){
        ._flags = flags | (slots ? 0 : OWN),
        ._room = slots ? count : 0,
        ._count = count,
        ._size = size,
        ._producers = 1,
        ._slots = slots,
        ._doubts = { WEFT__DOUBTS, WEFT__DOUBTS },
        ._skips = { (1u << WEFT__DOUBTS) - 1, (1u << WEFT__DOUBTS) - 1 },
    };
    return 0;
}

void weft_queue_producers(weft_queue *queue, uint32_t n)
{
    queue->_producers = n;
}

void weft_queue_close(weft_queue *queue)
{
    struct weft__task *get = NULL, *put = NULL;
    weft__point("close");
    if (is_shared(queue)) {
        weft__shared_queue_close(queue);
        return;
    }
    weft__word_lock(&queue->_word);
    if (queue->_producers > 0) {
        store_relaxed(&queue->_producers, queue->_producers - 1);
        if (queue->_producers == 0) {
            get = weft__claim_all(getters(queue), 0);
            put = weft__claim_all(putters(queue), -EPIPE);
        }
    }
    weft__word_unlock(&queue->_word);
    weft__ready_all(get);
    weft__ready_all(put);
}

int weft_queue_task_done(weft_queue *queue)
{
    struct weft__task *woken = NULL;
    weft__point("task_done");
    if (is_shared(queue))
        return weft__shared_queue_done(queue);
    weft__word_lock(&queue->_word);
    bool too_many = queue->_done == queue->_put;
    if (!too_many && ++queue->_done == queue->_put)
        woken = weft__claim_all(joiners(queue), 0);
    weft__word_unlock(&queue->_word);
    weft__ready_all(woken);
    return too_many ? -EINVAL : 0;
}

int weft_queue_join(weft_queue *queue, weft_deadline deadline)
{
    struct weft__task *self;
    if (is_shared(queue))
        return weft__shared_queue_join(queue, deadline);
    int r = enter(queue, queue->_size, "join", &self);
    if (r < 0)
        return r;
    if (queue->_done == queue->_put) {
        weft__word_unlock(&queue->_word);
        return 0;
    }
    struct weft__wait_node node = { 0 };
    return weft__wait_on(&queue->_word, joiners(queue), &node, self, deadline, "queue", queue);
}

uint32_t weft_queue_length(const weft_queue *queue)
{
    return is_shared(queue) ? weft__shared_queue_length(queue) : load_relaxed(&queue->_length);
}

bool weft_queue_is_empty(const weft_queue *queue)
{
    return weft_queue_length(queue) == 0;
}

bool weft_queue_is_full(const weft_queue *queue)
{
    return is_shared(queue) ? weft__shared_queue_is_full(queue)
                            : weft_queue_length(queue) == queue->_count;
}

void weft_queue_fini(weft_queue *queue)
{
    if (is_shared(queue)) {
        weft__shared_queue_fini(queue);
        return;
    }
    WEFT_BUG_ON(weft__is_waited_for(&queue->_word, getters(queue)) ||
                    weft__is_waited_for(&queue->_word, putters(queue)) ||
                    weft__is_waited_for(&queue->_word, joiners(queue)),
                "queue %p is torn down under a waiter", (void *)queue);
    size_t slot = queue->_flags & WEFT_PRIORITY ? WEFT_PRIORITY_SLOT(queue->_size) : queue->_size;
    if (queue->_flags & OWN)
        weft__release(queue->_slots, queue->_room * slot);
    *queue = (weft_queue){ 0 };
}
