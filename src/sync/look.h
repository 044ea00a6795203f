/* sync/look.h - looking on, before one waits for a queue.
 *
 * Between two threads the faster one would wait for each value, or for each slot: parked, and woken
 * through the kernel, which takes longer than to fill or to empty the queue. So who has nothing else to
 * do looks on first, for about as long as a wake-up takes and less and less often: the other end keeps
 * the cache lines meanwhile, and several values, or slots, gather. Whether it pays is learnt: each look
 * in vain doubles the waits that go without one, each that paid halves them. What was learnt stands in the
 * queue, for each side.
 */
#ifndef WEFT_SYNC_LOOK_H
#define WEFT_SYNC_LOOK_H

#include <weft/queue.h>

#include "sched/task.h"

enum { WEFT__LOOK_ON = 20000 /* ns */, WEFT__DOUBTS = 3, WEFT__DOUBTS_MAX = 6 };

static inline uint8_t weft__skips_of(uint8_t doubts)
{
    return (uint8_t)((1u << doubts) - 1);
}

/* Whoever has other work does not look on while it waits. */
static inline bool weft__has_work(const struct weft__worker *worker)
{
    return worker && (worker->first || worker->unstarted || load_relaxed(&worker->inbox));
}

/* Until it can go on, or it does not pay any more. deadline: absolute. */
static always_inline bool weft__look_on(weft_queue *q, unsigned side, const struct weft__task *self,
                                        weft_deadline deadline,
                                        bool (*can_go_on)(weft_queue *q, unsigned side))
{
    int64_t now = weft__now(), until = now + WEFT__LOOK_ON;
    until = deadline.ns < until ? deadline.ns : until;
    until = self->bound < until ? self->bound : until;
    bool pays = false;
    for (unsigned gap = 16; !pays && now < until && !weft__has_work(self->worker);
         now = weft__now()) {
        for (unsigned i = 0; i < gap; i++)
            cpu_relax();
        gap = gap < 64 ? gap * 2 : gap;
        pays = can_go_on(q, side);
    }
    return pays;
}

static inline void weft__look_learn(weft_queue *q, unsigned side, bool pays)
{
    uint8_t doubts = load_relaxed(&q->_doubts[side]);
    if (!pays && doubts < WEFT__DOUBTS_MAX)
        doubts++;
    else if (pays && doubts > 0)
        doubts--;
    store_relaxed(&q->_doubts[side], doubts);
    store_relaxed(&q->_skips[side], weft__skips_of(doubts));
}

#endif
