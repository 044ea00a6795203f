/* task.c - what a task is to others and to itself: handle, join, cancel, name, bounds, defers, hooks.
 *
 * A handle is slot and generation. Its life word decides whether a handle is stale, and holds the
 * cancel flag beside the generation, so that a cancel never meets a later task in the same slot.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/report.h"
#include "base/sys.h"
#include "sched/case.h"
#include "sched/wait.h"

__thread struct weft__task *weft__current __attribute__((tls_model("initial-exec")));

enum { WHY = 512, WHAT = 256 };

/* -- a life --------------------------------------------------------------------------------------- */

/* The memory is zeroed; what else is true between two lives: */
void weft__record_birth(struct weft__task *task)
{
    task->member = &task->base;
    task->base.task = task;
    task->bound = INT64_MAX;
    task->wake_fd = -1;
}

struct weft__task *weft__task_at(uint32_t slot)
{
    struct weft__task *task =
        (struct weft__task *)(void *)(weft__stack_top(slot) - WEFT__STACK_DESCRIPTOR);
    if (!task->low) {
        size_t size;
        task->low = weft__stack_low(slot, &size);
        store_relaxed(&task->slot, slot);
        weft__record_birth(task);
    }
    return task;
}

struct weft__task *weft__task_find(weft_task task)
{
    uint32_t slot = (uint32_t)task.id - 1;
    struct weft__task *found;
    if ((uint32_t)task.id == 0)
        return NULL;
    if (slot >= WEFT__RECORDS) {
        found = weft__record_at(slot);
    } else {
        char *top = weft__stack_top(slot);
        found = top ? (struct weft__task *)(void *)(top - WEFT__STACK_DESCRIPTOR) : NULL;
    }
    return found && (uint32_t)(load_acquire(&found->life) >> 8) == task.id >> 32 ? found : NULL;
}

weft_task weft_task_self(void)
{
    struct weft__task *self = weft__self();
    return self ? weft__handle(self) : (weft_task){ 0 };
}

bool weft_task_is_alive(weft_task task)
{
    struct weft__task *found = weft__task_find(task);
    return found && load_relaxed(&found->life) & WEFT__LIFE_ALIVE;
}

/* -- end and join --------------------------------------------------------------------------------- */

static struct weft__wait_queue joiners(struct weft__task *task)
{
    return WEFT__WAIT_QUEUE(&task->joiners, &task->joiners_last);
}

static void fill_exit(struct weft_exit *out, const struct weft__task *task)
{
    out->result = task->result;
    out->signal = task->flags & WEFT__REMOTE ? task->signal : 0;
    out->core = task->flags & WEFT__REMOTE && task->core;
    out->cancelled = task->was_cancelled;
}

void weft__task_ended(struct weft__task *task)
{
    struct weft__wait_node *node;
    struct weft__task *chain = NULL;
    weft__word_lock(&task->word);
    store_relaxed(&task->flags, task->flags | WEFT__ENDED);
    and_acq_rel(&task->life, ~(uint64_t)WEFT__LIFE_ALIVE);
    while ((node = weft__claim_first(joiners(task)))) {
        if (node->value)
            fill_exit(node->value, task);
        node->task->next = chain;
        chain = node->task;
    }
    if (chain) { /* a joiner waits in its call, where the job may come back */
        store_relaxed(&task->joined, true);
        weft__job_back(task);
    }
    weft__word_unlock(&task->word);
    weft__ready_all(chain);
}

int weft_task_join(weft_task task, struct weft_exit *out, weft_deadline deadline)
{
    struct weft__task *self;
    int r = weft__wait_enter(&self);
    if (r < 0)
        return r;
    if (out && out->size != sizeof *out)
        return -EINVAL;
    struct weft__task *found = weft__task_find(task);
    if (!found)
        return -ESRCH;
    if (found == self)
        return -EDEADLK;
    weft__point("join");
    weft__word_lock(&found->word);
    /* In this order: if the handle is still right, these were its flags, and if it is a kept one it stays
     * so until the spin bit is let go. */
    uint32_t flags = load_acquire(&found->flags);
    if (!(flags & WEFT__KEEP) || weft__task_find(task) != found) {
        weft__word_unlock(&found->word);
        return -ESRCH;
    }
    if (flags & WEFT__ENDED) {
        weft_group *group = found->base.group;
        bool forget = weft__group_is_background(group);
        if (out)
            fill_exit(out, found);
        store_relaxed(&found->joined, true);
        weft__job_back(found);
        weft__word_unlock(&found->word);
        if (forget)
            weft__group_joined(group, task, found);
        return 0;
    }
    struct weft__wait_node node = { .value = out };
    return weft__wait_for(&found->word, joiners(found), &node, self, found, deadline, "join", found);
}

