/* sys.c - the one file that enters the kernel and knows errno.
 *
 * The stub is our own: a system call of libc's would be a cancellation point, write errno through an
 * address the compiler may have cached, and could not be made to fail in a test. Where libc keeps
 * books of its own (threads, fork, signal handlers, exit) its functions are called, here and nowhere
 * else.
 */
#include "base/sys.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

weft__sys_fault_fn *weft__sys_fault;

#if defined(__x86_64__)
static inline long kernel(long nr, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long ret;
    __asm__ volatile("syscall"
                     : "=a"(ret)
                     : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return ret;
}
#elif defined(__aarch64__)
static inline long kernel(long nr, long a, long b, long c, long d, long e, long f)
{
    register long x8 __asm__("x8") = nr;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc 0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    return x0;
}
#else
#error "weft runs on x86-64 and aarch64"
#endif

long weft__syscall(long nr, long a, long b, long c, long d, long e, long f)
{
    weft__sys_fault_fn *fault = __atomic_load_n(&weft__sys_fault, __ATOMIC_RELAXED);
    if (__builtin_expect(fault != NULL, 0)) {
        long r = fault(nr);
        if (r < 0)
            return r;
    }
    long r = kernel(nr, a, b, c, d, e, f);
#ifdef WEFT__TELL_ORDER
    if (r == -EINTR) /* ThreadSanitizer keeps a signal for the next call of libc's */
        usleep(0);
#endif
    return r;
}

int weft__sys_populate(void *at, size_t size)
{
    long r;
    do
        r = WEFT__SYS3(SYS_madvise, at, size, 23); /* MADV_POPULATE_WRITE */
    while (r == -EAGAIN || r == -EINTR);
    return r == 0 || r == -EINVAL ? 0 : -ENOMEM;
}

uint64_t weft__sys_limit(int resource)
{
    struct {
        uint64_t soft, hard;
    } limit;
    long r = WEFT__SYS4(SYS_prlimit64, 0, resource, NULL, &limit);
    return r < 0 ? UINT64_MAX : limit.soft;
}

static struct timespec timespec_of(int64_t ns)
{
    return (struct timespec){ .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };
}

int weft__sys_fstat(int fd, struct stat *out)
{
#ifdef SYS_newfstatat
    return (int)WEFT__SYS4(SYS_newfstatat, fd, "", out, AT_EMPTY_PATH);
#else
    return (int)WEFT__SYS2(SYS_fstat, fd, out);
#endif
}

int weft__sys_stat(const char *path, struct stat *out)
{
#ifdef SYS_newfstatat
    return (int)WEFT__SYS4(SYS_newfstatat, AT_FDCWD, path, out, 0);
#else
    return (int)WEFT__SYS2(SYS_stat, path, out);
#endif
}

bool weft__sys_is_terminal(int fd)
{
    char settings[256]; /* the kernel's struct termios is smaller */
    return WEFT__SYS3(SYS_ioctl, fd, TCGETS, settings) == 0;
}

int weft__sys_terminal_peer(int fd, int flags)
{
    int locked = 0;
    long r = WEFT__SYS3(SYS_ioctl, fd, TIOCSPTLCK, &locked);
    return (int)(r < 0 ? r : WEFT__SYS3(SYS_ioctl, fd, TIOCGPTPEER, flags));
}

int weft__sys_terminal_get(int fd, void *settings)
{
    return (int)WEFT__SYS3(SYS_ioctl, fd, TCGETS, settings);
}

int weft__sys_terminal_set(int fd, const void *settings)
{
    return (int)WEFT__SYS3(SYS_ioctl, fd, TCSETS, settings);
}

int weft__sys_terminal_size(int fd, int *rows, int *columns)
{
    struct winsize size;
    long r = WEFT__SYS3(SYS_ioctl, fd, TIOCGWINSZ, &size);
    if (r == 0) {
        *rows = size.ws_row;
        *columns = size.ws_col;
    }
    return (int)r;
}

int weft__sys_terminal_resize(int fd, int rows, int columns)
{
    struct winsize size = { .ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns };
    return (int)WEFT__SYS3(SYS_ioctl, fd, TIOCSWINSZ, &size);
}

/* By the kernel, which answers where a load would kill. Split where the text may end with its page. */
void weft__sys_copy_text(char *out, size_t room, const char *text)
{
    size_t most = room - 1, page = 4096 - (uintptr_t)text % 4096, here = page < most ? page : most;
    struct iovec to = { out, most }, from[2] = { { (char *)(uintptr_t)text, here },
                                                 { (char *)(uintptr_t)text + here, most - here } };
    long n = WEFT__SYS6(SYS_process_vm_readv, weft__sys_getpid(), &to, 1, from, 2, 0);
    if (n < 0) {
        text = n == -EFAULT ? "?" : text; /* other answers: this kernel does not do it */
        n = (long)strnlen(text, most);
        memcpy(out, text, (size_t)n);
    }
    out[n] = 0;
}

int weft__sys_interface(int fd, const char *name)
{
    struct ifreq request = { .ifr_ifindex = 0 };
    if (strlen(name) >= sizeof request.ifr_name)
        return -ENODEV;
    strcpy(request.ifr_name, name);
    long r = WEFT__SYS3(SYS_ioctl, fd, SIOCGIFINDEX, &request);
    return r < 0 ? (int)r : request.ifr_ifindex;
}

int weft__sys_unread(int fd)
{
    int bytes = 0;
    long r = WEFT__SYS3(SYS_ioctl, fd, FIONREAD, &bytes);
    return r < 0 ? (int)r : bytes;
}

/* Where MSG_NOSIGNAL cannot be said, the signal is held back, and taken if it came. */
static ssize_t quietly(long nr, int fd, long b, long c, long d)
{
    const uint64_t pipe = (uint64_t)1 << (SIGPIPE - 1);
    const struct timespec now = { 0, 0 };
    uint64_t before = 0;
    WEFT__SYS4(SYS_rt_sigprocmask, SIG_BLOCK, &pipe, &before, sizeof pipe);
    ssize_t n = WEFT__SYS4(nr, fd, b, c, d);
    if (n == -EPIPE && !(before & pipe))
        WEFT__SYS4(SYS_rt_sigtimedwait, &pipe, NULL, &now, sizeof pipe);
    if (!(before & pipe))
        WEFT__SYS4(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, sizeof before);
    return n;
}

ssize_t weft__sys_sendfile(int out, int in, off_t *at, size_t size)
{
    return quietly(SYS_sendfile, out, in, (long)at, (long)size);
}

ssize_t weft__sys_write_quietly(int fd, const void *data, size_t size)
{
    return quietly(SYS_write, fd, (long)data, (long)size, 0);
}

#ifdef WEFT__TELL_ORDER
uint32_t weft__sys_epoll_order;
#endif

static int epoll_wait_now(int epfd, struct epoll_event *out, int max, int64_t timeout)
{
    static bool no_pwait2; /* learnt once; a second learner learns the same */
    if (!__atomic_load_n(&no_pwait2, __ATOMIC_RELAXED)) {
        struct timespec ts = timespec_of(timeout < 0 ? 0 : timeout);
        long r = WEFT__SYS6(SYS_epoll_pwait2, epfd, out, max, timeout < 0 ? NULL : &ts, 0, 0);
        if (r != -ENOSYS)
            return (int)r;
        __atomic_store_n(&no_pwait2, true, __ATOMIC_RELAXED);
    }
    int64_t ms = timeout < 0 ? -1 : (timeout + 999999) / 1000000;
    return (int)WEFT__SYS6(SYS_epoll_pwait, epfd, out, max, ms > INT_MAX ? INT_MAX : ms, 0, 8);
}

int weft__sys_epoll_wait(int epfd, struct epoll_event *out, int max, int64_t timeout)
{
    int n = epoll_wait_now(epfd, out, max, timeout);
    WEFT__EPOLL_ORDER();
    return n;
}

int weft__sys_poll(struct pollfd *fds, unsigned count, int64_t timeout)
{
    struct timespec ts = timespec_of(timeout < 0 ? 0 : timeout);
    return (int)WEFT__SYS5(SYS_ppoll, fds, count, timeout < 0 ? NULL : &ts, 0, 8);
}

int weft__sys_select(int limit, unsigned long *in, unsigned long *out, unsigned long *urgent,
                     int64_t timeout)
{
    struct timespec ts = timespec_of(timeout < 0 ? 0 : timeout);
    return (int)WEFT__SYS6(SYS_pselect6, limit, in, out, urgent, timeout < 0 ? NULL : &ts, 0);
}

static int futex_wait(const void *word, int how, uint32_t expected, int64_t until)
{
    struct timespec ts = timespec_of(until);
    return (int)WEFT__SYS6(SYS_futex, word, FUTEX_WAIT_BITSET | how, expected,
                           until == INT64_MAX ? NULL : &ts, 0, FUTEX_BITSET_MATCH_ANY);
}

int weft__sys_futex_wait(const void *word, uint32_t expected, int64_t until)
{
    return futex_wait(word, FUTEX_PRIVATE_FLAG, expected, until);
}

int weft__sys_futex_wait_shared(const void *word, uint32_t expected, int64_t until)
{
    return futex_wait(word, 0, expected, until);
}

int weft__sys_futex_wait_any(const struct weft__sys_wait *waits, unsigned count, int64_t until)
{
    struct timespec at = timespec_of(until);
    return (int)WEFT__SYS5(449, /* futex_waitv */ waits, count, 0, until == INT64_MAX ? NULL : &at,
                           CLOCK_MONOTONIC);
}

int weft__sys_futex_wake_shared(const void *word, int n)
{
    return (int)WEFT__SYS3(SYS_futex, word, FUTEX_WAKE, n);
}

int weft__sys_futex_wake(const void *word, int n)
{
    return (int)WEFT__SYS3(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, n);
}

/* -- threads ---------------------------------------------------------------------------------- */

_Static_assert(sizeof(pthread_t) == sizeof(unsigned long), "a thread handle is a word");
_Static_assert(sizeof(pthread_key_t) == sizeof(unsigned), "so is a key");

int weft__sys_signals_block(sigset_t *old)
{
    sigset_t all;
    sigfillset(&all);
    static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT };
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        sigdelset(&all, faults[i]);
    return -pthread_sigmask(SIG_SETMASK, &all, old);
}

