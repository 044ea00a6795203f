/* group.c - tasks are started in groups and waited for as groups.
 *
 * One word counts: bit 63 the owner waits; below it, offset by BIAS, the tasks not yet ended. The owner
 * counts its own spawns in a plain field and adds them when it begins to wait, so the count may be
 * "negative" in between. Who takes it to BIAS while the owner waits is the last one; it touches the
 * group no more after that, only the waiter's record, which is type-stable. The waiter in turn does not
 * leave before it has heard from the last one, not even at its deadline: then it cancels the tasks and
 * waits on.
 *
 * The spin bit guards the list of children (members that have waited, so that a cancel finds them), the
 * list of kept tasks, and the first failure.
 */
#include <errno.h>
#include <string.h>
#include <weft/group.h>
#include <weft/runtime.h>

#include "arch/switch.h"
#include "base/alloc.h"
#include "base/report.h"
#include "base/sys.h"
#include "sched/wait.h"
#include "shared/arena.h"

#define WAITING ((uint64_t)1 << 63)
#define BIAS    ((uint64_t)1 << 61)
#define NOT_YET "a kind that this version, or a seeded run, does not have"

enum {
    PUBLIC_FLAGS = WEFT_FORK | WEFT_ONE_WORKER | WEFT_KEEP_GOING | WEFT_COLLECT,
    ROUND_OVER = 1 << 16, /* the next spawn begins a new round */
    BACKGROUND = 1 << 17, /* nobody waits, nobody hears of failures */
    KEPT_IN_BACKGROUND = 4096,
    INLINE_STACK = 16 * 1024 /* a fork task runs as a call if so much is left */
};

int weft_group_init(weft_group *group, unsigned flags)
{
    if (flags & ~(unsigned)PUBLIC_FLAGS ||
        (flags & WEFT_FORK && flags & (WEFT_ONE_WORKER | WEFT_COLLECT)))
        return -EINVAL;
    /* Field by field: for the whole gcc makes a `rep stos`, which costs as much as a spawn. */
    group->_word = BIAS;
    group->_owner = weft__self();
    group->_spawned = 0;
    group->_flags = flags;
    group->_spin = 0;
    group->_cancelled = 0;
    group->_children = NULL;
    group->_ended = NULL;
    group->_worker = NULL;
    group->_ticket = 0;
    group->_failed = 0;
    group->_result = 0;
    group->_kept = 0;
    group->_next = NULL;
    group->_generation = weft__rt.generation;
    return group->_owner ? 0 : -ENOMEM;
}

weft_group *weft_background(void)
{
    return &weft__rt.background;
}

bool weft__group_is_background(const weft_group *group)
{
    return group->_flags & BACKGROUND;
}

void weft__background_init(void)
{
    weft__rt.background = (weft_group){ ._word = BIAS,
                                        ._flags = WEFT_KEEP_GOING | BACKGROUND,
                                        ._generation = weft__rt.generation };
    weft__rt.daemons = weft__rt.background;
}

/* In the child of a fork: those that it counts are not here. */
static cold void forget_lost(weft_group *group)
{
    if (group->_word + group->_spawned != BIAS && group->_result == 0)
        group->_result = -EOWNERDEAD;
    group->_generation = weft__rt.generation;
    group->_word = BIAS;
    group->_spawned = 0;
    group->_children = NULL;
    group->_worker = NULL;
}

static inline void see_fork(weft_group *group)
{
    if (unlikely(group->_generation != weft__rt.generation))
        forget_lost(group);
}

static void round_begin(weft_group *group)
{
    see_fork(group);
    if (unlikely(group->_flags & ROUND_OVER)) {
        group->_flags &= ~(uint32_t)ROUND_OVER;
        group->_result = 0;
        group->_failed = 0;
    }
}

uint64_t weft__group_open(const weft_group *group)
{
    return load_acquire(&group->_word) - BIAS;
}

uint64_t weft__group_add(weft_group *group, uint64_t n)
{
    if (weft__solo_enter()) {
        uint64_t after = group->_word + n;
        store_relaxed(&group->_word, after);
        weft__solo_leave();
        return after;
    }
    return __atomic_add_fetch(&group->_word, n, __ATOMIC_ACQ_REL);
}

/* -- ends ---------------------------------------------------------------------------------------- */

/* The last one tells the waiter. Between two turns, while it cancels, a mark says that no other turn
 * is needed. */
