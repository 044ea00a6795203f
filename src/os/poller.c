/* poller.c - see poller.h: the choice of a backend, and the sets for poll and select.
 *
 * A sleep has three parts: under the lock copy what is armed, sleep without it, and under the lock again
 * report what is still registered. Who changes the table during the second part rings. select says only
 * that something is ready; what it is, poll says at once. select's maps are our own, since fd_set ends at
 * 1,024.
 *
 * No room for the copy: a part of the table is looked at, a millisecond later the next one.
 */
#include "os/poller.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/report.h"

enum { FEWEST = 64, LATER = 10000000, SHORT_OF_ROOM = 1000000 };
enum { INWARDS = EPOLLIN | EPOLLPRI | EPOLLRDHUP, ALWAYS = EPOLLERR | EPOLLHUP };

_Static_assert(POLLIN == EPOLLIN && POLLPRI == EPOLLPRI && POLLOUT == EPOLLOUT &&
                   POLLERR == EPOLLERR && POLLHUP == EPOLLHUP && POLLRDHUP == EPOLLRDHUP,
               "poll and epoll have the same words");

struct weft__interest {
    uint64_t data;
    uint32_t events; /* 0: none is registered */
    uint32_t armed;  /* those to be looked at, with WEFT__LATER; 0: none */
    uint32_t stamp;  /* another for each registration: what was seen of an older one is dropped */
};

enum weft__backend weft__backend(void)
{
    static const char *const words[] = {
        [WEFT__EPOLL] = "epoll", [WEFT__POLL] = "poll", [WEFT__SELECT] = "select"
    };
    static uint32_t chosen;
    uint32_t backend = load_relaxed(&chosen), none = 0;
    if (likely(backend))
        return (enum weft__backend)backend;
    const char *word = weft__sys_env("WEFT_BACKEND");
    for (uint32_t i = WEFT__EPOLL; word && i <= WEFT__SELECT; i++)
        if (strcmp(word, words[i]) == 0)
            backend = i;
    bool first = swap_acq_rel(&chosen, &none, backend ? backend : WEFT__EPOLL);
    if (first && !backend && word && *word)
        weft__report(
            "weft: WEFT_BACKEND=%s is not known: select, poll and epoll are; epoll it is\n", word);
    return (enum weft__backend)load_relaxed(&chosen);
}

/* -- what a sleeper looks at ------------------------------------------------------------------------ */

/* The kernel looks at no more than there may be descriptors. */
static bool look_grow(struct weft__look *look, uint32_t room)
{
    const size_t each = sizeof *look->fds + sizeof *look->stamps;
    long most = weft__sys_fd_limit();
    room = room < most ? room : (uint32_t)most;
    struct pollfd *fds = room > look->room ? weft__alloc(room * each, 16) : NULL;
    if (!fds)
        return false;
    weft__release(look->fds, look->room * each);
    look->fds = fds;
    look->stamps = (uint32_t *)(fds + room);
    look->room = room;
    return true;
}

static void look_free(struct weft__look *look)
{
    weft__release(look->fds, look->room * (sizeof *look->fds + sizeof *look->stamps));
    weft__release(look->bits, look->bits_size);
    *look = (struct weft__look){ 0 };
}

static void mark(unsigned long *map, int fd)
{
    map[(unsigned)fd / (8 * sizeof *map)] |= 1ul << (unsigned)fd % (8 * sizeof *map);
}

/* 0: nothing came; > 0: something has, or there is no memory to ask; -EINTR. */
static int sleep_in_select(struct weft__look *look, int64_t timeout)
{
    int top = 0;
    for (uint32_t i = 0; i < look->count; i++)
        top = look->fds[i].fd > top ? look->fds[i].fd : top;
    size_t words = (size_t)top / (8 * sizeof(long)) + 1, size = 3 * words * sizeof(long);
    if (look->bits_size < size) {
        unsigned long *bits = weft__alloc(2 * size, 16);
        if (!bits)
            return 1;
        weft__release(look->bits, look->bits_size);
        look->bits = bits;
        look->bits_size = 2 * size; /* room for more descriptors */
    }
    unsigned long *in = look->bits, *out = in + words, *urgent = out + words;
    memset(in, 0, size);
    for (uint32_t i = 0; i < look->count; i++) {
        if (look->fds[i].events & INWARDS)
            mark(in, look->fds[i].fd);
        if (look->fds[i].events & POLLOUT)
            mark(out, look->fds[i].fd);
        if (look->fds[i].events & POLLPRI)
            mark(urgent, look->fds[i].fd);
    }
    int r = weft__sys_select(top + 1, in, out, urgent, timeout);
    return r == -EINTR ? r : r != 0; /* one that is closed is an error: poll says which */
}

