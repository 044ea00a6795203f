/* weft/offload.h - run code that blocks on a helper thread, while only the caller waits. */
#ifndef WEFT_OFFLOAD_H
#define WEFT_OFFLOAD_H

#include <weft/base.h>
#include <weft/task.h>
#include <weft/time.h>

WEFT_BEGIN

/* Run fn(arg) on a helper thread and wait for it. Helpers are made when needed, at most 64
 * (WEFT_OFFLOAD_MAX), and end after 10 s without work; further jobs queue. weft's own calls on files and
 * names have helpers of their own. On a plain thread fn just runs.
 * Returns   what fn returned; -ECANCELED cancelled before fn began (then it never runs); -ENOMEM,
 *           -EAGAIN no helper could be made
 * Context   task or thread. fn runs on a plain thread, where it may block and wait: current task and
 *           task-local storage are that thread's.
 * Cancels   until fn has begun.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_offload(weft_fn *fn, void *arg);

/* The same with a copy of a job and a deadline: at the deadline, or cancelled, the caller goes on, and
 * fn finishes on its copy, which is then dropped. Use the macro.
 *   job, size  copied in, and copied back when fn was waited for
 * Returns   what fn returned; -ETIMEDOUT, -ECANCELED: fn may still run, on its copy; -ENOMEM, -EAGAIN
 * Context   task or thread
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_offload_at(weft_fn *fn, void *job, size_t size, weft_deadline deadline);

#define weft_offload_job(fn, job, deadline) weft_offload_at(fn, job, sizeof *(job), deadline)

/* How many jobs were left behind by a deadline and still run.
 * Returns   the count
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API unsigned weft_offload_abandoned(void);

WEFT_END
#endif
