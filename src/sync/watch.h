/* sync/watch.h - sleep until a word in shared memory changes, or a death has been put right. */
#ifndef WEFT_SYNC_WATCH_H
#define WEFT_SYNC_WATCH_H

#include "sched/wait.h"
#include "shared/tree.h"

/* Read it before the last look at the object: a death between look and sleep then ends the sleep. */
static inline uint32_t weft__death_epoch(void)
{
    return weft__tree ? load_acquire(&weft__tree->epoch) : 0;
}

/* Sleep while *word == seen and no death came after `epoch` was read. For no reason too: look again.
 *   deadline  absolute: weft__deadline_fix makes it so, once a call
 * 0 look again; -ENOMEM (no thread for it); -ETIMEDOUT, -ECANCELED: then a wake-up that was meant for the caller may be used up, so
 * whoever could take what it was for takes it, or wakes another: weft__shared_wake. */
int weft__watch_wait(const uint32_t *word, uint32_t seen, uint32_t epoch, weft_deadline deadline,
                     const char *reason, const void *object);
int weft__shared_wake(const uint32_t *word, int n); /* how many */

static inline weft_deadline weft__deadline_fix(weft_deadline deadline)
{
    return (weft_deadline){ weft__deadline_at(deadline) };
}

/* One of several things that a task waits for (a select): between begin and end the words are looked at by
 * a thread of their own, who wakes the first node of the queue when one has moved. */
struct weft__sentry;

struct weft__watch {
    struct weft__watch *next, *prev; /* of its sentry's */
    struct weft__sentry *sentry;     /* NULL: no more */
    const uint32_t *word;
    uint32_t seen, epoch;
    uint32_t spin;  /* of the queue: the object's word for weft__wait_on */
    uint32_t place; /* among the words that the sentry sleeps on; 0: not yet */
    bool moved;
    struct weft__wait_node *first, *last;
};

/* 0; -ENOMEM: then no end. */
int weft__watch_begin(struct weft__watch *watch, const uint32_t *word, uint32_t seen,
                      uint32_t epoch);
void weft__watch_end(struct weft__watch *watch);

#endif
