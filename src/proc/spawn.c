/* spawn.c - the spawner's side of process tasks; see proc.h.
 *
 * The task's record is in the spawner's process, in its group's list as a thread's is. `mine` lists the records
 * of tasks that have not ended; the reaper in the program, the listener in a process task, ends them when their
 * slots are over. A spawn waits, as any wait does, until its process has begun: then an error is the spawn's. */
#include <errno.h>
#include <link.h>
#include <string.h>
#include <sys/resource.h>

#include "base/alloc.h"
#include "base/report.h"
#include "base/sys.h"
#include "debug/log.h"
#include "proc/proc.h"
#include "sched/wait.h"
#include "sync/watch.h"

#define PATIENCE (2 * WEFT_SEC)

static weft__spin spin; /* of the lists */
static struct weft__task *mine;
static struct weft__ask *asks; /* that wait for an answer */
static uint64_t first_signals; /* blocked when the program began */

/* -- what a process task can be handed ------------------------------------------------------------------ */

enum { OBJECTS = 256 };
static struct object {
    uintptr_t low, high; /* all of it */
} objects[OBJECTS];      /* that the zygote has loaded */
static unsigned objects_count;

static int note_object(struct dl_phdr_info *info, size_t size, void *ctx)
{
    struct object *o = &objects[objects_count];
    (void)size;
    (void)ctx;
    if (objects_count == OBJECTS)
        return 1;
    *o = (struct object){ UINTPTR_MAX, 0 };
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &info->dlpi_phdr[i];
        uintptr_t low = info->dlpi_addr + h->p_vaddr;
        if (h->p_type != PT_LOAD)
            continue;
        o->low = low < o->low ? low : o->low;
        o->high = low + h->p_memsz > o->high ? low + h->p_memsz : o->high;
    }
    objects_count += o->high > 0;
    return 0;
}

void weft__known_objects(void)
{
    objects_count = 0;
    dl_iterate_phdr(note_object, NULL);
}

static bool is_known(uintptr_t at)
{
    for (unsigned i = 0; i < objects_count; i++)
        if (at >= objects[i].low && at < objects[i].high)
            return true;
    return false;
}

struct lookup {
    uintptr_t at;
    bool code, data, variable; /* it lies in code; in data that is never written; in other data */
};

static int look_up(struct dl_phdr_info *info, size_t size, void *ctx)
{
    struct lookup *l = ctx;
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &info->dlpi_phdr[i];
        uintptr_t low = info->dlpi_addr + h->p_vaddr;
        if (l->at < low || l->at >= low + h->p_memsz)
            continue;
        l->code |= h->p_type == PT_LOAD && h->p_flags & PF_X;
        l->data |= (h->p_type == PT_LOAD && !(h->p_flags & PF_W)) || h->p_type == PT_GNU_RELRO;
        l->variable |= h->p_type == PT_LOAD && h->p_flags & PF_W;
    }
    return l->code || l->data || l->variable;
}

static struct lookup find(const void *p)
{
    struct lookup l = { .at = (uintptr_t)p };
    dl_iterate_phdr(look_up, &l);
    return l;
}

static int check_data(const void *data)
{
    struct lookup l = find(data);
    if (l.data)
        return 0;
    return weft__failed(-EFAULT,
                        "spawn a process: its argument is %s; pass a job, which is copied "
                        "(weft_group_spawn_job), memory of weft_arena_alloc, or constant data",
                        l.variable ? "a global, of which each process has its own"
                                   : "memory of this process alone");
}

/* -- asking the reaper ---------------------------------------------------------------------------------- */

static bool in_process_task(void)
{
    return weft__root_pid != 0;
}

static void ask_begin(struct weft__ask *ask, struct weft__task *self)
{
    weft__wait_names(self, NULL, NULL);
    weft__spin_lock(&spin);
    ask->task = self;
    ask->ticket = weft__wait_begin(self);
    ask->next = asks;
    asks = ask;
    weft__spin_unlock(&spin);
}

static bool unlink_ask(struct weft__ask *ask)
{
    for (struct weft__ask **at = &asks; *at; at = &(*at)->next)
        if (*at == ask) {
            *at = ask->next;
            return true;
        }
    return false;
}

