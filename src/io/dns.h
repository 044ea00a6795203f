/* io/dns.h - asking name servers. Without c-ares these two answer -ENOSYS. */
#ifndef WEFT_IO_DNS_H
#define WEFT_IO_DNS_H

#include <weft/name.h>

struct weft__dns_answer {
    void (*address)(void *to, int family, const void *bytes); /* for each, the best first; or NULL */
    void *to;
    char name[256]; /* the host's own name */
};

/* As weft_name_find and weft_name_of, without words. */
int weft__dns_find(const char *host, struct weft__dns_answer *answer,
                   const struct weft_name_options *options, weft_deadline deadline);
int weft__dns_reverse(int family, const void *bytes, struct weft__dns_answer *answer,
                      const struct weft_name_options *options, weft_deadline deadline);

#endif
