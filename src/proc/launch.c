/* launch.c - from the clone to execve(2); see launch.h.
 *
 * The child runs on our memory while the caller's thread stands still (CLONE_VM and CLONE_VFORK), so a start costs
 * the same with a gigabyte touched as without. Hence it does nothing but system calls: no lock, no allocation, no
 * libc. It runs on a stack of its own, as the caller's frames must be whole when that one goes on. What fails is
 * left in the plan, where the caller finds it. */
#include "proc/launch.h"

#include <errno.h>
#include <linux/close_range.h>
#include <linux/prctl.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

#include "base/base.h"
#include "base/sys.h"

enum { SIGNALS = 64, DESCRIPTORS = 65536 };

/* Handlers would run on the parent's memory: they go before signals are let in again. */
unsanitized static void handlers_off(bool interrupts)
{
    for (int signo = 1; signo <= SIGNALS; signo++) {
        struct weft__sys_action now, off = { .handler = 0 };
        if (WEFT__SYS4(SYS_rt_sigaction, signo, NULL, &now, sizeof now.mask) < 0)
            continue;
        bool ignored = now.handler == (uintptr_t)SIG_IGN && !(interrupts && signo == SIGINT);
        if (now.handler != (uintptr_t)SIG_DFL && !ignored)
            WEFT__SYS4(SYS_rt_sigaction, signo, &off, NULL, sizeof off.mask);
    }
}

unsanitized static void close_others(void)
{
    if (WEFT__SYS3(SYS_close_range, 3, ~0u, CLOSE_RANGE_CLOEXEC) == 0)
        return;
    struct {
        uint64_t soft, hard;
    } limit = { DESCRIPTORS, 0 };
    WEFT__SYS4(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit);
    for (uint64_t fd = 3; fd < limit.soft && fd < DESCRIPTORS; fd++)
        WEFT__SYS3(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC);
}

/* A descriptor may have the number that another is to get: first all out of the way. */
unsanitized static long streams(struct weft__launch *l)
{
    int above = 3;
    for (int i = 0; i < l->places; i++)
        above = l->place[i].as >= above ? l->place[i].as + 1 : above;
    close_others();
    for (int i = 0; i < l->places; i++) {
        long r = WEFT__SYS3(SYS_fcntl, l->place[i].fd, F_DUPFD_CLOEXEC, above);
        if (r < 0)
            return r;
        l->place[i].fd = (int)r;
    }
    for (int i = 0; i < l->places; i++) {
        long r = WEFT__SYS3(SYS_dup3, l->place[i].fd, l->place[i].as, 0);
        if (r < 0)
            return r;
    }
    return l->terminal < 0 ? 0 : WEFT__SYS3(SYS_ioctl, l->terminal, TIOCSCTTY, 0);
}

unsanitized static long take(const struct weft_step *step)
{
    const struct {
        uint64_t soft, hard;
    } limit = { step->_a, step->_b };
    const uint32_t user = (uint32_t)step->_a, group = (uint32_t)step->_b;
    long r;
    switch ((enum weft__step)step->_what) {
    case WEFT__STEP_FOLDER: return WEFT__SYS1(SYS_chdir, step->_text);
    case WEFT__STEP_UMASK: return WEFT__SYS1(SYS_umask, step->_number);
    case WEFT__STEP_LIMIT: return WEFT__SYS4(SYS_prlimit64, 0, step->_number, &limit, NULL);
    case WEFT__STEP_NICE:
        r = WEFT__SYS2(SYS_getpriority, PRIO_PROCESS, 0); /* 20 less what it is */
        return r < 0 ? r : WEFT__SYS3(SYS_setpriority, PRIO_PROCESS, 0, 20 - r + step->_number);
    case WEFT__STEP_SESSION: return WEFT__SYS1(SYS_setsid, 0);
    case WEFT__STEP_GROUP: return WEFT__SYS2(SYS_setpgid, 0, step->_number);
    case WEFT__STEP_USER:
        r = WEFT__SYS2(SYS_setgroups, 1, &group);
        r = r < 0 ? r : WEFT__SYS3(SYS_setresgid, group, group, group);
        return r < 0 ? r : WEFT__SYS3(SYS_setresuid, user, user, user);
    }
    return -EINVAL;
}

unsanitized static long program(const struct weft__launch *l)
{
    long r = -ENOENT;
    bool denied = false;
    for (char *const *path = l->paths; *path; path++) {
        r = WEFT__SYS3(SYS_execve, *path, l->argv, l->environment);
        if (r == -EACCES)
            denied = true;
        else if (r != -ENOENT && r != -ENOTDIR)
            return r;
    }
    return denied ? -EACCES : r;
}

unsanitized static long all(struct weft__launch *l)
{
    bool session = l->flags & (WEFT_TERMINAL | WEFT_DETACHED);
    handlers_off(l->interrupts);
    if (session)
        WEFT__SYS1(SYS_setsid, 0);
    else if (l->flags & WEFT_OWN_GROUP)
        WEFT__SYS2(SYS_setpgid, 0, 0);
    l->stage = WEFT__AT_STREAMS;
    long r = streams(l);
    if (r < 0)
        return r;
    l->stage = WEFT__AT_FOLDER;
    if (l->folder && (r = WEFT__SYS1(SYS_chdir, l->folder)) < 0)
        return r;
    l->stage = WEFT__AT_STEPS;
    for (l->step = 0; l->step < l->steps_count; l->step++)
        if ((r = take(&l->steps[l->step])) < 0)
            return r;
    l->stage = WEFT__AT_PROGRAM;
    if (!(l->flags & WEFT_DETACHED)) { /* after a change of user, which takes it off */
        WEFT__SYS2(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
        if (WEFT__SYS1(SYS_getppid, 0) != l->parent)
            return -ESRCH; /* nobody hears it */
    }
    WEFT__SYS4(SYS_rt_sigprocmask, SIG_SETMASK, &l->signals, NULL, sizeof l->signals);
    return program(l);
}

unsanitized static int child(void *launch)
{
    struct weft__launch *l = launch;
    l->error = (int)all(l);
    return 127;
}

int weft__launch(void *launch)
{
    struct weft__launch *l = launch;
    const uint64_t every = ~(uint64_t)0;
    uint64_t before = 0;
    int code, status, dumpable = weft__sys_prctl(PR_GET_DUMPABLE, 0);
    l->stage = WEFT__AT_CLONE;
    l->parent = weft__sys_getpid();
    WEFT__SYS4(SYS_rt_sigprocmask, SIG_SETMASK, &every, &before, sizeof every);
    l->pid = weft__sys_clone_on(child, l, l->stack + sizeof l->stack, &l->pidfd);
    WEFT__SYS4(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, sizeof before);
    if (dumpable == 1) /* a change of user takes it from the memory, which is ours too */
        weft__sys_prctl(PR_SET_DUMPABLE, 1);
    if (l->pid < 0)
        return l->error = l->pid;
    if (l->error == 0)
        return 0;
    struct pollfd gone = { .fd = l->pidfd, .events = POLLIN };
    while (weft__sys_poll(&gone, 1, -1) == -EINTR)
        ;
    while (weft__sys_collect(l->pidfd, &code, &status) == -EINTR)
        ;
    weft__sys_close(l->pidfd);
    return l->error;
}