static void tell(struct weft__task *waiter)
{
    uint64_t wait = load_acquire(&waiter->wait);
    for (;;) {
        bool open = weft__wait_is_open(wait);
        if (weft__claim(waiter, wait, open ? WEFT__WOKEN : WEFT__GROUP_DONE)) {
            if (open)
                weft__ready(waiter);
            return;
        }
        wait = load_acquire(&waiter->wait);
    }
}

void weft__group_publish(weft_group *group, uint32_t count)
{
    if (unlikely(weft__group_add(group, -(uint64_t)count) == (WAITING | BIAS)))
        tell(group->_waiter);
}

void weft__group_fail(weft_group *group, uint64_t who, int err)
{
    if (group->_flags & BACKGROUND)
        return;
    weft__word_lock(&group->_spin);
    bool first = group->_result == 0 && !(err == -ECANCELED && load_relaxed(&group->_cancelled));
    if (first) {
        store_relaxed(&group->_failed, who);
        store_release(&group->_result, err); /* the owner may ask while tasks run */
    }
    weft__word_unlock(&group->_spin);
    if (first && !(group->_flags & WEFT_KEEP_GOING))
        weft_group_cancel(group);
}

void weft__group_left(struct weft__member *member, int result)
{
    weft_group *group = member->group;
    struct weft__task *task = member->task;
    bool kept = task->flags & WEFT__KEEP && member == &task->base;
    if (kept) /* before its own failure cancels the group */
        task->was_cancelled =
            load_relaxed(&task->life) & WEFT__LIFE_CANCELLED || load_relaxed(&group->_cancelled);
    if (member->linked) {
        weft__word_lock(&group->_spin);
        *(member->prev ? &member->prev->next : &group->_children) = member->next;
        if (member->next)
            member->next->prev = member->prev;
        member->linked = false;
        weft__word_unlock(&group->_spin);
    }
    if (result < 0)
        weft__group_fail(group, kept ? weft__handle(task).id : 0, result);
}

static void link_member(struct weft__member *member)
{
    weft_group *group = member->group;
    member->next = group->_children;
    member->prev = NULL;
    if (member->next)
        member->next->prev = member;
    group->_children = member;
    member->linked = true;
}

bool weft__group_link(struct weft__task *self)
{
    bool cancelled = false;
    for (struct weft__member *m = self->member; m && m->group; m = m->below) {
        weft__word_lock(&m->group->_spin);
        if (!m->linked)
            link_member(m);
        cancelled |= load_relaxed(&m->group->_cancelled);
        weft__word_unlock(&m->group->_spin);
    }
    return cancelled;
}

/* -- kept tasks ----------------------------------------------------------------------------------- */

void weft__job_back(struct weft__task *task)
{
    if (task->job_back)
        memcpy(task->job_back, task->job, task->job_size);
    task->job_back = NULL;
}

/* A kept task's record is free again; from here on its handle is stale. */
static void forget(struct weft__task *task)
{
    weft__word_lock(&task->word);
    weft__job_back(task);
    store_relaxed(&task->life, ((load_relaxed(&task->life) >> 8) + 1) << 8);
    store_relaxed(&task->flags, task->flags & ~(uint32_t)WEFT__KEEP);
    weft__word_unlock(&task->word);
    if (!(task->flags & WEFT__REMOTE))
        weft__release(task->job, task->job_size);
    else if (task->job)
        weft__arena_give(task->job);
    task->job = NULL;
    if (task->slot >= WEFT__RECORDS) {
        weft__record_give(task);
    } else if (weft__current && weft__current->worker) {
        weft__stack_free(weft__current->worker, task);
    } else {
        weft__stack_give(task->flags & WEFT__LARGE ? WEFT__STACK_256K : WEFT__STACK_64K,
                         &task->slot, 1);
    }
}

/* And nobody has learnt of its end: where its job came from may be no more. */
static void drop(struct weft__task *task)
{
    weft__word_lock(&task->word);
    task->job_back = NULL;
    weft__word_unlock(&task->word);
    forget(task);
}

static struct weft__task *kept_pop(weft_group *group)
{
    struct weft__task *task = group->_ended;
    if (task) {
        group->_ended = task->next;
        group->_kept--;
    }
    return task;
}

void weft__background_end(void)
{
    struct weft__task *task;
    while ((task = kept_pop(&weft__rt.background)) || (task = kept_pop(&weft__rt.daemons)))
        drop(task);
}

