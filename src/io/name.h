/* io/name.h - names for the rest of this room. */
#ifndef WEFT_IO_NAME_H
#define WEFT_IO_NAME_H

#include <weft/name.h>

/* As weft_name_find, without asking a server. */
int weft__name_here(const char *host, const char *service, weft_address *out, int max);

#endif
