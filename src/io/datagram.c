/* datagram.c - sockets beyond the stream: how they are made, and what they are told. */
#include <arpa/inet.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <weft/socket.h>

#include "io/address.h"
#include "io/io.h"

/* -- making ------------------------------------------------------------------------------------------- */

static int fail(int fd, int err, const char *where)
{
    if (fd >= 0)
        weft__sys_close(fd);
    return weft__failed(err, "datagram %s", where);
}

int weft_datagram(const char *here, const char *there, unsigned flags)
{
    weft_address own, peer;
    int r = 0;
    if ((!here && !there) || flags & ~(unsigned)(WEFT_REUSE_PORT | WEFT_REUSE_ADDRESS))
        return -EINVAL;
    if (there && (r = weft_address_parse(&peer, there)) < 0)
        return fail(-1, r, there);
    int fd = weft__socket_for(here ? here : there, SOCK_DGRAM, &own.as.storage, &own.size);
    if (fd < 0)
        return fail(-1, fd, here ? here : there);
    if (flags & WEFT_REUSE_PORT)
        r = weft_option_set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (r == 0 && flags & WEFT_REUSE_ADDRESS)
        r = weft_option_set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (r == 0 && here) {
        weft__remove_dead(&own.as.storage, own.size);
        r = weft_bind(fd, &own);
    }
    if (r < 0)
        return fail(fd, r, here ? here : there);
    while (there && (r = weft__sys_connect(fd, &peer.as.any, peer.size)) == -EINTR)
        ;
    if (r < 0) {
        if (here && own.as.any.sa_family == AF_UNIX && own.as.un.sun_path[0])
            weft__sys_unlink(own.as.un.sun_path);
        return fail(fd, r, there);
    }
    return fd;
}

int weft_socket(int family, int type, int protocol)
{
    return weft__sys_socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
}

int weft_bind(int fd, const weft_address *address)
{
    return weft__sys_bind(fd, &address->as.any, address->size);
}

int weft_connect(int fd, const weft_address *to, weft_deadline deadline)
{
    struct weft__task *self;
    int type, r = weft__wait_enter(&self), mode = r < 0 ? r : weft__sys_fcntl(fd, F_GETFL, 0);
    if (mode < 0)
        return mode;
    if (!(mode & O_NONBLOCK)) {
        if ((r = weft_option_get(fd, SOL_SOCKET, SO_TYPE, &type)) < 0)
            return r;
        if (type != SOCK_DGRAM)
            return -EINVAL;
    }
    return weft__connect(fd, &to->as.storage, to->size, deadline);
}

int weft_socketpair_of(int type, int out[2])
{
    return weft__sys_socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, out);
}

/* -- telling ------------------------------------------------------------------------------------------ */

int weft_option_set_raw(int fd, int level, int name, const void *value, socklen_t size)
{
    return weft__sys_setsockopt(fd, level, name, value, size);
}

int weft_option_get_raw(int fd, int level, int name, void *value, socklen_t *size)
{
    return weft__sys_getsockopt(fd, level, name, value, size);
}

int weft_option_set(int fd, int level, int name, int value)
{
    return weft_option_set_raw(fd, level, name, &value, sizeof value);
}

int weft_option_get(int fd, int level, int name, int *value)
{
    int got = 0;
    socklen_t size = sizeof got;
    int r = weft_option_get_raw(fd, level, name, &got, &size);
    if (r == 0)
        *value = got;
    return r;
}

int weft_peer_credentials(int fd, struct weft_credentials *out)
{
    struct ucred c;
    socklen_t size = sizeof c;
    int r = weft_option_get_raw(fd, SOL_SOCKET, SO_PEERCRED, &c, &size);
    if (r == 0 && c.uid == (uid_t)-1) /* the kernel has nobody to name */
        r = -ENOTCONN;
    if (r == 0)
        *out = (struct weft_credentials){ c.pid, c.uid, c.gid };
    return r;
}