/* The task has left its stack. What its joiners and its waiter need is in the record. */
void weft__group_keep(struct weft__task *task)
{
    weft_group *group = task->base.group;
    struct weft__task *old = NULL, *waiter = NULL, *next_waiter = NULL;
    weft__task_ended(task);
    weft__word_lock(&group->_spin);
    if (group->_flags & BACKGROUND && load_relaxed(&task->joined)) {
        old = task;
    } else {
        task->next = NULL;
        *(group->_ended ? &group->_ended_last->next : &group->_ended) =
            task; /* _ended_last: only then */
        group->_ended_last = task;
        group->_kept++;
        if (group->_flags & BACKGROUND && group->_kept > KEPT_IN_BACKGROUND)
            old = kept_pop(group);
    }
    /* Counted under the spin bit, so that weft_group_next sees list and count at one time. */
    uint64_t now = weft__group_add(group, -(uint64_t)1);
    if (now == (WAITING | BIAS))
        waiter = group->_waiter;
    if (group->_ticket) {
        if (weft__claim(group->_waiter, group->_ticket, WEFT__WOKEN))
            next_waiter = group->_waiter;
        group->_ticket = 0;
    }
    weft__word_unlock(&group->_spin);
    if (old)
        drop(old);
    if (next_waiter)
        weft__ready(next_waiter);
    if (waiter)
        tell(waiter);
}

void weft__group_joined(weft_group *group, weft_task handle, struct weft__task *task)
{
    struct weft__task *before = NULL, *at;
    weft__word_lock(&group->_spin);
    for (at = group->_ended; at && at != task; at = at->next)
        before = at;
    if (at && weft__task_find(handle) == at) {
        *(before ? &before->next : &group->_ended) = at->next;
        if (group->_ended_last == at)
            group->_ended_last = before;
        group->_kept--;
    } else {
        at = NULL; /* not yet here: weft__group_keep will see that it was joined; or not any more */
    }
    weft__word_unlock(&group->_spin);
    if (at)
        forget(at);
}

const struct weft__kind *weft__kinds[WEFT_PROCESS + 1];

void weft__remote_ended(struct weft__task *task, int result)
{
    task->result = result;
    weft__group_left(&task->base, result);
    weft__group_keep(task);
    add_acq_rel(&weft__rt.outside_ended, 1); /* last, as a thread's */
    weft__rest_notice();
}

/* -- spawn ---------------------------------------------------------------------------------------- */

static struct weft__worker *home_of(weft_group *group, struct weft__task *self)
{
    struct weft__worker *home = load_acquire(&group->_worker), *none = NULL;
    if (home)
        return home;
    home = self && self->worker ? self->worker : weft__place();
    return swap_acq_rel(&group->_worker, &none, home) ? home : none;
}

static int inject(const struct weft__closure *closure)
{
    weft__spin_lock(&weft__rt.injector_spin);
    int r = weft__deque_push(&weft__rt.injector, closure);
    weft__spin_unlock_seq_cst(&weft__rt.injector_spin); /* before the look at who sleeps */
    weft__wake_one();
    return r;
}

/* Put a closure where its group's promise wants it. */
static int enqueue(weft_group *group, struct weft__task *self, const struct weft__closure *closure)
{
    struct weft__worker *worker = self ? self->worker : NULL;
    bool visiting = weft__visit_begin();
    int r;
    if (group->_flags & WEFT_ONE_WORKER) {
        struct weft__worker *home = home_of(group, self);
        weft__spin_lock(&home->own_spin);
        r = weft__deque_push(&home->own, closure);
        weft__spin_unlock_seq_cst(&home->own_spin); /* before the look at the worker's state */
        if (home == worker)
            worker->unstarted = true;
        else if (r == 0)
            weft__wake(home);
    } else if (worker) {
        struct weft__deque *deque = group->_flags & WEFT_FORK ? &worker->fork : &worker->fifo;
        r = weft__deque_push(deque, closure);
        worker->unstarted = true;
        if (load_relaxed(&weft__rt.parked) && weft__deque_length(deque) > 1)
            weft__wake_one();
    } else {
        r = inject(closure);
    }
    weft__visit_end(visiting);
    return r;
}

static void count_start(struct weft__task *self)
{
    if (self && self->worker)
        store_relaxed(&self->worker->started, self->worker->started + 1);
    else
        add_relaxed(&weft__rt.outside_started, 1);
}

