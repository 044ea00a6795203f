/* name.c - names of hosts, services and protocols: what can be told from the tables in /etc, here; what
 * must be asked of name servers, in dns.c. */
#include <weft/name.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "io/dns.h"
#include "io/io.h"
#include "io/name.h"
#include "io/tables.h"

enum { WORDS_MAX = 64 };

static const struct weft_name_options as_the_system_has_it = { .size = sizeof as_the_system_has_it };

static int check_options(const struct weft_name_options **options)
{
    const struct weft_name_options *o = *options;
    if (!o)
        *options = &as_the_system_has_it;
    else if (o->size != sizeof *o || o->patience < 0 ||
             (o->family && o->family != AF_INET && o->family != AF_INET6))
        return weft_why_set(-EINVAL, "name options: malformed");
    return 0;
}

static int text_out(const char *text, char *out, size_t size)
{
    size_t length = strlen(text);
    if (length >= size)
        return -ENOSPC;
    memcpy(out, text, length + 1);
    return 0;
}

/* -- services, protocols ------------------------------------------------------------------------------ */

/* "443" of at most max; -1. */
static int number(const char *text, int max)
{
    int n = 0;
    if (!*text)
        return -1;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return -1;
        n = n * 10 + (*text - '0');
        if (n > max)
            return -1;
    }
    return n;
}

/* Entries are "name number[/protocol] alias...". Find by name (then any of the names will do) or number; its
 * own name and its number. -ENOENT. */
static int find_entry(const char *path, const char *name, int wanted, const char *protocol,
                      char *out, size_t size)
{
    struct weft__table table;
    struct weft__task *self;
    char *words[WORDS_MAX];
    int count, r = weft__wait_enter(&self);
    if (r == 0)
        r = weft__table_read(&table, path, weft_never());
    if (r < 0)
        return r;
    r = -ENOENT;
    while (r == -ENOENT && (count = weft__table_next(&table, words, WORDS_MAX)) > 0) {
        if (count < 2)
            continue;
        char *slash = strchr(words[1], '/');
        if (slash)
            *slash++ = 0;
        if (protocol && (!slash || strcmp(slash, protocol) != 0))
            continue;
        int value = number(words[1], 65535);
        bool same = name ? strcmp(words[0], name) == 0 : value == wanted;
        for (int i = 2; name && !same && i < count && i < WORDS_MAX; i++)
            same = strcmp(words[i], name) == 0;
        if (same && value >= 0)
            r = out ? text_out(words[0], out, size) : value;
    }
    weft__table_free(&table);
    return r;
}

int weft_service_port(const char *service, const char *protocol)
{
    if (!service)
        return -EINVAL;
    return find_entry("/etc/services", service, 0, protocol, NULL, 0);
}

int weft_service_name(int port, const char *protocol, char *out, size_t size)
{
    if (!out || port < 0 || port > 65535)
        return -EINVAL;
    return find_entry("/etc/services", NULL, port, protocol, out, size);
}

int weft_protocol_number(const char *protocol)
{
    if (!protocol)
        return -EINVAL;
    return find_entry("/etc/protocols", protocol, 0, NULL, NULL, 0);
}

int weft_protocol_name(int n, char *out, size_t size)
{
    if (!out || n < 0)
        return -EINVAL;
    return find_entry("/etc/protocols", NULL, n, NULL, out, size);
}

/* -- hosts -------------------------------------------------------------------------------------------- */

struct hits {
    weft_address *out;
    int max, count;
    in_port_t port;
    int family; /* the only one wanted; 0 both */
};

static void add(void *to, int family, const void *bytes)
{
    struct hits *hits = to;
    weft_address one;
    memset(&one, 0, sizeof one);
    one.as.any.sa_family = (sa_family_t)family;
    if (hits->family && family != hits->family)
        return;
    if (family == AF_INET) {
        one.size = sizeof one.as.in;
        one.as.in.sin_port = hits->port;
        memcpy(&one.as.in.sin_addr, bytes, sizeof one.as.in.sin_addr);
    } else {
        one.size = sizeof one.as.in6;
        one.as.in6.sin6_port = hits->port;
        memcpy(&one.as.in6.sin6_addr, bytes, sizeof one.as.in6.sin6_addr);
    }
    int stored = hits->count < hits->max ? hits->count : hits->max;
    for (int i = 0; i < stored; i++)
        if (hits->out[i].size == one.size && memcmp(&hits->out[i].as, &one.as, one.size) == 0)
            return;
    if (hits->count < hits->max)
        hits->out[hits->count] = one;
    hits->count++;
}