/* 0 or what it was answered; -ETIMEDOUT: there will be no answer. */
static int ask_wait(struct weft__ask *ask, struct weft__task *self)
{
    uint32_t asked = WEFT__PROC_ASKED;
    (void)!weft__wait(self, ask->ticket, weft_after(PATIENCE), "process", NULL);
    weft__spin_lock(&spin);
    if (unlink_ask(ask)) { /* while it is in the list its slot is not free */
        struct weft__proc *task = ask->slot ? weft__proc(ask->slot) : NULL;
        ask->result = task && !shared_swap(&task->start, &asked, WEFT__PROC_CANCELLED)
                          ? (asked == WEFT__PROC_RUNS ? 0 : task->error)
                          : -ETIMEDOUT;
    }
    weft__spin_unlock(&spin);
    return ask->result;
}

/* With the lock held. The task to make ready, chained. */
static struct weft__task *answer(struct weft__ask *ask, int result, const char *why,
                                 struct weft__task *chain)
{
    struct weft__task *task = ask->task;
    unlink_ask(ask);
    ask->result = result;
    if (why)
        weft__sys_copy_text(ask->why, sizeof ask->why, why);
    if (!weft__claim(task, ask->ticket, WEFT__WOKEN))
        return chain;
    task->next = chain;
    return task;
}

void weft__proc_answer(weft__process_id slot, int result, const char *why)
{
    struct weft__task *chain = NULL;
    weft__spin_lock(&spin);
    for (struct weft__ask *ask = asks, *next; ask; ask = next) {
        next = ask->next;
        if (ask->slot == slot)
            chain = answer(ask, result, why, chain);
    }
    weft__spin_unlock(&spin);
    weft__ready_all(chain);
}

/* What was its parent's is not a plain fork's child's. */
static void forked(void)
{
    if (weft__zygote_forks)
        return;
    weft__proc_forget();
    weft__reaper_forget();
    weft__root_pid = 0;
}

static int need_reaper(void)
{
    static bool started;
    static weft__spin starting;
    int r = 0;
    weft__spin_take(&starting);
    if (!started) {
        r = weft__tree_begin();
        if (r == 0)
            r = weft__reaper_start();
        if (r == 0)
            weft__sys_at_fork(NULL, NULL, forked);
        started = r == 0;
    }
    weft__spin_drop(&starting);
    return r;
}

static int need_zygote(bool anew)
{
    if (weft__rt.seeded)
        return weft__failed(-ENOTSUP, "processes, in a seeded run");
    if (in_process_task()) {
        int heard = weft__listener_need();
        return heard < 0 ? weft__failed(heard, "hear of process tasks") : 0;
    }
    if (weft__tree && !weft__me)
        return weft__failed(-ENOTSUP, "processes, in the child of a fork");
    struct weft__task *self = weft__self();
    int r = self ? need_reaper() : -ENOMEM;
    if (r < 0)
        return weft__failed(r, "processes");
    if (weft__zygote_is_there() && !anew)
        return 0;
    struct weft__ask ask = { .slot = 0 };
    struct weft__calm calm = weft__calm_begin(self);
    ask_begin(&ask, self);
    weft__reaper_wants(anew);
    r = ask_wait(&ask, self);
    weft__calm_end(self, calm);
    if (r == -EBUSY)
        return weft__failed(r, "make the zygote: %s; call weft_process_prepare() before they do",
                            ask.why);
    return r < 0 ? weft__failed(r, "make the zygote%s%s", ask.why[0] ? ": " : "", ask.why) : 0;
}

int weft_process_prepare(void)
{
    return need_zygote(false);
}

/* -- a request ------------------------------------------------------------------------------------------- */

static const char *wrong(const struct weft_process *p)
{
    if (p->size != sizeof *p)
        return "process options without their size";
    if (p->pass_count > WEFT__PASSED - 3)
        return "too many descriptors to pass";
    for (size_t i = 0; i < p->pass_count; i++)
        if (p->pass[i].fd < 0 || p->pass[i].as < 0 || p->pass[i].as == weft__proc_ways.bell ||
            p->pass[i].as == weft__proc_ways.log)
            return "a descriptor that cannot be passed, or not as that number";
    if (p->limits_count > WEFT__LIMITS)
        return "too many limits";
    for (size_t i = 0; i < p->limits_count; i++)
        if (p->limits[i].resource < 0 || p->limits[i].resource >= WEFT__LIMITS ||
            p->limits[i].soft > p->limits[i].hard)
            return "a limit that is none";
    return p->term_after < 0 || p->kill_after < 0 ? "a negative span" : NULL;
}

