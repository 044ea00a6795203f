/* runtime.c - the runtime begins, ends, is forked; and the watch.
 *
 * It starts at the first call that needs workers. Ends: weft_run's return, weft_stop, and the program's
 * own (exit handler). All three wait for background tasks, then cancel daemons; the first two join the
 * workers, the last one freezes them, so that destructors race nobody.
 *
 * The watch is one thread that looks every millisecond while anything runs: a worker that has not
 * switched for 2 ms has its descriptors harvested, so that what it holds up goes on elsewhere, and a
 * wake-up that a spawn spared is made up for. While everything sleeps it sleeps too.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/runtime.h>

#include "base/alloc.h"
#include "base/report.h"
#include "base/sys.h"
#include "sched/wait.h"

enum {
    WATCH_EVERY = 1000000, /* ns */
    STALL = 2000000,       /* ns without a switch: harvest */
    WATCH_QUIET = 20       /* quiet looks before the watch sleeps */
};

struct weft__runtime weft__rt;

static weft__spin start_spin;
static struct weft__sys_thread threads[WEFT__WORKERS_MAX], watch_thread;
static unsigned threads_first; /* worker 0 may be weft_run's caller */
static uint32_t watch_state;   /* futex word: 0 looking, 1 asleep, 2 to end */
static uint32_t quiet,
    resting; /* futex word of those who wait for tasks to end; how many they are */
static bool handlers_set, has_watch;
static struct run *running; /* weft_run has the runtime */
static uint32_t stop_runs;  /* atomic: one weft_stop at a time */

/* -- cores ---------------------------------------------------------------------------------------- */

static long read_file(const char *path, char *buf, size_t size)
{
    int fd = weft__sys_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return fd;
    long n = weft__sys_read(fd, buf, size - 1);
    weft__sys_close(fd);
    buf[n > 0 ? n : 0] = 0;
    return n;
}

/* A decimal number at *at, which moves behind it and one space. -1: there is none ("max"). */
static int64_t number(const char **at)
{
    int64_t n = -1;
    for (; **at >= '0' && **at <= '9' && n < INT64_MAX / 100; ++*at)
        n = (n < 0 ? 0 : n * 10) + (**at - '0');
    *at += **at == ' ';
    return n;
}

/* The tightest quota of the cgroup and all above it (cgroup v2: cpu.max). */
static unsigned quota(unsigned cpus)
{
    char text[4096], path[4096 + 64];
    if (read_file("/proc/self/cgroup", text, sizeof text) <= 0)
        return cpus;
    char *at = strstr(text, "0::");
    if (!at)
        return cpus;
    at += 3;
    at[strcspn(at, "\n")] = 0;
    for (;;) {
        char max[64];
        const char *parse = max;
        snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", at);
        if (read_file(path, max, sizeof max) > 0) {
            int64_t allowed = number(&parse), period = number(&parse);
            int64_t whole = allowed >= 0 && period > 0 ? allowed / period : cpus;
            cpus = whole < 1 ? 1 : whole < cpus ? (unsigned)whole : cpus;
        }
        char *slash = strrchr(at, '/');
        if (!slash || !at[0])
            return cpus;
        *slash = 0;
    }
}

unsigned weft_cpu_count(void)
{
    return quota(weft__sys_cpu_count());
}

unsigned weft_worker_count(void)
{
    if (load_acquire(&weft__rt.state) != WEFT__OFF)
        return weft__rt.workers_count;
    int64_t n = weft__sys_env_number("WEFT_WORKERS", 0);
    if (n <= 0)
        n = weft__sys_env("WEFT_SEED") ? 2 : weft_cpu_count();
    return n > WEFT__WORKERS_MAX ? WEFT__WORKERS_MAX : (unsigned)n;
}

uint64_t weft__live(void)
{
    uint64_t ended = load_acquire(&weft__rt.outside_ended), started = 0;
    for (unsigned i = 0; i < weft__rt.lanes_count; i++)
        ended += load_acquire(&weft__rt.workers[i]->ended);
    for (unsigned i = 0; i < weft__rt.lanes_count; i++)
        started += load_acquire(&weft__rt.workers[i]->started);
    return started + load_acquire(&weft__rt.outside_started) - ended;
}

/* -- placement ------------------------------------------------------------------------------------- */

