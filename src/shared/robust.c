/* robust.c - see robust.h. */
#include "shared/robust.h"

#include <errno.h>
#include <weft/base.h>

#include "base/sys.h"
#include "shared/point.h"

__thread struct weft__robust_thread weft__robust_thread;

_Static_assert(offsetof(struct weft__robust, next) - offsetof(struct weft__robust, word) == 32,
               "where libc's robust mutexes have it");

cold uint32_t weft__thread_id_slow(void)
{
    return weft__robust_thread.id = (uint32_t)weft__sys_gettid();
}

void weft__thread_id_forget(void)
{
    weft__robust_thread = (struct weft__robust_thread){ 0 };
}

static int list_find(void)
{
    struct robust_list_head *head = NULL;
    int r = weft__sys_robust_list(&head);
    if (r < 0 || !head || head->futex_offset != -(long)offsetof(struct weft__robust, next))
        return -ENOTSUP;
    weft__thread_id();
    weft__robust_thread.head = head;
    return 0;
}

int weft__robust_check(void)
{
    return weft__robust_thread.head ? 0 : list_find();
}

static void link_out(struct weft__robust *lock)
{
    *weft__robust_prev(lock->next) = lock->prev;
    weft__shared_point();
    store_relaxed((void **)((uintptr_t)lock->prev & ~(uintptr_t)1), lock->next);
    weft__shared_point();
}

int weft__robust_take(struct weft__robust *lock, bool waits, uint32_t *seen)
{
    struct weft__robust_thread *thread = &weft__robust_thread;
    int r;
    if (unlikely(!thread->head) && (r = list_find()) < 0)
        return r;
    if (unlikely(thread->held >= WEFT__LOCKS_OF_THREAD))
        return -ENOLCK;
    uint32_t me = weft__thread_id() | (waits ? FUTEX_WAITERS : 0u), word = load_relaxed(&lock->word);
    for (;;) {
        uint32_t owner = word & FUTEX_TID_MASK;
        if (unlikely(owner == WEFT__LOCK_GONE))
            return -ENOTRECOVERABLE;
        if (owner == 0) {
            uint32_t marks = word & (FUTEX_WAITERS | FUTEX_OWNER_DIED);
            weft__robust_pending(thread->head, lock);
            if (likely(shared_swap(&lock->word, &word, me | marks))) {
                weft__robust_link_in(thread->head, lock);
                weft__robust_pending(thread->head, NULL);
                thread->held++;
                return unlikely(marks & FUTEX_OWNER_DIED) ? WEFT_RECOVERED : 0;
            }
            weft__robust_pending(thread->head, NULL);
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
    struct weft__robust_thread *thread = &weft__robust_thread;
    weft__robust_pending(thread->head, lock);
    link_out(lock);
    uint32_t word = shared_exchange(&lock->word, left[how]);
    if (unlikely(word & FUTEX_WAITERS))
        weft__sys_futex_wake_shared(&lock->word, how == WEFT__ROBUST_GONE ? INT32_MAX : 1);
    weft__robust_pending(thread->head, NULL);
    thread->held--;
}

void weft__robust_pass(struct weft__robust *lock)
{
    uint32_t word = load_seq_cst(&lock->word);
    while (word & FUTEX_TID_MASK) /* then its owner wakes one */
        if (word & FUTEX_WAITERS || shared_swap(&lock->word, &word, word | FUTEX_WAITERS))
            return;
    weft__sys_futex_wake_shared(&lock->word, 1);
}
