/* weft/group.h - tasks are started in groups, and a group ends when its tasks have.
 *
 *     weft_group g;
 *     weft_group_init(&g, 0);
 *     weft_group_spawn(&g, WEFT_COROUTINE, fetch, &a);
 *     weft_group_spawn(&g, WEFT_COROUTINE, fetch, &b);
 *     int r = weft_group_wait(&g, weft_after(2 * WEFT_SEC));
 *
 * After the wait no task of the group runs, whatever the wait returned: tasks may use the waiter's
 * stack. The first task that fails cancels the others and is the group's result. */
#ifndef WEFT_GROUP_H
#define WEFT_GROUP_H

#include <weft/base.h>
#include <weft/task.h>
#include <weft/time.h>

struct weft_process;

WEFT_BEGIN

enum weft_group_flags {
    /* No order is promised; tasks started last run first, often as plain calls inside the wait. For
     * work that divides itself (13 to 23 ns a task). */
    WEFT_FORK = 1u << 4,
    /* All coroutines of the group stay on one worker and start in spawn order: no two run at once, and
     * nothing that only they touch changes between two waits, so they need no lock among themselves. */
    WEFT_ONE_WORKER = 1u << 5,
    /* A failed task does not cancel the others; the first failure is still the result. */
    WEFT_KEEP_GOING = 1u << 6,
    /* Keep each ended task for weft_group_next. */
    WEFT_COLLECT = 1u << 7
};

typedef struct weft_group { /* private; 128 bytes */
    uint64_t _word;         /* waiting bit; tasks not yet ended */
    struct weft__task *_owner;
    uint32_t _spawned; /* by the owner, not yet added to _word */
    uint32_t _flags;
    uint32_t _spin;
    uint32_t _cancelled;
    struct weft__member *_children;          /* that have waited, so that cancel finds them */
    struct weft__task *_ended, *_ended_last; /* kept: with handles, jobs or WEFT_COLLECT */
    struct weft__worker *_worker;            /* of WEFT_ONE_WORKER */
    struct weft__task *_waiter;
    uint64_t _ticket;         /* of the waiter in weft_group_next */
    uint64_t _failed;         /* the first failure: its task */
    int32_t _result;          /* and its error */
    uint32_t _kept;           /* length of _ended */
    struct weft__task *_next; /* told by weft_group_next, forgotten at the next one */
    uint64_t _generation;     /* of the runtime: moves with each fork */
    uint64_t _reserved[2];
} weft_group;

/* Options of a spawn; zero them, then set size and what you need. */
struct weft_spawn {
    size_t size;      /* sizeof (struct weft_spawn) */
    const char *name; /* copied, 31 bytes kept; NULL: "fn at file:line" */
    size_t stack; /* bytes; 0: 64 KiB (coroutine), 8 MiB (thread); up to 256 KiB for a coroutine */
    weft_task *task;                    /* NULL, or where the handle goes before the task can run */
    const struct weft_process *process; /* NULL, or more about a process: <weft/process.h> */
};

/* Prepare a group.
 *   group  caller's memory
 *   flags  0: coroutines start in spawn order and run in parallel on all workers; else the flags above
 * Returns   0; -EINVAL unknown flags, or FORK together with ONE_WORKER or COLLECT; -ENOMEM no record
 *           for a thread that weft did not start
 * Context   task or thread: the owner, who alone waits for it. Tasks of the group may spawn into it;
 *           others may while they know that the owner's wait has not returned.
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_group_init(weft_group *group, unsigned flags);

/* Start a task. Use the macros: they record the place.
 *   kind   enum weft_kind, or-ed with weft_spawn_flags
 *   arg    handed to fn; with size > 0 the task gets a copy of the size bytes at arg (a job). Without
 *          WEFT_COPY_IN the copy comes back into arg inside the wait, next or join that learns of the
 *          end, for tasks that have ended and did run; so arg must live until then.
 *   more   NULL or options
 * Returns   0; -ENOMEM, -EAGAIN (no more threads), -ENOTSUP (kind), -EINVAL, with words in weft_why();
 *           -ECANCELED (the group is cancelled): fn is not called. All but -EINVAL, -ENOTSUP and -ECANCELED count as
 *           a failed task of the group, so the return may be ignored. A task that is cancelled before it
 *           has begun is called all the same, to release what it was given.
 *           Of WEFT_PROCESS also -EFAULT (a pointer that means nothing there), -EBUSY (no zygote can be made),
 *           -EPERM (what the caller is now cannot be given to it), -ETIMEDOUT (it did not start in 2 s),
 *           -EMFILE, -ESRCH (the program has ended)
 * Context   task or thread; never waits, except that the first spawn starts the runtime, and that of a process
 *           waits until the process has begun
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_group_spawn_at(weft_group *group, unsigned kind, weft_fn *fn, void *arg,
                                 size_t size, const struct weft_spawn *more, const char *site);

#define weft_group_spawn(group, kind, fn, arg) \
    weft_group_spawn_at(group, kind, fn, arg, 0, NULL, WEFT_SITE(fn))
#define weft_group_spawn_with(group, kind, fn, arg, more) \
    weft_group_spawn_at(group, kind, fn, arg, 0, more, WEFT_SITE(fn))
/* The job is the last argument; variadic, so that weft_group_spawn_copy's may be a literal,
 * &(struct job){ .a = 1, .b = 2 }, which lives as long as the block it stands in. */
