/* watch.c - see watch.h.
 *
 * A thread sleeps on the words itself. For coroutines a sentry does: a thread that sleeps on the words of up
 * to 126 of them at once, looks which have moved when the kernel wakes it, and makes the tasks ready. It
 * sleeps on a bell too, rung when a watch is added. One that is taken away is slept on until the next look: a
 * wake-up that comes for it meanwhile is handed on.
 */
#include "sync/watch.h"

#include "base/alloc.h"
#include "base/sys.h"
#include "shared/arena.h"

enum {
    BELL,
    DEATHS,
    FIRST_WATCH,
    WATCHES_MAX = WEFT__SYS_WAITS - FIRST_WATCH,
    LINGER_SECONDS = 10
};
#define SLICE 100000000ll /* without futex_waitv: so often one looks for what cannot wake it */

struct weft__sentry {
    struct weft__sentry *next;
    struct weft__watch *first;
    uint32_t count;
    uint32_t bell; /* futex word */
    bool asleep;   /* or about to be: ring */
    bool left;     /* one of those slept on has been taken away */
    struct weft__watch *slept_on[WEFT__SYS_WAITS];
};

static weft__spin spin; /* of all of this */
static struct weft__sentry *sentries;
static uint64_t generation; /* of the runtime whose sentries these are */

/* -- the sentry ------------------------------------------------------------------------------------- */

static bool has_moved(const struct weft__watch *w)
{
    return load_acquire(w->word) != w->seen || weft__death_epoch() != w->epoch;
}

static void unlink_watch(struct weft__sentry *sentry, struct weft__watch *w)
{
    *(w->prev ? &w->prev->next : &sentry->first) = w->next;
    if (w->next)
        w->next->prev = w->prev;
    w->sentry = NULL;
    sentry->count--;
}

/* The watch is gone when its task runs, but not before watch_end, which takes the lock that we hold. */
static void tell(struct weft__watch *w)
{
    weft__word_lock(&w->spin);
    w->moved = true;
    struct weft__wait_node *node = weft__claim_first(WEFT__WAIT_QUEUE(&w->first, &w->last));
    struct weft__task *task = node ? node->task : NULL;
    weft__word_unlock(&w->spin);
    if (task)
        weft__ready(task);
}

/* Under the lock: tell of those that have moved, and list what to sleep on. */
static unsigned look(struct weft__sentry *sentry, struct weft__sys_wait *waits)
{
    unsigned n = FIRST_WATCH;
    uint32_t epoch = weft__death_epoch();
    waits[BELL] = weft__sys_wait(&sentry->bell, sentry->bell, false);
    waits[DEATHS] = weft__sys_wait(&weft__tree->epoch, epoch, true);
    for (struct weft__watch *w = sentry->first, *next; w; w = next) {
        next = w->next;
        if (has_moved(w)) {
            unlink_watch(sentry, w);
            tell(w);
        } else {
            sentry->slept_on[w->place = n] = w;
            waits[n++] = weft__sys_wait(w->word, w->seen, true);
        }
    }
    sentry->asleep = true;
    return n;
}

/* Under the lock: the kernel names one only of the words it was woken for. */
static void hand_on(struct weft__sentry *sentry, const struct weft__sys_wait *waits, unsigned n)
{
    for (unsigned i = FIRST_WATCH; sentry->left && i < n; i++)
        if (!sentry->slept_on[i])
            weft__sys_futex_wake_shared((const uint32_t *)(uintptr_t)waits[i].word, 1);
    sentry->left = false;
}

static bool end(struct weft__sentry *sentry) /* under the lock */
{
    if (sentry->first)
        return false;
    struct weft__sentry **at = &sentries;
    while (*at != sentry)
        at = &(*at)->next;
    *at = sentry->next;
    return true;
}

static void *sentry_main(void *arg)
{
    struct weft__sentry *sentry = arg;
    struct weft__sys_wait waits[WEFT__SYS_WAITS];
    for (bool over = false; !over;) {
        weft__spin_lock(&spin);
        unsigned n = look(sentry, waits);
        bool idle = !sentry->first;
        weft__spin_unlock(&spin);
        int64_t now = weft__sys_now();
        int r = weft__sys_futex_wait_any(waits, n,
                                         idle ? now + LINGER_SECONDS * 1000000000ll : INT64_MAX);
        if (r == -ENOSYS)
            weft__sys_futex_wait(&sentry->bell, (uint32_t)waits[BELL].expected, now + SLICE);
        weft__spin_lock(&spin);
        sentry->asleep = false;
        hand_on(sentry, waits, n);
        over = idle && r == -ETIMEDOUT && end(sentry);
        weft__spin_unlock(&spin);
    }
    weft__release(sentry, sizeof *sentry);
    __atomic_fetch_sub(&weft__rt.threads, 1, __ATOMIC_RELAXED);
    add_relaxed(&weft__rt.sentries, (uint32_t)-1);
    return NULL;
}

/* Under the lock. */
static struct weft__sentry *sentry_new(void)
{
    struct weft__sentry *sentry = weft__alloc(sizeof *sentry, 64);
    if (!sentry)
        return NULL;
    *sentry = (struct weft__sentry){ .next = sentries };
    struct weft__sys_thread thread;
    __atomic_fetch_add(&weft__rt.threads, 1, __ATOMIC_SEQ_CST);
    weft__solo_end();
    if (weft__sys_thread_start(&thread, 256 << 10, sentry_main, sentry) < 0) {
        __atomic_fetch_sub(&weft__rt.threads, 1, __ATOMIC_RELAXED);
        weft__release(sentry, sizeof *sentry);
        return NULL;
    }
    weft__sys_thread_detach(thread);
    add_relaxed(&weft__rt.sentries, 1);
    sentries = sentry;
    return sentry;
}

