/* weft/queue.h - values from task to task: the oldest first, the latest first, or by priority; messages from
 * process to process.
 *
 *     WEFT_QUEUE_OF(jobs, struct job);
 *     static jobs todo;
 *
 *     jobs_init(&todo, NULL, 100, 0);
 *     jobs_put(&todo, job, weft_never());                // each producer, and when it is done:
 *     weft_queue_close(&todo.queue);
 *     while (jobs_get(&todo, &job, weft_never()) == 1)   // each consumer, to the end
 *         work(&job);
 *
 * Between processes it lies in the arena, and its values may be messages of any length:
 *
 *     weft_queue *mail = weft_arena_alloc(sizeof *mail);
 *     weft_queue_init(mail, NULL, 100, 0, WEFT_SHARED);
 *     weft_group_spawn(&g, WEFT_PROCESS, read_mail, mail);
 *     weft_queue_put(mail, "hello", 6, weft_never());                          // here
 *     weft_queue_get_message(mail, text, sizeof text, &length, weft_never());  // there
 *
 * A process that is killed, at whatever instruction, loses the message that it is putting or has got, and no
 * other (with WEFT_ACK not even that one); nobody ever gets half a message.
 */
#ifndef WEFT_QUEUE_H
#define WEFT_QUEUE_H

#include <weft/base.h>
#include <weft/time.h>

WEFT_BEGIN

enum weft_queue_flags {
    WEFT_FIFO = 0,           /* get takes the oldest value */
    WEFT_LIFO = 1u << 1,     /* the latest */
    WEFT_PRIORITY = 1u << 2, /* the one of the lowest priority, of equals the oldest */
    WEFT_ACK =
        1u << 3 /* with WEFT_SHARED: what a process has got stays until weft_queue_task_done; when
                                it dies before, another gets it */
};

/* As many values as memory allows: no put waits. */
#define WEFT_UNBOUNDED UINT32_MAX

/* Bytes of a slot of a priority queue for values of so many bytes. */
#define WEFT_PRIORITY_SLOT(size) (((size_t)(size) + 7) / 8 * 8 + 16)

/* Bytes of the slots of a shared queue in a segment, for so many values of so many bytes (0: messages). */
#define WEFT_SEGMENT_SLOTS(count, size) \
    (256 + (size_t)(count) * ((((size_t)(size) ? (size_t)(size) + 24 : 128) + 63) / 64 * 64))

typedef struct weft_queue { /* private; 128 bytes */
    uint32_t _word, _flags;
    uint32_t _head, _length; /* values begin in slot _head */
    uint32_t _room, _count;  /* slots; how many there may be */
    uint32_t _size;          /* bytes of a value */
    uint32_t _producers;     /* that are not done; 0: closed */
    unsigned char *_slots;
    void *_getters, *_putters; /* who waits, and below the last of them */
    uint64_t _put, _done;      /* values that came in; that were reported done */
    void *_getters_last, *_putters_last, *_joiners, *_joiners_last;
    uint8_t _doubts[2], _skips[2]; /* of getters and putters: does it pay to look on */
    uint32_t _unused;
    uint64_t _limit; /* bytes inside; shared queues */
    uint64_t _reserved;
} weft_queue;

