/* fdwait.c - waiting for a plain descriptor, and closing one.
 *
 * A descriptor number has a place in a table that is never freed: its waiters, under a spin bit. A
 * coroutine arms the number in its own worker's poller, one-shot, with what all waiters of that worker
 * want: the only form that a close by others cannot make stale. An event wakes those it is true for;
 * a stale one wakes somebody for nothing, who tries and waits again. A thread sleeps in poll(2) itself.
 */
#include <alloca.h>

#include "io/io.h"

#include "base/alloc.h"

enum { CHUNK = 1024, CHUNKS = 4096 };

struct fd_node {
    struct weft__wait_node node; /* first */
    struct weft__worker *worker; /* NULL: a thread in poll */
    uint32_t events;
};

_Static_assert(sizeof(struct fd_node) <= sizeof(((struct weft_case *)0)->_node),
               "a node fits its place");

struct fd_place {
    struct weft__source source;
    struct weft__wait_node *first, *last;
    struct weft__fd_watch *watches;
    struct weft__poller *under; /* the set whose bell it is */
    uint32_t word;
    uint32_t generation; /* atomic: how often weft_close closed this number */
    int fd;
};

static struct fd_place *chunks[CHUNKS];
static uint32_t watches_forks; /* atomic */
static uint32_t forks;

static struct weft__wait_queue queue(struct fd_place *place)
{
    return WEFT__WAIT_QUEUE(&place->first, &place->last);
}

static uint32_t wanted(struct fd_place *place, struct weft__worker *worker)
{
    uint32_t events = 0;
    for (struct weft__wait_node *n = place->first; n; n = n->next) {
        struct fd_node *node = (struct fd_node *)n;
        if (node->worker == worker)
            events |= node->events;
    }
    return events;
}

/* With the spin bit held: for those who wait, and for one who is about to. */
static int arm(struct fd_place *place, struct weft__worker *worker, uint32_t events)
{
    struct weft__poller *poller = &worker->poller;
    events |= wanted(place, worker) | EPOLLONESHOT;
    uint64_t data = weft__source_data(&place->source, 0);
    int r = weft__poller_modify(poller, place->fd, events, data);
    if (r == -ENOENT)
        r = weft__poller_add(poller, place->fd, events, data);
    if (unlikely(place->under != NULL))
        weft__set_under(poller, place->fd, place->under);
    return r;
}

/* A waiter has left: nobody sleeps on the descriptor for it, should others close it now. */
static void disarm(struct fd_place *place, struct weft__worker *worker)
{
    if (!weft__poller_is_set(&worker->poller))
        return;
    if (wanted(place, worker))
        arm(place, worker, 0);
    else
        weft__poller_remove(&worker->poller, place->fd);
}

/* Claim those of a worker (NULL: everyone) whose events are true; each learns which. */
static struct weft__task *claim_ready(struct fd_place *place, struct weft__worker *worker,
                                      uint32_t events, int32_t result)
{
    struct weft__task *chain = NULL;
    for (struct weft__wait_node *n = place->first, *next; n; n = next) {
        struct fd_node *node = (struct fd_node *)n;
        uint32_t mine = events & (node->events | EPOLLERR | EPOLLHUP);
        next = n->next;
        if ((worker && node->worker != worker) || !mine)
            continue;
        weft__node_unlink(queue(place), n);
        if (weft__claim(n->task, n->ticket, WEFT__WOKEN)) {
            n->result = result ? result : (int32_t)mine;
            n->task->next = chain;
            chain = n->task;
        }
    }
    return chain;
}

static void on_event(struct weft__source *source, uint16_t generation, uint32_t events,
                     struct weft__worker *owner)
{
    struct fd_place *place = container_of(source, struct fd_place, source);
    (void)generation;
    weft__word_lock(&place->word);
    struct weft__task *chain = claim_ready(place, owner, events, 0);
    if (wanted(place, owner))
        arm(place, owner, 0); /* a failure: the descriptor was closed under them, by others */
    weft__word_unlock(&place->word);
    weft__ready_all(chain);
}

static struct fd_place *place_of(int fd)
{
    if (fd < 0 || fd >= CHUNK * CHUNKS)
        return NULL;
    struct fd_place *chunk = load_acquire(&chunks[fd / CHUNK]);
    return chunk ? &chunk[fd % CHUNK] : NULL;
}

