/* sync/sync.h - what the objects share. */
#ifndef WEFT_SYNC_SYNC_H
#define WEFT_SYNC_SYNC_H

#include <errno.h>
#include <weft/base.h>

#include "base/report.h"
#include "sched/wait.h"

/* Flags of an object's init. */
static inline int weft__object_flags(unsigned flags)
{
    return flags & ~(unsigned)WEFT_SHARED ? -EINVAL : flags & WEFT_SHARED ? -ENOTSUP : 0;
}

/* For reports. */
static inline const char *weft__caller_name(void)
{
    return weft__current ? weft__task_name(weft__current) : "thread";
}

#endif
