/* semaphore.c - a counter to wait for; released ones go to the first waiters directly. */
#include <weft/semaphore.h>

#include "sched/case.h"
#include "sync/shared.h"
#include "sync/sync.h"

static struct weft__wait_queue queue(weft_semaphore *sem)
{
    return WEFT__WAIT_QUEUE(&sem->_first, &sem->_last);
}

int weft_semaphore_init(weft_semaphore *sem, uint32_t value, uint32_t max, unsigned flags)
{
    int r = weft__object_flags(sem, flags, WEFT_OWNED);
    if (r == 0 && flags == WEFT_OWNED)
        r = -EINVAL;
    if (r == 0 && max && value > max)
        r = -EINVAL;
    if (r == 0)
        *sem = (weft_semaphore){ ._flags = flags, ._value = value, ._max = max };
    return r == 0 && flags & WEFT_SHARED ? weft__shared_semaphore_init(sem) : r;
}

int weft_semaphore_acquire(weft_semaphore *sem, weft_deadline deadline)
{
    struct weft__task *self;
    int r = weft__wait_enter(&self);
    if (r < 0)
        return r;
    weft__point("semaphore acquire");
    if (unlikely(sem->_flags & WEFT_SHARED))
        return weft__shared_semaphore_acquire(sem, deadline);
    weft__word_lock(&sem->_word);
    if (sem->_value > 0) {
        store_relaxed(&sem->_value, sem->_value - 1);
        weft__word_unlock(&sem->_word);
        return 0;
    }
    struct weft__wait_node node;
    return weft__wait_on(&sem->_word, queue(sem), &node, self, deadline, "semaphore", sem);
}

static int attempt(struct weft_case *c)
{
    return weft_semaphore_acquire(c->_on, weft_at_once());
}

static bool blocked(struct weft_case *c, struct weft__task *self)
{
    const weft_semaphore *sem = c->_on;
    (void)self;
    return sem->_value == 0;
}

struct weft_case weft_on_semaphore(weft_semaphore *sem)
{
    static const struct weft__case_ops ops = { .name = "semaphore",
                                               .attempt = attempt,
                                               .blocked = blocked };
    if (sem && sem->_flags & WEFT_SHARED)
        return weft__shared_semaphore_case(sem);
    return sem ? weft__case(&ops, sem, NULL, 0, &sem->_word, queue(sem)) : (struct weft_case){ 0 };
}

int weft_semaphore_release(weft_semaphore *sem, uint32_t n)
{
    struct weft__task *chain = NULL, **end = &chain;
    struct weft__wait_node *node;
    weft__point("semaphore release");
    if (unlikely(sem->_flags & WEFT_SHARED))
        return weft__shared_semaphore_release(sem, n);
    weft__word_lock(&sem->_word);
    uint32_t most = sem->_max ? sem->_max : UINT32_MAX;
    if (n > most - sem->_value) { /* those who wait would take some: then value is 0 */
        weft__word_unlock(&sem->_word);
        return -EOVERFLOW;
    }
    for (; n > 0 && (node = weft__claim_first(queue(sem))); n--) {
        node->task->next = NULL;
        *end = node->task;
        end = &node->task->next;
    }
    store_relaxed(&sem->_value, sem->_value + n);
    weft__word_unlock(&sem->_word);
    weft__ready_all(chain);
    return 0;
}

uint32_t weft_semaphore_value(const weft_semaphore *sem)
{
    return sem->_flags & WEFT_SHARED ? weft__shared_semaphore_value(sem)
                                     : load_relaxed(&sem->_value);
}

void weft_semaphore_fini(weft_semaphore *sem)
{
    if (sem->_flags & WEFT_OWNED)
        weft__cells_free((weft__cells *)&sem->_first);
    WEFT_BUG_ON(!(sem->_flags & WEFT_SHARED) && weft__is_waited_for(&sem->_word, queue(sem)),
                "semaphore %p is torn down under a waiter", (void *)sem);
    *sem = (weft_semaphore){ 0 };
}