void weft__sys_signals_restore(const sigset_t *old)
{
    pthread_sigmask(SIG_SETMASK, old, NULL);
}

int weft__sys_thread_start(struct weft__sys_thread *out, size_t stack, void *(*fn)(void *),
                           void *arg)
{
    long fault = weft__sys_fault ? weft__sys_fault(SYS_clone3) : 0;
    if (fault < 0)
        return (int)fault;
    const size_t least = (size_t)PTHREAD_STACK_MIN;
    pthread_attr_t attr;
    int r = pthread_attr_init(&attr);
    if (r != 0)
        return -r;
    if (stack)
        r = pthread_attr_setstacksize(&attr, stack < least ? least : stack);
    if (r == 0) {
        sigset_t old;
        weft__sys_signals_block(&old);
        r = pthread_create(&out->handle, &attr, fn, arg);
        weft__sys_signals_restore(&old);
    }
    pthread_attr_destroy(&attr);
    return -r;
}

void weft__sys_thread_join(struct weft__sys_thread thread)
{
    pthread_join(thread.handle, NULL);
}

void weft__sys_thread_detach(struct weft__sys_thread thread)
{
    pthread_detach(thread.handle);
}

int weft__sys_thread_at_exit(void (*fn)(void *), unsigned *key)
{
    return -pthread_key_create(key, fn);
}

