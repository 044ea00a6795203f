/* sync/sync.h - what the objects share. */
#ifndef WEFT_SYNC_SYNC_H
#define WEFT_SYNC_SYNC_H

#include <errno.h>
#include <weft/base.h>
#include <weft/lock.h>

#include "base/report.h"
#include "sched/wait.h"

/* Flags of an object's init. */
static inline int weft__object_flags(unsigned flags)
{
    return flags & ~(unsigned)WEFT_SHARED ? -EINVAL : flags & WEFT_SHARED ? -ENOTSUP : 0;
}

void weft__lock_let_go(weft_lock *lock, struct weft__task *self); /* who holds it */
/* It ends and holds locks, the latest taken first, up to `before`. */
void weft__lock_abandon_all(struct weft__task *task, weft_lock *before);
void weft__lock_lose_all(struct weft__task *task); /* it is not in this child of a fork */

#endif
