/* weft/task.h - a task: a unit of work, whatever carries it.
 *
 * A coroutine that has started stays on its OS thread, so the addresses of errno and of thread-local
 * variables stay right; other thread-local state is shared by the coroutines of a worker
 * (<weft/local.h> has storage of a task's own). */
#ifndef WEFT_TASK_H
#define WEFT_TASK_H

#include <weft/base.h>

struct weft_deadline;

WEFT_BEGIN

/* What carries a task. A kind that this build or kernel does not have answers -ENOTSUP at the spawn. */
enum weft_kind {
    WEFT_COROUTINE = 1, /* a stack on one of the runtime's threads; a million of them */
    WEFT_VTHREAD = 2,   /* the same with thread-local storage of its own, for blocking libraries */
    WEFT_THREAD = 3,    /* an OS thread of its own */
    WEFT_PROCESS = 4    /* an OS process */
};

/* Flags of a spawn, or-ed to the kind. */
enum weft_spawn_flags {
    WEFT_DAEMON = 1u << 8,   /* background tasks: ended at the program's end, not waited for */
    WEFT_COPY_IN = 1u << 9,  /* a job is copied in only; without it, also back */
    WEFT_DETACHED = 1u << 10 /* processes in the background: it outlives the program */
};

/* The work: >= 0 is a result, < 0 a -errno: the task failed. It runs in a task, or as a call in the caller's
 * (weft_within, weft_shield, generators); the entry that takes one says which. It may always wait. */
typedef int weft_fn(void *arg);

/* A task is a value. One that has ended and been forgotten is -ESRCH wherever it is named. */
typedef struct weft_task {
    uint64_t id; /* 0: no task */
} weft_task;

/* How a task ended. */
struct weft_exit {
    size_t size;    /* sizeof (struct weft_exit) */
    int result;     /* what fn returned; -EOWNERDEAD when a signal ended it */
    int signal;     /* 0, or the signal that killed the process */
    bool core;      /* it left a core dump */
    bool cancelled; /* weft_task_cancel, its group or its deadline had asked it to end */
};

/* A function and a place, kept for dumps and reports. */
#define WEFT_SITE(fn) #fn " at " WEFT_PLACE

/* Wait until a task has ended.
 *   task  any task but the caller; to be joined at all it must have been spawned with its handle
 *         asked for (struct weft_spawn). Any number may join one.
 *   out   NULL, or where its exit record goes (out->size set by the caller)
 * Returns   0 it has ended; -ESRCH no such task any more: a group's exit records live until its wait
 *           returns, a background task's until it is joined or 4,096 later ones have ended;
 *           -EDEADLK the caller itself; -EINVAL out->size; -ETIMEDOUT, -ECANCELED
 * Context   task or thread
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_task_join(weft_task task, struct weft_exit *out,
                                      struct weft_deadline deadline);

/* Ask a task to end: its present wait and every later one is -ECANCELED until its function returns,
 * except under a shield. A task that never waits must look at weft_task_is_cancelled().
 * Returns   0, also when it was asked before; -ESRCH
 * Context   task or thread; never waits
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_task_cancel(weft_task task);

/* Has the calling task been asked to end? For loops that compute. Under a shield the answer is no.
 * Returns   true when its next wait would be -ECANCELED
 * Context   task or thread
 * Cancels   no.   Since 0.1
 */
WEFT_API bool weft_task_is_cancelled(void);

/* The calling task; a thread that weft did not start has one too, from its first weft call on.
 * Returns   the task; id 0 when there is no memory for a thread's record
 * Context   task or thread. A task of a WEFT_FORK group may run as a call of its waiter and then
 *           bears the waiter's identity.
 * Cancels   no.   Since 0.1
 */
WEFT_API weft_task weft_task_self(void);

