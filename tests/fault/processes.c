/* The n-th system call or allocation fails, n = 1, 2, ... until none does, in a program that makes its zygote and
 * process tasks: in the program, in the zygote and in the tasks, which have the count of the moment they were
 * cloned at. A spawn that fails says so; the next one works; no descriptor and no process is left. */
#include "failing.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <weft/arena.h>
#include "proc/proc.h"

#define REAL "failing calls"

#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define PROCESSES() SKIP("ThreadSanitizer starts no thread in the child of a fork among threads")
#else
#define PROCESSES() ((void)0)
#endif

static bool *armed; /* in all processes alike */

static bool alloc_fails(void)
{
    return *armed && alloc_fault();
}

static long fail_call(long nr)
{
    static const struct {
        long nr, error;
    } errors[] = {
        { SYS_clone3, -EAGAIN },
        { SYS_clone, -EAGAIN },
        { SYS_socketpair, -EMFILE },
        { SYS_epoll_create1, -EMFILE },
        { SYS_eventfd2, -EMFILE },
        { SYS_epoll_ctl, -ENOMEM },
        { SYS_epoll_pwait2, -EINTR },
        { SYS_pidfd_open, -EMFILE },
        { SYS_sendmsg, -ECONNRESET },
        { SYS_recvmsg, -EINTR },
        { SYS_prctl, -EINVAL },
        { SYS_getgroups, -EPERM },
        { SYS_prlimit64, -EPERM },
        { SYS_openat, -EMFILE },
        { SYS_fcntl, -EMFILE },
        { SYS_fchdir, -EACCES },
        { SYS_dup3, -EMFILE },
        { SYS_memfd_create, -EMFILE },
        { SYS_ftruncate, -EFBIG },
        { SYS_mmap, -ENOMEM },
        { SYS_rt_sigaction, -EINVAL },
        { SYS_get_robust_list, -EPERM },
        { SYS_pidfd_send_signal, -EPERM },
    };
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (nr == errors[i].nr && *armed && is_the_one()) {
            failed_nr = nr;
            return errors[i].error;
        }
    return 0;
}

struct job {
    int a, b, sum;
};

static int add(void *arg)
{
    struct job *job = arg;
    job->sum = job->a + job->b;
    return 0;
}

static int rest(void *arg)
{
    (void)arg;
    return weft_sleep(weft_after(600 * WEFT_SEC));
}

static int nest(void *arg)
{
    weft_group group;
    struct job *job = arg, part = { .a = job->a, .b = job->b };
    int r = weft_group_init(&group, 0);
    if (r == 0) {
        (void)!weft_group_spawn_job(&group, WEFT_PROCESS, add, &part);
        r = weft_group_wait(&group, SOON);
        weft_group_fini(&group);
    }
    job->sum = part.sum;
    return r;
}

/* It is one that is killed, with a descriptor passed to it. */
static bool killed(weft_group *group)
{
    weft_task task;
    struct weft_exit end = { .size = sizeof end };
    struct weft_process process = { .size = sizeof process,
                                    .pass = &(struct weft_pass){ 1, 7 },
                                    .pass_count = 1 };
    struct weft_spawn more = { .size = sizeof more, .task = &task, .process = &process };
    int r = weft_group_spawn_with(group, WEFT_PROCESS, rest, NULL, &more);
    if (r == 0) {
        bool known = weft_task_pid(task) > 0, sent = weft_task_kill(task, SIGKILL) == 0;
        CHECK(known);
        if (!sent)
            weft_group_cancel(group); /* the reaper has more ways */
        CHECK_OK(weft_task_join(task, &end, SOON));
        CHECK(end.result == (sent ? -EOWNERDEAD : -ECANCELED) || end.signal == 0);
    }
    int done = weft_group_wait(group, SOON);
    CHECK(done <= 0);
    return r == 0 && end.result == -EOWNERDEAD;
}

static bool each_task(void)
{
    static weft_fn *const does[] = { add, add, nest };
    weft_group group;
    bool good = true;
    if (!group_begin(&group, false))
        return false;
    for (int i = 0; i < 3; i++) {
        struct job job = { .a = i, .b = 2 };
        int r = weft_group_spawn_job(&group, WEFT_PROCESS, does[i], &job);
        int done = weft_group_wait(&group, SOON);
        CHECK(done <= 0);
        if ((r == 0 && done == 0) != (job.sum == i + 2))
            FAIL("call %ld failing: spawn is %d, wait %d, and the sum %d", failed_nr, r, done,
                 job.sum);
        good &= r == 0 && done == 0;
    }
    good &= killed(&group);
    weft_group_fini(&group);
    return good;
}

