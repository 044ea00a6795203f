/* sched/task.h - the task's record, the worker, the runtime: what the files of this room share.
 *
 * A coroutine's record lies in the top 512 bytes of its stack, a thread's in a pool: both are
 * type-stable, so an old pointer can be read, at worst something stale. Who may touch what:
 *   - fields without a remark: the task itself, or its worker's thread while it is parked;
 *   - `wait` and `life` are atomic words that anyone may compare and swap; they decide all races;
 *   - `next` belongs to the list that the task is in.
 */
#ifndef WEFT_SCHED_TASK_H
#define WEFT_SCHED_TASK_H

#include <weft/group.h>
#include <weft/task.h>
#include <weft/time.h>

#include "arch/hooks.h"
#include "base/base.h"
#include "base/spin.h"
#include "os/poller.h"
#include "os/stack.h"
#include "sched/deque.h"
#include "sched/wheel.h"

enum { WEFT__WORKERS_MAX = 256, WEFT__FRESH = 16 };

/* task->wait: turn << 3 | state. A wait is one turn; the first compare-and-swap from WAITING decides
 * how it ends. */
enum weft__wait_state {
    WEFT__IDLE, /* not waiting */
    WEFT__WAITING,
    WEFT__SHIELDED, /* waiting, and no cancel may end it */
    WEFT__WOKEN,    /* the operation took effect */
    WEFT__TIMED_OUT,
    WEFT__CANCELLED,
    WEFT__DEADLOCKED, /* chosen to break a circle */
    WEFT__GROUP_DONE  /* sched/group.c: the last child ended while its waiter was busy cancelling */
};

/* task->life: generation << 8 | flags */
enum weft__life_flags { WEFT__LIFE_ALIVE = 1, WEFT__LIFE_CANCELLED = 2 };

/* task->flags */
enum weft__task_flags {
    WEFT__KEEP = 1,    /* the group keeps it after its end: handle, job or WEFT_COLLECT */
    WEFT__ENDED = 2,   /* its function has returned; under the joiners' spin bit */
    WEFT__FOREIGN = 4, /* a thread that weft did not start */
    WEFT__LARGE = 8,   /* its stack is of the 256 KiB class */
    WEFT__REMOTE = 16, /* it runs elsewhere: this record has no thread, and never waits */
    WEFT__UNHEARD = 32 /* a process task in its process: nobody listens yet for its cancel */
};

enum { WEFT__NAME = 32, WEFT__JOB_INLINE = 24 };

/* A task's place in its group. A task of a fork group that runs as a call on its waiter's stack has one
 * of its own there, below it its waiter's. */
struct weft__member {
    weft_group *group;                /* NULL: a thread that weft did not start */
    struct weft__member *next, *prev; /* in the group's list, from its first wait on; its spin bit */
    struct weft__task *task;
    struct weft__member *below;
    bool linked;
};

/* What a task holds, the latest last: the object's address, its sort in the low bits, and where it was
 * taken. Only the task itself changes it, or who hands something over to it while it is parked; anyone
 * may read the first WEFT__HOLDS, and finds at worst something stale. */
enum weft__hold_sort {
    WEFT__HOLDS_LOCK,
    WEFT__HOLDS_RLOCK,
    WEFT__HOLDS_WRITE, /* a rwlock, for writing */
    WEFT__HOLDS_READ,  /* and for reading; as many times as it has come in */
    WEFT__HOLDS_ONCE,  /* runs its function */
    WEFT__HOLD_SORTS
};

struct weft__hold {
    uintptr_t what;
    const char *place;
};

enum { WEFT__HOLDS = 4 };

struct weft__wait_node;
struct weft__queued;
struct weft__local_value;
struct weft__defer;
struct weft__strand;
struct weft__worker;

struct weft__task {
    void *sp;
    struct weft__worker *worker; /* NULL: a thread */
    struct weft__task *next;
    uint64_t wait;
    uint64_t life;
    struct weft__member *member;
    int64_t bound; /* weft_within: no wait lasts longer; absolute */
    uint32_t shield;
    uint32_t flags;

