/* os/poller.h - descriptors that a worker sleeps on: an epoll, or a set of our own for poll and select.
 *
 * The words are epoll's (struct epoll_event, EPOLLET, EPOLLONESHOT), and so is what they mean; epoll is
 * passed through and costs nothing. What else WEFT_BACKEND chooses is a table under a lock, which the
 * sleeper copies before it sleeps; who changes it meanwhile rings the bell. It differs in this:
 *   - an edge cannot be seen: each direction that was reported is silent until the next modify;
 *   - one thread at a time waits in it, so nobody can harvest a busy worker's descriptors;
 *   - the kernel keeps a file open as long as somebody sleeps on it, so descriptors that others may be
 *     sleeping on are removed before they are closed.
 * As an epoll can be waited for in another one, a set lies under a descriptor of another set, its bell: who
 * sleeps on that one sleeps on all of them.
 */
#ifndef WEFT_OS_POLLER_H
#define WEFT_OS_POLLER_H

#include "base/spin.h"
#include "base/sys.h"

enum weft__backend { WEFT__EPOLL = 1, WEFT__POLL, WEFT__SELECT };

enum weft__backend weft__backend(void); /* by WEFT_BACKEND, read once */

/* In sets: the registration is looked at in a while, not now (modify). epoll has no such bit. */
enum { WEFT__LATER = 1 << 27 };

struct weft__interest;
struct weft__seen;

/* What a sleeper looks at; its own, so that the tables may change meanwhile. */
struct weft__look {
    struct pollfd *fds; /* the bell first */
    struct weft__seen *seen;
    uint32_t count, room;
    bool lent;           /* the memory of both */
    unsigned long *bits; /* for select: three maps, written over by the answer */
    size_t bits_size;
};

struct weft__poller {
    int epfd; /* -1: a set */
    int bell; /* an eventfd, the owner's; its events have data 0 */
    weft__spin spin;
    struct weft__interest *table; /* by descriptor */
    uint32_t limit;               /* its length */
    uint32_t begin;               /* where the next look begins: none is always behind others */
    uint32_t stamp;
    uint32_t asleep;  /* how many sleep on it: the owner, or by the sets that it lies under */
    uint32_t round;   /* moves when the bell is rung */
    uint32_t leaving; /* atomic: how many were asleep then and have not left yet */
    int64_t later;    /* when those with WEFT__LATER are looked at; 0: there are none */
    struct weft__look look;
};

int weft__poller_open(struct weft__poller *poller, int bell); /* -EMFILE, -ENFILE, -ENOMEM */
void weft__poller_close(struct weft__poller *poller);         /* the bell stays open */

int weft__set_add(struct weft__poller *set, int fd, uint32_t events, uint64_t data);
int weft__set_modify(struct weft__poller *set, int fd, uint32_t events, uint64_t data);
int weft__set_remove(struct weft__poller *set, int fd);
int weft__set_wait(struct weft__poller *set, struct epoll_event *out, int max, int64_t timeout);
/* fd is registered in `above`, and the bell of `set` (NULL: of none any more). */
void weft__set_under(struct weft__poller *above, int fd, struct weft__poller *set);
/* A thread sleeps until its own bell, fds[0], rings or something in the set is ready: fds[1].revents. As
 * poll; -EAGAIN: not yet. */
int weft__set_sleep(struct weft__poller *set, struct pollfd fds[2], int64_t timeout);

/* Has its bell been rung for somebody who has not left yet? */
static inline bool weft__poller_is_leaving(const struct weft__poller *poller)
{
    return load_acquire(&poller->leaving) > 0;
}

static inline bool weft__poller_is_set(const struct weft__poller *poller)
{
    return unlikely(poller->epfd < 0);
}

static inline int weft__poller_control(struct weft__poller *poller, int operation, int fd,
                                       uint32_t events, uint64_t data)
{
    struct epoll_event event = { .events = events, .data.u64 = data };
    return weft__sys_epoll_ctl(poller->epfd, operation, fd, &event);
}

/* -EEXIST, -EBADF, -EPERM: this kind of file is always ready; -ENOMEM, -ENOSPC. */
static inline int weft__poller_add(struct weft__poller *poller, int fd, uint32_t events,
                                   uint64_t data)
{
    return weft__poller_is_set(poller)
               ? weft__set_add(poller, fd, events, data)
               : weft__poller_control(poller, EPOLL_CTL_ADD, fd, events, data);
}

/* Everything is armed again. -ENOENT, -EBADF. */
static inline int weft__poller_modify(struct weft__poller *poller, int fd, uint32_t events,
                                      uint64_t data)
{
    return weft__poller_is_set(poller)
               ? weft__set_modify(poller, fd, events, data)
               : weft__poller_control(poller, EPOLL_CTL_MOD, fd, events, data);
}

/* Nobody sleeps on it when this returns. -ENOENT, -EBADF. */
static inline int weft__poller_remove(struct weft__poller *poller, int fd)
{
    return weft__poller_is_set(poller) ? weft__set_remove(poller, fd)
                                       : weft__poller_control(poller, EPOLL_CTL_DEL, fd, 0, 0);
}

/* timeout in ns, < 0 for ever. How many events; -EINTR, -EAGAIN and what else the kernel has. */
static inline int weft__poller_wait(struct weft__poller *poller, struct epoll_event *out, int max,
                                    int64_t timeout)
{
    return weft__poller_is_set(poller) ? weft__set_wait(poller, out, max, timeout)
                                       : weft__sys_epoll_wait(poller->epfd, out, max, timeout);
}

#endif