/* In a fork's child: who waits, waits in the parent. */
static void forget_waiters(void)
{
    for (int i = 0; i < CHUNKS; i++)
        for (int k = 0; chunks[i] && k < CHUNK; k++)
            if (chunks[i][k].first || chunks[i][k].word || chunks[i][k].watches) {
                chunks[i][k].first = chunks[i][k].last = NULL;
                chunks[i][k].watches = NULL;
                chunks[i][k].word = 0;
            }
    forks++;
}

uint32_t weft__fd_forks(void)
{
    return forks;
}

static int place_make(int fd, struct fd_place **out)
{
    if (fd < 0 || fd >= CHUNK * CHUNKS)
        return -EBADF;
    if (!(*out = place_of(fd))) {
        struct fd_place *chunk = weft__alloc(CHUNK * sizeof *chunk, 64), *none = NULL;
        if (!chunk)
            return -ENOMEM;
        for (int i = 0; i < CHUNK; i++)
            chunk[i] = (struct fd_place){ .source = { on_event }, .fd = fd / CHUNK * CHUNK + i };
        if (!swap_acq_rel(&chunks[fd / CHUNK], &none, chunk))
            weft__release(chunk, CHUNK * sizeof *chunk);
        uint32_t never = 0;
        if (swap_acq_rel(&watches_forks, &never, 1u))
            weft__sys_at_fork(NULL, NULL, forget_waiters);
        *out = place_of(fd);
    }
    return 0;
}

int weft__fd_lock(int fd, struct fd_place **out)
{
    int r = place_make(fd, out);
    if (r == 0)
        weft__word_lock(&(*out)->word);
    return r;
}

void weft__fd_unlock(struct fd_place *place)
{
    weft__word_unlock(&place->word);
}

void weft__fd_watch(struct fd_place *place, struct weft__fd_watch *watch)
{
    watch->prev = NULL;
    watch->next = place->watches;
    if (watch->next)
        watch->next->prev = watch;
    place->watches = watch;
    watch->linked = true;
}

void weft__fd_unwatch(struct fd_place *place, struct weft__fd_watch *watch)
{
    if (!watch->linked)
        return;
    *(watch->prev ? &watch->prev->next : &place->watches) = watch->next;
    if (watch->next)
        watch->next->prev = watch->prev;
    watch->linked = false;
}

void weft__fd_under(struct fd_place *place, struct weft__poller *set)
{
    place->under = set;
}

int weft__target_begin(struct weft__target *target, int fd)
{
    struct fd_place *place;
    int r = place_make(fd, &place);
    if (r == 0)
        *target = (struct weft__target){ .fd = fd, .generation = load_acquire(&place->generation) };
    return r;
}

/* The worker whose epoll watches for a task; NULL: it watches itself, a thread in poll. */
static struct weft__worker *watcher(const struct weft__task *self)
{
    if (unlikely(weft__rt.seeded) && !self->worker)
        return weft__rt.workers[0]; /* the driver looks at all of them while it waits */
    return self->worker;
}

static int thread_prepare(struct weft__task *self)
{
    if (watcher(self) || self->wake_fd >= 0)
        return 0;
    int fd = weft__sys_eventfd(0, O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0)
        store_relaxed(&self->wake_fd, fd);
    return fd < 0 ? fd : 0;
}

/* A thread waits in poll(2) on descriptors and, before them, a wake-up of its own. Who else ends the wait
 * rings exactly once, and the thread leaves after the ring only: none comes late, when the number of the
 * wake-up is another's. 1: one of the descriptors, which fds tells, has ended it. */
