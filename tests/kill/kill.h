/* kill.h - a process is killed at its n-th store into shared memory, n = 1, 2, ... until it survives, while
 * healthy ones use the same objects: for each n once from the beginning on, and once from about its death.
 *
 *     static struct thing *thing; // in the arena
 *     static void begin(void)  { ... }  // before each death: the objects are fresh, or as the last one left them
 *     static void victim(void) { ... }  // in a process of its own, killed on the way
 *     static void peer(void)   { ... }  // meanwhile, in another process and in this one
 *     static void check(void)  { ... }  // when the dead are buried: nothing torn, nobody waits
 *
 *     TEST_EACH_KIND_REAL(a_thing_outlives_its_users, "processes") // as threads, and as coroutines
 *     {
 *         CHECK_GT(kill_at_each_store(&(struct kill){ t->kind, begin, victim, peer, check }), 10);
 *     }
 *
 * A peer that waits for ever fails the test by its alarm; a check that fails in any of the processes fails it
 * at once, with words. Only a build with -Dinvariants=true has such points; others skip the test.
 */
#ifndef TESTS_KILL_H
#define TESTS_KILL_H

#include "test.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft.h>

#include "shared/arena.h"
#include "shared/point.h"
#include "shared/tree.h"

struct kill {
    unsigned kind; /* of task, in which victim and peers run */
    void (*begin)(void), (*victim)(void), (*peer)(void), (*check)(void); /* NULL: nothing */
};

enum { KILL_STORES_MAX = 5000, KILL_SURVIVED = 20 };

static struct kill_stage {
    long met;   /* by the victim: stores */
    long due;   /* it is killed at this one; 0: never */
    bool ended; /* it is buried */
} * kill_stage; /* shared */

static inline void kill_point(void)
{
    if (__atomic_add_fetch(&kill_stage->met, 1, __ATOMIC_RELAXED) == kill_stage->due)
        raise(SIGKILL);
}

/* Until the victim has met so many stores; not for long, since it may wait for others before that. */
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

/* fn in a process that is a member of the tree: as the zygote would. The victim counts its stores; another
 * one begins when the victim has met some. */
static inline struct kill_process kill_start(const struct kill *k, bool is_victim, long met)
{
    struct kill_process p = { .id = weft__process_take() };
    CHECK_NE(p.id, 0);
    weft__process_set(p.id, WEFT__SLOT_ALIVE);
    fflush(NULL);
    p.pid = fork();
    CHECK_GE(p.pid, 0);
    if (p.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        weft__tree_entered(p.id);
#ifdef WEFT_INVARIANTS
        __atomic_store_n(&weft__shared_point_met, is_victim ? kill_point : NULL, __ATOMIC_RELAXED);
#endif
        if (!is_victim)
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
    bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    if (!killed && status != 0)
        FAIL("a process ended with status %x", (unsigned)status);
    weft__process_died(p.id);
    weft__process_set(p.id, WEFT__SLOT_FREE);
    return !killed;
}

static inline void *kill_reap(void *arg)
{
    struct kill_process *victim = arg;
    bool survived = kill_bury(*victim);
    __atomic_store_n(&kill_stage->ended, true, __ATOMIC_RELEASE);
    return survived ? arg : NULL;
}

/* Was it killed? */
static inline bool kill_once(const struct kill *k, long n, long met)
{
    struct kill_process victim, peer = { 0 };
    pthread_t reaper;
    void *survived;
    *kill_stage = (struct kill_stage){ .due = n };
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
    return !survived;
}

/* At how many different stores it was killed. How many it meets depends on who is quicker, so it has to
 * survive for a while. */
__attribute__((unused)) static long kill_at_each_store(const struct kill *k)
{
#ifndef WEFT_INVARIANTS
    SKIP("only a build with -Dinvariants=true can stop between two stores");
#endif
    FORKS_AMONG_THREADS();
    long stores = 0;
    CHECK_EQ(weft__tree_begin(), 0);
    kill_stage = weft__arena_take(sizeof *kill_stage, WEFT__BLOCK_KEPT);
    CHECK(kill_stage != NULL);
    for (long n = 1, last = 0; n <= last + KILL_SURVIVED; n++) {
        CHECK_LT(n, KILL_STORES_MAX);
        bool first = kill_once(k, n, 0), second = kill_once(k, n, n - 1);
        if (first || second) {
            last = n;
            stores++;
        }
    }
    printf("# killed at %ld stores\n", stores);
    return stores;
}

#endif