/* -EAGAIN: select was woken by something that nobody asked for. */
static int look_sleep(struct weft__look *look, int64_t timeout)
{
    if (weft__backend() != WEFT__SELECT || timeout == 0)
        return weft__sys_poll(look->fds, look->count, timeout);
    int r = sleep_in_select(look, timeout);
    if (r > 0 && (r = weft__sys_poll(look->fds, look->count, 0)) == 0)
        r = -EAGAIN;
    return r;
}

/* -- the table, with the lock held ------------------------------------------------------------------- */

static struct weft__interest *find(struct weft__poller *set, int fd)
{
    bool there = fd >= 0 && (uint32_t)fd < set->limit && set->table[fd].events;
    return there ? &set->table[fd] : NULL;
}

static bool table_grow(struct weft__poller *set, uint32_t limit)
{
    struct weft__interest *table = weft__alloc(limit * sizeof *table, 16);
    if (!table)
        return false;
    memset(table, 0, limit * sizeof *table);
    if (set->limit)
        memcpy(table, set->table, set->limit * sizeof *table);
    weft__release(set->table, set->limit * sizeof *table);
    set->table = table;
    set->limit = limit;
    return true;
}

static void ring(struct weft__poller *set)
{
    uint64_t one = 1;
    if (set->asleep && !set->rung)
        weft__sys_write(set->bell, &one, sizeof one);
    set->rung = set->asleep;
}

static void arm(struct weft__poller *set, struct weft__interest *interest, uint32_t armed)
{
    set->armed = set->armed + (armed != 0) - (interest->armed != 0);
    interest->armed = armed;
    if (armed & WEFT__LATER && !set->later)
        set->later = weft__sys_now() + LATER;
    if (armed)
        ring(set);
}

static void set_events(struct weft__poller *set, struct weft__interest *interest, uint32_t events,
                       uint64_t data)
{
    interest->events = events & ~(uint32_t)WEFT__LATER;
    interest->data = data;
    arm(set, interest, events & (INWARDS | EPOLLOUT | WEFT__LATER));
}

static void forget(struct weft__poller *set, struct weft__interest *interest)
{
    arm(set, interest, 0);
    interest->events = 0;
}

/* Copy what is armed. How long the sleep may last. */
static int64_t gather(struct weft__poller *set, int64_t timeout)
{
    struct weft__look *look = &set->look;
    int64_t now = set->later ? weft__sys_now() : 0;
    if (set->later && now < set->later && (timeout < 0 || timeout > set->later - now))
        timeout = set->later - now;
    if (set->armed + 1 > look->room && !look_grow(look, 2 * set->armed) && timeout != 0)
        timeout = SHORT_OF_ROOM;
    look->fds[0] = (struct pollfd){ .fd = set->bell, .events = POLLIN };
    look->count = 1;
    bool due = set->later && now >= set->later;
    uint32_t fd = set->begin < set->limit ? set->begin : 0;
    for (uint32_t i = 0; i < set->limit; i++, fd = fd + 1 < set->limit ? fd + 1 : 0) {
        struct weft__interest *interest = &set->table[fd];
        if (due)
            interest->armed &= ~(uint32_t)WEFT__LATER;
        if (!interest->armed || interest->armed & WEFT__LATER)
            continue;
        if (look->count == look->room) {
            set->begin = fd;
            break;
        }
        look->stamps[look->count] = interest->stamp;
        look->fds[look->count++] =
            (struct pollfd){ .fd = (int)fd, .events = (short)interest->armed };
    }
    if (due)
        set->later = 0;
    return timeout;
}

/* Silence what is reported, as it was registered. */
static void told(struct weft__poller *set, struct weft__interest *interest, uint32_t events)
{
    uint32_t armed = interest->armed;
    if (interest->events & EPOLLONESHOT)
        armed = 0;
    if (interest->events & EPOLLET && events & (INWARDS | ALWAYS))
        armed &= ~(uint32_t)INWARDS;
    if (interest->events & EPOLLET && events & (EPOLLOUT | ALWAYS))
        armed &= ~(uint32_t)EPOLLOUT;
    arm(set, interest, armed);
}