/* Prepare a queue.
 *   slots  NULL: it takes memory from the allocator as values come, and gives it back as they go. Else
 *          the caller's, for the queue's life: count * size bytes; with WEFT_PRIORITY count *
 *          WEFT_PRIORITY_SLOT(size), aligned to 8
 *   count  how many values wait inside at most, or WEFT_UNBOUNDED (slots NULL); 0: a hand-over, each put
 *          waits for its get
 *   size   bytes of a value, >= 1
 *   flags  of enum weft_queue_flags (with count 0 none). WEFT_SHARED: the queue lies in the arena, slots is
 *          NULL (it takes its memory from the arena), count is 1 to 2^27 - 1, and size may be 0: each value
 *          is a message of its own length. Or it lies in a segment, and slots too: WEFT_SEGMENT_SLOTS(count,
 *          size) bytes, aligned to 64; a message is then no longer than 104 bytes. With WEFT_LIFO and
 *          WEFT_PRIORITY a process that is stopped in the middle of a call holds up the others, till their
 *          deadlines
 * Returns   0; -EINVAL; shared: -ENOMEM, -ENOTSUP (WEFT_LIFO, WEFT_PRIORITY with WEFT_ACK or in a segment; in a
 *           segment without /proc), with words in weft_why()
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_queue_init(weft_queue *queue, void *slots, uint32_t count, uint32_t size,
                             unsigned flags);

/* Put a value in, waiting for room. In a priority queue its priority is 0.
 *   value, size  size must be the queue's; of a queue of messages (size 0) any
 * Returns   0; -EPIPE the queue is closed, -ETIMEDOUT, -ECANCELED, -EINVAL (size), -ENOMEM (of a queue
 *           without slots of the caller's; of a message too long for the arena), -EMSGSIZE (of a message too
 *           long for a slot in a segment): not put
 * Context   task or thread; any number at once
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_queue_put(weft_queue *queue, const void *value, size_t size,
                                      weft_deadline deadline);

/* Put a value into a priority queue. Those who wait for room enter in the order of waiting.
 *   priority  lower ones are got first
 * Returns   as weft_queue_put; -EINVAL also when it is no priority queue
 * Context   task or thread; any number at once
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_queue_put_at(weft_queue *queue, const void *value, size_t size,
                                         int64_t priority, weft_deadline deadline);

/* Get the value that is next, waiting for one.
 * Returns   1 it is in *out; 0 the queue is closed and empty; -ETIMEDOUT, -ECANCELED, -EINVAL (size):
 *           nothing was taken, *out is untouched
 * Context   task or thread; any number at once
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_queue_get(weft_queue *queue, void *out, size_t size,
                                      weft_deadline deadline);

/* Get the next message of a shared queue, waiting for one.
 *   out, room  where to, and how many bytes at most
 *   size       its length; also when it is too long
 * Returns   1 it is in out; 0 the queue is closed and empty; -EMSGSIZE it is longer than room, and stays, so
 *           that a larger buffer gets it (or another getter does); -ETIMEDOUT, -ECANCELED, -ENOMEM, -EINVAL
 *           (not shared): nothing was taken
 * Context   task or thread; any number at once
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_queue_get_message(weft_queue *queue, void *out, size_t room,
                                              size_t *size, weft_deadline deadline);

/* Put a block of weft_arena_alloc into a shared queue: the bytes are not copied, the block changes hands.
 *   block, size  its first size bytes are the message; size as weft_queue_put's
 * Returns   as weft_queue_put; -EINVAL also when the queue is not shared, or in a segment, or this is no such
 *           block
 * Context   task or thread; any number at once
 * Cancels   yes
 * Owns      on 0 the block is the queue's, else still the caller's.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_queue_put_block(weft_queue *queue, void *block, size_t size,
                                            weft_deadline deadline);

/* Get the next message of a shared queue as a block, however it was put. Nothing is copied if it was long,
 * or put as a block; with WEFT_ACK it is always a copy.
 *   block, size  where the block goes, and the length of the message in it
 * Returns   1; 0 the queue is closed and empty; -ETIMEDOUT, -ECANCELED, -ENOMEM, -EINVAL (not shared):
 *           nothing was taken
 * Context   task or thread; any number at once
 * Cancels   yes
 * Owns      on 1 the block is the caller's, for weft_arena_free or the next put.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_queue_get_block(weft_queue *queue, void **block, size_t *size,
                                            weft_deadline deadline);

/* Bound the bytes inside a shared queue too: a put waits for room for its message, about; one that is
 * longer than the bound enters when no other is inside.
 *   bytes  0: no bound
 * Returns   0; -EINVAL (not shared)
 * Context   before the first put
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_queue_limit(weft_queue *queue, uint64_t bytes);

/* Put n values in, in their order, waiting for room as often as needed; others' may come in between.
 *   values, n, size  an array of n (1 to INT_MAX) values; size must be the queue's
 *   deadline         of the whole call
 * Returns   n; or less, but at least 1: the first so many are in, and then came the deadline, a cancel,
 *           the close or want of memory, as the next call will tell; or an error of weft_queue_put: none is in
 * Context   task or thread; any number at once
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_queue_put_many(weft_queue *queue, const void *values, uint32_t n,
                                           size_t size, weft_deadline deadline);

/* Get what is there, waiting for the first value only.
 *   out, max, size  an array for max (1 to INT_MAX) values; size must be the queue's
 * Returns   how many, in the order in which single gets would have taken them; 0, negative: as
 *           weft_queue_get
 * Context   task or thread; any number at once
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_queue_get_many(weft_queue *queue, void *out, uint32_t max, size_t size,
                                           weft_deadline deadline);

/* Say how many producers there are: only the n-th close then closes the queue, so no task is needed
 * that waits for the others. Without it one close does.
 *   n  >= 1
 * Context   before the first close
 * Cancels   no.   Since 0.1
 */
