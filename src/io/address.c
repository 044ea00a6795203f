/* address.c - addresses as text; names are not looked up here. inet_pton and inet_ntop do not enter the kernel. */
#include "io/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <weft/socket.h>

static int parse_unix(const char *path, struct sockaddr_storage *out, socklen_t *size)
{
    struct sockaddr_un *un = (struct sockaddr_un *)out;
    size_t n = strlen(path), fixed = offsetof(struct sockaddr_un, sun_path);
    if (n == 0 || n >= sizeof un->sun_path)
        return -EINVAL;
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, n + 1);
    if (path[0] == '@') {
        un->sun_path[0] = 0;
        *size = (socklen_t)(n == 1 ? fixed : fixed + n); /* no name: the kernel chooses one */
    } else {
        *size = (socklen_t)(fixed + n + 1);
    }
    return 0;
}

static int parse_port(const char *text, in_port_t *out)
{
    unsigned port = 0;
    if (!*text)
        return -EINVAL;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return -EINVAL;
        port = port * 10 + (unsigned)(*text - '0');
        if (port > 65535)
            return -EINVAL;
    }
    *out = htons((uint16_t)port);
    return 0;
}

int weft__address_parse(const char *text, struct sockaddr_storage *out, socklen_t *size)
{
    char host[INET6_ADDRSTRLEN + 2];
    memset(out, 0, sizeof *out);
    if (strncmp(text, "unix:", 5) == 0)
        return parse_unix(text + 5, out, size);
    const char *colon = strrchr(text, ':');
    size_t n = colon ? (size_t)(colon - text) : 0;
    if (!colon || n >= sizeof host)
        return -EINVAL;
    memcpy(host, text, n);
    host[n] = 0;
    if (n == 0 || host[0] == '[') {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
        in6->sin6_family = AF_INET6;
        *size = sizeof *in6;
        if (n > 0) {
            if (n < 3 || host[n - 1] != ']')
                return -EINVAL;
            host[n - 1] = 0;
            if (inet_pton(AF_INET6, host + 1, &in6->sin6_addr) != 1)
                return -EINVAL;
        }
        return parse_port(colon + 1, &in6->sin6_port);
    }
    struct sockaddr_in *in = (struct sockaddr_in *)out;
    in->sin_family = AF_INET;
    *size = sizeof *in;
    if (inet_pton(AF_INET, host, &in->sin_addr) != 1)
        return -EINVAL;
    return parse_port(colon + 1, &in->sin_port);
}

int weft__address_split(const char *text, char host[WEFT__HOST_ROOM],
                        char service[WEFT__SERVICE_ROOM])
{
    const char *colon = strrchr(text, ':'), *end = colon;
    if (!colon || strncmp(text, "unix:", 5) == 0)
        return -EINVAL;
    if (text[0] == '[') {
        if (end - ++text < 2 || *--end != ']' || !memchr(text, ':', (size_t)(end - text)))
            return -EINVAL;
    } else if (memchr(text, ':', (size_t)(colon - text))) {
        return -EINVAL;
    }
    size_t n = (size_t)(end - text), m = strlen(++colon);
    if (n == 0 || n >= WEFT__HOST_ROOM || m == 0 || m >= WEFT__SERVICE_ROOM ||
        strpbrk(colon, " \t\r\n"))
        return -EINVAL;
    memcpy(host, text, n);
    host[n] = 0;
    memcpy(service, colon, m + 1);
    return 0;
}

int weft__address_print(const struct sockaddr_storage *addr, socklen_t size, char *out, size_t room)
{
    char host[INET6_ADDRSTRLEN];
    int n;
    if (addr->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)addr;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        n = snprintf(out, room, "%s:%u", host, ntohs(in->sin_port));
    } else if (addr->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)addr;
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
        n = snprintf(out, room, "[%s]:%u", host, ntohs(in6->sin6_port));
    } else if (addr->ss_family == AF_UNIX) {
        const struct sockaddr_un *un = (const struct sockaddr_un *)addr;
        size_t fixed = offsetof(struct sockaddr_un, sun_path),
               path = size > fixed ? size - fixed : 0;
        if (path > 0 && un->sun_path[0] == 0)
            n = snprintf(out, room, "unix:@%.*s", (int)path - 1, un->sun_path + 1);
        else
            n = snprintf(out, room, "unix:%.*s", (int)path, path ? un->sun_path : "");
    } else {
        return -EAFNOSUPPORT;
    }
    return n >= 0 && (size_t)n < room ? 0 : -ENOSPC;
}

int weft_address_parse(weft_address *address, const char *text)
{
    return weft__address_parse(text, &address->as.storage, &address->size);
}

int weft_address_print(const weft_address *address, char *out, size_t room)
{
    return weft__address_print(&address->as.storage, address->size, out, room);
}
