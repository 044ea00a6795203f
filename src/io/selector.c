/* selector.c - readiness of many descriptors for those who write loops.
 *
 * A selector is a poller of its own, and the wait for it one for a plain descriptor: its epoll, or a set's
 * bell. So any task or thread waits as it waits for anything, and what is ready is asked for without waiting.
 *
 * Locks: all that is done about one number is done under that number's lock (fdwait.c), the close too; within
 * it the selector's spin guards its table and its list of closed ones. An event carries fd and serial: one
 * that was on its way while its registration ended finds none, or another serial, and is dropped.
 *
 * The bell is made silent by whoever looks next, who then looks at everything it may have rung for.
 */
#include <weft/lock.h>
#include <weft/selector.h>

#include "base/alloc.h"
#include "io/io.h"

enum {
    AT_ONCE = 128,
    DISPATCHED = 32,
    WORDS = POLLIN | POLLOUT | POLLPRI | POLLRDHUP,
    FLAGS = WEFT_EDGE | WEFT_ONE_SHOT
};

struct registration {
    struct weft__fd_watch watch;
    struct weft__selector *selector;
    struct weft_ready told;    /* its events are those asked for */
    struct registration *next; /* closed */
};

struct weft__selector {
    struct weft__poller poller;
    struct weft__target target; /* what is waited for */
    int bell;
    uint32_t forks;
    weft_lock looking;           /* a set is looked at by one at a time */
    weft__spin spin;             /* of what follows */
    struct registration **table; /* by descriptor */
    uint32_t limit, serial;
    size_t count;                /* atomic */
    struct registration *closed; /* atomic: to be told, the latest first */
    uint32_t woken;              /* atomic */
    uint32_t selecting;          /* atomic: how many */
};

static bool is_parents(const struct weft__selector *s)
{
    return unlikely(s->forks != weft__fd_forks());
}

static void ring(struct weft__selector *s)
{
    uint64_t one = 1;
    weft__sys_write(s->bell, &one, sizeof one);
}

/* -- the table, under the spin ------------------------------------------------------------------------ */

static struct registration *find(const struct weft__selector *s, int fd)
{
    return fd >= 0 && (uint32_t)fd < s->limit ? s->table[fd] : NULL;
}

static bool make_room(struct weft__selector *s, uint32_t fd)
{
    if (fd < s->limit)
        return true;
    uint32_t limit = fd + fd / 2 + 64;
    struct registration **table = weft__alloc(limit * sizeof *table, 16);
    if (!table)
        return false;
    for (uint32_t i = 0; i < limit; i++)
        table[i] = i < s->limit ? s->table[i] : NULL;
    weft__release(s->table, s->limit * sizeof *table);
    s->table = table;
    s->limit = limit;
    return true;
}

static struct registration *find_now(struct weft__selector *s, int fd)
{
    weft__spin_lock(&s->spin);
    struct registration *registration = find(s, fd);
    weft__spin_unlock(&s->spin);
    return registration;
}

static void put(struct weft__selector *s, int fd, struct registration *registration)
{
    weft__spin_lock(&s->spin);
    s->table[fd] = registration;
    store_relaxed(&s->count, registration ? s->count + 1 : s->count - 1);
    weft__spin_unlock(&s->spin);
}

/* -- registering ---------------------------------------------------------------------------------------- */

static uint64_t data_of(const struct registration *registration)
{
    return registration->told._serial << 32 | (uint32_t)registration->told.fd;
}

/* Sets see no edges: they tell as long as it lasts. */
static uint32_t kernels(const struct weft__selector *s, int events)
{
    bool edge = events & WEFT_EDGE && !weft__poller_is_set(&s->poller);
    return (uint32_t)(events & WORDS) | (edge ? EPOLLET : 0u) |
           (events & WEFT_ONE_SHOT ? EPOLLONESHOT : 0u);
}

static bool is_good(int events)
{
    return (events & ~(WORDS | FLAGS)) == 0 && events & WORDS;
}