/* Is it started or still to start, and not ended?
 * Returns   true or false; false for a stale one
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API bool weft_task_is_alive(weft_task task);

/* Let others run; the caller goes to the end of its worker's run queue.
 * Returns   0; -ECANCELED when the caller is to end
 * Context   task or thread (a thread yields its time slice)
 * Cancels   yes.   Since 0.1
 */
WEFT_API int weft_yield(void);

/* A name for dumps, logs and lists; by default "fn at file:line" of the spawn.
 *   name  at most 31 bytes are kept
 * Returns   0; -ENOMEM
 * Context   task or thread, about itself
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_task_rename(const char *name);

/* What is known of a task. */
struct weft_task_info {
    size_t size; /* sizeof (struct weft_task_info) */
    weft_task task;
    unsigned kind;      /* enum weft_kind; 0 for a thread that weft did not start */
    int worker;         /* its worker's number, -1 when it has none */
    const char *site;   /* where it was spawned, static text; NULL for such a thread */
    const char *state;  /* "running", "ready", "unstarted", "ended", or what it waits for */
    int64_t waiting_ns; /* for how long it has been waiting, about; 0 if it is not */
    size_t stack;       /* bytes of stack it may use; 0 unknown */
    int pid;            /* a process task's; else 0 */
    char name[32];
};

/* Describe a task; what it does may have changed when the call returns.
 * Returns   0; -ESRCH; -EINVAL for a size this library does not know
 * Context   anywhere but signal handlers
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_task_describe(weft_task task, struct weft_task_info *out);

/* The live tasks: those with a stack or thread of their own, and spawned ones whose handle was asked
 * for. Closures still in a queue are counted, not listed.
 *   out, max  room for max tasks; NULL with 0 to count only
 * Returns   how many there are, which may be more than max
 * Context   anywhere but signal handlers
 * Cancels   no.   Since 0.1
 */
WEFT_API size_t weft_task_list(weft_task *out, size_t max);

/* Run fn(arg) when the calling task's function has returned: last one first, before anyone who waits
 * for the task learns of its end. It runs in the task and may wait: cancelled or not, such a function's
 * own waits are not cancelled.
 * Returns   0; -ENOMEM: it will not run; -EINVAL on a thread that weft did not start
 * Context   task
 * Cancels   no.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_defer(void (*fn)(void *arg), void *arg);

/* Call fn(arg) with a bound on every wait inside, those of calls it makes included; the sooner of
 * nested bounds and of a call's own deadline counts. fn runs as a plain call of the caller, and may wait.
 *   deadline  weft_after counts from this call
 * Returns   what fn returns; -ENOMEM before it is called. A C++ exception may leave by it, and ends the
 *           bound too; so with a shield
 * Context   task or thread
 * Cancels   fn's waits do; the call adds none.   Since 0.1
 */
WEFT_API int weft_within(struct weft_deadline deadline, weft_fn *fn, void *arg);

/* Call fn(arg) as if the task were not cancelled, so that a goodbye can be said. It is a plain call, and
 * may wait.
 *   deadline  every wait inside ends at it; weft_after counts from this call
 * Returns   what fn returns; -ENOMEM before it is called
 * Context   task or thread
 * Cancels   no, until it returns.   Since 0.1
 */
WEFT_API int weft_shield(struct weft_deadline deadline, weft_fn *fn, void *arg);

/* Hooks on every task's start and end, for tracing and for libraries that keep state a task. */
struct weft_hooks {
    size_t size;                 /* sizeof (struct weft_hooks) */
    void (*on_start)(void *ctx); /* in the task, before its function; NULL: none */
    void (*on_end)(void *ctx);   /* in the task, after its function and its defers; NULL: none */
    void *ctx;
};

/* Add hooks; they stay until the program ends, first added first called. A hook may wait, but
 * everything waits with it.
 *   hooks  copied
 * Returns   0; -ENOSPC when 8 are set already; -EINVAL
 * Context   anywhere but signal handlers; tasks started later are sure to see them
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_hooks_add(const struct weft_hooks *hooks);

WEFT_END
#endif