static int join_attempt(struct weft_case *c)
{
    weft_task task = { c->_detail };
    struct weft__task *found = weft__task_find(task);
    if (found) {
        c->_on = found;
        weft__case_place(c, &found->word, joiners(found));
    }
    return weft_task_join(task, c->_value, weft_at_once());
}

static bool join_blocked(struct weft_case *c, struct weft__task *self)
{
    struct weft__task *found = c->_on;
    uint32_t flags = load_acquire(&found->flags);
    (void)self;
    return flags & WEFT__KEEP && !(flags & WEFT__ENDED) &&
           weft__task_find((weft_task){ c->_detail }) == found;
}

struct weft_case weft_on_task(weft_task task, struct weft_exit *out)
{
    static const struct weft__case_ops ops = { .name = "join",
                                               .attempt = join_attempt,
                                               .blocked = join_blocked };
    return task.id ? (struct weft_case){ ._ops = &ops, ._value = out, ._detail = task.id }
                   : (struct weft_case){ 0 };
}

/* -- cancel --------------------------------------------------------------------------------------- */

/* A coroutine's waits are ended by its own worker, a thread's by anyone. */
void weft__cancel_deliver(struct weft__task *task)
{
    uint64_t wait = load_seq_cst(&task->wait);
    if (unlikely(load_relaxed(&task->flags) & WEFT__REMOTE)) /* in its group's list: it has not ended */
        weft__kinds[task->kind]->cancel(task->remote);
    if ((wait & 7) != WEFT__WAITING)
        return;
    if ((task->worker ? weft__is_cancelled(task) : true) && weft__claim(task, wait, WEFT__CANCELLED))
        weft__ready(task);
}

/* By handle the thread may have ended and its record serve another: the wait is read before the life,
 * and turns go on from life to life, so the claim fails for any wait but the one that is meant. */
static void cancel_thread(struct weft__task *task, weft_task handle)
{
    uint64_t wait = load_seq_cst(&task->wait);
    uint32_t remote = load_relaxed(&task->flags) & WEFT__REMOTE ? load_relaxed(&task->remote) : 0;
    if (remote && (uint32_t)(load_acquire(&task->life) >> 8) == handle.id >> 32)
        weft__kinds[WEFT_PROCESS]->cancel(remote); /* a number that never means another one */
    if ((wait & 7) == WEFT__WAITING &&
        (uint32_t)(load_acquire(&task->life) >> 8) == handle.id >> 32 &&
        weft__claim(task, wait, WEFT__CANCELLED))
        weft__ready(task);
}

int weft_task_cancel(weft_task task)
{
    struct weft__task *found = weft__task_find(task);
    if (!found)
        return -ESRCH;
    weft__point("cancel");
    uint64_t life = load_relaxed(&found->life);
    do
        if ((uint32_t)(life >> 8) != task.id >> 32)
            return -ESRCH;
        else if (!(life & WEFT__LIFE_ALIVE))
            return 0;
    while (!swap_seq_cst(&found->life, &life, life | WEFT__LIFE_CANCELLED));
    struct weft__task *self = weft__current;
    struct weft__worker *worker = load_seq_cst(&found->worker);
    if (found == self)
        return 0;
    if (!worker) { /* a thread, or not started: then its first wait sees life */
        if (found->slot >= WEFT__RECORDS)
            cancel_thread(found, task);
    } else if (self && self->worker == worker)
        weft__cancel_deliver(found);
    else
        weft__cancel_send(found);
    return 0;
}

bool weft__hears_cancel(struct weft__task *self)
{
    if (unlikely(self->flags & WEFT__UNHEARD))
        weft__kinds[WEFT_PROCESS]->listen(self);
    return weft__is_cancelled(self);
}

bool weft_task_is_cancelled(void)
{
    struct weft__task *self = weft__self();
    return self && weft__hears_cancel(self);
}

int weft_yield(void)
{
    struct weft__task *self = weft__current;
    if (unlikely(!self || !self->worker)) {
        if (weft__rt.seeded)
            weft__point("yield");
        else
            weft__sys_sched_yield();
        return self && weft__hears_cancel(self) ? -ECANCELED : 0;
    }
    if (unlikely(weft__is_cancelled(self)))
        return -ECANCELED;
    weft__yield(self);
    return 0;
}

/* -- bounds ---------------------------------------------------------------------------------------- */

/* What the task was before: restored by a cleanup, since a C++ exception may leave by here. */
struct before {
    struct weft__task *self;
    int64_t bound;
    uint32_t shield;
};

static void restore(struct before *before)
{
    before->self->bound = before->bound;
    before->self->shield = before->shield;
}

