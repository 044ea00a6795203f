/* base/sys.h - the door to the kernel.
 *
 * Every system call of the library goes through weft__syscall (base/sys.c), so that tests can make any
 * of them fail and no thread of ours ever sleeps inside libc. Results are >= 0 or -errno; nothing here
 * retries, logs or touches errno. Calls that libc must know of (threads, fork, signal handlers,
 * clocks by the vDSO) are functions of their own, below.
 */
#ifndef WEFT_BASE_SYS_H
#define WEFT_BASE_SYS_H

#include <fcntl.h>
#include <linux/futex.h>
#include <linux/openat2.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <time.h>

long weft__syscall(long nr, long a, long b, long c, long d, long e, long f);

/* Fault injection: asked before each call; a negative answer is the call's result. NULL: never. */
typedef long weft__sys_fault_fn(long nr);
extern weft__sys_fault_fn *weft__sys_fault;

#define WEFT__SYS1(nr, a)       (weft__syscall(nr, (long)(a), 0, 0, 0, 0, 0))
#define WEFT__SYS2(nr, a, b)    (weft__syscall(nr, (long)(a), (long)(b), 0, 0, 0, 0))
#define WEFT__SYS3(nr, a, b, c) (weft__syscall(nr, (long)(a), (long)(b), (long)(c), 0, 0, 0))
#define WEFT__SYS4(nr, a, b, c, d) \
    (weft__syscall(nr, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0))
#define WEFT__SYS5(nr, a, b, c, d, e) \
    (weft__syscall(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0))
#define WEFT__SYS6(nr, a, b, c, d, e, f) \
    (weft__syscall(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f)))

/* -- descriptors ------------------------------------------------------------------------------ */

static inline ssize_t weft__sys_read(int fd, void *buf, size_t size)
{
    return WEFT__SYS3(SYS_read, fd, buf, size);
}

static inline ssize_t weft__sys_write(int fd, const void *buf, size_t size)
{
    return WEFT__SYS3(SYS_write, fd, buf, size);
}

static inline ssize_t weft__sys_readv(int fd, const struct iovec *iov, int count)
{
    return WEFT__SYS3(SYS_readv, fd, iov, count);
}

static inline ssize_t weft__sys_writev(int fd, const struct iovec *iov, int count)
{
    return WEFT__SYS3(SYS_writev, fd, iov, count);
}

/* at -1: the file's own position, which moves. flags: RWF_NOWAIT and such. */
static inline ssize_t weft__sys_preadv2(int fd, const struct iovec *iov, int count, off_t at,
                                        int flags)
{
    return WEFT__SYS6(SYS_preadv2, fd, iov, count, at, at < 0 ? -1 : 0, flags);
}

static inline ssize_t weft__sys_pwritev2(int fd, const struct iovec *iov, int count, off_t at,
                                         int flags)
{
    return WEFT__SYS6(SYS_pwritev2, fd, iov, count, at, at < 0 ? -1 : 0, flags);
}

static inline int weft__sys_openat(int dir, const char *path, int flags, mode_t mode)
{
    return (int)WEFT__SYS4(SYS_openat, dir, path, flags, mode);
}

static inline int weft__sys_openat2(int dir, const char *path, const struct open_how *how)
{
    return (int)WEFT__SYS4(SYS_openat2, dir, path, how, sizeof *how);
}

static inline int weft__sys_unlink(const char *path)
{
    return (int)WEFT__SYS3(SYS_unlinkat, AT_FDCWD, path, 0);
}

static inline int weft__sys_close(int fd)
{
    return (int)WEFT__SYS1(SYS_close, fd);
}

static inline int weft__sys_dup(int fd)
{
    return (int)WEFT__SYS3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 0);
}

static inline int weft__sys_fcntl(int fd, int command, long arg)
{
    return (int)WEFT__SYS3(SYS_fcntl, fd, command, arg);
}