/* AF_INET, AF_INET6; 0: no numeric address. */
static int numeric(const char *text, void *bytes)
{
    return inet_pton(AF_INET, text, bytes) == 1    ? AF_INET
           : inet_pton(AF_INET6, text, bytes) == 1 ? AF_INET6
                                                   : 0;
}

/* Words for a bad name, or NULL. */
static const char *fault_of(const char *host)
{
    size_t size = strlen(host), label = 0;
    if (size == 0)
        return "empty";
    if (size > 253 + (host[size - 1] == '.'))
        return "longer than 253 bytes";
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)host[i];
        if (c > 126)
            return "not ASCII (its xn-- form is)";
        if (c <= ' ' || strchr("\"#%,/:;<>?@[\\]^`{|}()!$&'*+=~", c))
            return "not a name";
        label = c == '.' ? 0 : label + 1;
        if (label > 63)
            return "a part is longer than 63 bytes";
        if (c == '.' && (i == 0 || host[i - 1] == '.'))
            return "an empty part";
    }
    size -= host[size - 1] == '.';
    const char *last = memrchr(host, '.', size);
    last = last ? last + 1 : host;
    if (strspn(last, "0123456789") == (size_t)(host + size - last)) /* "127.1" is a slip of the pen */
        return "a number, but no address";
    return NULL;
}

static bool same_host(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    n -= n > 1 && a[n - 1] == '.';
    m -= m > 1 && b[m - 1] == '.';
    return n == m && strncasecmp(a, b, n) == 0;
}

static bool is_localhost(const char *host)
{
    static const char local[] = "localhost";
    size_t n = strlen(host);
    n -= n > 1 && host[n - 1] == '.';
    if (n < sizeof local - 1 ||
        strncasecmp(host + n - (sizeof local - 1), local, sizeof local - 1) != 0)
        return false;
    return n == sizeof local - 1 || host[n - sizeof local] == '.';
}

/* An entry is "address name alias...". Of a host: its addresses, and its name, the first with a dot if there
 * is one. host NULL: the name of an address. 0 also when there is none. */
static int look_in_hosts(const char *path, const char *host, int family, const void *bytes,
                         struct hits *hits, char *name, size_t size)
{
    struct weft__table table;
    char *words[WORDS_MAX], address[16];
    int count, r;
    if (path && !*path)
        return 0;
    r = weft__table_read(&table, path ? path : "/etc/hosts", weft_never());
    if (r == -ENOENT && !path)
        return 0;
    if (r < 0)
        return weft__failed(r, "read %s", path ? path : "/etc/hosts");
    while (r == 0 && (count = weft__table_next(&table, words, WORDS_MAX)) > 0) {
        int its = numeric(words[0], address);
        const char *full = NULL;
        bool same = !host && its == family && memcmp(address, bytes, its == AF_INET ? 4 : 16) == 0;
        for (int i = 1; i < count && i < WORDS_MAX; i++) {
            same = same || (host && same_host(words[i], host));
            if (!full && strchr(words[i], '.'))
                full = words[i];
        }
        if (!its || !same || count < 2)
            continue;
        if (hits)
            add(hits, its, address);
        if (name && !*name)
            r = text_out(host && full ? full : words[1], name, size);
    }
    weft__table_free(&table);
    return r;
}

static void add_localhost(struct hits *hits)
{
    add(hits, AF_INET6, &in6addr_loopback);
    add(hits, AF_INET, &(struct in_addr){ htonl(INADDR_LOOPBACK) });
}

static int no_such(int err, const char *host, const struct weft_name_options *options)
{
    const char *words =
        err == -ENOENT && options->family == AF_INET    ? "no such name, or no IPv4 address"
        : err == -ENOENT && options->family == AF_INET6 ? "no such name, or no IPv6 address"
        : err == -ENOENT                                ? "no such name"
        : err == -ECONNREFUSED ? "the name servers cannot be reached, or refuse"
        : err == -EAGAIN       ? "the name servers cannot tell now"
        : err == -ENOSYS       ? "not in the hosts file, and this weft asks no servers"
        : err == -ETIMEDOUT    ? "no answer in time"
                               : weft_strerror(err);
    return weft_why_set(err, "host '%s': %s", host, words);
}

static int port_of(const char *service)
{
    int port = service ? number(service, 65535) : 0;
    if (port >= 0)
        return port;
    if (service[strspn(service, "0123456789")] == 0)
        return weft_why_set(-EINVAL, "port '%s': not in 0 to 65535", service);
    if ((port = weft_service_port(service, "tcp")) == -ENOENT)
        weft_why_set(port, "service '%s': no such name", service);
    return port;
}