/* The count first: the task may end before the push returns. */
static void count_in(weft_group *group, struct weft__task *self)
{
    if (likely(self && self == group->_owner))
        group->_spawned++;
    else
        weft__group_add(group, 1);
    count_start(self);
}

static cold int refuse(int err, const char *what, const char *site, const char *why)
{
    return weft__failed(err, "%s %s, %s", what, site, why);
}

static cold int count_out(weft_group *group, struct weft__task *self, const char *site, int err)
{
    if (site) /* or there are words already */
        weft__failed(err, "spawn %s", site);
    if (self && self->worker)
        weft__count_end(self->worker);
    else
        add_relaxed(&weft__rt.outside_ended, 1);
    weft__group_fail(group, 0, err);
    weft__group_publish(group, 1);
    return err;
}

static struct weft__task *new_record(struct weft__task *self, bool as_coroutine, bool large)
{
    enum weft__stack_class class = large ? WEFT__STACK_256K : WEFT__STACK_64K;
    struct weft__task *task;
    uint32_t slot;
    if (!as_coroutine)
        task = weft__record_take();
    else if (self && self->worker)
        task = weft__stack_new(self->worker, class);
    else if (weft__stack_take(class, &slot, 1) == 1) {
        task = weft__task_at(slot);
    } else
        task = NULL;
    if (task)
        store_relaxed(&task->worker, (struct weft__worker *)NULL);
    return task;
}

static void free_record(struct weft__task *task)
{
    store_relaxed(&task->flags, task->flags | WEFT__KEEP);
    forget(task);
}

/* With options, a job to bring back, a handle, or a thread: the task has its record at once. */
static noinline int spawn_record(weft_group *group, struct weft__task *self, unsigned kind,
                                 unsigned flags, weft_fn *fn, void *arg, size_t size,
                                 const struct weft_spawn *more, const char *site)
{
    size_t stack = more ? more->stack : 0;
    bool as_coroutine = kind == WEFT_COROUTINE || weft__rt.seeded;
    bool large = as_coroutine && (kind == WEFT_THREAD || stack > 64 * 1024);
    struct weft__task *task = new_record(self, as_coroutine, large);
    if (!task)
        return count_out(group, self, site, -ENOMEM);
    task->base.group = group;
    task->fn = fn;
    task->arg = arg;
    task->job = NULL;
    task->job_back = NULL;
    if (kind == WEFT_PROCESS)
        store_relaxed(&task->remote, 0); /* nothing to cancel yet */
    task->was_cancelled = task->joined = false;
    bool remote = kind == WEFT_PROCESS;
    weft__task_begin(task, kind, large ? WEFT__LARGE : remote ? WEFT__REMOTE : 0u, site);
    if (more && more->name)
        weft__task_name_set(task, more->name);
    if (size) {
        task->job = task->arg =
            remote ? weft__arena_take(size, WEFT__BLOCK_HELD) : weft__alloc(size, 16);
        task->job_size = (uint32_t)size;
        if (!task->job) {
            free_record(task);
            return count_out(group, self, site, -ENOMEM);
        }
        memcpy(task->job, arg, size);
        if (!(flags & WEFT_COPY_IN))
            task->job_back = arg;
    }
    if (size || (more && more->task) || group->_flags & WEFT_COLLECT || !as_coroutine)
        store_relaxed(&task->flags, task->flags | WEFT__KEEP);
    if (more && more->task)
        *more->task = weft__handle(task);
    int r;
    if (kind == WEFT_THREAD && as_coroutine) {
        struct weft__worker *lane = weft__seeded_thread_lane();
        r = lane ? weft__deque_push(&lane->own,
                                    &(struct weft__closure){ .group = group, .u.task = task })
                 : -EAGAIN;
    } else if (as_coroutine) {
        r = enqueue(group, self,
                    &(struct weft__closure){ .group = group, .site = site, .u.task = task });
    } else {
        weft__word_lock(&group->_spin);
        link_member(&task->base);
        weft__word_unlock(&group->_spin);
        r = remote ? weft__kinds[kind]->start(task, flags, more) : weft__thread_spawn(task, stack);
        if (r < 0)
            weft__group_left(&task->base, 0);
        if (remote)
            site = NULL;
    }
    if (r < 0) {
        task->job_back = NULL;
        free_record(task);
        return count_out(group, self, site, r);
    }
    if (flags & WEFT_DETACHED) { /* from here on it is nobody's */
        weft__group_left(&task->base, 0);
        free_record(task);
        add_relaxed(&weft__rt.outside_ended, 1);
        weft__group_publish(group, 1);
    }
    return 0;
}

