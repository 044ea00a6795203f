/* fiber.c - strands that are switched between by name.
 *
 * All that run below one another on one caller pass that caller on; who ends, or switches to NULL, goes
 * back to it. What a switch hands over is a message on the stack that was left.
 */
#include <errno.h>
#include <weft/fiber.h>

#include "base/report.h"
#include "sched/strand.h"

enum state { ENDED, NEW, STANDING, RUNNING };

struct message {
    void *value;
    int error;
    struct weft__strand *ended; /* its stack is free now */
};

int weft_fiber_init_at(weft_fiber *fiber, weft_fiber_fn *fn, weft_fiber *parent, const char *site)
{
    if (!fn || parent == fiber)
        return -EINVAL;
    *fiber = (weft_fiber){ ._fn = fn, ._parent = parent, ._site = site, ._state = NEW };
    return 0;
}

static weft_fiber *current(const struct weft__task *self)
{
    struct weft__strand *strand = self ? self->strand : NULL;
    return strand && !strand->is_generator ? strand->object : NULL;
}

/* Somebody has switched here. */
static int take(const struct message *message, void **got)
{
    struct message taken = *message; /* it may lie on the stack that is freed */
    if (taken.ended)
        weft__strand_free(weft__current, taken.ended);
    if (taken.error == 0 && got)
        *got = taken.value;
    return taken.error;
}

static void fiber_main(void *handed)
{
    struct weft__strand *strand = weft__current->strand;
    weft_fiber *fiber = strand->object, *to = NULL;
    const struct message *first =
        handed; /* from a fiber that goes on: none ends for one that begins */
    weft__strand_arrive(strand);
    struct message last = { fiber->_fn(first->value), 0, strand };
    struct weft__task *self = weft__current;
    if (!fiber->_closing)
        for (to = fiber->_parent; to; to = to->_parent)
            if (to->_state == STANDING && to->_strand->home == strand->home)
                break;
    fiber->_state = ENDED;
    if (to) {
        to->_state = RUNNING;
        weft__strand_pass(self, strand, to->_strand, true);
    } else {
        weft__strand_leave(self, strand, true);
    }
    weft__switch(&strand->sp, to ? to->_strand->sp : strand->caller->sp, &last);
    __builtin_unreachable();
}

static const struct message *enter(struct weft__task *self, struct weft__strand *strand,
                                   struct message *message)
{
    struct weft__strand_caller here;
    weft__strand_enter(self, strand, &here);
    message = weft__switch(&here.sp, strand->sp, message);
    weft__hooks_arrive(&here.hooks);
    return message;
}

/* Let it be switched to. */
static int prepare(weft_fiber *to, struct weft__task *self)
{
    if (to->_state == ENDED)
        return -ESRCH;
    if (to->_state == RUNNING)
        return -EBUSY;
    if (to->_state == NEW) {
        to->_strand = weft__strand_new(self, fiber_main, to, false, to->_site);
        if (!to->_strand)
            return -ENOMEM;
    } else if (to->_strand->home != weft__strand_home(self)) {
        return weft__failed(-EPERM, "%s began on another thread", to->_site);
    }
    to->_state = RUNNING;
    return 0;
}

int weft_fiber_switch(weft_fiber *to, void *give, void **got)
{
    struct weft__task *self = weft__self();
    weft_fiber *me = current(self);
    struct message message = { give, 0, NULL };
    if (!self)
        return -ENOMEM;
    if (me && me->_closing)
        return -ECANCELED;
    if (me && !weft__strand_may_leave(self, me->_strand))
        return -EINVAL;
    weft__point("switch");
    if (to == me)
        return take(&message, got);
    int r = to ? prepare(to, self) : 0;
    if (r < 0)
        return r;
    if (!me)
        return take(enter(self, to->_strand, &message), got);
    struct weft__strand *strand = me->_strand;
    me->_state = STANDING;
    if (to)
        weft__strand_pass(self, strand, to->_strand, false);
    else
        weft__strand_leave(self, strand, false);
    const struct message *answer =
        weft__switch(&strand->sp, to ? to->_strand->sp : strand->caller->sp, &message);
    weft__strand_arrive(strand);
    return take(answer, got);
}

weft_fiber *weft_fiber_current(void)
{
    return current(weft__current);
}

weft_fiber *weft_fiber_parent(const weft_fiber *fiber)
{
    return fiber->_parent;
}

bool weft_fiber_is_ended(const weft_fiber *fiber)
{
    return fiber->_state == ENDED;
}

void weft_fiber_fini(weft_fiber *fiber)
{
    if (fiber->_state == STANDING || fiber->_state == RUNNING) {
        struct weft__task *self = weft__self();
        int r = self ? prepare(fiber, self) : -ENOMEM;
        WEFT_BUG_ON(r < 0, "weft: fiber %p (%s) cannot be ended: %s", (void *)fiber, fiber->_site,
                    weft_strerror(r));
        fiber->_closing = true;
        take(enter(self, fiber->_strand, &(struct message){ NULL, -ECANCELED, NULL }), NULL);
    }
    *fiber = (weft_fiber){ 0 };
}
