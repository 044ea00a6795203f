/* weft/name.h - names of hosts, services and protocols, and what they stand for; only the caller waits.
 *
 *     weft_address found[8];
 *     char text[128];
 *     int n = weft_name_find("www.debian.org", "https", found, 8, NULL, weft_after(2 * WEFT_SEC));
 *     if (n < 0)
 *         puts(weft_why());
 *     for (int i = 0; i < n && i < 8; i++)
 *         if (weft_address_print(&found[i], text, sizeof text) == 0)
 *             puts(text);
 *
 * weft_dial takes names itself. A host is looked for in the hosts file first, then asked of name servers, by
 * c-ares; a library built without it has the hosts file only. Nothing is kept between two calls, nothing
 * runs in the background. */
#ifndef WEFT_NAME_H
#define WEFT_NAME_H

#include <weft/base.h>
#include <weft/socket.h>
#include <weft/time.h>

WEFT_BEGIN

/* How to look, where the system's own settings are not to count. All zero but size: they count. */
struct weft_name_options {
    size_t size;         /* sizeof (struct weft_name_options) */
    int family;          /* AF_INET or AF_INET6 only; 0: both */
    const char *hosts;   /* another file than /etc/hosts; "": none */
    const char *servers; /* "192.0.2.1,[2001:db8::1]:5353": these, and nothing of /etc/resolv.conf */
    const char *search;  /* "example.org,example.com": appended to short names, in this order */
    weft_span patience;  /* how long a server may take before the next is asked; 0: 5 s */
    unsigned tries;      /* how often each server is asked; 0: 4 times */
};

/* Find the addresses of a host.
 *   host      a name or a numeric address, which is not looked up. "localhost" and what ends in
 *             ".localhost" is this machine without a question to anyone
 *   service   "https" or "443": the port in all addresses, of TCP. NULL: 0
 *   out, max  where to: the one to try first first (RFC 6724); those of the hosts file as they stand
 *             there
 *   options   NULL: the system's
 * Returns   how many there are, >= 1; the first max of them are in out. -ENOENT no such name, no address of
 *           this family, no such service; -ETIMEDOUT the deadline, or no server answered; -ECONNREFUSED
 *           the servers cannot be reached or refuse; -EAGAIN a server cannot tell now; -EINVAL the name
 *           or the options are malformed; -ENOSYS built without c-ares, and not in the hosts file;
 *           -ECANCELED, -EMFILE, -ENOMEM; words in weft_why()
 * Context   task or thread; a server that never answers delays nobody else
 * Cancels   yes; nothing is left open.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_name_find(const char *host, const char *service, weft_address *out,
                                      int max, const struct weft_name_options *options,
                                      weft_deadline deadline);

/* Find the name of an address.
 *   address    IPv4 or IPv6; the port does not matter
 *   out, size  room; 256 bytes are always enough
 * Returns   0; -EAFNOSUPPORT, -ENOSPC, and as weft_name_find
 * Context   task or thread
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_name_of(const weft_address *address, char *out, size_t size,
                                    const struct weft_name_options *options, weft_deadline deadline);

/* Find a host's full name: "db1" may be "db1.example.org".
 *   host  NULL: this machine's
 * Returns   0; -ENOSPC, and as weft_name_find
 * Context   task or thread
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_name_full(const char *host, char *out, size_t size,
                                      const struct weft_name_options *options,
                                      weft_deadline deadline);

/* What this machine calls itself, as hostname(1) prints it.
 *   out, size  room; 65 bytes are always enough
 * Returns   0; -ENOSPC
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_name_self(char *out, size_t size);

/* A service's port and a port's service, a protocol's number and a number's protocol, as /etc/services and
 * /etc/protocols have them.
 *   protocol  of the service: "tcp", "udp"; NULL: whichever comes first
 * Returns   port and number: it, >= 0; the names: 0. -ENOENT; -ENOSPC; -EINVAL; -ECANCELED
 * Context   task or thread; reads a file, and only the caller waits for its disk
 * Cancels   at entry.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_service_port(const char *service, const char *protocol);
WEFT_API WEFT_MUST int weft_service_name(int port, const char *protocol, char *out, size_t size);
WEFT_API WEFT_MUST int weft_protocol_number(const char *protocol);
WEFT_API WEFT_MUST int weft_protocol_name(int number, char *out, size_t size);

WEFT_END
#endif