    weft_fn *fn;
    void *arg;
    const char *site;
    char *low; /* of the stack that this record lies on */
    int32_t result;
    uint32_t slot;
    const char *reason; /* what it waits for, static text; for dumps */
    const void *object;
    struct weft__task *blocker; /* see wait.h: who must come first; or WEFT__ITS_TASKS, _READERS */
    int64_t since;
    struct weft__timer timer;

    struct weft__queued *queued; /* a thread's node; see wait.h */
    uint32_t word;               /* spin bit of joiners */
    uint32_t sleeping;           /* a thread's futex word: 0 run, 1 sleep, 2 sleeps in poll */
    struct weft__wait_node *joiners, *joiners_last;
    struct weft__member base;
    struct weft__task *cancel_next;
    uint32_t cancel_queued;
    uint32_t kind;

    union {
        uint32_t tid;
        struct { /* WEFT__REMOTE: how it ended */
            uint8_t signal;
            bool core;
        };
    };
    uint32_t held;         /* how many objects it holds */
    uint32_t held_room;    /* of held_more */
    uint32_t held_unnoted; /* for which there was no memory: nobody gives these on */
    struct weft__hold holds[WEFT__HOLDS], *held_more;
    struct weft__task *reader_next, *reader_prev; /* in weft__stuck_readers */
    struct weft__defer *defers;
    struct weft__local_value *locals;
    struct weft__strand *strand; /* it runs on its stack: sched/strand.h; NULL: on its own */
    char *why;                   /* words of the last failure; allocated at the first */
    void *job, *job_back;        /* a job's copy, and where it goes at the end (NULL: nowhere) */
    uint32_t job_size;
    bool was_cancelled; /* asked to end before it did; under the joiners' spin bit */
    bool joined;        /* atomic: a join has learnt of its end */
    bool endless;       /* its wait has no deadline */
    bool reads;         /* it waits to read a rwlock */
    union {
        uint32_t serial; /* seeded runs: its number, the same in every replay */
        uint32_t remote; /* WEFT__REMOTE, which is in no seeded run: its weft__process_id */
    };
    int wake_fd; /* a thread's, for waits in poll; -1 */
    struct weft__hooks hooks;
    unsigned char copy[WEFT__JOB_INLINE];
    char name[WEFT__NAME];
};

_Static_assert(sizeof(struct weft__task) <= WEFT__STACK_DESCRIPTOR, "a record fits its place");

/* What is registered with a worker's poller: embedded in type-stable memory. The event's data is its
 * address with a generation in the upper 16 bits, because an event may be on its way while the thing it
 * was for ends and another begins in the same place. */
struct weft__source {
    /* Called by the owner's own thread, or by the watch while that one is busy; may not wait. */
    void (*ready)(struct weft__source *source, uint16_t generation, uint32_t events,
                  struct weft__worker *owner);
};

static inline uint64_t weft__source_data(struct weft__source *source, uint16_t generation)
{
    weft__hooks_hand_in(source);
    return (uint64_t)(uintptr_t)source | (uint64_t)generation << 48;
}

enum weft__worker_state { WEFT__RUNNING, WEFT__PARKED, WEFT__FROZEN, WEFT__LEFT };

struct weft__worker {
    /* its own thread's */
    struct weft__task *first, *last; /* ready tasks, in the order they became so */
    struct weft__task *current;      /* atomic: others read it in dumps */
    uint32_t budget;                 /* switches until the next look at the clock */
    bool unstarted;                  /* one of the deques may hold something */
    bool turn;                       /* ready and unstarted ones take turns */
    bool stopping;
    uint64_t draws; /* its place in a sequence: weft__draw */
    int64_t polled; /* when the kernel was last asked */
    int64_t now;    /* a recent time, for "since when"; never for deadlines */
    int *errno_at;
    uint64_t started, ended;   /* atomic: read by others; of those spawned and ended here */
    uint32_t live;             /* coroutines with a stack here */
    struct weft__task *zombie; /* ended and kept: its group learns of it from the idle stack */
    uint64_t epoch;            /* atomic: moves with every switch */
    struct weft__task *stacks[WEFT__STACK_CLASSES];
    uint32_t stacks_count[WEFT__STACK_CLASSES];
    uint32_t fresh[WEFT__STACK_CLASSES][WEFT__FRESH], fresh_count[WEFT__STACK_CLASSES];
#ifdef WEFT_TSAN
    void *dead_fiber; /* of the task that ended last: destroyed on the idle stack */
#endif
    struct weft__task idle; /* the thread's own stack, where the worker looks for work and sleeps */
    struct weft__wheel wheel;
    struct weft__deque fifo, fork; /* stealable */
    struct weft__deque own;        /* of WEFT_ONE_WORKER groups; pushed under own_spin */
    weft__spin own_spin;