uint32_t weft__draw(uint32_t count)
{
    static uint64_t draws; /* a Weyl sequence, mixed; a worker has one of its own */
    struct weft__task *self = weft__current;
    uint64_t x;
    if (weft__rt.seeded)
        return weft__chooser->choose(count);
    if (likely(self && self->worker))
        x = self->worker->draws += 0x9e3779b97f4a7c15u;
    else
        x = add_relaxed(&draws, 0x9e3779b97f4a7c15u);
    x = (x ^ x >> 32) * 0xbf58476d1ce4e5b9u;
    return (uint32_t)((x >> 32) * count >> 32);
}

static int64_t load_of(const struct weft__worker *worker)
{
    return weft__deque_length(&worker->own) + weft__deque_length(&worker->fifo) +
           load_relaxed(&worker->conns);
}

struct weft__worker *weft__place(void)
{
    struct weft__worker *a = weft__rt.workers[weft__draw(weft__rt.workers_count)];
    struct weft__worker *b = weft__rt.workers[weft__draw(weft__rt.workers_count)];
    return load_of(a) <= load_of(b) ? a : b;
}

/* Others may sleep on a descriptor that is about to be closed. */
void weft__workers_leave(int fd)
{
    if (likely(weft__backend() == WEFT__EPOLL)) /* it forgets what is closed, and keeps nothing open */
        return;
    bool visiting = weft__visit_begin();
    for (unsigned i = 0; i < WEFT__WORKERS_MAX; i++) {
        struct weft__worker *worker = load_seq_cst(&weft__rt.workers[i]);
        if (worker)
            weft__poller_remove(&worker->poller, fd);
    }
    weft__visit_end(visiting);
}

/* -- coming to rest ------------------------------------------------------------------------------- */

/* Somebody may wait for tasks to end: workers that find nothing to do, and ending threads, call this. */
void weft__rest_notice(void)
{
    if (unlikely(load_relaxed(&resting))) {
        __atomic_fetch_add(&quiet, 1, __ATOMIC_SEQ_CST);
        weft__sys_futex_wake(&quiet, INT32_MAX);
    }
}

/* Wait for a condition on counts. The last end may come while its worker has other work and then is
 * not announced, hence the steps; a task, whose own worker may be the one to run them, sleeps shortly. */
static bool rest(struct weft__task *self, bool (*met)(void *ctx), void *ctx, int64_t until)
{
    bool good = true;
    __atomic_fetch_add(&resting, 1, __ATOMIC_SEQ_CST);
    for (;;) {
        uint32_t seen = load_seq_cst(&quiet);
        int64_t now = weft__now();
        good = met(ctx);
        if (good || now >= until)
            break;
        bool here = weft__rt.seeded || (self && self->worker);
        int64_t step = now + (here ? 1000000 : 20000000);
        step = step < until ? step : until;
        if (here) {
            struct weft__calm calm = weft__calm_begin(self);
            (void)!weft__wait(self, weft__wait_begin(self), (weft_deadline){ step }, "end of tasks",
                              NULL);
            weft__calm_end(self, calm);
            if (until == INT64_MAX && weft__rt.seeded && !met(ctx))
                weft__seeded_look(self);
            else if (until == INT64_MAX && weft__all_sleep(self->worker) && !met(ctx))
                weft__nothing_moves(self->worker);
        } else {
            store_relaxed(&weft__rt.rester, until == INT64_MAX ? self : NULL);
            if (until == INT64_MAX && weft__all_sleep(NULL) && !met(ctx))
                weft__nothing_moves(NULL);
            store_relaxed(&weft__rt.rester, (struct weft__task *)NULL); /* it looks by itself */
            weft__sys_futex_wait(&quiet, seen, step);
        }
    }
    __atomic_fetch_sub(&resting, 1, __ATOMIC_SEQ_CST);
    return good;
}

static bool has_work(const struct weft__worker *worker)
{
    return load_seq_cst(&worker->inbox) || load_seq_cst(&worker->cancels) ||
           load_seq_cst(&worker->timers) || load_relaxed(&worker->conns) ||
           weft__deque_length(&worker->own) > 0 || weft__deque_length(&worker->fifo) > 0 ||
           weft__deque_length(&worker->fork) > 0;
}