static int call_bounded(struct weft__task *self, int64_t until, uint32_t shields, weft_fn *fn,
                        void *arg)
{
    __attribute__((cleanup(restore), unused)) struct before before = { self, self->bound,
                                                                       self->shield };
    self->bound = until;
    self->shield += shields;
    return fn(arg);
}

int weft_within(weft_deadline deadline, weft_fn *fn, void *arg)
{
    struct weft__task *self = weft__self();
    if (!self)
        return -ENOMEM;
    int64_t until = weft__deadline_at(deadline);
    if (until >= self->bound)
        return fn(arg); /* and nothing to put back: a strand may be left inside */
    return call_bounded(self, until, 0, fn, arg);
}

int weft_shield(weft_deadline deadline, weft_fn *fn, void *arg)
{
    struct weft__task *self = weft__self();
    return self ? call_bounded(self, weft__deadline_at(deadline), 1, fn, arg) : -ENOMEM;
}

/* -- what runs before and after -------------------------------------------------------------------- */

struct weft__defer {
    struct weft__defer *next;
    void (*fn)(void *arg);
    void *arg;
};

int weft_defer(void (*fn)(void *arg), void *arg)
{
    struct weft__task *self = weft__current;
    if (!fn || !self || self->flags & WEFT__FOREIGN)
        return -EINVAL;
    struct weft__defer *defer = weft__alloc(sizeof *defer, 16);
    if (!defer)
        return -ENOMEM;
    *defer = (struct weft__defer){ self->defers, fn, arg };
    self->defers = defer;
    return 0;
}

enum { HOOKS = 8 };
static struct weft_hooks hooks[HOOKS];
static weft__spin hooks_spin;

int weft_hooks_add(const struct weft_hooks *add)
{
    int r = 0;
    if (!add || add->size != sizeof *add || (!add->on_start && !add->on_end))
        return -EINVAL;
    weft__spin_lock(&hooks_spin);
    if (weft__rt.hooks_count == HOOKS) {
        r = -ENOSPC;
    } else {
        hooks[weft__rt.hooks_count] = *add;
        store_release(&weft__rt.hooks_count, weft__rt.hooks_count + 1);
    }
    weft__spin_unlock(&hooks_spin);
    return r;
}

void weft__hooks_start(void)
{
    uint32_t count = load_acquire(&weft__rt.hooks_count);
    for (uint32_t i = 0; i < count; i++)
        if (hooks[i].on_start)
            hooks[i].on_start(hooks[i].ctx);
}

static void hooks_end(void)
{
    uint32_t count = load_acquire(&weft__rt.hooks_count);
    for (uint32_t i = 0; i < count; i++)
        if (hooks[i].on_end)
            hooks[i].on_end(hooks[i].ctx);
}

void (*weft__holds_abandon)(struct weft__task *task, uint32_t before);

void weft__task_finish(struct weft__task *self, uint32_t before)
{
    if (likely(!self->defers && !self->locals && self->held <= before && !weft__rt.hooks_count))
        return;
    int64_t bound = self->bound; /* an inlined task's is its waiter's */
    self->shield++;              /* whoever cleans up may wait */
    self->bound = INT64_MAX;
    while (self->defers) {
        struct weft__defer defer = *self->defers;
        weft__release(self->defers, sizeof defer);
        self->defers = defer.next;
        defer.fn(defer.arg);
    }
    weft__locals_destroy(self);
    hooks_end();
    self->shield--;
    self->bound = bound;
    if (self->held > before)
        weft__holds_abandon(self, before);
}

/* -- names and words ------------------------------------------------------------------------------- */

void weft__task_name_set(struct weft__task *task, const char *name)
{
    size_t n = strnlen(name, WEFT__NAME - 1);
    store_relaxed(&task->name[n], (char)0);
    while (n-- > 0)
        store_relaxed(&task->name[n], name[n]); /* others read it at any time */
}

const char *weft__task_name(const struct weft__task *task)
{
    if (load_relaxed(&task->name[0]))
        return task->name;
    const char *site = load_relaxed(&task->site);
    return site ? site : load_relaxed(&task->flags) & WEFT__FOREIGN ? "thread" : "?";
}

void weft__task_name_copy(const struct weft__task *task, char *out, size_t room)
{
    weft__sys_copy_text(out, room, weft__task_name(task));
}

int weft_task_rename(const char *name)
{
    struct weft__task *self = weft__self();
    if (!self)
        return -ENOMEM;
    weft__task_name_set(self, name);
    return 0;
}

/* Where the words go; NULL: no memory for them. They may be made of the old ones. */
static char *words(void)
{
    struct weft__task *self = weft__self();
    if (self && !self->why)
        self->why = weft__alloc(WHY, 16);
    return self ? self->why : NULL;
}

