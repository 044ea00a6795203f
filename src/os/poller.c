/* poller.c - see poller.h: the choice of a backend, and the sets for poll and select.
 *
 * A sleep has three parts: under the lock copy what is armed, sleep without it, and under the lock again
 * report what is still registered. Who changes the table during the second part rings, and all who sleep
 * then leave and copy anew; a bell that they share is not silenced before. select says only that something
 * is ready; what it is, poll says at once. select's maps are our own, since fd_set ends at 1,024.
 *
 * Locks: a set's before that of one under it. No room for the copy: a part of the table is looked at, a
 * millisecond later the next one.
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
    struct weft__poller *under; /* its descriptor is the bell of this set; or NULL */
};

/* Where a pollfd comes from. */
struct weft__seen {
    int fd; /* as registered: it is one of the set under that, or itself */
    uint32_t stamp, round;
    struct weft__poller *asleep_on; /* the first of a set under another: to be left */
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

enum { EACH = sizeof(struct pollfd) + sizeof(struct weft__seen) };

static void look_in(struct weft__look *look, void *memory, uint32_t room, bool lent)
{
    look->seen = memory;
    look->fds = (struct pollfd *)(look->seen + room);
    look->room = room;
    look->lent = lent;
}

static void look_drop(const struct weft__look *look)
{
    if (!look->lent)
        weft__release(look->seen, look->room * (size_t)EACH);
}

/* The kernel looks at no more than there may be descriptors. */
static bool look_grow(struct weft__look *look, uint32_t room)
{
    long most = weft__sys_fd_limit();
    room = room < most ? room : (uint32_t)most;
    void *memory = room > look->room ? weft__alloc(room * (size_t)EACH, 16) : NULL;
    if (!memory)
        return false;
    struct weft__look old = *look;
    look_in(look, memory, room, false);
    if (old.count) {
        memcpy(look->fds, old.fds, old.count * sizeof *old.fds);
        memcpy(look->seen, old.seen, old.count * sizeof *old.seen);
    }
    look_drop(&old);
    return true;
}

static void look_free(struct weft__look *look)
{
    look_drop(look);
    weft__release(look->bits, look->bits_size);
    *look = (struct weft__look){ 0 };
}

static bool look_add(struct weft__look *look, struct pollfd fd, struct weft__seen seen)
{
    if (look->count == look->room && !look_grow(look, 2 * look->room))
        return false;
    look->seen[look->count] = seen;
    look->fds[look->count++] = fd;
    return true;
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
    if (!set->asleep)
        return;
    if (!set->leaving)
        weft__sys_write(set->bell, &one, sizeof one);
    set->round++;
    store_release(&set->leaving, set->asleep);
}

static void leave(struct weft__poller *set, uint32_t round)
{
    set->asleep--;
    if (set->round != round)
        store_release(&set->leaving, set->leaving - 1);
}

static void look_later(struct weft__poller *set, struct weft__interest *interest)
{
    interest->armed |= WEFT__LATER;
    if (!set->later)
        set->later = weft__sys_now() + LATER;
}

static void set_events(struct weft__poller *set, struct weft__interest *interest, uint32_t events,
                       uint64_t data)
{
    interest->events = events & ~(uint32_t)WEFT__LATER;
    interest->armed = events & (INWARDS | EPOLLOUT);
    interest->data = data;
    if (events & WEFT__LATER)
        look_later(set, interest);
    ring(set);
}

/* What a look is for: where it goes, and how long the sleep may last. */
struct gathering {
    struct weft__look *look;
    int64_t timeout;
};

static void no_longer_than(struct gathering *g, int64_t timeout)
{
    if (g->timeout < 0 || g->timeout > timeout)
        g->timeout = timeout;
}

static void gather_under(struct gathering *g, struct weft__poller *set, struct weft__seen above);

/* Copy what is armed. above: what it is registered as, if the set lies under another one. */
static void gather(struct gathering *g, struct weft__poller *set, const struct weft__seen *above)
{
    int64_t now = set->later ? weft__sys_now() : 0;
    bool due = set->later && now >= set->later;
    if (set->later && !due)
        no_longer_than(g, set->later - now);
    uint32_t fd = set->begin < set->limit ? set->begin : 0;
    for (uint32_t i = 0; i < set->limit; i++, fd = fd + 1 < set->limit ? fd + 1 : 0) {
        struct weft__interest *interest = &set->table[fd];
        if (due)
            interest->armed &= ~(uint32_t)WEFT__LATER;
        if (!interest->armed || interest->armed & WEFT__LATER)
            continue;
        struct weft__seen seen = { .fd = (int)fd, .stamp = interest->stamp };
        struct pollfd asked = { .fd = (int)fd, .events = (short)interest->armed };
        if (!look_add(g->look, asked, above ? *above : seen)) {
            set->begin = fd;
            no_longer_than(g, SHORT_OF_ROOM);
            break;
        }
        if (interest->under)
            gather_under(g, interest->under, above ? *above : seen);
    }
    if (due)
        set->later = 0;
}

/* Its bell has just been added. */
static void gather_under(struct gathering *g, struct weft__poller *set, struct weft__seen above)
{
    weft__spin_lock(&set->spin);
    struct weft__seen *bell = &g->look->seen[g->look->count - 1];
    bell->asleep_on = set;
    bell->round = set->round;
    set->asleep++;
    gather(g, set, &above);
    weft__spin_unlock(&set->spin);
}

static void leave_all(const struct weft__look *look)
{
    for (uint32_t i = 0; i < look->count; i++) {
        struct weft__poller *set = look->seen[i].asleep_on;
        if (!set)
            continue;
        weft__spin_lock(&set->spin);
        leave(set, look->seen[i].round);
        weft__spin_unlock(&set->spin);
    }
}

/* Silence what is reported, as it was registered. */
static void told(struct weft__interest *interest, uint32_t events)
{
    if (interest->events & EPOLLONESHOT)
        interest->armed = 0;
    if (interest->events & EPOLLET && events & (INWARDS | ALWAYS))
        interest->armed &= ~(uint32_t)INWARDS;
    if (interest->events & EPOLLET && events & (EPOLLOUT | ALWAYS))
        interest->armed &= ~(uint32_t)EPOLLOUT;
}

static int collect(struct weft__poller *set, struct epoll_event *out, int max)
{
    const struct weft__look *look = &set->look;
    int n = 0;
    if (look->fds[0].revents)
        out[n++] = (struct epoll_event){ .events = EPOLLIN, .data.u64 = 0 };
    for (uint32_t i = 1; i < look->count; i++) {
        const struct weft__seen *seen = &look->seen[i];
        uint32_t revents = (uint16_t)look->fds[i].revents;
        struct weft__interest *interest = revents ? find(set, seen->fd) : NULL;
        if (!interest || interest->stamp != seen->stamp || !interest->armed)
            continue;
        bool inside = look->fds[i].fd != seen->fd; /* of a set under this one */
        uint32_t events = inside ? EPOLLIN : revents & (interest->armed | ALWAYS);
        if (revents & POLLNVAL && !inside) { /* closed by others: epoll forgets it too */
            interest->events = interest->armed = 0;
        } else if (events) {
            if (n == max) {
                set->begin = (uint32_t)seen->fd;
                break;
            }
            out[n++] = (struct epoll_event){ .events = events, .data.u64 = interest->data };
            told(interest, events);
        }
    }
    return n;
}

/* select cannot wait for the peer's end or urgent data alone: bytes that nobody wants to read wake it too.
 * Those that may have are looked at in a while. */
static void look_away(struct weft__poller *set, const struct weft__look *look)
{
    for (uint32_t i = 0; i < look->count; i++) {
        struct weft__interest *interest = find(set, look->fds[i].fd);
        if (interest && interest->armed & INWARDS && !(interest->armed & POLLIN))
            look_later(set, interest);
    }
}

static void look_away_from_all(struct weft__poller *set, const struct weft__look *look)
{
    look_away(set, look);
    for (uint32_t i = 0; i < look->count; i++)
        if (look->seen[i].asleep_on) {
            weft__spin_lock(&look->seen[i].asleep_on->spin);
            look_away(look->seen[i].asleep_on, look);
            weft__spin_unlock(&look->seen[i].asleep_on->spin);
        }
}

int weft__set_wait(struct weft__poller *set, struct epoll_event *out, int max, int64_t timeout)
{
    struct weft__look *look = &set->look;
    struct gathering g = { look, timeout };
    weft__spin_lock(&set->spin);
    look->count = 0;
    look_add(look, (struct pollfd){ .fd = set->bell, .events = POLLIN }, (struct weft__seen){ 0 });
    gather(&g, set, NULL);
    uint32_t round = set->round;
    set->asleep++;
    weft__spin_unlock(&set->spin);
    int r = look_sleep(look, g.timeout);
    weft__spin_lock(&set->spin);
    leave(set, round);
    leave_all(look);
    if (r > 0)
        r = collect(set, out, max);
    else if (r == -EAGAIN)
        look_away_from_all(set, look);
    weft__spin_unlock(&set->spin);
    return r;
}

int weft__set_sleep(struct weft__poller *set, struct pollfd fds[2], int64_t timeout)
{
    _Alignas(16) char few[FEWEST * EACH];
    struct weft__look look = { 0 };
    struct gathering g = { &look, timeout };
    look_in(&look, few, FEWEST, true);
    look_add(&look, fds[0], (struct weft__seen){ 0 });
    look_add(&look, (struct pollfd){ .fd = set->bell, .events = POLLIN }, (struct weft__seen){ 0 });
    gather_under(&g, set, (struct weft__seen){ 0 });
    int r = look_sleep(&look, g.timeout);
    leave_all(&look);
    if (r == -EAGAIN) {
        weft__spin_lock(&set->spin);
        look_away(set, &look);
        weft__spin_unlock(&set->spin);
    }
    fds[0].revents = r > 0 ? look.fds[0].revents : 0;
    fds[1].revents = r > !!fds[0].revents ? POLLIN : 0;
    look_free(&look);
    if (r == 0 && g.timeout != timeout)
        return -EAGAIN; /* for others to be looked at */
    return r < 0 ? r : !!fds[0].revents + !!fds[1].revents;
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
        set->table[fd].under = NULL;
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
    if (interest) {
        ring(set);
        interest->events = interest->armed = 0;
        interest->under = NULL;
    }
    weft__spin_unlock(&set->spin);
    while (interest && load_acquire(&set->leaving)) /* they are on their way out */
        weft__sys_sched_yield();
    return interest ? 0 : -ENOENT;
}

void weft__set_under(struct weft__poller *above, int fd, struct weft__poller *set)
{
    weft__spin_lock(&above->spin);
    struct weft__interest *interest = find(above, fd);
    if (interest && interest->under != set) {
        interest->under = set;
        ring(above); /* who sleeps on the descriptor does not know what lies under it */
    }
    weft__spin_unlock(&above->spin);
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
