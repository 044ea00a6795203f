/* kill.h - a process is killed at its n-th store into shared memory, at its n-th system call, and asleep in the
 * n-th that may sleep, n = 1, 2, ... until it survives, while healthy ones use the same objects: for each n once
 * from the beginning on, and once from about its death.
 *
 *     static struct thing *thing; // in the arena
 *     static void begin(void)  { ... }  // before each death: the objects are fresh, or as the last one left them
 *     static void victim(void) { ... }  // in a process of its own, killed on the way
 *     static void peer(void)   { ... }  // meanwhile, in another process and in this one
 *     static void check(void)  { ... }  // when the dead are buried: nothing torn, nobody waits
 *
 *     TEST_KILL(a_thing_outlives_its_users) // as threads, and as coroutines
 *     {
 *         CHECK_GT(kill_at_each_point(&(struct kill){ t->kind, begin, victim, peer, check }), 10);
 *     }
 *
 * A peer that waits for ever fails the test by its alarm; a check that fails in any of the processes fails it
 * at once, with words. By day every third of the later points will do; at night (WEFT_TEST_LOAD) all are tried.
 * Only a build with -Dinvariants=true has points between stores; others skip the test.
 */
#ifndef TESTS_KILL_H
#define TESTS_KILL_H

#include "test.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft.h>

#include "base/sys.h"
#include "shared/arena.h"
#include "shared/point.h"
#include "shared/tree.h"

struct kill {
    unsigned kind; /* of task, in which victim and peers run */
    void (*begin)(void), (*victim)(void), (*peer)(void), (*check)(void); /* NULL: nothing */
};

static bool kill_strangers; /* they are of no tree, and meet in a segment: nobody tells of a death */
static char kill_what[32];  /* beside the test's name in the table, if it has several rows */
/* Blocks of the arena, at most, that are the victim's own to free. */
__attribute__((unused)) static size_t kill_leaves;

__attribute__((unused)) static const struct t_kind kill_kinds[] = { T_KINDS };
#define TEST_KILL(fn) T_DEFINE_N(fn, "processes", kill_kinds, 2, 300)

enum kill_way { KILL_AT_STORE, KILL_AT_CALL, KILL_ASLEEP, KILL_WAYS };
static const char *const kill_names[] = { "stores", "system calls", "sleeps" };

enum { KILL_POINTS_MAX = 5000, KILL_SURVIVED = 20, KILL_FIRST = 40 /* tried by day too */ };

static struct kill_stage {
    enum kill_way way;
    long met;   /* by the victim: points */
    long due;   /* it is killed at this one; 0: never */
    bool ended; /* it is buried */
} * kill_stage; /* shared */

static inline bool kill_is_due(void)
{
    return __atomic_add_fetch(&kill_stage->met, 1, __ATOMIC_RELAXED) == kill_stage->due;
}

static inline void kill_at_store(void)
{
    if (kill_is_due())
        raise(SIGKILL);
}

static inline bool kill_may_sleep(long nr)
{
    return nr == SYS_futex || nr == SYS_futex_waitv || nr == SYS_epoll_pwait2 || nr == SYS_ppoll ||
           nr == SYS_recvmsg;
}

/* Before the n-th, or while it sleeps: then it is not itself that ends it. */
static long kill_at_call(long nr)
{
    bool asleep = kill_stage->way == KILL_ASLEEP;
    if (asleep && !kill_may_sleep(nr))
        return 0;
    if (kill_is_due() && asleep)
        setitimer(ITIMER_REAL, &(struct itimerval){ .it_value = { .tv_usec = 100 } }, NULL);
    else if (__atomic_load_n(&kill_stage->met, __ATOMIC_RELAXED) == kill_stage->due)
        raise(SIGKILL);
    return 0;
}

static inline void kill_hooks(void)
{
    signal(SIGALRM, SIG_DFL);
    if (kill_stage->way != KILL_AT_STORE)
        __atomic_store_n(&weft__sys_fault, kill_at_call, __ATOMIC_RELAXED);
#ifdef WEFT_INVARIANTS
    else
        __atomic_store_n(&weft__shared_point_met, kill_at_store, __ATOMIC_RELAXED);
#endif
}

/* Until the victim has met so many points; not for long, since it may wait for others before that. */
static inline void kill_wait(long met)
{
    for (int i = 0; i < 200 && !__atomic_load_n(&kill_stage->ended, __ATOMIC_ACQUIRE); i++) {
        if (__atomic_load_n(&kill_stage->met, __ATOMIC_RELAXED) >= met)
            return;
        usleep(10);
    }
}

struct kill_call {
    void (*fn)(void);
};

struct kill_process {
    weft__process_id id;
    pid_t pid;
};

static inline int kill_call(void *arg)
{
    ((struct kill_call *)arg)->fn();
    return 0;
}

static inline void kill_run(void (*fn)(void), unsigned kind)
{
    struct kill_call call = { fn };
    if (kind == WEFT_COROUTINE)
        CHECK_EQ(weft_run(kill_call, &call), 0);
    else
        fn();
}