/* All threads of the process, by the kernel's count; 0: not known. */
static unsigned threads_of_process(void)
{
    char text[1024];
    const char *at = NULL;
    if (read_file("/proc/self/stat", text, sizeof text) > 0)
        at = strrchr(text, ')'); /* the second field: a name may hold anything */
    for (int field = 2; at && field < 20; field++)
        at = strchr(at + 1, ' ');
    return at ? (unsigned)strtoul(at, NULL, 10) : 0;
}

static bool workers_sleep(const struct weft__worker *mine)
{
    unsigned count = load_acquire(&weft__rt.workers_count); /* they may be starting just now */
    if (load_seq_cst(&weft__rt.asleep) + (mine != NULL) != count ||
        load_seq_cst(&weft__rt.outside_waits) || load_seq_cst(&weft__rt.jobs) ||
        weft__deque_length(&weft__rt.injector) > 0)
        return false;
    for (unsigned i = 0; i < count; i++) {
        const struct weft__worker *worker = weft__rt.workers[i];
        if (has_work(worker) ||
            (worker == mine ? worker->first || weft__wheel_next(&worker->wheel) != INT64_MAX
                            : load_seq_cst(&worker->state) != WEFT__PARKED))
            return false;
    }
    return true;
}

/* Does everything sleep in weft, and nothing that sleeps for a time or for something outside? Asked by
 * who goes to sleep last, or by a task that only waits for others to end, on the worker `mine`. A thread
 * that does not know of weft may yet call it, so all are counted. One that knows it may give the workers
 * something and then sleep, so they are looked at once more. */
bool weft__all_sleep(const struct weft__worker *mine)
{
    unsigned waiting = 0, helpers = load_relaxed(&weft__rt.idle_helpers);
    if (!workers_sleep(mine))
        return false;
    for (uint32_t i = weft__record_slots(); i-- > 0;) {
        struct weft__task *task = weft__record_at(WEFT__RECORDS + i);
        if (!(load_acquire(&task->life) & WEFT__LIFE_ALIVE))
            continue;
        if (task != load_relaxed(&weft__rt.host) && task != load_relaxed(&weft__rt.rester) &&
            !(weft__wait_is_open(load_acquire(&task->wait)) && load_relaxed(&task->endless) &&
              load_acquire(&task->sleeping) == 1))
            return false;
        waiting++;
    }
    helpers += load_relaxed(&weft__rt.services);
    return waiting + helpers == load_relaxed(&weft__rt.threads) &&
           threads_of_process() == weft__rt.workers_count + waiting + helpers +
                                       load_relaxed(&has_watch) -
                                       (load_relaxed(&weft__rt.host) != NULL) &&
           workers_sleep(mine);
}

/* -- a moment in which nothing moves ----------------------------------------------------------------- */

static struct weft__worker *worker_on_its_feet(void)
{
    struct weft__worker *found = NULL;
    weft__spin_take(&start_spin);
    for (unsigned i = 0; i < weft__rt.workers_count && !found; i++) {
        uint32_t state = load_seq_cst(&weft__rt.workers[i]->state);
        if (state != WEFT__PARKED && state != WEFT__FROZEN)
            found = weft__rt.workers[i];
    }
    weft__spin_drop(&start_spin);
    return found;
}

/* Those that neither are ours nor sleep in a wait of ours. */
static int strangers(void)
{
    unsigned known = load_acquire(&weft__rt.workers_count) + load_relaxed(&has_watch) +
                     load_relaxed(&weft__rt.services) + load_relaxed(&weft__rt.sentries) +
                     load_relaxed(&weft__rt.idle_helpers);
    for (uint32_t i = weft__record_slots(); i-- > 0;) {
        struct weft__task *task = weft__record_at(WEFT__RECORDS + i);
        known += load_acquire(&task->life) & WEFT__LIFE_ALIVE &&
                 !(load_relaxed(&task->flags) & WEFT__REMOTE) &&
                 task != load_relaxed(&weft__rt.host) && load_acquire(&task->sleeping);
    }
    return (int)threads_of_process() - (int)known;
}

int weft__halt(int64_t until, char *why, size_t room)
{
    struct weft__worker *busy;
    int others = 0;
    exchange_seq_cst(&weft__rt.halted, 1);
    /* A thread that has just been told to sleep, or to end, needs a moment for it. */
    while ((busy = worker_on_its_feet()) || (others = strangers()) > 0) {
        if (weft__now() >= until) {
            if (busy)
                snprintf(why, room, "worker %u does not come to rest", busy->index);
            else
                snprintf(why, room, "%d other thread%s run%s", others, others > 1 ? "s" : "",
                         others > 1 ? "" : "s");
            weft__halt_end();
            return -EBUSY;
        }
        weft__sys_poll(NULL, 0, 50000);
    }
    return 0;
}