static bool has_processes(void)
{
    return weft__kinds[WEFT_PROCESS] && !weft__rt.seeded;
}

static const char *wrong_detached(const weft_group *group, unsigned kind, unsigned flags,
                                  size_t size, const struct weft_spawn *more)
{
    return kind != WEFT_PROCESS || group != &weft__rt.background
               ? "detached, but no process in the background"
           : flags & WEFT_DAEMON             ? "a daemon that is detached"
           : more && more->task              ? "a handle of a detached process"
           : size && !(flags & WEFT_COPY_IN) ? "a job back from a detached process"
                                             : NULL;
}

int weft_group_spawn_at(weft_group *group, unsigned kind, weft_fn *fn, void *arg, size_t size,
                        const struct weft_spawn *more, const char *site)
{
    unsigned flags = kind & ~0xffu;
    struct weft__task *self = weft__current;
    int r;
    kind &= 0xff;
    if (unlikely(kind != WEFT_COROUTINE)) {
        if (kind == WEFT_VTHREAD || (kind == WEFT_PROCESS && !has_processes()))
            return refuse(-ENOTSUP, "spawn", site, NOT_YET);
        if (kind != WEFT_THREAD && kind != WEFT_PROCESS)
            return refuse(-EINVAL, "spawn", site, "no such kind");
    }
    if (unlikely(flags || size > UINT32_MAX || more || !fn)) {
        const char *wrong =
            !fn                                                               ? "no function"
            : flags & ~(unsigned)(WEFT_DAEMON | WEFT_COPY_IN | WEFT_DETACHED) ? "unknown flags"
            : size > UINT32_MAX                                    ? "a job of 4 GiB or more"
            : flags & WEFT_DAEMON && group != &weft__rt.background ? "a daemon in a group"
            : flags & WEFT_DETACHED      ? wrong_detached(group, kind, flags, size, more)
            : !more                      ? NULL
            : more->size != sizeof *more ? "options without their size"
            : kind == WEFT_COROUTINE && more->stack > 256 * 1024 ? "a stack above 256 KiB"
                                                                 : NULL;
        if (wrong)
            return refuse(-EINVAL, "spawn", site, wrong);
    }
    if (unlikely((r = weft__runtime_need()) < 0)) {
        weft__group_fail(group, 0, r);
        return refuse(r, "spawn", site, "the runtime does not start");
    }
    if (unlikely(flags & (WEFT_DAEMON | WEFT_DETACHED)))
        group = &weft__rt.daemons;
    round_begin(group);
    if (unlikely(load_relaxed(&group->_cancelled)))
        return -ECANCELED;
    if (unlikely(kind == WEFT_PROCESS) && (r = weft__kinds[kind]->prepare(fn, arg, size, more)) < 0) {
        if (r != -EINVAL && r != -ENOTSUP)
            weft__group_fail(group, 0, r);
        return r;
    }
    count_in(group, self);
    if (likely(kind == WEFT_COROUTINE && !more && !(group->_flags & WEFT_COLLECT)) &&
        (size == 0 || (size <= WEFT__JOB_INLINE && flags & WEFT_COPY_IN))) {
        struct weft__closure closure = { .fn = fn, .arg = arg, .group = group, .site = site };
        if (size) {
            memcpy(closure.u.copy, arg, size);
            closure.size = (uint32_t)size;
        }
        r = enqueue(group, self, &closure);
        if (unlikely(r < 0))
            return count_out(group, self, site, r);
    } else {
        r = spawn_record(group, self, kind, flags, fn, arg, size, more, site);
    }
    weft__point("spawn");
    return r;
}

void (*weft__event_lost)(void *arg);

int weft__group_spawn_event(weft_group *group, struct weft__worker *worker, weft_fn *fn, void *arg,
                            const char *site)
{
    struct weft__closure closure = { .fn = fn, .arg = arg, .group = group, .site = site };
    closure.flags = WEFT__EVENT;
    weft__group_add(group, 1);
    add_relaxed(&weft__rt.outside_started, 1);
    int r = -1;
    if (worker && weft__current && weft__current->worker == worker) {
        r = weft__deque_push(&worker->fifo, &closure);
        worker->unstarted = true;
        if (load_relaxed(&weft__rt.parked) && weft__deque_length(&worker->fifo) > 1)
            weft__wake_one();
    } else {
        r = inject(&closure);
    }
    if (r < 0) {
        add_relaxed(&weft__rt.outside_ended, 1);
        weft__group_publish(group, 1);
    }
    return r;
}