void weft__sys_thread_at_exit_set(unsigned key, void *value)
{
    pthread_setspecific(key, value);
}

void weft__sys_thread_stack(char **low, size_t *size)
{
    pthread_attr_t attr;
    void *at = NULL;
    *low = NULL;
    *size = 0;
    if (pthread_getattr_np(pthread_self(), &attr) != 0)
        return;
    if (pthread_attr_getstack(&attr, &at, size) == 0)
        *low = at;
    pthread_attr_destroy(&attr);
}

/* -- signals, fork, exit ----------------------------------------------------------------------- */

int weft__sys_sigaction(int signo, const struct sigaction *new, struct sigaction *old)
{
    return sigaction(signo, new, old) < 0 ? -errno : 0;
}

int weft__sys_sigaltstack(const stack_t *new, stack_t *old)
{
    return sigaltstack(new, old) < 0 ? -errno : 0;
}

static struct {
    void (*before)(void), (*parent)(void), (*child)(void);
} at_fork[8]; /* for a fork without libc */
static unsigned at_fork_count;

int weft__sys_at_fork(void (*before)(void), void (*parent)(void), void (*child)(void))
{
    unsigned i = __atomic_fetch_add(&at_fork_count, 1, __ATOMIC_RELAXED);
    if (i == sizeof at_fork / sizeof *at_fork)
        weft__sys_abort(); /* a place for each room that asks */
    at_fork[i].before = before;
    at_fork[i].parent = parent;
    at_fork[i].child = child;
    return -pthread_atfork(before, parent, child);
}