static int prepare(weft_fn *fn, const void *arg, size_t size, const struct weft_spawn *more)
{
    const char *fault = more && more->process ? wrong(more->process) : NULL;
    if (fault)
        return weft__failed(-EINVAL, "spawn a process: %s", fault);
    const void *data = size || weft__arena_has(arg, 1) ? NULL : arg; /* that must be there already */
    int r = need_zygote(false);
    if (r == 0 && data)
        r = check_data(data);
    for (bool again = false; r == 0; again = true) {
        if (is_known((uintptr_t)fn) && (!data || is_known((uintptr_t)data)))
            return 0;
        if (again || in_process_task() || !find((const void *)(uintptr_t)fn).code)
            return weft__failed(-EFAULT,
                                "spawn a process: its function, or its argument, lies in a "
                                "library loaded after the zygote was made");
        r = need_zygote(true); /* loaded since */
    }
    return r;
}

uint64_t weft__signals_of(const struct weft__task *self)
{
    uint64_t blocked = first_signals;
    bool plain = self->flags & WEFT__FOREIGN || in_process_task() ||
                 (self->worker && load_relaxed(&weft__rt.host) && self->worker->index == 0);
    if (plain)
        WEFT__SYS4(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &blocked, sizeof blocked);
    return blocked;
}

static bool is_passed(const struct weft_process *p, int as)
{
    for (size_t i = 0; p && i < p->pass_count; i++)
        if (p->pass[i].as == as)
            return true;
    return false;
}

static int write_request(struct weft__request **out, const struct weft__task *task,
                         struct weft__task *self, const struct weft_process *p)
{
    char **list = weft__sys_environment(), **at;
    size_t size = 0;
    int groups = weft__groups_get(NULL, 0);
    if (groups < 0)
        return groups;
    for (at = list; at && *at; at++)
        size += strlen(*at) + 1;
    struct weft__request *q =
        weft__arena_take(sizeof *q + (size_t)groups * sizeof *q->groups + size, WEFT__BLOCK_HELD);
    if (!q)
        return -ENOMEM;
    *q = (struct weft__request){ .fn = task->fn,
                                 .arg = task->arg,
                                 .site = task->site,
                                 .signals = weft__signals_of(self),
                                 .log_level = weft_log_level(),
                                 .log_forward = weft__log_has_sink() };
    int r = groups > 0 ? weft__groups_get(q->groups, groups) : 0;
    q->groups_count = r < 0 ? 0 : r;
    char *text = weft__request_text(q);
    for (at = list; at && *at && q->environment < size; at++) { /* others may be changing it */
        size_t length = strnlen(*at, size - q->environment - 1);
        memcpy(text + q->environment, *at, length);
        text[q->environment + length] = 0;
        q->environment += length + 1;
    }
    if (r >= 0)
        r = weft__credentials_get(&q->credentials);
    q->processes = q->credentials.limits[RLIMIT_NPROC].soft;
    for (size_t i = 0; p && i < p->limits_count; i++) {
        q->credentials.limits[p->limits[i].resource].soft = p->limits[i].soft;
        q->credentials.limits[p->limits[i].resource].hard = p->limits[i].hard;
    }
    if (r == 0)
        r = weft__sys_openat(AT_FDCWD, ".", O_PATH | O_CLOEXEC, 0);
    if (r < 0) {
        weft__arena_give(q);
        return r;
    }
    q->pass[q->count++].fd = r;
    for (int fd = 1; fd <= 2; fd++)
        if (!is_passed(p, fd) && weft__sys_fcntl(fd, F_GETFD, 0) >= 0)
            q->pass[q->count++] = (struct weft_pass){ fd, fd };
    for (size_t i = 0; p && i < p->pass_count; i++)
        q->pass[q->count++] = p->pass[i];
    *out = q;
    return 0;
}

