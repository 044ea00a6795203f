/* child.c - a process task, from its first instruction to its last; see proc.h. */
#include <errno.h>
#include <linux/prctl.h>
#include <stdio.h>
#include <string.h>
#include <weft/log.h>

#include "base/alloc.h"
#include "base/sys.h"
#include "debug/log.h"
#include "proc/log.h"
#include "proc/proc.h"
#include "sched/solo.h"

static struct weft__proc *mine;
static weft_task main_task;

/* -- what it is given ---------------------------------------------------------------------------------- */

/* The descriptors have come with numbers that may be wanted for others: first all out of the way. */
static int place(const struct weft__request *request, int *fds, int count)
{
    int above = 3, r = count == request->count && count > 0 ? 0 : -EBADF;
    for (int i = 1; i < count && r >= 0; i++)
        above = request->pass[i].as >= above ? request->pass[i].as + 1 : above;
    for (int i = 0; i < count && r >= 0; i++) {
        r = weft__sys_fcntl(fds[i], F_DUPFD_CLOEXEC, above);
        weft__sys_close(fds[i]);
        fds[i] = r;
    }
    if (r >= 0)
        r = (int)WEFT__SYS1(SYS_fchdir, fds[0]);
    for (int i = 1; i < count && r >= 0; i++)
        r = weft__sys_dup_to(fds[i], request->pass[i].as);
    for (int i = 0; i < count && r >= 0; i++)
        weft__sys_close(fds[i]);
    return r < 0 ? r : 0;
}

static int environment(struct weft__request *request)
{
    const char *text = weft__request_text(request);
    size_t count = 0, size = request->environment;
    for (size_t i = 0; i < size; i++)
        count += text[i] == 0;
    char **list = weft__alloc((count + 1) * sizeof *list + size, 16);
    if (!list)
        return -ENOMEM;
    char *copy = memcpy(list + count + 1, text, size);
    for (size_t i = 0; i < count; copy += strlen(copy) + 1)
        list[i++] = copy;
    list[count] = NULL;
    weft__sys_environment_set(list);
    return 0;
}

/* It ends when the program does. A change of the user takes that off. */
void weft__child_bind(void)
{
    if (mine->detached)
        return;
    weft__sys_prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (weft__sys_getppid() != weft__root_pid)
        weft__sys_exit_now(1);
}

static int put_on(struct weft__request *request, int *fds, int count)
{
    int r = place(request, fds, count);
    if (r == 0)
        r = environment(request);
    if (r == 0)
        r = weft__credentials_put(&request->credentials, request->groups, request->groups_count);
    if (r < 0)
        return r;
    weft__sys_prctl(PR_SET_NAME, (unsigned long)mine->name);
    if (mine->detached) {
        WEFT__SYS1(SYS_setsid, 0);
    } else {
        weft__sys_sigaction(SIGINT, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
    }
    weft__child_bind();
    return 0;
}

/* -- the listener -------------------------------------------------------------------------------------- */

/* A thread costs a fifth of a short task's life, and who computes hears nobody: so it begins with the task's
 * first sleep, its first question whether it is cancelled, or the first process task that is spawned here. */

static bool is_cancelled(void)
{
    return load_acquire(&mine->cancelled) == weft__me;
}

static _Noreturn void *listen_main(void *arg)
{
    (void)arg;
    for (bool told = false;;) {
        uint32_t seen = load_acquire(&mine->bell);
        if (!told && is_cancelled()) {
            told = true;
            weft_task_cancel(main_task);
        }
        weft__proc_collect();
        weft__sys_futex_wait_shared(&mine->bell, seen, INT64_MAX);
    }
}

static int listener_start(void)
{
    struct weft__sys_thread thread;
    add_relaxed(&weft__rt.services, 1);
    __atomic_fetch_add(&weft__rt.threads, 1, __ATOMIC_SEQ_CST);
    weft__solo_end();
    int r = weft__sys_thread_start(&thread, 128 * 1024, listen_main, NULL);
    if (r == 0) {
        weft__sys_thread_detach(thread);
    } else {
        add_relaxed(&weft__rt.services, (uint32_t)-1);
        __atomic_fetch_sub(&weft__rt.threads, 1, __ATOMIC_RELAXED);
    }
    return r;
}

int weft__listener_need(void)
{
    static bool listens;
    static weft__spin spin;
    int r = 0;
    weft__spin_take(&spin);
    if (!listens)
        r = listener_start();
    listens = r == 0;
    weft__spin_drop(&spin);
    return r;
}

/* Without a thread for it a cancel is heard when the task next looks, and then there are the signals. */
void weft__child_listen(struct weft__task *self)
{
    if (weft__listener_need() == 0)
        store_relaxed(&self->flags, self->flags & ~(uint32_t)WEFT__UNHEARD);
    if (is_cancelled())
        weft_task_cancel(weft__handle(self));
}

/* -- its life ------------------------------------------------------------------------------------------ */

/* The first of the handlers that exit() calls but for those that the task has registered itself: what the
 * program has registered is not for us. */
void weft__child_at_exit(int status, void *arg)
{
    (void)arg;
    weft__program_ends();
    weft__sys_flush();
    weft__sys_exit_now(status);
}

static _Noreturn void refuse(int error)
{
    uint32_t asked = WEFT__PROC_ASKED;
    shared_store(&mine->error, error);
    shared_swap(&mine->start, &asked, WEFT__PROC_FAILED);
    weft__sys_exit_now(1);
}

static struct weft__task *record(const struct weft__request *request)
{
    struct weft__task *self = weft__self();
    if (self) {
        store_relaxed(&self->flags, WEFT__UNHEARD);
        store_relaxed(&self->kind, WEFT_PROCESS);
        store_relaxed(&self->site, request->site);
        weft__task_name_set(self, mine->name);
        main_task = weft__handle(self);
    }
    return self;
}

_Noreturn void weft__child_main(weft__process_id id, int *fds, int count)
{
    weft__tree_entered(id);
    mine = weft__proc(id);
    struct weft__request *request = load_acquire(&mine->request);
    int r = put_on(request, fds, count);
    if (r < 0)
        refuse(r);
    weft__sys_barrier_prepare();
    weft_log_set(request->log_forward ? weft__log_forward : NULL, NULL);
    weft_log_level_set(request->log_level);
    struct weft__task *self = record(request);
    if (!self)
        refuse(-ENOMEM);
    add_relaxed(&weft__rt.outside_waits, 1); /* a cancel may always come */
    weft_fn *fn = request->fn;
    void *arg = request->arg;
    uint64_t signals = request->signals;
    weft__proc_give(&mine->request);
    weft__process_set(id, WEFT__SLOT_ALIVE);
    uint32_t asked = WEFT__PROC_ASKED;
    if (!shared_swap(&mine->start, &asked, WEFT__PROC_RUNS))
        weft__sys_exit_now(1);
    weft__proc_ring(mine->parent);
    WEFT__SYS4(SYS_rt_sigprocmask, SIG_SETMASK, &signals, NULL, sizeof signals);
    if (weft__rt.hooks_count)
        weft__hooks_start();
    self->result = fn(arg);
    if (weft__root_pid == 0) /* the child of a fork in it has come here */
        weft__sys_exit(0);
    weft__task_finish(self, 0);
    shared_store(&mine->result, self->result);
    shared_store(&mine->returned, 1);
    weft__sys_exit(self->result < 0 ? 1 : self->result & 0x7f);
}