int weft__sys_at_exit(void (*fn)(void))
{
    return atexit(fn) ? -ENOMEM : 0;
}

void weft__sys_exit(int status)
{
    exit(status);
}

void weft__sys_exit_now(int status)
{
    _exit(status);
}

void weft__sys_abort(void)
{
    abort();
}

/* -- processes -------------------------------------------------------------------------------- */

int weft__sys_fork(void)
{
    long fault = weft__sys_fault ? weft__sys_fault(SYS_clone) : 0;
    if (fault < 0)
        return (int)fault;
    int saved = errno, pid = fork(), r = pid < 0 ? -errno : pid;
    errno = saved;
    return r;
}

/* A raw clone has two of libc's books to be put right, as it has one thread: where libc keeps its number, and the
 * list of robust mutexes. */
static int clone_by_hand(uint64_t flags, int *pid)
{
    void *tid = NULL, *robust = NULL;
    size_t size = 0;
    if (WEFT__SYS2(SYS_prctl, PR_GET_TID_ADDRESS, &tid) < 0 || !tid ||
        WEFT__SYS3(SYS_get_robust_list, 0, &robust, &size) < 0)
        return -ENOTSUP;
    struct clone_args args = {
        .flags = flags | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID,
        .parent_tid = (uintptr_t)pid,
        .child_tid = (uintptr_t)tid,
    };
    long r = WEFT__SYS2(SYS_clone3, &args, sizeof args);
    if (r == 0)
        WEFT__SYS2(SYS_set_robust_list, robust, size);
    return r == -ENOSYS ? -ENOTSUP : (int)r;
}

int weft__sys_clone_sibling(int *pid)
{
    return clone_by_hand(CLONE_PARENT | CLONE_PARENT_SETTID, pid);
}

/* The kernel marks what a dying thread holds if it finds it in the list, and libc has written the thread's own
 * number there: so that the mutex is marked proves both. */