void weft__halt_end(void)
{
    exchange_seq_cst(&weft__rt.halted, 0);
    weft__sys_futex_wake(&weft__rt.halted, INT32_MAX);
}

static bool worker_has_left(void *worker)
{
    return load_acquire(&((struct weft__worker *)worker)->state) == WEFT__LEFT;
}

/* -- the watch ------------------------------------------------------------------------------------ */

void weft__watch_notice(void)
{
    if (unlikely(load_seq_cst(&watch_state) == 1)) {
        exchange_seq_cst(&watch_state, 0);
        weft__sys_futex_wake(&watch_state, 1);
    }
}

/* true: this worker is busy now. One that is stalled is harvested, and its poll goes to *listen, unless
 * all it had was a wake-up, which is the owner's and stays. */
static bool watch_worker(struct weft__worker *worker, int64_t now, struct pollfd *listen)
{
    bool heard = listen->revents;
    *listen = (struct pollfd){ .fd = -1 };
    uint64_t epoch = load_relaxed(&worker->epoch);
    if (load_acquire(&worker->state) != WEFT__RUNNING)
        return false;
    if (epoch != worker->watched_epoch) {
        worker->watched_epoch = epoch;
        worker->watched_since = now;
    } else if (now - worker->watched_since >= STALL && weft__rt.workers_count > 1 &&
               !weft__poller_is_set(&worker->poller)) {
        if (weft__harvest(worker) > 0 || !heard)
            *listen = (struct pollfd){ .fd = worker->poller.epfd, .events = POLLIN };
    }
    return true;
}

static bool work_waits(void)
{
    if (weft__deque_length(&weft__rt.injector) > 0)
        return true;
    for (unsigned i = 0; i < weft__rt.workers_count; i++)
        if (weft__deque_length(&weft__rt.workers[i]->fifo) > 0 ||
            weft__deque_length(&weft__rt.workers[i]->fork) > 0)
            return true;
    return false;
}

static bool anyone_runs(void)
{
    for (unsigned i = 0; i < weft__rt.workers_count; i++)
        if (load_seq_cst(&weft__rt.workers[i]->state) == WEFT__RUNNING)
            return true;
    return false;
}

static void *watch_main(void *arg)
{
    (void)arg;
    static struct pollfd listen[WEFT__WORKERS_MAX];
    for (unsigned still = 0;;) {
        if (load_acquire(&watch_state) == 2)
            return NULL;
        int64_t now = weft__sys_now();
        bool busy = false;
        for (unsigned i = 0; i < weft__rt.workers_count; i++)
            busy |= watch_worker(weft__rt.workers[i], now, &listen[i]);
        if (busy && load_relaxed(&weft__rt.parked) && work_waits())
            weft__wake_one();
        still = busy ? 0 : still + 1;
        if (still > WATCH_QUIET) {
            uint32_t looking = 0;
            if (swap_seq_cst(&watch_state, &looking, 1u) && !anyone_runs()) /* or it was not told */
                weft__sys_futex_wait(&watch_state, 1, INT64_MAX);
            looking = 1;
            swap_seq_cst(&watch_state, &looking, 0u);
        } else {
            weft__sys_poll(listen, weft__rt.workers_count, WATCH_EVERY);
        }
    }
}

static void watch_end(void)
{
    if (!has_watch)
        return;
    exchange_seq_cst(&watch_state, 2);
    weft__sys_futex_wake(&watch_state, 1);
    weft__sys_thread_join(watch_thread);
    store_relaxed(&has_watch, false);
}

/* -- start ---------------------------------------------------------------------------------------- */

/* Called by a worker that found nothing to do. */
static bool stopping(struct weft__worker *worker)
{
    weft__rest_notice();
    return load_acquire(&worker->stopping);
}

/* A handler that names a stack overflow cannot run on the stack that is full: each worker's thread has
 * an alternate one, unless it has one already (ASan gives its own, and frees what it finds at the end). */