static int seconds(weft_span span)
{
    weft_span s = (span + WEFT_SEC - 1) / WEFT_SEC;
    return s < INT_MAX ? (int)s : INT_MAX; /* the kernel's own limit is lower */
}

int weft_keep_alive(int fd, weft_span idle, weft_span every, int tries)
{
    int r = 0;
    if (idle < 0 || (idle > 0 && (every <= 0 || tries <= 0)))
        return -EINVAL;
    if (idle > 0) {
        r = weft_option_set(fd, IPPROTO_TCP, TCP_KEEPIDLE, seconds(idle));
        if (r == 0)
            r = weft_option_set(fd, IPPROTO_TCP, TCP_KEEPINTVL, seconds(every));
        if (r == 0)
            r = weft_option_set(fd, IPPROTO_TCP, TCP_KEEPCNT, tries);
    }
    return r < 0 ? r : weft_option_set(fd, SOL_SOCKET, SO_KEEPALIVE, idle > 0);
}

int weft_linger(int fd, weft_span span)
{
    struct linger l = { .l_onoff = span == 0 };
    return span > 0 ? -EINVAL : weft_option_set_raw(fd, SOL_SOCKET, SO_LINGER, &l, sizeof l);
}

/* -- multicast ---------------------------------------------------------------------------------------- */

static int index_of(int fd, const char *interface)
{
    return interface ? weft__sys_interface(fd, interface) : 0;
}

static int member(int fd, int name, const char *group, const char *interface)
{
    struct group_req request;
    memset(&request, 0, sizeof request);
    struct sockaddr_in *in = (struct sockaddr_in *)&request.gr_group;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&request.gr_group;
    int level = IPPROTO_IP, index = index_of(fd, interface);
    if (index < 0)
        return index;
    request.gr_interface = (uint32_t)index;
    in->sin_family = AF_INET;
    if (inet_pton(AF_INET, group, &in->sin_addr) != 1) {
        level = IPPROTO_IPV6;
        in6->sin6_family = AF_INET6;
        if (inet_pton(AF_INET6, group, &in6->sin6_addr) != 1)
            return -EINVAL;
    }
    int r = weft_option_set_raw(fd, level, name, &request, sizeof request);
    return r == -ENOPROTOOPT || r == -EOPNOTSUPP ? -EINVAL : r;
}

int weft_multicast_join(int fd, const char *group, const char *interface)
{
    return member(fd, MCAST_JOIN_GROUP, group, interface);
}

int weft_multicast_leave(int fd, const char *group, const char *interface)
{
    return member(fd, MCAST_LEAVE_GROUP, group, interface);
}

/* A socket of IPv6 sends to groups of IPv4 too, unless it is V6ONLY; then the kernel does not mind. */
static int tell(int fd, int name4, const void *value4, socklen_t size4, int name6, int value6)
{
    int family, r = weft_option_get(fd, SOL_SOCKET, SO_DOMAIN, &family);
    if (r == 0 && family == AF_INET6)
        r = weft_option_set(fd, IPPROTO_IPV6, name6, value6);
    return r < 0 ? r : weft_option_set_raw(fd, IPPROTO_IP, name4, value4, size4);
}

int weft_multicast_interface(int fd, const char *interface)
{
    struct ip_mreqn request = { .imr_ifindex = index_of(fd, interface) };
    if (request.imr_ifindex < 0)
        return request.imr_ifindex;
    return tell(fd, IP_MULTICAST_IF, &request, sizeof request, IPV6_MULTICAST_IF,
                request.imr_ifindex);
}

int weft_multicast_hops(int fd, int hops)
{
    if (hops < 0 || hops > 255)
        return -EINVAL;
    return tell(fd, IP_MULTICAST_TTL, &hops, sizeof hops, IPV6_MULTICAST_HOPS, hops);
}

int weft_multicast_loop(int fd, int loop)
{
    if (loop != 0 && loop != 1)
        return -EINVAL;
    return tell(fd, IP_MULTICAST_LOOP, &loop, sizeof loop, IPV6_MULTICAST_LOOP, loop);
}