bool weft__sys_is_terminal(int fd);
int weft__sys_terminal_peer(int fd, int flags);     /* the other side, opened */
int weft__sys_terminal_get(int fd, void *settings); /* the kernel's struct termios, 36 bytes */
int weft__sys_terminal_set(int fd, const void *settings); /* at once */
int weft__sys_terminal_size(int fd, int *rows, int *columns);
int weft__sys_terminal_resize(int fd, int rows, int columns);
int weft__sys_unread(int fd); /* bytes that a socket holds; -errno */

/* Copy text that may be unmapped meanwhile: then "?". room > 1. */
void weft__sys_copy_text(char *out, size_t room, const char *text);

static inline int weft__sys_fsync(int fd)
{
    return (int)WEFT__SYS1(SYS_fsync, fd);
}

static inline int weft__sys_fchmod(int fd, unsigned mode)
{
    return (int)WEFT__SYS2(SYS_fchmod, fd, mode);
}

int weft__sys_fstat(int fd, struct stat *out); /* struct stat is libc's */
int weft__sys_stat(const char *path, struct stat *out);

static inline uid_t weft__sys_geteuid(void)
{
    return (uid_t)WEFT__SYS1(SYS_geteuid, 0);
}

static inline int weft__sys_pipe(int out[2], int flags)
{
    return (int)WEFT__SYS2(SYS_pipe2, out, flags);
}

static inline int weft__sys_eventfd(unsigned value, int flags)
{
    return (int)WEFT__SYS2(SYS_eventfd2, value, flags);
}

ssize_t weft__sys_write_quietly(int fd, const void *data, size_t size); /* never SIGPIPE */
ssize_t weft__sys_sendfile(int out, int in, off_t *at, size_t size);    /* never SIGPIPE */

/* -- sockets ---------------------------------------------------------------------------------- */

static inline int weft__sys_socket(int family, int type, int protocol)
{
    return (int)WEFT__SYS3(SYS_socket, family, type, protocol);
}

static inline int weft__sys_socketpair(int family, int type, int protocol, int out[2])
{
    return (int)WEFT__SYS4(SYS_socketpair, family, type, protocol, out);
}

static inline int weft__sys_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
    return (int)WEFT__SYS3(SYS_bind, fd, addr, len);
}

static inline int weft__sys_listen(int fd, int backlog)
{
    return (int)WEFT__SYS2(SYS_listen, fd, backlog);
}

static inline int weft__sys_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
    return (int)WEFT__SYS4(SYS_accept4, fd, addr, len, flags);
}

static inline int weft__sys_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
    return (int)WEFT__SYS3(SYS_connect, fd, addr, len);
}

static inline int weft__sys_shutdown(int fd, int how)
{
    return (int)WEFT__SYS2(SYS_shutdown, fd, how);
}

static inline int weft__sys_getsockopt(int fd, int level, int name, void *out, socklen_t *len)
{
    return (int)WEFT__SYS5(SYS_getsockopt, fd, level, name, out, len);
}

static inline int weft__sys_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    return (int)WEFT__SYS5(SYS_setsockopt, fd, level, name, value, len);
}

static inline int weft__sys_getsockname(int fd, struct sockaddr *addr, socklen_t *len)
{
    return (int)WEFT__SYS3(SYS_getsockname, fd, addr, len);
}

static inline int weft__sys_getpeername(int fd, struct sockaddr *addr, socklen_t *len)
{
    return (int)WEFT__SYS3(SYS_getpeername, fd, addr, len);
}

static inline ssize_t weft__sys_recv(int fd, void *buf, size_t size, int flags)
{
    return WEFT__SYS6(SYS_recvfrom, fd, buf, size, flags, 0, 0);
}

static inline ssize_t weft__sys_send(int fd, const void *buf, size_t size, int flags)
{
    return WEFT__SYS6(SYS_sendto, fd, buf, size, flags, 0, 0);
}

static inline ssize_t weft__sys_sendto(int fd, const void *buf, size_t size, int flags,
                                       const struct sockaddr *to, socklen_t len)
{
    return WEFT__SYS6(SYS_sendto, fd, buf, size, flags, to, len);
}

static inline ssize_t weft__sys_recvmsg(int fd, struct msghdr *msg, int flags)
{
    return WEFT__SYS3(SYS_recvmsg, fd, msg, flags);
}

