/* dial.c - connect: to an address, or to a name's addresses in a race (happy eyeballs, RFC 8305). */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "io/address.h"
#include "io/io.h"
#include "io/name.h"

enum { RACERS = 16, STAGGER = 250 * WEFT_MS };

static int open_socket(int family)
{
    int fd = weft__sys_socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;
    if (fd >= 0 && family != AF_UNIX)
        weft__sys_setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static int dial_one(const struct sockaddr_storage *addr, socklen_t size, weft_deadline deadline)
{
    int r, fd = open_socket(addr->ss_family);
    if (fd < 0)
        return fd;
    if ((r = weft__connect(fd, addr, size, deadline)) < 0)
        weft_close(fd);
    return r < 0 ? r : fd;
}

/* -- a race ------------------------------------------------------------------------------------------- */

struct race {
    weft_address addrs[RACERS];
    int fds[RACERS];                /* -1: not started, or lost */
    int count, started, open, epfd; /* epfd: those that are under way */
    int error;                      /* of the latest loser */
    int64_t next;                   /* when another one starts */
    char why[400];
    struct weft__text text;
};

/* Families take turns, so that a broken one costs a stagger and not one for each of its addresses. */
static void interleave(weft_address *a, int count)
{
    for (int i = 1; i < count; i++) {
        int k = i;
        while (k < count && a[k].as.any.sa_family == a[i - 1].as.any.sa_family)
            k++;
        if (k == count)
            return;
        weft_address other = a[k];
        memmove(&a[i + 1], &a[i], (size_t)(k - i) * sizeof *a);
        a[i] = other;
    }
}

static void tell(struct race *race, int i, const char *words)
{
    char address[128];
    if (weft_address_print(&race->addrs[i], address, sizeof address) == 0)
        weft__text_add(&race->text, "%s%s %s", race->text.size ? ", " : "", address, words);
}

static void lose(struct race *race, int i, int err)
{
    if (race->fds[i] >= 0)
        weft__sys_close(race->fds[i]);
    race->fds[i] = -1;
    race->error = err;
    race->next = 0;
    tell(race, i, weft_strerror(err));
}

/* 1: this one has won. The kernel's answer to another connect tells how the first one went. */
static int ask(struct race *race, int i)
{
    int r = weft__sys_connect(race->fds[i], &race->addrs[i].as.any, race->addrs[i].size);
    if (r == 0 || r == -EISCONN)
        return 1;
    if (r != -EINPROGRESS && r != -EALREADY && r != -EINTR) {
        lose(race, i, r);
        race->open--;
    }
    return 0;
}

static int start(struct race *race, int64_t now)
{
    int i = race->started++, fd = open_socket(race->addrs[i].as.any.sa_family);
    struct epoll_event event = { .events = EPOLLOUT, .data.u32 = (uint32_t)i };
    race->next = now + STAGGER;
    race->fds[i] = fd;
    if (fd < 0) {
        lose(race, i, fd);
        return 0;
    }
    race->open++;
    if (ask(race, i))
        return 1;
    int r = race->fds[i] < 0 ? 0 : weft__sys_epoll_ctl(race->epfd, EPOLL_CTL_ADD, fd, &event);
    if (r < 0) {
        lose(race, i, r);
        race->open--;
    }
    return 0;
}

/* The winner's number, or the error. */
static int run(struct race *race, struct weft__target *target, weft_deadline deadline)
{
    struct epoll_event events[RACERS];
    for (;;) {
        int64_t now = weft__now();
        while (race->started < race->count && (now >= race->next || race->open == 0))
            if (start(race, now))
                return race->started - 1;
        if (race->open == 0)
            return race->error;
        int64_t until = race->started < race->count ? race->next : INT64_MAX;
        bool ours = until < deadline.ns && until < weft__current->bound;
        int r = weft__fd_wait(target, POLLIN, ours ? (weft_deadline){ until } : deadline, "dial");
        if (r < 0 && !(r == -ETIMEDOUT && ours))
            return r;
        int count = weft__sys_epoll_wait(race->epfd, events, RACERS, 0);
        for (int i = 0; i < count; i++)
            if (ask(race, (int)events[i].data.u32))
                return (int)events[i].data.u32;
    }
}

/* All in one frame, so that a dial of a numeric address does not have it. */
static noinline int dial_race(const weft_address *addrs, int count, const char *where,
                              weft_deadline deadline)
{
    struct race race = { .count = count < RACERS ? count : RACERS };
    struct weft__target target;
    race.text = (struct weft__text){ race.why, sizeof race.why, 0 };
    for (int i = 0; i < race.count; i++) {
        race.addrs[i] = addrs[i];
        race.fds[i] = -1;
    }
    interleave(race.addrs, race.count);
    if ((race.epfd = weft__sys_epoll_create()) < 0)
        return weft__failed(race.epfd, "dial %s", where);
    int r = weft__target_begin(&target, race.epfd), winner = -1;
    if (r == 0)
        r = weft__runtime_need();
    if (r == 0)
        r = run(&race, &target, deadline);
    if (r >= 0) {
        winner = race.fds[r];
        race.fds[r] = -1;
    }
    for (int i = 0; i < race.started; i++)
        if (race.fds[i] >= 0) {
            tell(&race, i, "no answer");
            weft__sys_close(race.fds[i]);
        }
    weft_close(race.epfd);
    if (r < 0 && race.text.size == 0)
        return weft__failed(r, "dial %s", where);
    return r < 0 ? weft_why_set(r, "dial %s: %s", where, race.why) : winner;
}

int weft_dial_any(const weft_address *addresses, int count, weft_deadline deadline)
{
    struct weft__task *self;
    int r = weft__wait_enter(&self);
    if (r < 0)
        return r;
    for (int i = 0; i < count; i++)
        if (addresses[i].as.any.sa_family != AF_INET && addresses[i].as.any.sa_family != AF_INET6)
            r = -EINVAL;
    if (r < 0 || count < 1)
        return weft__failed(-EINVAL, "dial any of %d addresses", count);
    return dial_race(addresses, count, "any", weft__fixed(deadline));
}

static noinline int dial_name(const char *where, weft_deadline deadline)
{
    char host[WEFT__HOST_ROOM], service[WEFT__SERVICE_ROOM];
    weft_address addrs[RACERS];
    int r = weft__address_split(where, host, service);
    if (r < 0)
        return weft__failed(r, "dial %s", where);
    r = weft_name_find(host, service, addrs, RACERS, NULL, deadline);
    if (r < 0)
        return r == -ECANCELED ? weft__failed(r, "dial %s", where)
                               : weft_why_set(r, "dial %s: %s", where, weft_why());
    return dial_race(addrs, r, where, deadline);
}

int weft_dial(const char *where, weft_deadline deadline)
{
    struct weft__task *self;
    struct sockaddr_storage addr;
    socklen_t size;
    int r = weft__wait_enter(&self);
    if (r < 0)
        return r;
    deadline = weft__fixed(deadline);
    if (weft__address_parse(where, &addr, &size) < 0)
        return dial_name(where, deadline);
    r = dial_one(&addr, size, deadline);
    return r < 0 ? weft__failed(r, "dial %s", where) : r;
}