int weft__sys_clone_test(void)
{
    pthread_mutexattr_t attr;
    int status = -1;
    pthread_mutex_t *mutex = weft__sys_mmap(NULL, sizeof *mutex, PROT_READ | PROT_WRITE,
                                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (weft__sys_mmap_failed(mutex))
        return -ENOMEM;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(mutex, &attr);
    int r = clone_by_hand(0, NULL);
    if (r == 0)
        weft__sys_exit_now(raise(0) == 0 && pthread_mutex_lock(mutex) == 0 ? 0 : 1);
    if (r > 0) {
        WEFT__SYS4(SYS_wait4, r, &status, __WALL, NULL);
        r = status == 0 && pthread_mutex_trylock(mutex) == EOWNERDEAD ? 0
            : WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL      ? -EAGAIN
                                                                      : -ENOTSUP;
    }
    if (r == 0) {
        pthread_mutex_consistent(mutex);
        pthread_mutex_unlock(mutex);
    }
    weft__sys_munmap(mutex, sizeof *mutex);
    return r;
}

/* Without libc's fork: its list of threads names some that are not there, which costs their stacks. */
static int fork_by_hand(void)
{
    unsigned count = at_fork_count, i;
    for (i = count; i-- > 0;)
        if (at_fork[i].before)
            at_fork[i].before();
    int r = clone_by_hand(0, NULL);
    for (i = 0; i < count; i++) {
        void (*after)(void) = r == 0 ? at_fork[i].child : at_fork[i].parent;
        if (after)
            after();
    }
    return r;
}

#ifdef __x86_64__
/* Libc's fork asks for SIGCHLD, and none of its books would be right without it. So its one system call is
 * caught, as Wine catches those of Windows programs (Syscall User Dispatch, Linux 5.11), and made anew with
 * exit signal 0. All others that it makes meanwhile go through. The kernel does not hand the dispatch on to the
 * child. Signal frames are left by a system call too, which must not be caught: hence a restorer of our own. */
static volatile char dispatch; /* the kernel looks here at each system call of the thread */

__asm__(".text\n.type weft__sys_restorer, @function\n"
        "weft__sys_restorer:\n\tmov $15, %eax\n\tsyscall\n\tnop\n\tnop\n");
void weft__sys_restorer(void) __attribute__((visibility("hidden")));

static void caught(int signo, siginfo_t *info, void *context)
{
    greg_t *reg = ((ucontext_t *)context)->uc_mcontext.gregs;
    (void)signo;
    dispatch = 0;
    if (info->si_syscall == SYS_clone) {
        struct clone_args args = {
            .flags = (uint64_t)reg[REG_RDI] & ~(uint64_t)0xff,
            .parent_tid = (uint64_t)reg[REG_RDX],
            .child_tid = (uint64_t)reg[REG_R10],
        };
        reg[REG_RAX] = kernel(SYS_clone3, (long)&args, sizeof args, 0, 0, 0, 0);
        return;
    }
    reg[REG_RAX] = kernel(info->si_syscall, reg[REG_RDI], reg[REG_RSI], reg[REG_RDX], reg[REG_R10],
                          reg[REG_R8], reg[REG_R9]);
    dispatch = 1;
}

int weft__sys_fork_silent(void)
{
    struct {
        void (*handler)(int, siginfo_t *, void *);
        unsigned long flags;
        void (*restorer)(void);
        uint64_t mask;
    } mine = { caught, SA_SIGINFO | 0x04000000 /* SA_RESTORER */, weft__sys_restorer, 0 }, old;
    long r = WEFT__SYS4(SYS_rt_sigaction, SIGSYS, &mine, &old, 8);
    if (r < 0)
        return fork_by_hand();
    r = WEFT__SYS5(SYS_prctl, PR_SET_SYSCALL_USER_DISPATCH, 1, weft__sys_restorer, 16, &dispatch);
    if (r == 0) {
        dispatch = 1;
        r = weft__sys_fork();
        dispatch = 0;
        kernel(SYS_prctl, PR_SET_SYSCALL_USER_DISPATCH, 0, 0, 0, 0, 0);
        kernel(SYS_rt_sigaction, SIGSYS, (long)&old, 0, 8, 0, 0);
        return (int)r;
    }
    kernel(SYS_rt_sigaction, SIGSYS, (long)&old, 0, 8, 0, 0);
    return fork_by_hand();
}
#else
int weft__sys_fork_silent(void)
{
    return fork_by_hand();
}
#endif

int weft__sys_collect(int pidfd, int *code, int *status)
{
    siginfo_t info = { .si_pid = 0 };
    long r = WEFT__SYS5(SYS_waitid, P_PIDFD, pidfd, &info, WEXITED | WNOHANG | __WALL, NULL);
    if (r < 0 || info.si_pid == 0)
        return r < 0 ? (int)r : -EAGAIN;
    *code = info.si_code;
    *status = info.si_status;
    return 0;
}

#if defined(__x86_64__)
static long clone_on(unsigned long flags, void *top, int *pidfd, int (*fn)(void *), void *arg)
{
    register long r10 __asm__("r10") = 0;
    register long r8 __asm__("r8") = 0;
    register int (*r12)(void *) __asm__("r12") = fn;
    register void *r13 __asm__("r13") = arg;
    long r;
    __asm__ volatile("syscall\n\ttest %%rax, %%rax\n\tjnz 1f\n\t"
                     "xor %%ebp, %%ebp\n\tmov %%r13, %%rdi\n\tcall *%%r12\n\t"
                     "mov %%eax, %%edi\n\tmov %[exit], %%eax\n\tsyscall\n\thlt\n1:"
                     : "=a"(r)
                     : "a"(SYS_clone), "D"(flags), "S"(top), "d"(pidfd), "r"(r10), "r"(r8),
                       "r"(r12), "r"(r13), [exit] "i"(SYS_exit_group)
                     : "rcx", "r11", "memory", "cc");
    return r;
}
#else
static long clone_on(unsigned long flags, void *top, int *pidfd, int (*fn)(void *), void *arg)
{
    register long x8 __asm__("x8") = SYS_clone;
    register long x0 __asm__("x0") = (long)flags;
    register void *x1 __asm__("x1") = top;
    register int *x2 __asm__("x2") = pidfd;
    register long x3 __asm__("x3") = 0;
    register long x4 __asm__("x4") = 0;
    register int (*x20)(void *) __asm__("x20") = fn;
    register void *x21 __asm__("x21") = arg;
    __asm__ volatile("svc 0\n\tcbnz x0, 1f\n\tmov x29, 0\n\tmov x0, x21\n\tblr x20\n\t"
                     "mov x8, %[exit]\n\tsvc 0\n\tbrk 0\n1:"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x20),
                       "r"(x21), [exit] "i"(SYS_exit_group)
                     : "memory", "cc");
    return x0;
}
#endif

