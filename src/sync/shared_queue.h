/* sync/shared_queue.h - the calls of weft_queue for one that lies in the arena. */
#ifndef WEFT_SYNC_SHARED_QUEUE_H
#define WEFT_SYNC_SHARED_QUEUE_H

#include <weft/queue.h>

#include "sched/case.h"

/* What a put brings, or where a get's goes. */
struct weft__message {
    const void *from;
    void *to;
    size_t size, room; /* of the message; at `to` */
    void *block; /* put: with the caller's, or one already filled; get: the message itself, not a copy */
    int64_t priority;
    weft_deadline deadline;    /* of the call */
    bool moves;                /* the block changes hands */
    bool looks;                /* get: only whether there is one */
    bool (*left)(void *other); /* NULL, or: will nobody come whom this one waits for? */
    void *other;
};

int weft__shared_queue_init(weft_queue *q, void *slots, uint32_t count, uint32_t size,
                            unsigned flags);
int weft__shared_queue_put(weft_queue *q, struct weft__message *message, weft_deadline deadline);
int weft__shared_queue_get(weft_queue *q, struct weft__message *message, weft_deadline deadline);
void weft__shared_queue_close(weft_queue *q);
int weft__shared_queue_done(weft_queue *q);
int weft__shared_queue_join(weft_queue *q, weft_deadline deadline);
uint32_t weft__shared_queue_length(const weft_queue *q);
bool weft__shared_queue_is_empty(const weft_queue *q),
    weft__shared_queue_is_full(const weft_queue *q);
void weft__shared_queue_fini(weft_queue *q);
struct weft_case weft__shared_queue_case(weft_queue *q, void *value, size_t size, bool puts);
/* What a case needs: NULL, or the word to watch while there is nothing to get, or no room for size bytes. And
 * after the watch. */
const uint32_t *weft__shared_queue_look(weft_queue *q, bool puts, size_t size, uint32_t *seen);
void weft__shared_queue_pass(weft_queue *q, bool puts);

/* The arena asks for a block that a dead process has lent to a slot. */
bool weft__shared_queue_has(const void *block, uint64_t slot);

#endif
