/* sync/sync.h - what the objects share. */
#ifndef WEFT_SYNC_SYNC_H
#define WEFT_SYNC_SYNC_H

#include <errno.h>
#include <weft/base.h>

#include "base/report.h"
#include "sched/wait.h"

/* Flags of an object's init, its place, and what it may have beside WEFT_SHARED. */
#define weft__object_flags(object, flags, known) \
    weft__object_check(object, sizeof *(object), flags, known)
int weft__object_check(const void *object, size_t size, unsigned flags, unsigned known);

/* For reports. */
static inline const char *weft__caller_name(void)
{
    return weft__current ? weft__task_name(weft__current) : "thread";
}

/* Why an enter has failed. */
static inline const char *weft__no_entry(int r)
{
    return r == -EDEADLK           ? "which it holds already"
           : r == -ENOTRECOVERABLE ? "which was let go unrepaired"
           : r == -ENOLCK          ? "with as many shared locks held as a thread can"
                                   : "and cannot wait for it";
}

#endif
