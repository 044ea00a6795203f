/* offload.c - helper threads for code that blocks.
 *
 * Jobs queue; a helper is made when a job comes and none is free, up to the limit, and ends after a
 * while without work. Users, files, names and starts of programs have helpers of their own: jobs that a
 * program left behind keep no file waiting, nor does a disk that does not answer keep a name. Those who start
 * programs stay, and do so for threads too: a program is killed when the thread that started it ends. A plain
 * job lies on its caller's stack, who waits for it to the end; one with a deadline is copied to the heap, and
 * whoever lets go of it last, caller or helper, frees it.
 */
#include <errno.h>
#include <string.h>
#include <weft/offload.h>

#include "base/alloc.h"
#include "base/sys.h"
#include "io/io.h"

enum { LINGER_SECONDS = 10 };

struct job {
    struct job *next, *prev;
    weft_fn *fn;
    void *arg;
    int result;
    bool begun;     /* under the list's lock: a helper has it */
    bool done;      /* under the spin bit of word */
    bool abandoned; /* likewise: its caller has gone on */
    bool copied;
    enum weft__helpers who; /* is to run it */
    uint32_t word;
    struct weft__wait_node *waiter, *waiter_last;
};

static struct pool {
    weft__spin spin;
    unsigned most, helpers, idle, queued;
    bool stay;
    uint32_t bell; /* futex word of idle helpers */
    struct job *first, *last;
    uint64_t generation; /* of the runtime whose helpers these are */
} pools[] = {
    [WEFT__FOR_USERS] = { .most = 64 },
    [WEFT__FOR_FILES] = { .most = 64 },
    [WEFT__FOR_NAMES] = { .most = 16 },
    [WEFT__FOR_PROGRAMS] = { .most = 4, .stay = true },
};
static uint32_t abandoned; /* atomic */

struct copied {
    struct job job;
    uint32_t owners; /* atomic: caller and helper */
    size_t size;
    unsigned char data[] __attribute__((aligned(16)));
};

static void let_go(struct copied *c)
{
    if (__atomic_sub_fetch(&c->owners, 1, __ATOMIC_ACQ_REL) == 0)
        weft__release(c, sizeof *c + c->size);
}

static struct job *take(struct pool *pool)
{
    struct job *job = pool->first;
    if (job) {
        pool->first = job->next;
        *(pool->first ? &pool->first->prev : &pool->last) = NULL;
        job->begun = true;
        pool->queued--;
    }
    return job;
}

static struct weft__wait_queue waiter(struct job *job)
{
    return WEFT__WAIT_QUEUE(&job->waiter, &job->waiter_last);
}

static void run(struct job *job)
{
    bool copied = job->copied;
    int result = job->fn(job->arg);
    weft__word_lock(&job->word);
    job->result = result;
    job->done = true;
    struct weft__wait_node *node = weft__claim_first(waiter(job));
    struct weft__task *task = node ? node->task : NULL;
    if (job->abandoned)
        __atomic_fetch_sub(&abandoned, 1, __ATOMIC_RELAXED);
    __atomic_fetch_sub(&weft__rt.jobs, 1, __ATOMIC_RELEASE);
    weft__word_unlock(&job->word); /* a job on its caller's stack is gone from here on */
    if (task)
        weft__ready(task);
    if (copied)
        let_go(container_of(job, struct copied, job));
}

static void *helper_main(void *arg)
{
    struct pool *pool = arg;
    for (;;) {
        weft__spin_lock(&pool->spin);
        struct job *job = take(pool);
        uint32_t seen = pool->bell;
        if (!job) {
            pool->idle++;
            add_relaxed(&weft__rt.idle_helpers, 1);
        }
        weft__spin_unlock(&pool->spin);
        if (job) {
            run(job);
            continue;
        }
        int64_t until = pool->stay ? INT64_MAX : weft__sys_now() + LINGER_SECONDS * 1000000000ll;
        int r = weft__sys_futex_wait(&pool->bell, seen, until);
        weft__spin_lock(&pool->spin);
        pool->idle--;
        add_relaxed(&weft__rt.idle_helpers, -1u);
        bool end = r == -ETIMEDOUT && !pool->first;
        if (end)
            pool->helpers--;
        weft__spin_unlock(&pool->spin);
        if (end) {
            __atomic_fetch_sub(&weft__rt.threads, 1, __ATOMIC_RELAXED);
            return NULL;
        }
    }
}

/* Take a job back that no helper has begun. */
static bool withdraw(struct job *job)
{
    struct pool *pool = &pools[job->who];
    weft__spin_lock(&pool->spin);
    bool still = !job->begun;
    if (still) {
        *(job->prev ? &job->prev->next : &pool->first) = job->next;
        *(job->next ? &job->next->prev : &pool->last) = job->prev;
        pool->queued--;
        __atomic_fetch_sub(&weft__rt.jobs, 1, __ATOMIC_RELEASE);
    }
    weft__spin_unlock(&pool->spin);
    return still;
}