int weft__sys_clone_on(int (*fn)(void *), void *arg, void *top, int *pidfd)
{
    long fault = weft__sys_fault ? weft__sys_fault(SYS_clone) : 0;
    if (fault < 0)
        return (int)fault;
    return (int)clone_on(CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, top, pidfd, fn, arg);
}

int weft__sys_pidfd_end(int pidfd, int *code, int *status)
{
    enum { EXIT = 8 };
    struct {
        uint64_t mask, cgroup;
        uint32_t ids[11];
        int32_t status;
    } info = { .mask = EXIT };
    if (WEFT__SYS3(SYS_ioctl, pidfd, _IOWR(0xff, 11, info), &info) < 0 || !(info.mask & EXIT))
        return -ECHILD;
    *code = WIFEXITED(info.status) ? CLD_EXITED : WCOREDUMP(info.status) ? CLD_DUMPED : CLD_KILLED;
    *status = WIFEXITED(info.status) ? WEXITSTATUS(info.status) : WTERMSIG(info.status);
    return 0;
}

void weft__sys_flush(void)
{
    fflush(NULL);
}

void weft__sys_input_forget(void)
{
    __fpurge(stdin);
}

char **weft__sys_environment(void)
{
    return environ;
}

char **weft__sys_environment_set(char **to)
{
    char **was = environ;
    environ = to;
    return was;
}

int weft__sys_on_exit(void (*fn)(int status, void *arg))
{
    return on_exit(fn, NULL) ? -ENOMEM : 0;
}

int weft__sys_become(unsigned user, unsigned group)
{
    gid_t only = group;
    if (setgroups(1, &only) < 0 || setresgid(group, group, group) < 0 ||
        setresuid(user, user, user) < 0)
        return -errno;
    return 0;
}

/* -- small questions --------------------------------------------------------------------------- */

int64_t weft__sys_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t weft__sys_wall(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

unsigned weft__sys_cpu_affinity(unsigned char *bits, unsigned bytes)
{
    long n = WEFT__SYS3(SYS_sched_getaffinity, 0, bytes, bits);
    return n < 0 ? 0 : (unsigned)n;
}

unsigned weft__sys_cpu_count(void)
{
    unsigned long bits[1024 / (8 * sizeof(long))] = { 0 };
    unsigned bytes = weft__sys_cpu_affinity((unsigned char *)bits, sizeof bits), count = 0;
    for (unsigned i = 0; i < bytes / sizeof *bits; i++)
        count += (unsigned)__builtin_popcountl(bits[i]);
    return count ? count : 1;
}

const char *weft__sys_env(const char *name)
{
    return secure_getenv(name);
}

int64_t weft__sys_env_number(const char *name, int64_t otherwise)
{
    const char *text = weft__sys_env(name);
    if (!text || !*text)
        return otherwise;
    int saved = errno;
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    bool good = errno == 0 && *end == 0;
    errno = saved;
    return good ? value : otherwise;
}

int *weft__sys_errno(void)
{
    return &errno;
}

const char *weft__sys_strerror(int err)
{
    return strerrordesc_np(err);
}

long weft__sys_fd_limit(void)
{
    struct rlimit limit;
    if (WEFT__SYS4(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, &limit) < 0)
        return 1024;
    return limit.rlim_cur > INT_MAX ? INT_MAX : (long)limit.rlim_cur;
}

long weft__sys_fd_limit_raise(void)
{
    struct rlimit limit;
    if (WEFT__SYS4(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, &limit) == 0 &&
        limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        WEFT__SYS4(SYS_prlimit64, 0, RLIMIT_NOFILE, &limit, 0);
    }
    return weft__sys_fd_limit();
}
