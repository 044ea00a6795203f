/* event.c - a flag to wait for: bit 1 of the word. */
#include <weft/event.h>

#include "sched/case.h"
#include "sync/shared.h"
#include "sync/sync.h"

enum { SET = 2 };

static struct weft__wait_queue queue(weft_event *event)
{
    return WEFT__WAIT_QUEUE(&event->_first, &event->_last);
}

int weft_event_init(weft_event *event, unsigned flags)
{
    int r = weft__object_flags(event, flags, 0);
    if (r == 0)
        *event = (weft_event){ ._flags = flags };
    return r;
}

void weft_event_set(weft_event *event)
{
    weft__point("event set");
    if (unlikely(event->_flags & WEFT_SHARED)) {
        weft__shared_event_set(event);
        return;
    }
    weft__word_lock(&event->_word);
    struct weft__task *all = weft__claim_all(queue(event), 0);
    weft__word_unlock_to(&event->_word, SET);
    weft__ready_all(all);
}

void weft_event_clear(weft_event *event)
{
    weft__point("event clear");
    if (unlikely(event->_flags & WEFT_SHARED)) {
        weft__shared_event_clear(event);
        return;
    }
    weft__word_lock(&event->_word);
    weft__word_unlock_to(&event->_word, 0);
}

bool weft_event_is_set(const weft_event *event)
{
    return load_acquire(&event->_word) & SET;
}

int weft_event_wait(weft_event *event, weft_deadline deadline)
{
    struct weft__task *self;
    int r = weft__wait_enter(&self);
    if (r < 0)
        return r;
    weft__point("event wait");
    if (load_acquire(&event->_word) & SET)
        return 0;
    if (unlikely(event->_flags & WEFT_SHARED))
        return weft__shared_event_wait(event, deadline);
    weft__word_lock(&event->_word);
    if (load_relaxed(&event->_word) & SET) {
        weft__word_unlock(&event->_word);
        return 0;
    }
    struct weft__wait_node node;
    return weft__wait_on(&event->_word, queue(event), &node, self, deadline, "event", event);
}

static int attempt(struct weft_case *c)
{
    return weft_event_wait(c->_on, weft_at_once());
}

static bool blocked(struct weft_case *c, struct weft__task *self)
{
    (void)self;
    return !(load_relaxed(c->_word) & SET);
}

struct weft_case weft_on_event(weft_event *event)
{
    static const struct weft__case_ops ops = { .name = "event",
                                               .attempt = attempt,
                                               .blocked = blocked };
    if (event && event->_flags & WEFT_SHARED)
        return weft__shared_event_case(event);
    return event ? weft__case(&ops, event, NULL, 0, &event->_word, queue(event))
                 : (struct weft_case){ 0 };
}

void weft_event_fini(weft_event *event)
{
    WEFT_BUG_ON(!(event->_flags & WEFT_SHARED) && weft__is_waited_for(&event->_word, queue(event)),
                "event %p is torn down under a waiter", (void *)event);
    *event = (weft_event){ 0 };
}