static void altstack_begin(stack_t *mine)
{
    stack_t old;
    *mine = (stack_t){ .ss_sp = NULL, .ss_size = 64 * 1024 };
    if (weft__sys_sigaltstack(NULL, &old) < 0 || !(old.ss_flags & SS_DISABLE))
        return;
    void *map = weft__sys_mmap(NULL, mine->ss_size, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (weft__sys_mmap_failed(map)) /* then an overflow kills without its name */
        return;
    mine->ss_sp = map;
    weft__sys_sigaltstack(mine, NULL);
}

static void altstack_end(const stack_t *mine)
{
    if (!mine->ss_sp)
        return;
    weft__sys_sigaltstack(&(stack_t){ .ss_flags = SS_DISABLE }, NULL);
    weft__sys_munmap(mine->ss_sp, mine->ss_size);
}

static void *worker_main(void *arg)
{
    struct weft__worker *worker = arg;
    char *low;
    size_t size;
    stack_t altstack;
    altstack_begin(&altstack);
    weft__sys_thread_stack(&low, &size);
    weft__hooks_begin(&worker->idle.hooks, low, size, true);
    weft__worker_loop(worker, stopping);
    weft__current = NULL;
    altstack_end(&altstack);
    store_release(&worker->state, WEFT__LEFT);
    weft__rest_notice();
    return NULL;
}

/* Of workers that have ended: never freed, since a thread that just woke a task of one may look at it still. */
static struct weft__worker *spares[WEFT__WORKERS_MAX];

struct weft__worker *weft__worker_memory(unsigned index)
{
    struct weft__worker *worker = spares[index];
    spares[index] = NULL;
    return worker ? worker : weft__alloc(sizeof *worker, _Alignof(struct weft__worker));
}

void weft__worker_spare(unsigned index, struct weft__worker *worker)
{
    spares[index] = worker;
}

static void free_workers(void)
{
    struct weft__worker *workers[WEFT__WORKERS_MAX];
    for (unsigned i = 0; i < weft__rt.lanes_count; i++)
        workers[i] = exchange_seq_cst(&weft__rt.workers[i], (struct weft__worker *)NULL);
    while (load_seq_cst(&weft__rt.visitors)) /* each is a few instructions from leaving */
        weft__sys_sched_yield();
    for (unsigned i = 0; i < weft__rt.lanes_count; i++) {
        struct weft__worker *worker = workers[i];
        if (!worker || worker->live) /* tasks that outlived the grace: who wakes one comes here */
            continue;
        weft__worker_close(worker);
        weft__worker_spare(i, worker);
    }
    store_relaxed(&weft__rt.workers_count, 0);
    weft__rt.lanes_count = 0;
}

static int make_workers(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct weft__worker *worker = weft__worker_memory(i);
        int r = worker ? 0 : -ENOMEM;
        if (worker) {
            weft__worker_init(worker, i);
            worker->own.alone = true; /* only its worker takes from it */
            worker->fifo.alone = worker->fork.alone = count == 1;
            r = weft__worker_open(worker);
        }
        if (r < 0) {
            weft__worker_spare(i, worker);
            free_workers();
            return r;
        }
        store_release(&weft__rt.workers[i], worker);
        store_release(&weft__rt.workers_count, i + 1);
        weft__rt.lanes_count = i + 1;
    }
    return 0;
}

/* End workers; one that still computes at the deadline is left behind, with its memory. Where no task lives
 * none computes: one that is late then has not got a core, and may be looking at what is freed next. */
static void end_workers(unsigned from, unsigned to, int64_t until)
{
    if (weft__live() == 0)
        until = INT64_MAX;
    for (unsigned i = from; i < to; i++) {
        (void)exchange_seq_cst(&weft__rt.workers[i]->stopping,
                               true); /* before the look at its state */
        weft__wake(weft__rt.workers[i]);
    }
    for (unsigned i = from; i < to; i++) {
        struct weft__worker *worker = weft__rt.workers[i];
        if (rest(NULL, worker_has_left, worker, until)) {
            weft__sys_thread_join(threads[i]);
        } else {
            weft__report("weft: worker %u does not end: '%s' keeps it\n", i,
                         weft__task_name(load_relaxed(&worker->current)));
            weft__sys_thread_detach(threads[i]);
            weft__rt.workers[i] = NULL;
        }
    }
}