#define weft_group_spawn_job(group, kind, fn, ...) \
    weft_group_spawn_at(group, kind, fn, __VA_ARGS__, sizeof *(__VA_ARGS__), NULL, WEFT_SITE(fn))
#define weft_group_spawn_copy(group, kind, fn, ...)                                           \
    weft_group_spawn_at(group, (kind) | WEFT_COPY_IN, fn, __VA_ARGS__, sizeof *(__VA_ARGS__), \
                        NULL, WEFT_SITE(fn))

/* Wait until every task of the group has ended. At the deadline, or when the caller is cancelled, the
 * tasks are cancelled and then waited for without limit: no task is left running.
 *   deadline  weft_after counts from this call
 * Returns   0; the first failure of a task (-ECANCELED from tasks of a cancelled group is none);
 *           -EOWNERDEAD in the child of a fork, where the parent's tasks are not;
 *           -ETIMEDOUT, -ECANCELED the waiter's own (weft_group_failed tells them apart); -EPERM not
 *           the owner, -EINVAL the background group, both with words in weft_why()
 *           The group is as after init and may be used again.
 * Context   the owner
 * Cancels   yes, as said.   Since 0.1
 */
WEFT_API int weft_group_wait(weft_group *group, weft_deadline deadline);

/* Wait for one more task that has ended; the others go on. Of a WEFT_COLLECT group only.
 *   done  where the task goes, to be asked by weft_task_join (which then returns at once); may be NULL
 * Returns   1 a task; 0 none is left; -ETIMEDOUT, -ECANCELED (the group is untouched), -EINVAL
 * Context   the owner
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_group_next(weft_group *group, weft_task *done, weft_deadline deadline);

/* Did a task of the group fail, in this round of spawns and wait or in the last one?
 *   who  NULL, or where the first failed task goes (id 0 when it had no handle)
 * Returns   1 a task failed first; 0 none did: an error of the wait was the waiter's own
 * Context   the owner
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_group_failed(const weft_group *group, weft_task *who);

/* Cancel every task of the group, those that are spawned later included, until the wait returns.
 * Context   whoever may spawn into it; never waits
 * Cancels   no.   Since 0.1
 */
WEFT_API void weft_group_cancel(weft_group *group);

/* Is the group cancelled?
 * Returns   true or false
 * Context   whoever may spawn into it
 * Cancels   no.   Since 0.1
 */
WEFT_API bool weft_group_is_cancelled(const weft_group *group);

/* End a group's use. A live task in it is a bug in the program: reported, then abort. Zeroed memory
 * is fine, and so is a second fini.
 * Context   the owner
 * Cancels   no.   Since 0.1
 */
WEFT_API void weft_group_fini(weft_group *group);

/* The group of tasks that nobody waits for: the program's end waits for them, or cancels them if they
 * were spawned with WEFT_DAEMON. Their failures go to nobody but a join.
 * Returns   the group, never NULL; it is not to be waited for, cancelled or torn down
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API weft_group *weft_background(void);

/* Call fn on each of count items of size bytes, in parallel, in no order. Use the macro.
 *   kind      WEFT_COROUTINE, WEFT_THREAD, or WEFT_PROCESS: items are copied there and back, so they may
 *             hold no pointers but into the arena; those of a process that is killed come back as they are
 *   fn        gets the item's address; it runs in a task, or as a call of the caller's, and may wait
 *   deadline  weft_after counts from this call
 * Returns   0; the first failure (items not yet begun are then left out); -ETIMEDOUT, -ECANCELED,
 *           -EINVAL, -ENOTSUP, -ENOMEM, with words in weft_why(). When it returns no fn runs.
 * Context   task or thread
 * Cancels   yes.   Since 0.1
 */
WEFT_API int weft_map_at(unsigned kind, weft_fn *fn, void *items, size_t count, size_t size,
                         weft_deadline deadline, const char *site);

#define weft_map(kind, fn, items, count, deadline) \
    weft_map_at(kind, fn, items, count, sizeof *(items), deadline, WEFT_SITE(fn))

WEFT_END
#endif