/* By weft_close, under the number's lock. */
static void on_close(struct weft__fd_watch *watch)
{
    struct registration *registration = container_of(watch, struct registration, watch);
    struct weft__selector *s = registration->selector;
    int fd = registration->told.fd;
    put(s, fd, NULL);
    weft__poller_remove(&s->poller, fd);
    weft__spin_lock(&s->spin);
    registration->told.events = POLLNVAL;
    registration->next = s->closed;
    store_relaxed(&s->closed, registration);
    weft__spin_unlock(&s->spin);
    ring(s);
}

/* Under the number's lock. */
static int enlist(struct weft__selector *s, struct fd_place *place,
                  struct registration *registration)
{
    int fd = registration->told.fd;
    weft__spin_lock(&s->spin);
    int r = find(s, fd) ? -EEXIST : make_room(s, (uint32_t)fd) ? 0 : -ENOMEM;
    registration->told._serial = ++s->serial ? s->serial : ++s->serial;
    weft__spin_unlock(&s->spin);
    if (r < 0)
        return r;
    put(s, fd, registration); /* before events come */
    r = weft__poller_add(&s->poller, fd, kernels(s, registration->told.events),
                         data_of(registration));
    if (r < 0)
        put(s, fd, NULL);
    else
        weft__fd_watch(place, &registration->watch);
    return r;
}

static int enter(struct weft__selector *s, int fd, struct fd_place **place)
{
    return is_parents(s) ? -EBADF : weft__fd_lock(fd, place);
}

static int add(struct weft__selector *s, struct weft_ready ready)
{
    struct fd_place *place;
    if (!is_good(ready.events))
        return -EINVAL;
    struct registration *registration = weft__alloc(sizeof *registration, 16);
    if (!registration)
        return -ENOMEM;
    *registration = (struct registration){ .watch.closing = on_close, .selector = s, .told = ready };
    int r = enter(s, ready.fd, &place);
    if (r == 0) {
        r = enlist(s, place, registration);
        weft__fd_unlock(place);
    }
    if (r < 0)
        weft__release(registration, sizeof *registration);
    return r;
}

int weft_selector_register(weft_selector *selector, int fd, int events, void *data)
{
    return add(selector->_impl, (struct weft_ready){ .fd = fd, .events = events, .data = data });
}

int weft_selector_on(weft_selector *selector, int fd, int events, weft_selector_fn *fn, void *data)
{
    struct weft_ready ready = { .fd = fd, .events = events, .data = data, .fn = fn };
    return fn ? add(selector->_impl, ready) : -EINVAL;
}

int weft_selector_modify(weft_selector *selector, int fd, int events, void *data)
{
    struct weft__selector *s = selector->_impl;
    struct fd_place *place;
    if (!is_good(events))
        return -EINVAL;
    int r = enter(s, fd, &place);
    if (r < 0)
        return r == -EBADF && !is_parents(s) ? -ENOENT : r;
    struct registration *registration = find_now(s, fd);
    r = registration ? weft__poller_modify(&s->poller, fd, kernels(s, events), data_of(registration))
                     : -ENOENT;
    if (r == 0) {
        weft__spin_lock(&s->spin);
        registration->told.events = events;
        registration->told.data = data;
        weft__spin_unlock(&s->spin);
    } else if (r == -ENOENT && registration) {
        r = -EBADF;
    }
    weft__fd_unlock(place);
    return r;
}

int weft_selector_unregister(weft_selector *selector, int fd)
{
    struct weft__selector *s = selector->_impl;
    struct fd_place *place;
    int r = enter(s, fd, &place);
    if (r < 0)
        return r == -EBADF && !is_parents(s) ? -ENOENT : r;
    struct registration *registration = find_now(s, fd);
    if (registration) {
        weft__fd_unwatch(place, &registration->watch);
        put(s, fd, NULL);
        weft__poller_remove(&s->poller, fd); /* an error: others closed it */
    }
    weft__fd_unlock(place);
    weft__release(registration, sizeof *registration);
    return registration ? 0 : -ENOENT;
}

/* -- selecting ------------------------------------------------------------------------------------------ */