WEFT_API void weft_queue_producers(weft_queue *queue, uint32_t n);

/* One producer is done. After the last one puts are -EPIPE, gets take what is left and then get 0; all
 * who wait in vain are woken. Closing a closed queue changes nothing. A process that dies has not closed:
 * who learns of it, by a join, closes in its stead.
 * Context   task or thread
 * Cancels   no.   Since 0.1
 */
WEFT_API void weft_queue_close(weft_queue *queue);

/* Say that the work on a value that was got is done: what weft_queue_join waits for. A shared queue has
 * it with WEFT_ACK only: there it is the oldest value that the calling task has in hand.
 * Returns   0; -EINVAL: as many as were put in are done already; the task has none in hand; no WEFT_ACK
 * Context   task or thread
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_queue_task_done(weft_queue *queue);

/* Wait until as many values were reported done as were put in. Needs consumers that report.
 * Returns   0; -ETIMEDOUT, -ECANCELED; -EINVAL: a shared queue without WEFT_ACK
 * Context   task or thread; any number at once
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_queue_join(weft_queue *queue, weft_deadline deadline);

/* How many values are inside, and not in hand; stale when it is read.
 * Returns   the count
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API uint32_t weft_queue_length(const weft_queue *queue);

/* Is nothing inside, is there no room? Stale when it is read: to act on it, put or get at once. A
 * hand-over is both.
 * Returns   true or false
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API bool weft_queue_is_empty(const weft_queue *queue);
WEFT_API bool weft_queue_is_full(const weft_queue *queue);

/* End its use; values left inside are forgotten. A waiter is a bug: reported, then abort. Zeroed
 * memory is fine.
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API void weft_queue_fini(weft_queue *queue);

/* Make a type of queue for values of one type, and its calls, so that the compiler checks what goes in
 * and comes out. All other calls take &q->queue.
 *     WEFT_QUEUE_OF(numbers, long);
 *     int numbers_init(numbers *q, long *slots, uint32_t count, unsigned flags);
 *     int numbers_put(numbers *q, long value, weft_deadline deadline);
 *     int numbers_put_at(numbers *q, long value, int64_t priority, weft_deadline deadline);
 *     int numbers_get(numbers *q, long *out, weft_deadline deadline);
 *   slots  NULL for a priority queue
 */
#define WEFT_QUEUE_OF(name, type)                                                             \
    typedef struct name {                                                                     \
        weft_queue queue;                                                                     \
    } name;                                                                                   \
    WEFT__QUEUE_CALL name##_init(name *q, type *slots, uint32_t count, unsigned flags)        \
    {                                                                                         \
        return slots && (flags & WEFT_PRIORITY)                                               \
                   ? -EINVAL                                                                  \
                   : weft_queue_init(&q->queue, slots, count, (uint32_t)sizeof(type), flags); \
    }                                                                                         \
    WEFT_MUST WEFT__QUEUE_CALL name##_put(name *q, type value, weft_deadline deadline)        \
    {                                                                                         \
        return weft_queue_put(&q->queue, &value, sizeof value, deadline);                     \
    }                                                                                         \
    WEFT_MUST WEFT__QUEUE_CALL name##_put_at(name *q, type value, int64_t priority,           \
                                             weft_deadline deadline)                          \
    {                                                                                         \
        return weft_queue_put_at(&q->queue, &value, sizeof value, priority, deadline);        \
    }                                                                                         \
    WEFT_MUST WEFT__QUEUE_CALL name##_get(name *q, type *out, weft_deadline deadline)         \
    {                                                                                         \
        return weft_queue_get(&q->queue, out, sizeof *out, deadline);                         \
    }                                                                                         \
    struct name
#define WEFT__QUEUE_CALL __attribute__((unused)) static inline int

WEFT_END
#endif
