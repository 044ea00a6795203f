/* sync/shared.h - what the WEFT_SHARED forms of the objects stand on: words in shared memory, and no waiter
 * in anybody's stack, since any process may be gone at any instruction.
 *
 * Whoever waits sleeps until a word moves or a death has been put right, and then looks again: nothing is
 * handed over, the woken compete. So whoever leaves without what he was woken for hands the wake-up on. Three
 * ways to know what the dead have left:
 *   - a robust lock names its owner's thread, and the kernel marks it: lock, rlock, once, a rwlock's writer;
 *   - cells say how much each process has, which anyone can see is dead: a rwlock's readers, owned units of
 *     a semaphore, who is inside a barrier;
 *   - the others have no owner, and change by one store: condition, event, semaphore.
 */
#ifndef WEFT_SYNC_SHARED_H
#define WEFT_SYNC_SHARED_H

#include <weft/barrier.h>
#include <weft/cond.h>
#include <weft/event.h>
#include <weft/lock.h>
#include <weft/once.h>
#include <weft/rwlock.h>
#include <weft/semaphore.h>

#include "sched/case.h"
#include "shared/robust.h"
#include "sync/watch.h"

/* -- shared_lock.c: robust locks ----------------------------------------------------------------- */

/* Its thread is in the word, the task in _owner, which means something in its own process only. */
static inline struct weft__robust *weft__robust_of(const void *object)
{
    return (struct weft__robust *)(uintptr_t)object;
}

_Static_assert(offsetof(weft_lock, _owner) == offsetof(struct weft__robust, mine) &&
                   offsetof(weft_lock, _first) == offsetof(struct weft__robust, prev),
               "a lock begins with a robust one");

static inline bool weft__robust_is_mine(const struct weft__robust *lock)
{
    return (load_relaxed(&lock->word) & FUTEX_TID_MASK) == weft__thread_id();
}

/* Take the robust lock that a shared object begins with: as weft_lock_acquire. A gate is held for a moment,
 * by nobody in particular. */
int weft__shared_gate(void *object, weft_deadline deadline, const char *reason);
int weft__shared_take(void *object, struct weft__task *self, weft_deadline deadline,
                      const char *reason, const char *place);
/* By the owner of what was taken so: it names no task any more, and then no thread. */
static inline void weft__shared_drop(void *object, enum weft__robust_end how)
{
    struct weft__robust *lock = weft__robust_of(object);
    store_relaxed(&lock->mine[0], 0);
    weft__robust_drop(lock, how);
}

/* Filled by assembly.c: self has waited long for a lock in the arena, without end. *note: for the end of the wait; NULL,
 * or untouched: none. 0; -EDEADLK: it closes a circle, and is the one to be refused. */
struct weft__note;
extern int (*weft__waits_long)(const struct weft__robust *lock, struct weft__task *self,
                               const char *reason, const char *place, struct weft__note **note);
extern void (*weft__waits_no_more)(struct weft__note *note);
int weft__shared_lock_acquire(weft_lock *lock, weft_deadline deadline, const char *place);
int weft__shared_lock_release(weft_lock *lock, enum weft__robust_end unrepaired);
int weft__shared_lock_take(weft_lock *lock, struct weft__task *self, weft_deadline deadline,
                           const char *reason, const char *place);
/* unrepaired: what becomes of it if it is marked still. */
void weft__shared_lock_let_go(weft_lock *lock, struct weft__task *self,
                              enum weft__robust_end unrepaired);

bool weft__shared_once_is_done(const weft_once *once);
int weft__shared_once_run(weft_once *once, struct weft__task *self, weft_fn *fn, void *arg,
                          weft_deadline deadline, const char *place);

/* -- for select ----------------------------------------------------------------------------------- */

static inline struct weft__watch *weft__case_watch(struct weft_case *c)
{
    return container_of(c->_word, struct weft__watch, spin);
}

static inline bool weft__case_blocked(struct weft_case *c, struct weft__task *self)
{
    (void)self;
    return !weft__case_watch(c)->moved;
}

static inline struct weft_case weft__shared_case(const struct weft__case_ops *ops, void *on,
                                                 const char *place)
{
    return weft__case(ops, on, (void *)(uintptr_t)place, 0, NULL, WEFT__WAIT_QUEUE(NULL, NULL));
}