/* What the kernel told, if it is still so registered. */
static int translate(struct weft__selector *s, const struct epoll_event *got, int count,
                     struct weft_ready *out)
{
    int n = 0;
    weft__spin_lock(&s->spin);
    for (int i = 0; i < count; i++) {
        struct registration *registration = find(s, (int)(uint32_t)got[i].data.u64);
        if (!got[i].data.u64 || !registration || registration->told._serial != got[i].data.u64 >> 32)
            continue;
        out[n] = registration->told;
        out[n++].events = (int)got[i].events;
    }
    weft__spin_unlock(&s->spin);
    return n;
}

static int tell_closed(struct weft__selector *s, struct weft_ready *out, int room)
{
    int n = 0;
    while (load_relaxed(&s->closed) && n < room) {
        weft__spin_lock(&s->spin);
        struct registration *registration = s->closed;
        if (registration)
            store_relaxed(&s->closed, registration->next);
        weft__spin_unlock(&s->spin);
        if (registration)
            out[n++] = registration->told;
        weft__release(registration, sizeof *registration);
    }
    return n;
}

static int look(struct weft__selector *s, struct epoll_event *got, int max)
{
    if (!weft__poller_is_set(&s->poller))
        return weft__poller_wait(&s->poller, got, max, 0);
    weft_lock_enter(&s->looking);
    int n = weft__poller_wait(&s->poller, got, max, 0);
    weft_lock_leave(&s->looking);
    return n;
}

static void silence(struct weft__selector *s)
{
    uint64_t count;
    if (!weft__poller_is_leaving(&s->poller))
        weft__sys_read(s->bell, &count, sizeof count);
}

/* Without waiting: how many are told; 0 none; -EINTR a wake; errors. */
static int tell(struct weft__selector *s, struct weft_ready *out, int max)
{
    struct epoll_event got[AT_ONCE];
    int count = look(s, got, max < AT_ONCE ? max : AT_ONCE);
    if (count < 0)
        return count == -EINTR || count == -EAGAIN ? 0 : count;
    for (int i = 0; i < count; i++)
        if (!got[i].data.u64)
            silence(s);
    int n = translate(s, got, count, out);
    n += tell_closed(s, out + n, max - n);
    if (n == 0)
        return exchange_acq_rel(&s->woken, 0) ? -EINTR : 0;
    if (load_relaxed(&s->woken) || load_relaxed(&s->closed))
        ring(s); /* for the next */
    return n;
}

static int select_at(struct weft__selector *s, struct weft_ready *out, int max,
                     weft_deadline deadline)
{
    for (;;) {
        int n = tell(s, out, max);
        if (n != 0)
            return n == -EINTR ? 0 : n;
        deadline = weft__fixed(deadline);
        n = weft__fd_wait(&s->target, POLLIN, deadline, "selector");
        if (n < 0)
            return n;
    }
}

int weft_selector_select(weft_selector *selector, struct weft_ready *out, size_t max,
                         weft_deadline deadline)
{
    struct weft__selector *s = selector->_impl;
    struct weft__task *self;
    int r = weft__wait_enter(&self);
    if (r == 0 && max == 0)
        r = -EINVAL;
    if (r == 0 && is_parents(s))
        r = -EBADF;
    if (r == 0)
        r = weft__runtime_need();
    if (r < 0)
        return r;
    __atomic_fetch_add(&s->selecting, 1, __ATOMIC_RELAXED);
    r = select_at(s, out, max < AT_ONCE ? (int)max : AT_ONCE, deadline);
    __atomic_fetch_sub(&s->selecting, 1, __ATOMIC_RELEASE);
    return r;
}

static bool still_registered(struct weft__selector *s, const struct weft_ready *ready)
{
    weft__spin_lock(&s->spin);
    struct registration *registration = find(s, ready->fd);
    bool still = registration && registration->told._serial == ready->_serial;
    weft__spin_unlock(&s->spin);
    return still || ready->events & POLLNVAL;
}

int weft_selector_dispatch(weft_selector *selector, weft_deadline deadline)
{
    struct weft_ready ready[DISPATCHED];
    int n = weft_selector_select(selector, ready, DISPATCHED, deadline), called = 0, bad = 0;
    for (int i = 0; i < n; i++) {
        if (!still_registered(selector->_impl, &ready[i]))
            continue;
        int r = ready[i].fn ? ready[i].fn(selector, &ready[i]) : -EINVAL;
        bad = bad < 0 ? bad : r;
        called++;
    }
    return n < 0 ? n : bad < 0 ? bad : called;
}

