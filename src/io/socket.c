/* socket.c - listen, accept, connect, addresses of sockets. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/un.h>

#include <weft/offload.h>
#include <weft/socket.h>

#include "io/address.h"
#include "io/io.h"
#include "io/name.h"

enum { BACKLOG = 4096 };

static void set_option(int fd, int level, int name, int value)
{
    weft__sys_setsockopt(fd, level, name, &value, sizeof value);
}

/* A plain file refuses connections too. */
static bool is_socket(const char *path)
{
    struct stat st;
    int fd = weft__sys_openat(AT_FDCWD, path, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
    bool yes = fd >= 0 && weft__sys_fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
    if (fd >= 0)
        weft__sys_close(fd);
    return yes;
}

/* Is somebody there behind a unix path? A dead one is removed, so that it can be bound again. */
void weft__remove_dead(const struct sockaddr_storage *addr, socklen_t size)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)addr;
    if (un->sun_family != AF_UNIX || un->sun_path[0] == 0)
        return;
    int fd = weft__sys_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    if (weft__sys_connect(fd, (const struct sockaddr *)addr, size) == -ECONNREFUSED &&
        is_socket(un->sun_path))
        weft__sys_unlink(un->sun_path);
    weft__sys_close(fd);
}

int weft__socket_for(const char *where, int type, struct sockaddr_storage *addr, socklen_t *size)
{
    int r = weft__address_parse(where, addr, size);
    if (r < 0)
        return r;
    type |= SOCK_CLOEXEC | SOCK_NONBLOCK;
    int fd = weft__sys_socket(addr->ss_family, type, 0);
    if (fd == -EAFNOSUPPORT && where[0] == ':') { /* any address, and the kernel has no IPv6 */
        struct sockaddr_in in = { .sin_family = AF_INET,
                                  .sin_port = ((struct sockaddr_in6 *)addr)->sin6_port };
        __builtin_memcpy(addr, &in, *size = sizeof in);
        fd = weft__sys_socket(AF_INET, type, 0);
    }
    if (fd >= 0 && addr->ss_family == AF_INET6)
        set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, where[0] != ':');
    return fd;
}

static int listen_at(const char *where, unsigned flags)
{
    struct sockaddr_storage addr;
    socklen_t size;
    int r, fd = weft__socket_for(where, SOCK_STREAM, &addr, &size);
    if (fd < 0)
        return fd;
    set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (flags & WEFT_REUSE_PORT)
        set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (addr.ss_family != AF_UNIX)
        set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1); /* what is accepted inherits it */
    weft__remove_dead(&addr, size);
    r = weft__sys_bind(fd, (struct sockaddr *)&addr, size);
    if (r == 0)
        r = weft__sys_listen(fd, BACKLOG);
    if (r < 0)
        weft__sys_close(fd);
    return r < 0 ? r : fd;
}

/* IPv4 before IPv6: who knows the name finds either, who knows 127.0.0.1 only the one. */
static noinline int listen_name(const char *where, unsigned flags)
{
    char host[WEFT__HOST_ROOM], service[WEFT__SERVICE_ROOM], text[128];
    weft_address addresses[8];
    int r = weft__address_split(where, host, service), count = 0, fd = -1;
    if (r < 0)
        return weft__failed(r, "listen %s", where);
    if ((count = weft__name_here(host, service, addresses, 8)) < 0)
        return weft_why_set(count, "listen %s: %s", where, weft_why());
    for (int six = 0; six < 2; six++)
        for (int i = 0; i < count && i < 8 && fd < 0; i++)
            if ((addresses[i].as.any.sa_family == AF_INET6) == six &&
                weft_address_print(&addresses[i], text, sizeof text) == 0)
                fd = listen_at(text, flags);
    return fd < 0 ? weft__failed(fd, "listen %s", where) : fd;
}

int weft_listen(const char *where, unsigned flags)
{
    struct sockaddr_storage addr;
    socklen_t size;
    if (flags & ~(unsigned)WEFT_REUSE_PORT)
        return -EINVAL;
    if (weft__address_parse(where, &addr, &size) < 0)
        return listen_name(where, flags);
    int fd = listen_at(where, flags);
    return fd < 0 ? weft__failed(fd, "listen %s", where) : fd;
}

/* Errors of the connection, not of the listener: the next one may be well (accept(2)). */
static bool is_the_peers(int err)
{
    switch (err) {
    case -ECONNABORTED:
    case -EINTR:
    case -EPROTO:
    case -ENETDOWN:
    case -ENOPROTOOPT:
    case -EHOSTDOWN:
    case -ENONET:
    case -EHOSTUNREACH:
    case -ENETUNREACH: return true;
    default: return false;
    }
}

struct accepting {
    int listener;
    struct sockaddr_storage *peer;
};