    /* everyone's */
    struct weft__task *inbox __attribute__((aligned(64))); /* made ready elsewhere; latest first */
    struct weft__task *cancels;                            /* to be looked at for a cancel */
    weft_timer *timers;                                    /* started or stopped elsewhere */
    uint32_t state;                                        /* enum weft__worker_state */
    int wake_fd;
    unsigned index;
    struct weft__poller poller;
    uint32_t conns;         /* atomic: connections registered here */
    uint64_t watched_epoch; /* the watch's */
    int64_t watched_since;
};

enum weft__runtime_state {
    WEFT__OFF,
    WEFT__ON,
    WEFT__GONE /* exit(): workers freeze */
};

struct weft__runtime {
    uint32_t state; /* enum weft__runtime_state; atomic */
    unsigned workers_count;
    unsigned lanes_count;   /* workers; seeded: and thread lanes */
    uint32_t outside_waits; /* atomic: waits that something outside may end */
    struct weft__worker *workers[WEFT__WORKERS_MAX];
    uint64_t generation;         /* moves with each fork */
    uint32_t starts;             /* of the runtime, never 0 while it is on */
    bool seeded;                 /* one OS thread, virtual time: sched/seeded.c */
    uint32_t spinning;           /* atomic: one worker at most looks for work without sleeping */
    uint32_t parked;             /* atomic: how many sleep, about */
    uint32_t asleep;             /* atomic: how many of these without end */
    uint32_t idle_helpers, jobs; /* atomic: offload's helpers without a job; jobs not done */
    struct weft__task *host;     /* the record of weft_run's caller, who is worker 0 meanwhile */
    struct weft__task *rester;   /* of a thread that waits without end for tasks to end */
    uint32_t halted;             /* futex word: workers stand still where they next look */
    uint32_t services; /* atomic: threads of ours that run nobody's code, and end with the process */
    uint32_t sentries;           /* atomic: others that run nobody's code: sync/watch.c */
    struct weft__deque injector; /* closures from outside; pushed under its spin */
    weft__spin injector_spin;
    weft_group background, daemons;
    uint32_t visitors; /* atomic: threads, no workers, that may be touching a worker's descriptors */
    uint32_t threads;  /* atomic: threads that may use weft: with a record, or helpers */
    uint32_t hooks_count;
    uint64_t outside_started; /* atomic: closures spawned by threads, thread tasks among them */
    uint64_t outside_ended;
};

extern struct weft__runtime weft__rt;
extern __thread struct weft__task *weft__current __attribute__((tls_model("initial-exec")));

/* -- task.c -------------------------------------------------------------------------------------- */

struct weft__task *weft__self_slow(void);

/* The calling task; a foreign thread gets a record at its first call. NULL: no memory for it. */
static inline struct weft__task *weft__self(void)
{
    struct weft__task *self = weft__current;
    return likely(self != NULL) ? self : weft__self_slow();
}

static inline bool weft__is_coroutine(const struct weft__task *task)
{
    return task->worker != NULL;
}

static inline weft_task weft__handle(const struct weft__task *task)
{
    return (weft_task){ (load_relaxed(&task->life) >> 8) << 32 | (load_relaxed(&task->slot) + 1) };
}

/* Begin a life: last of all, since whoever finds the task alive reads the rest. What a task has put in
 * order at its end (shield, bound, defers, locals, locks, its place in the group's list) is in order. */