/* -- slots ----------------------------------------------------------------------------------------------- */

void weft__proc_ring(weft__process_id id)
{
    if (!in_process_task() && id == weft__me) /* this is the reaper */
        return;
    if ((id & (WEFT__PROCESSES - 1)) == 0) { /* the program's */
        weft__reaper_ring();
        return;
    }
    shared_add(&weft__proc(id)->bell, 1);
    weft__sys_futex_wake_shared(&weft__proc(id)->bell, 1);
}

static void *take_out(void **block)
{
    void *was = load_acquire(block);
    if (was) {
        weft__arena_owner_set(was, WEFT__BLOCK_HELD, weft__me);
        shared_store(block, NULL);
    }
    return was;
}

void weft__proc_give(void **block)
{
    void *was = take_out(block);
    if (was)
        weft__arena_give(was);
}

void weft__proc_free(weft__process_id id)
{
    struct weft__proc *task = weft__proc(id);
    weft__proc_give(&task->request);
    weft__proc_give(&task->job);
    shared_store(&task->start, WEFT__PROC_NONE); /* before the next one takes it: the reaper looks */
    weft__process_set(id, WEFT__SLOT_FREE);
}

void weft__proc_let_go(weft__process_id id, uint32_t who)
{
    struct weft__proc *task = weft__proc(id);
    uint32_t before = who == WEFT__PROC_OVER ? shared_or(&task->keep, WEFT__PROC_OVER)
                                             : shared_and(&task->keep, ~(uint32_t)WEFT__PROC_KEPT);
    if (who == WEFT__PROC_OVER ? !(before & WEFT__PROC_KEPT)
                               : before == (WEFT__PROC_KEPT | WEFT__PROC_OVER))
        weft__proc_free(id);
}

/* -- the kind -------------------------------------------------------------------------------------------- */

static void cancel(uint32_t id)
{
    struct weft__proc *task = weft__proc(id);
    if (!id || weft__process_is_dead(id) || load_acquire(&task->cancelled) == id)
        return;
    shared_store(&task->cancelled_at, weft__sys_now());
    shared_store(&task->cancelled, id);
    weft__proc_ring(id);
    weft__reaper_ring(); /* for the signals that follow */
}

static int pid_of(uint32_t id)
{
    return id && !weft__process_is_dead(id) ? load_acquire(&weft__proc(id)->pid) : 0;
}

static void unlink_mine(struct weft__task *task)
{
    struct weft__task **at = &mine;
    while (*at != task)
        at = &(*at)->next;
    *at = task->next;
}

static weft__process_id take_slot(struct weft__task *task, const struct weft_process *p,
                                  bool detached)
{
    weft__process_id id = weft__process_take();
    if (!id)
        return 0;
    struct weft__proc *slot = weft__proc(id);
    *slot = (struct weft__proc){ .parent = weft__me, .keep = WEFT__PROC_KEPT, .detached = detached };
    weft__shared_point();
    slot->term_after = p ? p->term_after : 0;
    slot->kill_after = p ? p->kill_after : 0;
    slot->job = task->job;
    weft__task_name_copy(task, slot->name, sizeof slot->name);
    weft__shared_point();
    return id;
}

