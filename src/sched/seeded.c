/* seeded.c - the same tasks on one OS thread, in an order that a seed chooses, in virtual time.
 *
 * The workers become lanes. One driver, on the stack of the thread that waits, picks a lane that can do
 * something and lets it run until its next point: a wait, a spawn, a wake, an operation of an object.
 * A lane whose task stopped at a mere point goes on with that task only, as a worker would; so what is
 * promised of one worker holds under every seed. A WEFT_THREAD task has a lane of its own. The program's
 * own thread is one more lane: it too can be held up at a point while others run.
 *
 * Time stands still while anything can run and then jumps to the next timer. With WEFT_SEED_LEAPS it may
 * jump at any point, so that deadlines race what they bound. If nothing can run, no timer is armed and no
 * descriptor is waited for, nothing ever will: that is reported and ends the run.
 */
#include <errno.h>

#include "base/report.h"
#include "base/sys.h"
#include "sched/wait.h"

static int64_t now;                                /* virtual ns */
static struct weft__task *host;                    /* the record of the thread that drives */
static bool host_runs;                             /* it does, and not the driver on its stack */
static struct weft__task *held[WEFT__WORKERS_MAX]; /* a lane's task that stopped at a point */
static uint64_t steps, hash, serials;
static bool leaps;

enum { LEAP = 16 };                   /* one point in so many, where time leaps */
static const int64_t era = 1ll << 36; /* ns */

const struct weft__chooser *weft__chooser;

int64_t weft__seeded_now(void)
{
    return now;
}

bool weft__seeded_host(const struct weft__task *self)
{
    return self == host;
}

static void open_lane(struct weft__worker *lane)
{
    held[lane->index] = NULL;
    lane->now = now;
    weft__wheel_init(&lane->wheel, now);
    lane->errno_at = weft__sys_errno();
}

void weft__seeded_init(void)
{
    /* No time before an earlier one, over restarts too; and for the wheels each run begins alike. */
    now = now ? WEFT__SEEDED_START + ((now - WEFT__SEEDED_START) / era + 1) * era
              : WEFT__SEEDED_START;
    hash = 14695981039346656037u;
    steps = serials = 0;
    leaps = weft__sys_env("WEFT_SEED_LEAPS") != NULL;
    host = weft__self();
    host_runs = true;
    if (!host->strand) { /* else they are right */
        char *low;
        size_t size;
        weft__sys_thread_stack(&low, &size);
        weft__hooks_begin(&host->hooks, low, size, true);
    }
    weft__chooser->begin((uint64_t)weft__sys_env_number("WEFT_SEED", 1));
    for (unsigned i = 0; i < weft__rt.lanes_count; i++)
        open_lane(weft__rt.workers[i]);
}

/* A lane for a thread task: one that has none, or a new one; NULL without memory or room. */
struct weft__worker *weft__seeded_thread_lane(void)
{
    for (unsigned i = weft__rt.workers_count; i < weft__rt.lanes_count; i++) {
        struct weft__worker *lane = weft__rt.workers[i];
        if (!lane->live && weft__deque_length(&lane->own) == 0)
            return lane;
    }
    unsigned index = weft__rt.lanes_count;
    struct weft__worker *lane = index < WEFT__WORKERS_MAX ? weft__worker_memory(index) : NULL;
    if (!lane)
        return NULL;
    weft__worker_init(lane, index);
    if (weft__worker_open(lane) < 0) {
        weft__worker_spare(index, lane);
        return NULL;
    }
    open_lane(lane);
    weft__rt.workers[index] = lane;
    weft__rt.lanes_count = index + 1;
    return lane;
}

void weft__seeded_end(void)
{
    if (weft__sys_env("WEFT_SEED_REPORT"))
        weft__report("weft: seed %lld: %llu steps, trace %016llx\n",
                     (long long)weft__sys_env_number("WEFT_SEED", 1), (unsigned long long)steps,
                     (unsigned long long)hash);
}

/* FNV-1a over what happened: who did what. */
static void trace(uint64_t who, const char *what)
{
    steps++;
    for (int i = 0; i < 4; i++)
        hash = (hash ^ (who >> 8 * i & 0xff)) * 1099511628211u;
    for (; *what; what++)
        hash = (hash ^ (unsigned char)*what) * 1099511628211u;
}

/* Take any of a lane's ready tasks, or start the next closure in order. */
static struct weft__task *lane_pick(struct weft__worker *lane)
{
    struct weft__task *task = held[lane->index], *before = NULL;
    if (task) {
        held[lane->index] = NULL;
        return task;
    }
    uint32_t ready = 0;
    for (task = lane->first; task; task = task->next)
        ready++;
    uint32_t options = ready + (lane->unstarted ? 1 : 0);
    if (options == 0)
        return weft__lane_steal(lane) ? lane_pick(lane) : NULL;
    uint32_t n = weft__chooser->choose(options);
    if (n == ready)
        return weft__lane_start(lane);
    for (task = lane->first; n > 0; n--) {
        before = task;
        task = task->next;
    }
    *(before ? &before->next : &lane->first) = task->next;
    if (lane->last == task)
        lane->last = before;
    return task;
}

