/* weft/runtime.h - the runtime starts by itself; these calls are for programs that want more say. */
#ifndef WEFT_RUNTIME_H
#define WEFT_RUNTIME_H

#include <weft/base.h>
#include <weft/task.h>
#include <weft/time.h>

WEFT_BEGIN

/* Run fn(arg) as a coroutine and return what it returned.
 * Before the runtime has started the caller becomes worker 0 until fn has returned, and SIGQUIT prints
 * all tasks; then background tasks are waited for, daemons cancelled (WEFT_EXIT_GRACE in milliseconds, 1,000), and the
 * thread is a plain one again. After the runtime has started, from a plain thread: fn runs as a task
 * and the caller waits.
 * Returns   fn's result; -EINVAL without fn; -EBUSY inside a task, generator or fiber (words in weft_why());
 *           -ENOMEM, -EAGAIN when the runtime cannot start
 * Context   thread
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_run(weft_fn *fn, void *arg);

/* End the runtime: waits for background tasks, cancels daemons, ends the workers. It may start again.
 *   deadline  for the whole
 * Returns   0; -ETIMEDOUT tasks still run and the runtime goes on; -EBUSY inside a task or
 *           weft_run (words in weft_why()); -ENOMEM
 * Context   plain thread
 * Cancels   no.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_stop(weft_deadline deadline);

/* How many cores the process may use: its affinity and the tightest cgroup quota above it, at least 1.
 * Returns   the count
 * Context   anywhere but signal handlers
 * Cancels   no.   Since 0.1
 */
WEFT_API unsigned weft_cpu_count(void);

/* How many workers the runtime has or would have: WEFT_WORKERS in the environment (at most 256), else
 * weft_cpu_count().
 * Returns   the count
 * Context   anywhere but signal handlers
 * Cancels   no.   Since 0.1
 */
WEFT_API unsigned weft_worker_count(void);

WEFT_END
#endif