/* -- wait ----------------------------------------------------------------------------------------- */

/* Run a child as a call. It has its own place in its group, its own defers and locals, and the
 * waiter's identity otherwise. */
static void run_inline(struct weft__task *self, const struct weft__closure *closure)
{
    struct weft__member member = { .group = closure->group, .task = self, .below = self->member };
    struct weft__member *below = self->member;
    struct weft__defer *defers = self->defers;
    struct weft__local_value *locals = self->locals;
    uint32_t held = self->held;
    const char *site = self->site;
    self->member = &member;
    self->defers = NULL;
    self->locals = NULL;
    store_relaxed(&self->site, closure->site);
    void *arg = closure->size ? (void *)closure->u.copy : closure->arg;
    uint64_t generation = weft__rt.generation;
    if (unlikely(weft__rt.hooks_count))
        weft__hooks_start();
    int result = weft__call_sealed(closure->fn, arg);
    if (unlikely(generation != weft__rt.generation))
        weft__sys_exit(0); /* in a fork's child: the waiter is not here */
    if (unlikely(self->defers || self->locals || self->held > held || weft__rt.hooks_count))
        weft__task_finish(self, held);
    store_relaxed(&self->site, site);
    self->locals = locals;
    self->defers = defers;
    self->member = below;
    weft__count_end(self->worker);
    if (unlikely(member.linked || result < 0))
        weft__group_left(&member, result);
}

static uint32_t run_children(weft_group *group, struct weft__task *self)
{
    struct weft__worker *worker = self->worker;
    struct weft__closure closure;
    uint32_t count = 0;
    while (weft__deque_pop(&worker->fork, group, &closure)) {
        if (unlikely(!closure.fn || weft__stack_left(self) < INLINE_STACK)) {
            struct weft__task *task = weft__task_start(worker, &closure);
            if (task) {
                weft__push_ready(worker, task);
                continue;
            }
        }
        run_inline(self, &closure);
        count++;
    }
    return count;
}

/* Wait for the last one, however long: at the deadline or a cancel the tasks are cancelled first. */
static inline int wait_for_all(weft_group *group, struct weft__task *self, int64_t until)
{
    weft__wait_names(self, WEFT__ITS_TASKS, group);
    uint64_t ticket = weft__wait_begin(self);
    uint32_t add = group->_spawned;
    group->_spawned = 0;
    group->_waiter = self;
    if ((weft__group_add(group, add + WAITING) & ~WAITING) == BIAS) {
        weft__wait_drop(self, ticket);
        store_relaxed(&self->blocker, (struct weft__task *)NULL);
        return 0;
    }
    int r = weft__wait_named(self, ticket, WEFT__ITS_TASKS, (weft_deadline){ until }, "group");
    store_relaxed(&self->blocker, (struct weft__task *)NULL);
    if (r == 0)
        return 0;
    weft_group_cancel(group);
    struct weft__calm calm = weft__calm_begin(self);
    uint64_t seen = load_acquire(&self->wait);
    ticket = ((seen >> 3) + 1) << 3 | WEFT__SHIELDED;
    if (!self->worker)
        store_relaxed(&self->sleeping, 1);
    if ((seen & 7) != WEFT__GROUP_DONE && swap_seq_cst(&self->wait, &seen, ticket))
        (void)!weft__wait(self, ticket, weft_never(), "cancelled group", group);
    weft__calm_end(self, calm);
    return r;
}

/* Who kept the last task counted it under the spin bit and may still hold that: not gone yet. */
static void last_one_gone(weft_group *group)
{
    if (unlikely(load_acquire(&group->_spin))) {
        weft__word_lock(&group->_spin);
        weft__word_unlock(&group->_spin);
    }
}

static void told_gone(weft_group *group)
{
    struct weft__task *told = group->_next;
    group->_next = NULL;
    if (unlikely(told != NULL))
        forget(told);
}

static void round_over(weft_group *group)
{
    last_one_gone(group);
    told_gone(group);
    struct weft__task *task;
    while (unlikely((task = kept_pop(group)) != NULL))
        forget(task);
    group->_word = BIAS;
    group->_cancelled = 0;
    group->_flags |= ROUND_OVER;
}