struct weft_case weft__shared_lock_case(weft_lock *lock, const char *place);
struct weft_case weft__shared_event_case(weft_event *event);
struct weft_case weft__shared_semaphore_case(weft_semaphore *sem);

/* -- shared_word.c: words that move -------------------------------------------------------------- */

enum { WEFT__WAITED = 1, WEFT__MOVE = 2 };

/* The word, to be seen by weft__watch_wait; then look whether there is anything to wait for. */
static inline uint32_t weft__word_watched(uint32_t *word)
{
    return shared_or(word, WEFT__WAITED) | WEFT__WAITED;
}

/* Something has changed for those who watch it: n of them look. Did anyone watch? */
bool weft__word_move(uint32_t *word, int n);

int weft__shared_cond_sleep(weft_cond *cond, weft_lock *lock, struct weft__task *self,
                            weft_deadline deadline);
int weft__shared_event_wait(weft_event *event, weft_deadline deadline);
void weft__shared_event_set(weft_event *event);
void weft__shared_event_clear(weft_event *event);
int weft__shared_semaphore_init(weft_semaphore *sem);
int weft__shared_semaphore_acquire(weft_semaphore *sem, weft_deadline deadline);
int weft__shared_semaphore_release(weft_semaphore *sem, uint32_t n);
uint32_t weft__shared_semaphore_value(const weft_semaphore *sem);

/* -- shared_cells.c: how much each process has ---------------------------------------------------- */

enum { WEFT__CELLS = 15 };

/* A block of cells is named by the distance from the field that names it, since a segment lies elsewhere in
 * each process; 0: none. */
typedef int64_t weft__cells;

/* Cells are holder << 32 | count (shared/holder.h), 0 or of a dead process: free; never moved. The first block is
 * the object's for its life; there are as many as there were processes at once. */
struct weft__cell_block {
    weft__cells next;
    uint64_t cell[WEFT__CELLS];
};

/* Of an object, in its field. 0; -ENOMEM */
int weft__cells_begin(weft__cells *cells);
void weft__cells_free(weft__cells *cells);
/* This process has n more. 0; -ENOMEM; -ENOTSUP: nobody would see it die. */
int weft__cells_add(weft__cells *cells, uint32_t n);
bool weft__cells_sub(weft__cells *cells, uint32_t n); /* false: it has fewer in any one cell */
uint64_t weft__cells_mine(weft__cells *cells);        /* what this process has */
/* What the living have. What the dead had is taken from them; *died, if not NULL: there was any. */
uint64_t weft__cells_sum(weft__cells *cells, bool *died);
uint64_t weft__cells_count(
    weft__cells *cells); /* with what the dead had: who lives is dear to ask in a segment */

/* -- shared_rwlock.c, shared_barrier.c -------------------------------------------------------------- */

int weft__shared_rwlock_init(weft_rwlock *rwlock);
int weft__shared_rwlock_take(weft_rwlock *rwlock, struct weft__task *self, bool reads,
                             weft_deadline deadline, const char *place);
int weft__shared_rwlock_let_go(weft_rwlock *rwlock, struct weft__task *self,
                               enum weft__robust_end unrepaired);
void weft__shared_writer_ended(weft_rwlock *rwlock);
void weft__shared_reader_ended(weft_rwlock *rwlock);
bool weft__shared_writer_is(const weft_rwlock *rwlock, const struct weft__task *self);
void weft__shared_rwlock_repaired(weft_rwlock *rwlock);
bool weft__shared_rwlock_is_used(const weft_rwlock *rwlock);
void weft__shared_rwlock_fini(weft_rwlock *rwlock);

enum { WEFT__SHARED_PARTIES = (1 << 20) - 1 };

int weft__shared_barrier_init(weft_barrier *barrier);
int weft__shared_barrier_wait(weft_barrier *barrier, int entered, weft_deadline deadline);
void weft__shared_barrier_end(weft_barrier *barrier, bool broken);
uint32_t weft__shared_barrier_waiting(const weft_barrier *barrier);
bool weft__shared_barrier_is_broken(const weft_barrier *barrier);
void weft__shared_barrier_fini(weft_barrier *barrier);

#endif