/* first: the worker that the calling thread will be, 1: none of its own. */
static int start_locked(unsigned first)
{
    bool seeded = weft__sys_env("WEFT_SEED") != NULL;
    unsigned count = weft_worker_count();
    int r = make_workers(count);
    if (r < 0)
        return r;
    if (!handlers_set) {
        weft__sys_at_exit(weft__program_ends);
        handlers_set = true;
    }
    weft__background_init();
    weft__rt.starts = weft__rt.starts + 1 ? weft__rt.starts + 1 : 1;
    if (weft__rt.seeded != seeded) /* other threads may read it now, who know of no start */
        weft__rt.seeded = seeded;
    if (seeded) {
        weft__seeded_init();
        store_release(&weft__rt.state, WEFT__ON);
        return 0;
    }
    threads_first = first;
    for (unsigned i = first; i < count; i++) {
        r = weft__sys_thread_start(&threads[i], 0, worker_main, weft__rt.workers[i]);
        if (r < 0) {
            end_workers(first, i, INT64_MAX);
            free_workers();
            return r;
        }
    }
    store_relaxed(&watch_state, 0);
    if (weft__sys_thread_start(&watch_thread, 128 * 1024, watch_main, NULL) == 0)
        store_relaxed(&has_watch, true); /* workers look for it already */
    store_release(&weft__rt.state, WEFT__ON);
    return 0;
}

int weft__runtime_start(void)
{
    int r = 0;
    weft__spin_take(&start_spin);
    if (weft__rt.state == WEFT__OFF)
        r = start_locked(0);
    else if (weft__rt.state == WEFT__GONE)
        r = -EAGAIN; /* the program ends: nobody would run it */
    weft__spin_drop(&start_spin);
    return r;
}

void weft__seed_begin(void)
{
    static uint32_t asked; /* 0 not looked, 1 no, 2 yes; a second look sees the same */
    if (unlikely(load_relaxed(&asked) == 0))
        store_relaxed(&asked, weft__sys_env("WEFT_SEED") ? 2u : 1u);
    if (unlikely(load_relaxed(&asked) == 2) && !weft__rt.seeded)
        weft__runtime_start();
}

/* -- ends ------------------------------------------------------------------------------------------ */

static void cancel_one(struct weft__task *task, void *except)
{
    if (task != except && !(load_relaxed(&task->flags) & WEFT__FOREIGN))
        weft_task_cancel(weft__handle(task));
}

static int64_t grace(void)
{
    int64_t ms = weft__sys_env_number("WEFT_EXIT_GRACE", 1000);
    return (ms < 0 ? 0 : ms) * 1000000;
}

static bool is_task(const struct weft__task *self)
{
    return self->worker || !(self->flags & WEFT__FOREIGN);
}

/* Who waits for the end and, through groups, for whom: these cannot end before. */
struct enders {
    unsigned tasks, background;
};

static struct enders enders_of(struct weft__task *self)
{
    struct enders e = { 0, 0 };
    for (struct weft__task *task = self; task && is_task(task) && task->base.group;
         task = task->base.group->_owner) {
        e.tasks++;
        e.background += task->base.group == &weft__rt.background;
    }
    return e;
}

static bool background_is_done(void *enders)
{
    return weft__group_open(&weft__rt.background) <= ((struct enders *)enders)->background;
}

static bool nothing_lives(void *enders)
{
    return weft__live() <= ((struct enders *)enders)->tasks;
}

void weft__program_ends(void)
{
    struct weft__task *self = weft__self();
    if (load_acquire(&weft__rt.state) != WEFT__ON || !self)
        return;
    struct enders enders = enders_of(self);
    rest(self, background_is_done, &enders, INT64_MAX);
    weft__group_cancel_all(&weft__rt.daemons);
    weft__task_each(cancel_one, self);
    rest(self, nothing_lives, &enders, weft__now() + grace());
    if (weft__rt.seeded) {
        weft__seeded_end();
        return;
    }
    watch_end();
    exchange_seq_cst(&weft__rt.state, WEFT__GONE); /* workers freeze when they next look */
    for (unsigned i = 0; i < weft__rt.workers_count; i++)
        weft__wake(weft__rt.workers[i]);
    if (self->worker)
        store_relaxed(
            &self->worker,
            (struct weft__worker *)NULL); /* should a destructor wait, it waits as a thread */
}