static void run_lane(struct weft__worker *lane)
{
    struct weft__task *self = weft__current;
    weft__current = &lane->idle;
    struct weft__task *task = lane_pick(lane);
    if (task) {
        if (!task->serial)
            task->serial = (uint32_t)++serials;
        trace(task->serial, "run");
        lane->idle.hooks = host->hooks; /* all lanes idle on the stack that the host is on */
        weft__switch_to(&lane->idle, task);
        weft__lane_bury(lane);
    }
    weft__current = self;
}

/* Time jumps to the next timer, or to until if that comes first. false: there is neither. */
static bool jump(int64_t until)
{
    int64_t next = until;
    for (unsigned i = 0; i < weft__rt.lanes_count; i++) {
        int64_t at = weft__wheel_next(&weft__rt.workers[i]->wheel);
        next = at < next ? at : next;
    }
    if (next == INT64_MAX)
        return false;
    now = next > now ? next : now;
    for (unsigned i = 0; i < weft__rt.lanes_count; i++)
        weft__lane_fire(weft__rt.workers[i], now);
    return true;
}

/* On a slow machine a deadline strikes while there is much else to do. */
static void leap(int64_t until)
{
    if (leaps && weft__chooser->choose(LEAP) == 0)
        jump(until);
}

/* Let somebody do something. false: nobody can. */
static bool step(bool host_can)
{
    struct weft__worker *able[WEFT__WORKERS_MAX];
    uint32_t n = 0;
    for (unsigned i = 0; i < weft__rt.lanes_count; i++)
        if (held[i] || weft__lane_can_run(weft__rt.workers[i]))
            able[n++] = weft__rt.workers[i];
    uint32_t options = n + (host_can ? 1 : 0);
    if (options == 0)
        return false;
    uint32_t choice = weft__chooser->choose(options);
    if (choice < n)
        run_lane(able[choice]);
    else
        host_runs = true;
    return true;
}

/* A point is passed: from a coroutine to the driver, from the host into the driver on its stack. */
void weft__seeded_point_slow(const char *operation)
{
    struct weft__task *self = weft__current;
    if (!self || (self->worker ? self == &self->worker->idle : self != host))
        return; /* the driver itself; a thread that the seeded form does not know */
    trace(self->serial, operation);
    if (self->worker) {
        held[self->worker->index] = self;
        weft__switch_to(self, &self->worker->idle);
    } else {
        for (host_runs = false; !host_runs;) {
            leap(INT64_MAX);
            step(true);
        }
    }
}

static void nothing_ever(void)
{
    if (weft__nothing_moves && weft__nothing_moves(NULL))
        return;
    weft__report("weft: seed %lld, step %llu\n", (long long)weft__sys_env_number("WEFT_SEED", 1),
                 (unsigned long long)steps);
    if (weft__bug_dump)
        weft__bug_dump(2);
    weft__sys_exit_now(70);
}

/* Nobody can run: look at the descriptors, then let time jump, then wait for a descriptor. */
static void pass_time(int64_t until)
{
    if (weft__lanes_poll(0))
        return;
    if (jump(until))
        return;
    if (load_relaxed(&weft__rt.outside_waits) == 0)
        nothing_ever();
    else
        weft__lanes_poll(-1);
}

/* The caller only waits for others to end: can one of them ever run again? */
void weft__seeded_look(const struct weft__task *self)
{
    bool open = self == host || (weft__wait_is_open(load_relaxed(&host->wait)) && host->endless);
    for (unsigned i = 0; i < weft__rt.lanes_count && open; i++) {
        struct weft__worker *lane = weft__rt.workers[i];
        open = !held[i] && !weft__lane_can_run(lane) && weft__wheel_next(&lane->wheel) == INT64_MAX;
    }
    if (open && load_relaxed(&weft__rt.outside_waits) == 0)
        nothing_ever();
}

/* The host waits, and drives everything else meanwhile. */
void weft__seeded_wait(struct weft__task *self, uint64_t ticket, int64_t until)
{
    trace(self->serial, "wait");
    store_relaxed(&self->endless, until == INT64_MAX);
    if (!self->shield && weft__is_cancelled(self) && weft__claim(self, ticket, WEFT__CANCELLED))
        return;
    for (host_runs = false; !host_runs;) {
        bool open = weft__wait_is_open(load_relaxed(&self->wait));
        leap(open ? until : INT64_MAX);
        if (leaps && open && now >= until && weft__claim(self, ticket, WEFT__TIMED_OUT))
            open = false;
        if (step(!open) || open != weft__wait_is_open(load_relaxed(&self->wait)))
            continue;
        if (open && now >= until && weft__claim(self, ticket, WEFT__TIMED_OUT))
            continue;
        pass_time(open ? until : INT64_MAX); /* claimed: whoever did so may take his time */
    }
}