int weft__failed(int err, const char *format, ...)
{
    char what[WHAT], *why = words();
    if (why) {
        va_list args;
        va_start(args, format);
        vsnprintf(what, sizeof what, format, args);
        va_end(args);
        struct weft__text text = { why, WHY, 0 };
        weft__text_add(&text, "%s: %s", what, weft_strerror(err));
        if (err == -EMFILE)
            weft__text_add(&text, " (ulimit -n is %ld)", weft__sys_fd_limit());
    }
    return err;
}

int weft_why_set(int err, const char *format, ...)
{
    char text[WHY], *why = words();
    if (why) {
        va_list args;
        va_start(args, format);
        vsnprintf(text, sizeof text, format, args);
        va_end(args);
        memcpy(why, text, strlen(text) + 1);
    }
    return err;
}

const char *weft_why(void)
{
    struct weft__task *self = weft__current;
    return self && self->why ? self->why : "";
}

/* -- lists ----------------------------------------------------------------------------------------- */

const char *weft__task_state(const struct weft__task *task)
{
    const char *reason = load_relaxed(&task->reason);
    if (!(load_relaxed(&task->life) & WEFT__LIFE_ALIVE))
        return "ended";
    if (reason && weft__wait_is_open(load_relaxed(&task->wait)))
        return reason;
    if (task->slot >= WEFT__RECORDS)
        return "running";
    struct weft__worker *worker = load_relaxed(&task->worker);
    if (!worker)
        return "unstarted";
    return load_relaxed(&worker->current) == task ? "running" : "ready";
}

void weft__task_each(void (*fn)(struct weft__task *task, void *ctx), void *ctx)
{
    uint32_t n = weft__stack_slots();
    for (uint32_t slot = 0; slot < n; slot++) {
        char *top = weft__stack_top(slot);
        struct weft__task *task =
            top ? (struct weft__task *)(void *)(top - WEFT__STACK_DESCRIPTOR) : NULL;
        if (task && load_acquire(&task->life) & WEFT__LIFE_ALIVE)
            fn(task, ctx);
    }
    n = weft__record_slots();
    for (uint32_t i = 0; i < n; i++) {
        struct weft__task *task = weft__record_at(WEFT__RECORDS + i);
        if (task && load_acquire(&task->life) & WEFT__LIFE_ALIVE)
            fn(task, ctx);
    }
}

struct listing {
    weft_task *out;
    size_t max, count, unstarted;
};

static void list_one(struct weft__task *task, void *ctx)
{
    struct listing *list = ctx;
    if (list->count < list->max)
        list->out[list->count] = weft__handle(task);
    list->count++;
    list->unstarted += load_relaxed(&task->slot) < WEFT__RECORDS && !load_relaxed(&task->worker);
}

size_t weft_task_list(weft_task *out, size_t max)
{
    struct listing list = { out, max, 0, 0 };
    weft__task_each(list_one, &list);
    size_t closures = (size_t)weft__deque_length(&weft__rt.injector);
    for (unsigned i = 0; i < weft__rt.lanes_count; i++) {
        struct weft__worker *w = weft__rt.workers[i];
        closures += (size_t)(weft__deque_length(&w->fifo) + weft__deque_length(&w->fork) +
                             weft__deque_length(&w->own));
    }
    if (closures > list.unstarted) /* those with a record lie in a queue too */
        list.count += closures - list.unstarted;
    return list.count;
}

int weft_task_describe(weft_task task, struct weft_task_info *out)
{
    struct weft__task *found = weft__task_find(task);
    if (!out || out->size != sizeof *out)
        return -EINVAL;
    if (!found)
        return -ESRCH;
    struct weft__worker *worker = load_relaxed(&found->worker);
    size_t stack = 0;
    if (found->slot < WEFT__RECORDS)
        weft__stack_low(found->slot, &stack);
    const char *state = weft__task_state(found);
    *out = (struct weft_task_info){
        .size = sizeof *out,
        .task = task,
        .kind = load_relaxed(&found->flags) & WEFT__FOREIGN ? 0 : load_relaxed(&found->kind),
        .worker = worker ? (int)worker->index : -1,
        .site = load_relaxed(&found->site),
        .state = state,
        .waiting_ns =
            load_relaxed(&found->reason) == state ? weft__now() - load_relaxed(&found->since) : 0,
        .stack = stack,
    };
    if (load_relaxed(&found->flags) & WEFT__REMOTE)
        out->pid = weft__kinds[WEFT_PROCESS]->pid(load_relaxed(&found->remote));
    weft__task_name_copy(found, out->name, sizeof out->name);
    return weft__task_find(task) ? 0 : -ESRCH;
}
