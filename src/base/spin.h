/* base/spin.h - sections of a few instructions, and spin locks around them.
 *
 * The child of a fork has one thread. What the others were in the middle of would stay so in it: a lock
 * taken for ever, a list with a loose end. So who enters a section says so in a word of its own thread,
 * and a fork waits: it closes the gates of all threads, goes on when nobody is inside, and opens them
 * after. That costs a section two plain stores and a look at its gate; the fence between store and look
 * is the forking thread's, by membarrier.
 */
#ifndef WEFT_BASE_SPIN_H
#define WEFT_BASE_SPIN_H

#include "base/base.h"

/* A thread's; listed from its first section to its end. */
struct weft__gate {
    uint32_t inside; /* a section of an object: these are never one in the other */
    uint32_t deep;   /* other sections, which may be */
    uint32_t closed; /* to those who are in none; before it is listed too */
    struct weft__gate *next, *prev;
};

extern __thread struct weft__gate weft__gate __attribute__((tls_model("initial-exec")));

void weft__gate_wait(void);

static inline void weft__gate_pass(void)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (unlikely(load_relaxed(&weft__gate.closed)))
        weft__gate_wait();
}

static inline void weft__section_enter(void)
{
    store_relaxed(&weft__gate.inside, 1);
    weft__gate_pass();
}

static inline void weft__section_leave(void)
{
    store_release(&weft__gate.inside, 0);
}

/* A section that may have others in it. */
static inline void weft__outer_enter(void)
{
    store_relaxed(&weft__gate.deep, weft__gate.deep + 1);
    weft__gate_pass();
}

static inline void weft__outer_leave(void)
{
    store_release(&weft__gate.deep, weft__gate.deep - 1);
}

void weft__gates_init(void);  /* at the program's start */
void weft__gates_close(void); /* around a fork, outside of any section */
void weft__gates_open(bool forked);

/* A spin lock between threads that do not sleep in between: the slow paths of central lists. Objects
 * have a spin bit in their word instead (sched/wait.h). */
typedef struct weft__spin {
    uint32_t word;
} weft__spin;

void weft__spin_slow(weft__spin *spin);

/* Without a section: it may be held for long, and a fork that must wait for it takes it too. */
static inline void weft__spin_take(weft__spin *spin)
{
    if (unlikely(__atomic_exchange_n(&spin->word, 1, __ATOMIC_ACQUIRE)))
        weft__spin_slow(spin);
}

static inline void weft__spin_drop(weft__spin *spin)
{
    store_release(&spin->word, 0);
}

static inline void weft__spin_lock(weft__spin *spin)
{
    weft__outer_enter();
    weft__spin_take(spin);
}

static inline void weft__spin_unlock(weft__spin *spin)
{
    weft__spin_drop(spin);
    weft__outer_leave();
}

/* And what the holder wrote is seen before anything it reads next is read. */
static inline void weft__spin_unlock_seq_cst(weft__spin *spin)
{
    (void)exchange_seq_cst(&spin->word, 0);
    weft__outer_leave();
}

#endif