static int thread_wait(struct weft__task *self, uint64_t ticket, struct pollfd *fds, unsigned count,
                       struct weft__poller *under, int64_t until, const char *reason,
                       const void *object)
{
    uint64_t rung;
    uint32_t how = 1;
    int r = 0;
    fds[0] = (struct pollfd){ .fd = self->wake_fd, .events = POLLIN };
    until = self->bound < until ? self->bound : until;
    store_relaxed(&self->object, object);
    store_relaxed(&self->since, weft__now());
    store_relaxed(&self->reason, reason);
    bool mine = weft__sleep_is_cancelled(self, ticket);
    bool rings = !mine && swap_acq_rel(&self->sleeping, &how, 2u); /* else it was woken already */
    while (rings && !mine) {
        int64_t left = until == INT64_MAX ? -1 : until - weft__now();
        left = until == INT64_MAX || left > 0 ? left : 0;
        r = under && count > 1 ? weft__set_sleep(under, fds, left)
                               : weft__sys_poll(fds, count, left);
        if (r < 0)
            continue;
        if (fds[0].revents) {
            rings = weft__sys_read(self->wake_fd, &rung, sizeof rung) < 0;
            continue;
        }
        mine = weft__claim(self, ticket, r > 0 ? WEFT__WOKEN : WEFT__TIMED_OUT);
        count = 1; /* somebody else was first: the ring is on its way */
        until = INT64_MAX;
    }
    if (mine)
        store_relaxed(&self->sleeping, 0);
    else
        (void)load_acquire(&self->sleeping); /* 0 since before the ring: the waker is done with us */
    store_relaxed(&self->reason, (const char *)NULL);
    int outcome = weft__outcome(self);
    return outcome < 0 ? outcome : mine && r > 0;
}

int weft__fd_wait(struct weft__target *target, unsigned events, weft_deadline deadline,
                  const char *reason)
{
    struct weft__task *self = weft__current;
    struct fd_place *place = place_of(target->fd);
    struct fd_node node = { .worker = watcher(self), .events = events };
    if (deadline.ns == 0)
        return -ETIMEDOUT;
    if (weft__is_cancelled(self)) /* since the call's last turn was over, between two */
        return -ECANCELED;
    int r = thread_prepare(self);
    if (r < 0)
        return r;
    int64_t until = deadline.ns == INT64_MAX ? INT64_MAX : weft__deadline_at(deadline);
    weft__word_lock(&place->word);
    if (place->generation != target->generation) {
        weft__word_unlock(&place->word);
        return -EBADF;
    }
    struct weft__poller *under = place->under;
    node.node.task = self;
    node.node.ticket = weft__wait_begin(self);
    weft__node_link(queue(place), &node.node);
    r = node.worker ? arm(place, node.worker, 0) : 0;
    if (r < 0) {
        weft__node_unlink(queue(place), &node.node);
        weft__word_unlock(&place->word);
        store_relaxed(&self->wait,
                      (node.node.ticket & ~(uint64_t)7) | WEFT__WOKEN); /* never waited */
        return r;
    }
    weft__word_unlock(&place->word);
    add_relaxed(&weft__rt.outside_waits, 1);
    if (node.worker) {
        r = weft__wait(self, node.node.ticket, (weft_deadline){ until }, reason, place);
    } else {
        struct pollfd fds[2] = { { 0 }, { .fd = target->fd, .events = (short)events } };
        r = thread_wait(self, node.node.ticket, fds, 2, under, until, reason, place);
        if (r > 0) {
            node.node.result =
                fds[1].revents & POLLNVAL ? -EBADF : (int32_t)(uint16_t)fds[1].revents;
            r = 0;
        }
    }
    __atomic_fetch_sub(&weft__rt.outside_waits, 1, __ATOMIC_RELAXED);
    if (r < 0 || !node.worker) {
        weft__word_lock(&place->word);
        if (node.node.linked)
            weft__node_unlink(queue(place), &node.node);
        if (node.worker)
            disarm(place, node.worker);
        weft__word_unlock(&place->word);
    }
    if (r == 0 && load_acquire(&place->generation) != target->generation)
        return -EBADF; /* closed after it was ready: the number may be another's by now */
    return r < 0 ? r : node.node.result;
}

int weft__fd_ready(int fd, unsigned events)
{
    struct pollfd now = { .fd = fd, .events = (short)events };
    int r;
    do
        r = weft__sys_poll(&now, 1, 0);
    while (r == -EINTR);
    return r > 0 ? now.revents & POLLNVAL ? -EBADF : now.revents : r;
}

int weft_poll(int fd, int events, weft_deadline deadline)
{
    struct weft__task *self;
    struct weft__target target;
    int r = weft__wait_enter(&self);
    if (r == 0)
        r = weft__target_begin(&target, fd);
    if (r == 0)
        r = weft__runtime_need();
    if (r < 0)
        return r;
    r = weft__fd_ready(fd, (unsigned)events);
    return r ? r : weft__fd_wait(&target, (unsigned)events, deadline, "poll");
}

