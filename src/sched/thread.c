/* thread.c - records of threads: of WEFT_THREAD tasks and of threads that weft did not start.
 *
 * A record is taken at a thread's first weft call and given back at its end. Like a stack's it is
 * type-stable: chunks are never freed.
 */
#include <errno.h>

#include "base/alloc.h"
#include "base/report.h"
#include "base/sys.h"
#include "sched/wait.h"

enum { CHUNK = 64, CHUNKS = 4096 };

/* A static library gives a program what it names, and nobody names the file that fills the tables of all rooms:
 * so this one, which every task needs, does. */
__attribute__((used)) static const char *const assembled = &weft__assembled;

static struct weft__task *chunks[CHUNKS];
static uint32_t used; /* slots ever given out */
static struct weft__task *spare;
static weft__spin spin;
static unsigned exit_key;
static enum { NO_KEY, KEY, KEYLESS } exit_key_state; /* under spin */

struct weft__task *weft__record_at(uint32_t slot)
{
    uint32_t i = slot - WEFT__RECORDS;
    return i < load_acquire(&used) ? &chunks[i / CHUNK][i % CHUNK] : NULL;
}

uint32_t weft__record_slots(void)
{
    return load_acquire(&used);
}

struct weft__task *weft__record_take(void)
{
    weft__spin_lock(&spin);
    struct weft__task *task = spare;
    if (task) {
        spare = task->next;
    } else if (used < CHUNK * CHUNKS) {
        struct weft__task **chunk = &chunks[used / CHUNK];
        if (!*chunk) {
            *chunk = weft__alloc(CHUNK * sizeof **chunk, 64);
            if (*chunk)
                __builtin_memset(*chunk, 0, CHUNK * sizeof **chunk);
        }
        if (*chunk) {
            task = &(*chunk)[used % CHUNK];
            store_relaxed(&task->slot, WEFT__RECORDS + used);
            weft__record_birth(task);
            store_release(&used, used + 1);
        }
    }
    weft__spin_unlock(&spin);
    return task;
}

void weft__record_give(struct weft__task *task)
{
    if (task->wake_fd >= 0)
        weft__sys_close(task->wake_fd);
    task->wake_fd = -1;
    weft__spin_lock(&spin);
    task->next = spare;
    spare = task;
    weft__spin_unlock(&spin);
}

/* -- threads that weft did not start -------------------------------------------------------------- */

static void foreign_end(void *value)
{
    struct weft__task *task = value;
    if (weft__current != task)
        return;
    weft__locals_destroy(task);
    if (task->held)
        weft__holds_abandon(task, 0);
    weft__current = NULL;
    __atomic_fetch_sub(&weft__rt.threads, 1, __ATOMIC_RELAXED);
    store_relaxed(&task->life, ((load_relaxed(&task->life) >> 8) + 1) << 8);
    weft__record_give(task);
}

/* The key that tells us of a thread's end; without one a record is simply not given back. */
static bool exit_key_make(void)
{
    weft__spin_lock(&spin);
    if (exit_key_state == NO_KEY)
        exit_key_state = weft__sys_thread_at_exit(foreign_end, &exit_key) == 0 ? KEY : KEYLESS;
    bool made = exit_key_state == KEY;
    weft__spin_unlock(&spin);
    return made;
}

struct weft__task *weft__self_slow(void)
{
    __atomic_fetch_add(&weft__rt.threads, 1, __ATOMIC_SEQ_CST); /* then look: weft__solo_begin */
    weft__solo_end();
    struct weft__task *task = weft__record_take();
    if (!task) {
        __atomic_fetch_sub(&weft__rt.threads, 1, __ATOMIC_RELAXED);
        return NULL;
    }
    store_relaxed(&task->worker, (struct weft__worker *)NULL);
    task->base.group = NULL;
    task->tid = (uint32_t)weft__sys_gettid();
    weft__task_begin(task, 0, WEFT__FOREIGN, NULL);
    if (exit_key_make())
        weft__sys_thread_at_exit_set(exit_key, task);
    weft__current = task;
    if (unlikely(load_relaxed(&weft__rt.state) == WEFT__OFF))
        weft__seed_begin();
    return task;
}

/* -- WEFT_THREAD ----------------------------------------------------------------------------------- */

static void *thread_main(void *arg)
{
    struct weft__task *self = arg;
    weft__current = self;
    self->tid = (uint32_t)weft__sys_gettid();
    if (unlikely(weft__rt.hooks_count))
        weft__hooks_start();
    uint64_t generation = weft__rt.generation;
    self->result = self->fn(self->arg);
    if (unlikely(generation != weft__rt.generation))
        weft__sys_exit(0); /* in a fork's child: the group is not here */
    weft__task_finish(self, 0);
    weft__current = NULL;
    weft__group_left(&self->base, self->result);
    weft__group_keep(self);
    add_acq_rel(&weft__rt.outside_ended, 1); /* last: weft_stop may end all that keep has used */
    weft__rest_notice();
    __atomic_fetch_sub(&weft__rt.threads, 1, __ATOMIC_RELEASE);
    return NULL;
}

int weft__thread_spawn(struct weft__task *task, size_t stack)
{
    struct weft__sys_thread thread;
    __atomic_fetch_add(&weft__rt.threads, 1, __ATOMIC_SEQ_CST);
    weft__solo_end();
    int r = weft__sys_thread_start(&thread, stack ? stack : 8 << 20, thread_main, task);
    if (r == 0)
        weft__sys_thread_detach(thread);
    else
        __atomic_fetch_sub(&weft__rt.threads, 1, __ATOMIC_RELAXED);
    return r;
}