/* Queue a job and see that somebody will run it. Negative: nobody can; it is not queued. */
static int hand_in(struct job *job)
{
    struct pool *pool = &pools[job->who];
    int64_t most = pool->most;
    bool make = false;
    if (job->who == WEFT__FOR_USERS)
        most = weft__sys_env_number("WEFT_OFFLOAD_MAX", most);
    weft__spin_lock(&pool->spin);
    if (pool->generation != weft__rt.generation) { /* the helpers are the parent's of a fork */
        pool->generation = weft__rt.generation;
        pool->first = pool->last = NULL;
        pool->helpers = pool->idle = pool->queued = 0;
    }
    __atomic_fetch_add(&weft__rt.jobs, 1, __ATOMIC_SEQ_CST);
    job->prev = pool->last;
    job->next = NULL;
    *(pool->last ? &pool->last->next : &pool->first) = job;
    pool->last = job;
    if (++pool->queued > pool->idle && pool->helpers < (most < 1 ? 1 : most)) {
        pool->helpers++;
        make = true;
    }
    store_relaxed(&pool->bell, pool->bell + 1);
    weft__spin_unlock(&pool->spin);
    if (!make) {
        weft__sys_futex_wake(&pool->bell, 1);
        return 0;
    }
    struct weft__sys_thread thread;
    __atomic_fetch_add(&weft__rt.threads, 1, __ATOMIC_SEQ_CST);
    weft__solo_end();
    int r = weft__sys_thread_start(&thread, 0, helper_main, pool);
    if (r == 0) {
        weft__sys_thread_detach(thread);
        return 0;
    }
    __atomic_fetch_sub(&weft__rt.threads, 1, __ATOMIC_RELAXED);
    weft__spin_lock(&pool->spin);
    bool others = --pool->helpers > 0;
    weft__spin_unlock(&pool->spin);
    return others || !withdraw(job) ? 0 : r;
}

/* 0 done; -ETIMEDOUT, -ECANCELED. */
static int wait_done(struct job *job, struct weft__task *self, weft_deadline deadline)
{
    weft__word_lock(&job->word);
    if (job->done) {
        weft__word_unlock(&job->word);
        return 0;
    }
    struct weft__wait_node node;
    return weft__wait_on(&job->word, waiter(job), &node, self, deadline, "offload", job);
}

int weft__offload(enum weft__helpers who, weft_fn *fn, void *arg)
{
    struct weft__task *self;
    int r = weft__wait_enter(&self);
    if (r < 0)
        return r;
    if (weft__rt.seeded || (!weft__is_coroutine(self) && who != WEFT__FOR_PROGRAMS))
        return fn(arg);
    struct job job = { .fn = fn, .arg = arg, .who = who };
    if ((r = hand_in(&job)) < 0)
        return r;
    r = wait_done(&job, self, weft_never());
    if (r < 0) {
        if (withdraw(&job))
            return r;
        struct weft__calm calm = weft__calm_begin(self); /* it has begun and uses our stack */
        wait_done(&job, self, weft_never());
        weft__calm_end(self, calm);
    }
    return job.result;
}

int weft_offload(weft_fn *fn, void *arg)
{
    return weft__offload(WEFT__FOR_USERS, fn, arg);
}

int weft_offload_at(weft_fn *fn, void *arg, size_t size, weft_deadline deadline)
{
    struct weft__task *self;
    int r = weft__wait_enter(&self);
    if (r < 0)
        return r;
    if (weft__rt.seeded)
        return fn(arg);
    struct copied *c = weft__alloc(sizeof *c + size, 16);
    if (!c)
        return -ENOMEM;
    *c = (struct copied){ .job = { .fn = fn, .arg = c->data, .copied = true },
                          .owners = 2,
                          .size = size };
    memcpy(c->data, arg, size);
    if ((r = hand_in(&c->job)) < 0) {
        weft__release(c, sizeof *c + size);
        return r;
    }
    r = wait_done(&c->job, self, deadline);
    weft__word_lock(&c->job.word);
    if (c->job.done) {
        memcpy(arg, c->data, size);
        r = c->job.result;
        weft__word_unlock(&c->job.word);
    } else {
        c->job.abandoned = true;
        add_relaxed(&abandoned, 1);
        weft__word_unlock(&c->job.word);
        if (withdraw(&c->job)) {
            __atomic_fetch_sub(&abandoned, 1, __ATOMIC_RELAXED);
            let_go(c); /* no helper will */
        }
    }
    let_go(c);
    return r;
}

unsigned weft_offload_abandoned(void)
{
    return load_relaxed(&abandoned);
}