static void shut(unsigned from)
{
    watch_end();
    end_workers(from, weft__rt.workers_count, weft__now() + grace());
    weft__spin_take(&start_spin); /* a fork sees all of what follows or nothing */
    free_workers();
    weft__background_end();
    weft__deque_fini(&weft__rt.injector);
    weft__rt.parked = 0;
    store_relaxed(&weft__rt.outside_started, 0);
    store_relaxed(&weft__rt.outside_ended, 0);
    store_release(&weft__rt.state, WEFT__OFF);
    weft__spin_drop(&start_spin);
}

static int stop(struct weft__task *self, int64_t until)
{
    struct enders enders = { 0, 0 };
    if (!rest(self, background_is_done, &enders, until))
        return -ETIMEDOUT;
    weft__group_cancel_all(&weft__rt.daemons);
    bool still = rest(self, nothing_lives, &enders, until);
    store_relaxed(&weft__rt.daemons._cancelled, 0);
    if (!still)
        return -ETIMEDOUT;
    if (weft__rt.seeded)
        weft__seeded_end();
    shut(weft__rt.seeded ? weft__rt.workers_count : threads_first);
    return 0;
}

int weft_stop(weft_deadline deadline)
{
    struct weft__task *self = weft__self();
    if (!self)
        return -ENOMEM;
    uint32_t nobody = 0;
    if (is_task(self) || running || !swap_acq_rel(&stop_runs, &nobody, 1u))
        return weft__failed(-EBUSY, "stop, inside a task or beside weft_run or another stop");
    int r = load_acquire(&weft__rt.state) == WEFT__OFF ? 0 : stop(self, weft__deadline_at(deadline));
    store_release(&stop_runs, 0);
    return r;
}

/* -- weft_run --------------------------------------------------------------------------------------- */

struct run {
    weft_fn *fn;
    void *arg;
    int result;
    bool done;
};

void (*weft__run_entered)(void);

static int run_later(void *arg)
{
    struct run *run = arg;
    run->result = run->fn(run->arg);
    return 0;
}

static int run_first(void *arg)
{
    struct run *run = arg;
    struct weft__task *self = weft__current;
    struct enders enders = { 1, 0 };
    run->result = run->fn(run->arg);
    rest(self, background_is_done, &enders, INT64_MAX);
    weft__group_cancel_all(&weft__rt.daemons);
    if (!rest(self, nothing_lives, &enders, weft__now() + grace()))
        weft__report("weft: %llu tasks have not ended %lld ms after they were cancelled\n",
                     (unsigned long long)weft__live() - 1, (long long)grace() / 1000000);
    store_release(&run->done, true);
    return 0;
}

static bool run_is_done(struct weft__worker *worker)
{
    (void)worker;
    weft__rest_notice();
    return load_acquire(&running->done);
}

int weft_run(weft_fn *fn, void *arg)
{
    struct weft__task *self = weft__self();
    struct run run = { .fn = fn, .arg = arg };
    weft_group group;
    if (!fn)
        return -EINVAL;
    if (!self)
        return -ENOMEM;
    if (is_task(self) || self->strand)
        return weft__failed(-EBUSY, "weft_run inside a task");
    weft__spin_take(&start_spin);
    bool off = weft__rt.state == WEFT__OFF; /* under a seed it has been on since the first call */
    bool first = off || (weft__rt.seeded && !running);
    int r = off ? start_locked(1) : 0;
    if (first && r == 0)
        running = &run;
    weft__spin_drop(&start_spin);
    if (r < 0)
        return r;
    if (!first || weft__rt.seeded) {
        weft_group_init(&group, 0);
        r = weft_group_spawn(&group, WEFT_COROUTINE, first ? run_first : run_later, &run);
        struct weft__calm calm = weft__calm_begin(self);
        int wait = weft_group_wait(&group, weft_never());
        weft__calm_end(self, calm);
        if (first) {
            running = NULL;
            (void)!weft_stop(weft_after(grace()));
        }
        return r < 0 ? r : wait < 0 ? wait : run.result;
    }
    if (weft__run_entered)
        weft__run_entered();
    if (weft__rt.workers_count == 1)
        weft__solo_begin();
    struct weft__worker *worker = weft__rt.workers[0];
    char *low;
    size_t size;
    stack_t altstack;
    weft__sys_thread_stack(&low, &size);
    weft__hooks_begin(&worker->idle.hooks, low, size, true);
    weft_group_init(&group, WEFT_ONE_WORKER);
    group._worker = worker;
    r = weft_group_spawn(&group, WEFT_COROUTINE, run_first, &run);
    altstack_begin(&altstack);
    store_relaxed(&weft__rt.host, self);
    if (r == 0)
        weft__worker_loop(worker, run_is_done);
    store_relaxed(&weft__rt.host, (struct weft__task *)NULL);
    altstack_end(&altstack);
    weft__current = self;
    running = NULL;
    weft__solo_end();
    shut(1);
    return r < 0 ? r : run.result;
}