int weft_close(int fd)
{
    struct fd_place *place = place_of(fd);
    struct weft__task *chain = NULL;
    if (fd < 0)
        return -EBADF;
    if (place) {
        weft__word_lock(&place->word);
        store_release(&place->generation, place->generation + 1);
        chain = claim_ready(place, NULL, ~0u, -EBADF);
        for (struct weft__fd_watch *watch; (watch = place->watches);) {
            weft__fd_unwatch(place, watch);
            watch->closing(watch);
        }
        weft__word_unlock(&place->word);
        weft__workers_leave(fd);
    }
    int r = weft__sys_close(fd);
    weft__ready_all(chain);
    return r == -EINTR ? 0 : r;
}

/* -- cases of weft_select -- */

struct weft_case weft__fd_case(const struct weft__case_ops *ops, void *on, int fd, unsigned events)
{
    return (struct weft_case){ ._ops = ops,
                               ._on = on,
                               ._detail = (uint64_t)events << 32 | (uint32_t)fd };
}

static struct pollfd wish(const struct weft_case *c)
{
    return (struct pollfd){ .fd = (int)(uint32_t)c->_detail, .events = (short)(c->_detail >> 32) };
}

int weft__fd_case_begin(struct weft_case *c)
{
    struct fd_place *place;
    if (c->_state)
        return c->_state < 0 ? c->_state : 0;
    int r = place_make(wish(c).fd, &place);
    if (r == 0)
        r = weft__runtime_need();
    if (r == 0)
        r = thread_prepare(weft__current);
    if (r < 0)
        return r;
    weft__case_place(c, &place->word, queue(place));
    c->_at = load_acquire(&place->generation);
    c->_state = 1;
    return 0;
}

bool weft__fd_case_blocked(struct weft_case *c, struct weft__task *self)
{
    struct fd_place *place = container_of(c->_word, struct fd_place, word);
    struct fd_node *node = (struct fd_node *)weft__case_node(c);
    node->worker = watcher(self);
    node->events = (uint16_t)wish(c).events;
    if (place->generation != c->_at)
        return false;
    int r = node->worker ? arm(place, node->worker, node->events) : 0;
    if (r < 0)
        c->_state = r;
    return r == 0;
}

void weft__fd_case_left(struct weft_case *c)
{
    struct weft__worker *worker = ((struct fd_node *)weft__case_node(c))->worker;
    if (worker)
        disarm(container_of(c->_word, struct fd_place, word), worker);
}

int weft__fd_case_wait(struct weft_case *on, size_t n, struct weft__task *self, uint64_t ticket,
                       weft_deadline deadline)
{
    int r;
    add_relaxed(&weft__rt.outside_waits, 1);
    if (watcher(self)) {
        r = weft__wait(self, ticket, deadline, "select", on);
    } else {
        struct pollfd *fds = alloca((n + 1) * sizeof *fds); /* a twentieth of what the cases take */
        unsigned count = 1;
        for (size_t i = 0; i < n; i++)
            if (on[i]._ops && on[i]._ops->wait)
                fds[count++] = wish(&on[i]);
        r = thread_wait(self, ticket, fds, count, NULL, deadline.ns, "select", on);
    }
    __atomic_fetch_sub(&weft__rt.outside_waits, 1, __ATOMIC_RELAXED);
    return r < 0 ? r : 0;
}

static int attempt(struct weft_case *c)
{
    int r = weft__fd_case_begin(c);
    if (r < 0)
        return r;
    if (load_acquire(&container_of(c->_word, struct fd_place, word)->generation) != c->_at)
        return -EBADF;
    r = weft__fd_ready(wish(c).fd, (uint16_t)wish(c).events);
    return r ? r : -ETIMEDOUT;
}

struct weft_case weft_on_fd(int fd, int events)
{
    static const struct weft__case_ops ops = {
        .name = "descriptor",
        .attempt = attempt,
        .blocked = weft__fd_case_blocked,
        .left = weft__fd_case_left,
        .taken = attempt, /* an event may be stale */
        .wait = weft__fd_case_wait,
    };
    return fd < 0 ? (struct weft_case){ 0 } : weft__fd_case(&ops, NULL, fd, (uint16_t)events);
}