static inline void weft__task_begin(struct weft__task *task, uint32_t kind, uint32_t flags,
                                    const char *site)
{
    store_relaxed(&task->kind, kind);
    store_relaxed(&task->flags, flags);
    store_relaxed(&task->site, site);
    store_relaxed(&task->name[0], (char)0);
    if (unlikely(task->why != NULL))
        task->why[0] = 0;
    store_release(&task->life, ((load_relaxed(&task->life) >> 8) + 1) << 8 | WEFT__LIFE_ALIVE);
}

static inline bool weft__is_cancelled(const struct weft__task *self)
{
    if (unlikely(self->shield))
        return false;
    if (unlikely(load_relaxed(&self->life) & WEFT__LIFE_CANCELLED))
        return true;
    for (const struct weft__member *m = self->member; m && m->group; m = m->below)
        if (unlikely(load_relaxed(&m->group->_cancelled)))
            return true;
    return false;
}

/* The same of the calling thread, by one that may be a process task which computes without ever waiting. */
bool weft__hears_cancel(struct weft__task *self);

static inline void weft__count_end(struct weft__worker *worker)
{
    store_relaxed(&worker->ended, worker->ended + 1); /* one writer, many readers */
}

struct weft__task *weft__task_find(weft_task task); /* NULL: stale. It may end at any time after */
const char *weft__task_name(const struct weft__task *task); /* its name or site */
/* The same of a task that others run: its site may lie in a library that is unloaded as it ends. */
void weft__task_name_copy(const struct weft__task *task, char *out, size_t room);
void weft__task_name_set(struct weft__task *task, const char *name);
const char *weft__task_state(const struct weft__task *task); /* "running", "ready", what it waits for */
void weft__task_ended(struct weft__task *task);              /* a kept one: wake its joiners */
void weft__record_birth(struct weft__task *task);            /* once for each place: see task.c */
struct weft__task *weft__task_at(uint32_t slot);             /* a slot just taken from os/stack */
/* Defers, locals, hooks, after fn; then what it still holds, but the `before` that were held before fn. */
void weft__task_finish(struct weft__task *self, uint32_t before);
void weft__cancel_deliver(struct weft__task *task); /* end its wait, if it waits */
void weft__task_each(void (*fn)(struct weft__task *task, void *ctx), void *ctx); /* live ones */
cold int weft__failed(int err, const char *format, ...)
    WEFT_PRINTF(2, 3); /* words for weft_why; err back */

/* -- kinds that run elsewhere ------------------------------------------------------------------------ */

/* Such a task has a record as a thread's has, without the thread. */
struct weft__kind {
    /* Before anything is counted: can it be? May wait. Negative: words in weft_why(). */
    int (*prepare)(weft_fn *fn, const void *arg, size_t size, const struct weft_spawn *more);
    /* Its record is in its group; job is in the arena. Negative: it never was; words in weft_why(). */
    int (*start)(struct weft__task *task, unsigned flags, const struct weft_spawn *more);
    void (*cancel)(uint32_t remote);
    int (*pid)(uint32_t remote); /* 0: none any more */
    /* Where it runs: it is about to sleep, or asks whether it is cancelled, and is WEFT__UNHEARD. */
    void (*listen)(struct weft__task *self);
};
extern const struct weft__kind *weft__kinds[WEFT_PROCESS + 1]; /* filled by assembly.c; NULL: not there */

void weft__remote_ended(struct weft__task *task, int result); /* by whoever learns of it */

extern const char weft__assembled; /* assembly.c; what is linked without it has a constructor of its own */

/* -- thread.c ------------------------------------------------------------------------------------ */

struct weft__task *weft__record_take(void); /* for a thread; NULL no memory */
void weft__record_give(struct weft__task *task);
struct weft__task *weft__record_at(uint32_t slot);
uint32_t weft__record_slots(void);
int weft__thread_spawn(struct weft__task *task, size_t stack);
enum { WEFT__RECORDS = 1 << 30 }; /* slots from here on are records of threads */

void weft__hooks_start(void);                       /* call where hooks_count is not 0 */
void weft__locals_destroy(struct weft__task *self); /* local.c */

