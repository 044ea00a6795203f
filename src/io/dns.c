/* dns.c - asking name servers, by c-ares.
 *
 * Each look-up has a channel of its own, which lives in its caller's frame and ends with it: nothing is
 * shared, so nothing can be delayed by others, lost in a fork or left to end. c-ares gets its sockets
 * from us; they lie in an epoll set of the look-up, which is the one descriptor that is waited for.
 * A channel reads its settings from a file as it begins: on a helper thread, if that file is on a disk.
 */
#include "io/dns.h"

#include <errno.h>

#ifdef WEFT_CARES
#include <ares.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <weft/offload.h>

#include "base/report.h"
#include "io/io.h"

struct look_up {
    const char *host; /* NULL: what is the name of */
    const void *bytes;
    int family;
    const struct weft_name_options *options;
    struct weft__dns_answer *answer;
    ares_channel channel;
    int epfd;
    int error; /* of our own functions below */
    int status;
    bool done;
};

/* -- what c-ares calls ------------------------------------------------------------------------------- */

static ssize_t with_errno(ssize_t r)
{
    if (r < 0)
        *weft__sys_errno() = (int)-r;
    return r < 0 ? -1 : r;
}

static ares_socket_t open_socket(int family, int type, int protocol, void *look_up)
{
    (void)look_up;
    return (ares_socket_t)with_errno(
        weft__sys_socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
}

static int close_socket(ares_socket_t fd, void *look_up)
{
    (void)look_up;
    return (int)with_errno(weft__sys_close(fd));
}

static int connect_socket(ares_socket_t fd, const struct sockaddr *addr, ares_socklen_t size,
                          void *look_up)
{
    (void)look_up;
    return (int)with_errno(weft__sys_connect(fd, addr, size));
}

static ares_ssize_t receive(ares_socket_t fd, void *buf, size_t size, int flags,
                            struct sockaddr *from, ares_socklen_t *from_size, void *look_up)
{
    struct msghdr msg = { .msg_name = from,
                          .msg_namelen = from ? *from_size : 0,
                          .msg_iov = &(struct iovec){ buf, size },
                          .msg_iovlen = 1 };
    (void)look_up;
    ssize_t n = weft__sys_recvmsg(fd, &msg, flags | MSG_DONTWAIT);
    if (n >= 0 && from)
        *from_size = msg.msg_namelen;
    return with_errno(n);
}

static ares_ssize_t send_all(ares_socket_t fd, const struct iovec *iov, int count, void *look_up)
{
    struct msghdr msg = { .msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)count };
    (void)look_up;
    return with_errno(weft__sys_sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL));
}

static const struct ares_socket_functions socket_functions = { open_socket, close_socket,
                                                               connect_socket, receive, send_all };

static void on_state(void *arg, ares_socket_t fd, int reads, int writes)
{
    struct look_up *l = arg;
    struct epoll_event event = { .events = (reads ? EPOLLIN : 0u) | (writes ? EPOLLOUT : 0u),
                                 .data.fd = fd };
    if (!event.events) {
        weft__sys_epoll_ctl(l->epfd, EPOLL_CTL_DEL, fd, &event);
        return;
    }
    int r = weft__sys_epoll_ctl(l->epfd, EPOLL_CTL_MOD, fd, &event);
    if (r == -ENOENT)
        r = weft__sys_epoll_ctl(l->epfd, EPOLL_CTL_ADD, fd, &event);
    if (r < 0)
        l->error = r;
}

static void on_addresses(void *arg, int status, int timeouts, struct ares_addrinfo *found)
{
    struct look_up *l = arg;
    struct weft__dns_answer *answer = l->answer;
    (void)timeouts;
    l->status = status;
    l->done = true;
    if (status != ARES_SUCCESS)
        return;
    const char *name = found->name ? found->name : l->host;
    for (struct ares_addrinfo_cname *alias = found->cnames; alias; alias = alias->next)
        name = alias->name ? alias->name : name;
    snprintf(answer->name, sizeof answer->name, "%s", name);
    for (struct ares_addrinfo_node *n = answer->address ? found->nodes : NULL; n; n = n->ai_next)
        answer->address(answer->to, n->ai_family,
                        n->ai_family == AF_INET
                            ? (void *)&((struct sockaddr_in *)(void *)n->ai_addr)->sin_addr
                            : (void *)&((struct sockaddr_in6 *)(void *)n->ai_addr)->sin6_addr);
    ares_freeaddrinfo(found);
}

static void on_name(void *arg, int status, int timeouts, struct hostent *found)
{
    struct look_up *l = arg;
    (void)timeouts;
    l->status = status;
    l->done = true;
    if (status == ARES_SUCCESS)
        snprintf(l->answer->name, sizeof l->answer->name, "%s", found->h_name);
}

/* -- a look-up ---------------------------------------------------------------------------------------- */

/* "a,b c" as words; how many, < 0: too many or too long. text is where they lie. */
static int split(const char *list, char *text, size_t size, char *out[], int max)
{
    int count = 0;
    if (strlen(list) >= size)
        return -EINVAL;
    memcpy(text, list, strlen(list) + 1);
    for (char *at = text + strspn(text, ", "); *at; at += strspn(at, ", ")) {
        if (count == max)
            return -EINVAL;
        out[count++] = at;
        at += strcspn(at, ", ");
        if (*at)
            *at++ = 0;
    }
    return count;
}

