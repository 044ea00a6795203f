/* robust.c - see robust.h.
 *
 * The list belongs to libc's thread; that it is a ring of {prev, next}, that entries point to `next`, and
 * that the head has its own prev before it, is the layout of glibc's robust mutexes on 64-bit machines. The
 * kernel reads the list forwards only, from the head, when the thread ends: so an entry is complete before
 * the head points to it, and the change that is under way is named by list_op_pending.
 */
#include "shared/robust.h"

#include <errno.h>
#include <weft/base.h>

#include "base/sys.h"
#include "shared/point.h"

static __thread struct {
    struct robust_list_head *head;
    uint32_t id;
    uint32_t held;
} thread __attribute__((tls_model("initial-exec")));

_Static_assert(offsetof(struct weft__robust, next) - offsetof(struct weft__robust, word) == 32,
               "where libc's robust mutexes have it");

uint32_t weft__thread_id(void)
{
    if (unlikely(!thread.id))
        thread.id = (uint32_t)weft__sys_gettid();
    return thread.id;
}

void weft__thread_id_forget(void)
{
    thread.id = 0;
    thread.held = 0;
    thread.head = NULL;
}

static int list_find(void)
{
    struct robust_list_head *head = NULL;
    int r = weft__sys_robust_list(&head);
    if (r < 0 || !head || head->futex_offset != -(long)offsetof(struct weft__robust, next))
        return -ENOTSUP;
    thread.head = head;
    return 0;
}

int weft__robust_check(void)
{
    return thread.head ? 0 : list_find();
}

static void **prev_of(void *next) /* entry or head */
{
    return (void **)((uintptr_t)next & ~(uintptr_t)1) - 1;
}

static void link_in(struct weft__robust *lock)
{
    void *first = thread.head->list.next;
    lock->next = first;
    lock->prev = &thread.head->list;
    weft__shared_point();
    *prev_of(first) = &lock->next;
    weft__shared_point();
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    store_relaxed(&thread.head->list.next, (void *)&lock->next);
    weft__shared_point();
}

static void link_out(struct weft__robust *lock)
{
    *prev_of(lock->next) = lock->prev;
    weft__shared_point();
    store_relaxed((void **)((uintptr_t)lock->prev & ~(uintptr_t)1), lock->next);
    weft__shared_point();
    lock->next = lock->prev = NULL;
}

static void pending(struct weft__robust *lock)
{
    store_relaxed(&thread.head->list_op_pending, lock ? (void *)&lock->next : NULL);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

int weft__robust_take(struct weft__robust *lock, bool waits, uint32_t *seen)
{
    int r;
    if (unlikely(!thread.head) && (r = list_find()) < 0)
        return r;
    if (unlikely(thread.held >= WEFT__LOCKS_OF_THREAD))
        return -ENOLCK;
    uint32_t me = weft__thread_id() | (waits ? FUTEX_WAITERS : 0u), word = load_relaxed(&lock->word);
    for (;;) {
        uint32_t owner = word & FUTEX_TID_MASK;
        if (unlikely(owner == WEFT__LOCK_GONE))
            return -ENOTRECOVERABLE;
        if (owner == 0) {
            uint32_t marks = word & (FUTEX_WAITERS | FUTEX_OWNER_DIED);
            pending(lock);
            if (likely(shared_swap(&lock->word, &word, me | marks))) {
                link_in(lock);
                pending(NULL);
                thread.held++;
                return unlikely(marks & FUTEX_OWNER_DIED) ? WEFT_RECOVERED : 0;
            }
            pending(NULL);
        } else if (!seen) {
            return -EAGAIN;
        } else if (word & FUTEX_WAITERS || shared_swap(&lock->word, &word, word | FUTEX_WAITERS)) {
            *seen = word | FUTEX_WAITERS;
            return -EAGAIN;
        }
    }
}

void weft__robust_drop(struct weft__robust *lock, enum weft__robust_end how)
{
    static const uint32_t left[] = { 0, FUTEX_OWNER_DIED, WEFT__LOCK_GONE };
    pending(lock);
    link_out(lock);
    uint32_t word = shared_exchange(&lock->word, left[how]);
    if (unlikely(word & FUTEX_WAITERS))
        weft__sys_futex_wake_shared(&lock->word, how == WEFT__ROBUST_GONE ? INT32_MAX : 1);
    pending(NULL);
    thread.held--;
}

void weft__robust_pass(struct weft__robust *lock)
{
    uint32_t word = load_seq_cst(&lock->word);
    while (word & FUTEX_TID_MASK) /* then its owner wakes one */
        if (word & FUTEX_WAITERS || shared_swap(&lock->word, &word, word | FUTEX_WAITERS))
            return;
    weft__sys_futex_wake_shared(&lock->word, 1);
}
