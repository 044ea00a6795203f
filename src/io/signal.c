/* signal.c - signals as something to wait for.
 *
 * A handler marks the signal as pending with everyone who wants it and rings their eventfd, so any
 * thread may receive it and no mask has to be changed: the program's other threads, and libraries that
 * know nothing of weft, keep theirs.
 */
#include <signal.h>
#include <weft/signal.h>

#include "io/io.h"

static weft__spin spin;     /* of the list; handlers walk it without */
static weft__spin awaiting; /* one at a time moves the phase */
static weft_signal *first;
static uint64_t caught;
static struct sigaction before[65];
static uint32_t walking[2]; /* atomic: handlers in the list, by the phase in which they began */
static uint32_t phase;      /* atomic */

static void on_signal(int signo)
{
    int *at = weft__sys_errno(), saved = *at;
    uint32_t *count = &walking[load_seq_cst(&phase) & 1];
    __atomic_fetch_add(count, 1, __ATOMIC_SEQ_CST);
    for (weft_signal *s = load_acquire(&first); s; s = load_acquire(&s->_next)) {
        if (s->_wanted >> (signo - 1) & 1) {
            uint64_t one = 1;
            or_seq_cst(&s->_pending, (uint64_t)1 << (signo - 1));
            weft__sys_write(s->_fd, &one, sizeof one);
        }
    }
    __atomic_fetch_sub(count, 1, __ATOMIC_SEQ_CST);
    *at = saved;
}

/* In a fork's child: handlers that ran, and who awaited them, are not here. */
static void forget_walkers(void)
{
    store_relaxed(&walking[0], 0);
    store_relaxed(&walking[1], 0);
    weft__spin_unlock(&awaiting);
}

static void restore_unwanted(void)
{
    uint64_t wanted = 0;
    for (weft_signal *s = first; s; s = s->_next)
        wanted |= s->_wanted;
    for (int signo = 1; signo <= 64; signo++)
        if ((caught & ~wanted) >> (signo - 1) & 1)
            weft__sys_sigaction(signo, &before[signo], NULL);
    caught &= wanted;
}

void weft__signals_forget(void)
{
    first = NULL;
    caught = 0;
}

int weft_signal_init(weft_signal *signal, const int *signos, size_t count)
{
    uint64_t wanted = 0;
    for (size_t i = 0; i < count; i++) {
        int n = signos[i];
        if (n < 1 || n > 64 || n == SIGKILL || n == SIGSTOP || n == SIGSEGV || n == SIGBUS ||
            n == SIGFPE || n == SIGILL || n == SIGTRAP)
            return -EINVAL;
        wanted |= (uint64_t)1 << (n - 1);
    }
    if (!wanted)
        return -EINVAL;
    int fd = weft__sys_eventfd(0, O_NONBLOCK | O_CLOEXEC), r = 0;
    if (fd < 0)
        return fd;
    static uint32_t watches_forks;
    uint32_t never = 0;
    if (swap_acq_rel(&watches_forks, &never, 1u))
        weft__sys_at_fork(NULL, NULL, forget_walkers);
    *signal = (weft_signal){ ._wanted = wanted, ._fd = fd };
    struct sigaction ours = { .sa_handler = on_signal, .sa_flags = SA_RESTART | SA_ONSTACK };
    weft__spin_lock(&spin);
    signal->_next = first;
    store_release(&first, signal);
    for (int signo = 1; signo <= 64 && r == 0; signo++) {
        if ((wanted & ~caught) >> (signo - 1) & 1) {
            r = weft__sys_sigaction(signo, &ours, &before[signo]);
            if (r == 0)
                caught |= (uint64_t)1 << (signo - 1);
        }
    }
    weft__spin_unlock(&spin);
    if (r < 0)
        weft_signal_fini(signal);
    return r;
}

int weft_signal_wait(weft_signal *signal, weft_deadline deadline)
{
    struct weft__task *self;
    int r = weft__wait_enter(&self);
    if (r < 0)
        return r;
    deadline = weft__fixed(deadline);
    for (;;) {
        uint64_t pending = load_seq_cst(&signal->_pending);
        if (pending) {
            int signo = __builtin_ctzll(pending) + 1;
            __atomic_fetch_and(&signal->_pending, ~((uint64_t)1 << (signo - 1)), __ATOMIC_SEQ_CST);
            return signo;
        }
        uint64_t rings;
        ssize_t n = weft_read(signal->_fd, &rings, sizeof rings, deadline);
        if (n < 0)
            return (int)n;
    }
}

static int attempt(struct weft_case *c)
{
    int r = weft__fd_case_begin(c);
    return r < 0 ? r : weft_signal_wait(c->_on, weft_at_once());
}

struct weft_case weft_on_signal(weft_signal *signal)
{
    static const struct weft__case_ops ops = {
        .name = "signal",
        .attempt = attempt,
        .blocked = weft__fd_case_blocked,
        .left = weft__fd_case_left,
        .taken = attempt,
        .wait = weft__fd_case_wait,
    };
    return signal ? weft__fd_case(&ops, signal, signal->_fd, POLLIN) : (struct weft_case){ 0 };
}

struct serving {
    weft_signal_fn *fn;
    void *arg;
    int signo;
};

static int serve_one(void *arg)
{
    struct serving *s = arg;
    s->fn(s->signo, s->arg);
    return 0;
}

int weft_signal_serve(weft_signal *signal, weft_signal_fn *fn, void *arg, weft_deadline deadline)
{
    weft_group running;
    struct serving s = { .fn = fn, .arg = arg };
    int r = weft_group_init(&running, 0);
    if (r < 0)
        return r;
    deadline = weft__fixed(deadline);
    do {
        r = s.signo = weft_signal_wait(signal, deadline);
        if (r > 0)
            r = weft_group_spawn_copy(&running, WEFT_COROUTINE, serve_one, &s);
    } while (r == 0);
    weft_group_cancel(&running);
    weft_group_wait(&running, weft_never());
    weft_group_fini(&running);
    return r;
}

/* A handler may still be looking at what has just been taken out. Those that begin now count for the next
 * phase, so that signals without end do not keep us; twice, for one that read the phase before the first
 * turn and counted itself after it. */
static void await_walkers(void)
{
    weft__spin_lock(&awaiting);
    for (int turn = 0; turn < 2; turn++) {
        uint32_t old = __atomic_fetch_add(&phase, 1, __ATOMIC_SEQ_CST);
        while (load_seq_cst(&walking[old & 1]))
            weft__sys_sched_yield();
    }
    weft__spin_unlock(&awaiting);
}

void weft_signal_fini(weft_signal *signal)
{
    if (!signal->_wanted)
        return;
    weft__spin_lock(&spin);
    weft_signal **at = &first;
    while (*at && *at != signal)
        at = &(*at)->_next;
    if (*at)
        store_release(at, signal->_next);
    restore_unwanted();
    weft__spin_unlock(&spin);
    await_walkers();
    weft__sys_close(signal->_fd);
    *signal = (weft_signal){ 0 };
}