/* -- fork by others --------------------------------------------------------------------------------- */

/* Nobody is in the middle of anything while memory is copied: see base/spin.h. A thread that is solo
 * enters no sections; it forks itself, or is so no more. */
static void fork_before(void)
{
    weft__spin_take(&start_spin);
    __atomic_fetch_add(&weft__rt.threads, 1, __ATOMIC_SEQ_CST); /* and none becomes it */
    if (!weft__current || !weft__current->worker)
        weft__solo_end();
    weft__gates_close();
}

static void fork_parent(void)
{
    weft__gates_open(false);
    __atomic_fetch_sub(&weft__rt.threads, 1, __ATOMIC_RELAXED);
    weft__spin_drop(&start_spin);
}

void (*weft__holds_lose)(struct weft__task *task);

/* All others are not here: their handles are stale, nobody can wake them, their locks are free again
 * and say so. */
static void lose(struct weft__task *task, void *caller)
{
    if (task == caller)
        return;
    store_relaxed(&task->life, ((task->life >> 8) + 1) << 8);
    store_relaxed(&task->wait, ((task->wait >> 3) + 1) << 3);
    if (task->queued && task->queued->lost)
        task->queued->lost(task->queued);
    else if (task->queued && task->queued->node->linked)
        weft__node_unlink(task->queued->queue, task->queued->node);
    task->queued = NULL;
    task->worker = NULL; /* nor can anything be sent to it */
    if (task->held)
        weft__holds_lose(task);
}

/* The child is the caller alone. Its runtime is off and starts afresh; what the parent's workers had
 * stays where it is. */
static void fork_child(void)
{
    weft__gates_open(true);
    weft__spin_drop(&start_spin);
    weft__stack_forked();
    for (unsigned i = 0; i < weft__rt.lanes_count; i++) {
        struct weft__worker *worker = weft__rt.workers[i];
        if (!worker) /* left behind by a stop */
            continue;
        weft__poller_close(&worker->poller);
        weft__sys_close(worker->wake_fd);
        weft__deque_fini(&worker->fifo);
        weft__deque_fini(&worker->fork);
        weft__deque_fini(&worker->own);
        weft__rt.workers[i] = NULL;
        weft__worker_spare(i, worker); /* records of ended tasks know it */
    }
    weft__rt.workers_count = weft__rt.lanes_count = 0;
    weft__solo = (struct weft__solo){ 0 };
    weft__deque_fini(&weft__rt.injector);
    weft__rt.parked = weft__rt.spinning = weft__rt.visitors = 0;
    weft__rt.asleep = weft__rt.idle_helpers = weft__rt.jobs = weft__rt.outside_waits = 0;
    weft__rt.host = weft__rt.rester = weft__stuck_readers = NULL;
    weft__rt.halted = weft__rt.services = weft__rt.sentries = 0;
    weft__rt.outside_started = weft__rt.outside_ended = 0;
    running = NULL;
    stop_runs = resting = 0;
    weft__rt.generation++;
    store_relaxed(&has_watch, false);
    weft__rt.starts++;
    weft__background_init();
    weft__task_each(lose, weft__current);
    weft__rt.threads = weft__current != NULL;
    if (weft__current && is_task(weft__current)) { /* it goes on as a plain thread, on its stack */
        weft__current->worker = NULL;
        weft__current->flags = (weft__current->flags & WEFT__LARGE) | WEFT__FOREIGN;
        weft__current->kind = 0;
        weft__current->member = &weft__current->base;
        weft__current->base.group = NULL;
        weft__current->base.linked = false;
    }
    store_release(&weft__rt.state, WEFT__OFF);
}

void weft__fork_watch(void)
{
    weft__gates_init();
    weft__sys_at_fork(fork_before, fork_parent, fork_child);
}