static int collect(struct weft__poller *set, struct epoll_event *out, int max)
{
    const struct weft__look *look = &set->look;
    int n = 0;
    if (look->fds[0].revents)
        out[n++] = (struct epoll_event){ .events = EPOLLIN, .data.u64 = 0 };
    for (uint32_t i = 1; i < look->count; i++) {
        const struct pollfd *seen = &look->fds[i];
        struct weft__interest *interest = seen->revents ? find(set, seen->fd) : NULL;
        if (!interest || interest->stamp != look->stamps[i])
            continue;
        uint32_t events = (uint16_t)seen->revents & (interest->armed | ALWAYS);
        if (seen->revents & POLLNVAL) { /* closed by others: epoll forgets it too */
            forget(set, interest);
        } else if (interest->armed && events) {
            if (n == max) {
                set->begin = (uint32_t)seen->fd;
                break;
            }
            out[n++] = (struct epoll_event){ .events = events, .data.u64 = interest->data };
            told(set, interest, events);
        }
    }
    return n;
}

/* select cannot wait for the peer's end or urgent data alone: bytes that nobody wants to read wake it too.
 * Those that may have are looked at in a while. */
static void look_away(struct weft__poller *set)
{
    for (uint32_t i = 1; i < set->look.count; i++) {
        short events = set->look.fds[i].events;
        struct weft__interest *interest = find(set, set->look.fds[i].fd);
        if (interest && interest->armed && !(events & POLLIN) && events & INWARDS)
            arm(set, interest, interest->armed | WEFT__LATER);
    }
}

int weft__set_wait(struct weft__poller *set, struct epoll_event *out, int max, int64_t timeout)
{
    weft__spin_lock(&set->spin);
    timeout = gather(set, timeout);
    set->asleep = timeout != 0;
    weft__spin_unlock(&set->spin);
    int r = look_sleep(&set->look, timeout);
    weft__spin_lock(&set->spin);
    set->asleep = set->rung = false;
    store_release(&set->round, set->round + 1);
    if (r > 0)
        r = collect(set, out, max);
    else if (r == -EAGAIN)
        look_away(set);
    weft__spin_unlock(&set->spin);
    return r;
}

/* -- changes ------------------------------------------------------------------------------------------ */

int weft__set_add(struct weft__poller *set, int fd, uint32_t events, uint64_t data)
{
    struct stat st;
    int r = weft__sys_fstat(fd, &st);
    if (r == 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))
        r = -EPERM;
    if (r < 0)
        return r;
    weft__spin_lock(&set->spin);
    if (find(set, fd)) {
        r = -EEXIST;
    } else if ((uint32_t)fd >= set->limit && !table_grow(set, 2 * (uint32_t)fd + FEWEST)) {
        r = -ENOMEM;
    } else {
        set->table[fd].stamp = ++set->stamp;
        set_events(set, &set->table[fd], events, data);
    }
    weft__spin_unlock(&set->spin);
    return r;
}

int weft__set_modify(struct weft__poller *set, int fd, uint32_t events, uint64_t data)
{
    weft__spin_lock(&set->spin);
    struct weft__interest *interest = find(set, fd);
    if (interest)
        set_events(set, interest, events, data);
    weft__spin_unlock(&set->spin);
    return interest ? 0 : -ENOENT;
}

int weft__set_remove(struct weft__poller *set, int fd)
{
    weft__spin_lock(&set->spin);
    struct weft__interest *interest = find(set, fd);
    uint32_t round = set->round;
    bool asleep = set->asleep && interest && interest->armed;
    if (asleep)
        ring(set);
    if (interest)
        forget(set, interest);
    weft__spin_unlock(&set->spin);
    while (asleep && load_acquire(&set->round) == round) /* it is on its way out */
        weft__sys_sched_yield();
    return interest ? 0 : -ENOENT;
}

/* -- opening and closing ------------------------------------------------------------------------------ */

int weft__poller_open(struct weft__poller *poller, int bell)
{
    *poller = (struct weft__poller){ .epfd = -1, .bell = bell };
    if (weft__backend() != WEFT__EPOLL)
        return look_grow(&poller->look, FEWEST) ? 0 : -ENOMEM;
    int r = poller->epfd = weft__sys_epoll_create();
    if (r >= 0)
        r = weft__poller_add(poller, bell, EPOLLIN, 0);
    if (r < 0)
        weft__poller_close(poller);
    return r < 0 ? r : 0;
}

/* Nobody sleeps in it, and nobody comes: also where others held the lock when the process was forked. */
void weft__poller_close(struct weft__poller *poller)
{
    if (poller->epfd >= 0)
        weft__sys_close(poller->epfd);
    weft__release(poller->table, poller->limit * sizeof *poller->table);
    look_free(&poller->look);
    *poller = (struct weft__poller){ .epfd = -1, .bell = -1 };
}
