/* weft/process.h - tasks that are processes: what they are given, and what only processes have.
 *
 *     static int add(void *job)
 *     {
 *         struct sum *s = job;
 *         s->total = s->a + s->b;
 *         return 0;
 *     }
 *
 *     struct sum s = { .a = 1, .b = 2 };
 *     weft_group_spawn_job(&group, WEFT_PROCESS, add, &s); // copied in, and back when it has ended
 *     int r = weft_group_wait(&group, weft_after(WEFT_SEC)); // killed: -EOWNERDEAD, and only that
 *
 * A process task is a clone of a small process, the zygote, that weft makes at the first one. So it begins
 * with the memory of that moment: globals that were changed later are as they were then (weft_fork copies
 * what is there now). What it is handed must mean the same there: a job, which is copied; a pointer into the
 * arena (<weft/arena.h>); read-only data of the program, such as a string literal; or NULL. Any other pointer is
 * -EFAULT at the spawn. A job is copied byte by byte, and nobody looks into it: pointers in it must be of these
 * kinds too, or they lead astray there.
 *
 * It has the spawner's user, groups, capabilities, no_new_privs, umask, limits, nice value, folder, environment and
 * blocked signals of the moment of the spawn, its output and error, /dev/null as input, and no other descriptor,
 * unless passed. Signals that the program caught when the zygote was made are at their default
 * in it, but for those of faults (SIGSEGV and the like) and SIGQUIT; what it ignored stays ignored, but for SIGCHLD.
 * All else that a process has (affinity, scheduling policy, namespaces, cgroup, the bounding set, securebits) is the
 * zygote's. What cannot be given to it is -EPERM at the spawn: a limit or a right that the zygote has not, or a filter of
 * system calls that came after it, until weft_drop makes it anew.
 *
 * Its function runs on the process's own thread, with a thread's stack; coroutines, threads and process tasks can
 * be started in it. When it has returned, what it left in the background is waited for as at a program's end, then
 * standard output and the like are flushed; handlers that the program registered with atexit() before do not run,
 * nor do those of pthread_atfork().
 *
 * Lives: a task of a group lives until its group's wait at the latest; in the background it is waited for
 * (default), ended at the program's end (WEFT_DAEMON), or lives on (WEFT_DETACHED). All but the detached are killed
 * by the kernel when the program dies, however it dies, and those of a process task when that one dies:
 * when its end is told, they are gone. None is ever left uncollected: the program does it, and init (or the
 * next subreaper) if that was killed. Its own children, its SIGCHLD and its waits see nothing of all this.
 *
 * Cancelled (weft_task_cancel, its group, a deadline), its waits end with -ECANCELED as any task's do. If it
 * has not ended by itself after 2 s it gets SIGTERM, 2 s later SIGKILL; struct weft_process says otherwise.
 * SIGINT is ignored in it: at a terminal's Ctrl-C the program decides for all.
 *
 * The zygote needs a moment in which only weft's own threads run, and they sleep. With other threads busy the
 * spawn is -EBUSY: then weft_process_prepare() belongs before them. Memory that is touched before it makes every
 * process task dearer (14 to 25 ms for 512 MiB), so early is better in any case; what no task reads can be kept out
 * of it by madvise(MADV_DONTFORK). */
#ifndef WEFT_PROCESS_H
#define WEFT_PROCESS_H

#include <weft/base.h>
#include <weft/task.h>
#include <weft/time.h>

WEFT_BEGIN

/* A descriptor to pass: in the task it has the number `as`. */
struct weft_pass {
    int fd, as;
};

/* A limit that differs from the spawner's: RLIMIT_... of <sys/resource.h>. */
struct weft_limit {
    int resource;
    uint64_t soft, hard;
};

/* What a process task is given, by struct weft_spawn's `process`; zero it, then set size and what you need. */
struct weft_process {
    size_t size;                  /* sizeof (struct weft_process) */
    const struct weft_pass *pass; /* 0, 1 and 2 may be among them; at most 63 */
    size_t pass_count;
    const struct weft_limit *limits; /* at most 16 */
    size_t limits_count;
    weft_span term_after; /* from a cancel to SIGTERM; 0: 2 s */
    weft_span kill_after; /* from there to SIGKILL; 0: 2 s */
};

/* Make the zygote now: before threads that weft does not know, before large memory is touched.
 * Returns   0, also when it is there; -EBUSY other threads run, or a worker does not come to rest within 1 s;
 *           -ENOTSUP in seeded runs, in the child of a plain fork, or on this kernel; -ENOMEM, -EAGAIN,
 *           -EMFILE; all with words in weft_why(). In a process task: 0
 * Context   task or thread; it waits at most 2 s
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_process_prepare(void);

/* The number of a task's process.
 *   task  a process task that the caller's process has spawned, or the calling task itself, of any kind
 * Returns   its pid; -ESRCH it has ended or is stale; -EINVAL another task, of another kind
 * Context   task or thread
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_task_pid(weft_task task);

/* The process that spawned this one: of a process task its spawner, which may be a process task too (the
 * kernel's getppid() is the program for all); in the program, getppid().
 * Returns   its pid; 0: it has ended
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_process_parent(void);

/* Send a signal to a process task; never to another process that has its number meanwhile.
 *   signo  SIGKILL and SIGTERM end it at once; SIGSTOP stops it
 * Returns   0; -ESRCH it has ended or is stale; -EINVAL no process task of this process, or no signal; -EPERM
 * Context   task or thread
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_task_kill(weft_task task, int signo);

/* fork(2): the caller's memory as it is now, descriptors and all, in a child that runs on from here as a plain
 * thread. It is the program's own child: to be collected by weft_fork_wait or waitpid(2), told by SIGCHLD,
 * outliving its parent if it likes. In it the runtime begins afresh: of tasks and threads there is only the
 * caller, locks that others held are given with WEFT_RECOVERED. It may use what lies in the arena, and
 * process tasks are -ENOTSUP there. No thread is stopped in the middle of a weft call by it; what other
 * threads were doing in other libraries may be half-done in the child for ever.
 * Returns   0 in the child; its pid; -EAGAIN, -ENOMEM
 * Context   task or thread; in the child of a coroutine the caller's function must not return: weft_fork's child
 *           ends by exit() or _exit()
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_fork(void);

/* Wait for the end of a child of weft_fork, or of any other child of the process, and collect it.
 *   pid  of the child
 *   out  NULL, or where it goes (out->size set by the caller): result is the exit status, or -EOWNERDEAD
 *        when a signal ended it
 * Returns   0 it has ended; -ECHILD no child of this process; -EINVAL out->size; -ETIMEDOUT, -ECANCELED it
 *           has not, and may be waited for again; -EMFILE, -ENOMEM
 * Context   task or thread; only its task waits
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_fork_wait(int pid, struct weft_exit *out, weft_deadline deadline);

/* Give up privileges for good: every thread of the process gets the user, the group and no others, and process
 * tasks start with these. A program that an exec must not give more sets PR_SET_NO_NEW_PRIVS before its threads.
 *   user, group  numbers, as getpwnam(3) tells them
 * Returns   0; -EPERM not allowed; -EBUSY process tasks of this process live, which it could not end any
 *           more; or, with the privileges gone, that no zygote can be made now: then spawns will try again;
 *           -EAGAIN, -EINVAL; all with words in weft_why()
 * Context   task or thread; best before servers and helpers are started
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_drop(unsigned user, unsigned group);

WEFT_END
#endif