int weft_group_wait(weft_group *group, weft_deadline deadline)
{
    struct weft__task *self = weft__self();
    if (unlikely(group->_flags & BACKGROUND))
        return weft__failed(-EINVAL, "wait for the background");
    if (unlikely(self != group->_owner || !self))
        return weft__failed(-EPERM, "wait for group %p, which another task owns", (void *)group);
    round_begin(group);
    int64_t until = deadline.ns == INT64_MAX ? INT64_MAX : weft__deadline_at(deadline);
    uint32_t done = 0;
    if (group->_flags & WEFT_FORK && self->worker && !weft__rt.seeded) {
        /* Children as calls cannot be timed out of; a dated wait leaves them to the workers. So does a
         * shielded one: a shield is the waiter's, not theirs. */
        if (until == INT64_MAX && self->bound == INT64_MAX && !self->shield)
            done = run_children(group, self);
        if (load_acquire(&group->_word) - done + group->_spawned == BIAS) {
            group->_spawned = 0;
            round_over(group);
            return group->_result;
        }
    }
    if (done)
        weft__group_publish(group, done);
    weft__point("group wait");
    int r = 0;
    if (unlikely(weft__is_cancelled(self))) {
        weft_group_cancel(group);
        struct weft__calm calm = weft__calm_begin(self);
        wait_for_all(group, self, INT64_MAX);
        weft__calm_end(self, calm);
        r = -ECANCELED;
    } else {
        r = wait_for_all(group, self, until);
    }
    round_over(group);
    return group->_result ? group->_result : r;
}

int weft_group_next(weft_group *group, weft_task *done, weft_deadline deadline)
{
    struct weft__task *self;
    int r = weft__wait_enter(&self);
    if (r < 0)
        return r;
    if (self != group->_owner || !(group->_flags & WEFT_COLLECT))
        return -EINVAL;
    see_fork(group);
    for (;;) {
        weft__point("group next");
        weft__word_lock(&group->_spin);
        struct weft__task *task = kept_pop(group);
        if (task) {
            weft__word_unlock(&group->_spin);
            told_gone(group); /* the one before could be joined until now */
            weft__job_back(task);
            group->_next = task;
            if (done)
                *done = weft__handle(task);
            return 1;
        }
        if (load_acquire(&group->_word) + group->_spawned == BIAS || deadline.ns == 0) {
            weft__word_unlock(&group->_spin);
            return deadline.ns == 0 && group->_word + group->_spawned != BIAS ? -ETIMEDOUT : 0;
        }
        group->_waiter = self;
        group->_ticket = weft__wait_begin(self);
        uint64_t ticket = group->_ticket;
        weft__word_unlock(&group->_spin);
        if (deadline.ns < 0)
            deadline.ns = weft__deadline_at(deadline); /* one span in all */
        r = weft__wait(self, ticket, deadline, "group next", group);
        if (r < 0) {
            weft__word_lock(&group->_spin);
            group->_ticket = 0;
            weft__word_unlock(&group->_spin);
            return r;
        }
    }
}

int weft_group_failed(const weft_group *group, weft_task *who)
{
    if (load_acquire(&group->_result) == 0)
        return 0;
    if (who)
        who->id = load_relaxed(&group->_failed);
    return 1;
}

void weft_group_cancel(weft_group *group)
{
    if (group->_flags & BACKGROUND)
        return;
    weft__group_cancel_all(group);
}

void weft__group_cancel_all(weft_group *group)
{
    struct weft__task *self = weft__current;
    weft__word_lock(&group->_spin);
    exchange_seq_cst(&group->_cancelled, 1);
    for (struct weft__member *m = group->_children; m; m = m->next) {
        struct weft__task *task = m->task;
        struct weft__worker *worker = load_relaxed(&task->worker);
        if (!worker || (self && self->worker == worker))
            weft__cancel_deliver(task);
        else
            weft__cancel_send(task);
    }
    weft__word_unlock(&group->_spin);
}

bool weft_group_is_cancelled(const weft_group *group)
{
    return load_relaxed(&group->_cancelled);
}

void weft_group_fini(weft_group *group)
{
    see_fork(group);
    WEFT_BUG_ON(group->_word && load_acquire(&group->_word) + group->_spawned != BIAS,
                "group %p is torn down while tasks of it live", (void *)group);
    last_one_gone(group);
    told_gone(group);
    struct weft__task *task;
    while ((task = kept_pop(group)))
        forget(task);
    *group = (weft_group){ 0 };
}