static int start(struct weft__task *task, unsigned flags, const struct weft_spawn *more)
{
    const struct weft_process *p = more ? more->process : NULL;
    struct weft__task *self = weft__self();
    struct weft__request *request = NULL;
    bool detached = flags & WEFT_DETACHED;
    weft_group *group = task->base.group;
    int r = self ? write_request(&request, task, self, p) : -ENOMEM;
    if (r < 0)
        return weft__failed(r, "spawn a process");
    int folder = request->pass[0].fd;
    weft__process_id id = take_slot(task, p, detached);
    if (!id) {
        weft__arena_give(request);
        weft__sys_close(folder);
        return weft__failed(-EAGAIN, "spawn a process: there are %d", WEFT__PROCESSES - 1);
    }
    struct weft__proc *slot = weft__proc(id);
    shared_store(&slot->request, (void *)request);
    store_release(&task->remote, id);
    weft__spin_lock(&spin);
    if (!detached) {
        task->next = mine;
        mine = task;
    }
    weft__spin_unlock(&spin);
    if (load_seq_cst(&group->_cancelled) || load_seq_cst(&task->life) & WEFT__LIFE_CANCELLED)
        cancel(id); /* it came before there was anybody to hear of it */
    struct weft__ask ask = { .slot = id };
    struct weft__calm calm = weft__calm_begin(self);
    add_relaxed(&weft__rt.outside_waits, 1); /* until its end has been told */
    ask_begin(&ask, self);
    weft__arena_owner_set(request, WEFT__BLOCK_KEPT, 0); /* the slot's, like the job */
    if (task->job)
        weft__arena_owner_set(task->job, WEFT__BLOCK_KEPT, 0);
    shared_store(&slot->start, WEFT__PROC_ASKED);
    weft__reaper_ring();
    r = ask_wait(&ask, self); /* when it was 0, task and slot may be gone */
    weft__calm_end(self, calm);
    weft__sys_close(folder);
    if (r == 0 && !detached)
        return 0;
    __atomic_fetch_sub(&weft__rt.outside_waits, 1, __ATOMIC_RELAXED);
    if (detached)
        task->job = NULL; /* the slot's */
    if (r < 0) {
        weft__spin_lock(&spin);
        if (!detached)
            unlink_mine(task);
        weft__spin_unlock(&spin);
        task->job = NULL;
        weft__failed(r, "spawn a process: %s", task->site);
    }
    weft__proc_let_go(id, WEFT__PROC_KEPT);
    return r;
}

const struct weft__kind weft__process_kind = {
    .prepare = prepare,
    .start = start,
    .cancel = cancel,
    .pid = pid_of,
    .listen = weft__child_listen,
};

static void finish(struct weft__task *task)
{
    weft__process_id id = task->remote;
    struct weft__proc *slot = weft__proc(id);
    int result = slot->end == WEFT__PROC_ENDED_BY_US ? -ECANCELED
                 : slot->end == WEFT__PROC_KILLED    ? -EOWNERDEAD
                 : slot->returned                    ? slot->result
                                                     : slot->how;
    task->signal = slot->end == WEFT__PROC_EXITED ? 0 : (uint8_t)slot->how;
    task->core = slot->core;
    take_out(&slot->job); /* the record's from here on */
    weft__proc_let_go(id, WEFT__PROC_KEPT);
    weft__remote_ended(task, result);
    __atomic_fetch_sub(&weft__rt.outside_waits, 1, __ATOMIC_RELAXED);
}

void weft__proc_collect(void)
{
    struct weft__task *woken = NULL, *ended = NULL;
    weft__spin_lock(&spin);
    for (struct weft__ask *ask = asks, *next; ask; ask = next) {
        next = ask->next;
        uint32_t at = ask->slot ? load_acquire(&weft__proc(ask->slot)->start) : WEFT__PROC_ASKED;
        if (at > WEFT__PROC_ASKED)
            woken =
                answer(ask, at == WEFT__PROC_RUNS ? 0 : weft__proc(ask->slot)->error, NULL, woken);
    }
    for (struct weft__task **at = &mine; *at;) {
        struct weft__task *task = *at;
        struct weft__proc *slot = weft__proc(task->remote);
        if (load_acquire(&slot->start) == WEFT__PROC_RUNS &&
            load_acquire(&slot->keep) & WEFT__PROC_OVER) {
            *at = task->next;
            task->next = ended;
            ended = task;
        } else {
            at = &task->next;
        }
    }
    weft__spin_unlock(&spin);
    weft__ready_all(woken);
    while (ended) {
        struct weft__task *task = ended;
        ended = task->next;
        finish(task);
    }
}

uint32_t weft__proc_count(void)
{
    uint32_t count = 0;
    weft__spin_lock(&spin);
    for (const struct weft__task *task = mine; task; task = task->next)
        count++;
    weft__spin_unlock(&spin);
    return count;
}

int weft__proc_anew(void)
{
    return weft__zygote_is_there() && !in_process_task() ? need_zygote(true) : 0;
}

void weft__proc_init(void)
{
    WEFT__SYS4(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &first_signals, sizeof first_signals);
}

void weft__proc_forget(void)
{
    mine = NULL;
    asks = NULL;
    spin = (weft__spin){ 0 };
}