void weft_selector_wake(weft_selector *selector)
{
    struct weft__selector *s = selector->_impl;
    store_release(&s->woken, 1);
    ring(s);
}

/* -- what is registered ----------------------------------------------------------------------------------- */

size_t weft_selector_count(const weft_selector *selector)
{
    return is_parents(selector->_impl) ? 0 : load_relaxed(&selector->_impl->count);
}

int weft_selector_get(const weft_selector *selector, int fd, struct weft_ready *out)
{
    struct weft__selector *s = selector->_impl;
    if (is_parents(s))
        return -EBADF;
    weft__spin_lock(&s->spin);
    struct registration *registration = find(s, fd);
    if (registration)
        *out = registration->told;
    weft__spin_unlock(&s->spin);
    return registration ? 0 : -ENOENT;
}

size_t weft_selector_list(const weft_selector *selector, struct weft_ready *out, size_t max)
{
    struct weft__selector *s = selector->_impl;
    size_t n = 0;
    if (is_parents(s))
        return 0;
    weft__spin_lock(&s->spin);
    for (uint32_t fd = 0; fd < s->limit; fd++)
        if (s->table[fd] && n++ < max)
            out[n - 1] = s->table[fd]->told;
    weft__spin_unlock(&s->spin);
    return n;
}

/* -- life --------------------------------------------------------------------------------------------------- */

static void under(struct weft__selector *s, struct weft__poller *set)
{
    struct fd_place *place;
    if (weft__poller_is_set(&s->poller) && weft__fd_lock(s->bell, &place) == 0) {
        weft__fd_under(place, set);
        weft__fd_unlock(place);
    }
}

int weft_selector_init(weft_selector *selector)
{
    *selector = (weft_selector){ 0 };
    struct weft__selector *s = weft__alloc(sizeof *s, 16);
    if (!s)
        return -ENOMEM;
    *s = (struct weft__selector){ .poller.epfd = -1 };
    int r = s->bell = weft__sys_eventfd(0, O_NONBLOCK | O_CLOEXEC);
    if (r >= 0)
        r = weft__poller_open(&s->poller, s->bell);
    if (r == 0)
        r = weft__target_begin(&s->target, s->poller.epfd >= 0 ? s->poller.epfd : s->bell);
    if (r == 0) {
        s->forks = weft__fd_forks();
        under(s, &s->poller);
        selector->_impl = s;
        return 0;
    }
    weft__poller_close(&s->poller);
    if (s->bell >= 0)
        weft__sys_close(s->bell);
    weft__release(s, sizeof *s);
    return r;
}

static void drop_all(struct weft__selector *s)
{
    struct weft_ready none;
    for (uint32_t fd = 0; fd < s->limit; fd++) {
        struct registration *registration = s->table[fd];
        struct fd_place *place;
        if (registration && weft__fd_lock((int)fd, &place) == 0) {
            registration = s->table[fd];
            if (registration)
                weft__fd_unwatch(place, &registration->watch);
            weft__fd_unlock(place);
            weft__release(registration, sizeof *registration);
        }
    }
    while (tell_closed(s, &none, 1))
        ;
}

void weft_selector_fini(weft_selector *selector)
{
    struct weft__selector *s = selector->_impl;
    if (!s)
        return;
    bool parents = is_parents(s); /* what others were changing then may be in pieces: it is left */
    WEFT_BUG_ON(!parents && load_acquire(&s->selecting),
                "weft_selector %p ended while a task selects", (void *)selector);
    if (!parents) {
        under(s, NULL);
        drop_all(s);
        weft__workers_leave(s->bell);
        weft__release(s->table, s->limit * sizeof *s->table);
        weft__poller_close(&s->poller);
        weft_lock_fini(&s->looking);
    } else if (s->poller.epfd >= 0) {
        weft__sys_close(s->poller.epfd);
    }
    weft__sys_close(s->bell);
    if (!parents)
        weft__release(s, sizeof *s);
    *selector = (weft_selector){ 0 };
}