/* -- worker.c ------------------------------------------------------------------------------------ */

void weft__worker_init(struct weft__worker *worker, unsigned index);
int weft__worker_open(struct weft__worker *worker); /* its descriptors */
void weft__worker_close(struct weft__worker *worker);
void weft__worker_loop(struct weft__worker *worker, bool (*done)(struct weft__worker *worker));
void weft__ready(struct weft__task *task); /* claimed: let it run; the last touch of it */
/* A thread that is no worker says so around what may wake one: a worker's descriptors are not closed, and
 * their numbers not used again, under its hands. A worker itself is joined before. */
static inline bool weft__visit_begin(void)
{
    const struct weft__task *self = weft__current;
    if (likely(self && self->worker))
        return false;
    __atomic_fetch_add(&weft__rt.visitors, 1, __ATOMIC_SEQ_CST);
    return true;
}

static inline void weft__visit_end(bool visiting)
{
    if (visiting)
        __atomic_fetch_sub(&weft__rt.visitors, 1, __ATOMIC_RELEASE);
}

void weft__wake(struct weft__worker *worker);
void weft__wake_one(void); /* there is work to share: wake a worker if one sleeps */
void weft__cancel_send(struct weft__task *task);
void weft__poll(struct weft__worker *worker, int64_t timeout); /* ns; < 0 for ever */
int weft__harvest(struct weft__worker *worker); /* by the watch, while the worker is busy */
void weft__tick(struct weft__worker *worker);   /* time, timers, inboxes; never sleeps */
struct weft__task *weft__task_start(struct weft__worker *worker,
                                    const struct weft__closure *closure);
struct weft__task *weft__stack_new(struct weft__worker *worker, enum weft__stack_class class);
struct weft__task *weft__pick(struct weft__worker *worker); /* the next to run, NULL if none */

static inline void weft__push_ready(struct weft__worker *worker, struct weft__task *task)
{
    task->next = NULL;
    if (worker->first)
        worker->last->next = task;
    else
        worker->first = task;
    worker->last = task;
}

void weft__switch_to(struct weft__task *self, struct weft__task *next);

/* The caller, a coroutine, has queued itself somewhere; it goes on when weft__ready has been called for
 * it. Inline, as each level of calls around a switch is a return that is predicted wrongly. */
static inline void weft__park(struct weft__task *self)
{
    struct weft__worker *worker = self->worker;
    struct weft__task *next = unlikely(weft__rt.seeded) ? &worker->idle : weft__pick(worker);
    if (next != self)
        weft__switch_to(self, likely(next != NULL) ? next : &worker->idle);
}

static inline void weft__yield(struct weft__task *self)
{
    weft__push_ready(self->worker, self);
    weft__park(self);
}
void weft__stack_free(struct weft__worker *worker, struct weft__task *task);
char *weft__stack_begin(struct weft__task *task);       /* where frames begin, below the record */
size_t weft__stack_left(const struct weft__task *self); /* bytes below the caller's frame */

/* -- runtime.c ----------------------------------------------------------------------------------- */

int weft__runtime_start(void);
struct weft__worker *weft__worker_memory(unsigned index); /* uninitialised; NULL no memory */
void weft__worker_spare(unsigned index,
                        struct weft__worker *worker); /* it is over: for the next of its number */
void weft__seed_begin(void); /* at a thread's first call: under a seed all time is virtual */
static inline int weft__runtime_need(void)
{
    return likely(load_acquire(&weft__rt.state) == WEFT__ON) ? 0 : weft__runtime_start();
}
void weft__workers_leave(int fd); /* before it is closed: no worker's poller has it any more */
void weft__watch_notice(void);    /* a worker leaves its sleep: the watch may have to wake */
bool weft__all_sleep(const struct weft__worker *mine); /* see runtime.c */
uint32_t weft__draw(uint32_t count);    /* 0 .. count - 1: by the chooser, or at random */
struct weft__worker *weft__place(void); /* the less loaded of two workers drawn */
uint64_t weft__live(void);              /* tasks spawned and not ended */
void weft__rest_notice(void);
extern void (*weft__holds_abandon)(struct weft__task *task, uint32_t before); /* likewise */
extern void (*weft__holds_lose)(struct weft__task *task); /* it is lost in a fork */
void weft__fork_watch(void); /* once, when the program or the library is loaded */
/* Let all workers come to rest and stay so. 0; -EBUSY: not until then, or other threads run; *why says so. */
int weft__halt(int64_t until, char *why, size_t room);
void weft__halt_end(void);
void weft__program_ends(void); /* as exit() does: background tasks are waited for, the rest is cancelled */
extern void (*weft__run_entered)(void); /* filled by assembly.c: weft_run has the runtime */