/* In a program of its own: what is made once is made anew. */
static bool run_with(long n, bool allocations, int *open_at_end)
{
    int ends[2], got[2] = { 0, 0 }, status;
    CHECK_EQ(pipe(ends), 0);
    pid_t program = fork();
    if (program == 0) {
        countdown = n;
        *armed = true;
        if (allocations)
            __atomic_store_n(&weft__alloc_fault, alloc_fails, __ATOMIC_RELEASE);
        else
            __atomic_store_n(&weft__sys_fault, fail_call, __ATOMIC_RELEASE);
        each_task();
        got[0] = __atomic_exchange_n(&countdown, 0, __ATOMIC_ACQ_REL) > 0;
        *armed = false;
        if (!each_task())
            FAIL("call %ld failed before, and now a spawn: %s", failed_nr, weft_why());
        CHECK_OK(weft_stop(SOON));
        got[1] = t_descriptors(0);
        CHECK_EQ(write(ends[1], got, sizeof got), (ssize_t)sizeof got);
        exit(0);
    }
    close(ends[1]);
    CHECK_EQ(read(ends[0], got, sizeof got), (ssize_t)sizeof got);
    close(ends[0]);
    CHECK_EQ(waitpid(program, &status, 0), program);
    if (status != 0)
        FAIL("failing %ld ends the program with %#x", n, (unsigned)status);
    *open_at_end = got[1];
    return got[0];
}

static void fail_all(bool allocations)
{
    int usual, open;
    weft_reporter_set(no_report, NULL);
    armed = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(run_with(1000000, allocations, &usual));
    for (long n = 1; !run_with(n, allocations, &open); n++)
        if (open != usual)
            FAIL("failing %ld leaves %d descriptors instead of %d", n, open, usual);
}

TEST_REAL_LONG(each_call_of_processes_may_fail, REAL, 120)
{
    PROCESSES();
    fail_all(false);
}

TEST_REAL_LONG(each_allocation_of_processes_may_fail, REAL, 60)
{
    PROCESSES();
    fail_all(true);
}

static long no_robust_list(long nr)
{
    return nr == SYS_set_robust_list ? -EINVAL : 0;
}

TEST_REAL(where_libc_is_not_right_in_a_clone_there_are_no_process_tasks, REAL)
{
    PROCESSES();
    weft_group group;
    weft_group_init(&group, 0);
    __atomic_store_n(&weft__sys_fault, no_robust_list, __ATOMIC_RELEASE);
    CHECK_ERR(weft_process_prepare(), -ENOTSUP);
    CHECK(strstr(weft_why(), "libc") != NULL);
    struct job job = { 0 };
    CHECK_ERR(weft_group_spawn_job(&group, WEFT_PROCESS, add, &job), -ENOTSUP);
    __atomic_store_n(&weft__sys_fault, NULL, __ATOMIC_RELEASE);
    weft_group_fini(&group);
    CHECK(each_task());
}

/* -- the zygote without Syscall User Dispatch, as on older kernels and aarch64 ------------------------------- */

static bool refused;

static long no_dispatch(long nr)
{
    if (!weft__zygote_forks || nr != SYS_rt_sigaction)
        return 0;
    __atomic_store_n(&refused, true, __ATOMIC_RELEASE);
    return -ENOSYS;
}

static int nothing(void *arg)
{
    return arg != NULL;
}

static pthread_mutex_t *robust;
static int raised;

static void on_raise(int signo)
{
    raised = signo;
}

static void *thread(void *arg)
{
    CHECK_EQ(pthread_mutex_lock(robust), 0);
    return malloc(100000) ? arg : NULL; /* and it ends with the mutex */
}

static int use_libc(void *arg)
{
    char line[32] = "";
    pthread_t one;
    int status, pid;
    robust = *(pthread_mutex_t **)arg;
    signal(SIGUSR1, on_raise);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(raised, SIGUSR1);
    CHECK_EQ(pthread_create(&one, NULL, thread, NULL), 0);
    CHECK_EQ(pthread_join(one, NULL), 0);
    CHECK_EQ(pthread_mutex_lock(robust), EOWNERDEAD);
    CHECK_EQ(pthread_mutex_consistent(robust), 0);
    CHECK_EQ((uint32_t)robust->__data.__owner, (uint32_t)gettid());
    FILE *f = popen("echo popen", "r");
    CHECK(f && fgets(line, sizeof line, f) && strcmp(line, "popen\n") == 0);
    CHECK_EQ(pclose(f), 0);
    if ((pid = fork()) == 0)
        _exit(malloc(10) ? 6 : 7);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(WEXITSTATUS(status), 6);
    CHECK_EQ(setresuid(getuid(), getuid(), getuid()), 0); /* libc tells all threads that it knows */
    CHECK(each_task());
    raise(SIGKILL);
    return 0;
}

TEST_REAL(without_dispatch_process_tasks_are_as_they_are_with_it, REAL)
{
    PROCESSES();
    weft_group group;
    pthread_mutexattr_t attr;
    weft_group_init(&group, 0);
    CHECK_OK(weft_group_spawn(&group, WEFT_COROUTINE, nothing,
                              NULL)); /* workers, whose stacks are in the clone */
    CHECK_OK(weft_group_wait(&group, SOON));
    __atomic_store_n(&weft__sys_fault, no_dispatch, __ATOMIC_RELEASE);
    CHECK(each_task());
#ifdef __x86_64__
    CHECK(__atomic_load_n(&refused, __ATOMIC_ACQUIRE));
#endif
    robust = weft_arena_alloc(sizeof *robust);
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(robust, &attr);
    CHECK_OK(weft_group_spawn_job(&group, WEFT_PROCESS, use_libc, &robust));
    CHECK_ERR(weft_group_wait(&group, SOON), -EOWNERDEAD);
    CHECK_EQ(pthread_mutex_lock(robust), EOWNERDEAD);
    CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
    weft_group_fini(&group);
    weft_arena_free(robust);
}
