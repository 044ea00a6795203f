/* io/address.h - addresses as text. */
#ifndef WEFT_IO_ADDRESS_H
#define WEFT_IO_ADDRESS_H

#include <sys/socket.h>

/* "127.0.0.1:80", "[::1]:80", ":80", "unix:/path", "unix:@abstract". -EINVAL. */
int weft__address_parse(const char *text, struct sockaddr_storage *out, socklen_t *size);
/* "host:service" in two, also where one of them is a number; brackets are taken off. -EINVAL. */
enum { WEFT__HOST_ROOM = 256, WEFT__SERVICE_ROOM = 64 };
int weft__address_split(const char *text, char host[WEFT__HOST_ROOM],
                        char service[WEFT__SERVICE_ROOM]);
/* The same form. -ENOSPC, -EAFNOSUPPORT. */
int weft__address_print(const struct sockaddr_storage *addr, socklen_t size, char *out, size_t room);

#endif