static inline ssize_t weft__sys_sendmsg(int fd, const struct msghdr *msg, int flags)
{
    return WEFT__SYS3(SYS_sendmsg, fd, msg, flags);
}

int weft__sys_interface(int fd, const char *name); /* its number; fd any socket */

/* -- readiness -------------------------------------------------------------------------------- */

static inline int weft__sys_epoll_create(void)
{
    return (int)WEFT__SYS1(SYS_epoll_create1, EPOLL_CLOEXEC);
}

/* What was written before is seen by whoever gets the event. The kernel sees to that, which
 * ThreadSanitizer cannot know of calls that are not libc's: it is told. */
#if defined(__SANITIZE_THREAD__)
#define WEFT__TELL_ORDER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WEFT__TELL_ORDER 1
#endif
#endif
#ifdef WEFT__TELL_ORDER
extern uint32_t weft__sys_epoll_order;
#define WEFT__EPOLL_ORDER() ((void)__atomic_fetch_add(&weft__sys_epoll_order, 1, __ATOMIC_ACQ_REL))
#else
#define WEFT__EPOLL_ORDER() ((void)0)
#endif

static inline int weft__sys_epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
    WEFT__EPOLL_ORDER();
    return (int)WEFT__SYS4(SYS_epoll_ctl, epfd, op, fd, event);
}

/* timeout in ns, < 0 for ever; before Linux 5.11 rounded up to milliseconds. */
int weft__sys_epoll_wait(int epfd, struct epoll_event *out, int max, int64_t timeout);

/* timeout in ns, < 0 for ever. */
int weft__sys_poll(struct pollfd *fds, unsigned count, int64_t timeout);
/* Maps of at least limit bits each, written over with the answer. timeout as above. */
int weft__sys_select(int limit, unsigned long *in, unsigned long *out, unsigned long *urgent,
                     int64_t timeout);

/* -- memory ----------------------------------------------------------------------------------- */

static inline void *weft__sys_mmap(void *at, size_t size, int prot, int flags, int fd, off_t off)
{
    return (void *)WEFT__SYS6(SYS_mmap, at, size, prot, flags, fd, off);
}

static inline bool weft__sys_mmap_failed(const void *p) /* then it is -errno */
{
    return (uintptr_t)p >= (uintptr_t)-4095;
}

static inline int weft__sys_munmap(void *at, size_t size)
{
    return (int)WEFT__SYS2(SYS_munmap, at, size);
}

static inline int weft__sys_mprotect(void *at, size_t size, int prot)
{
    return (int)WEFT__SYS3(SYS_mprotect, at, size, prot);
}

static inline int weft__sys_madvise(void *at, size_t size, int advice)
{
    return (int)WEFT__SYS3(SYS_madvise, at, size, advice);
}

/* Pages are there from now on: no fault, no signal for want of memory. 0; -ENOMEM. Kernels before 5.14 do
 * not know: 0, and hope. */
int weft__sys_populate(void *at, size_t size);

static inline int weft__sys_memfd(const char *name, unsigned flags)
{
    return (int)WEFT__SYS2(SYS_memfd_create, name, flags);
}

static inline int weft__sys_ftruncate(int fd, off_t size)
{
    return (int)WEFT__SYS2(SYS_ftruncate, fd, size);
}

static inline int weft__sys_fallocate(int fd, off_t at, off_t size)
{
    return (int)WEFT__SYS4(SYS_fallocate, fd, 0, at, size);
}

/* -- sleeping on a word ------------------------------------------------------------------------ */

/* Sleep while *word == expected. until: monotonic ns, INT64_MAX for ever.
 * 0 woken (or for no reason), -EAGAIN other value, -ETIMEDOUT, -EINTR. */
int weft__sys_futex_wait(const void *word, uint32_t expected, int64_t until);
int weft__sys_futex_wake(const void *word, int n);
/* The same between processes. */
int weft__sys_futex_wait_shared(const void *word, uint32_t expected, int64_t until);
int weft__sys_futex_wake_shared(const void *word, int n);

