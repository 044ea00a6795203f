/* Addresses: whatever is taken comes out again as a text that means the same. */
#include "io/address.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sockaddr_storage addr, again;
    socklen_t len = 0, len_again = 0;
    char *text = malloc(size + 1), out[256];
    memcpy(text, data, size);
    text[size] = 0;
    int r = weft__address_parse(text, &addr, &len);
    if (r == 0 && len == sizeof addr.ss_family) {
        if (strcmp(text, "unix:@") != 0) /* to be chosen: it has no text yet */
            abort();
    } else if (r == 0) {
        if (len > sizeof addr || weft__address_print(&addr, len, out, sizeof out) < 0 ||
            strlen(out) >= 128)
            abort();
        if (weft__address_parse(out, &again, &len_again) < 0 || len_again != len ||
            memcmp(&addr, &again, len) != 0)
            abort();
        if (weft__address_print(&addr, len, out, strlen(out)) != -ENOSPC)
            abort();
    } else if (r != -EINVAL) {
        abort();
    }
    char host[WEFT__HOST_ROOM], service[WEFT__SERVICE_ROOM];
    if (weft__address_split(text, host, service) == 0 &&
        (!*host || !*service || strlen(host) + strlen(service) + 1 > size || strchr(service, ':')))
        abort();
    free(text);
    return 0;
}