/* -- watches ---------------------------------------------------------------------------------------- */

int weft__watch_begin(struct weft__watch *watch, const uint32_t *word, uint32_t seen, uint32_t epoch)
{
    *watch = (struct weft__watch){ .word = word, .seen = seen, .epoch = epoch };
    weft__spin_lock(&spin);
    if (generation != weft__rt.generation) { /* they are the parent's */
        sentries = NULL;
        generation = weft__rt.generation;
    }
    struct weft__sentry *sentry = sentries;
    while (sentry && sentry->count == WATCHES_MAX)
        sentry = sentry->next;
    bool ring = false;
    if (sentry || (sentry = sentry_new())) {
        watch->sentry = sentry;
        watch->next = sentry->first;
        if (watch->next)
            watch->next->prev = watch;
        sentry->first = watch;
        sentry->count++;
        ring = sentry->asleep;
        sentry->asleep = false;
        store_relaxed(&sentry->bell, sentry->bell + ring);
        if (ring) /* within: a sentry ends, and its bell is freed, under the lock only */
            weft__sys_futex_wake(&sentry->bell, 1);
    }
    weft__spin_unlock(&spin);
    return sentry ? 0 : -ENOMEM;
}

void weft__watch_end(struct weft__watch *watch)
{
    weft__spin_lock(&spin);
    struct weft__sentry *sentry = watch->sentry;
    if (sentry && watch->place) {
        sentry->slept_on[watch->place] = NULL;
        sentry->left = true;
    }
    if (sentry)
        unlink_watch(sentry, watch);
    weft__spin_unlock(&spin);
}

/* -- one word ---------------------------------------------------------------------------------------- */

static int thread_wait(struct weft__task *self, const uint32_t *word, uint32_t seen, uint32_t epoch,
                       int64_t until, const char *reason, const void *object)
{
    weft__wait_names(self, NULL, object);
    uint64_t ticket = weft__wait_begin(self);
    store_relaxed(&self->since, weft__sys_now());
    store_relaxed(&self->reason, reason);
    if (!weft__sleep_is_cancelled(self, ticket)) {
        struct weft__sys_wait waits[] = { weft__sys_wait(&self->sleeping, 1, false),
                                          weft__sys_wait(word, seen, true),
                                          weft__sys_wait(&weft__tree->epoch, epoch, true) };
        int r = weft__sys_futex_wait_any(waits, ARRAY_LEN(waits), until);
        if (r == -ENOSYS) {
            int64_t slice = weft__sys_now() + SLICE;
            r = weft__sys_futex_wait_shared(word, seen, until < slice ? until : slice);
            r = r == -ETIMEDOUT && slice <= until ? 0 : r;
        }
        if (r == -ETIMEDOUT && weft__claim(self, ticket, WEFT__TIMED_OUT))
            store_relaxed(&self->sleeping, 0);
        else
            weft__wait_drop(self, ticket); /* unless it was claimed */
    }
    store_relaxed(&self->reason, (const char *)NULL);
    return weft__outcome(self);
}

static int coroutine_wait(struct weft__task *self, const uint32_t *word, uint32_t seen,
                          uint32_t epoch, weft_deadline deadline, const char *reason,
                          const void *object)
{
    struct weft__watch watch;
    int r = weft__watch_begin(&watch, word, seen, epoch);
    if (r < 0)
        return r;
    weft__word_lock(&watch.spin);
    if (watch.moved) {
        weft__word_unlock(&watch.spin);
    } else {
        struct weft__wait_node node = { 0 };
        r = weft__wait_on(&watch.spin, WEFT__WAIT_QUEUE(&watch.first, &watch.last), &node, self,
                          deadline, reason, object);
    }
    weft__watch_end(&watch);
    return r;
}

int weft__watch_wait(const uint32_t *word, uint32_t seen, uint32_t epoch, weft_deadline deadline,
                     const char *reason, const void *object)
{
    struct weft__task *self = weft__current;
    int64_t until = self->bound < deadline.ns ? self->bound : deadline.ns;
    if (until == 0)
        return -ETIMEDOUT;
    if (load_acquire(word) != seen)
        return 0;
    /* In a segment nobody tells of a stranger's death. */
    int64_t slice = weft__arena_has(word, sizeof *word) ? INT64_MAX : weft__now() + SLICE;
    bool sliced = slice < until;
    if (sliced)
        deadline.ns = until = slice;
    add_relaxed(&weft__rt.outside_waits, 1);
    int r = weft__is_coroutine(self)
                ? coroutine_wait(self, word, seen, epoch, deadline, reason, object)
                : thread_wait(self, word, seen, epoch, until, reason, object);
    __atomic_fetch_sub(&weft__rt.outside_waits, 1, __ATOMIC_RELAXED);
    return sliced && r == -ETIMEDOUT ? 0 : r;
}

int weft__shared_wake(const uint32_t *word, int n)
{
    return weft__sys_futex_wake_shared(word, n);
}
