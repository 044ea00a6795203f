/* shared/robust.h - a lock that the kernel marks when its owner dies: its word holds the owner's thread
 * id, and it hangs in libc's own list of robust mutexes of that thread while it is held. Nothing here
 * waits; sync/watch.h does. */
#ifndef WEFT_SHARED_ROBUST_H
#define WEFT_SHARED_ROBUST_H

#include <linux/futex.h>

#include "shared/point.h"

enum {
    WEFT__LOCKS_OF_THREAD = 2000, /* the kernel's walk ends at 2,048; some are the program's own */
    WEFT__LOCK_GONE = FUTEX_TID_MASK /* no owner ever again: it was let go unrepaired */
};

/* word: owner's thread | FUTEX_WAITERS | FUTEX_OWNER_DIED, which stays until it is repaired.
 * The links must lie at these offsets: the kernel finds the word from libc's offset between them. */
struct weft__robust {
    uint32_t word;
    uint32_t flags; /* the object's, as the next two */
    uint64_t mine[2];
    void *prev, *next;
};

extern __thread struct weft__robust_thread {
    struct robust_list_head *head; /* NULL: not asked yet */
    uint32_t id;                   /* 0: likewise; set with head */
    uint32_t held;
} weft__robust_thread __attribute__((tls_model("initial-exec")));

/* Does it work here? Once a process; a test with a real mutex of libc's. 0 or -ENOTSUP. */
int weft__robust_check(void);

/* One try. 0 held; WEFT_RECOVERED: held, its owner died or let it go unrepaired; -EAGAIN: another thread
 * has it, or another task of this one; -ENOTRECOVERABLE; -ENOLCK: this thread holds 2,000.
 *   waits  the caller has slept for it: others may sleep still, so the waiters' bit is set again
 *   seen   NULL, or where -EAGAIN puts the word, waiters' bit set, to sleep on */
int weft__robust_take(struct weft__robust *lock, bool waits, uint32_t *seen);

/* The list belongs to libc's thread; that it is a ring of {prev, next}, that entries point to `next`, and
 * that the head has its own prev before it, is the layout of glibc's robust mutexes on 64-bit machines. The
 * kernel reads the list forwards only, from the head, when the thread ends: so an entry is complete before
 * the head points to it, and the change that is under way is named by list_op_pending. */
static inline void **weft__robust_prev(void *next) /* of an entry or the head */
{
    return (void **)((uintptr_t)next & ~(uintptr_t)1) - 1;
}

static inline void weft__robust_pending(struct robust_list_head *head, struct weft__robust *lock)
{
    store_relaxed(&head->list_op_pending, lock ? (void *)&lock->next : NULL);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static inline void weft__robust_link_in(struct robust_list_head *head, struct weft__robust *lock)
{
    void *first = head->list.next;
    lock->next = first;
    lock->prev = &head->list;
    weft__shared_point();
    *weft__robust_prev(first) = &lock->next;
    weft__shared_point();
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    store_relaxed(&head->list.next, (void *)&lock->next);
    weft__shared_point();
}

/* The short way: if nobody has it and nothing is the matter. false: ask weft__robust_take. */
static inline bool weft__robust_take_free(struct weft__robust *lock)
{
    struct weft__robust_thread *thread = &weft__robust_thread;
    struct robust_list_head *head = thread->head;
    uint32_t word = load_relaxed(&lock->word);
    if (unlikely(word || !head || thread->held >= WEFT__LOCKS_OF_THREAD))
        return false;
    weft__robust_pending(head, lock);
    bool taken = shared_swap(&lock->word, &word, thread->id);
    if (likely(taken)) {
        weft__robust_link_in(head, lock);
        thread->held++;
    }
    weft__robust_pending(head, NULL);
    return taken;
}

/* By the owner: let go, repaired if it was WEFT_RECOVERED, and wake one who waits. Or unrepaired: the next
 * take is WEFT_RECOVERED (marked), or none ever succeeds (gone). */
enum weft__robust_end { WEFT__ROBUST_WHOLE, WEFT__ROBUST_MARKED, WEFT__ROBUST_GONE };
void weft__robust_drop(struct weft__robust *lock, enum weft__robust_end how);

/* Who stops waiting without it may have used up a wake-up: if it is free, another is woken. */
void weft__robust_pass(struct weft__robust *lock);

static inline bool weft__robust_is_marked(const struct weft__robust *lock) /* to its owner: unrepaired */
{
    return load_relaxed(&lock->word) & FUTEX_OWNER_DIED;
}
static inline void weft__robust_repaired(struct weft__robust *lock)
{
    and_acq_rel(&lock->word, ~(uint32_t)FUTEX_OWNER_DIED);
}

uint32_t weft__thread_id_slow(void);
static inline uint32_t weft__thread_id(void) /* of the calling thread */
{
    uint32_t id = weft__robust_thread.id;
    return likely(id) ? id : weft__thread_id_slow();
}
void weft__thread_id_forget(void); /* in the child of a fork */

#endif