/* fn in a process that is a member of the tree (as the zygote would), or a stranger. The victim counts its points; another
 * one begins when the victim has met some. */
static inline struct kill_process kill_start(const struct kill *k, bool is_victim, long met)
{
    struct kill_process p = { .id = kill_strangers ? 0 : weft__process_take() };
    CHECK(kill_strangers || p.id != 0);
    if (p.id)
        weft__process_set(p.id, WEFT__SLOT_ALIVE);
    fflush(NULL);
    p.pid = fork();
    CHECK_GE(p.pid, 0);
    if (p.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        weft__tree_entered(p.id);
        if (is_victim)
            kill_hooks();
        else
            kill_wait(met);
        kill_run(is_victim ? k->victim : k->peer, k->kind);
        _exit(0);
    }
    return p;
}

/* As the reaper would. true: it ended by itself. */
static inline bool kill_bury(struct kill_process p)
{
    int status;
    CHECK_EQ(waitpid(p.pid, &status, 0), p.pid);
    bool killed =
        WIFSIGNALED(status) && (WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGALRM);
    if (!killed && status != 0)
        FAIL("a process ended with status %x", (unsigned)status);
    if (p.id) {
        weft__process_died(p.id);
        weft__process_set(p.id, WEFT__SLOT_FREE);
    }
    return !killed;
}

static inline void *kill_reap(void *arg)
{
    struct kill_process *victim = arg;
    bool survived = kill_bury(*victim);
    __atomic_store_n(&kill_stage->ended, true, __ATOMIC_RELEASE);
    return survived ? arg : NULL;
}

/* size bytes that strangers share, for the rest of the test. */
__attribute__((unused)) static void *kill_segment(const struct test *t, size_t bytes)
{
    static weft_segment segment;
    char path[200];
    snprintf(path, sizeof path, "%s/segment", t_dir(t));
    CHECK_EQ(weft_segment_open(&segment, path, bytes, NULL, NULL, weft_never()), 0);
    kill_strangers = true;
    return weft_segment_data(&segment);
}

/* Was it killed? */
static inline bool kill_once(const struct kill *k, enum kill_way way, long n, long met)
{
    struct kill_process victim, peer = { 0 };
    pthread_t reaper;
    void *survived;
    *kill_stage = (struct kill_stage){ .way = way, .due = n };
    if (k->begin)
        k->begin();
    if (k->peer)
        peer = kill_start(k, false, met);
    victim = kill_start(k, true, 0);
    CHECK_EQ(pthread_create(&reaper, NULL, kill_reap, &victim), 0);
    kill_wait(met);
    if (k->peer)
        kill_run(k->peer, k->kind);
    CHECK_EQ(pthread_join(reaper, &survived), 0);
    if (k->peer)
        CHECK(kill_bury(peer));
    if (k->check)
        k->check();
#ifdef WEFT_INVARIANTS
    static size_t before; /* what check has left, it leaves each time */
    size_t blocks = weft__arena_blocks();
    CHECK_LE(blocks, before ? before + kill_leaves : blocks);
    before = blocks;
#endif
    return !survived;
}

/* The last point at which it was killed, and at how many in *killed. How many it meets depends on who is
 * quicker, so it has to survive for a while. */
static inline long kill_each(const struct kill *k, enum kill_way way, long *killed)
{
    long last = 0, step = t_rounds(1) > 1 ? 1 : 3;
    for (long n = 1; n <= last + KILL_SURVIVED; n += n < KILL_FIRST ? 1 : step) {
        CHECK_LT(n, KILL_POINTS_MAX);
        bool first = kill_once(k, way, n, 0), second = kill_once(k, way, n, n - 1);
        if (first || second) {
            last = n;
            ++*killed;
        }
    }
    return last;
}

static inline void kill_tell(const long *killed)
{
    printf("counted: %s%skilled at", kill_what, kill_what[0] ? ": " : "");
    for (int way = 0; way < KILL_WAYS; way++)
        printf(" %ld %s%s", killed[way], kill_names[way], way < KILL_WAYS - 1 ? "," : "\n");
}

/* How many stores it was killed at, had all been tried. */
__attribute__((unused)) static long kill_at_each_point(const struct kill *k)
{
#ifndef WEFT_INVARIANTS
    SKIP("only a build with -Dinvariants=true can stop between two stores");
#endif
    FORKS_AMONG_THREADS();
    long last[KILL_WAYS], killed[KILL_WAYS] = { 0 };
    CHECK_EQ(weft__tree_begin(), 0);
    kill_stage = weft__arena_take(sizeof *kill_stage, WEFT__BLOCK_KEPT);
    CHECK(kill_stage != NULL);
    for (int way = 0; way < KILL_WAYS; way++)
        last[way] = kill_each(k, (enum kill_way)way, &killed[way]);
    kill_tell(killed);
    weft__arena_give(kill_stage);
    return last[KILL_AT_STORE];
}

#endif