/* -- map ------------------------------------------------------------------------------------------ */

struct map {
    weft_fn *fn;
    char *items;
    size_t size, count;
    weft_group group;
    size_t next; /* threads take items one by one */
    const char *site;
    unsigned kind;
};

struct range {
    struct map *map;
    size_t from, to;
};

/* Halve what is left to whoever comes, keep the first. */
static int map_range(void *arg)
{
    struct range mine = *(struct range *)arg;
    struct map *map = mine.map;
    while (mine.to - mine.from > 1) {
        struct range upper = { map, mine.from + (mine.to - mine.from) / 2, mine.to };
        if (weft_group_spawn_at(&map->group, WEFT_COROUTINE | WEFT_COPY_IN, map_range, &upper,
                                sizeof upper, NULL, map->site) < 0)
            return 0; /* cancelled, or the failure is noted */
        mine.to = upper.from;
    }
    return weft_group_is_cancelled(&map->group) ? 0 : map->fn(map->items + mine.from * map->size);
}

static int map_thread(void *arg)
{
    struct map *map = arg;
    size_t at;
    int r = 0;
    while (r >= 0 && !weft_group_is_cancelled(&map->group) &&
           (at = add_relaxed(&map->next, 1)) < map->count)
        r = map->fn(map->items + at * map->size);
    return r;
}

/* Items of processes lie in the arena meanwhile. */
struct remote_map {
    weft_fn *fn;
    size_t size, count;
    size_t next; /* atomic */
    bool stop;   /* atomic */
    char items[] __attribute__((aligned(16)));
};

static int map_process(void *arg)
{
    struct remote_map *map = arg;
    size_t at;
    int r = 0;
    while (r >= 0 && !load_acquire(&map->stop) && !weft_task_is_cancelled() &&
           (at = shared_add(&map->next, 1)) < map->count)
        r = map->fn(map->items + at * map->size);
    if (r < 0)
        shared_store(&map->stop, true);
    return r;
}

static int map_remote(weft_fn *fn, void *items, size_t count, size_t size, weft_deadline deadline,
                      const char *site)
{
    int r = weft__kinds[WEFT_PROCESS]->prepare(fn, NULL, 0, NULL);
    if (r < 0)
        return r;
    struct remote_map *map = weft__arena_take(sizeof *map + size * count, WEFT__BLOCK_HELD);
    if (!map)
        return weft__failed(-ENOMEM, "map %s", site);
    *map = (struct remote_map){ .fn = fn, .size = size, .count = count };
    memcpy(map->items, items, size * count);
    weft_group group;
    weft_group_init(&group, 0);
    unsigned processes = weft_worker_count();
    for (unsigned i = 0; i < processes && i < count; i++)
        weft_group_spawn_at(&group, WEFT_PROCESS, map_process, map, 0, NULL, site);
    r = weft_group_wait(&group, deadline);
    memcpy(items, map->items, size * count);
    weft__arena_give(map);
    return r;
}

int weft_map_at(unsigned kind, weft_fn *fn, void *items, size_t count, size_t size,
                weft_deadline deadline, const char *site)
{
    if (kind == WEFT_VTHREAD || (kind == WEFT_PROCESS && !has_processes()))
        return refuse(-ENOTSUP, "map", site, NOT_YET);
    if (!fn || (kind != WEFT_COROUTINE && kind != WEFT_THREAD && kind != WEFT_PROCESS))
        return refuse(-EINVAL, "map", site, fn ? "no such kind" : "no function");
    if (count == 0)
        return 0;
    if (kind == WEFT_PROCESS) {
        int result = map_remote(fn, items, count, size, deadline, site);
        return result > 0 ? 0 : result;
    }
    struct map map = { .fn = fn, .items = items, .size = size, .count = count, .site = site };
    weft_group_init(&map.group, kind == WEFT_COROUTINE ? WEFT_FORK : 0);
    if (kind == WEFT_COROUTINE) {
        struct range all = { &map, 0, count };
        weft_group_spawn_at(&map.group, WEFT_COROUTINE | WEFT_COPY_IN, map_range, &all, sizeof all,
                            NULL, site);
    } else {
        unsigned threads = weft_worker_count();
        for (unsigned i = 0; i < threads && i < count; i++)
            weft_group_spawn_at(&map.group, WEFT_THREAD, map_thread, &map, 0, NULL, site);
    }
    int r = weft_group_wait(&map.group, deadline);
    return r > 0 ? 0 : r;
}