/* -- group.c ------------------------------------------------------------------------------------- */

bool weft__group_link(struct weft__task *self); /* before its first wait; true: it is cancelled */
/* Its function has returned: unlink, tell a failure. Then publish, or for a kept one, which its group
 * may free at once, weft__group_keep, when it does not run any more. */
void weft__group_left(struct weft__member *member, int result);
void weft__group_publish(weft_group *group, uint32_t count);
uint64_t weft__group_add(weft_group *group, uint64_t n); /* to its count; what it is after */
void weft__group_keep(struct weft__task *task);
void weft__group_fail(weft_group *group, uint64_t who, int err);
/* A background task has been joined: forget it, if it is not forgotten yet. */
void weft__group_joined(weft_group *group, weft_task handle, struct weft__task *task);
void weft__job_back(struct weft__task *task); /* with the joiners' spin bit held, or alone */
/* Start fn(arg) in a group from an event: no task is the caller. worker: whose queue, NULL: anyone's. */
int weft__group_spawn_event(weft_group *group, struct weft__worker *worker, weft_fn *fn, void *arg,
                            const char *site);
extern void (*weft__event_lost)(void *arg);     /* it got no stack; filled by assembly.c */
enum { WEFT__EVENT = 1 };                       /* a closure's flag: that is how it was spawned */
void weft__group_cancel_all(weft_group *group); /* the background's too */
void weft__background_init(void);
void weft__background_end(void); /* forget the ended ones; no task lives */
bool weft__group_is_background(const weft_group *group);
uint64_t weft__group_open(const weft_group *group); /* tasks of a background group that live */

void weft__timers_drain(struct weft__worker *worker); /* timer.c */

/* -- time.c -------------------------------------------------------------------------------------- */

int64_t weft__now(void);                           /* the clock, or virtual time */
int64_t weft__deadline_at(weft_deadline deadline); /* absolute ns; INT64_MAX never, 0 at once */

/* -- seeded.c: the chooser. Production takes the inlined branch and never comes here. ------------- */

struct weft__chooser {
    void (*begin)(uint64_t seed);
    uint32_t (*choose)(uint32_t count); /* 0 .. count - 1; the same in every replay */
};
extern const struct weft__chooser *weft__chooser; /* filled by assembly.c */

enum { WEFT__SEEDED_START = 1000000000 }; /* virtual ns */

void weft__seeded_init(void);
void weft__seeded_end(void);
int64_t weft__seeded_now(void);
bool weft__seeded_host(const struct weft__task *self); /* the program's own thread, which drives */
void weft__seeded_wait(struct weft__task *self, uint64_t ticket, int64_t until);
void weft__seeded_look(const struct weft__task *self);
struct weft__worker *weft__seeded_thread_lane(void);
void weft__seeded_point_slow(const char *operation);

/* The driver's view of a worker (worker.c). */
bool weft__lane_can_run(struct weft__worker *lane);
struct weft__task *weft__lane_start(struct weft__worker *lane);
bool weft__lane_steal(struct weft__worker *lane);
void weft__lane_bury(struct weft__worker *lane);
void weft__lane_fire(struct weft__worker *lane, int64_t now);
bool weft__lanes_poll(int64_t timeout); /* all; ns, < 0 until something comes; true: something came */

/* A place where another task may come first: spawn, wake, every operation of an object. */
static inline void weft__point(const char *operation)
{
    if (unlikely(weft__rt.seeded))
        weft__seeded_point_slow(operation);
}

#endif
