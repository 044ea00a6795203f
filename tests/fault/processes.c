/* The n-th system call or allocation fails, n = 1, 2, ... until none does, in a program that makes its zygote and
 * two process tasks: in the program, in the zygote and in the tasks, which have the count of the moment they were
 * cloned at. A spawn that fails says so; the next one works; no descriptor and no process is left. */
#include "failing.h"

#include <stdlib.h>

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

static bool two_tasks(void)
{
    weft_group group;
    bool good = true;
    if (!group_begin(&group, false))
        return false;
    for (int i = 0; i < 2; i++) {
        struct job job = { .a = i, .b = 2 };
        int r = weft_group_spawn_job(&group, WEFT_PROCESS, add, &job);
        int done = weft_group_wait(&group, SOON);
        CHECK(done <= 0);
        if ((r == 0 && done == 0) != (job.sum == i + 2))
            FAIL("call %ld failing: spawn is %d, wait %d, and the sum %d", failed_nr, r, done,
                 job.sum);
        good &= r == 0 && done == 0;
    }
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
        two_tasks();
        got[0] = __atomic_exchange_n(&countdown, 0, __ATOMIC_ACQ_REL) > 0;
        *armed = false;
        if (!two_tasks())
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