/* Sleep while all of them are as they should be. Which one was woken, or an error as above; -ENOSYS before
 * Linux 5.16. */
struct weft__sys_wait {
    uint64_t expected;
    uint64_t word; /* its address */
    uint32_t flags;
    uint32_t reserved;
};
enum { WEFT__SYS_WAITS = 128 }; /* at most at once */
static inline struct weft__sys_wait weft__sys_wait(const uint32_t *word, uint32_t expected,
                                                   bool shared)
{
    return (struct weft__sys_wait){ expected, (uintptr_t)word, shared ? 2 : 2 | 128, 0 };
}
int weft__sys_futex_wait_any(const struct weft__sys_wait *waits, unsigned count, int64_t until);

/* Of the calling thread; libc has registered it. */
struct robust_list_head;
static inline int weft__sys_robust_list(struct robust_list_head **head)
{
    size_t size;
    return (int)WEFT__SYS3(SYS_get_robust_list, 0, head, &size);
}

/* -- threads, processes, signals: what libc must know ------------------------------------------ */

struct weft__sys_thread {
    unsigned long handle;
};

/* All signals blocked in the new thread but the faults; it inherits nothing else unusual.
 * stack: bytes, 0 the default. -EAGAIN, -ENOMEM. */
int weft__sys_thread_start(struct weft__sys_thread *out, size_t stack, void *(*fn)(void *),
                           void *arg);
void weft__sys_thread_join(struct weft__sys_thread thread);
void weft__sys_thread_detach(struct weft__sys_thread thread);
int weft__sys_thread_at_exit(void (*fn)(void *), unsigned *key); /* fn(value) at a thread's end */
void weft__sys_thread_at_exit_set(unsigned key, void *value);
void weft__sys_thread_stack(char **low, size_t *size); /* of the calling thread; low NULL: unknown */

static inline int weft__sys_gettid(void)
{
    return (int)WEFT__SYS1(SYS_gettid, 0);
}

static inline int weft__sys_getpid(void)
{
    return (int)WEFT__SYS1(SYS_getpid, 0);
}

static inline int weft__sys_kill(int pid, int signo)
{
    return (int)WEFT__SYS2(SYS_kill, pid, signo);
}

static inline int weft__sys_tgkill(int pid, int tid, int signo)
{
    return (int)WEFT__SYS3(SYS_tgkill, pid, tid, signo);
}

static inline void weft__sys_sched_yield(void)
{
    WEFT__SYS1(SYS_sched_yield, 0);
}

/* A full barrier in every running thread of the process. < 0: this kernel has none. To be prepared
 * before, best while there is one thread only. */
static inline int weft__sys_barrier_prepare(void)
{
    return (int)WEFT__SYS2(SYS_membarrier, 1 << 4, 0); /* register private expedited */
}

static inline int weft__sys_barrier(void)
{
    return (int)WEFT__SYS2(SYS_membarrier, 1 << 3, 0); /* private expedited */
}

/* fork(2), whose child's end is told to nobody: its exit signal is 0. For libc it is a fork like any other, with
 * what pthread_atfork has been told of, where the kernel can be made to (x86-64, Linux 5.11). Elsewhere it is a
 * clone as below, with the handlers of weft__sys_at_fork alone. -ENOTSUP: nor that. */
int weft__sys_fork_silent(void);
/* A clone of the calling process, which has one thread: a child of the caller's parent, told to nobody. Its
 * number is in *pid before it runs. Libc's books of the thread (its number, its robust list) are right in it,
 * and it has no other books. -ENOTSUP: libc's place for the number is not known, or no clone3. */
int weft__sys_clone_sibling(int *pid);
int weft__sys_clone_test(void); /* are they? On any thread. 0; -ENOTSUP; -ENOMEM, -EAGAIN */
int weft__sys_fork(void);       /* plain */
/* A child that runs fn(arg) on our memory, on a stack that ends at `top`, while the calling thread stands still until
 * it has called execve(2) or has ended, with what fn returns. Its number; *pidfd is its descriptor. Every signal must be
 * blocked: handlers would run in it. */