static int accept_now(void *arg)
{
    struct accepting *a = arg;
    socklen_t size = sizeof *a->peer;
    return weft__sys_accept4(a->listener, (struct sockaddr *)a->peer, a->peer ? &size : NULL,
                             SOCK_NONBLOCK | SOCK_CLOEXEC);
}

static int accept_next(int listener, struct sockaddr_storage *peer, weft_deadline deadline)
{
    struct weft__task *self;
    struct weft__target target;
    struct accepting a = { listener, peer };
    int r = weft__wait_enter(&self), mode;
    if (r == 0)
        r = weft__target_begin(&target, listener);
    if (r < 0)
        return r;
    if ((mode = weft__sys_fcntl(listener, F_GETFL, 0)) < 0)
        return mode;
    int listens = 1;
    socklen_t size = sizeof listens;
    if (!(mode & O_NONBLOCK) &&
        (r = weft__sys_getsockopt(listener, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size)) < 0)
        return r;
    for (;;) {
        if (mode & O_NONBLOCK || !listens)
            r = accept_now(&a);
        else if ((r = weft__fd_ready(listener, POLLIN)) > 0)
            r = weft__offload(WEFT__FOR_FILES, accept_now,
                              &a); /* somebody else's; he may be quicker, and it sleep */
        else
            r = r < 0 ? r : -EAGAIN;
        if (is_the_peers(r))
            continue;
        if (r != -EAGAIN)
            return r;
        deadline = weft__fixed(deadline);
        r = weft__runtime_need();
        if (r == 0)
            r = weft__fd_wait(&target, POLLIN, deadline, "accept");
        if (r < 0)
            return r;
    }
}

int weft_accept(int listener, struct sockaddr_storage *peer, weft_deadline deadline)
{
    int r = accept_next(listener, peer, deadline);
    if (r < 0 && r != -ETIMEDOUT && r != -ECANCELED)
        weft__failed(r, "accept from descriptor %d", listener);
    return r;
}

/* A unix socket whose other side's queue is full: the kernel has no way to tell when there is room. */
int weft__target_pause(const struct weft__target *target, weft_span *pause, weft_deadline deadline)
{
    struct weft__target still;
    int64_t now = weft__now(), until = now + *pause;
    if (deadline.ns <= now)
        return -ETIMEDOUT;
    if (*pause < 64 * WEFT_MS)
        *pause *= 2;
    int r = weft_sleep((weft_deadline){ deadline.ns < until ? deadline.ns : until });
    if (r == 0)
        r = weft__target_begin(&still, target->fd);
    return r < 0 ? r : still.generation == target->generation ? 0 : -EBADF;
}

/* The kernel's answer to another connect tells how the first one went; a wake-up alone does not. */
int weft__connect(int fd, const struct sockaddr_storage *addr, socklen_t size,
                  weft_deadline deadline)
{
    struct weft__target target;
    weft_span pause = WEFT_MS;
    int r = weft__target_begin(&target, fd);
    for (bool begun = false; r >= 0;) {
        r = weft__sys_connect(fd, (const struct sockaddr *)addr, size);
        if (r == -EISCONN && begun)
            return 0;
        if (r != -EINPROGRESS && r != -EALREADY && r != -EINTR && r != -EAGAIN)
            return r;
        begun = begun || r != -EAGAIN;
        deadline = weft__fixed(deadline);
        bool full = r == -EAGAIN;
        r = weft__runtime_need();
        if (r == 0)
            r = full ? weft__target_pause(&target, &pause, deadline)
                     : weft__fd_wait(&target, POLLOUT, deadline, "dial");
    }
    return r;
}

int weft_socket_address(int fd, weft_address *out)
{
    weft_address a = { .size = sizeof a.as };
    int r = weft__sys_getsockname(fd, &a.as.any, &a.size);
    if (r == 0)
        *out = a;
    return r;
}

int weft_socket_peer(int fd, weft_address *out)
{
    weft_address a = { .size = sizeof a.as };
    int r = weft__sys_getpeername(fd, &a.as.any, &a.size);
    if (r == 0)
        *out = a;
    return r;
}

int weft_local_address(int fd, char *out, size_t size)
{
    weft_address a;
    int r = weft_socket_address(fd, &a);
    return r < 0 ? r : weft_address_print(&a, out, size);
}

int weft_peer_address(int fd, char *out, size_t size)
{
    weft_address a;
    int r = weft_socket_peer(fd, &a);
    return r < 0 ? r : weft_address_print(&a, out, size);
}

int weft_socketpair(int out[2])
{
    return weft__sys_socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, out);
}

int weft_pipe(int out[2])
{
    return weft__sys_pipe(out, O_CLOEXEC | O_NONBLOCK);
}

int weft_shutdown(int fd, int how)
{
    return weft__sys_shutdown(fd, how);
}