/* What needs no server: > 0 found, 0 ask. */
static int find_here(const char *host, const char *service, struct hits *hits,
                     const struct weft_name_options *options)
{
    char bytes[16];
    int family, port, r;
    const char *fault;
    if ((port = port_of(service)) < 0)
        return port;
    hits->port = htons((in_port_t)port);
    hits->family = options->family;
    if ((family = numeric(host, bytes))) {
        add(hits, family, bytes);
        return hits->count ? 1 : no_such(-ENOENT, host, options);
    }
    if ((fault = fault_of(host)))
        return weft_why_set(-EINVAL, "host '%.80s': %s", host, fault);
    if ((r = look_in_hosts(options->hosts, host, 0, NULL, hits, NULL, 0)) < 0)
        return r;
    if (hits->count == 0 && is_localhost(host))
        add_localhost(hits);
    return hits->count;
}

int weft__name_here(const char *host, const char *service, weft_address *out, int max)
{
    struct hits hits = { .out = out, .max = max };
    int r = find_here(host, service, &hits, &as_the_system_has_it);
    return r ? r : no_such(-ENOENT, host, &as_the_system_has_it);
}

int weft_name_find(const char *host, const char *service, weft_address *out, int max,
                   const struct weft_name_options *options, weft_deadline deadline)
{
    struct weft__task *self;
    struct hits hits = { .out = out, .max = max };
    struct weft__dns_answer answer = { .address = add, .to = &hits };
    if (!host || max < 0 || (max > 0 && !out))
        return -EINVAL;
    int r = weft__wait_enter(&self);
    if (r == 0)
        r = check_options(&options);
    if (r == 0)
        r = find_here(host, service, &hits, options);
    if (r != 0)
        return r;
    r = weft__dns_find(host, &answer, options, deadline);
    if (r == 0 && hits.count == 0)
        r = -ENOENT;
    return r < 0 ? no_such(r, host, options) : hits.count;
}

int weft_name_full(const char *host, char *out, size_t size,
                   const struct weft_name_options *options, weft_deadline deadline)
{
    struct weft__task *self;
    struct weft__dns_answer answer = { .address = NULL };
    struct utsname machine;
    char name[256] = "", bytes[16];
    const char *fault;
    int r = weft__wait_enter(&self);
    if (r == 0)
        r = check_options(&options);
    if (r == 0 && !host) {
        if ((r = weft__sys_uname(&machine)) < 0)
            return r;
        host = machine.nodename;
    }
    if (r < 0)
        return r;
    if (numeric(host, bytes))
        return text_out(host, out, size);
    if ((fault = fault_of(host)))
        return weft_why_set(-EINVAL, "host '%.80s': %s", host, fault);
    if ((r = look_in_hosts(options->hosts, host, 0, NULL, NULL, name, sizeof name)) < 0)
        return r;
    if (!*name && is_localhost(host))
        return text_out("localhost", out, size);
    if (*name)
        return text_out(name, out, size);
    r = weft__dns_find(host, &answer, options, deadline);
    return r < 0 ? no_such(r, host, options) : text_out(answer.name, out, size);
}

int weft_name_of(const weft_address *address, char *out, size_t size,
                 const struct weft_name_options *options, weft_deadline deadline)
{
    struct weft__task *self;
    struct weft__dns_answer answer = { .address = NULL };
    char name[256] = "", text[INET6_ADDRSTRLEN];
    int r = weft__wait_enter(&self), family = address->as.any.sa_family;
    if (r == 0)
        r = check_options(&options);
    if (r < 0)
        return r;
    if (family != AF_INET && family != AF_INET6)
        return -EAFNOSUPPORT;
    const void *bytes = family == AF_INET ? (const void *)&address->as.in.sin_addr
                                          : (const void *)&address->as.in6.sin6_addr;
    if ((r = look_in_hosts(options->hosts, NULL, family, bytes, NULL, name, sizeof name)) < 0)
        return r;
    if (*name)
        return text_out(name, out, size);
    if ((r = weft__dns_reverse(family, bytes, &answer, options, deadline)) < 0) {
        inet_ntop(family, bytes, text, sizeof text);
        return no_such(r, text, options);
    }
    return text_out(answer.name, out, size);
}

int weft_name_self(char *out, size_t size)
{
    struct utsname machine;
    int r = weft__sys_uname(&machine);
    return r < 0 ? r : text_out(machine.nodename, out, size);
}
