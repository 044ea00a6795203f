/* weft/queue.h - values from task to task, first in first out.
 *
 *     struct job slots[8];
 *     weft_queue q;
 *     weft_queue_init(&q, slots, 8, sizeof (struct job), 0);
 *     weft_queue_put(&q, &job, sizeof job, weft_never());
 *     while (weft_queue_get(&q, &job, sizeof job, weft_never()) == 1)
 *         work(&job);
 */
#ifndef WEFT_QUEUE_H
#define WEFT_QUEUE_H

#include <weft/base.h>
#include <weft/time.h>

WEFT_BEGIN

typedef struct weft_queue { /* private; 128 bytes */
    uint32_t _word, _flags;
    uint32_t _head, _length; /* slots in use begin at _head */
    uint32_t _count, _size;  /* slots; bytes of an element */
    uint32_t _producers, _closed;
    unsigned char *_slots;
    void *_getters, *_getters_last, *_putters, *_putters_last;
    uint64_t _reserved[7];
} weft_queue;

/* Prepare a queue.
 *   slots  count * size bytes of the caller's, for the queue's life; NULL with count 0
 *   count  how many values wait inside; 0: a hand-over, each put waits for its get
 *   size   bytes of a value, >= 1
 *   flags  as weft_lock_init's
 * Returns   0; -EINVAL, -ENOTSUP
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_queue_init(weft_queue *queue, void *slots, uint32_t count, uint32_t size,
                             unsigned flags);

/* Put a value in, waiting for room.
 *   value, size  size must be the queue's
 * Returns   0; -EPIPE the queue is closed, -ETIMEDOUT, -ECANCELED, -EINVAL (size): not put
 * Context   task or thread; any number at once
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_queue_put(weft_queue *queue, const void *value, size_t size,
                                      weft_deadline deadline);

/* Get the oldest value, waiting for one.
 * Returns   1 it is in *out; 0 the queue is closed and empty; -ETIMEDOUT, -ECANCELED, -EINVAL (size):
 *           nothing was taken, *out is untouched
 * Context   task or thread; any number at once
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_queue_get(weft_queue *queue, void *out, size_t size,
                                      weft_deadline deadline);

/* Say how many producers there are: only the n-th close then closes the queue, so no task is needed
 * that waits for the others. Without it one close does.
 * Context   before the first close
 * Cancels   no.   Since 0.1
 */
WEFT_API void weft_queue_producers(weft_queue *queue, uint32_t n);

/* One producer is done. After the last one puts are -EPIPE, gets take what is left and then get 0; all
 * who wait in vain are woken. Closing a closed queue changes nothing.
 * Context   task or thread
 * Cancels   no.   Since 0.1
 */
WEFT_API void weft_queue_close(weft_queue *queue);

/* How many values are inside; stale when it is read.
 * Returns   the count
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API uint32_t weft_queue_length(const weft_queue *queue);

/* End its use; values left inside are forgotten. A waiter is a bug: reported, then abort. Zeroed
 * memory is fine.
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API void weft_queue_fini(weft_queue *queue);

WEFT_END
#endif
