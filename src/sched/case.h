/* sched/case.h - what an object gives to weft_select (sync/select.c): its constructor of a case, and
 * these. */
#ifndef WEFT_SCHED_CASE_H
#define WEFT_SCHED_CASE_H

#include <weft/select.h>

#include "sched/wait.h"

struct weft__case_ops {
    const char *name; /* what it waits for, in a report */
    /* The object's own call with weft_at_once(): -ETIMEDOUT, or its result. */
    int (*attempt)(struct weft_case *c);
    /* With the spin bit held, before a node is queued: is there still nothing to be had? */
    bool (*blocked)(struct weft_case *c, struct weft__task *self);
    /* With the spin bit held: its node has been taken out in vain. NULL: nothing to do. */
    void (*left)(struct weft_case *c);
    /* It was handed over: what is left to do, and the result; -ETIMEDOUT: it was nothing after all.
     * NULL: the node's result says all. */
    int (*taken)(struct weft_case *c);
    /* It comes with time: when. Then it waits nowhere, and has only this and attempt. */
    int64_t (*when)(struct weft_case *c);
    /* Of a shared object, which has no queue: NULL when there may be something to be had, else the word to
     * watch, and what it was. And after a watch: who has perhaps used up a wake-up hands it on. */
    const uint32_t *(*look)(struct weft_case *c, uint32_t *seen);
    void (*pass)(struct weft_case *c);
    /* How to wait, if not by weft__wait. */
    int (*wait)(struct weft_case *on, size_t n, struct weft__task *self, uint64_t ticket,
                weft_deadline deadline);
};

_Static_assert(sizeof(struct weft__wait_node) <= sizeof(((struct weft_case *)0)->_node),
               "a node fits its place");

static inline struct weft__wait_node *weft__case_node(struct weft_case *c)
{
    return (struct weft__wait_node *)(void *)c->_node;
}

static inline void weft__case_place(struct weft_case *c, uint32_t *word, struct weft__wait_queue q)
{
    c->_word = word;
    c->_first = q.first;
    c->_last = q.last;
}

/* Field by field: for the whole, its node too, gcc makes a `rep stos`, which costs as much as a hop. */
static inline struct weft_case weft__case(const struct weft__case_ops *ops, void *on, void *value,
                                          uint64_t detail, uint32_t *word, struct weft__wait_queue q)
{
    struct weft_case c;
    c.result = 0;
    c._ops = ops;
    c._on = on;
    c._value = value;
    c._detail = detail;
    weft__case_place(&c, word, q);
    return c;
}

#endif