static int begin(void *arg)
{
    struct look_up *l = arg;
    const struct weft_name_options *o = l->options;
    char text[1024], *domains[16], servers_only[] = "b", nowhere[] = "/dev/null";
    struct ares_options settings = { .flags = ARES_FLAG_NOALIASES,
                                     .lookups = servers_only, /* the hosts file was read */
                                     .sock_state_cb = on_state,
                                     .sock_state_cb_data = l,
                                     .domains = domains };
    int mask = ARES_OPT_FLAGS | ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB;
    if (o->patience > 0) {
        int64_t ms = (o->patience + WEFT_MS - 1) / WEFT_MS;
        settings.timeout = ms < 1000000 ? (int)ms : 1000000;
        mask |= ARES_OPT_TIMEOUTMS;
    }
    if (o->tries > 0) {
        settings.tries = o->tries < 100 ? (int)o->tries : 100;
        mask |= ARES_OPT_TRIES;
    }
    if (o->search || o->servers) {
        settings.ndomains = split(o->search ? o->search : "", text, sizeof text, domains, 16);
        if (settings.ndomains < 0)
            return settings.ndomains;
        mask |= ARES_OPT_DOMAINS;
    }
    if (o->servers) {
        settings.resolvconf_path = nowhere;
        mask |= ARES_OPT_RESOLVCONF;
    }
    int r = ares_init_options(&l->channel, &settings, mask);
    if (r != ARES_SUCCESS) {
        l->channel = NULL;
        return r == ARES_ENOMEM ? -ENOMEM : -EIO;
    }
    ares_set_socket_functions(l->channel, &socket_functions, l);
    if (o->servers && (r = ares_set_servers_ports_csv(l->channel, o->servers)) != ARES_SUCCESS)
        return r == ARES_ENOMEM ? -ENOMEM : -EINVAL;
    if (l->host) {
        struct ares_addrinfo_hints hints = { .ai_family = o->family ? o->family : AF_UNSPEC,
                                             .ai_socktype = SOCK_STREAM,
                                             .ai_flags = ARES_AI_CANONNAME };
        ares_getaddrinfo(l->channel, l->host, NULL, &hints, on_addresses, l);
    } else {
        ares_gethostbyaddr(l->channel, l->bytes, l->family == AF_INET ? 4 : 16, l->family, on_name,
                           l);
    }
    return 0;
}

/* Wait for a socket or for c-ares' own time limit, whichever is first, and let it go on. */
static int step(struct look_up *l, struct weft__target *target, weft_deadline deadline)
{
    struct epoll_event events[16];
    struct timeval left, *limit = ares_timeout(l->channel, NULL, &left);
    int64_t until = INT64_MAX, bound = weft__current->bound;
    if (limit)
        until = weft__now() + limit->tv_sec * WEFT_SEC + limit->tv_usec * WEFT_US;
    bool ours = until < deadline.ns && until < bound;
    int r = weft__fd_wait(target, POLLIN, ours ? (weft_deadline){ until } : deadline, "look-up");
    if (r < 0 && !(r == -ETIMEDOUT && ours))
        return r;
    int count = weft__sys_epoll_wait(l->epfd, events, 16, 0);
    for (int i = 0; i < count; i++) {
        bool reads = events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP);
        bool writes = events[i].events & EPOLLOUT;
        ares_process_fd(l->channel, reads ? events[i].data.fd : ARES_SOCKET_BAD,
                        writes ? events[i].data.fd : ARES_SOCKET_BAD);
    }
    ares_process_fd(l->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    return l->error;
}

static int as_errno(int status)
{
    switch (status) {
    case ARES_SUCCESS: return 0;
    case ARES_ENOTFOUND:
    case ARES_ENODATA: return -ENOENT;
    case ARES_ETIMEOUT: return -ETIMEDOUT;
    case ARES_ECONNREFUSED:
    case ARES_EREFUSED: return -ECONNREFUSED;
    case ARES_EBADNAME: return -EINVAL;
    case ARES_ENOMEM: return -ENOMEM;
    default: return -EAGAIN; /* servers that fail or answer nonsense */
    }
}

static int run(struct look_up *l, weft_deadline deadline)
{
    struct weft__target target;
    bool helped = !l->options->servers && !weft__is_in_memory("/etc/resolv.conf");
    if ((l->epfd = weft__sys_epoll_create()) < 0)
        return l->epfd;
    int r = weft__target_begin(&target, l->epfd);
    if (r == 0)
        r = weft__runtime_need();
    if (r == 0)
        r = helped ? weft__offload(WEFT__FOR_NAMES, begin, l) : begin(l);
    while (r == 0 && !l->done)
        r = step(l, &target, deadline);
    if (r == 0)
        r = l->error && l->status != ARES_SUCCESS ? l->error : as_errno(l->status);
    if (l->channel)
        ares_destroy(l->channel);
    weft_close(l->epfd); /* out of the hands of who sleeps on it, too */
    return r;
}

int weft__dns_find(const char *host, struct weft__dns_answer *answer,
                   const struct weft_name_options *options, weft_deadline deadline)
{
    struct look_up l = { .host = host, .options = options, .answer = answer };
    return run(&l, weft__fixed(deadline));
}

int weft__dns_reverse(int family, const void *bytes, struct weft__dns_answer *answer,
                      const struct weft_name_options *options, weft_deadline deadline)
{
    struct look_up l = { .family = family, .bytes = bytes, .options = options, .answer = answer };
    return run(&l, weft__fixed(deadline));
}

#else

int weft__dns_find(const char *host, struct weft__dns_answer *answer,
                   const struct weft_name_options *options, weft_deadline deadline)
{
    (void)host;
    (void)answer;
    (void)options;
    (void)deadline;
    return -ENOSYS;
}

int weft__dns_reverse(int family, const void *bytes, struct weft__dns_answer *answer,
                      const struct weft_name_options *options, weft_deadline deadline)
{
    (void)family;
    (void)bytes;
    (void)answer;
    (void)options;
    (void)deadline;
    return -ENOSYS;
}
#endif
