/* failing.h - a system call or an allocation fails: the first, the second, ... until none is left to fail.
 * Each time the scenario ends with a clean error or does its work, no descriptor is lost, and afterwards
 * everything works. */
#ifndef FAILING_H
#define FAILING_H

#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft.h>
#include "base/alloc.h"
#include "base/sys.h"
#include "test.h"

#define SOON weft_after(10 * WEFT_SEC)

static long countdown; /* the call that fails; 0 none */
static int choice;     /* which of the errors it may have */
static long failed_nr; /* the call that did, -1 an allocation */

static bool is_the_one(void)
{
    return __atomic_load_n(&countdown, __ATOMIC_RELAXED) > 0 &&
           __atomic_sub_fetch(&countdown, 1, __ATOMIC_ACQ_REL) == 0;
}

/* Calls that can fail, and how. Those of waking (write to an eventfd, futex) cannot, and close closes. */
__attribute__((unused)) static long fault(long nr)
{
    static const struct {
        long nr;
        short errors[2];
    } faults[] = {
        { SYS_socket, { EMFILE, ENOBUFS } },       { SYS_socketpair, { EMFILE, ENFILE } },
        { SYS_bind, { EADDRINUSE, EACCES } },      { SYS_listen, { EADDRINUSE, EADDRINUSE } },
        { SYS_accept4, { EMFILE, EINTR } },        { SYS_connect, { ECONNREFUSED, EINTR } },
        { SYS_sendto, { ECONNRESET, EINTR } },     { SYS_recvfrom, { ECONNRESET, EINTR } },
        { SYS_sendmsg, { ECONNRESET, EINTR } },    { SYS_recvmsg, { ECONNRESET, EINTR } },
        { SYS_preadv2, { EIO, EINTR } },           { SYS_pwritev2, { ENOSPC, EINTR } },
        { SYS_sendfile, { EIO, EINTR } },          { SYS_openat, { EMFILE, EINTR } },
        { SYS_openat2, { EMFILE, ENOSYS } },       { SYS_eventfd2, { EMFILE, ENFILE } },
        { SYS_epoll_create1, { EMFILE, ENOMEM } }, { SYS_epoll_ctl, { ENOMEM, ENOSPC } },
        { SYS_epoll_pwait2, { EINTR, EINTR } },    { SYS_ppoll, { EINTR, ENOMEM } },
        { SYS_pselect6, { EINTR, ENOMEM } },       { SYS_mmap, { ENOMEM, ENOMEM } },
        { SYS_mprotect, { ENOMEM, ENOMEM } },      { SYS_madvise, { ENOMEM, EAGAIN } },
        { SYS_clone3, { EAGAIN, ENOMEM } },        { SYS_fcntl, { EIO, EIO } },
        { SYS_getsockname, { ENOBUFS, ENOBUFS } }, { SYS_setsockopt, { ENOBUFS, ENOMEM } },
        { SYS_getsockopt, { ENOBUFS, ENOMEM } },   { SYS_ioctl, { ENODEV, ENXIO } },
        { SYS_pipe2, { EMFILE, ENFILE } },         { SYS_fsync, { EIO, EIO } },
        { SYS_uname, { EFAULT, EFAULT } },         { SYS_memfd_create, { EMFILE, ENFILE } },
        { SYS_ftruncate, { EFBIG, EIO } },         { SYS_fallocate, { ENOSPC, EINTR } },
        { SYS_clone, { EAGAIN, ENOMEM } },         { SYS_pidfd_open, { EMFILE, ENOMEM } },
        { SYS_waitid, { EINTR, EINTR } },          { SYS_execve, { EIO, ENOEXEC } },
        { SYS_dup3, { EMFILE, EBUSY } },           { SYS_chdir, { EACCES, ENOMEM } },
        { SYS_setpriority, { EACCES, EPERM } },
    };
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        if (faults[i].nr == nr && is_the_one()) {
            failed_nr = nr;
            return -faults[i].errors[choice];
        }
    return 0;
}

__attribute__((unused)) static bool alloc_fault(void)
{
    if (!is_the_one())
        return false;
    failed_nr = -1;
    return true;
}

static void no_report(void *ctx, const char *text, size_t length)
{
    (void)ctx;
    (void)text;
    (void)length;
}

/* The n-th allocation of a fresh process fails; what was allocated once and kept does not hide it. */
static void fail_each_allocation(void (*scenario)(bool whole))
{
    enum { NONE_FAILED = 42 };
    for (long n = 1, over = 0; !over; n++) {
        pid_t child = fork();
        if (child == 0) {
            countdown = n;
            __atomic_store_n(&weft__alloc_fault, alloc_fault, __ATOMIC_RELEASE);
            scenario(false);
            bool none = __atomic_exchange_n(&countdown, 0, __ATOMIC_ACQ_REL) > 0;
            scenario(true);
            CHECK_OK(weft_stop(SOON));
            _exit(none ? NONE_FAILED : 0);
        }
        int status;
        CHECK_EQ(waitpid(child, &status, 0), child);
        over = WIFEXITED(status) && WEXITSTATUS(status) == NONE_FAILED;
        if (status != 0 && !over)
            FAIL("allocation %ld failing ends the process with %#x", n, (unsigned)status);
        if (over)
            printf("%ld allocations failed one by one\n", n - 1);
    }
}

/* scenario(true) must succeed; scenario(false) may fail, in clean ways that it checks itself. */
__attribute__((unused)) static void fail_each(void (*scenario)(bool whole))
{
    weft_reporter_set(no_report, NULL);
    fail_each_allocation(scenario);
    scenario(true); /* what stays open for good is open now */
    CHECK_OK(weft_stop(SOON));
    int before = t_descriptors(0);
    __atomic_store_n(&weft__sys_fault, fault, __ATOMIC_RELEASE);
    for (choice = 0; choice < 2; choice++) {
        for (long n = 1;; n++) {
            failed_nr = 0;
            __atomic_store_n(&countdown, n, __ATOMIC_RELEASE);
            scenario(false);
            bool over = __atomic_exchange_n(&countdown, 0, __ATOMIC_ACQ_REL) > 0;
            scenario(true);
            CHECK_OK(weft_stop(SOON));
            if (t_descriptors(0) != before)
                FAIL("call %ld (number %ld) failing with error %d leaves %d descriptors instead of "
                     "%d",
                     n, failed_nr, choice, t_descriptors(0), before);
            if (over) {
                printf("%ld calls failed one by one\n", n - 1);
                break;
            }
        }
    }
    __atomic_store_n(&weft__sys_fault, NULL, __ATOMIC_RELEASE);
}

__attribute__((unused)) static bool group_begin(weft_group *group, bool whole)
{
    int r = weft_group_init(group, WEFT_KEEP_GOING);
    CHECK(r == 0 || (!whole && r == -ENOMEM));
    return r == 0;
}

#endif
