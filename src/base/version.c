/* version.c - what the library is, and the words of errors. */
#include <weft/base.h>

#include "base/sys.h"

unsigned weft_version(void)
{
    return WEFT_VERSION_MAJOR << 16 | WEFT_VERSION_MINOR << 8 | WEFT_VERSION_PATCH;
}

const char *weft_strerror(int err)
{
    switch (err) { /* weft's own, which mean one thing each */
    case -ETIMEDOUT:
    case ETIMEDOUT: return "deadline reached";
    case -ECANCELED:
    case ECANCELED: return "cancelled";
    }
    const char *text = err == INT32_MIN ? NULL : weft__sys_strerror(err < 0 ? -err : err);
    return text ? text : "unknown error";
}