int weft__sys_clone_on(int (*fn)(void *), void *arg, void *top, int *pidfd);
/* Of a process whose end somebody else has collected. -ECHILD: the kernel does not tell (Linux 6.15). */
int weft__sys_pidfd_end(int pidfd, int *code, int *status);

struct weft__sys_action { /* the kernel's, of rt_sigaction(2) */
    uintptr_t handler;
    unsigned long flags;
    uintptr_t restorer;
    uint64_t mask;
};

static inline int weft__sys_pidfd_open(int pid)
{
    return (int)WEFT__SYS2(SYS_pidfd_open, pid, 0);
}

static inline int weft__sys_pidfd_kill(int pidfd, int signo)
{
    return (int)WEFT__SYS4(SYS_pidfd_send_signal, pidfd, signo, NULL, 0);
}

static inline int weft__sys_pidfd_get(int pidfd, int fd) /* another process's descriptor */
{
    return (int)WEFT__SYS3(SYS_pidfd_getfd, pidfd, fd, 0);
}

/* Collect a child that has ended. code: CLD_EXITED, CLD_KILLED, CLD_DUMPED. -EAGAIN: it has not. */
int weft__sys_collect(int pidfd, int *code, int *status);

static inline int weft__sys_prctl(int what, unsigned long arg)
{
    return (int)WEFT__SYS5(SYS_prctl, what, arg, 0, 0, 0);
}

static inline int weft__sys_getppid(void)
{
    return (int)WEFT__SYS1(SYS_getppid, 0);
}

static inline int weft__sys_close_range(unsigned from, unsigned to)
{
    return (int)WEFT__SYS3(SYS_close_range, from, to, 0);
}

static inline int weft__sys_dup_to(int fd, int as)
{
    return (int)WEFT__SYS3(SYS_dup3, fd, as, 0);
}

void weft__sys_flush(void);        /* every open file of stdio */
void weft__sys_input_forget(void); /* what stdin has read ahead */
char **weft__sys_environment(void), **weft__sys_environment_set(char **to); /* what it was */
int weft__sys_on_exit(void (*fn)(int status, void *arg)); /* the first of the handlers to be called */
/* By libc, in all threads: its groups become the one. */
int weft__sys_become(unsigned user, unsigned group);

int weft__sys_sigaction(int signo, const struct sigaction *new, struct sigaction *old);
int weft__sys_sigaltstack(const stack_t *new, stack_t *old);
int weft__sys_signals_block(sigset_t *old); /* all but faults */
void weft__sys_signals_restore(const sigset_t *old);

int weft__sys_at_fork(void (*before)(void), void (*parent)(void), void (*child)(void));
int weft__sys_at_exit(void (*fn)(void));
_Noreturn void weft__sys_exit(int status); /* exit(3): handlers run */
_Noreturn void weft__sys_exit_now(int status);
_Noreturn void weft__sys_abort(void);

/* -- small questions --------------------------------------------------------------------------- */

static inline int weft__sys_uname(struct utsname *out)
{
    return (int)WEFT__SYS1(SYS_uname, out);
}

int64_t weft__sys_wall(void);       /* CLOCK_REALTIME, likewise */
int64_t weft__sys_now(void);        /* CLOCK_MONOTONIC, ns, by the vDSO */
unsigned weft__sys_cpu_count(void); /* by affinity */
unsigned weft__sys_cpu_affinity(unsigned char *bits, unsigned bytes);
const char *weft__sys_env(const char *name);                       /* secure_getenv */
int64_t weft__sys_env_number(const char *name, int64_t otherwise); /* also when it is no number */
int *weft__sys_errno(void);              /* the calling thread's, valid while it lives */
const char *weft__sys_strerror(int err); /* static text or NULL */
uint64_t weft__sys_limit(int resource);  /* RLIMIT_...: the soft one; UINT64_MAX none */
long weft__sys_fd_limit(void);           /* the soft one; raises it to the hard one on request */
long weft__sys_fd_limit_raise(void);

#endif
